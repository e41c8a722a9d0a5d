// SPDX-License-Identifier: MIT
/*
 * How long a driver's call is kept by what user space has put into the ring of releases: the call runs
 * with interrupts off. By the kernel's function tracer; needs root.
 */
#include "bench.h"

#include <sched.h>
#include <string.h>

#define TRACING "/sys/kernel/tracing/"
#define CALL "ndma_stream_next_frame"

static const uint32_t counts[] = { 4096, 16384, 65536 };
#define COUNTS (sizeof(counts) / sizeof(counts[0]))

static bool tell(const char *file, const char *value)
{
	FILE *stream = fopen(file, "w");
	bool told = stream && fputs(value, stream) >= 0;

	return stream && !fclose(stream) && told;
}

/* Of the one traced call in ns, or 0: there was none yet. */
static double traced_call(void)
{
	FILE *trace = fopen(TRACING "trace", "r");
	double us = 0;
	char line[256];

	while (trace && fgets(line, sizeof(line), trace)) {
		const char *after = strchr(line, ')');

		if (after && strstr(after, CALL))
			us = strtod(after + strcspn(after, "0123456789"), NULL);
	}
	if (trace)
		fclose(trace);
	return us * 1000;
}

/* Has the driver ask for a frame while the ring is full of releases that give none. */
static double next_frame(struct ndma_source *source, uint32_t frames)
{
	struct bench_run run = bench_run_open(source, frames, 64);
	struct ndma_control_info button;
	struct ndma_frame frame;
	double ns;

	bench_must(ndma_control_find(source, "trigger_software", &button), "trigger_software");
	bench_must(ndma_stream_start(run.stream, 0), "start");
	while (bench_must(ndma_stream_wait(run.stream, frames, -1), "wait") < frames)
		;
	while (ndma_ring_take(run.ring, &frame))
		;
	for (uint32_t i = 0; i < frames; i++)
		ndma_ring_release(run.ring, UINT32_MAX);
	tell(TRACING "tracing_on", "1");
	bench_must(ndma_stream_control_set(run.stream, button.id, 1), "trigger_software");
	while (!(ns = traced_call()))
		sched_yield();
	tell(TRACING "tracing_on", "0");
	tell(TRACING "trace", "");
	ndma_stream_free(run.stream);
	return ns;
}

void bench_drain(void)
{
	struct ndma_source *source = bench_source();
	double cost[COUNTS];
	char label[32];

	bench_must(tell(TRACING "tracing_on", "0") && tell(TRACING "set_ftrace_filter", CALL) &&
				   tell(TRACING "current_tracer", "function_graph")
			   ? 0
			   : -1,
		   TRACING);
	for (size_t i = 0; i < COUNTS; i++)
		cost[i] = next_frame(source, counts[i]);
	tell(TRACING "current_tracer", "nop");
	bench_report("stream_next_frame_of_a_full_ring", "instructions", cost[COUNTS - 1]);
	for (size_t i = 0; i < COUNTS - 1; i++) {
		snprintf(label, sizeof(label), "%u entries", counts[i]);
		bench_peer(label, cost[i]);
	}
	bench_end();
	ndma_source_close(source);
}
