// SPDX-License-Identifier: MIT
/* ndma info: what a source can do. */
#include <stdlib.h>

#include "tools.h"

static const char *words_of_orders(uint32_t orders)
{
	switch (orders) {
	case NDMA_ORDER_PLANAR:
		return "planar";
	case NDMA_ORDER_INTERLEAVED:
		return "interleaved";
	default:
		return "planar or interleaved";
	}
}

static int print_formats(const struct ndma_source *source, uint32_t count)
{
	struct ndma_source_format format;
	uint32_t i;

	puts("formats");
	for (i = 0; i < count; i++) {
		if (ndma_source_format(source, i, &format))
			return complain();
		printf("  %-4s %2u bits in %u byte%s%s, %s\n", format.format, format.bits,
		       format.itemsize, plural(format.itemsize),
		       format.flags & NDMA_FORMAT_IQ ? ", I/Q" : "",
		       words_of_orders(format.orders));
	}
	return EXIT_SUCCESS;
}

static int print_channels(const struct ndma_source *source, uint32_t count)
{
	struct ndma_source_channel channel;
	uint32_t i;

	puts("channels");
	for (i = 0; i < count; i++) {
		if (ndma_source_channel(source, i, &channel))
			return complain();
		printf("  %-12s count * %g %+g %s\n", channel.name, value_of(&channel.scale),
		       value_of(&channel.offset), channel.unit);
	}
	return EXIT_SUCCESS;
}

static int show(const struct ndma_source *source)
{
	struct ndma_source_info info;

	if (ndma_source_info(source, &info))
		return complain();
	printf("name      %s\n", info.name);
	printf("driver    %s%s\n", info.driver,
	       ndma_source_is_simulated(source) ? " (simulated)" : "");
	printf("device    %s\n", *info.device ? info.device : "none");
	printf("backend   %s\n", ndma_source_backend(source));
	if (value_of(&info.rate))
		printf("rate      %s, of each channel\n", words_of_rate(&info.rate));
	else
		puts("rate      not known");
	printf("frames    %u to %u, of at most %llu bytes\n", info.frames_min, info.frames_max,
	       (unsigned long long)info.frame_bytes_max);
	if (info.samples_step > 1)
		printf("samples   multiples of %u\n", info.samples_step);
	else
		puts("samples   any number");
	if (info.streams_max)
		printf("streams   %u at a time\n", info.streams_max);
	else
		puts("streams   any number at a time");
	if (info.flags & NDMA_SOURCE_CYCLIC)
		puts("note      this card cannot be kept from overwriting: it reports when it did");
	return print_formats(source, info.formats) | print_channels(source, info.channels);
}

static int add_formats(struct json *json, const struct ndma_source *source, uint32_t count)
{
	struct ndma_source_format format;
	uint32_t i;

	json_open(json, "formats", '[');
	for (i = 0; i < count; i++) {
		if (ndma_source_format(source, i, &format))
			return complain();
		json_open(json, NULL, '{');
		json_string(json, "format", format.format);
		json_integer(json, "bits", format.bits);
		json_integer(json, "itemsize", format.itemsize);
		json_bool(json, "iq", format.flags & NDMA_FORMAT_IQ);
		json_bool(json, "planar", format.orders & NDMA_ORDER_PLANAR);
		json_bool(json, "interleaved", format.orders & NDMA_ORDER_INTERLEAVED);
		json_close(json, '}');
	}
	json_close(json, ']');
	return EXIT_SUCCESS;
}

static int add_channels(struct json *json, const struct ndma_source *source, uint32_t count)
{
	struct ndma_source_channel channel;
	uint32_t i;

	json_open(json, "channels", '[');
	for (i = 0; i < count; i++) {
		if (ndma_source_channel(source, i, &channel))
			return complain();
		json_open(json, NULL, '{');
		json_string(json, "name", channel.name);
		json_string(json, "unit", channel.unit);
		json_number(json, "scale", value_of(&channel.scale));
		json_number(json, "offset", value_of(&channel.offset));
		json_close(json, '}');
	}
	json_close(json, ']');
	return EXIT_SUCCESS;
}

/* What is missing for an error leaves the text unfinished: no reader takes it for the whole. */
static int add(const struct ndma_source *source)
{
	struct ndma_source_info info;
	struct json json = { 0 };

	if (ndma_source_info(source, &info))
		return complain();
	json_open(&json, NULL, '{');
	json_string(&json, "name", info.name);
	json_string(&json, "driver", info.driver);
	json_string(&json, "device", info.device);
	json_string(&json, "backend", ndma_source_backend(source));
	json_bool(&json, "simulated", ndma_source_is_simulated(source));
	json_rate(&json, "rate", &info.rate);
	json_integer(&json, "frames_min", info.frames_min);
	json_integer(&json, "frames_max", info.frames_max);
	json_integer(&json, "frame_bytes_max", (int64_t)info.frame_bytes_max);
	json_integer(&json, "samples_step", info.samples_step);
	json_integer(&json, "streams_max", info.streams_max);
	json_bool(&json, "cyclic", info.flags & NDMA_SOURCE_CYCLIC);
	if (add_formats(&json, source, info.formats) || add_channels(&json, source, info.channels))
		return EXIT_FAILURE;
	json_close(&json, '}');
	return EXIT_SUCCESS;
}

int info(const struct ndma_source *source, bool as_json)
{
	return as_json ? add(source) : show(source);
}
