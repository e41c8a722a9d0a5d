// SPDX-License-Identifier: MIT
/*
 * sim0 without the module. Each source that is opened is a card of its own, unplugged by its own
 * fault knob; its streams are opened from it.
 */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

#define NAME "sim0"

int ndma_memfd_source_list(char (*names)[NDMA_NAME_MAX], size_t room)
{
	if (room)
		strcpy(names[0], NAME);
	return 1;
}

int ndma_memfd_source_open(const struct ndma_backend *self, const char *name,
			   struct ndma_source **out)
{
	struct memfd_source *source;
	struct memfd_card *card;

	if (strcmp(name, NAME))
		return ndma_set_error(ENOENT,
				      "no source \"%.31s\" without module ndma: memfd has " NAME
				      "; for others, %s",
				      name, ndma_module_advice("ndma"));
	source = calloc(1, sizeof(*source));
	card = calloc(1, sizeof(*card));
	if (!source || !card) {
		free(source);
		free(card);
		return ndma_set_error(ENOMEM, "no memory for a source object");
	}
	ndma_source_init(&source->base, self, -1, name);
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

int ndma_memfd_source_info(const struct ndma_source *base, struct ndma_source_info *info)
{
	int64_t rate;
	int rc;

	rc = ndma_memfd_card_check(ndma_memfd_source(base)->card);
	if (!rc)
		rc = ndma_memfd_control_get(base, NDMA_CONTROL_RATE, &rate);
	if (rc)
		return rc;
	ndma_memfd_card_info(info);
	memcpy(info->name, base->name, sizeof(info->name));
	info->rate.num = rate;
	info->rate.den = 1;
	return 0;
}

int ndma_memfd_source_format(const struct ndma_source *source, uint32_t index,
			     struct ndma_source_format *format)
{
	const struct ndma_format_desc *has;
	int rc;

	rc = ndma_memfd_card_check(ndma_memfd_source(source)->card);
	if (rc)
		return rc;
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

int ndma_memfd_source_channel(const struct ndma_source *source, uint32_t index,
			      struct ndma_source_channel *channel)
{
	int rc = ndma_memfd_card_check(ndma_memfd_source(source)->card);

	return rc ? rc : ndma_memfd_card_channel(index, channel);
}
