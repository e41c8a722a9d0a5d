// SPDX-License-Identifier: MIT
/* ndma list: the sources, and the memory in use. */
#include <stdlib.h>
#include <string.h>

#include "tools.h"

static void show(const char *name, const struct ndma_source_info *info)
{
	if (info)
		printf("%-12s %-16s %s%s%u channel%s, %s\n", name, info->driver, info->device,
		       *info->device ? ", " : "", info->channels, plural(info->channels),
		       words_of_rate(&info->rate));
	else
		printf("%-12s cannot be opened\n", name);
}

static void add(struct json *json, const char *name, const struct ndma_source_info *info)
{
	json_open(json, NULL, '{');
	json_string(json, "name", name);
	if (info) {
		json_string(json, "driver", info->driver);
		json_string(json, "device", info->device);
		json_integer(json, "channels", info->channels);
		json_rate(json, "rate", &info->rate);
	} else {
		json_string(json, "error", ndma_error());
	}
	json_close(json, '}');
}

static int list_one(const char *name, struct json *json)
{
	struct ndma_source_info info;
	struct ndma_source *source;
	int rc;

	rc = ndma_source_open(name, &source);
	if (!rc) {
		rc = ndma_source_info(source, &info);
		ndma_source_close(source);
	}
	if (json)
		add(json, name, rc ? NULL : &info);
	else
		show(name, rc ? NULL : &info);
	return rc ? complain() : EXIT_SUCCESS;
}

static int list_sources(struct json *json)
{
	char(*names)[NDMA_NAME_MAX] = NULL;
	int count, room, i, status = EXIT_SUCCESS;

	/* Sources may come between the two calls; those are left out. */
	room = ndma_source_list(NULL, 0);
	if (room < 0)
		return complain();
	names = calloc((size_t)room + 1, sizeof(*names));
	if (!names) {
		perror("ndma");
		return EXIT_FAILURE;
	}
	count = ndma_source_list(names, (size_t)room);
	if (count < 0)
		status = complain();
	for (i = 0; i < count && i < room; i++)
		status |= list_one(names[i], json);
	if (!count && !json)
		puts("no sources: drivers of cards add them, ndma_sim adds sim0; `ndma doctor` "
		     "says what is missing");
	free(names);
	return status;
}

static int show_memory(void)
{
	struct ndma_heap_info heap;

	if (strcmp(ndma_backend_name(), "kernel")) {
		printf("backend memfd: %s; sim0 is simulated in each process\n",
		       ndma_backend_reason());
		return EXIT_SUCCESS;
	}
	if (ndma_heap_info(&heap))
		return complain();
	printf("backend kernel: %.1f MiB of buffers in use by this user, ",
	       heap.used_bytes / 1048576.);
	if (heap.quota_bytes)
		printf("%.1f MiB allowed\n", heap.quota_bytes / 1048576.);
	else
		puts("no limit");
	return EXIT_SUCCESS;
}

static int add_memory(struct json *json)
{
	struct ndma_heap_info heap;

	json_string(json, "backend", ndma_backend_name());
	json_string(json, "reason", ndma_backend_reason());
	if (strcmp(ndma_backend_name(), "kernel"))
		return EXIT_SUCCESS;
	if (ndma_heap_info(&heap))
		return complain();
	json_integer(json, "used_bytes", (int64_t)heap.used_bytes);
	if (heap.quota_bytes)
		json_integer(json, "quota_bytes", (int64_t)heap.quota_bytes);
	else
		json_null(json, "quota_bytes");
	return EXIT_SUCCESS;
}

int list(bool as_json)
{
	struct json json = { 0 };
	int status;

	if (!as_json) {
		status = list_sources(NULL);
		return status | show_memory();
	}
	json_open(&json, NULL, '{');
	status = add_memory(&json);
	json_open(&json, "sources", '[');
	status |= list_sources(&json);
	json_close(&json, ']');
	json_close(&json, '}');
	return status;
}
