// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other drivers, as root: vgem imports buffers and attaches fences, and it and vkms import frames; theirs
 * are not ours.
 */
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "test.h"
#include "uapi/dmabuf.h"
#include "uapi/stream.h"
#include "vgem.h"

FIXTURE(importer)
{
	int heap;
	int fd;
	int vgem;
};

FIXTURE_SETUP(importer)
{
	self->heap = heap_open();
	self->fd = heap_alloc(self->heap, HUGE_BYTES);
	ASSERT_GE(self->fd, 0);
	self->vgem = vgem_open();
	if (self->vgem < 0)
		SKIP(return, "this guest has no vgem");
}

FIXTURE_TEARDOWN(importer)
{
	close(self->vgem);
	close(self->fd);
	close(self->heap);
}

static int64_t begin(int heap, int fd, uint32_t direction, uint64_t timeout_ns)
{
	return transfer_begin(heap, fd, direction, NDMA_GUARD_NONE, 0, timeout_ns);
}

static uint32_t count_importers(int heap, int fd)
{
	struct ndma_holder entry = {};

	if (buffer_holders(heap, fd, &entry, 1) > 1)
		return UINT32_MAX;
	return entry.kind == NDMA_HOLDER_IMPORTER ? entry.count : 0;
}

TEST_F(importer, it_maps_a_buffer_and_is_told_as_a_holder)
{
	int64_t handle = vgem_import(self->vgem, self->fd);

	ASSERT_GT(handle, 0);
	EXPECT_EQ(count_importers(self->heap, self->fd), 1);
	EXPECT_EQ(vgem_release(self->vgem, handle), 0);
	EXPECT_EQ(count_importers(self->heap, self->fd), 0);
}

TEST_F(importer, it_keeps_the_memory)
{
	uint64_t used = heap_info(self->heap).used_bytes;
	int64_t handle = vgem_import(self->vgem, self->fd);

	ASSERT_GT(handle, 0);
	close(self->fd);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used);
	EXPECT_EQ(vgem_release(self->vgem, handle), 0);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used - HUGE_BYTES);
}

/* What vgem hands out of a buffer that it imported: neither a mapping nor an fd to write with. */
static void expect_no_write(struct __test_metadata *_metadata, int vgem, uint32_t handle)
{
	struct drm_mode_map_dumb map = { .handle = handle };
	int fd = vgem_export(vgem, handle);

	EXPECT_EQ(call(vgem, DRM_IOCTL_MODE_MAP_DUMB, &map), -EINVAL);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	EXPECT_EQ(mmap(NULL, HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	close(fd);
}

/* An importer that maps at once, for both directions, is refused; the vgem of Linux 7.2 never maps. */
TEST_F(importer, it_cannot_write_through_a_read_only_handle)
{
	int readonly = buffer_readonly(self->heap, self->fd);
	int64_t handle = vgem_import(self->vgem, readonly);

	ASSERT_GE(readonly, 0);
	if (handle == -EPERM) {
		EXPECT_EQ(count_importers(self->heap, self->fd), 0);
	} else {
		ASSERT_GT(handle, 0);
		expect_no_write(_metadata, self->vgem, handle);
		EXPECT_EQ(vgem_release(self->vgem, handle), 0);
	}
	close(readonly);
}

#define FRAMES 4

FIXTURE(frame)
{
	struct stream stream;
	struct ndma_completion completion;
	int heap;
	int drm;
};

FIXTURE_VARIANT(frame)
{
	const char *driver;
	const char *missing;
};

FIXTURE_VARIANT_ADD(frame, vgem)
{
	.driver = "vgem",
	.missing = "this guest has no vgem",
};

/* Debian's kernels have none; the debug kernel has. */
FIXTURE_VARIANT_ADD(frame, vkms)
{
	.driver = "vkms",
	.missing = "this guest has no vkms",
};

FIXTURE_SETUP(frame)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, 1000);

	self->drm = drm_open(variant->driver);
	if (self->drm < 0)
		SKIP(return, "%s", variant->missing);
	self->heap = heap_open();
	ASSERT_EQ(stream_make(&self->stream, source_open("sim0"), &setup), 0);
	ASSERT_EQ(stream_start(self->stream.fd, 0), 0);
	ASSERT_EQ(stream_next(&self->stream, &self->completion), 0);
}

FIXTURE_TEARDOWN(frame)
{
	if (self->drm < 0)
		return;
	stream_end(&self->stream);
	close(self->heap);
	close(self->drm);
}

TEST_F(frame, is_imported_by_a_driver_that_maps_both_ways_and_kept_from_the_device)
{
	struct stream *stream = &self->stream;
	const unsigned char *frame = stream_frame(stream, self->completion.index);
	size_t bytes = self->completion.bytes_used;
	int fd = stream_export_as(stream->fd, self->completion.index, O_RDWR | O_CLOEXEC), theirs;
	struct ndma_holder holders[3];
	unsigned char *seen;
	int64_t handle;

	ASSERT_GE(fd, 0);
	handle = vgem_import(self->drm, fd);
	ASSERT_GT(handle, 0);
	ASSERT_EQ(buffer_holders(self->heap, fd, holders, 3), 2);
	EXPECT_EQ(holders[0].kind, NDMA_HOLDER_IMPORTER);
	EXPECT_EQ(holders[1].kind, NDMA_HOLDER_FRAME);
	EXPECT_EQ(holders[1].access, NDMA_WRITE);
	stream_give(stream, self->completion.index);
	close(fd);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 1);
	/* What the driver hands out is the frame, to be written too. */
	theirs = vgem_export(self->drm, handle);
	ASSERT_GE(theirs, 0);
	seen = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, theirs, 0);
	ASSERT_NE(seen, MAP_FAILED);
	seen[3] = ~seen[3];
	EXPECT_EQ(memcmp(seen, frame, bytes), 0);
	munmap(seen, bytes);
	close(theirs);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 1);
	EXPECT_EQ(vgem_release(self->drm, handle), 0);
	EXPECT_EQ(stream_stats(stream->fd).exported_frames, 0);
}

TEST_F(frame, is_not_imported_by_it_read_only)
{
	int fd = stream_export(self->stream.fd, self->completion.index);
	int64_t handle;

	ASSERT_GE(fd, 0);
	handle = vgem_import(self->drm, fd);
	/* The vgem of Linux 7.2 maps nothing that it imports. */
	if (handle != -EPERM) {
		ASSERT_GT(handle, 0);
		EXPECT_EQ(strcmp(variant->driver, "vgem"), 0);
		EXPECT_EQ(vgem_release(self->drm, handle), 0);
	}
	close(fd);
	EXPECT_EQ(stream_stats(self->stream.fd).exported_frames, 0);
}

TEST_F(importer, a_cpu_access_is_bracketed_while_it_has_the_buffer)
{
	int64_t handle = vgem_import(self->vgem, self->fd), transfer;

	ASSERT_GT(handle, 0);
	EXPECT_EQ(dmabuf_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW), 0);
	EXPECT_EQ(dmabuf_sync(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW), 0);
	transfer = begin(self->heap, self->fd, NDMA_BOTH, SECOND_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	EXPECT_EQ(vgem_release(self->vgem, handle), 0);
}

TEST_F(importer, its_write_is_waited_for_before_a_transfer)
{
	int64_t handle = vgem_import(self->vgem, self->fd);
	int64_t fence = vgem_fence(self->vgem, handle, VGEM_WRITE), transfer;

	ASSERT_GT(fence, 0);
	EXPECT_EQ(begin(self->heap, self->fd, NDMA_TO_DEVICE, SECOND_NS / 10), -ETIMEDOUT);
	EXPECT_EQ(begin(self->heap, self->fd, NDMA_FROM_DEVICE, SECOND_NS / 10), -ETIMEDOUT);
	EXPECT_EQ(vgem_signal(self->vgem, fence), 0);
	transfer = begin(self->heap, self->fd, NDMA_FROM_DEVICE, SECOND_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	EXPECT_EQ(vgem_release(self->vgem, handle), 0);
}

TEST_F(importer, its_read_is_waited_for_before_a_transfer_that_writes)
{
	int64_t handle = vgem_import(self->vgem, self->fd);
	int64_t fence = vgem_fence(self->vgem, handle, 0), transfer;

	ASSERT_GT(fence, 0);
	EXPECT_EQ(begin(self->heap, self->fd, NDMA_FROM_DEVICE, SECOND_NS / 10), -ETIMEDOUT);
	transfer = begin(self->heap, self->fd, NDMA_TO_DEVICE, SECOND_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	EXPECT_EQ(vgem_signal(self->vgem, fence), 0);
	EXPECT_EQ(vgem_release(self->vgem, handle), 0);
}

TEST_F(importer, it_sees_the_fence_of_a_transfer)
{
	int64_t handle = vgem_import(self->vgem, self->fd), fence, transfer;

	transfer = transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE,
				  NDMA_TRANSFER_FENCE, 10 * SECOND_NS);
	ASSERT_GT(transfer, 0);
	EXPECT_EQ(vgem_fence(self->vgem, handle, 0), -EBUSY);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	fence = vgem_fence(self->vgem, handle, 0);
	EXPECT_GT(fence, 0);
	EXPECT_EQ(vgem_signal(self->vgem, fence), 0);
	EXPECT_EQ(vgem_release(self->vgem, handle), 0);
}

/* A sync file of vgem's fence on @handle, a buffer of its own. */
static int export_fence(int vgem, uint32_t handle)
{
	int fd = vgem_export(vgem, handle), fence = fence_export(fd, DMA_BUF_SYNC_READ);

	close(fd);
	return fence;
}

/* A frame needs no right to write for others' fences to be put on it. */
TEST_F_TIMEOUT(importer, a_fence_on_one_frame_holds_nobody_up_who_reads_another, 120)
{
	struct ndma_stream_setup setup = setup_of(2, 1000);
	struct ndma_completion completion;
	int64_t handle = vgem_create(self->vgem, 4096), vgems;
	struct stream stream;
	int fence, frames[2], readonly, i;

	ASSERT_GT(handle, 0);
	ASSERT_EQ(stream_make(&stream, source_open("sim0"), &setup), 0);
	ASSERT_EQ(stream_start(stream.fd, 2), 0);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(stream_next(&stream, &completion), 0);
		frames[i] = stream_export(stream.fd, completion.index);
		ASSERT_GE(frames[i], 0);
	}
	readonly = buffer_readonly(self->heap, frames[0]);
	ASSERT_GE(readonly, 0);
	vgems = vgem_fence(self->vgem, handle, VGEM_WRITE);
	ASSERT_GT(vgems, 0);
	fence = export_fence(self->vgem, handle);
	ASSERT_EQ(fence_import(frames[0], DMA_BUF_SYNC_WRITE, fence), 0);
	EXPECT_EQ(events_of(readonly, POLLIN, 0), 0);
	EXPECT_EQ(events_of(frames[1], POLLIN, 0), POLLIN);
	EXPECT_EQ(dmabuf_sync(frames[1], DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ), 0);
	/* Whoever had waited would have waited until this is over: vgem ends it after 10 s. */
	EXPECT_EQ(fence_status(fence), 0);
	EXPECT_EQ(vgem_signal(self->vgem, vgems), 0);
	EXPECT_EQ(events_of(frames[0], POLLIN, 0), POLLIN);
	close(readonly);
	close(frames[0]);
	close(frames[1]);
	close(fence);
	stream_end(&stream);
	EXPECT_EQ(vgem_release(self->vgem, handle), 0);
}

static void expect_foreign(struct __test_metadata *_metadata, int heap, int fd)
{
	struct ndma_layout layout = layout_bytes(16);

	EXPECT_EQ(lease_acquire(heap, fd, NDMA_READ), -EBADF);
	EXPECT_EQ(lease_revoke(heap, fd), -EBADF);
	EXPECT_EQ(layout_set(heap, fd, &layout), -EBADF);
	EXPECT_EQ(layout_get(heap, fd, &layout), -EBADF);
	EXPECT_EQ(buffer_readonly(heap, fd), -EBADF);
	EXPECT_EQ(begin(heap, fd, NDMA_FROM_DEVICE, SECOND_NS), -EBADF);
	EXPECT_EQ(transfer_end(heap, fd, 1), -EBADF);
	EXPECT_EQ(buffer_map(heap, fd, 4096, PROT_READ), MAP_FAILED);
	EXPECT_EQ(errno, EBADF);
}

TEST_F(importer, its_own_buffers_are_not_ours)
{
	int64_t handle = vgem_create(self->vgem, 4096);
	int fd;

	ASSERT_GT(handle, 0);
	fd = vgem_export(self->vgem, handle);
	ASSERT_GE(fd, 0);
	expect_foreign(_metadata, self->heap, fd);
	close(fd);
}

TEST_F(importer, buffers_of_dma_heap_and_udmabuf_are_not_ours)
{
	struct dma_heap_allocation_data alloc = { .len = 4096, .fd_flags = O_RDWR | O_CLOEXEC };
	struct udmabuf_create create = { .size = 4096 };
	int heap = open("/dev/dma_heap/system", O_RDWR), udmabuf = open("/dev/udmabuf", O_RDWR);
	int fd;

	if (heap < 0)
		SKIP(return, "this guest has no /dev/dma_heap/system");
	if (udmabuf < 0)
		SKIP(return, "this guest has no /dev/udmabuf");
	ASSERT_EQ(call(heap, DMA_HEAP_IOCTL_ALLOC, &alloc), 0);
	expect_foreign(_metadata, self->heap, alloc.fd);
	close(alloc.fd);
	create.memfd = memfd_create("udmabuf", MFD_ALLOW_SEALING);
	ASSERT_EQ(ftruncate(create.memfd, 4096), 0);
	ASSERT_EQ(fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	fd = call(udmabuf, UDMABUF_CREATE, &create);
	ASSERT_GE(fd, 0);
	expect_foreign(_metadata, self->heap, fd);
	close(fd);
	close(create.memfd);
	close(udmabuf);
	close(heap);
}

TEST_HARNESS_MAIN
