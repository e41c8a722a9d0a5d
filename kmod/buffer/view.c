// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views: dma-bufs of memory that belongs to another one, which they keep.
 */
#include <linux/dma-buf.h>
#include <linux/slab.h>

#include "internal.h"

int ndma_buffer_view(struct ndma_buffer *whole, u64 offset, u64 bytes,
		     const struct ndma_layout *layout, bool readonly,
		     void (*release)(void *priv), void *priv, struct dma_buf **out)
{
	struct dma_buf *parent = whole->handle.dmabuf;
	struct ndma_buffer *view;
	struct dma_buf *dmabuf;

	view = ndma_buffer_new(whole->memory, whole->offset + offset, bytes, PAGE_ALIGN(bytes),
			       layout);
	if (!view)
		return -ENOMEM;
	view->stream = whole->stream;
	view->handle.readonly = readonly;
	dmabuf = ndma_handle_export(&view->handle, parent);
	if (IS_ERR(dmabuf)) {
		ndma_buffer_end(view);
		return PTR_ERR(dmabuf);
	}
	get_dma_buf(parent);
	view->parent = parent;
	view->release = release;
	view->priv = priv;
	*out = dmabuf;
	return 0;
}

/* A further dma-buf of @buffer, which cannot write. */
static struct dma_buf *ndma_view_readonly(struct ndma_buffer *buffer)
{
	struct ndma_handle *handle;
	struct dma_buf *dmabuf;

	handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle)
		return ERR_PTR(-ENOMEM);
	handle->buffer = buffer;
	handle->readonly = true;
	dmabuf = ndma_handle_export(handle, buffer->handle.dmabuf);
	if (IS_ERR(dmabuf)) {
		kfree(handle);
		return dmabuf;
	}
	get_dma_buf(buffer->handle.dmabuf);
	return dmabuf;
}

int ndma_buffer_readonly_check(const struct file *file, const void *arg)
{
	const struct ndma_buffer_readonly *request = arg;

	if (request->flags || request->reserved || request->fd_flags & ~O_CLOEXEC)
		return -EINVAL;
	return 0;
}

int ndma_view_readonly_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	struct ndma_buffer_readonly *request = arg;
	struct dma_buf *view;
	int fd;

	view = ndma_view_readonly(handle->buffer);
	if (IS_ERR(view))
		return PTR_ERR(view);
	fd = ndma_ioctl_stage_fd(arg, view->file, request->fd_flags);
	if (fd < 0) {
		dma_buf_put(view);
		return fd;
	}
	request->out_fd = fd;
	return 0;
}
