// SPDX-License-Identifier: MIT
/*
 * Frame: one filled slice of a stream's memory. It is exporter and base of its own views, so the
 * device gets it back exactly when the last of them is gone.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

struct ext_frame *ext_frame_alloc(struct ext_stream *stream)
{
	struct ext_frame *frame = PyObject_New(struct ext_frame, stream->state->frame_type);

	if (!frame)
		return NULL;
	frame->stream = (struct ext_stream *)Py_NewRef(stream);
	frame->layout = NULL;
	frame->held = false;
	return frame;
}

/* Any thread, in the middle of anything: see the rules in internal.h. */
static void frame_dealloc(PyObject *object)
{
	struct ext_frame *frame = (struct ext_frame *)object;
	struct ext_stream *stream = frame->stream;
	PyTypeObject *type = Py_TYPE(object);

	/* A child's frames are its parent's to give back; it has not even the rings. */
	if (frame->held && ext_process_is(stream->process) &&
	    ndma_ring_release(stream->ring, frame->entry.completion.index))
		ndma_stream_kick(stream->handle);
	if (frame->layout)
		ext_layout_put(frame->layout);
	PyObject_Free(object);
	Py_DECREF(type);
	Py_DECREF(stream);
}

const struct ext_layout *ext_frame_layout(struct ext_frame *frame)
{
	struct ext_stream *stream = frame->stream;
	struct ndma_layout layout;
	int ret;

	if (frame->entry.completion.bytes_used == stream->frame_bytes)
		return stream->layout;
	if (frame->layout)
		return frame->layout;
	ret = ndma_frame_layout(stream->handle, &frame->entry, &layout);
	if (ret < 0)
		return ext_error(stream->state, EXT_STREAM, ret);
	frame->layout = ext_layout_new(&layout, stream->layout->descr);
	return frame->layout;
}

static void *refuse_error(struct ext_frame *frame)
{
	return ext_error_os(
		PyExc_OSError, EIO,
		PyUnicode_FromFormat(
			"frame %llu of %s has its error flag: the source says that its contents are "
			"wrong; array(on_error=\"keep\") gives them all the same",
			(unsigned long long)frame->entry.completion.sequence, frame->stream->name));
}

PyObject *ext_frame_array(struct ext_frame *frame, bool writable)
{
	const struct ext_layout *layout = ext_frame_layout(frame);

	if (!layout)
		return NULL;
	return ext_layout_array(layout, frame->entry.data, writable, (PyObject *)frame);
}

/* writable=: None is no. */
static int parse_writable(struct ext_frame *frame, PyObject *object, bool *writable)
{
	int truth = object && object != Py_None ? PyObject_IsTrue(object) : 0;

	if (truth < 0)
		return -1;
	if (truth && !frame->stream->writable) {
		PyErr_SetString(PyExc_ValueError,
				"frames of this stream are read-only: make it "
				"by stream(..., writable=True), or copy() the frame");
		return -1;
	}
	*writable = truth;
	return 0;
}

static PyObject *frame_array(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
			     PyObject *kwnames)
{
	static const char *const names[] = { "writable", "on_error", NULL };
	static const char *const choices[] = { "raise", "keep", NULL };
	struct ext_frame *frame = (struct ext_frame *)self;
	PyObject *values[2] = { NULL, NULL };
	bool writable = false;
	int on_error = 0;

	if (nargs || kwnames) {
		if (ext_arguments("array", args, nargs, kwnames, names, values) ||
		    parse_writable(frame, values[0], &writable))
			return NULL;
		if (values[1])
			on_error = ext_choice("on_error", values[1], choices);
		if (on_error < 0)
			return NULL;
	}
	if (frame->entry.completion.flags & NDMA_FRAME_ERROR && !on_error)
		return refuse_error(frame);
	return ext_frame_array(frame, writable);
}

static PyObject *frame_buffer_array(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
				    PyObject *kwnames)
{
	static const char *const names[] = { "writable", NULL };
	struct ext_frame *frame = (struct ext_frame *)self;
	PyObject *values[1] = { NULL };
	bool writable;

	if (ext_arguments("buffer_array", args, nargs, kwnames, names, values) ||
	    parse_writable(frame, values[0], &writable))
		return NULL;
	return ext_layout_array(frame->stream->layout, frame->entry.data, writable, self);
}

static int frame_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
	struct ext_frame *frame = (struct ext_frame *)self;
	const struct ext_layout *layout;

	view->obj = NULL;
	if (frame->entry.completion.flags & NDMA_FRAME_ERROR) {
		PyErr_Format(PyExc_BufferError,
			     "frame %llu has its error flag; "
			     "array(on_error=\"keep\") gives its contents all the same",
			     (unsigned long long)frame->entry.completion.sequence);
		return -1;
	}
	layout = ext_frame_layout(frame);
	if (!layout)
		return -1;
	/* Read-only even where the stream is writable: writing is asked for by array(). */
	return ext_layout_export(layout, frame->entry.data, true, self, view, flags);
}

/* NumPy swallows what bf_getbuffer raises and then asks here, where it does not. */
static PyObject *frame_dunder_array(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "dtype", "copy", NULL };
	PyObject *dtype = Py_None, *copy = Py_None, *array;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:__array__", names, &dtype, &copy))
		return NULL;
	array = frame_array(self, NULL, 0, NULL);
	return array ? ext_array_convert(array, dtype, copy) : NULL;
}

static PyObject *frame_copy(PyObject *self, PyObject *unused)
{
	PyObject *array = frame_array(self, NULL, 0, NULL), *copy;

	if (!array)
		return NULL;
	copy = PyArray_NewCopy((PyArrayObject *)array, NPY_CORDER);
	Py_DECREF(array);
	return copy;
}

/* Behind a short frame's samples lies the tail of another: nobody else gets to see that. */
static PyObject *copy_to_buffer(PyObject *self)
{
	struct ext_buffer_request request = { .options = NDMA_BUFFER_OPTIONS_INIT };
	PyObject *array = frame_array(self, NULL, 0, NULL), *buffer;

	if (!array)
		return NULL;
	buffer = ext_buffer_copy_of(((struct ext_frame *)self)->stream->state,
				    (PyArrayObject *)array, &request);
	Py_DECREF(array);
	return buffer;
}

static PyObject *frame_to_buffer(PyObject *self, PyObject *unused)
{
	struct ext_frame *frame = (struct ext_frame *)self;
	struct ext_stream *stream = frame->stream;
	struct ndma_buffer *buffer;
	int fd, ret;

	if (frame->entry.completion.flags & NDMA_FRAME_ERROR)
		return refuse_error(frame);
	if (frame->entry.completion.bytes_used != stream->frame_bytes)
		return copy_to_buffer(self);
	if (ext_stream_ready(stream))
		return NULL;
	fd = ndma_frame_export(stream->handle, &frame->entry);
	if (fd < 0)
		return ext_error(stream->state, EXT_STREAM, fd);
	ret = ext_buffer_import(fd, NULL, &buffer);
	close(fd);
	if (ret < 0)
		return ext_error(stream->state, EXT_BUFFER, ret);
	return ext_buffer_wrap(stream->state, buffer, NULL);
}

static PyObject *frame_dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct ext_frame *frame = (struct ext_frame *)self;
	const struct ext_layout *layout;

	if (frame->entry.completion.flags & NDMA_FRAME_ERROR)
		return refuse_error(frame);
	layout = ext_frame_layout(frame);
	if (!layout)
		return NULL;
	return ext_dlpack_export(layout, frame->entry.data, true, self, args, kwargs);
}

static PyObject *frame_reduce(PyObject *self, PyObject *unused)
{
	PyErr_SetString(PyExc_TypeError,
			"a Frame does not travel: it belongs to this process's "
			"stream. Send frame.copy(), an array of its own, or frame.to_buffer(), "
			"which shares the memory with processes of multiprocessing");
	return NULL;
}

static PyObject *frame_repr(PyObject *self)
{
	struct ext_frame *frame = (struct ext_frame *)self;
	const struct ndma_completion *completion = &frame->entry.completion;
	const struct ext_layout *layout = ext_frame_layout(frame);
	PyObject *shape, *repr;

	shape = layout ? ext_layout_shape(layout) : NULL;
	if (!shape)
		return NULL;
	repr = PyUnicode_FromFormat("<ndma.Frame %llu of %s: %S %S%s%s>",
				    (unsigned long long)completion->sequence, frame->stream->name,
				    shape, layout->descr,
				    completion->flags & NDMA_FRAME_ERROR ? ", error" : "",
				    frame->entry.dropped ? ", frames lost before it" : "");
	Py_DECREF(shape);
	return repr;
}

static PyMethodDef frame_methods[] = {
	{ "array", (PyCFunction)(void (*)(void))frame_array, METH_FASTCALL | METH_KEYWORDS,
	  "array($self, /, writable=None, on_error=\"raise\")\n--\n\n"
	  "The valid samples as an array over the frame's own memory.\n\n"
	  "Parameters\n----------\n"
	  "writable : bool, optional\n"
	  "    True needs a stream made with ``writable=True``. Read-only by default.\n"
	  "on_error : {\"raise\", \"keep\"}\n"
	  "    What to do with a frame whose source says that its contents are wrong.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    Shape ``(channels, valid)``, and a trailing 2 for I/Q samples. The frame goes back\n"
	  "    to the device when the array and everything made from it without copying is gone.\n\n"
	  "Raises\n------\n"
	  "OSError\n    EIO: the frame has its error flag.\n"
	  "ValueError\n    The stream is read-only.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1024, count=1) as stream:\n"
	  "...     shape = next(stream).array().shape\n"
	  ">>> shape[1]\n1024" },
	{ "buffer_array", (PyCFunction)(void (*)(void))frame_buffer_array,
	  METH_FASTCALL | METH_KEYWORDS,
	  "buffer_array($self, /, writable=None)\n--\n\n"
	  "The whole frame, with whatever lies behind the valid samples of a short one.\n\n"
	  "Parameters\n----------\n"
	  "writable : bool, optional\n"
	  "    True needs a stream made with ``writable=True``. Read-only by default.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    Shape ``(channels, samples)``, and a trailing 2 for I/Q samples.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    The stream is read-only.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=1) as stream:\n"
	  "...     frame = next(stream)\n"
	  ">>> frame.buffer_array().shape == stream.shape\n"
	  "True" },
	{ "copy", frame_copy, METH_NOARGS,
	  "copy($self, /)\n--\n\n"
	  "The valid samples in memory of their own; the frame can go.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    Shape and dtype as of `array()`.\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    EIO: the frame has its error flag.\n"
	  "MemoryError\n"
	  "    No memory.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=3) as stream:\n"
	  "...     kept = [frame.copy() for frame in stream]\n"
	  ">>> len(kept), stream.held\n"
	  "(3, [])" },
	{ "physical", (PyCFunction)ext_frame_physical, METH_NOARGS,
	  "physical($self, /)\n--\n\n"
	  "The valid samples in the channels' units: raw * scale + offset.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    float32, shape as of `array()`, a copy.\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    EIO: the frame has its error flag.\n"
	  "MemoryError\n"
	  "    No memory.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=1) as stream:\n"
	  "...     frame = next(stream)\n"
	  ">>> frame.physical().dtype\n"
	  "dtype('float32')" },
	{ "iq", (PyCFunction)ext_frame_iq, METH_NOARGS,
	  "iq($self, /)\n--\n\n"
	  "I/Q samples as complex numbers in the channels' units.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    complex64, shape ``(channels, valid)``, a copy.\n\n"
	  "Raises\n------\n"
	  "TypeError\n"
	  "    The stream has real samples.\n"
	  "OSError\n"
	  "    EIO: the frame has its error flag.\n"
	  "MemoryError\n"
	  "    No memory.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, iq=True, count=1) as stream:\n"
	  "...     z = next(stream).iq()\n"
	  ">>> z.dtype, z.shape[1]\n"
	  "(dtype('complex64'), 1000)" },
	{ "to_buffer", frame_to_buffer, METH_NOARGS,
	  "to_buffer($self, /)\n--\n\n"
	  "The valid samples as a Buffer that can go to other processes.\n\n"
	  "With the module nothing is copied: the Buffer is read-only, and the device does not get\n"
	  "the frame back before it, and whatever others made of its descriptor, is gone. A short\n"
	  "frame, and one of memfd's, is copied.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    Shape and dtype as of `array()`.\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    EIO: the frame has its error flag.\n"
	  "ValueError\n"
	  "    The stream is closed.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=1) as stream:\n"
	  "...     buf = next(stream).to_buffer()\n"
	  ">>> buf.shape == stream.shape\n"
	  "True" },
	{ "__array__", (PyCFunction)(void (*)(void))frame_dunder_array,
	  METH_VARARGS | METH_KEYWORDS,
	  "__array__($self, /, dtype=None, copy=None)\n--\n\nFor NumPy: `array()`, converted as asked." },
	{ "__dlpack__", (PyCFunction)(void (*)(void))frame_dlpack, METH_VARARGS | METH_KEYWORDS,
	  "__dlpack__($self, /, *, stream=None, max_version=None, dl_device=None, copy=None)\n--\n\n"
	  "For ``numpy.from_dlpack`` and ``torch.from_dlpack``: a read-only tensor." },
	{ "__dlpack_device__", ext_dlpack_device, METH_NOARGS,
	  "__dlpack_device__($self, /)\n--\n\n``(1, 0)``: memory of the CPU." },
	{ "__reduce__", frame_reduce, METH_NOARGS,
	  "__reduce__($self, /)\n--\n\nAlways TypeError: a frame does not travel." },
	{ NULL },
};

#define FRAME ((struct ext_frame *)self)
#define COMPLETION (FRAME->entry.completion)

static PyObject *get_sequence(PyObject *self, void *unused)
{
	return PyLong_FromUnsignedLongLong(COMPLETION.sequence);
}

static PyObject *get_dropped(PyObject *self, void *unused)
{
	return PyLong_FromUnsignedLongLong(FRAME->entry.dropped);
}

static PyObject *get_flags(PyObject *self, void *unused)
{
	return PyLong_FromUnsignedLong(COMPLETION.flags);
}

static PyObject *get_flag(PyObject *self, void *flag)
{
	return PyBool_FromLong(COMPLETION.flags & (uintptr_t)flag);
}

static PyObject *get_index(PyObject *self, void *unused)
{
	return PyLong_FromUnsignedLong(COMPLETION.index);
}

static PyObject *get_timestamp(PyObject *self, void *unused)
{
	return PyLong_FromUnsignedLongLong(COMPLETION.timestamp_ns);
}

static PyObject *get_hw_timestamp(PyObject *self, void *unused)
{
	if (!(COMPLETION.flags & NDMA_FRAME_HW_TIME))
		Py_RETURN_NONE;
	return PyLong_FromUnsignedLongLong(COMPLETION.hw_timestamp);
}

static PyObject *get_hw_sequence(PyObject *self, void *unused)
{
	if (!(COMPLETION.flags & NDMA_FRAME_HW_SEQUENCE))
		Py_RETURN_NONE;
	return PyLong_FromUnsignedLongLong(COMPLETION.hw_sequence);
}

static PyObject *get_trigger(PyObject *self, void *unused)
{
	if (!(COMPLETION.flags & NDMA_FRAME_TRIGGERED))
		Py_RETURN_NONE;
	return PyLong_FromUnsignedLong(COMPLETION.trigger);
}

static PyObject *get_time(PyObject *self, void *unused)
{
	struct ext_stream *stream = FRAME->stream;
	npy_int64 ns = ndma_frame_realtime_ns(stream->handle, &FRAME->entry);

	return PyArray_Scalar(&ns, stream->state->time_descr, NULL);
}

static PyObject *get_valid(PyObject *self, void *unused)
{
	const struct ext_layout *layout = ext_frame_layout(FRAME);

	return layout ? PyLong_FromSsize_t(layout->shape[1]) : NULL;
}

static PyObject *get_nbytes(PyObject *self, void *unused)
{
	const struct ext_layout *layout = ext_frame_layout(FRAME);

	return layout ? PyLong_FromSsize_t(layout->bytes) : NULL;
}

static PyObject *get_shape(PyObject *self, void *unused)
{
	const struct ext_layout *layout = ext_frame_layout(FRAME);

	return layout ? ext_layout_shape(layout) : NULL;
}

static PyObject *get_dtype(PyObject *self, void *unused)
{
	return Py_NewRef(FRAME->stream->layout->descr);
}

static PyObject *get_stream(PyObject *self, void *unused)
{
	return Py_NewRef(FRAME->stream);
}

#define FLAG(bit) ((void *)(uintptr_t)(bit))

static PyGetSetDef frame_getset[] = {
	{ "sequence", get_sequence, NULL,
	  "int: counts every frame that the source made, lost ones included, from 0." },
	{ "dropped", get_dropped, NULL,
	  "int: frames lost between the one taken before this one and this one." },
	{ "time", get_time, NULL,
	  "numpy.datetime64: calendar time in ns, of the first sample where `time_is_start`, else\n"
	  "of completion." },
	{ "timestamp_ns", get_timestamp, NULL, "int: the same moment on CLOCK_MONOTONIC." },
	{ "time_is_start", get_flag, NULL, "bool: the time is the first sample's.",
	  FLAG(NDMA_FRAME_TIME_START) },
	{ "hw_timestamp", get_hw_timestamp, NULL,
	  "int or None: the card's own time, in its ticks." },
	{ "hw_sequence", get_hw_sequence, NULL, "int or None: the card's own count of frames." },
	{ "trigger", get_trigger, NULL, "int or None: the sample at which the trigger came." },
	{ "valid", get_valid, NULL, "int: valid samples of each channel." },
	{ "nbytes", get_nbytes, NULL, "int: bytes of the valid samples." },
	{ "shape", get_shape, NULL, "tuple of int: of `array()`." },
	{ "dtype", get_dtype, NULL, "numpy.dtype: of one number." },
	{ "flags", get_flags, NULL, "int: all flags, as in <linux/ndma.h>." },
	{ "partial", get_flag, NULL, "bool: the frame is short.", FLAG(NDMA_FRAME_PARTIAL) },
	{ "error", get_flag, NULL, "bool: the source says that the contents are wrong.",
	  FLAG(NDMA_FRAME_ERROR) },
	{ "overflow", get_flag, NULL, "bool: the source lost samples inside or before the frame.",
	  FLAG(NDMA_FRAME_OVERFLOW) },
	{ "eof", get_flag, NULL, "bool: the last frame of a burst.", FLAG(NDMA_FRAME_EOF) },
	{ "index", get_index, NULL, "int: which of the stream's frames this is." },
	{ "stream", get_stream, NULL, "Stream: where it came from." },
	{ NULL },
};

static PyType_Slot frame_slots[] = {
	{ Py_tp_doc,
	  "One filled frame of a stream, in the device's own memory.\n\n"
	  "Obtained from a Stream. It goes back to the device when the last reference to it and\n"
	  "to every array made from it is gone, in any thread.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=2) as stream:\n"
	  "...     [(frame.sequence, frame.dropped, frame.valid) for frame in stream]\n"
	  "[(0, 0, 1000), (1, 0, 1000)]" },
	{ Py_tp_dealloc, frame_dealloc },
	{ Py_tp_repr, frame_repr },
	{ Py_tp_methods, frame_methods },
	{ Py_tp_getset, frame_getset },
	{ Py_bf_getbuffer, frame_getbuffer },
	{ 0, NULL },
};

static PyType_Spec frame_spec = {
	.name = "ndma.Frame",
	.basicsize = sizeof(struct ext_frame),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = frame_slots,
};

int ext_frame_setup(PyObject *module, struct ext_state *state)
{
	state->frame_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &frame_spec, NULL);
	return state->frame_type ? PyModule_AddType(module, state->frame_type) : -1;
}
