// SPDX-License-Identifier: MIT
/* Leases and transfers at the kernel module. -EBUSY gets its words from whoever called. */
#include "kernel.h"

int ndma_kernel_lease_acquire(struct ndma_buffer *buffer, uint32_t access, uint32_t *lease)
{
	struct ndma_lease_acquire argument = {
		.size = sizeof(argument),
		.fd = buffer->fd,
		.access = access,
	};
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_LEASE_ACQUIRE, &argument);
	if (rc)
		return ndma_kernel_error(rc, "taking a lease to %s",
					 access == NDMA_WRITE ? "write" : "read");
	*lease = argument.lease;
	return 0;
}

int ndma_kernel_lease_release(struct ndma_buffer *buffer, uint32_t lease)
{
	struct ndma_lease_release argument = { .size = sizeof(argument), .lease = lease };
	int heap = ndma_kernel_heap();
	int rc;

	(void)buffer;
	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_LEASE_RELEASE, &argument);
	return rc ? ndma_kernel_error(rc, "releasing a lease") : 0;
}

int ndma_kernel_lease_check(struct ndma_buffer *buffer, uint32_t access, uint32_t lease)
{
	struct ndma_lease_acquire argument = {
		.size = sizeof(argument),
		.fd = buffer->fd,
		.access = access,
		.flags = NDMA_LEASE_CHECK,
		.lease = lease,
	};
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_LEASE_ACQUIRE, &argument);
	if (rc == -ESTALE)
		return ndma_set_error(ESTALE,
				      "the buffer's owner has revoked this process's lease: drop "
				      "every view of it, then take a new one");
	return rc ? ndma_kernel_error(rc, "joining a lease to %s",
				      access == NDMA_WRITE ? "write" : "read")
		  : 0;
}

int ndma_kernel_buffer_revoke(struct ndma_buffer *buffer)
{
	struct ndma_lease_revoke argument = { .size = sizeof(argument), .fd = buffer->fd };
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_LEASE_REVOKE, &argument);
	return rc ? ndma_kernel_error(rc, "revoking the leases of others") : (int)argument.count;
}

int ndma_kernel_transfer_begin(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
			       uint32_t flags, uint64_t timeout_ns, uint32_t *transfer)
{
	struct ndma_transfer_begin argument = {
		.size = sizeof(argument),
		.fd = buffer->fd,
		.direction = direction,
		.guard = guard,
		.flags = flags,
		.timeout_ns = timeout_ns,
	};
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_TRANSFER_BEGIN, &argument);
	if (rc == -ETIMEDOUT)
		return ndma_kernel_fence_error(buffer, direction);
	if (rc == -EOPNOTSUPP && flags & NDMA_TRANSFER_FENCE)
		return ndma_set_error(
			EOPNOTSUPP, "the module ndma publishes no fence of a transfer that a "
				    "program ends, unless its parameter user_fences is set: begin "
				    "it without NDMA_TRANSFER_FENCE");
	if (rc == -EOPNOTSUPP)
		return ndma_set_error(EOPNOTSUPP,
				      "the loaded module ndma has no guard %u for this buffer",
				      guard);
	if (rc)
		return ndma_kernel_error(rc, "beginning a transfer");
	*transfer = argument.transfer;
	return 0;
}

int ndma_kernel_transfer_end(struct ndma_buffer *buffer, uint32_t transfer)
{
	struct ndma_transfer_end argument = {
		.size = sizeof(argument),
		.fd = buffer->fd,
		.transfer = transfer,
	};
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_TRANSFER_END, &argument);
	if (rc == -ETIMEDOUT)
		return ndma_set_error(ETIMEDOUT,
				      "the transfer's deadline had ended it already: what "
				      "the buffer holds is not to be trusted");
	if (rc == -EINVAL)
		return ndma_set_error(EINVAL, "transfer %u is not in progress on this buffer",
				      transfer);
	return rc ? ndma_kernel_error(rc, "ending a transfer") : 0;
}
