/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ndma_control.h - the settings of a source: which there are, and which values they take
 *
 * The module's sources and the memfd backend describe their controls by the same structure and answer
 * by the same rules. Integers only, no libc, no allocation; every function may be called from any
 * context. An array of descriptions is in the order of growing ids.
 */
#ifndef NDMA_CONTROL_H
#define NDMA_CONTROL_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/math64.h>
#include <uapi/linux/ndma.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/ndma.h>
#endif

/**
 * struct ndma_control_desc - one setting
 * @id: NDMA_CONTROL_…
 * @type: NDMA_CONTROL_INTEGER, …
 * @name: a lower-case identifier
 * @unit: of value * 10^exponent, or NULL
 * @exponent: decimal exponent of the value
 * @live: may change while the stream runs
 * @min: smallest value; a menu: 0
 * @max: largest value; a menu: last index
 * @step: step, at least 1
 * @preset: value of a new file
 * @menu: names of a menu's values, @max + 1 of them; NULL: no value has this number. The first and
 *   the last have names. A name keeps its number for ever: programs have it
 */
struct ndma_control_desc {
	__u32 id;
	__u32 type;
	const char *name;
	const char *unit;
	__s32 exponent;
	bool live;
	__s64 min, max, step, preset;
	const char *const *menu;
};

/* Everything called ndma_control__ is internal to this header. */

static inline __u64 ndma_control__divide(__u64 value, __u64 divisor, __u64 *rest)
{
#ifdef __KERNEL__
	return div64_u64_rem(value, divisor, rest);
#else
	*rest = value % divisor;
	return value / divisor;
#endif
}

/* Zeros behind the end; a NUL in any case. */
static inline void ndma_control__copy(char *to, __u32 room, const char *from)
{
	__u32 i;

	for (i = 0; i < room; i++) {
		to[i] = from && i < room - 1 ? *from : 0;
		if (from && !*from++)
			from = NULL;
	}
}

/**
 * ndma_control_lookup() - a control by its id
 * @controls: descriptions
 * @count: how many
 * @id: any number; one or-ed with %NDMA_CONTROL_NEXT is no control's
 *
 * Return: its description; NULL: there is none, which is -EINVAL.
 */
static inline const struct ndma_control_desc *
ndma_control_lookup(const struct ndma_control_desc *controls, __u32 count, __u32 id)
{
	__u32 i;

	for (i = 0; i < count; i++)
		if (controls[i].id == id)
			return &controls[i];
	return NULL;
}

/**
 * ndma_control_seek() - the control that NDMA_CONTROL_QUERY means
 * @controls: descriptions
 * @count: how many
 * @id: an id; or-ed with %NDMA_CONTROL_NEXT: the first control behind it
 *
 * Return: its description; NULL: there is none, which is -EINVAL.
 */
static inline const struct ndma_control_desc *
ndma_control_seek(const struct ndma_control_desc *controls, __u32 count, __u32 id)
{
	__u32 i;

	if (!(id & NDMA_CONTROL_NEXT))
		return ndma_control_lookup(controls, count, id);
	for (i = 0; i < count; i++)
		if (controls[i].id > (id & ~NDMA_CONTROL_NEXT))
			return &controls[i];
	return NULL;
}

/**
 * ndma_control_describe() - the answer to NDMA_CONTROL_QUERY
 * @control: the control
 * @info: all but size is written
 */
static inline void ndma_control_describe(const struct ndma_control_desc *control,
					 struct ndma_control_info *info)
{
	info->id = control->id;
	info->type = control->type;
	info->flags = control->live ? NDMA_CONTROL_LIVE : 0;
	ndma_control__copy(info->name, sizeof(info->name), control->name);
	ndma_control__copy(info->unit, sizeof(info->unit), control->unit);
	info->exponent = control->exponent;
	info->reserved = 0;
	info->min = control->min;
	info->max = control->max;
	info->step = control->step;
	info->preset = control->preset;
}

/**
 * ndma_control_choose() - the name of one value of a menu
 * @control: a control, or NULL
 * @index: the value
 * @name: written, where there is one
 *
 * Return: 0; -EINVAL: no menu, or no value of it has this number.
 */
static inline int ndma_control_choose(const struct ndma_control_desc *control, __u32 index,
				      char name[NDMA_NAME_MAX])
{
	if (!control || control->type != NDMA_CONTROL_MENU || index > control->max ||
	    !control->menu[index])
		return -EINVAL;
	ndma_control__copy(name, NDMA_NAME_MAX, control->menu[index]);
	return 0;
}

/* The number nearest to @value that has a name; of two the lower. @value is one of the menu. */
static inline __s64 ndma_control__nearest_choice(const struct ndma_control_desc *control,
						 __s64 value)
{
	__s64 far;

	for (far = 0; far <= control->max; far++) {
		if (value - far >= 0 && control->menu[value - far])
			return value - far;
		if (value + far <= control->max && control->menu[value + far])
			return value + far;
	}
	return control->preset;
}

/**
 * ndma_control_round() - the nearest valid value
 * @control: any control but a button
 * @value: any number
 *
 * Return: it; @value itself where that is valid; of two that are as near the lower.
 */
static inline __s64 ndma_control_round(const struct ndma_control_desc *control, __s64 value)
{
	__u64 distance, steps, rest;

	if (value < control->min)
		value = control->min;
	if (value > control->max)
		value = control->max;
	if (control->type == NDMA_CONTROL_MENU)
		return ndma_control__nearest_choice(control, value);
	/* Unsigned: the range may be all of 64 bits. */
	distance = (__u64)value - (__u64)control->min;
	steps = ndma_control__divide(distance, (__u64)control->step, &rest);
	if (rest > (__u64)control->step / 2 &&
	    (__u64)control->max - (__u64)value >= (__u64)control->step - rest)
		steps++;
	return (__s64)((__u64)control->min + steps * (__u64)control->step);
}

/**
 * ndma_control_admit_get() - may this control be read?
 * @control: a control, or NULL: the source has none such
 *
 * Return: 0; -EINVAL: it may not, or it is a button, which has no value.
 */
static inline int ndma_control_admit_get(const struct ndma_control_desc *control)
{
	return control && control->type != NDMA_CONTROL_BUTTON ? 0 : -EINVAL;
}

/**
 * ndma_control_admit_set() - may this control be set now?
 * @control: a control, or NULL: the source has none such
 * @running: the stream runs
 * @value: any number, which of a button does not matter; on -ERANGE the nearest valid one is written
 *
 * -EBUSY comes before -ERANGE: a running stream answers the same whatever the value is.
 *
 * Return: 0; -EINVAL: no control; -EBUSY: the stream has to stop first; -ERANGE: no valid value.
 */
static inline int ndma_control_admit_set(const struct ndma_control_desc *control, bool running,
					 __s64 *value)
{
	__s64 nearest;

	if (!control)
		return -EINVAL;
	if (running && !control->live)
		return -EBUSY;
	if (control->type == NDMA_CONTROL_BUTTON)
		return 0;
	nearest = ndma_control_round(control, *value);
	if (nearest == *value)
		return 0;
	*value = nearest;
	return -ERANGE;
}

#endif /* NDMA_CONTROL_H */
