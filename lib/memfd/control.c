// SPDX-License-Identifier: MIT
/* The simulated card's controls: the table of ndma_sim.h, and values in its order. */
#include <ctype.h>
#include <string.h>

#include "stream.h"

static const char *const patterns[] = NDMA_SIM_PATTERN_MENU;
static const char *const triggers[] = NDMA_SIM_TRIGGER_MENU;

const struct ndma_control_desc ndma_memfd_controls[] = { NDMA_SIM_CONTROLS(patterns, triggers) };

_Static_assert(sizeof(ndma_memfd_controls) / sizeof(*ndma_memfd_controls) == MEMFD_CONTROLS,
	       "MEMFD_CONTROLS counts NDMA_SIM_CONTROLS");

/* NULL: none such. */
static const struct ndma_control_desc *find(uint32_t id)
{
	return ndma_control_lookup(ndma_memfd_controls, MEMFD_CONTROLS, id);
}

static int unknown(uint32_t id)
{
	return ndma_set_error(EINVAL, "the simulated source has no control 0x%x", id);
}

void ndma_memfd_control_presets(int64_t *values)
{
	int i;

	for (i = 0; i < MEMFD_CONTROLS; i++)
		values[i] = ndma_memfd_controls[i].preset;
}

int64_t ndma_memfd_control_value(const int64_t *values, uint32_t id)
{
	return values[find(id) - ndma_memfd_controls];
}

int ndma_memfd_control_load(const int64_t *values, uint32_t id, int64_t *value)
{
	const struct ndma_control_desc *control = find(id);

	if (!control)
		return unknown(id);
	if (ndma_control_admit_get(control))
		return ndma_set_error(EINVAL, "%s is a button: it is pressed, and has no value",
				      control->name);
	*value = values[control - ndma_memfd_controls];
	return 0;
}

int ndma_memfd_control_store(int64_t *values, uint32_t id, int64_t *value, bool running)
{
	const struct ndma_control_desc *control = find(id);
	__s64 nearest = *value;
	int rc;

	if (!control)
		return unknown(id);
	rc = ndma_control_admit_set(control, running, &nearest);
	*value = nearest;
	if (!rc && control->type != NDMA_CONTROL_BUTTON)
		values[control - ndma_memfd_controls] = *value;
	return rc;
}

void ndma_memfd_stream_configure(struct memfd_stream *stream)
{
	const struct ndma_format_desc *format = stream->format;
	const int64_t *values = stream->values;
	size_t length = strlen(format->format);

	stream->settings = (struct ndma_sim_settings){
		.samples = stream->base.setup.samples,
		.channels = stream->base.setup.channels,
		.order = stream->base.setup.order,
		.itemsize = format->itemsize,
		.bits = format->bits,
		.is_signed = islower((unsigned char)format->format[length - 1]) != 0,
		.iq = format->flags & NDMA_FORMAT_IQ,
#define VALUE(id) ndma_memfd_control_value(values, id)
		.rate = (uint32_t)VALUE(NDMA_CONTROL_RATE),
		.paced = (uint32_t)VALUE(NDMA_SIM_CONTROL_PACED),
		.pattern = (uint32_t)VALUE(NDMA_CONTROL_PATTERN),
		.frequency = (uint32_t)VALUE(NDMA_CONTROL_FREQUENCY),
		.amplitude = (uint32_t)VALUE(NDMA_CONTROL_AMPLITUDE),
		.trigger = (uint32_t)VALUE(NDMA_CONTROL_TRIGGER),
		.trigger_level = (int32_t)VALUE(NDMA_CONTROL_TRIGGER_LEVEL),
		.fault_drop = (uint32_t)VALUE(NDMA_CONTROL_FAULT_DROP),
		.fault_short = (uint32_t)VALUE(NDMA_CONTROL_FAULT_SHORT),
		.fault_error = (uint32_t)VALUE(NDMA_CONTROL_FAULT_ERROR),
		.fault_stall = (uint32_t)VALUE(NDMA_CONTROL_FAULT_STALL),
		.fault_jitter = (uint32_t)VALUE(NDMA_CONTROL_FAULT_JITTER),
		.fault_vanish = (uint32_t)VALUE(NDMA_CONTROL_FAULT_VANISH),
#undef VALUE
	};
}

int ndma_memfd_control_apply(struct memfd_stream *stream, uint32_t id, int64_t *value)
{
	const bool running = stream->state == NDMA_STREAM_RUNNING;
	int64_t before[MEMFD_CONTROLS];
	int rc;

	memcpy(before, stream->values, sizeof(before));
	rc = ndma_memfd_control_store(stream->values, id, value, running);
	if (rc)
		return rc;
	if (id == NDMA_CONTROL_TRIGGER_SOFTWARE &&
	    stream->settings.trigger == NDMA_SIM_TRIGGER_SOFTWARE)
		stream->sim.presses++;
	ndma_memfd_stream_configure(stream);
	stream->changed |= running && memcmp(before, stream->values, sizeof(before));
	/* The thread may be sleeping for a press of the trigger, or for the end of a stall. */
	pthread_cond_signal(&stream->work);
	return 0;
}

static int query(struct memfd_card *card, uint32_t id, struct ndma_control_info *info)
{
	const struct ndma_control_desc *control;
	int rc;

	rc = ndma_memfd_card_check(card);
	if (rc)
		return rc;
	control = ndma_control_seek(ndma_memfd_controls, MEMFD_CONTROLS, id);
	if (!control)
		return unknown(id & ~NDMA_CONTROL_NEXT);
	ndma_control_describe(control, info);
	return 0;
}

int ndma_memfd_control_query(const struct ndma_source *source, uint32_t id,
			     struct ndma_control_info *info)
{
	return query(ndma_memfd_source(source)->card, id, info);
}

int ndma_memfd_stream_control_query(const struct ndma_stream *stream, uint32_t id,
				    struct ndma_control_info *info)
{
	return query(ndma_memfd_stream(stream)->card, id, info);
}

static int menu(struct memfd_card *card, uint32_t id, uint32_t index, char name[NDMA_NAME_MAX])
{
	const struct ndma_control_desc *control = find(id);
	int rc;

	rc = ndma_memfd_card_check(card);
	if (rc)
		return rc;
	if (!control)
		return unknown(id);
	if (!ndma_control_choose(control, index, name))
		return 0;
	if (control->type != NDMA_CONTROL_MENU)
		return ndma_set_error(EINVAL, "%s is no menu", control->name);
	return ndma_set_error(EINVAL, "no item %u of %s: it has 0 to %lld", index, control->name,
			      (long long)control->max);
}

int ndma_memfd_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index,
			    char name[NDMA_NAME_MAX])
{
	return menu(ndma_memfd_source(source)->card, id, index, name);
}

int ndma_memfd_stream_control_menu(const struct ndma_stream *stream, uint32_t id, uint32_t index,
				   char name[NDMA_NAME_MAX])
{
	return menu(ndma_memfd_stream(stream)->card, id, index, name);
}

int ndma_memfd_control_get(const struct ndma_source *base, uint32_t id, int64_t *value)
{
	struct memfd_source *source = ndma_memfd_source(base);
	int rc;

	rc = ndma_memfd_card_check(source->card);
	if (rc)
		return rc;
	pthread_mutex_lock(&source->lock);
	rc = ndma_memfd_control_load(source->values, id, value);
	pthread_mutex_unlock(&source->lock);
	return rc;
}

/* -EBUSY: one of the card's streams runs, and cannot take it. The caller holds the card's lock. */
static int admit_all(const struct memfd_card *card, const struct ndma_control_desc *control,
		     int64_t value)
{
	const struct memfd_stream *stream;

	for (stream = card->streams; stream; stream = stream->next) {
		__s64 nearest = value;

		/* The state is published: it may be read without the stream's lock. */
		if (ndma_control_admit_set(control,
					   __atomic_load_n(&stream->completions->state,
							   __ATOMIC_ACQUIRE) == NDMA_STREAM_RUNNING,
					   &nearest) == -EBUSY)
			return -EBUSY;
	}
	return 0;
}

/* Each source is a card of its own: the card's streams are the source's, and follow it. */
static int set_all(struct memfd_source *source, const struct ndma_control_desc *control,
		   int64_t *value)
{
	struct memfd_stream *stream;
	int rc;

	rc = admit_all(source->card, control, *value);
	if (rc)
		return rc;
	pthread_mutex_lock(&source->lock);
	rc = ndma_memfd_control_store(source->values, control->id, value, false);
	pthread_mutex_unlock(&source->lock);
	for (stream = source->card->streams; stream && !rc; stream = stream->next) {
		pthread_mutex_lock(&stream->lock);
		rc = ndma_memfd_control_apply(stream, control->id, value);
		pthread_mutex_unlock(&stream->lock);
	}
	return rc;
}

int ndma_memfd_control_set(struct ndma_source *base, uint32_t id, int64_t *value)
{
	struct memfd_source *source = ndma_memfd_source(base);
	const struct ndma_control_desc *control = find(id);
	int rc;

	rc = ndma_memfd_card_check(source->card);
	if (rc)
		return rc;
	if (!control)
		return unknown(id);
	pthread_mutex_lock(&source->card->lock);
	rc = set_all(source, control, value);
	pthread_mutex_unlock(&source->card->lock);
	return rc;
}
