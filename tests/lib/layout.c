// SPDX-License-Identifier: GPL-2.0-only
/* Layouts: what the library computes, and what it refuses as the kernel would. */
#include "lib.h"

TEST(a_flat_layout_is_that_many_bytes)
{
	struct ndma_layout layout;

	ndma_layout_flat(&layout, 1000);
	EXPECT_EQ(1000, ndma_layout_size(&layout));
	EXPECT_EQ(1, layout.itemsize);
	EXPECT_EQ(1, layout.ndim);
	EXPECT_STREQ("B", layout.format);
	EXPECT_TRUE(ndma_layout_is_c_contiguous(&layout));
	EXPECT_EQ(0, ndma_layout_check(&layout, 1000));
	EXPECT_EQ(-ERANGE, ndma_layout_check(&layout, 999));
}

TEST(strides_are_in_c_order)
{
	uint64_t shape[3] = { 2, 3, 4 };
	struct ndma_layout layout;

	ASSERT_DONE(ndma_layout_init(&layout, "<f", 4, 3, shape));
	EXPECT_EQ(48, layout.strides[0]);
	EXPECT_EQ(16, layout.strides[1]);
	EXPECT_EQ(4, layout.strides[2]);
	EXPECT_EQ(24, ndma_layout_size(&layout));
}

TEST(no_dimensions_are_one_element)
{
	struct ndma_layout layout;
	uint64_t bytes;

	ASSERT_DONE(ndma_layout_init(&layout, "<d", 8, 0, NULL));
	EXPECT_EQ(1, ndma_layout_size(&layout));
	ASSERT_DONE(ndma_layout_span(&layout, &bytes));
	EXPECT_EQ(8, bytes);
}

TEST(an_empty_layout_needs_one_byte)
{
	uint64_t shape[2] = { 0, 7 };
	struct ndma_layout layout;
	uint64_t bytes;

	ASSERT_DONE(ndma_layout_init(&layout, "B", 1, 2, shape));
	EXPECT_EQ(0, ndma_layout_size(&layout));
	EXPECT_TRUE(ndma_layout_is_c_contiguous(&layout));
	ASSERT_DONE(ndma_layout_span(&layout, &bytes));
	EXPECT_EQ(1, bytes);
}

TEST(a_span_reaches_to_the_last_byte_of_any_stride)
{
	struct ndma_layout layout = {
		.itemsize = 2,
		.ndim = 2,
		.offset = 30,
		.shape = { 4, 2 },
		.strides = { -10, 100 },
		.format = "<h",
	};
	uint64_t bytes;

	ASSERT_DONE(ndma_layout_span(&layout, &bytes));
	EXPECT_EQ(132, bytes);
	EXPECT_EQ(0, ndma_layout_check(&layout, 132));
	EXPECT_EQ(-ERANGE, ndma_layout_check(&layout, 131));
	EXPECT_FALSE(ndma_layout_is_c_contiguous(&layout));
	layout.offset = 29;
	EXPECT_EQ(-ERANGE, ndma_layout_span(&layout, &bytes));
	ASSERT_WORDS("outside");
}

TEST(bad_layouts_are_refused_with_words_and_nothing_is_written)
{
	uint64_t huge[2] = { 1ULL << 32, 1ULL << 32 };
	uint64_t shape[NDMA_NDIM_MAX + 1] = { 0 };
	struct ndma_layout layout, before;
	char format[NDMA_FORMAT_MAX + 1];

	memset(format, 'x', NDMA_FORMAT_MAX);
	format[NDMA_FORMAT_MAX] = 0;
	memset(&layout, 0x5a, sizeof(layout));
	before = layout;
	EXPECT_EQ(-EINVAL, ndma_layout_init(&layout, "B", 0, 0, NULL));
	ASSERT_WORDS("itemsize");
	EXPECT_EQ(-EINVAL, ndma_layout_init(&layout, "B", 1, NDMA_NDIM_MAX + 1, shape));
	ASSERT_WORDS("33 dimensions");
	EXPECT_EQ(-EINVAL, ndma_layout_init(&layout, format, 1, 0, NULL));
	ASSERT_WORDS("256 characters");
	EXPECT_EQ(-EOVERFLOW, ndma_layout_init(&layout, "B", 1, 2, huge));
	ASSERT_WORDS("64 bits");
	EXPECT_EQ(0, memcmp(&layout, &before, sizeof(layout)));
	EXPECT_EQ(-EINVAL, ndma_layout_check(&layout, 4096));
}

TEST(strides_of_single_elements_do_not_matter_to_contiguity)
{
	struct ndma_layout layout = {
		.itemsize = 4,
		.ndim = 2,
		.shape = { 1, 8 },
		.strides = { -999, 4 },
		.format = "<i",
	};

	EXPECT_TRUE(ndma_layout_is_c_contiguous(&layout));
	layout.shape[0] = 2;
	EXPECT_FALSE(ndma_layout_is_c_contiguous(&layout));
}

TEST_HARNESS_MAIN
