// SPDX-License-Identifier: GPL-2.0-only
/* Streams: set up, started, waited for, stopped, closed, inherited. */
#include <sys/resource.h>

#include "sim.h"

FIXTURE(stream)
{
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_stream_options options;
};

ON_EVERY_BACKEND(stream);

FIXTURE_SETUP(stream)
{
	OPEN_SIM();
	self->options.samples = 256;
	self->options.channels = 2;
	self->options.frames = 8;
}

FIXTURE_TEARDOWN(stream)
{
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
}

TEST_F(stream, says_at_setup_what_its_frames_are)
{
	const struct ndma_stream_setup *setup;

	self->options.order = NDMA_ORDER_INTERLEAVED;
	OPEN_STREAM(&self->options, UNPACED);
	setup = ndma_stream_setup(self->stream);
	EXPECT_EQ(1024, setup->frame_bytes);
	EXPECT_LE(1024, setup->frame_stride);
	EXPECT_EQ(8, setup->entries);
	EXPECT_EQ(2, setup->layout.ndim);
	EXPECT_EQ(2, setup->layout.shape[0]);
	EXPECT_EQ(256, setup->layout.shape[1]);
	EXPECT_EQ(2, setup->layout.strides[0]);
	EXPECT_EQ(4, setup->layout.strides[1]);
	EXPECT_STREQ("<h", setup->layout.format);
}

TEST_F(stream, has_a_trailing_axis_for_iq)
{
	const struct ndma_layout *layout;

	self->options.format = "<h";
	self->options.iq = true;
	OPEN_STREAM(&self->options, UNPACED);
	layout = &ndma_stream_setup(self->stream)->layout;
	ASSERT_EQ(3, layout->ndim);
	EXPECT_EQ(2, layout->shape[2]);
	EXPECT_EQ(2, layout->strides[2]);
	EXPECT_EQ(4, layout->strides[1]);
	EXPECT_EQ(1024, layout->strides[0]);
}

TEST_F(stream, is_refused_where_the_source_cannot_and_nothing_is_left)
{
	const struct ndma_stream_options good = self->options;
	struct ndma_stream_options bad[10];
	int before = count_fds();
	size_t i;

	for (i = 0; i < 10; i++)
		bad[i] = good;
	bad[0].samples = 0;
	bad[1].samples = UINT64_MAX;
	bad[2].samples = 1ULL << 40;
	bad[3].frames = 1;
	bad[4].frames = 1U << 31;
	bad[5].channels = 9;
	bad[6].format = "<d";
	bad[7].policy = 2;
	bad[8].guard = NDMA_GUARD_BLOCK;
	bad[9].order = 4;
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(i == 1 ? -EOVERFLOW : -EINVAL,
			  ndma_stream_create(self->source, &bad[i], &self->stream));
		EXPECT_EQ(NULL, self->stream);
		EXPECT_LT(10, strlen(ndma_error()));
	}
	EXPECT_EQ(before, count_fds());
}

/* Descriptors run out at each of the steps in turn. */
TEST_F(stream, is_refused_cleanly_when_no_descriptor_is_left)
{
	int lowest = dup(0), before, rc = -1;
	struct rlimit limit, none;
	rlim_t room;

	close(lowest);
	before = count_fds();
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	for (room = 0; rc && room < 16; room++) {
		none = limit;
		none.rlim_cur = lowest + room;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
		rc = ndma_stream_create(self->source, &self->options, &self->stream);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		EXPECT_TRUE(!rc || rc == -EMFILE);
		EXPECT_TRUE(!rc || count_fds() == before);
	}
	EXPECT_LT(1, room);
	ASSERT_EQ(0, rc);
	ASSERT_DONE(ndma_stream_start(self->stream, 1));
	EXPECT_EQ(1, ndma_stream_wait(self->stream, 1, 10 * SECOND_NS));
}

TEST_F(stream, is_refused_cleanly_when_no_address_space_is_left)
{
	struct rlimit limit, low;
	int before = count_fds();

	self->options.samples = 1 << 18;
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &limit));
	low = limit;
	low.rlim_cur = mapped_bytes() + (2 << 20);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &low));
	EXPECT_EQ(-ENOMEM, ndma_stream_create(self->source, &self->options, &self->stream));
	EXPECT_EQ(NULL, self->stream);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	EXPECT_EQ(before, count_fds());
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 1));
	EXPECT_EQ(1, ndma_stream_wait(self->stream, 1, 10 * SECOND_NS));
}

TEST_F(stream, ends_after_its_count_and_can_be_started_again)
{
	struct ndma_frame frame;
	uint64_t sequence = 0;
	int round, i;

	OPEN_STREAM(&self->options, UNPACED);
	for (round = 0; round < 3; round++) {
		ASSERT_DONE(ndma_stream_start(self->stream, 20));
		for (i = 0; i < 20; i++) {
			ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
			EXPECT_EQ(sequence++, frame.completion.sequence);
			EXPECT_EQ(0, frame.dropped);
			EXPECT_TRUE(is_counted(self->stream, &frame));
			ASSERT_DONE(ndma_stream_release(self->stream, &frame));
		}
		EXPECT_EQ(0, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		EXPECT_EQ(0, ndma_stream_next(self->stream, &frame, 0));
	}
}

TEST_F(stream, cannot_be_started_twice)
{
	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-EBUSY, ndma_stream_start(self->stream, 0));
	EXPECT_EQ(0, ndma_stream_stop(self->stream));
	EXPECT_EQ(0, ndma_stream_stop(self->stream));
	EXPECT_EQ(0, ndma_stream_start(self->stream, 0));
}

TEST_F(stream, keeps_what_is_ready_when_it_is_stopped)
{
	struct ndma_frame frame;
	int ready;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(8, ndma_stream_wait(self->stream, 8, 10 * SECOND_NS));
	ASSERT_DONE(ndma_stream_stop(self->stream));
	for (ready = 0; ndma_stream_next(self->stream, &frame, 0) == 1; ready++)
		EXPECT_TRUE(is_counted(self->stream, &frame));
	EXPECT_EQ(8, ready);
}

TEST_F(stream, that_is_slow_times_out_and_goes_on)
{
	struct ndma_frame frame;
	int64_t began = now_ns();

	/* A frame in 1.28 s: valgrind on a busy machine takes 0.3 to get here. */
	OPEN_STREAM(&self->options, { "rate", 200 });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-EAGAIN, ndma_stream_next(self->stream, &frame, 0));
	EXPECT_EQ(-ETIMEDOUT, ndma_stream_next(self->stream, &frame, SECOND_NS / 20));
	EXPECT_LE(SECOND_NS / 20, now_ns() - began);
	EXPECT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_LE(SECOND_NS, now_ns() - began);
	EXPECT_EQ(0, frame.completion.sequence);
}

TEST_F(stream, keeps_the_pace_and_stamps_the_first_sample)
{
	struct ndma_source_info info;
	struct ndma_frame frame;
	uint64_t first_ns = 0;
	int i;

	/* As many frames as there will be: none is lost, however slow this machine is. */
	self->options.frames = 20;
	OPEN_STREAM(&self->options, { "rate", 25600 }, { "pattern", NDMA_WAVE_COUNTER });
	ASSERT_DONE(ndma_stream_start(self->stream, 20));
	ASSERT_DONE(ndma_stream_info(self->stream, &info));
	EXPECT_EQ(25600, info.rate.num);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		EXPECT_TRUE(frame.completion.flags & NDMA_FRAME_TIME_START);
		if (!i)
			first_ns = frame.completion.timestamp_ns;
		EXPECT_EQ(first_ns + frame.completion.sequence * 10000000,
			  frame.completion.timestamp_ns);
		EXPECT_LE(frame.completion.timestamp_ns + 10000000, (uint64_t)now_ns());
		EXPECT_TRUE(is_counted(self->stream, &frame));
	}
	/* The card starts when the stream does, or a moment later. */
	EXPECT_LE((uint64_t)info.start_monotonic_ns, first_ns);
	EXPECT_GT((uint64_t)info.start_monotonic_ns + SECOND_NS, first_ns);
}

TEST_F(stream, gives_batches)
{
	struct ndma_frame frames[8];
	int i, count, all = 0;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 100));
	while (all < 100) {
		count = ndma_stream_next_batch(self->stream, frames, all < 96 ? 4 : 1, 8,
					       10 * SECOND_NS);
		ASSERT_LT(0, count);
		for (i = 0; i < count; i++) {
			EXPECT_EQ(all++, frames[i].completion.sequence);
			ASSERT_DONE(ndma_stream_release(self->stream, &frames[i]));
		}
	}
	EXPECT_EQ(0, ndma_stream_next_batch(self->stream, frames, 1, 8, 10 * SECOND_NS));
}

static void *stop_when_asleep(void *argument)
{
	/* Whichever comes first, the other must not hang. */
	sched_yield();
	ndma_stream_stop(argument);
	return NULL;
}

static void *close_when_asleep(void *argument)
{
	sched_yield();
	ndma_stream_close(argument);
	return NULL;
}

TEST_F(stream, wakes_whoever_waits_when_it_is_stopped_or_closed)
{
	void *(*const ends[])(void *) = { stop_when_asleep, close_when_asleep };
	struct ndma_frame frame;
	pthread_t thread;
	int i;

	OPEN_STREAM(&self->options, { "rate", 1 });
	for (i = 0; i < 20; i++) {
		ASSERT_DONE(ndma_stream_start(self->stream, 0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, ends[i == 19], self->stream));
		EXPECT_EQ(0, ndma_stream_next(self->stream, &frame, 20 * SECOND_NS));
		pthread_join(thread, NULL);
	}
	EXPECT_EQ(-EBADF, ndma_stream_start(self->stream, 0));
}

static void on_signal(int number)
{
	(void)number;
}

static void *send_signals(void *argument)
{
	pthread_t *target = argument;
	int i;

	for (i = 0; i < 1000 && !pthread_kill(*target, SIGUSR1); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return NULL;
}

TEST_F(stream, lets_a_signal_end_a_wait)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t self_thread = pthread_self(), sender;
	struct ndma_frame frame;
	sigset_t set;

	sigaction(SIGUSR1, &action, NULL);
	OPEN_STREAM(&self->options, { "rate", 1 });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(0, pthread_create(&sender, NULL, send_signals, &self_thread));
	EXPECT_EQ(-EINTR, ndma_stream_next(self->stream, &frame, 20 * SECOND_NS));
	EXPECT_EQ(-EINTR, ndma_stream_next(self->stream, &frame, -1));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_join(sender, NULL);
}

TEST_F(stream, can_be_polled)
{
	struct pollfd poller = { .events = POLLIN };
	struct ndma_frame frame;
	uint64_t made = 0;
	int rc;

	OPEN_STREAM(&self->options, { "rate", 256000 });
	poller.fd = ndma_stream_fd(self->stream);
	EXPECT_EQ(0, poll(&poller, 1, 0));
	ASSERT_DONE(ndma_stream_start(self->stream, 20));
	do {
		ASSERT_EQ(1, poll(&poller, 1, 10000));
		EXPECT_EQ(POLLIN, poller.revents & (POLLIN | POLLHUP | POLLERR));
		while ((rc = ndma_stream_next(self->stream, &frame, 0)) == 1) {
			made += 1 + frame.dropped;
			ASSERT_DONE(ndma_stream_release(self->stream, &frame));
		}
		ASSERT_TRUE(rc == -EAGAIN || !rc);
	} while (rc);
	/* Those that were lost at the very end nobody came to tell of. */
	EXPECT_GE(20, made);
	EXPECT_LT(0, made);
}

TEST_F(stream, of_a_parent_goes_on_while_a_child_of_fork_does_as_it_likes)
{
	struct ndma_frame frame, first;
	struct peer peer;
	int i;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 1000));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &first, 10 * SECOND_NS));
	if (!peer_start(&peer)) {
		int failed = ndma_stream_next(self->stream, &frame, 0) != -EPERM ||
			     ndma_stream_release(self->stream, &first) != -EPERM ||
			     ndma_stream_stop(self->stream) != -EPERM ||
			     !is_counted(self->stream, &first);

		ndma_stream_free(self->stream);
		ndma_source_close(self->source);
		_exit(failed);
	}
	for (i = 1; i < 1000; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		EXPECT_EQ(i, frame.completion.sequence);
		EXPECT_EQ(0, frame.dropped);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	EXPECT_EQ(0, peer_end(&peer));
	EXPECT_TRUE(is_counted(self->stream, &first));
}

TEST_F(stream, that_is_closed_leaves_its_frames_readable)
{
	struct ndma_frame frame;
	struct ndma_stream_stats stats;
	int i;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	ndma_stream_close(self->stream);
	for (i = 0; i < 1000; i++)
		ASSERT_TRUE(is_counted(self->stream, &frame));
	EXPECT_EQ(0, ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(-1, ndma_stream_fd(self->stream));
}

TEST_F(stream, runs_beside_others_of_the_same_source)
{
	struct ndma_stream *streams[3];
	struct ndma_frame frame;
	int i, j;

	ASSERT_DONE(set_control(self->source, "paced", 0));
	for (i = 0; i < 3; i++) {
		ASSERT_DONE(set_control(self->source, "pattern", NDMA_WAVE_COUNTER));
		ASSERT_DONE(ndma_stream_create(self->source, &self->options, &streams[i]));
		ASSERT_DONE(ndma_stream_start(streams[i], 0));
	}
	for (j = 0; j < 100; j++) {
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(1, ndma_stream_next(streams[i], &frame, 10 * SECOND_NS));
			EXPECT_EQ(j, frame.completion.sequence);
			EXPECT_TRUE(is_counted(streams[i], &frame));
			ASSERT_DONE(ndma_stream_release(streams[i], &frame));
		}
	}
	for (i = 0; i < 3; i++)
		ndma_stream_free(streams[i]);
}

TEST_HARNESS_MAIN
