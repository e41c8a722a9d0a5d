// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes ndma's sync of a frame for the CPU away. DMA-API checks do not see what is never called;
 * where mappings are bounced, the frame's memory stays as it was before.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static noinline void dma_not_synced_instead(void)
{
}

static int dma_not_synced_enter(struct kprobe *probe, struct pt_regs *regs)
{
	instruction_pointer_set(regs, (unsigned long)dma_not_synced_instead);
	return 1;
}

static struct kprobe dma_not_synced_probe = {
	.symbol_name = "ndma_segments_sync_for_cpu",
	.pre_handler = dma_not_synced_enter,
};

static int __init dma_not_synced_init(void)
{
	return register_kprobe(&dma_not_synced_probe);
}
module_init(dma_not_synced_init);

static void __exit dma_not_synced_exit(void)
{
	unregister_kprobe(&dma_not_synced_probe);
}
module_exit(dma_not_synced_exit);

MODULE_DESCRIPTION("Planted defect: a DMA mapping that is not synced");
MODULE_LICENSE("GPL");
