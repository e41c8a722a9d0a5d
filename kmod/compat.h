/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between Linux 6.1, 6.12 and 7.2. The only file with a kernel version test: the
 * rest is written against the newest interface, or against a helper that is defined here.
 */
#ifndef NDMA_COMPAT_H
#define NDMA_COMPAT_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define NDMA_IMPORT_DMA_BUF MODULE_IMPORT_NS("DMA_BUF")
#else
#define NDMA_IMPORT_DMA_BUF MODULE_IMPORT_NS(DMA_BUF)
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define ndma_class_create(name) class_create(name)
#else
#define ndma_class_create(name) class_create(THIS_MODULE, name)
#endif

/* struct class devnode's first argument: pointer to const from 6.2 on. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
typedef const struct device ndma_devnode_device;
#else
typedef struct device ndma_devnode_device;
#endif

/* Highest order of the page allocator; MAX_ORDER was one more until 6.4. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define NDMA_ORDER_MAX MAX_PAGE_ORDER
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define NDMA_ORDER_MAX MAX_ORDER
#else
#define NDMA_ORDER_MAX (MAX_ORDER - 1)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
static inline void release_fault_lock(struct vm_fault *vmf)
{
	mmap_read_unlock(vmf->vma->vm_mm);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/*
 * A fence can outlive this module. From 7.1 on a fence with neither .release nor .wait, and with
 * its lock inside, lets go of its ops when it is signalled; before, it has to keep the module.
 */
#ifdef dma_fence_lock_irqsave
#define NDMA_FENCE_KEEPS_MODULE 0
#else
#define NDMA_FENCE_KEEPS_MODULE 1
#define dma_fence_lock_irqsave(fence, flags) spin_lock_irqsave((fence)->lock, flags)
#define dma_fence_unlock_irqrestore(fence, flags) spin_unlock_irqrestore((fence)->lock, flags)
#endif

/* Under rcu_read_lock(). */
static inline const char *ndma_fence_driver(struct dma_fence *fence)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	return dma_fence_driver_name(fence);
#else
	return fence->ops->get_driver_name(fence);
#endif
}

#endif /* NDMA_COMPAT_H */
