// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controls: typed, ranged settings of one open file of a source.
 *
 * Values are read by drivers in any context, so each is one word, stored and loaded whole; the
 * stream's mutex orders those who set them.
 */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

int ndma_control_init(struct ndma_stream *stream)
{
	const struct ndma_source_desc *desc = stream->source->desc;
	u32 i;

	if (!desc->nr_controls)
		return 0;
	stream->controls = kvcalloc(desc->nr_controls, sizeof(*stream->controls),
				    GFP_KERNEL_ACCOUNT);
	if (!stream->controls)
		return -ENOMEM;
	for (i = 0; i < desc->nr_controls; i++)
		stream->controls[i] = desc->controls[i].preset;
	return 0;
}

const struct ndma_control_desc *ndma_control_lookup(const struct ndma_source_desc *desc, u32 id)
{
	u32 i;

	for (i = 0; i < desc->nr_controls; i++)
		if (desc->controls[i].id == id)
			return &desc->controls[i];
	return NULL;
}

static s64 *ndma_control_value(const struct ndma_stream *stream,
			       const struct ndma_control_desc *control)
{
	return &stream->controls[control - stream->source->desc->controls];
}

s64 ndma_stream_control(const struct ndma_stream *stream, u32 id)
{
	const struct ndma_control_desc *control = ndma_control_lookup(stream->source->desc, id);

	return control ? READ_ONCE(*ndma_control_value(stream, control)) : 0;
}
EXPORT_SYMBOL_GPL(ndma_stream_control);

static int ndma_control_describe(const struct ndma_source_desc *desc,
				 struct ndma_control_info *info)
{
	const struct ndma_control_desc *control = NULL;
	u32 i;

	if (info->flags || info->reserved)
		return -EINVAL;
	if (info->id & NDMA_CONTROL_NEXT) {
		for (i = 0; i < desc->nr_controls && !control; i++)
			if (desc->controls[i].id > (info->id & ~NDMA_CONTROL_NEXT))
				control = &desc->controls[i];
	} else {
		control = ndma_control_lookup(desc, info->id);
	}
	if (!control)
		return -EINVAL;
	info->id = control->id;
	info->type = control->type;
	strscpy_pad(info->name, control->name, sizeof(info->name));
	strscpy_pad(info->unit, control->unit ?: "", sizeof(info->unit));
	info->exponent = control->exponent;
	info->min = control->min;
	info->max = control->max;
	info->step = control->step;
	info->preset = control->preset;
	return 0;
}

int ndma_control_query_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	int ret = ndma_stream_lock(stream);

	if (ret)
		return ret;
	ret = ndma_control_describe(stream->source->desc, arg);
	ndma_stream_unlock(stream);
	return ret;
}

int ndma_control_menu_item_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_control_menu_item *item = arg;
	const struct ndma_control_desc *control;
	int ret;

	if (item->reserved)
		return -EINVAL;
	ret = ndma_stream_lock(stream);
	if (ret)
		return ret;
	control = ndma_control_lookup(stream->source->desc, item->id);
	if (!control || control->type != NDMA_CONTROL_MENU || item->index > control->max)
		ret = -EINVAL;
	else
		strscpy_pad(item->name, control->menu[item->index], sizeof(item->name));
	ndma_stream_unlock(stream);
	return ret;
}

int ndma_control_get_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	const struct ndma_control_desc *desc;
	struct ndma_control *control = arg;
	int ret = ndma_stream_lock(stream);

	if (ret)
		return ret;
	desc = ndma_control_lookup(stream->source->desc, control->id);
	if (!desc || desc->type == NDMA_CONTROL_BUTTON)
		ret = -EINVAL;
	else
		control->value = *ndma_control_value(stream, desc);
	ndma_stream_unlock(stream);
	return ret;
}

/* The valid value that is nearest to @value. */
static s64 ndma_control_nearest(const struct ndma_control_desc *desc, s64 value)
{
	u64 distance, steps, rest;

	if (value <= desc->min)
		return desc->min;
	/* Unsigned: the range may be all of 64 bits. */
	distance = (u64)min(value, desc->max) - (u64)desc->min;
	steps = div64_u64_rem(distance, desc->step, &rest);
	if (rest > (u64)desc->step / 2 &&
	    (u64)desc->max - (u64)desc->min - distance >= (u64)desc->step - rest)
		steps++;
	return (s64)((u64)desc->min + steps * (u64)desc->step);
}

static int ndma_control_apply(struct ndma_stream *stream, struct ndma_control *control)
{
	const struct ndma_source_ops *ops = stream->source->desc->ops;
	const struct ndma_control_desc *desc;
	s64 *value, before, nearest;
	int ret;

	desc = ndma_control_lookup(stream->source->desc, control->id);
	if (!desc)
		return -EINVAL;
	if (!desc->live && stream->active)
		return -EBUSY;
	if (desc->type == NDMA_CONTROL_BUTTON)
		return ops->control ? ops->control(stream, desc->id, 0) : 0;
	nearest = ndma_control_nearest(desc, control->value);
	if (nearest != control->value) {
		control->value = nearest;
		return -ERANGE;
	}
	value = ndma_control_value(stream, desc);
	before = *value;
	WRITE_ONCE(*value, nearest);
	ret = ops->control ? ops->control(stream, desc->id, nearest) : 0;
	if (ret)
		WRITE_ONCE(*value, before);
	return ret;
}

int ndma_control_set_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	int ret = ndma_stream_lock(stream);

	if (ret)
		return ret;
	ret = ndma_control_apply(stream, arg);
	ndma_stream_unlock(stream);
	return ret;
}
