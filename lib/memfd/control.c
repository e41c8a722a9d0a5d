// SPDX-License-Identifier: MIT
/* The simulated card's controls: the table of ndma_sim.h, and values in its order. */
#include <string.h>

#include "stream.h"

static const char *const patterns[] = NDMA_SIM_PATTERN_MENU;
static const char *const triggers[] = NDMA_SIM_TRIGGER_MENU;

const struct memfd_control ndma_memfd_controls[] = { NDMA_SIM_CONTROLS(patterns, triggers) };

_Static_assert(sizeof(ndma_memfd_controls) / sizeof(*ndma_memfd_controls) == MEMFD_CONTROLS,
	       "MEMFD_CONTROLS counts NDMA_SIM_CONTROLS");

/* Index of a control, or -1. */
static int find(uint32_t id)
{
	int i;

	for (i = 0; i < MEMFD_CONTROLS; i++)
		if (ndma_memfd_controls[i].id == id)
			return i;
	return -1;
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
	return values[find(id)];
}

/* All steps are 1. */
static int64_t nearest(const struct memfd_control *control, int64_t value)
{
	if (value < control->min)
		return control->min;
	return value > control->max ? control->max : value;
}

int ndma_memfd_control_store(int64_t *values, uint32_t id, int64_t *value, bool running)
{
	const struct memfd_control *control;
	int at = find(id);

	if (at < 0)
		return unknown(id);
	control = &ndma_memfd_controls[at];
	if (control->type == NDMA_CONTROL_BUTTON)
		return 0;
	if (nearest(control, *value) != *value) {
		*value = nearest(control, *value);
		return -ERANGE;
	}
	if (running && !control->live)
		return -EBUSY;
	values[at] = *value;
	return 0;
}

int ndma_memfd_control_query(const struct ndma_source *source, uint32_t id,
			     struct ndma_control_info *info)
{
	const struct memfd_control *control = NULL;
	int i;

	(void)source;
	for (i = 0; i < MEMFD_CONTROLS && !control; i++) {
		uint32_t has = ndma_memfd_controls[i].id;

		if (id & NDMA_CONTROL_NEXT ? has > (id & ~NDMA_CONTROL_NEXT) : has == id)
			control = &ndma_memfd_controls[i];
	}
	if (!control)
		return unknown(id & ~NDMA_CONTROL_NEXT);
	info->id = control->id;
	info->type = control->type;
	strncpy(info->name, control->name, sizeof(info->name) - 1);
	if (control->unit)
		strncpy(info->unit, control->unit, sizeof(info->unit) - 1);
	info->exponent = control->exponent;
	info->min = control->min;
	info->max = control->max;
	info->step = control->step;
	info->preset = control->preset;
	return 0;
}

int ndma_memfd_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index,
			    char name[NDMA_NAME_MAX])
{
	const struct memfd_control *control;
	int at = find(id);

	(void)source;
	if (at < 0)
		return unknown(id);
	control = &ndma_memfd_controls[at];
	if (!control->menu)
		return ndma_set_error(EINVAL, "%s is no menu", control->name);
	if (index > control->max)
		return ndma_set_error(EINVAL, "item %u of %s: it has 0 to %lld", index,
				      control->name, (long long)control->max);
	memset(name, 0, NDMA_NAME_MAX);
	strncpy(name, control->menu[index], NDMA_NAME_MAX - 1);
	return 0;
}

int ndma_memfd_control_get(const struct ndma_source *base, uint32_t id, int64_t *value)
{
	struct memfd_source *source = ndma_memfd_source(base);
	int at = find(id);

	if (at < 0)
		return unknown(id);
	pthread_mutex_lock(&source->lock);
	*value = source->values[at];
	pthread_mutex_unlock(&source->lock);
	return 0;
}

int ndma_memfd_control_set(struct ndma_source *base, uint32_t id, int64_t *value)
{
	struct memfd_source *source = ndma_memfd_source(base);
	int rc;

	rc = ndma_memfd_card_check(source->card);
	if (rc)
		return rc;
	pthread_mutex_lock(&source->lock);
	rc = ndma_memfd_control_store(source->values, id, value, false);
	pthread_mutex_unlock(&source->lock);
	return rc;
}
