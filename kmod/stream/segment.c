// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream's buffer as its device sees it: mapped once, cut into frames.
 *
 * An IOMMU may join pages into one DMA segment. A driver gets the joined segments; a sync must not
 * cross the end of physically contiguous memory either, so pieces are cut at both.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "internal.h"

/* A place in a scatter list: @at is the offset in the buffer where @sg begins. */
struct ndma_cursor {
	struct scatterlist *sg;
	u64 at;
	bool dma;
};

static u32 ndma_cursor_bytes(const struct ndma_cursor *cursor)
{
	return cursor->dma ? sg_dma_len(cursor->sg) : cursor->sg->length;
}

/* Moves on to @offset, never back. Returns how much of the entry is left from there. */
static u64 ndma_cursor_seek(struct ndma_cursor *cursor, u64 offset)
{
	while (cursor->at + ndma_cursor_bytes(cursor) <= offset) {
		cursor->at += ndma_cursor_bytes(cursor);
		cursor->sg = sg_next(cursor->sg);
	}
	return cursor->at + ndma_cursor_bytes(cursor) - offset;
}

static dma_addr_t ndma_cursor_address(const struct ndma_cursor *cursor, u64 offset)
{
	return sg_dma_address(cursor->sg) + (offset - cursor->at);
}

/*
 * Counts the segments of all frames and sets each frame's nents; writes the segments too where
 * @list has room for them.
 */
static size_t ndma_segments_cut(struct ndma_stream *stream, struct scatterlist *list)
{
	struct ndma_cursor dma = { .sg = stream->segments.table.sgl, .dma = true };
	size_t total = 0;
	u32 i;

	for (i = 0; i < stream->config.frames; i++) {
		struct ndma_frame *frame = &stream->frames[i];
		u64 at = i * stream->stride, end = at + stream->config.frame_bytes, bytes;
		u32 nents = 0;

		frame->sgl = list ? list + total : NULL;
		for (; at < end; at += bytes, nents++) {
			bytes = min(ndma_cursor_seek(&dma, at), end - at);
			if (!list)
				continue;
			sg_dma_address(&frame->sgl[nents]) = ndma_cursor_address(&dma, at);
			sg_dma_len(&frame->sgl[nents]) = bytes;
		}
		frame->nents = nents;
		if (list)
			sg_mark_end(&frame->sgl[nents - 1]);
		total += nents;
	}
	return total;
}

static size_t ndma_segments_cut_pieces(struct ndma_stream *stream, struct ndma_piece *pieces)
{
	struct scatterlist *first = stream->segments.table.sgl;
	struct ndma_cursor dma = { .sg = first, .dma = true }, cpu = { .sg = first };
	size_t total = 0;
	u32 i;

	for (i = 0; i < stream->config.frames; i++) {
		struct ndma_frame *frame = &stream->frames[i];
		u64 at = i * stream->stride, end = at + stream->config.frame_bytes, bytes;
		u32 nr = 0;

		frame->pieces = pieces ? pieces + total : NULL;
		for (; at < end; at += bytes, nr++) {
			bytes = min3(ndma_cursor_seek(&dma, at), ndma_cursor_seek(&cpu, at),
				     end - at);
			if (pieces)
				frame->pieces[nr] = (struct ndma_piece) {
					.address = ndma_cursor_address(&dma, at), .bytes = bytes,
				};
		}
		frame->nr_pieces = nr;
		total += nr;
	}
	return total;
}

static bool ndma_segments_need_sync(const struct ndma_segments *segments)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(&segments->table, sg, i)
		if (dma_need_sync(segments->dev, sg_dma_address(sg)))
			return true;
	return false;
}

static int ndma_segments_check(const struct ndma_stream *stream)
{
	u32 most = stream->source->desc->segments_max, i;

	for (i = 0; most && i < stream->config.frames; i++) {
		if (stream->frames[i].nents <= most)
			continue;
		pr_info_ratelimited("ndma: %s: frame %u is in %u pieces, the card takes %u at most; use smaller frames or an IOMMU\n",
				    stream->source->name, i, stream->frames[i].nents, most);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int ndma_segments_build(struct ndma_stream *stream)
{
	struct ndma_segments *segments = &stream->segments;
	size_t total = ndma_segments_cut(stream, NULL);
	int ret = ndma_segments_check(stream);

	if (ret)
		return ret;
	segments->list = kvcalloc(total, sizeof(*segments->list), NDMA_GFP_ASKED);
	if (!segments->list)
		return -ENOMEM;
	ndma_segments_cut(stream, segments->list);

	stream->deferred = ndma_segments_need_sync(segments);
	if (!stream->deferred)
		return 0;
	total = ndma_segments_cut_pieces(stream, NULL);
	segments->pieces = kvcalloc(total, sizeof(*segments->pieces), NDMA_GFP_ASKED);
	if (!segments->pieces)
		return -ENOMEM;
	ndma_segments_cut_pieces(stream, segments->pieces);
	return 0;
}

int ndma_segments_map(struct ndma_stream *stream)
{
	struct ndma_segments *segments = &stream->segments;
	struct device *dev = stream->source->desc->dev;
	int ret;

	if (!dev)
		return 0;
	/*
	 * Bounce buffers lie anywhere in the lowest 4 GiB, and a mapping that the device does not
	 * reach warns in the log.
	 */
	if (is_swiotlb_force_bounce(dev) && dma_get_mask(dev) < DMA_BIT_MASK(32)) {
		pr_info_ratelimited("ndma: %s: the device does not reach the bounce buffers that swiotlb=force asks for\n",
				    stream->source->name);
		return -EOPNOTSUPP;
	}
	ret = ndma_memory_sg(stream->memory, 0, stream->stride * stream->config.frames, dev,
			     &segments->table);
	if (ret)
		return ret;
	ret = dma_map_sgtable(dev, &segments->table, DMA_FROM_DEVICE, 0);
	if (ret) {
		pr_info_ratelimited("ndma: %s: %llu bytes cannot be mapped for the device: %d\n",
				    stream->source->name,
				    stream->stride * stream->config.frames, ret);
		sg_free_table(&segments->table);
		return ret == -EINVAL || ret == -EREMOTEIO ? -EOPNOTSUPP : -ENOMEM;
	}
	segments->dev = dev;
	ret = ndma_segments_build(stream);
	if (ret)
		ndma_segments_unmap(stream);
	return ret;
}

void ndma_segments_unmap(struct ndma_stream *stream)
{
	struct ndma_segments *segments = &stream->segments;

	if (!segments->dev)
		return;
	/*
	 * No sync: each frame was synced when it was published. Another one would copy the bounce
	 * buffer over what programs have written to frames since.
	 */
	dma_unmap_sgtable(segments->dev, &segments->table, DMA_FROM_DEVICE,
			  DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&segments->table);
	kvfree(segments->pieces);
	kvfree(segments->list);
	memset(segments, 0, sizeof(*segments));
}

void ndma_segments_sync_for_cpu(const struct ndma_frame *frame)
{
	struct device *dev = frame->stream->segments.dev;
	u32 i;

	for (i = 0; i < frame->nr_pieces; i++)
		dma_sync_single_for_cpu(dev, frame->pieces[i].address, frame->pieces[i].bytes,
					DMA_FROM_DEVICE);
}

void ndma_segments_sync_for_device(const struct ndma_frame *frame)
{
	struct device *dev = frame->stream->segments.dev;
	u32 i;

	for (i = 0; i < frame->nr_pieces; i++)
		dma_sync_single_for_device(dev, frame->pieces[i].address, frame->pieces[i].bytes,
					   DMA_FROM_DEVICE);
}
