// SPDX-License-Identifier: GPL-2.0-only
/* Which controls there are and which values they take: ndma_control.h, and both backends by it. */
#include "ndma_control.h"
#include "sim.h"

static const char *const choices[] = {
	[0] = "zero", [1] = "one", [2] = "two", [5] = "five", [9] = "nine"
};

static const struct ndma_control_desc controls[] = {
	{ .id = 1,
	  .type = NDMA_CONTROL_INTEGER,
	  .name = "odd",
	  .min = 1,
	  .max = 10,
	  .step = 2,
	  .preset = 1 },
	{ .id = 3,
	  .type = NDMA_CONTROL_MENU,
	  .name = "menu",
	  .live = true,
	  .max = 9,
	  .step = 1,
	  .preset = 1,
	  .menu = choices },
	{ .id = 4, .type = NDMA_CONTROL_BUTTON, .name = "button", .step = 1 },
	{ .id = 7,
	  .type = NDMA_CONTROL_INTEGER,
	  .name = "all",
	  .min = INT64_MIN,
	  .max = INT64_MAX,
	  .step = 1 },
	{ .id = 8,
	  .type = NDMA_CONTROL_INTEGER,
	  .name = "huge",
	  .min = INT64_MIN,
	  .max = INT64_MAX,
	  .step = INT64_MAX },
	{ .id = 9,
	  .type = NDMA_CONTROL_INTEGER,
	  .name = "seven",
	  .unit = "V",
	  .exponent = -3,
	  .live = true,
	  .min = -7,
	  .max = 20,
	  .step = 7 },
	{ .id = 0x7fffffff,
	  .type = NDMA_CONTROL_BOOLEAN,
	  .name = "a-name-of-more-than-31-characters",
	  .max = 1,
	  .step = 1 },
};

#define CONTROLS (sizeof(controls) / sizeof(*controls))

static const struct ndma_control_desc *control(uint32_t id)
{
	return ndma_control_lookup(controls, CONTROLS, id);
}

TEST(controls_are_found_by_their_id_and_in_turn)
{
	uint32_t id = 0;
	size_t i;

	for (i = 0; i < CONTROLS; i++) {
		EXPECT_EQ(&controls[i], control(controls[i].id));
		EXPECT_EQ(&controls[i],
			  ndma_control_seek(controls, CONTROLS, id | NDMA_CONTROL_NEXT));
		id = controls[i].id;
		EXPECT_EQ(&controls[i], ndma_control_seek(controls, CONTROLS, id));
		EXPECT_EQ(NULL, control(id | NDMA_CONTROL_NEXT));
	}
	EXPECT_EQ(NULL, ndma_control_seek(controls, CONTROLS, id | NDMA_CONTROL_NEXT));
	EXPECT_EQ(NULL, control(0));
	EXPECT_EQ(NULL, control(2));
	EXPECT_EQ(NULL, control(UINT32_MAX));
	EXPECT_EQ(NULL, ndma_control_seek(controls, 0, NDMA_CONTROL_NEXT));
}

TEST(a_description_is_whole_and_its_names_end)
{
	struct ndma_control_info info;

	memset(&info, 0xff, sizeof(info));
	ndma_control_describe(control(9), &info);
	EXPECT_EQ(9, info.id);
	EXPECT_STREQ("seven", info.name);
	EXPECT_STREQ("V", info.unit);
	EXPECT_EQ(0, info.unit[NDMA_UNIT_MAX - 1]);
	EXPECT_EQ(NDMA_CONTROL_LIVE, info.flags);
	EXPECT_EQ(0, info.reserved);
	EXPECT_EQ(-3, info.exponent);
	EXPECT_EQ(-7, info.min);
	ndma_control_describe(control(0x7fffffff), &info);
	EXPECT_STREQ("a-name-of-more-than-31-characte", info.name);
	EXPECT_STREQ("", info.unit);
}

TEST(the_nearest_value_is_valid_and_nearest)
{
	static const struct {
		uint32_t id;
		int64_t value, nearest;
	} rows[] = {
		{ 1, INT64_MIN, 1 },
		{ 1, 0, 1 },
		{ 1, 1, 1 },
		{ 1, 2, 1 },
		{ 1, 3, 3 },
		{ 1, 8, 7 },
		/* 10 is no step, and 11 too far. */
		{ 1, 9, 9 },
		{ 1, 10, 9 },
		{ 1, 11, 9 },
		{ 1, INT64_MAX, 9 },
		{ 7, INT64_MIN, INT64_MIN },
		{ 7, -1, -1 },
		{ 7, INT64_MAX, INT64_MAX },
		{ 8, INT64_MIN, INT64_MIN },
		{ 8, -1, -1 },
		{ 8, 0, -1 },
		{ 8, INT64_MAX, INT64_MAX - 1 },
		{ 8, INT64_MIN / 2 - 1, INT64_MIN },
		{ 8, INT64_MIN / 2 + 1, -1 },
		{ 9, -7, -7 },
		{ 9, -4, -7 },
		{ 9, -3, 0 },
		{ 9, 3, 0 },
		{ 9, 4, 7 },
		{ 9, 17, 14 },
		{ 9, 18, 14 },
		{ 9, 20, 14 },
		/* A menu's numbers may have gaps; of two as near the lower. */
		{ 3, INT64_MIN, 0 },
		{ 3, 0, 0 },
		{ 3, 1, 1 },
		{ 3, 2, 2 },
		{ 3, 3, 2 },
		{ 3, 4, 5 },
		{ 3, 5, 5 },
		{ 3, 6, 5 },
		{ 3, 7, 5 },
		{ 3, 8, 9 },
		{ 3, 9, 9 },
		{ 3, INT64_MAX, 9 },
		{ 0x7fffffff, 2, 1 },
		{ 0x7fffffff, -1, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		__s64 value = rows[i].value;
		bool valid = rows[i].value == rows[i].nearest;

		EXPECT_EQ(valid ? 0 : -ERANGE,
			  ndma_control_admit_set(control(rows[i].id), false, &value))
		{
			TH_LOG("row %zu", i);
		}
		EXPECT_EQ(rows[i].nearest, value)
		{
			TH_LOG("row %zu", i);
		}
		EXPECT_EQ(value, ndma_control_round(control(rows[i].id), value));
	}
}

TEST(a_running_stream_comes_before_the_value)
{
	__s64 value = 99;

	EXPECT_EQ(-EBUSY, ndma_control_admit_set(control(1), true, &value));
	EXPECT_EQ(99, value);
	EXPECT_EQ(-EBUSY, ndma_control_admit_set(control(4), true, &value));
	EXPECT_EQ(-ERANGE, ndma_control_admit_set(control(9), true, &value));
	EXPECT_EQ(14, value);
	EXPECT_EQ(0, ndma_control_admit_set(control(9), true, &value));
	EXPECT_EQ(-EINVAL, ndma_control_admit_set(NULL, true, &value));
}

TEST(a_button_takes_any_value_and_has_none)
{
	__s64 value = INT64_MIN;

	EXPECT_EQ(0, ndma_control_admit_set(control(4), false, &value));
	EXPECT_EQ(INT64_MIN, value);
	EXPECT_EQ(-EINVAL, ndma_control_admit_get(control(4)));
	EXPECT_EQ(-EINVAL, ndma_control_admit_get(NULL));
	EXPECT_EQ(0, ndma_control_admit_get(control(1)));
}

TEST(a_menu_names_its_values_and_no_other)
{
	char name[NDMA_NAME_MAX];
	uint32_t i;

	for (i = 0; i < 12; i++) {
		bool named = i < 10 && choices[i];

		EXPECT_EQ(named ? 0 : -EINVAL, ndma_control_choose(control(3), i, name));
		if (named)
			EXPECT_STREQ(choices[i], name);
	}
	EXPECT_EQ(-EINVAL, ndma_control_choose(control(3), UINT32_MAX, name));
	EXPECT_EQ(-EINVAL, ndma_control_choose(control(1), 0, name));
	EXPECT_EQ(-EINVAL, ndma_control_choose(NULL, 0, name));
}

/* As they would be with one more pattern, which gets the number behind the highest. */
static const char *const more_patterns[] = { NDMA_WAVE_NAMES, [6] = "chirp" };
static const char *const more_patterns_or_none[] = {
	NDMA_WAVE_NAMES,
	[NDMA_SIM_PATTERN_OFF] = "off",
	[6] = "chirp",
};

TEST(a_waveform_that_is_added_shifts_none)
{
	static const struct ndma_control_desc card = {
		.id = NDMA_CONTROL_PATTERN,
		.type = NDMA_CONTROL_MENU,
		.max = 6,
		.step = 1,
		.menu = more_patterns,
	};
	static const struct ndma_control_desc simulated = {
		.id = NDMA_CONTROL_PATTERN,
		.type = NDMA_CONTROL_MENU,
		.max = 6,
		.step = 1,
		.menu = more_patterns_or_none,
	};
	static const char *const before[] = NDMA_SIM_PATTERN_MENU;
	char name[NDMA_NAME_MAX];
	uint32_t i;

	for (i = 0; i <= NDMA_SIM_PATTERN_MAX; i++) {
		ASSERT_EQ(0, ndma_control_choose(&simulated, i, name));
		EXPECT_STREQ(before[i], name);
		EXPECT_EQ(i == NDMA_SIM_PATTERN_OFF ? -EINVAL : 0,
			  ndma_control_choose(&card, i, name));
	}
	EXPECT_EQ(0, ndma_control_choose(&simulated, 6, name));
	EXPECT_STREQ("chirp", name);
	/* A card that has no such value answers with one that it has. */
	EXPECT_EQ(NDMA_WAVE_NOISE, ndma_control_round(&card, NDMA_WAVE_OFF));
	EXPECT_EQ(6, ndma_control_round(&card, 6));
}

/* ---------------------------------------------------------------- both backends */

FIXTURE(settings)
{
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_stream_options options;
};

ON_EVERY_BACKEND(settings);

FIXTURE_SETUP(settings)
{
	OPEN_SIM();
	self->options.samples = 100;
}

FIXTURE_TEARDOWN(settings)
{
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
}

TEST_F(settings, a_button_has_no_value)
{
	int64_t value = 7;

	EXPECT_EQ(-EINVAL, ndma_control_get(self->source, NDMA_CONTROL_TRIGGER_SOFTWARE, &value));
	EXPECT_NE(0, *ndma_error());
	OPEN_STREAM(&self->options, UNPACED);
	EXPECT_EQ(-EINVAL,
		  ndma_stream_control_get(self->stream, NDMA_CONTROL_TRIGGER_SOFTWARE, &value));
	EXPECT_EQ(7, value);
}

TEST_F(settings, an_id_with_next_is_no_controls)
{
	const uint32_t rate = NDMA_CONTROL_RATE | NDMA_CONTROL_NEXT;
	char name[NDMA_NAME_MAX];
	int64_t value;

	EXPECT_EQ(-EINVAL, ndma_control_get(self->source, rate, &value));
	EXPECT_EQ(-EINVAL, ndma_control_set(self->source, rate, 1000));
	EXPECT_EQ(-EINVAL, ndma_control_menu(self->source, NDMA_CONTROL_PATTERN | NDMA_CONTROL_NEXT,
					     0, name));
	OPEN_STREAM(&self->options, UNPACED);
	EXPECT_EQ(-EINVAL, ndma_stream_control_get(self->stream, rate, &value));
	EXPECT_EQ(-EINVAL, ndma_stream_control_set(self->stream, rate, 1000));
}

TEST_F(settings, what_a_running_stream_cannot_change_is_busy_whatever_the_value)
{
	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-EBUSY, ndma_stream_control_set(self->stream, NDMA_CONTROL_RATE, 1000));
	EXPECT_EQ(-EBUSY, ndma_stream_control_set(self->stream, NDMA_CONTROL_RATE, 0));
	ASSERT_WORDS("rate cannot change while the stream runs");
	EXPECT_EQ(-ERANGE, ndma_stream_control_set(self->stream, NDMA_CONTROL_AMPLITUDE, 1001));
	ASSERT_WORDS("nearest is 1000");
	ASSERT_DONE(ndma_stream_stop(self->stream));
	EXPECT_EQ(-ERANGE, ndma_stream_control_set(self->stream, NDMA_CONTROL_RATE, 0));
	ASSERT_WORDS("nearest is 1");
}

static int64_t control_of(const struct ndma_stream *stream, uint32_t id)
{
	int64_t value = -1;

	ndma_stream_control_get(stream, id, &value);
	return value;
}

TEST_F(settings, what_is_set_on_a_source_is_set_on_its_streams_or_refused_and_changes_nothing)
{
	struct ndma_stream *idle;
	int64_t value;

	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &idle));
	OPEN_STREAM(&self->options, { "rate", 100000 });
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_RATE, 200000));
	EXPECT_EQ(200000, control_of(self->stream, NDMA_CONTROL_RATE));
	EXPECT_EQ(200000, control_of(idle, NDMA_CONTROL_RATE));

	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	EXPECT_EQ(-EBUSY, ndma_control_set(self->source, NDMA_CONTROL_RATE, 1000));
	ASSERT_WORDS("rate");
	ASSERT_DONE(ndma_control_get(self->source, NDMA_CONTROL_RATE, &value));
	EXPECT_EQ(200000, value);
	EXPECT_EQ(200000, control_of(idle, NDMA_CONTROL_RATE));

	EXPECT_EQ(-ERANGE, ndma_control_set(self->source, NDMA_CONTROL_AMPLITUDE, 1001));
	EXPECT_EQ(1000, control_of(self->stream, NDMA_CONTROL_AMPLITUDE));
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_AMPLITUDE, 100));
	EXPECT_EQ(100, control_of(self->stream, NDMA_CONTROL_AMPLITUDE));
	EXPECT_EQ(100, control_of(idle, NDMA_CONTROL_AMPLITUDE));
	/* A stream's own are its alone. */
	ASSERT_DONE(ndma_stream_control_set(self->stream, NDMA_CONTROL_AMPLITUDE, 300));
	EXPECT_EQ(100, control_of(idle, NDMA_CONTROL_AMPLITUDE));
	ndma_stream_free(idle);
}

TEST_F(settings, the_first_frame_made_with_a_live_one_says_so)
{
	struct ndma_control_info info;
	struct ndma_frame frame;
	int flagged = 0, told = 0;
	int i;

	ASSERT_DONE(ndma_control_find(self->source, "amplitude", &info));
	EXPECT_EQ(NDMA_CONTROL_LIVE, info.flags);
	ASSERT_DONE(ndma_control_find(self->source, "rate", &info));
	EXPECT_EQ(0, info.flags);
	self->options.channels = 1;
	OPEN_STREAM(&self->options, UNPACED, { "pattern", NDMA_WAVE_SQUARE },
		    { "frequency", 100000 });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	for (i = 0; i < 400; i++) {
		const int16_t *data;

		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		data = frame.data;
		flagged += !!(frame.completion.flags & NDMA_FRAME_SETTINGS);
		/* From that frame on, and in none before. */
		EXPECT_EQ(flagged > 0, abs(data[0]) < 4000);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
		if (!told && i >= 20)
			told = !ndma_control_set(self->source, NDMA_CONTROL_AMPLITUDE, 100);
		if (flagged && i < 390)
			i = 390;
	}
	EXPECT_EQ(1, flagged);
	/* What is as it was has not changed. */
	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_AMPLITUDE, 100));
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		EXPECT_EQ(0, frame.completion.flags & NDMA_FRAME_SETTINGS);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
}

TEST_F(settings, a_stream_names_its_controls_when_its_source_is_closed)
{
	struct ndma_control_info info, seen = { 0 };
	char name[NDMA_NAME_MAX];
	int count = 0;

	OPEN_STREAM(&self->options, UNPACED);
	ndma_source_close(self->source);
	self->source = NULL;
	while (ndma_stream_control_next(self->stream, seen.id, &seen) > 0)
		count++;
	EXPECT_LT(5, count);
	ASSERT_DONE(ndma_stream_control_find(self->stream, "pattern", &info));
	EXPECT_EQ(NDMA_CONTROL_PATTERN, info.id);
	ASSERT_DONE(ndma_stream_control_menu(self->stream, info.id, NDMA_WAVE_SQUARE, name));
	EXPECT_STREQ("square", name);
	EXPECT_EQ(-ENOENT, ndma_stream_control_find(self->stream, "amplitud", &info));
	ASSERT_WORDS("amplitude");
	EXPECT_EQ(-EINVAL, ndma_stream_control_menu(self->stream, NDMA_CONTROL_RATE, 0, name));
	ndma_stream_close(self->stream);
	EXPECT_EQ(-EBADF, ndma_stream_control_next(self->stream, 0, &info));
	EXPECT_EQ(-EBADF, ndma_stream_control_find(self->stream, "rate", &info));
	EXPECT_EQ(-EBADF, ndma_stream_control_menu(self->stream, NDMA_CONTROL_PATTERN, 0, name));
}

TEST_F(settings, a_press_without_a_trigger_that_waits_for_it_is_forgotten)
{
	struct ndma_frame frame;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_control_set(self->stream, NDMA_CONTROL_TRIGGER_SOFTWARE, 1));
	ASSERT_DONE(ndma_stream_control_set(self->stream, NDMA_CONTROL_TRIGGER,
					    NDMA_SIM_TRIGGER_SOFTWARE));
	ASSERT_DONE(ndma_stream_start(self->stream, 1));
	EXPECT_EQ(-ETIMEDOUT, ndma_stream_next(self->stream, &frame, SECOND_NS / 50));
	ASSERT_DONE(ndma_stream_control_set(self->stream, NDMA_CONTROL_TRIGGER_SOFTWARE, 1));
	EXPECT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(0, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
}

TEST_F(settings, a_source_that_is_gone_answers_nothing)
{
	struct ndma_control_info info;
	struct ndma_source_channel channel;
	struct ndma_source_format format;
	struct ndma_stream *idle;
	struct ndma_frame frame;
	char name[NDMA_NAME_MAX];
	int64_t value;

	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &idle));
	OPEN_STREAM(&self->options, UNPACED, { "fault_vanish", 1 });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	ASSERT_EQ(-ENODEV, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(-ENODEV, ndma_control_next(self->source, 0, &info));
	EXPECT_EQ(-ENODEV, ndma_control_find(self->source, "rate", &info));
	EXPECT_EQ(-ENODEV, ndma_control_menu(self->source, NDMA_CONTROL_PATTERN, 0, name));
	EXPECT_EQ(-ENODEV, ndma_control_get(self->source, NDMA_CONTROL_RATE, &value));
	EXPECT_EQ(-ENODEV, ndma_control_set(self->source, NDMA_CONTROL_RATE, 1));
	EXPECT_EQ(-ENODEV, ndma_source_format(self->source, 0, &format));
	EXPECT_EQ(-ENODEV, ndma_source_channel(self->source, 0, &channel));
	EXPECT_EQ(-ENODEV, ndma_stream_control_get(idle, NDMA_CONTROL_RATE, &value));
	EXPECT_EQ(-ENODEV, ndma_stream_control_set(idle, NDMA_CONTROL_RATE, 1));
	EXPECT_EQ(-ENODEV, ndma_stream_channel(idle, 0, &channel));
	ASSERT_WORDS("gone");
	ndma_stream_free(idle);
	EXPECT_TRUE(wait_for_sim());
}

TEST_HARNESS_MAIN
