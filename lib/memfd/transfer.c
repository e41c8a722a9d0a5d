// SPDX-License-Identifier: MIT
/*
 * Transfers of memfd buffers: the same rules and deadlines as the module's, kept by this process.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "memfd.h"

static int check(const struct memfd_share *share, uint32_t flags)
{
	if (!share->made_here)
		return ndma_set_error(EPERM,
				      "only the process that made this buffer begins transfers");
	if (flags & NDMA_TRANSFER_FENCE)
		return ndma_set_error(EOPNOTSUPP,
				      "a memfd has no fences: NDMA_TRANSFER_FENCE needs "
				      "module ndma (sudo modprobe ndma)");
	return 0;
}

static bool is_leased(const struct memfd_share *share, uint32_t direction)
{
	return share->counts[1] || (direction != NDMA_TO_DEVICE && share->counts[0]);
}

static int lock_out(const struct memfd_share *share, uint32_t direction)
{
	bool readers = direction != NDMA_TO_DEVICE;
	int rc;

	rc = ndma_memfd_lock(share->lock_fd, F_WRLCK, readers ? MEMFD_LOCK_READ : MEMFD_LOCK_WRITE,
			     readers ? 2 : 1);
	return rc == -EAGAIN ? -EBUSY : rc;
}

/* Gives the buffer back to the CPU. */
static int finish(struct memfd_share *share)
{
	int rc = ndma_memfd_guard_end(share);

	share->transfer.direction = 0;
	/* Before share->state is dropped: later the entry may be the next transfer's. */
	ndma_memfd_deadline_remove(share);
	ndma_memfd_header_set_direction(share, 0);
	ndma_memfd_lock_restore(share);
	return rc;
}

static int begin(struct memfd_share *share, uint32_t direction, uint32_t guard)
{
	struct memfd_transfer *transfer = &share->transfer;
	int rc;

	if (transfer->direction)
		return -EBUSY;
	/* A guard reaches this process alone: leases of others are refused by lock_out(). */
	if (guard == NDMA_GUARD_NONE && is_leased(share, direction))
		return -EBUSY;
	rc = lock_out(share, direction);
	if (rc)
		return rc;
	rc = ndma_memfd_header_set_direction(share, direction);
	if (rc) {
		ndma_memfd_lock_restore(share);
		return rc;
	}
	transfer->direction = direction;
	transfer->guard = guard;
	transfer->expired = false;
	rc = ndma_memfd_guard_begin(share);
	if (rc) {
		finish(share);
		return rc;
	}
	if (!++transfer->id)
		transfer->id = 1;
	ndma_memfd_header_add(share, offsetof(struct memfd_header, transfers), 1);
	return 0;
}

/* The deadline came. */
static void expire(struct memfd_share *share)
{
	struct memfd_transfer *transfer = &share->transfer;

	pthread_mutex_lock(&share->state);
	/* While this thread waited for the lock the transfer may have ended, and the next begun. */
	if (transfer->direction && ndma_memfd_now_ns() >= transfer->until_ns) {
		finish(share);
		transfer->expired = true;
		ndma_memfd_header_add(share, offsetof(struct memfd_header, aborted), 1);
	}
	pthread_mutex_unlock(&share->state);
}

int ndma_memfd_transfer_begin(struct ndma_buffer *base, uint32_t direction, uint32_t guard,
			      uint32_t flags, uint64_t timeout_ns, uint32_t *transfer)
{
	struct memfd_share *share = ndma_memfd_share(base);
	int rc;

	rc = check(share, flags);
	if (rc)
		return rc;
	pthread_mutex_lock(&share->state);
	rc = begin(share, direction, guard);
	if (!rc) {
		share->transfer.until_ns = ndma_memfd_now_ns() + timeout_ns;
		rc = ndma_memfd_deadline_add(share, expire);
		if (rc)
			finish(share);
	}
	*transfer = share->transfer.id;
	pthread_mutex_unlock(&share->state);
	return rc;
}

static int end(struct memfd_share *share, uint32_t id)
{
	struct memfd_transfer *transfer = &share->transfer;

	if (id != transfer->id || (!transfer->direction && !transfer->expired))
		return ndma_set_error(EINVAL, "transfer %u is not in progress on this buffer", id);
	if (!transfer->expired)
		return finish(share);
	transfer->expired = false;
	return ndma_set_error(ETIMEDOUT,
			      "the deadline of transfer %u had passed: the buffer is the "
			      "CPU's, and what it holds is not to be trusted",
			      id);
}

int ndma_memfd_transfer_end(struct ndma_buffer *base, uint32_t transfer)
{
	struct memfd_share *share = ndma_memfd_share(base);
	int rc;

	pthread_mutex_lock(&share->state);
	rc = end(share, transfer);
	pthread_mutex_unlock(&share->state);
	return rc;
}
