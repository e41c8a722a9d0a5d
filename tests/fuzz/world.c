// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

/* The kernel reads as much as `size` says, and that may have been poked. */
#define ARGUMENT_ROOM (4096 + 64)
/* A poke may also hit what lies behind the structure, which then is said to be longer. */
#define TAIL 8

unsigned int op_count(void)
{
	return UAPI_CALLS_NR + nr_heap_ops + nr_source_ops + nr_memory_ops;
}

/* One that is no call of the list. */
static const struct op *op_get(unsigned int number)
{
	number -= UAPI_CALLS_NR;
	if (number < nr_heap_ops)
		return &heap_ops[number];
	number -= nr_heap_ops;
	if (number < nr_source_ops)
		return &source_ops[number];
	return &memory_ops[number - nr_source_ops];
}

const char *op_name(unsigned int number)
{
	return number < UAPI_CALLS_NR ? uapi_calls[number].name : op_get(number)->name;
}

unsigned int op_find(const char *name)
{
	unsigned int number;

	for (number = 0; number < op_count(); number++)
		if (!strcmp(op_name(number), name))
			break;
	return number;
}

enum kind op_kind(unsigned int number, unsigned int argument)
{
	return number < UAPI_CALLS_NR ? world_kind(&uapi_calls[number], argument)
				      : op_get(number)->kinds[argument];
}

long op_run(struct world *world, const struct call *call)
{
	return call->op < UAPI_CALLS_NR ? world_call(world, call, &uapi_calls[call->op])
					: op_get(call->op)->run(world, call);
}

void world_init(struct world *world)
{
	int i;

	memset(world, 0, sizeof(*world));
	for (i = 0; i < SLOTS; i++) {
		world->heaps[i] = -1;
		world->buffers[i] = -1;
		world->sources[i] = -1;
	}
	if (pipe(world->pipe))
		_exit(2);
}

long world_ioctl(const struct call *call, int fd, unsigned long number, void *argument,
		 size_t bytes)
{
	unsigned char area[ARGUMENT_ROOM] = { 0 };
	uint32_t size = bytes;
	size_t at;
	long result;

	memcpy(area, argument, bytes);
	if (call->poked) {
		at = call->poke_at % (bytes + TAIL);
		if (at >= bytes)
			size = bytes + TAIL;
		memcpy(area, &size, sizeof(size));
		memcpy(area + at, &call->poke, sizeof(call->poke));
	} else {
		memcpy(area, &size, sizeof(size));
	}
	result = ioctl(fd, number, area) < 0 ? -errno : 0;
	memcpy(argument, area, bytes);
	return result;
}

long world_raw(int fd, unsigned long number, uint64_t seed, size_t words)
{
	uint32_t area[ARGUMENT_ROOM / sizeof(uint32_t)] = { 0 };
	struct random random = { seed };
	size_t i;

	words %= sizeof(area) / sizeof(area[0]);
	area[0] = words * sizeof(area[0]);
	for (i = 1; i < words; i++)
		area[i] = random_next(&random);
	return ioctl(fd, number, area) < 0 ? -errno : 0;
}

long world_put(atomic_int *slot, int fd)
{
	int old;

	if (fd < 0)
		return -errno;
	old = atomic_exchange(slot, fd);
	if (old >= 0)
		close(old);
	return fd;
}

long world_keep_map(struct map *map, void *address, size_t bytes)
{
	if (address == MAP_FAILED)
		return -errno;
	map->bytes = bytes;
	map->address = address;
	return 0;
}

static _Thread_local sigjmp_buf way_out;
static _Thread_local volatile bool catching;

static void on_fault(int signal)
{
	if (!catching)
		_exit(128 + signal);
	catching = false;
	siglongjmp(way_out, 1);
}

void world_catch_faults(void)
{
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

long world_try(void (*deed)(void *argument), void *argument)
{
	if (sigsetjmp(way_out, 1))
		return -EFAULT;
	catching = true;
	deed(argument);
	catching = false;
	return 0;
}
