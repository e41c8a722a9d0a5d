// SPDX-License-Identifier: MIT
/*
 * What an access to a buffer meets while the device owns it: in this process alone, and through the
 * library's mappings alone.
 *
 * sigbus: an empty memfd is mapped over the buffer; behind the end of a file every touch is SIGBUS,
 * with its address, and EFAULT to system calls.
 *
 * block: the mapping is registered with a userfaultfd and its page table entries are dropped; a
 * touch sleeps until the userfaultfd is closed. Without privilege a userfaultfd lets faults of user
 * code sleep, and none of the kernel's: system calls get EFAULT.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memfd.h"

static int make_empty(void)
{
	int fd = memfd_create("ndma-guard", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return ndma_set_error(errno, "a memfd for guard \"sigbus\": %s", strerror(errno));
	fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL);
	return fd;
}

int ndma_memfd_guard_hide(void *address, uint64_t bytes, int prot)
{
	static _Atomic uint64_t empty;
	int fd = ndma_process_fd(&empty, make_empty, NULL);

	return fd < 0 ? fd : ndma_memfd_guard_show(address, bytes, prot, fd, 0);
}

int ndma_memfd_guard_show(void *address, uint64_t bytes, int prot, int fd, uint64_t offset)
{
	void *at = mmap(address, bytes, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);

	return at == MAP_FAILED ? ndma_set_error(errno, "mapping over %p for a guard: %s", address,
						 strerror(errno))
				: 0;
}

static bool is_guarded(const struct memfd_share *share, const struct memfd_map *map)
{
	return ndma_own_closes(share->transfer.direction, share->transfer.guard, map->access);
}

static int prot(const struct memfd_map *map)
{
	return map->access == NDMA_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
}

static int open_faults(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		return ndma_set_error(errno, "a userfaultfd for guard \"block\": %s",
				      strerror(errno));
	if (fd < 0)
		return ndma_set_error(
			EOPNOTSUPP,
			"guard \"block\" on memfd needs userfaultfd, which "
			"this kernel or sandbox refuses (%s): use \"sigbus\", or load "
			"module ndma",
			strerror(errno));
	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return ndma_set_error(EOPNOTSUPP,
				      "guard \"block\" on memfd needs userfaultfd on shared "
				      "memory (Linux 5.14): use \"sigbus\", or load module ndma");
	}
	return fd;
}

static int block(int faults, const struct memfd_map *map)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)map->address, .len = map->bytes },
		.mode = UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_MISSING,
	};

	if (ioctl(faults, UFFDIO_REGISTER, &range))
		return ndma_set_error(EOPNOTSUPP,
				      "guard \"block\" on memfd: registering with "
				      "userfaultfd: %s",
				      strerror(errno));
	/* Drops page table entries, so that the next touch faults; the data stays in the file. */
	if (madvise(map->address, map->bytes, MADV_DONTNEED))
		return ndma_set_error(errno, "guard \"block\" on memfd: %s", strerror(errno));
	return 0;
}

int ndma_memfd_guard_map(struct memfd_share *share, const struct memfd_map *map)
{
	if (!is_guarded(share, map))
		return 0;
	switch (share->transfer.guard) {
	case NDMA_GUARD_BLOCK:
		return block(share->transfer.faults, map);
	case NDMA_GUARD_SIGBUS:
		return ndma_memfd_guard_hide(map->address, map->bytes, prot(map));
	default:
		return 0;
	}
}

int ndma_memfd_guard_begin(struct memfd_share *share)
{
	const struct memfd_map *map;
	int rc = 0;

	if (share->transfer.guard == NDMA_GUARD_BLOCK) {
		rc = open_faults();
		if (rc < 0)
			return rc;
		share->transfer.faults = rc;
		rc = 0;
	}
	for (map = share->maps; map && !rc; map = map->next)
		rc = ndma_memfd_guard_map(share, map);
	return rc;
}

/* Closing the userfaultfd does not wake sleepers while a child of fork has it open too. */
static void unblock(int faults, const struct memfd_map *map)
{
	struct uffdio_range range = { .start = (uintptr_t)map->address, .len = map->bytes };

	ioctl(faults, UFFDIO_UNREGISTER, &range);
	ioctl(faults, UFFDIO_WAKE, &range);
}

static void end_block(struct memfd_share *share)
{
	int faults = share->transfer.faults;
	const struct memfd_map *map;
	struct uffd_msg message;
	uint64_t touches = 0;

	/* The kernel has queued one message for each touch that sleeps. */
	while (read(faults, &message, sizeof(message)) == sizeof(message))
		touches += message.event == UFFD_EVENT_PAGEFAULT;
	for (map = share->maps; map; map = map->next)
		unblock(faults, map);
	close(faults);
	share->transfer.faults = -1;
	if (touches)
		ndma_memfd_header_add(share, offsetof(struct memfd_header, touches), touches);
}

int ndma_memfd_guard_end(struct memfd_share *share)
{
	const struct memfd_map *map;
	int rc = 0, shown;

	if (share->transfer.faults >= 0)
		end_block(share);
	if (share->transfer.guard != NDMA_GUARD_SIGBUS)
		return 0;
	for (map = share->maps; map; map = map->next) {
		if (!is_guarded(share, map))
			continue;
		shown = ndma_memfd_guard_show(map->address, map->bytes, prot(map), map->fd, 0);
		if (shown)
			rc = shown;
	}
	return rc;
}
