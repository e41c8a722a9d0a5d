// SPDX-License-Identifier: MIT
/* Controls: those of a stream, and what is alike for those of a source. */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "stream.h"

int ndma_control_search(ndma_control_next_fn *next, const void *owner, const char *owner_name,
			const char *name, struct ndma_control_info *info)
{
	struct ndma_control_info seen = { 0 };
	char list[512] = "";
	int rc;

	while ((rc = next(owner, seen.id, &seen)) > 0) {
		if (!strcmp(seen.name, name)) {
			*info = seen;
			return 0;
		}
		if (strlen(list) + sizeof(seen.name) + 2 < sizeof(list))
			strcat(strcat(list, *list ? ", " : ""), seen.name);
	}
	if (rc < 0)
		return rc;
	return ndma_set_error(ENOENT, "%s has no control \"%s\": it has %s", owner_name, name,
			      *list ? list : "none");
}

int ndma_control_error(const struct ndma_control_info *info, int rc, int64_t value, int64_t nearest)
{
	char unit[48] = "";

	if (rc == -EBUSY)
		return ndma_set_error(
			EBUSY, "%s cannot change while the stream runs: stop it first", info->name);
	if (rc != -ERANGE)
		return rc;
	if (info->exponent)
		snprintf(unit, sizeof(unit), " (10^%d %s)", info->exponent, info->unit);
	else if (*info->unit)
		snprintf(unit, sizeof(unit), " %s", info->unit);
	return ndma_set_error(ERANGE,
			      "%s = %lld: expected %lld to %lld in steps of %lld%s; the nearest "
			      "is %lld",
			      info->name, (long long)value, (long long)info->min,
			      (long long)info->max, (long long)info->step, unit,
			      (long long)nearest);
}

static int query(const struct ndma_stream *stream, uint32_t id, struct ndma_control_info *info)
{
	struct ndma_stream *self = (struct ndma_stream *)stream;
	int rc = ndma_stream_enter(self);

	if (rc)
		return rc;
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->id = id;
	rc = stream->backend->stream_control_query(stream, id, info);
	ndma_stream_leave(self);
	return rc;
}

NDMA_API int ndma_stream_control_next(const struct ndma_stream *stream, uint32_t id,
				      struct ndma_control_info *info)
{
	int rc = query(stream, (id & ~NDMA_CONTROL_NEXT) | NDMA_CONTROL_NEXT, info);

	if (rc == -EINVAL)
		return 0;
	return rc ? rc : 1;
}

static int next_of_stream(const void *stream, uint32_t id, struct ndma_control_info *info)
{
	return ndma_stream_control_next(stream, id, info);
}

NDMA_API int ndma_stream_control_find(const struct ndma_stream *stream, const char *name,
				      struct ndma_control_info *info)
{
	return ndma_control_search(next_of_stream, stream, stream->name, name, info);
}

NDMA_API int ndma_stream_control_menu(const struct ndma_stream *stream, uint32_t id, uint32_t index,
				      char name[NDMA_NAME_MAX])
{
	struct ndma_stream *self = (struct ndma_stream *)stream;
	int rc = ndma_stream_enter(self);

	if (rc)
		return rc;
	rc = stream->backend->stream_control_menu(stream, id, index, name);
	ndma_stream_leave(self);
	return rc;
}

NDMA_API int ndma_stream_control_get(const struct ndma_stream *stream, uint32_t id, int64_t *value)
{
	struct ndma_stream *self = (struct ndma_stream *)stream;
	int rc = ndma_stream_enter(self);

	if (rc)
		return rc;
	rc = stream->backend->stream_control_get(stream, id, value);
	ndma_stream_leave(self);
	return rc;
}

NDMA_API int ndma_stream_control_set(struct ndma_stream *stream, uint32_t id, int64_t value)
{
	struct ndma_control_info info;
	int64_t nearest = value;
	int rc;

	rc = query(stream, id & ~NDMA_CONTROL_NEXT, &info);
	if (rc)
		return rc;
	rc = ndma_stream_enter(stream);
	if (rc)
		return rc;
	rc = stream->backend->stream_control_set(stream, id, &nearest);
	ndma_stream_leave(stream);
	return rc ? ndma_control_error(&info, rc, value, nearest) : 0;
}
