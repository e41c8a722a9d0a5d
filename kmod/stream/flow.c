// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow of frames between a driver and user space: free, device, (filled), done, user,
 * (released), and free again.
 *
 * Frames are filled and released in between where the stream's worker has to sync them, or to seize
 * them for a guard; elsewhere the driver's call publishes a frame at once, and a release frees it
 * at once. Frames whose pages somebody has pinned wait in a queue of their own until the worker is
 * started again.
 *
 * A driver that got no frame is starving: it waits for ops->queue(). Whoever frees a frame ends
 * that, and if no frame is with the device either, user space is asked by need_wakeup to kick.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/rcupdate.h>

#include "internal.h"

/*
 * Releases that are drained at a time with interrupts off. A driver's call drains two batches at
 * most: how long the ring is, and what is in it, is user space's choice.
 */
#define DRAIN_BATCH	64

/*
 * After this the worker looks again at frames whose pages were pinned (io_uring, vmsplice,
 * O_DIRECT).
 */
#define RETRY_MS	10

#define FRAME_FLAGS	(NDMA_FRAME_PARTIAL | NDMA_FRAME_ERROR | NDMA_FRAME_OVERFLOW | \
			 NDMA_FRAME_EOF | NDMA_FRAME_TIME_START | NDMA_FRAME_HW_TIME | \
			 NDMA_FRAME_HW_SEQUENCE | NDMA_FRAME_TRIGGERED | NDMA_FRAME_LOSS_UNKNOWN | \
			 NDMA_FRAME_SETTINGS | NDMA_FRAME_SAMPLE_START)

/* The driver gets a frame, so user space need not kick any more. */
static void ndma_flow_end_starving(struct ndma_stream *stream)
{
	if (stream->starving) {
		stream->starving = false;
		WRITE_ONCE(stream->ring->completions->need_wakeup, 0);
	}
}

/* One batch. The worker has to go on where frames must be synced, or none was free in a whole one. */
static void ndma_flow_drain(struct ndma_stream *stream)
{
	u32 done = ndma_ring_drain(stream, DRAIN_BATCH);

	if (stream->released.first || (done == DRAIN_BATCH && !stream->free.first))
		queue_work(ndma_flow_workqueue, &stream->worker);
}

/* A free frame. Releases are drained only when the queue is empty. */
static struct ndma_frame *ndma_flow_find(struct ndma_stream *stream)
{
	if (!stream->free.first)
		ndma_flow_drain(stream);
	return ndma_frame_pop(&stream->free);
}

/*
 * The device is about to idle for lack of frames: asks user space to kick after its next release.
 * The caller has to drain once more after this, or a release that came just before would wake
 * nobody.
 */
static void ndma_flow_call_for_wakeup(struct ndma_stream *stream)
{
	WRITE_ONCE(stream->ring->completions->need_wakeup, 1);
	/*
	 * Full barrier between need_wakeup and the second look at the tail. Pairs with the one
	 * between tail and need_wakeup in ndma_ring_release(): one of the two sees the other's store.
	 */
	smp_mb();
}

static struct ndma_frame *ndma_flow_starve(struct ndma_stream *stream)
{
	struct ndma_frame *frame;

	stream->starving = true;
	/*
	 * The device will not idle yet: when its last frame comes back, ndma_flow_left_device()
	 * drains.
	 */
	if (stream->count[NDMA_FRAME_IS_DEVICE])
		return NULL;
	ndma_flow_call_for_wakeup(stream);
	frame = ndma_flow_find(stream);
	if (!frame)
		stream->stats.starved++;
	return frame;
}

/*
 * A frame has left the device. If it was the last one and the driver is starving, user space is
 * asked to kick; without this the stream would stand still with frames released.
 */
static void ndma_flow_left_device(struct ndma_stream *stream)
{
	if (!stream->starving || stream->count[NDMA_FRAME_IS_DEVICE])
		return;
	ndma_flow_call_for_wakeup(stream);
	ndma_flow_drain(stream);
	if (stream->free.first)
		ndma_flow_call_worker(stream);
}

/* Would a newer frame be left for user space after a steal, published or about to be? */
static bool ndma_flow_newest_stays(struct ndma_stream *stream)
{
	return ndma_ring_note(stream) + stream->count[NDMA_FRAME_IS_FILLED] > 1;
}

/* Is the worker about to free a released frame? */
static bool ndma_flow_is_coming(const struct ndma_stream *stream)
{
	return stream->count[NDMA_FRAME_IS_RELEASED] > stream->nr_pinned;
}

static struct ndma_frame *ndma_flow_steal(struct ndma_stream *stream)
{
	struct ndma_frame *frame;

	/*
	 * A card that takes frames ahead would steal every frame that it completes, and user space
	 * would never get one. The driver asks again after its next frame.
	 */
	if (stream->count[NDMA_FRAME_IS_DEVICE] && !ndma_flow_newest_stays(stream))
		return NULL;
	if (!stream->deferred)
		return ndma_ring_steal(stream);
	/*
	 * A frame that needs the worker comes to the driver by ops->queue() later. One on its way
	 * is enough: more would be lost to user space for nothing.
	 */
	if (ndma_flow_is_coming(stream))
		return NULL;
	frame = ndma_ring_steal(stream);
	if (frame) {
		ndma_frame_recycle(frame);
		queue_work(ndma_flow_workqueue, &stream->worker);
	}
	return NULL;
}

struct ndma_frame *ndma_stream_next_frame(struct ndma_stream *stream)
{
	struct ndma_frame *frame = NULL;
	unsigned long flags;

	spin_lock_irqsave(&stream->ring_lock, flags);
	if (stream->running && !stream->finished) {
		frame = ndma_flow_find(stream);
		if (!frame && stream->policy == NDMA_POLICY_LATEST)
			frame = ndma_flow_steal(stream);
		if (!frame)
			frame = ndma_flow_starve(stream);
	}
	if (frame) {
		ndma_frame_move(frame, NDMA_FRAME_IS_DEVICE);
		ndma_flow_end_starving(stream);
	}
	spin_unlock_irqrestore(&stream->ring_lock, flags);
	return frame;
}
EXPORT_SYMBOL_GPL(ndma_stream_next_frame);

/* The last frame of this run is made. ops->stop() may sleep, so the stopper calls it. */
static void ndma_flow_finish(struct ndma_stream *stream)
{
	stream->finished = true;
	ndma_flow_end_starving(stream);
	/*
	 * User space takes idle for the promise that no more frames come, so it is not told before
	 * the worker has published the rest.
	 */
	if (!stream->count[NDMA_FRAME_IS_FILLED])
		ndma_stream_set_state(stream, NDMA_STREAM_IDLE);
	if (stream->fill.state == NDMA_FILL_RUNNING)
		queue_work(ndma_fence_workqueue, &stream->fill_stopper);
	else
		queue_work(ndma_workqueue, &stream->stopper);
}

static void ndma_flow_lose(struct ndma_stream *stream, u64 frames)
{
	if (stream->finished)
		return;
	frames = min(frames, stream->remaining);
	stream->sequence += frames;
	stream->sample += frames * stream->config.samples;
	stream->lost += frames;
	stream->stats.dropped += frames;
	stream->remaining -= frames;
	if (!stream->remaining)
		ndma_flow_finish(stream);
}

static void ndma_flow_describe(struct ndma_frame *frame, const struct ndma_frame_result *result,
			       struct ndma_completion *completion)
{
	struct ndma_stream *stream = frame->stream;
	u64 bytes = result->bytes;

	completion->index = frame->index;
	completion->flags = result->flags & FRAME_FLAGS;
	if (bytes > stream->config.frame_bytes) {
		bytes = stream->config.frame_bytes;
		completion->flags |= NDMA_FRAME_ERROR;
	}
	if (bytes < stream->config.frame_bytes)
		completion->flags |= NDMA_FRAME_PARTIAL;
	if (completion->flags & NDMA_FRAME_ERROR)
		stream->stats.errors++;
	completion->sequence = stream->sequence++;
	if (completion->flags & NDMA_FRAME_SAMPLE_START)
		stream->sample = result->sample_start;
	frame->sample_start = stream->sample;
	/* Who has the small entries has no such field, and may know the flags of its time alone. */
	if (stream->entry_bytes == sizeof(*completion))
		completion->flags &= ~NDMA_FRAME_SAMPLE_START;
	stream->sample += bytes == stream->config.frame_bytes ? stream->config.samples :
			  div64_u64(bytes, stream->sample_bytes);
	completion->hw_timestamp = result->hw_timestamp;
	completion->hw_sequence = result->hw_sequence;
	completion->bytes_used = bytes;
	completion->dropped = stream->lost;
	completion->trigger = result->trigger;
	if (unlikely(stream->resumed)) {
		completion->flags |= NDMA_FRAME_LOSS_UNKNOWN;
		stream->resumed = false;
	}
	/* At every frame: nobody tells when the clock is set, and a clock chip may resume after this source. */
	ndma_stream_anchor(stream);
	if (unlikely(stream->anchor != stream->anchor_told))
		completion->flags |= NDMA_FRAME_CALENDAR;
	stream->anchor_told = stream->anchor;
	completion->anchor = stream->anchor;
	stream->lost = 0;
}

static void ndma_flow_accept(struct ndma_frame *frame, const struct ndma_frame_result *result,
			   u64 timestamp_ns)
{
	struct ndma_stream *stream = frame->stream;
	struct ndma_completion completion;

	ndma_flow_lose(stream, result->dropped);
	if (stream->finished) {
		/*
		 * The frame is one more than the run was to make. Nobody has seen it, so it needs
		 * no sync.
		 */
		ndma_frame_free(frame);
		return;
	}
	completion.timestamp_ns = timestamp_ns;
	ndma_flow_describe(frame, result, &completion);
	if (stream->deferred) {
		frame->completion = completion;
		ndma_frame_move(frame, NDMA_FRAME_IS_FILLED);
		ndma_frame_push(&stream->filled, frame);
		ndma_flow_call_worker(stream);
	} else {
		ndma_ring_publish(frame, &completion);
	}
	/*
	 * A fill ends by its frame alone: frames that the card lost before it must not end the fill
	 * without one.
	 */
	if (!--stream->remaining || stream->fill.state == NDMA_FILL_RUNNING)
		ndma_flow_finish(stream);
	else
		ndma_flow_left_device(stream);
}

/*
 * Complains of a driver that gives back a frame which it does not have. That is a bug, but going on
 * is safe.
 */
static bool ndma_flow_is_device(const struct ndma_frame *frame)
{
	const struct ndma_source *source;

	if (likely(frame->state == NDMA_FRAME_IS_DEVICE))
		return true;
	source = READ_ONCE(frame->stream->source);
	pr_err_ratelimited("ndma: %s: the driver gave back frame %u, which it does not have\n",
			   source ? source->name : "a closed stream", frame->index);
	return false;
}

/*
 * RCU in the calls of drivers: when ops->stop() has returned none runs or will, by its rule. What a driver
 * that breaks it may meet is a stream that has ended, and not memory that is somebody else's.
 */
void ndma_frame_complete(struct ndma_frame *frame, const struct ndma_frame_result *result)
{
	u64 timestamp_ns = result->timestamp_ns ?: ktime_get_ns();
	struct ndma_stream *stream;
	unsigned long flags;

	rcu_read_lock();
	stream = frame->stream;
	spin_lock_irqsave(&stream->ring_lock, flags);
	if (ndma_flow_is_device(frame))
		ndma_flow_accept(frame, result, timestamp_ns);
	spin_unlock_irqrestore(&stream->ring_lock, flags);
	ndma_stream_wake(stream);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(ndma_frame_complete);

void ndma_frame_return(struct ndma_frame *frame)
{
	struct ndma_stream *stream;
	unsigned long flags;

	rcu_read_lock();
	stream = frame->stream;
	spin_lock_irqsave(&stream->ring_lock, flags);
	if (ndma_flow_is_device(frame)) {
		ndma_frame_free(frame);
		if (stream->running)
			ndma_flow_left_device(stream);
	}
	spin_unlock_irqrestore(&stream->ring_lock, flags);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(ndma_frame_return);

void ndma_stream_lost(struct ndma_stream *stream, u64 frames)
{
	unsigned long flags;

	rcu_read_lock();
	spin_lock_irqsave(&stream->ring_lock, flags);
	if (stream->running)
		ndma_flow_lose(stream, frames);
	spin_unlock_irqrestore(&stream->ring_lock, flags);
	ndma_stream_wake(stream);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(ndma_stream_lost);

void ndma_stream_finish(struct ndma_stream *stream)
{
	unsigned long flags;

	rcu_read_lock();
	spin_lock_irqsave(&stream->ring_lock, flags);
	if (stream->running && !stream->finished)
		ndma_flow_finish(stream);
	spin_unlock_irqrestore(&stream->ring_lock, flags);
	ndma_stream_wake(stream);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(ndma_stream_finish);

/* ---------------------------------------------------------------- process context */

/*
 * Under `latest` the driver may have asked while the only frames to steal were not published yet,
 * or while a released frame seemed to come that turned out to be pinned. It waits then, and nobody
 * else would steal for it.
 */
static void ndma_flow_steal_late(struct ndma_stream *stream)
{
	if (!stream->running || !stream->starving || stream->policy != NDMA_POLICY_LATEST ||
	    stream->free.first)
		return;
	if (ndma_flow_newest_stays(stream))
		ndma_flow_steal(stream);
}

/* Calls ops->queue() if the driver is starving and a frame is free. */
static void ndma_flow_queue(struct ndma_stream *stream)
{
	unsigned long flags;
	bool go;

	spin_lock_irqsave(&stream->queue_lock, flags);
	spin_lock(&stream->ring_lock);
	go = stream->running && stream->starving && stream->free.first;
	if (go)
		ndma_flow_end_starving(stream);
	spin_unlock(&stream->ring_lock);
	if (go)
		stream->source->desc->ops->queue(stream);
	spin_unlock_irqrestore(&stream->queue_lock, flags);
}

void ndma_flow_kick(struct ndma_stream *stream)
{
	u32 left = stream->ring->entries, done;

	do {
		spin_lock_irq(&stream->ring_lock);
		done = ndma_ring_drain(stream, min_t(u32, left, DRAIN_BATCH));
		if (stream->released.first)
			queue_work(ndma_flow_workqueue, &stream->worker);
		spin_unlock_irq(&stream->ring_lock);
		left -= done;
	} while (done && left);
	ndma_flow_queue(stream);
}

static bool ndma_flow_publish_filled(struct ndma_stream *stream)
{
	struct ndma_frame *frame;

	spin_lock_irq(&stream->ring_lock);
	frame = ndma_frame_pop(&stream->filled);
	spin_unlock_irq(&stream->ring_lock);
	if (!frame)
		return false;
	ndma_segments_sync_for_cpu(frame);
	spin_lock_irq(&stream->ring_lock);
	ndma_ring_publish(frame, &frame->completion);
	ndma_flow_steal_late(stream);
	if (stream->finished && !stream->count[NDMA_FRAME_IS_FILLED])
		ndma_stream_set_state(stream, NDMA_STREAM_IDLE);
	spin_unlock_irq(&stream->ring_lock);
	ndma_stream_wake(stream);
	return true;
}

bool ndma_flow_touched(void *priv, u64 offset)
{
	struct ndma_stream *stream = priv;
	u32 index = div64_u64(offset, stream->stride);
	unsigned long flags;
	bool held;

	/*
	 * The end of the buffer, which rounding has added, belongs to no frame and may be touched.
	 */
	if (index >= stream->config.frames)
		return false;
	spin_lock_irqsave(&stream->ring_lock, flags);
	ndma_ring_note(stream);
	held = ndma_ring_is_users(&stream->frames[index]) ||
	       stream->frames[index].state == NDMA_FRAME_IS_KEPT;
	if (!held)
		stream->stats.touches++;
	spin_unlock_irqrestore(&stream->ring_lock, flags);
	return !held;
}

/*
 * Takes a released frame away from user space's page tables. False: somebody has pinned its pages
 * and could still write to it.
 */
static bool ndma_flow_seize(struct ndma_frame *frame)
{
	struct ndma_stream *stream = frame->stream;

	return !stream->guarded ||
	       !ndma_guard_seize(stream->buffer, frame->index * stream->stride, stream->stride);
}

static void ndma_flow_postpone(struct ndma_frame *frame)
{
	struct ndma_stream *stream = frame->stream;

	spin_lock_irq(&stream->ring_lock);
	if (stream->deferred) {
		ndma_frame_push(&stream->pinned, frame);
		stream->nr_pinned++;
		/*
		 * The pause begins anew with each pinned frame, because looking at many of them
		 * takes longer than the pause.
		 */
		mod_delayed_work(ndma_flow_workqueue, &stream->retry, msecs_to_jiffies(RETRY_MS));
		ndma_flow_steal_late(stream);
	} else {
		ndma_frame_free(frame);
	}
	spin_unlock_irq(&stream->ring_lock);
}

/* Lets the worker look again at the frames that were pinned. ring_lock is held. */
static void ndma_flow_requeue_pinned(struct ndma_stream *stream)
{
	struct ndma_frame *frame;

	while ((frame = ndma_frame_pop(&stream->pinned)))
		ndma_frame_push(&stream->released, frame);
	stream->nr_pinned = 0;
}

/* Drains a batch, @left allowing, and frees one released frame. False: there was nothing to do. */
static bool ndma_flow_free_released(struct ndma_stream *stream, u32 *left)
{
	struct ndma_frame *frame;
	u32 done;

	spin_lock_irq(&stream->ring_lock);
	done = ndma_ring_drain(stream, min_t(u32, *left, DRAIN_BATCH));
	frame = ndma_frame_pop(&stream->released);
	spin_unlock_irq(&stream->ring_lock);
	*left -= done;
	if (!frame)
		return done;
	if (!ndma_flow_seize(frame)) {
		ndma_flow_postpone(frame);
		return true;
	}
	ndma_segments_sync_for_device(frame);
	spin_lock_irq(&stream->ring_lock);
	ndma_frame_free(frame);
	spin_unlock_irq(&stream->ring_lock);
	return true;
}

void ndma_flow_settle(struct ndma_stream *stream)
{
	/* Nobody has called the worker of a fill, nor will. */
	if (stream->fill.state != NDMA_FILL_RUNNING)
		flush_work(&stream->worker);
	else
		while (ndma_flow_publish_filled(stream))
			;
}

void ndma_flow_end(struct ndma_stream *stream)
{
	struct ndma_frame *frame;

	flush_work(&stream->worker);
	spin_lock_irq(&stream->ring_lock);
	stream->deferred = false;
	ndma_flow_requeue_pinned(stream);
	while ((frame = ndma_frame_pop(&stream->released)))
		ndma_frame_free(frame);
	spin_unlock_irq(&stream->ring_lock);
	/*
	 * The worker may have been started again since the first flush and have a frame in hand. It
	 * postpones nothing any more, so nothing starts it a third time but a retry that was due.
	 */
	flush_work(&stream->worker);
	cancel_delayed_work_sync(&stream->retry);
	flush_work(&stream->worker);
}

void ndma_flow_retry(struct work_struct *work)
{
	struct ndma_stream *stream = container_of(work, struct ndma_stream, retry.work);

	spin_lock_irq(&stream->ring_lock);
	ndma_flow_requeue_pinned(stream);
	spin_unlock_irq(&stream->ring_lock);
	queue_work(ndma_flow_workqueue, &stream->worker);
}

void ndma_flow_work(struct work_struct *work)
{
	struct ndma_stream *stream = container_of(work, struct ndma_stream, worker);
	/* One turn of the ring: who releases nonsense as fast as it is drained keeps no worker. */
	u32 left = stream->ring->entries;
	bool more;

	do {
		/*
		 * Filled frames go first: a pinned frame costs milliseconds, and user space would
		 * wait for its data that long.
		 */
		while (ndma_flow_publish_filled(stream))
			;
		more = ndma_flow_free_released(stream, &left);
		ndma_flow_queue(stream);
	} while (more);
}
