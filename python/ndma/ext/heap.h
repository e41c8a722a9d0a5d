/* SPDX-License-Identifier: MIT */
/* Memory for arrays out of DMA buffers. Any thread; no call needs the GIL. */
#ifndef NDMA_EXT_HEAP_H
#define NDMA_EXT_HEAP_H

#include "internal.h"

struct ext_heap;

/* 0, or a negative errno. Once more is harmless. */
int ext_heap_setup(void);
/* How many arrays have memory from any heap. */
size_t ext_heap_live(void);

struct ext_heap *ext_heap_new(const struct ndma_buffer_options *options);
/* With no array left. */
void ext_heap_free(struct ext_heap *heap);

/* Room for `bytes`, or NULL. Not in a forked child, whose parent has the spans. */
void *ext_heap_take(struct ext_heap *heap, size_t bytes, bool zeros);
/* Whether the memory is from a heap: then its array is gone. In a forked child nothing else changes. */
bool ext_heap_give(void *memory);
/* How large the block is, 0 where the memory is from elsewhere. */
size_t ext_heap_room(const void *memory);
/* A new descriptor of the buffer that has the memory, from `offset` on, and no array but those that are
 * in it by now. -ENOENT: the memory is from elsewhere. */
int ext_heap_descriptor(const void *memory, size_t *offset);

#endif /* NDMA_EXT_HEAP_H */
