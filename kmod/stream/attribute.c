// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a source says of itself in sysfs, read-only, one fact a file: /sys/class/ndma/<name>/.
 * For people and scripts; programs ask the device file, which has the same and more.
 */
#include <linux/module.h>
#include <linux/sysfs.h>

#include "internal.h"

static const struct ndma_source *ndma_attribute_source(struct device *node)
{
	return dev_get_drvdata(node);
}

/* The module that drives it. */
static ssize_t driver_name_show(struct device *node, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", module_name(ndma_attribute_source(node)->owner));
}
static DEVICE_ATTR_RO(driver_name);

/* A line each: PEP 3118 code, significant bits, orders. */
static ssize_t formats_show(struct device *node, struct device_attribute *attr, char *buf)
{
	const struct ndma_source_desc *desc = ndma_attribute_source(node)->desc;
	ssize_t at = 0;
	u32 i;

	for (i = 0; i < desc->nr_formats; i++) {
		const struct ndma_format_desc *format = &desc->formats[i];

		at += sysfs_emit_at(buf, at, "%s %u%s%s%s\n", format->format, format->bits,
				    format->orders & NDMA_ORDER_PLANAR ? " planar" : "",
				    format->orders & NDMA_ORDER_INTERLEAVED ? " interleaved" : "",
				    format->flags & NDMA_FORMAT_IQ ? " iq" : "");
	}
	return at;
}
static DEVICE_ATTR_RO(formats);

/* A line each: name, units per count, units at count 0, unit. */
static ssize_t channels_show(struct device *node, struct device_attribute *attr, char *buf)
{
	const struct ndma_source_desc *desc = ndma_attribute_source(node)->desc;
	ssize_t at = 0;
	u32 i;

	for (i = 0; i < desc->nr_channels; i++) {
		const struct ndma_channel_desc *channel = &desc->channels[i];

		at += sysfs_emit_at(buf, at, "%s %lld/%llu %lld/%llu %s\n", channel->name,
				    channel->scale.num, channel->scale.den, channel->offset.num,
				    channel->offset.den, channel->unit ?: "");
	}
	return at;
}
static DEVICE_ATTR_RO(channels);

/* A line each: name, smallest, largest, step, preset, and a unit or the names of a menu. */
static ssize_t controls_show(struct device *node, struct device_attribute *attr, char *buf)
{
	const struct ndma_source_desc *desc = ndma_attribute_source(node)->desc;
	ssize_t at = 0;
	u32 i;
	s64 k;

	for (i = 0; i < desc->nr_controls; i++) {
		const struct ndma_control_desc *control = &desc->controls[i];

		at += sysfs_emit_at(buf, at, "%s %lld %lld %lld %lld", control->name,
				    control->min, control->max, control->step, control->preset);
		if (control->unit)
			at += sysfs_emit_at(buf, at, " %s", control->unit);
		for (k = 0; control->type == NDMA_CONTROL_MENU && k <= control->max; k++)
			at += sysfs_emit_at(buf, at, " %s", control->menu[k] ?: "-");
		at += sysfs_emit_at(buf, at, "\n");
	}
	return at;
}
static DEVICE_ATTR_RO(controls);

/* Sample rates in Hz: smallest, largest, step. Empty where the rate is not for the user to set. */
static ssize_t rates_show(struct device *node, struct device_attribute *attr, char *buf)
{
	const struct ndma_control_desc *rate =
		ndma_control_of(ndma_attribute_source(node)->desc, NDMA_CONTROL_RATE);

	if (!rate)
		return 0;
	return sysfs_emit(buf, "%lld %lld %lld\n", rate->min, rate->max, rate->step);
}
static DEVICE_ATTR_RO(rates);

/* Fewest and most frames of a stream. */
static ssize_t frames_show(struct device *node, struct device_attribute *attr, char *buf)
{
	const struct ndma_source_desc *desc = ndma_attribute_source(node)->desc;

	return sysfs_emit(buf, "%u %u\n", desc->frames_min, desc->frames_max);
}
static DEVICE_ATTR_RO(frames);

static ssize_t frame_bytes_max_show(struct device *node, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", ndma_attribute_source(node)->desc->frame_bytes_max);
}
static DEVICE_ATTR_RO(frame_bytes_max);

/* Streams that are set up, and how many there can be; 0: any number. */
static ssize_t streams_show(struct device *node, struct device_attribute *attr, char *buf)
{
	const struct ndma_source *source = ndma_attribute_source(node);

	return sysfs_emit(buf, "%d %u\n", atomic_read(&source->claimed),
			  source->desc->streams_max);
}
static DEVICE_ATTR_RO(streams);

static struct attribute *ndma_source_attrs[] = {
	&dev_attr_driver_name.attr,
	&dev_attr_formats.attr,
	&dev_attr_channels.attr,
	&dev_attr_controls.attr,
	&dev_attr_rates.attr,
	&dev_attr_frames.attr,
	&dev_attr_frame_bytes_max.attr,
	&dev_attr_streams.attr,
	NULL,
};

static const struct attribute_group ndma_source_group = {
	.attrs = ndma_source_attrs,
};

const struct attribute_group *ndma_source_groups[] = {
	&ndma_source_group,
	NULL,
};
