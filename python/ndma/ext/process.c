// SPDX-License-Identifier: MIT
/*
 * Which process this is, for the price of a load: a page that the kernel wipes in every forked
 * child. getpid() would be a system call for each frame given back.
 */
#include "internal.h"

#include <sys/mman.h>
#include <unistd.h>

static uint64_t *word;
static uint64_t generation; /* copied by fork, so a child's numbers go on from its parent's */

const volatile uint64_t *ext_process_word;

int ext_process_setup(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *address;

	if (word)
		return 0;
	address = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (address == MAP_FAILED) {
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	if (madvise(address, page, MADV_WIPEONFORK)) {
		PyErr_SetFromErrno(PyExc_OSError);
		munmap(address, page);
		return -1;
	}
	word = address;
	ext_process_word = address;
	return 0;
}

uint64_t ext_process(void)
{
	if (!*word)
		*word = ++generation;
	return *word;
}
