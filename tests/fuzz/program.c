// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

/* ---------------------------------------------------------------- text */

size_t program_print(const struct program *program, char *text, size_t room)
{
	size_t length = 0;
	unsigned int i;

	text[0] = '\0';
	for (i = 0; i < program->count && length < room; i++) {
		const struct call *call = &program->calls[i];

		length += snprintf(text + length, room - length,
				   "%u %s %u %#" PRIx64 " %#" PRIx64 " %#" PRIx64, call->thread,
				   op_name(call->op), call->slots, call->arg[0], call->arg[1],
				   call->arg[2]);
		if (call->poked && length < room)
			length += snprintf(text + length, room - length, " @%u %#" PRIx64,
					   call->poke_at, call->poke);
		if (length < room)
			length += snprintf(text + length, room - length, "\n");
	}
	return length < room ? length : room - 1;
}

static bool parse_call(struct call *call, const char *line)
{
	unsigned int thread, slots, at;
	char name[32];
	int used = 0;

	memset(call, 0, sizeof(*call));
	if (sscanf(line, "%u %31s %u %" SCNi64 " %" SCNi64 " %" SCNi64 " %n", &thread, name, &slots,
		   (int64_t *)&call->arg[0], (int64_t *)&call->arg[1], (int64_t *)&call->arg[2],
		   &used) < 6)
		return false;
	call->op = op_find(name);
	call->thread = thread;
	call->slots = slots;
	if (sscanf(line + used, "@%u %" SCNi64, &at, (int64_t *)&call->poke) == 2) {
		call->poked = true;
		call->poke_at = at;
	}
	return call->op < op_count() && thread < PROGRAM_THREADS && slots < SLOTS * SLOTS;
}

unsigned int program_parse(struct program *program, const char *text)
{
	unsigned int number;

	program->count = 0;
	for (number = 1; *text; number++) {
		size_t length = strcspn(text, "\n");

		if (length && *text != '#') {
			if (program->count == PROGRAM_CALLS ||
			    !parse_call(&program->calls[program->count], text))
				return number;
			program->count++;
		}
		text += length + (text[length] == '\n');
	}
	return 0;
}

bool program_load(struct program *program, const char *path)
{
	char text[PROGRAM_TEXT];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	unsigned int line;

	if (got < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	close(fd);
	text[got] = '\0';
	line = program_parse(program, text);
	if (line)
		fprintf(stderr, "%s:%u: not a call, or one too many\n", path, line);
	return !line;
}

bool program_save(const struct program *program, const char *path)
{
	char text[PROGRAM_TEXT];
	size_t length = program_print(program, text, sizeof(text));
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool saved = fd >= 0 && write(fd, text, length) == (ssize_t)length;

	if (fd >= 0)
		close(fd);
	return saved;
}

/* ---------------------------------------------------------------- chance */

uint64_t random_next(struct random *random)
{
	uint64_t mixed = random->state += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return mixed ^ (mixed >> 31);
}

uint32_t random_below(struct random *random, uint32_t below)
{
	return (uint32_t)(random_next(random) % below);
}

static uint64_t pick(struct random *random, const uint64_t *values, size_t count)
{
	return values[random_below(random, count)];
}

#define PICK(random, values) pick(random, values, sizeof(values) / sizeof((values)[0]))

/* What breaks arithmetic. */
static const uint64_t edges[] = {
	0,
	1,
	0x7f,
	0x80,
	0xff,
	0x7fff,
	0xffff,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	0x100000000,
	INT64_MAX,
	INT64_MAX - 1,
	(uint64_t)INT64_MIN,
	UINT64_MAX,
	UINT64_MAX - 4095,
};

static const uint64_t sizes[] = {
	0,     1,        63,       64,       4095,     4096,     4097,      8192,
	65536, 0x1fffff, 0x200000, 0x200001, 0x500000, 0x800000, 0x1000000,
};

static const uint64_t controls[] = {
	NDMA_CONTROL_RATE,         NDMA_CONTROL_PATTERN,          NDMA_CONTROL_FREQUENCY,
	NDMA_CONTROL_AMPLITUDE,    NDMA_CONTROL_TRIGGER,          NDMA_CONTROL_TRIGGER_LEVEL,
	NDMA_CONTROL_FAULT_DROP,   NDMA_CONTROL_TRIGGER_SOFTWARE, NDMA_CONTROL_FAULT_SHORT,
	NDMA_CONTROL_FAULT_ERROR,  NDMA_CONTROL_FAULT_STALL,      NDMA_CONTROL_FAULT_JITTER,
	NDMA_CONTROL_FAULT_VANISH, NDMA_CONTROL_DRIVER,           NDMA_CONTROL_NEXT,
};

static uint64_t choose(struct random *random, enum kind kind)
{
	/* Now and then something that is none of it. */
	if (!random_below(random, 16))
		kind = ANY;
	switch (kind) {
	case NONE:
		return 0;
	case SMALL:
		return random_below(random, 9);
	case BITS:
		return random_next(random) & random_next(random) & random_next(random) & 0xffff;
	case FIELDS:
		/* Half of all leave the argument as it is good. */
		if (random_below(random, 2))
			return 0;
		return random_next(random) & random_next(random) & random_next(random) &
		       random_next(random) & 0xffffffff;
	case BYTES:
		return random_below(random, 3) ? PICK(random, sizes) : random_below(random, 100000);
	case TIME:
		return random_below(random, 1u << random_below(random, 25));
	case CONTROL:
		return PICK(random, controls) | (random_below(random, 8) ? 0 : NDMA_CONTROL_NEXT);
	case ANY:
		break;
	}
	switch (random_below(random, 3)) {
	case 0:
		return PICK(random, edges);
	case 1:
		return random_below(random, 64);
	default:
		return random_next(random) >> random_below(random, 64);
	}
}

static void generate_call(struct call *call, struct random *random)
{
	int i;

	memset(call, 0, sizeof(*call));
	call->op = random_below(random, op_count());
	/* Half of all is done by one thread, in order: states that need several calls. */
	call->thread = random_below(random, 2) ? 0 : random_below(random, PROGRAM_THREADS);
	call->slots = random_below(random, 2) ? 0 : random_below(random, SLOTS * SLOTS);
	for (i = 0; i < 3; i++)
		call->arg[i] = choose(random, op_kind(call->op, i));
	if (!random_below(random, 12)) {
		call->poked = true;
		call->poke_at = random_below(random, 1024);
		call->poke = choose(random, ANY);
	}
}

void program_generate(struct program *program, struct random *random)
{
	unsigned int i;

	program->count = 8 + random_below(random, PROGRAM_CALLS - 8);
	for (i = 0; i < program->count; i++)
		generate_call(&program->calls[i], random);
}

static void insert(struct program *program, unsigned int at, const struct call *call)
{
	if (program->count == PROGRAM_CALLS)
		program->count--;
	if (at > program->count)
		at = program->count;
	memmove(&program->calls[at + 1], &program->calls[at],
		(program->count - at) * sizeof(*call));
	program->calls[at] = *call;
	program->count++;
}

static void mutate_call(struct call *call, struct random *random)
{
	int i = random_below(random, 3);

	switch (random_below(random, 5)) {
	case 0:
		call->thread = random_below(random, PROGRAM_THREADS);
		break;
	case 1:
		call->slots = random_below(random, SLOTS * SLOTS);
		break;
	case 2:
		call->arg[i] += random_below(random, 2) ? 1 : -1;
		break;
	case 3:
		call->arg[i] = choose(random, op_kind(call->op, i));
		break;
	default:
		call->poked = !call->poked;
		call->poke_at = random_below(random, 1024);
		call->poke = choose(random, ANY);
		break;
	}
}

void program_mutate(struct program *program, const struct program *other, struct random *random)
{
	unsigned int changes = 1 + random_below(random, 6), at;
	struct call call;

	while (changes--) {
		at = random_below(random, program->count + 1);
		switch (random_below(random, 4)) {
		case 0:
			generate_call(&call, random);
			insert(program, at, &call);
			break;
		case 1:
			if (other->count) {
				call = other->calls[random_below(random, other->count)];
				insert(program, at, &call);
			}
			break;
		case 2:
			if (program->count > 1 && at < program->count) {
				program->count--;
				memmove(&program->calls[at], &program->calls[at + 1],
					(program->count - at) * sizeof(call));
			}
			break;
		default:
			if (at < program->count)
				mutate_call(&program->calls[at], random);
			break;
		}
	}
}
