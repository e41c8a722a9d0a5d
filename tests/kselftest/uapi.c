// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call of the heap with every argument that is not one: a clean errno, and nothing changed.
 */
#include "abi.h"
#include "heap.h"

#define ARGUMENT_ROOM 8192
#define UNKNOWN_CALL _IO(NDMA_IOC_TYPE, 0x1f)
#define NO_FIELD (~0U)
#define RANDOM_ROUNDS 500

/**
 * struct row - one call
 * @number: its number
 * @bytes: size of its argument
 * @fd_at: offset of the descriptor of a buffer, or NO_FIELD
 * @zero_at: offsets of 32-bit fields that must be 0, ended by 0
 * @flag_at: offsets of 32-bit fields with flags, ended by 0
 */
struct row {
	const char *name;
	unsigned long number;
	uint32_t bytes;
	uint32_t fd_at;
	uint32_t zero_at[4];
	uint32_t flag_at[4];
};

#define ROW(call, type) .name = #call, .number = call, .bytes = sizeof(struct type)
#define FIELD(type, member) offsetof(struct type, member)

static const struct row rows[] = {
	{ ROW(NDMA_HEAP_INFO, ndma_heap_info), .fd_at = NO_FIELD,
	  .zero_at = { FIELD(ndma_heap_info, flags) } },
	{ ROW(NDMA_BUFFER_ALLOC, ndma_buffer_alloc), .fd_at = NO_FIELD,
	  .flag_at = { FIELD(ndma_buffer_alloc, flags), FIELD(ndma_buffer_alloc, fd_flags) } },
	{ ROW(NDMA_BUFFER_INFO, ndma_buffer_info), .fd_at = FIELD(ndma_buffer_info, fd),
	  .zero_at = { FIELD(ndma_buffer_info, flags) } },
	{ ROW(NDMA_BUFFER_GET_LAYOUT, ndma_buffer_layout), .fd_at = FIELD(ndma_buffer_layout, fd),
	  .zero_at = { FIELD(ndma_buffer_layout, flags), FIELD(ndma_buffer_layout, reserved) } },
	{ ROW(NDMA_BUFFER_SET_LAYOUT, ndma_buffer_layout), .fd_at = FIELD(ndma_buffer_layout, fd),
	  .zero_at = { FIELD(ndma_buffer_layout, flags), FIELD(ndma_buffer_layout, reserved) } },
	{ ROW(NDMA_BUFFER_READONLY_HANDLE, ndma_buffer_readonly),
	  .fd_at = FIELD(ndma_buffer_readonly, fd),
	  .zero_at = { FIELD(ndma_buffer_readonly, flags), FIELD(ndma_buffer_readonly, reserved) },
	  .flag_at = { FIELD(ndma_buffer_readonly, fd_flags) } },
	{ ROW(NDMA_BUFFER_HOLDERS, ndma_buffer_holders), .fd_at = FIELD(ndma_buffer_holders, fd),
	  .zero_at = { FIELD(ndma_buffer_holders, flags) } },
	{ ROW(NDMA_LEASE_ACQUIRE, ndma_lease_acquire), .fd_at = FIELD(ndma_lease_acquire, fd),
	  .zero_at = { FIELD(ndma_lease_acquire, flags), FIELD(ndma_lease_acquire, reserved) } },
	{ ROW(NDMA_LEASE_RELEASE, ndma_lease_release), .fd_at = NO_FIELD },
	{ ROW(NDMA_LEASE_REVOKE, ndma_lease_revoke), .fd_at = FIELD(ndma_lease_revoke, fd),
	  .zero_at = { FIELD(ndma_lease_revoke, flags) } },
	{ ROW(NDMA_TRANSFER_BEGIN, ndma_transfer_begin), .fd_at = FIELD(ndma_transfer_begin, fd),
	  .flag_at = { FIELD(ndma_transfer_begin, flags) } },
	{ ROW(NDMA_TRANSFER_END, ndma_transfer_end), .fd_at = FIELD(ndma_transfer_end, fd),
	  .zero_at = { FIELD(ndma_transfer_end, flags) } },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
#define FOR_EACH_ROW(row) for (row = rows; row < rows + ROWS; row++)

/**
 * struct argument - an argument with room for a tail
 * @bytes: the argument
 */
struct argument {
	union {
		struct ndma_buffer_alloc alloc;
		struct ndma_buffer_layout layout;
		struct ndma_buffer_readonly readonly;
		struct ndma_lease_acquire lease;
		struct ndma_lease_release release;
		struct ndma_transfer_begin begin;
		struct ndma_transfer_end end;
		uint32_t size;
		unsigned char bytes[ARGUMENT_ROOM];
	};
};

FIXTURE(uapi)
{
	int heap;
	int fd;
	int64_t lease;
	int64_t transfer;
	struct argument argument;
};

FIXTURE_SETUP(uapi)
{
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
	self->fd = heap_alloc(self->heap, 4096);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(uapi)
{
	close(self->fd);
	close(self->heap);
}

static void put_u32(struct argument *argument, uint32_t at, uint32_t value)
{
	memcpy(argument->bytes + at, &value, sizeof(value));
}

/* An argument with which the call succeeds, once. */
static void prepare(struct _test_data_uapi *self, const struct row *row)
{
	struct argument *argument = &self->argument;

	memset(argument, 0, sizeof(*argument));
	argument->size = row->bytes;
	if (row->fd_at != NO_FIELD)
		put_u32(argument, row->fd_at, self->fd);
	switch (row->number) {
	case NDMA_BUFFER_ALLOC:
		argument->alloc.bytes = 4096;
		argument->alloc.node = NDMA_NODE_ANY;
		argument->alloc.source_fd = -1;
		break;
	case NDMA_BUFFER_SET_LAYOUT:
		argument->layout.layout = layout_bytes(4096);
		break;
	case NDMA_LEASE_ACQUIRE:
		argument->lease.access = NDMA_READ;
		break;
	case NDMA_LEASE_RELEASE:
		self->lease = lease_acquire(self->heap, self->fd, NDMA_READ);
		argument->release.lease = self->lease;
		break;
	case NDMA_TRANSFER_BEGIN:
		argument->begin.direction = NDMA_FROM_DEVICE;
		argument->begin.timeout_ns = 100 * SECOND_NS;
		break;
	case NDMA_TRANSFER_END:
		self->transfer = transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE,
						NDMA_GUARD_NONE, 0, 100 * SECOND_NS);
		argument->end.transfer = self->transfer;
		break;
	}
}

/* Puts back what the call did, or what preparing it did if it was @refused. */
static void undo(struct _test_data_uapi *self, const struct row *row, bool refused)
{
	const struct argument *argument = &self->argument;

	switch (row->number) {
	case NDMA_BUFFER_ALLOC:
		if (!refused)
			close(argument->alloc.fd);
		break;
	case NDMA_BUFFER_READONLY_HANDLE:
		if (!refused)
			close(argument->readonly.out_fd);
		break;
	case NDMA_LEASE_ACQUIRE:
		if (!refused)
			lease_release(self->heap, argument->lease.lease);
		break;
	case NDMA_LEASE_RELEASE:
		if (refused)
			lease_release(self->heap, self->lease);
		break;
	case NDMA_TRANSFER_BEGIN:
		if (!refused)
			transfer_end(self->heap, self->fd, argument->begin.transfer);
		break;
	case NDMA_TRANSFER_END:
		if (refused)
			transfer_end(self->heap, self->fd, self->transfer);
		break;
	}
}

/* Calls with the argument as it is; complains unless it fails with @error and changes nothing. */
static void expect(struct __test_metadata *_metadata, struct _test_data_uapi *self,
		   const struct row *row, int error, const char *what)
{
	struct ndma_buffer_info before = buffer_info(self->heap, self->fd), after;
	uint64_t used = heap_info(self->heap).used_bytes;
	int files = open_files();
	int ret = call(self->heap, row->number, &self->argument);

	EXPECT_EQ(ret, error)
		TH_LOG("%s, %s", row->name, what);
	if (ret) {
		after = buffer_info(self->heap, self->fd);
		EXPECT_EQ(memcmp(&before, &after, sizeof(before)), 0)
			TH_LOG("%s, %s: the buffer changed", row->name, what);
		EXPECT_EQ(used, heap_info(self->heap).used_bytes);
		EXPECT_EQ(files, open_files());
	}
	undo(self, row, ret);
}

TEST_F(uapi, every_call_works_with_its_own_argument)
{
	const struct row *row;

	FOR_EACH_ROW(row) {
		prepare(self, row);
		expect(_metadata, self, row, 0, "as it is");
	}
}

TEST_F(uapi, a_short_argument_is_refused)
{
	const struct row *row;
	uint32_t size;

	FOR_EACH_ROW(row) {
		for (size = 0; size < row->bytes; size++) {
			prepare(self, row);
			self->argument.size = size;
			expect(_metadata, self, row, -EINVAL, "short");
		}
	}
}

TEST_F(uapi, a_longer_argument_with_a_zero_tail_is_accepted)
{
	const struct row *row;

	FOR_EACH_ROW(row) {
		prepare(self, row);
		self->argument.size = row->bytes + 64;
		expect(_metadata, self, row, 0, "longer");
	}
}

TEST_F(uapi, a_non_zero_tail_is_refused)
{
	const struct row *row;

	FOR_EACH_ROW(row) {
		prepare(self, row);
		self->argument.size = row->bytes + 64;
		self->argument.bytes[row->bytes + 63] = 1;
		expect(_metadata, self, row, -E2BIG, "non-zero tail");
	}
}

TEST_F(uapi, an_absurdly_long_argument_is_refused)
{
	const uint32_t sizes[] = { 4097, 1 << 30, UINT32_MAX };
	const struct row *row;
	size_t i;

	FOR_EACH_ROW(row) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			prepare(self, row);
			self->argument.size = sizes[i];
			expect(_metadata, self, row, -E2BIG, "absurdly long");
		}
	}
}

TEST_F(uapi, an_output_goes_no_further_than_the_size)
{
	const struct row *row;
	uint32_t i;

	FOR_EACH_ROW(row) {
		prepare(self, row);
		memset(self->argument.bytes + row->bytes, 0xa5, 64);
		expect(_metadata, self, row, 0, "with something behind it");
		for (i = 0; i < 64; i++)
			ASSERT_EQ(self->argument.bytes[row->bytes + i], 0xa5);
	}
}

TEST_F(uapi, an_argument_that_cannot_be_read_is_refused)
{
	unsigned char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct row *row;
	unsigned char *last;

	ASSERT_NE(page, MAP_FAILED);
	ASSERT_EQ(munmap(page + 4096, 4096), 0);
	FOR_EACH_ROW(row) {
		EXPECT_EQ(call(self->heap, row->number, NULL), -EFAULT)
			TH_LOG("%s", row->name);
		/* All but the last four bytes. */
		last = page + 4096 - row->bytes + 4;
		memcpy(last, &row->bytes, sizeof(row->bytes));
		EXPECT_EQ(call(self->heap, row->number, last), -EFAULT)
			TH_LOG("%s", row->name);
	}
}

TEST_F(uapi, an_answer_that_cannot_be_written_leaves_nothing_behind)
{
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const unsigned long makers[] = { NDMA_BUFFER_ALLOC, NDMA_BUFFER_READONLY_HANDLE,
					 NDMA_LEASE_ACQUIRE, NDMA_TRANSFER_BEGIN };
	uint64_t used = heap_info(self->heap).used_bytes;
	int files = open_files();
	struct ndma_buffer_info info;
	const struct row *row;
	size_t i;

	ASSERT_NE(page, MAP_FAILED);
	FOR_EACH_ROW(row) {
		for (i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
			if (row->number != makers[i])
				continue;
			prepare(self, row);
			ASSERT_EQ(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
			memcpy(page, &self->argument, row->bytes);
			ASSERT_EQ(mprotect(page, 4096, PROT_READ), 0);
			EXPECT_EQ(call(self->heap, row->number, page), -EFAULT)
				TH_LOG("%s", row->name);
		}
	}
	info = buffer_info(self->heap, self->fd);
	EXPECT_EQ(info.owner, NDMA_OWNER_CPU);
	EXPECT_EQ(info.own_leases, 0);
	EXPECT_EQ(used, heap_info(self->heap).used_bytes);
	EXPECT_EQ(files, open_files());
}

TEST_F(uapi, a_reserved_field_that_is_not_zero_is_refused)
{
	const struct row *row;
	int i, bit;

	FOR_EACH_ROW(row) {
		for (i = 0; i < 4 && row->zero_at[i]; i++) {
			for (bit = 0; bit < 32; bit++) {
				prepare(self, row);
				put_u32(&self->argument, row->zero_at[i], 1U << bit);
				expect(_metadata, self, row, -EINVAL, "reserved");
			}
		}
	}
}

TEST_F(uapi, an_unknown_flag_is_refused)
{
	const struct row *row;
	int i, bit;

	FOR_EACH_ROW(row) {
		for (i = 0; i < 4 && row->flag_at[i]; i++) {
			for (bit = 1; bit < 32; bit++) {
				if (1U << bit == O_CLOEXEC)
					continue;
				prepare(self, row);
				put_u32(&self->argument, row->flag_at[i], 1U << bit);
				expect(_metadata, self, row, -EINVAL, "flag");
			}
		}
	}
}

TEST_F_TIMEOUT(uapi, random_bytes_get_an_answer_that_is_listed, 300)
{
	uint64_t used = heap_info(self->heap).used_bytes, state = 0x9e3779b97f4a7c15;
	int files = open_files(), round, ret;
	const struct row *row;

	FOR_EACH_ROW(row) {
		for (round = 0; round < RANDOM_ROUNDS; round++) {
			prepare(self, row);
			scramble(&self->argument, row->bytes, &state);
			if (row->fd_at != NO_FIELD && random_word(&state) & 1)
				put_u32(&self->argument, row->fd_at, self->fd);
			if (row->number == NDMA_BUFFER_ALLOC)
				self->argument.alloc.bytes =
					little_or_absurd(self->argument.alloc.bytes);
			ret = call(self->heap, row->number, &self->argument);
			ASSERT_TRUE(!ret || errno_is_listed(-ret))
				TH_LOG("%s, round %d: %d", row->name, round, ret);
			undo(self, row, ret);
			ASSERT_EQ(files, open_files());
		}
	}
	ASSERT_EQ(used, heap_info(self->heap).used_bytes);
	ASSERT_EQ(buffer_info(self->heap, self->fd).owner, NDMA_OWNER_CPU);
	ASSERT_EQ(buffer_info(self->heap, self->fd).own_leases, 0);
}

TEST_F(uapi, a_descriptor_that_is_no_buffer_is_refused)
{
	int fds[] = { -1, 1000000, INT32_MIN, -1, -1, -1 };
	const struct row *row;
	size_t i;

	fds[3] = open("/dev/null", O_RDWR);
	fds[4] = memfd_create("not a buffer", 0);
	fds[5] = self->heap;
	FOR_EACH_ROW(row) {
		if (row->fd_at == NO_FIELD)
			continue;
		for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
			prepare(self, row);
			put_u32(&self->argument, row->fd_at, fds[i]);
			expect(_metadata, self, row, -EBADF, "no buffer");
		}
	}
}

TEST_F(uapi, an_unknown_call_is_refused)
{
	unsigned long numbers[] = { 0, UNKNOWN_CALL, NDMA_SOURCE_INFO, NDMA_STREAM_SETUP,
				    _IOWR(NDMA_IOC_TYPE, 0, uint64_t), ~0UL };
	size_t i;

	memset(&self->argument, 0, sizeof(self->argument));
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		EXPECT_EQ(call(self->heap, numbers[i], &self->argument), -ENOTTY);
}

TEST_F(uapi, a_heap_opened_read_only_changes_nothing)
{
	int heap = open(NDMA_HEAP_PATH, O_RDONLY | O_CLOEXEC);
	struct ndma_layout layout = layout_bytes(16);

	ASSERT_GE(heap, 0);
	EXPECT_EQ(heap_alloc(heap, 4096), -EACCES);
	EXPECT_EQ(layout_set(heap, self->fd, &layout), -EACCES);
	EXPECT_EQ(lease_acquire(heap, self->fd, NDMA_WRITE), -EACCES);
	EXPECT_EQ(lease_revoke(heap, self->fd), -EACCES);
	EXPECT_EQ(transfer_begin(heap, self->fd, NDMA_FROM_DEVICE, 0, 0, SECOND_NS), -EACCES);
	EXPECT_EQ(transfer_end(heap, self->fd, 1), -EACCES);
	EXPECT_EQ(layout_get(heap, self->fd, &layout), 0);
	EXPECT_GT(lease_acquire(heap, self->fd, NDMA_READ), 0);
	EXPECT_EQ(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, heap,
		       (off_t)self->fd << NDMA_MMAP_FD_SHIFT), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_NE(buffer_map(heap, self->fd, 4096, PROT_READ), MAP_FAILED);
	close(heap);
}

TEST_HARNESS_MAIN
