// SPDX-License-Identifier: MIT
/*
 * Between lib/examples/minimal.c, as it is, and the library (the linker's --wrap): a source that has
 * its faults, the patience of a test once its card has stopped, and signals. The environment says which:
 *
 *	MINIMAL_SET="fault_drop=5 paced=0"	controls, set when the source is opened
 *	MINIMAL_SIGNALS=1			a signal at least before each frame; the card makes one only
 *						after a call was interrupted, by the software trigger
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <ndma.h>

#define PATIENCE_NS 300000000LL

/* The card stops after so many frames; 0: it does not. */
static unsigned long long last_frame;

int __real_ndma_source_open(const char *name, struct ndma_source **out);
int __wrap_ndma_source_open(const char *name, struct ndma_source **out);
int __real_ndma_stream_next(struct ndma_stream *stream, struct ndma_frame *frame,
			    int64_t timeout_ns);
int __wrap_ndma_stream_next(struct ndma_stream *stream, struct ndma_frame *frame,
			    int64_t timeout_ns);

static const char *wish(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

__attribute__((noreturn)) static void give_up(const char *what)
{
	fprintf(stderr, "minimal_faults: %s: %s\n", what, ndma_error());
	exit(99);
}

static void set(struct ndma_source *source, const char *name, long long value)
{
	struct ndma_control_info info;

	if (ndma_control_find(source, name, &info) || ndma_control_set(source, info.id, value))
		give_up(name);
	if (!strcmp(name, "fault_stall"))
		last_frame = (unsigned long long)value;
}

static void on_signal(int number)
{
	(void)number;
}

/* Without SA_RESTART, again and again: one that comes between two calls interrupts nothing. */
static void send_signals(void)
{
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	struct sigaction action = { .sa_handler = on_signal };

	if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &often, NULL))
		give_up("signals");
}

int __wrap_ndma_source_open(const char *name, struct ndma_source **out)
{
	char settings[256], *setting, *value, *rest;
	int rc = __real_ndma_source_open(name, out);

	if (rc)
		return rc;
	snprintf(settings, sizeof(settings), "%s", wish("MINIMAL_SET"));
	for (setting = strtok_r(settings, " ", &rest); setting;
	     setting = strtok_r(NULL, " ", &rest)) {
		value = strchr(setting, '=');
		*value++ = '\0';
		set(*out, setting, atoll(value));
	}
	if (*wish("MINIMAL_SIGNALS"))
		send_signals();
	return 0;
}

int __wrap_ndma_stream_next(struct ndma_stream *stream, struct ndma_frame *frame,
			    int64_t timeout_ns)
{
	bool signals = *wish("MINIMAL_SIGNALS");
	struct ndma_stream_stats stats;
	int rc;

	/* No frame comes behind the last one, however long the program would wait. */
	if (last_frame && !ndma_stream_stats(stream, &stats) && stats.produced >= last_frame)
		timeout_ns = PATIENCE_NS;
	rc = __real_ndma_stream_next(stream, frame, timeout_ns);
	if (rc == -EINTR && signals &&
	    ndma_stream_control_set(stream, NDMA_CONTROL_TRIGGER_SOFTWARE, 0))
		give_up("the button");
	return rc;
}
