// SPDX-License-Identifier: MIT
/* Transfers: the time in which a device owns a buffer. */
#include "internal.h"

/* Of all buffers of this process: while any is on, no lease is taken for granted. */
static atomic_uint on;

bool ndma_transfer_is_on(void)
{
	return atomic_load(&on) != 0;
}

void ndma_transfer_note(bool begins)
{
	atomic_fetch_add(&on, begins ? 1 : -1U);
}

/* Notes that the object's transfer is over, if it is the one with this id. */
static void forget(struct ndma_buffer *buffer, uint32_t transfer)
{
	if (atomic_compare_exchange_strong(&buffer->transfer, &transfer, 0))
		atomic_fetch_sub(&on, 1);
}

/* False: @other began later. Ids grow by one, and go round. */
static bool is_newer(uint32_t transfer, uint32_t other)
{
	return !other || (int32_t)(transfer - other) > 0;
}

/*
 * Notes what began, and that what was noted before is over: its deadline ended it, and the program
 * never did. So may this one have ended by now, and another thread have begun the next.
 */
static void note(struct ndma_buffer *buffer, uint32_t transfer)
{
	uint32_t before = atomic_load(&buffer->transfer);

	while (is_newer(transfer, before))
		if (atomic_compare_exchange_weak(&buffer->transfer, &before, transfer))
			break;
	if (before)
		atomic_fetch_sub(&on, 1);
}

static int check(const struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
		 uint32_t flags, uint64_t timeout_ns)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	if (rc)
		return rc;
	if (direction < NDMA_FROM_DEVICE || direction > NDMA_BOTH)
		return ndma_set_error(EINVAL,
				      "direction %u: expected NDMA_FROM_DEVICE, "
				      "NDMA_TO_DEVICE or NDMA_BOTH",
				      direction);
	if (guard > NDMA_GUARD_SIGBUS)
		return ndma_set_error(
			EINVAL, "guard %u: expected NDMA_GUARD_NONE, _BLOCK or _SIGBUS", guard);
	if (flags & ~NDMA_TRANSFER_FENCE)
		return ndma_set_error(
			EINVAL, "transfer flags 0x%x: expected NDMA_TRANSFER_FENCE or 0", flags);
	if (!timeout_ns || timeout_ns > 3600ULL * 1000000000)
		return ndma_set_error(EINVAL, "a deadline in %llu ns: expected 1 ns to one hour",
				      (unsigned long long)timeout_ns);
	if (buffer->readonly)
		return ndma_set_error(EPERM, "no transfer through a read-only handle");
	return 0;
}

NDMA_API int ndma_transfer_begin(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
				 uint32_t flags, uint64_t timeout_ns, uint32_t *transfer)
{
	uint32_t id;
	int rc;

	rc = check(buffer, direction, guard, flags, timeout_ns);
	if (rc)
		return rc;
	/* Counted before it begins: whoever joins a lease meanwhile asks the backend. */
	atomic_fetch_add(&on, 1);
	rc = buffer->backend->transfer_begin(buffer, direction, guard, flags, timeout_ns, &id);
	if (rc) {
		atomic_fetch_sub(&on, 1);
		return rc == -EBUSY ? ndma_buffer_busy(buffer, "no transfer begins") : rc;
	}
	note(buffer, id);
	*transfer = id;
	return 0;
}

NDMA_API int ndma_transfer_end(struct ndma_buffer *buffer, uint32_t transfer)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	if (rc)
		return rc;
	rc = buffer->backend->transfer_end(buffer, transfer);
	if (!rc || rc == -ETIMEDOUT)
		forget(buffer, transfer);
	return rc;
}

void ndma_buffer_let_go(struct ndma_buffer *buffer)
{
	uint32_t transfer = atomic_load(&buffer->transfer);
	uint32_t kind;

	if (transfer) {
		buffer->backend->transfer_end(buffer, transfer);
		forget(buffer, transfer);
	}
	for (kind = 0; kind < 2; kind++)
		if (buffer->counts[kind])
			buffer->backend->lease_release(buffer, buffer->leases[kind]);
}
