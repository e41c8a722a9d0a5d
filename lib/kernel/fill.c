// SPDX-License-Identifier: MIT
/* Fills at the kernel module. -EBUSY gets its words from whoever called. */
#include <string.h>

#include "kernel.h"

int ndma_kernel_fill_begin(struct ndma_source *source, struct ndma_buffer *buffer,
			   const struct ndma_stream_setup *setup, uint64_t timeout_ns)
{
	struct ndma_fill_begin argument = {
		.size = sizeof(argument),
		.fd = buffer->fd,
		.heap_fd = ndma_kernel_heap(),
		.guard = setup->guard,
		.format = setup->format,
		.order = setup->order,
		.channels = setup->channels,
		.samples = setup->samples,
		.timeout_ns = timeout_ns,
	};
	int rc;

	if (argument.heap_fd < 0)
		return argument.heap_fd;
	rc = ndma_ioctl_call(source->fd, NDMA_FILL_BEGIN, &argument);
	switch (rc) {
	case 0:
		return 0;
	case -ERANGE:
		return ndma_set_error(ERANGE,
				      "%llu samples of %s do not fit into a buffer of %llu bytes",
				      (unsigned long long)setup->samples, source->name,
				      (unsigned long long)buffer->bytes);
	case -EOPNOTSUPP:
		return ndma_set_error(EOPNOTSUPP,
				      "%s does not reach this buffer, or cannot stop after one "
				      "frame: create it with .source",
				      source->name);
	case -ETIMEDOUT:
		return ndma_kernel_fence_error(buffer, NDMA_FROM_DEVICE);
	default:
		return ndma_kernel_error(rc, "filling a buffer from %s", source->name);
	}
}

int ndma_kernel_fill_wait(struct ndma_source *source, struct ndma_completion *completion)
{
	struct ndma_fill_wait argument = { .size = sizeof(argument) };
	int rc = ndma_ioctl_call(source->fd, NDMA_FILL_WAIT, &argument);

	switch (rc) {
	case 0:
		*completion = argument.completion;
		return 0;
	case -EINVAL:
		return ndma_set_error(EINVAL, "%s has filled no buffer", source->name);
	case -ETIMEDOUT:
		return ndma_set_error(ETIMEDOUT,
				      "%s was stopped at the deadline before the buffer was full: "
				      "what it holds is not to be trusted",
				      source->name);
	case -ECANCELED:
		return ndma_set_error(ECANCELED, "the fill from %s was cancelled", source->name);
	case -EIO:
		return ndma_set_error(EIO, "%s gave up before the buffer was full", source->name);
	default:
		return ndma_kernel_error(rc, "waiting for %s to fill a buffer", source->name);
	}
}

int ndma_kernel_fill_cancel(struct ndma_source *source)
{
	struct ndma_stream_stop argument = { .size = sizeof(argument) };
	int rc = ndma_ioctl_call(source->fd, NDMA_STREAM_STOP, &argument);

	return rc ? ndma_kernel_error(rc, "stopping a fill from %s", source->name) : 0;
}
