// SPDX-License-Identifier: MIT
/*
 * Leases. The users of one object share one lease of each kind at the backend, taken for the first
 * and dropped with the last: a thousand views cost two system calls.
 */
#include "internal.h"

/*
 * May one more user join the lease that this object holds? Where this process alone begins
 * transfers and none is on, yes. Else the backend is asked: a guarded transfer may have begun over
 * the lease, or the owner has revoked it.
 */
static int check_joining(struct ndma_buffer *buffer, uint32_t access)
{
	if (buffer->owned && !ndma_ongoing_any())
		return 0;
	return buffer->backend->lease_check(buffer, access, buffer->leases[access == NDMA_WRITE]);
}

NDMA_API int ndma_lease_acquire(struct ndma_buffer *buffer, uint32_t access, uint32_t *lease)
{
	uint32_t kind = access == NDMA_WRITE;
	int rc;

	rc = ndma_buffer_check_access(buffer, access);
	if (rc)
		return rc;
	pthread_mutex_lock(&buffer->lock);
	if (buffer->counts[kind])
		rc = check_joining(buffer, access);
	else
		rc = buffer->backend->lease_acquire(buffer, access, &buffer->leases[kind]);
	if (!rc) {
		buffer->counts[kind]++;
		*lease = access;
	}
	pthread_mutex_unlock(&buffer->lock);
	if (rc == -EBUSY)
		return ndma_holder_error(buffer, access == NDMA_WRITE
							 ? "no lease to write is given"
							 : "no lease to read is given");
	return rc;
}

NDMA_API int ndma_lease_release(struct ndma_buffer *buffer, uint32_t lease)
{
	uint32_t kind = lease == NDMA_WRITE;
	int rc;

	rc = ndma_process_check(buffer->process, "buffer");
	if (rc)
		return rc;
	pthread_mutex_lock(&buffer->lock);
	if ((lease != NDMA_READ && lease != NDMA_WRITE) || !buffer->counts[kind])
		rc = ndma_set_error(EINVAL, "lease %u is not held on this buffer", lease);
	else if (!--buffer->counts[kind])
		rc = buffer->backend->lease_release(buffer, buffer->leases[kind]);
	pthread_mutex_unlock(&buffer->lock);
	return rc;
}

NDMA_API int ndma_buffer_revoke(struct ndma_buffer *buffer)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	return rc ? rc : buffer->backend->buffer_revoke(buffer);
}
