/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NDMA_TEST_CALL_H
#define NDMA_TEST_CALL_H

#include <errno.h>
#include <sys/ioctl.h>

/* As the kernel answers: 0 or more, or a negative errno. */
static inline int call(int fd, unsigned long number, void *argument)
{
	int ret = ioctl(fd, number, argument);

	return ret < 0 ? -errno : ret;
}

#endif /* NDMA_TEST_CALL_H */
