// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard: page tables that keep the CPU away from what a device owns.
 *
 * A fault asks who owns the page under buffer->map_lock, held for reading, and locks the page's
 * folio before it lets go of that. ndma_guard_seize() runs after the owner has changed. It takes
 * map_lock for writing and then each folio's lock, once: a fault that had asked before has mapped
 * its page by then, the zap that follows finds it, and every later fault hears of the new owner.
 *
 * Page tables are allocated under map_lock, so whoever holds it may wait for memory. buffer->lock,
 * which the end of a transfer and the signal of its fence need, is therefore never taken under it:
 * the allocation could wait for that very fence.
 */
#include <linux/dma-buf.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "internal.h"

/*
 * How often, and after which pause, ndma_guard_seize() looks again for pages that somebody holds
 * for a moment.
 */
#define NDMA_SEIZE_TRIES 8
#define NDMA_SEIZE_PAUSE_US 500

/*
 * A kernel-mode fault sleeps with the locks of its system call held. Without this limit the owner
 * of a buffer could block other programs for as long as a transfer may last. It is counted from the
 * begin of the transfer, as one call faults many times, and nothing here outlives a fault.
 */
static unsigned int ndma_kernel_fault_ms = 1000;
module_param_named(kernel_fault_ms, ndma_kernel_fault_ms, uint, 0644);
MODULE_PARM_DESC(kernel_fault_ms,
		 "how long into a transfer system calls wait for what a device owns, in ms; 0: EFAULT at once");

bool ndma_guard_excludes(const struct ndma_buffer *buffer, bool writable)
{
	const struct ndma_transfer *transfer = &buffer->transfer;

	/* Acquire: what the transfer is. Pairs with the release store in ndma_transfer_claim(). */
	if (!smp_load_acquire(&transfer->active))
		return false;
	/* While memory is seized even readers would look like pins. */
	if (READ_ONCE(transfer->starting))
		writable = true;
	return ndma_own_closes(READ_ONCE(transfer->direction), READ_ONCE(transfer->guard),
			       writable ? NDMA_WRITE : NDMA_READ);
}

static bool ndma_guard_is_over(const struct ndma_buffer *buffer, bool writable, bool beginning)
{
	return !ndma_guard_excludes(buffer, writable) ||
	       (beginning && !READ_ONCE(buffer->transfer.starting));
}

/*
 * Counts a touch of @vmf's page by this thread, once in a transfer: a wait that a signal has ended is
 * the same one when it goes on, and a system call comes back for what it could not copy.
 */
static void ndma_guard_count(struct ndma_buffer *buffer, const struct vm_fault *vmf)
{
	void *page = xa_mk_value(vmf->pgoff);

	if (xa_store(&buffer->touchers, task_pid_nr(current), page, GFP_KERNEL) != page)
		atomic64_inc(&buffer->touches);
}

void ndma_guard_forget(struct ndma_buffer *buffer)
{
	xa_destroy(&buffer->touchers);
}

/*
 * Is this what fills page tables (mlock(), MAP_POPULATE)? That begins anew after each sleep, as long
 * as it hears of no error. What pins pages looks the same, but only at its first try.
 */
static bool ndma_guard_is_filling(const struct vm_fault *vmf)
{
	return !(vmf->flags & (FAULT_FLAG_USER | FAULT_FLAG_INTERRUPTIBLE | FAULT_FLAG_TRIED));
}

/* How long the fault may sleep in a transfer that began at @began, in jiffies; 0: not at all. */
static long ndma_guard_patience(const struct vm_fault *vmf, ktime_t began)
{
	s64 left_ns;

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return 0;
	if (vmf->flags & FAULT_FLAG_USER)
		return MAX_SCHEDULE_TIMEOUT;
	/* Its signal could not be handled before the transfer ends. */
	if (ndma_guard_is_filling(vmf) && task_sigpending(current))
		return 0;
	began = ktime_add_ms(began, READ_ONCE(ndma_kernel_fault_ms));
	left_ns = ktime_to_ns(ktime_sub(began, ktime_get()));
	return left_ns > 0 ? nsecs_to_jiffies(left_ns) + 1 : 0;
}

/*
 * Sleeps until the CPU may touch the buffer again or, with @beginning, until the transfer has begun
 * or was refused. The VMA may be gone afterwards.
 */
static void ndma_guard_sleep(struct vm_fault *vmf, struct ndma_buffer *buffer, long patience,
			     bool beginning)
{
	bool writable = vmf->vma->vm_flags & VM_MAYWRITE;
	bool interruptible = vmf->flags & FAULT_FLAG_USER ?
			     vmf->flags & FAULT_FLAG_INTERRUPTIBLE :
			     ndma_guard_is_filling(vmf) && !signal_pending(current);
	/* The file keeps the buffer when the VMA goes away during the sleep. */
	struct file *file = get_file(vmf->vma->vm_file);

	release_fault_lock(vmf);
	if (interruptible)
		wait_event_interruptible_timeout(buffer->wait,
						 ndma_guard_is_over(buffer, writable, beginning),
						 patience);
	else
		wait_event_killable_timeout(buffer->wait,
					    ndma_guard_is_over(buffer, writable, beginning),
					    patience);
	fput(file);
}

/* A fault that has to wait; @touch: it counts as a touch. */
static vm_fault_t ndma_guard_wait(struct vm_fault *vmf, struct ndma_buffer *buffer, ktime_t began,
				  bool beginning, bool touch)
{
	long patience = ndma_guard_patience(vmf, began);

	if (patience && vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	if (touch)
		ndma_guard_count(buffer, vmf);
	if (!patience)
		return VM_FAULT_SIGBUS;
	ndma_guard_sleep(vmf, buffer, patience, beginning);
	return VM_FAULT_RETRY;
}

vm_fault_t ndma_guard_fault(struct vm_fault *vmf, struct ndma_buffer *buffer)
{
	const struct ndma_transfer *transfer = &buffer->transfer;
	bool writable = vmf->vma->vm_flags & VM_MAYWRITE;
	bool excluded, reader, sigbus, beginning;
	ktime_t began;

	down_read(&buffer->lock);
	excluded = ndma_guard_excludes(buffer, writable);
	reader = !writable && !ndma_own_conflicts(transfer->direction, NDMA_READ);
	sigbus = transfer->guard == NDMA_GUARD_SIGBUS;
	beginning = transfer->starting;
	began = transfer->began;
	up_read(&buffer->lock);

	/* The transfer has ended meanwhile: the next fault maps the page. */
	if (!excluded)
		return VM_FAULT_NOPAGE;
	/* A transfer to the device keeps readers out only while it begins. */
	if (reader)
		return ndma_guard_wait(vmf, buffer, began, false, false);
	/*
	 * The transfer that is beginning may still be refused, and then no device had the memory.
	 * The fault waits for that before it counts as a touch.
	 */
	if (beginning && (sigbus || vmf->flags & FAULT_FLAG_USER))
		return ndma_guard_wait(vmf, buffer, began, true, false);
	if (!sigbus)
		return ndma_guard_wait(vmf, buffer, began, false, true);
	atomic64_inc(&buffer->touches);
	return VM_FAULT_SIGBUS;
}

/* Calls @visit for the folio of each chunk in a range; stops where it answers true. */
static bool ndma_guard_any_folio(const struct ndma_memory *memory, u64 offset, u64 bytes,
				 bool (*visit)(struct folio *folio))
{
	pgoff_t at = offset >> PAGE_SHIFT, end = (offset + bytes) >> PAGE_SHIFT;

	while (at < end) {
		struct folio *folio = page_folio(ndma_memory_page(memory, at));

		if (visit(folio))
			return true;
		at = folio->index + folio_nr_pages(folio);
	}
	return false;
}

static bool ndma_folio_flush(struct folio *folio)
{
	folio_lock(folio);
	folio_unlock(folio);
	return false;
}

/*
 * A folio that only its buffer holds has one reference. Another one is a mapping that the zap has
 * not found, or a pin (io_uring, vmsplice, O_DIRECT).
 */
static bool ndma_folio_is_held(struct folio *folio)
{
	return folio_ref_count(folio) > 1;
}

int ndma_guard_seize(struct ndma_buffer *buffer, u64 offset, u64 bytes)
{
	struct address_space *mapping = buffer->handle.dmabuf->file->f_mapping;
	int try;

	down_write(&buffer->map_lock);
	up_write(&buffer->map_lock);
	ndma_guard_any_folio(buffer->memory, offset, bytes, ndma_folio_flush);
	for (try = 0; try < NDMA_SEIZE_TRIES; try++) {
		if (try)
			usleep_range(NDMA_SEIZE_PAUSE_US, 2 * NDMA_SEIZE_PAUSE_US);
		/*
		 * Each round zaps again: mmap() fills an area before the area can be found through
		 * f_mapping.
		 */
		unmap_mapping_range(mapping, offset, bytes, 1);
		if (!ndma_guard_any_folio(buffer->memory, offset, bytes, ndma_folio_is_held))
			return 0;
	}
	return -EBUSY;
}

void ndma_guard_set(struct ndma_buffer *buffer, bool (*touched)(void *priv, u64 offset),
		    void *priv)
{
	down_write(&buffer->map_lock);
	buffer->touched = touched;
	buffer->touched_priv = priv;
	up_write(&buffer->map_lock);
}
