// SPDX-License-Identifier: MIT
/*
 * Leases as OFD locks. No call here waits: a peer that never lets go can only be refused to, never
 * hang anybody.
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

static off_t lock_byte(uint32_t access)
{
	return access == NDMA_WRITE ? MEMFD_LOCK_WRITE : MEMFD_LOCK_READ;
}

/* Downgrading and unlocking wait for nobody and cannot fail. */
void ndma_memfd_lock_settle(struct memfd_buffer *buffer)
{
	uint32_t access;

	for (access = NDMA_READ; access <= NDMA_WRITE; access++)
		ndma_memfd_lock(buffer->lock_fd, buffer->held & access ? F_RDLCK : F_UNLCK,
				lock_byte(access), 1);
}

bool ndma_memfd_lock_is_foreign(const struct memfd_buffer *buffer, short type, off_t byte)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};

	return !fcntl(buffer->lock_fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

/* The direction of a transfer that another open file has begun, as far as locks tell. */
static uint32_t foreign_direction(const struct memfd_buffer *buffer)
{
	if (!ndma_memfd_lock_is_foreign(buffer, F_RDLCK, MEMFD_LOCK_WRITE))
		return 0;
	if (!ndma_memfd_lock_is_foreign(buffer, F_RDLCK, MEMFD_LOCK_READ))
		return NDMA_TO_DEVICE;
	return ndma_memfd_header_direction(buffer) == NDMA_BOTH ? NDMA_BOTH : NDMA_FROM_DEVICE;
}

/*
 * Called with the lock in hand: a transfer that excludes it cannot be on, and yet the header says
 * so. Its owner died, and is to be reported once.
 */
static int check_orphan(struct memfd_buffer *buffer, uint32_t access)
{
	uint32_t direction = ndma_memfd_header_direction(buffer);

	if (!direction || buffer->orphan_seen)
		return 0;
	if (direction == NDMA_TO_DEVICE && access == NDMA_READ)
		return 0;
	if (buffer->base.readonly)
		buffer->orphan_seen = true;
	else
		ndma_memfd_header_set_direction(buffer, 0);
	return ndma_set_error(EOWNERDEAD,
			      "the owner of this buffer died in a transfer: what it holds "
			      "is not to be trusted; ask again to look all the same");
}

int ndma_memfd_lease_acquire(struct ndma_buffer *base, uint32_t access, uint32_t *lease)
{
	struct memfd_buffer *buffer = ndma_memfd_buffer(base);
	uint32_t direction;
	int rc = -EBUSY;

	pthread_mutex_lock(&buffer->state);
	/* Our own transfer's lock would be given away by taking a lesser one. */
	direction = buffer->transfer.direction;
	if (direction && !(direction == NDMA_TO_DEVICE && access == NDMA_READ))
		goto unlock;
	rc = ndma_memfd_lock(buffer->lock_fd, F_RDLCK, lock_byte(access), 1);
	if (rc == -EAGAIN)
		rc = -EBUSY;
	if (rc)
		goto unlock;
	rc = direction ? 0 : check_orphan(buffer, access);
	if (!rc) {
		buffer->held |= access;
		*lease = access;
	} else {
		ndma_memfd_lock(buffer->lock_fd, F_UNLCK, lock_byte(access), 1);
	}
unlock:
	pthread_mutex_unlock(&buffer->state);
	return rc;
}

int ndma_memfd_lease_release(struct ndma_buffer *base, uint32_t lease)
{
	struct memfd_buffer *buffer = ndma_memfd_buffer(base);
	uint32_t direction;

	pthread_mutex_lock(&buffer->state);
	buffer->held &= ~lease;
	/* A guarded transfer has both bytes, or the writers' one, for itself. */
	direction = buffer->transfer.direction;
	if (!direction || (direction == NDMA_TO_DEVICE && lease == NDMA_READ))
		ndma_memfd_lock(buffer->lock_fd, F_UNLCK, lock_byte(lease), 1);
	pthread_mutex_unlock(&buffer->state);
	return 0;
}

int ndma_memfd_buffer_info(const struct ndma_buffer *base, struct ndma_buffer_info *info)
{
	struct memfd_buffer *buffer = ndma_memfd_buffer(base);
	bool read, write;

	pthread_mutex_lock(&buffer->state);
	info->direction = buffer->transfer.direction;
	info->guard = info->direction ? buffer->transfer.guard : NDMA_GUARD_NONE;
	if (!info->direction)
		info->direction = foreign_direction(buffer);
	info->owner = info->direction ? NDMA_OWNER_DEVICE : NDMA_OWNER_CPU;
	/* Others' locks can be seen, not counted, and a transfer's are not leases. */
	read = !(info->direction & NDMA_FROM_DEVICE) &&
	       ndma_memfd_lock_is_foreign(buffer, F_WRLCK, MEMFD_LOCK_READ);
	write = !info->direction && ndma_memfd_lock_is_foreign(buffer, F_WRLCK, MEMFD_LOCK_WRITE);
	info->read_leases = !!(buffer->held & NDMA_READ) + read;
	info->write_leases = !!(buffer->held & NDMA_WRITE) + write;
	info->own_leases = !!(buffer->held & NDMA_READ) + !!(buffer->held & NDMA_WRITE);
	pthread_mutex_unlock(&buffer->state);
	info->flags = base->readonly ? NDMA_BUFFER_READONLY : 0;
	info->node = NDMA_NODE_ANY;
	info->bytes = base->bytes;
	info->capacity = base->capacity;
	info->transfers = ndma_memfd_header_count(buffer, offsetof(struct memfd_header, transfers));
	info->aborted = ndma_memfd_header_count(buffer, offsetof(struct memfd_header, aborted));
	info->touches = ndma_memfd_header_count(buffer, offsetof(struct memfd_header, touches));
	return 0;
}

static int add_holder(struct ndma_holder *holders, size_t room, int count, uint32_t kind,
		      uint32_t access, pid_t pid)
{
	if ((size_t)count < room)
		holders[count] = (struct ndma_holder){
			.kind = kind,
			.access = access,
			.pid = pid,
			.count = 1,
		};
	return count + 1;
}

int ndma_memfd_buffer_holders(const struct ndma_buffer *base, struct ndma_holder *holders,
			      size_t room)
{
	struct memfd_buffer *buffer = ndma_memfd_buffer(base);
	uint32_t access, direction;
	int count = 0;

	pthread_mutex_lock(&buffer->state);
	direction = buffer->transfer.direction;
	if (direction)
		count = add_holder(holders, room, count, NDMA_HOLDER_TRANSFER, direction, getpid());
	else if ((direction = foreign_direction(buffer)))
		count = add_holder(holders, room, count, NDMA_HOLDER_TRANSFER, direction, 0);
	for (access = NDMA_READ; access <= NDMA_WRITE; access++) {
		if (buffer->held & access)
			count = add_holder(holders, room, count, NDMA_HOLDER_LEASE, access,
					   getpid());
		if ((!direction || (direction == NDMA_TO_DEVICE && access == NDMA_READ)) &&
		    ndma_memfd_lock_is_foreign(buffer, F_WRLCK, lock_byte(access)))
			count = add_holder(holders, room, count, NDMA_HOLDER_LEASE, access, 0);
	}
	pthread_mutex_unlock(&buffer->state);
	return count;
}

int ndma_memfd_buffer_revoke(struct ndma_buffer *base)
{
	struct ndma_holder holders[8];
	int count, i;

	if (!base->owned)
		return ndma_set_error(EPERM,
				      "only the process that made the buffer may revoke leases");
	count = ndma_memfd_buffer_holders(base, holders, 8);
	for (i = 0; i < count; i++)
		if (holders[i].kind == NDMA_HOLDER_LEASE && !holders[i].pid)
			return ndma_set_error(EOPNOTSUPP,
					      "memfd cannot revoke what another process "
					      "holds: end that process, or load module ndma");
	return 0;
}
