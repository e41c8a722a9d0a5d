// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "monitor.h"

#define ANSWER_MS 30000

/* Sends a line and reads answers and events until one holds `expected`, or an error. */
static int ask(int monitor, const char *line, const char *expected)
{
	struct pollfd answer = { .fd = monitor, .events = POLLIN };
	char text[16384];
	size_t held = 0;
	ssize_t got;

	if (write(monitor, line, strlen(line)) < 0)
		return -errno;
	for (;;) {
		if (poll(&answer, 1, ANSWER_MS) <= 0)
			return -ETIMEDOUT;
		got = read(monitor, text + held, sizeof(text) - 1 - held);
		if (got <= 0)
			return -EPIPE;
		held += got;
		text[held] = '\0';
		if (strstr(text, expected))
			return 0;
		if (strstr(text, "\"error\"")) {
			printf("# monitor: %s\n", text);
			return -EIO;
		}
		if (held == sizeof(text) - 1)
			held = 0;
	}
}

int monitor_open(void)
{
	int monitor = open(MONITOR_PATH, O_RDWR | O_CLOEXEC), error;

	if (monitor < 0)
		return -errno;
	/* Its greeting comes before the first answer, and may have been read by somebody else. */
	error = ask(monitor, "{\"execute\":\"qmp_capabilities\",\"id\":\"open\"}\n", "\"open\"");
	if (error) {
		close(monitor);
		return error;
	}
	return monitor;
}

int monitor_unplug(int monitor)
{
	return ask(monitor, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"card\"}}\n",
		   "\"DEVICE_DELETED\"");
}

int monitor_plug(int monitor)
{
	const char *device = getenv("NDMA_CARD_DEVICE");
	char line[512];

	snprintf(line, sizeof(line),
		 "{\"execute\":\"human-monitor-command\",\"id\":\"plug\","
		 "\"arguments\":{\"command-line\":\"device_add %s\"}}\n",
		 device ?: "");
	/* The command's own complaints are its output; without any, that is empty. */
	return ask(monitor, line, "{\"return\": \"\", \"id\": \"plug\"}");
}
