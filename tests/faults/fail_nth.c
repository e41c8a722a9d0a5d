// SPDX-License-Identifier: MIT
/*
 * Failure at every allocation: each scenario again and again, the first time with its first
 * allocation failing (slab, page or copy from or to user space), then with its second, until it
 * passes with none left to fail. Each time: a clean errno, nothing left behind, and the same
 * scenario works when it is played again. Then the same for what registers sources: a card's probe,
 * and the load of ndma_sim.
 *
 *     fail_nth [PATTERN]      only scenarios whose name holds it; "binding", "loading" are two
 *
 * Root, on a kernel with CONFIG_FAULT_INJECTION.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "card.h"
#include "kmodule.h"
#include "scenario.h"
#include "tap.h"
#include "uapi/file.h"

#define FAIL_NTH "/proc/thread-self/fail-nth"
#define NTH_MAX 5000
#define SOURCES_MAX 8
/* What a module's load takes differs by some pages from time to time. */
#define LOAD_SLACK 40

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

/*
 * All caches but that of /proc's entries: an interrupt's are not looked after when they could not
 * be made, and the kernel warns when they are to go.
 */
static void spare_proc_entries(void)
{
	glob_t caches;
	size_t i;

	if (glob("/sys/kernel/slab/*/failslab", 0, NULL, &caches)) {
		tap_note("no caches in /sys/kernel/slab");
		return;
	}
	for (i = 0; i < caches.gl_pathc; i++)
		if (!strstr(caches.gl_pathv[i], "/proc_dir_entry/") &&
		    file_write(caches.gl_pathv[i], "1"))
			tap_note("cannot set %s", caches.gl_pathv[i]);
	globfree(&caches);
	if (file_write("/sys/kernel/debug/failslab/cache-filter", "Y"))
		tap_note("cannot set failslab/cache-filter");
}

/*
 * DMA-API's checks keep what is mapped for a card in such nodes, and switch themselves off when one
 * cannot be had. Without a card there are no mappings, and ndma's own nodes fail like anything else.
 */
static void spare_tree_nodes(bool spared)
{
	static const char path[] = "/sys/kernel/slab/radix_tree_node/failslab";

	if (file_write(path, spared ? "0" : "1"))
		tap_note("cannot set %s", path);
}

/*
 * A process that is preempted after fork() has its rseq area written by the kernel, which takes a
 * copy of that page, and kills the process when there is none to be had. glibc has a switch for it,
 * which it reads when a program starts.
 */
static void do_without_rseq(char **argv)
{
	static const char tunables[] = "glibc.pthread.rseq=0", name[] = "GLIBC_TUNABLES";
	const char *set = getenv(name);

	if (set && !strcmp(set, tunables))
		return;
	setenv(name, tunables, 1);
	execv("/proc/self/exe", argv);
	perror("/proc/self/exe");
	exit(1);
}

static int fail_nth_fd;
/* Of this user's, before any scenario. */
static int64_t used_at_start;

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

static bool nothing_is_left(int fd_before)
{
	int64_t used = scene_await_used(used_at_start);

	if (file_next() != fd_before) {
		tap_note("an open file was left behind");
		return false;
	}
	if (used != used_at_start) {
		tap_note("%lld bytes of buffers were left behind",
			 (long long)(used - used_at_start));
		return false;
	}
	return true;
}

/* One run with the nth allocation failing: 1: it failed so, go on; 0: there is none; -1: bad. */
static int play_failing(const struct scenario *scenario, const char *source_name, unsigned int nth)
{
	struct scene scene;
	bool fired;
	int result;

	scene_init(&scene, source_name);
	result = scenario_prepare(scenario, &scene);
	if (result < 0) {
		tap_note("preparing: %s", strerror(-result));
		scene_close(&scene);
		return -1;
	}
	arm(nth);
	result = scenario_act(scenario, &scene);
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
	int fd_before = file_next();
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
		if (!nothing_is_left(fd_before) || !play_plain(scenario, source_name)) {
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
	spare_tree_nodes(source_name && strncmp(source_name, "sim", 3));
	tap_result(survives(scenario, source_name), name);
}

/* ---------------------------------------------------------------- registration of sources */

/* What registers sources, on and off again: a driver that binds its card, a module that is loaded. */
struct registrar {
	const char *name;
	int (*off)(const void *what);
	int (*on)(const void *what);
	const void *what;
};

static int registrar_off(const struct registrar *registrar)
{
	int error = registrar->off(registrar->what);

	if (error)
		tap_note("%s, back: %s", registrar->name, strerror(-error));
	return error;
}

/* One try, from off to on: as play_failing(). */
static int register_failing(const struct registrar *registrar, unsigned int nth)
{
	bool fired;
	int result;

	if (registrar_off(registrar))
		return -1;
	arm(nth);
	result = registrar->on(registrar->what);
	fired = disarm();
	if (fired ? !is_clean(result, 0) : result < 0) {
		tap_note("with allocation %u %s: %s", nth, fired ? "failing" : "not reached",
			 strerror(-result));
		return -1;
	}
	if (result && (result = registrar->on(registrar->what))) {
		tap_note("after allocation %u failed, a plain try: %s", nth, strerror(-result));
		return -1;
	}
	return fired;
}

static bool registration_survives(const struct registrar *registrar, unsigned int first)
{
	unsigned int nth;
	int more = 1;

	for (nth = first; nth <= NTH_MAX && more > 0; nth++)
		more = register_failing(registrar, nth);
	tap_note("allocations %u to %u", first, nth - 2);
	return !more;
}

static int bind_card(const void *card)
{
	int result = card_bind(card);

	/*
	 * PCI has words of its own: for a region that it cannot note down, and for an interrupt, of
	 * which EINVAL is MSI's where only MSI-X is to be had.
	 */
	if (result == -EBUSY || result == -ENODEV || result == -ENOSPC || result == -EINVAL)
		return -ENOMEM;
	return result;
}

static int unbind_card(const void *card)
{
	return card_unbind(card);
}

/*
 * The card is enabled before its driver comes: ACPI's way to its interrupt makes two thousand
 * allocations, and none is a driver's.
 */
static void test_card(const struct card *card)
{
	const struct registrar registrar = { "binding", unbind_card, bind_card, card };
	bool passed = !card_unbind(card) && !card_enable(card, true) && !card_bind(card) &&
		      registration_survives(&registrar, 1);
	char name[128];

	/* Whatever happened, who comes next finds the card as it was. */
	card_unbind(card);
	card_enable(card, false);
	passed &= !card_bind(card) && card_await_source(card, true);
	snprintf(name, sizeof(name), "binding %.31s survives every failed allocation",
		 card->address);
	tap_result(passed, name);
}

static int load_module(const void *name)
{
	return kmodule_load(name, "");
}

static int unload_module(const void *name)
{
	return kmodule_unload_soon(name);
}

/* How many allocations the kernel makes to load a module that has nothing to do. */
static int loading_alone(const char *module, const char *idle)
{
	int result, left;
	char text[16];

	result = kmodule_unload_soon(module);
	if (result)
		return result;
	arm(NTH_MAX);
	result = kmodule_load(module, idle);
	left = pread(fail_nth_fd, text, sizeof(text) - 1, 0) < 0 ? 0 : atoi(text);
	disarm();
	return result ? result : NTH_MAX - left;
}

/* A source without a card registers when its module is loaded, after what all modules need. */
static void test_module(const char *module, const char *idle)
{
	const struct registrar registrar = { "loading", unload_module, load_module, module };
	int alone = loading_alone(module, idle);
	char name[128];
	bool passed;

	tap_note("the load alone: %d allocations", alone);
	passed = alone > LOAD_SLACK && registration_survives(&registrar, alone - LOAD_SLACK);
	/* Whatever happened, who comes next finds it loaded, and its nodes with udev's owner and mode. */
	load_module(module);
	passed &= !system("udevadm settle --timeout=60");
	snprintf(name, sizeof(name), "loading %s survives every failed allocation", module);
	tap_result(passed, name);
}

/* Sources of one driver are as good as one: sim1 allocates what sim0 does. */
static int one_of_each_driver(char (*sources)[NDMA_NAME_MAX], int nr_sources)
{
	int kept = 0, i, k;

	for (i = 0; i < nr_sources; i++) {
		size_t length = strcspn(sources[i], "0123456789");

		for (k = 0; k < kept && strncmp(sources[k], sources[i], length); k++)
			;
		if (k == kept)
			memmove(sources[kept++], sources[i], NDMA_NAME_MAX);
	}
	return kept;
}

int main(int argc, char **argv)
{
	const char *pattern = argc > 1 ? argv[1] : "";
	char sources[SOURCES_MAX][NDMA_NAME_MAX];
	struct card cards[SOURCES_MAX];
	unsigned int i;
	int s, nr_sources, nr_cards;

	fail_nth_fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (fail_nth_fd < 0) {
		tap_skip("every allocation fails once", "this guest has no " FAIL_NTH);
		return tap_end();
	}
	do_without_rseq(argv);
	/* What programs before this one had may be on its way out. */
	used_at_start = scene_await_used(0);
	fail_all_kinds();
	spare_proc_entries();
	nr_sources = one_of_each_driver(sources, scene_sources(sources, SOURCES_MAX));
	nr_cards = card_list(cards, SOURCES_MAX);
	for (i = 0; i < nr_scenarios; i++) {
		if (!strstr(scenarios[i].name, pattern))
			continue;
		if (scenario_suits(&scenarios[i], NULL))
			test_scenario(&scenarios[i], NULL);
		for (s = 0; s < nr_sources; s++)
			if (scenario_suits(&scenarios[i], sources[s]))
				test_scenario(&scenarios[i], sources[s]);
	}
	spare_tree_nodes(true);
	for (s = 0; s < nr_cards && strstr("binding", pattern); s++)
		test_card(&cards[s]);
	spare_tree_nodes(false);
	if (strstr("loading", pattern))
		test_module("ndma_sim", "instances=0");
	return tap_end();
}
