// SPDX-License-Identifier: MIT
/* vdig-card: a virtual PCIe digitizer for a QEMU guest, as a process of its own. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "card.h"
#include "control.h"
#include "front.h"

/* TIME_MS moves at least 10 times a second. */
#define IDLE_NS 50000000ull
#define SECOND 1000000000ull
#define EXIT_WRONG 3

static volatile sig_atomic_t ended;

struct options {
	const char *ivshmem, *vfio, *ram, *control, *log;
	uint64_t fifo_mib, ram_start;
	bool check;
};

static const char usage[] =
	"usage: vdig-card (--ivshmem SOCKET --ram FILE | --vfio-user SOCKET) [options]\n"
	"  --ram-start BYTES where FILE's memory begins, in a row (default: it lies as q35 has it)\n"
	"  --control SOCKET  take commands there (tests/card/ctl)\n"
	"  --log FILE        write down every frame that was sent\n"
	"  --check           report what the driver does wrong; exit status 3 if it did\n"
	"  --fifo MIB        on-board memory for frames that wait (default 16)\n"
	"Prints 'ready' when QEMU can be started. Ends by SIGTERM, or 'quit' at the control socket.\n";

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "ivshmem", required_argument, NULL, 'i' },
		{ "vfio-user", required_argument, NULL, 'v' },
		{ "ram", required_argument, NULL, 'r' },
		{ "ram-start", required_argument, NULL, 's' },
		{ "control", required_argument, NULL, 'c' },
		{ "log", required_argument, NULL, 'l' },
		{ "check", no_argument, NULL, 'k' },
		{ "fifo", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'i':
			o->ivshmem = optarg;
			break;
		case 'v':
			o->vfio = optarg;
			break;
		case 'r':
			o->ram = optarg;
			break;
		case 's':
			o->ram_start = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			o->control = optarg;
			break;
		case 'l':
			o->log = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'f':
			o->fifo_mib = strtoull(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	return optind == argc && !o->ivshmem != !o->vfio && !o->ivshmem == !o->ram &&
	       o->fifo_mib >= 1 && o->fifo_mib <= CARD_FIFO_MIB_MAX;
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void sleep_until(struct pollfd *fds, nfds_t count, uint64_t now, uint64_t due)
{
	uint64_t ns = due <= now ? 0 : due - now < IDLE_NS ? due - now : IDLE_NS;
	struct timespec timeout = { .tv_nsec = (long)ns };
	sigset_t none;
	nfds_t i;

	sigemptyset(&none);
	/* Ending signals are let through here only, so that none is missed before the sleep. */
	if (ppoll(fds, count, &timeout, &none) < 0)
		for (i = 0; i < count; i++)
			fds[i].revents = 0;
}

static void run(struct card *card, struct front *front, struct control *control)
{
	struct pollfd fds[FRONT_FDS + CONTROL_FDS];
	uint64_t epoch = clock_ns(), now = 0, due;

	while (!ended && !control->quit && !card->faults.exit) {
		due = card_work(card, now);
		front->poll(front, fds);
		control_poll(control, fds + FRONT_FDS);
		sleep_until(fds, FRONT_FDS + CONTROL_FDS, now, due);
		now = clock_ns() - epoch;
		front->ready(front, fds, now);
		control_ready(control, fds + FRONT_FDS, now);
	}
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = end };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "vdig-card: %s: %s\n", what, strerror(-error));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct card card;
	static struct control control;
	struct options o = { .fifo_mib = 16 };
	struct front *front;
	int error;

	if (!parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return EXIT_FAILURE;
	}
	if (o.log) {
		card.log.file = fopen(o.log, "w");
		if (!card.log.file)
			return fail(o.log, -errno);
	}
	catch_signals();
	/* Paced frames are due to the microsecond; the default lets timers be 50 µs late. */
	prctl(PR_SET_TIMERSLACK, 1000ul);
	card.fifo_bytes = o.fifo_mib << 20;
	card.checker.on = o.check;
	card.checker.log = &card.log;
	error = o.ivshmem ? ivshmem_open(&card, o.ivshmem, o.ram, o.ram_start, &front)
			  : vfio_open(&card, o.vfio, &front);
	if (error)
		return fail(o.ivshmem ? o.ivshmem : o.vfio, error);
	control.attachment = o.ivshmem ? "ivshmem" : "vfio-user";
	control.socket = o.ivshmem ? o.ivshmem : o.vfio;
	error = control_open(&control, &card, o.control);
	if (error)
		return fail(o.control, error);
	puts("ready");
	fflush(stdout);
	run(&card, front, &control);
	card_log_flush(&card.log);
	/* "Without a word": no reset, no farewell to QEMU. The log is the test's, not the card's. */
	if (card.faults.exit)
		_exit(card.checker.total ? EXIT_WRONG : EXIT_SUCCESS);
	control_close(&control);
	card_close(&card);
	front->close(front);
	if (card.log.file)
		fclose(card.log.file);
	return card.checker.total ? EXIT_WRONG : EXIT_SUCCESS;
}
