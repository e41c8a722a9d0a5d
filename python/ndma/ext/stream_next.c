// SPDX-License-Identifier: MIT
/*
 * A stream's frames, one after the other. A ready frame costs no system call; a wait gives up the
 * GIL and lets signal handlers run ten times a second.
 */
#include "internal.h"
#include "types.h"

#include <errno.h>

/* The sequences of the frames that this process holds, "3, 4, 5". */
static PyObject *held_text(const struct ext_stream *stream)
{
	PyObject *text = PyUnicode_FromString("");

	for (uint32_t i = 0; text && i < stream->frames; i++)
		if (stream->ring->held[i])
			PyUnicode_AppendAndDel(
				&text, PyUnicode_FromFormat(
					       "%s%llu", PyUnicode_GET_LENGTH(text) ? ", " : "",
					       (unsigned long long)stream->ring->held[i] - 1));
	return text;
}

static void refuse_held(struct ext_stream *stream)
{
	PyObject *text = held_text(stream);

	if (text)
		PyErr_Format(
			stream->state->frames_held_error,
			"this program holds all %u frames of %s (sequence %U), so none can "
			"come. Let go of frames and of the arrays made from them: lists, _ and Out[n] in "
			"IPython (%%reset -f out), and sys.last_traceback keep them too. "
			"frame.copy() keeps the samples without the frame",
			stream->frames, stream->name, text);
	Py_XDECREF(text);
}

int ext_stream_await(struct ext_stream *stream, int64_t timeout_ns)
{
	int64_t deadline = timeout_ns < 0 ? INT64_MAX : ext_now_ns() + timeout_ns;
	bool collected = false;

	while (!stream->closed) {
		int64_t left = deadline - ext_now_ns();
		int ready;

		left = left < 0 ? 0 : left > EXT_SLICE_NS ? EXT_SLICE_NS : left;
		Py_BEGIN_ALLOW_THREADS ready = ndma_stream_wait(stream->handle, 1, left);
		Py_END_ALLOW_THREADS if (ready >= 0) return ready > 0;
		if (ready != -EINTR && ready != -EAGAIN && ready != -ETIMEDOUT &&
		    (ready != -EBUSY || collected)) {
			if (ready == -EBUSY)
				refuse_held(stream);
			else
				ext_error(stream->state, EXT_STREAM, ready);
			return -1;
		}
		if (PyErr_CheckSignals() || (ready == -EBUSY && ext_collect()))
			return -1;
		collected |= ready == -EBUSY;
		if (ready != -EINTR && ready != -EBUSY && ext_now_ns() >= deadline) {
			ext_error_os(
				PyExc_OSError, ETIMEDOUT,
				PyUnicode_FromFormat("no frame from %s in time; the stream goes on",
						     stream->name));
			return -1;
		}
	}
	return 0;
}

/* The frame is ours. Its entry is kept until it is released, and its object may live longer. */
static void hold(struct ext_stream *stream, struct ext_frame *frame)
{
	frame->sample_start = stream->ring->kept[frame->entry.completion.index].sample_start;
	frame->held = true;
}

/* A ready frame, or NULL: with an exception only if there is no memory for the object. */
static struct ext_frame *take(struct ext_stream *stream)
{
	struct ext_frame *frame;

again:
	if (!ndma_ring_ready(stream->ring))
		return NULL;
	/* The object comes first: a ring entry that was taken without one would be lost. */
	frame = ext_frame_alloc(stream);
	if (!frame)
		return NULL;
	if (!ndma_ring_take(stream->ring, &frame->entry)) {
		Py_DECREF(frame);
		return NULL;
	}
	hold(stream, frame);
	if (stream->fresh_ns && ext_fresh_passes_over(stream, frame)) {
		Py_DECREF(frame);
		goto again;
	}
	return frame;
}

static struct ndma_frame *pending_at(const struct ext_stream *stream, uint32_t i)
{
	return &stream->pending[(stream->pending_first + i) % stream->frames];
}

/* Appends the frame to the pending ones, which next() hands out first; there is room for every
 * frame. */
static void defer(struct ext_stream *stream, struct ext_frame *frame)
{
	*pending_at(stream, stream->pending_count++) = frame->entry;
	frame->held = false;
}

static struct ext_frame *take_pending(struct ext_stream *stream)
{
	struct ext_frame *frame = ext_frame_alloc(stream);

	if (!frame)
		return NULL;
	frame->entry = stream->pending[stream->pending_first];
	stream->pending_first = (stream->pending_first + 1) % stream->frames;
	stream->pending_count--;
	hold(stream, frame);
	return frame;
}

/* Hands a frame out, unless on_loss has something against it. */
static PyObject *deliver(struct ext_stream *stream, struct ext_frame *frame)
{
	if (!ext_loss_is(&frame->entry) || !ext_loss_note(stream, frame))
		return (PyObject *)frame;
	/* A warning that a filter made an exception must not become a loss of its own. */
	if (stream->on_loss == EXT_LOSS_WARN)
		defer(stream, frame);
	Py_DECREF(frame);
	return NULL;
}

/* The first pending frame. A loss to be raised waits for its turn; others were told of before. */
static PyObject *next_pending(struct ext_stream *stream)
{
	struct ext_frame *frame = take_pending(stream);

	if (frame && stream->on_loss == EXT_LOSS_RAISE)
		return deliver(stream, frame);
	return (PyObject *)frame;
}

struct ext_frame *ext_stream_take_ready(struct ext_stream *stream)
{
	return stream->pending_count ? take_pending(stream) : take(stream);
}

static int refuse_second(const struct ext_stream *stream)
{
	if (!stream->awaited)
		return 0;
	PyErr_Format(PyExc_RuntimeError,
		     "another thread or task waits for the next frame "
		     "of this stream of %s: one at a time",
		     stream->name);
	return -1;
}

int ext_stream_begin_wait(struct ext_stream *stream)
{
	if (ext_stream_check(stream) || refuse_second(stream))
		return -1;
	stream->awaited = true;
	stream->thread = PyThread_get_thread_ident();
	if (!ext_stream_start(stream))
		return 0;
	stream->awaited = false;
	return -1;
}

/* next() where it cannot take a ready frame at once: pending frames, the first start, and
 * sleeping. */
static PyObject *next_slowly(struct ext_stream *stream, int64_t timeout_ns)
{
	struct ext_frame *frame;
	int ret;

	if (ext_stream_check(stream))
		return NULL;
	if (refuse_second(stream))
		return NULL;
	if (stream->pending_count)
		return next_pending(stream);
	stream->awaited = true;
	stream->thread = PyThread_get_thread_ident();
	ret = ext_stream_start(stream) ? -1 : 1;
	for (frame = NULL; ret > 0;) {
		frame = take(stream);
		if (frame || PyErr_Occurred())
			break;
		ret = ext_stream_await(stream, timeout_ns);
	}
	/* The stream was closed meanwhile: a frame that was ready is still handed out. */
	if (!ret) {
		frame = take(stream);
		if (!frame && !PyErr_Occurred())
			stream->ended = !ext_loss_end(stream);
	}
	stream->awaited = false;
	return frame ? deliver(stream, frame) : NULL;
}

PyObject *ext_stream_next(PyObject *self)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	struct ext_frame *frame;

	if (stream->awaited || stream->closed || stream->pending_count ||
	    !ext_process_is(stream->process))
		return next_slowly(stream, stream->timeout_ns);
	frame = take(stream);
	if (frame)
		return deliver(stream, frame);
	return PyErr_Occurred() ? NULL : next_slowly(stream, stream->timeout_ns);
}

/* For _aio.py. Moves ready frames into `pending` until `wanted` are there. Returns how many go
 * together, and whether no more will: the stream has ended, or the next frame's turn raises a
 * loss. */
PyObject *ext_stream_poll(PyObject *self, PyObject *argument)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	long wanted = PyLong_AsLong(argument);
	bool ended = false, raises = stream->on_loss == EXT_LOSS_RAISE;
	uint32_t count = 0;
	int ret;

	if ((wanted == -1 && PyErr_Occurred()) || ext_stream_check(stream) ||
	    ext_stream_start(stream))
		return NULL;
	while (!ended && count < (unsigned long)wanted) {
		struct ext_frame *frame;

		if (count < stream->pending_count) {
			ended = raises && ext_loss_is(pending_at(stream, count));
			count += !ended || !count;
			continue;
		}
		frame = take(stream);
		if (frame) {
			if (!raises && !deliver(stream, frame))
				return NULL;
			defer(stream, frame);
			Py_DECREF(frame);
			continue;
		}
		if (PyErr_Occurred())
			return NULL;
		ret = ext_stream_await(stream, 0);
		if (ret < 0 && PyErr_ExceptionMatches(PyExc_TimeoutError)) {
			PyErr_Clear();
			break;
		}
		/* An exception comes after the frames before it, in a call of its own. */
		if (ret < 0 || (!ret && !(raises && count) && ext_loss_end(stream)))
			return NULL;
		stream->ended = ended = !ret;
	}
	return Py_BuildValue("(IO)", count, ended ? Py_True : Py_False);
}

/* For _aio.py: marks the stream as waited for, or no longer. */
PyObject *ext_stream_claim(PyObject *self, PyObject *argument)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	int claim = PyObject_IsTrue(argument);

	if (claim < 0)
		return NULL;
	if (claim && refuse_second(stream))
		return NULL;
	stream->awaited = claim;
	stream->thread = PyThread_get_thread_ident();
	Py_RETURN_NONE;
}

PyObject *ext_stream_take(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;

	if (stream->pending_count)
		return next_pending(stream);
	PyErr_Format(PyExc_ValueError, "no frame of %s has been polled", stream->name);
	return NULL;
}

static PyObject *aio(PyObject *self, const char *function, PyObject *argument)
{
	PyObject *module = PyImport_ImportModule("ndma._aio"), *result;

	if (!module)
		return NULL;
	result = PyObject_CallMethod(module, function, argument ? "OO" : "O", self, argument);
	Py_DECREF(module);
	return result;
}

PyObject *ext_stream_anext(PyObject *self)
{
	return aio(self, "next_frame", NULL);
}

PyObject *ext_stream_read(PyObject *self, PyObject *frames)
{
	return aio(self, "read_frames", frames);
}
