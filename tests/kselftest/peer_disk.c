// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk, as root: NVMe's own DMA takes buffers and frames from where they lie (O_DIRECT, io_uring)
 * and brings them back. The rig's --nvme is the disk, and what it holds is lost.
 */
#include <liburing.h>

#include "test.h"
#include "uapi/stream.h"

#include "ndma_sim.h"

#define DISK "/dev/nvme0n1"
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(disk)
{
	int heap;
	int fd;
	int disk;
	size_t bytes;
	uint32_t *data;
};

FIXTURE_VARIANT(disk)
{
	size_t bytes;
	bool through_dma_buf;
};

FIXTURE_VARIANT_ADD(disk, huge)
{
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(disk, pages)
{
	.bytes = 128 * 1024,
};

FIXTURE_VARIANT_ADD(disk, dma_buf)
{
	.bytes = 4 * MIB,
	.through_dma_buf = true,
};

FIXTURE_SETUP(disk)
{
	self->disk = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (self->disk < 0)
		SKIP(return, DISK " is missing: give tests/vm/run --nvme 256M");
	self->bytes = variant->bytes;
	self->heap = heap_open();
	self->fd = heap_alloc(self->heap, self->bytes);
	ASSERT_GE(self->fd, 0);
	self->data = variant->through_dma_buf ?
		     mmap(NULL, self->bytes, RW, MAP_SHARED, self->fd, 0) :
		     buffer_map(self->heap, self->fd, self->bytes, RW);
	ASSERT_NE(self->data, MAP_FAILED);
}

FIXTURE_TEARDOWN(disk)
{
	munmap(self->data, self->bytes);
	close(self->fd);
	close(self->heap);
	close(self->disk);
}

/* A sequence that no other seed makes. */
static void fill(uint32_t *data, size_t bytes, uint32_t seed)
{
	size_t i;

	for (i = 0; i < bytes / 4; i++)
		data[i] = seed + i * 2654435761u;
}

static bool is_filled(const uint32_t *data, size_t bytes, uint32_t seed)
{
	size_t i;

	for (i = 0; i < bytes / 4; i++)
		if (data[i] != (uint32_t)(seed + i * 2654435761u))
			return false;
	return true;
}

TEST_F(disk, a_buffer_goes_to_it_and_comes_back)
{
	fill(self->data, self->bytes, 1);
	ASSERT_EQ(pwrite(self->disk, self->data, self->bytes, 0), self->bytes);
	memset(self->data, 0, self->bytes);
	ASSERT_EQ(pread(self->disk, self->data, self->bytes, 0), self->bytes);
	EXPECT_TRUE(is_filled(self->data, self->bytes, 1));
}

TEST_F(disk, a_buffer_that_it_has_let_go_can_be_transferred)
{
	int64_t transfer;

	fill(self->data, self->bytes, 2);
	ASSERT_EQ(pwrite(self->disk, self->data, self->bytes, 0), self->bytes);
	transfer = transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 0,
				  SECOND_NS);
	ASSERT_GT(transfer, 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	EXPECT_TRUE(is_filled(self->data, self->bytes, 2));
}

/* Its memory is written to the disk; the disk is not read into it. */
TEST_F(disk, a_read_only_handle_is_written_to_it_and_not_filled_from_it)
{
	int readonly = buffer_readonly(self->heap, self->fd);
	uint32_t *seen = buffer_map(self->heap, readonly, self->bytes, PROT_READ);

	ASSERT_NE(seen, MAP_FAILED);
	fill(self->data, self->bytes, 3);
	ASSERT_EQ(pwrite(self->disk, seen, self->bytes, 0), self->bytes);
	fill(self->data, self->bytes, 4);
	EXPECT_EQ(pread(self->disk, seen, self->bytes, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_TRUE(is_filled(self->data, self->bytes, 4));
	ASSERT_EQ(pread(self->disk, self->data, self->bytes, 0), self->bytes);
	EXPECT_TRUE(is_filled(self->data, self->bytes, 3));
	munmap(seen, self->bytes);
	close(readonly);
}

/* The result of one request, to its end. */
static int submit(struct io_uring *ring)
{
	struct io_uring_cqe *done;
	int ret = io_uring_submit_and_wait(ring, 1);

	if (ret != 1)
		return ret < 0 ? ret : -EIO;
	ret = io_uring_peek_cqe(ring, &done);
	if (ret)
		return ret;
	ret = done->res;
	io_uring_cqe_seen(ring, done);
	return ret;
}

TEST_F(disk, io_uring_writes_and_reads_a_buffer)
{
	struct io_uring ring;

	ASSERT_EQ(io_uring_queue_init(4, &ring, 0), 0);
	fill(self->data, self->bytes, 5);
	io_uring_prep_write(io_uring_get_sqe(&ring), self->disk, self->data, self->bytes, 0);
	ASSERT_EQ(submit(&ring), self->bytes);
	memset(self->data, 0, self->bytes);
	io_uring_prep_read(io_uring_get_sqe(&ring), self->disk, self->data, self->bytes, 0);
	ASSERT_EQ(submit(&ring), self->bytes);
	EXPECT_TRUE(is_filled(self->data, self->bytes, 5));
	io_uring_queue_exit(&ring);
}

TEST_F(disk, io_uring_writes_and_reads_a_registered_buffer)
{
	struct iovec all = { self->data, self->bytes };
	struct io_uring ring;
	int ret;

	ASSERT_EQ(io_uring_queue_init(4, &ring, 0), 0);
	ret = io_uring_register_buffers(&ring, &all, 1);
	if (ret) {
		/* Linux 6.1 registers nothing that is mapped from a file but shmem. */
		EXPECT_EQ(ret, -EOPNOTSUPP);
		io_uring_queue_exit(&ring);
		return;
	}
	fill(self->data, self->bytes, 6);
	io_uring_prep_write_fixed(io_uring_get_sqe(&ring), self->disk, self->data, self->bytes, 0,
				  0);
	ASSERT_EQ(submit(&ring), self->bytes);
	memset(self->data, 0, self->bytes);
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), self->disk, self->data, self->bytes, 0,
				 0);
	ASSERT_EQ(submit(&ring), self->bytes);
	EXPECT_TRUE(is_filled(self->data, self->bytes, 6));
	io_uring_queue_exit(&ring);
}

#define FRAMES 4
#define SAMPLES 16384
#define RECORDED 32

/* Frames that sim0 makes go to the disk from where they lie; SAMPLES counts of 16 bits each. */
TEST(frames_are_recorded_in_order_and_whole)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);
	int disk = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC), i, wrong = 0;
	int source = source_open("sim0");
	struct ndma_completion completion;
	struct stream stream;
	uint16_t *record, first[RECORDED];

	if (disk < 0)
		SKIP(return, DISK " is missing: give tests/vm/run --nvme 256M");
	setup.channels = 1;
	ASSERT_EQ(stream_make(&stream, source, &setup), 0);
	ASSERT_EQ(control_set(source, NDMA_CONTROL_PATTERN, NDMA_WAVE_COUNTER), 0);
	ASSERT_EQ(control_set(source, NDMA_SIM_CONTROL_PACED, 0), 0);
	ASSERT_EQ(stream_start(source, RECORDED), 0);
	for (i = 0; i < RECORDED; i++) {
		ASSERT_EQ(stream_next(&stream, &completion), 0);
		EXPECT_EQ(completion.bytes_used, SAMPLES * 2);
		EXPECT_EQ(completion.dropped, 0);
		first[i] = completion.hw_timestamp;
		ASSERT_EQ(pwrite(disk, stream_frame(&stream, completion.index), SAMPLES * 2,
				 (off_t)i * SAMPLES * 2), SAMPLES * 2);
		stream_give(&stream, completion.index);
	}
	stream_end(&stream);
	record = mmap(NULL, SAMPLES * 2, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(record, MAP_FAILED);
	for (i = 0; i < RECORDED; i++) {
		int n;

		ASSERT_EQ(pread(disk, record, SAMPLES * 2, (off_t)i * SAMPLES * 2), SAMPLES * 2);
		for (n = 0; n < SAMPLES; n++)
			wrong += record[n] != (uint16_t)(first[i] + n);
	}
	EXPECT_EQ(wrong, 0);
	munmap(record, SAMPLES * 2);
	close(disk);
}

TEST_HARNESS_MAIN
