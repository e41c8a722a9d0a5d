/* SPDX-License-Identifier: MIT */
#ifndef NDMA_UAPI_CALL_H
#define NDMA_UAPI_CALL_H

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>

/* As the kernel answers: 0 or more, or a negative errno. */
static inline int call(int fd, unsigned long number, void *argument)
{
	int ret = ioctl(fd, number, argument);

	return ret < 0 ? -errno : ret;
}

/* Events that poll() sees within that time, or a negative errno. */
static inline int events_of(int fd, short events, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return poll(&pollfd, 1, timeout_ms) < 0 ? -errno : pollfd.revents;
}

/* Ends the calling function with the error, if it is one. */
#define TRY(what)					\
	do {						\
		int tried = (what);			\
							\
		if (tried < 0)				\
			return tried;			\
	} while (0)

#endif /* NDMA_UAPI_CALL_H */
