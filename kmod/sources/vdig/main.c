// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtual digitizer: coming and going.
 *
 * A card can leave in four ways:
 * - unplugged in order: vdig_remove();
 * - pulled out: registers read all-ones, and vdig_remove() follows or does not;
 * - its process dies: as if pulled out behind vfio-user; behind ivshmem nothing happens, but the
 *   card's clock stands still;
 * - the bus fails: the handlers of PCI errors below.
 * The watchdog notices the second and the third. Then the source leaves while the PCI function stays.
 */
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/iommu.h>
#include <linux/module.h>

#include "vdig.h"

/* How often a running card is looked after, and how long its clock may stand still. */
#define WATCHDOG_MS 100
#define DEAD_MS 5000

/* How long the bus may take to recover: twice the longest time that Linux waits for a reset. */
#define RECOVERY_MS 120000

/*
 * How long all-ones may last before the card counts as gone: they may be an error of the bus, of
 * which Linux tells a little later.
 */
#define GRACE_MS 1000

/* Completions taken with interrupts off. */
#define TAKE_BATCH 64

enum vdig_attachment { VDIG_PCI, VDIG_IVSHMEM };

static bool ivshmem;
module_param(ivshmem, bool, 0444);
MODULE_PARM_DESC(ivshmem, "take the machine's ivshmem devices for cards (default: no)");

void vdig_distrust(struct vdig *vdig, const char *why)
{
	dev_err_ratelimited(&vdig->pdev->dev, "%s: the stream ends\n", why);
	vdig->running = false;
	ndma_stream_finish(vdig->stream);
}

/* The card counts as gone if nothing clears this within @delay_ms. Under the mutex. */
static void vdig_lose(struct vdig *vdig, unsigned int delay_ms)
{
	cancel_delayed_work(&vdig->gone);
	schedule_delayed_work(&vdig->gone, msecs_to_jiffies(delay_ms));
}

void vdig_miss(struct vdig *vdig)
{
	/* The time counts from the first miss: a work that is queued already is left as it is. */
	schedule_delayed_work(&vdig->gone, msecs_to_jiffies(GRACE_MS));
}

void vdig_run(struct vdig *vdig)
{
	/* The card has just answered, so an earlier miss is forgotten. */
	cancel_delayed_work(&vdig->gone);
	vdig->time_ms = readl(vdig->regs + VDIG_REG_TIME_MS);
	vdig->moved = jiffies;
	spin_lock_irq(&vdig->lock);
	vdig->running = true;
	vdig->triggers = 0;
	vdig_ring_post(vdig);
	spin_unlock_irq(&vdig->lock);
	queue_delayed_work(ndma_source_workqueue, &vdig->watchdog, msecs_to_jiffies(WATCHDOG_MS));
}

void vdig_halt(struct vdig *vdig)
{
	cancel_delayed_work_sync(&vdig->watchdog);
	spin_lock_irq(&vdig->lock);
	vdig->running = false;
	spin_unlock_irq(&vdig->lock);
}

/* Takes completions and posts free frames; returns whether there may be more. */
static bool vdig_serve(struct vdig *vdig)
{
	unsigned long flags;
	u32 taken = 0;

	spin_lock_irqsave(&vdig->lock, flags);
	if (vdig->stream) {
		taken = vdig_ring_take(vdig, TAKE_BATCH);
		vdig_ring_post(vdig);
	}
	spin_unlock_irqrestore(&vdig->lock, flags);
	return taken == TAKE_BATCH;
}

/*
 * Looks at no register, and never answers IRQ_NONE: an interrupt without cause is the card's fault
 * and harmless, and the kernel must not turn the line off for it.
 */
static irqreturn_t vdig_interrupt(int irq, void *data)
{
	return vdig_serve(data) ? IRQ_WAKE_THREAD : IRQ_HANDLED;
}

static irqreturn_t vdig_interrupt_thread(int irq, void *data)
{
	while (vdig_serve(data))
		cond_resched();
	return IRQ_HANDLED;
}

/* ---------------------------------------------------------------- looking after the card */

/* Looks at the registers of a running card. True: it has vanished. */
static bool vdig_look(struct vdig *vdig)
{
	u32 time_ms = readl(vdig->regs + VDIG_REG_TIME_MS);
	u32 status = readl(vdig->regs + VDIG_REG_STATUS);
	const char *why = NULL;

	if (status == U32_MAX && vdig_card_check(vdig))
		return true;
	if (time_ms != vdig->time_ms) {
		vdig->time_ms = time_ms;
		vdig->moved = jiffies;
	} else if (time_is_before_jiffies(vdig->moved + msecs_to_jiffies(DEAD_MS))) {
		return true;
	}
	if (status & ~VDIG_STATUS_BITS)
		why = "its status is garbage";
	else if (!(status & VDIG_STATUS_RUNNING))
		why = "it has stopped by itself";
	spin_lock_irq(&vdig->lock);
	if (why && vdig->running) {
		/* What the card has finished before it went wrong is part of the stream. */
		vdig_ring_take(vdig, VDIG_RING_ENTRIES);
		vdig_distrust(vdig, why);
	}
	spin_unlock_irq(&vdig->lock);
	return false;
}

static void vdig_watch(struct work_struct *work)
{
	struct vdig *vdig = container_of(to_delayed_work(work), struct vdig, watchdog);

	/* Makes up for interrupts that were lost. */
	while (vdig_serve(vdig))
		cond_resched();
	if (vdig_look(vdig))
		vdig_miss(vdig);
	else
		queue_delayed_work(ndma_source_workqueue, &vdig->watchdog,
				   msecs_to_jiffies(WATCHDOG_MS));
}

/*
 * The source, for the one caller that is to unregister it; NULL for every later one. Under the
 * mutex.
 */
static struct ndma_source *vdig_claim_source(struct vdig *vdig)
{
	struct ndma_source *source = vdig->source;

	vdig->source = NULL;
	return source;
}

static void vdig_vanish(struct work_struct *work)
{
	struct vdig *vdig = container_of(to_delayed_work(work), struct vdig, gone);
	struct ndma_source *source = NULL;

	mutex_lock(&vdig->mutex);
	/*
	 * An error of the bus may have come just before this work ran: then the card has until
	 * recover_by.
	 */
	if (!vdig->recovering || time_is_before_eq_jiffies(vdig->recover_by))
		source = vdig_claim_source(vdig);
	mutex_unlock(&vdig->mutex);
	if (!source)
		return;
	dev_err(&vdig->pdev->dev, "the card has vanished\n");
	ndma_source_unregister(source);
}

/* ---------------------------------------------------------------- errors of the bus */

/*
 * Pauses the source while the bus recovers. RECOVERY_MS later the card counts as gone, because nobody
 * says so when recovery fails.
 */
static void vdig_pause(struct vdig *vdig)
{
	struct ndma_source *source;
	bool again;

	mutex_lock(&vdig->mutex);
	/* An error may come while an earlier one, of which nobody told the end, is still waited for. */
	again = vdig->recovering;
	vdig->recovering = true;
	vdig->recover_by = jiffies + msecs_to_jiffies(RECOVERY_MS);
	source = vdig->source;
	mutex_unlock(&vdig->mutex);
	/* The source stays: from here on vdig_vanish() leaves it alone until recover_by. */
	if (!again)
		ndma_source_pause(source);
	mutex_lock(&vdig->mutex);
	/* After the pause has halted the watchdog: it may have missed the card, with a shorter time. */
	vdig_lose(vdig, RECOVERY_MS);
	mutex_unlock(&vdig->mutex);
}

static void vdig_continue(struct vdig *vdig)
{
	struct ndma_source *source;

	mutex_lock(&vdig->mutex);
	source = vdig->recovering ? vdig->source : NULL;
	vdig->recovering = false;
	cancel_delayed_work(&vdig->gone);
	mutex_unlock(&vdig->mutex);
	/* A card that does not answer is missed by vdig_start(), and has a second from then on. */
	ndma_source_resume(source);
}

static void vdig_give_up(struct vdig *vdig)
{
	mutex_lock(&vdig->mutex);
	vdig->recover_by = jiffies;
	vdig_lose(vdig, 0);
	mutex_unlock(&vdig->mutex);
}

static pci_ers_result_t vdig_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct vdig *vdig = pci_get_drvdata(pdev);

	vdig_pause(vdig);
	if (state == pci_channel_io_perm_failure) {
		vdig_give_up(vdig);
		return PCI_ERS_RESULT_DISCONNECT;
	}
	return state == pci_channel_io_normal ? PCI_ERS_RESULT_CAN_RECOVER
					      : PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t vdig_mmio_enabled(struct pci_dev *pdev)
{
	return vdig_card_check(pci_get_drvdata(pdev)) ? PCI_ERS_RESULT_NEED_RESET
						      : PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t vdig_slot_reset(struct pci_dev *pdev)
{
	struct vdig *vdig = pci_get_drvdata(pdev);

	pci_restore_state(pdev);
	pci_save_state(pdev);
	if (!vdig_card_check(vdig))
		return PCI_ERS_RESULT_RECOVERED;
	vdig_give_up(vdig);
	return PCI_ERS_RESULT_DISCONNECT;
}

static void vdig_resume(struct pci_dev *pdev)
{
	vdig_continue(pci_get_drvdata(pdev));
}

static void vdig_reset_prepare(struct pci_dev *pdev)
{
	vdig_pause(pci_get_drvdata(pdev));
}

static void vdig_reset_done(struct pci_dev *pdev)
{
	/* pci_restore_state() has used up what was saved, and a later error of the bus needs it. */
	pci_save_state(pdev);
	vdig_continue(pci_get_drvdata(pdev));
}

/* The bus saves and restores the state by itself, and uses up what was saved for an error. */
static int vdig_woken(struct device *dev)
{
	return pci_save_state(to_pci_dev(dev));
}

static DEFINE_SIMPLE_DEV_PM_OPS(vdig_pm, NULL, vdig_woken);

static const struct pci_error_handlers vdig_error_handlers = {
	.error_detected = vdig_error_detected,
	.mmio_enabled = vdig_mmio_enabled,
	.slot_reset = vdig_slot_reset,
	.resume = vdig_resume,
	.reset_prepare = vdig_reset_prepare,
	.reset_done = vdig_reset_done,
};

/* ---------------------------------------------------------------- coming and going */

/* Maps one BAR of at least @bytes. */
static int vdig_map(struct vdig *vdig, int bar, resource_size_t bytes, void __iomem **regs)
{
	int ret;

	if (pci_resource_len(vdig->pdev, bar) < bytes)
		return -ENODEV;
	ret = pci_request_region(vdig->pdev, bar, "ndma_vdig");
	if (ret)
		return ret;
	*regs = pci_iomap(vdig->pdev, bar, 0);
	if (*regs)
		return 0;
	pci_release_region(vdig->pdev, bar);
	return -ENOMEM;
}

static void vdig_unmap(struct vdig *vdig, int bar, void __iomem *regs)
{
	pci_iounmap(vdig->pdev, regs);
	pci_release_region(vdig->pdev, bar);
}

/* Refuses an IOMMU: the process behind ivshmem knows physical addresses only. */
static int vdig_check_reach(struct vdig *vdig)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&vdig->pdev->dev);

	if (!domain || !(domain->type & __IOMMU_DOMAIN_PAGING))
		return 0;
	dev_err(&vdig->pdev->dev,
		"behind ivshmem the card cannot work through an IOMMU: attach it by vfio-user\n");
	return -EOPNOTSUPP;
}

static int vdig_attach(struct vdig *vdig, enum vdig_attachment attachment)
{
	int regs_bar = attachment == VDIG_IVSHMEM ? 2 : 0;
	int ret = vdig_map(vdig, regs_bar, VDIG_REGS_BYTES, &vdig->regs);

	if (ret)
		return ret;
	/* No message: with ivshmem=1 any shared memory of the machine comes here, and most is no card. */
	ret = vdig_card_check(vdig);
	if (ret || attachment != VDIG_IVSHMEM)
		goto unmap_if_failed;
	ret = vdig_check_reach(vdig);
	if (ret)
		goto unmap_if_failed;
	vdig->doorbell_value = readl(vdig->regs + VDIG_REG_DOORBELL);
	ret = vdig_map(vdig, 0, VDIG_IVSHMEM_DOORBELL + 4, &vdig->doorbell);
	if (!ret)
		vdig->doorbell += VDIG_IVSHMEM_DOORBELL;
unmap_if_failed:
	if (ret)
		vdig_unmap(vdig, regs_bar, vdig->regs);
	return ret;
}

static void vdig_detach(struct vdig *vdig)
{
	if (vdig->doorbell)
		vdig_unmap(vdig, 0, vdig->doorbell - VDIG_IVSHMEM_DOORBELL);
	vdig_unmap(vdig, vdig->doorbell ? 2 : 0, vdig->regs);
}

static int vdig_set_interrupt(struct vdig *vdig)
{
	int ret = pci_alloc_irq_vectors(vdig->pdev, 1, 1, PCI_IRQ_MSI | PCI_IRQ_MSIX);

	if (ret < 0)
		return ret;
	vdig->irq = pci_irq_vector(vdig->pdev, 0);
	ret = request_threaded_irq(vdig->irq, vdig_interrupt, vdig_interrupt_thread, 0, "ndma_vdig",
				   vdig);
	if (ret)
		pci_free_irq_vectors(vdig->pdev);
	return ret;
}

static void vdig_free_interrupt(struct vdig *vdig)
{
	free_irq(vdig->irq, vdig);
	pci_free_irq_vectors(vdig->pdev);
}

static int vdig_register(struct vdig *vdig)
{
	struct ndma_source *source;

	vdig->desc = vdig_desc;
	vdig->desc.dev = &vdig->pdev->dev;
	source = ndma_source_register(&vdig->desc, vdig);
	if (IS_ERR(source))
		return PTR_ERR(source);
	mutex_lock(&vdig->mutex);
	vdig->source = source;
	mutex_unlock(&vdig->mutex);
	return 0;
}

/*
 * The card may still run: the kernel before this one may have crashed, or started this one by kexec. It
 * must not have the bus before it is reset.
 */
static int vdig_calm(struct vdig *vdig)
{
	pci_clear_master(vdig->pdev);
	return vdig_card_reset(vdig);
}

static enum vdig_attachment vdig_attachment(const struct pci_dev *pdev)
{
	return pdev->vendor == VDIG_IVSHMEM_VENDOR && pdev->device == VDIG_IVSHMEM_DEVICE ?
		       VDIG_IVSHMEM :
		       VDIG_PCI;
}

static int vdig_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vdig *vdig = devm_kzalloc(&pdev->dev, sizeof(*vdig), GFP_KERNEL);
	int ret;

	if (!vdig)
		return -ENOMEM;
	vdig->pdev = pdev;
	mutex_init(&vdig->mutex);
	spin_lock_init(&vdig->lock);
	INIT_DELAYED_WORK(&vdig->gone, vdig_vanish);
	INIT_DELAYED_WORK(&vdig->watchdog, vdig_watch);
	pci_set_drvdata(pdev, vdig);

	ret = pci_enable_device(pdev);
	if (ret)
		return ret;
	ret = vdig_attach(vdig, vdig_attachment(pdev));
	if (ret)
		goto disable;
	ret = vdig_calm(vdig);
	if (ret)
		goto detach;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		goto detach;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	ret = vdig_set_interrupt(vdig);
	if (ret)
		goto detach;
	pci_save_state(pdev);
	ret = vdig_register(vdig);
	if (ret)
		goto free_interrupt;
	return 0;

free_interrupt:
	vdig_free_interrupt(vdig);
detach:
	vdig_detach(vdig);
disable:
	pci_disable_device(pdev);
	return ret;
}

static void vdig_remove(struct pci_dev *pdev)
{
	struct vdig *vdig = pci_get_drvdata(pdev);
	struct ndma_source *source;

	mutex_lock(&vdig->mutex);
	source = vdig_claim_source(vdig);
	mutex_unlock(&vdig->mutex);
	ndma_source_unregister(source);
	/*
	 * vdig_vanish() finds no source from here on, but may be unregistering it at this moment.
	 */
	cancel_delayed_work_sync(&vdig->gone);
	pci_clear_master(pdev);
	vdig_free_interrupt(vdig);
	vdig_detach(vdig);
	pci_disable_device(pdev);
}

#define VDIG_PCI_CARD PCI_DEVICE(VDIG_PCI_VENDOR, VDIG_PCI_DEVICE)
#define VDIG_IVSHMEM_CARD PCI_DEVICE(VDIG_IVSHMEM_VENDOR, VDIG_IVSHMEM_DEVICE)

static const struct pci_device_id vdig_ids[] = { { VDIG_PCI_CARD }, {} };
MODULE_DEVICE_TABLE(pci, vdig_ids);

/*
 * Not in the table by which udev finds a driver: any shared memory of a virtual machine has this number, and
 * is somebody else's. Who knows better asks for it: ivshmem=1, or driver_override of one device.
 */
static const struct pci_device_id vdig_ids_with_ivshmem[] = {
	{ VDIG_PCI_CARD }, { VDIG_IVSHMEM_CARD }, {}
};

static struct pci_driver vdig_driver = {
	.name = "ndma_vdig",
	.id_table = vdig_ids,
	.probe = vdig_probe,
	.remove = vdig_remove,
	.err_handler = &vdig_error_handlers,
	.driver.pm = pm_sleep_ptr(&vdig_pm),
};

static int __init vdig_init(void)
{
	if (ivshmem)
		vdig_driver.id_table = vdig_ids_with_ivshmem;
	return pci_register_driver(&vdig_driver);
}

static void __exit vdig_exit(void)
{
	pci_unregister_driver(&vdig_driver);
}

module_init(vdig_init);
module_exit(vdig_exit);
MODULE_DESCRIPTION("ndma source for the virtual digitizer");
MODULE_AUTHOR("The ndma authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
