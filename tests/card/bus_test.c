// SPDX-License-Identifier: MIT
/* What the vfio-user front end stands on: the DMA table and the configuration space. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "vfio_config.h"
#include "vfio_dma.h"

#define PAGE 4096u

static struct vfio_range range(uint64_t address, uint64_t bytes, uint64_t offset)
{
	return (struct vfio_range){
		.address = address,
		.bytes = bytes,
		.offset = offset,
		.readable = true,
		.writable = true,
	};
}

static enum card_reach reach(const struct vfio_dma *dma, uint64_t address, uint64_t wanted,
			     uint64_t *bytes, unsigned char **host)
{
	void *at = NULL;
	enum card_reach result;

	*bytes = wanted;
	result = vfio_dma_reach(dma, address, bytes, true, &at);
	*host = at;
	return result;
}

static void ranges_are_found(void)
{
	struct vfio_dma dma = { 0 };
	struct vfio_range r = range(0x10000, 4 * PAGE, PAGE);
	unsigned char *host, *other;
	int fd = memfd_create("memory", MFD_CLOEXEC), ok = fd >= 0 && !ftruncate(fd, 64 * PAGE);
	uint64_t bytes;

	EXPECT(ok, reach(&dma, 0x10000, 8, &bytes, &host) == CARD_REACH_UNMAPPED);
	EXPECT(ok, !vfio_dma_map(&dma, &r, fd));
	r = range(0, 8 * PAGE, 16 * PAGE);
	EXPECT(ok, !vfio_dma_map(&dma, &r, fd));
	EXPECT(ok, reach(&dma, 0x10010, 1 << 20, &bytes, &host) == CARD_REACH_OK);
	EXPECT(ok, bytes == 4 * PAGE - 0x10);
	host[0] = 42;
	EXPECT(ok, reach(&dma, 0x10, 16, &bytes, &other) == CARD_REACH_OK && bytes == 16);
	EXPECT(ok, other - host == 15 * PAGE); /* one mapping for both */
	EXPECT(ok, pread(fd, &bytes, 1, PAGE + 0x10) == 1 && (bytes & 0xff) == 42);
	EXPECT(ok, reach(&dma, 0x10000 + 4 * PAGE, 8, &bytes, &host) == CARD_REACH_UNMAPPED);
	EXPECT(ok, reach(&dma, 8 * PAGE, 8, &bytes, &host) == CARD_REACH_UNMAPPED);
	EXPECT(ok, reach(&dma, ~0ull, 8, &bytes, &host) == CARD_REACH_UNMAPPED);
	vfio_dma_unmap(&dma, 0x10000, 4 * PAGE);
	EXPECT(ok, reach(&dma, 0x10000, 8, &bytes, &host) == CARD_REACH_UNMAPPED);
	EXPECT(ok, reach(&dma, 0x10, 8, &bytes, &other) == CARD_REACH_OK);
	vfio_dma_unmap(&dma, 0x123000, PAGE); /* nothing there: no error */
	vfio_dma_clear(&dma);
	close(fd);
	tap(ok, "a DMA address leads to its file, as far as its range goes, until it is unmapped");
}

static void bad_ranges_are_refused(void)
{
	struct vfio_dma dma = { 0 };
	struct vfio_range r = range(0x10000, 4 * PAGE, 0);
	unsigned char *host;
	int fd = memfd_create("memory", MFD_CLOEXEC), ok = fd >= 0 && !ftruncate(fd, 8 * PAGE);
	uint64_t bytes;

	EXPECT(ok, !vfio_dma_map(&dma, &r, fd));
	EXPECT(ok, vfio_dma_map(&dma, &r, fd) == -EEXIST);
	r = range(0x10000 - PAGE, 2 * PAGE, 0);
	EXPECT(ok, vfio_dma_map(&dma, &r, fd) == -EEXIST);
	r = range(0x10000 + 3 * PAGE, 2 * PAGE, 0);
	EXPECT(ok, vfio_dma_map(&dma, &r, fd) == -EEXIST);
	r = range(0, 8 * 0x10000, 0);
	EXPECT(ok, vfio_dma_map(&dma, &r, fd) == -EEXIST);
	r = range(0x80000, 0, 0);
	EXPECT(ok, vfio_dma_map(&dma, &r, fd) == -EINVAL);
	r = range(~0ull - PAGE, 4 * PAGE, 0);
	EXPECT(ok, vfio_dma_map(&dma, &r, fd) == -EINVAL);
	r = range(0x80000, PAGE, 8 * PAGE);
	EXPECT(ok, vfio_dma_map(&dma, &r, fd) == -EINVAL);
	r = range(0x80000, PAGE, 0);
	r.writable = false;
	EXPECT(ok, !vfio_dma_map(&dma, &r, fd));
	EXPECT(ok, reach(&dma, 0x80000, 8, &bytes, &host) == CARD_REACH_READ_ONLY);
	r = range(0x90000, PAGE, 0);
	EXPECT(ok, !vfio_dma_map(&dma, &r, -1));
	EXPECT(ok, reach(&dma, 0x90000, 8, &bytes, &host) == CARD_REACH_UNMAPPED);
	vfio_dma_clear(&dma);
	close(fd);
	tap(ok,
	    "ranges that overlap, overflow or leave their file are refused; read-only ones are");
}

static void many_ranges_stay_in_order(void)
{
	enum { RANGES = 1000 };
	struct vfio_dma dma = { 0 };
	unsigned char *host, *base;
	int fd = memfd_create("memory", MFD_CLOEXEC);
	int ok = fd >= 0 && !ftruncate(fd, (off_t)RANGES * PAGE);
	uint64_t bytes;
	uint32_t i;

	for (i = 0; i < RANGES; i++) {
		uint32_t at = i * 387 % RANGES; /* in no order */
		struct vfio_range r = range(2ull * at * PAGE, PAGE, (uint64_t)at * PAGE);

		EXPECT(ok, !vfio_dma_map(&dma, &r, fd));
	}
	EXPECT(ok, reach(&dma, 0, 8, &bytes, &base) == CARD_REACH_OK);
	for (i = 0; i < RANGES; i++) {
		EXPECT(ok, reach(&dma, 2ull * i * PAGE + 8, PAGE, &bytes, &host) == CARD_REACH_OK);
		EXPECT(ok, host == base + (size_t)i * PAGE + 8 && bytes == PAGE - 8);
		EXPECT(ok,
		       reach(&dma, (2ull * i + 1) * PAGE, 8, &bytes, &host) == CARD_REACH_UNMAPPED);
	}
	vfio_dma_unmap(&dma, 0, (uint64_t)RANGES * PAGE); /* the lower half, in one go */
	EXPECT(ok, dma.count == RANGES / 2);
	EXPECT(ok, reach(&dma, (uint64_t)RANGES * PAGE, 8, &bytes, &host) == CARD_REACH_OK);
	vfio_dma_clear(&dma);
	close(fd);
	tap(ok, "a thousand ranges in no order are each found, and unmapped together");
}

static void the_configuration_space_is_an_endpoint(void)
{
	static struct vfio_config config;
	const uint8_t on = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		      ones[4] = { 255, 255, 255, 255 };
	int ok = 1;
	uint8_t at, seen = 0;

	vfio_config_reset(&config);
	EXPECT(ok, !vfio_config_mastering(&config));
	vfio_config_write(&config, PCI_COMMAND, &on, 1);
	EXPECT(ok, vfio_config_mastering(&config));
	vfio_config_write(&config, PCI_VENDOR_ID, ones, 4);
	EXPECT(ok, config.bytes[0] == 0x34 && config.bytes[1] == 0x12);
	for (at = config.bytes[PCI_CAPABILITY_LIST]; at; at = config.bytes[at + 1])
		seen |= config.bytes[at] == PCI_CAP_ID_MSI   ? 1
			: config.bytes[at] == PCI_CAP_ID_EXP ? 2
							     : 4;
	EXPECT(ok, seen == 3);
	vfio_config_reset(&config);
	EXPECT(ok, !vfio_config_mastering(&config));
	tap(ok,
	    "the card is an express endpoint with MSI; identity cannot be written, reset clears");
}

int main(void)
{
	puts("TAP version 13");
	ranges_are_found();
	bad_ranges_are_refused();
	many_ranges_stay_in_order();
	the_configuration_space_is_an_endpoint();
	return tap_end();
}
