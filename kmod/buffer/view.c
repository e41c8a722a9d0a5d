// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views: dma-bufs of memory that belongs to another one, which they keep, and cannot write.
 */
#include <linux/dma-buf.h>
#include <linux/slab.h>

#include "internal.h"

static int ndma_readonly_begin_cpu_access(struct dma_buf *dmabuf,
					  enum dma_data_direction direction)
{
	struct ndma_handle *handle = dmabuf->priv;

	ndma_buffer_sync_for_cpu(handle->buffer);
	return 0;
}

/* Of a view: the buffer was made for it. */
static void ndma_view_free(struct ndma_buffer *buffer)
{
	struct dma_buf *parent = buffer->parent;

	if (buffer->release)
		buffer->release(buffer->priv);
	ndma_buffer_end(buffer);
	dma_buf_put(parent);
}

static void ndma_readonly_release(struct dma_buf *dmabuf)
{
	struct ndma_handle *handle = dmabuf->priv;
	struct ndma_buffer *buffer = handle->buffer;

	if (handle == &buffer->handle) {
		ndma_view_free(buffer);
		return;
	}
	kfree(handle);
	dma_buf_put(buffer->dmabuf);
}

/* No vmap: an importer could write through it. The CPU wrote nothing, so nothing to give back. */
const struct dma_buf_ops ndma_readonly_ops = {
	.attach = ndma_attachment_attach,
	.detach = ndma_attachment_detach,
	.map_dma_buf = ndma_attachment_map,
	.unmap_dma_buf = ndma_attachment_unmap,
	.release = ndma_readonly_release,
	.begin_cpu_access = ndma_readonly_begin_cpu_access,
	.mmap = ndma_mapping_mmap,
};

int ndma_buffer_view(struct dma_buf *parent, u64 offset, u64 bytes,
		     const struct ndma_layout *layout, void (*release)(void *priv), void *priv,
		     struct dma_buf **out)
{
	struct ndma_buffer *whole = ndma_buffer_from_dmabuf(parent);
	struct ndma_buffer *view;
	struct dma_buf *dmabuf;

	view = ndma_buffer_new(whole->memory, whole->offset + offset, bytes, PAGE_ALIGN(bytes),
			       layout);
	if (!view)
		return -ENOMEM;
	view->stream = whole->stream;
	view->handle.readonly = true;
	dmabuf = ndma_handle_export(&view->handle, parent);
	if (IS_ERR(dmabuf)) {
		ndma_buffer_end(view);
		return PTR_ERR(dmabuf);
	}
	get_dma_buf(parent);
	view->parent = parent;
	view->dmabuf = dmabuf;
	view->release = release;
	view->priv = priv;
	*out = dmabuf;
	return 0;
}

/* A second dma-buf of the buffer of @handle. */
static struct dma_buf *ndma_view_readonly(struct ndma_buffer *buffer)
{
	struct ndma_handle *handle;
	struct dma_buf *dmabuf;

	handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle)
		return ERR_PTR(-ENOMEM);
	handle->buffer = buffer;
	handle->readonly = true;
	dmabuf = ndma_handle_export(handle, buffer->dmabuf);
	if (IS_ERR(dmabuf)) {
		kfree(handle);
		return dmabuf;
	}
	get_dma_buf(buffer->dmabuf);
	return dmabuf;
}

int ndma_view_readonly_ioctl(struct file *file, void *arg)
{
	struct ndma_buffer_readonly *request = arg;
	struct ndma_handle *handle;
	struct dma_buf *dmabuf, *view;
	int fd;

	if (request->flags || request->reserved || request->fd_flags & ~O_CLOEXEC)
		return -EINVAL;
	dmabuf = ndma_handle_get(request->fd, &handle);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	view = ndma_view_readonly(handle->buffer);
	dma_buf_put(dmabuf);
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
