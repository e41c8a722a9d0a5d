// SPDX-License-Identifier: MIT
/* What errors of the kernel module mean, and the process's file of the heap. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

static const char *meaning(int error)
{
	switch (error) {
	case EBADF:
		return "the descriptor, which is ndma's, was closed by somebody else";
	case E2BIG:
	case ENOTTY:
		return "the loaded module ndma is older than this library";
	case EBUSY:
		return "in use";
	case ENODEV:
		return "the source is gone: unplugged, or its driver was unloaded";
	case EOPNOTSUPP:
		return "this source or kernel does not do that";
	case EOWNERDEAD:
		return "the buffer's owner died during a transfer to it: what it holds is not to be "
		       "trusted; ask again to use it all the same";
	case ESTALE:
		return "the lease was revoked by the buffer's owner";
	case EDQUOT:
		return "this user's quota of buffer memory is used up (module parameter of ndma; "
		       "`ndma list` shows how much)";
	case EMFILE:
		return "too many files, leases or transfers of this process";
	case ENOMEM:
		return "no memory; the kernel log (dmesg) says of which kind";
	case EPERM:
		return "only the process that allocated the buffer may do that";
	default:
		return strerror(error);
	}
}

int ndma_kernel_error(int rc, const char *doing, ...)
{
	char words[256];
	va_list arguments;

	va_start(arguments, doing);
	vsnprintf(words, sizeof(words), doing, arguments);
	va_end(arguments);
	return ndma_set_error(-rc, "%s: %s", words, meaning(-rc));
}

static int open_heap(void)
{
	int fd = ndma_kernel_node_open(NDMA_HEAP_PATH);

	return fd < 0 ? ndma_kernel_node_error(-fd, NDMA_HEAP_PATH) : fd;
}

/*
 * A child of fork closes the heap's file that it inherited: open, it would keep the parent's
 * leases.
 */
static void close_inherited(int inherited, int ours)
{
	struct stat theirs, mine;

	if (!fstat(inherited, &theirs) && !fstat(ours, &mine) && S_ISCHR(theirs.st_mode) &&
	    theirs.st_rdev == mine.st_rdev)
		close(inherited);
}

int ndma_kernel_heap(void)
{
	static _Atomic uint64_t heap;

	return ndma_process_fd(&heap, open_heap, close_inherited);
}

int ndma_kernel_heap_info(struct ndma_heap_info *info)
{
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_HEAP_INFO, info);
	return rc ? ndma_kernel_error(rc, "asking about the heap") : 0;
}
