// SPDX-License-Identifier: GPL-2.0-only
/* Frames: held, given back, lost, stolen, exported. */
#include <semaphore.h>
#include <setjmp.h>
#include <sys/uio.h>

#include "sim.h"

FIXTURE(frame)
{
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_stream_options options;
};

ON_EVERY_BACKEND(frame);

FIXTURE_SETUP(frame)
{
	OPEN_SIM();
	self->options.samples = 256;
	self->options.channels = 2;
	self->options.frames = 8;
}

FIXTURE_TEARDOWN(frame)
{
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
}

TEST_F(frame, that_is_held_is_never_written_again)
{
	struct ndma_frame held, frame;
	int i;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &held, 10 * SECOND_NS));
	for (i = 0; i < 2000; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		ASSERT_NE(held.completion.index, frame.completion.index);
		ASSERT_TRUE(is_counted(self->stream, &frame));
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	EXPECT_TRUE(is_counted(self->stream, &held));
	EXPECT_EQ(0, ndma_stream_release(self->stream, &held));
}

TEST_F(frame, is_not_waited_for_when_the_program_holds_all)
{
	struct ndma_frame frames[8], frame;
	int64_t until = now_ns() + 20 * SECOND_NS;
	struct ndma_stream_stats stats;
	int i;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frames[i], 10 * SECOND_NS));
	EXPECT_EQ(-EBUSY, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(-EBUSY, ndma_stream_next(self->stream, &frame, -1));
	/* The card asks for its next frame a moment after the last is there. */
	do {
		ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	} while (!stats.starved && now_ns() < until);
	EXPECT_EQ(8, stats.user_frames);
	EXPECT_EQ(0, stats.free_frames);
	EXPECT_LE(1, stats.starved);
	/* The card was idle for lack of frames: one is enough to wake it. */
	ASSERT_DONE(ndma_stream_release(self->stream, &frames[3]));
	EXPECT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(8, frame.completion.sequence);
	EXPECT_EQ(frames[3].completion.index, frame.completion.index);
}

TEST_F(frame, that_is_not_held_cannot_be_released)
{
	struct ndma_frame frame;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(0, ndma_stream_release(self->stream, &frame));
	EXPECT_EQ(-EINVAL, ndma_stream_release(self->stream, &frame));
	frame.completion.index = 1000;
	EXPECT_EQ(-EINVAL, ndma_stream_release(self->stream, &frame));
}

TEST_F(frame, may_be_released_in_any_order)
{
	struct ndma_frame frames[8];
	int round, i;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	for (round = 0; round < 200; round++) {
		ASSERT_EQ(8, ndma_stream_next_batch(self->stream, frames, 8, 8, 10 * SECOND_NS));
		for (i = 0; i < 8; i++) {
			ASSERT_EQ(round * 8 + i, frames[i].completion.sequence);
			ASSERT_TRUE(is_counted(self->stream, &frames[i]));
		}
		for (i = 0; i < 8; i++)
			ASSERT_DONE(ndma_stream_release(self->stream, &frames[(i * 5 + 3) % 8]));
	}
}

TEST_F(frame, that_found_no_room_is_counted_by_the_next_one)
{
	uint64_t got = 0, dropped = 0, sequence = 0;
	struct ndma_stream_stats stats;
	struct ndma_frame frame;
	int rc;

	self->options.frames = 4;
	OPEN_STREAM(&self->options, { "rate", 2560000 }, { "pattern", NDMA_WAVE_COUNTER });
	ASSERT_DONE(ndma_stream_start(self->stream, 1000));
	while ((rc = ndma_stream_next(self->stream, &frame, 10 * SECOND_NS)) == 1) {
		EXPECT_EQ(sequence + frame.dropped, frame.completion.sequence);
		EXPECT_EQ(frame.dropped, frame.completion.dropped);
		EXPECT_TRUE(is_counted(self->stream, &frame));
		sequence = frame.completion.sequence + 1;
		dropped += frame.dropped;
		got++;
		/* 3 ms are 30 frames, and there are 4. */
		if (got % 16 == 1)
			nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	EXPECT_EQ(0, rc);
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(1000, stats.produced);
	EXPECT_EQ(got, stats.completed);
	EXPECT_EQ(1000 - got, stats.dropped);
	EXPECT_LT(0, stats.dropped);
	EXPECT_LE(dropped, stats.dropped);
}

TEST_F(frame, taken_late_under_latest_is_the_newest_one)
{
	struct ndma_stream_stats stats;
	struct ndma_frame frame;
	uint64_t last = 0;
	int i, rc;

	self->options.frames = 4;
	self->options.policy = NDMA_POLICY_LATEST;
	OPEN_STREAM(&self->options, { "rate", 2560000 }, { "pattern", NDMA_WAVE_COUNTER });
	ASSERT_DONE(ndma_stream_start(self->stream, 2000));
	for (i = 0; (rc = ndma_stream_next(self->stream, &frame, 10 * SECOND_NS)) == 1; i++) {
		EXPECT_TRUE(!i || frame.completion.sequence > last);
		EXPECT_TRUE(is_counted(self->stream, &frame));
		last = frame.completion.sequence;
		if (i % 8 == 0)
			nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	EXPECT_EQ(0, rc);
	EXPECT_EQ(1999, last);
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(2000, stats.produced);
	EXPECT_EQ(2000, i + stats.dropped);
	EXPECT_LT(0, stats.stolen);
}

TEST_F(frame, is_whole_under_a_thief_as_fast_as_the_processor)
{
	struct ndma_frame frame;
	uint64_t last = 0;
	int i;

	self->options.policy = NDMA_POLICY_LATEST;
	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	for (i = 0; i < 3000; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		ASSERT_TRUE(!i || frame.completion.sequence > last);
		ASSERT_TRUE(is_counted(self->stream, &frame));
		last = frame.completion.sequence;
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
}

#define HANDED 2000

/* Frames go from the thread that takes to the one that releases. */
struct hand {
	struct ndma_stream *stream;
	uint32_t indices[HANDED];
	sem_t given;
};

static void *release_all(void *argument)
{
	struct hand *hand = argument;
	struct ndma_ring *ring = ndma_ring_open(hand->stream);
	uint32_t i;

	for (i = 0; i < HANDED; i++) {
		sem_wait(&hand->given);
		if (ndma_ring_release(ring, hand->indices[i]))
			ndma_stream_kick(hand->stream);
	}
	return NULL;
}

TEST_F(frame, may_be_released_by_another_thread_than_took_it)
{
	struct hand *hand = calloc(1, sizeof(*hand));
	struct ndma_ring *ring;
	struct ndma_frame frame;
	pthread_t thread;
	int i, rc;

	OPEN_STREAM(&self->options, UNPACED);
	ring = ndma_ring_open(self->stream);
	ASSERT_NE(NULL, ring);
	hand->stream = self->stream;
	sem_init(&hand->given, 0, 0);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, release_all, hand));
	for (i = 0; i < HANDED; i++) {
		while (!ndma_ring_take(ring, &frame)) {
			rc = ndma_stream_wait(self->stream, 1, 10 * SECOND_NS);
			/* The other thread has all of them for the moment. */
			ASSERT_TRUE(rc > 0 || rc == -EBUSY);
		}
		ASSERT_EQ(i, frame.completion.sequence);
		ASSERT_TRUE(is_counted(self->stream, &frame));
		hand->indices[i] = frame.completion.index;
		sem_post(&hand->given);
	}
	pthread_join(thread, NULL);
	free(hand);
}

TEST_F(frame, that_is_exported_has_its_layout_and_never_changes)
{
	struct ndma_frame frame, other;
	struct ndma_layout layout;
	struct ndma_buffer *buffer;
	int fd, i;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	fd = ndma_frame_export(self->stream, &frame);
	ASSERT_DONE(fd);
	ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	EXPECT_GT(0, ndma_frame_export(self->stream, &frame));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &other, 10 * SECOND_NS));
		ASSERT_DONE(ndma_stream_release(self->stream, &other));
	}
	ndma_stream_free(self->stream);
	self->stream = NULL;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &buffer));
	close(fd);
	ASSERT_DONE(ndma_buffer_layout(buffer, &layout));
	EXPECT_EQ(2, layout.ndim);
	EXPECT_EQ(2, layout.shape[0]);
	EXPECT_EQ(256, layout.shape[1]);
	ASSERT_DONE(ndma_buffer_map(buffer, NDMA_READ, &frame.data));
	for (i = 0; i < 256; i++)
		EXPECT_EQ((int16_t)(frame.completion.hw_timestamp + i), ((int16_t *)frame.data)[i]);
	ndma_buffer_close(buffer);
}

static sigjmp_buf after;

static void on_sigbus(int number)
{
	(void)number;
	siglongjmp(after, 1);
}

static volatile char seen;

static bool is_sigbus(const void *at)
{
	signal(SIGBUS, on_sigbus);
	if (sigsetjmp(after, 1))
		return true;
	seen = *(const volatile char *)at;
	return false;
}

TEST_F(frame, that_was_given_back_is_sigbus_under_a_guard)
{
	struct ndma_frame frames[2], frame;
	int i;

	self->options.frames = 2;
	self->options.guard = NDMA_GUARD_SIGBUS;
	if (ndma_stream_create(self->source, &self->options, &self->stream) == -EOPNOTSUPP)
		SKIP(return, "this guest has no guard on streams");
	ndma_stream_free(self->stream);
	OPEN_STREAM(&self->options, UNPACED);
	EXPECT_EQ(0, ndma_stream_setup(self->stream)->frame_stride % (2 << 20));
	EXPECT_TRUE(is_sigbus(ndma_ring_open(self->stream)->data));
	ASSERT_DONE(ndma_stream_start(self->stream, 2));
	ASSERT_EQ(2, ndma_stream_next_batch(self->stream, frames, 2, 2, 10 * SECOND_NS));
	EXPECT_FALSE(is_sigbus(frames[0].data));
	EXPECT_TRUE(is_counted(self->stream, &frames[1]));
	ASSERT_DONE(ndma_stream_release(self->stream, &frames[0]));
	ASSERT_DONE(ndma_stream_kick(self->stream));
	/* The device gets it when a worker has taken it away from here. */
	for (i = 0; i < 10000 && !is_sigbus(frames[0].data); i++)
		sched_yield();
	EXPECT_TRUE(is_sigbus(frames[0].data));
	EXPECT_FALSE(is_sigbus(frames[1].data));
	ASSERT_DONE(ndma_stream_release(self->stream, &frames[1]));
	ASSERT_DONE(ndma_stream_start(self->stream, 100));
	for (i = 2; i < 102; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		ASSERT_EQ(i, frame.completion.sequence);
		ASSERT_TRUE(is_counted(self->stream, &frame));
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
}

TEST_F(frame, that_is_pinned_does_not_keep_newer_ones_from_coming_under_latest)
{
	int64_t until = now_ns() + 10 * SECOND_NS;
	struct ndma_stream_stats stats = { 0 };
	struct ndma_frame frames[2];
	struct iovec pages[2];
	uint64_t before;
	int pipes[2], i;

	self->options.frames = 6;
	self->options.guard = NDMA_GUARD_SIGBUS;
	self->options.policy = NDMA_POLICY_LATEST;
	if (ndma_stream_create(self->source, &self->options, &self->stream) == -EOPNOTSUPP)
		SKIP(return, "this guest has no guard on streams");
	ndma_stream_free(self->stream);
	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(2, ndma_stream_next_batch(self->stream, frames, 2, 2, 10 * SECOND_NS));
	for (i = 0; i < 2; i++)
		pages[i] = (struct iovec){ (void *)frames[i].data, 256 };
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(512, vmsplice(pipes[1], pages, 2, 0));
	for (i = 0; i < 2; i++)
		ASSERT_DONE(ndma_stream_release(self->stream, &frames[i]));
	ASSERT_DONE(ndma_stream_kick(self->stream));
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	before = stats.completed;
	do {
		sched_yield();
		ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	} while (stats.completed < before + 100 && now_ns() < until);
	EXPECT_LE(before + 100, stats.completed);
	close(pipes[0]);
	close(pipes[1]);
}

/* A card that loses frames and makes short ones, and a stream of few frames: the number is the card's. */
TEST_F(frame, knows_the_number_of_its_first_sample)
{
	struct ndma_frame frame;
	struct ndma_entry entry;
	uint64_t holes = 0;
	int i;

	ASSERT_DONE(set_control(self->source, "pattern", NDMA_WAVE_COUNTER));
	ASSERT_DONE(set_control(self->source, "paced", 0));
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_FAULT_DROP, 3));
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_FAULT_SHORT, 4));
	EXPECT_EQ(-EINVAL,
		  ndma_stream_create_entries(self->source, &self->options, 96, &self->stream));
	EXPECT_NE(NULL, strstr(ndma_error(), "96 bytes a ring entry"));
	ASSERT_DONE(ndma_stream_create_entries(self->source, &self->options, sizeof(entry),
					       &self->stream));
	EXPECT_EQ(sizeof(entry), ndma_stream_setup(self->stream)->entry_bytes);
	EXPECT_EQ(NDMA_RING_VERSION_ENTRY, ndma_ring_open(self->stream)->version);
	EXPECT_EQ(sizeof(entry), ndma_ring_open(self->stream)->completions->entry_bytes);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		ASSERT_DONE(ndma_frame_entry(self->stream, &frame, &entry));
		EXPECT_EQ(0,
			  memcmp(&entry.completion, &frame.completion, sizeof(frame.completion)));
		if (frame.completion.bytes_used)
			EXPECT_EQ((uint16_t)entry.sample_start, *(uint16_t *)frame.data);
		holes += frame.dropped;
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	EXPECT_LT(0, holes);
	EXPECT_EQ(-EINVAL, ndma_frame_entry(self->stream, &frame, &entry));
}

TEST_F(frame, has_small_entries_unless_large_ones_are_asked_for)
{
	struct ndma_frame frame;
	struct ndma_entry entry;

	OPEN_STREAM(&self->options, UNPACED);
	EXPECT_EQ(sizeof(struct ndma_completion), ndma_stream_setup(self->stream)->entry_bytes);
	/* What a program compiled against the first <ndma_ring.h> looks at. */
	EXPECT_EQ(1, ndma_stream_ring(self->stream)->version);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(-EOPNOTSUPP, ndma_frame_entry(self->stream, &frame, &entry));
	ASSERT_DONE(ndma_stream_release(self->stream, &frame));
}

TEST_HARNESS_MAIN
