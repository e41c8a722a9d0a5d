// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cards that leave while they are used: pulled out, taken from their driver, their driver unloaded.
 * For root, because of sysfs.
 */
#include <sys/syscall.h>

#include "fill.h"
#include "sysfs.h"

#define DRIVER "/sys/bus/pci/drivers/ndma_edu"

FIXTURE(removal)
{
	struct stream stream;
	struct ndma_completion completion;
	char device[64];
};

/* One frame is in hand, and the card is at the next. */
FIXTURE_SETUP(removal)
{
	struct ndma_stream_setup setup = setup_of(4, 3000);
	int fd = source_open("edu0");

	if (fd == -ENOENT)
		SKIP(return, "/dev/ndma/edu0 is missing: no edu card, or ndma_edu not loaded");
	ASSERT_GE(fd, 0);
	strcpy(self->device, source_info(fd).device);
	ASSERT_EQ(stream_make(&self->stream, fd, &setup), 0);
	ASSERT_EQ(stream_start(fd, 0), 0);
	ASSERT_EQ(stream_next(&self->stream, &self->completion), 0);
}

FIXTURE_TEARDOWN(removal)
{
	struct ndma_stream_setup setup = setup_of(4, 3000);
	struct ndma_completion completion;
	struct stream stream;

	stream_end(&self->stream);
	/* Whatever was done to it, it works again. */
	ASSERT_EQ(stream_make(&stream, source_open("edu0"), &setup), 0);
	EXPECT_EQ(stream_start(stream.fd, 1), 0);
	EXPECT_EQ(stream_next(&stream, &completion), 0);
	stream_end(&stream);
}

static void expect_gone(struct __test_metadata *_metadata, struct _test_data_removal *self)
{
	struct stream *stream = &self->stream;
	unsigned char *frame = stream_frame(stream, self->completion.index);
	struct ndma_completion completion;
	int fd, i;

	EXPECT_EQ(events_of(stream->fd, POLLIN, 0) & POLLHUP, POLLHUP);
	while (stream_take(stream, &completion))
		continue;
	EXPECT_EQ(stream_wait(stream->fd, 1, -1), -ENODEV);
	EXPECT_EQ(stream_start(stream->fd, 0), -ENODEV);
	EXPECT_EQ(stream_stats(stream->fd).state, NDMA_STREAM_GONE);
	EXPECT_EQ(stream_stats(stream->fd).device_frames, 0);
	for (i = 0; i < 3000; i++)
		ASSERT_EQ(frame[i], ndma_edu_byte(self->completion.hw_sequence, i));
	/* A frame can still be handed on. */
	fd = stream_export(stream->fd, self->completion.index);
	EXPECT_GE(fd, 0);
	close(fd);
	stream_give(stream, self->completion.index);
}

TEST_F_TIMEOUT(removal, a_card_can_be_taken_from_its_driver_in_mid_frame, 120)
{
	ASSERT_EQ(file_write(DRIVER "/unbind", self->device), 0);
	EXPECT_EQ(source_open("edu0"), -ENOENT);
	expect_gone(_metadata, self);
	ASSERT_EQ(file_write(DRIVER "/bind", self->device), 0);
}

TEST_F_TIMEOUT(removal, a_card_can_be_pulled_out_in_mid_frame, 120)
{
	ASSERT_EQ(write_device(self->device, "remove", "1"), 0);
	EXPECT_EQ(source_open("edu0"), -ENOENT);
	expect_gone(_metadata, self);
	ASSERT_EQ(file_write("/sys/bus/pci/rescan", "1"), 0);
}

/* Of a buffer that the card has to itself for seconds. */
TEST_F_TIMEOUT(removal, a_card_that_is_pulled_out_gives_back_the_buffer_it_fills, 120)
{
	struct ndma_completion completion;
	int heap = heap_open(), source, fd, fence;
	int64_t lease;

	stream_end(&self->stream);
	self->stream = (struct stream){ .fd = -1 };
	source = source_open("edu0");
	fd = heap_alloc_for(heap, source, BOUND_BYTES);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(fill_begin(source, heap, fd, BOUND_BYTES, FENCED_NS), 0);
	fence = fence_export(fd, DMA_BUF_SYNC_READ);
	ASSERT_EQ(write_device(self->device, "remove", "1"), 0);
	EXPECT_EQ(fill_wait(source, &completion), -ENODEV);
	EXPECT_EQ(fence_status(fence), -ENODEV);
	lease = lease_acquire(heap, fd, NDMA_WRITE);
	EXPECT_GT(lease, 0);
	ASSERT_EQ(file_write("/sys/bus/pci/rescan", "1"), 0);
	close(fence);
	close(fd);
	close(source);
	close(heap);
}

TEST_F_TIMEOUT(removal, who_waits_is_told_that_the_card_is_gone, 120)
{
	struct peer child;
	struct pollfd pollfd = { .fd = self->stream.fd };

	if (!peer_fork(&child)) {
		peer_tell(&child);
		/* Nothing but the end ends this: POLLIN is not asked for. */
		_exit(poll(&pollfd, 1, -1) == 1 && pollfd.revents == POLLHUP ? 0 : 1);
	}
	ASSERT_TRUE(peer_await(&child));
	ASSERT_EQ(file_write(DRIVER "/unbind", self->device), 0);
	EXPECT_EQ(peer_join(&child), 0);
	ASSERT_EQ(file_write(DRIVER "/bind", self->device), 0);
}

TEST_F_TIMEOUT(removal, coming_and_going_many_times_leaves_nothing_behind, 120)
{
	int round, fds[10];

	for (round = 0; round < 10; round++) {
		ASSERT_EQ(file_write(DRIVER "/unbind", self->device), 0);
		ASSERT_EQ(file_write(DRIVER "/bind", self->device), 0);
		/* Old files stay open: each is of a source of its own. */
		fds[round] = source_open("edu0");
		ASSERT_GE(fds[round], 0);
	}
	for (round = 0; round < 9; round++)
		EXPECT_EQ(stream_start(fds[round], 0), -ENODEV);
	for (round = 0; round < 10; round++)
		close(fds[round]);
}

TEST_F_TIMEOUT(removal, a_driver_in_use_cannot_be_unloaded, 120)
{
	ASSERT_EQ(syscall(SYS_delete_module, "ndma_edu", O_NONBLOCK), -1);
	EXPECT_TRUE(errno == EWOULDBLOCK || errno == EBUSY);
	EXPECT_EQ(stream_next(&self->stream, &self->completion), 0);
}

TEST_HARNESS_MAIN
