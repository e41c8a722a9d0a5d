// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sources: what they say of themselves.
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
	EXPECT_EQ(info.frames_max, 65536);
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

TEST_F(source, a_button_has_no_value)
{
	int64_t value;

	EXPECT_EQ(control_get(self->fd, NDMA_CONTROL_TRIGGER_SOFTWARE, &value), -EINVAL);
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
			EXPECT_STREQ(text, "2 65536\n");
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
