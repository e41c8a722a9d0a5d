// SPDX-License-Identifier: MIT
/* Each source: whether it opens, how it reaches memory, and who has it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

/* True: one of the process's descriptors is @node. Other users' are closed to all but root. */
static bool has_open(const char *pid, const char *node)
{
	char path[PATH_MAX], target[64];
	struct dirent *entry;
	bool has = false;
	ssize_t length;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	folder = opendir(path);
	while (folder && !has && (entry = readdir(folder))) {
		length = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
		if (length > 0) {
			target[length] = 0;
			has = !strcmp(target, node);
		}
	}
	if (folder)
		closedir(folder);
	return has;
}

/* ", held by 812 (python3), 900 (ndma-acquire)"; "" where nobody that we may see holds it. */
static void name_holders(const char *node, char *text, size_t room)
{
	char path[64], command[32], self[16];
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	size_t used = 0;

	*text = 0;
	snprintf(self, sizeof(self), "%ld", (long)getpid());
	while (proc && (entry = readdir(proc)) && used < room) {
		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name) ||
		    !strcmp(entry->d_name, self) || !has_open(entry->d_name, node))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
		ndma_doctor_read(path, command, sizeof(command));
		used += (size_t)snprintf(text + used, room - used, "%s%s (%s)",
					 used ? ", " : ", held by ", entry->d_name, command);
	}
	if (proc)
		closedir(proc);
}

/* ", behind an IOMMU that translates": what the kernel says of the device's group. */
static const char *words_of_reach(const char *name)
{
	char path[128], type[32];

	snprintf(path, sizeof(path), "/sys/class/ndma/%s/device/iommu_group/type", name);
	if (!ndma_doctor_read(path, type, sizeof(type)))
		return "";
	return strncmp(type, "DMA", 3) ? ", behind an IOMMU that does not translate"
				       : ", behind an IOMMU that translates";
}

static void tell_source(struct doctor *doctor, const char *name)
{
	char node[sizeof("/dev/ndma/") + NDMA_NAME_MAX], holders[256];
	struct ndma_source_info info;
	struct ndma_source *source;

	if (ndma_source_open(name, &source)) {
		ndma_doctor_tell(doctor, NDMA_FINDING_FAULT, "source", "%s", ndma_error());
		return;
	}
	snprintf(node, sizeof(node), "/dev/ndma/%s", name);
	name_holders(node, holders, sizeof(holders));
	if (ndma_source_info(source, &info))
		ndma_doctor_tell(doctor, NDMA_FINDING_FAULT, "source", "%s", ndma_error());
	else
		ndma_doctor_tell(doctor, NDMA_FINDING_OK, "source", "%s: driver %s, %s%s%s%s", name,
				 info.driver, *info.device ? "device " : "no device",
				 *info.device ? info.device : "", words_of_reach(name), holders);
	ndma_source_close(source);
}

void ndma_doctor_sources(struct doctor *doctor)
{
	char(*names)[NDMA_NAME_MAX];
	int count, room, i;

	room = ndma_source_list(NULL, 0);
	names = room > 0 ? calloc((size_t)room, sizeof(*names)) : NULL;
	count = names ? ndma_source_list(names, (size_t)room) : room;
	if (count < 0)
		ndma_doctor_tell(doctor, NDMA_FINDING_FAULT, "source", "%s", ndma_error());
	for (i = 0; names && i < count && i < room; i++)
		tell_source(doctor, names[i]);
	if (!count)
		ndma_doctor_tell(doctor, NDMA_FINDING_NOTE, "source",
				 "no sources: the drivers of cards bring them, and ndma_sim brings "
				 "sim0 (%s)",
				 ndma_module_advice("ndma_sim"));
	free(names);
}
