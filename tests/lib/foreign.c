// SPDX-License-Identifier: GPL-2.0-only
/* Other drivers' dma-bufs, made by udmabuf: no module of ndma is needed. */
#include <linux/udmabuf.h>
#include <sys/ioctl.h>

#include "lib.h"

FIXTURE(foreign)
{
	struct ndma_layout layout;
	struct ndma_buffer *buffer;
	int fd;
};

FIXTURE_SETUP(foreign)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = 4 << 20 };
	int device, memory;

	self->fd = -1;
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0)
		SKIP(return, "this guest has no /dev/udmabuf");
	memory = memfd_create("foreign", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate(memory, create.size));
	ASSERT_EQ(0, fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK));
	create.memfd = memory;
	self->fd = ioctl(device, UDMABUF_CREATE, &create);
	ASSERT_LE(0, self->fd);
	close(memory);
	close(device);
	ndma_layout_flat(&self->layout, 4 << 20);
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
	EXPECT_EQ(4 << 20, ndma_buffer_bytes(self->buffer));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, &write));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &read));
	EXPECT_EQ(0, (uintptr_t)write % (2 << 20));
	ASSERT_DONE(ndma_buffer_sync_begin(self->buffer, NDMA_WRITE));
	memset(write, 0x5a, 4 << 20);
	ASSERT_DONE(ndma_buffer_sync_end(self->buffer, NDMA_WRITE));
	EXPECT_EQ(0x5a, ((char *)read)[(4 << 20) - 1]);
}

TEST_F(foreign, needs_a_layout_that_fits)
{
	struct ndma_buffer *none = NULL;
	struct ndma_layout layout;

	EXPECT_EQ(-EINVAL, ndma_buffer_import(self->fd, NULL, &none));
	ASSERT_WORDS("give a layout");
	ndma_layout_flat(&layout, (4 << 20) + 1);
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
