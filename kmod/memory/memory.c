// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages: compound ones as large as they come, zeroed, charged, where a device reaches them.
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/nodemask.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

#define NDMA_HUGE_ORDER (PMD_SHIFT - PAGE_SHIFT)
#define NDMA_MEDIUM_ORDER 4

/* How often ended memory that somebody else has pinned is looked at. */
#define LINGER_MS 250

/* Is every address of memory in reach of @dev, whatever the memory? */
static bool ndma_device_reaches_all(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	if (domain && (domain->type & __IOMMU_DOMAIN_PAGING))
		return true;
	return !dma_addressing_limited(dev);
}

/*
 * Does @dev reach the chunk? Its mask is about addresses on its bus, which on many boards are not
 * those of the CPU; memory that is not on the bus at all has the highest address there is.
 */
static bool ndma_chunk_in_reach(struct page *chunk, struct device *dev)
{
	u64 last = phys_to_dma(dev, page_to_phys(chunk) + page_size(chunk) - 1);

	return phys_to_dma(dev, page_to_phys(chunk)) <= last &&
	       last <= min_not_zero(dma_get_mask(dev), dev->bus_dma_limit);
}

bool ndma_memory_reachable(const struct ndma_memory *memory, struct device *dev)
{
	u64 mask = min_not_zero(dma_get_mask(dev), dev->bus_dma_limit);
	unsigned int i;

	if (ndma_device_reaches_all(dev))
		return true;
	/*
	 * A limit on the size of mappings means that swiotlb is there, whose pool lies in the
	 * lowest 4 GiB.
	 */
	if (mask >= DMA_BIT_MASK(32) && dma_max_mapping_size(dev) != SIZE_MAX)
		return true;
	for (i = 0; i < memory->nr_chunks; i++)
		if (!ndma_chunk_in_reach(memory->chunks[i], dev))
			return false;
	return true;
}

static int ndma_memory_refuse(const struct ndma_memory_spec *spec, int error, const char *reason)
{
	pr_info_ratelimited("%s[%d] asked for %llu bytes%s%s%s: %s\n", current->comm,
			    task_tgid_nr(current), spec->bytes,
			    spec->contiguous ? " in one piece" : "",
			    spec->dev ? " in reach of " : "",
			    spec->dev ? dev_name(spec->dev) : "", reason);
	return error;
}

/* Checks @spec and finds the capacity. */
static int ndma_memory_round(const struct ndma_memory_spec *spec, u64 *capacity)
{
	u64 unit = PAGE_SIZE;

	if (!spec->bytes)
		return -EINVAL;
	if (spec->node != NDMA_NODE_ANY &&
	    (spec->node < 0 || spec->node >= MAX_NUMNODES || !node_state(spec->node, N_MEMORY)))
		return -EINVAL;
	if (spec->contiguous) {
		if (spec->bytes > (u64)PAGE_SIZE << NDMA_ORDER_MAX)
			return ndma_memory_refuse(spec, -EOPNOTSUPP,
						  "more than one page of the highest order");
		*capacity = (u64)PAGE_SIZE << get_order(spec->bytes);
		return 0;
	}
	if (spec->bytes > (u64)totalram_pages() << PAGE_SHIFT)
		return ndma_memory_refuse(spec, -ENOMEM, "more than this machine has");
	if (spec->guarded)
		unit = NDMA_GUARD_BYTES;
	else if (spec->bytes >= NDMA_HUGE_BYTES && NDMA_HUGE_ORDER <= NDMA_ORDER_MAX)
		unit = NDMA_HUGE_BYTES;
	*capacity = round_up(spec->bytes, unit);
	return 0;
}

static struct page *ndma_chunk_alloc(int node, gfp_t gfp, unsigned int order, bool must)
{
	gfp |= GFP_USER | __GFP_ZERO | __GFP_ACCOUNT | __GFP_NOWARN;
	/*
	 * Where a smaller page would do as well, a failure is cheap; else try hard, but without
	 * killing a process.
	 */
	gfp |= must ? __GFP_RETRY_MAYFAIL : __GFP_NORETRY;
	if (order)
		gfp |= __GFP_COMP;
	if (node == NDMA_NODE_ANY)
		return alloc_pages(gfp, order);
	return alloc_pages_node(node, gfp, order);
}

static void ndma_chunks_free(struct list_head *chunks)
{
	struct page *chunk, *next;

	list_for_each_entry_safe(chunk, next, chunks, lru) {
		cond_resched();
		list_del(&chunk->lru);
		put_page(chunk);
	}
}

/* The next lower order worth trying, or -1. */
static int ndma_order_below(int order)
{
	if (order > NDMA_MEDIUM_ORDER)
		return NDMA_MEDIUM_ORDER;
	return order ? 0 : -1;
}

static int ndma_order_first(const struct ndma_memory_spec *spec, u64 capacity)
{
	if (spec->contiguous)
		return get_order(capacity);
	/* A larger page would be of several frames, and the guard of one would take the others'. */
	if (spec->guarded)
		return get_order(NDMA_GUARD_BYTES);
	return NDMA_HUGE_ORDER <= NDMA_ORDER_MAX ? NDMA_HUGE_ORDER : NDMA_MEDIUM_ORDER;
}

/*
 * Zones of the page allocator, from the largest to the smallest, which is 16 MiB in all on some
 * machines. Where they end is a matter of CPU addresses, so what comes from one is looked at.
 */
static const gfp_t ndma_zones[] = { 0, GFP_DMA32, GFP_DMA };

/* The first zone to try: in the one without a limit, nearly nothing is in reach of 32 bits. */
static unsigned int ndma_zone_first(struct device *dev)
{
	return min_not_zero(dma_get_mask(dev), dev->bus_dma_limit) > DMA_BIT_MASK(32) ? 0 : 1;
}

/**
 * struct ndma_search - chunks on their way into a memory
 * @spec: what is wanted
 * @node: where
 * @limited: the device does not reach every memory
 * @zone: of the page allocator, as a place in ndma_zones
 * @first: order of the largest chunks, whose size is the unit of the capacity
 * @order: of the next chunk
 * @left: bytes still wanted
 * @again: bytes that are left when @first is tried once more, after it has failed
 * @pause: bytes from a failure of @first to the next try
 */
struct ndma_search {
	const struct ndma_memory_spec *spec;
	int node;
	bool limited;
	unsigned int zone;
	int first;
	int order;
	u64 left;
	u64 again;
	u64 pause;
};

/*
 * No chunk of this order is free: goes on with smaller ones. One failure must not cost a whole
 * buffer its huge pages, and a thousand must not cost a thousand compactions, so the largest are
 * tried for again after a unit of smaller ones, then after two, then after four.
 */
static int ndma_search_lower(struct ndma_search *search)
{
	if (search->order == search->first) {
		search->pause = search->pause ? 2 * search->pause : (u64)PAGE_SIZE << search->first;
		search->again = search->left - min(search->left, search->pause);
	}
	search->order = search->spec->contiguous ? -1 : ndma_order_below(search->order);
	if (search->order >= 0)
		return 0;
	return search->limited || search->spec->contiguous ? -EOPNOTSUPP : -ENOMEM;
}

/* Adds one chunk to @chunks, or finds another order to try: 0, or an errno. */
static int ndma_search_step(struct ndma_search *search, struct list_head *chunks)
{
	bool must = search->spec->contiguous;
	struct page *chunk;

	if (search->left == search->again)
		search->order = search->first;
	if (search->left < (u64)PAGE_SIZE << search->order) {
		search->order = ndma_order_below(search->order);
		return 0;
	}
	chunk = ndma_chunk_alloc(search->node, ndma_zones[search->zone], search->order,
				 must || !search->order);
	if (!chunk)
		return ndma_search_lower(search);
	if (search->limited && !ndma_chunk_in_reach(chunk, search->spec->dev)) {
		put_page(chunk);
		return ++search->zone < ARRAY_SIZE(ndma_zones) ? 0 : -EOPNOTSUPP;
	}
	list_add_tail(&chunk->lru, chunks);
	search->left -= page_size(chunk);
	return 1;
}

/* Fills @chunks with pages, @capacity bytes in all; how many, or an errno. */
static int ndma_chunks_alloc(const struct ndma_memory_spec *spec, u64 capacity,
			     struct list_head *chunks)
{
	bool limited = spec->dev && !ndma_device_reaches_all(spec->dev);
	int first = ndma_order_first(spec, capacity);
	struct ndma_search search = {
		.spec = spec,
		.node = spec->node == NDMA_NODE_ANY && spec->dev ? dev_to_node(spec->dev) : spec->node,
		.limited = limited,
		.zone = limited ? ndma_zone_first(spec->dev) : 0,
		.first = first,
		.order = first,
		.left = capacity,
	};
	int count = 0, ret;

	while (search.left) {
		/* Pages are cleared as they are allocated: that takes seconds where there are many. */
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = ndma_search_step(&search, chunks);
		if (ret < 0)
			return ret;
		count += ret;
	}
	return count;
}

/* Moves the pages of @chunks into the array, and tells each its place. */
static void ndma_memory_adopt(struct ndma_memory *memory, struct list_head *chunks)
{
	struct page *chunk, *next;
	unsigned int i = 0;
	pgoff_t start = 0;

	memory->uniform_order = compound_order(list_first_entry(chunks, struct page, lru));
	list_for_each_entry_safe(chunk, next, chunks, lru) {
		list_del(&chunk->lru);
		if (compound_order(chunk) != memory->uniform_order)
			memory->uniform_order = -1;
		/*
		 * The core maps a whole PMD only if the folio's index fits the address, and finds a
		 * folio's mappings by it.
		 */
		page_folio(chunk)->index = start;
		memory->chunks[i++] = chunk;
		start += 1UL << compound_order(chunk);
	}
}

static int ndma_memory_fill(struct ndma_memory *memory, const struct ndma_memory_spec *spec)
{
	LIST_HEAD(chunks);
	int ret;

	ret = ndma_chunks_alloc(spec, memory->bytes, &chunks);
	if (ret < 0)
		goto err_chunks;
	memory->chunks = kvmalloc_array(ret, sizeof(*memory->chunks), NDMA_GFP_ASKED);
	if (!memory->chunks) {
		ret = -ENOMEM;
		goto err_chunks;
	}
	memory->nr_chunks = ret;
	ndma_memory_adopt(memory, &chunks);
	return 0;

err_chunks:
	ndma_chunks_free(&chunks);
	if (ret == -EOPNOTSUPP)
		return ndma_memory_refuse(spec, ret, "no such memory is free");
	if (ret == -ENOMEM)
		return ndma_memory_refuse(spec, ret, "not enough memory is free");
	return ret;
}

static void ndma_memory_end(struct ndma_memory *memory)
{
	kvfree(memory->chunks);
	if (memory->account)
		ndma_account_uncharge(memory->account, memory->bytes);
	mutex_destroy(&memory->vmap_lock);
	kfree(memory);
}

/*
 * Frees the chunks of a memory but, unless @all, not those that somebody else has pinned. True:
 * none is left.
 */
static bool ndma_memory_free_chunks(struct ndma_memory *memory, bool all)
{
	unsigned int i, left = 0;
	u64 freed = 0;

	for (i = 0; i < memory->nr_chunks; i++) {
		struct page *chunk = memory->chunks[i];

		cond_resched();
		if (!all && page_count(chunk) > 1) {
			memory->chunks[left++] = chunk;
			continue;
		}
		freed += page_size(chunk);
		put_page(chunk);
	}
	memory->nr_chunks = left;
	if (!left)
		return true;
	if (memory->account && freed)
		ndma_account_uncharge(memory->account, freed);
	memory->bytes -= freed;
	return false;
}

/*
 * Memory that has ended, but of which somebody else (a pipe, a device) has pinned chunks. It stays
 * charged: else a user could keep any amount of memory by pinning it and letting go of the buffer.
 */
static LIST_HEAD(ndma_lingering);
static DEFINE_MUTEX(ndma_lingering_lock);

static void ndma_memory_reap_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(ndma_memory_reaper, ndma_memory_reap_work);

void ndma_memory_reap(void)
{
	struct ndma_memory *memory, *next;

	mutex_lock(&ndma_lingering_lock);
	list_for_each_entry_safe(memory, next, &ndma_lingering, lingering) {
		if (!ndma_memory_free_chunks(memory, false))
			continue;
		list_del(&memory->lingering);
		ndma_memory_end(memory);
	}
	if (!list_empty(&ndma_lingering))
		schedule_delayed_work(&ndma_memory_reaper, msecs_to_jiffies(LINGER_MS));
	mutex_unlock(&ndma_lingering_lock);
}

static void ndma_memory_reap_work(struct work_struct *work)
{
	ndma_memory_reap();
}

static void ndma_memory_free(struct kref *ref)
{
	struct ndma_memory *memory = container_of(ref, struct ndma_memory, ref);

	if (ndma_memory_free_chunks(memory, false)) {
		ndma_memory_end(memory);
		return;
	}
	mutex_lock(&ndma_lingering_lock);
	list_add(&memory->lingering, &ndma_lingering);
	mutex_unlock(&ndma_lingering_lock);
	schedule_delayed_work(&ndma_memory_reaper, msecs_to_jiffies(LINGER_MS));
}

void ndma_memory_exit(void)
{
	struct ndma_memory *memory, *next;

	cancel_delayed_work_sync(&ndma_memory_reaper);
	list_for_each_entry_safe(memory, next, &ndma_lingering, lingering) {
		ndma_memory_free_chunks(memory, true);
		ndma_memory_end(memory);
	}
}

static int ndma_memory_charge(struct ndma_memory *memory, const struct ndma_memory_spec *spec)
{
	int ret = ndma_account_charge(spec->uid, memory->bytes, &memory->account);

	if (ret == -EDQUOT || ret == -ENOSPC) {
		ndma_memory_reap();
		ret = ndma_account_charge(spec->uid, memory->bytes, &memory->account);
	}
	if (ret == -ENOSPC)
		return ndma_memory_refuse(spec, -ENOMEM,
					  "all users would have more than ndma.total_bytes");
	return ret;
}

int ndma_memory_alloc(const struct ndma_memory_spec *spec, struct ndma_memory **out)
{
	struct ndma_memory *memory;
	u64 capacity;
	int ret;

	ret = ndma_memory_round(spec, &capacity);
	if (ret)
		return ret;
	memory = kzalloc(sizeof(*memory), GFP_KERNEL_ACCOUNT);
	if (!memory)
		return -ENOMEM;
	kref_init(&memory->ref);
	mutex_init(&memory->vmap_lock);
	memory->bytes = capacity;

	ret = ndma_memory_charge(memory, spec);
	if (ret)
		goto err_put;
	ret = ndma_memory_fill(memory, spec);
	if (ret)
		goto err_put;
	if (spec->dev && !ndma_memory_reachable(memory, spec->dev)) {
		ret = ndma_memory_refuse(spec, -EOPNOTSUPP, "no such memory is free");
		goto err_put;
	}
	*out = memory;
	return 0;

err_put:
	ndma_memory_put(memory);
	return ret;
}

void ndma_memory_get(struct ndma_memory *memory)
{
	kref_get(&memory->ref);
}

void ndma_memory_put(struct ndma_memory *memory)
{
	kref_put(&memory->ref, ndma_memory_free);
}
