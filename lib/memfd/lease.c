// SPDX-License-Identifier: MIT
/* Leases: the first of a kind in this process takes a lock, the last one drops it. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "memfd.h"

/*
 * Called with the lease's lock held, which shows that no transfer excludes it. Where the header
 * names one all the same, its owner died in it: the first to ask is told, and may then look.
 */
static int check_orphan(struct memfd_share *share, uint32_t access)
{
	uint32_t direction = ndma_memfd_header_direction(share);
	struct ndma_own own = ndma_memfd_own(share);

	own.orphaned = ndma_own_conflicts(direction, access) && !share->orphan_seen;
	if (!ndma_own_admit_lease(&own, access))
		return 0;
	if (share->locks_to_write)
		ndma_memfd_header_set_direction(share, 0);
	else
		share->orphan_seen = true;
	return ndma_set_error(
		EOWNERDEAD, "the owner of this buffer died in a transfer: what it holds is not to "
			    "be trusted; ask again to look all the same");
}

static int acquire_first(struct memfd_share *share, uint32_t access)
{
	off_t byte = ndma_memfd_lock_byte(access);
	int rc;

	rc = ndma_memfd_lock(share->lock_fd, F_RDLCK, byte, 1);
	if (rc)
		return rc == -EAGAIN ? -EBUSY : rc;
	rc = share->transfer.direction ? 0 : check_orphan(share, access);
	if (rc)
		ndma_memfd_lock(share->lock_fd, F_UNLCK, byte, 1);
	return rc;
}

int ndma_memfd_lease_acquire(struct ndma_buffer *base, uint32_t access, uint32_t *lease)
{
	struct memfd_share *share = ndma_memfd_share(base);
	uint32_t *count = &share->counts[access == NDMA_WRITE];
	struct ndma_own own;
	int rc;

	pthread_mutex_lock(&share->state);
	own = ndma_memfd_own(share);
	/* A read lock would replace the write lock that our own transfer has on the byte. */
	rc = ndma_own_admit_lease(&own, access);
	if (!rc && !*count)
		rc = acquire_first(share, access);
	if (!rc) {
		++*count;
		*lease = access;
	}
	pthread_mutex_unlock(&share->state);
	return rc;
}

int ndma_memfd_lease_release(struct ndma_buffer *base, uint32_t lease)
{
	struct memfd_share *share = ndma_memfd_share(base);

	pthread_mutex_lock(&share->state);
	/* While a guarded transfer is on over the lease, the byte's lock is the transfer's. */
	if (!--share->counts[lease == NDMA_WRITE] &&
	    !ndma_own_conflicts(share->transfer.direction, lease))
		ndma_memfd_lock(share->lock_fd, F_UNLCK, ndma_memfd_lock_byte(lease), 1);
	pthread_mutex_unlock(&share->state);
	return 0;
}

/* A lease of this process keeps its lock, so that what could be in the way is its own transfer. */
int ndma_memfd_lease_check(struct ndma_buffer *base, uint32_t access, uint32_t lease)
{
	struct memfd_share *share = ndma_memfd_share(base);
	struct ndma_own own;
	int rc;

	(void)lease;
	pthread_mutex_lock(&share->state);
	own = ndma_memfd_own(share);
	rc = ndma_own_admit_lease(&own, access);
	pthread_mutex_unlock(&share->state);
	return rc;
}
