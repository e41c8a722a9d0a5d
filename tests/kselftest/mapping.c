// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings: huge where they can be, ordinary memory everywhere, and never a way around the rules.
 */
#include <sys/uio.h>

#include "test.h"

#define RW (PROT_READ | PROT_WRITE)

FIXTURE(mapping)
{
	int heap;
	int fd;
	size_t bytes;
};

FIXTURE_VARIANT(mapping)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(mapping, huge)
{
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(mapping, medium)
{
	.bytes = 256 * 1024,
};

FIXTURE_VARIANT_ADD(mapping, page)
{
	.bytes = 8192,
};

FIXTURE_SETUP(mapping)
{
	self->bytes = variant->bytes < 2 * PAGE_BYTES ? 2 * PAGE_BYTES : variant->bytes;
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
	self->fd = heap_alloc(self->heap, self->bytes);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(mapping)
{
	close(self->fd);
	close(self->heap);
}

static void touch(volatile char *data, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += PAGE_BYTES)
		data[at] = at / PAGE_BYTES + 1;
}

static bool is_touched(const volatile char *data, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += PAGE_BYTES) {
		if (data[at] != (char)(at / PAGE_BYTES + 1))
			return false;
	}
	return true;
}

TEST_F(mapping, touching_all_of_it_takes_no_more_faults_than_huge_pages)
{
	char *data = buffer_map(self->heap, self->fd, self->bytes, RW);
	long before = minor_faults();

	ASSERT_NE(data, MAP_FAILED);
	touch(data, self->bytes);
	EXPECT_LE(minor_faults() - before, (long)(self->bytes / HUGE_BYTES));
	munmap(data, self->bytes);
}

TEST_F(mapping, the_dma_buf_maps_too)
{
	char *ours = buffer_map(self->heap, self->fd, self->bytes, RW);
	char *theirs = mmap(NULL, self->bytes, RW, MAP_SHARED, self->fd, 0);

	ASSERT_NE(ours, MAP_FAILED);
	ASSERT_NE(theirs, MAP_FAILED);
	touch(ours, self->bytes);
	EXPECT_TRUE(is_touched(theirs, self->bytes));
	munmap(theirs, self->bytes);
	theirs = mmap(NULL, PAGE_BYTES, RW, MAP_SHARED, self->fd, self->bytes - PAGE_BYTES);
	ASSERT_NE(theirs, MAP_FAILED);
	EXPECT_EQ(*theirs, (char)(self->bytes / PAGE_BYTES));
	munmap(theirs, PAGE_BYTES);
	munmap(ours, self->bytes);
}

TEST_F(mapping, it_works_at_any_address)
{
	char *room = mmap(NULL, self->bytes + 2 * HUGE_BYTES, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((uintptr_t)room | (HUGE_BYTES - 1)) + 1 + PAGE_BYTES);
	char *data = mmap(at, self->bytes, RW, MAP_SHARED | MAP_FIXED, self->fd, 0);

	ASSERT_EQ(data, at);
	touch(data, self->bytes);
	EXPECT_TRUE(is_touched(data, self->bytes));
	munmap(room, self->bytes + 2 * HUGE_BYTES);
}

TEST_F(mapping, data_outlives_the_heap_and_every_descriptor)
{
	char *data = buffer_map(self->heap, self->fd, self->bytes, RW);

	ASSERT_NE(data, MAP_FAILED);
	touch(data, self->bytes);
	close(self->fd);
	close(self->heap);
	EXPECT_TRUE(is_touched(data, self->bytes));
	touch(data, self->bytes);
	munmap(data, self->bytes);
}

TEST_F(mapping, what_is_not_the_whole_buffer_is_refused)
{
	off_t at = (off_t)self->fd << NDMA_MMAP_FD_SHIFT;

	EXPECT_EQ(mmap(NULL, self->bytes - PAGE_BYTES, RW, MAP_SHARED, self->heap, at), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, self->bytes + PAGE_BYTES, RW, MAP_SHARED, self->heap, at), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, self->bytes, RW, MAP_SHARED, self->heap, at + PAGE_BYTES), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, self->bytes, RW, MAP_PRIVATE, self->heap, at), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, self->bytes, PROT_READ, MAP_PRIVATE, self->fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, self->bytes + PAGE_BYTES, RW, MAP_SHARED, self->fd, 0), MAP_FAILED);
}

TEST_F(mapping, what_is_no_buffer_is_refused)
{
	const off_t fds[] = { self->heap, 1000, INT32_MAX, 1LL << 40, 0 };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		EXPECT_EQ(mmap(NULL, self->bytes, RW, MAP_SHARED, self->heap,
			       fds[i] << NDMA_MMAP_FD_SHIFT), MAP_FAILED);
		EXPECT_EQ(errno, fds[i] > INT32_MAX ? EINVAL : EBADF);
	}
}

TEST_F(mapping, a_child_shares_it)
{
	char *data = buffer_map(self->heap, self->fd, self->bytes, RW);
	struct peer peer;

	ASSERT_NE(data, MAP_FAILED);
	if (!peer_fork(&peer)) {
		touch(data, self->bytes);
		_exit(0);
	}
	EXPECT_EQ(peer_join(&peer), 0);
	EXPECT_TRUE(is_touched(data, self->bytes));
	munmap(data, self->bytes);
}

TEST_F(mapping, data_survives_moves_and_advice)
{
	char *data = buffer_map(self->heap, self->fd, self->bytes, RW), *moved;
	const int advice[] = { MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT, MADV_FREE, MADV_HUGEPAGE,
			       MADV_NOHUGEPAGE, MADV_REMOVE, MADV_WIPEONFORK, MADV_MERGEABLE,
			       MADV_POPULATE_WRITE };
	size_t i;

	ASSERT_NE(data, MAP_FAILED);
	touch(data, self->bytes);
	for (i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
		madvise(data, self->bytes, advice[i]);
		ASSERT_TRUE(is_touched(data, self->bytes));
		madvise(data + PAGE_BYTES, PAGE_BYTES, advice[i]);
		ASSERT_TRUE(is_touched(data, self->bytes));
	}
	moved = mremap(data, self->bytes, self->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		       data + 16 * MIB + PAGE_BYTES);
	ASSERT_NE(moved, MAP_FAILED);
	EXPECT_TRUE(is_touched(moved, self->bytes));
	EXPECT_EQ(mremap(moved, self->bytes, self->bytes + PAGE_BYTES, MREMAP_MAYMOVE), MAP_FAILED);
	EXPECT_EQ(munmap(moved, PAGE_BYTES), 0);
	EXPECT_EQ(mprotect(moved + PAGE_BYTES, PAGE_BYTES, PROT_READ), 0);
	EXPECT_EQ(moved[PAGE_BYTES], 2);
	munmap(moved, self->bytes);
}

TEST_F(mapping, the_kernel_reads_and_writes_it)
{
	char *data = buffer_map(self->heap, self->fd, self->bytes, RW);
	struct iovec local = { data, PAGE_BYTES };
	struct iovec remote = { data + self->bytes - PAGE_BYTES, PAGE_BYTES };
	int pipes[2];

	ASSERT_NE(data, MAP_FAILED);
	ASSERT_EQ(pipe(pipes), 0);
	touch(data, self->bytes);
	ASSERT_EQ(write(pipes[1], data, PAGE_BYTES), PAGE_BYTES);
	data[0] = 99;
	ASSERT_EQ(read(pipes[0], data, PAGE_BYTES), PAGE_BYTES);
	EXPECT_EQ(data[0], 1);
	ASSERT_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), PAGE_BYTES);
	EXPECT_EQ(data[0], (char)(self->bytes / PAGE_BYTES));
	ASSERT_EQ(vmsplice(pipes[1], &remote, 1, 0), PAGE_BYTES);
	ASSERT_EQ(read(pipes[0], data, PAGE_BYTES), PAGE_BYTES);
	EXPECT_EQ(data[0], (char)(self->bytes / PAGE_BYTES));
	munmap(data, self->bytes);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(mapping, pages_that_the_kernel_holds_outlive_the_buffer)
{
	char *data = buffer_map(self->heap, self->fd, self->bytes, RW), copy[4096];
	struct iovec local = { data, sizeof(copy) };
	int pipes[2];

	ASSERT_NE(data, MAP_FAILED);
	ASSERT_EQ(pipe(pipes), 0);
	data[0] = 42;
	ASSERT_EQ(vmsplice(pipes[1], &local, 1, 0), sizeof(copy));
	munmap(data, self->bytes);
	close(self->fd);
	close(self->heap);
	ASSERT_EQ(read(pipes[0], copy, sizeof(copy)), sizeof(copy));
	EXPECT_EQ(copy[0], 42);
}

/* A pipe counts a page, and keeps the whole chunk that it is part of. */
TEST_F(mapping, pages_that_the_kernel_holds_are_charged_until_they_are_let_go)
{
	char *data = buffer_map(self->heap, self->fd, self->bytes, RW), copy;
	struct iovec local = { data, 1 };
	uint64_t capacity = buffer_info(self->heap, self->fd).capacity;
	uint64_t rest = heap_info(self->heap).used_bytes - capacity;
	int pipes[2];

	ASSERT_NE(data, MAP_FAILED);
	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &local, 1, 0), 1);
	munmap(data, self->bytes);
	close(self->fd);
	EXPECT_GE(heap_info(self->heap).used_bytes, rest + PAGE_BYTES);
	EXPECT_LE(heap_info(self->heap).used_bytes, rest + capacity);
	ASSERT_EQ(read(pipes[0], &copy, 1), 1);
	EXPECT_EQ(heap_info(self->heap).used_bytes, rest);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_HARNESS_MAIN
