// SPDX-License-Identifier: MIT
/*
 * What people and other programs read of a recording: .json and .sigmf-meta. The library never
 * reads either: what it needs is in the index.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

/* ---------------------------------------------------------------- JSON */

/* Bytes of a name that are not UTF-8 become lone surrogates, which Python's os.fsencode() turns
 * into those bytes again. */
static void put_text(FILE *file, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length;

	for (; *at; at += length) {
		length = ndma_utf8_length(at);
		if (!length)
			fprintf(file, "\\udc%02x", *at);
		else if (*at == '"' || *at == '\\')
			fprintf(file, "\\%c", *at);
		else if (*at < ' ' || *at == 0x7f)
			fprintf(file, "\\u%04x", *at);
		else
			fwrite(at, 1, length, file);
		length += !length;
	}
}

static void put_string(FILE *file, const char *text)
{
	putc('"', file);
	put_text(file, text);
	putc('"', file);
}

/* The name of one of the recording's files. */
static void put_name(FILE *file, const struct record_place *place, const char *suffix)
{
	putc('"', file);
	put_text(file, place->stem);
	fprintf(file, "%s\"", suffix);
}

static void put_field(FILE *file, const char *name, const char *text)
{
	fprintf(file, "  \"%s\": ", name);
	put_string(file, text);
	fputs(",\n", file);
}

static double value_of(const struct ndma_rational *rational)
{
	return rational->den ? (double)rational->num / (double)rational->den : 0;
}

static void put_channels(FILE *file, const struct ndma_stream *stream)
{
	uint64_t count = stream->setup.layout.shape[0], i;
	struct ndma_source_channel channel;

	fputs("  \"channels\": [\n", file);
	for (i = 0; i < count; i++) {
		memset(&channel, 0, sizeof(channel));
		ndma_stream_channel(stream, (uint32_t)i, &channel);
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

static double power_of_ten(int exponent)
{
	double value = 1;

	for (; exponent > 0; exponent--)
		value *= 10;
	for (; exponent < 0; exponent++)
		value /= 10;
	return value;
}

/* In the control's unit; a menu's value by its name. */
static void put_value(FILE *file, const struct ndma_source *source,
		      const struct ndma_control_info *info, int64_t value)
{
	char name[NDMA_NAME_MAX];

	if (info->type == NDMA_CONTROL_MENU &&
	    !ndma_control_menu(source, info->id, (uint32_t)value, name))
		put_string(file, name);
	else if (info->type == NDMA_CONTROL_BOOLEAN)
		fputs(value ? "true" : "false", file);
	else if (info->exponent)
		fprintf(file, "%.17g", (double)value * power_of_ten(info->exponent));
	else
		fprintf(file, "%lld", (long long)value);
}

/* Buttons have no value. */
static void put_controls(FILE *file, const struct ndma_source *source,
			 const struct ndma_stream *stream)
{
	struct ndma_control_info info = { 0 };
	const char *between = "";
	int64_t value;

	fputs("  \"controls\": {", file);
	while (source && ndma_control_next(source, info.id, &info) > 0) {
		if (info.type == NDMA_CONTROL_BUTTON ||
		    ndma_stream_control_get(stream, info.id, &value))
			continue;
		fputs(between, file);
		put_string(file, info.name);
		fputs(": ", file);
		put_value(file, source, &info, value);
		between = ", ";
	}
	fputs("}\n", file);
}

char *ndma_record_describe(const struct ndma_source *source, const struct ndma_stream *stream,
			   const struct record_axes *axes)
{
	struct ndma_source_info info = { 0 };
	size_t bytes;
	char *text = NULL;
	FILE *file = open_memstream(&text, &bytes);

	if (!file)
		return NULL;
	ndma_stream_info(stream, &info);
	fputs("{\n  \"recording\": 1,\n", file);
	put_field(file, "dtype", axes->dtype);
	fprintf(file, "  \"axes\": [\"frame\", \"%s\", \"%s\"%s],\n",
		axes->interleaved ? "sample" : "channel", axes->interleaved ? "channel" : "sample",
		axes->ndim == 3 ? ", \"iq\"" : "");
	put_field(file, "source", stream->name);
	put_field(file, "driver", info.driver);
	put_field(file, "device", info.device);
	put_field(file, "backend", stream->backend->name);
	fprintf(file, "  \"simulated\": %s,\n",
		stream->backend->simulated || info.flags & NDMA_SOURCE_SOFTWARE ? "true" : "false");
	put_field(file, "library", ndma_version());
	if (value_of(&info.rate))
		fprintf(file, "  \"rate\": %.17g,\n  \"rate_exact\": [%lld, %llu],\n",
			value_of(&info.rate), (long long)info.rate.num,
			(unsigned long long)info.rate.den);
	else
		fputs("  \"rate\": null,\n", file);
	put_channels(file, stream);
	put_controls(file, source, stream);
	fputs("}\n", file);
	if (fclose(file)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---------------------------------------------------------------- .json */

static void put_flags(FILE *file, const struct ndma_recording_frame *frame)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{ NDMA_FRAME_PARTIAL, "partial" },
		{ NDMA_FRAME_OVERFLOW, "overflow" },
		{ NDMA_FRAME_ERROR, "error" },
		{ NDMA_FRAME_LOSS_UNKNOWN, "loss_unknown" },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (frame->completion.flags & names[i].flag)
			fprintf(file, ", \"%s\": true", names[i].name);
	if (frame->flags & NDMA_RECORDED_RUN)
		fputs(", \"run\": true", file);
}

static void put_holes(FILE *file, const struct record_summary *summary)
{
	const struct ndma_recording_hole *hole;
	uint64_t i;

	fputs("  \"holes\": [", file);
	for (i = 0; i < summary->info->holes; i++) {
		hole = &summary->holes[i];
		fprintf(file, "%s\n    {\"frame\": %llu", i ? "," : "",
			(unsigned long long)hole->number);
		if (hole->frame.flags & NDMA_RECORDED_DAMAGED)
			fputs(", \"damaged\": true", file);
		else
			fprintf(file, ", \"sequence\": %llu, \"time_ns\": %lld, \"dropped\": %llu",
				(unsigned long long)hole->frame.completion.sequence,
				(long long)hole->frame.realtime_ns,
				(unsigned long long)hole->frame.completion.dropped);
		put_flags(file, &hole->frame);
		putc('}', file);
	}
	fputs("\n  ]\n}\n", file);
}

/* As numpy.dtype takes it, once its pairs are tuples. */
static void put_index(FILE *file, const struct record_summary *summary)
{
	const struct record_head *head = summary->index->head;
	uint32_t grown = head->completion_bytes - (uint32_t)sizeof(struct ndma_completion);
	uint32_t rest =
		head->entry_bytes - head->completion_bytes - (uint32_t)sizeof(struct record_tail);

	fprintf(file, "  \"index\": {\"file\": ");
	put_name(file, summary->place, RECORD_INDEX);
	fprintf(file,
		", \"offset\": %u, \"dtype\": [[\"checksum\", \"<u4\"], [\"flags\", \"<u4\"], "
		"[\"sequence\", \"<u8\"], [\"timestamp_ns\", \"<u8\"], [\"hw_timestamp\", "
		"\"<u8\"], [\"hw_sequence\", \"<u8\"], [\"bytes_used\", \"<u8\"], [\"dropped\", "
		"\"<u8\"], [\"trigger\", \"<u4\"], [\"anchor\", \"<u4\"], ",
		head->head_bytes);
	if (grown)
		fprintf(file, "[\"more\", \"V%u\"], ", grown);
	fputs("[\"time_ns\", \"<i8\"], [\"link\", \"<u4\"], [\"crc\", \"<u4\"]", file);
	if (rest)
		fprintf(file, ", [\"rest\", \"V%u\"]", rest);
	fputs("]},\n", file);
}

static void put_json(FILE *file, const struct record_summary *summary)
{
	const struct ndma_recording_info *info = summary->info;
	const struct record_axes *axes = summary->axes;
	size_t length = strlen(summary->text);
	int i;

	/* The description, without the brace that ends it. */
	if (length > 3 && !strcmp(summary->text + length - 3, "\n}\n"))
		fwrite(summary->text, 1, length - 3, file);
	else
		fputs("{\n  \"recording\": 1", file);
	fputs(",\n  \"data\": ", file);
	put_name(file, summary->place, RECORD_DATA);
	fputs(",\n", file);
	put_index(file, summary);
	fputs("  \"id\": \"", file);
	for (i = 0; i < 16; i++)
		fprintf(file, "%02x", info->id[i]);
	fprintf(file, "\",\n  \"shape\": [%llu, %llu, %llu%s],\n", (unsigned long long)info->frames,
		(unsigned long long)axes->shape[0], (unsigned long long)axes->shape[1],
		axes->ndim == 3 ? ", 2" : "");
	if (info->synced > info->frames)
		fprintf(file, "  \"cut_off\": %llu,\n",
			(unsigned long long)(info->synced - info->frames));
	fprintf(file,
		"  \"loss\": {\"dropped\": %llu, \"partial\": %llu, \"overflow\": %llu, "
		"\"error\": %llu, \"damaged\": %llu},\n",
		(unsigned long long)info->dropped, (unsigned long long)info->partial,
		(unsigned long long)info->overflow, (unsigned long long)info->error,
		(unsigned long long)info->damaged);
	put_holes(file, summary);
}

/* ---------------------------------------------------------------- .sigmf-meta */

/* "ri16_le"; false: SigMF has no such samples. */
static bool sigmf_datatype(const struct record_summary *summary, char name[16])
{
	const char *dtype = summary->axes->dtype;
	int bits = (dtype[2] - '0') * 8;

	if (!(summary->axes->interleaved || summary->index->channels == 1) ||
	    (dtype[1] == 'f' ? bits < 32 : bits > 32))
		return false;
	snprintf(name, 16, "%c%c%d%s", summary->axes->ndim == 3 ? 'c' : 'r', dtype[1], bits,
		 bits == 8       ? ""
		 : *dtype == '>' ? "_be"
				 : "_le");
	return true;
}

static void put_datetime(FILE *file, int64_t realtime_ns)
{
	int64_t seconds = realtime_ns / 1000000000, rest = realtime_ns % 1000000000;
	time_t time;
	struct tm tm;

	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	time = (time_t)seconds;
	/* Years that SigMF's form has no room for are no times of a recording. */
	if (!gmtime_r(&time, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
		return;
	fprintf(file, ", \"core:datetime\": \"%04d-%02d-%02dT%02d:%02d:%02d.%09lldZ\"",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(long long)rest);
}

/* A segment for each hole: its samples' place in the file, and in what the source made. */
static void put_captures(FILE *file, const struct record_summary *summary)
{
	uint64_t samples = summary->index->layout.shape[1], i;
	const struct ndma_recording_hole *hole;
	uint64_t missing = 0;

	for (i = 0; i < summary->info->holes; i++) {
		hole = &summary->holes[i];
		missing += hole->frame.completion.dropped;
		fprintf(file, "%s\n    {\"core:sample_start\": %llu, \"core:global_index\": %llu",
			i ? "," : "", (unsigned long long)(hole->number * samples),
			(unsigned long long)((hole->number + missing) * samples));
		if (!(hole->frame.flags & NDMA_RECORDED_DAMAGED) &&
		    hole->frame.completion.flags & NDMA_FRAME_TIME_START)
			put_datetime(file, hole->frame.realtime_ns);
		if (!i)
			fprintf(file, ", \"core:header_bytes\": %llu",
				(unsigned long long)summary->info->data_offset);
		putc('}', file);
	}
}

static void put_sigmf(FILE *file, const struct record_summary *summary, const char *datatype)
{
	const struct ndma_source_info *source = &summary->index->info;

	fputs("{\n  \"global\": {\n    \"core:version\": \"1.2.0\",\n    \"core:dataset\": ", file);
	put_name(file, summary->place, RECORD_DATA);
	fprintf(file, ",\n    \"core:datatype\": \"%s\",\n", datatype);
	if (value_of(&source->rate))
		fprintf(file, "    \"core:sample_rate\": %.17g,\n", value_of(&source->rate));
	fprintf(file, "    \"core:num_channels\": %u,\n    \"core:trailing_bytes\": %llu,\n",
		summary->index->channels, (unsigned long long)summary->trailing);
	fprintf(file,
		"    \"core:recorder\": \"libndma %s\"\n  },\n"
		"  \"captures\": [",
		ndma_version());
	put_captures(file, summary);
	fputs("\n  ],\n  \"annotations\": []\n}\n", file);
}

/* ---------------------------------------------------------------- files */

/* Opens what will be renamed to the suffix once it is whole. */
static FILE *open_new(const struct record_place *place, char name[NAME_MAX + 1], const char *suffix)
{
	FILE *file;
	int fd;

	snprintf(name, NAME_MAX + 1, "%.*s%s.new", NAME_MAX - 24, place->stem, suffix);
	fd = openat(place->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0666);
	if (fd < 0)
		return NULL;
	file = fdopen(fd, "w");
	if (!file)
		close(fd);
	return file;
}

static int commit(const struct record_place *place, FILE *file, const char *temporary,
		  const char *suffix)
{
	char name[NAME_MAX + 1];
	int rc = fflush(file) || ferror(file) || fdatasync(fileno(file)) ? errno : 0;

	if (fclose(file) && !rc)
		rc = errno;
	snprintf(name, sizeof(name), "%.*s%s", NAME_MAX - 24, place->stem, suffix);
	if (!rc && !renameat(place->directory, temporary, place->directory, name))
		return 0;
	rc = rc ? rc : errno;
	unlinkat(place->directory, temporary, 0);
	return ndma_record_trouble(place, suffix, rc ? rc : EIO, "writing");
}

int ndma_record_write_texts(const struct record_summary *summary)
{
	char name[NAME_MAX + 1], datatype[16];
	FILE *file = open_new(summary->place, name, RECORD_JSON);
	int rc;

	if (!file)
		return ndma_record_trouble(summary->place, RECORD_JSON, errno, "writing");
	put_json(file, summary);
	rc = commit(summary->place, file, name, RECORD_JSON);
	if (rc || !sigmf_datatype(summary, datatype))
		return rc;
	file = open_new(summary->place, name, RECORD_SIGMF);
	if (!file)
		return ndma_record_trouble(summary->place, RECORD_SIGMF, errno, "writing");
	put_sigmf(file, summary, datatype);
	return commit(summary->place, file, name, RECORD_SIGMF);
}
