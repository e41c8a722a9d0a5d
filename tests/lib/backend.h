/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The library's tests run on every backend that makes buffers: each is a variant of the fixture.
 * What a variant needs and does not find is skipped, with its name.
 */
#ifndef NDMA_TESTS_BACKEND_H
#define NDMA_TESTS_BACKEND_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ndma.h>
#include <ndma_ring.h>

#include "kselftest_harness.h"

/* A fixture with variant->backend. */
#define ON_EVERY_BACKEND(fixture)          \
	FIXTURE_VARIANT(fixture)           \
	{                                  \
		const char *backend;       \
	};                                 \
	FIXTURE_VARIANT_ADD(fixture, memfd) \
	{                                  \
		.backend = "memfd",        \
	};                                 \
	FIXTURE_VARIANT_ADD(fixture, kernel) \
	{                                  \
		.backend = "kernel",       \
	}

/* First in FIXTURE_SETUP. */
#define USE_BACKEND()                                                           \
	do {                                                                    \
		setenv("NDMA_BACKEND", variant->backend, 1);                    \
		if (*variant->backend == 'k' && access(NDMA_HEAP_PATH, F_OK))   \
			SKIP(return, "module ndma is not loaded");              \
	} while (0)

#define NEED_SIM()                                                                  \
	do {                                                                        \
		if (*variant->backend == 'k' && access("/dev/ndma/sim0", F_OK))     \
			SKIP(return, "there is no /dev/ndma/sim0");                 \
	} while (0)

#define MEMFD() (*variant->backend == 'm')
#define SECOND 1000000000LL

/* The words are worth more than the number where a test fails. */
#define ASSERT_OK(call) ASSERT_LE(0, call) TH_LOG("%s", ndma_error())

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

/* A buffer of @count numbers of 4 bytes. */
static inline int make_buffer(uint64_t count, struct ndma_buffer **out)
{
	struct ndma_layout layout;
	int rc;

	rc = ndma_layout_init(&layout, "<i", 4, 1, &count);
	return rc ? rc : ndma_buffer_create(&layout, NULL, out);
}

static inline int count_fds(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* A byte each way keeps a test and its child in step. */
struct step {
	int sockets[2];
};

static inline void step_init(struct step *step)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, step->sockets))
		abort();
}

/* After fork: which end is this process's. */
static inline void step_keep(struct step *step, int child)
{
	close(step->sockets[!child]);
	step->sockets[!child] = -1;
}

static inline int step_end(const struct step *step)
{
	return step->sockets[0] >= 0 ? step->sockets[0] : step->sockets[1];
}

static inline void step_tell(const struct step *step, char what)
{
	if (write(step_end(step), &what, 1) != 1)
		_exit(90);
}

/* What the other one told, or -1: it is gone. */
static inline int step_hear(const struct step *step)
{
	unsigned char what;

	return read(step_end(step), &what, 1) == 1 ? what : -1;
}

static inline int send_fd(const struct step *step, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 'f';
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(step_end(step), &message, 0) == 1 ? 0 : -errno;
}

static inline int receive_fd(const struct step *step)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(step_end(step), &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Kills and reaps. */
static inline void kill_child(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* The child's exit status, or -1 for a signal. */
static inline int child_status(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#endif /* NDMA_TESTS_BACKEND_H */
