// SPDX-License-Identifier: MIT
/*
 * Limits: what a user, a cgroup or a process may have, and the clean refusal at each. Root: it
 * makes a cgroup, sets the quota, and is then the user with the id NOBODY.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"
#include "tap.h"
#include "uapi/file.h"

#define NOBODY 65534
#define CGROUP "/sys/fs/cgroup/ndma-limit"
#define QUOTA "/sys/module/ndma/parameters/quota_bytes"

/* Tests return NULL, or what was wrong. Each runs in a process of its own. */
typedef const char *(*test_fn)(void);

static long long cgroup_number(const char *file)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	return file_read(path, text, sizeof(text)) < 0 ? -1 : strtoll(text, NULL, 10);
}

static bool enter_cgroup(const char *memory_max)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return !file_write(CGROUP "/memory.max", memory_max) &&
	       !file_write(CGROUP "/cgroup.procs", pid);
}

/* What the kernel counts is exact to a few pages a processor. */
static bool about(long long bytes, long long expected)
{
	const long long some = MIB;

	return bytes > expected - some && bytes < expected + 2 * some;
}

static const char *memory_is_charged_to_the_cgroup(void)
{
	long long before, held, mapped;
	struct scene scene;
	void *address;

	if (!enter_cgroup("max"))
		return "no cgroup with a memory controller";
	scene_init(&scene, NULL);
	if (scene_open_heap(&scene) < 0)
		return "the heap does not open";
	before = cgroup_number("memory.current");
	if (scene_alloc(&scene, 32 * MIB, 0) < 0)
		return "32 MiB cannot be had";
	held = cgroup_number("memory.current") - before;
	if (scene_map_buffer(&scene, PROT_READ, &address) < 0)
		return "mmap";
	while (scene.nr_fds)
		close(scene.fds[--scene.nr_fds]);
	mapped = cgroup_number("memory.current") - before;
	scene_close(&scene);
	tap_note("held: %lld bytes, mapped only: %lld", held, mapped);
	if (!about(held, 32 * MIB))
		return "an allocation is not charged";
	if (!about(mapped, 32 * MIB))
		return "a mapping's memory is not charged";
	if (!about(cgroup_number("memory.current") - before, 0))
		return "freed memory is still charged";
	return NULL;
}

static const char *memory_beyond_the_cgroups_limit_is_enomem(void)
{
	struct scene scene;
	int result, small;

	if (!enter_cgroup("33554432"))
		return "no cgroup with a memory controller";
	scene_init(&scene, NULL);
	if (scene_open_heap(&scene) < 0)
		return "the heap does not open";
	result = scene_alloc(&scene, 64 * MIB, 0);
	small = scene_alloc(&scene, MIB, 0);
	scene_close(&scene);
	if (result != -ENOMEM)
		return "64 MiB in a cgroup of 32 MiB are not ENOMEM";
	return small < 0 ? "what fits is refused afterwards" : NULL;
}

/* From much memory to hardly any: each scenario works or says ENOMEM, and nobody is killed. */
static const char *scenarios_end_cleanly_when_memory_runs_out(void)
{
	static const int limits_kib[] = { 16384, 8192, 4096, 2048, 1024, 512 };
	char sources[8][NDMA_NAME_MAX], limit[32];
	int nr_sources = scene_sources(sources, 8), s, result;
	unsigned int i, l;

	if (!enter_cgroup("max"))
		return "no cgroup with a memory controller";
	for (l = 0; l < sizeof(limits_kib) / sizeof(limits_kib[0]); l++) {
		long long now = cgroup_number("memory.current");

		snprintf(limit, sizeof(limit), "%lld", now + limits_kib[l] * 1024LL);
		if (file_write(CGROUP "/memory.max", limit))
			return "memory.max";
		for (i = 0; i < nr_scenarios; i++) {
			for (s = -1; s < nr_sources; s++) {
				const char *source = s < 0 ? NULL : sources[s];
				struct scene scene;

				if (!scenario_suits(&scenarios[i], source))
					continue;
				scene_init(&scene, source);
				result = scenario_run(&scenarios[i], &scene);
				scene_close(&scene);
				if (result >= 0 || result == -ENOMEM ||
				    result == -scenarios[i].also)
					continue;
				tap_note("%s, %d KiB: %s", scenarios[i].name, limits_kib[l],
					 strerror(-result));
				return "another error than ENOMEM";
			}
		}
	}
	return NULL;
}

static int become_nobody(void)
{
	struct stat heap;

	/* Of the group that owns the heap: the test is not about that. */
	if (stat(NDMA_HEAP_PATH, &heap) || setgroups(1, &heap.st_gid) ||
	    setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return 0;
}

static const char *a_users_quota_is_edquot(void)
{
	struct ndma_heap_info info;
	struct scene scene;
	int over, small, again;

	if (file_write(QUOTA, "8388608"))
		return "the quota cannot be set";
	if (become_nobody())
		return "this process cannot become another user";
	scene_init(&scene, NULL);
	if (scene_open_heap(&scene) < 0)
		return "the heap does not open";
	over = scene_alloc(&scene, 10 * MIB, 0);
	info = heap_info(scene.heap);
	if (info.quota_bytes != 8 * MIB)
		return "the quota is not reported";
	if (info.used_bytes)
		return "a refused allocation is counted";
	small = scene_alloc(&scene, 6 * MIB, 0);
	again = scene_alloc(&scene, 4 * MIB, 0);
	scene_close(&scene);
	if (over != -EDQUOT || again != -EDQUOT)
		return "memory beyond the quota is not EDQUOT";
	if (small < 0)
		return "memory within the quota is refused";
	if (scene_await_used(0))
		return "freed memory is still counted";
	return NULL;
}

static const char *leases_beyond_the_limit_are_emfile(void)
{
	struct scene scene;
	uint32_t i, max;

	scene_init(&scene, NULL);
	if (scene_open_heap(&scene) < 0 || scene_alloc(&scene, 4096, 0) < 0)
		return "no buffer";
	max = heap_info(scene.heap).leases_max;
	for (i = 0; i < max; i++)
		if (scene_lease(&scene, NDMA_READ))
			return "fewer leases than leases_max";
	if (scene_lease(&scene, NDMA_READ) != -EMFILE)
		return "one more than leases_max is not EMFILE";
	scene_close(&scene);
	return NULL;
}

static const char *a_full_table_of_files_is_emfile(void)
{
	struct rlimit files;
	struct scene scene;
	int64_t used;
	int result;

	scene_init(&scene, NULL);
	used = scene_used_bytes();
	if (scene_open_heap(&scene) < 0)
		return "the heap does not open";
	files.rlim_cur = files.rlim_max = scene.heap + 1;
	if (setrlimit(RLIMIT_NOFILE, &files))
		return "RLIMIT_NOFILE";
	result = scene_alloc(&scene, 4 * MIB, 0);
	close(scene.heap);
	if (result != -EMFILE)
		return "an allocation without room for its fd is not EMFILE";
	return scene_await_used(used) == used ? NULL : "it left memory behind";
}

static const char *locked_memory_does_not_limit_buffers(void)
{
	struct rlimit none = { 0 };
	struct scene scene;
	int result;

	if (setrlimit(RLIMIT_MEMLOCK, &none) || become_nobody())
		return "RLIMIT_MEMLOCK";
	scene_init(&scene, NULL);
	scene_open_heap(&scene);
	result = scene_alloc(&scene, 4 * MIB, 0);
	scene_close(&scene);
	return result < 0 ? "a buffer counts as locked memory" : NULL;
}

static const char *address_space_that_is_full_is_enomem(void)
{
	struct rlimit space = { .rlim_cur = 64 * MIB, .rlim_max = 64 * MIB };
	struct scene scene;
	void *address;
	int result;

	scene_init(&scene, NULL);
	if (scene_open_heap(&scene) < 0 || scene_alloc(&scene, 128 * MIB, 0) < 0)
		return "no buffer";
	if (setrlimit(RLIMIT_AS, &space))
		return "RLIMIT_AS";
	result = scene_map_buffer(&scene, PROT_READ, &address);
	scene_close(&scene);
	return result == -ENOMEM ? NULL : "mmap beyond the address space is not ENOMEM";
}

static const struct {
	test_fn test;
	const char *name;
} tests[] = {
	{ memory_is_charged_to_the_cgroup, "memory is charged to the cgroup until it is unmapped" },
	{ memory_beyond_the_cgroups_limit_is_enomem, "memory beyond the cgroup's limit is ENOMEM" },
	{ scenarios_end_cleanly_when_memory_runs_out,
	  "every scenario ends cleanly when memory runs out" },
	{ a_users_quota_is_edquot, "memory beyond a user's quota is EDQUOT" },
	{ leases_beyond_the_limit_are_emfile, "leases beyond the limit are EMFILE" },
	{ a_full_table_of_files_is_emfile, "a full table of files is EMFILE" },
	{ locked_memory_does_not_limit_buffers, "locked memory does not limit buffers" },
	{ address_space_that_is_full_is_enomem, "address space that is full is ENOMEM" },
};

static bool passes(test_fn test)
{
	const char *wrong;
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (!child) {
		wrong = test();
		if (wrong)
			tap_note("%s", wrong);
		fflush(stdout);
		_exit(wrong ? 1 : 0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		tap_note("killed by signal %d", WTERMSIG(status));
	return !status;
}

int main(void)
{
	char quota[32] = "";
	unsigned int i;

	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		tap_note("%s: %s", CGROUP, strerror(errno));
	file_read(QUOTA, quota, sizeof(quota));
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		tap_result(passes(tests[i].test), tests[i].name);
		file_write(QUOTA, quota);
	}
	rmdir(CGROUP);
	return tap_end();
}
