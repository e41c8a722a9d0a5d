/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The raw uAPI of the heap, for tests: every call returns 0 or more, or a negative errno.
 */
#ifndef NDMA_TEST_HEAP_H
#define NDMA_TEST_HEAP_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/ndma.h>

#include "call.h"
#include "kselftest_harness.h"

/* The harness's own 30 s are few on the debug kernel on a busy machine. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#define MIB (1UL << 20)
#define HUGE_BYTES (2 * MIB)
#define SECOND_NS 1000000000ULL

static inline int heap_open(void)
{
	int fd = open(NDMA_HEAP_PATH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int heap_alloc_flags(int heap, uint64_t bytes, uint32_t flags)
{
	struct ndma_buffer_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.bytes = bytes,
		.node = NDMA_NODE_ANY,
		.source_fd = -1,
		.fd_flags = O_CLOEXEC,
	};
	int ret = call(heap, NDMA_BUFFER_ALLOC, &alloc);

	return ret ? ret : alloc.fd;
}

static inline int heap_alloc(int heap, uint64_t bytes)
{
	return heap_alloc_flags(heap, bytes, 0);
}

static inline struct ndma_heap_info heap_info(int heap)
{
	struct ndma_heap_info info = { .size = sizeof(info) };

	if (call(heap, NDMA_HEAP_INFO, &info))
		memset(&info, 0xff, sizeof(info));
	return info;
}

static inline struct ndma_buffer_info buffer_info(int heap, int fd)
{
	struct ndma_buffer_info info = { .size = sizeof(info), .fd = fd };

	if (call(heap, NDMA_BUFFER_INFO, &info))
		memset(&info, 0xff, sizeof(info));
	return info;
}

static inline int buffer_readonly(int heap, int fd)
{
	struct ndma_buffer_readonly request = {
		.size = sizeof(request),
		.fd = fd,
		.fd_flags = O_CLOEXEC,
	};
	int ret = call(heap, NDMA_BUFFER_READONLY_HANDLE, &request);

	return ret ? ret : request.out_fd;
}

/* Through the heap, where huge pages can be used. */
static inline void *buffer_map(int heap, int fd, size_t bytes, int prot)
{
	return mmap(NULL, bytes, prot, MAP_SHARED, heap, (off_t)fd << NDMA_MMAP_FD_SHIFT);
}

/* The id of the lease, or a negative errno. */
static inline int64_t lease_acquire(int heap, int fd, uint32_t access)
{
	struct ndma_lease_acquire request = { .size = sizeof(request), .fd = fd, .access = access };
	int ret = call(heap, NDMA_LEASE_ACQUIRE, &request);

	return ret ? ret : (int64_t)request.lease;
}

static inline int lease_release(int heap, int64_t lease)
{
	struct ndma_lease_release request = { .size = sizeof(request), .lease = lease };

	return call(heap, NDMA_LEASE_RELEASE, &request);
}

/* How many were revoked, or a negative errno. */
static inline int lease_revoke(int heap, int fd)
{
	struct ndma_lease_revoke request = { .size = sizeof(request), .fd = fd };
	int ret = call(heap, NDMA_LEASE_REVOKE, &request);

	return ret ? ret : (int)request.count;
}

/* The id of the transfer, or a negative errno. */
static inline int64_t transfer_begin(int heap, int fd, uint32_t direction, uint32_t guard,
				     uint32_t flags, uint64_t timeout_ns)
{
	struct ndma_transfer_begin request = {
		.size = sizeof(request),
		.fd = fd,
		.direction = direction,
		.guard = guard,
		.flags = flags,
		.timeout_ns = timeout_ns,
	};
	int ret = call(heap, NDMA_TRANSFER_BEGIN, &request);

	return ret ? ret : (int64_t)request.transfer;
}

static inline int transfer_end(int heap, int fd, int64_t transfer)
{
	struct ndma_transfer_end request = {
		.size = sizeof(request),
		.fd = fd,
		.transfer = transfer,
	};

	return call(heap, NDMA_TRANSFER_END, &request);
}

static inline int layout_set(int heap, int fd, const struct ndma_layout *layout)
{
	struct ndma_buffer_layout request = { .size = sizeof(request), .fd = fd, .layout = *layout };

	return call(heap, NDMA_BUFFER_SET_LAYOUT, &request);
}

static inline int layout_get(int heap, int fd, struct ndma_layout *layout)
{
	struct ndma_buffer_layout request = { .size = sizeof(request), .fd = fd };
	int ret = call(heap, NDMA_BUFFER_GET_LAYOUT, &request);

	*layout = request.layout;
	return ret;
}

static inline struct ndma_layout layout_bytes(uint64_t bytes)
{
	return (struct ndma_layout){
		.itemsize = 1,
		.ndim = 1,
		.shape = { bytes },
		.strides = { 1 },
		.format = "B",
	};
}

static inline long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* How many descriptors are open. */
static inline int open_files(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Whether it is one of the errors that <linux/ndma.h> lists. */
static inline bool errno_is_listed(int error)
{
	static const int listed[] = { EINVAL, E2BIG, ENOTTY, EBADF, EBUSY, EAGAIN, ETIMEDOUT,
				      EOVERFLOW, ERANGE, EPERM, EACCES, ENODEV, EOPNOTSUPP,
				      EOWNERDEAD, ECANCELED, EIO, ESTALE, EDQUOT, EMFILE, ENOMEM,
				      EFAULT };
	size_t i;

	for (i = 0; i < sizeof(listed) / sizeof(listed[0]); i++)
		if (error == listed[i])
			return true;
	return false;
}

static inline uint32_t random_word(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 32;
}

/* Random bytes over all of an argument but its size, or over one word of it. */
static inline void scramble(void *argument, uint32_t bytes, uint64_t *state)
{
	uint32_t *words = argument, nr = bytes / sizeof(*words), i;

	if (random_word(state) & 1) {
		words[1 + random_word(state) % (nr - 1)] = random_word(state);
		return;
	}
	for (i = 1; i < nr; i++)
		words[i] = random_word(state);
}

/* Some gigabytes take their time, and are no part of what random bytes are about. */
static inline uint64_t little_or_absurd(uint64_t bytes)
{
	return bytes < 1 << 20 ? bytes : bytes | 1ULL << 62;
}

/* Another process in step with this one: each end sends and awaits single bytes. */
struct peer {
	pid_t pid;
	int socket;
};

static inline bool peer_tell(const struct peer *peer)
{
	return send(peer->socket, "", 1, MSG_NOSIGNAL) == 1;
}

static inline bool peer_await(const struct peer *peer)
{
	char byte;

	return read(peer->socket, &byte, 1) == 1;
}

/* 0 in the child, like fork(). */
static inline pid_t peer_fork(struct peer *peer)
{
	int sockets[2];

	*peer = (struct peer){ .pid = -1, .socket = -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return -1;
	peer->pid = fork();
	peer->socket = sockets[peer->pid ? 0 : 1];
	close(sockets[peer->pid ? 1 : 0]);
	return peer->pid;
}

/* Its exit status; 128 + the signal that ended it. */
static inline int peer_join(const struct peer *peer)
{
	int status;

	close(peer->socket);
	if (waitpid(peer->pid, &status, 0) != peer->pid)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif /* NDMA_TEST_HEAP_H */
