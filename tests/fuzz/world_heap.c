// SPDX-License-Identifier: MIT
/*
 * Operations on the heap beside its calls, and on dma-bufs themselves.
 */
#include "uapi/dmabuf.h"
#include "uapi/heap.h"
#include "world.h"

static int heap_of(struct world *world, const struct call *call)
{
	return world->heaps[slot_first(call)];
}

static int buffer_of(struct world *world, const struct call *call)
{
	return world->buffers[slot_buffer(call)];
}

/* A: open to read only */
static long open_heap(struct world *world, const struct call *call)
{
	return world_put(&world->heaps[slot_first(call)],
			 heap_open_mode(call->arg[0] & 1 ? O_RDONLY : O_RDWR));
}

static long close_heap(struct world *world, const struct call *call)
{
	return close(atomic_exchange(&world->heaps[slot_first(call)], -1)) ? -errno : 0;
}

static long close_buffer(struct world *world, const struct call *call)
{
	return close(atomic_exchange(&world->buffers[slot_buffer(call)], -1)) ? -errno : 0;
}

/* A: slot of the copy */
static long dup_buffer(struct world *world, const struct call *call)
{
	return world_put(&world->buffers[call->arg[0] % SLOTS], dup(buffer_of(world, call)));
}

/* A: flags */
static long sync_buffer(struct world *world, const struct call *call)
{
	return dmabuf_sync(buffer_of(world, call), call->arg[0]);
}

/* A: timeout, B: events */
static long poll_buffer(struct world *world, const struct call *call)
{
	return events_of(buffer_of(world, call), call->arg[1], call->arg[0] % 20);
}

/* A: flags. The fence is imported again, into the buffer of the other slot. */
static long fence(struct world *world, const struct call *call)
{
	int exported = fence_export(buffer_of(world, call), call->arg[0]);

	TRY(exported);
	fence_import(world->buffers[slot_first(call)], call->arg[0], exported);
	close(exported);
	return 0;
}

/* A: number, B: what the bytes are made from, C: how many */
static long raw_heap(struct world *world, const struct call *call)
{
	return world_raw(heap_of(world, call), NDMA_HEAP_INFO + call->arg[0] % 16, call->arg[1],
			 call->arg[2]);
}

const struct op heap_ops[] = {
	{ "open_heap", { SMALL }, open_heap },
	{ "close_heap", { NONE }, close_heap },
	{ "close_buffer", { NONE }, close_buffer },
	{ "dup_buffer", { SMALL }, dup_buffer },
	{ "sync_buffer", { SMALL }, sync_buffer },
	{ "poll_buffer", { SMALL, BITS }, poll_buffer },
	{ "fence", { SMALL }, fence },
	{ "raw_heap", { SMALL, ANY, SMALL }, raw_heap },
};

const unsigned int nr_heap_ops = sizeof(heap_ops) / sizeof(heap_ops[0]);
