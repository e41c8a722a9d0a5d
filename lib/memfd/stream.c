// SPDX-License-Identifier: MIT
/* A stream at work: start, stop, what it is, what it counted. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream.h"

static int start_thread(struct memfd_stream *stream)
{
	sigset_t all, before;
	int rc;

	/* The program's signal handlers must run in threads that the program knows. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&stream->thread, NULL, ndma_memfd_sim_run, stream);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return ndma_set_error(ENOMEM, "a thread for a stream: %s", strerror(rc));
	stream->threaded = true;
	return 0;
}

/* For when the thread was told to leave, or left by itself. The caller holds stream->run. */
static void join_thread(struct memfd_stream *stream)
{
	if (stream->threaded)
		pthread_join(stream->thread, NULL);
	stream->threaded = false;
}

static int begin_run(struct memfd_stream *stream, uint64_t count)
{
	if (stream->state == NDMA_STREAM_GONE)
		return ndma_set_error(ENODEV, "%s is gone: unplugged (fault_vanish); open it again",
				      stream->base.name);
	if (stream->state == NDMA_STREAM_RUNNING)
		return ndma_set_error(EBUSY, "the stream of %s runs already", stream->base.name);
	ndma_memfd_calendar_anchor(stream);
	stream->start_monotonic_ns = (int64_t)ndma_memfd_now_ns();
	stream->start_realtime_ns =
		stream->start_monotonic_ns +
		stream->completions->realtime_offset_ns[stream->completions->anchor % NDMA_ANCHORS];
	stream->started = true;
	stream->rate = (struct ndma_rational){ stream->settings.rate, 1 };
	stream->remaining = count ? count : UINT64_MAX;
	stream->sim.started = 0;
	stream->changed = false;
	ndma_memfd_wait_set_state(stream, NDMA_STREAM_RUNNING);
	ndma_memfd_wait_arm(stream, 1);
	return 0;
}

int ndma_memfd_stream_start(struct ndma_stream *base, uint64_t count)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	int rc;

	pthread_mutex_lock(&stream->run);
	pthread_mutex_lock(&stream->lock);
	rc = begin_run(stream, count);
	pthread_mutex_unlock(&stream->lock);
	if (rc)
		goto unlock_run;
	join_thread(stream); /* of a run that reached its count */
	rc = start_thread(stream);
	if (rc) {
		pthread_mutex_lock(&stream->lock);
		ndma_memfd_wait_set_state(stream, NDMA_STREAM_IDLE);
		pthread_mutex_unlock(&stream->lock);
	}
unlock_run:
	pthread_mutex_unlock(&stream->run);
	return rc;
}

int ndma_memfd_stream_stop(struct ndma_stream *base)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);

	pthread_mutex_lock(&stream->run);
	pthread_mutex_lock(&stream->lock);
	if (stream->state == NDMA_STREAM_RUNNING) {
		__atomic_store_n(&stream->running, false, __ATOMIC_RELAXED);
		pthread_cond_signal(&stream->work);
	}
	pthread_mutex_unlock(&stream->lock);
	join_thread(stream);
	pthread_mutex_lock(&stream->lock);
	/*
	 * The end is told now that the thread is gone: who hears of it may rely on a quiet device.
	 */
	ndma_memfd_wait_set_state(stream, NDMA_STREAM_IDLE);
	pthread_mutex_unlock(&stream->lock);
	pthread_mutex_unlock(&stream->run);
	return 0;
}

int ndma_memfd_stream_stats(const struct ndma_stream *base, struct ndma_stream_stats *stats)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	uint32_t size = stats->size;

	pthread_mutex_lock(&stream->lock);
	ndma_memfd_ring_drain(stream);
	ndma_memfd_ring_note(stream);
	*stats = stream->stats;
	stats->size = size;
	stats->state = stream->state;
	stats->produced = stream->sequence;
	stats->free_frames = stream->counts[MEMFD_FRAME_FREE];
	stats->device_frames = stream->counts[MEMFD_FRAME_DEVICE];
	stats->user_frames = stream->counts[MEMFD_FRAME_DONE] + stream->counts[MEMFD_FRAME_USER];
	pthread_mutex_unlock(&stream->lock);
	return 0;
}

int ndma_memfd_stream_export(struct ndma_stream *base, uint32_t index, bool writable)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	const struct ndma_stream_setup *setup = &base->setup;
	bool held;

	if (index >= setup->frames)
		return ndma_set_error(EINVAL, "frame %u: the stream has 0 to %u", index,
				      setup->frames - 1);
	pthread_mutex_lock(&stream->lock);
	ndma_memfd_ring_note(stream);
	held = stream->states[index] == MEMFD_FRAME_USER;
	pthread_mutex_unlock(&stream->lock);
	if (!held)
		return ndma_set_error(
			EBUSY, "frame %u is not held: export it between next and release", index);
	/*
	 * A copy: nothing tells when a memfd's last descriptor is closed, and the frame free
	 * again.
	 */
	return ndma_memfd_buffer_copy_fd(&setup->layout,
					 stream->device + index * setup->frame_stride,
					 setup->frame_bytes, writable);
}

int ndma_memfd_stream_info(const struct ndma_stream *base, struct ndma_source_info *info)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	int rc;

	rc = ndma_memfd_card_check(stream->card);
	if (rc)
		return rc;
	ndma_memfd_card_info(info);
	memcpy(info->name, base->name, sizeof(info->name));
	pthread_mutex_lock(&stream->lock);
	info->rate = (struct ndma_rational){ stream->settings.rate, 1 };
	if (stream->started) {
		info->rate = stream->rate;
		info->start_monotonic_ns = stream->start_monotonic_ns;
		info->start_realtime_ns = stream->start_realtime_ns;
	}
	pthread_mutex_unlock(&stream->lock);
	return 0;
}

int ndma_memfd_stream_channel(const struct ndma_stream *stream, uint32_t index,
			      struct ndma_source_channel *channel)
{
	int rc = ndma_memfd_card_check(ndma_memfd_stream(stream)->card);

	return rc ? rc : ndma_memfd_card_channel(index, channel);
}

int ndma_memfd_stream_control_get(const struct ndma_stream *base, uint32_t id, int64_t *value)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	int rc;

	rc = ndma_memfd_card_check(stream->card);
	if (rc)
		return rc;
	pthread_mutex_lock(&stream->lock);
	rc = ndma_memfd_control_load(stream->values, id, value);
	pthread_mutex_unlock(&stream->lock);
	return rc;
}

int ndma_memfd_stream_control_set(struct ndma_stream *base, uint32_t id, int64_t *value)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	int rc;

	pthread_mutex_lock(&stream->lock);
	if (stream->state == NDMA_STREAM_GONE) {
		rc = ndma_set_error(ENODEV, "%s is gone: unplugged (fault_vanish)", base->name);
		goto unlock;
	}
	rc = ndma_memfd_control_apply(stream, id, value);
unlock:
	pthread_mutex_unlock(&stream->lock);
	return rc;
}

void ndma_memfd_stream_close(struct ndma_stream *base)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	uint32_t i;

	ndma_memfd_stream_stop(base);
	ndma_memfd_card_remove(stream->card, stream);
	/* Mapped data stays readable after the close: what a guard has hidden is shown again. */
	for (i = 0; i < base->setup.frames; i++)
		if (stream->states[i] == MEMFD_FRAME_FREE)
			ndma_memfd_ring_show(stream, i);
	close(base->fd);
}
