// SPDX-License-Identifier: GPL-2.0-only
/* Streams: setting up, starting, waiting, stopping, closing. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "stream.h"

TEST_F(sim, frames_come_in_order_and_hold_the_samples)
{
	struct ndma_frame frame;
	struct ndma_layout layout;
	uint64_t i, k;
	bool right = true;

	ASSERT_DONE(count_fast(self->source));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		ASSERT_EQ(i, frame.completion.sequence);
		ASSERT_EQ(0, frame.dropped);
		ASSERT_EQ(256, frame.completion.bytes_used);
		ndma_frame_layout(self->stream, &frame, &layout);
		for (k = 0; k < 64; k++)
			right &= *(int16_t *)((char *)frame.data + k * layout.strides[1]) ==
				 (int16_t)(i * 64 + k);
		ASSERT_TRUE(right);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
}

TEST_F(sim, a_stream_that_was_not_started_has_ended)
{
	struct ndma_frame frame;

	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	EXPECT_EQ(0, ndma_stream_next(self->stream, &frame, SECOND_NS));
	EXPECT_EQ(0, ndma_stream_wait(self->stream, 1, -1));
	ASSERT_DONE(ndma_stream_stop(self->stream));
}

TEST_F(sim, waiting_ends_at_its_limit)
{
	int64_t start = now_ns();
	struct ndma_frame frame;

	/* One frame in 64 seconds. */
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_RATE, 1));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-EAGAIN, ndma_stream_next(self->stream, &frame, 0));
	EXPECT_EQ(-ETIMEDOUT, ndma_stream_next(self->stream, &frame, 20000000));
	ASSERT_WORDS("0.020 s");
	EXPECT_LE(20000000, now_ns() - start);
	EXPECT_EQ(-ETIMEDOUT, ndma_stream_wait(self->stream, 8, 1000000));
	EXPECT_EQ(-ETIMEDOUT, ndma_stream_next_batch(self->stream, &frame, 1, 1, 1000000));
	EXPECT_EQ(-EINVAL, ndma_stream_wait(self->stream, 0, 0));
	EXPECT_EQ(-EINVAL, ndma_stream_wait(self->stream, 9, 0));
	EXPECT_EQ(-EINVAL, ndma_stream_next_batch(self->stream, &frame, 2, 1, 0));
}

TEST_F(sim, ready_frames_are_taken_after_stop_and_after_close)
{
	struct ndma_stream_stats stats;
	struct ndma_frame frame;
	int i;

	ASSERT_DONE(count_fast(self->source));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 8));
	ASSERT_EQ(8, ndma_stream_wait(self->stream, 8, 10 * SECOND_NS));
	ASSERT_DONE(ndma_stream_stop(self->stream));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 0));
	ndma_stream_close(self->stream);
	ndma_stream_close(self->stream);
	EXPECT_EQ(-1, ndma_stream_fd(self->stream));
	EXPECT_EQ(0, *(int16_t *)frame.data);
	for (i = 1; i < 8; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, -1));
		EXPECT_EQ(i * 64, *(int16_t *)frame.data);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	EXPECT_EQ(0, ndma_stream_next(self->stream, &frame, -1));
	EXPECT_EQ(-EBADF, ndma_stream_start(self->stream, 0));
	ASSERT_WORDS("closed");
	EXPECT_EQ(0, ndma_stream_stop(self->stream));
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(8, stats.completed);
}

TEST_F(sim, whoever_holds_every_frame_is_told_so)
{
	struct ndma_frame frames[8], more;
	int i;

	ASSERT_DONE(set_pace(self->source, 0));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(8, ndma_stream_next_batch(self->stream, frames, 8, 8, 10 * SECOND_NS));
	EXPECT_EQ(-EBUSY, ndma_stream_next(self->stream, &more, -1));
	ASSERT_WORDS("all 8 frames of sim0 (sequences 0 to 7)");
	for (i = 7; i >= 0; i--)
		ASSERT_DONE(ndma_stream_release(self->stream, &frames[i]));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &more, 10 * SECOND_NS));
	EXPECT_LE(8, more.completion.sequence);
}

TEST_F(sim, wrong_options_are_refused_with_what_the_source_can_do)
{
	static const struct {
		struct ndma_stream_options options;
		const char *words;
	} wrong[] = {
		{ { .samples = 0 }, "0 samples" },
		{ { .samples = 1ULL << 40 }, "at most" },
		{ { .samples = 64, .frames = 1 }, "2 to 65536" },
		{ { .samples = 64, .frames = 1U << 31 }, "2 to 65536" },
		{ { .samples = 64, .channels = 99 }, "has 8" },
		{ { .samples = 64, .format = "<d" }, "\"<h\"" },
		{ { .samples = 64, .format = "<i", .iq = true }, "I/Q" },
		{ { .samples = 64, .order = 3 }, "planar or interleaved" },
		{ { .samples = 64, .policy = 2 }, "policy 2" },
		{ { .samples = 64, .guard = NDMA_GUARD_BLOCK }, "guard 1" },
	};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		EXPECT_EQ(-EINVAL,
			  ndma_stream_create(self->source, &wrong[i].options, &self->stream));
		ASSERT_WORDS(wrong[i].words);
		ASSERT_EQ(NULL, self->stream);
	}
}

TEST_F(sim, formats_are_known_by_other_names_too)
{
	self->options.format = "=h";
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	EXPECT_STREQ("<h", ndma_stream_setup(self->stream)->layout.format);
	ndma_stream_free(self->stream);
	self->stream = NULL;
	self->options.format = "<b";
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	EXPECT_EQ(1, ndma_stream_setup(self->stream)->layout.itemsize);
}

TEST_F(sim, the_stream_has_the_sources_settings_and_follows_them)
{
	struct ndma_source_channel channel;
	struct ndma_source_info info;
	int64_t value;

	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_RATE, 48000));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_RATE, 96000));
	ASSERT_DONE(ndma_stream_control_get(self->stream, NDMA_CONTROL_RATE, &value));
	EXPECT_EQ(96000, value);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-EBUSY, ndma_stream_control_set(self->stream, NDMA_CONTROL_RATE, 1000));
	ASSERT_WORDS("stop it first");
	ASSERT_DONE(ndma_stream_control_set(self->stream, NDMA_CONTROL_FREQUENCY, 50));
	EXPECT_EQ(-ERANGE, ndma_stream_control_set(self->stream, NDMA_CONTROL_AMPLITUDE, 1001));
	ASSERT_WORDS("1000");
	ASSERT_DONE(ndma_stream_info(self->stream, &info));
	EXPECT_EQ(96000, info.rate.num / (int64_t)info.rate.den);
	EXPECT_LT(0, info.start_monotonic_ns);
	ASSERT_DONE(ndma_stream_channel(self->stream, 1, &channel));
	EXPECT_EQ(-EINVAL, ndma_stream_channel(self->stream, 2, &channel));
}

/* Calls that the thread under the filter made, and what it took; negative until it is done. */
static volatile int calls;
static atomic_int taken = -1;

static void on_call(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	calls++;
}

/* From here on every call of this thread, but the end of a handler and its own, is a signal. */
static int trap_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void *take_all(void *argument)
{
	struct ndma_stream *stream = argument;
	struct ndma_ring *ring = ndma_ring_open(stream);
	struct ndma_frame frames[16];
	int count = 0, batch, i;

	if (trap_calls())
		count = -1000;
	while (count < 64 && ndma_stream_next(stream, &frames[0], -1) > 0) {
		count++;
		ndma_stream_release(stream, &frames[0]);
	}
	while (count < 128 && ndma_ring_take(ring, &frames[0])) {
		count++;
		ndma_ring_release(ring, frames[0].completion.index);
	}
	while (count < 192 && (batch = ndma_stream_next_batch(stream, frames, 16, 16, -1)) > 0) {
		count += batch;
		for (i = 0; i < batch; i++)
			ndma_stream_release(stream, &frames[i]);
	}
	atomic_store(&taken, count);
	/* Not by return: what libc does then is calls too. */
	syscall(__NR_exit, 0);
	return NULL;
}

TEST_F(sim, ready_frames_cost_no_system_call)
{
	struct sigaction action = { .sa_sigaction = on_call, .sa_flags = SA_SIGINFO };
	int64_t limit = now_ns() + 20 * SECOND_NS;
	pthread_t thread;

	sigaction(SIGSYS, &action, NULL);
	self->options.frames = 192;
	ASSERT_DONE(set_pace(self->source, 0));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 192));
	ASSERT_EQ(192, ndma_stream_wait(self->stream, 192, 10 * SECOND_NS));
	ASSERT_EQ(0, pthread_create(&thread, NULL, take_all, self->stream));
	while (atomic_load(&taken) < 0 && now_ns() < limit)
		sched_yield();
	EXPECT_EQ(192, atomic_load(&taken));
	EXPECT_EQ(0, calls);
}

TEST_HARNESS_MAIN
