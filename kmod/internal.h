/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of ndma.ko. One noun, one file; this header says what each offers the others.
 *
 * Lock order, outermost first:
 *   source->lock (rwsem) > source->streams_lock > stream->mutex > mmap_lock > dma_resv > buffer->lock
 *   mmap_lock > buffer->map_lock > page tables; i_mmap_rwsem > page tables
 *   stream->queue_lock > a driver's own locks > stream->ring_lock (spinlocks, irqsave) are innermost
 *   and nest in all of them.
 * Under dma_resv or buffer->lock: no copy_*_user, no get_user_pages; under buffer->lock no allocation.
 */
#ifndef NDMA_INTERNAL_H
#define NDMA_INTERNAL_H

#include <linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "compat.h"
#include "ndma_source.h"

#define NDMA_HUGE_BYTES		PMD_SIZE

/* For what is as large as user space asks: that it cannot be had is the caller's to hear alone. */
#define NDMA_GFP_ASKED		(GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/* ---------------------------------------------------------------- ioctl.c: size-first arguments */

/**
 * struct ndma_ioctl - one row of a file's dispatch table
 * @cmd: its number
 * @min: size of the first version of the argument
 * @size: size of this kernel's
 * @write: the file must be open for writing (else EACCES)
 * @in_only: nothing is copied back
 * @out_at: offset of the only output, 32 bits wide; 0: the whole argument is copied back
 * @out_on_error: what @handler leaves in the argument is copied back on an error too
 * @handler: gets the file and the argument in kernel memory
 * @undo: @handler succeeded, but the caller cannot be told; may be NULL
 */
struct ndma_ioctl {
	unsigned int cmd;
	u32 min;
	u32 size;
	u32 out_at;
	bool write;
	bool in_only;
	bool out_on_error;
	int (*handler)(struct file *file, void *arg);
	void (*undo)(struct file *file, void *arg);
};

#define NDMA_IOCTL_ARG_MAX	1024

/* .min, .size of a row whose argument has had one version so far. */
#define NDMA_IOCTL_SIZES(type)							\
	.min = sizeof(type),							\
	.size = sizeof(type) + BUILD_BUG_ON_ZERO(sizeof(type) > NDMA_IOCTL_ARG_MAX)

/* Finds the row of @cmd, copies in, calls, copies out, installs what was staged. */
long ndma_ioctl_dispatch(struct file *file, const struct ndma_ioctl *table, size_t rows,
			 unsigned int cmd, unsigned long arg);

/**
 * ndma_ioctl_stage_fd() - reserve a file descriptor for a new file
 * @arg: the argument that the handler was given
 * @file: taken over on success; put again by the dispatcher if the copy to user space fails
 * @fd_flags: O_CLOEXEC or 0, else -EINVAL
 *
 * For handlers only, once a call and as their last step. The number is valid in user space when
 * the ioctl has succeeded, and never before the argument was copied out.
 *
 * Return: the number, for the argument; -EINVAL, -EMFILE.
 */
int ndma_ioctl_stage_fd(void *arg, struct file *file, u32 fd_flags);
/* For handlers only: @dmabuf, taken over, is kept until the call ends. */
void ndma_ioctl_keep(void *arg, struct dma_buf *dmabuf);
/* For undo: what the handler has kept. */
struct dma_buf *ndma_ioctl_kept(void *arg);

/* ------------------------------------------------- memory/: pages, quota, reach */

/**
 * struct ndma_memory_spec - what memory is wanted
 * @bytes: at least so many, more than 0
 * @node: NUMA node or NDMA_NODE_ANY
 * @contiguous: one compound page, or -EOPNOTSUPP
 * @huge: whole 2 MiB pages even below 2 MiB (a stream with a guard)
 * @dev: the device that must reach it, or NULL
 */
struct ndma_memory_spec {
	u64 bytes;
	int node;
	bool contiguous;
	bool huge;
	struct device *dev;
};

/**
 * struct ndma_memory - pages with a reference count, charged to a user until the last is gone
 * @ref: dma-bufs, mappings for devices and streams that keep it
 * @bytes: capacity, whole pages
 * @nr_chunks: compound pages
 * @uniform_order: order of every chunk if they are all alike, else -1
 * @chunks: each chunk's first page, in order; folio->index of each is its page offset
 * @vaddr: kernel mapping of the whole, made by ndma_memory_vmap(), else NULL
 * @vmaps: how often it was asked for
 * @vmap_lock: protects @vaddr and @vmaps
 * @account: who is charged
 * @lingering: in the list of those that nobody but pinned pages keeps
 */
struct ndma_memory {
	struct kref ref;
	u64 bytes;
	unsigned int nr_chunks;
	int uniform_order;
	struct page **chunks;
	void *vaddr;
	unsigned int vmaps;
	struct mutex vmap_lock;
	struct ndma_account *account;
	struct list_head lingering;
};

/* Frees and uncharges what nobody pins any more; it happens by itself some time later. May sleep. */
void ndma_memory_settle(void);
/* Lets go of pages that others have pinned, and of their charge: nobody is left to be charged. */
void ndma_memory_exit(void);
int ndma_memory_alloc(const struct ndma_memory_spec *spec, struct ndma_memory **out);
void ndma_memory_get(struct ndma_memory *memory);
void ndma_memory_put(struct ndma_memory *memory);
/* The page (not its compound head) at page offset @pgoff, which lies inside. */
struct page *ndma_memory_page(const struct ndma_memory *memory, pgoff_t pgoff);
/* Whether @dev can do DMA to all of it; a device that cannot must not map it (a splat). */
bool ndma_memory_reachable(const struct ndma_memory *memory, struct device *dev);
/* Scatter list of [@offset, @offset + @bytes), not mapped for any device; ends by sg_free_table(). */
int ndma_memory_sg(const struct ndma_memory *memory, u64 offset, u64 bytes, struct device *dev,
		   struct sg_table *table);
/* One mapping for everybody, counted. */
int ndma_memory_vmap(struct ndma_memory *memory);
void ndma_memory_vunmap(struct ndma_memory *memory);

/* ---------------------------------------------------------------- buffer/layout.c */

/* 0 or the errno that the uAPI names; never reads outside @layout. */
int ndma_layout_check(const struct ndma_layout *layout, u64 bytes);
/* The layout of @bytes elements of format "B". */
void ndma_layout_flat(struct ndma_layout *layout, u64 bytes);

/* ---------------------------------------------------------------- buffer/client.c, heap.c: clients */

/**
 * struct ndma_client - one open file of the heap
 * @ref: the file, and each buffer it owns or lease it holds
 */
struct ndma_client;

extern const struct file_operations ndma_heap_fops;

/* ---------------------------------------------------------------- buffer/buffer.c, dmabuf.c, view.c: buffers as dma-bufs */

/**
 * struct ndma_buffer - memory + layout + who owns it; private data of its dma-bufs
 *
 * The read-write dma-buf and read-only ones share one buffer, its resv and its f_mapping.
 * Defined in buffer/internal.h.
 */
struct ndma_buffer;

/**
 * ndma_buffer_create() - a buffer with its read-write dma-buf
 * @memory: the buffer takes its own reference
 * @bytes: what layouts may use
 * @layout: valid for @bytes
 * @owner: client that may begin transfers, or NULL: a source's
 * @stream: true: a stream's backing buffer
 * @out: the dma-buf; dma_buf_put() ends it
 */
int ndma_buffer_create(struct ndma_memory *memory, u64 bytes, const struct ndma_layout *layout,
		       struct ndma_client *owner, bool stream, struct dma_buf **out);

/**
 * ndma_buffer_view() - a read-only dma-buf of a part of a buffer, with a layout of its own
 * @parent: the dma-buf whose memory it shows
 * @offset: first byte, page aligned
 * @bytes: length
 * @layout: valid for @bytes
 * @release: called once when the view's last reference is gone, may be NULL
 * @priv: for @release
 * @out: the dma-buf
 */
int ndma_buffer_view(struct dma_buf *parent, u64 offset, u64 bytes,
		     const struct ndma_layout *layout, void (*release)(void *priv), void *priv,
		     struct dma_buf **out);

/**
 * ndma_buffer_set_guard() - ask before every fault on a stream's backing buffer
 * @dmabuf: the backing buffer, not mapped by anybody yet
 * @touched: the CPU touches the byte @offset: true: the device owns it, the touch gets SIGBUS
 *   (count it). Under mmap_lock and the buffer's lock: no other lock but spinlocks. NULL: all is the CPU's
 * @priv: for @touched
 *
 * When it returns the former @touched does not run any more, and will not. May sleep.
 */
void ndma_buffer_set_guard(struct dma_buf *dmabuf, bool (*touched)(void *priv, u64 offset),
			   void *priv);

/**
 * ndma_buffer_seize() - take a range of a stream's backing buffer away from every mapping
 * @dmabuf: the backing buffer
 * @offset: first byte
 * @bytes: length; whole huge pages, as the memory is taken away folio by folio
 *
 * @touched has to answer true for the range before this is called. May sleep some milliseconds.
 *
 * Return: 0; -EBUSY: pages are pinned (io_uring, vmsplice, O_DIRECT in flight), and whoever pinned
 * them can still touch them: not the device's yet.
 */
int ndma_buffer_seize(struct dma_buf *dmabuf, u64 offset, u64 bytes);

/* The buffer behind a dma-buf, or NULL if it is not one of ours. */
struct ndma_buffer *ndma_buffer_from_dmabuf(struct dma_buf *dmabuf);

/* ---------------------------------------------------------------- stream/file.c; the rest: stream/internal.h */

/*
 * Device of a source's open file, for memory that it must reach, with a reference (put_device());
 * NULL for a source in software. -EBADF: not a source's file; -ENODEV: the source is gone.
 */
int ndma_source_device(struct file *file, struct device **dev);

/* ---------------------------------------------------------------- node.c: class and minors */

int ndma_nodes_init(void);
void ndma_nodes_exit(void);

struct device *ndma_node_create(const char *name, const struct file_operations *fops, void *priv,
				const struct attribute_group **groups, struct device *parent,
				unsigned int *minor);
/* When it returns no open() of this node runs, or will. Not under a lock that open() takes. */
void ndma_node_destroy(unsigned int minor);
/* From open() alone: @priv of the node; ndma_node_destroy() waits until open() has returned. */
void *ndma_node_priv(struct inode *inode);

/*
 * Unbound. The first is for what ends things, deadlines and streams' stoppers: they wait for streams'
 * workers, which are on the second, as a queue runs so many at a time and no more.
 */
extern struct workqueue_struct *ndma_workqueue, *ndma_flow_workqueue;
int ndma_workqueues_init(void);
void ndma_workqueues_exit(void);

#endif /* NDMA_INTERNAL_H */
