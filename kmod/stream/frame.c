// SPDX-License-Identifier: GPL-2.0-only
/* Frames: slices of a stream's buffer, and where they are. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * Frames as they are allocated. A driver that breaks the rule of ops->stop, and gives a frame back while the
 * stream ends, may look at one until the grace period is over.
 */
struct ndma_frame_pool {
	struct rcu_head rcu;
	struct ndma_frame frames[];
};

void ndma_frame_queue_init(struct ndma_frame_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

void ndma_frame_push(struct ndma_frame_queue *queue, struct ndma_frame *frame)
{
	frame->next = NULL;
	*queue->last = frame;
	queue->last = &frame->next;
}

struct ndma_frame *ndma_frame_pop(struct ndma_frame_queue *queue)
{
	struct ndma_frame *frame = queue->first;

	if (!frame)
		return NULL;
	queue->first = frame->next;
	if (!queue->first)
		queue->last = &queue->first;
	return frame;
}

void ndma_frame_move(struct ndma_frame *frame, enum ndma_frame_state state)
{
	frame->stream->count[frame->state]--;
	frame->state = state;
	frame->stream->count[state]++;
}

void ndma_frame_free(struct ndma_frame *frame)
{
	ndma_frame_move(frame, NDMA_FRAME_IS_FREE);
	ndma_frame_push(&frame->stream->free, frame);
}

void ndma_frame_recycle(struct ndma_frame *frame)
{
	struct ndma_stream *stream = frame->stream;

	if (unlikely(frame->exports)) {
		ndma_frame_move(frame, NDMA_FRAME_IS_KEPT);
	} else if (stream->deferred) {
		ndma_frame_move(frame, NDMA_FRAME_IS_RELEASED);
		ndma_frame_push(&stream->released, frame);
	} else {
		ndma_frame_free(frame);
	}
}

int ndma_frames_create(struct ndma_stream *stream)
{
	struct ndma_frame_pool *pool;
	u32 i;

	pool = kvzalloc(struct_size(pool, frames, stream->config.frames), NDMA_GFP_ASKED);
	if (!pool)
		return -ENOMEM;
	stream->frames = pool->frames;
	stream->frame_of = kvcalloc(stream->ring->entries, sizeof(*stream->frame_of),
				    NDMA_GFP_ASKED);
	if (!stream->frame_of) {
		ndma_frames_destroy(stream);
		return -ENOMEM;
	}
	ndma_frame_queue_init(&stream->free);
	ndma_frame_queue_init(&stream->filled);
	ndma_frame_queue_init(&stream->released);
	ndma_frame_queue_init(&stream->pinned);
	for (i = 0; i < stream->config.frames; i++) {
		struct ndma_frame *frame = &stream->frames[i];

		frame->stream = stream;
		frame->index = i;
		INIT_LIST_HEAD(&frame->list);
		frame->state = NDMA_FRAME_IS_FREE;
		ndma_frame_push(&stream->free, frame);
	}
	stream->count[NDMA_FRAME_IS_FREE] = stream->config.frames;
	return 0;
}

void ndma_frames_destroy(struct ndma_stream *stream)
{
	struct ndma_frame_pool *pool =
		container_of(stream->frames, struct ndma_frame_pool, frames[0]);

	kvfree(stream->frame_of);
	kvfree_rcu(pool, rcu);
	stream->frame_of = NULL;
	stream->frames = NULL;
	memset(stream->count, 0, sizeof(stream->count));
}

void ndma_frames_reclaim(struct ndma_stream *stream)
{
	u32 i;

	for (i = 0; stream->count[NDMA_FRAME_IS_DEVICE]; i++)
		if (stream->frames[i].state == NDMA_FRAME_IS_DEVICE)
			ndma_frame_free(&stream->frames[i]);
}

/* ---------------------------------------------------------------- for drivers */

struct scatterlist *ndma_frame_sgl(struct ndma_frame *frame, unsigned int *nents)
{
	*nents = frame->nents;
	return frame->sgl;
}
EXPORT_SYMBOL_GPL(ndma_frame_sgl);

void *ndma_frame_vaddr(struct ndma_frame *frame)
{
	return frame->stream->memory->vaddr + frame->index * frame->stream->stride;
}
EXPORT_SYMBOL_GPL(ndma_frame_vaddr);

u32 ndma_frame_index(const struct ndma_frame *frame)
{
	return frame->index;
}
EXPORT_SYMBOL_GPL(ndma_frame_index);

u64 ndma_frame_bytes(const struct ndma_frame *frame)
{
	return frame->stream->config.frame_bytes;
}
EXPORT_SYMBOL_GPL(ndma_frame_bytes);

struct ndma_stream *ndma_frame_stream(const struct ndma_frame *frame)
{
	return frame->stream;
}
EXPORT_SYMBOL_GPL(ndma_frame_stream);

struct list_head *ndma_frame_list(struct ndma_frame *frame)
{
	return &frame->list;
}
EXPORT_SYMBOL_GPL(ndma_frame_list);
