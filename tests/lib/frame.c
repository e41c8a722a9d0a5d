// SPDX-License-Identifier: GPL-2.0-only
/* Frames: releasing, loss, time, layout, export. */
#include "stream.h"

TEST_F(sim, a_frame_is_released_once)
{
	struct ndma_frame frame, copy;

	ASSERT_DONE(set_pace(self->source, 0));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	copy = frame;
	ASSERT_DONE(ndma_stream_release(self->stream, &copy));
	EXPECT_EQ(-EINVAL, ndma_stream_release(self->stream, &frame));
	ASSERT_WORDS("not held");
	memset(&frame, 0xff, sizeof(frame));
	EXPECT_EQ(-EINVAL, ndma_stream_release(self->stream, &frame));
	EXPECT_EQ(-EINVAL, ndma_frame_export(self->stream, &copy));
}

TEST_F(sim, under_latest_the_oldest_make_room_and_every_one_is_accounted_for)
{
	struct ndma_stream_stats stats;
	uint64_t received = 0, dropped = 0;
	struct ndma_frame frame;

	self->options.policy = NDMA_POLICY_LATEST;
	self->options.frames = 4;
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 2000));
	while (ndma_stream_next(self->stream, &frame, 10 * SECOND_NS) > 0) {
		received++;
		dropped += frame.dropped;
		ASSERT_EQ(received + dropped, frame.completion.sequence + 1);
		if (received % 16 == 0)
			poll(NULL, 0, 1);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	/* The newest is never the one that is lost. */
	EXPECT_EQ(2000, received + dropped);
	EXPECT_EQ(1999, frame.completion.sequence);
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(2000, stats.produced);
	EXPECT_EQ(dropped, stats.dropped);
}

TEST_F(sim, what_is_lost_behind_the_last_frame_is_told_once_the_run_is_over)
{
	struct ndma_frame frame;
	unsigned int taken = 0;

	ASSERT_DONE(set_pace(self->source, 0));
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_FAULT_DROP, 3));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	EXPECT_EQ(0, ndma_stream_missing(self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 6));
	ASSERT_EQ(4, ndma_stream_wait(self->stream, 8, 10 * SECOND_NS));
	/* Frames that are ready will tell of what is lost before them. */
	EXPECT_EQ(0, ndma_stream_missing(self->stream));
	for (; ndma_stream_next(self->stream, &frame, 10 * SECOND_NS) > 0; taken++)
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	EXPECT_EQ(4, taken);
	EXPECT_EQ(4, frame.completion.sequence);
	EXPECT_EQ(1, ndma_stream_missing(self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(1, frame.dropped);
	EXPECT_EQ(0, ndma_stream_missing(self->stream));
	ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	ndma_stream_close(self->stream);
	EXPECT_EQ(0, ndma_stream_missing(self->stream));
}

TEST_F(sim, time_stamps_follow_the_rate)
{
	struct ndma_frame first, second;
	struct timespec now;

	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &first, 10 * SECOND_NS));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &second, 10 * SECOND_NS));
	EXPECT_TRUE(first.completion.flags & NDMA_FRAME_TIME_START);
	EXPECT_EQ((second.completion.sequence - first.completion.sequence) * 64000,
		  second.completion.timestamp_ns - first.completion.timestamp_ns);
	clock_gettime(CLOCK_REALTIME, &now);
	EXPECT_GT(10 * SECOND_NS, llabs(now.tv_sec * SECOND_NS + now.tv_nsec -
					ndma_frame_realtime_ns(self->stream, &first)));
}

TEST_F(sim, a_frame_travels_as_a_buffer_with_its_layout)
{
	struct ndma_buffer *buffer;
	struct ndma_layout layout;
	struct ndma_frame frame;
	void *address;
	int fd;

	ASSERT_DONE(count_fast(self->source));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	fd = ndma_frame_export(self->stream, &frame);
	ASSERT_DONE(fd);
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &buffer));
	ASSERT_DONE(ndma_buffer_layout(buffer, &layout));
	EXPECT_EQ(0, memcmp(&layout, &ndma_stream_setup(self->stream)->layout, sizeof(layout)));
	ASSERT_DONE(ndma_buffer_map(buffer, NDMA_READ, &address));
	EXPECT_EQ(0, memcmp(address, frame.data, 256));
	EXPECT_EQ(-EPERM, ndma_buffer_map(buffer, NDMA_WRITE, &address));
	close(fd);
	ndma_buffer_close(buffer);
}

TEST_F(sim, a_frame_exported_to_be_written_is_written_by_whoever_imports_it)
{
	struct ndma_buffer *buffer;
	struct ndma_frame frame;
	uint8_t *address;
	void *mapped;
	int fd;

	ASSERT_DONE(count_fast(self->source));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	fd = ndma_frame_export_writable(self->stream, &frame);
	ASSERT_DONE(fd);
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &buffer));
	ASSERT_DONE(ndma_buffer_map(buffer, NDMA_WRITE, &mapped));
	address = mapped;
	EXPECT_EQ(0, memcmp(address, frame.data, 256));
	address[9] = ~address[9];
	/* memfd's is a copy. */
	EXPECT_EQ(address[9] == ((uint8_t *)frame.data)[9],
		  !strcmp(ndma_buffer_backend(buffer), "kernel"));
	close(fd);
	ndma_buffer_close(buffer);
	ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	EXPECT_EQ(-EINVAL, ndma_frame_export_writable(self->stream, &frame));
}

TEST_F(sim, an_exported_frame_is_not_overwritten_after_its_release)
{
	struct ndma_buffer *buffer;
	struct ndma_frame frame, next;
	char before[256];
	void *address;
	int fd, i;

	ASSERT_DONE(count_fast(self->source));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	fd = ndma_frame_export(self->stream, &frame);
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &buffer));
	close(fd);
	ASSERT_DONE(ndma_buffer_map(buffer, NDMA_READ, &address));
	memcpy(before, address, sizeof(before));
	ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &next, 10 * SECOND_NS));
		ASSERT_DONE(ndma_stream_release(self->stream, &next));
	}
	EXPECT_EQ(0, memcmp(before, address, sizeof(before)));
	ndma_buffer_close(buffer);
}

TEST_F(sim, both_ways_of_taking_can_be_mixed)
{
	struct ndma_ring *ring;
	struct ndma_frame frame;
	uint64_t i;

	ASSERT_DONE(set_pace(self->source, 0));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ring = ndma_ring_open(self->stream);
	ASSERT_NE(NULL, ring);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	for (i = 0; i < 300; i++) {
		if (i % 2 && ndma_stream_wait(self->stream, 1, 10 * SECOND_NS) > 0) {
			ASSERT_TRUE(ndma_ring_take(ring, &frame));
		} else {
			ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		}
		ASSERT_EQ(i, frame.completion.sequence);
		if (i % 3) {
			ASSERT_DONE(ndma_stream_release(self->stream, &frame));
		} else if (ndma_ring_release(ring, frame.completion.index)) {
			ASSERT_DONE(ndma_stream_kick(self->stream));
		}
	}
}

TEST_HARNESS_MAIN
