// SPDX-License-Identifier: MIT
#include <linux/dma-buf.h>

#include "kernel.h"

int ndma_dmabuf_sync(struct ndma_buffer *buffer, uint32_t access, bool end)
{
	struct dma_buf_sync sync = {
		.flags = (access == NDMA_WRITE ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ) |
			 (end ? DMA_BUF_SYNC_END : DMA_BUF_SYNC_START),
	};
	int rc = ndma_ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync);

	return rc ? ndma_kernel_error(rc, "%s a CPU access to a dma-buf",
				      end ? "ending" : "beginning")
		  : 0;
}
