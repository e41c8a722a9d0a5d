/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Under every room of ndma.ko: what main.c, node.c and ioctl.c offer, and the order of all locks.
 *
 * One noun, one file. Each room has a header that says what its files offer the others, and a room
 * knows those below it and none above: memory/ < buffer/ < stream/.
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

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/ndma.h>

#include "compat.h"

#define NDMA_HUGE_BYTES		PMD_SIZE

/*
 * What a guard on a stream takes away at once. Where pages have 16 KiB a huge page has 32 MiB, and a
 * small frame would cost as much.
 */
#define NDMA_GUARD_BYTES	(PMD_SIZE < SZ_2M ? PMD_SIZE : SZ_2M)

/* For what is as large as user space asks: a failure is told to the caller, and not to the log. */
#define NDMA_GFP_ASKED		(GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/* ---------------------------------------------------------------- ioctl.c: size-first arguments */

struct ndma_handle;

/**
 * struct ndma_ioctl_row - one row of a file's dispatch table
 * @cmd: its number
 * @min: size of the first version of the argument
 * @size: size of this kernel's
 * @write: the file must be open for writing (else EACCES)
 * @in_only: nothing is copied back
 * @out_at: offset of the only output, 32 bits wide; 0: the whole argument is copied back
 * @fd_at: offset of the descriptor of the buffer that the call is about (else EBADF); 0: of none
 * @out_on_error: what @handler leaves in the argument is copied back on an error too
 * @handler: without @fd_at: gets the file and the argument in kernel memory
 * @check: with @fd_at: refuses what is wrong with the argument before the descriptor is looked at
 * @on_buffer: with @fd_at, in place of @handler: gets the handle too, which stays the same until
 *   the end: another thread may close the descriptor, or make it another buffer's
 * @undo: what was called succeeded, but the caller cannot be told; may be NULL. The handle is NULL
 *   without @fd_at
 */
struct ndma_ioctl_row {
	unsigned int cmd;
	u32 min;
	u32 size;
	u32 out_at;
	u32 fd_at;
	bool write;
	bool in_only;
	bool out_on_error;
	int (*handler)(struct file *file, void *arg);
	int (*check)(const struct file *file, const void *arg);
	int (*on_buffer)(struct file *file, struct ndma_handle *handle, void *arg);
	void (*undo)(struct file *file, struct ndma_handle *handle, void *arg);
};

#define NDMA_IOCTL_ARG_MAX	1024

/* .min, .size of a row whose argument has had one version so far. */
#define NDMA_IOCTL_SIZES(type)							\
	.min = sizeof(type),							\
	.size = sizeof(type) + BUILD_BUG_ON_ZERO(sizeof(type) > NDMA_IOCTL_ARG_MAX)

/* The same, where @member is the first that the first version did not have. */
#define NDMA_IOCTL_SIZES_FROM(type, member)					\
	.min = offsetof(type, member),						\
	.size = sizeof(type) + BUILD_BUG_ON_ZERO(sizeof(type) > NDMA_IOCTL_ARG_MAX)

/* As NDMA_IOCTL_SIZES, and .fd_at, of a row whose argument names its buffer by @fd. */
#define NDMA_IOCTL_ON_BUFFER(type) NDMA_IOCTL_SIZES(type), .fd_at = offsetof(type, fd)

/*
 * Finds the row of @cmd, copies in, looks the buffer up, calls, copies out, installs what was
 * staged.
 */
long ndma_ioctl_dispatch(struct file *file, const struct ndma_ioctl_row *table, size_t rows,
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

/* ---------------------------------------------------------------- node.c: class and minors */

enum ndma_node_kind {
	NDMA_KIND_FOREIGN,	/* no node of ours */
	NDMA_KIND_HEAP,
	NDMA_KIND_SOURCE,
};

/**
 * struct ndma_node_type - what all nodes of one kind have in common
 * @kind: which
 * @fops: of their open files; has open()
 * @device: for ndma_node_device(); NULL: there is no device behind them
 * @pause: the machine goes to sleep; @resume: it is back; @shut_down: it ends, or another kernel
 *   starts. All get @priv of the node, before the device that is its parent and after it is back. NULL:
 *   there is nothing to do
 */
struct ndma_node_type {
	enum ndma_node_kind kind;
	const struct file_operations fops;
	int (*device)(struct file *file, struct device **dev);
	void (*pause)(void *priv);
	void (*resume)(void *priv);
	void (*shut_down)(void *priv);
};

int ndma_nodes_init(void);
void ndma_nodes_exit(void);

struct device *ndma_node_create(const char *name, const struct ndma_node_type *type, void *priv,
				const struct attribute_group **groups, struct device *parent,
				unsigned int *minor);
/* When it returns, no open() of this node runs or will. Not under a lock that open() takes. */
void ndma_node_destroy(unsigned int minor);
/* For open() alone: @priv of the node. ndma_node_destroy() waits until open() has returned. */
void *ndma_node_priv(struct inode *inode);
/* The kind of node that @file was opened by; the node itself may be gone by now. */
enum ndma_node_kind ndma_node_kind(const struct file *file);
/*
 * The device behind a source's open file, for memory that it must reach, with a reference
 * (put_device()); NULL for a source in software. -EBADF: not a source's file; -ENODEV: the source
 * is gone.
 */
int ndma_node_device(struct file *file, struct device **dev);

/*
 * A queue runs so many works at a time, so no work waits for one of its own queue: waiters could fill it.
 *
 *   ndma_fence_workqueue   deadlines, and the end of fills: waits for drivers' works at most
 *   ndma_workqueue         streams' stoppers: wait for streams' workers and drivers' works
 *   ndma_flow_workqueue    streams' workers: may wait for memory, so that no fence is signalled here
 *   ndma_source_workqueue  drivers' works (see ndma_source.h): wait for none of these
 */
extern struct workqueue_struct *ndma_fence_workqueue, *ndma_workqueue, *ndma_flow_workqueue,
	*ndma_source_workqueue;
int ndma_workqueues_init(void);
void ndma_workqueues_exit(void);

#endif /* NDMA_INTERNAL_H */
