// SPDX-License-Identifier: MIT
/*
 * Failure at every allocation: each scenario again and again, the first time with its first
 * allocation failing (slab, page or copy from or to user space), then with its second, until it
 * passes with none left to fail. Each time: a clean errno, nothing left behind, and the same
 * scenario works when it is played again. Then the same for sources: a card's probe, and the load of ndma_sim.
 *
 * Root, on a kernel with CONFIG_FAULT_INJECTION.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "card.h"
#include "file.h"
#include "kmodule.h"
#include "scenario.h"
#include "tap.h"

#define FAIL_NTH "/proc/thread-self/fail-nth"
#define NTH_MAX 5000
#define SOURCES_MAX 8

/* By default the kernel spares whatever may sleep, which is nearly all that ndma asks for. */
static void fail_all_kinds(void)
{
	static const char *const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_usercopy/verbose", "0" },
	};
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i][0]);
		if (file_write(path, settings[i][1]))
			tap_note("cannot set %s", path);
	}
}

static int fail_nth_fd;

static void arm(unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fail_nth_fd, text, length, 0) != length) {
		perror(FAIL_NTH);
		exit(1);
	}
}

/* Whether the failure has come since arm(). The two calls here can themselves be hit by it. */
static bool disarm(void)
{
	char text[16] = "";
	bool fired;

	if (pread(fail_nth_fd, text, sizeof(text) - 1, 0) < 0)
		return false;
	fired = atoi(text) == 0;
	while (!fired && pwrite(fail_nth_fd, "0", 1, 0) < 0)
		;
	return fired;
}

static bool is_clean(int result, int also)
{
	return result >= 0 || result == -ENOMEM || result == -EFAULT || (also && result == -also);
}

/* The number that the next fd would get: the same again when nothing was left open. */
static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static bool nothing_is_left(int fd_before, int64_t used_before)
{
	int64_t used = scene_await_used(used_before);

	if (next_fd() != fd_before) {
		tap_note("an open file was left behind");
		return false;
	}
	if (used != used_before) {
		tap_note("%lld bytes of buffers were left behind", (long long)(used - used_before));
		return false;
	}
	return true;
}

/* One run with the nth allocation failing: 1: it failed so, go on; 0: there is none; -1: bad. */
static int play_failing(const struct scenario *scenario, const char *source_name, unsigned int nth)
{
	struct scene scene;
	bool fired;
	int result = 0;

	scene_init(&scene, source_name);
	if (scenario->prepare)
		result = scenario->prepare(&scene);
	if (result < 0) {
		tap_note("preparing: %s", strerror(-result));
		scene_close(&scene);
		return -1;
	}
	arm(nth);
	result = scenario->act(&scene);
	fired = disarm();
	scene_close(&scene);
	if (fired ? !is_clean(result, scenario->also) : result < 0) {
		tap_note("with allocation %u %s: %s", nth, fired ? "failing" : "not reached",
			 strerror(-result));
		return -1;
	}
	return fired;
}

static bool play_plain(const struct scenario *scenario, const char *source_name)
{
	struct scene scene;
	int result;

	scene_init(&scene, source_name);
	result = scenario_run(scenario, &scene);
	scene_close(&scene);
	if (result < 0)
		tap_note("a plain run: %s", strerror(-result));
	return result >= 0;
}

static bool survives(const struct scenario *scenario, const char *source_name)
{
	int fd_before = next_fd();
	int64_t used_before = scene_used_bytes();
	unsigned int nth;
	int more;

	/* What the first run allocates for good (slabs, page tables) is no part of the count. */
	if (!play_plain(scenario, source_name))
		return false;
	for (nth = 1; nth <= NTH_MAX; nth++) {
		more = play_failing(scenario, source_name, nth);
		if (more < 0)
			return false;
		if (!more)
			break;
		if (!nothing_is_left(fd_before, used_before) ||
		    !play_plain(scenario, source_name)) {
			tap_note("after allocation %u failed", nth);
			return false;
		}
	}
	tap_note("%u allocations", nth - 1);
	return nth <= NTH_MAX;
}

static void test_scenario(const struct scenario *scenario, const char *source_name)
{
	char name[128];

	snprintf(name, sizeof(name), "%s survives every failed allocation%s%s", scenario->name,
		 source_name ? " on " : "", source_name ? source_name : "");
	tap_result(survives(scenario, source_name), name);
}

/* A driver's probe: the card is bound with the nth allocation failing, until it is. */
static bool bind_survives(const struct card *card)
{
	unsigned int nth;
	bool fired = true;
	int result;

	for (nth = 1; fired && nth <= NTH_MAX; nth++) {
		result = card_unbind(card);
		if (result) {
			tap_note("unbinding: %s", strerror(-result));
			return false;
		}
		arm(nth);
		result = card_bind(card);
		fired = disarm();
		if (fired ? !is_clean(result, 0) : result < 0) {
			tap_note("with allocation %u %s: %s", nth,
				 fired ? "failing" : "not reached", strerror(-result));
			return false;
		}
		if (result && (result = card_bind(card))) {
			tap_note("a plain bind: %s", strerror(-result));
			return false;
		}
	}
	tap_note("%u allocations", nth - 2);
	return !fired && card_await_source(card, true);
}

/* A source without a card registers when its module is loaded. */
static bool load_survives(const char *module)
{
	unsigned int nth;
	bool fired = true;
	int result;

	for (nth = 1; fired && nth <= NTH_MAX; nth++) {
		result = kmodule_unload_soon(module);
		if (result) {
			tap_note("unloading: %s", strerror(-result));
			return false;
		}
		arm(nth);
		result = kmodule_load(module, "");
		fired = disarm();
		if (fired ? !is_clean(result, 0) : result < 0) {
			tap_note("with allocation %u %s: %s", nth,
				 fired ? "failing" : "not reached", strerror(-result));
			return false;
		}
		if (result && (result = kmodule_load(module, ""))) {
			tap_note("a plain load: %s", strerror(-result));
			return false;
		}
	}
	tap_note("%u allocations", nth - 2);
	/* The nodes are new: whoever comes next finds them with udev's owner and mode. */
	return !fired && !system("udevadm settle --timeout=60");
}

int main(void)
{
	char sources[SOURCES_MAX][NDMA_NAME_MAX];
	struct card cards[SOURCES_MAX];
	unsigned int i;
	int s, nr_sources, nr_cards;
	char name[128];

	fail_nth_fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (fail_nth_fd < 0) {
		tap_skip("every allocation fails once", "this guest has no " FAIL_NTH);
		return tap_end();
	}
	fail_all_kinds();
	nr_sources = scene_sources(sources, SOURCES_MAX);
	nr_cards = card_list(cards, SOURCES_MAX);
	for (i = 0; i < nr_scenarios; i++) {
		if (scenario_suits(&scenarios[i], NULL))
			test_scenario(&scenarios[i], NULL);
		for (s = 0; s < nr_sources; s++)
			if (scenario_suits(&scenarios[i], sources[s]))
				test_scenario(&scenarios[i], sources[s]);
	}
	for (s = 0; s < nr_cards; s++) {
		snprintf(name, sizeof(name), "binding %.31s survives every failed allocation",
			 cards[s].address);
		tap_result(bind_survives(&cards[s]), name);
	}
	tap_result(load_survives("ndma_sim"), "loading ndma_sim survives every failed allocation");
	return tap_end();
}
