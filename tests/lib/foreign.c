// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other drivers' dma-bufs, as root: udmabuf's, dma-heap's, V4L2's and DRM's. No module of ndma is
 * needed, but where theirs hold a buffer of ndma up.
 */
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/time.h>

#include "../kselftest/vgem.h"
#include "../kselftest/vivid.h"
#include "lib.h"
#include "uapi/file.h"

#define RW (PROT_READ | PROT_WRITE)
#define BYTES (4 << 20)
/* Its pages may lie side by side, and then are one piece, which bouncing takes up to this size. */
#define UDMABUF_BYTES (256 << 10)
#define USER_FENCES "/sys/module/ndma/parameters/user_fences"

/**
 * struct exported - a dma-buf of another driver
 * @device: the driver's file
 * @fd: the dma-buf
 * @handle: its name in @device, where it has one
 * @bytes: its size, as the driver says
 * @data: the driver's own mapping of it
 */
struct exported {
	int device;
	int fd;
	uint32_t handle;
	size_t bytes;
	uint8_t *data;
};

static bool is_whole(const struct exported *exported)
{
	return exported->fd >= 0 && exported->data != MAP_FAILED;
}

static bool export_udmabuf(struct exported *out)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = UDMABUF_BYTES };
	int driver = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	out->device = memfd_create("foreign", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	create.memfd = out->device;
	if (driver < 0 || ftruncate(out->device, UDMABUF_BYTES) ||
	    fcntl(out->device, F_ADD_SEALS, F_SEAL_SHRINK))
		return false;
	out->bytes = UDMABUF_BYTES;
	out->fd = ioctl(driver, UDMABUF_CREATE, &create);
	out->data = mmap(NULL, UDMABUF_BYTES, RW, MAP_SHARED, out->device, 0);
	close(driver);
	return is_whole(out);
}

static bool export_heap(struct exported *out)
{
	struct dma_heap_allocation_data data = { .len = BYTES, .fd_flags = O_RDWR | O_CLOEXEC };

	out->device = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	if (call(out->device, DMA_HEAP_IOCTL_ALLOC, &data))
		return false;
	out->bytes = BYTES;
	out->fd = data.fd;
	out->data = mmap(NULL, BYTES, RW, MAP_SHARED, out->fd, 0);
	return is_whole(out);
}

#define VIDEO V4L2_BUF_TYPE_VIDEO_CAPTURE

/* One of vivid's video buffers: VIVID_HEIGHT rows of VIVID_WIDTH pixels of 2 bytes. */
static bool export_v4l2(struct exported *out)
{
	struct v4l2_requestbuffers request = {
		.count = 2,
		.type = VIDEO,
		.memory = V4L2_MEMORY_MMAP,
	};
	struct v4l2_exportbuffer export = { .type = VIDEO, .flags = O_RDWR | O_CLOEXEC };
	struct v4l2_buffer buffer = { .type = VIDEO, .memory = V4L2_MEMORY_MMAP };
	long page = sysconf(_SC_PAGESIZE);

	out->device = vivid_open("vivid-000", "video", V4L2_CAP_VIDEO_CAPTURE);
	if (vivid_format(out->device, VIDEO) != 2 * VIVID_WIDTH * VIVID_HEIGHT ||
	    call(out->device, VIDIOC_REQBUFS, &request) ||
	    call(out->device, VIDIOC_QUERYBUF, &buffer) ||
	    call(out->device, VIDIOC_EXPBUF, &export))
		return false;
	out->bytes = (buffer.length + page - 1) / page * page;
	out->fd = export.fd;
	out->data = mmap(NULL, buffer.length, RW, MAP_SHARED, out->device, buffer.m.offset);
	return is_whole(out);
}

static bool export_drm(struct exported *out)
{
	struct drm_mode_map_dumb map = {};
	int64_t handle;

	out->device = vgem_open();
	handle = vgem_create(out->device, BYTES);
	map.handle = handle;
	if (handle < 0 || call(out->device, DRM_IOCTL_MODE_MAP_DUMB, &map))
		return false;
	out->handle = handle;
	out->bytes = BYTES;
	out->fd = vgem_export(out->device, handle);
	out->data = mmap(NULL, BYTES, RW, MAP_SHARED, out->device, map.offset);
	return is_whole(out);
}

FIXTURE(foreign)
{
	struct exported exported;
	struct ndma_buffer *buffer;
};

/* @needs: what not every guest has */
FIXTURE_VARIANT(foreign)
{
	const char *needs;
	bool (*make)(struct exported *);
};

FIXTURE_VARIANT_ADD(foreign, udmabuf){
	.needs = "/dev/udmabuf",
	.make = export_udmabuf,
};

FIXTURE_VARIANT_ADD(foreign, dma_heap){
	.needs = "/dev/dma_heap/system",
	.make = export_heap,
};

FIXTURE_VARIANT_ADD(foreign, v4l2){
	.make = export_v4l2,
};

FIXTURE_VARIANT_ADD(foreign, drm){
	.make = export_drm,
};

FIXTURE_SETUP(foreign)
{
	struct ndma_layout layout;

	self->exported = (struct exported){ .device = -1, .fd = -1 };
	if (variant->needs && access(variant->needs, F_OK))
		SKIP(return, "this guest has no %s", variant->needs);
	ASSERT_TRUE(variant->make(&self->exported));
	ndma_layout_flat(&layout, self->exported.bytes);
	ASSERT_DONE(ndma_buffer_import(self->exported.fd, &layout, &self->buffer));
}

FIXTURE_TEARDOWN(foreign)
{
	ndma_buffer_close(self->buffer);
	close(self->exported.fd);
	close(self->exported.device);
}

TEST_F(foreign, is_mapped_and_its_driver_sees_what_is_written_between_syncs)
{
	size_t last = self->exported.bytes - 1;
	void *read, *write;

	EXPECT_STREQ("foreign", ndma_buffer_backend(self->buffer));
	EXPECT_EQ(self->exported.bytes, ndma_buffer_bytes(self->buffer));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, &write));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &read));
	EXPECT_TRUE(self->exported.bytes < BYTES || !((uintptr_t)write % (2 << 20)));
	ASSERT_DONE(ndma_buffer_sync_begin(self->buffer, NDMA_WRITE));
	memset(write, 0x5a, self->exported.bytes);
	ASSERT_DONE(ndma_buffer_sync_end(self->buffer, NDMA_WRITE));
	EXPECT_EQ(0x5a, ((uint8_t *)read)[last]);
	EXPECT_EQ(0x5a, self->exported.data[last]);
	/* Between syncs too: where DMA is bounced, the next one for the CPU fetches what the device has. */
	ASSERT_DONE(ndma_buffer_sync_begin(self->buffer, NDMA_WRITE));
	self->exported.data[0] = 0x33;
	ASSERT_DONE(ndma_buffer_sync_end(self->buffer, NDMA_WRITE));
	ASSERT_DONE(ndma_buffer_sync_begin(self->buffer, NDMA_READ));
	EXPECT_EQ(0x33, ((uint8_t *)read)[0]);
	ASSERT_DONE(ndma_buffer_sync_end(self->buffer, NDMA_READ));
}

TEST_F(foreign, needs_a_layout_that_fits)
{
	struct ndma_buffer *none = NULL;
	struct ndma_layout layout;

	EXPECT_EQ(-EINVAL, ndma_buffer_import(self->exported.fd, NULL, &none));
	ASSERT_WORDS("give a layout");
	ndma_layout_flat(&layout, self->exported.bytes + 1);
	EXPECT_EQ(-ERANGE, ndma_buffer_import(self->exported.fd, &layout, &none));
	EXPECT_EQ(NULL, none);
}

TEST_F(foreign, leases_count_in_this_object)
{
	struct ndma_buffer_info info;
	struct ndma_layout layout;
	uint32_t lease;

	ndma_layout_flat(&layout, 100);
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &lease));
	EXPECT_EQ(-EBUSY, ndma_buffer_set_layout(self->buffer, &layout));
	ASSERT_WORDS("1 lease to read");
	ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	EXPECT_EQ(1, info.own_leases);
	ASSERT_DONE(ndma_lease_release(self->buffer, lease));
	ASSERT_DONE(ndma_buffer_set_layout(self->buffer, &layout));
	ASSERT_DONE(ndma_buffer_layout(self->buffer, &layout));
	EXPECT_EQ(100, layout.shape[0]);
}

TEST_F(foreign, transfers_and_handles_are_its_own_drivers)
{
	uint32_t transfer;

	EXPECT_EQ(-EPERM, ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					      SECOND_NS, &transfer));
	ASSERT_WORDS("its own driver");
	EXPECT_EQ(-EINVAL, ndma_transfer_end(self->buffer, 1));
	EXPECT_EQ(-EPERM, ndma_buffer_revoke(self->buffer));
	EXPECT_EQ(-EOPNOTSUPP, ndma_buffer_readonly_fd(self->buffer));
	EXPECT_EQ(0, ndma_buffer_holders(self->buffer, NULL, 0));
}

TEST(what_v4l2_captures_is_a_picture)
{
	const uint64_t shape[] = { VIVID_HEIGHT, VIVID_WIDTH, 2 };
	struct exported exported;
	struct ndma_buffer *buffer;
	struct ndma_layout layout;
	int type = VIDEO;
	void *data;

	ASSERT_TRUE(export_v4l2(&exported));
	ASSERT_DONE(ndma_layout_init(&layout, "B", 1, 3, shape));
	ASSERT_DONE(ndma_buffer_import(exported.fd, &layout, &buffer));
	ASSERT_DONE(ndma_buffer_map(buffer, NDMA_READ, &data));
	EXPECT_FALSE(vivid_is_all(data, 235));
	ASSERT_EQ(0, vivid_choose(exported.device, "100% White"));
	ASSERT_EQ(0, vivid_queue(exported.device, VIDEO, V4L2_MEMORY_MMAP, 0, -1));
	ASSERT_EQ(0, vivid_queue(exported.device, VIDEO, V4L2_MEMORY_MMAP, 1, -1));
	ASSERT_EQ(0, call(exported.device, VIDIOC_STREAMON, &type));
	ASSERT_EQ(0, vivid_dequeue(exported.device, VIDEO, V4L2_MEMORY_MMAP));
	ASSERT_DONE(ndma_buffer_sync_begin(buffer, NDMA_READ));
	EXPECT_TRUE(vivid_is_all(data, 235));
	ASSERT_DONE(ndma_buffer_sync_end(buffer, NDMA_READ));
	ndma_buffer_close(buffer);
}

static void ignore(int number)
{
	(void)number;
}

/* Signals until the wait has seen one, so that it must have waited. */
TEST(the_cpu_waits_for_a_fence_of_its_driver)
{
	const struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, never = {};
	const struct sigaction interrupt = { .sa_handler = ignore };
	struct exported exported;
	struct ndma_buffer *buffer;
	struct ndma_layout layout;
	int64_t fence;

	ASSERT_TRUE(export_drm(&exported));
	ndma_layout_flat(&layout, BYTES);
	ASSERT_DONE(ndma_buffer_import(exported.fd, &layout, &buffer));
	fence = vgem_fence(exported.device, exported.handle, VGEM_WRITE);
	ASSERT_LT(0, fence);
	ASSERT_EQ(0, sigaction(SIGALRM, &interrupt, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	EXPECT_EQ(-EINTR, ndma_buffer_sync_begin(buffer, NDMA_READ));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	ASSERT_EQ(0, vgem_signal(exported.device, fence));
	ASSERT_DONE(ndma_buffer_sync_begin(buffer, NDMA_READ));
	ASSERT_DONE(ndma_buffer_sync_end(buffer, NDMA_READ));
	ndma_buffer_close(buffer);
}

TEST(a_fence_that_the_module_does_not_allow_is_told)
{
	struct ndma_buffer *buffer;
	uint32_t transfer;
	char before[8];

	if (!use_backend("kernel"))
		SKIP(return, "module ndma is not loaded");
	ASSERT_LT(0, file_read(USER_FENCES, before, sizeof(before)));
	ASSERT_EQ(0, file_write(USER_FENCES, "0"));
	ASSERT_DONE(make_buffer(1, &buffer));
	EXPECT_EQ(-EOPNOTSUPP, ndma_transfer_begin(buffer, NDMA_BOTH, NDMA_GUARD_NONE,
						   NDMA_TRANSFER_FENCE, SECOND_NS, &transfer));
	ASSERT_WORDS("user_fences");
	ndma_buffer_close(buffer);
	ASSERT_EQ(0, file_write(USER_FENCES, before));
}

TEST(a_fence_of_another_driver_on_a_buffer_of_ndma_is_told_by_its_name)
{
	struct ndma_buffer *buffer;
	int64_t handle, fence;
	uint32_t transfer;
	int vgem = vgem_open();

	if (!use_backend("kernel"))
		SKIP(return, "module ndma is not loaded");
	ASSERT_DONE(make_buffer(1024, &buffer));
	handle = vgem_import(vgem, ndma_buffer_fd(buffer));
	ASSERT_LT(0, handle);
	fence = vgem_fence(vgem, handle, VGEM_WRITE);
	ASSERT_LT(0, fence);
	EXPECT_EQ(-ETIMEDOUT, ndma_transfer_begin(buffer, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0,
						  SECOND_NS / 10, &transfer));
	ASSERT_WORDS("a fence of vgem (");
	ASSERT_EQ(0, vgem_signal(vgem, fence));
	ASSERT_DONE(ndma_transfer_begin(buffer, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0, SECOND_NS,
					&transfer));
	ASSERT_DONE(ndma_transfer_end(buffer, transfer));
	ndma_buffer_close(buffer);
	close(vgem);
}

TEST_HARNESS_MAIN
