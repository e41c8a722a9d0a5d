// SPDX-License-Identifier: MIT
/*
 * Operations on the heap: buffers, layouts, leases, transfers, and on dma-bufs themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/dma-buf.h>

#include "world.h"

#define TIME_MAX_NS 20000000

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
	int flags = call->arg[0] & 1 ? O_RDONLY : O_RDWR;

	return world_put(&world->heaps[slot_first(call)], open(NDMA_HEAP_PATH, flags | O_CLOEXEC));
}

static long close_heap(struct world *world, const struct call *call)
{
	return close(atomic_exchange(&world->heaps[slot_first(call)], -1)) ? -errno : 0;
}

static long heap_info(struct world *world, const struct call *call)
{
	struct ndma_heap_info info = { 0 };

	return world_ioctl(call, heap_of(world, call), NDMA_HEAP_INFO, &info, sizeof(info));
}

/* A two-dimensional one, valid or not. */
static void make_layout(struct ndma_layout *layout, uint64_t itemsize, uint64_t rows,
			uint64_t columns)
{
	*layout = (struct ndma_layout){
		.itemsize = itemsize,
		.ndim = 2,
		.shape = { rows, columns },
		.strides = { columns * itemsize, itemsize },
		.format = "<i",
	};
}

/* A: bytes, B: flags, C: bits: 1 with a layout, 2 where a source reaches, 4 on node 0 */
static long alloc(struct world *world, const struct call *call)
{
	struct ndma_layout layout;
	struct ndma_buffer_alloc alloc = {
		.flags = call->arg[1],
		.bytes = call->arg[0],
		.node = call->arg[2] & 4 ? 0 : NDMA_NODE_ANY,
		.source_fd = call->arg[2] & 2 ? world->sources[slot_first(call)] : -1,
		.fd_flags = O_CLOEXEC,
		.layout = call->arg[2] & 1 ? (uintptr_t)&layout : 0,
	};
	long result;

	make_layout(&layout, 4, call->arg[0] / 64, 16);
	result = world_ioctl(call, heap_of(world, call), NDMA_BUFFER_ALLOC, &alloc, sizeof(alloc));
	return result ? result : world_put(&world->buffers[slot_buffer(call)], alloc.fd);
}

static long buffer_info(struct world *world, const struct call *call)
{
	struct ndma_buffer_info info = { .fd = buffer_of(world, call) };

	return world_ioctl(call, heap_of(world, call), NDMA_BUFFER_INFO, &info, sizeof(info));
}

static long get_layout(struct world *world, const struct call *call)
{
	struct ndma_buffer_layout layout = { .fd = buffer_of(world, call) };

	return world_ioctl(call, heap_of(world, call), NDMA_BUFFER_GET_LAYOUT, &layout,
			   sizeof(layout));
}

/* A: bytes of an element, B: rows, C: columns */
static long set_layout(struct world *world, const struct call *call)
{
	struct ndma_buffer_layout layout = { .fd = buffer_of(world, call) };

	make_layout(&layout.layout, call->arg[0], call->arg[1], call->arg[2]);
	return world_ioctl(call, heap_of(world, call), NDMA_BUFFER_SET_LAYOUT, &layout,
			   sizeof(layout));
}

/* A: slot of the new handle */
static long readonly(struct world *world, const struct call *call)
{
	struct ndma_buffer_readonly readonly = { .fd = buffer_of(world, call) };
	long result = world_ioctl(call, heap_of(world, call), NDMA_BUFFER_READONLY_HANDLE,
				  &readonly, sizeof(readonly));

	return result ? result : world_put(&world->buffers[call->arg[0] % SLOTS], readonly.out_fd);
}

/* A: room */
static long holders(struct world *world, const struct call *call)
{
	struct ndma_holder room[8];
	struct ndma_buffer_holders holders = {
		.fd = buffer_of(world, call),
		.count = call->arg[0] > 8 ? 8 : call->arg[0],
		.holders = (uintptr_t)room,
	};

	return world_ioctl(call, heap_of(world, call), NDMA_BUFFER_HOLDERS, &holders,
			   sizeof(holders));
}

/* A: access, B: where to keep the id */
static long lease(struct world *world, const struct call *call)
{
	struct ndma_lease_acquire acquire = {
		.fd = buffer_of(world, call),
		.access = call->arg[0],
	};
	long result = world_ioctl(call, heap_of(world, call), NDMA_LEASE_ACQUIRE, &acquire,
				  sizeof(acquire));

	if (!result)
		world->leases[call->arg[1] % SLOTS] = acquire.lease;
	return result;
}

/* A: where the id was kept, B: added to it */
static long release(struct world *world, const struct call *call)
{
	struct ndma_lease_release release = {
		.lease = world->leases[call->arg[0] % SLOTS] + call->arg[1],
	};

	return world_ioctl(call, heap_of(world, call), NDMA_LEASE_RELEASE, &release,
			   sizeof(release));
}

static long revoke_leases(struct world *world, const struct call *call)
{
	struct ndma_lease_revoke revoke = { .fd = buffer_of(world, call) };

	return world_ioctl(call, heap_of(world, call), NDMA_LEASE_REVOKE, &revoke, sizeof(revoke));
}

/* A: direction, B: guard, and flags from bit 4, C: timeout */
static long begin(struct world *world, const struct call *call)
{
	struct ndma_transfer_begin begin = {
		.fd = buffer_of(world, call),
		.direction = call->arg[0],
		.guard = call->arg[1] & 15,
		.flags = call->arg[1] >> 4,
		.timeout_ns = call->arg[2] % TIME_MAX_NS,
	};
	long result =
		world_ioctl(call, heap_of(world, call), NDMA_TRANSFER_BEGIN, &begin, sizeof(begin));

	if (!result)
		world->transfers[slot_buffer(call)] = begin.transfer;
	return result;
}

/* A: added to the id */
static long end(struct world *world, const struct call *call)
{
	struct ndma_transfer_end end = {
		.fd = buffer_of(world, call),
		.transfer = world->transfers[slot_buffer(call)] + call->arg[0],
	};

	return world_ioctl(call, heap_of(world, call), NDMA_TRANSFER_END, &end, sizeof(end));
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
	struct dma_buf_sync sync = { .flags = call->arg[0] };

	return ioctl(buffer_of(world, call), DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

/* A: timeout, B: events */
static long poll_buffer(struct world *world, const struct call *call)
{
	struct pollfd poller = { .fd = buffer_of(world, call), .events = call->arg[1] };

	return poll(&poller, 1, call->arg[0] % 20) < 0 ? -errno : poller.revents;
}

/* A: flags. The fence is imported again, into the buffer of the other slot. */
static long fence(struct world *world, const struct call *call)
{
	struct dma_buf_export_sync_file export = { .flags = call->arg[0], .fd = -1 };
	struct dma_buf_import_sync_file import = { .flags = call->arg[0] };

	if (ioctl(buffer_of(world, call), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export))
		return -errno;
	import.fd = export.fd;
	ioctl(world->buffers[slot_first(call)], DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import);
	close(export.fd);
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
	{ "heap_info", { NONE }, heap_info },
	{ "alloc", { BYTES, BITS, SMALL }, alloc },
	{ "buffer_info", { NONE }, buffer_info },
	{ "get_layout", { NONE }, get_layout },
	{ "set_layout", { SMALL, BYTES, ANY }, set_layout },
	{ "readonly", { SMALL }, readonly },
	{ "holders", { SMALL }, holders },
	{ "lease", { SMALL, SMALL }, lease },
	{ "release", { SMALL, BITS }, release },
	{ "revoke", { NONE }, revoke_leases },
	{ "begin", { SMALL, BITS, TIME }, begin },
	{ "end", { BITS }, end },
	{ "close_buffer", { NONE }, close_buffer },
	{ "dup_buffer", { SMALL }, dup_buffer },
	{ "sync_buffer", { SMALL }, sync_buffer },
	{ "poll_buffer", { SMALL, BITS }, poll_buffer },
	{ "fence", { SMALL }, fence },
	{ "raw_heap", { SMALL, ANY, SMALL }, raw_heap },
};

const unsigned int nr_heap_ops = sizeof(heap_ops) / sizeof(heap_ops[0]);
