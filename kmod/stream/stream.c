// SPDX-License-Identifier: GPL-2.0-only
/* Streams: one open file of a source each. */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "internal.h"

int ndma_stream_lock(struct ndma_stream *stream)
{
	struct ndma_source *source = stream->source;
	int ret = down_read_killable(&source->lock);

	if (ret)
		return ret;
	ret = source->gone ? -ENODEV : mutex_lock_killable(&stream->mutex);
	if (ret)
		up_read(&source->lock);
	return ret;
}

void ndma_stream_unlock(struct ndma_stream *stream)
{
	mutex_unlock(&stream->mutex);
	up_read(&stream->source->lock);
}

static void ndma_stream_destroy(struct kref *ref)
{
	struct ndma_stream *stream = container_of(ref, struct ndma_stream, ref);

	if (stream->frames)
		ndma_frames_destroy(stream);
	kvfree(stream->controls);
	kfree_rcu(stream, rcu);
}

/*
 * Pairs with kref_get() in ndma_stream_export_ioctl() and ndma_fill_get(): the file, its exported
 * frames and its fill hold the stream.
 */
void ndma_stream_put(struct ndma_stream *stream)
{
	kref_put(&stream->ref, ndma_stream_destroy);
}

void ndma_stream_set_state(struct ndma_stream *stream, u32 state)
{
	WRITE_ONCE(stream->state, state);
	/* Release: whoever sees that it is idle sees every completion before that. */
	smp_store_release(&stream->ring->completions->state, state);
}

void ndma_stream_anchor(struct ndma_stream *stream)
{
	struct ndma_completions *ring = stream->ring->completions;
	s64 offset = ktime_to_ns(ktime_mono_to_real(0));

	if (stream->started && offset == stream->realtime_offset)
		return;
	stream->anchor += stream->started;
	stream->realtime_offset = offset;
	WRITE_ONCE(ring->realtime_offset_ns[stream->anchor % NDMA_ANCHORS], offset);
	/* Release: the offset. Pairs with the acquire load in realtime_offset_ns(). */
	smp_store_release(&ring->anchor, stream->anchor);
}

void ndma_stream_wake(struct ndma_stream *stream)
{
	__poll_t what = EPOLLIN | EPOLLRDNORM;

	if (ndma_stream_is_over(READ_ONCE(stream->state)))
		what |= EPOLLRDHUP | EPOLLHUP;
	/*
	 * No barrier: a sleeper is in the queue before it looks at the ring under ring_lock, which
	 * our caller has held since it changed the ring. So either the sleeper has seen that, or it
	 * is seen here. Pairs with ndma_wait_answer() and ndma_file_poll().
	 */
	if (waitqueue_active(&stream->waiters))
		wake_up_poll(&stream->waiters, what);
}

/* ---------------------------------------------------------------- for drivers */

struct ndma_source *ndma_stream_source(const struct ndma_stream *stream)
{
	return stream->source;
}
EXPORT_SYMBOL_GPL(ndma_stream_source);

const struct ndma_stream_config *ndma_stream_config(const struct ndma_stream *stream)
{
	return &stream->config;
}
EXPORT_SYMBOL_GPL(ndma_stream_config);

void ndma_stream_set_priv(struct ndma_stream *stream, void *priv)
{
	stream->priv = priv;
}
EXPORT_SYMBOL_GPL(ndma_stream_set_priv);

void *ndma_stream_priv(const struct ndma_stream *stream)
{
	return stream->priv;
}
EXPORT_SYMBOL_GPL(ndma_stream_priv);
