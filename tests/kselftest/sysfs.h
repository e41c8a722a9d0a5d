/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices in sysfs, for tests that run as root: 0, or a negative errno.
 */
#ifndef NDMA_TEST_SYSFS_H
#define NDMA_TEST_SYSFS_H

#include <stdio.h>

#include "uapi/file.h"

static inline int write_device(const char *device, const char *attribute, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device, attribute);
	return file_write(path, text);
}

#endif /* NDMA_TEST_SYSFS_H */
