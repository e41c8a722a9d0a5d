// SPDX-License-Identifier: GPL-2.0-only
/* Other drivers' dma-bufs, from udmabuf and dma-heap: no module of ndma is needed. */
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>

#include "lib.h"

#define BYTES (4 << 20)

/* The fd of a dma-buf of BYTES, or -1 where this machine has no such driver. */
static int make_udmabuf(void)
{
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = BYTES };
	int fd = -1;

	if (device < 0)
		return -1;
	create.memfd = memfd_create("foreign", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (!ftruncate((int)create.memfd, BYTES) &&
	    !fcntl((int)create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		fd = ioctl(device, UDMABUF_CREATE, &create);
	close((int)create.memfd);
	close(device);
	return fd;
}

static int make_heap(void)
{
	int device = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	struct dma_heap_allocation_data data = { .len = BYTES, .fd_flags = O_RDWR | O_CLOEXEC };
	int fd = -1;

	if (device < 0)
		return -1;
	if (!ioctl(device, DMA_HEAP_IOCTL_ALLOC, &data))
		fd = (int)data.fd;
	close(device);
	return fd;
}

FIXTURE(foreign)
{
	struct ndma_layout layout;
	struct ndma_buffer *buffer;
	int fd;
};

FIXTURE_VARIANT(foreign)
{
	const char *device;
	int (*make)(void);
};

FIXTURE_VARIANT_ADD(foreign, udmabuf){
	.device = "/dev/udmabuf",
	.make = make_udmabuf,
};

FIXTURE_VARIANT_ADD(foreign, dma_heap){
	.device = "/dev/dma_heap/system",
	.make = make_heap,
};

FIXTURE_SETUP(foreign)
{
	self->fd = -1;
	if (access(variant->device, F_OK))
		SKIP(return, "this guest has no %s", variant->device);
	self->fd = variant->make();
	ASSERT_LE(0, self->fd);
	ndma_layout_flat(&self->layout, BYTES);
	ASSERT_DONE(ndma_buffer_import(self->fd, &self->layout, &self->buffer));
}

FIXTURE_TEARDOWN(foreign)
{
	ndma_buffer_close(self->buffer);
	if (self->fd >= 0)
		close(self->fd);
}

TEST_F(foreign, is_mapped_and_written_between_syncs)
{
	void *read, *write;

	EXPECT_STREQ("foreign", ndma_buffer_backend(self->buffer));
	EXPECT_EQ(BYTES, ndma_buffer_bytes(self->buffer));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, &write));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &read));
	EXPECT_EQ(0, (uintptr_t)write % (2 << 20));
	ASSERT_DONE(ndma_buffer_sync_begin(self->buffer, NDMA_WRITE));
	memset(write, 0x5a, BYTES);
	ASSERT_DONE(ndma_buffer_sync_end(self->buffer, NDMA_WRITE));
	EXPECT_EQ(0x5a, ((char *)read)[BYTES - 1]);
}

TEST_F(foreign, needs_a_layout_that_fits)
{
	struct ndma_buffer *none = NULL;
	struct ndma_layout layout;

	EXPECT_EQ(-EINVAL, ndma_buffer_import(self->fd, NULL, &none));
	ASSERT_WORDS("give a layout");
	ndma_layout_flat(&layout, BYTES + 1);
	EXPECT_EQ(-ERANGE, ndma_buffer_import(self->fd, &layout, &none));
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

TEST_HARNESS_MAIN
