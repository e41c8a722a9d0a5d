// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings into user space.
 *
 * Memory of huge pages at an address congruent to its offset is mapped by a plain VMA whose fault
 * handler returns the page: the core then maps a whole PMD, and get_user_pages() works. Anything
 * else is a VM_MIXEDMAP area, filled at once: one fault a page would cost ten times as much. One area
 * is one or the other, so who maps memory of several sizes of pages maps each run of it.
 */
#include <linux/dma-buf.h>
#include <linux/huge_mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

#define NDMA_HUGE_PAGES (NDMA_HUGE_BYTES >> PAGE_SHIFT)

/* Pages handed to the core at a time. */
#define NDMA_INSERT_BATCH 256

static vm_fault_t ndma_mapping_fault_mixed(struct vm_fault *vmf, struct page *page)
{
	int ret = vm_insert_page(vmf->vma, vmf->address & PAGE_MASK, page);

	/* -EBUSY: another thread's fault has mapped the page first. */
	return ret && ret != -EBUSY ? vmf_error(ret) : VM_FAULT_NOPAGE;
}

/*
 * buffer->map_lock is held: the page cannot be seized before it is mapped or its folio is locked.
 */
static vm_fault_t ndma_mapping_fault_open(struct vm_fault *vmf, struct ndma_buffer *buffer)
{
	struct page *page = ndma_memory_page(buffer->memory, vmf->pgoff);

	/* A PMD of counted pages in a VM_MIXEDMAP area corrupts the rss counters (7.2). */
	if (vmf->vma->vm_flags & VM_MIXEDMAP)
		return ndma_mapping_fault_mixed(vmf, page);
	get_page(page);
	lock_page(page);
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

static vm_fault_t ndma_mapping_fault(struct vm_fault *vmf)
{
	struct ndma_buffer *buffer = vmf->vma->vm_private_data;
	vm_fault_t ret;

	if (vmf->pgoff >= buffer->memory->bytes >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	down_read(&buffer->map_lock);
	if (ndma_guard_excludes(buffer, vmf->vma->vm_flags & VM_MAYWRITE)) {
		up_read(&buffer->map_lock);
		return ndma_guard_fault(vmf, buffer);
	}
	if (buffer->touched && buffer->touched(buffer->touched_priv, (u64)vmf->pgoff << PAGE_SHIFT))
		ret = VM_FAULT_SIGBUS;
	else
		ret = ndma_mapping_fault_open(vmf, buffer);
	up_read(&buffer->map_lock);
	return ret;
}

static const struct vm_operations_struct ndma_mapping_vm_ops = {
	.fault = ndma_mapping_fault,
};

static bool ndma_mapping_is_huge(const struct ndma_memory *memory, struct vm_area_struct *vma)
{
	unsigned int order;

	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) &&
	       IS_ALIGNED((vma->vm_start >> PAGE_SHIFT) - vma->vm_pgoff, NDMA_HUGE_PAGES) &&
	       ndma_memory_run(memory, vma->vm_pgoff, &order) >= vma_pages(vma) &&
	       order == PMD_SHIFT - PAGE_SHIFT;
}

static int ndma_mapping_insert(const struct ndma_memory *memory, struct vm_area_struct *vma)
{
	unsigned long left = vma_pages(vma), at = 0;
	struct page **pages;
	int ret = 0;

	pages = kmalloc_array(min_t(unsigned long, left, NDMA_INSERT_BATCH), sizeof(*pages),
			      GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	while (left && !ret) {
		unsigned long nr = min_t(unsigned long, left, NDMA_INSERT_BATCH);
		unsigned long rest = nr, i;

		/* There may be millions of pages, and mmap_lock keeps the whole process waiting. */
		cond_resched();
		ret = -EINTR;
		if (fatal_signal_pending(current))
			break;
		for (i = 0; i < nr; i++)
			pages[i] = ndma_memory_page(memory, vma->vm_pgoff + at + i);
		ret = vm_insert_pages(vma, vma->vm_start + (at << PAGE_SHIFT), pages, &rest);
		at += nr;
		left -= nr;
	}
	kfree(pages);
	return ret;
}

/*
 * What pages are mapped with in an area that is just being made. As if they had been written to, where
 * that is allowed: without a hardware dirty bit (ARMv8.0) the first write to each one would be a fault.
 */
static pgprot_t ndma_mapping_prot(const struct vm_area_struct *vma)
{
#ifdef CONFIG_ARM64
	if (vma->vm_flags & VM_WRITE)
		return pte_pgprot(pte_mkdirty(pfn_pte(0, vma->vm_page_prot)));
#endif
	return vma->vm_page_prot;
}

/* Fills a VM_MIXEDMAP area, unless a guard wants to be asked about every page. */
static int ndma_mapping_populate(struct ndma_buffer *buffer, struct vm_area_struct *vma)
{
	int ret = down_read_killable(&buffer->map_lock);
	pgprot_t prot = vma->vm_page_prot;

	if (ret)
		return ret;
	if (!buffer->touched && !ndma_guard_excludes(buffer, vma->vm_flags & VM_MAYWRITE)) {
		/* For these pages alone: what a later fault maps may only be read by then. */
		vma->vm_page_prot = ndma_mapping_prot(vma);
		ret = ndma_mapping_insert(buffer->memory, vma);
		vma->vm_page_prot = prot;
	}
	up_read(&buffer->map_lock);
	return ret;
}

int ndma_mapping_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct ndma_handle *handle = dmabuf->priv;
	struct ndma_buffer *buffer = handle->buffer;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (handle->readonly) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	/*
	 * vm_pgoff becomes an offset into the memory, as folio->index is one: a zap by f_mapping
	 * would miss a view's mapping otherwise.
	 */
	vma->vm_pgoff += buffer->offset >> PAGE_SHIFT;
	vma->vm_private_data = buffer;
	vma->vm_ops = &ndma_mapping_vm_ops;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (ndma_mapping_is_huge(buffer->memory, vma))
		return 0;
	vm_flags_set(vma, VM_MIXEDMAP);
	return ndma_mapping_populate(buffer, vma);
}
