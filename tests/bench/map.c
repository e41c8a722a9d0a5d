// SPDX-License-Identifier: MIT
/* Mapping 4 MiB, touching every page, unmapping; beside dma_heap and udmabuf. */
#include "bench.h"

#include <sys/mman.h>
#include <unistd.h>

#define BYTES (4u << 20)

static uint64_t map_own(void *arg)
{
	struct ndma_buffer *buffer = arg;
	void *address;
	uint64_t start = bench_now();

	bench_must(ndma_buffer_map(buffer, NDMA_WRITE, &address), "map");
	bench_touch(address, BYTES);
	bench_must(ndma_buffer_unmap(buffer, NDMA_WRITE), "unmap");
	return bench_now() - start;
}

/* All that a process does with an fd that came from somewhere else, layout included. */
static uint64_t map_received(void *arg)
{
	struct ndma_buffer *buffer;
	void *address;
	uint64_t start = bench_now();

	bench_must(ndma_buffer_import(*(int *)arg, NULL, &buffer), "import");
	bench_must(ndma_buffer_map(buffer, NDMA_WRITE, &address), "map");
	bench_touch(address, BYTES);
	ndma_buffer_close(buffer);
	return bench_now() - start;
}

static uint64_t map_fd(void *arg)
{
	uint64_t start = bench_now();
	void *address = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *(int *)arg, 0);

	if (address == MAP_FAILED)
		return 0;
	bench_touch(address, BYTES);
	munmap(address, BYTES);
	return bench_now() - start;
}

static void peer(const char *name, int fd)
{
	if (fd < 0)
		return;
	bench_peer(name, bench_median(map_fd, &fd));
	close(fd);
}

void bench_map(void)
{
	struct ndma_layout layout;
	struct ndma_buffer *buffer;
	int fd;

	ndma_layout_flat(&layout, BYTES);
	bench_must(ndma_buffer_create(&layout, NULL, &buffer), "create 4 MiB");
	fd = ndma_buffer_fd(buffer);
	bench_report("map_touch_unmap_4MiB", "instructions", bench_median(map_own, buffer));
	peer("dma_heap/system", peer_dma_heap_alloc(BYTES));
	peer("udmabuf", peer_udmabuf_create(BYTES));
	bench_end();
	bench_report("map_touch_unmap_4MiB_received_fd", "instructions",
		     bench_median(map_received, &fd));
	bench_end();
	ndma_buffer_close(buffer);
}
