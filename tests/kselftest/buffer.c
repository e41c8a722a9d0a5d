// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation: sizes, contents, what is charged and given back.
 */
#include <sys/sysinfo.h>

#include "test.h"

FIXTURE(buffer)
{
	int heap;
	uint64_t used;
};

FIXTURE_SETUP(buffer)
{
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
	self->used = heap_info(self->heap).used_bytes;
}

FIXTURE_TEARDOWN(buffer)
{
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used);
	close(self->heap);
}

TEST_F(buffer, the_heap_tells_what_it_offers)
{
	struct ndma_heap_info info = heap_info(self->heap);

	EXPECT_EQ(info.abi, NDMA_ABI_VERSION);
	EXPECT_EQ(info.page_bytes, sysconf(_SC_PAGESIZE));
	/* As large as one table of page table entries maps. */
	EXPECT_EQ(info.huge_bytes, PAGE_BYTES / 8 * PAGE_BYTES);
	EXPECT_GT(info.leases_max, 0);
	EXPECT_GT(info.quota_bytes, 0);
	EXPECT_LE(info.fence_max_ns, 10 * SECOND_NS);
}

TEST_F(buffer, a_capacity_is_whole_pages_and_then_whole_huge_pages)
{
	const uint64_t page = PAGE_BYTES, huge = heap_info(self->heap).huge_bytes;
	const struct {
		uint64_t bytes, capacity;
	} rows[] = {
		{ 1, page }, { page, page }, { page + 1, 2 * page }, { 16 * page + 1, 17 * page },
		{ huge - 1, huge }, { huge - page - 1, huge - page },
		{ huge, huge }, { huge + 1, 2 * huge }, { 2 * huge + huge / 2, 3 * huge },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = heap_alloc(self->heap, rows[i].bytes);
		struct ndma_buffer_info info;

		ASSERT_GE(fd, 0);
		info = buffer_info(self->heap, fd);
		EXPECT_EQ(info.bytes, rows[i].bytes);
		EXPECT_EQ(info.capacity, rows[i].capacity);
		EXPECT_EQ(lseek(fd, 0, SEEK_END), rows[i].capacity);
		EXPECT_EQ(info.owner, NDMA_OWNER_CPU);
		EXPECT_EQ(info.flags & ~NDMA_BUFFER_CONTIGUOUS, 0);
		EXPECT_EQ(heap_info(self->heap).used_bytes, self->used + rows[i].capacity);
		close(fd);
	}
}

TEST_F(buffer, absurd_sizes_are_refused)
{
	EXPECT_EQ(heap_alloc(self->heap, 0), -EINVAL);
	EXPECT_EQ(heap_alloc(self->heap, 1ULL << 63), -ENOMEM);
	EXPECT_EQ(heap_alloc(self->heap, UINT64_MAX), -ENOMEM);
	EXPECT_EQ(heap_alloc(self->heap, 1ULL << 50), -ENOMEM);
	EXPECT_EQ(heap_alloc_flags(self->heap, 1ULL << 50, NDMA_BUFFER_CONTIGUOUS), -EOPNOTSUPP);
}

TEST_F(buffer, more_than_memory_is_refused_and_kills_nobody)
{
	struct sysinfo info;

	ASSERT_EQ(sysinfo(&info), 0);
	EXPECT_EQ(heap_alloc(self->heap, (uint64_t)info.totalram * info.mem_unit * 4), -ENOMEM);
	EXPECT_EQ(heap_alloc(self->heap, (uint64_t)info.totalram * info.mem_unit * 3 / 4), -EDQUOT);
}

TEST_F(buffer, a_node_that_does_not_exist_is_refused)
{
	const int nodes[] = { -2, 1023, 1 << 20, INT32_MAX, INT32_MIN };
	size_t i;

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		struct ndma_buffer_alloc alloc = alloc_of(1);

		alloc.node = nodes[i];
		EXPECT_EQ(heap_alloc_as(self->heap, &alloc), -EINVAL);
	}
}

TEST_F(buffer, a_node_that_exists_is_where_the_memory_is)
{
	struct ndma_buffer_alloc alloc = alloc_of(1);

	alloc.node = 0;
	ASSERT_GE(heap_alloc_as(self->heap, &alloc), 0);
	EXPECT_EQ(buffer_info(self->heap, alloc.fd).node, 0);
	close(alloc.fd);
}

TEST_F(buffer, a_source_that_is_none_is_refused)
{
	const int fds[] = { -2, 1000, self->heap, 0 };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		EXPECT_EQ(heap_alloc_for(self->heap, fds[i], 1), -EBADF);
}

TEST_F(buffer, its_memory_is_zeroed_though_it_was_used_before)
{
	const size_t sizes[] = { PAGE_BYTES, 65536, 5 * MIB };
	size_t i, at;
	int round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			int fd = heap_alloc(self->heap, sizes[i]);
			size_t bytes = buffer_info(self->heap, fd).capacity;
			unsigned char *data = buffer_map(self->heap, fd, bytes,
							 PROT_READ | PROT_WRITE);

			ASSERT_NE(data, MAP_FAILED);
			for (at = 0; at < bytes; at++)
				ASSERT_EQ(data[at], 0);
			memset(data, 0xa5, bytes);
			munmap(data, bytes);
			close(fd);
		}
	}
}

TEST_F(buffer, a_contiguous_one_is_at_most_one_page_of_the_highest_order)
{
	/* Order 10 of 4 KiB, 11 of 16 KiB. */
	const uint64_t most = PAGE_BYTES == 4096 ? 4 * MIB : 32 * MIB;
	int fd = heap_alloc_flags(self->heap, 5 * PAGE_BYTES, NDMA_BUFFER_CONTIGUOUS);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(buffer_info(self->heap, fd).capacity, 8 * PAGE_BYTES);
	EXPECT_EQ(buffer_info(self->heap, fd).flags, NDMA_BUFFER_CONTIGUOUS);
	close(fd);
	fd = heap_alloc_flags(self->heap, most, NDMA_BUFFER_CONTIGUOUS);
	ASSERT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(heap_alloc_flags(self->heap, most + 1, NDMA_BUFFER_CONTIGUOUS), -EOPNOTSUPP);
}

TEST_F(buffer, memory_is_charged_until_the_last_reference_is_gone)
{
	int fd = heap_alloc(self->heap, HUGE_BYTES), copy = dup(fd);
	int readonly = buffer_readonly(self->heap, fd);
	void *data = buffer_map(self->heap, fd, HUGE_BYTES, PROT_READ);
	int64_t lease = lease_acquire(self->heap, fd, NDMA_READ);

	ASSERT_NE(data, MAP_FAILED);
	close(fd);
	close(copy);
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used + HUGE_BYTES);
	close(readonly);
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used + HUGE_BYTES);
	munmap(data, HUGE_BYTES);
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used + HUGE_BYTES);
	EXPECT_EQ(lease_release(self->heap, lease), 0);
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used);
}

TEST_F(buffer, a_descriptor_is_closed_on_exec_only_if_asked)
{
	struct ndma_buffer_alloc alloc = alloc_of(1);
	int fd = heap_alloc(self->heap, 1);

	alloc.fd_flags = 0;
	ASSERT_GE(heap_alloc_as(self->heap, &alloc), 0);
	EXPECT_EQ(fcntl(alloc.fd, F_GETFD), 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(alloc.fd);
	close(fd);
}

TEST_F(buffer, no_descriptor_left_is_an_error_that_leaves_nothing)
{
	struct rlimit limit;

	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = self->heap + 1;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	EXPECT_EQ(heap_alloc(self->heap, PAGE_BYTES), -EMFILE);
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used);
}

TEST_F_TIMEOUT(buffer, ten_thousand_of_them_live_and_die, 900)
{
	enum { COUNT = 10000 };
	void **data = calloc(COUNT, sizeof(*data));
	int fd, i;

	ASSERT_NE(data, NULL);
	for (i = 0; i < COUNT; i++) {
		fd = heap_alloc(self->heap, 1);
		ASSERT_GE(fd, 0);
		data[i] = buffer_map(self->heap, fd, PAGE_BYTES, PROT_READ);
		ASSERT_NE(data[i], MAP_FAILED);
		close(fd);
	}
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used + COUNT * PAGE_BYTES);
	for (i = 0; i < COUNT; i++)
		munmap(data[i], PAGE_BYTES);
	free(data);
}

TEST(its_id_is_that_of_all_its_handles_and_of_no_other)
{
	int heap = heap_open(), other = heap_open(), fd = heap_alloc(heap, 1);
	int another = heap_alloc(heap, 1), copy = dup(fd), readonly = buffer_readonly(heap, fd);
	uint64_t id = buffer_info(heap, fd).id;

	EXPECT_NE(id, 0);
	EXPECT_EQ(buffer_info(other, copy).id, id);
	EXPECT_EQ(buffer_info(other, readonly).id, id);
	EXPECT_NE(buffer_info(heap, another).id, id);
	close(readonly);
	close(copy);
	close(another);
	close(fd);
	close(other);
	close(heap);
}

TEST_HARNESS_MAIN
