/* SPDX-License-Identifier: MIT */
/* The raw uAPI of fills of the heap's buffers by a source. */
#ifndef NDMA_UAPI_FILL_H
#define NDMA_UAPI_FILL_H

#include "stream.h"

/* The first format, planar, one channel. */
static inline struct ndma_fill_begin fill_of(int heap, int fd, uint64_t samples,
					     uint64_t timeout_ns)
{
	return (struct ndma_fill_begin){
		.size = sizeof(struct ndma_fill_begin),
		.fd = fd,
		.heap_fd = heap,
		.order = NDMA_ORDER_PLANAR,
		.channels = 1,
		.samples = samples,
		.timeout_ns = timeout_ns,
	};
}

static inline int fill_begin(int source, int heap, int fd, uint64_t samples, uint64_t timeout_ns)
{
	struct ndma_fill_begin request = fill_of(heap, fd, samples, timeout_ns);

	return call(source, NDMA_FILL_BEGIN, &request);
}

static inline int fill_wait(int source, struct ndma_completion *completion)
{
	struct ndma_fill_wait wait = { .size = sizeof(wait) };
	int ret = call(source, NDMA_FILL_WAIT, &wait);

	*completion = wait.completion;
	return ret;
}

#endif /* NDMA_UAPI_FILL_H */
