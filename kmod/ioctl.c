// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arguments of ioctls: size first, extensible, copied in once and out once.
 */
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/uaccess.h>

#include "internal.h"

/**
 * struct ndma_call - one ioctl in progress
 * @arg: the argument; first, so that a handler's pointer to it finds the rest
 * @kept: a reference for @undo, or NULL
 * @file: a file to install, or NULL
 * @fd: its reserved number
 */
struct ndma_call {
	u64 arg[NDMA_IOCTL_ARG_MAX / sizeof(u64)];
	struct dma_buf *kept;
	struct file *file;
	int fd;
};

int ndma_ioctl_stage_fd(void *arg, struct file *file, u32 fd_flags)
{
	struct ndma_call *call = container_of(arg, struct ndma_call, arg);
	int fd;

	if (fd_flags & ~O_CLOEXEC)
		return -EINVAL;
	if (WARN_ON_ONCE(call->file))
		return -EINVAL;
	fd = get_unused_fd_flags(fd_flags);
	if (fd < 0)
		return fd;
	call->file = file;
	call->fd = fd;
	return fd;
}

void ndma_ioctl_keep(void *arg, struct dma_buf *dmabuf)
{
	container_of(arg, struct ndma_call, arg)->kept = dmabuf;
}

struct dma_buf *ndma_ioctl_kept(void *arg)
{
	return container_of(arg, struct ndma_call, arg)->kept;
}

static int ndma_call_copy_in(struct ndma_call *call, const struct ndma_ioctl *row,
			     void __user *user, u32 *size)
{
	int ret;

	if (get_user(*size, (u32 __user *)user))
		return -EFAULT;
	if (*size < row->min)
		return -EINVAL;
	if (*size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(call->arg, row->size, user, *size);
	if (ret)
		return ret;
	/* Another thread may have changed it between the two reads. */
	*(u32 *)call->arg = *size;
	return 0;
}

static int ndma_call_copy_out(const struct ndma_call *call, const struct ndma_ioctl *row,
			      void __user *user, u32 size)
{
	const u32 *output = (const void *)call->arg + row->out_at;

	if (row->in_only)
		return 0;
	if (row->out_at)
		return put_user(*output, (u32 __user *)(user + row->out_at));
	return copy_to_user(user, call->arg, min(size, row->size)) ? -EFAULT : 0;
}

static const struct ndma_ioctl *ndma_ioctl_find(const struct ndma_ioctl *table, size_t rows,
						unsigned int cmd)
{
	size_t i;

	for (i = 0; i < rows; i++) {
		if (table[i].cmd == cmd)
			return &table[i];
	}
	return NULL;
}

long ndma_ioctl_dispatch(struct file *file, const struct ndma_ioctl *table, size_t rows,
			 unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	const struct ndma_ioctl *row = ndma_ioctl_find(table, rows, cmd);
	/* Written as far as the row's size before anybody reads it: zeroing 1 KiB costs more. */
	struct ndma_call call __uninitialized;
	u32 size;
	int ret;

	if (!row)
		return -ENOTTY;
	if (row->write && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	call.kept = NULL;
	call.file = NULL;
	ret = ndma_call_copy_in(&call, row, user, &size);
	if (ret)
		return ret;

	ret = row->handler(file, call.arg);
	if (ret < 0 && !row->out_on_error)
		return ret;
	if (ndma_call_copy_out(&call, row, user, size) && ret >= 0) {
		if (row->undo)
			row->undo(file, call.arg);
		ret = -EFAULT;
	}
	if (call.kept)
		dma_buf_put(call.kept);
	if (call.file) {
		if (ret < 0) {
			put_unused_fd(call.fd);
			fput(call.file);
		} else {
			fd_install(call.fd, call.file);
		}
	}
	return ret;
}
