// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated source: every sample of every format, order and pattern; the rate that is kept; and a
 * card that is pulled out.
 */
#include "test.h"
#include "uapi/stream.h"

#include "ndma_sim.h"

#define FRAMES 4

FIXTURE(sim)
{
	struct stream stream;
};

FIXTURE_SETUP(sim)
{
	self->stream.fd = source_open("sim0");
	ASSERT_GE(self->stream.fd, 0);
	ASSERT_EQ(control_set(self->stream.fd, NDMA_SIM_CONTROL_PACED, 0), 0);
}

FIXTURE_TEARDOWN(sim)
{
	stream_end(&self->stream);
}

static const struct {
	uint32_t itemsize, bits, is_signed, iq;
} formats[] = {
	{ 2, 16, 1, 0 }, { 2, 12, 0, 0 }, { 1, 8, 1, 0 }, { 4, 24, 1, 0 }, { 2, 16, 1, 1 },
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* The settings of a stream, as ndma_sim.h takes them. */
static struct ndma_sim_settings settings_of(const struct stream *stream)
{
	const struct ndma_stream_setup *setup = &stream->setup;
	int64_t rate = 0, pattern = 0, frequency = 0, amplitude = 0;

	control_get(stream->fd, NDMA_CONTROL_RATE, &rate);
	control_get(stream->fd, NDMA_CONTROL_PATTERN, &pattern);
	control_get(stream->fd, NDMA_CONTROL_FREQUENCY, &frequency);
	control_get(stream->fd, NDMA_CONTROL_AMPLITUDE, &amplitude);
	return (struct ndma_sim_settings){
		.samples = setup->samples,
		.channels = setup->channels,
		.order = setup->order,
		.itemsize = formats[setup->format].itemsize,
		.bits = formats[setup->format].bits,
		.is_signed = formats[setup->format].is_signed,
		.iq = formats[setup->format].iq,
		.rate = rate,
		.pattern = pattern,
		.frequency = frequency,
		.amplitude = amplitude,
	};
}

/* Are all samples what they should be? */
static bool is_right(const struct stream *stream, const struct ndma_completion *completion)
{
	const struct ndma_sim_settings settings = settings_of(stream);
	unsigned char *expected = calloc(1, stream->setup.frame_bytes);
	bool right;

	ndma_sim_fill(&settings, expected, completion->hw_timestamp, 0, settings.samples);
	right = !memcmp(expected, stream_frame(stream, completion->index),
			stream->setup.frame_bytes);
	free(expected);
	return right;
}

TEST_F_TIMEOUT(sim, every_sample_of_every_format_order_and_pattern_is_right, 300)
{
	struct ndma_completion completion;
	struct ndma_stream_setup setup;
	struct stream stream;
	uint32_t format, order, pattern, i;

	for (format = 0; format < FORMATS; format++) {
		for (order = NDMA_ORDER_PLANAR; order <= NDMA_ORDER_INTERLEAVED; order++) {
			setup = setup_of(FRAMES, 777);
			setup.format = format;
			setup.order = order;
			setup.channels = 1 + format;
			ASSERT_EQ(stream_make(&stream, source_open("sim0"), &setup), 0);
			ASSERT_EQ(control_set(stream.fd, NDMA_SIM_CONTROL_PACED, 0), 0);
			ASSERT_EQ(control_set(stream.fd, NDMA_CONTROL_FREQUENCY, 12345), 0);
			ASSERT_EQ(control_set(stream.fd, NDMA_CONTROL_AMPLITUDE, 900), 0);
			for (pattern = 0; pattern < NDMA_WAVE_PATTERNS; pattern++) {
				if (!ndma_wave_is_pattern(pattern))
					continue;
				ASSERT_EQ(control_set(stream.fd, NDMA_CONTROL_PATTERN, pattern), 0);
				ASSERT_EQ(stream_start(stream.fd, 6), 0);
				for (i = 0; i < 6; i++) {
					ASSERT_EQ(stream_next(&stream, &completion), 0);
					EXPECT_TRUE(is_right(&stream, &completion))
						TH_LOG("format %u, order %u, pattern %u, frame %u",
						       format, order, pattern, i);
					stream_give(&stream, completion.index);
				}
			}
			stream_end(&stream);
		}
	}
}

TEST_F(sim, frames_of_many_pages_are_right_to_the_last_sample)
{
	struct ndma_stream_setup setup = setup_of(3, 3 << 20);
	struct ndma_completion completion;
	int i;

	setup.channels = 1;
	ASSERT_EQ(stream_make(&self->stream, self->stream.fd, &setup), 0);
	ASSERT_EQ(stream_start(self->stream.fd, 4), 0);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(stream_next(&self->stream, &completion), 0);
		EXPECT_TRUE(is_right(&self->stream, &completion));
		stream_give(&self->stream, completion.index);
	}
}

TEST_F(sim, the_rate_at_the_start_is_kept_and_cannot_change_meanwhile)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, 1000);
	int fd = self->stream.fd;

	EXPECT_EQ(source_info(fd).rate.num, 1000000);
	ASSERT_EQ(control_set(fd, NDMA_CONTROL_RATE, 5000), 0);
	EXPECT_EQ(source_info(fd).rate.num, 5000);
	EXPECT_EQ(source_info(fd).start_monotonic_ns, 0);
	ASSERT_EQ(stream_make(&self->stream, fd, &setup), 0);
	ASSERT_EQ(stream_start(fd, 0), 0);
	EXPECT_EQ(control_set(fd, NDMA_CONTROL_RATE, 6000), -EBUSY);
	ASSERT_EQ(stream_stop(fd), 0);
	ASSERT_EQ(control_set(fd, NDMA_CONTROL_RATE, 6000), 0);
	/* What was recorded was recorded at 5 kHz. */
	EXPECT_EQ(source_info(fd).rate.num, 5000);
}

/* The same card, once it is plugged in again. */
static int open_again(const char *name)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	int fd;

	do {
		fd = source_open(name);
		if (fd >= 0)
			return fd;
		/* The node comes back with udev's permissions; there is nothing to wait on. */
		poll(NULL, 0, 10);
	} while (now_ns() < until);
	return fd;
}

TEST_F_TIMEOUT(sim, a_card_that_vanishes_leaves_what_was_recorded, 120)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, 1000), again = setup;
	struct ndma_completion completion;
	struct stream *stream = &self->stream;
	struct ndma_stream_wait wait = { .size = sizeof(wait), .min = 1, .timeout_ns = -1 };
	struct pollfd pollfd = { .fd = stream->fd };
	int export, fd;
	int64_t value;

	ASSERT_EQ(control_set(stream->fd, NDMA_CONTROL_FAULT_VANISH, 3), 0);
	ASSERT_EQ(stream_make(stream, stream->fd, &setup), 0);
	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	ASSERT_EQ(poll(&pollfd, 1, PATIENCE_NS / MSEC_NS), 1);
	EXPECT_EQ(pollfd.revents, POLLHUP);
	EXPECT_EQ(stream->completions->state, NDMA_STREAM_GONE);
	EXPECT_EQ(events_of(stream->fd, POLLIN, 0), POLLIN | POLLHUP);

	/* What is ready can be had, then that is all. */
	EXPECT_EQ(stream_wait(stream->fd, 1, -1), 3);
	ASSERT_TRUE(stream_take(stream, &completion));
	export = stream_export(stream->fd, completion.index);
	EXPECT_GE(export, 0);
	EXPECT_TRUE(stream_take(stream, &completion));
	EXPECT_TRUE(stream_take(stream, &completion));
	EXPECT_EQ(call(stream->fd, NDMA_STREAM_WAIT, &wait), -ENODEV);
	EXPECT_EQ(wait.state, NDMA_STREAM_GONE);
	EXPECT_EQ(stream_start(stream->fd, 0), -ENODEV);
	EXPECT_EQ(stream_setup(stream->fd, &again), -ENODEV);
	EXPECT_EQ(control_get(stream->fd, NDMA_CONTROL_RATE, &value), -ENODEV);
	EXPECT_EQ(stream_stop(stream->fd), 0);
	EXPECT_EQ(stream_stats(stream->fd).completed, 3);
	EXPECT_EQ(*(int16_t *)stream_frame(stream, completion.index),
		  *(int16_t *)stream_frame(stream, completion.index));
	stream_give(stream, completion.index);
	close(export);

	/* It comes back while the old file is still open, and the two have nothing in common. */
	fd = open_again("sim0");
	ASSERT_GE(fd, 0);
	EXPECT_EQ(stream_setup(fd, &again), 0);
	EXPECT_EQ(stream_start(fd, 1), 0);
	EXPECT_EQ(stream_wait(fd, 1, PATIENCE_NS), 1);
	EXPECT_EQ(stream_wait(stream->fd, 1, -1), -ENODEV);
	close(fd);
}

TEST_HARNESS_MAIN
