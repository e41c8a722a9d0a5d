// SPDX-License-Identifier: MIT
/* ndma's kernel modules on this machine: whether one is there, and what would bring it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "internal.h"

bool ndma_module_is_loaded(void)
{
	return !access("/sys/class/ndma/heap", F_OK) || !access(NDMA_HEAP_PATH, F_OK);
}

/* modules.dep has a line for each module, which begins with its path: "updates/dkms/ndma.ko.xz:". */
bool ndma_module_is_installed(const char *module)
{
	struct utsname system;
	char text[512], file[64];
	const char *found, *colon;
	bool is_there = false;
	FILE *list;

	uname(&system);
	snprintf(text, sizeof(text), "/lib/modules/%s/modules.dep", system.release);
	list = fopen(text, "re");
	if (!list)
		return false;
	snprintf(file, sizeof(file), "/%s.ko", module);
	while (!is_there && fgets(text, sizeof(text), list)) {
		found = strstr(text, file);
		colon = strchr(text, ':');
		is_there = found && colon && found < colon;
	}
	fclose(list);
	return is_there;
}

const char *ndma_module_advice(const char *module)
{
	static _Thread_local char advice[256];
	struct utsname system;

	snprintf(advice, sizeof(advice), "/sys/module/%s", module);
	if (!access(advice, F_OK))
		return getenv("NDMA_BACKEND") ? "it is loaded: NDMA_BACKEND keeps it out"
					      : "it is loaded";
	if (ndma_module_is_installed(module)) {
		snprintf(advice, sizeof(advice), "sudo modprobe %s", module);
		return advice;
	}
	uname(&system);
	snprintf(advice, sizeof(advice),
		 "it is not installed for Linux %s: the package ndma-dkms brings it, or "
		 "sudo make install-modules",
		 system.release);
	return advice;
}
