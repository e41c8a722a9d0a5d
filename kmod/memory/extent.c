// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the bytes of a memory lie: pages by offset, scatter lists, the kernel's own mapping.
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"

/* Index of the chunk that holds page offset @pgoff. */
static unsigned int ndma_memory_chunk_at(const struct ndma_memory *memory, pgoff_t pgoff)
{
	unsigned int low = 0, high = memory->nr_chunks - 1;

	if (memory->uniform_order >= 0)
		return pgoff >> memory->uniform_order;
	while (low < high) {
		unsigned int middle = low + (high - low + 1) / 2;

		if (page_folio(memory->chunks[middle])->index <= pgoff)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

struct page *ndma_memory_page(const struct ndma_memory *memory, pgoff_t pgoff)
{
	struct page *chunk = memory->chunks[ndma_memory_chunk_at(memory, pgoff)];

	return chunk + (pgoff - page_folio(chunk)->index);
}

pgoff_t ndma_memory_run(const struct ndma_memory *memory, pgoff_t pgoff, unsigned int *order)
{
	unsigned int i = ndma_memory_chunk_at(memory, pgoff);
	pgoff_t end = memory->bytes >> PAGE_SHIFT;

	*order = compound_order(memory->chunks[i]);
	if (memory->uniform_order >= 0)
		return end - pgoff;
	while (++i < memory->nr_chunks && compound_order(memory->chunks[i]) == *order)
		cond_resched();
	if (i < memory->nr_chunks)
		end = page_folio(memory->chunks[i])->index;
	return end - pgoff;
}

/**
 * struct ndma_extent - a physically contiguous part of a memory, no longer than a segment may be
 * @page: its first page
 * @offset: of its first byte in @page
 * @bytes: its length
 */
struct ndma_extent {
	struct page *page;
	unsigned int offset;
	unsigned int bytes;
};

/* The longest extent at @offset that is at most @limit bytes; chunks that touch are joined. */
static struct ndma_extent ndma_memory_extent(const struct ndma_memory *memory, u64 offset,
					     u64 limit)
{
	unsigned int i = ndma_memory_chunk_at(memory, offset >> PAGE_SHIFT);
	struct page *chunk = memory->chunks[i];
	u64 skip = offset - ((u64)page_folio(chunk)->index << PAGE_SHIFT);
	u64 bytes = page_size(chunk) - skip;
	struct ndma_extent extent = {
		.page = chunk + (skip >> PAGE_SHIFT),
		.offset = offset_in_page(skip),
	};

	while (bytes < limit && ++i < memory->nr_chunks) {
		struct page *next = memory->chunks[i];

		if (page_to_phys(next) != page_to_phys(chunk) + page_size(chunk))
			break;
		bytes += page_size(next);
		chunk = next;
	}
	extent.bytes = min(bytes, limit);
	return extent;
}

/* Longest segment of @dev, whole pages where it lets us. */
static u64 ndma_segment_max(struct device *dev)
{
	u64 limit = UINT_MAX;

	if (dev)
		limit = min_t(u64, dma_get_max_seg_size(dev), dma_max_mapping_size(dev));
	return limit >= PAGE_SIZE ? round_down(limit, PAGE_SIZE) : limit;
}

/*
 * The longest extent at @offset that is one segment for @dev: at most @limit bytes, and on one side
 * of every boundary that the device's engine cannot cross, where it would wrap to other memory.
 */
static struct ndma_extent ndma_memory_segment(const struct ndma_memory *memory, u64 offset,
					      u64 limit, struct device *dev)
{
	struct ndma_extent extent = ndma_memory_extent(memory, offset, limit);
	phys_addr_t phys = page_to_phys(extent.page) + extent.offset;
	u64 boundary, address;

	if (!dev)
		return extent;
	boundary = dma_get_seg_boundary(dev);
	address = phys_to_dma(dev, phys);
	/* An IOMMU gives it another address. It keeps to the boundary if no entry is longer. */
	if (address == DMA_MAPPING_ERROR)
		address = phys;
	extent.bytes = min_t(u64, extent.bytes - 1, boundary - (address & boundary)) + 1;
	return extent;
}

int ndma_memory_sg(const struct ndma_memory *memory, u64 offset, u64 bytes, struct device *dev,
		   struct sg_table *table)
{
	u64 limit = ndma_segment_max(dev);
	u64 end = offset + bytes;
	struct scatterlist *sg;
	unsigned int nents = 0;
	u64 at;
	int ret;

	for (at = offset; at < end; nents++)
		at += ndma_memory_segment(memory, at, min(limit, end - at), dev).bytes;
	ret = sg_alloc_table(table, nents, GFP_KERNEL);
	if (ret)
		return ret;
	at = offset;
	for (sg = table->sgl; sg; sg = sg_next(sg)) {
		struct ndma_extent extent;

		extent = ndma_memory_segment(memory, at, min(limit, end - at), dev);
		sg_set_page(sg, extent.page, extent.bytes, extent.offset);
		at += extent.bytes;
	}
	return 0;
}

static void *ndma_memory_vmap_pages(const struct ndma_memory *memory)
{
	unsigned long nr = memory->bytes >> PAGE_SHIFT;
	struct page **pages;
	unsigned long i;
	void *vaddr;

	pages = kvmalloc_array(nr, sizeof(*pages), NDMA_GFP_ASKED);
	if (!pages)
		return NULL;
	for (i = 0; i < nr; i++)
		pages[i] = ndma_memory_page(memory, i);
	vaddr = vmap(pages, nr, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return vaddr;
}

int ndma_memory_vmap(struct ndma_memory *memory)
{
	int ret = 0;

	mutex_lock(&memory->vmap_lock);
	if (!memory->vmaps) {
		if (memory->nr_chunks == 1 && !PageHighMem(memory->chunks[0]))
			memory->vaddr = page_address(memory->chunks[0]);
		else
			memory->vaddr = ndma_memory_vmap_pages(memory);
	}
	if (memory->vaddr)
		memory->vmaps++;
	else
		ret = -ENOMEM;
	mutex_unlock(&memory->vmap_lock);
	return ret;
}

void ndma_memory_vunmap(struct ndma_memory *memory)
{
	mutex_lock(&memory->vmap_lock);
	if (!--memory->vmaps) {
		if (is_vmalloc_addr(memory->vaddr))
			vunmap(memory->vaddr);
		memory->vaddr = NULL;
	}
	mutex_unlock(&memory->vmap_lock);
}
