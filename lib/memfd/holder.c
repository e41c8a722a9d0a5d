// SPDX-License-Identifier: MIT
/*
 * Who holds a buffer. The kernel says that other processes have a lock on a byte, but neither how
 * many nor which: so their leases of one kind count as one, of process 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

/* Does another process have a lease of this kind, while @direction is on? */
static bool is_leased(const struct memfd_share *share, uint32_t direction, uint32_t access)
{
	/* A transfer locks the bytes of the leases that it excludes: that lock is no lease's. */
	if (ndma_own_conflicts(direction, access))
		return false;
	return ndma_memfd_lock_is_foreign(share, F_WRLCK, ndma_memfd_lock_byte(access));
}

/* The direction of another process's transfer, as its locks tell; 0: it has none. */
static uint32_t foreign_direction(const struct memfd_share *share)
{
	if (!ndma_memfd_lock_is_foreign(share, F_RDLCK, MEMFD_LOCK_WRITE))
		return 0;
	if (!ndma_memfd_lock_is_foreign(share, F_RDLCK, MEMFD_LOCK_READ))
		return NDMA_TO_DEVICE;
	return ndma_memfd_header_direction(share) == NDMA_BOTH ? NDMA_BOTH : NDMA_FROM_DEVICE;
}

int ndma_memfd_buffer_info(const struct ndma_buffer *base, struct ndma_buffer_info *info)
{
	struct memfd_share *share = ndma_memfd_share(base);
	const struct memfd_transfer *transfer = &share->transfer;
	struct stat file;

	if (fstat(base->fd, &file))
		return ndma_set_error(errno, "the memory's file: %s", strerror(errno));
	pthread_mutex_lock(&share->state);
	info->direction = transfer->direction;
	info->guard = transfer->direction ? transfer->guard : NDMA_GUARD_NONE;
	if (!info->direction)
		info->direction = foreign_direction(share);
	info->owner = info->direction ? NDMA_OWNER_DEVICE : NDMA_OWNER_CPU;
	info->read_leases = share->counts[0] + is_leased(share, info->direction, NDMA_READ);
	info->write_leases = share->counts[1] + is_leased(share, info->direction, NDMA_WRITE);
	info->own_leases = share->counts[0] + share->counts[1];
	info->transfers = ndma_memfd_header_count(share, offsetof(struct memfd_header, transfers));
	info->aborted = ndma_memfd_header_count(share, offsetof(struct memfd_header, aborted));
	info->touches = ndma_memfd_header_count(share, offsetof(struct memfd_header, touches));
	pthread_mutex_unlock(&share->state);
	info->flags = base->readonly ? NDMA_BUFFER_READONLY : 0;
	info->node = NDMA_NODE_ANY;
	info->bytes = base->bytes;
	info->capacity = base->capacity;
	info->id = file.st_ino;
	info->run_bytes = base->capacity;
	info->run_page_bytes = sysconf(_SC_PAGESIZE);
	return 0;
}

/**
 * struct list - holders that are being listed
 * @holders: where to
 * @room: for so many
 * @count: there are
 */
struct list {
	struct ndma_holder *holders;
	size_t room;
	int count;
};

static void add(struct list *list, uint32_t kind, uint32_t access, pid_t pid, uint32_t count)
{
	if ((size_t)list->count < list->room)
		list->holders[list->count] = (struct ndma_holder){
			.kind = kind,
			.access = access,
			.pid = pid,
			.count = count,
		};
	list->count++;
}

int ndma_memfd_buffer_holders(const struct ndma_buffer *base, struct ndma_holder *holders,
			      size_t room)
{
	struct memfd_share *share = ndma_memfd_share(base);
	struct list list = { holders, room, 0 };
	uint32_t access, direction;

	pthread_mutex_lock(&share->state);
	direction = share->transfer.direction;
	if (direction)
		add(&list, NDMA_HOLDER_TRANSFER, direction, getpid(), 1);
	else if ((direction = foreign_direction(share)))
		add(&list, NDMA_HOLDER_TRANSFER, direction, 0, 1);
	for (access = NDMA_READ; access <= NDMA_WRITE; access++) {
		uint32_t own = share->counts[access == NDMA_WRITE];

		if (own)
			add(&list, NDMA_HOLDER_LEASE, access, getpid(), own);
		if (is_leased(share, direction, access))
			add(&list, NDMA_HOLDER_LEASE, access, 0, 1);
	}
	pthread_mutex_unlock(&share->state);
	return list.count;
}

int ndma_memfd_buffer_revoke(struct ndma_buffer *base)
{
	struct memfd_share *share = ndma_memfd_share(base);
	bool others;

	if (!share->made_here)
		return ndma_set_error(EPERM,
				      "only the process that made the buffer may revoke leases");
	pthread_mutex_lock(&share->state);
	others = is_leased(share, share->transfer.direction, NDMA_READ) ||
		 is_leased(share, share->transfer.direction, NDMA_WRITE);
	pthread_mutex_unlock(&share->state);
	if (others)
		return ndma_set_error(EOPNOTSUPP,
				      "memfd cannot revoke what another process holds: end that "
				      "process, or load module ndma");
	return 0;
}
