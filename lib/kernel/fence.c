// SPDX-License-Identifier: MIT
/* The drivers whose fences delay a transfer, which the kernel lists for a sync file. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include "kernel.h"

#define FENCES_MAX 16

/* A sync file of the fences that a transfer in this direction waits for; -1: there is none. */
static int export_fences(int fd, uint32_t direction)
{
	struct dma_buf_export_sync_file export = {
		.flags = direction == NDMA_TO_DEVICE ? DMA_BUF_SYNC_READ : DMA_BUF_SYNC_RW,
		.fd = -1,
	};

	return ndma_ioctl_call(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export) ? -1 : export.fd;
}

/* Lists the drivers of fences that have not signalled, "vgem (card0), …"; "" if all have by now. */
static void list_drivers(int fences, char *list, size_t room)
{
	struct sync_fence_info infos[FENCES_MAX] = { 0 };
	struct sync_file_info info = {
		.num_fences = FENCES_MAX,
		.sync_fence_info = (uintptr_t)infos,
	};
	size_t length = 0;
	uint32_t i;

	if (ndma_ioctl_call(fences, SYNC_IOC_FILE_INFO, &info))
		return;
	for (i = 0; i < info.num_fences && i < FENCES_MAX && length + 64 < room; i++)
		if (!infos[i].status)
			length += snprintf(list + length, room - length, "%s%.31s (%.31s)",
					   length ? ", " : "", infos[i].driver_name,
					   infos[i].obj_name);
}

int ndma_kernel_fence_error(const struct ndma_buffer *buffer, uint32_t direction)
{
	int fences = export_fences(buffer->fd, direction);
	char list[256] = "";

	if (fences >= 0) {
		list_drivers(fences, list, sizeof(list));
		close(fences);
	}
	return ndma_set_error(ETIMEDOUT,
			      "a fence of %s on the buffer did not signal before the deadline; no "
			      "transfer began",
			      *list ? list : "another driver");
}
