/* SPDX-License-Identifier: MIT */
/* How often a fault is made: PROGRAM [ROUNDS [SEED]]. */
#ifndef NDMA_ROUNDS_H
#define NDMA_ROUNDS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_DEFAULT 20
/* Where the kernel looks for mistakes a round takes up to ten times as long. */
#define ROUNDS_DEBUG 5

static uint64_t rounds_state;

static inline unsigned int rounds_default(void)
{
	const char *guest = getenv("NDMA_GUEST");

	return guest && !strcmp(guest, "debug") ? ROUNDS_DEBUG : ROUNDS_DEFAULT;
}

static inline unsigned int rounds_parse(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : rounds_default();

	rounds_state = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	printf("# %u rounds, seed %llu\n", rounds, (unsigned long long)rounds_state);
	return rounds;
}

/* 0 to below - 1. */
static inline uint32_t rounds_random(uint32_t below)
{
	uint64_t mixed = rounds_state += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)((mixed ^ (mixed >> 31)) % below);
}

#endif /* NDMA_ROUNDS_H */
