/* SPDX-License-Identifier: MIT */
/*
 * What a program works on: a few open files, leases, mappings, in slots. Threads of one program
 * share them without any care, for that is the point: what one closes, another is using.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <setjmp.h>
#include <stdatomic.h>

#include "program.h"
#include "uapi/calls.h"

#define SLOTS		4
#define MAPS		8
/* More than the argument of any call. */
#define WORLD_ARGUMENT	1024

/* What an argument of an operation is; how the generator chooses one. */
enum kind {
	NONE,		/* not used */
	SMALL,		/* 0 to 8 */
	BITS,		/* few bits */
	FIELDS,		/* few bits, of four for each field */
	BYTES,		/* sizes and offsets, around pages and huge pages */
	TIME,		/* nanoseconds, mostly short */
	CONTROL,	/* an id */
	ANY,		/* anything at all */
};

/**
 * struct map - a mapping, of whatever was mapped last in its slot
 * @address: where; NULL: nowhere
 * @bytes: how many
 */
struct map {
	_Atomic(char *) address;
	atomic_size_t bytes;
};

struct world {
	atomic_int heaps[SLOTS];
	atomic_int buffers[SLOTS];
	atomic_int sources[SLOTS];
	atomic_uint leases[SLOTS];
	atomic_uint transfers[SLOTS];
	atomic_uint entries[SLOTS];
	atomic_uint frames[SLOTS];
	struct ndma_stream_setup setups[SLOTS];
	struct map completions[SLOTS];
	struct map releases[SLOTS];
	struct map maps[MAPS];
	int pipe[2];
};

/**
 * struct op - one operation that is no call of the list
 * @name: in a program's text
 * @kinds: of A, B and C
 * @run: does it: what the system call returned, or a negative errno
 */
struct op {
	const char *name;
	enum kind kinds[3];
	long (*run)(struct world *world, const struct call *call);
};

extern const struct op heap_ops[], source_ops[], memory_ops[];
extern const unsigned int nr_heap_ops, nr_source_ops, nr_memory_ops;

/* All operations, by number: the list of calls, then these. */
unsigned int op_count(void);
const char *op_name(unsigned int number);
/* Its number, or op_count(). */
unsigned int op_find(const char *name);
enum kind op_kind(unsigned int number, unsigned int argument);
long op_run(struct world *world, const struct call *call);

/* Of the list: does it; what A (0), B or C are. */
long world_call(struct world *world, const struct call *call, const struct uapi_call *row);
enum kind world_kind(const struct uapi_call *row, unsigned int argument);

void world_init(struct world *world);

static inline unsigned int slot_first(const struct call *call)
{
	return call->slots % SLOTS;
}

static inline unsigned int slot_buffer(const struct call *call)
{
	return call->slots / SLOTS % SLOTS;
}

/* ioctl() of a structure, with its size filled in and the call's poke done. */
long world_ioctl(const struct call *call, int fd, unsigned long number, void *argument,
		 size_t bytes);
/* ioctl() of random bytes behind a size that is right. */
long world_raw(int fd, unsigned long number, uint64_t seed, size_t words);
/* Puts a new fd into a slot and closes what was there. Returns fd. */
long world_put(atomic_int *slot, int fd);
/* Remembers a mapping; what was there stays mapped. */
long world_keep_map(struct map *map, void *address, size_t bytes);

/* Runs with faults of this thread caught: 0, or -EFAULT where there was one. */
long world_try(void (*deed)(void *argument), void *argument);
void world_catch_faults(void);

#endif /* FUZZ_WORLD_H */
