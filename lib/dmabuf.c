// SPDX-License-Identifier: MIT
/* What can be asked of any dma-buf, whoever exported it. */
#include <stdio.h>
#include <string.h>

#include <linux/dma-buf.h>

#include "internal.h"

bool ndma_dmabuf_is(int fd)
{
	/* A dma-buf knows the call and has no direction 0; other files do not know the call. */
	struct dma_buf_sync sync = { 0 };

	return ndma_ioctl_call(fd, DMA_BUF_IOCTL_SYNC, &sync) == -EINVAL;
}

bool ndma_dmabuf_is_ours(int fd)
{
	char path[64], line[128];
	bool found = false;
	FILE *file;

	if (!ndma_dmabuf_is(fd))
		return false;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !strcmp(line, "exp_name:\tndma\n");
	fclose(file);
	return found;
}

int ndma_dmabuf_sync(struct ndma_buffer *buffer, uint32_t access, bool end)
{
	struct dma_buf_sync sync = {
		.flags = (access == NDMA_WRITE ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ) |
			 (end ? DMA_BUF_SYNC_END : DMA_BUF_SYNC_START),
	};
	int rc = ndma_ioctl_call(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync);

	return rc ? ndma_set_error(-rc, "%s a CPU access to a dma-buf: %s",
				   end ? "ending" : "beginning", strerror(-rc))
		  : 0;
}
