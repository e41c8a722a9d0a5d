/* SPDX-License-Identifier: MIT */
/* What every dma-buf and every sync file does: 0 or more, or a negative errno. */
#ifndef NDMA_UAPI_DMABUF_H
#define NDMA_UAPI_DMABUF_H

#include <stdint.h>

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include "call.h"

static inline int dmabuf_sync(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return call(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

/* The fences of a buffer as a sync file. */
static inline int fence_export(int fd, uint32_t flags)
{
	struct dma_buf_export_sync_file request = { .flags = flags, .fd = -1 };
	int ret = call(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request);

	return ret ? ret : request.fd;
}

static inline int fence_import(int fd, uint32_t flags, int fence)
{
	struct dma_buf_import_sync_file request = { .flags = flags, .fd = fence };

	return call(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request);
}

/* Of a sync file: 0 pending, 1 done, or what went wrong. */
static inline int fence_status(int fence)
{
	struct sync_fence_info infos[4] = { 0 };
	struct sync_file_info info = {
		.num_fences = 4,
		.sync_fence_info = (uintptr_t)infos,
	};
	int ret = call(fence, SYNC_IOC_FILE_INFO, &info);

	return ret ? ret : info.status;
}

#endif /* NDMA_UAPI_DMABUF_H */
