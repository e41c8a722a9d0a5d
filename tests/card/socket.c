// SPDX-License-Identifier: MIT
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 32
/* A peer that stops in the middle of a message is gone. */
#define PATIENCE_S 5

int socket_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int socket_accept(int listener)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

bool socket_send(int fd, const void *data, size_t bytes, int passed)
{
	const unsigned char *at = data;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr message;

	while (bytes) {
		ssize_t done;

		iov = (struct iovec){ .iov_base = (void *)(size_t)at, .iov_len = bytes };
		message = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
		if (passed >= 0) {
			struct cmsghdr *header = &control.align;

			memset(&control, 0, sizeof(control));
			message.msg_control = control.bytes;
			message.msg_controllen = sizeof(control.bytes);
			header->cmsg_level = SOL_SOCKET;
			header->cmsg_type = SCM_RIGHTS;
			header->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(header), &passed, sizeof(int));
		}
		done = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		passed = -1;
		at += done;
		bytes -= (size_t)done;
	}
	return true;
}

static void take_fds(struct msghdr *message, int *fds, size_t room, size_t *count)
{
	struct cmsghdr *header;
	size_t i, here;
	int fd;

	for (header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < here; i++) {
			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
			if (*count < room)
				fds[(*count)++] = fd;
			else
				close(fd);
		}
	}
}

bool socket_receive(int fd, void *data, size_t bytes, int *fds, size_t *count)
{
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	size_t room = fds ? *count : 0, none = 0;
	unsigned char *at = data;

	if (!fds)
		count = &none;
	*count = 0;
	while (bytes) {
		struct iovec iov = { .iov_base = at, .iov_len = bytes };
		struct msghdr message = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		ssize_t done = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		take_fds(&message, fds, room, count);
		at += done;
		bytes -= (size_t)done;
	}
	return true;
}
