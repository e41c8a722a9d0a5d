/* SPDX-License-Identifier: MIT */
/*
 * Measuring in a guest whose clock counts instructions (one nanosecond each; see tests/vm/README.md),
 * or in any other, where the same figures are wall-clock nanoseconds.
 */
#ifndef NDMA_BENCH_H
#define NDMA_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <ndma.h>
#include <ndma_ring.h>

#define BENCH_WARMUP	3
#define BENCH_RUNS	15

/* Something to be measured: runs once, returns what the clock said about the part that counts. */
typedef uint64_t (*bench_fn)(void *arg);

uint64_t bench_now(void);
/* Median over BENCH_RUNS after BENCH_WARMUP, less what reading the clock costs. */
uint64_t bench_median(bench_fn fn, void *arg);
/* System calls that fn(arg) makes, or -1 where nobody can count them. */
int64_t bench_syscalls(bench_fn fn, void *arg);
/* Writes a byte into each 4 KiB page. */
void bench_touch(void *address, size_t bytes);
/* Ends the program with a message when `result` is negative; else returns it. */
long bench_must(long result, const char *what);

/* One line of JSON: begin, any number of peers, end. */
void bench_report(const char *name, const char *unit, double value);
void bench_peer(const char *name, double value);
void bench_end(void);

/* sim0, as fast as it goes, and nothing written into frames: paths are measured, not the generator. */
struct ndma_source *bench_source(void);

/* A stream whose frames are filled beforehand: the source stops after as many as it has. */
struct bench_run {
	struct ndma_stream *stream;
	struct ndma_ring *ring;
	uint32_t frames;
};

struct bench_run bench_run_open(struct ndma_source *source, uint32_t frames, uint64_t bytes);
void bench_run_fill(struct bench_run *run);

void bench_map(void);
void bench_alloc(void);
void bench_transfer(void);
void bench_stream(void);
/* As root: switches the kernel's tracer. */
void bench_drain(void);
/* By wall clock, and as root: the disk's content is lost. */
void bench_disk(void);

/* In-tree peers. Each answers -1 where this kernel does not have it. */
int peer_dma_heap_alloc(size_t bytes);
int peer_udmabuf_create(size_t bytes);
/* DQBUF + QBUF of one ready frame of vivid. */
int64_t peer_vivid_frame(void);

#endif /* NDMA_BENCH_H */
