// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "kmodule.h"

int kmodule_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) < 0 ? -errno : 0;
}

int kmodule_load(const char *name, const char *arguments)
{
	struct utsname kernel;
	char path[256];
	int fd, error = 0;

	uname(&kernel);
	snprintf(path, sizeof(path), "/usr/lib/modules/%s/updates/ndma/%s.ko", kernel.release,
		 name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, arguments, 0) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* A worker's last reference goes a moment after the last close, and nothing tells when. */
int kmodule_unload_soon(const char *name)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int error, tries;

	for (tries = 0; tries < 200; tries++) {
		error = kmodule_unload(name);
		if (error != -EAGAIN && error != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	return error;
}

void kmodule_parameters(const char *name, char *arguments, size_t room)
{
	char path[256], value[128];
	struct dirent *entry;
	size_t length = 0;
	DIR *directory;

	arguments[0] = '\0';
	snprintf(path, sizeof(path), "/sys/module/%s/parameters", name);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		FILE *file;

		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%.64s", name,
			 entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (file && fscanf(file, "%127s", value) == 1 && length < room)
			length += snprintf(arguments + length, room - length, "%s=%s ",
					   entry->d_name, value);
		if (file)
			fclose(file);
	}
	if (directory)
		closedir(directory);
}
