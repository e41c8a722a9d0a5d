// SPDX-License-Identifier: MIT
/* --check: what the samples should be, made again with the generator that the source uses. */
#include <stdlib.h>
#include <string.h>

#include "acquire.h"
#include "ndma_sim.h"

/**
 * struct pattern - what to expect
 * @settings: of the simulated source
 * @stream: whose frames
 * @reports: wrong frames told of so far
 */
struct pattern {
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

static int describe(struct pattern *pattern, const struct ndma_source *source)
{
	const struct ndma_stream_setup *setup = ndma_stream_setup(pattern->stream);
	struct ndma_sim_settings *settings = &pattern->settings;
	struct ndma_source_format format;
	const char *code;

	if (ndma_source_format(source, setup->format, &format)) {
		fprintf(stderr, "ndma-acquire: %s\n", ndma_error());
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
	return 0;
}

struct pattern *pattern_of(struct ndma_stream *stream, const struct ndma_source *source)
{
	const char *name = ndma_source_name(source);
	struct pattern *pattern;

	/* The virtual digitizer makes what sim makes, from the same controls. */
	if (strncmp(name, "sim", 3) && strncmp(name, "vdig", 4)) {
		fprintf(stderr, "ndma-acquire: --check: nobody knows what %s should make\n", name);
		return NULL;
	}
	pattern = calloc(1, sizeof(*pattern));
	if (!pattern) {
		perror("ndma-acquire");
		return NULL;
	}
	pattern->stream = stream;
	if (!describe(pattern, source) && pattern->settings.pattern < NDMA_SIM_PATTERN_OFF)
		return pattern;
	fprintf(stderr, "ndma-acquire: --check: %s makes no pattern\n", name);
	free(pattern);
	return NULL;
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
	if (pattern->reports++ < 8)
		fprintf(stderr, "ndma-acquire: frame %llu, channel %u: sample %u is wrong\n",
			(unsigned long long)frame->completion.sequence, channel, right);
	return false;
}

bool pattern_check(struct pattern *pattern, const struct ndma_frame *frame)
{
	uint32_t numbers = pattern->settings.iq ? 2 : 1, channel, number;
	struct ndma_layout layout;
	bool right = true;

	ndma_frame_layout(pattern->stream, frame, &layout);
	for (channel = 0; channel < layout.shape[0]; channel++)
		for (number = 0; number < numbers; number++)
			right &= check_channel(pattern, frame, &layout, channel, number);
	return right;
}

void pattern_free(struct pattern *pattern)
{
	free(pattern);
}
