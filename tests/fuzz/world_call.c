// SPDX-License-Identifier: MIT
/*
 * Operations of the list of calls (uapi/calls.h), each with the call's name. What a program says of
 * an argument goes by the roles of its fields, in their order:
 *
 *   A, B  the fields that take any number: sizes, times, ids of controls; of a layout rows and columns
 *   C     four bits for each other field: flips bits of what the list has for it, chooses one of a
 *         descriptor's or an id's slots, or adds to an id
 */
#include <string.h>

#include "world.h"

#define TIME_MAX_NS 20000000
#define SAMPLES_MAX (1 << 16)
#define FRAMES 4
#define HOLDERS 16

/**
 * struct filling - an argument in the making
 * @wide: how many of A and B are used
 * @narrow: how many fields have had their bits of C
 * @slot: for what the call makes
 */
struct filling {
	struct world *world;
	const struct call *call;
	const struct uapi_call *row;
	unsigned int wide;
	unsigned int narrow;
	unsigned int slot;
	struct ndma_layout layout;
	struct ndma_holder holders[HOLDERS];
	unsigned char argument[WORLD_ARGUMENT];
};

static uint64_t take_wide(struct filling *filling)
{
	return filling->wide < 2 ? filling->call->arg[filling->wide++] : 0;
}

static unsigned int take_bits(struct filling *filling)
{
	return filling->call->arg[2] >> 4 * (filling->narrow++ % 16) & 15;
}

static uint64_t get(const struct filling *filling, const struct uapi_field *field)
{
	uint64_t value = 0;

	memcpy(&value, filling->argument + field->at, field->bytes < 8 ? field->bytes : 8);
	return value;
}

static void put(struct filling *filling, const struct uapi_field *field, uint64_t value)
{
	memcpy(filling->argument + field->at, &value, field->bytes < 8 ? field->bytes : 8);
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

static void fill_in_layout(struct filling *filling, const struct uapi_field *field)
{
	unsigned int itemsize = take_bits(filling);
	uint64_t rows = take_wide(filling);

	make_layout(&filling->layout, itemsize ? itemsize : 4, rows, take_wide(filling));
	memcpy(filling->argument + field->at, &filling->layout, sizeof(filling->layout));
}

/* Of a buffer of A bytes, or none. */
static uint64_t layout_at(struct filling *filling)
{
	if (!(take_bits(filling) & 1))
		return 0;
	make_layout(&filling->layout, 4, filling->call->arg[0] / 64, 16);
	return (uintptr_t)&filling->layout;
}

static uint64_t lease_id(struct filling *filling)
{
	unsigned int bits = take_bits(filling);

	return filling->world->leases[bits % SLOTS] + bits / SLOTS;
}

static void fill_in(struct filling *filling, const struct uapi_field *field)
{
	struct world *world = filling->world;
	unsigned int first = slot_first(filling->call), buffer = slot_buffer(filling->call);

	switch (field->role) {
	case UAPI_SIZE:
	case UAPI_ZERO:
	case UAPI_OUT:
	case UAPI_NEW_TRANSFER:
		break;
	case UAPI_NEW_FD:
		filling->slot = (buffer + take_bits(filling)) % SLOTS;
		break;
	case UAPI_NEW_LEASE:
		filling->slot = take_bits(filling) % SLOTS;
		/* An input where NDMA_LEASE_CHECK is asked for. */
		put(filling, field, world->leases[filling->slot]);
		break;
	case UAPI_BUFFER:
		put(filling, field, world->buffers[buffer]);
		break;
	case UAPI_HEAP_FD:
		put(filling, field, world->heaps[buffer]);
		break;
	case UAPI_SOURCE_FD:
		put(filling, field, take_bits(filling) & 1 ? world->sources[first] : -1);
		break;
	case UAPI_CONTROLS_FD:
		put(filling, field,
		    take_bits(filling) & 1 ? world->sources[(first + 1) % SLOTS] : 0);
		break;
	case UAPI_LEASE:
		put(filling, field, lease_id(filling));
		break;
	case UAPI_TRANSFER:
		put(filling, field, world->transfers[buffer] + take_bits(filling));
		break;
	case UAPI_LAYOUT:
		fill_in_layout(filling, field);
		break;
	case UAPI_LAYOUT_AT:
		put(filling, field, layout_at(filling));
		break;
	case UAPI_HOLDERS_AT:
		put(filling, field, take_bits(filling) ? 0 : (uintptr_t)filling->holders);
		break;
	case UAPI_NODE:
		put(filling, field, NDMA_NODE_ANY + take_bits(filling));
		break;
	case UAPI_FRAMES_NR:
		put(filling, field, FRAMES ^ take_bits(filling));
		break;
	case UAPI_ORDER:
		put(filling, field, NDMA_ORDER_PLANAR ^ take_bits(filling));
		break;
	case UAPI_FLAGS:
	case UAPI_FRAME:
	case UAPI_SMALL:
		put(filling, field, get(filling, field) ^ take_bits(filling));
		break;
	case UAPI_SAMPLES:
		put(filling, field, take_wide(filling) % SAMPLES_MAX);
		break;
	case UAPI_TIME:
		put(filling, field, take_wide(filling) % TIME_MAX_NS);
		break;
	case UAPI_BYTES:
	case UAPI_CONTROL:
	case UAPI_VALUE:
		put(filling, field, take_wide(filling));
		break;
	}
}

/* Keeps what a call that succeeded has made. */
static long keep(struct filling *filling)
{
	const struct uapi_field *fd = uapi_field_of(filling->row, UAPI_NEW_FD);
	const struct uapi_field *lease = uapi_field_of(filling->row, UAPI_NEW_LEASE);
	const struct uapi_field *transfer = uapi_field_of(filling->row, UAPI_NEW_TRANSFER);
	struct world *world = filling->world;
	unsigned int first = slot_first(filling->call);
	struct ndma_stream_setup setup;

	if (lease)
		world->leases[filling->slot] = get(filling, lease);
	if (transfer)
		world->transfers[slot_buffer(filling->call)] = get(filling, transfer);
	if (filling->row->number == NDMA_STREAM_SETUP) {
		memcpy(&setup, filling->argument, sizeof(setup));
		world->setups[first] = setup;
		world->entries[first] = setup.entries;
		world->frames[first] = setup.frames;
	}
	return fd ? world_put(&world->buffers[filling->slot], (int)get(filling, fd)) : 0;
}

long world_call(struct world *world, const struct call *call, const struct uapi_call *row)
{
	struct filling filling = { .world = world, .call = call, .row = row };
	const struct uapi_field *field;
	long result;
	int fd;

	memcpy(filling.argument, row->argument, row->bytes);
	FOR_EACH_FIELD(field, row)
		fill_in(&filling, field);
	fd = row->on == UAPI_HEAP ? world->heaps[slot_first(call)]
				  : world->sources[slot_first(call)];
	result = world_ioctl(call, fd, row->number, filling.argument, row->bytes);
	return result ? result : keep(&filling);
}

/* What A and B are: the kinds of the fields that take them. */
static enum kind kind_of_wide(const struct uapi_call *row, unsigned int wide)
{
	const struct uapi_field *field;
	enum kind kinds[4] = { NONE };
	unsigned int nr = 0;

	FOR_EACH_FIELD(field, row) {
		switch (nr < 2 ? field->role : UAPI_OUT) {
		case UAPI_LAYOUT:
			kinds[nr++] = BYTES;
			kinds[nr++] = ANY;
			break;
		case UAPI_BYTES:
		case UAPI_SAMPLES:
			kinds[nr++] = BYTES;
			break;
		case UAPI_TIME:
			kinds[nr++] = TIME;
			break;
		case UAPI_CONTROL:
			kinds[nr++] = CONTROL;
			break;
		case UAPI_VALUE:
			kinds[nr++] = ANY;
			break;
		default:
			break;
		}
	}
	return kinds[wide];
}

enum kind world_kind(const struct uapi_call *row, unsigned int argument)
{
	return argument == 2 ? FIELDS : kind_of_wide(row, argument);
}
