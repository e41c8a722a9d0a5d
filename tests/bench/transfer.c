// SPDX-License-Identifier: MIT
/* Giving a 4 MiB buffer to a device and taking it back; promising to look at it. */
#include "bench.h"

#include <sys/resource.h>

#define BYTES (4u << 20)
#define SECOND UINT64_C(1000000000)

struct transfer {
	struct ndma_buffer *buffer;
	void *address;
	uint32_t guard;
	uint32_t flags;
	long faults;
};

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static uint64_t begin_end(void *arg)
{
	struct transfer *t = arg;
	uint64_t start = bench_now();
	uint32_t id;

	bench_must(ndma_transfer_begin(t->buffer, NDMA_FROM_DEVICE, t->guard, t->flags, SECOND,
				       &id),
		   "begin");
	bench_must(ndma_transfer_end(t->buffer, id), "end");
	return bench_now() - start;
}

static uint64_t begin_end_touch(void *arg)
{
	struct transfer *t = arg;
	long before = faults();
	uint64_t start = bench_now();
	uint64_t spent = 0;

	begin_end(t);
	bench_touch(t->address, BYTES);
	spent = bench_now() - start;
	t->faults = faults() - before;
	return spent;
}

static uint64_t acquire_release(void *arg)
{
	struct transfer *t = arg;
	uint64_t start = bench_now();
	uint32_t lease;

	bench_must(ndma_lease_acquire(t->buffer, NDMA_READ, &lease), "acquire");
	bench_must(ndma_lease_release(t->buffer, lease), "release");
	return bench_now() - start;
}

void bench_transfer(void)
{
	struct transfer t = { 0 };
	struct ndma_layout layout;

	ndma_layout_flat(&layout, BYTES);
	bench_must(ndma_buffer_create(&layout, NULL, &t.buffer), "create 4 MiB");
	bench_must(ndma_buffer_map(t.buffer, NDMA_WRITE, &t.address), "map");
	bench_touch(t.address, BYTES);

	bench_report("lease_acquire_release", "instructions", bench_median(acquire_release, &t));
	bench_end();
	bench_report("transfer_begin_end", "instructions", bench_median(begin_end, &t));
	bench_end();
	t.flags = NDMA_TRANSFER_FENCE;
	bench_report("transfer_begin_end_fence", "instructions", bench_median(begin_end, &t));
	bench_end();
	t.guard = NDMA_GUARD_BLOCK;
	bench_report("transfer_guarded_touch_4MiB", "instructions",
		     bench_median(begin_end_touch, &t));
	bench_end();
	bench_report("transfer_guarded_touch_4MiB_faults", "faults", t.faults);
	bench_end();
	ndma_buffer_close(t.buffer);
}
