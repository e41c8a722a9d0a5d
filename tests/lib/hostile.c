// SPDX-License-Identifier: GPL-2.0-only
/* A program that writes nonsense into its own rings harms nobody but itself. */
#include "sim.h"

FIXTURE(hostile)
{
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_stream_options options;
	struct ndma_ring *ring;
};

ON_EVERY_BACKEND(hostile);

FIXTURE_SETUP(hostile)
{
	OPEN_SIM();
	self->options.samples = 64;
	self->options.frames = 8;
	OPEN_STREAM(&self->options, UNPACED);
	self->ring = ndma_ring_open(self->stream);
}

FIXTURE_TEARDOWN(hostile)
{
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
}

/* The counts add up whatever was written. */
static bool is_consistent(struct ndma_stream *stream)
{
	struct ndma_stream_stats stats;

	if (ndma_stream_stats(stream, &stats))
		return false;
	return stats.free_frames + stats.device_frames + stats.user_frames == 8 &&
	       stats.completed <= stats.produced;
}

TEST_F(hostile, indices_of_no_frame_are_counted)
{
	struct ndma_stream_stats stats;
	struct ndma_frame frame;
	int i;

	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	for (i = 0; i < 5; i++) {
		ndma_ring_release(self->ring, 8 + i);
		ASSERT_DONE(ndma_stream_kick(self->stream));
	}
	ndma_ring_release(self->ring, frame.completion.index);
	ndma_ring_release(self->ring, frame.completion.index);
	ASSERT_DONE(ndma_stream_kick(self->stream));
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_LE(5, stats.bad_releases);
	EXPECT_TRUE(is_consistent(self->stream));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		ASSERT_TRUE(is_counted(self->stream, &frame));
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
}

TEST_F(hostile, a_tail_that_jumps_is_counted_and_ends)
{
	struct ndma_stream_stats stats;

	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_LT(0, ndma_stream_wait(self->stream, 1, 10 * SECOND_NS));
	__atomic_store_n(&self->ring->releases->tail, 0x80000000u, __ATOMIC_RELEASE);
	ASSERT_DONE(ndma_stream_kick(self->stream));
	__atomic_store_n(&self->ring->releases->tail, 5, __ATOMIC_RELEASE);
	ASSERT_DONE(ndma_stream_kick(self->stream));
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_LT(8, stats.bad_releases);
	EXPECT_TRUE(is_consistent(self->stream));
}

TEST_F(hostile, a_taken_out_of_range_is_clamped_and_counted)
{
	struct ndma_stream_stats stats;

	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(8, ndma_stream_wait(self->stream, 8, 10 * SECOND_NS));
	__atomic_store_n(&self->ring->releases->taken, 1000, __ATOMIC_RELEASE);
	ndma_ring_release(self->ring, 8);
	ASSERT_DONE(ndma_stream_kick(self->stream));
	__atomic_store_n(&self->ring->releases->taken, 0u - 1000, __ATOMIC_RELEASE);
	ndma_ring_release(self->ring, 8);
	ASSERT_DONE(ndma_stream_kick(self->stream));
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_LE(2, stats.bad_taken);
	EXPECT_TRUE(is_consistent(self->stream));
}

TEST_F(hostile, a_spoilt_taken_misleads_nobody_and_the_next_take_puts_it_right)
{
	const uint32_t policies[] = { NDMA_POLICY_DROP, NDMA_POLICY_LATEST };
	const uint32_t lies[] = { 1000, 0u - 1000, 0x80000000u };
	struct ndma_frame frame;
	size_t policy, lie;
	uint32_t ready;

	for (policy = 0; policy < 2; policy++) {
		ndma_stream_free(self->stream);
		self->options.policy = policies[policy];
		OPEN_STREAM(&self->options, UNPACED);
		self->ring = ndma_ring_open(self->stream);
		ASSERT_DONE(ndma_stream_start(self->stream, 8));
		ASSERT_EQ(8, ndma_stream_wait(self->stream, 8, 10 * SECOND_NS));
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 0));
		for (lie = 0, ready = 7; lie < 3; lie++, ready--) {
			__atomic_store_n(&self->ring->releases->taken, lies[lie], __ATOMIC_RELEASE);
			EXPECT_EQ(ready, ndma_ring_ready(self->ring));
			EXPECT_EQ((int)ready, ndma_stream_wait(self->stream, 1, 0));
			ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 0));
			EXPECT_EQ(lie + 1, frame.completion.sequence);
			EXPECT_EQ(lie + 2, self->ring->releases->taken);
			ASSERT_DONE(ndma_stream_release(self->stream, &frame));
		}
	}
}

TEST_F(hostile, the_completions_cannot_be_written)
{
	long page = sysconf(_SC_PAGESIZE);
	void *at = (void *)self->ring->completions;

	EXPECT_EQ(-1, mprotect(at, page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(hostile, nonsense_without_end_stops_nothing)
{
	struct ndma_releases *releases = self->ring->releases;
	int64_t until = now_ns() + SECOND_NS / 2;
	struct ndma_stream *other;
	struct ndma_frame frame;
	unsigned int seed = 1;
	uint32_t i;

	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &other));
	ASSERT_DONE(ndma_stream_start(other, 0));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	do {
		for (i = 0; i < 8; i++)
			releases->ring[i] = rand_r(&seed) % 16;
		__atomic_store_n(&releases->tail, rand_r(&seed) % 64, __ATOMIC_RELEASE);
		__atomic_store_n(&releases->taken, rand_r(&seed) % 64, __ATOMIC_RELEASE);
		ASSERT_DONE(ndma_stream_kick(self->stream));
		ASSERT_TRUE(is_consistent(self->stream));
		ASSERT_EQ(1, ndma_stream_next(other, &frame, 10 * SECOND_NS));
		ASSERT_TRUE(is_counted(other, &frame));
		ASSERT_EQ(0, frame.dropped);
		ASSERT_DONE(ndma_stream_release(other, &frame));
	} while (now_ns() < until);
	EXPECT_EQ(0, ndma_stream_stop(self->stream));
	ndma_stream_free(other);
}

TEST_HARNESS_MAIN
