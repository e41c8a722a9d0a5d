// SPDX-License-Identifier: MIT
/* Streams: setting one up, starting, stopping, closing. Taking frames is in frame.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream.h"

static int make_ring(struct ndma_stream *stream)
{
	const struct ndma_stream_setup *setup = &stream->setup;
	struct ndma_ring *ring = &stream->ring;

	ring->held = calloc(setup->frames, sizeof(*ring->held));
	if (!ring->held)
		return ndma_set_error(ENOMEM, "no memory to note %u frames", setup->frames);
	ring->version = NDMA_RING_VERSION;
	if (setup->entry_bytes == sizeof(struct ndma_entry)) {
		ring->kept = calloc(setup->frames, sizeof(*ring->kept));
		if (!ring->kept)
			return ndma_set_error(ENOMEM, "no memory to note %u frames", setup->frames);
		ring->version = NDMA_RING_VERSION_ENTRY;
	}
	ring->mask = setup->entries - 1;
	ring->completions = stream->completions;
	ring->releases = stream->releases;
	ring->data = stream->data;
	ring->stride = setup->frame_stride;
	ring->policy = setup->policy;
	ring->frames = setup->frames;
	return 0;
}

NDMA_API int ndma_stream_create_entries(const struct ndma_source *source,
					const struct ndma_stream_options *options,
					uint32_t entry_bytes, struct ndma_stream **out)
{
	struct ndma_stream_setup setup;
	struct ndma_stream *stream;
	int rc;

	rc = ndma_stream_resolve(source, options, entry_bytes, &setup);
	if (rc)
		return rc;
	rc = source->backend->stream_create(source, &setup, options->writable, &stream);
	if (rc)
		return rc;
	memcpy(stream->name, source->name, sizeof(stream->name));
	rc = make_ring(stream);
	if (rc) {
		ndma_stream_free(stream);
		return rc;
	}
	*out = stream;
	return 0;
}

NDMA_API int ndma_stream_create(const struct ndma_source *source,
				const struct ndma_stream_options *options, struct ndma_stream **out)
{
	return ndma_stream_create_entries(source, options, 0, out);
}

/* Called under the lock, so that ndma_stream_stats() finds either an open fd or the last counts. */
static void end_locked(struct ndma_stream *stream)
{
	stream->last.size = sizeof(stream->last);
	stream->backend->stream_stats(stream, &stream->last);
	stream->backend->stream_close(stream);
	__atomic_store_n(&stream->fd, -1, __ATOMIC_RELAXED); /* ndma_stream_fd() takes no lock */
	pthread_cond_broadcast(&stream->left);
}

NDMA_API void ndma_stream_close(struct ndma_stream *stream)
{
	bool closed;

	if (!stream || stream->process != ndma_process_id())
		return;
	pthread_mutex_lock(&stream->lock);
	closed = stream->closed;
	stream->closed = true;
	pthread_mutex_unlock(&stream->lock);
	/* A closed stream is not started again; the stop wakes the sleepers, who then leave. */
	if (!closed)
		stream->backend->stream_stop(stream);
	pthread_mutex_lock(&stream->lock);
	/*
	 * As soon as the fd is closed its number may be another file's, so it is closed once no
	 * call is about to use it. A second close waits for the first.
	 */
	while (stream->users || (closed && stream->fd >= 0))
		pthread_cond_wait(&stream->left, &stream->lock);
	if (!closed)
		end_locked(stream);
	pthread_mutex_unlock(&stream->lock);
}

NDMA_API void ndma_stream_free(struct ndma_stream *stream)
{
	if (!stream)
		return;
	if (stream->process == ndma_process_id()) {
		ndma_stream_close(stream);
		pthread_cond_destroy(&stream->left);
		pthread_mutex_destroy(&stream->lock);
	} else if (stream->fd >= 0) {
		/*
		 * A child of fork closes its descriptor; the parent's stream goes on. Destroying
		 * the condition would wait for threads that slept on it at the fork.
		 */
		close(stream->fd);
	}
	free(stream->ring.held);
	free(stream->ring.kept);
	free(stream->channels);
	stream->backend->stream_free(stream);
}

/* What describes a stream's frames: the source as it is at the start. */
struct snapshot {
	struct ndma_source_info info;
	struct ndma_source_channel *channels;
};

static int make_snapshot(struct ndma_stream *stream, struct snapshot *snapshot)
{
	uint32_t count = stream->setup.layout.shape[0];
	struct ndma_source_channel *channels;
	uint32_t i;
	int rc;

	channels = calloc(count, sizeof(*channels));
	if (!channels)
		return ndma_set_error(ENOMEM, "no memory for %u channels", count);
	snapshot->info = (struct ndma_source_info){ .size = sizeof(snapshot->info) };
	rc = stream->backend->stream_info(stream, &snapshot->info);
	for (i = 0; !rc && i < count; i++) {
		channels[i].size = sizeof(*channels);
		channels[i].index = i;
		rc = stream->backend->stream_channel(stream, i, &channels[i]);
	}
	if (rc)
		free(channels);
	else
		snapshot->channels = channels;
	return rc;
}

static void keep_snapshot(struct ndma_stream *stream, const struct snapshot *snapshot)
{
	struct ndma_source_info started = { .size = sizeof(started) };

	free(stream->channels);
	stream->channels = snapshot->channels;
	stream->info = snapshot->info;
	/*
	 * Again, for time and rate of the start. Not an error if the card is gone: its frames are
	 * there.
	 */
	if (!stream->backend->stream_info(stream, &started))
		stream->info = started;
	atomic_store_explicit(&stream->realtime_offset_ns,
			      stream->info.start_realtime_ns - stream->info.start_monotonic_ns,
			      memory_order_relaxed);
}

static int start_locked(struct ndma_stream *stream, uint64_t count)
{
	struct snapshot snapshot;
	int rc;

	if (stream->closed)
		return ndma_stream_closed_error(stream);
	rc = make_snapshot(stream, &snapshot);
	if (rc)
		return rc;
	rc = stream->backend->stream_start(stream, count);
	if (rc)
		free(snapshot.channels);
	else
		keep_snapshot(stream, &snapshot);
	return rc;
}

NDMA_API int ndma_stream_start(struct ndma_stream *stream, uint64_t count)
{
	int rc = ndma_stream_enter(stream);

	if (rc)
		return rc;
	/* The lock keeps a close from coming between: nothing runs after its stop. */
	pthread_mutex_lock(&stream->lock);
	rc = start_locked(stream, count);
	pthread_mutex_unlock(&stream->lock);
	ndma_stream_leave(stream);
	return rc;
}

NDMA_API int ndma_stream_stop(struct ndma_stream *stream)
{
	int rc = ndma_stream_enter(stream);

	if (rc)
		return rc == -EBADF ? 0 : rc;
	rc = stream->backend->stream_stop(stream);
	ndma_stream_leave(stream);
	return rc;
}

NDMA_API int ndma_stream_kick(struct ndma_stream *stream)
{
	int rc = ndma_stream_enter(stream);

	if (rc)
		return rc == -EBADF ? 0 : rc;
	rc = stream->backend->stream_kick(stream);
	ndma_stream_leave(stream);
	return rc;
}

NDMA_API int ndma_stream_fd(const struct ndma_stream *stream)
{
	return __atomic_load_n(&stream->fd, __ATOMIC_RELAXED);
}

NDMA_API struct ndma_ring *ndma_stream_ring(struct ndma_stream *stream)
{
	return &stream->ring;
}

NDMA_API const struct ndma_stream_setup *ndma_stream_setup(const struct ndma_stream *stream)
{
	return &stream->setup;
}

/* Under the lock a start does not change what is copied, and a close leaves the fd. */
static int info_locked(const struct ndma_stream *stream, struct ndma_source_info *info)
{
	if (stream->channels) {
		*info = stream->info;
		return 0;
	}
	if (stream->closed)
		return ndma_stream_closed_error(stream);
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return stream->backend->stream_info(stream, info);
}

NDMA_API int ndma_stream_info(const struct ndma_stream *stream, struct ndma_source_info *info)
{
	struct ndma_stream *self = (struct ndma_stream *)stream;
	int rc = ndma_process_check(stream->process, "stream");

	if (rc)
		return rc;
	pthread_mutex_lock(&self->lock);
	rc = info_locked(stream, info);
	pthread_mutex_unlock(&self->lock);
	return rc;
}

static int channel_locked(const struct ndma_stream *stream, uint32_t index,
			  struct ndma_source_channel *channel)
{
	if (stream->channels) {
		*channel = stream->channels[index];
		return 0;
	}
	if (stream->closed)
		return ndma_stream_closed_error(stream);
	memset(channel, 0, sizeof(*channel));
	channel->size = sizeof(*channel);
	channel->index = index;
	return stream->backend->stream_channel(stream, index, channel);
}

NDMA_API int ndma_stream_channel(const struct ndma_stream *stream, uint32_t index,
				 struct ndma_source_channel *channel)
{
	struct ndma_stream *self = (struct ndma_stream *)stream;
	uint32_t count = stream->setup.layout.shape[0];
	int rc = ndma_process_check(stream->process, "stream");

	if (rc)
		return rc;
	if (index >= count)
		return ndma_set_error(EINVAL, "channel %u: the stream has 0 to %u", index,
				      count - 1);
	pthread_mutex_lock(&self->lock);
	rc = channel_locked(stream, index, channel);
	pthread_mutex_unlock(&self->lock);
	return rc;
}

NDMA_API int ndma_stream_stats(const struct ndma_stream *stream, struct ndma_stream_stats *stats)
{
	struct ndma_stream *self = (struct ndma_stream *)stream;
	int rc = ndma_process_check(stream->process, "stream");

	if (rc)
		return rc;
	/* While it closes too, whoever else is in a call then: the lock keeps the fd. */
	pthread_mutex_lock(&self->lock);
	if (stream->fd < 0) {
		*stats = stream->last;
	} else {
		memset(stats, 0, sizeof(*stats));
		stats->size = sizeof(*stats);
		rc = stream->backend->stream_stats(stream, stats);
	}
	pthread_mutex_unlock(&self->lock);
	return rc;
}

NDMA_API int64_t ndma_stream_missing(const struct ndma_stream *stream)
{
	struct ndma_stream_stats stats;
	int rc = ndma_stream_stats(stream, &stats);

	if (rc)
		return rc;
	if (stats.state == NDMA_STREAM_RUNNING || ndma_ring_ready(&stream->ring))
		return 0;
	return (int64_t)(stats.produced - stream->ring.sequence);
}
