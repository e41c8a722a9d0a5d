// SPDX-License-Identifier: MIT
/*
 * Taking and releasing ready frames: user side alone, with the kernel's drain, by the number and
 * by the size of frames.
 */
#include "bench.h"

#include <string.h>

static const uint32_t counts[] = { 4, 64, 4096 };
static const uint64_t sizes[] = { 4096, 1 << 20, 64 << 20 };

struct bench_run bench_run_open(struct ndma_source *source, uint32_t frames, uint64_t bytes)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	struct bench_run run = { .frames = frames };

	options.format = "<h";
	options.channels = 1;
	options.samples = bytes / 2;
	options.frames = frames;
	bench_must(ndma_stream_create(source, &options, &run.stream), "stream");
	run.ring = ndma_stream_ring(run.stream);
	return run;
}

void bench_run_fill(struct bench_run *run)
{
	bench_must(ndma_stream_start(run->stream, run->frames), "start");
	while (bench_must(ndma_stream_wait(run->stream, run->frames, -1), "wait") < run->frames)
		;
	bench_must(ndma_stream_stop(run->stream), "stop");
}

/* All ready frames through the inline path. */
static uint64_t take_and_release(void *arg)
{
	struct bench_run *run = arg;
	struct ndma_frame frame;
	uint64_t start = bench_now();

	while (ndma_ring_take(run->ring, &frame))
		ndma_ring_release(run->ring, frame.completion.index);
	return bench_now() - start;
}

static uint64_t drain_user(void *arg)
{
	struct bench_run *run = arg;
	uint64_t spent;

	bench_run_fill(run);
	spent = take_and_release(run);
	bench_must(ndma_stream_kick(run->stream), "kick");
	return spent;
}

static uint64_t drain_both(void *arg)
{
	struct bench_run *run = arg;
	uint64_t start;

	bench_run_fill(run);
	start = bench_now();
	take_and_release(run);
	bench_must(ndma_stream_kick(run->stream), "kick");
	return bench_now() - start;
}

static int64_t syscalls(struct ndma_source *source)
{
	struct bench_run run = bench_run_open(source, 1024, 4096);
	int64_t count;

	bench_run_fill(&run);
	count = bench_syscalls(take_and_release, &run);
	ndma_stream_free(run.stream);
	return count;
}

static double per_frame(struct ndma_source *source, uint32_t frames, uint64_t bytes, bench_fn fn)
{
	struct bench_run run = bench_run_open(source, frames, bytes);
	double cost = (double)bench_median(fn, &run) / frames;

	ndma_stream_free(run.stream);
	return cost;
}

struct ndma_source *bench_source(void)
{
	struct ndma_control_info paced, pattern;
	struct ndma_source *source;
	char name[NDMA_NAME_MAX];

	bench_must(ndma_source_open("sim0", &source), "sim0");
	bench_must(ndma_control_find(source, "paced", &paced), "paced");
	bench_must(ndma_control_set(source, paced.id, 0), "paced");
	bench_must(ndma_control_find(source, "pattern", &pattern), "pattern");
	for (int64_t i = pattern.min; i <= pattern.max; i++) {
		bench_must(ndma_control_menu(source, pattern.id, i, name), "pattern");
		if (!strcmp(name, "off"))
			bench_must(ndma_control_set(source, pattern.id, i), "pattern off");
	}
	return source;
}

void bench_stream(void)
{
	struct ndma_source *source = bench_source();
	char label[32];
	int64_t vivid;

	bench_report("stream_next_release", "instructions",
		     per_frame(source, 4096, 4096, drain_user));
	vivid = peer_vivid_frame();
	if (vivid >= 0)
		bench_peer("vivid DQBUF+QBUF", vivid);
	bench_end();
	bench_report("stream_next_release_drain", "instructions",
		     per_frame(source, 4096, 4096, drain_both));
	bench_end();
	bench_report("stream_syscalls_1024_frames", "calls", syscalls(source));
	bench_end();
	bench_report("stream_flat_by_frames", "instructions",
		     per_frame(source, 4096, 4096, drain_user));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]) - 1; i++) {
		snprintf(label, sizeof(label), "%u frames", counts[i]);
		bench_peer(label, per_frame(source, counts[i], 4096, drain_user));
	}
	bench_end();
	bench_report("stream_flat_by_bytes", "instructions",
		     per_frame(source, 8, 64 << 20, drain_user));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) - 1; i++) {
		snprintf(label, sizeof(label), "%llu bytes", (unsigned long long)sizes[i]);
		bench_peer(label, per_frame(source, 8, sizes[i], drain_user));
	}
	bench_end();
	ndma_source_close(source);
}
