// SPDX-License-Identifier: MIT
/*
 * Fork is found through a word that the kernel wipes in every child (MADV_WIPEONFORK), so that a
 * look costs one load, whichever way the child was made. A child then gives itself a number.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

_Atomic uint32_t *ndma_process_word;
static uint32_t last; /* the last number given, here or in a parent */

__attribute__((constructor)) static void make_word(void)
{
	long bytes = sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, bytes, MADV_WIPEONFORK)) {
		munmap(page, bytes);
		return;
	}
	ndma_process_word = page;
}

uint32_t ndma_process_id(void)
{
	uint32_t now, next;

	if (!ndma_process_word)
		return (uint32_t)getpid();
	now = atomic_load_explicit(ndma_process_word, memory_order_relaxed);
	if (now)
		return now;
	/* Threads of a young child may race here; all of them propose the same number. */
	next = __atomic_load_n(&last, __ATOMIC_RELAXED) + 1;
	if (!atomic_compare_exchange_strong(ndma_process_word, &now, next))
		return now;
	__atomic_store_n(&last, next, __ATOMIC_RELAXED);
	return next;
}

int ndma_process_check(uint32_t process, const char *what)
{
	if (process == ndma_process_id())
		return 0;
	return ndma_set_error(EPERM,
			      "this %s belongs to the parent process, from before fork(): "
			      "open or import one here",
			      what);
}

/* The process's number above, the descriptor below: one word, so that fork finds no lock held. */
int ndma_process_fd(_Atomic uint64_t *word, int (*make)(void),
		    void (*replace)(int inherited, int ours))
{
	uint64_t now = atomic_load(word);
	uint32_t process = ndma_process_id();
	int fd;

	if (now >> 32 == process)
		return (int)(uint32_t)now;
	fd = make();
	if (fd < 0)
		return fd;
	if (!atomic_compare_exchange_strong(word, &now, (uint64_t)process << 32 | (uint32_t)fd)) {
		close(fd);
		return (int)(uint32_t)now;
	}
	if (now && replace)
		replace((int)(uint32_t)now, fd);
	return fd;
}
