// SPDX-License-Identifier: MIT
/* The .json beside a .npy: what the numbers are, when they came, and what is missing. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"

static void put_string(FILE *file, const char *text)
{
	putc('"', file);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(file, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			fprintf(file, "\\u%04x", *text);
		else
			putc(*text, file);
	}
	putc('"', file);
}

static void put_field(FILE *file, const char *name, const char *text)
{
	fprintf(file, "  \"%s\": ", name);
	put_string(file, text);
	fputs(",\n", file);
}

static double value_of(const struct ndma_rational *rational)
{
	return (double)rational->num / (double)rational->den;
}

static void put_channels(FILE *file, const struct recording *recording)
{
	uint64_t count = recording->setup->layout.shape[0], i;
	struct ndma_source_channel channel;

	fputs("  \"channels\": [\n", file);
	for (i = 0; i < count; i++) {
		if (ndma_stream_channel(recording->stream, (uint32_t)i, &channel))
			continue;
		fputs("    {\"name\": ", file);
		put_string(file, channel.name);
		fputs(", \"unit\": ", file);
		put_string(file, channel.unit);
		fprintf(file, ", \"scale\": %.17g, \"offset\": %.17g}%s\n",
			value_of(&channel.scale), value_of(&channel.offset),
			i + 1 < count ? "," : "");
	}
	fputs("  ],\n", file);
}

/* In the control's unit; a menu's value by its name. Buttons have none. */
static void put_controls(FILE *file, const struct ndma_source *source)
{
	struct ndma_control_info info = { 0 };
	const char *between = "";
	char name[NDMA_NAME_MAX];
	int64_t value;

	fputs("  \"controls\": {", file);
	while (ndma_control_next(source, info.id, &info) > 0) {
		if (info.type == NDMA_CONTROL_BUTTON || ndma_control_get(source, info.id, &value))
			continue;
		fputs(between, file);
		put_string(file, info.name);
		fputs(": ", file);
		if (info.type == NDMA_CONTROL_MENU &&
		    !ndma_control_menu(source, info.id, (uint32_t)value, name))
			put_string(file, name);
		else if (info.type == NDMA_CONTROL_BOOLEAN)
			fputs(value ? "true" : "false", file);
		else if (info.exponent)
			fprintf(file, "%.17g", (double)value * pow(10, info.exponent));
		else
			fprintf(file, "%lld", (long long)value);
		between = ", ";
	}
	fputs("},\n", file);
}

static void put_what(FILE *file, const struct recording *recording,
		     const struct ndma_source *source)
{
	const struct ndma_stream_setup *setup = recording->setup;
	const char *slash = strrchr(recording->path, '/');
	struct ndma_source_info info = { 0 };

	ndma_stream_info(recording->stream, &info);
	put_field(file, "data", slash ? slash + 1 : recording->path);
	put_field(file, "dtype", recording->dtype);
	fprintf(file, "  \"shape\": [%llu, %llu, %llu%s],\n", (unsigned long long)recording->count,
		(unsigned long long)setup->layout.shape[0],
		(unsigned long long)setup->layout.shape[1], setup->layout.ndim == 3 ? ", 2" : "");
	fprintf(file, "  \"axes\": [\"frame\", \"channel\", \"sample\"%s],\n",
		setup->layout.ndim == 3 ? ", \"iq\"" : "");
	put_field(file, "source", ndma_source_name(source));
	put_field(file, "driver", info.driver);
	put_field(file, "device", info.device);
	put_field(file, "backend", ndma_source_backend(source));
	fprintf(file, "  \"simulated\": %s,\n",
		ndma_source_is_simulated(source) ? "true" : "false");
	put_field(file, "library", ndma_version());
	if (info.rate.den && info.rate.num)
		fprintf(file, "  \"rate\": %.17g,\n  \"rate_exact\": [%lld, %llu],\n",
			value_of(&info.rate), (long long)info.rate.num,
			(unsigned long long)info.rate.den);
	else
		fputs("  \"rate\": null,\n", file);
	fprintf(file, "  \"start_time_ns\": %lld,\n", (long long)info.start_realtime_ns);
	fprintf(file, "  \"start_monotonic_ns\": %lld,\n", (long long)info.start_monotonic_ns);
}

/* One array a quantity, in the order of the frames: what np.array() and pandas take. */
#define PUT_COLUMN(file, recording, name, format, expression)                  \
	do {                                                                   \
		fprintf(file, "    \"%s\": [", name);                          \
		for (uint64_t i = 0; i < (recording)->count; i++) {            \
			const struct note *note = &(recording)->notes[i];      \
                                                                               \
			fprintf(file, "%s" format, i ? ", " : "", expression); \
		}                                                              \
		fputs("]", file);                                              \
	} while (0)

static const char *time_source(const struct recording *recording)
{
	if (!recording->count)
		return "none";
	return recording->notes[0].completion.flags & NDMA_FRAME_TIME_START ? "first sample"
									    : "completion";
}

static void put_frames(FILE *file, const struct recording *recording)
{
	put_field(file, "time_of", time_source(recording));
	fputs("  \"frames\": {\n", file);
	PUT_COLUMN(file, recording, "sequence", "%llu",
		   (unsigned long long)note->completion.sequence);
	fputs(",\n", file);
	PUT_COLUMN(file, recording, "time_ns", "%lld", (long long)note->time_ns);
	fputs(",\n", file);
	PUT_COLUMN(file, recording, "timestamp_ns", "%llu",
		   (unsigned long long)note->completion.timestamp_ns);
	fputs(",\n", file);
	PUT_COLUMN(file, recording, "hw_timestamp", "%llu",
		   (unsigned long long)note->completion.hw_timestamp);
	fputs(",\n", file);
	PUT_COLUMN(file, recording, "hw_sequence", "%llu",
		   (unsigned long long)note->completion.hw_sequence);
	fputs(",\n", file);
	PUT_COLUMN(file, recording, "trigger", "%lld",
		   note->completion.flags & NDMA_FRAME_TRIGGERED
			   ? (long long)note->completion.trigger
			   : -1LL);
	fputs(",\n", file);
	PUT_COLUMN(file, recording, "valid", "%llu", (unsigned long long)note->valid);
	fputs(",\n", file);
	PUT_COLUMN(file, recording, "dropped", "%llu", (unsigned long long)note->dropped);
	fputs(",\n", file);
	PUT_COLUMN(file, recording, "flags", "%u", note->completion.flags);
	fputs("\n  },\n", file);
}

/* "run.npy" is described by "run.json". */
static char *sidecar_path(const char *path)
{
	size_t length = strlen(path);
	char *made = malloc(length + sizeof(".json"));

	if (!made)
		return NULL;
	if (length > 4 && !strcmp(path + length - 4, ".npy"))
		length -= 4;
	memcpy(made, path, length);
	strcpy(made + length, ".json");
	return made;
}

int recording_write_sidecar(const struct recording *recording, const struct ndma_source *source,
			    const struct loss *loss)
{
	char *path = sidecar_path(recording->path);
	FILE *file = path ? fopen(path, "we") : NULL;
	int rc = -1;

	if (!file)
		goto out;
	fputs("{\n", file);
	put_what(file, recording, source);
	put_channels(file, recording);
	put_controls(file, source);
	put_frames(file, recording);
	fprintf(file,
		"  \"loss\": {\"dropped\": %llu, \"partial\": %llu, \"overflow\": %llu, "
		"\"error\": %llu}\n}\n",
		(unsigned long long)loss->dropped, (unsigned long long)loss->partial,
		(unsigned long long)loss->overflow, (unsigned long long)loss->error);
	rc = ferror(file) ? -1 : 0;
	rc |= fclose(file);
out:
	if (rc)
		fprintf(stderr, "ndma-acquire: writing %s: %s\n", path ? path : recording->path,
			strerror(errno));
	free(path);
	return rc;
}
