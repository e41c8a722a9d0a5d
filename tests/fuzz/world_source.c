// SPDX-License-Identifier: MIT
/*
 * Operations on sources: questions, controls, streams, and whatever can be written to a ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

#define WAIT_MAX_NS 20000000
#define SAMPLES_MAX (1 << 16)

static int source_of(struct world *world, const struct call *call)
{
	return world->sources[slot_first(call)];
}

/* A: which, B: 1 to read only */
static long open_source(struct world *world, const struct call *call)
{
	static const char *const names[] = { "sim0", "sim1", "edu0", "vdig0" };
	char path[32];

	snprintf(path, sizeof(path), "/dev/ndma/%s", names[call->arg[0] % 4]);
	return world_put(&world->sources[slot_first(call)],
			 open(path, (call->arg[1] & 1 ? O_RDONLY : O_RDWR) | O_CLOEXEC));
}

static long close_source(struct world *world, const struct call *call)
{
	return close(atomic_exchange(&world->sources[slot_first(call)], -1)) ? -errno : 0;
}

static long source_info(struct world *world, const struct call *call)
{
	struct ndma_source_info info = { 0 };

	return world_ioctl(call, source_of(world, call), NDMA_SOURCE_INFO, &info, sizeof(info));
}

/* A: index */
static long format(struct world *world, const struct call *call)
{
	struct ndma_source_format format = { .index = call->arg[0] };

	return world_ioctl(call, source_of(world, call), NDMA_SOURCE_FORMAT, &format,
			   sizeof(format));
}

/* A: index */
static long channel(struct world *world, const struct call *call)
{
	struct ndma_source_channel channel = { .index = call->arg[0] };

	return world_ioctl(call, source_of(world, call), NDMA_SOURCE_CHANNEL, &channel,
			   sizeof(channel));
}

/* A: id */
static long query(struct world *world, const struct call *call)
{
	struct ndma_control_info info = { .id = call->arg[0] };

	return world_ioctl(call, source_of(world, call), NDMA_CONTROL_QUERY, &info, sizeof(info));
}

/* A: id, B: index */
static long menu_item(struct world *world, const struct call *call)
{
	struct ndma_control_menu_item item = { .id = call->arg[0], .index = call->arg[1] };

	return world_ioctl(call, source_of(world, call), NDMA_CONTROL_MENU_ITEM, &item,
			   sizeof(item));
}

/* A: id */
static long get_control(struct world *world, const struct call *call)
{
	struct ndma_control control = { .id = call->arg[0] };

	return world_ioctl(call, source_of(world, call), NDMA_CONTROL_GET, &control,
			   sizeof(control));
}

/* A: id, B: value */
static long set_control(struct world *world, const struct call *call)
{
	struct ndma_control control = { .id = call->arg[0], .value = call->arg[1] };

	return world_ioctl(call, source_of(world, call), NDMA_CONTROL_SET, &control,
			   sizeof(control));
}

/* A: frames, B: samples, C: from bit 0: policy, 2: guard, 4: format, 8: order, 12: channels */
static long setup(struct world *world, const struct call *call)
{
	unsigned int slot = slot_first(call);
	uint64_t how = call->arg[2];
	struct ndma_stream_setup setup = {
		.direction = NDMA_FROM_DEVICE,
		.frames = call->arg[0],
		.policy = how & 3,
		.guard = how >> 2 & 3,
		.format = how >> 4 & 15,
		.order = how >> 8 & 15,
		.channels = how >> 12 & 15,
		.node = NDMA_NODE_ANY,
		.samples = call->arg[1] % SAMPLES_MAX,
	};
	long result =
		world_ioctl(call, source_of(world, call), NDMA_STREAM_SETUP, &setup, sizeof(setup));

	if (result)
		return result;
	world->setups[slot] = setup;
	world->entries[slot] = setup.entries;
	world->frames[slot] = setup.frames;
	return 0;
}

/* A: frames, completions or releases, B: protection, and from bit 4: where to keep frames,
 * C: pages more than there are
 */
static long map_stream(struct world *world, const struct call *call)
{
	unsigned int slot = slot_first(call);
	const struct ndma_stream_setup *setup = &world->setups[slot];
	size_t more = call->arg[2] % 8 * 4096;
	uint64_t offset = NDMA_MMAP_FRAMES;
	size_t bytes = setup->data_bytes;
	struct map *map = &world->maps[call->arg[1] / 16 % MAPS];

	if (call->arg[0] % 3 == 1) {
		offset = NDMA_MMAP_COMPLETIONS;
		bytes = setup->completions_bytes;
		map = &world->completions[slot];
	} else if (call->arg[0] % 3 == 2) {
		offset = NDMA_MMAP_RELEASES;
		bytes = setup->releases_bytes;
		map = &world->releases[slot];
	}
	bytes += more;
	return world_keep_map(map,
			      mmap(NULL, bytes, call->arg[1] & 7, MAP_SHARED,
				   source_of(world, call), (off_t)offset),
			      bytes);
}

/* A: count */
static long start(struct world *world, const struct call *call)
{
	struct ndma_stream_start start = { .count = call->arg[0] };

	return world_ioctl(call, source_of(world, call), NDMA_STREAM_START, &start, sizeof(start));
}

static long stop(struct world *world, const struct call *call)
{
	struct ndma_stream_stop stop = { 0 };

	return world_ioctl(call, source_of(world, call), NDMA_STREAM_STOP, &stop, sizeof(stop));
}

/* A: min, B: timeout */
static long wait_frames(struct world *world, const struct call *call)
{
	struct ndma_stream_wait wait = {
		.min = call->arg[0],
		.timeout_ns = call->arg[1] % WAIT_MAX_NS,
	};

	return world_ioctl(call, source_of(world, call), NDMA_STREAM_WAIT, &wait, sizeof(wait));
}

static long kick(struct world *world, const struct call *call)
{
	struct ndma_stream_kick kick = { 0 };

	return world_ioctl(call, source_of(world, call), NDMA_STREAM_KICK, &kick, sizeof(kick));
}

static long stats(struct world *world, const struct call *call)
{
	struct ndma_stream_stats stats = { 0 };

	return world_ioctl(call, source_of(world, call), NDMA_STREAM_STATS, &stats, sizeof(stats));
}

/* A: index */
static long export(struct world *world, const struct call *call)
{
	struct ndma_stream_export export = { .index = call->arg[0] };
	long result = world_ioctl(call, source_of(world, call), NDMA_STREAM_EXPORT, &export,
				  sizeof(export));

	return result ? result : world_put(&world->buffers[slot_buffer(call)], export.fd);
}

/* A: samples, B: guard, C: timeout. The buffer's, and the heap of the same number. */
static long fill(struct world *world, const struct call *call)
{
	struct ndma_fill_begin fill = {
		.fd = world->buffers[slot_buffer(call)],
		.heap_fd = world->heaps[slot_buffer(call)],
		.guard = call->arg[1] & 3,
		.order = NDMA_ORDER_PLANAR,
		.channels = call->arg[1] >> 2,
		.samples = call->arg[0],
		.timeout_ns = call->arg[2] % WAIT_MAX_NS,
	};

	return world_ioctl(call, source_of(world, call), NDMA_FILL_BEGIN, &fill, sizeof(fill));
}

static long wait_filled(struct world *world, const struct call *call)
{
	struct ndma_fill_wait wait = { 0 };

	return world_ioctl(call, source_of(world, call), NDMA_FILL_WAIT, &wait, sizeof(wait));
}

/* A: timeout, B: events */
static long poll_source(struct world *world, const struct call *call)
{
	struct pollfd poller = { .fd = source_of(world, call), .events = call->arg[1] };

	return poll(&poller, 1, call->arg[0] % 20) < 0 ? -errno : poller.revents;
}

struct ring {
	struct world *world;
	const struct call *call;
	const volatile struct ndma_completions *completions;
	volatile struct ndma_releases *releases;
	uint32_t mask;
	long result;
};

/* As an honest consumer does it: take one completion, give its frame back. */
static void do_take_and_give(void *argument)
{
	struct ring *ring = argument;
	uint32_t taken = ring->releases->taken;
	uint32_t index;

	if (ring->completions->head == taken)
		return;
	index = ring->completions->ring[taken & ring->mask].index;
	ring->releases->taken = taken + 1;
	ring->result = index + 1;
	if (ring->call->arg[0] & 1)
		return;
	ring->releases->ring[ring->releases->tail & ring->mask] = index;
	__atomic_store_n(&ring->releases->tail, ring->releases->tail + 1, __ATOMIC_RELEASE);
}

static void do_scribble(void *argument)
{
	struct ring *ring = argument;
	volatile uint32_t *words = (volatile uint32_t *)ring->releases;
	size_t count = ring->world->releases[slot_first(ring->call)].bytes / sizeof(*words);

	words[ring->call->arg[0] % count] = ring->call->arg[1];
}

static void do_jump(void *argument)
{
	struct ring *ring = argument;

	ring->releases->taken += ring->call->arg[0];
	__atomic_store_n(&ring->releases->tail, ring->releases->tail + ring->call->arg[1],
			 __ATOMIC_RELEASE);
}

static long on_ring(struct world *world, const struct call *call, void (*deed)(void *argument))
{
	unsigned int slot = slot_first(call);
	struct ring ring = {
		.world = world,
		.call = call,
		.completions = (void *)world->completions[slot].address,
		.releases = (void *)world->releases[slot].address,
		.mask = world->entries[slot] - 1,
	};
	long result;

	if (!ring.completions || !ring.releases)
		return -ENXIO;
	result = world_try(deed, &ring);
	return result ? result : ring.result;
}

/* A: bit 1: keep the frame */
static long take(struct world *world, const struct call *call)
{
	return on_ring(world, call, do_take_and_give);
}

/* A: which word of the releases, B: its value */
static long scribble(struct world *world, const struct call *call)
{
	return on_ring(world, call, do_scribble);
}

/* A: added to taken, B: added to tail */
static long jump(struct world *world, const struct call *call)
{
	return on_ring(world, call, do_jump);
}

/* A: which */
static long attribute(struct world *world, const struct call *call)
{
	static const char *const names[] = { "formats", "channels", "controls", "streams", "uevent",
					     "dev",     "frames",   "rates",    "power" };
	char path[64], text[4096];
	ssize_t got;
	int fd;

	(void)world;
	snprintf(path, sizeof(path), "/sys/class/ndma/sim%u/%s", slot_first(call) & 1,
		 names[call->arg[0] % 9]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = read(fd, text, sizeof(text));
	close(fd);
	return got < 0 ? -errno : 0;
}

/* A: number, B: what the bytes are made from, C: how many */
static long raw_source(struct world *world, const struct call *call)
{
	return world_raw(source_of(world, call), NDMA_SOURCE_INFO + call->arg[0] % 32, call->arg[1],
			 call->arg[2]);
}

const struct op source_ops[] = {
	{ "open_source", { SMALL, SMALL }, open_source },
	{ "close_source", { NONE }, close_source },
	{ "source_info", { NONE }, source_info },
	{ "format", { SMALL }, format },
	{ "channel", { SMALL }, channel },
	{ "query", { CONTROL }, query },
	{ "menu_item", { CONTROL, SMALL }, menu_item },
	{ "get_control", { CONTROL }, get_control },
	{ "set_control", { CONTROL, ANY }, set_control },
	{ "setup", { SMALL, BYTES, BITS }, setup },
	{ "map_stream", { SMALL, BITS, NONE }, map_stream },
	{ "start", { SMALL }, start },
	{ "stop", { NONE }, stop },
	{ "wait", { SMALL, TIME }, wait_frames },
	{ "kick", { NONE }, kick },
	{ "stats", { NONE }, stats },
	{ "export", { SMALL }, export },
	{ "poll_source", { SMALL, BITS }, poll_source },
	{ "take", { SMALL }, take },
	{ "scribble", { SMALL, ANY }, scribble },
	{ "jump", { ANY, ANY }, jump },
	{ "attribute", { SMALL }, attribute },
	{ "raw_source", { SMALL, ANY, SMALL }, raw_source },
	{ "fill", { BYTES, BITS, TIME }, fill },
	{ "wait_filled", { NONE }, wait_filled },
};

const unsigned int nr_source_ops = sizeof(source_ops) / sizeof(source_ops[0]);
