// SPDX-License-Identifier: MIT
/*
 * Operations on sources beside their calls: mappings, and whatever can be written to a ring.
 */
#include "uapi/stream.h"
#include "world.h"

static int source_of(struct world *world, const struct call *call)
{
	return world->sources[slot_first(call)];
}

/* A: which, B: 1 to read only */
static long open_source(struct world *world, const struct call *call)
{
	static const char *const names[] = { "sim0", "sim1", "edu0", "vdig0" };

	return world_put(&world->sources[slot_first(call)],
			 source_open_mode(names[call->arg[0] % 4],
					  call->arg[1] & 1 ? O_RDONLY : O_RDWR));
}

static long close_source(struct world *world, const struct call *call)
{
	return close(atomic_exchange(&world->sources[slot_first(call)], -1)) ? -errno : 0;
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

/* A: timeout, B: events */
static long poll_source(struct world *world, const struct call *call)
{
	return events_of(source_of(world, call), call->arg[1], call->arg[0] % 20);
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
	{ "map_stream", { SMALL, BITS, NONE }, map_stream },
	{ "poll_source", { SMALL, BITS }, poll_source },
	{ "take", { SMALL }, take },
	{ "scribble", { SMALL, ANY }, scribble },
	{ "jump", { ANY, ANY }, jump },
	{ "attribute", { SMALL }, attribute },
	{ "raw_source", { SMALL, ANY, SMALL }, raw_source },
};

const unsigned int nr_source_ops = sizeof(source_ops) / sizeof(source_ops[0]);
