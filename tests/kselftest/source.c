// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sources: what they say of themselves, their controls, and every call with every argument that is
 * not one.
 */
#include "abi.h"
#include "fill.h"

/* The buffer of all fills, and the heap's file that owns it. */
static int fill_heap, fill_fd;

FIXTURE(source)
{
	int fd;
};

FIXTURE_SETUP(source)
{
	self->fd = source_open("sim0");
	ASSERT_GE(self->fd, 0);
	fill_heap = heap_open();
	fill_fd = heap_alloc(fill_heap, 4096);
	ASSERT_GE(fill_fd, 0);
}

FIXTURE_TEARDOWN(source)
{
	close(fill_fd);
	close(fill_heap);
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
	int heap = heap_open();
	struct ndma_buffer_alloc alloc = {
		.size = sizeof(alloc),
		.bytes = 4096,
		.node = NDMA_NODE_ANY,
		.source_fd = self->fd,
	};

	ASSERT_GE(heap, 0);
	EXPECT_EQ(call(heap, NDMA_BUFFER_ALLOC, &alloc), 0);
	close(alloc.fd);
	alloc.source_fd = heap;
	EXPECT_EQ(call(heap, NDMA_BUFFER_ALLOC, &alloc), -EBADF);
	close(heap);
}

/* ------------------------------------------------------------ arguments */

#define ARGUMENT_ROOM 8192
#define RANDOM_ROUNDS 100

/**
 * struct row - one call
 * @zero_at: offsets of 32-bit fields that must be 0, ended by 0
 */
static const struct row {
	const char *name;
	unsigned long number;
	uint32_t bytes;
	uint32_t zero_at[4];
} rows[] = {
#define ROW(call, type, ...) { #call, call, sizeof(struct type), { __VA_ARGS__ } }
#define ZERO(type, member) offsetof(struct type, member)
	ROW(NDMA_SOURCE_INFO, ndma_source_info, ZERO(ndma_source_info, flags),
	    ZERO(ndma_source_info, reserved)),
	ROW(NDMA_SOURCE_FORMAT, ndma_source_format, ZERO(ndma_source_format, flags)),
	ROW(NDMA_SOURCE_CHANNEL, ndma_source_channel),
	ROW(NDMA_CONTROL_QUERY, ndma_control_info, ZERO(ndma_control_info, flags),
	    ZERO(ndma_control_info, reserved)),
	ROW(NDMA_CONTROL_MENU_ITEM, ndma_control_menu_item,
	    ZERO(ndma_control_menu_item, reserved)),
	ROW(NDMA_CONTROL_GET, ndma_control),
	ROW(NDMA_CONTROL_SET, ndma_control),
	ROW(NDMA_STREAM_SETUP, ndma_stream_setup, ZERO(ndma_stream_setup, flags),
	    ZERO(ndma_stream_setup, reserved)),
	ROW(NDMA_STREAM_START, ndma_stream_start, ZERO(ndma_stream_start, flags)),
	ROW(NDMA_STREAM_STOP, ndma_stream_stop, ZERO(ndma_stream_stop, flags)),
	ROW(NDMA_STREAM_WAIT, ndma_stream_wait),
	ROW(NDMA_STREAM_KICK, ndma_stream_kick, ZERO(ndma_stream_kick, flags)),
	ROW(NDMA_STREAM_STATS, ndma_stream_stats),
	ROW(NDMA_STREAM_EXPORT, ndma_stream_export),
	ROW(NDMA_FILL_BEGIN, ndma_fill_begin, ZERO(ndma_fill_begin, flags)),
	ROW(NDMA_FILL_WAIT, ndma_fill_wait, ZERO(ndma_fill_wait, flags)),
#undef ZERO
#undef ROW
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
#define FOR_EACH_ROW(row) for (row = rows; row < rows + ROWS; row++)

struct argument {
	union {
		struct ndma_control_info query;
		struct ndma_control_menu_item item;
		struct ndma_control control;
		struct ndma_stream_setup setup;
		struct ndma_stream_wait wait;
		struct ndma_stream_export export;
		struct ndma_fill_begin fill;
		uint32_t size;
		unsigned char bytes[ARGUMENT_ROOM];
	};
};

static void prepare_fill(const struct row *row, int fd, struct argument *argument)
{
	struct ndma_fill_begin fill = fill_of(fill_heap, fill_fd, 100, SECOND_NS);

	if (row->number == NDMA_FILL_BEGIN)
		argument->fill = fill;
	else
		call(fd, NDMA_FILL_BEGIN, &fill);
}

/* A file on which the call succeeds with the argument that this makes. */
static int prepare(const struct row *row, struct argument *argument)
{
	struct stream stream = { .fd = source_open("sim0") };
	struct ndma_stream_setup setup = setup_of(2, 100);
	struct ndma_completion completion = { 0 };

	memset(argument, 0, sizeof(*argument));
	argument->size = row->bytes;
	control_set(stream.fd, NDMA_SIM_CONTROL_PACED, 0);
	if (row->number >= NDMA_FILL_BEGIN) {
		prepare_fill(row, stream.fd, argument);
	} else if (row->number >= NDMA_STREAM_START) {
		stream_make(&stream, stream.fd, &setup);
		if (row->number == NDMA_STREAM_EXPORT) {
			stream_start(stream.fd, 1);
			stream_next(&stream, &completion);
		}
		stream_unmap(&stream);
	}
	switch (row->number) {
	case NDMA_CONTROL_QUERY:
	case NDMA_CONTROL_MENU_ITEM:
	case NDMA_CONTROL_GET:
	case NDMA_CONTROL_SET:
		argument->query.id = NDMA_CONTROL_PATTERN;
		break;
	case NDMA_STREAM_SETUP:
		argument->setup = setup;
		break;
	case NDMA_STREAM_WAIT:
		argument->wait.min = 1;
		break;
	case NDMA_STREAM_EXPORT:
		argument->export.index = completion.index;
		break;
	}
	return stream.fd;
}

static void put_u32(struct argument *argument, uint32_t at, uint32_t value)
{
	memcpy(argument->bytes + at, &value, sizeof(value));
}

/* Calls; complains unless it fails with @error and leaves nothing behind. */
static void expect(struct __test_metadata *_metadata, int fd, const struct row *row,
		   struct argument *argument, int error, const char *what)
{
	int files = open_files(), ret = call(fd, row->number, argument);

	EXPECT_EQ(ret, error)
		TH_LOG("%s, %s", row->name, what);
	if (!ret && row->number == NDMA_STREAM_EXPORT)
		close(argument->export.fd);
	EXPECT_EQ(files, open_files());
	close(fd);
}

TEST_F(source, every_call_works_with_its_own_argument)
{
	struct argument argument;
	const struct row *row;
	int fd;

	FOR_EACH_ROW(row) {
		fd = prepare(row, &argument);
		expect(_metadata, fd, row, &argument, 0, "as it is");
	}
}

TEST_F_TIMEOUT(source, a_short_argument_is_refused, 300)
{
	struct argument argument;
	const struct row *row;
	uint32_t size;
	int fd;

	FOR_EACH_ROW(row) {
		for (size = 0; size < row->bytes; size += 4) {
			fd = prepare(row, &argument);
			argument.size = size;
			expect(_metadata, fd, row, &argument, -EINVAL, "short");
		}
	}
}

TEST_F(source, a_longer_argument_with_a_zero_tail_is_accepted)
{
	struct argument argument;
	const struct row *row;
	int fd;

	FOR_EACH_ROW(row) {
		fd = prepare(row, &argument);
		argument.size = row->bytes + 64;
		expect(_metadata, fd, row, &argument, 0, "longer");
	}
}

TEST_F(source, a_tail_that_is_not_zero_is_refused)
{
	struct argument argument;
	const struct row *row;
	int fd;

	FOR_EACH_ROW(row) {
		fd = prepare(row, &argument);
		argument.size = row->bytes + 64;
		argument.bytes[row->bytes + 63] = 1;
		expect(_metadata, fd, row, &argument, -E2BIG, "non-zero tail");
		fd = prepare(row, &argument);
		argument.size = UINT32_MAX;
		expect(_metadata, fd, row, &argument, -E2BIG, "absurdly long");
	}
}

TEST_F(source, an_output_goes_no_further_than_the_size)
{
	struct argument argument;
	const struct row *row;
	uint32_t i;
	int fd;

	FOR_EACH_ROW(row) {
		fd = prepare(row, &argument);
		memset(argument.bytes + row->bytes, 0xa5, 64);
		expect(_metadata, fd, row, &argument, 0, "with something behind it");
		for (i = 0; i < 64; i++)
			ASSERT_EQ(argument.bytes[row->bytes + i], 0xa5);
	}
}

TEST_F(source, a_reserved_field_that_is_not_zero_is_refused)
{
	struct argument argument;
	const struct row *row;
	int fd, i, bit;

	FOR_EACH_ROW(row) {
		for (i = 0; i < 4 && row->zero_at[i]; i++) {
			for (bit = 0; bit < 32; bit += 3) {
				fd = prepare(row, &argument);
				put_u32(&argument, row->zero_at[i], 1U << bit);
				expect(_metadata, fd, row, &argument, -EINVAL, "reserved");
			}
		}
	}
}

TEST_F(source, an_argument_that_cannot_be_read_is_refused)
{
	unsigned char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct argument argument;
	const struct row *row;
	unsigned char *last;
	int fd;

	ASSERT_NE(page, MAP_FAILED);
	ASSERT_EQ(munmap(page + 4096, 4096), 0);
	FOR_EACH_ROW(row) {
		fd = prepare(row, &argument);
		EXPECT_EQ(call(fd, row->number, NULL), -EFAULT);
		last = page + 4096 - row->bytes + 4;
		memcpy(last, &row->bytes, sizeof(row->bytes));
		EXPECT_EQ(call(fd, row->number, last), -EFAULT)
			TH_LOG("%s", row->name);
		close(fd);
	}
}

TEST_F(source, an_export_that_cannot_be_told_leaves_no_dma_buf)
{
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct row *row = rows;
	struct argument argument;
	int fd, files;

	while (row->number != NDMA_STREAM_EXPORT)
		row++;

	ASSERT_NE(page, MAP_FAILED);
	fd = prepare(row, &argument);
	files = open_files();
	memcpy(page, &argument, row->bytes);
	ASSERT_EQ(mprotect(page, 4096, PROT_READ), 0);
	EXPECT_EQ(call(fd, row->number, page), -EFAULT);
	EXPECT_EQ(open_files(), files);
	EXPECT_EQ(stream_stats(fd).exported_frames, 0);
	close(fd);
}

TEST_F_TIMEOUT(source, random_bytes_get_an_answer_that_is_listed, 300)
{
	uint64_t state = 0x9e3779b97f4a7c15;
	struct argument argument;
	const struct row *row;
	int fd, files = open_files(), round, ret;

	FOR_EACH_ROW(row) {
		for (round = 0; round < RANDOM_ROUNDS; round++) {
			fd = prepare(row, &argument);
			scramble(&argument, row->bytes, &state);
			if (row->number == NDMA_STREAM_SETUP)
				argument.setup.samples = little_or_absurd(argument.setup.samples);
			ret = call(fd, row->number, &argument);
			ASSERT_TRUE(!ret || errno_is_listed(-ret))
				TH_LOG("%s, round %d: %d", row->name, round, ret);
			if (!ret && row->number == NDMA_STREAM_EXPORT)
				close(argument.export.fd);
			close(fd);
			ASSERT_EQ(files, open_files());
		}
	}
}

TEST_F(source, an_unknown_call_is_refused)
{
	const unsigned long numbers[] = { 0, _IO(NDMA_IOC_TYPE, 0x3f), NDMA_HEAP_INFO,
					  NDMA_BUFFER_ALLOC, ~0UL };
	struct argument argument = { 0 };
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		EXPECT_EQ(call(self->fd, numbers[i], &argument), -ENOTTY);
	EXPECT_LT(read(self->fd, &argument, 16), 0);
	EXPECT_LT(write(self->fd, &argument, 16), 0);
	EXPECT_EQ(lseek(self->fd, 0, SEEK_SET), -1);
}

TEST_HARNESS_MAIN
