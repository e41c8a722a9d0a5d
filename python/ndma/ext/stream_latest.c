// SPDX-License-Identifier: MIT
/*
 * Fresh data: the newest frame there is, and nothing from before a moment. Frames that are passed over
 * were not lost: they are counted as skipped, and so is what was lost among them, because nobody
 * wanted it.
 *
 * Where every frame is ready, a source has nowhere to write: it has lost newer frames, or keeps them in
 * memory of its own until it gets frames back. The newest ready frame is old then, and newer ones
 * come as soon as the others have gone back.
 */
#include "internal.h"
#include "types.h"

/* How much longer than two frames a newer one may take. */
#define GRACE_NS (50 * 1000000LL)
/* A source whose time stamps are wrong would be waited for for ever. */
#define FRESH_MAX_NS (10 * NS_PER_S)

/* The newest of `frame`, may be NULL, and those that are ready; the others go back unseen. */
static struct ext_frame *newest(struct ext_stream *stream, struct ext_frame *frame)
{
	bool fresh = stream->fresh_ns;
	struct ext_frame *newer;

	while ((newer = ext_stream_take_ready(stream))) {
		/* The first one's gap is counted already where skip() came before. */
		stream->skipped += (fresh ? 0 : newer->entry.dropped) + !!frame;
		stream->lost_ahead = 0;
		fresh = false;
		Py_XDECREF(frame);
		frame = newer;
	}
	return frame;
}

/* Waits for a frame where there is none: NULL at the end, and with an exception. */
static struct ext_frame *await_newest(struct ext_stream *stream)
{
	struct ext_frame *frame = newest(stream, NULL);
	int ret = 1;

	while (!frame && ret > 0 && !PyErr_Occurred()) {
		ret = ext_stream_await(stream, stream->timeout_ns);
		frame = newest(stream, NULL);
	}
	return frame;
}

/* Whether the source has nowhere to write, and so has newer data than any frame. */
static bool is_full(const struct ext_stream *stream)
{
	struct ndma_stream_stats stats;

	return stream->ring->policy == NDMA_POLICY_DROP &&
	       !ndma_stream_stats(stream->handle, &stats) && stats.state == NDMA_STREAM_RUNNING &&
	       !stats.free_frames && !stats.device_frames;
}

/* What came of waiting for a newer frame: false, without an exception, where there will be none. */
static bool await_newer(struct ext_stream *stream, int64_t until_ns)
{
	int64_t left = until_ns - ext_now_ns();
	int ret = left > 0 ? ext_stream_await(stream, left) : 0;

	/* The frame in hand is the newest, then. */
	if (ret < 0 && (PyErr_ExceptionMatches(PyExc_TimeoutError) ||
			PyErr_ExceptionMatches(stream->state->frames_held_error) ||
			PyErr_ExceptionMatches(stream->state->source_gone)))
		PyErr_Clear();
	return ret > 0;
}

/* Goes on from a frame that is old until one ends at `now_ns` or later, or no newer one comes. */
static struct ext_frame *renew(struct ext_stream *stream, struct ext_frame *frame, int64_t now_ns)
{
	int64_t limit = now_ns + (stream->timeout_ns < 0 || stream->timeout_ns > FRESH_MAX_NS
					  ? FRESH_MAX_NS
					  : stream->timeout_ns);
	int64_t grace = 2 * stream->frame_ns + GRACE_NS, until;

	while (ext_fresh_start_of(stream, frame) + stream->frame_ns < now_ns) {
		until = ext_now_ns() + grace;
		if (!await_newer(stream, until < limit ? until : limit))
			break;
		frame = newest(stream, frame);
		if (PyErr_Occurred())
			break;
	}
	return frame;
}

PyObject *ext_stream_latest(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	struct ext_frame *frame;
	int64_t now_ns;
	bool full;

	if (ext_stream_begin_wait(stream))
		return NULL;
	full = is_full(stream);
	now_ns = ext_now_ns();
	stream->frame_ns = ext_fresh_frame_ns(stream);
	frame = await_newest(stream);
	if (frame && full && !PyErr_Occurred())
		frame = renew(stream, frame, now_ns);
	stream->awaited = false;
	if (!frame && !PyErr_Occurred()) {
		stream->ended = true;
		PyErr_Format(PyExc_EOFError, "%s: the stream has ended", stream->name);
	}
	if (PyErr_Occurred())
		Py_CLEAR(frame);
	return (PyObject *)frame;
}

PyObject *ext_stream_skip(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	struct ext_frame *frame;

	if (ext_stream_begin_wait(stream))
		return NULL;
	stream->frame_ns = ext_fresh_frame_ns(stream);
	stream->fresh_ns = 0;
	frame = newest(stream, NULL);
	stream->fresh_ns = ext_now_ns();
	stream->awaited = false;
	stream->skipped += !!frame;
	Py_XDECREF(frame);
	if (PyErr_Occurred())
		return NULL;
	Py_RETURN_NONE;
}
