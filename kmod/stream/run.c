// SPDX-License-Identifier: GPL-2.0-only
/* Runs: how a stream's device is started, and how it is made quiet. */
#include <linux/ktime.h>

#include "internal.h"

/* When it returns with @running false, ops->queue() does not run and will not. */
static void ndma_run_set_running(struct ndma_stream *stream, bool running)
{
	spin_lock_irq(&stream->queue_lock);
	spin_lock(&stream->ring_lock);
	stream->running = running;
	stream->starving = false;
	WRITE_ONCE(stream->ring->completions->need_wakeup, 0);
	spin_unlock(&stream->ring_lock);
	spin_unlock_irq(&stream->queue_lock);
}

/* A frame that stop has got out of the device may have been the last one. */
static u32 ndma_run_state(const struct ndma_stream *stream, u32 state)
{
	return state == NDMA_STREAM_PAUSED && stream->finished ? NDMA_STREAM_IDLE : state;
}

void ndma_run_quiet(struct ndma_stream *stream, u32 state)
{
	const struct ndma_source_ops *ops = stream->source->desc->ops;

	ndma_run_set_running(stream, false);
	if (stream->active) {
		ops->stop(stream);
		/* The device still writes to frames that stop has not got back. */
		if (READ_ONCE(stream->count[NDMA_FRAME_IS_DEVICE]) && ops->abort)
			ops->abort(stream);
		stream->active = false;
	}
	/*
	 * Frames that are filled have to be published before user space reads that no more will
	 * come.
	 */
	ndma_flow_settle(stream);
	spin_lock_irq(&stream->ring_lock);
	ndma_frames_reclaim(stream);
	state = ndma_run_state(stream, state);
	ndma_stream_set_state(stream, state);
	spin_unlock_irq(&stream->ring_lock);
	stream->paused = state == NDMA_STREAM_PAUSED;
	ndma_stream_wake(stream);
}

/* Starts the device for what is left of a run. */
static int ndma_run_start(struct ndma_stream *stream)
{
	int ret;

	spin_lock_irq(&stream->ring_lock);
	ndma_stream_set_state(stream, NDMA_STREAM_RUNNING);
	spin_unlock_irq(&stream->ring_lock);
	ndma_run_set_running(stream, true);
	ret = stream->source->desc->ops->start(stream);
	if (ret) {
		ndma_run_quiet(stream, NDMA_STREAM_IDLE);
		return ret;
	}
	stream->paused = false;
	stream->active = true;
	return 0;
}

int ndma_run_begin(struct ndma_stream *stream, u64 count)
{
	s64 now;
	int ret;

	if (stream->active && !READ_ONCE(stream->finished))
		return -EBUSY;
	/* A counted run has ended, but its stopper has not come yet. */
	if (stream->active)
		ndma_run_quiet(stream, NDMA_STREAM_IDLE);

	now = ktime_get_ns();
	spin_lock_irq(&stream->ring_lock);
	stream->finished = false;
	stream->resumed = false;
	stream->remaining = count ?: U64_MAX;
	ndma_stream_anchor(stream);
	spin_unlock_irq(&stream->ring_lock);
	ret = ndma_run_start(stream);
	if (ret)
		return ret;
	stream->start_monotonic = now;
	stream->start_realtime = ktime_to_ns(ktime_mono_to_real(ns_to_ktime(now)));
	stream->rate = ndma_source_rate(stream);
	spin_lock_irq(&stream->ring_lock);
	stream->started = true;
	/*
	 * Frames that were released while nothing ran are still in the ring, and no driver has
	 * asked for them.
	 */
	ndma_flow_call_worker(stream);
	spin_unlock_irq(&stream->ring_lock);
	return 0;
}

int ndma_run_resume(struct ndma_stream *stream)
{
	int ret;

	/* The card was quiet for a time of which no clock of this machine need know. */
	spin_lock_irq(&stream->ring_lock);
	stream->resumed = true;
	spin_unlock_irq(&stream->ring_lock);
	ret = ndma_run_start(stream);
	if (ret)
		return ret;
	spin_lock_irq(&stream->ring_lock);
	/* For frames that were released meanwhile, as at a start. */
	ndma_flow_call_worker(stream);
	spin_unlock_irq(&stream->ring_lock);
	return 0;
}
