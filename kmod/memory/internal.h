/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory: pages, where a device reaches them, and who is charged for them. Knows no other room.
 */
#ifndef NDMA_MEMORY_H
#define NDMA_MEMORY_H

#include <linux/device.h>
#include <linux/kref.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/uidgid.h>

#include "../internal.h"

struct ndma_account;

/* ---------------------------------------------------------------- memory.c, extent.c */

/**
 * struct ndma_memory_spec - what memory is wanted
 * @bytes: at least so many, more than 0
 * @node: NUMA node or NDMA_NODE_ANY
 * @contiguous: one compound page, or -EOPNOTSUPP
 * @guarded: pages of %NDMA_GUARD_BYTES, however many bytes (a stream with a guard)
 * @uid: who is charged: the user who opened the file that asks, not who got the file from him
 * @dev: the device that must reach it, or NULL
 */
struct ndma_memory_spec {
	u64 bytes;
	int node;
	bool contiguous;
	bool guarded;
	kuid_t uid;
	struct device *dev;
};

/**
 * struct ndma_memory - pages with a reference count, charged to a user until the last is gone
 * @ref: dma-bufs, mappings for devices and streams that keep it
 * @bytes: capacity, whole pages
 * @nr_chunks: compound pages
 * @uniform_order: order of every chunk if they are all alike, else -1
 * @chunks: each chunk's first page, in order; folio->index of each is its page offset
 * @vaddr: kernel mapping of the whole, made by ndma_memory_vmap(), else NULL
 * @vmaps: how often it was asked for
 * @vmap_lock: protects @vaddr and @vmaps
 * @account: who is charged
 * @lingering: in the list of ended memory whose pages are pinned
 */
struct ndma_memory {
	struct kref ref;
	u64 bytes;
	unsigned int nr_chunks;
	int uniform_order;
	struct page **chunks;
	void *vaddr;
	unsigned int vmaps;
	struct mutex vmap_lock;
	struct ndma_account *account;
	struct list_head lingering;
};

/*
 * Frees and uncharges pages of ended memory that nobody pins any more; happens by itself later. May
 * sleep.
 */
void ndma_memory_reap(void);
/* The module leaves: frees ended memory, pinned pages included, and the charge for it. */
void ndma_memory_exit(void);
int ndma_memory_alloc(const struct ndma_memory_spec *spec, struct ndma_memory **out);
void ndma_memory_get(struct ndma_memory *memory);
void ndma_memory_put(struct ndma_memory *memory);
/* The page (not its compound head) at page offset @pgoff, which lies inside. */
struct page *ndma_memory_page(const struct ndma_memory *memory, pgoff_t pgoff);
/* Pages from @pgoff on, which lies inside, that are in chunks of one order, and the order. May sleep. */
pgoff_t ndma_memory_run(const struct ndma_memory *memory, pgoff_t pgoff, unsigned int *order);
/* Whether @dev can do DMA to all of it; a device that cannot must not map it (a splat). */
bool ndma_memory_reachable(const struct ndma_memory *memory, struct device *dev);
/*
 * Scatter list of [@offset, @offset + @bytes), not mapped for any device; ends by sg_free_table().
 */
int ndma_memory_sg(const struct ndma_memory *memory, u64 offset, u64 bytes, struct device *dev,
		   struct sg_table *table);
/* One mapping for everybody, counted. */
int ndma_memory_vmap(struct ndma_memory *memory);
void ndma_memory_vunmap(struct ndma_memory *memory);

/* ---------------------------------------------------------------- account.c */

/*
 * Charges @uid. -EDQUOT: beyond the quota of one user; -ENOSPC: beyond that of all; -ENOMEM. @bytes
 * is more than 0. May sleep.
 */
int ndma_account_charge(kuid_t uid, u64 bytes, struct ndma_account **out);
void ndma_account_uncharge(struct ndma_account *account, u64 bytes);
/* The user's quota (0: none) and what of it is used. */
u64 ndma_account_quota(kuid_t uid, u64 *used);

#endif /* NDMA_MEMORY_H */
