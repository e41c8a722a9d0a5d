/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices in sysfs, for tests that run as root: 0, or a negative errno.
 */
#ifndef NDMA_TEST_SYSFS_H
#define NDMA_TEST_SYSFS_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static inline int write_device(const char *device, const char *attribute, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device, attribute);
	return write_file(path, text);
}

#endif /* NDMA_TEST_SYSFS_H */
