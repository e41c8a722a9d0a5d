// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers: memory, a layout, and who owns it.
 */
#include <linux/slab.h>

#include "internal.h"

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
	xa_init_flags(&buffer->touchers, XA_FLAGS_ACCOUNT);
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

	ndma_guard_forget(buffer);
	mutex_destroy(&buffer->attach_lock);
	kfree(buffer);
}

void ndma_buffer_put(struct ndma_buffer *buffer)
{
	kref_put(&buffer->ref, ndma_buffer_free);
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

int ndma_buffer_info_check(const struct file *file, const void *arg)
{
	const struct ndma_buffer_info *info = arg;

	return info->flags ? -EINVAL : 0;
}

/* From @info->run_at on; the buffer may begin in the middle of its memory. */
static void ndma_buffer_tell_run(const struct ndma_buffer *buffer, struct ndma_buffer_info *info)
{
	u64 at = buffer->offset + info->run_at;
	unsigned int order;
	u64 bytes;

	bytes = ((u64)ndma_memory_run(buffer->memory, at >> PAGE_SHIFT, &order) << PAGE_SHIFT) -
		offset_in_page(at);
	info->run_bytes = min(bytes, buffer->capacity - info->run_at);
	info->run_page_bytes = (u64)PAGE_SIZE << order;
}

int ndma_buffer_info_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	struct ndma_buffer *buffer = handle->buffer;
	struct ndma_buffer_info *info = arg;

	if (info->run_at >= buffer->capacity)
		return -EINVAL;
	ndma_buffer_tell_run(buffer, info);
	info->flags = ndma_buffer_flags(handle);
	info->bytes = buffer->bytes;
	info->capacity = buffer->capacity;
	info->node = page_to_nid(ndma_memory_page(buffer->memory, buffer->offset >> PAGE_SHIFT));
	info->touches = atomic64_read(&buffer->touches);
	info->id = buffer->fence_context;
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
	return 0;
}
