/* SPDX-License-Identifier: MIT */
/*
 * What a vfio-user client lets the card reach: a table from DMA addresses to files. Each file is
 * mapped once, however many ranges lie in it, and only while one does.
 */
#ifndef CARD_VFIO_DMA_H
#define CARD_VFIO_DMA_H

#include <stddef.h>

#include "card.h"

struct vfio_file;

struct vfio_range {
	uint64_t address, bytes, offset;
	struct vfio_file *file;		/* NULL: nothing that the card could map */
	bool readable, writable;
};

/** struct vfio_dma - all zero is an empty table; ranges by growing address */
struct vfio_dma {
	struct vfio_range *ranges;
	size_t count, room;
	struct vfio_file *files;
};

/**
 * vfio_dma_map - add a range
 * @range: its @file is ignored
 * @fd:    the file, the caller's; -1: a range that cannot be mapped
 *
 * Return: 0; -EINVAL (empty, or beyond 64 bits), -EEXIST (overlaps another), or a negative errno
 * of mapping the file.
 */
int vfio_dma_map(struct vfio_dma *dma, const struct vfio_range *range, int fd);
/** vfio_dma_unmap - forget what lies wholly in a range. Nothing there is no error. */
void vfio_dma_unmap(struct vfio_dma *dma, uint64_t address, uint64_t bytes);
/** vfio_dma_clear - forget everything. */
void vfio_dma_clear(struct vfio_dma *dma);
/** vfio_dma_reach - struct card_bus's map. */
enum card_reach vfio_dma_reach(const struct vfio_dma *dma, uint64_t address, uint64_t *bytes,
			       bool write, void **host);

#endif /* CARD_VFIO_DMA_H */
