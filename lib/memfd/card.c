// SPDX-License-Identifier: MIT
/* The simulated card behind a source and its streams: what it makes, whether it is plugged in. */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

const struct ndma_format_desc ndma_memfd_formats[] = { NDMA_SIM_FORMATS };
static const struct memfd_channel channels[] = { NDMA_SIM_CHANNELS };

const uint32_t ndma_memfd_nr_formats = sizeof(ndma_memfd_formats) / sizeof(*ndma_memfd_formats);
const uint32_t ndma_memfd_nr_channels = sizeof(channels) / sizeof(*channels);

void ndma_memfd_card_info(struct ndma_source_info *info)
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

int ndma_memfd_card_channel(uint32_t index, struct ndma_source_channel *channel)
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

int ndma_memfd_card_add(struct memfd_card *card, struct memfd_stream *stream)
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

void ndma_memfd_card_remove(struct memfd_card *card, struct memfd_stream *stream)
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
		ndma_memfd_wait_set_state(stream, NDMA_STREAM_GONE);
		pthread_mutex_unlock(&stream->lock);
	}
	pthread_mutex_unlock(&card->lock);
}
