// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "coverage.h"
#include "run.h"
#include "world.h"

/* A program sleeps at most this long, and dies at most this long after SIGKILL. */
#define LIFE_MS 1000
#define DEATH_MS 60000

/* ---------------------------------------------------------------- in the process */

struct worker {
	const struct program *program;
	struct world *world;
	pthread_barrier_t *all_there;
	unsigned int number;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	const struct program *program = worker->program;
	unsigned int i;

	coverage_watch(worker->number);
	pthread_barrier_wait(worker->all_there);
	for (i = 0; i < program->count; i++) {
		const struct call *call = &program->calls[i];

		if (call->thread != worker->number)
			continue;
		coverage_answer(worker->number, call->op, op_run(worker->world, call));
	}
	return NULL;
}

static unsigned int threads_of(const struct program *program)
{
	unsigned int i, most = 0;

	for (i = 0; i < program->count; i++)
		if (program->calls[i].thread > most)
			most = program->calls[i].thread;
	return most + 1;
}

static void play(const struct program *program)
{
	struct worker workers[PROGRAM_THREADS] = { 0 };
	pthread_t threads[PROGRAM_THREADS];
	pthread_barrier_t all_there;
	unsigned int i, count = threads_of(program);
	struct world world;

	world_init(&world);
	world_catch_faults();
	pthread_barrier_init(&all_there, NULL, count);
	for (i = 0; i < count; i++) {
		workers[i] = (struct worker){ program, &world, &all_there, i };
		if (i && pthread_create(&threads[i], NULL, work, &workers[i]))
			_exit(2);
	}
	work(&workers[0]);
	for (i = 1; i < count; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/* ---------------------------------------------------------------- outside */

/* Waits for a child's end; false: not within that time. */
static bool await_end(pid_t child, int milliseconds)
{
	struct timespec limit = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
	sigset_t signals;
	pid_t ended;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	for (;;) {
		while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
			if (ended == child)
				return true;
		if (sigtimedwait(&signals, NULL, &limit) < 0 && errno == EAGAIN)
			return waitpid(child, NULL, WNOHANG) == child;
	}
}

enum run_end run_program(const struct program *program)
{
	sigset_t signals;
	pid_t child;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* What a program's children leave behind is ours, to be killed with it. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(stdout);
	child = fork();
	if (!child) {
		setpgid(0, 0);
		play(program);
	}
	setpgid(child, child);
	if (await_end(child, LIFE_MS)) {
		kill(-child, SIGKILL);
		return RUN_ENDED;
	}
	kill(-child, SIGKILL);
	return await_end(child, DEATH_MS) ? RUN_KILLED : RUN_STUCK;
}

/* ---------------------------------------------------------------- the kernel's log */

static int log_fd = -1;

bool log_open(void)
{
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return log_fd >= 0 && lseek(log_fd, 0, SEEK_END) >= 0;
}

const char *log_complaint(void)
{
	static const char *const bad[] = {
		"WARNING:",
		"BUG:",
		"BUG ",
		"KASAN:",
		"UBSAN:",
		"Oops",
		"refcount_t:",
		"INFO: task",
		"INFO: rcu",
		"possible circular",
		"possible recursive",
		"DMA-API:",
		"corruption",
		"Bad page",
		"unreferenced object",
		"suspicious RCU",
		"inconsistent lock",
		"soft lockup",
		"general protection",
	};
	static char line[2048];
	ssize_t got;
	size_t i;

	for (;;) {
		got = read(log_fd, line, sizeof(line) - 1);
		/* EPIPE: lines were overwritten before they were read. The next ones are there. */
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			return NULL;
		line[got] = '\0';
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			if (strstr(line, bad[i]))
				return line;
	}
}
