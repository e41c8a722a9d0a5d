// SPDX-License-Identifier: MIT
#include "vfio_config.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "vdig_regs.h"

#define CLASS_SIGNAL_PROCESSING 0x118000u
#define CAP_MSI 0x40
#define CAP_EXPRESS 0x60

static void put16(uint8_t *bytes, unsigned int offset, uint32_t value)
{
	bytes[offset] = (uint8_t)value;
	bytes[offset + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *bytes, unsigned int offset, uint32_t value)
{
	put16(bytes, offset, value);
	put16(bytes, offset + 2, value >> 16);
}

void vfio_config_reset(struct vfio_config *config)
{
	uint8_t *b = config->bytes, *w = config->writable;

	memset(config, 0, sizeof(*config));
	put16(b, PCI_VENDOR_ID, VDIG_PCI_VENDOR);
	put16(b, PCI_DEVICE_ID, VDIG_PCI_DEVICE);
	put16(b, PCI_STATUS, PCI_STATUS_CAP_LIST);
	put32(b, PCI_CLASS_REVISION, CLASS_SIGNAL_PROCESSING << 8 | 1);
	put32(b, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_32);
	put16(b, PCI_SUBSYSTEM_VENDOR_ID, VDIG_PCI_VENDOR);
	put16(b, PCI_SUBSYSTEM_ID, VDIG_PCI_DEVICE);
	b[PCI_CAPABILITY_LIST] = CAP_MSI;
	put16(w, PCI_COMMAND,
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		      PCI_COMMAND_INTX_DISABLE);
	w[PCI_CACHE_LINE_SIZE] = 0xff;
	w[PCI_INTERRUPT_LINE] = 0xff;

	b[CAP_MSI] = PCI_CAP_ID_MSI;
	b[CAP_MSI + PCI_CAP_LIST_NEXT] = CAP_EXPRESS;
	put16(b, CAP_MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT);
	put16(w, CAP_MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
	put32(w, CAP_MSI + PCI_MSI_ADDRESS_LO, 0xfffffffcu);
	put32(w, CAP_MSI + PCI_MSI_ADDRESS_HI, 0xffffffffu);
	put16(w, CAP_MSI + PCI_MSI_DATA_64, 0xffff);

	b[CAP_EXPRESS] = PCI_CAP_ID_EXP;
	put16(b, CAP_EXPRESS + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(b, CAP_EXPRESS + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
	put16(w, CAP_EXPRESS + PCI_EXP_DEVCTL, 0x7fff);
	put32(b, CAP_EXPRESS + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	put16(b, CAP_EXPRESS + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1);
	put16(w, CAP_EXPRESS + PCI_EXP_LNKCTL, 0x0fff);
}

void vfio_config_write(struct vfio_config *config, uint64_t offset, const uint8_t *data,
		       uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		uint8_t mask = config->writable[offset + i];

		config->bytes[offset + i] =
			(uint8_t)((config->bytes[offset + i] & ~mask) | (data[i] & mask));
	}
}

bool vfio_config_mastering(const struct vfio_config *config)
{
	return config->bytes[PCI_COMMAND] & PCI_COMMAND_MASTER;
}
