// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioctls: arguments with their size first, copied in once and out once, and the buffer that they
 * name.
 */
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/uaccess.h>

#include "buffer/internal.h"

/**
 * struct ndma_call - one ioctl in progress
 * @arg: the argument; first, so that a handler's pointer to it finds the rest
 * @handle: of the buffer that it is about, or NULL
 * @file: a file to install, or NULL
 * @fd: its reserved number
 */
struct ndma_call {
	u64 arg[NDMA_IOCTL_ARG_MAX / sizeof(u64)];
	struct ndma_handle *handle;
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

static int ndma_call_copy_in(struct ndma_call *call, const struct ndma_ioctl_row *row,
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
	/* Another thread of the caller may have changed the size between the two reads. */
	*(u32 *)call->arg = *size;
	return 0;
}

static int ndma_call_copy_out(const struct ndma_call *call, const struct ndma_ioctl_row *row,
			      void __user *user, u32 size)
{
	const u32 *output = (const void *)call->arg + row->out_at;

	if (row->in_only)
		return 0;
	if (row->out_at)
		return put_user(*output, (u32 __user *)(user + row->out_at));
	return copy_to_user(user, call->arg, min(size, row->size)) ? -EFAULT : 0;
}

static const struct ndma_ioctl_row *ndma_ioctl_find(const struct ndma_ioctl_row *table,
						    size_t rows, unsigned int cmd)
{
	size_t i;

	for (i = 0; i < rows; i++) {
		if (table[i].cmd == cmd)
			return &table[i];
	}
	return NULL;
}

static int ndma_call_run(struct ndma_call *call, const struct ndma_ioctl_row *row,
			 struct file *file)
{
	const s32 *fd = (const void *)call->arg + row->fd_at;
	struct ndma_handle *handle;
	int ret;

	if (!row->fd_at)
		return row->handler(file, call->arg);
	ret = row->check(file, call->arg);
	if (ret)
		return ret;
	handle = ndma_handle_get(*fd);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	call->handle = handle;
	return row->on_buffer(file, handle, call->arg);
}

/* Puts the buffer, and installs the staged file or, after an error, drops it unseen. */
static void ndma_call_end(const struct ndma_call *call, int ret)
{
	if (call->handle)
		ndma_handle_put(call->handle);
	if (!call->file)
		return;
	if (ret < 0) {
		put_unused_fd(call->fd);
		fput(call->file);
	} else {
		fd_install(call->fd, call->file);
	}
}

long ndma_ioctl_dispatch(struct file *file, const struct ndma_ioctl_row *table, size_t rows,
			 unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	const struct ndma_ioctl_row *row = ndma_ioctl_find(table, rows, cmd);
	/*
	 * Not zeroed, as 1 KiB costs more than most calls: the row's size is written before anybody
	 * reads.
	 */
	struct ndma_call call __uninitialized;
	u32 size;
	int ret;

	if (!row)
		return -ENOTTY;
	if (row->write && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	call.handle = NULL;
	call.file = NULL;
	ret = ndma_call_copy_in(&call, row, user, &size);
	if (ret)
		return ret;

	ret = ndma_call_run(&call, row, file);
	if ((ret >= 0 || row->out_on_error) && ndma_call_copy_out(&call, row, user, size) &&
	    ret >= 0) {
		if (row->undo)
			row->undo(file, call.handle, call.arg);
		ret = -EFAULT;
	}
	ndma_call_end(&call, ret);
	return ret;
}
