// SPDX-License-Identifier: MIT
/*
 * Operations on mappings and on the process: map, touch, protect, move, fork.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include "uapi/heap.h"
#include "world.h"

#define PAGE 4096
#define MAP_BYTES_MAX (64 << 20)

static struct map *map_of(struct world *world, uint64_t number)
{
	return &world->maps[number % MAPS];
}

/* A: map, B: protection, and from bit 4: 1 the dma-buf itself, 2 private, 4 one page off,
 * C: bytes; 0: as many as the buffer has
 */
static long map(struct world *world, const struct call *call)
{
	int heap = world->heaps[slot_first(call)], buffer = world->buffers[slot_buffer(call)];
	uint64_t how = call->arg[1] >> 4, offset = how & 4 ? PAGE : 0;
	size_t bytes = call->arg[2];
	off_t end;

	if (!bytes) {
		end = lseek(buffer, 0, SEEK_END);
		bytes = end < 0 ? PAGE : end;
	}
	if (bytes > MAP_BYTES_MAX)
		bytes = MAP_BYTES_MAX;
	if (!(how & 1))
		offset += buffer_offset(buffer);
	return world_keep_map(map_of(world, call->arg[0]),
			      mmap(NULL, bytes, call->arg[1] & 7,
				   how & 2 ? MAP_PRIVATE : MAP_SHARED, how & 1 ? buffer : heap,
				   (off_t)offset),
			      bytes);
}

/* A part of a mapping, by pages; false: there is nothing to work on. */
static bool part_of(struct map *map, uint64_t from, uint64_t pages, char **address, size_t *bytes)
{
	size_t all = map->bytes / PAGE;

	*address = map->address;
	if (!*address || !all)
		return false;
	from %= all;
	*address += from * PAGE;
	*bytes = (pages ? 1 + (pages - 1) % (all - from) : all - from) * PAGE;
	return true;
}

/* A: map, B: from page, C: pages; 0: to the end */
static long unmap(struct world *world, const struct call *call)
{
	char *address;
	size_t bytes;

	if (!part_of(map_of(world, call->arg[0]), call->arg[1], call->arg[2], &address, &bytes))
		return -ENXIO;
	return munmap(address, bytes) ? -errno : 0;
}

/* A: map, B: protection, C: from page */
static long protect(struct world *world, const struct call *call)
{
	char *address;
	size_t bytes;

	if (!part_of(map_of(world, call->arg[0]), call->arg[2], 0, &address, &bytes))
		return -ENXIO;
	return mprotect(address, bytes, call->arg[1] & 7) ? -errno : 0;
}

/* A: map, B: from page, C: pages more or fewer */
static long remap(struct world *world, const struct call *call)
{
	struct map *map = map_of(world, call->arg[0]);
	size_t bytes, wanted;
	char *address;

	if (!part_of(map, call->arg[1], 0, &address, &bytes))
		return -ENXIO;
	wanted = bytes + (call->arg[2] % 9) * PAGE;
	wanted = wanted > 4 * PAGE ? wanted - 4 * PAGE : PAGE;
	return world_keep_map(map, mremap(address, bytes, wanted, MREMAP_MAYMOVE), wanted);
}

/* A: map, B: advice, C: from page */
static long advise(struct world *world, const struct call *call)
{
	char *address;
	size_t bytes;

	if (!part_of(map_of(world, call->arg[0]), call->arg[2], 0, &address, &bytes))
		return -ENXIO;
	return madvise(address, bytes, call->arg[1] % 32) ? -errno : 0;
}

/* A: map, B: from page */
static long lock(struct world *world, const struct call *call)
{
	char *address;
	size_t bytes;

	if (!part_of(map_of(world, call->arg[0]), call->arg[1], 1, &address, &bytes))
		return -ENXIO;
	return mlock(address, bytes) ? -errno : 0;
}

struct touch {
	volatile char *address;
	size_t bytes;
	bool write;
};

static void do_touch(void *argument)
{
	struct touch *touch = argument;
	size_t at;

	for (at = 0; at < touch->bytes; at += PAGE) {
		if (touch->write)
			touch->address[at] = 1;
		else
			(void)touch->address[at];
	}
}

/* A: map, B: from page, C: bits: 1 write, 2 all pages */
static long touch(struct world *world, const struct call *call)
{
	struct touch touch = { .write = call->arg[2] & 1 };
	char *address;

	if (!part_of(map_of(world, call->arg[0]), call->arg[1], call->arg[2] & 2 ? 0 : 1, &address,
		     &touch.bytes))
		return -ENXIO;
	touch.address = address;
	return world_try(do_touch, &touch);
}

/* The kernel's own touch. A: map, B: from page, C: 0 it reads, 1 it writes, 2 it pins */
static long pass(struct world *world, const struct call *call)
{
	struct iovec part;
	char *address;
	ssize_t done;

	if (!part_of(map_of(world, call->arg[0]), call->arg[1], 1, &address, &part.iov_len))
		return -ENXIO;
	part.iov_base = address;
	switch (call->arg[2] % 3) {
	case 0:
		done = write(world->pipe[1], address, part.iov_len);
		break;
	case 1:
		done = read(world->pipe[0], address, part.iov_len);
		break;
	default:
		done = vmsplice(world->pipe[1], &part, 1, SPLICE_F_NONBLOCK);
		break;
	}
	return done < 0 ? -errno : done;
}

static void touch_everything(struct world *world)
{
	struct touch touch = { .write = true };
	char *address;
	int i;

	for (i = 0; i < MAPS; i++) {
		if (!part_of(&world->maps[i], 0, 1, &address, &touch.bytes))
			continue;
		touch.address = address;
		world_try(do_touch, &touch);
	}
}

/* A: what the child does, bits: 1 touch, 2 close, B: bit 1: wait for it */
static long fork_child(struct world *world, const struct call *call)
{
	pid_t child = fork();
	int i, status;

	if (child < 0)
		return -errno;
	if (!child) {
		if (call->arg[0] & 1)
			touch_everything(world);
		for (i = 0; i < SLOTS && call->arg[0] & 2; i++) {
			close(world->heaps[i]);
			close(world->buffers[i]);
			close(world->sources[i]);
		}
		_exit(0);
	}
	if (call->arg[1] & 1)
		waitpid(child, &status, 0);
	return 0;
}

/* A: nanoseconds */
static long pause_for(struct world *world, const struct call *call)
{
	struct timespec pause = { .tv_nsec = call->arg[0] % 2000000 };

	(void)world;
	nanosleep(&pause, NULL);
	return 0;
}

const struct op memory_ops[] = {
	{ "map", { SMALL, BITS, BYTES }, map },
	{ "unmap", { SMALL, SMALL, SMALL }, unmap },
	{ "protect", { SMALL, SMALL, SMALL }, protect },
	{ "remap", { SMALL, SMALL, SMALL }, remap },
	{ "advise", { SMALL, SMALL, SMALL }, advise },
	{ "lock", { SMALL, SMALL }, lock },
	{ "touch", { SMALL, SMALL, SMALL }, touch },
	{ "pass", { SMALL, SMALL, SMALL }, pass },
	{ "fork", { SMALL, SMALL }, fork_child },
	{ "pause", { TIME }, pause_for },
};

const unsigned int nr_memory_ops = sizeof(memory_ops) / sizeof(memory_ops[0]);
