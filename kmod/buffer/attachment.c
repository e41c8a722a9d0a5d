// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attachments: devices that import a buffer, each with its own mapping for DMA.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * struct ndma_attachment - a device attached to a dma-buf
 * @link: in buffer->attachments
 * @dev: the device
 * @table: pages, in segments as @dev takes them
 * @direction: of the mapping
 * @mapped: @table is mapped for @dev
 */
struct ndma_attachment {
	struct list_head link;
	struct device *dev;
	struct sg_table table;
	enum dma_data_direction direction;
	bool mapped;
};

static struct ndma_buffer *ndma_attachment_buffer(const struct dma_buf *dmabuf)
{
	const struct ndma_handle *handle = dmabuf->priv;

	return handle->buffer;
}

int ndma_attachment_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct ndma_buffer *buffer = ndma_attachment_buffer(dmabuf);
	struct ndma_attachment *attachment;
	int ret;

	attachment = kzalloc(sizeof(*attachment), GFP_KERNEL);
	if (!attachment)
		return -ENOMEM;
	ret = ndma_memory_sg(buffer->memory, buffer->offset, buffer->capacity, attach->dev,
			     &attachment->table);
	if (ret) {
		kfree(attachment);
		return ret;
	}
	attachment->dev = attach->dev;
	attach->priv = attachment;
	mutex_lock(&buffer->attach_lock);
	list_add(&attachment->link, &buffer->attachments);
	mutex_unlock(&buffer->attach_lock);
	return 0;
}

void ndma_attachment_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct ndma_buffer *buffer = ndma_attachment_buffer(dmabuf);
	struct ndma_attachment *attachment = attach->priv;

	mutex_lock(&buffer->attach_lock);
	list_del(&attachment->link);
	mutex_unlock(&buffer->attach_lock);
	sg_free_table(&attachment->table);
	kfree(attachment);
}

struct sg_table *ndma_attachment_map(struct dma_buf_attachment *attach,
				     enum dma_data_direction direction)
{
	struct ndma_buffer *buffer = ndma_attachment_buffer(attach->dmabuf);
	struct ndma_handle *handle = attach->dmabuf->priv;
	struct ndma_attachment *attachment = attach->priv;
	int ret;

	/*
	 * dma_buf_map_attachment() does not look at the file's mode: without this a device would
	 * write through a handle that cannot.
	 */
	if (handle->readonly && direction != DMA_TO_DEVICE)
		return ERR_PTR(-EPERM);
	if (!attachment->dev->dma_mask ||
	    !ndma_memory_reachable(buffer->memory, attachment->dev))
		return ERR_PTR(-EOPNOTSUPP);
	mutex_lock(&buffer->attach_lock);
	ret = -EBUSY;
	if (!attachment->mapped)
		ret = dma_map_sgtable(attachment->dev, &attachment->table, direction, 0);
	if (!ret) {
		attachment->direction = direction;
		attachment->mapped = true;
	}
	mutex_unlock(&buffer->attach_lock);
	return ret ? ERR_PTR(ret) : &attachment->table;
}

void ndma_attachment_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
			   enum dma_data_direction direction)
{
	struct ndma_buffer *buffer = ndma_attachment_buffer(attach->dmabuf);
	struct ndma_attachment *attachment = attach->priv;

	mutex_lock(&buffer->attach_lock);
	attachment->mapped = false;
	dma_unmap_sgtable(attachment->dev, table, direction, 0);
	mutex_unlock(&buffer->attach_lock);
}

u32 ndma_attachment_count(struct ndma_buffer *buffer)
{
	struct list_head *link;
	u32 count = 0;

	mutex_lock(&buffer->attach_lock);
	list_for_each(link, &buffer->attachments)
		count++;
	mutex_unlock(&buffer->attach_lock);
	return count;
}

void ndma_buffer_sync_for_cpu(struct ndma_buffer *buffer)
{
	struct ndma_attachment *attachment;

	/*
	 * Without the lock: an importer that attaches at this moment has not mapped yet, and its
	 * mapping will sync.
	 */
	if (list_empty(&buffer->attachments))
		return;
	mutex_lock(&buffer->attach_lock);
	list_for_each_entry(attachment, &buffer->attachments, link) {
		if (attachment->mapped)
			dma_sync_sgtable_for_cpu(attachment->dev, &attachment->table,
						 attachment->direction);
	}
	mutex_unlock(&buffer->attach_lock);
}

void ndma_buffer_sync_for_device(struct ndma_buffer *buffer)
{
	struct ndma_attachment *attachment;

	/*
	 * Without the lock: an importer that attaches at this moment has not mapped yet, and its
	 * mapping will sync.
	 */
	if (list_empty(&buffer->attachments))
		return;
	mutex_lock(&buffer->attach_lock);
	list_for_each_entry(attachment, &buffer->attachments, link) {
		if (attachment->mapped)
			dma_sync_sgtable_for_device(attachment->dev, &attachment->table,
						    attachment->direction);
	}
	mutex_unlock(&buffer->attach_lock);
}
