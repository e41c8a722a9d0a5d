// SPDX-License-Identifier: MIT
/*
 * OFD locks, which stand for leases and transfers. No call here waits for one: otherwise a peer
 * that keeps its lock would hang this process.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "memfd.h"

int ndma_memfd_lock(int fd, short type, off_t first, off_t count)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = first,
		.l_len = count,
	};

	if (!fcntl(fd, F_OFD_SETLK, &lock))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return -EAGAIN;
	return ndma_set_error(errno, "locking a memfd: %s", strerror(errno));
}

off_t ndma_memfd_lock_byte(uint32_t access)
{
	return access == NDMA_WRITE ? MEMFD_LOCK_WRITE : MEMFD_LOCK_READ;
}

/* A lock that becomes weaker or goes is in nobody's way, so these calls do not fail. */
void ndma_memfd_lock_restore(const struct memfd_share *share)
{
	ndma_memfd_lock(share->lock_fd, share->counts[0] ? F_RDLCK : F_UNLCK, MEMFD_LOCK_READ, 1);
	ndma_memfd_lock(share->lock_fd, share->counts[1] ? F_RDLCK : F_UNLCK, MEMFD_LOCK_WRITE, 1);
}

bool ndma_memfd_lock_is_foreign(const struct memfd_share *share, short type, off_t byte)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};

	return !fcntl(share->lock_fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}
