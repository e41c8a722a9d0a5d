// SPDX-License-Identifier: MIT
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define HUGE_BYTES_FILE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
/* Of most machines; where the kernel has no huge pages, any number does. */
#define HUGE_BYTES_USUAL (2UL << 20)

static size_t read_huge_bytes(void)
{
	FILE *file = fopen(HUGE_BYTES_FILE, "re");
	size_t bytes = 0;

	if (file && fscanf(file, "%zu", &bytes) != 1)
		bytes = 0;
	if (file)
		fclose(file);
	return bytes && !(bytes & (bytes - 1)) ? bytes : HUGE_BYTES_USUAL;
}

/* What is read never changes, so threads may read it twice. */
size_t ndma_mmap_huge_bytes(void)
{
	static _Atomic size_t known;
	size_t bytes = atomic_load_explicit(&known, memory_order_relaxed);

	if (!bytes) {
		bytes = read_huge_bytes();
		atomic_store_explicit(&known, bytes, memory_order_relaxed);
	}
	return bytes;
}

void *ndma_mmap_reserve(size_t length)
{
	size_t huge = ndma_mmap_huge_bytes(), before;
	char *room = mmap(NULL, length + huge, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)room & (huge - 1);
	if (before)
		munmap(room, before);
	if (before < huge)
		munmap(room + before + length, huge - before);
	return room + before;
}

/*
 * A huge page can be mapped only at an address that is congruent to its offset. mmap of a file that
 * does not see to it by itself gives any address: so the file is mapped over room that fits.
 */
static void *map(int fd, uint64_t bytes, int prot)
{
	size_t page = sysconf(_SC_PAGESIZE), length = (bytes + page - 1) & ~(page - 1);
	void *room, *address;
	int error;

	if (bytes < ndma_mmap_huge_bytes())
		return mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);
	room = ndma_mmap_reserve(length);
	if (!room)
		return MAP_FAILED;
	address = mmap(room, bytes, prot, MAP_SHARED | MAP_FIXED, fd, 0);
	error = errno;
	if (address == MAP_FAILED)
		munmap(room, length);
	errno = error;
	return address;
}

int ndma_mmap_aligned(int fd, uint64_t bytes, uint32_t access, struct ndma_mapping *mapping)
{
	void *address = map(fd, bytes, access == NDMA_WRITE ? PROT_READ | PROT_WRITE : PROT_READ);

	if (address != MAP_FAILED) {
		mapping->address = address;
		mapping->bytes = bytes;
		return 0;
	}
	if (errno == EBADF)
		return ndma_set_error(EBADF, NDMA_CLOSED_FD, fd);
	return ndma_set_error(errno, "mapping %llu bytes: %s", (unsigned long long)bytes,
			      strerror(errno));
}
