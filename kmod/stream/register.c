// SPDX-License-Identifier: GPL-2.0-only
/* The drivers' door: how an acquisition card comes and goes. */
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

/* Most frames_max of a source: a stream's rings grow with its frames. */
#define FRAMES_LIMIT	65536

static LIST_HEAD(ndma_sources);
static DEFINE_MUTEX(ndma_sources_lock);

static const char *ndma_desc_check_formats(const struct ndma_source_desc *desc)
{
	const struct ndma_format_desc *format;

	if (!desc->nr_formats)
		return "no format";
	for (format = desc->formats; format < desc->formats + desc->nr_formats; format++) {
		if (!format->format || strlen(format->format) >= 16 || !format->itemsize)
			return "a format without code or size";
		if (!format->orders ||
		    format->orders & ~(NDMA_ORDER_PLANAR | NDMA_ORDER_INTERLEAVED))
			return "a format without a valid order";
	}
	return NULL;
}

static const char *ndma_desc_check_controls(const struct ndma_source_desc *desc)
{
	const struct ndma_control_desc *control;
	u32 last = 0;

	for (control = desc->controls; control < desc->controls + desc->nr_controls; control++) {
		if (control->id <= last || control->id & NDMA_CONTROL_NEXT)
			return "controls that do not grow by id";
		last = control->id;
		if (!control->name || control->step < 1 || control->preset < control->min ||
		    control->preset > control->max)
			return "a control without name or step, or whose preset is out of range";
		if (control->type == NDMA_CONTROL_MENU &&
		    (!control->menu || control->min || control->step != 1 || !control->menu[0] ||
		     !control->menu[control->max] || !control->menu[control->preset]))
			return "a menu without names, or whose preset has none";
	}
	return NULL;
}

static const char *ndma_desc_check_ops(const struct ndma_source_ops *ops)
{
	if (!ops)
		return "no ops: start, stop and queue are required";
	if (!ops->start)
		return "no op start, which is required";
	if (!ops->stop)
		return "no op stop, which is required";
	return ops->queue ? NULL : "no op queue, which is required";
}

/* What is wrong with a description, or NULL. */
static const char *ndma_desc_check(const struct ndma_source_desc *desc)
{
	const char *why;
	u32 i;

	if (!desc->name || !*desc->name || strlen(desc->name) > NDMA_NAME_MAX - 12 ||
	    isdigit(desc->name[strlen(desc->name) - 1]))
		return "no name, a long one, or one that ends in a digit";
	why = ndma_desc_check_ops(desc->ops);
	if (why)
		return why;
	if (desc->frames_min < 2 || desc->frames_max < desc->frames_min ||
	    desc->frames_max > FRAMES_LIMIT)
		return "frames_min below 2, or frames_max below that or above 65536";
	if (!desc->frame_bytes_max)
		return "frame_bytes_max of 0";
	if (!desc->nr_channels)
		return "no channel";
	for (i = 0; i < desc->nr_channels; i++)
		if (!desc->channels[i].name || !desc->channels[i].scale.den ||
		    !desc->channels[i].offset.den)
			return "a channel without a name, or with a denominator of 0";
	why = ndma_desc_check_formats(desc);
	return why ?: ndma_desc_check_controls(desc);
}

/* The lowest number that no source of this name has. */
static void ndma_source_number(struct ndma_source *source)
{
	struct ndma_source *other;

again:
	list_for_each_entry(other, &ndma_sources, link) {
		if (other->number == source->number &&
		    !strcmp(other->desc->name, source->desc->name)) {
			source->number++;
			goto again;
		}
	}
	snprintf(source->name, sizeof(source->name), "%s%u", source->desc->name,
		 source->number);
}

struct ndma_source *__ndma_source_register(const struct ndma_source_desc *desc, void *priv,
					   u32 interface)
{
	struct ndma_source *source;
	struct device *node;
	const char *why;

	/* First of all: another interface's description may be laid out in another way. */
	if (interface != NDMA_SOURCE_INTERFACE) {
		pr_err("ndma: a source is not registered: its driver was built for interface %u of ndma_source.h, and this is %u; build it anew\n",
		       interface, NDMA_SOURCE_INTERFACE);
		return ERR_PTR(-EINVAL);
	}
	why = ndma_desc_check(desc);
	if (why) {
		pr_err("ndma: source '%s' is not registered: its description has %s\n",
		       desc->name ?: "", why);
		return ERR_PTR(-EINVAL);
	}
	source = kzalloc(sizeof(*source), GFP_KERNEL);
	if (!source)
		return ERR_PTR(-ENOMEM);
	source->desc = desc;
	source->owner = desc->owner;
	source->priv = priv;
	kref_init(&source->ref);
	init_rwsem(&source->lock);
	mutex_init(&source->streams_lock);
	INIT_LIST_HEAD(&source->streams);
	init_waitqueue_head(&source->awake);

	mutex_lock(&ndma_sources_lock);
	ndma_source_number(source);
	node = ndma_node_create(source->name, &ndma_source_type, source, ndma_source_groups,
				desc->dev, &source->minor);
	if (!IS_ERR(node))
		list_add(&source->link, &ndma_sources);
	mutex_unlock(&ndma_sources_lock);
	if (IS_ERR(node)) {
		ndma_source_put(source);
		return ERR_CAST(node);
	}
	return source;
}
EXPORT_SYMBOL_GPL(__ndma_source_register);

void ndma_source_unregister(struct ndma_source *source)
{
	if (IS_ERR_OR_NULL(source))
		return;
	/* After this nobody opens the source, and nobody reads its attributes. */
	ndma_node_destroy(source->minor);
	down_write(&source->lock);
	WRITE_ONCE(source->gone, true);
	ndma_source_for_streams(source, ndma_stream_kill);
	up_write(&source->lock);
	wake_up_all(&source->awake);

	mutex_lock(&ndma_sources_lock);
	list_del(&source->link);
	mutex_unlock(&ndma_sources_lock);
	ndma_source_put(source);
}
EXPORT_SYMBOL_GPL(ndma_source_unregister);

void *ndma_source_priv(const struct ndma_source *source)
{
	return source->priv;
}
EXPORT_SYMBOL_GPL(ndma_source_priv);

const char *ndma_source_name(const struct ndma_source *source)
{
	return source->name;
}
EXPORT_SYMBOL_GPL(ndma_source_name);
