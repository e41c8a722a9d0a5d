// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#define HUGE_BYTES (2UL << 20)

/*
 * A huge page can be mapped only at an address that is congruent to its offset. mmap of a file that
 * does not see to it by itself gives any address: so room is reserved first, the file is mapped
 * over an aligned part of it, and the rest is given back.
 */
int ndma_mmap_aligned(int fd, uint64_t bytes, uint32_t access, struct ndma_mapping *map)
{
	int prot = access == NDMA_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	size_t length = (bytes + 4095) & ~(size_t)4095;
	char *room, *start;
	size_t before;

	if (bytes < HUGE_BYTES) {
		start = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);
		if (start == MAP_FAILED)
			goto failed;
		goto mapped;
	}
	room = mmap(NULL, length + HUGE_BYTES, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		goto failed;
	before = -(uintptr_t)room & (HUGE_BYTES - 1);
	start = room + before;
	if (mmap(start, bytes, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		int error = errno;

		munmap(room, length + HUGE_BYTES);
		errno = error;
		goto failed;
	}
	if (before)
		munmap(room, before);
	if (before < HUGE_BYTES)
		munmap(start + length, HUGE_BYTES - before);
mapped:
	map->address = start;
	map->bytes = bytes;
	return 0;
failed:
	if (errno == EBADF)
		return ndma_set_error(EBADF, NDMA_CLOSED_FD, fd);
	return ndma_set_error(errno, "mapping %llu bytes: %s", (unsigned long long)bytes,
			      strerror(errno));
}
