// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO, as root: a driver in user space has the edu card copy into a mapping of ours and out of it,
 * through the IOMMU. The card is taken from ndma_edu and given back.
 */
#include <libgen.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "test.h"
#include "uapi/stream.h"
#include "sysfs.h"

#define RW (PROT_READ | PROT_WRITE)
/* Where the card sees the mapping: within the 28 bits that it masters. */
#define IOVA 0x1000000ULL
#define COPIED 2048

/* The card's registers and where its DMA engine sees its own memory: see kmod/sources/edu.c. */
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_ACK 0x64
#define EDU_DMA_SOURCE 0x80
#define EDU_DMA_TARGET 0x88
#define EDU_DMA_BYTES 0x90
#define EDU_DMA_COMMAND 0x98
#define EDU_RUN 0x1
#define EDU_FROM_CARD 0x2
#define EDU_IRQ 0x4
#define EDU_MEMORY 0x40000

FIXTURE(vfio)
{
	char device[64];
	int heap;
	int fd;
	uint8_t *data;
	int container;
	int group;
	int card;
	int interrupt;
	uint64_t registers;
	uint64_t config;
};

FIXTURE_VARIANT(vfio)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(vfio, huge)
{
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(vfio, pages)
{
	.bytes = 64 * 1024,
};

/* The group's number, or a negative errno: ENOENT where no IOMMU is. */
static int group_of(const char *device)
{
	char path[128], target[128] = {};

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", device);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return -errno;
	return atoi(basename(target));
}

static int give_to(const char *device, const char *driver)
{
	int ret = write_device(device, "driver_override", driver);

	if (!ret)
		ret = write_device(device, "driver/unbind", device);
	return ret ? ret : file_write("/sys/bus/pci/drivers_probe", device);
}

static uint64_t region_of(int card, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	return call(card, VFIO_DEVICE_GET_REGION_INFO, &info) ? UINT64_MAX : info.offset;
}

static int open_group(struct _test_data_vfio *self, int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	self->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	self->group = open(path, O_RDWR | O_CLOEXEC);
	if (self->container < 0 || self->group < 0 ||
	    call(self->group, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -ENODEV;
	if (call(self->group, VFIO_GROUP_SET_CONTAINER, &self->container))
		return -EBUSY;
	return ioctl(self->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) ? -errno : 0;
}

/* The card as a bus master, its interrupt an eventfd. */
static int open_card(struct _test_data_vfio *self)
{
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	struct {
		struct vfio_irq_set set;
		int eventfd;
	} irq = {
		.set = {
			.argsz = sizeof(irq),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSI_IRQ_INDEX,
			.count = 1,
		},
	};

	self->card = ioctl(self->group, VFIO_GROUP_GET_DEVICE_FD, self->device);
	if (self->card < 0)
		return -errno;
	self->config = region_of(self->card, VFIO_PCI_CONFIG_REGION_INDEX);
	self->registers = region_of(self->card, VFIO_PCI_BAR0_REGION_INDEX);
	self->interrupt = eventfd(0, EFD_CLOEXEC);
	irq.eventfd = self->interrupt;
	if (pwrite(self->card, &command, 2, self->config + PCI_COMMAND) != 2)
		return -EIO;
	return call(self->card, VFIO_DEVICE_SET_IRQS, &irq);
}

FIXTURE_SETUP(vfio)
{
	int source = source_open("edu0"), group;

	if (source < 0)
		SKIP(return, "/dev/ndma/edu0 is missing: no edu card, or ndma_edu not loaded");
	strcpy(self->device, source_info(source).device);
	close(source);
	group = group_of(self->device);
	if (group < 0)
		SKIP(return, "this guest has no IOMMU");
	ASSERT_EQ(system("modprobe vfio-pci"), 0);
	ASSERT_EQ(give_to(self->device, "vfio-pci"), 0);
	ASSERT_EQ(open_group(self, group), 0);
	ASSERT_EQ(open_card(self), 0);
	self->heap = heap_open();
	self->fd = heap_alloc(self->heap, variant->bytes);
	ASSERT_GE(self->fd, 0);
	self->data = buffer_map(self->heap, self->fd, variant->bytes, RW);
	ASSERT_NE(self->data, MAP_FAILED);
}

FIXTURE_TEARDOWN(vfio)
{
	if (!self->container)
		return;
	munmap(self->data, variant->bytes);
	close(self->fd);
	close(self->heap);
	close(self->interrupt);
	close(self->card);
	close(self->group);
	close(self->container);
	EXPECT_EQ(give_to(self->device, "\n"), 0);
	/* Its node is as it was, for other users too. */
	EXPECT_EQ(system("udevadm settle --timeout=60"), 0);
	EXPECT_EQ(access("/dev/ndma/edu0", R_OK | W_OK), 0);
}

static int map(struct _test_data_vfio *self, size_t bytes, uint32_t flags, const void *at)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)at,
		.iova = IOVA,
		.size = bytes,
	};

	return call(self->container, VFIO_IOMMU_MAP_DMA, &map);
}

static int unmap(struct _test_data_vfio *self, size_t bytes)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = IOVA,
		.size = bytes,
	};

	return call(self->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

static int write_register(struct _test_data_vfio *self, uint32_t at, uint32_t value)
{
	return pwrite(self->card, &value, 4, self->registers + at) == 4 ? 0 : -EIO;
}

/* One copy of the card's, to its interrupt. */
static int copy(struct _test_data_vfio *self, uint32_t from, uint32_t to, uint32_t command)
{
	struct pollfd done = { .fd = self->interrupt, .events = POLLIN };
	uint32_t status = 0;
	uint64_t count;

	if (write_register(self, EDU_DMA_SOURCE, from) ||
	    write_register(self, EDU_DMA_TARGET, to) ||
	    write_register(self, EDU_DMA_BYTES, COPIED) ||
	    write_register(self, EDU_DMA_COMMAND, command | EDU_RUN | EDU_IRQ))
		return -EIO;
	if (poll(&done, 1, PATIENCE_NS / MSEC_NS) != 1)
		return -ETIMEDOUT;
	if (read(self->interrupt, &count, 8) != 8 ||
	    pread(self->card, &status, 4, self->registers + EDU_IRQ_STATUS) != 4)
		return -EIO;
	return write_register(self, EDU_IRQ_ACK, status);
}

TEST_F(vfio, a_card_copies_out_of_a_mapping_and_into_it)
{
	size_t last = variant->bytes - COPIED;
	int i;

	for (i = 0; i < COPIED; i++)
		self->data[i] = i * 7 + i / 256;
	ASSERT_EQ(map(self, variant->bytes, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		      self->data), 0);
	ASSERT_EQ(copy(self, IOVA, EDU_MEMORY, 0), 0);
	ASSERT_EQ(copy(self, EDU_MEMORY, IOVA + last, EDU_FROM_CARD), 0);
	EXPECT_EQ(memcmp(self->data, self->data + last, COPIED), 0);
	EXPECT_EQ(unmap(self, variant->bytes), 0);
}

TEST_F(vfio, a_mapping_that_it_has_pinned_refuses_a_guarded_transfer)
{
	int64_t transfer;

	ASSERT_EQ(map(self, variant->bytes, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		      self->data), 0);
	EXPECT_EQ(transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 0,
				 SECOND_NS), -EBUSY);
	EXPECT_EQ(unmap(self, variant->bytes), 0);
	transfer = transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 0,
				  SECOND_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
}

TEST_F(vfio, a_read_only_mapping_is_mapped_for_the_card_to_read_alone)
{
	int readonly = buffer_readonly(self->heap, self->fd);
	void *seen = buffer_map(self->heap, readonly, variant->bytes, PROT_READ);

	ASSERT_NE(seen, MAP_FAILED);
	EXPECT_EQ(map(self, variant->bytes, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		      seen), -EFAULT);
	EXPECT_EQ(map(self, variant->bytes, VFIO_DMA_MAP_FLAG_READ, seen), 0);
	EXPECT_EQ(unmap(self, variant->bytes), 0);
	munmap(seen, variant->bytes);
	close(readonly);
}

TEST_HARNESS_MAIN
