// SPDX-License-Identifier: MIT
/* Which backend makes new objects. Asked at every constructor: the module may come meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

bool ndma_backend_is_free(void)
{
	const char *name = getenv("NDMA_BACKEND");

	return !name || !*name;
}

const struct ndma_backend *ndma_backend_choose(void)
{
	const char *name = getenv("NDMA_BACKEND");

	if (!name || !*name)
		return ndma_kernel_is_loaded() ? &ndma_backend_kernel : &ndma_backend_memfd;
	if (!strcmp(name, "kernel"))
		return &ndma_backend_kernel;
	if (!strcmp(name, "memfd"))
		return &ndma_backend_memfd;
	ndma_set_error(EINVAL, "NDMA_BACKEND=%s: expected kernel or memfd, or nothing", name);
	return NULL;
}

NDMA_API const char *ndma_backend_name(void)
{
	const struct ndma_backend *backend = ndma_backend_choose();

	return backend ? backend->name : "none";
}
