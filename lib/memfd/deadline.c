// SPDX-License-Identifier: MIT
/*
 * The deadlines of all transfers in this process: a sorted list, and one thread that sleeps until
 * the first of them.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "memfd.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the list's; taken under share->state */
static pthread_cond_t changed; /* the first entry */
static pthread_cond_t fired = PTHREAD_COND_INITIALIZER; /* a call of expire has returned */
static struct memfd_deadline *first;
static bool running;

static struct memfd_share *owner(struct memfd_deadline *deadline)
{
	return (struct memfd_share *)((char *)deadline - offsetof(struct memfd_share, deadline));
}

static void *run(void *unused)
{
	void (*expire)(struct memfd_share *);
	struct memfd_deadline *deadline;

	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		deadline = first;
		if (!deadline) {
			pthread_cond_wait(&changed, &lock);
		} else if (deadline->at_ns > ndma_memfd_now_ns()) {
			ndma_memfd_cond_until(&changed, &lock, deadline->at_ns);
		} else {
			first = deadline->next;
			deadline->listed = false;
			deadline->firing = true;
			expire = deadline->expire;
			pthread_mutex_unlock(&lock);
			expire(owner(deadline));
			pthread_mutex_lock(&lock);
			deadline->firing = false;
			pthread_cond_broadcast(&fired);
		}
	}
	return NULL;
}

/*
 * A child of fork has neither the thread nor the transfers, and whoever held the lock at the fork
 * is not there to give it back.
 */
static void forget_parent(void)
{
	pthread_mutex_init(&lock, NULL);
	ndma_memfd_cond_init(&changed);
	pthread_cond_init(&fired, NULL);
	first = NULL;
	running = false;
}

static void prepare(void)
{
	ndma_memfd_cond_init(&changed);
	pthread_atfork(NULL, NULL, forget_parent);
}

static int start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sigset_t all, before;
	pthread_t thread;
	int rc;

	pthread_once(&once, prepare);
	/* The program's signal handlers must run in threads that the program knows. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return ndma_set_error(ENOMEM, "a thread for the deadlines of transfers: %s",
				      strerror(rc));
	pthread_detach(thread);
	running = true;
	return 0;
}

static void unlist(struct memfd_deadline *deadline)
{
	struct memfd_deadline **link = &first;

	while (*link != deadline)
		link = &(*link)->next;
	*link = deadline->next;
	deadline->listed = false;
}

int ndma_memfd_deadline_add(struct memfd_share *share, void (*expire)(struct memfd_share *share))
{
	struct memfd_deadline *deadline = &share->deadline;
	struct memfd_deadline **link = &first;
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (!running)
		rc = start();
	if (rc)
		goto unlock;
	if (deadline->listed)
		unlist(deadline);
	deadline->at_ns = share->transfer.until_ns;
	deadline->expire = expire;
	while (*link && (*link)->at_ns <= deadline->at_ns)
		link = &(*link)->next;
	deadline->next = *link;
	*link = deadline;
	deadline->listed = true;
	if (first == deadline)
		pthread_cond_signal(&changed);
unlock:
	pthread_mutex_unlock(&lock);
	return rc;
}

void ndma_memfd_deadline_remove(struct memfd_share *share)
{
	pthread_mutex_lock(&lock);
	if (share->deadline.listed)
		unlist(&share->deadline);
	pthread_mutex_unlock(&lock);
}

void ndma_memfd_deadline_drain(struct memfd_share *share)
{
	struct memfd_deadline *deadline = &share->deadline;

	pthread_mutex_lock(&lock);
	if (deadline->listed)
		unlist(deadline);
	while (deadline->firing)
		pthread_cond_wait(&fired, &lock);
	pthread_mutex_unlock(&lock);
}
