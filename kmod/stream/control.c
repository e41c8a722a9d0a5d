// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controls: typed, ranged settings of one open file of a source, and of the streams that follow it.
 *
 * Values are read by drivers in any context, so each is one word, stored and loaded whole; the
 * stream's mutex orders those who set them.
 */
#include <linux/file.h>
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

static int ndma_control_copy_locked(const struct ndma_stream *from, struct ndma_control_copy *copy)
{
	size_t nr = from->source->desc->nr_controls;

	if (nr) {
		copy->values = kvcalloc(nr, sizeof(*copy->values), GFP_KERNEL_ACCOUNT);
		if (!copy->values)
			return -ENOMEM;
		memcpy(copy->values, from->controls, nr * sizeof(*copy->values));
	}
	copy->leader = from->number;
	return 0;
}

static int ndma_control_copy_file(const struct ndma_stream *stream, struct file *file,
				  struct ndma_control_copy *copy)
{
	struct ndma_stream *from = file->private_data;
	int ret;

	if (ndma_node_kind(file) != NDMA_KIND_SOURCE)
		return -EBADF;
	if (from == stream)
		return -EINVAL;
	/* A card that was plugged in again is another source: its old one answers ENODEV. */
	ret = ndma_stream_lock(from);
	if (ret)
		return ret;
	ret = from->source == stream->source ? ndma_control_copy_locked(from, copy) : -EINVAL;
	ndma_stream_unlock(from);
	return ret;
}

int ndma_control_copy(const struct ndma_stream *stream, int fd, struct ndma_control_copy *copy)
{
	struct file *file = fget(fd);
	int ret;

	if (!file)
		return -EBADF;
	ret = ndma_control_copy_file(stream, file, copy);
	fput(file);
	return ret;
}

const struct ndma_control_desc *ndma_control_of(const struct ndma_source_desc *desc, u32 id)
{
	return ndma_control_lookup(desc->controls, desc->nr_controls, id);
}

static s64 *ndma_control_value(const struct ndma_stream *stream,
			       const struct ndma_control_desc *control)
{
	return &stream->controls[control - stream->source->desc->controls];
}

s64 ndma_stream_control(const struct ndma_stream *stream, u32 id)
{
	const struct ndma_control_desc *control = ndma_control_of(stream->source->desc, id);

	return control ? READ_ONCE(*ndma_control_value(stream, control)) : 0;
}
EXPORT_SYMBOL_GPL(ndma_stream_control);

int ndma_control_query_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	const struct ndma_control_desc *control;
	const struct ndma_source_desc *desc;
	struct ndma_control_info *info = arg;
	int ret;

	if (info->flags || info->reserved)
		return -EINVAL;
	ret = ndma_stream_lock(stream);
	if (ret)
		return ret;
	desc = stream->source->desc;
	control = ndma_control_seek(desc->controls, desc->nr_controls, info->id);
	if (control)
		ndma_control_describe(control, info);
	else
		ret = -EINVAL;
	ndma_stream_unlock(stream);
	return ret;
}

int ndma_control_menu_item_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_control_menu_item *item = arg;
	int ret;

	if (item->reserved)
		return -EINVAL;
	ret = ndma_stream_lock(stream);
	if (ret)
		return ret;
	ret = ndma_control_choose(ndma_control_of(stream->source->desc, item->id), item->index,
				  item->name);
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
	desc = ndma_control_of(stream->source->desc, control->id);
	ret = ndma_control_admit_get(desc);
	if (!ret)
		control->value = *ndma_control_value(stream, desc);
	ndma_stream_unlock(stream);
	return ret;
}

/* Would others wait for the fence of the stream's fill, with the controls as they are, for long? */
static bool ndma_control_holds_up(struct ndma_stream *stream)
{
	const struct ndma_fill *fill = &stream->fill;

	return fill->state == NDMA_FILL_RUNNING && fill->fenced && !ndma_stream_is_bound(stream);
}

static int ndma_control_apply(struct ndma_stream *stream, struct ndma_control *control)
{
	const struct ndma_source_ops *ops = stream->source->desc->ops;
	const struct ndma_control_desc *desc;
	s64 *value, before;
	int ret;

	desc = ndma_control_of(stream->source->desc, control->id);
	ret = ndma_control_admit_set(desc, stream->active, &control->value);
	if (ret)
		return ret;
	if (desc->type == NDMA_CONTROL_BUTTON)
		return ops->control ? ops->control(stream, desc->id, 0) : 0;
	value = ndma_control_value(stream, desc);
	before = *value;
	WRITE_ONCE(*value, control->value);
	ret = ndma_control_holds_up(stream) ? -EBUSY : 0;
	if (!ret && ops->control)
		ret = ops->control(stream, desc->id, control->value);
	if (ret)
		WRITE_ONCE(*value, before);
	return ret;
}

/* Would ndma_control_apply() be refused? Where only the value is wrong, that is for the leader to say. */
static int ndma_control_admit(struct ndma_stream *stream, struct ndma_control *control)
{
	const struct ndma_control_desc *desc = ndma_control_of(stream->source->desc, control->id);
	s64 value = control->value;
	int ret = ndma_control_admit_set(desc, stream->active, &value);

	return ret == -EBUSY ? ret : 0;
}

/*
 * Does @what for the streams that follow @leader, all of them: 0, or the first error. Under
 * source->lock, so that streams whose source leaves are left out.
 */
static int ndma_control_for_followers(const struct ndma_stream *leader,
				      struct ndma_control *control,
				      int (*what)(struct ndma_stream *, struct ndma_control *))
{
	struct ndma_source *source = leader->source;
	struct ndma_stream *stream;
	int ret = 0, one;

	if (mutex_lock_killable(&source->streams_lock))
		return -EINTR;
	list_for_each_entry(stream, &source->streams, link) {
		/* Others may hold their mutex for as long as their card takes to stop. */
		if (READ_ONCE(stream->leader) != leader->number)
			continue;
		one = mutex_lock_killable(&stream->mutex);
		if (!one) {
			if (stream->leader == leader->number)
				one = what(stream, control);
			mutex_unlock(&stream->mutex);
		}
		ret = ret ?: one;
	}
	mutex_unlock(&source->streams_lock);
	return ret;
}

/* Under source->lock, which is outside of the list's lock, and that outside of any mutex. */
static int ndma_control_set(struct ndma_stream *leader, struct ndma_control *control)
{
	int ret = ndma_control_for_followers(leader, control, ndma_control_admit);

	if (ret)
		return ret;
	if (mutex_lock_killable(&leader->mutex))
		return -EINTR;
	ret = ndma_control_apply(leader, control);
	mutex_unlock(&leader->mutex);
	return ret ?: ndma_control_for_followers(leader, control, ndma_control_apply);
}

int ndma_control_set_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	int ret = ndma_stream_lock_awake(stream, KTIME_MAX);

	if (ret)
		return ret;
	mutex_unlock(&stream->mutex);
	ret = ndma_control_set(stream, arg);
	up_read(&stream->source->lock);
	return ret;
}
