// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams: setup, start, wait, stop, and the end of them, in and out of order.
 */
#include <signal.h>

#include "test.h"
#include "uapi/stream.h"

#include "ndma_sim.h"

#define FRAMES 4
#define SAMPLES 1000

FIXTURE(streams)
{
	int fd;
	int heap;
	uint64_t used;
};

FIXTURE_SETUP(streams)
{
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
	self->used = heap_info(self->heap).used_bytes;
	self->fd = source_open("sim0");
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(control_set(self->fd, NDMA_SIM_CONTROL_PACED, 0), 0);
}

FIXTURE_TEARDOWN(streams)
{
	close(self->fd);
	/* Whatever a test has done, its memory is given back. */
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used);
	close(self->heap);
}

/* ------------------------------------------------------------ setup */

TEST_F(streams, setup_answers_with_sizes_and_layout)
{
	struct ndma_stream_setup setup = setup_of(3, 5000);

	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	EXPECT_EQ(setup.channels, 8);
	EXPECT_EQ(setup.frame_bytes, 5000 * 8 * 2);
	EXPECT_GE(setup.frame_stride, setup.frame_bytes);
	EXPECT_EQ(setup.frame_stride % PAGE_BYTES, 0);
	EXPECT_GE(setup.data_bytes, 3 * setup.frame_stride);
	EXPECT_EQ(setup.entries, 4);
	EXPECT_EQ(setup.completions_bytes, PAGE_BYTES);
	EXPECT_EQ(setup.releases_bytes, PAGE_BYTES);
	EXPECT_EQ(setup.layout.ndim, 2);
	EXPECT_EQ(setup.layout.itemsize, 2);
	EXPECT_STREQ(setup.layout.format, "<h");
	EXPECT_EQ(setup.layout.offset, 0);
	EXPECT_EQ(setup.layout.shape[0], 8);
	EXPECT_EQ(setup.layout.shape[1], 5000);
	EXPECT_EQ(setup.layout.strides[0], 10000);
	EXPECT_EQ(setup.layout.strides[1], 2);
}

TEST_F(streams, a_second_setup_is_refused)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES), again = setup;

	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	EXPECT_EQ(stream_setup(self->fd, &again), -EBUSY);
	EXPECT_EQ(stream_stats(self->fd).free_frames, FRAMES);
}

/* Each is good but for what follows GOOD. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct {
	const char *what;
	int error;
	uint32_t frames, order, channels, format, direction, policy, guard, flags;
	int32_t node;
	uint64_t samples;
} cases[] = {
#define GOOD .frames = FRAMES, .order = NDMA_ORDER_PLANAR, .direction = NDMA_FROM_DEVICE, \
     .node = NDMA_NODE_ANY, .samples = SAMPLES
	{ "no frames", -EINVAL, GOOD, .frames = 0 },
	{ "one frame", -EINVAL, GOOD, .frames = 1 },
	{ "2^31 frames", -EINVAL, GOOD, .frames = 1U << 31 },
	{ "2^32 - 1 frames", -EINVAL, GOOD, .frames = UINT32_MAX },
	{ "one frame more than the most", -EINVAL, GOOD, .frames = 65537 },
	{ "no samples", -EINVAL, GOOD, .samples = 0 },
	{ "2^64 - 1 samples", -EOVERFLOW, GOOD, .samples = UINT64_MAX },
	{ "2^61 samples", -EOVERFLOW, GOOD, .samples = 1ULL << 61 },
	{ "larger than the largest", -EINVAL, GOOD, .samples = 1ULL << 32 },
	{ "no order", -EINVAL, GOOD, .order = 0 },
	{ "two orders", -EINVAL, GOOD, .order = 3 },
	{ "unknown order", -EINVAL, GOOD, .order = 4 },
	{ "too many channels", -EINVAL, GOOD, .channels = 9 },
	{ "unknown format", -EINVAL, GOOD, .format = 5 },
	{ "no direction", -EINVAL, GOOD, .direction = 0 },
	{ "to the device", -EOPNOTSUPP, GOOD, .direction = NDMA_TO_DEVICE },
	{ "both ways", -EOPNOTSUPP, GOOD, .direction = NDMA_BOTH },
	{ "unknown direction", -EINVAL, GOOD, .direction = 4 },
	{ "unknown policy", -EINVAL, GOOD, .policy = 2 },
	{ "a guard that sleeps", -EINVAL, GOOD, .guard = NDMA_GUARD_BLOCK },
	{ "unknown guard", -EINVAL, GOOD, .guard = 3 },
	{ "unknown flag", -EINVAL, GOOD, .flags = 2 },
	{ "no such node", -EINVAL, GOOD, .node = 1000000 },
	{ "negative node", -EINVAL, GOOD, .node = -2 },
	{ "more memory than there is", -ENOMEM, GOOD, .frames = 4096,
	  .samples = 1ULL << 24 },
#undef GOOD
};
#pragma GCC diagnostic pop

TEST_F(streams, what_a_source_cannot_do_is_refused_and_leaves_nothing_behind)
{
	struct ndma_stream_setup setup;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup = setup_of(cases[i].frames, cases[i].samples);
		setup.order = cases[i].order;
		setup.channels = cases[i].channels;
		setup.format = cases[i].format;
		setup.direction = cases[i].direction;
		setup.policy = cases[i].policy;
		setup.guard = cases[i].guard;
		setup.flags = cases[i].flags;
		setup.node = cases[i].node;
		EXPECT_EQ(stream_setup(self->fd, &setup), cases[i].error)
			TH_LOG("%s", cases[i].what);
		EXPECT_EQ(heap_info(self->heap).used_bytes, self->used);
	}
	setup = setup_of(FRAMES, SAMPLES);
	EXPECT_EQ(stream_setup(self->fd, &setup), 0);
}

TEST_F(streams, without_setup_there_is_nothing_to_run)
{
	EXPECT_EQ(stream_start(self->fd, 0), -EINVAL);
	EXPECT_EQ(stream_wait(self->fd, 1, 0), -EINVAL);
	EXPECT_EQ(stream_kick(self->fd), -EINVAL);
	EXPECT_EQ(stream_export(self->fd, 0), -EINVAL);
	EXPECT_EQ(stream_stop(self->fd), 0);
	EXPECT_EQ(events_of(self->fd, POLLIN, 0), POLLERR);
	EXPECT_EQ(mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, self->fd, NDMA_MMAP_FRAMES),
		  MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
}

/* ------------------------------------------------------------ mappings */

static int map_error(int fd, uint64_t bytes, int prot, int flags, uint64_t offset)
{
	void *at = mmap(NULL, bytes, prot, flags, fd, offset);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, bytes);
	return 0;
}

TEST_F(streams, only_whole_mappings_are_made)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	const int rw = PROT_READ | PROT_WRITE;
	int fd = self->fd;

	ASSERT_EQ(stream_setup(fd, &setup), 0);
	EXPECT_EQ(map_error(fd, setup.data_bytes, rw, MAP_SHARED, NDMA_MMAP_FRAMES), 0);
	EXPECT_EQ(map_error(fd, setup.data_bytes, PROT_READ, MAP_SHARED, NDMA_MMAP_FRAMES), 0);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, rw, MAP_SHARED, NDMA_MMAP_FRAMES), -EINVAL);
	EXPECT_EQ(map_error(fd, setup.data_bytes + PAGE_BYTES, rw, MAP_SHARED, NDMA_MMAP_FRAMES),
		  -EINVAL);
	EXPECT_EQ(map_error(fd, setup.data_bytes, rw, MAP_SHARED, PAGE_BYTES), -EINVAL);
	EXPECT_EQ(map_error(fd, setup.data_bytes, rw, MAP_PRIVATE, NDMA_MMAP_FRAMES), -EINVAL);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, PROT_READ, MAP_SHARED, NDMA_MMAP_COMPLETIONS), 0);
	EXPECT_EQ(map_error(fd, 2 * PAGE_BYTES, PROT_READ, MAP_SHARED, NDMA_MMAP_COMPLETIONS),
		  -EINVAL);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, rw, MAP_SHARED, NDMA_MMAP_COMPLETIONS), -EACCES);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, PROT_READ, MAP_PRIVATE, NDMA_MMAP_COMPLETIONS), -EINVAL);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, PROT_READ, MAP_SHARED,
			    NDMA_MMAP_COMPLETIONS + PAGE_BYTES), -EINVAL);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, rw, MAP_SHARED, NDMA_MMAP_RELEASES), 0);
	EXPECT_EQ(map_error(fd, 2 * PAGE_BYTES, rw, MAP_SHARED, NDMA_MMAP_RELEASES), -EINVAL);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, rw, MAP_PRIVATE, NDMA_MMAP_RELEASES), -EINVAL);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, rw, MAP_SHARED, 0x30000000000ULL), -EINVAL);
	EXPECT_EQ(map_error(fd, PAGE_BYTES, rw, MAP_SHARED, 1ULL << 62), -EINVAL);
}

TEST_F(streams, large_frames_are_mapped_by_huge_pages)
{
	const uint64_t huge = heap_info(self->heap).huge_bytes;
	struct ndma_stream_setup setup = setup_of(4, huge / 2);
	struct stream stream;
	long before, after;
	size_t at;

	setup.channels = 1;
	ASSERT_EQ(stream_make(&stream, self->fd, &setup), 0);
	EXPECT_EQ((uintptr_t)stream.data % huge, 0);
	before = minor_faults();
	for (at = 0; at < stream.setup.data_bytes; at += PAGE_BYTES)
		stream.data[at] = 1;
	after = minor_faults();
	EXPECT_LE(after - before, 2 * (long)(stream.setup.data_bytes / huge));
	stream_unmap(&stream);
}

TEST_F(streams, the_completions_cannot_be_made_writable)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	struct stream stream;

	ASSERT_EQ(stream_make(&stream, self->fd, &setup), 0);
	EXPECT_EQ(mprotect((void *)stream.completions, PAGE_BYTES, PROT_READ | PROT_WRITE), -1);
	EXPECT_EQ(errno, EACCES);
	stream_unmap(&stream);
}

TEST_F(streams, rings_are_not_inherited)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	struct stream stream;
	struct peer child;

	ASSERT_EQ(stream_make(&stream, self->fd, &setup), 0);
	if (!peer_fork(&child)) {
		signal(SIGSEGV, SIG_DFL);
		stream.releases->tail = 1;
		_exit(0);
	}
	EXPECT_EQ(peer_join(&child), 128 + SIGSEGV);
	if (!peer_fork(&child)) {
		signal(SIGSEGV, SIG_DFL);
		_exit(stream.completions->head);
	}
	EXPECT_EQ(peer_join(&child), 128 + SIGSEGV);
	EXPECT_EQ(stream_stats(self->fd).bad_releases, 0);
	stream_unmap(&stream);
}

TEST_F(streams, closing_stops_the_device_and_leaves_what_is_mapped)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	struct ndma_completion completion;
	unsigned char copy[SAMPLES];
	struct stream stream;
	uint32_t head, i;

	ASSERT_EQ(stream_make(&stream, self->fd, &setup), 0);
	ASSERT_EQ(stream_start(stream.fd, 0), 0);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(stream_next(&stream, &completion), 0);
		if (i < 9)
			stream_give(&stream, completion.index);
	}
	memcpy(copy, stream_frame(&stream, completion.index), sizeof(copy));
	ASSERT_EQ(close(stream.fd), 0);
	head = stream.completions->head;
	EXPECT_EQ(stream.completions->state, NDMA_STREAM_IDLE);
	for (i = 0; i < FRAMES; i++)
		stream_release(&stream, i);
	/* Nobody reads the releases any more, and nothing comes. */
	EXPECT_EQ(stream.completions->head, head);
	EXPECT_EQ(stream.completions->need_wakeup, 0);
	EXPECT_EQ(memcmp(stream_frame(&stream, completion.index), copy, sizeof(copy)), 0);
	EXPECT_GT(heap_info(self->heap).used_bytes, self->used);
	stream_unmap(&stream);
	self->fd = -1;
}

/* ------------------------------------------------------------ waiting */

TEST_F(streams, waiting_has_its_limits)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	uint64_t before;

	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	/* Idle: none, and none will come. */
	EXPECT_EQ(stream_wait(self->fd, 1, -1), 0);
	EXPECT_EQ(stream_wait(self->fd, 0, 0), -EINVAL);
	EXPECT_EQ(stream_wait(self->fd, FRAMES + 1, 0), -EINVAL);
	/* Runs, and makes nothing. */
	ASSERT_EQ(control_set(self->fd, NDMA_CONTROL_TRIGGER, NDMA_SIM_TRIGGER_SOFTWARE), 0);
	ASSERT_EQ(stream_start(self->fd, 0), 0);
	EXPECT_EQ(stream_wait(self->fd, 1, 0), -EAGAIN);
	before = now_ns();
	EXPECT_EQ(stream_wait(self->fd, 1, 20 * MSEC_NS), -ETIMEDOUT);
	EXPECT_GE(now_ns() - before, 20 * MSEC_NS);
	EXPECT_EQ(events_of(self->fd, POLLIN, 0), 0);
	/* One, and no second. */
	ASSERT_EQ(control_set(self->fd, NDMA_CONTROL_TRIGGER_SOFTWARE, 0), 0);
	EXPECT_EQ(stream_wait(self->fd, 1, PATIENCE_NS), 1);
	EXPECT_EQ(stream_wait(self->fd, 2, 20 * MSEC_NS), -ETIMEDOUT);
	EXPECT_EQ(events_of(self->fd, POLLIN, 0), POLLIN);
}

TEST_F(streams, a_wait_that_times_out_says_what_is_ready)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	struct ndma_stream_wait wait = { .size = sizeof(wait), .min = 3, .timeout_ns = 1 };

	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	ASSERT_EQ(control_set(self->fd, NDMA_CONTROL_TRIGGER, NDMA_SIM_TRIGGER_SOFTWARE), 0);
	ASSERT_EQ(stream_start(self->fd, 0), 0);
	ASSERT_EQ(control_set(self->fd, NDMA_CONTROL_TRIGGER_SOFTWARE, 0), 0);
	ASSERT_EQ(stream_wait(self->fd, 1, PATIENCE_NS), 1);
	EXPECT_EQ(call(self->fd, NDMA_STREAM_WAIT, &wait), -ETIMEDOUT);
	EXPECT_EQ(wait.ready, 1);
	EXPECT_EQ(wait.state, NDMA_STREAM_RUNNING);
}

TEST_F(streams, a_batch_wakes_nobody_before_it_is_full)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	int round;

	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	ASSERT_EQ(stream_start(self->fd, 0), 0);
	for (round = 1; round <= FRAMES; round++)
		EXPECT_GE(stream_wait(self->fd, round, PATIENCE_NS), round);
}

/* ------------------------------------------------------------ several */

/* A reader that takes and gives until it is killed. */
static void read_on(int fd)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	struct ndma_completion completion;
	struct stream stream;

	if (fd < 0 || stream_make(&stream, fd, &setup) || stream_start(fd, 0))
		_exit(1);
	while (!stream_next(&stream, &completion))
		stream_give(&stream, completion.index);
	_exit(2);
}

TEST_F_TIMEOUT(streams, a_reader_killed_at_any_point_leaves_a_source_that_works, 300)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	struct ndma_completion completion;
	struct timespec some = { 0 };
	struct stream stream;
	struct peer child;
	int round;

	for (round = 0; round < 200; round++) {
		if (!peer_fork(&child))
			read_on(source_open("sim0"));
		some.tv_nsec = (round * 7919 % 40) * 100000;
		nanosleep(&some, NULL);
		kill(child.pid, SIGKILL);
		ASSERT_EQ(peer_join(&child), 128 + SIGKILL);
	}
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used);
	ASSERT_EQ(stream_make(&stream, self->fd, &setup), 0);
	ASSERT_EQ(stream_start(stream.fd, 1), 0);
	EXPECT_EQ(stream_next(&stream, &completion), 0);
	stream_unmap(&stream);
}

TEST_HARNESS_MAIN
