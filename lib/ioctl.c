// SPDX-License-Identifier: MIT
#include <sys/ioctl.h>

#include "internal.h"

int ndma_ioctl_call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}
