// SPDX-License-Identifier: MIT
/*
 * What all of this process's objects of one memfd have in common. It is found by device and inode,
 * so that a descriptor that was sent away and came back leads to the same leases and transfer.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the list's; taken before share->state */
static struct memfd_share *first;

/*
 * In a child of fork: the shares and their locks are the parent's, and whoever held the list's lock
 * at the fork is not there to give it back.
 */
static void forget_parent(void)
{
	pthread_mutex_init(&lock, NULL);
	first = NULL;
}

static void watch_fork(void)
{
	pthread_atfork(NULL, NULL, forget_parent);
}

static struct memfd_share *find(const struct stat *status)
{
	struct memfd_share *share;

	for (share = first; share; share = share->next)
		if (share->device == status->st_dev && share->inode == status->st_ino)
			return share;
	return NULL;
}

/*
 * Moves the locks of a share that was only read so far to an open file that can write. The old file
 * keeps its locks until the new one has them, so that no other process comes between.
 */
static void let_write(struct memfd_share *share, int *lock_fd)
{
	int before = share->lock_fd;

	pthread_mutex_lock(&share->state);
	share->lock_fd = *lock_fd;
	ndma_memfd_lock_restore(share);
	share->locks_to_write = true;
	pthread_mutex_unlock(&share->state);
	*lock_fd = before;
}

static struct memfd_share *make(const struct stat *status, int lock_fd, bool readonly,
				const struct memfd_header *header)
{
	struct memfd_share *share = calloc(1, sizeof(*share));

	if (!share)
		return NULL;
	share->device = status->st_dev;
	share->inode = status->st_ino;
	share->process = ndma_process_id();
	share->bytes = header->bytes;
	share->capacity = header->capacity;
	share->layout = header->layout;
	share->lock_fd = lock_fd;
	share->locks_to_write = !readonly;
	share->transfer.faults = -1;
	pthread_mutex_init(&share->state, NULL);
	share->next = first;
	first = share;
	return share;
}

/* *@lock_fd becomes -1 where the share keeps it, else what the caller has to close. */
static int find_or_make(int *lock_fd, bool readonly, const struct memfd_header *header,
			bool made_here, struct memfd_share **out)
{
	struct memfd_share *share;
	struct stat status;

	if (fstat(*lock_fd, &status))
		return ndma_set_error(errno, "fstat of a memfd: %s", strerror(errno));
	pthread_mutex_lock(&lock);
	share = find(&status);
	if (!share) {
		share = make(&status, *lock_fd, readonly, header);
		if (share) {
			share->made_here = made_here;
			*lock_fd = -1;
		}
	} else if (!readonly && !share->locks_to_write) {
		let_write(share, lock_fd);
	}
	if (share)
		__atomic_add_fetch(&share->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
	if (!share)
		return ndma_set_error(ENOMEM, "no memory for a buffer object");
	*out = share;
	return 0;
}

int ndma_memfd_share_open(int fd, bool readonly, const struct memfd_header *header,
			  struct memfd_share **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct memfd_header copy;
	bool made_here = header;
	int lock_fd, rc = 0;

	pthread_once(&once, watch_fork);
	lock_fd = ndma_memfd_file_reopen(fd, readonly ? O_RDONLY : O_RDWR);
	if (lock_fd < 0)
		return lock_fd;
	if (!header) {
		rc = ndma_memfd_header_read(lock_fd, &copy);
		header = &copy;
	}
	if (!rc)
		rc = find_or_make(&lock_fd, readonly, header, made_here, out);
	if (lock_fd >= 0)
		close(lock_fd);
	return rc;
}

static void unlist(const struct memfd_share *share)
{
	struct memfd_share **link = &first;

	while (*link != share)
		link = &(*link)->next;
	*link = share->next;
}

void ndma_memfd_share_put(struct memfd_share *share)
{
	bool ours = share->process == ndma_process_id();
	bool last;

	if (ours)
		pthread_mutex_lock(&lock);
	last = !__atomic_sub_fetch(&share->refs, 1, __ATOMIC_ACQ_REL);
	if (ours) {
		if (last)
			unlist(share);
		pthread_mutex_unlock(&lock);
	}
	if (!last)
		return;
	if (ours) {
		ndma_memfd_deadline_drain(share);
		pthread_mutex_destroy(&share->state);
	} else if (share->transfer.faults >= 0) {
		close(share->transfer.faults);
	}
	/* In a child of fork the parent's open file stays, and its locks with it. */
	close(share->lock_fd);
	free(share);
}
