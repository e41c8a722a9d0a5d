/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fills of the heap's buffers by a source, and what has to be in them afterwards.
 */
#ifndef NDMA_TEST_FILL_H
#define NDMA_TEST_FILL_H

#include "test.h"
#include "uapi/dmabuf.h"
#include "uapi/fill.h"

#include "ndma_edu.h"
#include "ndma_sim.h"

/* Events that poll() sees now on a dma-buf. */
static inline short fill_poll(int fd)
{
	return events_of(fd, POLLIN | POLLOUT, 0);
}

/* Sleeps until poll() sees the fill's fence signalled. False: it did not in all that time. */
static inline bool fill_await(int fd)
{
	return events_of(fd, POLLIN, PATIENCE_NS / MSEC_NS) == POLLIN;
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
/* The same of one that edu can promise within this time. */
#define BOUND_BYTES (160UL << 10)
/* At this rate sim promises LONG_BYTES within this time, and takes most of it. */
#define BOUND_RATE 40000

#endif /* NDMA_TEST_FILL_H */
