/* SPDX-License-Identifier: MIT */
/*
 * Scenarios: every call of the list, and what takes several, used as it is meant to be. The table
 * drives the tests that then make something fail: an allocation, the process, the memory at hand.
 */
#ifndef NDMA_SCENARIO_H
#define NDMA_SCENARIO_H

#include "uapi/scene.h"

/**
 * struct scenario - one use
 * @on: UAPI_HEAP: the heap alone, UAPI_SOURCE, UAPI_STREAM: any source, else the simulator
 * @also: an errno, beside ENOMEM and EFAULT, that a lack of memory may have; 0: none
 * @name: what it is, as a sentence's subject
 * @call: a call of the list; NULL: @prepare and @act
 * @prepare: what must be there before; may be NULL
 * @act: the calls in question: 0, a positive value, or a negative errno
 */
struct scenario {
	enum uapi_on on;
	int also;
	const char *name;
	const struct uapi_call *call;
	int (*prepare)(struct scene *scene);
	int (*act)(struct scene *scene);
};

extern const struct scenario scenarios[];
extern const unsigned int nr_scenarios;

int scenario_prepare(const struct scenario *scenario, struct scene *scene);
int scenario_act(const struct scenario *scenario, struct scene *scene);
/* Both, from an empty scene; the caller closes it. */
int scenario_run(const struct scenario *scenario, struct scene *scene);
/* Whether a scenario can be played on this source (NULL: none). */
bool scenario_suits(const struct scenario *scenario, const char *source_name);

#endif /* NDMA_SCENARIO_H */
