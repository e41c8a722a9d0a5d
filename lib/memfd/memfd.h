/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the memfd backend: buffers, leases and transfers without the module.
 * Streams are in stream.h.
 *
 * A buffer is one memfd: `capacity` bytes of data, then one page with struct memfd_header. It is
 * sealed against shrinking, because a peer could otherwise remove pages under a mapping and make
 * every touch SIGBUS. The header of a memfd that came from elsewhere is copied once, and the copy
 * is validated and used: the sender may change the original between a check and a use.
 *
 * Leases and transfers are OFD locks on bytes far behind the end of the file. The kernel shows them
 * to every process that has the memfd open, and drops them when their process dies:
 *   a lease to read      a read lock on MEMFD_LOCK_READ
 *   a lease to write     a read lock on MEMFD_LOCK_WRITE
 *   a transfer from the device, or both ways    a write lock on both
 *   a transfer to the device                    a write lock on MEMFD_LOCK_WRITE
 *   reading the header, writing its layout      a read, a write lock on MEMFD_LOCK_HEADER
 * Locks belong to an open file, and a descriptor that was sent or duplicated is the same open file.
 * So a process opens the memfd once more for its locks, and gives that descriptor to nobody.
 */
#ifndef NDMA_LIB_MEMFD_H
#define NDMA_LIB_MEMFD_H

#include <sys/types.h>

#include "../internal.h"
#include "ndma_own.h"

#define MEMFD_HEADER_BYTES	4096
#define MEMFD_MAGIC		0x3164666d616d646eULL	/* "ndmamfd1" */

#define MEMFD_LOCK_HEADER	((off_t)1 << 60)
#define MEMFD_LOCK_READ		(MEMFD_LOCK_HEADER + 1)
#define MEMFD_LOCK_WRITE	(MEMFD_LOCK_HEADER + 2)

/**
 * struct memfd_header - the page behind the data; written by whoever has the file, so never trusted
 * @magic: MEMFD_MAGIC
 * @bytes: what layouts may use
 * @capacity: where this page begins
 * @direction: of the owner's transfer in progress, else 0. Where it is set and no lock says that a
 *   transfer is on, the owner died during the transfer
 * @reserved: 0
 * @transfers: begun so far
 * @aborted: ended by their deadline so far
 * @touches: accesses that met a guard so far
 * @layout: the layout
 */
struct memfd_header {
	uint64_t magic;
	uint64_t bytes;
	uint64_t capacity;
	uint32_t direction;
	uint32_t reserved;
	uint64_t transfers;
	uint64_t aborted;
	uint64_t touches;
	struct ndma_layout layout;
};

/**
 * struct memfd_transfer - the transfer that this process has begun
 * @direction: 0: none in progress
 * @guard: NDMA_GUARD_…
 * @id: of the last one begun
 * @expired: the deadline ended the last one, and ndma_transfer_end() has not said so yet
 * @faults: the userfaultfd of a guard that blocks, else -1
 * @until_ns: its deadline, CLOCK_MONOTONIC
 */
struct memfd_transfer {
	uint32_t direction;
	uint32_t guard;
	uint32_t id;
	bool expired;
	int faults;
	uint64_t until_ns;
};

struct memfd_share;

/**
 * struct memfd_deadline - an entry in the list of deadlines; deadline.c alone looks inside
 * @next: by growing time
 * @at_ns: CLOCK_MONOTONIC
 * @expire: what is called then
 * @firing: @expire is being called, without the list's lock
 * @listed: it is in the list
 */
struct memfd_deadline {
	struct memfd_deadline *next;
	uint64_t at_ns;
	void (*expire)(struct memfd_share *share);
	bool firing;
	bool listed;
};

/**
 * struct memfd_map - a mapping of a buffer in this process
 * @next: of the share's
 * @address: of byte 0
 * @bytes: its length
 * @access: NDMA_READ or NDMA_WRITE
 * @fd: of the object that it was made by
 */
struct memfd_map {
	struct memfd_map *next;
	void *address;
	uint64_t bytes;
	uint32_t access;
	int fd;
};

/**
 * struct memfd_share - what all objects of one memfd in this process have in common
 *
 * Other processes see one holder, however many objects this process has: as the module's heap sees
 * one client.
 *
 * @next: of all shares
 * @device, @inode: which memfd
 * @process: ndma_process_id() of the maker
 * @refs: objects
 * @made_here: this process made the memfd, and begins transfers
 * @bytes, @capacity: as in the header
 * @state: protects what follows
 * @lock_fd: the open file that the locks belong to
 * @locks_to_write: @lock_fd is open for writing too: the kernel refuses write locks without that
 * @layout: the copy
 * @counts: objects with a lease: [0] to read, [1] to write
 * @orphan_seen: the owner's death in a transfer was reported; noted here where this process cannot
 *   clear it in the header
 * @maps: the mappings of all objects
 * @transfer: begun here
 * @deadline: of @transfer
 */
struct memfd_share {
	struct memfd_share *next;
	dev_t device;
	ino_t inode;
	uint32_t process;
	unsigned int refs;
	bool made_here;
	uint64_t bytes;
	uint64_t capacity;
	pthread_mutex_t state;
	int lock_fd;
	bool locks_to_write;
	struct ndma_layout layout;
	uint32_t counts[2];
	bool orphan_seen;
	struct memfd_map *maps;
	struct memfd_transfer transfer;
	struct memfd_deadline deadline;
};

/**
 * struct memfd_buffer - an object of this backend
 * @base: what every backend's buffers start with; base.lock is taken before share->state
 * @share: the memfd
 * @maps: [0] to read, [1] to write; in the share's list while mapped
 */
struct memfd_buffer {
	struct ndma_buffer base;
	struct memfd_share *share;
	struct memfd_map maps[2];
};

static inline struct memfd_buffer *ndma_memfd_buffer(const struct ndma_buffer *buffer)
{
	return (struct memfd_buffer *)buffer;
}

static inline struct memfd_share *ndma_memfd_share(const struct ndma_buffer *buffer)
{
	return ndma_memfd_buffer(buffer)->share;
}

/* What this process knows, for the rules of ndma_own.h. share->state is held. */
static inline struct ndma_own ndma_memfd_own(const struct memfd_share *share)
{
	return (struct ndma_own){
		.direction = share->transfer.direction,
		.read_leases = share->counts[0],
		.write_leases = share->counts[1],
	};
}

/* file.c: memfds, their memory and their seals */

/* A new sealed memfd with all its memory; negative errno with words. */
int ndma_memfd_file_create(const char *name, uint64_t bytes);
/* A second open file of the same memfd, @flags as open(2)'s; negative errno with words. */
int ndma_memfd_file_reopen(int fd, int flags);
uint64_t ndma_memfd_page_up(uint64_t bytes);
/* CLOCK_MONOTONIC. */
uint64_t ndma_memfd_now_ns(void);
/* A condition for ndma_memfd_cond_until(). */
void ndma_memfd_cond_init(pthread_cond_t *cond);
/* pthread_cond_wait(), at most until that time by ndma_memfd_now_ns(). */
void ndma_memfd_cond_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until_ns);
/* -EOPNOTSUPP with words where @node asks for one of several: this backend cannot choose. */
int ndma_memfd_node_check(int node);

/* header.c: the page behind the data */

int ndma_memfd_header_write(int fd, const struct memfd_header *header);
/* Copies and validates. */
int ndma_memfd_header_read(int fd, struct memfd_header *header);
/* A count at @offset of the header; 0 where it cannot be read. */
uint64_t ndma_memfd_header_count(const struct memfd_share *share, size_t offset);
void ndma_memfd_header_add(const struct memfd_share *share, size_t offset, uint64_t count);
uint32_t ndma_memfd_header_direction(const struct memfd_share *share);
int ndma_memfd_header_set_direction(const struct memfd_share *share, uint32_t direction);
int ndma_memfd_header_set_layout(const struct memfd_share *share,
				 const struct ndma_layout *layout);

/* share.c */

/* The share of the memfd behind @fd, one reference more. @header: of a memfd that was made just
 * now; NULL: it came by a descriptor, and its header is read.
 */
int ndma_memfd_share_open(int fd, bool readonly, const struct memfd_header *header,
			  struct memfd_share **out);
void ndma_memfd_share_put(struct memfd_share *share);

/* buffer.c */
int ndma_memfd_buffer_create(const struct ndma_backend *self, const struct ndma_layout *layout,
			     uint64_t bytes, const struct ndma_buffer_options *options,
			     struct ndma_buffer **out);
int ndma_memfd_buffer_import(const struct ndma_backend *self, int fd,
			     const struct ndma_layout *layout, struct ndma_buffer **out);
void ndma_memfd_buffer_free(struct ndma_buffer *buffer);
int ndma_memfd_buffer_map(struct ndma_buffer *buffer, uint32_t access, struct ndma_mapping *map);
void ndma_memfd_buffer_forget(struct ndma_buffer *buffer, uint32_t access);
int ndma_memfd_buffer_get_layout(const struct ndma_buffer *buffer, struct ndma_layout *layout);
int ndma_memfd_buffer_set_layout(struct ndma_buffer *buffer, const struct ndma_layout *layout);
int ndma_memfd_buffer_readonly_fd(const struct ndma_buffer *buffer);
int ndma_memfd_buffer_sync(struct ndma_buffer *buffer, uint32_t access, bool end);
/*
 * An fd, read-only unless @writable, of a new buffer that holds a copy of the @bytes at @data, which
 * @layout spans.
 */
int ndma_memfd_buffer_copy_fd(const struct ndma_layout *layout, const void *data, uint64_t bytes,
			      bool writable);

/* lock.c: OFD locks */

/* Sets F_RDLCK, F_WRLCK or F_UNLCK on @count lock bytes from @first, without waiting. -EAGAIN,
 * without words: a lock of another process excludes it; else a negative errno with words.
 */
int ndma_memfd_lock(int fd, short type, off_t first, off_t count);
/* The byte that a kind of lease locks. */
off_t ndma_memfd_lock_byte(uint32_t access);
/* Leaves the locks that the share's leases need; for after a transfer or a change of layout. */
void ndma_memfd_lock_restore(const struct memfd_share *share);
/* True: another process has a lock against @type on @byte. */
bool ndma_memfd_lock_is_foreign(const struct memfd_share *share, short type, off_t byte);

/* lease.c */
int ndma_memfd_lease_acquire(struct ndma_buffer *buffer, uint32_t access, uint32_t *lease);
int ndma_memfd_lease_release(struct ndma_buffer *buffer, uint32_t lease);
int ndma_memfd_lease_check(struct ndma_buffer *buffer, uint32_t access, uint32_t lease);

/* holder.c: who has what */
int ndma_memfd_buffer_info(const struct ndma_buffer *buffer, struct ndma_buffer_info *info);
int ndma_memfd_buffer_holders(const struct ndma_buffer *buffer, struct ndma_holder *holders,
			      size_t room);
int ndma_memfd_buffer_revoke(struct ndma_buffer *buffer);

/* transfer.c */
int ndma_memfd_transfer_begin(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
			      uint32_t flags, uint64_t timeout_ns, uint32_t *transfer);
int ndma_memfd_transfer_end(struct ndma_buffer *buffer, uint32_t transfer);

/* deadline.c: one thread a process that ends transfers in time */

/* Has @expire called at transfer.until_ns, without share->state. The caller holds share->state. */
int ndma_memfd_deadline_add(struct memfd_share *share, void (*expire)(struct memfd_share *share));
/* A call of @expire does not begin any more. One that has begun may be waiting for share->state,
 * which the caller holds: it must look which transfer it finds.
 */
void ndma_memfd_deadline_remove(struct memfd_share *share);
/* Returns when @expire neither runs nor will run: only then may the share be freed. The caller does
 * not hold share->state, for which @expire may be waiting.
 */
void ndma_memfd_deadline_drain(struct memfd_share *share);

/* guard.c: what an access meets in this process. The caller holds share->state. */

int ndma_memfd_guard_begin(struct memfd_share *share);
/*
 * Negative errno with words: a mapping could not be opened again, and a touch of it stays SIGBUS.
 */
int ndma_memfd_guard_end(struct memfd_share *share);
/* Guards a mapping that is made while a guarded transfer is on; without one it does nothing. */
int ndma_memfd_guard_map(struct memfd_share *share, const struct memfd_map *map);
/* Makes every touch of these addresses SIGBUS, and EFAULT to system calls. */
int ndma_memfd_guard_hide(void *address, uint64_t bytes, int prot);
/* Maps the file there again. */
int ndma_memfd_guard_show(void *address, uint64_t bytes, int prot, int fd, uint64_t offset);

#endif /* NDMA_LIB_MEMFD_H */
