// SPDX-License-Identifier: MIT
/* The kernel module as a backend: its table, its errors, and the process's file of the heap. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

const struct ndma_backend ndma_backend_kernel = {
	.name = "kernel",
	.buffer_create = ndma_kernel_buffer_create,
	.buffer_import = ndma_kernel_buffer_import,
	.buffer_free = ndma_kernel_buffer_free,
	.buffer_map = ndma_kernel_buffer_map,
	.buffer_info = ndma_kernel_buffer_info,
	.buffer_get_layout = ndma_kernel_buffer_get_layout,
	.buffer_set_layout = ndma_kernel_buffer_set_layout,
	.buffer_readonly_fd = ndma_kernel_buffer_readonly_fd,
	.buffer_holders = ndma_kernel_buffer_holders,
	.buffer_revoke = ndma_kernel_buffer_revoke,
	.buffer_sync = ndma_dmabuf_sync,
	.lease_acquire = ndma_kernel_lease_acquire,
	.lease_release = ndma_kernel_lease_release,
	.transfer_begin = ndma_kernel_transfer_begin,
	.transfer_end = ndma_kernel_transfer_end,
	.source_list = ndma_kernel_source_list,
	.source_open = ndma_kernel_source_open,
	.source_free = ndma_kernel_source_free,
	.source_info = ndma_kernel_source_info,
	.source_format = ndma_kernel_source_format,
	.source_channel = ndma_kernel_source_channel,
	.control_query = ndma_kernel_control_query,
	.control_menu = ndma_kernel_control_menu,
	.control_get = ndma_kernel_control_get,
	.control_set = ndma_kernel_control_set,
	.fill_begin = ndma_kernel_fill_begin,
	.fill_wait = ndma_kernel_fill_wait,
	.fill_cancel = ndma_kernel_fill_cancel,
	.stream_create = ndma_kernel_stream_create,
	.stream_start = ndma_kernel_stream_start,
	.stream_stop = ndma_kernel_stream_stop,
	.stream_wait = ndma_kernel_stream_wait,
	.stream_kick = ndma_kernel_stream_kick,
	.stream_stats = ndma_kernel_stream_stats,
	.stream_export = ndma_kernel_stream_export,
	.stream_info = ndma_kernel_stream_info,
	.stream_channel = ndma_kernel_stream_channel,
	.stream_control_get = ndma_kernel_stream_control_get,
	.stream_control_set = ndma_kernel_stream_control_set,
	.stream_close = ndma_kernel_stream_close,
	.stream_free = ndma_kernel_stream_free,
};

int ndma_ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static const char *meaning(int error)
{
	switch (error) {
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

int ndma_kernel_open_error(int error, const char *path)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return ndma_set_error(EACCES,
				      "no permission for %s: join the group that owns it "
				      "(sudo usermod -aG ndma $USER) and log in again",
				      path);
	case ENOENT:
	case ENODEV:
	case ENXIO:
		if (!ndma_kernel_is_loaded())
			return ndma_set_error(ENODEV, "module ndma is not loaded (sudo modprobe "
						      "ndma); memfd has sim0");
		return ndma_set_error(error,
				      "%s is not there although module ndma is loaded: has "
				      "udev run, is this a container without it?",
				      path);
	default:
		return ndma_set_error(error, "opening %s: %s", path, strerror(error));
	}
}

static int open_heap(void)
{
	int fd = open(NDMA_HEAP_PATH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? ndma_kernel_open_error(errno, NDMA_HEAP_PATH) : fd;
}

/* The heap's file that a child inherited is its parent's client: it must not live on here. */
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

NDMA_API int ndma_heap_info(struct ndma_heap_info *info)
{
	const struct ndma_backend *backend = ndma_backend_choose();
	int heap, rc;

	if (!backend)
		return -EINVAL;
	if (backend != &ndma_backend_kernel && !ndma_backend_is_free())
		return ndma_set_error(ENODEV, "NDMA_BACKEND keeps the module ndma out");
	heap = ndma_kernel_heap();
	if (heap < 0)
		return heap;
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	rc = ndma_ioctl(heap, NDMA_HEAP_INFO, info);
	return rc ? ndma_kernel_error(rc, "asking about the heap") : 0;
}
