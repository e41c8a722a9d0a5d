// SPDX-License-Identifier: MIT
/*
 * Preloaded, it makes the n-th allocation of one shared object fail, and knows what that object
 * has allocated and nobody has freed. Everybody else's allocations go through untouched.
 *
 * What the watched object gets is never used twice and is overwritten when it is freed, so a later
 * use of it shows.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARENA_BYTES (8UL << 30)
#define FREED 0xdd
#define CALLER __builtin_return_address(0)
#define EXPORT __attribute__((visibility("default")))

/* glibc's own, under the names that it keeps for those who come before it. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

struct block {
	size_t size;
	size_t unused; /* keeps what follows aligned */
};

static uintptr_t watched_from, watched_to;
static char *arena;
static size_t used;
static long countdown, failures, live;

static bool is_watched(const void *caller)
{
	return (uintptr_t)caller - watched_from < watched_to - watched_from;
}

static bool is_ours(const void *block)
{
	return arena && (uintptr_t)block - (uintptr_t)arena < ARENA_BYTES;
}

static bool fails(void)
{
	if (__atomic_load_n(&countdown, __ATOMIC_RELAXED) <= 0 ||
	    __atomic_sub_fetch(&countdown, 1, __ATOMIC_RELAXED))
		return false;
	__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return true;
}

static void *take(size_t size)
{
	size_t bytes = (size + 2 * sizeof(struct block) - 1) & ~(sizeof(struct block) - 1);
	size_t at;
	struct block *block;

	if (size > ARENA_BYTES / 2) {
		errno = ENOMEM;
		return NULL;
	}
	if (fails())
		return NULL;
	at = __atomic_fetch_add(&used, bytes, __ATOMIC_RELAXED);
	if (at + bytes > ARENA_BYTES)
		abort();
	block = (struct block *)(arena + at);
	block->size = size;
	__atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
	return block + 1;
}

static void drop(void *memory)
{
	struct block *block = (struct block *)memory - 1;

	memset(memory, FREED, block->size);
	__atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
}

EXPORT void *malloc(size_t size)
{
	return is_watched(CALLER) ? take(size) : __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
	size_t bytes;

	if (!is_watched(CALLER))
		return __libc_calloc(count, size);
	/* The arena is new everywhere. */
	return __builtin_mul_overflow(count, size, &bytes) ? NULL : take(bytes);
}

EXPORT void *realloc(void *memory, size_t size)
{
	size_t before;
	void *again;

	if (!memory && is_watched(CALLER))
		return take(size);
	if (!is_ours(memory))
		return __libc_realloc(memory, size);
	before = ((struct block *)memory - 1)->size;
	again = take(size);
	if (again) {
		memcpy(again, memory, before < size ? before : size);
		drop(memory);
	}
	return again;
}

EXPORT void free(void *memory)
{
	if (is_ours(memory))
		drop(memory);
	else
		__libc_free(memory);
}

EXPORT void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	if (is_watched(CALLER) && fails())
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, size, prot, flags, fd, offset);
}

/* What mmap is called where off_t has 64 bits by choice. */
EXPORT void *mmap64(void *at, size_t size, int prot, int flags, int fd, off64_t offset)
	__attribute__((alias("mmap")));

/* ---------------------------------------------------------------- for the test, by ctypes */

static int find(struct dl_phdr_info *info, size_t size, void *name)
{
	int i;

	if (!strstr(info->dlpi_name, name))
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
			continue;
		watched_from = info->dlpi_addr + segment->p_vaddr;
		watched_to = watched_from + segment->p_memsz;
	}
	return 1;
}

/* Watches the object whose file's name holds `name`; 0 if there is none. */
EXPORT int failing_watch(char *name)
{
	arena = (char *)syscall(SYS_mmap, NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return arena != MAP_FAILED && dl_iterate_phdr(find, name);
}

/* From now on its n-th allocation fails. */
EXPORT void failing_begin(long n)
{
	__atomic_store_n(&countdown, n, __ATOMIC_RELAXED);
}

/* No more failures; how many there were since the last call. */
EXPORT long failing_end(void)
{
	__atomic_store_n(&countdown, 0, __ATOMIC_RELAXED);
	return __atomic_exchange_n(&failures, 0, __ATOMIC_RELAXED);
}

/* How many blocks it has that nobody has freed. */
EXPORT long failing_live(void)
{
	return __atomic_load_n(&live, __ATOMIC_RELAXED);
}
