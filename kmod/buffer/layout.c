// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layouts, as they belong to buffers. The rules are in ndma_layout.h, for user space too.
 */
#include "internal.h"
#include "ndma_layout.h"

int ndma_layout_verify(const struct ndma_layout *layout, u64 bytes)
{
	return ndma_layout_validate(layout, bytes);
}

void ndma_layout_bytes(struct ndma_layout *layout, u64 bytes)
{
	ndma_layout_fill_bytes(layout, bytes);
}

int ndma_buffer_layout_check(const struct file *file, const void *arg)
{
	const struct ndma_buffer_layout *request = arg;

	return request->flags || request->reserved ? -EINVAL : 0;
}

int ndma_layout_get_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	struct ndma_buffer_layout *request = arg;

	down_read(&handle->buffer->lock);
	request->layout = handle->buffer->layout;
	up_read(&handle->buffer->lock);
	return 0;
}

static int ndma_layout_set(struct ndma_buffer *buffer, const struct ndma_layout *layout)
{
	struct ndma_own own;
	int ret;

	ret = ndma_layout_verify(layout, buffer->bytes);
	if (ret)
		return ret;
	down_write(&buffer->lock);
	own = ndma_buffer_own(buffer);
	ret = ndma_own_admit_layout(&own);
	if (!ret)
		buffer->layout = *layout;
	up_write(&buffer->lock);
	return ret;
}

int ndma_layout_set_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	const struct ndma_buffer_layout *request = arg;

	if (!ndma_own_may_set_layout(handle->buffer->stream, handle->readonly))
		return -EPERM;
	return ndma_layout_set(handle->buffer, &request->layout);
}
