// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers as dma-bufs: creation, the operations that importers call, the end.
 */
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/slab.h>

#include "internal.h"
#include "client.h"

NDMA_IMPORT_DMA_BUF;

struct ndma_buffer *ndma_buffer_new(struct ndma_memory *memory, u64 offset, u64 bytes,
				    u64 capacity, const struct ndma_layout *layout)
{
	struct ndma_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);

	if (!buffer)
		return NULL;
	kref_init(&buffer->ref);
	ndma_memory_get(memory);
	buffer->handle.buffer = buffer;
	buffer->memory = memory;
	buffer->offset = offset;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	buffer->layout = *layout;
	buffer->fence_context = dma_fence_context_alloc(1);
	INIT_LIST_HEAD(&buffer->owner_link);
	INIT_LIST_HEAD(&buffer->attachments);
	INIT_LIST_HEAD(&buffer->leases);
	mutex_init(&buffer->attach_lock);
	init_rwsem(&buffer->map_lock);
	init_rwsem(&buffer->lock);
	init_waitqueue_head(&buffer->wait);
	ndma_transfer_init(buffer);
	return buffer;
}

static void ndma_buffer_free(struct kref *ref)
{
	struct ndma_buffer *buffer = container_of(ref, struct ndma_buffer, ref);

	mutex_destroy(&buffer->attach_lock);
	kfree(buffer);
}

void ndma_buffer_put(struct ndma_buffer *buffer)
{
	kref_put(&buffer->ref, ndma_buffer_free);
}

void ndma_buffer_end(struct ndma_buffer *buffer)
{
	ndma_transfer_fini(buffer);
	ndma_lease_forget_all(buffer);
	ndma_memory_put(buffer->memory);
	ndma_buffer_put(buffer);
}

struct dma_buf *ndma_handle_export(struct ndma_handle *handle, struct dma_buf *root)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = handle->readonly ? &ndma_readonly_ops : &ndma_buffer_ops;
	info.size = handle->buffer->capacity;
	info.flags = handle->readonly ? O_RDONLY : O_RDWR;
	info.resv = root ? root->resv : NULL;
	info.priv = handle;
	dmabuf = dma_buf_export(&info);
	if (!IS_ERR(dmabuf) && root)
		dmabuf->file->f_mapping = root->file->f_mapping;
	return dmabuf;
}

int ndma_buffer_create(struct ndma_memory *memory, u64 bytes, const struct ndma_layout *layout,
		       struct ndma_client *owner, bool stream, struct dma_buf **out)
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
	buffer->dmabuf = dmabuf;
	if (owner) {
		ndma_client_get(owner);
		buffer->owner = owner;
		mutex_lock(&owner->lock);
		list_add(&buffer->owner_link, &owner->buffers);
		mutex_unlock(&owner->lock);
	}
	*out = dmabuf;
	return 0;
}

static void ndma_buffer_release(struct dma_buf *dmabuf)
{
	struct ndma_handle *handle = dmabuf->priv;
	struct ndma_buffer *buffer = handle->buffer;

	if (buffer->owner) {
		mutex_lock(&buffer->owner->lock);
		list_del(&buffer->owner_link);
		mutex_unlock(&buffer->owner->lock);
		ndma_client_put(buffer->owner);
	}
	ndma_buffer_end(buffer);
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

const struct dma_buf_ops ndma_buffer_ops = {
	.attach = ndma_attachment_attach,
	.detach = ndma_attachment_detach,
	.map_dma_buf = ndma_attachment_map,
	.unmap_dma_buf = ndma_attachment_unmap,
	.release = ndma_buffer_release,
	.begin_cpu_access = ndma_buffer_begin_cpu_access,
	.end_cpu_access = ndma_buffer_end_cpu_access,
	.mmap = ndma_mapping_mmap,
	.vmap = ndma_buffer_vmap,
	.vunmap = ndma_buffer_vunmap,
};

static bool ndma_dmabuf_is_ours(const struct dma_buf *dmabuf)
{
	return dmabuf->ops == &ndma_buffer_ops || dmabuf->ops == &ndma_readonly_ops;
}

struct ndma_buffer *ndma_buffer_from_dmabuf(struct dma_buf *dmabuf)
{
	struct ndma_handle *handle = dmabuf->priv;

	return ndma_dmabuf_is_ours(dmabuf) ? handle->buffer : NULL;
}

struct dma_buf *ndma_handle_get(int fd, struct ndma_handle **handle)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	if (IS_ERR(dmabuf))
		return ERR_PTR(-EBADF);
	if (!ndma_dmabuf_is_ours(dmabuf)) {
		dma_buf_put(dmabuf);
		return ERR_PTR(-EBADF);
	}
	*handle = dmabuf->priv;
	return dmabuf;
}

static u32 ndma_buffer_flags(const struct ndma_handle *handle)
{
	u32 flags = 0;

	if (handle->buffer->memory->nr_chunks == 1)
		flags |= NDMA_BUFFER_CONTIGUOUS;
	if (handle->readonly)
		flags |= NDMA_BUFFER_READONLY;
	if (handle->buffer->stream)
		flags |= NDMA_BUFFER_STREAM;
	return flags;
}

static u32 ndma_buffer_leases_of(const struct ndma_buffer *buffer, const struct ndma_client *client)
{
	const struct ndma_lease *lease;
	u32 count = 0;

	list_for_each_entry(lease, &buffer->leases, link) {
		if (lease->client == client)
			count += lease->count;
	}
	return count;
}

int ndma_buffer_info_ioctl(struct file *file, void *arg)
{
	struct ndma_buffer_info *info = arg;
	struct ndma_handle *handle;
	struct ndma_buffer *buffer;
	struct dma_buf *dmabuf;

	if (info->flags)
		return -EINVAL;
	dmabuf = ndma_handle_get(info->fd, &handle);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buffer = handle->buffer;

	info->flags = ndma_buffer_flags(handle);
	info->bytes = buffer->bytes;
	info->capacity = buffer->capacity;
	info->node = page_to_nid(ndma_memory_page(buffer->memory, buffer->offset >> PAGE_SHIFT));
	info->touches = atomic64_read(&buffer->touches);
	down_read(&buffer->lock);
	info->owner = buffer->transfer.active ? NDMA_OWNER_DEVICE : NDMA_OWNER_CPU;
	info->direction = buffer->transfer.active ? buffer->transfer.direction : 0;
	info->guard = buffer->transfer.active ? buffer->transfer.guard : NDMA_GUARD_NONE;
	info->read_leases = buffer->read_leases;
	info->write_leases = buffer->write_leases;
	info->own_leases = ndma_buffer_leases_of(buffer, ndma_client_of(file));
	info->transfers = buffer->transfers;
	info->aborted = buffer->aborted;
	up_read(&buffer->lock);
	dma_buf_put(dmabuf);
	return 0;
}
