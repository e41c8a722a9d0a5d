// SPDX-License-Identifier: MIT
/*
 * sim0 without the module. Each source that is opened is a card of its own, unplugged by its own
 * fault knob; its streams are opened from it.
 */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

#define NAME "sim0"

const struct memfd_format ndma_memfd_formats[] = { NDMA_SIM_FORMATS };
static const struct memfd_channel channels[] = { NDMA_SIM_CHANNELS };

const uint32_t ndma_memfd_nr_formats = sizeof(ndma_memfd_formats) / sizeof(*ndma_memfd_formats);
const uint32_t ndma_memfd_nr_channels = sizeof(channels) / sizeof(*channels);

int ndma_memfd_source_list(char (*names)[NDMA_NAME_MAX], size_t room)
{
	if (room)
		strcpy(names[0], NAME);
	return 1;
}

int ndma_memfd_source_open(const char *name, struct ndma_source **out)
{
	struct memfd_source *source;
	struct memfd_card *card;

	if (strcmp(name, NAME))
		return ndma_set_error(ENOENT,
				      "no source \"%.31s\" without module ndma: memfd has " NAME
				      " (sudo modprobe ndma for others)",
				      name);
	source = calloc(1, sizeof(*source));
	card = calloc(1, sizeof(*card));
	if (!source || !card) {
		free(source);
		free(card);
		return ndma_set_error(ENOMEM, "no memory for a source object");
	}
	ndma_source_init(&source->base, &ndma_backend_memfd, -1, name);
	card->refs = 1;
	pthread_mutex_init(&card->lock, NULL);
	pthread_mutex_init(&source->lock, NULL);
	source->card = card;
	ndma_memfd_control_presets(source->values);
	*out = &source->base;
	return 0;
}

void ndma_memfd_source_free(struct ndma_source *base)
{
	struct memfd_source *source = ndma_memfd_source(base);

	ndma_memfd_card_put(source->card);
	pthread_mutex_destroy(&source->lock);
	free(source);
}

void ndma_memfd_source_describe(struct ndma_source_info *info)
{
	info->flags = NDMA_SOURCE_SOFTWARE | NDMA_SOURCE_HW_TIME;
	strcpy(info->driver, "ndma_memfd");
	info->abi = NDMA_ABI_VERSION;
	info->formats = ndma_memfd_nr_formats;
	info->channels = ndma_memfd_nr_channels;
	info->frames_min = NDMA_SIM_FRAMES_MIN;
	info->frames_max = NDMA_SIM_FRAMES_MAX;
	info->frame_bytes_max = NDMA_SIM_FRAME_BYTES_MAX;
	info->samples_step = NDMA_SIM_SAMPLES_STEP;
}

int ndma_memfd_source_info(const struct ndma_source *base, struct ndma_source_info *info)
{
	int64_t rate;
	int rc;

	rc = ndma_memfd_card_check(ndma_memfd_source(base)->card);
	if (!rc)
		rc = ndma_memfd_control_get(base, NDMA_CONTROL_RATE, &rate);
	if (rc)
		return rc;
	ndma_memfd_source_describe(info);
	memcpy(info->name, base->name, sizeof(info->name));
	info->rate.num = rate;
	info->rate.den = 1;
	return 0;
}

int ndma_memfd_source_format(const struct ndma_source *source, uint32_t index,
			     struct ndma_source_format *format)
{
	const struct memfd_format *has;

	(void)source;
	if (index >= ndma_memfd_nr_formats)
		return ndma_set_error(EINVAL, "format %u: the source has 0 to %u", index,
				      ndma_memfd_nr_formats - 1);
	has = &ndma_memfd_formats[index];
	format->flags = has->flags;
	format->itemsize = has->itemsize;
	format->orders = has->orders;
	format->bits = has->bits;
	strncpy(format->format, has->format, sizeof(format->format) - 1);
	return 0;
}

int ndma_memfd_channel_describe(uint32_t index, struct ndma_source_channel *channel)
{
	if (index >= ndma_memfd_nr_channels)
		return ndma_set_error(EINVAL, "channel %u: the source has 0 to %u", index,
				      ndma_memfd_nr_channels - 1);
	strncpy(channel->name, channels[index].name, sizeof(channel->name) - 1);
	strncpy(channel->unit, channels[index].unit, sizeof(channel->unit) - 1);
	channel->scale = channels[index].scale;
	channel->offset = channels[index].offset;
	return 0;
}

int ndma_memfd_source_channel(const struct ndma_source *source, uint32_t index,
			      struct ndma_source_channel *channel)
{
	(void)source;
	return ndma_memfd_channel_describe(index, channel);
}

/* ---------------------------------------------------------------- the card */

static int gone(void)
{
	return ndma_set_error(ENODEV,
			      "the source is gone: unplugged (fault_vanish); open it again");
}

int ndma_memfd_card_check(struct memfd_card *card)
{
	bool is_gone;

	pthread_mutex_lock(&card->lock);
	is_gone = card->gone;
	pthread_mutex_unlock(&card->lock);
	return is_gone ? gone() : 0;
}

int ndma_memfd_card_join(struct memfd_card *card, struct memfd_stream *stream)
{
	int rc = 0;

	pthread_mutex_lock(&card->lock);
	if (card->gone) {
		rc = gone();
	} else {
		stream->next = card->streams;
		card->streams = stream;
		__atomic_add_fetch(&card->refs, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&card->lock);
	return rc;
}

void ndma_memfd_card_leave(struct memfd_card *card, struct memfd_stream *stream)
{
	struct memfd_stream **link = &card->streams;

	pthread_mutex_lock(&card->lock);
	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	pthread_mutex_unlock(&card->lock);
}

void ndma_memfd_card_put(struct memfd_card *card)
{
	if (__atomic_sub_fetch(&card->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&card->lock);
	free(card);
}

void ndma_memfd_card_vanish(struct memfd_card *card)
{
	struct memfd_stream *stream;

	pthread_mutex_lock(&card->lock);
	card->gone = true;
	for (stream = card->streams; stream; stream = stream->next) {
		pthread_mutex_lock(&stream->lock);
		ndma_memfd_stream_set_state(stream, NDMA_STREAM_GONE);
		pthread_mutex_unlock(&stream->lock);
	}
	pthread_mutex_unlock(&card->lock);
}
