// SPDX-License-Identifier: GPL-2.0-only
/* Setup of a stream: what was asked for, its memory, its rings; and the way back. */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/overflow.h>

#include "internal.h"

static int ndma_setup_check(const struct ndma_source_desc *desc,
			    const struct ndma_stream_setup *setup)
{
	if (setup->flags || setup->reserved)
		return -EINVAL;
	if (!setup->direction || setup->direction > NDMA_BOTH)
		return -EINVAL;
	if (setup->direction != NDMA_FROM_DEVICE)
		return -EOPNOTSUPP;
	if (setup->policy > NDMA_POLICY_LATEST)
		return -EINVAL;
	if (setup->guard != NDMA_GUARD_NONE && setup->guard != NDMA_GUARD_SIGBUS)
		return -EINVAL;
	if (setup->frames < desc->frames_min || setup->frames > desc->frames_max)
		return -EINVAL;
	if (setup->node != NDMA_NODE_ANY &&
	    (setup->node < 0 || setup->node >= MAX_NUMNODES || !node_online(setup->node)))
		return -EINVAL;
	return 0;
}

static int ndma_setup_config(struct ndma_stream *stream, const struct ndma_stream_setup *setup)
{
	const struct ndma_source_desc *desc = stream->source->desc;
	struct ndma_stream_config *config = &stream->config;
	u64 bytes;

	if (setup->format >= desc->nr_formats || setup->channels > desc->nr_channels)
		return -EINVAL;
	config->format = &desc->formats[setup->format];
	if (!is_power_of_2(setup->order) || !(setup->order & config->format->orders))
		return -EINVAL;
	if (!setup->samples || setup->samples % max(desc->samples_step, 1u))
		return -EINVAL;
	config->order = setup->order;
	config->channels = setup->channels ?: desc->nr_channels;
	config->frames = setup->frames;
	config->samples = setup->samples;

	bytes = config->format->itemsize;
	if (config->format->flags & NDMA_FORMAT_IQ)
		bytes *= 2;
	if (check_mul_overflow(bytes, (u64)config->channels, &bytes) ||
	    check_mul_overflow(bytes, config->samples, &bytes))
		return -EOVERFLOW;
	if (bytes > desc->frame_bytes_max)
		return -EINVAL;
	config->frame_bytes = bytes;

	/*
	 * Pages of its own for a frame, huge ones where they are taken away and given back; a
	 * piece that has to be contiguous must not cross 2 MiB.
	 */
	stream->guarded = setup->guard == NDMA_GUARD_SIGBUS;
	stream->stride = round_up(bytes, stream->guarded ? NDMA_HUGE_BYTES : PAGE_SIZE);
	if (desc->segments_max == 1 && bytes <= NDMA_HUGE_BYTES && config->frames > 1)
		stream->stride = roundup_pow_of_two(stream->stride);
	if (check_mul_overflow(stream->stride, (u64)config->frames, &bytes))
		return -EOVERFLOW;
	stream->policy = setup->policy;
	return 0;
}

/* Of one frame: [channel, sample], and [2] for I/Q. */
static void ndma_setup_layout(struct ndma_stream *stream)
{
	const struct ndma_stream_config *config = &stream->config;
	struct ndma_layout *layout = &stream->layout;
	u64 unit = config->format->itemsize;
	bool iq = config->format->flags & NDMA_FORMAT_IQ;

	memset(layout, 0, sizeof(*layout));
	strscpy(layout->format, config->format->format, sizeof(layout->format));
	layout->itemsize = config->format->itemsize;
	layout->ndim = iq ? 3 : 2;
	if (iq) {
		layout->shape[2] = 2;
		layout->strides[2] = unit;
		unit *= 2;
	}
	layout->shape[0] = config->channels;
	layout->shape[1] = config->samples;
	if (config->order == NDMA_ORDER_PLANAR) {
		layout->strides[0] = config->samples * unit;
		layout->strides[1] = unit;
	} else {
		layout->strides[0] = unit;
		layout->strides[1] = config->channels * unit;
	}
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

int ndma_setup_configure(struct ndma_stream *stream, const struct ndma_stream_setup *setup)
{
	int ret = ndma_setup_config(stream, setup);

	if (!ret)
		ndma_setup_layout(stream);
	return ret;
}

static int ndma_setup_memory(struct ndma_stream *stream, int node)
{
	struct device *dev = stream->source->desc->dev;
	struct ndma_memory_spec spec = {
		.bytes = stream->stride * stream->config.frames,
		.node = node,
		.huge = stream->guarded,
		.dev = dev,
	};
	struct ndma_layout *backing;
	int ret;

	ret = ndma_memory_alloc(&spec, &stream->memory);
	if (ret)
		return ret;
	backing = kmalloc(sizeof(*backing), GFP_KERNEL);
	if (!backing) {
		ret = -ENOMEM;
		goto put_memory;
	}
	ndma_setup_backing_layout(stream, backing);
	ret = ndma_dmabuf_create(stream->memory, spec.bytes, backing, NULL, true,
				 &stream->buffer);
	kfree(backing);
	if (ret)
		goto put_memory;
	return 0;

put_memory:
	ndma_memory_put(stream->memory);
	return ret;
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
	int ret = ndma_ring_create(stream->config.frames, &stream->ring);

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

static void ndma_setup_answer(const struct ndma_stream *stream, struct ndma_stream_setup *setup)
{
	setup->channels = stream->config.channels;
	setup->frame_bytes = stream->config.frame_bytes;
	setup->frame_stride = stream->stride;
	setup->data_bytes = stream->buffer->capacity;
	setup->entries = stream->ring->entries;
	setup->completions_bytes = stream->ring->completions_bytes;
	setup->releases_bytes = stream->ring->releases_bytes;
	setup->layout = stream->layout;
}

static int ndma_setup_locked(struct ndma_stream *stream, struct ndma_stream_setup *setup)
{
	int ret;

	if (ndma_stream_in_use(stream))
		return -EBUSY;
	ret = ndma_setup_check(stream->source->desc, setup);
	if (ret)
		return ret;
	ret = ndma_setup_configure(stream, setup);
	if (ret)
		return ret;
	ret = ndma_setup_claim(stream->source);
	if (ret)
		return ret;
	ret = ndma_setup_memory(stream, setup->node);
	if (ret)
		goto unclaim;
	ret = ndma_setup_connect(stream);
	if (ret)
		goto end_memory;
	ndma_setup_answer(stream, setup);
	/*
	 * Release: all of the above. Pairs with the acquire loads in file.c, wait.c and export.c.
	 */
	smp_store_release(&stream->set_up, true);
	return 0;

end_memory:
	ndma_setup_memory_end(stream);
unclaim:
	ndma_setup_unclaim(stream->source);
	return ret;
}

int ndma_stream_setup_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	int ret = ndma_stream_lock(stream);

	if (ret)
		return ret;
	ret = ndma_setup_locked(stream, arg);
	ndma_stream_unlock(stream);
	return ret;
}

void ndma_setup_disconnect(struct ndma_stream *stream, u32 state)
{
	const struct ndma_source_ops *ops = stream->source->desc->ops;

	ndma_run_quiet(stream, state);
	ndma_flow_end(stream);
	/* No device is there to be kept apart from: what is mapped can be read. */
	if (stream->guarded)
		ndma_guard_set(stream->buffer, NULL, NULL);
	ndma_segments_unmap(stream);
	if (ops->teardown)
		ops->teardown(stream);
}

void ndma_setup_dismantle(struct ndma_stream *stream)
{
	ndma_ring_put(stream->ring);
	if (stream->mapped)
		ndma_memory_vunmap(stream->memory);
	ndma_setup_memory_end(stream);
	ndma_setup_unclaim(stream->source);
}
