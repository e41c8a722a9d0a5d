// SPDX-License-Identifier: MIT
/*
 * Taking ready frames on this machine, without a module, beside what people build instead: records
 * in a pipe, and a ring that an eventfd signals. native.py runs it.
 *
 *   ndma-bench-native ring|pipe|eventfd COUNT   take COUNT frames, made ready in batches, in a
 *                                               function of its own: for callgrind
 *   ndma-bench-native wall                      the same three by turns, by the clock
 *   ndma-bench-native rate                      frames a second of one processor, both ends
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <ndma.h>
#include <ndma_ring.h>
#include "ndma_sim.h"

#define BATCH 512 /* records of 64 bytes: half of what a pipe holds */
#define TURNS 9

struct peer {
	struct ndma_stream *stream;
	struct ndma_ring *ring;
	int there[2]; /* pipe of records */
	int back[2]; /* pipe of indices */
	uint32_t returned; /* of these, in it */
	int ready, released; /* eventfds */
	struct ndma_completion entries[BATCH];
	uint32_t head, taken, tail;
	uint32_t indices[BATCH];
};

static void fail(const char *what)
{
	fprintf(stderr, "ndma-bench-native: %s: %s\n", what, ndma_error());
	exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What a program does with a frame, so that no compiler does without it. */
static volatile uint64_t seen;

/* ---------------------------------------------------------------- ours */

static struct ndma_stream *open_stream(uint32_t frames)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	struct ndma_source *source;
	struct ndma_stream *stream;

	options.samples = 16;
	options.channels = 1;
	options.frames = frames;
	if (ndma_source_open("sim0", &source) ||
	    ndma_control_set(source, NDMA_CONTROL_PATTERN, NDMA_SIM_PATTERN_OFF) ||
	    ndma_control_set(source, NDMA_SIM_CONTROL_PACED, 0) ||
	    ndma_stream_create(source, &options, &stream))
		fail("sim0");
	ndma_source_close(source);
	return stream;
}

static void fill_ring(struct peer *peer)
{
	if (ndma_stream_start(peer->stream, BATCH) ||
	    ndma_stream_wait(peer->stream, BATCH, -1) < BATCH || ndma_stream_stop(peer->stream))
		fail("filling the ring");
}

__attribute__((noinline)) static void take_ring(struct peer *peer)
{
	struct ndma_frame frame;

	while (ndma_ring_take(peer->ring, &frame)) {
		seen += frame.completion.bytes_used;
		if (ndma_ring_release(peer->ring, frame.completion.index))
			ndma_stream_kick(peer->stream);
	}
}

/* ---------------------------------------------------------------- a pipe each way */

static void fill_pipe(struct peer *peer)
{
	uint32_t drained[BATCH];

	if (write(peer->there[1], peer->entries, sizeof(peer->entries)) != sizeof(peer->entries))
		fail("filling the pipe");
	if (peer->returned && read(peer->back[0], drained, sizeof(drained)) != sizeof(drained))
		fail("emptying the pipe");
	peer->returned = 0;
}

__attribute__((noinline)) static void take_pipe(struct peer *peer)
{
	struct ndma_completion completion;
	int i;

	for (i = 0; i < BATCH; i++) {
		if (read(peer->there[0], &completion, sizeof(completion)) != sizeof(completion))
			fail("reading the pipe");
		seen += completion.bytes_used;
		if (write(peer->back[1], &completion.index, 4) != 4)
			fail("writing the pipe");
	}
	peer->returned = BATCH;
}

/* ---------------------------------------------------------------- a ring with eventfds */

static void fill_eventfd(struct peer *peer)
{
	uint64_t count = BATCH;

	__atomic_store_n(&peer->head, peer->head + BATCH, __ATOMIC_RELEASE);
	if (write(peer->ready, &count, 8) != 8 ||
	    (peer->tail && read(peer->released, &count, 8) != 8))
		fail("signalling");
}

/* One read for all that is ready; a signal for each release, for want of a need_wakeup. */
__attribute__((noinline)) static void take_eventfd(struct peer *peer)
{
	uint64_t count, one = 1;

	if (read(peer->ready, &count, 8) != 8)
		fail("reading the eventfd");
	while (__atomic_load_n(&peer->head, __ATOMIC_ACQUIRE) != peer->taken) {
		struct ndma_completion completion = peer->entries[peer->taken % BATCH];

		__atomic_store_n(&peer->taken, peer->taken + 1, __ATOMIC_RELEASE);
		seen += completion.bytes_used;
		peer->indices[peer->tail % BATCH] = completion.index;
		__atomic_store_n(&peer->tail, peer->tail + 1, __ATOMIC_RELEASE);
		if (write(peer->released, &one, 8) != 8)
			fail("writing the eventfd");
	}
}

/* ---------------------------------------------------------------- what is measured */

static const struct way {
	const char *name;
	void (*fill)(struct peer *peer);
	void (*take)(struct peer *peer);
} ways[] = {
	{ "ring", fill_ring, take_ring },
	{ "pipe", fill_pipe, take_pipe },
	{ "eventfd", fill_eventfd, take_eventfd },
};

#define WAYS (sizeof(ways) / sizeof(*ways))

static struct peer *open_peer(void)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	uint32_t i;

	if (!peer || pipe(peer->there) || pipe(peer->back))
		fail("pipes");
	peer->ready = eventfd(0, 0);
	peer->released = eventfd(0, 0);
	for (i = 0; i < BATCH; i++)
		peer->entries[i] = (struct ndma_completion){ .index = i, .bytes_used = 32 };
	peer->stream = open_stream(BATCH);
	peer->ring = ndma_ring_open(peer->stream);
	return peer;
}

static void take(struct peer *peer, const struct way *way, unsigned long count)
{
	for (; count >= BATCH; count -= BATCH) {
		way->fill(peer);
		way->take(peer);
	}
}

/* The best of several turns each, ns a frame; batches by turns, so that all share the weather. */
static void by_the_clock(struct peer *peer)
{
	double best[WAYS] = { 0 };
	size_t way;
	int turn;

	for (turn = 0; turn < TURNS * 50; turn++) {
		for (way = 0; way < WAYS; way++) {
			uint64_t start;
			double cost;

			ways[way].fill(peer);
			start = now_ns(CLOCK_MONOTONIC);
			ways[way].take(peer);
			cost = (double)(now_ns(CLOCK_MONOTONIC) - start) / BATCH;
			if (!best[way] || cost < best[way])
				best[way] = cost;
		}
	}
	printf("{\"name\": \"native_ready_frame_wall\", \"unit\": \"ns\", \"value\": %.2f, "
	       "\"peers\": {\"pipe\": %.2f, \"eventfd ring\": %.2f}}\n",
	       best[0], best[1], best[2]);
}

/* Both ends on one processor, the card's thread too, by the time that they had it. */
static void frames_a_second(void)
{
	struct ndma_stream *stream;
	uint64_t count = 0, start, now;
	struct ndma_ring *ring;
	struct ndma_frame frame;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	stream = open_stream(4096);
	ring = ndma_ring_open(stream);
	if (ndma_stream_start(stream, 0))
		fail("start");
	start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	do {
		if (ndma_stream_wait(stream, 2048, -1) < 0)
			fail("wait");
		while (ndma_ring_take(ring, &frame)) {
			count++;
			if (ndma_ring_release(ring, frame.completion.index))
				ndma_stream_kick(stream);
		}
		now = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	} while (now - start < 2000000000);
	ndma_stream_free(stream);
	printf("{\"name\": \"native_frames_a_second\", \"unit\": \"frames/s\", \"value\": %.0f, "
	       "\"peers\": {}}\n",
	       count * 1e9 / (double)(now - start));
}

int main(int argc, char **argv)
{
	size_t way;

	setenv("NDMA_BACKEND", "memfd", 1);
	if (argc == 2 && !strcmp(argv[1], "wall"))
		return by_the_clock(open_peer()), 0;
	if (argc == 2 && !strcmp(argv[1], "rate"))
		return frames_a_second(), 0;
	for (way = 0; way < WAYS && argc == 3; way++)
		if (!strcmp(argv[1], ways[way].name))
			return take(open_peer(), &ways[way], strtoul(argv[2], NULL, 10)), 0;
	fprintf(stderr, "usage: ndma-bench-native ring|pipe|eventfd COUNT | wall | rate\n");
	return 2;
}
