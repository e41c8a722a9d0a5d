// SPDX-License-Identifier: GPL-2.0-only
/* /dev/ndma/<source><N>: the door to streams, one open file of a source each. */
#include <linux/mm.h>
#include <linux/huge_mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "internal.h"

/* The last number that an open file got: none is given twice, so one that is closed is nobody's. */
static atomic64_t ndma_file_numbers = ATOMIC64_INIT(0);

void ndma_stream_kill(struct ndma_stream *stream)
{
	mutex_lock(&stream->mutex);
	ndma_fill_finish(stream, -ENODEV);
	if (stream->set_up)
		ndma_setup_disconnect(stream, NDMA_STREAM_GONE);
	mutex_unlock(&stream->mutex);
}

/*
 * Calls ops->stop() after the last frame of a counted run, without source->lock: unplugging ends an
 * active stream, under its mutex, before the source may go.
 */
static void ndma_stream_stopper(struct work_struct *work)
{
	struct ndma_stream *stream = container_of(work, struct ndma_stream, stopper);

	mutex_lock(&stream->mutex);
	if (stream->active && READ_ONCE(stream->finished))
		ndma_run_quiet(stream, NDMA_STREAM_IDLE);
	mutex_unlock(&stream->mutex);
}

static int ndma_file_open(struct inode *inode, struct file *file)
{
	struct ndma_source *source = ndma_node_priv(inode);
	struct ndma_stream *stream;
	int ret;

	stream = kzalloc(sizeof(*stream), GFP_KERNEL_ACCOUNT);
	if (!stream)
		return -ENOMEM;
	kref_init(&stream->ref);
	mutex_init(&stream->mutex);
	spin_lock_init(&stream->queue_lock);
	spin_lock_init(&stream->ring_lock);
	init_waitqueue_head(&stream->waiters);
	INIT_WORK(&stream->worker, ndma_flow_work);
	INIT_DELAYED_WORK(&stream->retry, ndma_flow_retry);
	INIT_WORK(&stream->stopper, ndma_stream_stopper);
	INIT_WORK(&stream->fill_stopper, ndma_fill_stopper);
	stream->source = source;
	stream->number = atomic64_inc_return(&ndma_file_numbers);

	/*
	 * The description is there: ndma_source_unregister() waits until this open() has returned.
	 */
	ret = ndma_control_init(stream);
	if (ret)
		goto put_stream;
	if (!try_module_get(source->owner)) {
		ret = -ENODEV;
		goto put_stream;
	}
	kref_get(&source->ref);
	mutex_lock(&source->streams_lock);
	list_add(&stream->link, &source->streams);
	mutex_unlock(&source->streams_lock);
	file->private_data = stream;
	return nonseekable_open(inode, file);

put_stream:
	ndma_stream_put(stream);
	return ret;
}

/*
 * The last copy of the file is closed: stop, unmap, free. That need not wait for mappings, which
 * hold the files of the backing buffer and of the rings, and not this one.
 */
static int ndma_file_release(struct inode *inode, struct file *file)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_source *source = stream->source;
	struct module *owner = source->owner;

	down_read(&source->lock);
	mutex_lock(&stream->mutex);
	ndma_fill_finish(stream, -ECANCELED);
	if (!source->gone && stream->set_up)
		ndma_setup_disconnect(stream, NDMA_STREAM_IDLE);
	mutex_unlock(&stream->mutex);
	mutex_lock(&source->streams_lock);
	list_del(&stream->link);
	mutex_unlock(&source->streams_lock);
	up_read(&source->lock);

	cancel_work_sync(&stream->fill_stopper);
	cancel_work_sync(&stream->stopper);
	cancel_work_sync(&stream->worker);
	if (stream->set_up)
		ndma_setup_dismantle(stream);
	WRITE_ONCE(stream->source, NULL);
	ndma_stream_put(stream);
	ndma_source_put(source);
	module_put(owner);
	return 0;
}

static int ndma_stream_start_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_stream_start *start = arg;
	int ret;

	if (start->flags)
		return -EINVAL;
	ret = ndma_stream_lock_awake(stream, KTIME_MAX);
	if (ret)
		return ret;
	ret = stream->set_up ? ndma_run_begin(stream, start->count) : -EINVAL;
	ndma_stream_unlock(stream);
	return ret;
}

static int ndma_stream_stop_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_stream_stop *stop = arg;
	int ret;

	if (stop->flags)
		return -EINVAL;
	ret = ndma_stream_lock(stream);
	if (ret)
		return ret == -ENODEV ? 0 : ret;
	ndma_fill_finish(stream, -ECANCELED);
	if (stream->active || stream->paused)
		ndma_run_quiet(stream, NDMA_STREAM_IDLE);
	ndma_stream_unlock(stream);
	return 0;
}

static int ndma_stream_kick_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_stream_kick *kick = arg;

	/* Acquire: all that setup made. Pairs with the release store in ndma_setup_locked(). */
	if (kick->flags || !smp_load_acquire(&stream->set_up))
		return -EINVAL;
	ndma_flow_kick(stream);
	return 0;
}

static int ndma_stream_stats_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_stream_stats *out = arg;

	/* Acquire: all that setup made. Pairs with the release store in ndma_setup_locked(). */
	if (!smp_load_acquire(&stream->set_up))
		return -EINVAL;
	ndma_flow_kick(stream);
	spin_lock_irq(&stream->ring_lock);
	out->state = stream->state;
	out->produced = stream->sequence;
	out->completed = stream->stats.completed;
	out->dropped = stream->stats.dropped;
	out->stolen = stream->stats.stolen;
	out->starved = stream->stats.starved;
	out->bad_releases = stream->stats.bad_releases;
	out->bad_taken = stream->stats.bad_taken;
	out->errors = stream->stats.errors;
	out->touches = stream->stats.touches;
	out->free_frames = stream->count[NDMA_FRAME_IS_FREE] +
			   stream->count[NDMA_FRAME_IS_RELEASED];
	out->device_frames = stream->count[NDMA_FRAME_IS_DEVICE] +
			     stream->count[NDMA_FRAME_IS_FILLED];
	out->user_frames = stream->count[NDMA_FRAME_IS_DONE];
	out->exported_frames = stream->exported;
	spin_unlock_irq(&stream->ring_lock);
	return 0;
}

static __poll_t ndma_file_poll_fill(const struct ndma_stream *stream)
{
	switch (READ_ONCE(stream->fill.state)) {
	case NDMA_FILL_RUNNING:
		return 0;
	case NDMA_FILL_OVER:
		return EPOLLIN | EPOLLRDNORM;
	default:
		return EPOLLERR;
	}
}

static __poll_t ndma_file_poll(struct file *file, struct poll_table_struct *table)
{
	struct ndma_stream *stream = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &stream->waiters, table);
	/* Acquire: all that setup made. Pairs with the release store in ndma_setup_locked(). */
	if (!smp_load_acquire(&stream->set_up))
		return ndma_file_poll_fill(stream);
	ndma_flow_kick(stream);
	spin_lock_irq(&stream->ring_lock);
	if (ndma_ring_note(stream))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (stream->state == NDMA_STREAM_IDLE && stream->started)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (stream->state == NDMA_STREAM_GONE)
		mask |= EPOLLHUP;
	spin_unlock_irq(&stream->ring_lock);
	return mask;
}

static int ndma_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ndma_stream *stream = file->private_data;

	/* Acquire: all that setup made. Pairs with the release store in ndma_setup_locked(). */
	if (!smp_load_acquire(&stream->set_up) || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	switch ((u64)vma->vm_pgoff << PAGE_SHIFT) {
	case NDMA_MMAP_FRAMES:
		if (vma->vm_end - vma->vm_start != stream->buffer->capacity)
			return -EINVAL;
		return dma_buf_mmap(stream->buffer->handle.dmabuf, vma, 0);
	case NDMA_MMAP_COMPLETIONS:
		return ndma_ring_map_completions(stream->ring, vma);
	case NDMA_MMAP_RELEASES:
		return ndma_ring_map_releases(stream->ring, vma);
	default:
		return -EINVAL;
	}
}

static const struct ndma_ioctl_row ndma_file_ioctls[] = {
	{ NDMA_SOURCE_INFO, NDMA_IOCTL_SIZES(struct ndma_source_info),
	  .handler = ndma_source_info_ioctl },
	{ NDMA_SOURCE_FORMAT, NDMA_IOCTL_SIZES(struct ndma_source_format),
	  .handler = ndma_source_format_ioctl },
	{ NDMA_SOURCE_CHANNEL, NDMA_IOCTL_SIZES(struct ndma_source_channel),
	  .handler = ndma_source_channel_ioctl },
	{ NDMA_CONTROL_QUERY, NDMA_IOCTL_SIZES(struct ndma_control_info),
	  .handler = ndma_control_query_ioctl },
	{ NDMA_CONTROL_MENU_ITEM, NDMA_IOCTL_SIZES(struct ndma_control_menu_item),
	  .handler = ndma_control_menu_item_ioctl },
	{ NDMA_CONTROL_GET, NDMA_IOCTL_SIZES(struct ndma_control),
	  .handler = ndma_control_get_ioctl },
	{ NDMA_CONTROL_SET, NDMA_IOCTL_SIZES(struct ndma_control), .write = true,
	  .out_on_error = true, .handler = ndma_control_set_ioctl },
	{ NDMA_STREAM_SETUP, NDMA_IOCTL_SIZES_FROM(struct ndma_stream_setup, entry_bytes), .write = true,
	  .handler = ndma_stream_setup_ioctl },
	{ NDMA_STREAM_START, NDMA_IOCTL_SIZES(struct ndma_stream_start), .write = true,
	  .handler = ndma_stream_start_ioctl },
	{ NDMA_STREAM_STOP, NDMA_IOCTL_SIZES(struct ndma_stream_stop), .write = true,
	  .handler = ndma_stream_stop_ioctl },
	{ NDMA_STREAM_WAIT, NDMA_IOCTL_SIZES(struct ndma_stream_wait), .out_on_error = true,
	  .handler = ndma_stream_wait_ioctl },
	{ NDMA_STREAM_KICK, NDMA_IOCTL_SIZES(struct ndma_stream_kick),
	  .handler = ndma_stream_kick_ioctl },
	{ NDMA_STREAM_STATS, NDMA_IOCTL_SIZES(struct ndma_stream_stats),
	  .handler = ndma_stream_stats_ioctl },
	{ NDMA_STREAM_EXPORT, NDMA_IOCTL_SIZES(struct ndma_stream_export),
	  .handler = ndma_stream_export_ioctl },
	{ NDMA_FILL_BEGIN, NDMA_IOCTL_ON_BUFFER(struct ndma_fill_begin), .write = true,
	  .in_only = true, .check = ndma_fill_begin_check, .on_buffer = ndma_fill_begin_ioctl },
	{ NDMA_FILL_WAIT, NDMA_IOCTL_SIZES(struct ndma_fill_wait),
	  .handler = ndma_fill_wait_ioctl },
};

static long ndma_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return ndma_ioctl_dispatch(file, ndma_file_ioctls, ARRAY_SIZE(ndma_file_ioctls), cmd, arg);
}

/* For ndma_node_device(). */
static int ndma_file_device(struct file *file, struct device **dev)
{
	struct ndma_stream *stream = file->private_data;
	int ret = ndma_stream_lock(stream);

	if (ret)
		return ret;
	*dev = get_device(stream->source->desc->dev);
	ndma_stream_unlock(stream);
	return 0;
}

static void ndma_file_pause(void *priv)
{
	ndma_source_pause(priv);
}

static void ndma_file_resume(void *priv)
{
	ndma_source_resume(priv);
}

static void ndma_file_shut_down(void *priv)
{
	ndma_source_shut_down(priv);
}

const struct ndma_node_type ndma_source_type = {
	.kind = NDMA_KIND_SOURCE,
	.fops = {
		.owner = THIS_MODULE,
		.open = ndma_file_open,
		.release = ndma_file_release,
		.poll = ndma_file_poll,
		.unlocked_ioctl = ndma_file_ioctl,
		.compat_ioctl = compat_ptr_ioctl,
		.mmap = ndma_file_mmap,
		.get_unmapped_area = thp_get_unmapped_area,
	},
	.device = ndma_file_device,
	.pause = ndma_file_pause,
	.resume = ndma_file_resume,
	.shut_down = ndma_file_shut_down,
};
