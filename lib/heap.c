// SPDX-License-Identifier: MIT
/* The heap that buffers of the kernel module come from. */
#include <string.h>

#include "internal.h"

NDMA_API int ndma_heap_info(struct ndma_heap_info *info)
{
	const struct ndma_backend *backend = ndma_backend_of_heap();

	if (!backend)
		return -EINVAL;
	if (!backend->heap_info)
		return ndma_set_error(ENODEV, "NDMA_BACKEND keeps the module ndma out");
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return backend->heap_info(info);
}
