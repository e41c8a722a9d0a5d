// SPDX-License-Identifier: GPL-2.0-only
/* Lets go of the edu card with memory still mapped for it. */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

static int dma_not_unmapped_probe(struct pci_dev *pdev, const struct pci_device_id *id)
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
	if (dma_mapping_error(&pdev->dev, addr)) {
		kfree(buffer);
		return -ENOMEM;
	}
	pci_set_drvdata(pdev, buffer);
	return 0;
}

static void dma_not_unmapped_remove(struct pci_dev *pdev)
{
	kfree(pci_get_drvdata(pdev));
}

static const struct pci_device_id dma_not_unmapped_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

static struct pci_driver dma_not_unmapped_driver = {
	.name = "dma_not_unmapped",
	.id_table = dma_not_unmapped_ids,
	.probe = dma_not_unmapped_probe,
	.remove = dma_not_unmapped_remove,
};
module_pci_driver(dma_not_unmapped_driver);

MODULE_DESCRIPTION("Planted defect: a DMA mapping that outlives its driver");
MODULE_LICENSE("GPL");
