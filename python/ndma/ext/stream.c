// SPDX-License-Identifier: MIT
/*
 * Stream: a run of a source into frames. A ready frame costs no system call; a wait gives up the
 * GIL and lets signal handlers run ten times a second.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

int ext_stream_ready(struct ext_stream *stream)
{
	if (!ext_process_is(stream->process)) {
		PyErr_Format(PyExc_RuntimeError,
			     "this stream of %s belongs to the process that "
			     "forked this one: open the source again here",
			     stream->name);
		return -1;
	}
	if (stream->closed) {
		PyErr_Format(PyExc_ValueError, "this stream of %s is closed", stream->name);
		return -1;
	}
	return 0;
}

/* A refusal changes nothing: a stream that runs goes on. */
static int start(struct ext_stream *stream, uint64_t count)
{
	int ret;

	Py_BEGIN_ALLOW_THREADS ret = ndma_stream_start(stream->handle, count);
	Py_END_ALLOW_THREADS if (ret < 0)
	{
		ext_error(stream->state, EXT_STREAM, ret);
		return -1;
	}
	stream->running = true;
	stream->count = count;
	return 0;
}

int ext_stream_start(struct ext_stream *stream)
{
	return stream->running ? 0 : start(stream, stream->count);
}

/* The sequences of the frames in our hands, "3, 4, 5". */
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
		PyErr_Format(stream->state->frames_held_error,
			     "this program holds all %u frames of %s (sequence %U), so none can "
			     "come. Let go of frames and of the arrays made from them: lists, _ "
			     "and Out[n] in IPython, and sys.last_traceback keep them too. "
			     "frame.copy() keeps the samples without the frame",
			     stream->frames, stream->name, text);
	Py_XDECREF(text);
}

int ext_stream_wait(struct ext_stream *stream, int64_t timeout_ns)
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

/* A ready frame, or NULL: with an exception only if there is no memory for the object. */
static struct ext_frame *take(struct ext_stream *stream)
{
	struct ext_frame *frame;

	if (!ndma_ring_ready(stream->ring))
		return NULL;
	/* First the object: an entry without an owner would be lost. */
	frame = ext_frame_alloc(stream);
	if (!frame)
		return NULL;
	if (!ndma_ring_take(stream->ring, &frame->entry)) {
		Py_DECREF(frame);
		return NULL;
	}
	frame->held = true;
	return frame;
}

static struct ndma_frame *pending_at(const struct ext_stream *stream, uint32_t i)
{
	return &stream->pending[(stream->pending_first + i) % stream->frames];
}

void ext_stream_defer(struct ext_stream *stream, struct ext_frame *frame)
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
	frame->held = true;
	return frame;
}

/* Hands a frame out, unless on_loss has something against it. */
static PyObject *deliver(struct ext_stream *stream, struct ext_frame *frame)
{
	if (frame->entry.dropped && ext_loss_note(stream, frame)) {
		Py_DECREF(frame);
		return NULL;
	}
	return (PyObject *)frame;
}

/* The first pending frame. A loss to be raised waits for its turn; others were told of before. */
static PyObject *next_pending(struct ext_stream *stream)
{
	struct ext_frame *frame = take_pending(stream);

	if (frame && stream->on_loss == EXT_LOSS_RAISE)
		return deliver(stream, frame);
	return (PyObject *)frame;
}

/* Frames that a cancelled read left, the first start, and sleeping. */
static PyObject *next_slowly(struct ext_stream *stream, int64_t timeout_ns)
{
	struct ext_frame *frame;
	int ret;

	if (ext_stream_ready(stream))
		return NULL;
	if (stream->busy) {
		PyErr_Format(PyExc_RuntimeError,
			     "another thread or task waits for the next frame "
			     "of this stream of %s: one at a time",
			     stream->name);
		return NULL;
	}
	if (stream->pending_count)
		return next_pending(stream);
	stream->busy = true;
	ret = ext_stream_start(stream) ? -1 : 1;
	for (frame = NULL; ret > 0;) {
		frame = take(stream);
		if (frame || PyErr_Occurred())
			break;
		ret = ext_stream_wait(stream, timeout_ns);
	}
	/* Closed while it slept: what was ready still counts. */
	if (!ret)
		frame = take(stream);
	stream->busy = false;
	return frame ? deliver(stream, frame) : NULL;
}

PyObject *ext_stream_next(PyObject *self)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	struct ext_frame *frame;

	if (stream->busy || stream->closed || stream->pending_count ||
	    !ext_process_is(stream->process))
		return next_slowly(stream, stream->timeout_ns);
	frame = take(stream);
	if (frame)
		return deliver(stream, frame);
	return PyErr_Occurred() ? NULL : next_slowly(stream, stream->timeout_ns);
}

static PyObject *stream_latest(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	PyObject *latest = ext_stream_next(self);

	if (!latest && !PyErr_Occurred())
		PyErr_Format(PyExc_EOFError, "%s: the stream has ended", stream->name);
	while (latest && !stream->busy && !stream->closed) {
		struct ext_frame *newer = stream->pending_count ? NULL : take(stream);

		if (!newer && !stream->pending_count)
			break;
		Py_DECREF(latest);
		latest = newer ? deliver(stream, newer) : next_pending(stream);
	}
	if (PyErr_Occurred())
		Py_CLEAR(latest);
	return latest;
}

static PyObject *stream_start(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "count", NULL };
	struct ext_stream *stream = (struct ext_stream *)self;
	PyObject *count = Py_None;
	uint64_t wanted = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:start", names, &count) ||
	    ext_count(count, &wanted) || ext_stream_ready(stream) || start(stream, wanted))
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *stream_stop(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	int ret;

	if (ext_stream_ready(stream))
		return NULL;
	stream->running = true; /* the next next() must not start it again */
	Py_BEGIN_ALLOW_THREADS ret = ndma_stream_stop(stream->handle);
	Py_END_ALLOW_THREADS if (ret < 0) return ext_error(stream->state, EXT_STREAM, ret);
	Py_RETURN_NONE;
}

static PyObject *stream_close(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	bool closed = stream->closed;

	stream->closed = true;
	/* The second one waits there for the first. */
	Py_BEGIN_ALLOW_THREADS ndma_stream_close(stream->handle);
	Py_END_ALLOW_THREADS if (!closed && ext_loss_finish(stream)) return NULL;
	Py_RETURN_NONE;
}

static PyObject *stream_enter(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;

	if (ext_stream_ready(stream) || ext_stream_start(stream))
		return NULL;
	return Py_NewRef(self);
}

static PyObject *stream_exit(PyObject *self, PyObject *args)
{
	return stream_close(self, NULL);
}

static PyObject *stream_fileno(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;

	if (ext_stream_ready(stream))
		return NULL;
	return PyLong_FromLong(ndma_stream_fd(stream->handle));
}

static PyObject *stream_reduce(PyObject *self, PyObject *unused)
{
	PyErr_SetString(PyExc_TypeError, "a Stream does not travel: open the source again in the "
					 "other process, by its name");
	return NULL;
}

/* For _aio.py. Moves ready frames into `pending` until `wanted` are there: (how many go together,
 * whether that is all: the stream has ended, or a loss is to be raised in its frame's turn). */
static PyObject *stream_poll(PyObject *self, PyObject *argument)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	long wanted = PyLong_AsLong(argument);
	bool ended = false, raises = stream->on_loss == EXT_LOSS_RAISE;
	uint32_t count = 0;
	int ret;

	if ((wanted == -1 && PyErr_Occurred()) || ext_stream_ready(stream) ||
	    ext_stream_start(stream))
		return NULL;
	while (!ended && count < (unsigned long)wanted) {
		struct ext_frame *frame;

		if (count < stream->pending_count) {
			ended = raises && pending_at(stream, count)->dropped;
			count += !ended || !count;
			continue;
		}
		frame = take(stream);
		if (frame) {
			if (!raises && !deliver(stream, frame))
				return NULL;
			ext_stream_defer(stream, frame);
			Py_DECREF(frame);
			continue;
		}
		if (PyErr_Occurred())
			return NULL;
		ret = ext_stream_wait(stream, 0);
		if (ret < 0 && PyErr_ExceptionMatches(PyExc_TimeoutError)) {
			PyErr_Clear();
			break;
		}
		if (ret < 0)
			return NULL;
		ended = !ret;
	}
	return Py_BuildValue("(IO)", count, ended ? Py_True : Py_False);
}

/* For _aio.py: marks the stream as waited for, or no longer. */
static PyObject *stream_claim(PyObject *self, PyObject *argument)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	int claim = PyObject_IsTrue(argument);

	if (claim < 0)
		return NULL;
	if (claim && stream->busy) {
		PyErr_Format(PyExc_RuntimeError,
			     "another thread or task waits for the next frame "
			     "of this stream of %s: one at a time",
			     stream->name);
		return NULL;
	}
	stream->busy = claim;
	Py_RETURN_NONE;
}

static PyObject *stream_take_pending(PyObject *self, PyObject *unused)
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

static PyObject *stream_anext(PyObject *self)
{
	return aio(self, "next_frame", NULL);
}

static PyObject *stream_read(PyObject *self, PyObject *frames)
{
	return aio(self, "read_frames", frames);
}

static PyMethodDef stream_methods[] = {
	{ "start", (PyCFunction)(void (*)(void))stream_start, METH_VARARGS | METH_KEYWORDS,
	  "start($self, /, count=None)\n--\n\n"
	  "Let the source fill frames; entering the stream or asking for a frame does it too.\n\n"
	  "Parameters\n----------\n"
	  "count : int, optional\n"
	  "    Stop after so many frames, lost ones included.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed, or a count below 1.\n"
	  "OSError\n"
	  "    EBUSY: it runs already. ENODEV: the source was unplugged.\n\n"
	  "Examples\n--------\n"
	  ">>> stream = ndma.open(\"sim0\").stream(1000)\n"
	  ">>> stream.start(count=2)\n"
	  ">>> len(list(stream))\n"
	  "2\n"
	  ">>> stream.close()" },
	{ "stop", stream_stop, METH_NOARGS,
	  "stop($self, /)\n--\n\n"
	  "Stop the source. Iteration ends after the frames that are ready. Any thread.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, on_loss=\"ignore\") as stream:\n"
	  "...     for frame in stream:\n"
	  "...         if frame.sequence >= 3:\n"
	  "...             stream.stop()" },
	{ "close", stream_close, METH_NOARGS,
	  "close($self, /)\n--\n\n"
	  "Stop the source and give it back. Frames and arrays that are held stay readable.\n"
	  "Any thread, also while another one waits for a frame.\n\n"
	  "Examples\n--------\n"
	  ">>> stream = ndma.open(\"sim0\").stream(1000)\n"
	  ">>> frame = next(stream)\n"
	  ">>> stream.close()\n"
	  ">>> frame.array().shape[1]\n"
	  "1000" },
	{ "latest", stream_latest, METH_NOARGS,
	  "latest($self, /)\n--\n\n"
	  "The newest frame that is ready; older ones go back unseen. Waits as next() does.\n\n"
	  "Returns\n-------\n"
	  "Frame\n\n"
	  "Raises\n------\n"
	  "EOFError\n"
	  "    The stream has ended.\n"
	  "TimeoutError, FramesHeldError, SourceGone, FrameLossError, ValueError\n"
	  "    As next().\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, on_loss=\"ignore\") as stream:\n"
	  "...     stream.latest().valid\n"
	  "1000" },
	{ "fileno", stream_fileno, METH_NOARGS,
	  "fileno($self, /)\n--\n\n"
	  "A descriptor that polls readable when a frame is ready.\n\n"
	  "Returns\n-------\n"
	  "int\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> import select\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=1) as stream:\n"
	  "...     readable, _, _ = select.select([stream], [], [], 10)\n"
	  "...     readable == [stream]\n"
	  "True" },
	{ "read", stream_read, METH_O,
	  "read($self, frames, /)\n--\n\n"
	  "For asyncio: ``await stream.read(n)``.\n\n"
	  "Cancelling it loses nothing: frames that had come are the next call's.\n\n"
	  "Parameters\n----------\n"
	  "frames : int\n"
	  "    How many, at most all of the stream's.\n\n"
	  "Returns\n-------\n"
	  "list of Frame\n"
	  "    Fewer only at the end of the stream, and before a loss that the next call raises.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Less than 1, or more than the stream has; closed.\n"
	  "RuntimeError\n"
	  "    Another thread or task waits for a frame.\n"
	  "TimeoutError, FramesHeldError, SourceGone, FrameLossError\n"
	  "    As next().\n\n"
	  "Examples\n--------\n"
	  ">>> async def main():\n"
	  "...     with ndma.open(\"sim0\").stream(1000, count=4) as stream:\n"
	  "...         return [frame.sequence for frame in await stream.read(4)]\n"
	  ">>> import asyncio\n"
	  ">>> asyncio.run(main())\n"
	  "[0, 1, 2, 3]" },
	{ "_poll", stream_poll, METH_O, NULL },
	{ "_claim", stream_claim, METH_O, NULL },
	{ "_take", stream_take_pending, METH_NOARGS, NULL },
	{ "__enter__", stream_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nStarts the stream." },
	{ "__exit__", stream_exit, METH_VARARGS,
	  "__exit__($self, /, *exception)\n--\n\nCloses the stream." },
	{ "__reduce__", stream_reduce, METH_NOARGS,
	  "__reduce__($self, /)\n--\n\nAlways TypeError: a stream does not travel." },
	{ NULL },
};

static void stream_dealloc(PyObject *self)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	ndma_stream_free(stream->handle);
	ext_layout_put(stream->layout);
	PyMem_Free(stream->pending);
	PyMem_Free(stream->scale);
	type->tp_free(self);
	Py_DECREF(type);
}

static int stream_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	return 0;
}

static PyType_Slot stream_slots[] = {
	{ Py_tp_doc,
	  "A run of a source into frames; made by `Source.stream()`.\n\n"
	  "Iterate over it, or ``async for``. One thread or task asks for frames at a time; frames\n"
	  "go back from any thread; stop() and close() may be called from any thread.\n\n"
	  "Asking for a frame raises TimeoutError after `timeout`, FramesHeldError when this process\n"
	  "holds every frame, SourceGone when the source was unplugged, FrameLossError where the\n"
	  "stream was made with ``on_loss=\"raise\"``.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=3) as stream:\n"
	  "...     sum(frame.valid for frame in stream)\n"
	  "3000" },
	{ Py_tp_dealloc, stream_dealloc },
	{ Py_tp_traverse, stream_traverse },
	{ Py_tp_repr, ext_stream_repr },
	{ Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, ext_stream_next },
	{ Py_am_aiter, PyObject_SelfIter },
	{ Py_am_anext, stream_anext },
	{ Py_tp_methods, stream_methods },
	{ Py_tp_getset, ext_stream_getset },
	{ 0, NULL },
};

static PyType_Spec stream_spec = {
	.name = "ndma.Stream",
	.basicsize = sizeof(struct ext_stream),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_HAVE_GC,
	.slots = stream_slots,
};

int ext_stream_setup(PyObject *module, struct ext_state *state)
{
	state->stream_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &stream_spec, NULL);
	if (!state->stream_type || PyModule_AddType(module, state->stream_type))
		return -1;
	return ext_stream_info_setup(module, state);
}
