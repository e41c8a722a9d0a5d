// SPDX-License-Identifier: MIT
/*
 * clock [ROUNDS [SEED]]: the calendar clock is set by hours while streams and transfers run. Time
 * stamps go on growing, deadlines come when they are due, calendar time is that of the start.
 * Root.
 */
#include <time.h>

#include "rounds.h"
#include "scenario.h"
#include "tap.h"
#include "uapi/dmabuf.h"

#define STEP_SECONDS_MAX (48 * 3600)
#define DEADLINE_NS 200000000LL
#define FRAMES_PER_STEP 8

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Jumps, forwards or backwards; the jumps add up to 0 over two calls. */
static int step(int64_t seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += seconds;
	return clock_settime(CLOCK_REALTIME, &now) < 0 ? -errno : 0;
}

static const char *frames_grow_older(struct scene *scene, uint64_t *last_ns)
{
	struct ndma_completion completion;
	int i;

	for (i = 0; i < FRAMES_PER_STEP; i++) {
		if (scene_take(scene, &completion) < 0)
			return "no frame comes";
		if (completion.timestamp_ns < *last_ns)
			return "a time stamp is older than the one before";
		if (completion.timestamp_ns > (uint64_t)clock_ns(CLOCK_MONOTONIC))
			return "a time stamp lies in the future";
		*last_ns = completion.timestamp_ns;
		if (scene_release(scene, completion.index))
			return "release";
	}
	return NULL;
}

/* The frames that were ready before the step are older than it. */
static const char *calendar_is_followed(struct scene *scene)
{
	struct ndma_completion completion = { 0 };
	int64_t realtime;
	int i;

	for (i = 0; i < 1000 && !(completion.flags & NDMA_FRAME_CALENDAR); i++) {
		if (scene_take(scene, &completion) < 0)
			return "no frame comes";
		if (scene_release(scene, completion.index))
			return "release";
	}
	if (!(completion.flags & NDMA_FRAME_CALENDAR))
		return "no frame says that the calendar has moved";
	if (completion.anchor != 1)
		return "a step has made another number of anchors than one";
	realtime = completion.timestamp_ns +
		   scene->stream.completions->realtime_offset_ns[completion.anchor % NDMA_ANCHORS];
	if (llabs(realtime - clock_ns(CLOCK_REALTIME)) > SECOND_NS / 2)
		return "the first frame after a step has another time than the calendar";
	return NULL;
}

static const char *stream_through_a_step(int64_t seconds)
{
	struct ndma_source_info before = { 0 }, after = { 0 };
	const char *wrong = NULL;
	uint64_t last_ns = 0;
	struct scene scene;
	int64_t realtime = clock_ns(CLOCK_REALTIME);

	scene_init(&scene, "sim0");
	if (scene_open_source(&scene) < 0 ||
	    scene_setup(&scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE) || scene_map_stream(&scene) ||
	    scene_start(&scene))
		wrong = "no stream";
	else
		before = source_info(scene.source);
	wrong = wrong ?: frames_grow_older(&scene, &last_ns);
	if (!wrong && step(seconds))
		wrong = "the clock cannot be set";
	wrong = wrong ?: calendar_is_followed(&scene);
	wrong = wrong ?: frames_grow_older(&scene, &last_ns);
	if (!wrong)
		after = source_info(scene.source);
	scene_close(&scene);
	if (wrong)
		return wrong;
	if (before.start_realtime_ns != after.start_realtime_ns ||
	    before.start_monotonic_ns != after.start_monotonic_ns)
		return "the time of the start has changed";
	if (before.start_realtime_ns < realtime ||
	    before.start_realtime_ns > realtime + 30 * (int64_t)SECOND_NS)
		return "the time of the start is not that of the calendar then";
	return NULL;
}

/* The deadline is told by the buffer's being the CPU's again, so it is asked for. */
static const char *deadline_through_a_step(int64_t seconds)
{
	const char *wrong = NULL;
	struct scene scene;
	int64_t elapsed, started;

	scene_init(&scene, NULL);
	if (scene_open_heap(&scene) < 0 || scene_alloc(&scene, 4096, 0) < 0)
		return "no buffer";
	started = clock_ns(CLOCK_MONOTONIC);
	if (transfer_begin(scene.heap, scene.buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE,
			   NDMA_TRANSFER_FENCE, DEADLINE_NS) < 0)
		wrong = "no transfer";
	else if (step(seconds))
		wrong = "the clock cannot be set";
	else if (events_of(scene.buffer, POLLIN, 60000) != POLLIN)
		wrong = "the deadline does not come";
	elapsed = clock_ns(CLOCK_MONOTONIC) - started;
	if (!wrong && elapsed < DEADLINE_NS)
		wrong = "the deadline came too early";
	scene_close(&scene);
	return wrong;
}

static const char *timeout_through_a_step(int64_t seconds)
{
	const char *wrong = NULL;
	struct scene scene;
	int64_t elapsed, started;

	scene_init(&scene, "sim0");
	if (scene_open_source(&scene) < 0 || control_set(scene.source, NDMA_CONTROL_RATE, 1) ||
	    scene_setup(&scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE) || scene_start(&scene))
		wrong = "no stream";
	if (!wrong && step(seconds))
		wrong = "the clock cannot be set";
	started = clock_ns(CLOCK_MONOTONIC);
	if (!wrong && stream_wait(scene.source, 1, DEADLINE_NS) != -ETIMEDOUT)
		wrong = "waiting does not end with ETIMEDOUT";
	elapsed = clock_ns(CLOCK_MONOTONIC) - started;
	if (!wrong && elapsed < DEADLINE_NS)
		wrong = "the wait ended too early";
	scene_close(&scene);
	return wrong;
}

static const struct {
	const char *name;
	const char *(*test)(int64_t seconds);
} tests[] = {
	{ "time stamps grow through steps of the clock", stream_through_a_step },
	{ "deadlines come when they are due through steps of the clock", deadline_through_a_step },
	{ "timeouts come when they are due through steps of the clock", timeout_through_a_step },
};

int main(int argc, char **argv)
{
	unsigned int rounds = rounds_parse(argc, argv), round, i;
	const char *wrong;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		wrong = NULL;
		for (round = 0; round < rounds && !wrong; round++) {
			int64_t seconds = 1 + rounds_random(STEP_SECONDS_MAX);

			wrong = tests[i].test(round % 2 ? -seconds : seconds);
			step(round % 2 ? seconds : -seconds);
		}
		if (wrong)
			tap_note("round %u: %s", round, wrong);
		tap_result(!wrong, tests[i].name);
	}
	return tap_end();
}
