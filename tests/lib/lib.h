/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the tests of libndma, which run on every backend: FIXTURE_VARIANT says which. The kernel's
 * is skipped where the module is not loaded, which a guest counts as a failure.
 */
#ifndef NDMA_TEST_LIB_H
#define NDMA_TEST_LIB_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ndma.h>
#include <ndma_ring.h>

#include "kselftest_harness.h"

/* The harness's own 30 s are few on the debug kernel on a busy machine. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#define SECOND_NS 1000000000LL

/* The words of the last error, where they matter: ASSERT_WORDS("lease") */
#define ASSERT_WORDS(part) \
	ASSERT_NE(NULL, strstr(ndma_error(), part)) { TH_LOG("words: %s", ndma_error()); }

/* 0 or more, else the library's words go to the log. */
#define ASSERT_DONE(call) ASSERT_LE(0, call) { TH_LOG("words: %s", ndma_error()); }

/* False: this machine has no such backend. */
static inline bool use_backend(const char *name)
{
	setenv("NDMA_BACKEND", name, 1);
	return strcmp(name, "kernel") || !access("/sys/class/ndma/heap", F_OK);
}

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* The process's address space that is taken. */
static inline uint64_t mapped_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages;

	if (!file || fscanf(file, "%lu", &pages) != 1)
		abort();
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A buffer of @count numbers of 4 bytes. */
static inline int make_buffer(uint64_t count, struct ndma_buffer **out)
{
	struct ndma_layout layout;
	int rc = ndma_layout_init(&layout, "<i", 4, 1, &count);

	return rc ? rc : ndma_buffer_create(&layout, NULL, out);
}

/**
 * struct peer - another process, in step with this one
 * @pid: the child's; 0 in the child
 * @socket: to the other
 */
struct peer {
	pid_t pid;
	int socket;
};

static inline void peer_tell(const struct peer *peer)
{
	char byte = 0;

	if (write(peer->socket, &byte, 1) != 1)
		_exit(99);
}

/* False: the other is gone. */
static inline bool peer_await(const struct peer *peer)
{
	char byte;

	return read(peer->socket, &byte, 1) == 1;
}

/* Like fork(): 0 in the child. */
static inline pid_t peer_start(struct peer *peer)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		_exit(98);
	peer->pid = fork();
	peer->socket = sockets[peer->pid ? 0 : 1];
	close(sockets[peer->pid ? 1 : 0]);
	return peer->pid;
}

/* Its exit status; 128 + the signal that ended it. */
static inline int peer_end(const struct peer *peer)
{
	int status = 0;

	close(peer->socket);
	if (waitpid(peer->pid, &status, 0) != peer->pid)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif /* NDMA_TEST_LIB_H */
