// SPDX-License-Identifier: GPL-2.0-only
/*
 * The edu card: what arrives is what it was given, to the byte. A copy takes it 100 ms, two or more
 * a frame, so frames here are few and small.
 */
#include "test.h"
#include "uapi/stream.h"

#include "ndma_edu.h"

#define FRAMES 4

FIXTURE(edu)
{
	struct stream stream;
};

FIXTURE_VARIANT(edu)
{
	uint64_t bytes;
};

/* Less than a copy; a copy; one byte more; pieces that end in the middle of a page. */
FIXTURE_VARIANT_ADD(edu, small) { .bytes = 100 };
FIXTURE_VARIANT_ADD(edu, one_copy) { .bytes = NDMA_EDU_CHUNK };
FIXTURE_VARIANT_ADD(edu, page) { .bytes = 4096 };
FIXTURE_VARIANT_ADD(edu, two_pages_and_a_bit) { .bytes = 2 * 4096 + 5 };

FIXTURE_SETUP(edu)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, variant->bytes);
	int fd = source_open("edu0");

	if (fd == -ENOENT)
		SKIP(return, "/dev/ndma/edu0 is missing: no edu card, or ndma_edu not loaded");
	ASSERT_EQ(stream_make(&self->stream, fd, &setup), 0);
}

FIXTURE_TEARDOWN(edu)
{
	stream_end(&self->stream);
}

/* Index of the first byte that is wrong, or the number of bytes. */
static uint64_t check(const struct stream *stream, const struct ndma_completion *completion)
{
	const unsigned char *frame = stream_frame(stream, completion->index);
	uint64_t i;

	for (i = 0; i < completion->bytes_used; i++)
		if (frame[i] != ndma_edu_byte(completion->hw_sequence, i))
			break;
	return i;
}

TEST_F_TIMEOUT(edu, every_byte_arrives, 120)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	uint64_t i;

	memset(stream->data, 0xee, stream->setup.data_bytes);
	ASSERT_EQ(stream_start(stream->fd, FRAMES + 2), 0);
	for (i = 0; i < FRAMES + 2; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		EXPECT_EQ(completion.sequence, i);
		EXPECT_EQ(completion.flags, NDMA_FRAME_HW_SEQUENCE);
		EXPECT_EQ(completion.hw_sequence, i);
		EXPECT_EQ(completion.dropped, 0);
		EXPECT_EQ(completion.bytes_used, variant->bytes);
		EXPECT_EQ(check(stream, &completion), variant->bytes)
			TH_LOG("frame %d", (int)i);
		stream_give(stream, completion.index);
	}
	EXPECT_EQ(stream_wait(stream->fd, 1, PATIENCE_NS), 0);
}

TEST_F_TIMEOUT(edu, data_stay_when_the_stream_is_closed_in_mid_frame, 120)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;

	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	ASSERT_EQ(stream_next(stream, &completion), 0);
	/* The card is at the next frame. */
	ASSERT_EQ(close(stream->fd), 0);
	EXPECT_EQ(check(stream, &completion), variant->bytes);
	stream->fd = -1;
}

TEST_F_TIMEOUT(edu, an_exported_frame_is_left_alone, 120)
{
	struct stream *stream = &self->stream;
	struct ndma_completion first, completion;
	unsigned char *view;
	int fd, i;

	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	ASSERT_EQ(stream_next(stream, &first), 0);
	fd = stream_export(stream->fd, first.index);
	ASSERT_GE(fd, 0);
	stream_give(stream, first.index);
	for (i = 0; i < FRAMES; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		EXPECT_NE(completion.index, first.index);
		EXPECT_EQ(check(stream, &completion), variant->bytes);
		stream_give(stream, completion.index);
	}
	view = mmap(NULL, (variant->bytes + 4095) & ~4095UL, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(view, MAP_FAILED);
	EXPECT_EQ(memcmp(view, stream_frame(stream, first.index), variant->bytes), 0);
	EXPECT_EQ(check(stream, &first), variant->bytes);
	close(fd);
}

TEST_F_TIMEOUT(edu, a_scope_that_nobody_looks_at_shows_the_newest, 120)
{
	struct ndma_stream_setup setup = setup_of(2, variant->bytes);
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	struct ndma_stream_stats stats;
	int ready, i;

	stream_end(stream);
	setup.policy = NDMA_POLICY_LATEST;
	ASSERT_EQ(stream_make(stream, source_open("edu0"), &setup), 0);
	ASSERT_EQ(stream_start(stream->fd, 6), 0);
	ASSERT_TRUE(stream_await_end(stream->fd));
	stats = stream_stats(stream->fd);
	ready = stream_wait(stream->fd, 1, 0);
	EXPECT_EQ(stats.completed, 6);
	EXPECT_EQ(stats.stolen + ready, 6);
	ASSERT_GE(ready, 1);
	for (i = 6 - ready; i < 6; i++) {
		ASSERT_TRUE(stream_take_latest(stream, &completion));
		EXPECT_EQ(completion.sequence, i);
		EXPECT_EQ(completion.hw_sequence, i);
		EXPECT_EQ(check(stream, &completion), variant->bytes);
	}
}

TEST_F_TIMEOUT(edu, there_is_one_stream_at_a_time, 120)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, 100);
	struct stream other;

	EXPECT_EQ(stream_make(&other, source_open("edu0"), &setup), -EBUSY);
	stream_end(&self->stream);
	EXPECT_EQ(stream_setup(other.fd, &setup), 0);
	self->stream = other;
}

TEST_F_TIMEOUT(edu, stop_and_start_go_on_counting, 120)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	uint64_t sequence = 0;
	int round;

	for (round = 0; round < 2; round++) {
		ASSERT_EQ(stream_start(stream->fd, 0), 0);
		EXPECT_EQ(stream_start(stream->fd, 0), -EBUSY);
		ASSERT_EQ(stream_next(stream, &completion), 0);
		EXPECT_EQ(completion.sequence, sequence);
		sequence = completion.sequence + 1;
		EXPECT_EQ(check(stream, &completion), variant->bytes);
		stream_give(stream, completion.index);
		ASSERT_EQ(stream_stop(stream->fd), 0);
		EXPECT_EQ(stream_stats(stream->fd).device_frames, 0);
		while (stream_take(stream, &completion)) {
			EXPECT_EQ(check(stream, &completion), variant->bytes);
			sequence = completion.sequence + 1;
			stream_give(stream, completion.index);
		}
	}
}

TEST_HARNESS_MAIN
