// SPDX-License-Identifier: MIT
/*
 * The calendar of a stream. A program cannot read two clocks at one moment, so less than CALENDAR_STEP_NS is
 * no step here, while the module sees every nanosecond.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "stream.h"

#define CALENDAR_STEP_NS 1000000

/* Reads of both clocks that lie closer together than this are good. */
#define CLOSE_NS 100000
#define CLOSE_TRIES 100

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* CLOCK_REALTIME - CLOCK_MONOTONIC. */
static int64_t measure(void)
{
	int64_t offset_ns = 0, closest_ns = INT64_MAX;
	int i;

	/* A thread that loses the processor between two reads takes the time it waits for a step. */
	for (i = 0; i < CLOSE_TRIES && closest_ns > CLOSE_NS; i++) {
		int64_t before_ns = clock_ns(CLOCK_MONOTONIC);
		int64_t realtime_ns = clock_ns(CLOCK_REALTIME);
		int64_t width_ns = clock_ns(CLOCK_MONOTONIC) - before_ns;

		if (width_ns >= closest_ns)
			continue;
		closest_ns = width_ns;
		offset_ns = realtime_ns - before_ns - width_ns / 2;
	}
	return offset_ns;
}

/* Cheap enough for every frame: both clocks as of the last tick. A tick between the reads looks like a step. */
static bool may_have_moved(int64_t offset_ns)
{
	int64_t now_ns = clock_ns(CLOCK_REALTIME_COARSE) - clock_ns(CLOCK_MONOTONIC_COARSE);

	return llabs(now_ns - offset_ns) >= CALENDAR_STEP_NS;
}

void ndma_memfd_calendar_anchor(struct memfd_stream *stream)
{
	struct ndma_completions *ring = stream->completions;
	int64_t before_ns = ring->realtime_offset_ns[ring->anchor % NDMA_ANCHORS];
	uint32_t anchor = ring->anchor + stream->started;
	int64_t offset_ns;

	if (stream->started && !may_have_moved(before_ns))
		return;
	offset_ns = measure();
	if (stream->started && llabs(offset_ns - before_ns) < CALENDAR_STEP_NS)
		return;
	__atomic_store_n(&ring->realtime_offset_ns[anchor % NDMA_ANCHORS], offset_ns,
			 __ATOMIC_RELAXED);
	/* Release: the offset. Pairs with the acquire in realtime_offset_ns(). */
	__atomic_store_n(&ring->anchor, anchor, __ATOMIC_RELEASE);
}
