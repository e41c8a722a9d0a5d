// SPDX-License-Identifier: MIT
/* What the kernel module says of its heap. */
#include <string.h>

#include "kernel/kernel.h"

NDMA_API int ndma_heap_info(struct ndma_heap_info *info)
{
	const struct ndma_backend *backend = ndma_backend_choose();
	int heap, rc;

	if (!backend)
		return -EINVAL;
	if (backend != &ndma_backend_kernel && !ndma_backend_is_free())
		return ndma_set_error(ENODEV, "NDMA_BACKEND keeps the module ndma out");
	heap = ndma_kernel_heap();
	if (heap < 0)
		return heap;
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	rc = ndma_ioctl(heap, NDMA_HEAP_INFO, info);
	return rc ? ndma_kernel_error(rc, "asking about the heap") : 0;
}
