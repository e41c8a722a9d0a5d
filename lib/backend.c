// SPDX-License-Identifier: MIT
/*
 * The backends: which of them makes a new object. Asked at every constructor: the module may come
 * meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* True: NDMA_BACKEND leaves the choice to the library. */
static bool is_free(void)
{
	const char *name = getenv("NDMA_BACKEND");

	return !name || !*name;
}

const struct ndma_backend *ndma_backend_choose(void)
{
	const char *name = getenv("NDMA_BACKEND");

	if (is_free())
		return ndma_module_is_loaded() ? &ndma_backend_kernel : &ndma_backend_memfd;
	if (!strcmp(name, "kernel"))
		return &ndma_backend_kernel;
	if (!strcmp(name, "memfd"))
		return &ndma_backend_memfd;
	ndma_set_error(EINVAL, "NDMA_BACKEND=%s: expected kernel or memfd, or nothing", name);
	return NULL;
}

const struct ndma_backend *ndma_backend_of_source(const char *name)
{
	const struct ndma_backend *backend = ndma_backend_choose();

	/* Without the module, simulated sources alone are to be had, and from memfd. */
	if (is_free() && backend == &ndma_backend_memfd && strncmp(name, "sim", 3))
		return &ndma_backend_kernel;
	return backend;
}

const struct ndma_backend *ndma_backend_of_heap(void)
{
	/* Its words are wanted where the module is not loaded, too. */
	return is_free() ? &ndma_backend_kernel : ndma_backend_choose();
}

int ndma_backend_import(int fd, const struct ndma_layout *layout, struct ndma_buffer **out)
{
	const struct ndma_backend *backends[] = {
		&ndma_backend_kernel,
		&ndma_backend_memfd,
		&ndma_backend_foreign,
	};
	int rc = -ENOTTY;
	size_t i;

	/* One that must not be used is left out, so that NDMA_BACKEND=memfd asks no module. */
	i = is_free() ? 0 : ndma_backend_choose() != &ndma_backend_kernel;
	for (; i < sizeof(backends) / sizeof(*backends) && rc == -ENOTTY; i++)
		rc = backends[i]->buffer_import(backends[i], fd, layout, out);
	return rc;
}

NDMA_API const char *ndma_backend_reason(void)
{
	static _Thread_local char words[320];

	if (!is_free())
		return "the environment has NDMA_BACKEND";
	if (ndma_module_is_loaded())
		return "module ndma is loaded";
	snprintf(words, sizeof(words), "module ndma is not loaded (%s)",
		 ndma_module_advice("ndma"));
	return words;
}

NDMA_API const char *ndma_backend_name(void)
{
	const struct ndma_backend *backend = ndma_backend_choose();

	return backend ? backend->name : "none";
}
