// SPDX-License-Identifier: MIT
/* Sources and their controls: what is alike on every backend. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* By name, numbers by value: edu2 before edu10. */
static int compare_names(const void *left, const void *right)
{
	return strverscmp(left, right);
}

NDMA_API int ndma_source_list(char (*names)[NDMA_NAME_MAX], size_t room)
{
	const struct ndma_backend *backend = ndma_backend_choose();
	int count;

	if (!backend)
		return -EINVAL;
	count = backend->source_list(names, room);
	if (count > 1)
		qsort(names, (size_t)count < room ? (size_t)count : room, sizeof(*names),
		      compare_names);
	return count;
}

NDMA_API int ndma_source_open(const char *name, struct ndma_source **out)
{
	const struct ndma_backend *backend;
	size_t length = strlen(name);

	if (!length || length >= NDMA_NAME_MAX || strchr(name, '/'))
		return ndma_set_error(EINVAL,
				      "\"%.64s\" is no name of a source: expected one as "
				      "\"sim0\"",
				      name);
	backend = ndma_backend_of_source(name);
	return backend ? backend->source_open(backend, name, out) : -EINVAL;
}

NDMA_API void ndma_source_close(struct ndma_source *source)
{
	if (!source)
		return;
	ndma_ongoing_remove_fill(source, atomic_load(&source->filling));
	source->backend->source_free(source);
}

NDMA_API const char *ndma_source_name(const struct ndma_source *source)
{
	return source->name;
}

NDMA_API const char *ndma_source_backend(const struct ndma_source *source)
{
	return source->backend->name;
}

NDMA_API bool ndma_source_is_simulated(const struct ndma_source *source)
{
	struct ndma_source_info info;

	return source->backend->simulated ||
	       (!ndma_source_info(source, &info) && info.flags & NDMA_SOURCE_SOFTWARE);
}

NDMA_API int ndma_source_info(const struct ndma_source *source, struct ndma_source_info *info)
{
	int rc = ndma_process_check(source->process, "source");

	if (rc)
		return rc;
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return source->backend->source_info(source, info);
}

NDMA_API int ndma_source_format(const struct ndma_source *source, uint32_t index,
				struct ndma_source_format *format)
{
	int rc = ndma_process_check(source->process, "source");

	if (rc)
		return rc;
	memset(format, 0, sizeof(*format));
	format->size = sizeof(*format);
	format->index = index;
	return source->backend->source_format(source, index, format);
}

NDMA_API int ndma_source_channel(const struct ndma_source *source, uint32_t index,
				 struct ndma_source_channel *channel)
{
	int rc = ndma_process_check(source->process, "source");

	if (rc)
		return rc;
	memset(channel, 0, sizeof(*channel));
	channel->size = sizeof(*channel);
	channel->index = index;
	return source->backend->source_channel(source, index, channel);
}

static int query(const struct ndma_source *source, uint32_t id, struct ndma_control_info *info)
{
	int rc = ndma_process_check(source->process, "source");

	if (rc)
		return rc;
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->id = id;
	return source->backend->control_query(source, id, info);
}

NDMA_API int ndma_control_next(const struct ndma_source *source, uint32_t id,
			       struct ndma_control_info *info)
{
	int rc = query(source, (id & ~NDMA_CONTROL_NEXT) | NDMA_CONTROL_NEXT, info);

	if (rc == -EINVAL)
		return 0;
	return rc ? rc : 1;
}

static int next_of_source(const void *source, uint32_t id, struct ndma_control_info *info)
{
	return ndma_control_next(source, id, info);
}

NDMA_API int ndma_control_find(const struct ndma_source *source, const char *name,
			       struct ndma_control_info *info)
{
	return ndma_control_search(next_of_source, source, source->name, name, info);
}

NDMA_API int ndma_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index,
			       char name[NDMA_NAME_MAX])
{
	int rc = ndma_process_check(source->process, "source");

	return rc ? rc : source->backend->control_menu(source, id, index, name);
}

NDMA_API int ndma_control_get(const struct ndma_source *source, uint32_t id, int64_t *value)
{
	int rc = ndma_process_check(source->process, "source");

	return rc ? rc : source->backend->control_get(source, id, value);
}

NDMA_API int ndma_control_set(struct ndma_source *source, uint32_t id, int64_t value)
{
	struct ndma_control_info info;
	int64_t nearest = value;
	int rc;

	rc = query(source, id & ~NDMA_CONTROL_NEXT, &info);
	if (rc)
		return rc;
	rc = source->backend->control_set(source, id, &nearest);
	return rc ? ndma_control_error(&info, rc, value, nearest) : 0;
}
