// SPDX-License-Identifier: GPL-2.0-only
/* Syncs what the edu card may have written as if the card only read: nothing comes to the CPU. */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

static int dma_synced_wrong_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void *buffer;
	dma_addr_t addr;
	int ret;

	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(28));
	if (ret)
		return ret;
	buffer = kzalloc(PAGE_SIZE, GFP_KERNEL | GFP_DMA);
	if (!buffer)
		return -ENOMEM;
	addr = dma_map_single(&pdev->dev, buffer, PAGE_SIZE, DMA_FROM_DEVICE);
	ret = dma_mapping_error(&pdev->dev, addr);
	if (!ret) {
		dma_sync_single_for_cpu(&pdev->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
		dma_unmap_single(&pdev->dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	}
	kfree(buffer);
	return ret;
}

static const struct pci_device_id dma_synced_wrong_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

static struct pci_driver dma_synced_wrong_driver = {
	.name = "dma_synced_wrong",
	.id_table = dma_synced_wrong_ids,
	.probe = dma_synced_wrong_probe,
};
module_pci_driver(dma_synced_wrong_driver);

MODULE_DESCRIPTION("Planted defect: a DMA mapping synced in the wrong direction");
MODULE_LICENSE("GPL");
