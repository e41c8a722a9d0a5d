// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills that end early, or badly: the source is quiet first, then the buffer is given back, then the
 * fence signals.
 */
#include <sys/time.h>

#include "fill_fixture.h"

/* What everybody sees when a fill has ended early with @error: it, the fence, and a free buffer. */
static void expect_ended(struct __test_metadata *_metadata, struct _test_data_fill *self,
			 int fence, int error)
{
	struct ndma_completion completion;

	ASSERT_TRUE(fill_await(self->fd));
	EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), 0);
	EXPECT_EQ(fence_status(fence), error);
	EXPECT_EQ(fill_wait(self->source, &completion), error);
	EXPECT_EQ(completion.bytes_used, 0);
	EXPECT_EQ(buffer_info(self->other, self->fd).owner, NDMA_OWNER_CPU);
	EXPECT_EQ(buffer_info(self->other, self->fd).aborted, 1);
	close(fence);
}

/* Nobody writes any more. */
static void expect_quiet(struct __test_metadata *_metadata, struct _test_data_fill *self)
{
	uint64_t i;

	memset(self->data, POISON, CAPACITY);
	/* Longer than the card needs for the next copy. */
	usleep(300000);
	for (i = 0; i < CAPACITY; i++)
		ASSERT_EQ(self->data[i], POISON);
}

/* ------------------------------------------------------------ how it ends early */

TEST_F(fill, its_deadline_stops_the_source_before_the_buffer_comes_back)
{
	int fence;

	ASSERT_EQ(begin_bound(self, variant, SECOND_NS / 2), 0);
	fence = fence_export(self->fd, DMA_BUF_SYNC_READ);
	expect_ended(_metadata, self, fence, -ETIMEDOUT);
	expect_quiet(_metadata, self);
}

TEST_F(fill, a_deadline_of_a_nanosecond_is_one)
{
	struct ndma_completion completion;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(begin_long(self, variant, 1), 0);
		EXPECT_EQ(fill_wait(self->source, &completion), -ETIMEDOUT);
		EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), 0);
	}
	EXPECT_EQ(buffer_info(self->heap, self->fd).aborted, 5);
}

TEST_F(fill, stop_ends_it)
{
	int fence;

	ASSERT_EQ(begin_bound(self, variant, FENCED_NS), 0);
	fence = fence_export(self->fd, DMA_BUF_SYNC_READ);
	ASSERT_EQ(stream_stop(self->source), 0);
	EXPECT_EQ(fill_poll(self->fd), POLLIN | POLLOUT);
	expect_ended(_metadata, self, fence, -ECANCELED);
	expect_quiet(_metadata, self);
}

TEST_F(fill, the_end_of_its_file_ends_it)
{
	int fence;

	ASSERT_EQ(begin_bound(self, variant, FENCED_NS), 0);
	fence = fence_export(self->fd, DMA_BUF_SYNC_READ);
	close(self->source);
	EXPECT_EQ(fill_poll(self->fd), POLLIN | POLLOUT);
	EXPECT_EQ(fence_status(fence), -ECANCELED);
	EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), 0);
	expect_quiet(_metadata, self);
	self->source = source_open(variant->source);
	EXPECT_EQ(begin_short(self, variant, 100, NDMA_GUARD_NONE), 0);
	close(fence);
}

TEST_F(fill, the_end_of_its_owner_ends_it)
{
	struct ndma_completion completion;

	ASSERT_EQ(begin_long(self, variant, FENCED_NS), 0);
	close(self->heap);
	EXPECT_EQ(fill_wait(self->source, &completion), -EOWNERDEAD);
	EXPECT_EQ(lease_acquire(self->other, self->fd, NDMA_READ), -EOWNERDEAD);
	EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), 0);
	expect_quiet(_metadata, self);
}

TEST_F(fill, a_killed_owner_leaves_a_quiet_buffer)
{
	struct peer peer;

	if (!peer_fork(&peer)) {
		if (!begin_bound(self, variant, FENCED_NS) && peer_tell(&peer))
			pause();
		_exit(1);
	}
	close(self->heap);
	close(self->source);
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(lease_acquire(self->other, self->fd, NDMA_READ), -EBUSY);
	kill(peer.pid, SIGKILL);
	EXPECT_EQ(peer_join(&peer), 128 + SIGKILL);
	EXPECT_TRUE(fill_await(self->fd));
	/* Told once, if the heap's file was closed before the source's. */
	lease_acquire(self->other, self->fd, NDMA_READ);
	EXPECT_GT(lease_acquire(self->other, self->fd, NDMA_READ), 0);
	expect_quiet(_metadata, self);
}

TEST_F(fill, it_keeps_the_memory_of_a_closed_buffer)
{
	uint64_t used = heap_info(self->heap).used_bytes;
	uint64_t give_up = now_ns() + PATIENCE_NS;

	ASSERT_EQ(begin_long(self, variant, FENCED_NS), 0);
	munmap(self->data, CAPACITY);
	close(self->fd);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used);
	ASSERT_EQ(stream_stop(self->source), 0);
	while (heap_info(self->heap).used_bytes == used && now_ns() < give_up)
		usleep(1000);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used - CAPACITY);
	self->fd = -1;
}

static void on_alarm(int number)
{
	(void)number;
}

TEST_F(fill, a_signal_ends_the_wait_and_not_the_fill)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval timer = { .it_value = { .tv_usec = 50000 } };
	struct ndma_completion completion;

	ASSERT_EQ(begin_long(self, variant, FENCED_NS), 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	EXPECT_EQ(fill_wait(self->source, &completion), -EINTR);
	EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), -EBUSY);
}

/* ------------------------------------------------------------ one of the two sources alone */

TEST(a_short_frame_is_told_as_such)
{
	int heap = heap_open(), source = source_open("sim0"), fd = heap_alloc(heap, 4096);
	struct ndma_completion completion;

	control_set(source, NDMA_CONTROL_FAULT_SHORT, 1);
	ASSERT_EQ(fill_begin(source, heap, fd, 1000, FENCED_NS), 0);
	ASSERT_EQ(fill_wait(source, &completion), 0);
	EXPECT_EQ(completion.flags & NDMA_FRAME_PARTIAL, NDMA_FRAME_PARTIAL);
	EXPECT_EQ(completion.bytes_used, 1000);
	close(fd);
	close(source);
	close(heap);
}

TEST(a_bad_frame_fails_its_fence)
{
	int heap = heap_open(), source = source_open("sim0"), fd = heap_alloc(heap, 4096);
	struct ndma_completion completion;
	int fence;

	control_set(source, NDMA_CONTROL_FAULT_ERROR, 1);
	/* Time enough to see the fence before it signals. */
	control_set(source, NDMA_CONTROL_RATE, 500);
	ASSERT_EQ(fill_begin(source, heap, fd, 1000, FENCED_NS), 0);
	fence = fence_export(fd, DMA_BUF_SYNC_READ);
	EXPECT_EQ(fence_status(fence), 0);
	ASSERT_EQ(fill_wait(source, &completion), 0);
	EXPECT_EQ(completion.flags & NDMA_FRAME_ERROR, NDMA_FRAME_ERROR);
	EXPECT_EQ(fence_status(fence), -EIO);
	close(fence);
	close(fd);
	close(source);
	close(heap);
}

TEST(a_source_that_vanishes_gives_the_buffer_back)
{
	int heap = heap_open(), source = source_open("sim1"), fd = heap_alloc(heap, 4096);
	uint64_t give_up = now_ns() + PATIENCE_NS;
	struct ndma_completion completion;
	int again;

	control_set(source, NDMA_CONTROL_TRIGGER, NDMA_SIM_TRIGGER_SOFTWARE);
	control_set(source, NDMA_CONTROL_FAULT_DROP, 1);
	control_set(source, NDMA_CONTROL_FAULT_VANISH, 1);
	ASSERT_EQ(fill_begin(source, heap, fd, 1000, FENCED_NS), 0);
	/* The frame is lost, and then the card is. */
	control_set(source, NDMA_CONTROL_TRIGGER_SOFTWARE, 0);
	EXPECT_EQ(fill_wait(source, &completion), -ENODEV);
	EXPECT_EQ(lease_try(heap, fd, NDMA_WRITE), 0);
	EXPECT_EQ(events_of(source, POLLIN, 0), POLLIN);
	EXPECT_EQ(fill_begin(source, heap, fd, 1000, FENCED_NS), -ENODEV);
	/* It is plugged in again: leave it as it was found. */
	while ((again = source_open("sim1")) < 0 && now_ns() < give_up)
		usleep(10000);
	EXPECT_GE(again, 0);
	close(again);
	close(fd);
	close(source);
	close(heap);
}

TEST(a_stalled_source_is_stopped_at_the_deadline)
{
	int heap = heap_open(), source = source_open("sim0"), fd = heap_alloc(heap, 4096);
	struct ndma_completion completion;

	control_set(source, NDMA_CONTROL_FAULT_DROP, 1);
	control_set(source, NDMA_CONTROL_FAULT_STALL, 1);
	ASSERT_EQ(fill_begin(source, heap, fd, 100, SECOND_NS / 5), 0);
	EXPECT_EQ(fill_wait(source, &completion), -ETIMEDOUT);
	EXPECT_EQ(lease_try(heap, fd, NDMA_WRITE), 0);
	close(fd);
	close(source);
	close(heap);
}

TEST(fill_follows_fill)
{
	int heap = heap_open(), source = source_open("sim0");
	int fds[2] = { heap_alloc(heap, 4096), heap_alloc(heap, HUGE_BYTES) };
	uint64_t used = heap_info(heap).used_bytes;
	struct ndma_completion completion;
	int i, next = file_next();

	ASSERT_EQ(control_set(source, NDMA_SIM_CONTROL_PACED, 0), 0);
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(fill_begin(source, heap, fds[i & 1], 1 + i, FENCED_NS), 0);
		ASSERT_EQ(fill_wait(source, &completion), 0);
		ASSERT_EQ(completion.bytes_used, 2 * (1 + i));
	}
	EXPECT_EQ(heap_info(heap).used_bytes, used);
	EXPECT_EQ(file_next(), next);
	close(fds[0]);
	close(fds[1]);
	close(source);
	close(heap);
}

TEST_HARNESS_MAIN
