// SPDX-License-Identifier: MIT
/* Memfds: memory that is all there before anybody maps it, and can never shrink. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "memfd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

uint64_t ndma_memfd_page_up(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) & ~(page - 1);
}

uint64_t ndma_memfd_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Not by pthread_cond_clockwait(), which glibc has from 2.30 on: wheels are for 2.28. */
void ndma_memfd_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

void ndma_memfd_cond_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000),
	};

	pthread_cond_timedwait(cond, mutex, &until);
}

int ndma_memfd_node_check(int node)
{
	if (node == NDMA_NODE_ANY)
		return 0;
	if (node || !access("/sys/devices/system/node/node1", F_OK))
		return ndma_set_error(
			EOPNOTSUPP,
			"NUMA node %d: memfd does not choose one, use NDMA_NODE_ANY or "
			"load module ndma",
			node);
	return 0;
}

/* MemAvailable of /proc/meminfo, or no limit where that cannot be read. */
static uint64_t available_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kilobytes = UINT64_MAX >> 10;
	char line[128];

	if (!file)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kilobytes) == 1)
			break;
	fclose(file);
	return kilobytes << 10;
}

/*
 * Limits are checked before memory is allocated: where it goes beyond them, the kernel returns no
 * error but sends SIGXFSZ (size of a file) or calls the out-of-memory killer.
 */
static int check_limits(uint64_t bytes)
{
	struct rlimit limit;
	uint64_t available;

	if (!getrlimit(RLIMIT_FSIZE, &limit) && bytes > limit.rlim_cur)
		return ndma_set_error(ENOMEM,
				      "%" PRIu64 " bytes in a memfd: this process may write "
				      "files of at most %" PRIu64
				      " bytes (RLIMIT_FSIZE, ulimit -f)",
				      bytes, (uint64_t)limit.rlim_cur);
	available = available_bytes();
	if (bytes > available)
		return ndma_set_error(ENOMEM,
				      "%" PRIu64 " bytes in a memfd: this machine has %" PRIu64
				      " to give (MemAvailable)",
				      bytes, available);
	return 0;
}

static int fill_and_seal(int fd, uint64_t bytes)
{
	int rc;

	if (ftruncate(fd, (off_t)bytes))
		return ndma_set_error(ENOMEM, "a memfd of %" PRIu64 " bytes: %s", bytes,
				      strerror(errno));
	/*
	 * All pages are allocated now: where one is not to be had at its first touch, that is
	 * SIGBUS.
	 */
	do
		rc = posix_fallocate(fd, 0, (off_t)bytes);
	while (rc == EINTR);
	if (rc)
		return ndma_set_error(ENOMEM, "memory for a memfd of %" PRIu64 " bytes: %s", bytes,
				      strerror(rc));
	if (fcntl(fd, F_ADD_SEALS, SEALS))
		return ndma_set_error(errno, "sealing a memfd: %s", strerror(errno));
	return 0;
}

int ndma_memfd_file_create(const char *name, uint64_t bytes)
{
	int fd, rc;

	if (bytes > INT64_MAX)
		return ndma_set_error(ENOMEM, "%" PRIu64 " bytes: no file is as large", bytes);
	rc = check_limits(bytes);
	if (rc)
		return rc;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 && errno == ENOSYS)
		return ndma_set_error(EOPNOTSUPP,
				      "this kernel or container has no memfd_create(): buffers "
				      "need module ndma here (%s)",
				      ndma_module_advice("ndma"));
	if (fd < 0)
		return ndma_set_error(errno, "memfd_create: %s", strerror(errno));
	rc = fill_and_seal(fd, bytes);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int ndma_memfd_file_reopen(int fd, int flags)
{
	char path[32];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, flags | O_CLOEXEC);
	if (own < 0 && errno == ENOENT && fcntl(fd, F_GETFD) < 0)
		return ndma_set_error(EBADF, NDMA_CLOSED_FD, fd);
	if (own < 0 && errno == ENOENT)
		return ndma_set_error(ENOENT, "opening %s: memfd buffers need /proc to be mounted",
				      path);
	if (own < 0)
		return ndma_set_error(errno, "opening %s: %s", path, strerror(errno));
	return own;
}
