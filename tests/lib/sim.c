// SPDX-License-Identifier: GPL-2.0-only
/* Faults on command, triggers and controls of the simulated source. */
#include "sim.h"

FIXTURE(fault)
{
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_stream_options options;
};

ON_EVERY_BACKEND(fault);

FIXTURE_SETUP(fault)
{
	OPEN_SIM();
	self->options.samples = 100;
	self->options.channels = 2;
}

FIXTURE_TEARDOWN(fault)
{
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
}

TEST_F(fault, drop_loses_every_nth_frame_and_the_next_one_says_so)
{
	struct ndma_frame frame;
	int got = 0, dropped = 0;

	OPEN_STREAM(&self->options, UNPACED, { "fault_drop", 10 });
	ASSERT_DONE(ndma_stream_start(self->stream, 105));
	while (ndma_stream_next(self->stream, &frame, 10 * SECOND_NS) == 1) {
		EXPECT_NE(9, frame.completion.sequence % 10);
		EXPECT_EQ(frame.completion.sequence && frame.completion.sequence % 10 == 0,
			  frame.dropped);
		EXPECT_EQ(frame.completion.sequence, frame.completion.hw_sequence);
		EXPECT_EQ(frame.completion.sequence * 100, frame.completion.hw_timestamp);
		dropped += frame.dropped;
		got++;
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	EXPECT_EQ(95, got);
	EXPECT_EQ(10, dropped);
}

TEST_F(fault, short_frames_are_cut_on_the_sample_axis)
{
	const uint32_t orders[] = { NDMA_ORDER_PLANAR, NDMA_ORDER_INTERLEAVED };
	struct ndma_layout layout;
	struct ndma_frame frame;
	int i, j;

	for (j = 0; j < 2; j++) {
		self->options.order = orders[j];
		OPEN_STREAM(&self->options, UNPACED, { "fault_short", 3 });
		ASSERT_DONE(ndma_stream_start(self->stream, 30));
		for (i = 0; i < 30; i++) {
			bool is_short = i % 3 == 2;

			ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
			EXPECT_EQ(is_short, !!(frame.completion.flags & NDMA_FRAME_PARTIAL));
			EXPECT_EQ(is_short ? 200 : 400, frame.completion.bytes_used);
			ASSERT_DONE(ndma_frame_layout(self->stream, &frame, &layout));
			EXPECT_EQ(2, layout.shape[0]);
			EXPECT_EQ(is_short ? 50 : 100, layout.shape[1]);
			EXPECT_TRUE(is_counted(self->stream, &frame));
			ASSERT_DONE(ndma_stream_release(self->stream, &frame));
		}
		ndma_stream_free(self->stream);
		self->stream = NULL;
	}
}

TEST_F(fault, error_flags_every_nth_frame)
{
	struct ndma_stream_stats stats;
	struct ndma_frame frame;
	int i;

	OPEN_STREAM(&self->options, UNPACED, { "fault_error", 4 });
	ASSERT_DONE(ndma_stream_start(self->stream, 40));
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		EXPECT_EQ(i % 4 == 3, !!(frame.completion.flags & NDMA_FRAME_ERROR));
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(10, stats.errors);
}

TEST_F(fault, stall_ends_in_a_timeout_and_a_restart_goes_on)
{
	struct ndma_frame frame;
	int round, i;

	OPEN_STREAM(&self->options, UNPACED, { "fault_stall", 5 });
	for (round = 0; round < 2; round++) {
		ASSERT_DONE(ndma_stream_start(self->stream, 0));
		for (i = 0; i < 5; i++) {
			ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
			EXPECT_EQ(round * 5 + i, frame.completion.sequence);
			ASSERT_DONE(ndma_stream_release(self->stream, &frame));
		}
		EXPECT_EQ(-ETIMEDOUT, ndma_stream_next(self->stream, &frame, SECOND_NS / 20));
		ASSERT_DONE(ndma_stream_stop(self->stream));
		EXPECT_EQ(0, ndma_stream_next(self->stream, &frame, SECOND_NS));
	}
}

TEST_F(fault, jitter_delays_and_loses_nothing)
{
	struct ndma_frame frame;
	int i;

	self->options.frames = 20;
	OPEN_STREAM(&self->options, { "rate", 10000 }, { "pattern", NDMA_WAVE_COUNTER },
		    { "fault_jitter", 9000 });
	ASSERT_DONE(ndma_stream_start(self->stream, 20));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		EXPECT_EQ(i, frame.completion.sequence);
		EXPECT_TRUE(is_counted(self->stream, &frame));
	}
}

TEST_F(fault, vanish_is_a_source_that_is_gone_with_its_data_still_there)
{
	struct pollfd poller = { .events = POLLIN };
	struct ndma_frame frames[3], frame;
	int i;

	OPEN_STREAM(&self->options, UNPACED, { "fault_vanish", 3 });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frames[i], 10 * SECOND_NS));
	EXPECT_EQ(-ENODEV, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	poller.fd = ndma_stream_fd(self->stream);
	ASSERT_EQ(1, poll(&poller, 1, 10000));
	EXPECT_TRUE(poller.revents & POLLHUP);
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(is_counted(self->stream, &frames[i]));
		EXPECT_EQ(0, ndma_stream_release(self->stream, &frames[i]));
	}
	EXPECT_EQ(-ENODEV, ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-ENODEV, ndma_control_set(self->source, NDMA_CONTROL_RATE, 1000));
	EXPECT_TRUE(wait_for_sim());
}

TEST_F(fault, vanish_takes_all_streams_of_the_card)
{
	struct ndma_stream *other;
	struct ndma_frame frame;

	OPEN_STREAM(&self->options, { "rate", 1 });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &other));
	/* On the stream: what is set on the source is set on both. */
	ASSERT_DONE(ndma_stream_control_set(other, NDMA_CONTROL_FAULT_VANISH, 1));
	ASSERT_DONE(ndma_stream_control_set(other, NDMA_SIM_CONTROL_PACED, 0));
	ASSERT_DONE(ndma_stream_start(other, 0));
	EXPECT_EQ(-ENODEV, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(1, ndma_stream_next(other, &frame, 10 * SECOND_NS));
	EXPECT_EQ(-ENODEV, ndma_stream_next(other, &frame, 10 * SECOND_NS));
	ndma_stream_free(other);
	EXPECT_TRUE(wait_for_sim());
}

TEST_F(fault, level_trigger_puts_the_edge_where_the_frame_says)
{
	struct ndma_frame frame;
	int16_t *data;
	int i;

	self->options.channels = 1;
	OPEN_STREAM(&self->options, { "paced", 0 }, { "trigger", NDMA_SIM_TRIGGER_LEVEL },
		    { "trigger_level", 5000 });
	ASSERT_DONE(ndma_stream_start(self->stream, 20));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		ASSERT_TRUE(frame.completion.flags & NDMA_FRAME_TRIGGERED);
		ASSERT_EQ(25, frame.completion.trigger);
		data = frame.data;
		EXPECT_GT(5000, data[24]);
		EXPECT_LE(5000, data[25]);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
}

TEST_F(fault, software_trigger_gives_a_frame_for_each_press)
{
	struct ndma_frame frame;
	int i;

	OPEN_STREAM(&self->options, { "trigger", NDMA_SIM_TRIGGER_SOFTWARE },
		    { "pattern", NDMA_WAVE_COUNTER });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-ETIMEDOUT, ndma_stream_next(self->stream, &frame, SECOND_NS / 50));
	for (i = 0; i < 10; i++) {
		ASSERT_DONE(
			ndma_stream_control_set(self->stream, NDMA_CONTROL_TRIGGER_SOFTWARE, 1));
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		EXPECT_EQ(i, frame.completion.sequence);
		EXPECT_TRUE(frame.completion.flags & NDMA_FRAME_TRIGGERED);
		EXPECT_TRUE(is_counted(self->stream, &frame));
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	EXPECT_EQ(-EAGAIN, ndma_stream_next(self->stream, &frame, 0));
}

TEST_F(fault, a_button_of_the_source_is_pressed_in_its_streams_and_in_no_other)
{
	struct ndma_source *other;
	struct ndma_frame frame;

	ASSERT_DONE(ndma_source_open("sim0", &other));
	OPEN_STREAM(&self->options, { "trigger", NDMA_SIM_TRIGGER_SOFTWARE },
		    { "pattern", NDMA_WAVE_COUNTER });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_DONE(ndma_control_set(other, NDMA_CONTROL_TRIGGER_SOFTWARE, 1));
	EXPECT_EQ(-ETIMEDOUT, ndma_stream_next(self->stream, &frame, SECOND_NS / 50));
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_TRIGGER_SOFTWARE, 1));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(0, frame.completion.sequence);
	EXPECT_TRUE(frame.completion.flags & NDMA_FRAME_TRIGGERED);
	ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	/* A closed one is none, and so is a freed one. */
	ndma_stream_close(self->stream);
	EXPECT_EQ(0, ndma_control_set(self->source, NDMA_CONTROL_TRIGGER_SOFTWARE, 1));
	ndma_stream_free(self->stream);
	self->stream = NULL;
	EXPECT_EQ(0, ndma_control_set(self->source, NDMA_CONTROL_TRIGGER_SOFTWARE, 1));
	ndma_source_close(other);
}

TEST_F(fault, knobs_turn_while_the_stream_runs_and_the_rate_does_not)
{
	struct ndma_frame frame;
	int i, flagged = 0;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-EBUSY, ndma_stream_control_set(self->stream, NDMA_CONTROL_RATE, 1000));
	ASSERT_DONE(ndma_stream_control_set(self->stream, NDMA_CONTROL_FAULT_ERROR, 1));
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		flagged += !!(frame.completion.flags & NDMA_FRAME_ERROR);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	/* Sixteen were made before, and one was begun. */
	EXPECT_LE(40 - 17, flagged);
	ASSERT_DONE(ndma_stream_stop(self->stream));
	EXPECT_EQ(0, ndma_stream_control_set(self->stream, NDMA_CONTROL_RATE, 1000));
}

TEST_F(fault, a_pattern_has_its_number_for_ever)
{
	static const char *const written_down[] = {
		"sine", "ramp", "square", "counter", "noise", "off",
	};
	char name[NDMA_NAME_MAX];
	uint32_t i;

	for (i = 0; i < 6; i++) {
		ASSERT_DONE(ndma_control_menu(self->source, NDMA_CONTROL_PATTERN, i, name));
		EXPECT_STREQ(written_down[i], name);
	}
	EXPECT_EQ(0, NDMA_WAVE_SINE);
	EXPECT_EQ(1, NDMA_WAVE_RAMP);
	EXPECT_EQ(2, NDMA_WAVE_SQUARE);
	EXPECT_EQ(3, NDMA_WAVE_COUNTER);
	EXPECT_EQ(4, NDMA_WAVE_NOISE);
	EXPECT_EQ(5, NDMA_SIM_PATTERN_OFF);
}

TEST_F(fault, controls_are_those_that_were_written_down)
{
	static const char *const patterns[] = NDMA_SIM_PATTERN_MENU;
	static const char *const triggers[] = NDMA_SIM_TRIGGER_MENU;
	static const struct {
		uint32_t id, type;
		const char *name, *unit;
		int32_t exponent;
		bool live;
		int64_t min, max, step, preset;
		const char *const *menu;
	} expected[] = { NDMA_SIM_CONTROLS(patterns, triggers) };
	struct ndma_control_info info = { 0 };
	char name[NDMA_NAME_MAX];
	int64_t value, item;
	size_t i;

	for (i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		ASSERT_EQ(1, ndma_control_next(self->source, info.id, &info));
		EXPECT_EQ(expected[i].id, info.id);
		EXPECT_EQ(expected[i].type, info.type);
		EXPECT_STREQ(expected[i].name, info.name);
		EXPECT_STREQ(expected[i].unit ? expected[i].unit : "", info.unit);
		EXPECT_EQ(expected[i].exponent, info.exponent);
		EXPECT_EQ(expected[i].min, info.min);
		EXPECT_EQ(expected[i].max, info.max);
		EXPECT_EQ(expected[i].preset, info.preset);
		for (item = 0; expected[i].menu && item <= info.max; item++) {
			ASSERT_DONE(ndma_control_menu(self->source, info.id, item, name));
			EXPECT_STREQ(expected[i].menu[item], name);
		}
		if (info.type == NDMA_CONTROL_BUTTON)
			continue;
		ASSERT_DONE(ndma_control_get(self->source, info.id, &value));
		EXPECT_EQ(info.preset, value);
		EXPECT_EQ(-ERANGE, ndma_control_set(self->source, info.id, info.max + 1));
		EXPECT_EQ(-ERANGE, ndma_control_set(self->source, info.id, info.min - 1));
		EXPECT_EQ(0, ndma_control_set(self->source, info.id, info.max));
	}
	EXPECT_EQ(0, ndma_control_next(self->source, info.id, &info));
	EXPECT_EQ(-EINVAL, ndma_control_set(self->source, 0x777, 1));
	EXPECT_EQ(-ENOENT, ndma_control_find(self->source, "gain", &info));
}

TEST_HARNESS_MAIN
