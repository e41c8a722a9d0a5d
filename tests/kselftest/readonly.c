// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read-only handles: no way leads from one to a changed byte.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "test.h"
#include "uapi/dmabuf.h"

#define RW (PROT_READ | PROT_WRITE)

FIXTURE(readonly)
{
	int heap;
	int fd;
	int readonly;
	size_t bytes;
	char *data;
};

FIXTURE_VARIANT(readonly)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(readonly, huge)
{
	.bytes = HUGE_BYTES,
};

FIXTURE_VARIANT_ADD(readonly, page)
{
	.bytes = 4096,
};

FIXTURE_SETUP(readonly)
{
	self->bytes = variant->bytes;
	self->heap = heap_open();
	self->fd = heap_alloc(self->heap, self->bytes);
	ASSERT_GE(self->fd, 0);
	self->readonly = buffer_readonly(self->heap, self->fd);
	ASSERT_GE(self->readonly, 0);
	self->data = buffer_map(self->heap, self->fd, self->bytes, RW);
	ASSERT_NE(self->data, MAP_FAILED);
	self->data[0] = 42;
}

FIXTURE_TEARDOWN(readonly)
{
	EXPECT_EQ(self->data[0], 42);
	munmap(self->data, self->bytes);
	close(self->readonly);
	close(self->fd);
	close(self->heap);
}

TEST_F(readonly, it_says_so)
{
	EXPECT_TRUE(buffer_info(self->heap, self->readonly).flags & NDMA_BUFFER_READONLY);
	EXPECT_FALSE(buffer_info(self->heap, self->fd).flags & NDMA_BUFFER_READONLY);
	EXPECT_EQ(fcntl(self->readonly, F_GETFL) & O_ACCMODE, O_RDONLY);
}

TEST_F(readonly, it_shows_what_is_written)
{
	const char *seen = buffer_map(self->heap, self->readonly, self->bytes, PROT_READ);

	ASSERT_NE(seen, MAP_FAILED);
	EXPECT_EQ(seen[0], 42);
	self->data[self->bytes - 1] = 7;
	EXPECT_EQ(seen[self->bytes - 1], 7);
	munmap((void *)seen, self->bytes);
}

TEST_F(readonly, a_writable_mapping_is_refused)
{
	EXPECT_EQ(buffer_map(self->heap, self->readonly, self->bytes, RW), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mmap(NULL, self->bytes, RW, MAP_SHARED, self->readonly, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mmap(NULL, self->bytes, RW, MAP_PRIVATE, self->readonly, 0), MAP_FAILED);
}

static void expect_no_way_in(struct __test_metadata *_metadata, char *seen, size_t bytes)
{
	struct {
		char byte;
	} change = { 99 };
	struct iovec local = { &change, 1 }, remote = { seen, 1 };
	int memory = open("/proc/self/mem", O_RDWR), zero = open("/dev/zero", O_RDONLY);

	EXPECT_EQ(mprotect(seen, bytes, RW), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(pwrite(memory, &change, 1, (off_t)(uintptr_t)seen), -1);
	EXPECT_EQ(read(zero, seen, 1), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(seen[0], 42);
	close(memory);
	close(zero);
}

TEST_F(readonly, a_mapping_never_becomes_writable)
{
	char *seen = buffer_map(self->heap, self->readonly, self->bytes, PROT_READ);

	ASSERT_NE(seen, MAP_FAILED);
	expect_no_way_in(_metadata, seen, self->bytes);
	munmap(seen, self->bytes);
	seen = mmap(NULL, self->bytes, PROT_READ, MAP_SHARED, self->readonly, 0);
	ASSERT_NE(seen, MAP_FAILED);
	expect_no_way_in(_metadata, seen, self->bytes);
	munmap(seen, self->bytes);
}

TEST_F(readonly, it_cannot_be_opened_again_for_writing)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->readonly);
	EXPECT_EQ(open(path, O_RDWR), -1);
	EXPECT_EQ(fcntl(self->readonly, F_SETFL, O_RDWR), 0);
	EXPECT_EQ(fcntl(self->readonly, F_GETFL) & O_ACCMODE, O_RDONLY);
	EXPECT_EQ(write(self->readonly, path, 1), -1);
}

TEST_F(readonly, a_handle_of_it_is_read_only_too)
{
	int again = buffer_readonly(self->heap, self->readonly);

	ASSERT_GE(again, 0);
	EXPECT_TRUE(buffer_info(self->heap, again).flags & NDMA_BUFFER_READONLY);
	EXPECT_EQ(buffer_map(self->heap, again, self->bytes, RW), MAP_FAILED);
	close(again);
}

TEST_F(readonly, it_keeps_the_buffer)
{
	char *seen;

	close(self->fd);
	seen = buffer_map(self->heap, self->readonly, self->bytes, PROT_READ);
	ASSERT_NE(seen, MAP_FAILED);
	EXPECT_EQ(seen[0], 42);
	munmap(seen, self->bytes);
}

#define FENCES 16

/* A fence needs no right to write: so whoever has a handle can add some again and again. */
TEST_F(readonly, fences_that_come_through_it_hold_a_transfer_up_to_its_deadline)
{
	int buffers[FENCES], fences[FENCES], i;
	int64_t transfers[FENCES], transfer;
	uint64_t start;
	struct peer peer;

	for (i = 0; i < FENCES; i++) {
		buffers[i] = heap_alloc(self->heap, 4096);
		transfers[i] = transfer_begin(self->heap, buffers[i], NDMA_FROM_DEVICE,
					      NDMA_GUARD_NONE, NDMA_TRANSFER_FENCE, 10 * SECOND_NS);
		ASSERT_GT(transfers[i], 0);
		fences[i] = fence_export(buffers[i], DMA_BUF_SYNC_READ);
		ASSERT_GE(fences[i], 0);
		ASSERT_EQ(fence_import(self->readonly, DMA_BUF_SYNC_WRITE, fences[i]), 0);
	}
	if (!peer_fork(&peer)) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; !fence_import(self->readonly, DMA_BUF_SYNC_WRITE,
					fences[i % FENCES]); i++)
			if (!i)
				peer_tell(&peer);
		_exit(1);
	}
	ASSERT_TRUE(peer_await(&peer));
	start = now_ns();
	EXPECT_EQ(transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
				 SECOND_NS / 2), -ETIMEDOUT);
	EXPECT_LT(now_ns() - start, 8 * SECOND_NS);
	kill(peer.pid, SIGKILL);
	EXPECT_EQ(peer_join(&peer), 128 + SIGKILL);
	for (i = 0; i < FENCES; i++) {
		transfer_end(self->heap, buffers[i], transfers[i]);
		close(fences[i]);
		close(buffers[i]);
	}
	transfer = transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
				  SECOND_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
}

TEST_F(readonly, a_cpu_access_can_be_bracketed)
{
	EXPECT_EQ(dmabuf_sync(self->readonly, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ), 0);
	EXPECT_EQ(dmabuf_sync(self->readonly, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ), 0);
}

TEST_HARNESS_MAIN
