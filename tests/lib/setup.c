// SPDX-License-Identifier: GPL-2.0-only
/* Which setups are refused, and how many bytes the others take: ndma_setup.h, and both backends by it. */
#include "ndma_setup.h"
#include "stream.h"

#define HALF (1ULL << 63)

static const struct ndma_format_desc formats[] = {
	{ .format = "<h", .itemsize = 2, .bits = 16, .orders = 3 },
	{ .format = "<i", .itemsize = 4, .bits = 24, .orders = NDMA_ORDER_INTERLEAVED },
	{ .format = "b", .itemsize = 1, .bits = 8, .orders = 3 },
	{ .format = "<h", .itemsize = 2, .bits = 16, .orders = 3, .flags = NDMA_FORMAT_IQ },
	{ .format = "B", .itemsize = UINT32_MAX, .bits = 8, .orders = 3, .flags = NDMA_FORMAT_IQ },
};

static const struct ndma_setup_limits small = {
	.formats = 5,
	.channels = 8,
	.frames_min = 2,
	.frames_max = 4096,
	.frame_bytes_max = 256 << 20,
	.samples_step = 4,
};

/* A source that would do anything that can be counted. */
static const struct ndma_setup_limits boundless = {
	.formats = 5,
	.channels = UINT32_MAX,
	.frames_max = UINT32_MAX,
	.frame_bytes_max = UINT64_MAX,
};

static const struct ndma_setup_memory pages_of_4k = {
	.page_bytes = 4096,
	.guard_bytes = 2 << 20,
	.piece_bytes = 2 << 20,
};

static const struct ndma_setup_memory pages_of_16k = {
	.page_bytes = 16384,
	.guard_bytes = 2 << 20,
	.piece_bytes = 32 << 20,
};

/* All three steps. */
static int plan(const struct ndma_setup_limits *limits, const struct ndma_setup_memory *memory,
		struct ndma_stream_setup *setup, struct ndma_setup_verdict *verdict)
{
	const struct ndma_format_desc *format =
		ndma_setup_format(formats, limits->formats, setup->format);
	int rc;

	memset(verdict, 0, sizeof(*verdict)); /* what it has between its members too */
	rc = ndma_setup_check_stream(limits, setup, verdict);
	if (!rc)
		rc = ndma_setup_check_frame(limits, format, setup, verdict);
	if (!rc)
		rc = ndma_setup_measure(limits, memory, format, setup, verdict);
	return rc;
}

#define GOOD                                                                     \
	.direction = NDMA_FROM_DEVICE, .frames = 16, .order = NDMA_ORDER_PLANAR, \
	.node = NDMA_NODE_ANY, .samples = 1000

/* Each is good but for what follows GOOD. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct {
	const char *what;
	int error;
	struct ndma_setup_verdict verdict;
	struct ndma_stream_setup setup;
} rows[] = {
#define ROW(what, error, rule, value, min, max, step, nearest, ...)                      \
	{                                                                                \
		what, error, { NDMA_SETUP_RULE_##rule, value, min, max, step, nearest }, \
		{                                                                        \
			GOOD, __VA_ARGS__                                                \
		}                                                                        \
	}
	ROW("another flag", -EINVAL, FLAGS, 2, 0, 1, 1, 1, .flags = 2),
	ROW("a flag and another", -EINVAL, FLAGS, 3, 0, 1, 1, 1, .flags = 3),
	ROW("controls of descriptor 0", 0, NONE, 0, 0, 0, 0, 0, .flags = NDMA_SETUP_CONTROLS),
	ROW("controls that no flag asks for", -EINVAL, FLAGS, 7, 0, 0, 1, 0, .controls_fd = 7),
	ROW("no direction", -EINVAL, DIRECTION, 0, 1, 1, 1, 1, .direction = 0),
	ROW("to the device", -EOPNOTSUPP, DIRECTION, 2, 1, 1, 1, 1, .direction = NDMA_TO_DEVICE),
	ROW("both ways", -EOPNOTSUPP, DIRECTION, 3, 1, 1, 1, 1, .direction = NDMA_BOTH),
	ROW("another direction", -EINVAL, DIRECTION, 4, 1, 1, 1, 1, .direction = 4),
	ROW("another policy", -EINVAL, POLICY, 2, 0, 1, 1, 1, .policy = 2),
	ROW("a guard that sleeps", -EINVAL, GUARD, 1, 0, 2, 1, 1, .guard = NDMA_GUARD_BLOCK),
	ROW("another guard", -EINVAL, GUARD, 3, 0, 2, 1, 2, .guard = 3),
	ROW("one frame", -EINVAL, FRAMES, 1, 2, 4096, 1, 2, .frames = 1),
	ROW("no frame", -EINVAL, FRAMES, 0, 2, 4096, 1, 2, .frames = 0),
	ROW("fewest frames", 0, NONE, 0, 0, 0, 0, 0, .frames = 2),
	ROW("most frames", 0, NONE, 0, 0, 0, 0, 0, .frames = 4096),
	ROW("a frame too many", -EINVAL, FRAMES, 4097, 2, 4096, 1, 4096, .frames = 4097),
	ROW("2^32 - 1 frames", -EINVAL, FRAMES, UINT32_MAX, 2, 4096, 1, 4096, .frames = UINT32_MAX),
	ROW("the last format", 0, NONE, 0, 0, 0, 0, 0, .format = 3),
	ROW("a format too far", -EINVAL, FORMAT, 5, 0, 4, 1, 4, .format = 5),
	ROW("2^32 - 1 as a format", -EINVAL, FORMAT, UINT32_MAX, 0, 4, 1, 4, .format = UINT32_MAX),
	ROW("no order", -EINVAL, ORDER, 0, 1, 3, 1, 1, .order = 0),
	ROW("two orders", -EINVAL, ORDER, 3, 1, 3, 1, 3, .order = 3),
	ROW("an order that the format has not", -EINVAL, ORDER, 1, 2, 2, 1, 2, .format = 1),
	ROW("another order", -EINVAL, ORDER, 4, 1, 3, 1, 3, .order = 4),
	ROW("the highest bit as an order", -EINVAL, ORDER, HALF >> 32, 1, 3, 1, 3,
	    .order = HALF >> 32),
	ROW("all channels", 0, NONE, 0, 0, 0, 0, 0, .channels = 8),
	ROW("a channel too many", -EINVAL, CHANNELS, 9, 0, 8, 1, 8, .channels = 9),
	ROW("2^32 - 1 channels", -EINVAL, CHANNELS, UINT32_MAX, 0, 8, 1, 8, .channels = UINT32_MAX),
	ROW("no samples", -EINVAL, STEP, 0, 4, 16 << 20, 4, 4, .samples = 0),
	ROW("one sample", -EINVAL, STEP, 1, 4, 16 << 20, 4, 4, .samples = 1),
	ROW("one below a multiple", -EINVAL, STEP, 999, 4, 16 << 20, 4, 1000, .samples = 999),
	ROW("one above a multiple", -EINVAL, STEP, 1001, 4, 16 << 20, 4, 1000, .samples = 1001),
	ROW("fewest samples", 0, NONE, 0, 0, 0, 0, 0, .samples = 4),
	ROW("most samples", 0, NONE, 0, 0, 0, 0, 0, .samples = 16 << 20),
	ROW("a step too many", -EINVAL, BYTES, (16 << 20) + 4, 4, 16 << 20, 4, 16 << 20,
	    .samples = (16 << 20) + 4),
	ROW("no multiple, and far too many", -EINVAL, STEP, (1ULL << 40) + 3, 4, 16 << 20, 4,
	    16 << 20, .samples = (1ULL << 40) + 3),
	ROW("one channel has room for more", 0, NONE, 0, 0, 0, 0, 0, .channels = 1,
	    .samples = 128 << 20),
	ROW("I/Q takes twice as much", -EINVAL, BYTES, 16 << 20, 4, 8 << 20, 4, 8 << 20,
	    .format = 3, .samples = 16 << 20),
	ROW("2^59 - 4 samples of 16 bytes are 2^63 - 64 bytes", -EINVAL, BYTES, (1ULL << 59) - 4, 4,
	    16 << 20, 4, 16 << 20, .samples = (1ULL << 59) - 4),
	ROW("2^59 samples of 16 bytes are 2^63 bytes", -EOVERFLOW, COUNT, 1ULL << 59, 4, 16 << 20,
	    4, 16 << 20, .samples = 1ULL << 59),
	ROW("2^60 samples of 16 bytes are 2^64 bytes", -EOVERFLOW, COUNT, 1ULL << 60, 4, 16 << 20,
	    4, 16 << 20, .samples = 1ULL << 60),
	ROW("2^63 samples", -EOVERFLOW, COUNT, HALF, 4, 16 << 20, 4, 16 << 20, .samples = HALF),
	ROW("2^64 - 4 samples", -EOVERFLOW, COUNT, UINT64_MAX - 3, 4, 16 << 20, 4, 16 << 20,
	    .samples = UINT64_MAX - 3),
	ROW("2^64 - 1 samples", -EINVAL, STEP, UINT64_MAX, 4, 16 << 20, 4, 16 << 20,
	    .samples = UINT64_MAX),
#undef ROW
};
#pragma GCC diagnostic pop

TEST(the_first_rule_that_is_broken_is_told_with_what_would_do)
{
	struct ndma_setup_verdict verdict;
	struct ndma_stream_setup setup;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		setup = rows[i].setup;
		EXPECT_EQ(rows[i].error, plan(&small, &pages_of_4k, &setup, &verdict))
		{
			TH_LOG("%s", rows[i].what);
		}
		EXPECT_EQ(0, memcmp(&rows[i].verdict, &verdict, sizeof(verdict)))
		{
			TH_LOG("%s: rule %d, value %llx, %llx to %llx by %llx, nearest %llx",
			       rows[i].what, verdict.rule, verdict.value, verdict.min, verdict.max,
			       verdict.step, verdict.nearest);
		}
	}
}

TEST(what_would_do_does)
{
	struct ndma_setup_verdict verdict;
	struct ndma_stream_setup setup;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		setup = rows[i].setup;
		if (rows[i].verdict.rule == NDMA_SETUP_RULE_FRAMES)
			setup.frames = (uint32_t)rows[i].verdict.nearest;
		else if (rows[i].verdict.rule >= NDMA_SETUP_RULE_STEP)
			setup.samples = rows[i].verdict.nearest;
		else
			continue;
		EXPECT_EQ(0, plan(&small, &pages_of_4k, &setup, &verdict))
		{
			TH_LOG("%s", rows[i].what);
		}
	}
}

/* What a source without bounds is asked for, and whether it can be counted. */
static const struct {
	uint64_t samples;
	uint32_t format, channels, frames;
	int error;
	enum ndma_setup_rule rule;
} counts[] = {
	{ (1ULL << 62) - 2048, 0, 1, 1, 0, 0 },
	{ 1ULL << 62, 0, 1, 1, -EOVERFLOW, NDMA_SETUP_RULE_COUNT },
	{ HALF - 1, 2, 1, 1, -EOVERFLOW, NDMA_SETUP_RULE_TOTAL }, /* by rounding to pages */
	{ HALF - 4096, 2, 1, 1, 0, 0 },
	{ HALF - 4095, 2, 1, 1, -EOVERFLOW, NDMA_SETUP_RULE_TOTAL },
	{ HALF, 2, 1, 1, -EOVERFLOW, NDMA_SETUP_RULE_COUNT },
	{ UINT64_MAX, 2, 1, 1, -EOVERFLOW, NDMA_SETUP_RULE_COUNT },
	{ (1ULL << 43) - 4096, 2, 1, 1U << 20, 0, 0 },
	{ (1ULL << 43) - 4095, 2, 1, 1U << 20, -EOVERFLOW, NDMA_SETUP_RULE_TOTAL },
	{ 1ULL << 43, 2, 1, 1U << 20, -EOVERFLOW, NDMA_SETUP_RULE_TOTAL },
	{ 1ULL << 44, 2, 1, 1U << 20, -EOVERFLOW, NDMA_SETUP_RULE_TOTAL },
	/* The rings: 2^26 entries of 64 bytes are 2^32 bytes. */
	{ 1, 2, 1, 1U << 25, 0, 0 },
	{ 1, 2, 1, (1U << 25) + 1, -EOVERFLOW, NDMA_SETUP_RULE_TOTAL },
	{ 1, 2, 1, UINT32_MAX, -EOVERFLOW, NDMA_SETUP_RULE_TOTAL },
	/* (2^32 - 1)^2 bytes fit, twice as many do not. */
	{ 1, 4, 1, 1, 0, 0 },
	{ 1, 4, UINT32_MAX, 1, -EOVERFLOW, NDMA_SETUP_RULE_COUNT },
	{ UINT64_MAX, 4, UINT32_MAX, 1, -EOVERFLOW, NDMA_SETUP_RULE_COUNT },
	{ 1ULL << 31, 0, UINT32_MAX, 1, -EOVERFLOW, NDMA_SETUP_RULE_COUNT },
	{ 1ULL << 30, 0, UINT32_MAX, 1, 0, 0 },
};

TEST(no_count_of_bytes_wraps)
{
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct ndma_stream_setup setup = {
			.direction = NDMA_FROM_DEVICE,
			.order = NDMA_ORDER_PLANAR,
			.frames = counts[i].frames,
			.format = counts[i].format,
			.channels = counts[i].channels,
			.samples = counts[i].samples,
		};
		struct ndma_setup_verdict verdict;

		EXPECT_EQ(counts[i].error, plan(&boundless, &pages_of_4k, &setup, &verdict))
		{
			TH_LOG("row %zu", i);
		}
		EXPECT_EQ(counts[i].rule, verdict.rule)
		{
			TH_LOG("row %zu", i);
		}
		if (counts[i].error)
			continue;
		EXPECT_LE(setup.frame_bytes, setup.frame_stride);
		EXPECT_EQ(setup.data_bytes / setup.frames, setup.frame_stride);
		EXPECT_LE(setup.frames, setup.entries);
		EXPECT_EQ(0, ndma_layout_check(&setup.layout, setup.frame_bytes));
		EXPECT_EQ(-ERANGE, ndma_layout_check(&setup.layout, setup.frame_bytes - 1));
	}
}

/* Frames of so many bytes, and from one to the next. */
static const struct {
	const struct ndma_setup_memory *memory;
	uint32_t frames, guard, contiguous;
	uint64_t bytes, stride;
} strides[] = {
	{ &pages_of_4k, 16, 0, 0, 1, 4096 },
	{ &pages_of_4k, 16, 0, 0, 4096, 4096 },
	{ &pages_of_4k, 16, 0, 0, 4097, 8192 },
	{ &pages_of_4k, 16, 0, 0, (2 << 20) + 1, (2 << 20) + 4096 },
	{ &pages_of_16k, 16, 0, 0, 1, 16384 },
	{ &pages_of_16k, 16, 0, 0, 16385, 32768 },
	/* What a guard takes away is 2 MiB, whatever a page is. */
	{ &pages_of_4k, 16, NDMA_GUARD_SIGBUS, 0, 1, 2 << 20 },
	{ &pages_of_4k, 16, NDMA_GUARD_SIGBUS, 0, 2 << 20, 2 << 20 },
	{ &pages_of_4k, 16, NDMA_GUARD_SIGBUS, 0, (2 << 20) + 1, 4 << 20 },
	{ &pages_of_16k, 16, NDMA_GUARD_SIGBUS, 0, 1, 2 << 20 },
	{ &pages_of_16k, 16, NDMA_GUARD_SIGBUS, 0, (32 << 20) + 1, 34 << 20 },
	/* In one piece: none crosses the end of one, as far as that can be. */
	{ &pages_of_4k, 16, 0, 1, 1, 4096 },
	{ &pages_of_4k, 16, 0, 1, 4097, 8192 },
	{ &pages_of_4k, 16, 0, 1, 8193, 16384 },
	{ &pages_of_4k, 16, 0, 1, (1 << 20) + 1, 2 << 20 },
	{ &pages_of_4k, 16, 0, 1, 2 << 20, 2 << 20 },
	{ &pages_of_4k, 16, 0, 1, (2 << 20) + 1, (2 << 20) + 4096 },
	{ &pages_of_16k, 16, 0, 1, (2 << 20) + 1, 4 << 20 },
	{ &pages_of_16k, 16, 0, 1, (17 << 20) + 1, 32 << 20 },
	{ &pages_of_4k, 16, NDMA_GUARD_SIGBUS, 1, 8193, 2 << 20 },
	{ &pages_of_4k, 1, 0, 1, 8193, 12288 }, /* a fill begins at byte 0 */
};

TEST(frames_have_pages_of_their_own_and_what_the_guard_and_the_card_ask_for)
{
	struct ndma_setup_verdict verdict;
	size_t i;

	for (i = 0; i < sizeof(strides) / sizeof(*strides); i++) {
		struct ndma_setup_memory memory = *strides[i].memory;
		struct ndma_stream_setup setup = {
			.direction = NDMA_FROM_DEVICE,
			.order = NDMA_ORDER_PLANAR,
			.frames = strides[i].frames,
			.guard = strides[i].guard,
			.format = 2,
			.channels = 1,
			.samples = strides[i].bytes,
		};

		memory.contiguous = strides[i].contiguous;
		ASSERT_EQ(0, plan(&boundless, &memory, &setup, &verdict));
		EXPECT_EQ(strides[i].bytes, setup.frame_bytes);
		EXPECT_EQ(strides[i].stride, setup.frame_stride)
		{
			TH_LOG("row %zu", i);
		}
		EXPECT_EQ(strides[i].stride * strides[i].frames, setup.data_bytes);
	}
}

TEST(rings_have_a_power_of_two_of_entries_and_whole_pages)
{
	static const struct {
		uint32_t frames, entries;
	} sizes[] = { { 1, 1 }, { 2, 2 },       { 3, 4 },      { 4, 4 },
		      { 5, 8 }, { 4096, 4096 }, { 4097, 8192 } };
	uint32_t entries, completions, releases;
	uint64_t page;
	size_t i;

	for (page = 4096; page <= 65536; page *= 4) {
		for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			ASSERT_EQ(0, ndma_setup_measure_rings(sizes[i].frames, 64, page, &entries,
							      &completions, &releases));
			EXPECT_EQ(sizes[i].entries, entries);
			EXPECT_EQ(0, completions % page);
			EXPECT_EQ(0, releases % page);
			EXPECT_LE(64 + entries * 64, completions);
			EXPECT_GT(64 + entries * 64 + page, completions);
			EXPECT_LE(128 + entries * 4, releases);
			EXPECT_GT(128 + entries * 4 + page, releases);
		}
	}
	entries = 7;
	EXPECT_EQ(-EOVERFLOW,
		  ndma_setup_measure_rings(1U << 31, 64, 4096, &entries, &completions, &releases));
	EXPECT_EQ(7, entries);
}

TEST(strides_tell_planar_from_interleaved)
{
	static const struct {
		uint32_t order, format;
		int64_t strides[3];
	} layouts[] = {
		{ NDMA_ORDER_PLANAR, 0, { 2000, 2 } },
		{ NDMA_ORDER_INTERLEAVED, 0, { 2, 6 } },
		{ NDMA_ORDER_PLANAR, 3, { 4000, 4, 2 } },
		{ NDMA_ORDER_INTERLEAVED, 3, { 4, 12, 2 } },
	};
	struct ndma_setup_verdict verdict;
	size_t i;

	for (i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
		struct ndma_stream_setup setup = { GOOD, .channels = 3 };
		const struct ndma_layout *layout = &setup.layout;

		setup.order = layouts[i].order;
		setup.format = layouts[i].format;
		memset(&setup.layout, 0xff, sizeof(setup.layout));
		ASSERT_EQ(0, plan(&small, &pages_of_4k, &setup, &verdict));
		EXPECT_EQ(layouts[i].format == 3 ? 3 : 2, layout->ndim);
		EXPECT_EQ(3, layout->shape[0]);
		EXPECT_EQ(1000, layout->shape[1]);
		EXPECT_EQ(layouts[i].format == 3 ? 2 : 0, layout->shape[2]);
		EXPECT_EQ(0, memcmp(layout->strides, layouts[i].strides, sizeof(int64_t[3])));
		EXPECT_STREQ("<h", layout->format);
		EXPECT_EQ(0, ndma_layout_check(layout, setup.frame_bytes));
	}
}

/* ---------------------------------------------------------------- both backends */

TEST_F(sim, what_a_source_cannot_do_is_refused_alike_and_with_words)
{
	static const struct {
		int error;
		struct ndma_stream_options options;
		const char *words;
	} refused[] = {
		{ -EINVAL, { .samples = 64, .frames = 1 }, "1 frames: sim0 takes 2 to 65536" },
		{ -EINVAL,
		  { .samples = 64, .frames = 65537 },
		  "65537 frames: sim0 takes 2 to 65536" },
		{ -EINVAL, { .samples = 64, .channels = 9 }, "9 channels: sim0 has 8" },
		{ -EINVAL, { .samples = 64, .order = 3 }, "memory order 3: sim0 makes samples of" },
		{ -EINVAL, { .samples = 64, .policy = 2 }, "policy 2: expected NDMA_POLICY_DROP" },
		{ -EINVAL,
		  { .samples = 64, .guard = NDMA_GUARD_BLOCK },
		  "guard 1 of a stream: expected NDMA_GUARD_NONE" },
		{ -EINVAL, { .samples = 0 }, "multiples of 1; the nearest is 1" },
		{ -EINVAL,
		  { .samples = 1ULL << 32 },
		  "all channels of format \"<h\" a frame: sim0" },
		{ -EINVAL,
		  { .samples = 1ULL << 32, .channels = 1 },
		  "of 1 channels of format \"<h\" a frame: sim0 takes at most 134217728" },
		{ -EOVERFLOW,
		  { .samples = 1ULL << 59 },
		  "63 bits do not count: sim0 takes at most" },
		{ -EOVERFLOW, { .samples = UINT64_MAX }, "sim0 takes at most 16777216" },
	};
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		self->options = refused[i].options;
		self->options.node = NDMA_NODE_ANY;
		EXPECT_EQ(refused[i].error,
			  ndma_stream_create(self->source, &self->options, &self->stream));
		ASSERT_WORDS(refused[i].words);
	}
}

TEST_F(sim, the_outputs_are_those_of_the_rules)
{
	const struct ndma_setup_limits limits = {
		.formats = 5,
		.channels = 8,
		.frames_min = 2,
		.frames_max = 65536,
		.frame_bytes_max = 256 << 20,
	};
	const struct ndma_setup_memory memory = {
		.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
		.guard_bytes = 2 << 20,
	};
	const struct ndma_stream_setup *got;
	struct ndma_setup_verdict verdict;
	struct ndma_stream_setup setup;
	uint32_t guard;

	for (guard = NDMA_GUARD_NONE; guard <= NDMA_GUARD_SIGBUS; guard += NDMA_GUARD_SIGBUS) {
		self->options.guard = guard;
		self->options.samples = 12345;
		self->options.frames = 5;
		ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
		got = ndma_stream_setup(self->stream);
		setup = *got;
		ASSERT_EQ(0, plan(&limits, &memory, &setup, &verdict));
		EXPECT_EQ(setup.frame_bytes, got->frame_bytes);
		EXPECT_EQ(setup.frame_stride, got->frame_stride);
		EXPECT_LE(setup.data_bytes, got->data_bytes);
		EXPECT_EQ(setup.entries, got->entries);
		EXPECT_EQ(setup.completions_bytes, got->completions_bytes);
		EXPECT_EQ(setup.releases_bytes, got->releases_bytes);
		EXPECT_EQ(0, memcmp(&setup.layout, &got->layout, sizeof(setup.layout)));
		ndma_stream_free(self->stream);
		self->stream = NULL;
	}
}

TEST_HARNESS_MAIN
