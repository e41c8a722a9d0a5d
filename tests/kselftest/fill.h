/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fills of the heap's buffers by a source, and what has to be in them afterwards.
 */
#ifndef NDMA_TEST_FILL_H
#define NDMA_TEST_FILL_H

#include <linux/sync_file.h>

#include "stream.h"

#include "ndma_edu.h"

/* A buffer that @source reaches, or a negative errno. */
static inline int fill_alloc(int heap, int source, uint64_t bytes)
{
	struct ndma_buffer_alloc alloc = {
		.size = sizeof(alloc),
		.bytes = bytes,
		.node = NDMA_NODE_ANY,
		.source_fd = source,
		.fd_flags = O_CLOEXEC,
	};
	int ret = call(heap, NDMA_BUFFER_ALLOC, &alloc);

	return ret ? ret : alloc.fd;
}

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

/* Events that poll() sees now on a dma-buf. */
static inline short fill_poll(int fd)
{
	return stream_poll(fd, POLLIN | POLLOUT);
}

/* Sleeps until poll() sees the fill's fence signalled. False: it did not in all that time. */
static inline bool fill_await(int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };

	return poll(&event, 1, PATIENCE_NS / MSEC_NS) == 1;
}

/* Are the first @bytes those of edu's frame 0? */
static inline bool fill_is_edu(const unsigned char *data, uint64_t bytes)
{
	uint64_t i;

	for (i = 0; i < bytes; i++)
		if (data[i] != ndma_edu_byte(0, i))
			return false;
	return true;
}

/* Are they sim's first samples of channel 0, of its first format and presets, at that rate? */
static inline bool fill_is_sim(const unsigned char *data, uint64_t samples, int64_t rate)
{
	const struct ndma_sim_settings settings = {
		.samples = samples,
		.channels = 1,
		.order = NDMA_ORDER_PLANAR,
		.itemsize = 2,
		.bits = 16,
		.is_signed = 1,
		.rate = rate,
		.pattern = NDMA_WAVE_SINE,
		.frequency = 1000,
		.amplitude = 1000,
	};
	unsigned char *expected = calloc(samples, 2);
	bool right;

	ndma_sim_fill(&settings, expected, 0, 0, samples);
	right = !memcmp(expected, data, 2 * samples);
	free(expected);
	return right;
}

#define FENCED_NS (10 * SECOND_NS)
/* Of a fill that nobody ends within the test: more than edu copies in this time. */
#define LONG_BYTES (512UL << 10)

/* Takes a lease at once and lets go: nobody owns the buffer but the CPU. */
static inline int try_lease(int heap, int fd)
{
	int64_t lease = lease_acquire(heap, fd, NDMA_WRITE);

	return lease < 0 ? lease : lease_release(heap, lease);
}

/* The status of a buffer's fences: 0 pending, 1 done, or what went wrong. */
static inline int fence_status(int fence)
{
	struct sync_fence_info infos[4] = { 0 };
	struct sync_file_info info = {
		.num_fences = 4,
		.sync_fence_info = (uintptr_t)infos,
	};
	int ret = call(fence, SYNC_IOC_FILE_INFO, &info);

	return ret ? ret : info.status;
}

static inline int fence_export(int fd)
{
	struct dma_buf_export_sync_file request = { .flags = DMA_BUF_SYNC_READ, .fd = -1 };
	int ret = call(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request);

	return ret ? ret : request.fd;
}

#endif /* NDMA_TEST_FILL_H */
