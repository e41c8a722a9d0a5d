/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers, their clients, and who owns them when: what the files of this room offer each other and
 * stream/, of which they know nothing.
 *
 * One buffer has one primary dma-buf, whose release frees it, and any number of read-only ones,
 * each of which keeps the primary. A view of a part of a buffer is a buffer of its own that keeps
 * its parent's primary, with fences of its own. All of them map through the f_mapping of the outermost
 * parent, so that one unmap_mapping_range() finds every mapping and one i_size bounds every folio's
 * index.
 */
#ifndef NDMA_BUFFER_H
#define NDMA_BUFFER_H

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/dma-resv.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "../memory/internal.h"
#include "ndma_own.h"

#define NDMA_LEASES_MAX 65536

/**
 * struct ndma_client - one open file of the heap
 * @ref: the file, and each buffer it owns
 * @cred: of the opener
 * @pid: the opener's process
 * @lock: protects @buffers and @leases; outside every buffer->lock
 * @buffers: those it owns, by owner_link
 * @leases: struct ndma_lease by id
 * @lease_next: where the search for a free id begins
 * @nr_leases: sum of their counts
 */
struct ndma_client {
	struct kref ref;
	const struct cred *cred;
	struct pid *pid;
	struct mutex lock;
	struct list_head buffers;
	struct xarray leases;
	u32 lease_next;
	atomic_t nr_leases;
};

/**
 * struct ndma_handle - private data of one dma-buf
 * @buffer: what it shows
 * @dmabuf: whose private data this is; not counted
 * @readonly: no way to write
 */
struct ndma_handle {
	struct ndma_buffer *buffer;
	struct dma_buf *dmabuf;
	bool readonly;
};

/**
 * struct ndma_filler - a transfer that a source makes (a fill), as the transfer sees it
 * @abort: called with a reference, without locks, when the transfer has a cause to end: stops the
 *   source and completes the transfer of @buffer, unless that has ended meanwhile
 * @get: one reference more; any context
 * @put: one less; not under a lock of the buffer's
 *
 * Each gets the plan's @filler_priv.
 */
struct ndma_filler {
	void (*abort)(void *priv, struct ndma_buffer *buffer);
	void (*get)(void *priv);
	void (*put)(void *priv);
};

/**
 * struct ndma_transfer - the time in which a device owns the buffer; buffer->lock
 * @active: the buffer is the device's, or about to be (see the states in transfer.c)
 * @starting: it is about to be: memory is being seized, and nobody has an id yet
 * @cause: why it has to end: -ETIMEDOUT by the timer, -EOWNERDEAD of a fill; 0: nothing asks for it
 * @id: of the transfer that is @active and not @starting, else of the last one; 0: none yet
 * @timed_out: id of the last one if its deadline ended it and its owner was not told yet, else 0
 * @direction: NDMA_FROM_DEVICE, …
 * @guard: NDMA_GUARD_…
 * @deadline: CLOCK_MONOTONIC
 * @timer: set to @deadline
 * @work: what @timer starts
 * @fence: published for this transfer, or NULL
 * @began: when it was claimed with a guard, CLOCK_MONOTONIC; under buffer->lock
 * @dmabuf: kept while @active
 * @filler: of a fill, which alone ends the transfer, with a reference; NULL: the user's
 * @filler_priv: for @filler
 */
struct ndma_transfer {
	bool active;
	bool starting;
	int cause;
	u32 id;
	u32 timed_out;
	u32 direction;
	u32 guard;
	ktime_t began;
	ktime_t deadline;
	struct hrtimer timer;
	struct work_struct work;
	struct dma_fence *fence;
	struct dma_buf *dmabuf;
	const struct ndma_filler *filler;
	void *filler_priv;
};

/**
 * struct ndma_buffer - memory + layout + who owns it
 * @ref: of this structure: the dma-bufs, and each lease. It does not keep the memory
 * @handle: of the primary dma-buf, which keeps this
 * @parent: of a view: the dma-buf whose part it is, counted; else NULL
 * @memory: the pages, counted
 * @offset: first byte in @memory, page aligned
 * @bytes: what layouts may use
 * @capacity: bytes of the mapping, whole pages
 * @stream: a stream's backing buffer, or a view of it
 * @owner: client that may begin transfers, counted; or NULL
 * @owner_link: in owner->buffers
 * @release: of a view: called when it goes, may be NULL
 * @priv: for @release
 * @attach_lock: protects @attachments and who of them is mapped; inside dma_resv and @lock
 * @attachments: struct ndma_attachment
 * @map_lock: read: by a fault, from asking whether a page may be mapped until it is; written: to
 *            wait for such faults. Protects @touched. Faults wait for memory under it
 * @lock: protects the rest. Nobody waits for memory under it: the signal of a fence needs it
 * @layout: what the bytes mean; constant while there is a lease
 * @leases: struct ndma_lease that are not revoked, also those with a count of 0
 * @read_leases: sum of their counts, to read
 * @write_leases: the same, to write
 * @transfer: see there
 * @owner_died: the owner died in a transfer, and no new lease was told yet
 * @transfers: begun so far
 * @aborted: of these, not ended by the owner
 * @touched: of a stream with a guard: called in every fault, with @map_lock held for reading
 * @touched_priv: for @touched
 * @touches: CPU touches that a guard has caught
 * @touchers: pages that threads have waited for in the transfer, by pid: each counts once
 * @wait: for the end of a transfer with a guard
 * @fence_context: of all fences of this buffer; no other has it, so that it is the buffer's id too
 * @fence_seqno: of the last; dma_resv
 */
struct ndma_buffer {
	struct kref ref;
	struct ndma_handle handle;
	struct dma_buf *parent;
	struct ndma_memory *memory;
	u64 offset;
	u64 bytes;
	u64 capacity;
	bool stream;
	struct ndma_client *owner;
	struct list_head owner_link;
	void (*release)(void *priv);
	void *priv;
	struct mutex attach_lock;
	struct list_head attachments;
	struct rw_semaphore map_lock;
	struct rw_semaphore lock;
	struct ndma_layout layout;
	struct list_head leases;
	u32 read_leases;
	u32 write_leases;
	struct ndma_transfer transfer;
	bool owner_died;
	u64 transfers;
	u64 aborted;
	bool (*touched)(void *priv, u64 offset);
	void *touched_priv;
	atomic64_t touches;
	struct xarray touchers;
	wait_queue_head_t wait;
	u64 fence_context;
	u64 fence_seqno;
};

/* For the rules of ndma_own.h; buffer->lock is held. */
static inline struct ndma_own ndma_buffer_own(const struct ndma_buffer *buffer)
{
	return (struct ndma_own) {
		.direction = buffer->transfer.active ? buffer->transfer.direction : 0,
		.read_leases = buffer->read_leases,
		.write_leases = buffer->write_leases,
		.orphaned = buffer->owner_died,
	};
}

/* ---------------------------------------------------------------- client.c */

/* The client of a heap's @file that is being opened, or NULL. */
struct ndma_client *ndma_client_create(const struct file *file);
void ndma_client_get(struct ndma_client *client);
void ndma_client_put(struct ndma_client *client);

static inline struct ndma_client *ndma_client_of(struct file *file)
{
	return file->private_data;
}

/* ---------------------------------------------------------------- layout.c */

/* 0 or the errno that the uAPI names; never reads outside @layout. */
int ndma_layout_verify(const struct ndma_layout *layout, u64 bytes);
/* The layout of @bytes elements of format "B". */
void ndma_layout_bytes(struct ndma_layout *layout, u64 bytes);
int ndma_buffer_layout_check(const struct file *file, const void *arg);
int ndma_layout_get_ioctl(struct file *file, struct ndma_handle *handle, void *arg);
int ndma_layout_set_ioctl(struct file *file, struct ndma_handle *handle, void *arg);

/* ---------------------------------------------------------------- buffer.c */

/* A buffer without a dma-buf, with references of its own. Ended by ndma_buffer_end(). */
struct ndma_buffer *ndma_buffer_new(struct ndma_memory *memory, u64 offset, u64 bytes,
				    u64 capacity, const struct ndma_layout *layout);
void ndma_buffer_put(struct ndma_buffer *buffer);
int ndma_buffer_info_check(const struct file *file, const void *arg);
int ndma_buffer_info_ioctl(struct file *file, struct ndma_handle *handle, void *arg);

/* ---------------------------------------------------------------- dmabuf.c */

/**
 * ndma_dmabuf_create() - a buffer with its read-write dma-buf
 * @memory: the buffer takes its own reference
 * @bytes: what layouts may use
 * @layout: valid for @bytes
 * @owner: client that may begin transfers, or NULL: a source's
 * @stream: true: a stream's backing buffer
 * @out: the buffer; dma_buf_put() of its primary dma-buf ends it
 */
int ndma_dmabuf_create(struct ndma_memory *memory, u64 bytes, const struct ndma_layout *layout,
		       struct ndma_client *owner, bool stream, struct ndma_buffer **out);

/* The handle behind a file descriptor, with a reference to its dma-buf; -EBADF. */
struct ndma_handle *ndma_handle_get(int fd);
void ndma_handle_put(struct ndma_handle *handle);
/*
 * A dma-buf for @handle, with the f_mapping of @root (NULL: its own), and with the resv of its buffer's
 * primary dma-buf, unless it is that.
 */
struct dma_buf *ndma_handle_export(struct ndma_handle *handle, struct dma_buf *root);
/* Ends a buffer that nobody reaches any more, but for the structure, which leases may hold. */
void ndma_buffer_end(struct ndma_buffer *buffer);

/* ---------------------------------------------------------------- view.c */

/**
 * ndma_buffer_view() - a dma-buf of a part of a buffer, with a layout of its own
 * @whole: the buffer whose memory it shows
 * @offset: first byte, page aligned
 * @bytes: length
 * @layout: valid for @bytes
 * @readonly: nobody can write through it
 * @release: called once when the view's last reference is gone, may be NULL
 * @priv: for @release
 * @out: the dma-buf
 */
int ndma_buffer_view(struct ndma_buffer *whole, u64 offset, u64 bytes,
		     const struct ndma_layout *layout, bool readonly,
		     void (*release)(void *priv), void *priv, struct dma_buf **out);

int ndma_buffer_readonly_check(const struct file *file, const void *arg);
int ndma_view_readonly_ioctl(struct file *file, struct ndma_handle *handle, void *arg);

/* ---------------------------------------------------------------- attachment.c */

int ndma_attachment_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
void ndma_attachment_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
struct sg_table *ndma_attachment_map(struct dma_buf_attachment *attach,
				     enum dma_data_direction direction);
void ndma_attachment_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
			   enum dma_data_direction direction);
u32 ndma_attachment_count(struct ndma_buffer *buffer);
/* Cache maintenance for every device that has it mapped. */
void ndma_buffer_sync_for_cpu(struct ndma_buffer *buffer);
void ndma_buffer_sync_for_device(struct ndma_buffer *buffer);

/* ---------------------------------------------------------------- mapping.c */

int ndma_mapping_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

/* ---------------------------------------------------------------- guard.c */

/**
 * ndma_guard_set() - ask before every fault on a stream's backing buffer
 * @buffer: the backing buffer, not mapped by anybody yet
 * @touched: the CPU touches the byte @offset: true: the device owns it, the touch gets SIGBUS
 *   (count it). Under mmap_lock and map_lock: no other lock but spinlocks. NULL: all is the CPU's
 * @priv: for @touched
 *
 * When it returns the former @touched does not run any more, and will not. May sleep.
 */
void ndma_guard_set(struct ndma_buffer *buffer, bool (*touched)(void *priv, u64 offset),
		    void *priv);

/**
 * ndma_guard_seize() - take a range of a buffer away from every mapping
 * @buffer: the buffer
 * @offset: first byte
 * @bytes: length; whole huge pages, because memory is seized folio by folio
 *
 * New faults on the range have to be excluded before this is called: by ndma_guard_excludes(), or by
 * a true answer of @touched. Without the buffer's locks; may sleep some milliseconds.
 *
 * Return: 0; -EBUSY: pages are pinned (io_uring, vmsplice, O_DIRECT in flight), and whoever pinned
 * them can still touch them: not the device's yet.
 */
int ndma_guard_seize(struct ndma_buffer *buffer, u64 offset, u64 bytes);

/*
 * Does a transfer keep the CPU away from the buffer now? @writable: by a mapping that may be
 * written.
 */
bool ndma_guard_excludes(const struct ndma_buffer *buffer, bool writable);
/* Handles a fault that ndma_guard_excludes() is true for. Without buffer->map_lock. */
vm_fault_t ndma_guard_fault(struct vm_fault *vmf, struct ndma_buffer *buffer);
/* The touches of a transfer are over: those of the next count anew. Waits for no memory. */
void ndma_guard_forget(struct ndma_buffer *buffer);

/* ---------------------------------------------------------------- lease.c */

/**
 * struct ndma_lease - promises of one client to look at a buffer, all of one kind
 * @client: whose promises; not counted, because a client ends its leases before it goes
 * @buffer: counted; a buffer that ends forgets its leases
 * @dmabuf: through which the first of @count was acquired, counted; it keeps the memory
 * @link: in buffer->leases, unless @revoked
 * @id: in client->leases
 * @access: NDMA_READ or NDMA_WRITE
 * @count: how many promises; under buffer->lock, and to lower it under client->lock too
 * @revoked: the buffer's owner has revoked it; under buffer->lock
 */
struct ndma_lease {
	struct ndma_client *client;
	struct ndma_buffer *buffer;
	struct dma_buf *dmabuf;
	struct list_head link;
	u32 id;
	u32 access;
	u32 count;
	bool revoked;
};

int ndma_lease_acquire_check(const struct file *file, const void *arg);
int ndma_lease_acquire_ioctl(struct file *file, struct ndma_handle *handle, void *arg);
void ndma_lease_acquire_undo(struct file *file, struct ndma_handle *handle, void *arg);
int ndma_lease_release_ioctl(struct file *file, void *arg);
int ndma_lease_revoke_check(const struct file *file, const void *arg);
int ndma_lease_revoke_ioctl(struct file *file, struct ndma_handle *handle, void *arg);
/* Ends all leases of a client whose file is closed. */
void ndma_lease_drop_all(struct ndma_client *client);
/* Ends all leases of a buffer that nobody reaches any more; their counts are 0. May sleep. */
void ndma_lease_forget_all(struct ndma_buffer *buffer);

/* ---------------------------------------------------------------- holder.c */

int ndma_buffer_holders_check(const struct file *file, const void *arg);
int ndma_holder_ioctl(struct file *file, struct ndma_handle *handle, void *arg);

/* ---------------------------------------------------------------- transfer.c */

/**
 * struct ndma_transfer_plan - a transfer before it begins
 * @direction: NDMA_FROM_DEVICE, …
 * @guard: NDMA_GUARD_…
 * @fenced: publish a fence
 * @deadline: CLOCK_MONOTONIC
 * @filler: of a fill; NULL: the user's
 * @filler_priv: for @filler
 * @layout: what a fill leaves in the buffer; NULL: the buffer's stays
 */
struct ndma_transfer_plan {
	u32 direction;
	u32 guard;
	bool fenced;
	ktime_t deadline;
	const struct ndma_filler *filler;
	void *filler_priv;
	const struct ndma_layout *layout;
};

int ndma_transfer_begin_check(const struct file *file, const void *arg);
int ndma_transfer_begin_ioctl(struct file *file, struct ndma_handle *handle, void *arg);
void ndma_transfer_begin_undo(struct file *file, struct ndma_handle *handle, void *arg);
int ndma_transfer_end_check(const struct file *file, const void *arg);
int ndma_transfer_end_ioctl(struct file *file, struct ndma_handle *handle, void *arg);
/*
 * May @client begin and end transfers by @handle? Only the owner, and by a handle that can write.
 */
bool ndma_transfer_may(const struct ndma_handle *handle, const struct ndma_client *client);
/*
 * The steps by which a transfer begins, for stream/fill.c, which makes the device ready in between.
 * First: waits for others' fences, without a lock of ours.
 */
int ndma_transfer_await_fences(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan);
/* Second: makes the buffer the device's and seizes its memory; followed by start or unclaim. */
int ndma_transfer_seize(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan);
void ndma_transfer_unclaim(struct ndma_buffer *buffer);
/*
 * Third: the transfer has an id, a deadline and perhaps a fence from here on. NDMA_TRANSFER_AGAIN:
 * others' fences have come since they were waited for, so begin again with await_fences.
 */
#define NDMA_TRANSFER_AGAIN 1
int ndma_transfer_start(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan, u32 *id);
/* A fill is over, the device is quiet. @error: 0 or what the fence says. Puts the filler. */
void ndma_transfer_complete(struct ndma_buffer *buffer, int error);
/* The source of a fill has started: the buffer gets the layout of what it writes. */
void ndma_transfer_confirm(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan);
/* The source of a fill has not started: its transfer, completed with @error, is not counted. */
void ndma_transfer_forget(struct ndma_buffer *buffer, int error);

void ndma_transfer_init(struct ndma_buffer *buffer);
void ndma_transfer_fini(struct ndma_buffer *buffer);
/* The owner's file is closed: aborts the transfer that is in progress, if there is one. */
void ndma_transfer_owner_died(struct ndma_buffer *buffer);

/* ---------------------------------------------------------------- fence.c */

#define NDMA_FENCE_MAX_NS (10ULL * NSEC_PER_SEC)

/* May a transfer that a program ends publish a fence? */
bool ndma_fence_allows_users(void);
/* A fence of the next sequence number; under dma_resv. ERR_PTR(-ENOMEM). */
struct dma_fence *ndma_fence_create(struct ndma_buffer *buffer);
/* Signals once; @error is negative or 0. Any context. */
void ndma_fence_signal(struct dma_fence *fence, int error);
/* Have all fences signalled that exclude reading (@write: and writing)? */
bool ndma_fence_test_signaled(struct dma_resv *resv, bool write);

static inline bool ndma_fence_all_signaled(struct dma_resv *resv, bool write)
{
	/* Most buffers never meet a fence. */
	return !rcu_access_pointer(resv->fences) || ndma_fence_test_signaled(resv, write);
}

/*
 * Waits until all fences that exclude reading (@write: and writing) have signalled. -ETIMEDOUT at
 * @deadline, -EINTR.
 */
int ndma_fence_wait(struct dma_resv *resv, bool write, ktime_t deadline);

/* ---------------------------------------------------------------- heap.c: the door */

extern const struct ndma_node_type ndma_heap_type;

#endif /* NDMA_BUFFER_H */
