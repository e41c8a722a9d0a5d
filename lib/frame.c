// SPDX-License-Identifier: MIT
/* Frames: taking, waiting for and giving back; what a frame's bytes mean. */
#include <time.h>

#include "stream.h"

#define NO_LIMIT INT64_MAX

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The moment at which a wait of @timeout_ns ends. */
static int64_t deadline_of(int64_t timeout_ns)
{
	int64_t deadline;

	if (timeout_ns < 0 || __builtin_add_overflow(now_ns(), timeout_ns, &deadline))
		return NO_LIMIT;
	return deadline;
}

static int64_t rest_of(int64_t deadline, int64_t timeout_ns)
{
	int64_t rest;

	if (deadline == NO_LIMIT)
		return -1;
	if (!timeout_ns)
		return 0;
	rest = deadline - now_ns();
	return rest > 0 ? rest : 1;
}

static int all_held(const struct ndma_stream *stream)
{
	const struct ndma_ring *ring = &stream->ring;
	uint64_t first = UINT64_MAX, last = 0;
	uint32_t i;

	for (i = 0; i < ring->frames; i++) {
		if (!ring->held[i])
			continue;
		first = ring->held[i] - 1 < first ? ring->held[i] - 1 : first;
		last = ring->held[i] - 1 > last ? ring->held[i] - 1 : last;
	}
	return ndma_set_error(EBUSY,
			      "this program holds all %u frames of %s (sequences %llu to %llu), so "
			      "no other can come: release one first, or ask for more frames",
			      ring->frames, stream->name, (unsigned long long)first,
			      (unsigned long long)last);
}

static int explain(const struct ndma_stream *stream, int rc, int64_t timeout_ns)
{
	switch (rc) {
	case -EBUSY:
		return all_held(stream);
	case -EAGAIN:
		return ndma_set_error(EAGAIN, "no frame of %s is ready", stream->name);
	case -ETIMEDOUT:
		return ndma_set_error(ETIMEDOUT, "too few frames came from %s within %lld.%03lld s",
				      stream->name, (long long)(timeout_ns / 1000000000),
				      (long long)(timeout_ns / 1000000 % 1000));
	case -ENODEV:
		return ndma_set_error(ENODEV,
				      "%s is gone: unplugged, or its driver was unloaded; frames "
				      "that were taken stay readable",
				      stream->name);
	case -EINTR:
		return ndma_set_error(EINTR, "a signal came while waiting for %s", stream->name);
	case -EINVAL:
		return ndma_set_error(EINVAL,
				      "waiting for %s failed: the backend refuses the argument",
				      stream->name);
	default:
		return rc;
	}
}

/* Sleeps until @min frames are ready. 1: they are; 0: the stream ended before. */
static int sleep_for(struct ndma_stream *stream, uint32_t min, int64_t timeout_ns, int64_t deadline)
{
	struct ndma_stream_wait wait = {
		.size = sizeof(wait),
		.min = min,
		.timeout_ns = rest_of(deadline, timeout_ns),
	};
	int rc = ndma_stream_enter(stream);

	if (rc)
		return rc == -EBADF ? 0 : rc;
	rc = stream->backend->stream_wait(stream, &wait);
	ndma_stream_leave(stream);
	return rc ? rc : wait.ready >= min;
}

/*
 * Called where no frame was ready, or where this may be a child of fork. The frame that ends a
 * sleep may be stolen before it is taken, so this sleeps again. Inline, it would make the hot path
 * save registers.
 */
static __attribute__((noinline)) int next_slowly(struct ndma_stream *stream,
						 struct ndma_frame *frame, int64_t timeout_ns)
{
	int64_t deadline;
	int rc;

	rc = ndma_process_check(stream->process, "stream");
	if (rc)
		return rc;
	deadline = deadline_of(timeout_ns);
	for (;;) {
		rc = sleep_for(stream, 1, timeout_ns, deadline);
		if (ndma_ring_take(&stream->ring, frame))
			return 1;
		if (!rc)
			return 0;
		if (rc < 0)
			return explain(stream, rc, timeout_ns);
	}
}

NDMA_API int ndma_stream_next(struct ndma_stream *stream, struct ndma_frame *frame,
			      int64_t timeout_ns)
{
	if (ndma_process_is(stream->process) && ndma_ring_take(&stream->ring, frame))
		return 1;
	return next_slowly(stream, frame, timeout_ns);
}

NDMA_API int ndma_stream_next_batch(struct ndma_stream *stream, struct ndma_frame *frames,
				    size_t min, size_t room, int64_t timeout_ns)
{
	int64_t deadline = 0;
	size_t count = 0;
	int rc;

	if (!ndma_process_is(stream->process)) {
		rc = ndma_process_check(stream->process, "stream");
		if (rc)
			return rc;
	}
	if (!min || min > room || min > stream->ring.frames)
		return ndma_set_error(EINVAL,
				      "at least %zu frames of room for %zu: expected 1 to the "
				      "smaller of that and the stream's %u frames",
				      min, room, stream->ring.frames);
	for (;;) {
		while (count < room && ndma_ring_take(&stream->ring, &frames[count]))
			count++;
		if (count >= min)
			return (int)count;
		if (!deadline)
			deadline = deadline_of(timeout_ns);
		rc = sleep_for(stream, min - count, timeout_ns, deadline);
		if (rc > 0)
			continue;
		/*
		 * No more is coming. Frames go before an error: they are taken, and would be lost.
		 */
		while (count < room && ndma_ring_take(&stream->ring, &frames[count]))
			count++;
		return count || !rc ? (int)count : explain(stream, rc, timeout_ns);
	}
}

NDMA_API int ndma_stream_wait(struct ndma_stream *stream, uint32_t min, int64_t timeout_ns)
{
	int rc = ndma_process_check(stream->process, "stream");
	int64_t deadline = 0;
	uint32_t ready;

	if (rc)
		return rc;
	if (!min || min > stream->ring.frames)
		return ndma_set_error(EINVAL,
				      "waiting for %u frames: expected 1 to the stream's %u", min,
				      stream->ring.frames);
	/*
	 * Frames that ended a sleep may be stolen: fewer than @min are an answer only at the end.
	 */
	for (rc = 1;;) {
		ready = ndma_ring_ready(&stream->ring);
		if (ready >= min || !rc)
			return (int)ready;
		if (!deadline)
			deadline = deadline_of(timeout_ns);
		rc = sleep_for(stream, min, timeout_ns, deadline);
		if (rc < 0)
			return explain(stream, rc, timeout_ns);
	}
}

static bool is_held(const struct ndma_ring *ring, const struct ndma_frame *frame)
{
	return frame->completion.index < ring->frames &&
	       ring->held[frame->completion.index] == frame->completion.sequence + 1;
}

static int not_held(const struct ndma_stream *stream, const struct ndma_frame *frame)
{
	return ndma_set_error(EINVAL,
			      "frame %llu of %s is not held: it was released already, or is "
			      "another stream's",
			      (unsigned long long)frame->completion.sequence, stream->name);
}

/* The frame was released, even if the source is gone and cannot be kicked: no error. */
static __attribute__((noinline)) int kick_released(struct ndma_stream *stream)
{
	ndma_stream_kick(stream);
	return 0;
}

/* Called where this may be a child of fork, or the frame is not held. */
static __attribute__((noinline)) int release_slowly(struct ndma_stream *stream,
						    const struct ndma_frame *frame)
{
	int rc = ndma_process_check(stream->process, "stream");

	if (rc)
		return rc;
	if (!is_held(&stream->ring, frame))
		return not_held(stream, frame);
	if (ndma_ring_release(&stream->ring, frame->completion.index))
		kick_released(stream);
	return 0;
}

NDMA_API int ndma_stream_release(struct ndma_stream *stream, const struct ndma_frame *frame)
{
	if (!ndma_process_is(stream->process) || !is_held(&stream->ring, frame))
		return release_slowly(stream, frame);
	if (!ndma_ring_release(&stream->ring, frame->completion.index))
		return 0;
	return kick_released(stream);
}

NDMA_API int ndma_frame_layout(const struct ndma_stream *stream, const struct ndma_frame *frame,
			       struct ndma_layout *layout)
{
	const struct ndma_layout *whole = &stream->setup.layout;
	uint64_t sample = whole->shape[0] * whole->itemsize;
	uint64_t samples;

	if (whole->ndim == 3)
		sample *= whole->shape[2];
	samples = frame->completion.bytes_used / sample;
	*layout = *whole;
	if (samples < layout->shape[1])
		layout->shape[1] = samples;
	return 0;
}

/*
 * What makes a time stamp calendar time, by the anchor of its frame; the oldest anchor that can be read
 * where that is too old. A child of fork has not inherited the rings, and knows that of the last start.
 */
static int64_t realtime_offset_ns(const struct ndma_stream *stream, uint32_t anchor)
{
	const struct ndma_completions *ring = stream->ring.completions;
	int64_t offset_ns;
	uint32_t newest;

	if (!ndma_process_is(stream->process))
		return atomic_load_explicit(&stream->realtime_offset_ns, memory_order_relaxed);
	for (;;) {
		/* Acquire: the number comes after it. Pairs with the release in ndma_stream_anchor(). */
		offset_ns = __atomic_load_n(&ring->realtime_offset_ns[anchor % NDMA_ANCHORS],
					    __ATOMIC_ACQUIRE);
		newest = __atomic_load_n(&ring->anchor, __ATOMIC_ACQUIRE);
		if (newest - anchor < NDMA_ANCHORS - 1)
			return offset_ns;
		anchor = newest - (NDMA_ANCHORS - 2);
	}
}

NDMA_API int64_t ndma_frame_realtime_ns(const struct ndma_stream *stream,
					const struct ndma_frame *frame)
{
	return (int64_t)frame->completion.timestamp_ns +
	       realtime_offset_ns(stream, frame->completion.anchor);
}

NDMA_API int ndma_frame_entry(const struct ndma_stream *stream, const struct ndma_frame *frame,
			      struct ndma_entry *entry)
{
	if (stream->ring.version != NDMA_RING_VERSION_ENTRY)
		return ndma_set_error(EOPNOTSUPP,
				      "a stream of %s with small entries: ask for %zu bytes by "
				      "ndma_stream_create_entries()",
				      stream->name, sizeof(*entry));
	if (!is_held(&stream->ring, frame))
		return not_held(stream, frame);
	*entry = stream->ring.kept[frame->completion.index];
	return 0;
}

static int export_frame(struct ndma_stream *stream, const struct ndma_frame *frame, bool writable)
{
	int rc = ndma_stream_enter(stream);

	if (rc)
		return rc;
	rc = is_held(&stream->ring, frame)
		     ? stream->backend->stream_export(stream, frame->completion.index, writable)
		     : not_held(stream, frame);
	ndma_stream_leave(stream);
	return rc;
}

NDMA_API int ndma_frame_export(struct ndma_stream *stream, const struct ndma_frame *frame)
{
	return export_frame(stream, frame, false);
}

NDMA_API int ndma_frame_export_writable(struct ndma_stream *stream, const struct ndma_frame *frame)
{
	return export_frame(stream, frame, true);
}
