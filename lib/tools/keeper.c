// SPDX-License-Identifier: MIT
/* The thread that waits for the disk, so that frames do not. It alone closes recordings. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "record.h"

/* Recordings that wait to be finished: a disk so slow that more do is one that gets no further. */
#define ROOM 8

/**
 * struct keeper - see there
 * @thread: the thread
 * @sync_ns: between two syncs; 0: none
 * @lock: protects what follows
 * @changed: some of it changed
 * @current: the recording that grows, or NULL
 * @old: those that do not, @nr_old of them, oldest first
 * @ends: no more come
 * @failed: something went wrong
 */
struct keeper {
	pthread_t thread;
	int64_t sync_ns;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ndma_record *current;
	struct ndma_record *old[ROOM];
	unsigned int nr_old;
	bool ends;
	bool failed;
};

/* A full disk says so at every sync: once is enough. */
static void note(struct keeper *keeper, int rc)
{
	if (rc && !keeper->failed)
		fprintf(stderr, "%s: %s\n", record_name, ndma_error());
	keeper->failed |= !!rc;
}

static void finish_oldest(struct keeper *keeper)
{
	struct ndma_record *record = keeper->old[0];
	unsigned int i;
	int rc;

	pthread_mutex_unlock(&keeper->lock);
	rc = ndma_record_finish(record);
	ndma_record_close(record);
	pthread_mutex_lock(&keeper->lock);
	for (i = 1; i < keeper->nr_old; i++)
		keeper->old[i - 1] = keeper->old[i];
	keeper->nr_old--;
	note(keeper, rc);
	pthread_cond_broadcast(&keeper->changed);
}

/* Whoever gives another one meanwhile leaves this one in @old, and it is not closed in here. */
static void sync_current(struct keeper *keeper)
{
	struct ndma_record *record = keeper->current;
	int rc;

	if (!record)
		return;
	pthread_mutex_unlock(&keeper->lock);
	rc = ndma_record_sync(record);
	pthread_mutex_lock(&keeper->lock);
	note(keeper, rc);
}

/* True: that long nothing has changed. */
static bool wait_for_change(struct keeper *keeper)
{
	struct timespec until;

	if (!keeper->sync_ns) {
		pthread_cond_wait(&keeper->changed, &keeper->lock);
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += keeper->sync_ns / 1000000000;
	until.tv_nsec += keeper->sync_ns % 1000000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return pthread_cond_timedwait(&keeper->changed, &keeper->lock, &until) == ETIMEDOUT;
}

static void *keep(void *argument)
{
	struct keeper *keeper = argument;

	pthread_mutex_lock(&keeper->lock);
	while (!keeper->ends || keeper->nr_old) {
		if (keeper->nr_old)
			finish_oldest(keeper);
		else if (wait_for_change(keeper))
			sync_current(keeper);
	}
	pthread_mutex_unlock(&keeper->lock);
	return NULL;
}

struct keeper *keeper_start(int64_t sync_ns)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	pthread_condattr_t monotonic;
	int rc = ENOMEM;

	if (keeper) {
		keeper->sync_ns = sync_ns;
		pthread_mutex_init(&keeper->lock, NULL);
		pthread_condattr_init(&monotonic);
		pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
		pthread_cond_init(&keeper->changed, &monotonic);
		pthread_condattr_destroy(&monotonic);
		rc = pthread_create(&keeper->thread, NULL, keep, keeper);
	}
	if (!rc)
		return keeper;
	free(keeper);
	errno = rc;
	perror(record_name);
	return NULL;
}

void keeper_give(struct keeper *keeper, struct ndma_record *record)
{
	pthread_mutex_lock(&keeper->lock);
	while (keeper->nr_old == ROOM)
		pthread_cond_wait(&keeper->changed, &keeper->lock);
	if (keeper->current)
		keeper->old[keeper->nr_old++] = keeper->current;
	keeper->current = record;
	pthread_cond_broadcast(&keeper->changed);
	pthread_mutex_unlock(&keeper->lock);
}

int keeper_end(struct keeper *keeper)
{
	int rc;

	if (!keeper)
		return 0;
	keeper_give(keeper, NULL);
	pthread_mutex_lock(&keeper->lock);
	keeper->ends = true;
	pthread_cond_broadcast(&keeper->changed);
	pthread_mutex_unlock(&keeper->lock);
	pthread_join(keeper->thread, NULL);
	rc = keeper->failed ? -1 : 0;
	pthread_cond_destroy(&keeper->changed);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
	return rc;
}
