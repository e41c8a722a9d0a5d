// SPDX-License-Identifier: MIT
/* ndma doctor: what is wrong on this machine, and what to type. */
#include <stdlib.h>

#include "tools.h"

static const char *const levels[] = { "ok", "note", "FAULT" };

static void show(void *context, const struct ndma_finding *finding)
{
	(void)context;
	printf("%-5s  %-9s  %s\n", levels[finding->level], finding->topic, finding->text);
}

static void add(void *context, const struct ndma_finding *finding)
{
	static const char *const words[] = { "ok", "note", "fault" };
	struct json *json = context;

	json_open(json, NULL, '{');
	json_string(json, "level", words[finding->level]);
	json_string(json, "topic", finding->topic);
	json_string(json, "text", finding->text);
	json_close(json, '}');
}

int doctor(bool as_json)
{
	struct json json = { 0 };
	int faults;

	if (!as_json) {
		faults = ndma_doctor(show, NULL);
		printf("%d fault%s\n", faults, plural((uint64_t)faults));
		return faults ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	json_open(&json, NULL, '{');
	json_string(&json, "version", ndma_version());
	json_open(&json, "findings", '[');
	faults = ndma_doctor(add, &json);
	json_close(&json, ']');
	json_integer(&json, "faults", faults);
	json_close(&json, '}');
	return faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
