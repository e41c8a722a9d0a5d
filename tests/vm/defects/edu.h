/* SPDX-License-Identifier: GPL-2.0-only */
/* The edu card, for the defects of drivers that map memory for it. */
#ifndef NDMA_DEFECTS_EDU_H
#define NDMA_DEFECTS_EDU_H

#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

/* Maps a new page for the card to write to: kfree() is the caller's. */
static int edu_map_page(struct pci_dev *pdev, void **page, dma_addr_t *addr)
{
	int ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(28));

	if (ret)
		return ret;
	*page = kzalloc(PAGE_SIZE, GFP_KERNEL | GFP_DMA);
	if (!*page)
		return -ENOMEM;
	*addr = dma_map_single(&pdev->dev, *page, PAGE_SIZE, DMA_FROM_DEVICE);
	ret = dma_mapping_error(&pdev->dev, *addr);
	if (ret)
		kfree(*page);
	return ret;
}

#endif
