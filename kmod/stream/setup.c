// SPDX-License-Identifier: GPL-2.0-only
/* Setup of a stream: what was asked for, its memory, its rings; and the way back. */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sched/mm.h>

#include "internal.h"
#include "ndma_setup.h"

static struct ndma_setup_limits ndma_setup_limits(const struct ndma_source_desc *desc)
{
	return (struct ndma_setup_limits) {
		.formats = desc->nr_formats,
		.channels = desc->nr_channels,
		.frames_min = desc->frames_min,
		.frames_max = desc->frames_max,
		.frame_bytes_max = desc->frame_bytes_max,
		.samples_step = desc->samples_step,
	};
}

static int ndma_setup_check(const struct ndma_source_desc *desc,
			    const struct ndma_stream_setup *setup)
{
	const struct ndma_setup_limits limits = ndma_setup_limits(desc);
	struct ndma_setup_verdict verdict;
	int ret;

	ret = ndma_setup_check_stream(&limits, setup, &verdict);
	if (ret)
		return ret;
	if (setup->node != NDMA_NODE_ANY &&
	    (setup->node < 0 || setup->node >= MAX_NUMNODES || !node_online(setup->node)))
		return -EINVAL;
	return 0;
}

int ndma_setup_configure(struct ndma_stream *stream, struct ndma_stream_setup *setup)
{
	const struct ndma_source_desc *desc = stream->source->desc;
	const struct ndma_setup_limits limits = ndma_setup_limits(desc);
	const struct ndma_setup_memory memory = {
		.page_bytes = PAGE_SIZE,
		.guard_bytes = NDMA_GUARD_BYTES,
		.piece_bytes = NDMA_HUGE_BYTES,
		.contiguous = desc->segments_max == 1,
	};
	const struct ndma_format_desc *format =
		ndma_setup_format(desc->formats, desc->nr_formats, setup->format);
	struct ndma_setup_verdict verdict;
	int ret;

	ret = ndma_setup_check_frame(&limits, format, setup, &verdict);
	if (!ret)
		ret = ndma_setup_measure(&limits, &memory, format, setup, &verdict);
	if (ret)
		return ret;
	stream->config = (struct ndma_stream_config) {
		.format = format,
		.order = setup->order,
		.channels = setup->channels,
		.frames = setup->frames,
		.samples = setup->samples,
		.frame_bytes = setup->frame_bytes,
	};
	stream->stride = setup->frame_stride;
	stream->entry_bytes = setup->entry_bytes;
	stream->sample_bytes = div64_u64(setup->frame_bytes, setup->samples);
	stream->layout = setup->layout;
	stream->policy = setup->policy;
	stream->guarded = setup->guard == NDMA_GUARD_SIGBUS;
	return 0;
}

/* Of the whole buffer: the frame's, with the frames in front. */
static void ndma_setup_backing_layout(const struct ndma_stream *stream,
				      struct ndma_layout *backing)
{
	const struct ndma_layout *layout = &stream->layout;
	u32 i;

	*backing = *layout;
	backing->ndim = layout->ndim + 1;
	backing->shape[0] = stream->config.frames;
	backing->strides[0] = stream->stride;
	for (i = 0; i < layout->ndim; i++) {
		backing->shape[i + 1] = layout->shape[i];
		backing->strides[i + 1] = layout->strides[i];
	}
}

/* Gives the stream its memory, and the buffer that owns it. */
static int ndma_setup_adopt(struct ndma_stream *stream, struct ndma_memory *memory)
{
	struct ndma_layout *backing = kmalloc(sizeof(*backing), GFP_KERNEL);
	int ret;

	if (!backing)
		return -ENOMEM;
	ndma_setup_backing_layout(stream, backing);
	ret = ndma_dmabuf_create(memory, stream->stride * stream->config.frames, backing, NULL, true,
				 &stream->buffer);
	kfree(backing);
	if (ret)
		return ret;
	ndma_memory_get(memory);
	stream->memory = memory;
	return 0;
}

static void ndma_setup_memory_end(struct ndma_stream *stream)
{
	dma_buf_put(stream->buffer->handle.dmabuf);
	ndma_memory_put(stream->memory);
}

int ndma_setup_claim(struct ndma_source *source)
{
	u32 most = source->desc->streams_max;

	if (atomic_inc_return(&source->claimed) <= most || !most)
		return 0;
	ndma_setup_unclaim(source);
	return -EBUSY;
}

void ndma_setup_unclaim(struct ndma_source *source)
{
	atomic_dec(&source->claimed);
}

static int ndma_setup_build(struct ndma_stream *stream)
{
	int ret = ndma_ring_create(stream->config.frames, stream->entry_bytes, &stream->ring);

	if (ret)
		return ret;
	ret = ndma_frames_create(stream);
	if (ret)
		goto put_ring;
	ret = ndma_segments_map(stream);
	if (ret)
		goto destroy_frames;
	if (stream->guarded) {
		stream->deferred = true;
		ndma_guard_set(stream->buffer, ndma_flow_touched, stream);
	}
	return 0;

destroy_frames:
	ndma_frames_destroy(stream);
put_ring:
	ndma_ring_put(stream->ring);
	return ret;
}

int ndma_setup_connect(struct ndma_stream *stream)
{
	const struct ndma_source_ops *ops = stream->source->desc->ops;
	int ret;

	ret = ops->setup ? ops->setup(stream) : 0;
	if (ret)
		return ret;
	stream->mapped = !stream->source->desc->dev;
	ret = stream->mapped ? ndma_memory_vmap(stream->memory) : 0;
	if (ret)
		goto teardown;
	ret = ndma_setup_build(stream);
	if (ret)
		goto unmap;
	return 0;

unmap:
	if (stream->mapped)
		ndma_memory_vunmap(stream->memory);
teardown:
	if (ops->teardown)
		ops->teardown(stream);
	return ret;
}

/* The configuration, if the file can be set up at this moment. Under the mutex. */
static int ndma_setup_admit(struct ndma_stream *stream, struct ndma_stream_setup *setup)
{
	int ret;

	if (ndma_stream_in_use(stream))
		return -EBUSY;
	ret = ndma_setup_check(stream->source->desc, setup);
	return ret ?: ndma_setup_configure(stream, setup);
}

/* Claims one of the source's streams, and says what memory it takes. Keeps @spec->dev. */
static int ndma_setup_plan(struct ndma_stream *stream, struct ndma_stream_setup *setup,
			   kuid_t uid, struct ndma_memory_spec *spec)
{
	int ret = ndma_stream_lock(stream);

	if (ret)
		return ret;
	ret = ndma_setup_admit(stream, setup);
	if (!ret)
		ret = ndma_setup_claim(stream->source);
	if (!ret)
		*spec = (struct ndma_memory_spec) {
			.bytes = stream->stride * stream->config.frames,
			.node = setup->node,
			.guarded = stream->guarded,
			.uid = uid,
			.dev = get_device(stream->source->desc->dev),
		};
	ndma_stream_unlock(stream);
	return ret;
}

static int ndma_setup_finish(struct ndma_stream *stream, struct ndma_stream_setup *setup,
			     struct ndma_memory *memory)
{
	/* Another thread may have configured the stream, or set it up, since it was unlocked. */
	int ret = ndma_setup_admit(stream, setup);

	if (ret)
		return ret;
	ret = ndma_setup_adopt(stream, memory);
	if (ret)
		return ret;
	ret = ndma_setup_connect(stream);
	if (ret) {
		ndma_setup_memory_end(stream);
		return ret;
	}
	/* Memory comes in whole huge pages where there is much of it. */
	setup->data_bytes = stream->buffer->capacity;
	/*
	 * Release: all of the above. Pairs with the acquire loads in file.c, wait.c and export.c.
	 */
	smp_store_release(&stream->set_up, true);
	return 0;
}

/* The driver's setup reads the controls, so they are the other file's before that. */
static int ndma_setup_with(struct ndma_stream *stream, struct ndma_stream_setup *setup,
			   struct ndma_memory *memory, struct ndma_control_copy *copy)
{
	int ret;

	if (!copy->leader)
		return ndma_setup_finish(stream, setup, memory);
	if (ndma_stream_in_use(stream))
		return -EBUSY;
	swap(stream->controls, copy->values);
	ret = ndma_setup_finish(stream, setup, memory);
	if (ret)
		swap(stream->controls, copy->values);
	else
		WRITE_ONCE(stream->leader, copy->leader);
	return ret;
}

/*
 * Memory, of which there may be gigabytes to clear, is allocated with nothing locked: a card that is
 * pulled out, or a machine that goes to sleep, would wait for that.
 */
static int ndma_setup_unlocked(struct ndma_stream *stream, struct ndma_stream_setup *setup,
			       kuid_t uid, struct ndma_control_copy *copy)
{
	struct ndma_source *source = stream->source;
	struct ndma_memory_spec spec;
	struct ndma_memory *memory;
	int ret;

	ret = ndma_setup_plan(stream, setup, uid, &spec);
	if (ret)
		return ret;
	ret = ndma_memory_alloc(&spec, &memory);
	put_device(spec.dev);
	if (ret)
		goto unclaim;
	ret = ndma_stream_lock_awake(stream, KTIME_MAX);
	if (!ret) {
		ret = ndma_setup_with(stream, setup, memory, copy);
		ndma_stream_unlock(stream);
	}
	ndma_memory_put(memory);
unclaim:
	if (ret)
		ndma_setup_unclaim(source);
	return ret;
}

int ndma_stream_setup_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_stream_setup *setup = arg;
	struct ndma_control_copy copy = { };
	int ret;

	if (setup->flags == NDMA_SETUP_CONTROLS) {
		ret = ndma_control_copy(stream, setup->controls_fd, &copy);
		if (ret)
			return ret;
	}
	ret = ndma_setup_unlocked(stream, setup, file->f_cred->uid, &copy);
	kvfree(copy.values);
	return ret;
}

void ndma_setup_disconnect(struct ndma_stream *stream, u32 state)
{
	ndma_run_quiet(stream, state);
	ndma_setup_detach(stream);
}

void ndma_setup_detach(struct ndma_stream *stream)
{
	const struct ndma_source_ops *ops = stream->source->desc->ops;

	/* A driver's teardown may, some time. lockdep warns of whoever lets a fence wait for this. */
	might_alloc(GFP_KERNEL);
	ndma_flow_end(stream);
	/* No device is there to be kept apart from: what is mapped can be read. */
	if (stream->guarded)
		ndma_guard_set(stream->buffer, NULL, NULL);
	ndma_segments_unmap(stream);
	if (ops->teardown)
		ops->teardown(stream);
	/* A button must not reach the driver for a stream that it has let go of. */
	WRITE_ONCE(stream->leader, 0);
}

void ndma_setup_dismantle(struct ndma_stream *stream)
{
	ndma_ring_put(stream->ring);
	if (stream->mapped)
		ndma_memory_vunmap(stream->memory);
	ndma_setup_memory_end(stream);
	ndma_setup_unclaim(stream->source);
}
