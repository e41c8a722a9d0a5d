// SPDX-License-Identifier: MIT
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
