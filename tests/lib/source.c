// SPDX-License-Identifier: GPL-2.0-only
/* Sources: finding, opening, asking; controls. */
#include "stream.h"

TEST_F(sim, is_listed_and_opened_by_name)
{
	char names[64][NDMA_NAME_MAX];
	int count = ndma_source_list(names, 64), i;

	ASSERT_LE(1, count);
	EXPECT_EQ(count, ndma_source_list(NULL, 0));
	for (i = 0; i < count && strcmp(names[i], "sim0"); i++)
		;
	EXPECT_LT(i, count);
	EXPECT_STREQ("sim0", ndma_source_name(self->source));
	EXPECT_STREQ(variant->backend, ndma_source_backend(self->source));
	EXPECT_TRUE(ndma_source_is_simulated(self->source));
}

TEST_F(sim, says_what_it_is)
{
	struct ndma_source_channel channel;
	struct ndma_source_format format;
	struct ndma_source_info info;

	ASSERT_DONE(ndma_source_info(self->source, &info));
	EXPECT_STREQ("sim0", info.name);
	EXPECT_EQ(1000000, info.rate.num / (int64_t)info.rate.den);
	EXPECT_TRUE(info.flags & NDMA_SOURCE_SOFTWARE);
	ASSERT_DONE(ndma_source_format(self->source, 0, &format));
	EXPECT_STREQ("<h", format.format);
	EXPECT_EQ(-EINVAL, ndma_source_format(self->source, info.formats, &format));
	EXPECT_NE(0, *ndma_error());
	ASSERT_DONE(ndma_source_channel(self->source, info.channels - 1, &channel));
	EXPECT_NE(0, *channel.name);
	EXPECT_EQ(-EINVAL, ndma_source_channel(self->source, info.channels, &channel));
}

TEST_F(sim, controls_are_enumerated_in_growing_order)
{
	struct ndma_control_info info = { 0 };
	uint32_t last = 0, count = 0;
	int rc;

	while ((rc = ndma_control_next(self->source, info.id, &info)) > 0) {
		EXPECT_LT(last, info.id);
		EXPECT_NE(0, *info.name);
		EXPECT_LE(info.min, info.preset);
		EXPECT_GE(info.max, info.preset);
		last = info.id;
		count++;
	}
	EXPECT_EQ(0, rc);
	EXPECT_LT(10, count);
}

TEST_F(sim, controls_are_found_read_and_set)
{
	struct ndma_control_info info;
	struct ndma_source_info what;
	int64_t value;

	ASSERT_DONE(ndma_control_find(self->source, "rate", &info));
	EXPECT_EQ(NDMA_CONTROL_RATE, info.id);
	EXPECT_STREQ("Hz", info.unit);
	ASSERT_DONE(ndma_control_get(self->source, info.id, &value));
	EXPECT_EQ(info.preset, value);
	ASSERT_DONE(ndma_control_set(self->source, info.id, 48000));
	ASSERT_DONE(ndma_control_get(self->source, info.id, &value));
	EXPECT_EQ(48000, value);
	ASSERT_DONE(ndma_source_info(self->source, &what));
	EXPECT_EQ(48000, what.rate.num / (int64_t)what.rate.den);
}

TEST_F(sim, a_value_out_of_range_is_refused_with_the_nearest)
{
	int64_t value;

	EXPECT_EQ(-ERANGE, ndma_control_set(self->source, NDMA_CONTROL_RATE, 5000000000));
	ASSERT_WORDS("nearest is 4000000000");
	EXPECT_EQ(-ERANGE, ndma_control_set(self->source, NDMA_CONTROL_RATE, 0));
	ASSERT_WORDS("nearest is 1");
	EXPECT_EQ(-ERANGE, ndma_control_set(self->source, NDMA_CONTROL_RATE, INT64_MIN));
	ASSERT_DONE(ndma_control_get(self->source, NDMA_CONTROL_RATE, &value));
	EXPECT_EQ(1000000, value);
}

TEST_F(sim, menus_name_their_values)
{
	struct ndma_control_info info;
	char name[NDMA_NAME_MAX];

	ASSERT_DONE(ndma_control_find(self->source, "pattern", &info));
	EXPECT_EQ(NDMA_CONTROL_MENU, info.type);
	ASSERT_DONE(ndma_control_menu(self->source, info.id, 0, name));
	EXPECT_STREQ("sine", name);
	EXPECT_EQ(-EINVAL, ndma_control_menu(self->source, info.id, info.max + 1, name));
	EXPECT_EQ(-EINVAL, ndma_control_menu(self->source, NDMA_CONTROL_RATE, 0, name));
}

TEST_F(sim, what_it_does_not_have_is_named_in_the_error)
{
	struct ndma_control_info info;
	int64_t value;

	EXPECT_EQ(-ENOENT, ndma_control_find(self->source, "volume", &info));
	ASSERT_WORDS("trigger_level");
	EXPECT_EQ(-EINVAL, ndma_control_get(self->source, 0xfff, &value));
	EXPECT_EQ(-EINVAL, ndma_control_set(self->source, 0xfff, 1));
}

/* How many characters; -1: not UTF-8, or with a newline or the like. */
static long count_characters(const char *words)
{
	long count = 0;
	int more;

	for (; *words; words++, count++) {
		unsigned char first = (unsigned char)*words;

		more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
		if (first < ' ' || (first >= 0x80 && first < 0xc2) || first > 0xf4)
			return -1;
		for (; more; more--)
			if ((*++words & 0xc0) != 0x80)
				return -1;
	}
	return count;
}

TEST_F(sim, words_are_whole_characters_wherever_a_name_is_cut)
{
	static const char *const characters[] = { "\u00e4", "\u20ac", "\U0001f600" };
	struct ndma_control_info info;
	struct ndma_source *other;
	char name[2000];
	size_t i, shift;

	for (i = 0; i < 3; i++) {
		for (shift = 0; shift < 4; shift++) {
			memset(name, 'x', shift);
			name[shift] = 0;
			while (strlen(name) + 5 < sizeof(name))
				strcat(name, characters[i]);
			EXPECT_EQ(-ENOENT, ndma_control_find(self->source, name, &info));
			EXPECT_LT(100, count_characters(ndma_error()));
			EXPECT_EQ(-EINVAL, ndma_source_open(name, &other));
			EXPECT_LT(16, count_characters(ndma_error()));
			ASSERT_WORDS("expected one as");
		}
	}
}

TEST_F(sim, words_are_one_line_of_utf8_whatever_a_name_is)
{
	struct ndma_control_info info;

	EXPECT_EQ(-ENOENT, ndma_control_find(self->source,
					     "a\xff\xc0\x80"
					     "b\n\xed\xa0\x80\r\x7f",
					     &info));
	ASSERT_WORDS("\"ab???\"");
	EXPECT_LT(0, count_characters(ndma_error()));
}

TEST_F(sim, one_objects_settings_are_not_anothers)
{
	struct ndma_source *other;
	int64_t value;

	ASSERT_DONE(ndma_control_set(self->source, NDMA_CONTROL_RATE, 44100));
	ASSERT_DONE(ndma_source_open("sim0", &other));
	ASSERT_DONE(ndma_control_get(other, NDMA_CONTROL_RATE, &value));
	EXPECT_EQ(1000000, value);
	ndma_source_close(other);
}

TEST_F(sim, other_names_are_refused_with_words)
{
	struct ndma_source *none = NULL;

	EXPECT_EQ(-EINVAL, ndma_source_open("", &none));
	EXPECT_EQ(-EINVAL, ndma_source_open("../ndma/sim0", &none));
	EXPECT_EQ(-EINVAL, ndma_source_open("a-name-that-is-far-too-long-for-a-source", &none));
	EXPECT_EQ(-ENOENT, ndma_source_open("sim99", &none));
	ASSERT_WORDS("sim0");
	EXPECT_EQ(-ENOENT, ndma_source_open("heap", &none));
	EXPECT_EQ(NULL, none);
	ndma_source_close(NULL);
}

TEST(another_value_of_the_environment_is_refused)
{
	struct ndma_buffer *buffer = NULL;
	struct ndma_source *source = NULL;
	struct ndma_layout layout;

	ndma_layout_flat(&layout, 1);
	setenv("NDMA_BACKEND", "kernal", 1);
	EXPECT_EQ(-EINVAL, ndma_buffer_create(&layout, NULL, &buffer));
	ASSERT_WORDS("NDMA_BACKEND=kernal");
	EXPECT_EQ(-EINVAL, ndma_source_open("sim0", &source));
	EXPECT_EQ(-EINVAL, ndma_source_list(NULL, 0));
	EXPECT_STREQ("none", ndma_backend_name());
}

TEST(without_the_module_the_words_say_how_to_load_it)
{
	struct ndma_source *source;

	if (!access("/sys/class/ndma/heap", F_OK))
		SKIP(return, "this guest has no machine without the module");
	unsetenv("NDMA_BACKEND");
	EXPECT_EQ(-ENODEV, ndma_source_open("edu0", &source));
	ASSERT_WORDS("module ndma is not loaded (");
	EXPECT_STREQ("memfd", ndma_backend_name());
	ASSERT_DONE(ndma_source_open("sim0", &source));
	ndma_source_close(source);
	setenv("NDMA_BACKEND", "kernel", 1);
	EXPECT_EQ(-ENODEV, ndma_source_open("sim0", &source));
	ASSERT_WORDS("module ndma is not loaded (");
}

TEST_HARNESS_MAIN
