/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every test over the raw uAPI starts with: the kernel's harness, and other processes.
 */
#ifndef NDMA_TEST_TEST_H
#define NDMA_TEST_TEST_H

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "uapi/file.h"
#include "uapi/heap.h"
#include "kselftest_harness.h"

/* The harness's own 30 s are few on the debug kernel on a busy machine. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

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

#endif /* NDMA_TEST_TEST_H */
