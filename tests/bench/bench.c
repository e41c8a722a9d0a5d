// SPDX-License-Identifier: MIT
/* The bench program: figures of libndma and of in-tree peers, one JSON object a line. */
#include "bench.h"

#include <string.h>
#include <time.h>

static bool first_peer;

uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t clock_cost(void)
{
	static uint64_t cost;
	uint64_t runs[BENCH_RUNS];

	if (cost)
		return cost;
	for (int i = 0; i < BENCH_RUNS; i++) {
		uint64_t start = bench_now();

		runs[i] = bench_now() - start;
	}
	qsort(runs, BENCH_RUNS, sizeof(runs[0]), compare);
	cost = runs[BENCH_RUNS / 2];
	return cost;
}

uint64_t bench_median(bench_fn fn, void *arg)
{
	uint64_t runs[BENCH_RUNS], cost = clock_cost();

	for (int i = 0; i < BENCH_WARMUP; i++)
		fn(arg);
	for (int i = 0; i < BENCH_RUNS; i++)
		runs[i] = fn(arg);
	qsort(runs, BENCH_RUNS, sizeof(runs[0]), compare);
	return runs[BENCH_RUNS / 2] > cost ? runs[BENCH_RUNS / 2] - cost : 0;
}

void bench_touch(void *address, size_t bytes)
{
	volatile char *p = address;

	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
}

long bench_must(long result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "bench: %s: %s (%s)\n", what, strerror(-result), ndma_error());
		exit(1);
	}
	return result;
}

void bench_report(const char *name, const char *unit, double value)
{
	printf("{\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.2f, \"peers\": {", name, unit,
	       value);
	first_peer = true;
}

void bench_peer(const char *name, double value)
{
	printf("%s\"%s\": %.2f", first_peer ? "" : ", ", name, value);
	first_peer = false;
}

void bench_end(void)
{
	puts("}}");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "disk")) {
		bench_disk();
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "drain")) {
		bench_drain();
		return 0;
	}
	bench_map();
	bench_alloc();
	bench_transfer();
	bench_stream();
	bench_drain();
	return 0;
}
