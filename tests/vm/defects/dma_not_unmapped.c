// SPDX-License-Identifier: GPL-2.0-only
/* Lets go of the edu card with memory still mapped for it. */
#include "edu.h"

static int dma_not_unmapped_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void *page;
	dma_addr_t addr;
	int ret;

	ret = edu_map_page(pdev, &page, &addr);
	if (ret)
		return ret;
	pci_set_drvdata(pdev, page);
	return 0;
}

static void dma_not_unmapped_remove(struct pci_dev *pdev)
{
	kfree(pci_get_drvdata(pdev));
}

static struct pci_driver dma_not_unmapped_driver = {
	.name = "dma_not_unmapped",
	.id_table = edu_ids,
	.probe = dma_not_unmapped_probe,
	.remove = dma_not_unmapped_remove,
};
module_pci_driver(dma_not_unmapped_driver);

MODULE_DESCRIPTION("Planted defect: a DMA mapping that outlives its driver");
MODULE_LICENSE("GPL");
