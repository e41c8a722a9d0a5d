// SPDX-License-Identifier: GPL-2.0-only
/* Sources: acquisition cards that a driver has registered. */
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

static void ndma_source_free(struct kref *ref)
{
	kfree_rcu(container_of(ref, struct ndma_source, ref), rcu);
}

/* Pairs with kref_get() in ndma_file_open(). */
void ndma_source_put(struct ndma_source *source)
{
	kref_put(&source->ref, ndma_source_free);
}

void ndma_source_for_streams(struct ndma_source *source,
			     void (*what)(struct ndma_stream *stream))
{
	struct ndma_stream *stream;

	mutex_lock(&source->streams_lock);
	list_for_each_entry(stream, &source->streams, link)
		what(stream);
	mutex_unlock(&source->streams_lock);
}

struct ndma_rational ndma_source_rate(struct ndma_stream *stream)
{
	const struct ndma_source_desc *desc = stream->source->desc;

	if (desc->ops->rate)
		return desc->ops->rate(stream);
	return (struct ndma_rational) {
		.num = ndma_stream_control(stream, NDMA_CONTROL_RATE), .den = 1,
	};
}

int ndma_source_info_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_source *source = stream->source;
	const struct ndma_source_desc *desc;
	struct ndma_source_info *info = arg;
	int ret;

	if (info->flags || info->reserved)
		return -EINVAL;
	ret = ndma_stream_lock(stream);
	if (ret)
		return ret;
	desc = source->desc;
	info->flags = desc->flags;
	strscpy_pad(info->name, source->name, sizeof(info->name));
	strscpy_pad(info->driver, module_name(source->owner), sizeof(info->driver));
	strscpy_pad(info->device, desc->dev ? dev_name(desc->dev) : "", sizeof(info->device));
	info->abi = NDMA_ABI_VERSION;
	info->formats = desc->nr_formats;
	info->channels = desc->nr_channels;
	info->frames_min = desc->frames_min;
	info->frames_max = desc->frames_max;
	info->streams_max = desc->streams_max;
	info->frame_bytes_max = desc->frame_bytes_max;
	info->samples_step = max(desc->samples_step, 1u);
	info->rate = stream->started ? stream->rate : ndma_source_rate(stream);
	info->start_monotonic_ns = stream->start_monotonic;
	info->start_realtime_ns = stream->start_realtime;
	ndma_stream_unlock(stream);
	return 0;
}

int ndma_source_format_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	const struct ndma_format_desc *desc;
	struct ndma_source_format *format = arg;
	int ret;

	if (format->flags)
		return -EINVAL;
	ret = ndma_stream_lock(stream);
	if (ret)
		return ret;
	if (format->index < stream->source->desc->nr_formats) {
		desc = &stream->source->desc->formats[format->index];
		format->flags = desc->flags;
		format->itemsize = desc->itemsize;
		format->orders = desc->orders;
		format->bits = desc->bits;
		strscpy_pad(format->format, desc->format, sizeof(format->format));
	} else {
		ret = -EINVAL;
	}
	ndma_stream_unlock(stream);
	return ret;
}

int ndma_source_channel_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	const struct ndma_channel_desc *desc;
	struct ndma_source_channel *channel = arg;
	int ret = ndma_stream_lock(stream);

	if (ret)
		return ret;
	if (channel->index < stream->source->desc->nr_channels) {
		desc = &stream->source->desc->channels[channel->index];
		strscpy_pad(channel->name, desc->name, sizeof(channel->name));
		strscpy_pad(channel->unit, desc->unit ?: "", sizeof(channel->unit));
		channel->scale = desc->scale;
		channel->offset = desc->offset;
	} else {
		ret = -EINVAL;
	}
	ndma_stream_unlock(stream);
	return ret;
}
