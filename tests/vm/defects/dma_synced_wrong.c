// SPDX-License-Identifier: GPL-2.0-only
/* Syncs what the edu card may have written as if the card only read: nothing comes to the CPU. */
#include "edu.h"

static int dma_synced_wrong_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void *page;
	dma_addr_t addr;
	int ret;

	ret = edu_map_page(pdev, &page, &addr);
	if (ret)
		return ret;
	dma_sync_single_for_cpu(&pdev->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	dma_unmap_single(&pdev->dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	kfree(page);
	return 0;
}

static struct pci_driver dma_synced_wrong_driver = {
	.name = "dma_synced_wrong",
	.id_table = edu_ids,
	.probe = dma_synced_wrong_probe,
};
module_pci_driver(dma_synced_wrong_driver);

MODULE_DESCRIPTION("Planted defect: a DMA mapping synced in the wrong direction");
MODULE_LICENSE("GPL");
