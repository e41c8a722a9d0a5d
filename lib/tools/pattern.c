// SPDX-License-Identifier: MIT
/* --check: what the samples should be, made again with the generator that the source uses. */
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "ndma_edu.h"
#include "ndma_sim.h"

/**
 * struct pattern - what to expect
 * @check: one frame, whose valid samples have that layout
 * @settings: of a source that makes waves
 * @stream: whose frames
 * @reports: wrong frames told of so far
 */
struct pattern {
	bool (*check)(struct pattern *pattern, const struct ndma_frame *frame,
		      const struct ndma_layout *layout);
	struct ndma_sim_settings settings;
	struct ndma_stream *stream;
	unsigned int reports;
};

/* Of a control that the source has not: 0. */
static uint32_t control(struct ndma_stream *stream, uint32_t id)
{
	int64_t value;

	return ndma_stream_control_get(stream, id, &value) ? 0 : (uint32_t)value;
}

static void report(struct pattern *pattern, const struct ndma_frame *frame, uint32_t channel,
		   uint64_t at)
{
	if (pattern->reports++ < 8)
		fprintf(stderr, "%s: frame %llu, channel %u: sample %llu is wrong\n", record_name,
			(unsigned long long)frame->completion.sequence, channel,
			(unsigned long long)at);
}

/* True: all of the numbers of one channel are right. */
static bool check_channel(struct pattern *pattern, const struct ndma_frame *frame,
			  const struct ndma_layout *layout, uint32_t channel, uint32_t number)
{
	struct ndma_sim_settings *settings = &pattern->settings;
	const char *from = (const char *)frame->data + layout->offset +
			   (int64_t)channel * layout->strides[0] +
			   (settings->iq ? number * layout->strides[2] : 0);
	uint64_t first = frame->completion.hw_timestamp;
	uint32_t samples = (uint32_t)layout->shape[1];
	struct ndma_wave wave;
	uint32_t right;

	ndma_sim_wave(settings, number, &wave);
	right = ndma_wave_check(&wave, from, settings->itemsize, channel, first, samples,
				(ptrdiff_t)layout->strides[1]);
	if (right == samples)
		return true;
	report(pattern, frame, channel, right);
	return false;
}

/* The kernel's sim and memfd's, and the virtual digitizer, which makes the same. */
static bool check_waves(struct pattern *pattern, const struct ndma_frame *frame,
			const struct ndma_layout *layout)
{
	uint32_t numbers = pattern->settings.iq ? 2 : 1, channel, number;
	bool right = true;

	for (channel = 0; channel < layout->shape[0]; channel++)
		for (number = 0; number < numbers; number++)
			right &= check_channel(pattern, frame, layout, channel, number);
	return right;
}

/* QEMU's edu card, which has no samples, only bytes that went to it and came back. */
static bool check_edu(struct pattern *pattern, const struct ndma_frame *frame,
		      const struct ndma_layout *layout)
{
	const unsigned char *bytes = frame->data;
	uint64_t i;

	for (i = 0; i < frame->completion.bytes_used; i++)
		if (bytes[i] != ndma_edu_byte(frame->completion.hw_sequence, (uint32_t)i)) {
			report(pattern, frame, 0, i / layout->itemsize);
			return false;
		}
	return true;
}

/* What the source was set to when the stream was made. */
static int describe_waves(struct pattern *pattern, const struct ndma_source *source)
{
	const struct ndma_stream_setup *setup = ndma_stream_setup(pattern->stream);
	struct ndma_sim_settings *settings = &pattern->settings;
	struct ndma_source_format format;
	const char *code;

	if (ndma_source_format(source, setup->format, &format)) {
		fprintf(stderr, "%s: %s\n", record_name, ndma_error());
		return -1;
	}
	code = format.format + strcspn(format.format, "bBhHiI");
	settings->samples = setup->samples;
	settings->channels = (uint32_t)setup->layout.shape[0];
	settings->order = setup->order;
	settings->itemsize = format.itemsize;
	settings->bits = format.bits;
	settings->is_signed = *code >= 'a';
	settings->iq = !!(format.flags & NDMA_FORMAT_IQ);
	settings->rate = control(pattern->stream, NDMA_CONTROL_RATE);
	settings->pattern = control(pattern->stream, NDMA_CONTROL_PATTERN);
	settings->frequency = control(pattern->stream, NDMA_CONTROL_FREQUENCY);
	settings->amplitude = control(pattern->stream, NDMA_CONTROL_AMPLITUDE);
	if (ndma_wave_is_pattern(settings->pattern))
		return 0;
	fprintf(stderr, "%s: --check: %s is set to make no pattern\n", record_name,
		ndma_source_name(source));
	return -1;
}

static int describe(struct pattern *pattern, const struct ndma_source *source)
{
	const char *name = ndma_source_name(source);

	if (!strncmp(name, "edu", 3)) {
		pattern->check = check_edu;
		return 0;
	}
	if (!strncmp(name, "sim", 3) || !strncmp(name, "vdig", 4)) {
		pattern->check = check_waves;
		return describe_waves(pattern, source);
	}
	fprintf(stderr, "%s: --check: nobody knows what %s should make\n", record_name, name);
	return -1;
}

struct pattern *pattern_of(struct ndma_stream *stream, const struct ndma_source *source)
{
	struct pattern *pattern = calloc(1, sizeof(*pattern));

	if (!pattern) {
		perror(record_name);
		return NULL;
	}
	pattern->stream = stream;
	if (!describe(pattern, source))
		return pattern;
	free(pattern);
	return NULL;
}

bool pattern_check(struct pattern *pattern, const struct ndma_frame *frame)
{
	struct ndma_layout layout;

	ndma_frame_layout(pattern->stream, frame, &layout);
	return pattern->check(pattern, frame, &layout);
}

void pattern_free(struct pattern *pattern)
{
	free(pattern);
}
