// SPDX-License-Identifier: MIT
/* Allocating and freeing: 64 MiB beside dma_heap, 4 KiB with few and with many buffers alive. */
#include "bench.h"

#include <sys/resource.h>
#include <unistd.h>

#define BIG (64u << 20)
#define FEW 10
#define MANY 10000

static struct ndma_buffer *create(uint64_t bytes)
{
	struct ndma_layout layout;
	struct ndma_buffer *buffer;

	ndma_layout_flat(&layout, bytes);
	bench_must(ndma_buffer_create(&layout, NULL, &buffer), "create");
	return buffer;
}

static uint64_t alloc_free(void *arg)
{
	uint64_t start = bench_now();

	ndma_buffer_close(create(*(uint64_t *)arg));
	return bench_now() - start;
}

static uint64_t heap_alloc_free(void *arg)
{
	uint64_t start = bench_now();
	int fd = peer_dma_heap_alloc(*(uint64_t *)arg);

	if (fd >= 0)
		close(fd);
	return bench_now() - start;
}

static double with_alive(struct ndma_buffer **alive, int from, int to)
{
	uint64_t bytes = 4096;

	for (int i = from; i < to; i++)
		alive[i] = create(bytes);
	return bench_median(alloc_free, &bytes);
}

void bench_alloc(void)
{
	static struct ndma_buffer *alive[MANY];
	struct rlimit files = { MANY + 100, MANY + 100 };
	uint64_t bytes = BIG;
	int fd = peer_dma_heap_alloc(4096);
	double few, many;

	bench_report("alloc_free_64MiB", "instructions", bench_median(alloc_free, &bytes));
	if (fd >= 0) {
		close(fd);
		bench_peer("dma_heap/system", bench_median(heap_alloc_free, &bytes));
	}
	bench_end();

	bench_must(setrlimit(RLIMIT_NOFILE, &files), "RLIMIT_NOFILE");
	few = with_alive(alive, 0, FEW);
	many = with_alive(alive, FEW, MANY);
	bench_report("alloc_free_4KiB", "instructions", many);
	bench_peer("with 10 alive", few);
	bench_end();
	for (int i = 0; i < MANY; i++)
		ndma_buffer_close(alive[i]);
}
