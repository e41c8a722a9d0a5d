/* SPDX-License-Identifier: MIT */
/*
 * Scenarios: every call of the kernel's, used as it is meant to be. The table drives the tests
 * that then make something fail: an allocation, the process, the memory at hand.
 */
#ifndef NDMA_SCENARIO_H
#define NDMA_SCENARIO_H

#include "scene.h"

enum scenario_needs {
	NEEDS_HEAP,
	NEEDS_SOURCE,	/* any source, of hardware or not */
	NEEDS_SIM,	/* one that makes frames at once */
};

/**
 * struct scenario - one use
 * @needs: what it needs beside the heap
 * @also: an errno, beside ENOMEM and EFAULT, that a lack of memory may have; 0: none
 * @name: what it is, as a sentence's subject
 * @prepare: what must be there before; may be NULL
 * @act: the calls in question: 0, a positive value, or a negative errno
 */
struct scenario {
	enum scenario_needs needs;
	int also;
	const char *name;
	int (*prepare)(struct scene *scene);
	int (*act)(struct scene *scene);
};

extern const struct scenario scenarios[];
extern const unsigned int nr_scenarios;

/* Both parts, from an empty scene; the caller closes it. */
int scenario_run(const struct scenario *scenario, struct scene *scene);
/* Whether a scenario can be played on this source (NULL: none). */
bool scenario_suits(const struct scenario *scenario, const char *source_name);

#endif /* NDMA_SCENARIO_H */
