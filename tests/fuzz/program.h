/* SPDX-License-Identifier: MIT */
/*
 * A program: what the fuzzer feeds to the kernel. A list of calls, each by one of a few threads;
 * as text, one call a line, for people and for replay:
 *
 *     THREAD OPERATION SLOTS A B C [@OFFSET VALUE]
 *
 * Numbers are C's. SLOTS names what the call works on: its heap or source in the lower two bits,
 * its buffer in the next two. What A, B and C are, the operation says (world_*.c; of calls, world_call.c). With @, VALUE
 * is written over the eight bytes at OFFSET of the call's argument, its size included.
 */
#ifndef FUZZ_PROGRAM_H
#define FUZZ_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRAM_CALLS	64
#define PROGRAM_THREADS	4
/* Longest text of a program. */
#define PROGRAM_TEXT	8192

struct call {
	uint8_t thread;
	uint8_t op;
	uint8_t slots;
	bool poked;
	uint16_t poke_at;
	uint64_t poke;
	uint64_t arg[3];
};

struct program {
	unsigned int count;
	struct call calls[PROGRAM_CALLS];
};

/* Writes at most `room` bytes with the NUL; returns the length. */
size_t program_print(const struct program *program, char *text, size_t room);
/* 0, or the number of the first line that is not a call. Lines with # are comments. */
unsigned int program_parse(struct program *program, const char *text);
bool program_load(struct program *program, const char *path);
bool program_save(const struct program *program, const char *path);

/* A new one, or one that differs a little from another. The generator is the same for one seed. */
struct random {
	uint64_t state;
};

uint64_t random_next(struct random *random);
uint32_t random_below(struct random *random, uint32_t below);
void program_generate(struct program *program, struct random *random);
/* `other` gives calls; may be the program itself. */
void program_mutate(struct program *program, const struct program *other, struct random *random);

#endif /* FUZZ_PROGRAM_H */
