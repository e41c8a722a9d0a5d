// SPDX-License-Identifier: GPL-2.0-only
/* Buffers: memory, layout, mapping, handles. */
#include "buffer.h"

TEST_F(buffer, a_new_one_is_zero_and_as_large_as_its_layout)
{
	const char *data;
	void *address;
	size_t i;

	EXPECT_EQ(12000, ndma_buffer_bytes(self->buffer));
	EXPECT_STREQ(variant->backend, ndma_buffer_backend(self->buffer));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &address));
	data = address;
	for (i = 0; i < 12000 && !data[i]; i++)
		;
	EXPECT_EQ(12000, i);
}

TEST_F(buffer, its_layout_comes_back_and_can_be_set)
{
	struct ndma_layout layout;

	ASSERT_DONE(ndma_buffer_layout(self->buffer, &layout));
	EXPECT_EQ(0, memcmp(&layout, &self->layout, sizeof(layout)));
	ndma_layout_flat(&layout, 12000);
	ASSERT_DONE(ndma_buffer_set_layout(self->buffer, &layout));
	memset(&layout, 0, sizeof(layout));
	ASSERT_DONE(ndma_buffer_layout(self->buffer, &layout));
	EXPECT_STREQ("B", layout.format);
	EXPECT_EQ(12000, layout.shape[0]);
}

TEST_F(buffer, a_layout_that_does_not_fit_changes_nothing)
{
	struct ndma_layout layout;

	ndma_layout_flat(&layout, 12001);
	EXPECT_EQ(-ERANGE, ndma_buffer_set_layout(self->buffer, &layout));
	ASSERT_WORDS("12000");
	ASSERT_DONE(ndma_buffer_layout(self->buffer, &layout));
	EXPECT_EQ(0, memcmp(&layout, &self->layout, sizeof(layout)));
}

TEST_F(buffer, what_is_written_through_one_mapping_is_read_through_the_other)
{
	void *read, *write, *again;

	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &read));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, &write));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &again));
	EXPECT_NE(read, write);
	EXPECT_EQ(read, again);
	strcpy((char *)write + 11000, "across");
	EXPECT_STREQ("across", (char *)read + 11000);
}

TEST_F_SIGNAL(buffer, a_mapping_to_read_cannot_be_written_through, SIGSEGV)
{
	void *address;

	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &address));
	*(volatile char *)address = 1;
}

TEST_F(buffer, a_mapping_ends_once)
{
	void *address;

	EXPECT_EQ(-EINVAL, ndma_buffer_unmap(self->buffer, NDMA_READ));
	ASSERT_WORDS("not mapped");
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &address));
	ASSERT_DONE(ndma_buffer_unmap(self->buffer, NDMA_READ));
	EXPECT_EQ(-1, msync(address, 4096, MS_ASYNC));
	EXPECT_EQ(-EINVAL, ndma_buffer_unmap(self->buffer, NDMA_READ));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &address));
}

TEST_F(buffer, importing_its_descriptor_gives_the_same_memory_and_layout)
{
	struct ndma_buffer *other;
	struct ndma_layout layout;
	void *mine, *theirs;

	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &other));
	EXPECT_NE(ndma_buffer_fd(self->buffer), ndma_buffer_fd(other));
	EXPECT_EQ(12000, ndma_buffer_bytes(other));
	EXPECT_STREQ(variant->backend, ndma_buffer_backend(other));
	ASSERT_DONE(ndma_buffer_layout(other, &layout));
	EXPECT_EQ(0, memcmp(&layout, &self->layout, sizeof(layout)));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, &mine));
	ASSERT_DONE(ndma_buffer_map(other, NDMA_READ, &theirs));
	strcpy(mine, "seen");
	EXPECT_STREQ("seen", (char *)theirs);
	ndma_buffer_close(other);
}

TEST_F(buffer, memory_outlives_the_object_that_made_it)
{
	struct ndma_buffer *other;
	void *address;

	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, &address));
	strcpy(address, "still here");
	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &other));
	ndma_buffer_close(self->buffer);
	self->buffer = other;
	ASSERT_DONE(ndma_buffer_map(other, NDMA_READ, &address));
	EXPECT_STREQ("still here", address);
}

TEST_F(buffer, importing_with_another_layout_is_refused)
{
	struct ndma_buffer *other = NULL;
	struct ndma_layout flat;

	ndma_layout_flat(&flat, 12000);
	EXPECT_EQ(-EINVAL, ndma_buffer_import(ndma_buffer_fd(self->buffer), &flat, &other));
	ASSERT_WORDS("<i");
	EXPECT_EQ(NULL, other);
	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), &self->layout, &other));
	ndma_buffer_close(other);
}

TEST_F(buffer, a_read_only_handle_reads_and_cannot_write)
{
	struct ndma_layout layout;
	struct ndma_buffer *other;
	uint32_t id;
	void *address, *mine;
	int fd;

	fd = ndma_buffer_readonly_fd(self->buffer);
	ASSERT_DONE(fd);
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &other));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, &mine));
	ASSERT_DONE(ndma_buffer_map(other, NDMA_READ, &address));
	strcpy(mine, "shown");
	EXPECT_STREQ("shown", address);
	EXPECT_EQ(-EPERM, ndma_buffer_map(other, NDMA_WRITE, &address));
	ASSERT_WORDS("read-only");
	EXPECT_EQ(-EPERM, ndma_lease_acquire(other, NDMA_WRITE, &id));
	ASSERT_DONE(ndma_buffer_layout(other, &layout));
	EXPECT_EQ(-EPERM, ndma_buffer_set_layout(other, &layout));
	EXPECT_EQ(-EPERM,
		  ndma_transfer_begin(other, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0, SECOND_NS, &id));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	ASSERT_DONE(ndma_lease_acquire(other, NDMA_READ, &id));
	ndma_buffer_close(other);
	close(fd);
}

TEST_F(buffer, wrong_arguments_are_refused_with_words)
{
	struct ndma_buffer_options options = NDMA_BUFFER_OPTIONS_INIT;
	struct ndma_buffer *none = NULL;
	struct ndma_layout layout = self->layout;
	void *address;
	int ends[2];

	EXPECT_EQ(-EINVAL, ndma_buffer_map(self->buffer, 0, &address));
	EXPECT_EQ(-EINVAL, ndma_buffer_map(self->buffer, 3, &address));
	EXPECT_EQ(-EINVAL, ndma_buffer_sync_begin(self->buffer, 7));
	options.flags = 0x80;
	EXPECT_EQ(-EINVAL, ndma_buffer_create(&layout, &options, &none));
	ASSERT_WORDS("0x80");
	layout.itemsize = 0;
	EXPECT_EQ(-EINVAL, ndma_buffer_create(&layout, NULL, &none));
	EXPECT_EQ(-EBADF, ndma_buffer_import(-1, NULL, &none));
	EXPECT_EQ(-EBADF, ndma_buffer_import(9999, NULL, &none));
	ASSERT_WORDS("9999");
	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(-EBADF, ndma_buffer_import(ends[0], NULL, &none));
	ASSERT_WORDS("neither");
	EXPECT_EQ(NULL, none);
	ndma_buffer_close(NULL);
}

TEST_F(buffer, more_than_there_is_is_no_memory)
{
	struct ndma_buffer *none = NULL;
	struct ndma_layout layout;
	int rc;

	ndma_layout_flat(&layout, 1ULL << 62);
	rc = ndma_buffer_create(&layout, NULL, &none);
	TH_LOG("%d: %s", rc, ndma_error());
	EXPECT_TRUE(rc == -ENOMEM || rc == -EDQUOT || rc == -EINVAL || rc == -EFBIG);
	EXPECT_EQ(NULL, none);
	EXPECT_NE(0, *ndma_error());
}

TEST_F(buffer, a_large_one_is_mapped_where_huge_pages_fit)
{
	struct ndma_buffer *large;
	struct ndma_layout layout;
	void *address;

	ndma_layout_flat(&layout, 8 << 20);
	ASSERT_DONE(ndma_buffer_create(&layout, NULL, &large));
	ASSERT_DONE(ndma_buffer_map(large, NDMA_WRITE, &address));
	EXPECT_EQ(0, (uintptr_t)address % (2 << 20));
	memset(address, 1, 8 << 20);
	ndma_buffer_close(large);
}

TEST_F(buffer, syncing_is_harmless_on_ones_own)
{
	ASSERT_DONE(ndma_buffer_sync_begin(self->buffer, NDMA_WRITE));
	ASSERT_DONE(ndma_buffer_sync_end(self->buffer, NDMA_WRITE));
	ASSERT_DONE(ndma_buffer_sync_begin(self->buffer, NDMA_READ));
	ASSERT_DONE(ndma_buffer_sync_end(self->buffer, NDMA_READ));
}

TEST_HARNESS_MAIN
