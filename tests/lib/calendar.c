// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calendar of memfd's streams, while somebody sets the clock: below the library, which asks this
 * program's clock_gettime(). On a kernel that runs the module faults/clock.c sets the real one.
 */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "sim.h"

/* What was added to the calendar. */
static atomic_llong shift_ns;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long rc = syscall(SYS_clock_gettime, clock, now);
	long long ns;

	if (rc || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return (int)rc;
	ns = now->tv_sec * 1000000000LL + now->tv_nsec + atomic_load(&shift_ns);
	now->tv_sec = ns / 1000000000;
	now->tv_nsec = ns % 1000000000;
	return 0;
}

static int64_t calendar_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

FIXTURE(calendar)
{
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_stream_options options;
};

FIXTURE_VARIANT(calendar)
{
	const char *backend;
};

FIXTURE_VARIANT_ADD(calendar, memfd){ .backend = "memfd" };

FIXTURE_SETUP(calendar)
{
	OPEN_SIM();
	self->options.samples = 100;
	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
}

FIXTURE_TEARDOWN(calendar)
{
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
}

/* Takes frames until one is the first of a new anchor, @most of them. 1: there was one. */
static int next_moved(struct ndma_stream *stream, int most, struct ndma_frame *frame)
{
	while (most--) {
		if (ndma_stream_next(stream, frame, 10 * SECOND_NS) != 1)
			return -1;
		if (ndma_stream_release(stream, frame))
			return -1;
		if (frame->completion.flags & NDMA_FRAME_CALENDAR)
			return 1;
	}
	return 0;
}

TEST_F(calendar, a_frame_after_a_step_says_so_and_has_the_right_time)
{
	static const int64_t steps_ns[] = { 3600 * SECOND_NS, -7200 * SECOND_NS, SECOND_NS,
					    -5000000, 5000000 };
	struct ndma_frame before, frame;
	uint32_t anchor;
	size_t i;

	ASSERT_EQ(0, next_moved(self->stream, 200, &frame));
	anchor = frame.completion.anchor;
	for (i = 0; i < sizeof(steps_ns) / sizeof(*steps_ns); i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &before, 10 * SECOND_NS));
		atomic_fetch_add(&shift_ns, steps_ns[i]);
		ASSERT_DONE(ndma_stream_release(self->stream, &before));
		ASSERT_EQ(1, next_moved(self->stream, 1000, &frame));
		EXPECT_EQ(++anchor, frame.completion.anchor);
		EXPECT_LT(llabs(calendar_ns() - ndma_frame_realtime_ns(self->stream, &frame)),
			  (long long)SECOND_NS / 2);
		/* What came before has the calendar of its time. */
		EXPECT_LT(llabs(ndma_frame_realtime_ns(self->stream, &frame) -
				ndma_frame_realtime_ns(self->stream, &before) - steps_ns[i]),
			  (long long)SECOND_NS / 2);
		EXPECT_EQ(0, next_moved(self->stream, 200, &frame));
	}
}

TEST_F(calendar, less_than_a_step_moves_nothing)
{
	struct ndma_frame frame;

	atomic_fetch_add(&shift_ns, 100000);
	EXPECT_EQ(0, next_moved(self->stream, 2000, &frame));
	EXPECT_EQ(0, frame.completion.anchor);
}

TEST_F(calendar, a_start_after_a_step_has_its_time)
{
	struct ndma_source_info info;
	struct ndma_frame frame;

	ASSERT_DONE(ndma_stream_stop(self->stream));
	while (ndma_stream_next(self->stream, &frame, 10 * SECOND_NS) == 1)
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	atomic_fetch_add(&shift_ns, 3600 * SECOND_NS);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_DONE(ndma_stream_info(self->stream, &info));
	EXPECT_LT(llabs(calendar_ns() - info.start_realtime_ns), (long long)SECOND_NS / 2);
	EXPECT_EQ(1, next_moved(self->stream, 1, &frame));
}

TEST_HARNESS_MAIN
