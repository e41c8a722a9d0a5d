// SPDX-License-Identifier: MIT
/*
 * module [ROUNDS]: load and unload, again and again; and the refusal to unload what is in use.
 * Root.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kmodule.h"
#include "rounds.h"
#include "scenario.h"
#include "tap.h"
#include "uapi/file.h"

#define MODULES_MAX 8

/* Modules of ndma, as they were loaded: /proc/modules has the youngest first. */
static char modules[MODULES_MAX][64];
/* What they were loaded with, "dma_bits=32 ": the kernel's command line is modprobe's to read. */
static char parameters[MODULES_MAX][512];
static int nr_modules;

static void find_modules(void)
{
	FILE *file = fopen("/proc/modules", "re");
	char line[1024];

	while (file && nr_modules < MODULES_MAX && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "ndma", 4) || sscanf(line, "%63s", modules[nr_modules]) != 1)
			continue;
		kmodule_parameters(modules[nr_modules], parameters[nr_modules],
				   sizeof(parameters[nr_modules]));
		nr_modules++;
	}
	if (file)
		fclose(file);
}

static bool unload_all(void)
{
	int i, error;

	for (i = 0; i < nr_modules; i++) {
		error = kmodule_unload_soon(modules[i]);
		if (error) {
			tap_note("unloading %s: %s", modules[i], strerror(-error));
			return false;
		}
	}
	return true;
}

static bool load_all(void)
{
	int i, error;

	for (i = nr_modules - 1; i >= 0; i--) {
		error = kmodule_load(modules[i], parameters[i]);
		if (error && error != -EEXIST) {
			tap_note("loading %s: %s", modules[i], strerror(-error));
			return false;
		}
	}
	return true;
}

/* Whether all scenarios that only need a heap, and those of the simulator, work. */
static bool is_usable(void)
{
	unsigned int i;
	int result;

	for (i = 0; i < nr_scenarios; i++) {
		struct scene scene;
		const char *source = scenario_suits(&scenarios[i], NULL) ? NULL : "sim0";

		scene_init(&scene, source);
		result = scenario_run(&scenarios[i], &scene);
		scene_close(&scene);
		if (result < 0) {
			tap_note("%s: %s", scenarios[i].name, strerror(-result));
			return false;
		}
	}
	return true;
}

static bool reloads(unsigned int rounds)
{
	unsigned int round;

	for (round = 0; round < rounds; round++)
		if (!unload_all() || !load_all())
			break;
	tap_note("%u of %u rounds", round, rounds);
	return round == rounds;
}

/* What is for tests is off where nobody asks for it, whatever this guest's modules were loaded with. */
static bool is_off_by_default(const char *path)
{
	char value[8] = "";
	int error;

	if (!unload_all())
		return false;
	error = kmodule_load("ndma", "");
	if (!error)
		file_read(path, value, sizeof(value));
	tap_note("%s: %s", path, error ? strerror(-error) : value);
	if (!error)
		error = kmodule_unload("ndma");
	return load_all() && !error && !strcmp(value, "N");
}

/* ---------------------------------------------------------------- what is in use */

static int hold_the_heap(struct scene *scene)
{
	return scene_open_heap(scene);
}

static int hold_a_buffer(struct scene *scene)
{
	int heap = scene_open_heap(scene);

	TRY(heap);
	TRY(scene_alloc(scene, 4096, 0));
	/* The scene closes what it kept, and the heap is the first of these. */
	scene->fds[0] = scene->buffer;
	scene->nr_fds = 1;
	close(heap);
	return 0;
}

static int hold_a_mapping(struct scene *scene)
{
	void *address;

	TRY(scene_open_heap(scene));
	TRY(scene_alloc(scene, 4096, 0));
	TRY(scene_map_buffer(scene, PROT_READ, &address));
	while (scene->nr_fds)
		close(scene->fds[--scene->nr_fds]);
	return 0;
}

static int hold_rings(struct scene *scene)
{
	TRY(scene_open_source(scene));
	TRY(scene_setup(scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE));
	TRY(scene_map_stream(scene));
	while (scene->nr_fds)
		close(scene->fds[--scene->nr_fds]);
	return 0;
}

static int hold_a_running_stream(struct scene *scene)
{
	TRY(scene_open_source(scene));
	TRY(scene_setup(scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE));
	return scene_start(scene);
}

static const struct {
	const char *name;
	const char *module;
	int (*hold)(struct scene *scene);
} holds[] = {
	{ "an open heap keeps the module", "ndma", hold_the_heap },
	{ "a buffer alone keeps the module", "ndma", hold_a_buffer },
	{ "a mapping alone keeps the module", "ndma", hold_a_mapping },
	{ "mapped rings alone keep the module", "ndma", hold_rings },
	{ "a running stream keeps the driver", "ndma_sim", hold_a_running_stream },
};

static bool is_refused(int (*hold)(struct scene *scene), const char *module)
{
	struct scene scene;
	bool held = false;
	int error, i;

	/* Drivers use the module too: without them only the scene does. */
	for (i = 0; i < nr_modules; i++)
		held |= !strcmp(modules[i], module);
	if (!held) {
		tap_note("%s is not loaded", module);
		return false;
	}
	scene_init(&scene, "sim0");
	error = hold(&scene);
	if (error < 0)
		tap_note("%s", strerror(-error));
	for (i = 0; error >= 0 && i < nr_modules && strcmp(modules[i], module); i++)
		error = kmodule_unload_soon(modules[i]);
	if (error >= 0)
		error = kmodule_unload(module);
	scene_close(&scene);
	if (error != -EAGAIN && error != -EBUSY)
		tap_note("unloading answers: %s", error ? strerror(-error) : "done");
	return load_all() && (error == -EAGAIN || error == -EBUSY);
}

int main(int argc, char **argv)
{
	unsigned int rounds = rounds_parse(argc, argv), i;

	find_modules();
	for (i = 0; i < sizeof(holds) / sizeof(holds[0]); i++)
		tap_result(is_refused(holds[i].hold, holds[i].module), holds[i].name);
	tap_result(reloads(rounds), "the modules can be loaded and unloaded again and again");
	tap_result(is_usable(), "everything works after that");
	tap_result(is_off_by_default("/sys/module/ndma/parameters/user_fences"),
		   "programs' fences are off by default");
	/* The nodes are new: whoever comes next finds them with udev's owner and mode. */
	return system("udevadm settle --timeout=60") ? 1 : tap_end();
}
