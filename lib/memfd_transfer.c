// SPDX-License-Identifier: MIT
/* Transfers of memfd buffers: the same rules and deadlines as the module's, kept by this process. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "memfd.h"

static int check(const struct memfd_buffer *buffer, uint32_t flags)
{
	if (!buffer->base.owned)
		return ndma_set_error(EPERM, "only whoever made this buffer begins transfers: this "
					     "object came by a file descriptor");
	if (flags & NDMA_TRANSFER_FENCE)
		return ndma_set_error(EOPNOTSUPP,
				      "a memfd has no fences: NDMA_TRANSFER_FENCE needs "
				      "module ndma (sudo modprobe ndma)");
	return 0;
}

/* Which leases stand against a direction. */
static uint32_t against(uint32_t direction)
{
	return direction == NDMA_TO_DEVICE ? NDMA_WRITE : NDMA_READ | NDMA_WRITE;
}

static int lock_out(const struct memfd_buffer *buffer, uint32_t direction)
{
	bool readers = against(direction) & NDMA_READ;
	int rc;

	rc = ndma_memfd_lock(buffer->lock_fd, F_WRLCK, readers ? MEMFD_LOCK_READ : MEMFD_LOCK_WRITE,
			     readers ? 2 : 1);
	return rc == -EAGAIN ? -EBUSY : rc;
}

/* The buffer is the CPU's again. */
static int finish(struct memfd_buffer *buffer)
{
	int rc = ndma_memfd_guard_end(buffer);

	buffer->transfer.direction = 0;
	ndma_memfd_header_set_direction(buffer, 0);
	ndma_memfd_lock_settle(buffer);
	return rc;
}

static int begin(struct memfd_buffer *buffer, uint32_t direction, uint32_t guard)
{
	struct memfd_transfer *transfer = &buffer->transfer;
	int rc;

	if (transfer->direction)
		return -EBUSY;
	/* What a guard cannot reach, other processes, is refused below all the same. */
	if ((buffer->held & against(direction)) && guard == NDMA_GUARD_NONE)
		return -EBUSY;
	rc = lock_out(buffer, direction);
	if (rc)
		return rc;
	rc = ndma_memfd_header_set_direction(buffer, direction);
	if (rc) {
		ndma_memfd_lock_settle(buffer);
		return rc;
	}
	transfer->direction = direction;
	transfer->guard = guard;
	transfer->expired = false;
	rc = ndma_memfd_guard_begin(buffer);
	if (rc) {
		finish(buffer);
		return rc;
	}
	if (!++transfer->id)
		transfer->id = 1;
	ndma_memfd_header_add(buffer, offsetof(struct memfd_header, transfers), 1);
	return 0;
}

int ndma_memfd_transfer_begin(struct ndma_buffer *base, uint32_t direction, uint32_t guard,
			      uint32_t flags, uint64_t timeout_ns, uint32_t *transfer)
{
	struct memfd_buffer *buffer = ndma_memfd_buffer(base);
	int rc;

	rc = check(buffer, flags);
	if (rc)
		return rc;
	pthread_mutex_lock(&base->lock);
	pthread_mutex_lock(&buffer->state);
	rc = begin(buffer, direction, guard);
	if (!rc) {
		buffer->transfer.until_ns = ndma_memfd_now_ns() + timeout_ns;
		rc = ndma_memfd_deadline_add(buffer);
		if (rc)
			finish(buffer);
	}
	*transfer = buffer->transfer.id;
	pthread_mutex_unlock(&buffer->state);
	pthread_mutex_unlock(&base->lock);
	return rc;
}

static int end(struct memfd_buffer *buffer, uint32_t id)
{
	struct memfd_transfer *transfer = &buffer->transfer;

	if (id != transfer->id || (!transfer->direction && !transfer->expired))
		return ndma_set_error(EINVAL, "transfer %u is not in progress on this buffer", id);
	if (!transfer->expired)
		return finish(buffer);
	transfer->expired = false;
	return ndma_set_error(ETIMEDOUT,
			      "the deadline of transfer %u had passed: the buffer is the "
			      "CPU's, and what it holds is not to be trusted",
			      id);
}

int ndma_memfd_transfer_end(struct ndma_buffer *base, uint32_t transfer)
{
	struct memfd_buffer *buffer = ndma_memfd_buffer(base);
	int rc;

	pthread_mutex_lock(&base->lock);
	pthread_mutex_lock(&buffer->state);
	rc = end(buffer, transfer);
	pthread_mutex_unlock(&buffer->state);
	pthread_mutex_unlock(&base->lock);
	if (rc != -EINVAL)
		ndma_memfd_deadline_remove(buffer);
	return rc;
}

void ndma_memfd_transfer_expire(struct memfd_buffer *buffer)
{
	struct memfd_transfer *transfer = &buffer->transfer;

	pthread_mutex_lock(&buffer->base.lock);
	pthread_mutex_lock(&buffer->state);
	/* It may have ended meanwhile, and another have begun. */
	if (transfer->direction && ndma_memfd_now_ns() >= transfer->until_ns) {
		finish(buffer);
		transfer->expired = true;
		ndma_memfd_header_add(buffer, offsetof(struct memfd_header, aborted), 1);
	}
	pthread_mutex_unlock(&buffer->state);
	pthread_mutex_unlock(&buffer->base.lock);
}
