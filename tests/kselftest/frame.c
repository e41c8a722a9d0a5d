// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames: what a completion says of one, what it holds, what was lost before it, and how one is
 * kept as a dma-buf of its own.
 */
#include "test.h"
#include "uapi/stream.h"

#include "ndma_sim.h"

#define FRAMES 4
#define SAMPLES 1000

FIXTURE(frame)
{
	struct stream stream;
	int heap;
};

FIXTURE_SETUP(frame)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);

	ASSERT_EQ(stream_make(&self->stream, source_open("sim0"), &setup), 0);
	ASSERT_EQ(control_set(self->stream.fd, NDMA_SIM_CONTROL_PACED, 0), 0);
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
}

FIXTURE_TEARDOWN(frame)
{
	stream_end(&self->stream);
	close(self->heap);
}

TEST_F(frame, sequences_grow_by_one_while_nothing_is_lost)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	uint64_t i, before = now_ns();

	ASSERT_EQ(stream_start(stream->fd, 20), 0);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		EXPECT_LT(completion.index, FRAMES);
		EXPECT_EQ(completion.sequence, i);
		EXPECT_EQ(completion.dropped, 0);
		EXPECT_EQ(completion.bytes_used, stream->setup.frame_bytes);
		EXPECT_EQ(completion.flags, NDMA_FRAME_HW_TIME | NDMA_FRAME_HW_SEQUENCE);
		EXPECT_EQ(completion.hw_sequence, i);
		EXPECT_EQ(completion.hw_timestamp, i * SAMPLES);
		EXPECT_EQ(completion.anchor, 0);
		EXPECT_GE(completion.timestamp_ns, before);
		before = completion.timestamp_ns;
		stream_give(stream, completion.index);
	}
	EXPECT_LE(before, now_ns());
	EXPECT_EQ(stream_wait(stream->fd, 1, PATIENCE_NS), 0);
}

TEST_F(frame, an_exported_frame_has_its_own_layout_and_contents)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	struct ndma_layout layout;
	struct ndma_buffer_info info;
	unsigned char *view;
	int fd;

	ASSERT_EQ(stream_start(stream->fd, FRAMES), 0);
	ASSERT_EQ(stream_next(stream, &completion), 0);
	ASSERT_EQ(stream_next(stream, &completion), 0);
	fd = stream_export(stream->fd, completion.index);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	info = buffer_info(self->heap, fd);
	EXPECT_EQ(info.bytes, stream->setup.frame_bytes);
	EXPECT_EQ(info.flags & (NDMA_BUFFER_READONLY | NDMA_BUFFER_STREAM),
		  NDMA_BUFFER_READONLY | NDMA_BUFFER_STREAM);
	ASSERT_EQ(layout_get(self->heap, fd, &layout), 0);
	EXPECT_EQ(memcmp(&layout, &stream->setup.layout, sizeof(layout)), 0);

	view = mmap(NULL, info.capacity, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(view, MAP_FAILED);
	EXPECT_EQ(memcmp(view, stream_frame(stream, completion.index), completion.bytes_used), 0);
	EXPECT_EQ(mmap(NULL, info.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
		  MAP_FAILED);
	munmap(view, info.capacity);
	close(fd);
}

TEST_F(frame, a_frame_exported_to_be_written_is_written_through_its_dma_buf)
{
	struct stream *stream = &self->stream;
	struct ndma_layout flat = layout_bytes(16);
	struct ndma_completion completion;
	struct ndma_buffer_info info;
	unsigned char *view;
	int fd, readonly;

	ASSERT_EQ(stream_start(stream->fd, FRAMES), 0);
	ASSERT_EQ(stream_next(stream, &completion), 0);
	ASSERT_EQ(stream_next(stream, &completion), 0);
	fd = stream_export_as(stream->fd, completion.index, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	info = buffer_info(self->heap, fd);
	EXPECT_EQ(info.flags & (NDMA_BUFFER_READONLY | NDMA_BUFFER_STREAM), NDMA_BUFFER_STREAM);
	view = mmap(NULL, info.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(view, MAP_FAILED);
	view[7] = ~view[7];
	EXPECT_EQ(memcmp(view, stream_frame(stream, completion.index), completion.bytes_used), 0);
	munmap(view, info.capacity);

	/* It is a frame of the stream's as before. */
	EXPECT_EQ(layout_set(self->heap, fd, &flat), -EPERM);
	EXPECT_EQ(transfer_begin(self->heap, fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0, SECOND_NS),
		  -EPERM);
	readonly = buffer_readonly(self->heap, fd);
	ASSERT_GE(readonly, 0);
	EXPECT_EQ(mmap(NULL, info.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, readonly, 0),
		  MAP_FAILED);
	stream_give(stream, completion.index);
	close(fd);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 1);
	close(readonly);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 0);
}

TEST_F(frame, only_the_file_that_set_the_stream_up_exports_to_be_written)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	int other = source_open("sim0");

	ASSERT_GE(other, 0);
	ASSERT_EQ(stream_start(stream->fd, FRAMES), 0);
	ASSERT_EQ(stream_next(stream, &completion), 0);
	EXPECT_EQ(stream_export_as(other, completion.index, O_RDWR), -EINVAL);
	EXPECT_EQ(stream_export_as(stream->fd, completion.index, O_RDWR | O_APPEND), -EINVAL);
	EXPECT_EQ(stream_export_as(stream->fd, completion.index, O_WRONLY), -EINVAL);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 0);
	close(other);
}

/* The address has to fit where the frame begins in its stream's memory, whatever its descriptor is. */
TEST_F(frame, an_exported_frame_is_mapped_where_huge_pages_fit)
{
	struct ndma_stream_setup setup = setup_of(2, (4 * MIB + 4096) / 2);
	struct ndma_completion completion;
	struct ndma_buffer_info info;
	struct stream stream;
	char *view;
	int fd;

	setup.channels = 1;
	ASSERT_EQ(stream_make(&stream, source_open("sim0"), &setup), 0);
	ASSERT_NE(stream.setup.frame_stride % HUGE_BYTES, 0);
	ASSERT_EQ(stream_start(stream.fd, 2), 0);
	do {
		ASSERT_EQ(stream_next(&stream, &completion), 0);
	} while (completion.index != 1);
	fd = stream_export(stream.fd, 1);
	ASSERT_GE(fd, 0);
	info = buffer_info(self->heap, fd);
	view = buffer_map(self->heap, fd, info.capacity, PROT_READ);
	ASSERT_NE(view, MAP_FAILED);
	EXPECT_EQ(((uintptr_t)view - stream.setup.frame_stride) % HUGE_BYTES, 0);
	EXPECT_EQ(memcmp(view, stream_frame(&stream, 1), completion.bytes_used), 0);
	munmap(view, info.capacity);
	close(fd);
	stream_end(&stream);
}

TEST_F(frame, an_exported_frame_is_not_used_again_before_its_dma_buf_is_gone)
{
	struct stream *stream = &self->stream;
	struct ndma_completion first, completion;
	int fd, second, i;

	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	ASSERT_EQ(stream_next(stream, &first), 0);
	fd = stream_export(stream->fd, first.index);
	second = stream_export(stream->fd, first.index);
	ASSERT_GE(fd, 0);
	ASSERT_GE(second, 0);
	stream_give(stream, first.index);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 1);
	for (i = 0; i < 5 * FRAMES; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		EXPECT_NE(completion.index, first.index);
		stream_give(stream, completion.index);
	}
	/* It is given back already: nobody holds it but the dma-bufs. */
	stream_give(stream, first.index);
	EXPECT_EQ(stream_stats(stream->fd).bad_releases, 1);
	EXPECT_EQ(stream_export(stream->fd, first.index), -EBUSY);

	close(fd);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 1);
	close(second);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 0);
	for (i = 0; i < 2 * FRAMES; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		stream_give(stream, completion.index);
		if (completion.index == first.index)
			break;
	}
	EXPECT_LT(i, 2 * FRAMES);
}

TEST_F(frame, the_end_of_an_export_wakes_a_device_that_waits_for_frames)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	int fds[FRAMES], i;

	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	for (i = 0; i < FRAMES; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		fds[i] = stream_export(stream->fd, completion.index);
		ASSERT_GE(fds[i], 0);
		stream_give(stream, completion.index);
	}
	EXPECT_EQ(stream_wait(stream->fd, 1, -1), -EBUSY);
	close(fds[0]);
	EXPECT_EQ(stream_wait(stream->fd, 1, PATIENCE_NS), 1);
	for (i = 1; i < FRAMES; i++)
		close(fds[i]);
}

TEST_F(frame, only_a_frame_in_hand_can_be_exported)
{
	struct stream *stream = &self->stream;
	struct ndma_stream_export export = { .size = sizeof(export), .fd_flags = O_APPEND };
	struct ndma_completion completion;

	EXPECT_EQ(stream_export(stream->fd, 0), -EBUSY);
	ASSERT_EQ(stream_start(stream->fd, 2), 0);
	ASSERT_EQ(stream_wait(stream->fd, 2, PATIENCE_NS), 2);
	/* Published, not taken. */
	EXPECT_EQ(stream_export(stream->fd, 0), -EBUSY);
	EXPECT_EQ(stream_export(stream->fd, FRAMES), -EINVAL);
	EXPECT_EQ(stream_export(stream->fd, UINT32_MAX), -EINVAL);
	ASSERT_TRUE(stream_take(stream, &completion));
	export.index = completion.index;
	EXPECT_EQ(call(stream->fd, NDMA_STREAM_EXPORT, &export), -EINVAL);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 0);
}

TEST_F(frame, an_exported_frame_outlives_its_stream)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	unsigned char copy[SAMPLES], *view;
	int fd;

	ASSERT_EQ(stream_start(stream->fd, 1), 0);
	ASSERT_EQ(stream_next(stream, &completion), 0);
	memcpy(copy, stream_frame(stream, completion.index), sizeof(copy));
	fd = stream_export(stream->fd, completion.index);
	ASSERT_GE(fd, 0);
	stream_end(stream);
	stream->data = NULL;
	stream->fd = -1;
	view = mmap(NULL, buffer_info(self->heap, fd).capacity, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(view, MAP_FAILED);
	EXPECT_EQ(memcmp(view, copy, sizeof(copy)), 0);
	close(fd);
	EXPECT_EQ(memcmp(view, copy, sizeof(copy)), 0);
}

TEST_HARNESS_MAIN
