// SPDX-License-Identifier: MIT
/*
 * kill [ROUNDS [SEED]]: a program that uses all of ndma dies by kill -9, at random points. What it
 * had is free again, and the next program finds everything as it should be.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rounds.h"
#include "scenario.h"
#include "tap.h"

#define SOURCES_MAX 8
/* The life of the victim is at most this: long enough for the longest scenario. */
#define LIFE_US_MAX 60000

static const char *source_of(const struct scenario *scenario, char (*sources)[NDMA_NAME_MAX],
			     int nr_sources)
{
	int start = nr_sources ? (int)rounds_random(nr_sources) : 0, i;

	for (i = 0; i < nr_sources; i++) {
		const char *name = sources[(start + i) % nr_sources];

		if (scenario_suits(scenario, name))
			return name;
	}
	return NULL;
}

/* Plays one after the other, leaving some open when the next begins. Never returns. */
static void victim(char (*sources)[NDMA_NAME_MAX], int nr_sources)
{
	struct scene scenes[3];
	unsigned int turn;

	for (turn = 0;; turn++) {
		const struct scenario *scenario = &scenarios[rounds_random(nr_scenarios)];
		struct scene *scene = &scenes[turn % 3];

		if (turn >= 3)
			scene_close(scene);
		scene_init(scene, source_of(scenario, sources, nr_sources));
		scenario_run(scenario, scene);
	}
}

static bool dies_cleanly(char (*sources)[NDMA_NAME_MAX], int nr_sources, int64_t used_before)
{
	struct timespec life = { .tv_nsec = 1000 * (long)rounds_random(LIFE_US_MAX) };
	int64_t used;
	pid_t child;
	int status;

	child = fork();
	if (!child)
		victim(sources, nr_sources);
	nanosleep(&life, NULL);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		tap_note("the victim ended by itself, status %#x", status);
		return false;
	}
	used = scene_await_used(used_before);
	if (used != used_before)
		tap_note("it left %lld bytes of buffers", (long long)(used - used_before));
	return used == used_before;
}

/* Every scenario, on every source that it suits. */
static bool all_work(char (*sources)[NDMA_NAME_MAX], int nr_sources)
{
	bool work = true;
	unsigned int i;
	int s, result;

	for (i = 0; i < nr_scenarios; i++) {
		for (s = -1; s < nr_sources; s++) {
			const char *source = s < 0 ? NULL : sources[s];
			struct scene scene;

			if (!scenario_suits(&scenarios[i], source))
				continue;
			scene_init(&scene, source);
			result = scenario_run(&scenarios[i], &scene);
			scene_close(&scene);
			if (result >= 0)
				continue;
			tap_note("%s%s%s: %s", scenarios[i].name, source ? " on " : "",
				 source ? source : "", strerror(-result));
			work = false;
		}
	}
	return work;
}

int main(int argc, char **argv)
{
	unsigned int rounds = rounds_parse(argc, argv), round;
	char sources[SOURCES_MAX][NDMA_NAME_MAX];
	int nr_sources = scene_sources(sources, SOURCES_MAX);
	int64_t used_before = scene_used_bytes();

	tap_result(all_work(sources, nr_sources), "every scenario works");
	for (round = 0; round < rounds; round++)
		if (!dies_cleanly(sources, nr_sources, used_before))
			break;
	tap_note("%u of %u rounds", round, rounds);
	tap_result(round == rounds, "a killed program leaves nothing behind");
	tap_result(all_work(sources, nr_sources), "every scenario works after the kills");
	return tap_end();
}
