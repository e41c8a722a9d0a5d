// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kcov.h>

#include "coverage.h"

#define KCOV_PATH "/sys/kernel/debug/kcov"
#define KCOV_WORDS (1 << 16)
#define MAP_BITS 20

/* Written by the processes that run programs, read by the one that started them. */
struct answers {
	unsigned int count;
	unsigned int passed;
	uint64_t features[PROGRAM_CALLS];
};

static int kcov_fds[PROGRAM_THREADS] = { -1, -1, -1, -1 };
static unsigned long *kcov_areas[PROGRAM_THREADS];
static struct answers *answers;
static unsigned char seen[(1 << MAP_BITS) / 8];
static unsigned int features, edges;

static bool open_kcov(unsigned int thread)
{
	int fd = open(KCOV_PATH, O_RDWR | O_CLOEXEC);
	void *area;

	if (fd < 0 || ioctl(fd, KCOV_INIT_TRACE, KCOV_WORDS))
		return false;
	area = mmap(NULL, KCOV_WORDS * sizeof(unsigned long), PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
	if (area == MAP_FAILED)
		return false;
	kcov_fds[thread] = fd;
	kcov_areas[thread] = area;
	return true;
}

bool coverage_open(void)
{
	unsigned int thread;

	answers = mmap(NULL, PROGRAM_THREADS * sizeof(*answers), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (thread = 0; thread < PROGRAM_THREADS; thread++)
		if (!open_kcov(thread))
			return false;
	return true;
}

void coverage_reset(void)
{
	unsigned int thread;

	for (thread = 0; thread < PROGRAM_THREADS; thread++) {
		answers[thread].count = 0;
		answers[thread].passed = 0;
		if (kcov_areas[thread])
			__atomic_store_n(&kcov_areas[thread][0], 0, __ATOMIC_RELAXED);
	}
}

void coverage_watch(unsigned int thread)
{
	if (kcov_fds[thread] >= 0)
		ioctl(kcov_fds[thread], KCOV_ENABLE, KCOV_TRACE_PC);
}

static uint64_t mix(uint64_t value)
{
	value = (value ^ (value >> 31)) * 0x7fb5d329728ea185;
	value = (value ^ (value >> 27)) * 0x81dadef4bc2dd44d;
	return value ^ (value >> 33);
}

/* Of results that are no errors, only that they are none. */
static uint64_t feature_of(unsigned int op, long result)
{
	return mix(op * 4096 + (result < 0 ? (uint64_t)-result % 4096 : 0) + 1);
}

void coverage_answer(unsigned int thread, unsigned int op, long result)
{
	struct answers *own = &answers[thread];

	if (own->count == PROGRAM_CALLS)
		return;
	own->features[own->count++] = feature_of(op, result);
	own->passed += result >= 0;
}

bool coverage_find(unsigned int op, long result, unsigned int *thread, unsigned int *at)
{
	for (*thread = 0; *thread < PROGRAM_THREADS; ++*thread)
		for (*at = 0; *at < answers[*thread].count; ++*at)
			if (answers[*thread].features[*at] == feature_of(op, result))
				return true;
	return false;
}

static unsigned int see(uint64_t feature)
{
	uint32_t bit = feature & ((1 << MAP_BITS) - 1);

	if (seen[bit / 8] & 1 << bit % 8)
		return 0;
	seen[bit / 8] |= 1 << bit % 8;
	features++;
	return 1;
}

static unsigned int collect_edges(const unsigned long *area)
{
	unsigned long count = __atomic_load_n(&area[0], __ATOMIC_RELAXED), before = 0, i;
	unsigned int fresh = 0;

	for (i = 0; i < count && i < KCOV_WORDS - 1; i++) {
		fresh += see(mix(area[i + 1] * 3 + before));
		before = area[i + 1];
	}
	edges += fresh;
	return fresh;
}

unsigned int coverage_collect(void)
{
	unsigned int thread, i, fresh = 0;

	for (thread = 0; thread < PROGRAM_THREADS; thread++) {
		const struct answers *own = &answers[thread];

		if (kcov_areas[thread])
			fresh += collect_edges(kcov_areas[thread]);
		for (i = 0; i < own->count && i < PROGRAM_CALLS; i++) {
			fresh += see(own->features[i]);
			if (i)
				fresh += see(mix(own->features[i - 1] * 31 + own->features[i]));
		}
	}
	return fresh;
}

unsigned int coverage_features(void)
{
	return features;
}

unsigned int coverage_edges(void)
{
	return edges;
}

void coverage_calls(unsigned int *made, unsigned int *passed)
{
	unsigned int thread;

	*made = *passed = 0;
	for (thread = 0; thread < PROGRAM_THREADS; thread++) {
		*made += answers[thread].count;
		*passed += answers[thread].passed;
	}
}
