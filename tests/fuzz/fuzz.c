// SPDX-License-Identifier: MIT
/*
 * fuzz: feed the kernel with programs (see program.h), led by what code they reach. TAP.
 *
 *     fuzz [--seconds N] [--seed N] [--corpus DIR] [--save DIR] [--wrong OPERATION=ERRNO]
 *     fuzz --replay FILE [--repeat N] [--wrong OPERATION=ERRNO]
 *
 * Root: it opens KCOV, limits the memory to be had, and then is somebody who may open the nodes.
 * Without KCOV it is led by the kernel's answers alone. Each program is written to
 * $NDMA_OUT/fuzz-N.txt before it runs, in turns, so that the last ones are there when the kernel
 * has died of one; what made the kernel complain is $NDMA_OUT/fuzz-failure.txt. With --wrong an
 * answer counts as a complaint, for who looks for the way to it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "coverage.h"
#include "run.h"
#include "tap.h"
#include "world.h"

#define NOBODY 65534
#define QUOTA "/sys/module/ndma/parameters/quota_bytes"
#define QUOTA_BYTES "16777216"
#define CORPUS_MAX 4096
#define LAST 8
#define REPORT_SECONDS 10

struct settings {
	unsigned int seconds;
	uint64_t seed;
	const char *corpus;
	const char *save;
	const char *replay;
	unsigned int repeat;
	unsigned int wrong_op;
	int wrong_errno; /* 0: no answer is wrong */
};

struct state {
	const struct settings *settings;
	struct random random;
	struct program *corpus;
	unsigned int kept;
	uint64_t programs, calls, passed, killed;
};

static bool parse_wrong(struct settings *settings, const char *text)
{
	size_t length = strcspn(text, "=");
	char name[32] = "";

	if (length >= sizeof(name))
		return false;
	memcpy(name, text, length);
	settings->wrong_op = op_find(name);
	settings->wrong_errno = text[length] ? atoi(text + length + 1) : 0;
	return settings->wrong_op < op_count() && settings->wrong_errno > 0;
}

static bool parse(int argc, char **argv, struct settings *settings)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "corpus", required_argument, NULL, 'c' },
		{ "save", required_argument, NULL, 'd' },
		{ "replay", required_argument, NULL, 'r' },
		{ "repeat", required_argument, NULL, 'n' },
		{ "wrong", required_argument, NULL, 'w' },
		{ 0 },
	};
	int option;

	*settings = (struct settings){
		.seconds = 10,
		.seed = time(NULL),
		.corpus = FUZZ_CORPUS,
		.repeat = 100,
	};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			settings->seconds = strtoul(optarg, NULL, 0);
			break;
		case 'S':
			settings->seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			settings->corpus = optarg;
			break;
		case 'd':
			settings->save = optarg;
			break;
		case 'r':
			settings->replay = optarg;
			break;
		case 'n':
			settings->repeat = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			if (!parse_wrong(settings, optarg))
				return false;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

/* Whoever may open the nodes, and may do nothing else. */
static bool drop_privileges(void)
{
	struct stat heap;

	if (geteuid())
		return true;
	return !stat(NDMA_HEAP_PATH, &heap) && !setgroups(1, &heap.st_gid) &&
	       !setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY) &&
	       !prctl(PR_SET_DUMPABLE, 1);
}

/* Programs get less memory than the machine has; the file stays open, for the way back. */
static int quota_fd = -1;
static char quota[32];

static void limit_memory(void)
{
	quota_fd = open(QUOTA, O_RDWR | O_CLOEXEC);
	if (quota_fd < 0 || pread(quota_fd, quota, sizeof(quota) - 1, 0) <= 0 ||
	    pwrite(quota_fd, QUOTA_BYTES, strlen(QUOTA_BYTES), 0) < 0)
		tap_note("the quota stays as it is");
}

static void restore_memory(void)
{
	if (quota_fd >= 0 && quota[0] && pwrite(quota_fd, quota, strlen(quota), 0) < 0)
		tap_note("the quota stays at %s bytes", QUOTA_BYTES);
}

static void write_out(const struct program *program, const char *name)
{
	const char *out = getenv("NDMA_OUT");
	char path[256];

	if (!out)
		return;
	snprintf(path, sizeof(path), "%s/%s", out, name);
	program_save(program, path);
}

static const char *wrong_answer(const struct settings *settings)
{
	static char text[128];
	unsigned int thread, at;

	if (!settings->wrong_errno ||
	    !coverage_find(settings->wrong_op, -settings->wrong_errno, &thread, &at))
		return NULL;
	snprintf(text, sizeof(text), "call %u of thread %u, %s: %s", at, thread,
		 op_name(settings->wrong_op), strerror(settings->wrong_errno));
	return text;
}

/* What is wrong after this program, or NULL. */
static const char *feed(struct state *state, const struct program *program)
{
	unsigned int made, passed;
	const char *complaint;
	enum run_end end;
	char name[32];

	snprintf(name, sizeof(name), "fuzz-%u.txt", (unsigned int)(state->programs % LAST));
	write_out(program, name);
	coverage_reset();
	end = run_program(program);
	coverage_calls(&made, &passed);
	state->programs++;
	state->calls += made;
	state->passed += passed;
	state->killed += end == RUN_KILLED;
	if (end == RUN_STUCK)
		return "the program cannot be killed";
	complaint = log_complaint();
	return complaint ? complaint : wrong_answer(state->settings);
}

static void keep(struct state *state, const struct program *program)
{
	char path[256];

	state->corpus[state->kept < CORPUS_MAX ? state->kept
					       : random_below(&state->random, CORPUS_MAX)] =
		*program;
	if (state->kept < CORPUS_MAX)
		state->kept++;
	if (!state->settings->save)
		return;
	mkdir(state->settings->save, 0755);
	snprintf(path, sizeof(path), "%s/%04u.txt", state->settings->save, state->kept);
	program_save(program, path);
}

static const char *feed_seeds(struct state *state)
{
	DIR *directory = opendir(state->settings->corpus);
	const struct dirent *entry;
	const char *wrong = NULL;
	struct program program;
	char path[512];

	while (!wrong && directory && (entry = readdir(directory))) {
		if (!strstr(entry->d_name, ".txt"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", state->settings->corpus, entry->d_name);
		if (!program_load(&program, path))
			return "a seed that is no program";
		wrong = feed(state, &program);
		coverage_collect();
		keep(state, &program);
		if (wrong)
			write_out(&program, "fuzz-failure.txt");
	}
	if (directory)
		closedir(directory);
	tap_note("%u seeds of %s", state->kept, state->settings->corpus);
	return wrong;
}

static void next_program(struct state *state, struct program *program)
{
	struct random *random = &state->random;

	if (!state->kept || !random_below(random, 8)) {
		program_generate(program, random);
		return;
	}
	/* The youngest know more. */
	*program = state->corpus[random_below(random, 2)
					 ? random_below(random, state->kept)
					 : state->kept - 1 -
						   random_below(random, (state->kept + 7) / 8)];
	program_mutate(program, &state->corpus[random_below(random, state->kept)], random);
}

static void report(const struct state *state)
{
	tap_note("%llu programs, %llu calls (%llu passed), %llu killed, %u kept, %u features, "
		 "%u of them edges",
		 (unsigned long long)state->programs, (unsigned long long)state->calls,
		 (unsigned long long)state->passed, (unsigned long long)state->killed, state->kept,
		 coverage_features(), coverage_edges());
	fflush(stdout);
}

static const char *feed_for(struct state *state, unsigned int seconds)
{
	time_t start = time(NULL), reported = start;
	const char *wrong = NULL;
	struct program program;

	while (!wrong && time(NULL) - start < (time_t)seconds) {
		next_program(state, &program);
		wrong = feed(state, &program);
		if (coverage_collect())
			keep(state, &program);
		if (wrong)
			write_out(&program, "fuzz-failure.txt");
		if (time(NULL) - reported >= REPORT_SECONDS) {
			reported = time(NULL);
			report(state);
		}
	}
	return wrong;
}

static const char *replay(struct state *state)
{
	const char *wrong = NULL;
	struct program program;
	unsigned int i, first = 0;

	if (!program_load(&program, state->settings->replay))
		return "no program to replay";
	for (i = 0; i < state->settings->repeat && !wrong; i++) {
		wrong = feed(state, &program);
		coverage_collect();
		if (!i)
			first = coverage_features();
	}
	tap_note("%u features in the first run, %u new ones in all that followed", first,
		 coverage_features() - first);
	return wrong;
}

int main(int argc, char **argv)
{
	struct settings settings;
	struct state state = { .settings = &settings };
	const char *wrong;

	if (!parse(argc, argv, &settings)) {
		fprintf(stderr, "usage: fuzz [--seconds N] [--seed N] [--corpus DIR] [--save DIR]\n"
				"       fuzz --replay FILE [--repeat N]\n"
				"       either: [--wrong OPERATION=ERRNO]\n");
		return 2;
	}
	tap_note("seed %llu", (unsigned long long)settings.seed);
	state.random.state = settings.seed;
	state.corpus = calloc(CORPUS_MAX, sizeof(*state.corpus));
	if (!log_open())
		tap_note("the kernel's log cannot be read: only programs that hang are seen");
	if (!coverage_open())
		tap_note("no KCOV: led by answers alone");
	limit_memory();
	if (!drop_privileges())
		wrong = "the privileges cannot be dropped";
	else if (settings.replay)
		wrong = replay(&state);
	else
		wrong = feed_seeds(&state);
	if (!wrong && !settings.replay)
		wrong = feed_for(&state, settings.seconds);
	restore_memory();
	report(&state);
	if (wrong)
		tap_note("%s", wrong);
	tap_result(!wrong, "the kernel survives what it is fed");
	free(state.corpus);
	return tap_end();
}
