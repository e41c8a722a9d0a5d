// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard of a stream: whoever touches a frame that is not theirs gets SIGBUS, with its address.
 */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/uio.h>

#include "test.h"
#include "uapi/stream.h"

#include "ndma_sim.h"

#define FRAMES 3
#define SAMPLES 1000

static sigjmp_buf back;
static void *fault_address;

static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)context;
	fault_address = signal == SIGBUS && info->si_code == BUS_ADRERR ? info->si_addr : NULL;
	siglongjmp(back, 1);
}

/* True: the byte could be read. */
static bool touch(const volatile unsigned char *byte)
{
	fault_address = NULL;
	if (sigsetjmp(back, 1))
		return false;
	(void)*byte;
	return true;
}

FIXTURE(touch)
{
	struct stream stream;
};

FIXTURE_SETUP(touch)
{
	const struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);

	setup.guard = NDMA_GUARD_SIGBUS;
	ASSERT_EQ(sigaction(SIGBUS, &action, NULL), 0);
	self->stream.fd = source_open("sim0");
	ASSERT_GE(self->stream.fd, 0);
	ASSERT_EQ(control_set(self->stream.fd, NDMA_SIM_CONTROL_PACED, 0), 0);
	ASSERT_EQ(stream_make(&self->stream, self->stream.fd, &setup), 0);
}

FIXTURE_TEARDOWN(touch)
{
	stream_end(&self->stream);
}

TEST_F(touch, frames_have_huge_pages_of_their_own)
{
	EXPECT_EQ(self->stream.setup.frame_stride, HUGE_BYTES);
	EXPECT_EQ(self->stream.setup.data_bytes, FRAMES * HUGE_BYTES);
}

TEST_F(touch, a_frame_that_was_never_filled_is_not_ours)
{
	unsigned char *frame = stream_frame(&self->stream, 1);

	EXPECT_FALSE(touch(frame + 12345));
	EXPECT_EQ(fault_address, frame + 12345);
	EXPECT_EQ(stream_stats(self->stream.fd).touches, 1);
}

TEST_F(touch, a_frame_is_ours_from_taking_it_to_releasing_it)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	unsigned char *frame;
	int round;

	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	for (round = 0; round < 10; round++) {
		ASSERT_GE(stream_wait(stream->fd, 1, PATIENCE_NS), 1);
		frame = stream_frame(stream, stream->completions->ring
				     [stream->taken & (stream->setup.entries - 1)].index);
		/* Ready, but not taken. */
		EXPECT_FALSE(touch(frame));
		ASSERT_TRUE(stream_take(stream, &completion));
		ASSERT_EQ(frame, stream_frame(stream, completion.index));
		EXPECT_TRUE(touch(frame));
		frame[0]++;
		stream_give(stream, completion.index);
		/* It is taken away before the device gets it, and that is before it comes again. */
		while (touch(frame))
			sched_yield();
		EXPECT_EQ(fault_address, frame);
	}
	EXPECT_GE(stream_stats(stream->fd).touches, 20);
	EXPECT_EQ(stream_stats(stream->fd).bad_releases, 0);
}

TEST_F(touch, every_frame_that_is_taken_holds_what_it_should)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	uint64_t i;

	ASSERT_EQ(control_set(stream->fd, NDMA_CONTROL_PATTERN, NDMA_WAVE_COUNTER), 0);
	ASSERT_EQ(stream_start(stream->fd, 200), 0);
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		ASSERT_EQ(*(uint16_t *)stream_frame(stream, completion.index),
			  (uint16_t)(completion.hw_timestamp));
		stream_give(stream, completion.index);
	}
	EXPECT_EQ(stream_stats(stream->fd).touches, 0);
	EXPECT_EQ(stream_stats(stream->fd).dropped, 0);
}

TEST_F(touch, a_pinned_frame_is_not_given_to_the_device_until_it_is_let_go)
{
	struct stream *stream = &self->stream;
	struct ndma_completion pinned, completion;
	struct iovec part;
	int pipes[2], i;
	char byte;

	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	ASSERT_EQ(stream_next(stream, &pinned), 0);
	part.iov_base = stream_frame(stream, pinned.index);
	part.iov_len = 1;
	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &part, 1, 0), 1);
	stream_give(stream, pinned.index);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		EXPECT_NE(completion.index, pinned.index);
		stream_give(stream, completion.index);
	}
	ASSERT_EQ(read(pipes[0], &byte, 1), 1);
	for (i = 0; i < 100000; i++) {
		ASSERT_EQ(stream_next(stream, &completion), 0);
		stream_give(stream, completion.index);
		if (completion.index == pinned.index)
			break;
	}
	EXPECT_EQ(completion.index, pinned.index);
}

TEST_F(touch, when_the_stream_is_closed_everything_can_be_read)
{
	struct stream *stream = &self->stream;
	int i;

	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	ASSERT_EQ(stream_wait(stream->fd, FRAMES, PATIENCE_NS), FRAMES);
	EXPECT_FALSE(touch(stream_frame(stream, 0)));
	ASSERT_EQ(close(stream->fd), 0);
	for (i = 0; i < FRAMES; i++)
		EXPECT_TRUE(touch(stream_frame(stream, i)));
	stream->fd = -1;
}

TEST_HARNESS_MAIN
