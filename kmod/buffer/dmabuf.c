// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers as dma-bufs: the operations that importers call, creation, the end.
 */
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/slab.h>

#include "internal.h"

NDMA_IMPORT_DMA_BUF;

void ndma_buffer_end(struct ndma_buffer *buffer)
{
	ndma_transfer_fini(buffer);
	ndma_lease_forget_all(buffer);
	ndma_memory_put(buffer->memory);
	ndma_buffer_put(buffer);
}

static void ndma_buffer_free_owned(struct ndma_buffer *buffer)
{
	if (buffer->owner) {
		mutex_lock(&buffer->owner->lock);
		list_del(&buffer->owner_link);
		mutex_unlock(&buffer->owner->lock);
		ndma_client_put(buffer->owner);
	}
	ndma_buffer_end(buffer);
}

/* The end of a view: its buffer was made for it, and keeps its parent until now. */
static void ndma_buffer_free_view(struct ndma_buffer *buffer)
{
	struct dma_buf *parent = buffer->parent;

	if (buffer->release)
		buffer->release(buffer->priv);
	ndma_buffer_end(buffer);
	dma_buf_put(parent);
}

static void ndma_handle_release(struct dma_buf *dmabuf)
{
	struct ndma_handle *handle = dmabuf->priv;
	struct ndma_buffer *buffer = handle->buffer;

	if (handle != &buffer->handle) {
		kfree(handle);
		dma_buf_put(buffer->handle.dmabuf);
	} else if (buffer->parent) {
		ndma_buffer_free_view(buffer);
	} else {
		ndma_buffer_free_owned(buffer);
	}
}

static int ndma_buffer_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct ndma_handle *handle = dmabuf->priv;

	ndma_buffer_sync_for_cpu(handle->buffer);
	return 0;
}

static int ndma_buffer_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct ndma_handle *handle = dmabuf->priv;

	ndma_buffer_sync_for_device(handle->buffer);
	return 0;
}

static int ndma_buffer_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct ndma_handle *handle = dmabuf->priv;
	struct ndma_memory *memory = handle->buffer->memory;
	int ret;

	ret = ndma_memory_vmap(memory);
	if (ret)
		return ret;
	iosys_map_set_vaddr(map, memory->vaddr + handle->buffer->offset);
	return 0;
}

static void ndma_buffer_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct ndma_handle *handle = dmabuf->priv;

	ndma_memory_vunmap(handle->buffer->memory);
	iosys_map_clear(map);
}

static const struct dma_buf_ops ndma_buffer_ops = {
	.attach = ndma_attachment_attach,
	.detach = ndma_attachment_detach,
	.map_dma_buf = ndma_attachment_map,
	.unmap_dma_buf = ndma_attachment_unmap,
	.release = ndma_handle_release,
	.begin_cpu_access = ndma_buffer_begin_cpu_access,
	.end_cpu_access = ndma_buffer_end_cpu_access,
	.mmap = ndma_mapping_mmap,
	.vmap = ndma_buffer_vmap,
	.vunmap = ndma_buffer_vunmap,
};

static int ndma_readonly_begin_cpu_access(struct dma_buf *dmabuf,
					  enum dma_data_direction direction)
{
	struct ndma_handle *handle = dmabuf->priv;

	ndma_buffer_sync_for_cpu(handle->buffer);
	return 0;
}

/*
 * A read-only handle has no vmap, because an importer could write through it, and no
 * end_cpu_access, because the CPU has written nothing that a device would have to see.
 */
static const struct dma_buf_ops ndma_readonly_ops = {
	.attach = ndma_attachment_attach,
	.detach = ndma_attachment_detach,
	.map_dma_buf = ndma_attachment_map,
	.unmap_dma_buf = ndma_attachment_unmap,
	.release = ndma_handle_release,
	.begin_cpu_access = ndma_readonly_begin_cpu_access,
	.mmap = ndma_mapping_mmap,
};

struct dma_buf *ndma_handle_export(struct ndma_handle *handle, struct dma_buf *root)
{
	struct ndma_handle *primary = &handle->buffer->handle;
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = handle->readonly ? &ndma_readonly_ops : &ndma_buffer_ops;
	info.size = handle->buffer->capacity;
	info.flags = handle->readonly ? O_RDONLY : O_RDWR;
	/*
	 * A buffer's read-only handles share its fences. A view is a buffer of its own: with its
	 * parent's, whoever has one frame of a stream could hold up those who read another.
	 */
	info.resv = handle == primary ? NULL : primary->dmabuf->resv;
	info.priv = handle;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		return dmabuf;
	handle->dmabuf = dmabuf;
	if (root)
		dmabuf->file->f_mapping = root->file->f_mapping;
	return dmabuf;
}

int ndma_dmabuf_create(struct ndma_memory *memory, u64 bytes, const struct ndma_layout *layout,
		       struct ndma_client *owner, bool stream, struct ndma_buffer **out)
{
	struct ndma_buffer *buffer;
	struct dma_buf *dmabuf;

	buffer = ndma_buffer_new(memory, 0, bytes, memory->bytes, layout);
	if (!buffer)
		return -ENOMEM;
	buffer->stream = stream;
	dmabuf = ndma_handle_export(&buffer->handle, NULL);
	if (IS_ERR(dmabuf)) {
		ndma_buffer_end(buffer);
		return PTR_ERR(dmabuf);
	}
	if (owner) {
		ndma_client_get(owner);
		buffer->owner = owner;
		mutex_lock(&owner->lock);
		list_add(&buffer->owner_link, &owner->buffers);
		mutex_unlock(&owner->lock);
	}
	*out = buffer;
	return 0;
}

static bool ndma_dmabuf_is_ours(const struct dma_buf *dmabuf)
{
	return dmabuf->ops == &ndma_buffer_ops || dmabuf->ops == &ndma_readonly_ops;
}

struct ndma_handle *ndma_handle_get(int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	if (IS_ERR(dmabuf))
		return ERR_PTR(-EBADF);
	if (!ndma_dmabuf_is_ours(dmabuf)) {
		dma_buf_put(dmabuf);
		return ERR_PTR(-EBADF);
	}
	return dmabuf->priv;
}

void ndma_handle_put(struct ndma_handle *handle)
{
	dma_buf_put(handle->dmabuf);
}
