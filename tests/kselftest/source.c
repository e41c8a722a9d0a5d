// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sources: what they say of themselves, and their controls.
 */
#include "test.h"
#include "uapi/stream.h"

#include "ndma_sim.h"

FIXTURE(source)
{
	int fd;
};

FIXTURE_SETUP(source)
{
	self->fd = source_open("sim0");
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(source)
{
	close(self->fd);
}

TEST_F(source, it_says_what_it_is)
{
	struct ndma_source_info info = source_info(self->fd);

	EXPECT_STREQ(info.name, "sim0");
	EXPECT_STREQ(info.driver, "ndma_sim");
	EXPECT_STREQ(info.device, "");
	EXPECT_EQ(info.flags, NDMA_SOURCE_SOFTWARE | NDMA_SOURCE_HW_TIME);
	EXPECT_EQ(info.abi, NDMA_ABI_VERSION);
	EXPECT_EQ(info.formats, 5);
	EXPECT_EQ(info.channels, 8);
	EXPECT_EQ(info.frames_min, 2);
	EXPECT_EQ(info.frames_max, 4096);
	EXPECT_EQ(info.streams_max, 0);
	EXPECT_EQ(info.frame_bytes_max, 256 * MIB);
	EXPECT_EQ(info.samples_step, 1);
	EXPECT_EQ(info.rate.num, 1000000);
	EXPECT_EQ(info.rate.den, 1);
}

TEST_F(source, it_lists_its_formats)
{
	const struct ndma_format_case {
		const char *format;
		uint32_t itemsize, bits, flags;
	} cases[] = {
		{ "<h", 2, 16, 0 }, { "<H", 2, 12, 0 }, { "b", 1, 8, 0 }, { "<i", 4, 24, 0 },
		{ "<h", 2, 16, NDMA_FORMAT_IQ },
	};
	struct ndma_source_format format;
	uint32_t i;

	for (i = 0; i < 5; i++) {
		format = (struct ndma_source_format){ .size = sizeof(format), .index = i };
		ASSERT_EQ(call(self->fd, NDMA_SOURCE_FORMAT, &format), 0);
		EXPECT_STREQ(format.format, cases[i].format);
		EXPECT_EQ(format.itemsize, cases[i].itemsize);
		EXPECT_EQ(format.bits, cases[i].bits);
		EXPECT_EQ(format.flags, cases[i].flags);
		EXPECT_EQ(format.orders, NDMA_ORDER_PLANAR | NDMA_ORDER_INTERLEAVED);
	}
	format = (struct ndma_source_format){ .size = sizeof(format), .index = 5 };
	EXPECT_EQ(call(self->fd, NDMA_SOURCE_FORMAT, &format), -EINVAL);
	format.index = UINT32_MAX;
	EXPECT_EQ(call(self->fd, NDMA_SOURCE_FORMAT, &format), -EINVAL);
}

TEST_F(source, it_lists_its_channels)
{
	struct ndma_source_channel channel = { .size = sizeof(channel), .index = 3 };

	ASSERT_EQ(call(self->fd, NDMA_SOURCE_CHANNEL, &channel), 0);
	EXPECT_STREQ(channel.name, "ch3");
	EXPECT_STREQ(channel.unit, "V");
	EXPECT_EQ(channel.scale.num, 1);
	EXPECT_EQ(channel.scale.den, 1000);
	EXPECT_EQ(channel.offset.num, -5);
	EXPECT_EQ(channel.offset.den, 2);
	channel.index = 8;
	EXPECT_EQ(call(self->fd, NDMA_SOURCE_CHANNEL, &channel), -EINVAL);
}

/* ------------------------------------------------------------ controls */

static int query(int fd, uint32_t id, struct ndma_control_info *info)
{
	*info = (struct ndma_control_info){ .size = sizeof(*info), .id = id };
	return call(fd, NDMA_CONTROL_QUERY, info);
}

TEST_F(source, its_controls_can_be_walked)
{
	struct ndma_control_info info;
	uint32_t last = 0, count = 0;
	int64_t value;

	while (!query(self->fd, last | NDMA_CONTROL_NEXT, &info)) {
		EXPECT_GT(info.id, last);
		EXPECT_LE(info.min, info.preset);
		EXPECT_GE(info.max, info.preset);
		EXPECT_GT(info.step, 0);
		EXPECT_NE(info.name[0], 0);
		if (info.type == NDMA_CONTROL_BUTTON) {
			EXPECT_EQ(control_get(self->fd, info.id, &value), -EINVAL);
		} else {
			ASSERT_EQ(control_get(self->fd, info.id, &value), 0);
			EXPECT_EQ(value, info.preset);
		}
		last = info.id;
		count++;
	}
	EXPECT_EQ(count, 14);
	EXPECT_EQ(last, NDMA_SIM_CONTROL_PACED);
	EXPECT_EQ(query(self->fd, 0xfff, &info), -EINVAL);
	EXPECT_EQ(query(self->fd, 0x7fffffff | NDMA_CONTROL_NEXT, &info), -EINVAL);
}

TEST_F(source, a_menu_has_names)
{
	const char *const names[] = NDMA_SIM_PATTERN_MENU;
	struct ndma_control_menu_item item = {
		.size = sizeof(item),
		.id = NDMA_CONTROL_PATTERN,
	};

	for (item.index = 0; item.index <= NDMA_SIM_PATTERN_MAX; item.index++) {
		ASSERT_EQ(call(self->fd, NDMA_CONTROL_MENU_ITEM, &item), 0);
		EXPECT_STREQ(item.name, names[item.index]);
	}
	EXPECT_EQ(call(self->fd, NDMA_CONTROL_MENU_ITEM, &item), -EINVAL);
	item.index = 0;
	item.id = NDMA_CONTROL_RATE;
	EXPECT_EQ(call(self->fd, NDMA_CONTROL_MENU_ITEM, &item), -EINVAL);
}

TEST_F(source, a_value_out_of_range_is_refused_and_the_nearest_told)
{
	static const struct {
		uint32_t id;
		int64_t value, nearest;
	} cases[] = {
		{ NDMA_CONTROL_RATE, 0, 1 },
		{ NDMA_CONTROL_RATE, -5, 1 },
		{ NDMA_CONTROL_RATE, INT64_MIN, 1 },
		{ NDMA_CONTROL_RATE, INT64_MAX, 4000000000LL },
		{ NDMA_CONTROL_AMPLITUDE, 1001, 1000 },
		{ NDMA_CONTROL_PATTERN, 6, 5 },
		{ NDMA_CONTROL_TRIGGER_LEVEL, INT64_MIN, -8388608 },
		{ NDMA_SIM_CONTROL_PACED, 2, 1 },
	};
	int64_t before, after;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ndma_control control = {
			.size = sizeof(control),
			.id = cases[i].id,
			.value = cases[i].value,
		};

		ASSERT_EQ(control_get(self->fd, cases[i].id, &before), 0);
		EXPECT_EQ(call(self->fd, NDMA_CONTROL_SET, &control), -ERANGE);
		EXPECT_EQ(control.value, cases[i].nearest);
		ASSERT_EQ(control_get(self->fd, cases[i].id, &after), 0);
		EXPECT_EQ(before, after);
		EXPECT_EQ(control_set(self->fd, cases[i].id, cases[i].nearest), 0);
	}
	EXPECT_EQ(control_set(self->fd, 0, 0), -EINVAL);
	EXPECT_EQ(control_set(self->fd, 0xfff, 0), -EINVAL);
	EXPECT_EQ(control_set(self->fd, NDMA_CONTROL_RATE | NDMA_CONTROL_NEXT, 5), -EINVAL);
}

TEST_F(source, controls_belong_to_the_open_file)
{
	int other = source_open("sim0");
	int64_t value;

	ASSERT_GE(other, 0);
	ASSERT_EQ(control_set(self->fd, NDMA_CONTROL_RATE, 1234), 0);
	ASSERT_EQ(control_get(other, NDMA_CONTROL_RATE, &value), 0);
	EXPECT_EQ(value, 1000000);
	close(other);
}

TEST_F(source, sysfs_says_the_same_and_takes_nothing)
{
	const char *const names[] = { "driver_name", "formats", "channels", "controls", "rates",
				      "frames", "frame_bytes_max", "streams" };
	char path[128], text[4096];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/sys/class/ndma/sim0/%s", names[i]);
		fd = open(path, O_RDONLY);
		ASSERT_GE(fd, 0)
			TH_LOG("%s", path);
		memset(text, 0, sizeof(text));
		EXPECT_GT(read(fd, text, sizeof(text) - 1), 0);
		if (!strcmp(names[i], "frames"))
			EXPECT_STREQ(text, "2 4096\n");
		if (!strcmp(names[i], "formats"))
			EXPECT_NE(strstr(text, "<h 16 planar interleaved iq\n"), NULL);
		if (!strcmp(names[i], "controls"))
			EXPECT_NE(strstr(text, "rate 1 4000000000 1 1000000 Hz\n"), NULL);
		close(fd);
		EXPECT_LT(open(path, O_WRONLY), 0);
	}
}

TEST_F(source, memory_can_be_asked_for_where_its_device_reaches)
{
	int heap = heap_open(), fd = heap_alloc_for(heap, self->fd, 4096);

	EXPECT_GE(fd, 0);
	EXPECT_EQ(heap_alloc_for(heap, heap, 4096), -EBADF);
	close(fd);
	close(heap);
}

TEST_HARNESS_MAIN
