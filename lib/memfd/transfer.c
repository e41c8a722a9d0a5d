// SPDX-License-Identifier: MIT
/*
 * Transfers of memfd buffers: the same rules and deadlines as the module's, kept by this process.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "memfd.h"

static int check_owner(const struct ndma_buffer *base)
{
	if (ndma_own_may_transfer(ndma_memfd_share(base)->made_here, base->readonly))
		return 0;
	return ndma_set_error(EPERM,
			      "only the process that made this buffer begins and ends transfers");
}

static int check(const struct ndma_buffer *base, uint32_t flags)
{
	int rc = check_owner(base);

	if (rc)
		return rc;
	if (flags & NDMA_TRANSFER_FENCE)
		return ndma_set_error(EOPNOTSUPP,
				      "a memfd has no fences: NDMA_TRANSFER_FENCE needs "
				      "module ndma (%s)",
				      ndma_module_advice("ndma"));
	return 0;
}

static int lock_out(const struct memfd_share *share, uint32_t direction)
{
	bool readers = ndma_own_conflicts(direction, NDMA_READ);
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
	const struct ndma_own own = ndma_memfd_own(share);
	int rc;

	/* A guard reaches this process alone: leases of others are refused by lock_out(). */
	rc = ndma_own_admit_transfer(&own, direction, guard, false);
	if (rc)
		return rc;
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

/* Ends a transfer whose deadline has passed; its owner is told when it asks. */
static void abort_late(struct memfd_share *share)
{
	struct memfd_transfer *transfer = &share->transfer;

	if (!transfer->direction || ndma_memfd_now_ns() < transfer->until_ns)
		return;
	finish(share);
	transfer->expired = true;
	ndma_memfd_header_add(share, offsetof(struct memfd_header, aborted), 1);
}

/* The deadline came. */
static void expire(struct memfd_share *share)
{
	pthread_mutex_lock(&share->state);
	/* While this thread waited for the lock the transfer may have ended, and the next begun. */
	abort_late(share);
	pthread_mutex_unlock(&share->state);
}

int ndma_memfd_transfer_begin(struct ndma_buffer *base, uint32_t direction, uint32_t guard,
			      uint32_t flags, uint64_t timeout_ns, uint32_t *transfer)
{
	struct memfd_share *share = ndma_memfd_share(base);
	int rc;

	rc = check(base, flags);
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
	/* The thread that keeps deadlines may be late, and this one has passed all the same. */
	abort_late(share);
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

	rc = check_owner(base);
	if (rc)
		return rc;
	pthread_mutex_lock(&share->state);
	rc = end(share, transfer);
	pthread_mutex_unlock(&share->state);
	return rc;
}
