// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layouts in the kernel: what is valid, what is refused and why, and that they stay put.
 */
#include <limits.h>

#include "test.h"

#define BYTES 4096
#define HALF (1ULL << 63)
#define FULL UINT64_MAX

/**
 * struct row - a layout and what the kernel says to it
 * @what: why it is here
 * @error: expected
 * @layout: over a buffer of BYTES bytes
 */
struct row {
	const char *what;
	int error;
	struct ndma_layout layout;
};

static const struct row rows[] = {
	{ "all bytes", 0, { 1, 1, 0, { BYTES }, { 1 }, "B" } },
	{ "a scalar", 0, { 8, 0, 0, {}, {}, "d" } },
	{ "a scalar at the very end", 0, { 8, 0, BYTES - 8, {}, {}, "d" } },
	{ "a scalar one byte further", -ERANGE, { 8, 0, BYTES - 7, {}, {}, "d" } },
	{ "a scalar as large as the buffer", 0, { BYTES, 0, 0, {}, {}, "4096s" } },
	{ "a scalar larger than the buffer", -ERANGE, { BYTES + 1, 0, 0, {}, {}, "4097s" } },
	{ "C order", 0, { 4, 2, 0, { 32, 32 }, { 128, 4 }, "<f" } },
	{ "Fortran order", 0, { 4, 2, 0, { 32, 32 }, { 4, 128 }, "<f" } },
	{ "one row too many", -ERANGE, { 4, 2, 0, { 33, 32 }, { 128, 4 }, "<f" } },
	{ "reversed", 0, { 1, 1, BYTES - 1, { BYTES }, { -1 }, "B" } },
	{ "reversed from the start", -ERANGE, { 1, 1, 0, { 2 }, { -1 }, "B" } },
	{ "reversed one too far", -ERANGE, { 1, 1, BYTES - 2, { BYTES }, { -1 }, "B" } },
	{ "both ways at once", 0, { 1, 2, 63, { 64, 2 }, { -1, 64 }, "B" } },
	{ "both ways, out below", -ERANGE, { 1, 2, 62, { 64, 2 }, { -1, 64 }, "B" } },
	{ "overlapping windows", 0, { 2, 2, 0, { 100, 8 }, { 2, 2 }, "<h" } },
	{ "broadcast", 0, { 8, 1, 0, { 1 << 20 }, { 0 }, "d" } },
	{ "a single element's stride does not matter", 0, { 1, 1, 0, { 1 }, { LLONG_MIN }, "B" } },
	{ "empty", 0, { 8, 2, 0, { 0, 1 << 20 }, { 1 << 20, 8 }, "d" } },
	{ "empty at the end", 0, { 8, 1, BYTES, { 0 }, { 8 }, "d" } },
	{ "empty behind the end", -ERANGE, { 8, 1, BYTES + 1, { 0 }, { 8 }, "d" } },
	{ "empty with an absurd length", -EOVERFLOW, { 8, 2, 0, { 0, HALF }, { 8, 8 }, "d" } },
	{ "no itemsize", -EINVAL, { 0, 1, 0, { 1 }, { 1 }, "B" } },
	{ "33 dimensions", -EINVAL, { 1, 33, 0, { 1 }, { 1 }, "B" } },
	{ "a billion dimensions", -EINVAL, { 1, UINT_MAX, 0, { 1 }, { 1 }, "B" } },
	{ "a shape behind the last dimension", -EINVAL, { 1, 1, 0, { 1, 1 }, { 1 }, "B" } },
	{ "a stride behind the last dimension", -EINVAL, { 1, 1, 0, { 1 }, { 1, 1 }, "B" } },
	{ "a product that overflows", -EOVERFLOW, { 1, 2, 0, { HALF, 2 }, { 0, 0 }, "B" } },
	{ "a product beyond signed", -EOVERFLOW, { 1, 1, 0, { HALF }, { 0 }, "B" } },
	{ "a length beyond signed", -EOVERFLOW, { 1, 1, 0, { FULL }, { 1 }, "B" } },
	{ "a reach that overflows", -EOVERFLOW, { 1, 1, 0, { 4 }, { LLONG_MAX }, "B" } },
	{ "a reach that overflows below", -EOVERFLOW, { 1, 1, 0, { 4 }, { LLONG_MIN }, "B" } },
	{ "a reach that adds up to overflow", -EOVERFLOW,
	  { 1, 3, 0, { 2, 2, 3 }, { LLONG_MAX, LLONG_MAX, 1 }, "B" } },
	{ "an offset that overflows", -EOVERFLOW, { 1, 1, FULL, { 2 }, { 1 }, "B" } },
	{ "an offset outside", -ERANGE, { 1, 1, BYTES, { 1 }, { 1 }, "B" } },
	{ "nothing in the format", 0, { 1, 1, 0, { 1 }, { 1 }, "" } },
	{ "a format of bytes that mean nothing", 0, { 1, 1, 0, { 1 }, { 1 }, "\xff\x01%n" } },
};

FIXTURE(layout)
{
	int heap;
	int fd;
};

FIXTURE_SETUP(layout)
{
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
	self->fd = heap_alloc(self->heap, BYTES);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(layout)
{
	close(self->fd);
	close(self->heap);
}

TEST_F(layout, what_fits_is_kept_and_what_does_not_changes_nothing)
{
	struct ndma_layout now, before = layout_bytes(BYTES);
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ASSERT_EQ(layout_set(self->heap, self->fd, &before), 0);
		EXPECT_EQ(layout_set(self->heap, self->fd, &rows[i].layout), rows[i].error)
			TH_LOG("%s", rows[i].what);
		ASSERT_EQ(layout_get(self->heap, self->fd, &now), 0);
		EXPECT_EQ(memcmp(&now, rows[i].error ? &before : &rows[i].layout, sizeof(now)), 0)
			TH_LOG("%s", rows[i].what);
	}
}

TEST_F(layout, an_allocation_judges_its_layout_alike)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ndma_buffer_alloc alloc = alloc_of(BYTES);
		uint64_t used = heap_info(self->heap).used_bytes;

		alloc.layout = (uintptr_t)&rows[i].layout;
		EXPECT_EQ(call(self->heap, NDMA_BUFFER_ALLOC, &alloc), rows[i].error)
			TH_LOG("%s", rows[i].what);
		if (!rows[i].error)
			close(alloc.fd);
		EXPECT_EQ(heap_info(self->heap).used_bytes, used);
	}
}

TEST_F(layout, an_allocation_with_an_unreadable_layout_is_refused)
{
	struct ndma_buffer_alloc alloc = alloc_of(BYTES);

	alloc.layout = 8;
	EXPECT_EQ(heap_alloc_as(self->heap, &alloc), -EFAULT);
}

TEST_F(layout, thirty_two_dimensions_are_fine)
{
	struct ndma_layout layout = { .itemsize = 1, .ndim = 32, .format = "B" };
	int i;

	for (i = 0; i < 32; i++) {
		layout.shape[i] = i < 12 ? 2 : 1;
		layout.strides[i] = i < 12 ? 1 << i : 0;
	}
	EXPECT_EQ(layout_set(self->heap, self->fd, &layout), 0);
	layout.shape[12] = 2;
	layout.strides[12] = 1;
	EXPECT_EQ(layout_set(self->heap, self->fd, &layout), -ERANGE);
}

TEST_F(layout, a_format_must_end_and_hold_nothing_behind_its_end)
{
	struct ndma_layout layout = layout_bytes(BYTES);

	memset(layout.format, 'B', NDMA_FORMAT_MAX);
	EXPECT_EQ(layout_set(self->heap, self->fd, &layout), -EINVAL);
	layout.format[NDMA_FORMAT_MAX - 1] = 0;
	EXPECT_EQ(layout_set(self->heap, self->fd, &layout), 0);
	layout.format[10] = 0;
	EXPECT_EQ(layout_set(self->heap, self->fd, &layout), -EINVAL);
}

TEST_F(layout, the_padding_behind_the_bytes_asked_for_is_out_of_range)
{
	struct ndma_layout layout = layout_bytes(101);
	int fd = heap_alloc(self->heap, 100);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(layout_set(self->heap, fd, &layout), -ERANGE);
	layout.shape[0] = 100;
	EXPECT_EQ(layout_set(self->heap, fd, &layout), 0);
	close(fd);
}

TEST_F(layout, another_process_gets_it_from_the_descriptor)
{
	struct ndma_layout layout = { 4, 2, 0, { 32, 32 }, { 128, 4 }, "<f" }, seen;
	struct peer peer;

	ASSERT_EQ(layout_set(self->heap, self->fd, &layout), 0);
	if (!peer_fork(&peer)) {
		int heap = heap_open();

		_exit(layout_get(heap, self->fd, &seen) ||
		      memcmp(&layout, &seen, sizeof(layout)));
	}
	EXPECT_EQ(peer_join(&peer), 0);
}

TEST_F(layout, a_read_only_handle_shows_it_and_cannot_set_it)
{
	struct ndma_layout layout = layout_bytes(100), seen;
	int fd = buffer_readonly(self->heap, self->fd);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(layout_set(self->heap, fd, &layout), -EPERM);
	EXPECT_EQ(layout_set(self->heap, self->fd, &layout), 0);
	EXPECT_EQ(layout_get(self->heap, fd, &seen), 0);
	EXPECT_EQ(memcmp(&layout, &seen, sizeof(layout)), 0);
	close(fd);
}

TEST_HARNESS_MAIN
