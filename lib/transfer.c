// SPDX-License-Identifier: MIT
/* Transfers: the time in which a device owns a buffer. */
#include "internal.h"
#include "ndma_own.h"

int ndma_transfer_check(uint32_t direction, uint32_t guard, uint64_t timeout_ns)
{
	switch (ndma_own_check_transfer(direction, guard, timeout_ns)) {
	case NDMA_OWN_RULE_NONE:
		return 0;
	case NDMA_OWN_RULE_DIRECTION:
		return ndma_set_error(EINVAL,
				      "direction %u: expected NDMA_FROM_DEVICE, "
				      "NDMA_TO_DEVICE or NDMA_BOTH",
				      direction);
	case NDMA_OWN_RULE_GUARD:
		return ndma_set_error(
			EINVAL, "guard %u: expected NDMA_GUARD_NONE, _BLOCK or _SIGBUS", guard);
	default:
		return ndma_set_error(EINVAL, "a deadline in %llu ns: expected 1 ns to one hour",
				      (unsigned long long)timeout_ns);
	}
}

static int check(const struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
		 uint32_t flags, uint64_t timeout_ns)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	if (!rc)
		rc = ndma_transfer_check(direction, guard, timeout_ns);
	if (rc)
		return rc;
	if (flags & ~NDMA_TRANSFER_FENCE)
		return ndma_set_error(
			EINVAL, "transfer flags 0x%x: expected NDMA_TRANSFER_FENCE or 0", flags);
	if (!ndma_own_may_transfer(true, buffer->readonly))
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
	/* Counted before it begins: a lease that is joined in between must ask the backend. */
	ndma_ongoing_count(true);
	rc = buffer->backend->transfer_begin(buffer, direction, guard, flags, timeout_ns, &id);
	if (rc) {
		ndma_ongoing_count(false);
		return rc == -EBUSY ? ndma_holder_error(buffer, "no transfer begins") : rc;
	}
	ndma_ongoing_add_transfer(buffer, id);
	*transfer = id;
	return 0;
}

NDMA_API int ndma_transfer_end(struct ndma_buffer *buffer, uint32_t transfer)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	if (rc)
		return rc;
	if (!ndma_own_may_transfer(true, buffer->readonly))
		return ndma_set_error(EPERM, "no end of a transfer through a read-only handle");
	rc = buffer->backend->transfer_end(buffer, transfer);
	if (!rc || rc == -ETIMEDOUT)
		ndma_ongoing_remove_transfer(buffer, transfer);
	return rc;
}
