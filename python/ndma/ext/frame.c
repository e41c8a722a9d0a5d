// SPDX-License-Identifier: MIT
/*
 * Frame: one filled slice of a stream's memory. It is exporter and base of its own views, so the
 * device gets it back exactly when the last of them is gone.
 */
#include "internal.h"
#include "types.h"

#include <errno.h>
#include <string.h>

struct ext_frame *ext_frame_alloc(struct ext_stream *stream)
{
	PyTypeObject *type = stream->state->frame_type;
	struct ext_frame *frame = stream->spare;

	if (frame) {
		stream->spare = NULL;
		PyObject_Init((PyObject *)frame, type);
	} else {
		frame = PyObject_New(struct ext_frame, type);
		if (!frame)
			return NULL;
	}
	frame->stream = (struct ext_stream *)Py_NewRef(stream);
	frame->layout = NULL;
	frame->held = false;
	frame->weakrefs = NULL;
	return frame;
}

/* A frame dies in any thread, in the middle of anybody's code: see the rules in internal.h. */
void ext_frame_dealloc(PyObject *object)
{
	struct ext_frame *frame = (struct ext_frame *)object;
	struct ext_stream *stream = frame->stream;
	PyTypeObject *type = Py_TYPE(object);

	if (frame->weakrefs)
		PyObject_ClearWeakRefs(object);
	/* Only the parent gives a frame back: a forked child has no rings. */
	if (frame->held && ext_process_is(stream->process) &&
	    ndma_ring_release(stream->ring, frame->entry.completion.index))
		ndma_stream_kick(stream->handle);
	if (frame->layout)
		ext_layout_put(frame->layout);
	if (stream->spare)
		PyObject_Free(object);
	else
		stream->spare = frame;
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

static PyObject *frame_array(struct ext_frame *frame, bool writable)
{
	const struct ext_layout *layout = ext_frame_layout(frame);

	if (!layout)
		return NULL;
	return ext_layout_array(layout, frame->entry.data, writable, (PyObject *)frame);
}

/* writable=: None is no. */
static int is_wanted(PyObject *object)
{
	return object && object != Py_None ? PyObject_IsTrue(object) : 0;
}

static int parse_writable(struct ext_frame *frame, PyObject *object, bool *writable)
{
	int truth = is_wanted(object);

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

PyObject *ext_frame_array_method(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
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
	return frame_array(frame, writable);
}

PyObject *ext_frame_buffer_array(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
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

int ext_frame_getbuffer(PyObject *self, Py_buffer *view, int flags)
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

/* NumPy swallows what bf_getbuffer raises, and then asks __array__, whose exception it lets
 * through. */
PyObject *ext_frame_dunder_array(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "dtype", "copy", NULL };
	PyObject *dtype = Py_None, *copy = Py_None, *array;

	if (!ext_parse(args, kwargs, "|OO:__array__", names, &dtype, &copy))
		return NULL;
	array = ext_frame_array_method(self, NULL, 0, NULL);
	return array ? ext_array_convert(array, dtype, copy) : NULL;
}

Py_ssize_t ext_frame_length(PyObject *self)
{
	const struct ext_layout *layout = ext_frame_layout((struct ext_frame *)self);

	return layout ? layout->shape[0] : -1;
}

PyObject *ext_frame_getitem(PyObject *self, PyObject *key)
{
	PyObject *array = ext_frame_array_method(self, NULL, 0, NULL), *item;

	if (!array)
		return NULL;
	item = PyObject_GetItem(array, key);
	Py_DECREF(array);
	return item;
}

PyObject *ext_frame_iter(PyObject *self)
{
	PyObject *array = ext_frame_array_method(self, NULL, 0, NULL), *iterator;

	if (!array)
		return NULL;
	iterator = PyObject_GetIter(array);
	Py_DECREF(array);
	return iterator;
}

PyObject *ext_frame_copy(PyObject *self, PyObject *unused)
{
	PyObject *array = ext_frame_array_method(self, NULL, 0, NULL), *copy;

	if (!array)
		return NULL;
	copy = PyArray_NewCopy((PyArrayObject *)array, NPY_CORDER);
	Py_DECREF(array);
	return copy;
}

/* Behind a short frame's samples lies the tail of an older frame, which another process must not
 * see: so the samples are copied. */
static PyObject *copy_to_buffer(PyObject *self)
{
	struct ext_buffer_request request = { .options = NDMA_BUFFER_OPTIONS_INIT };
	PyObject *array = ext_frame_array_method(self, NULL, 0, NULL), *buffer;

	if (!array)
		return NULL;
	buffer = ext_buffer_copy_of(((struct ext_frame *)self)->stream->state,
				    (PyArrayObject *)array, &request);
	Py_DECREF(array);
	return buffer;
}

PyObject *ext_frame_to_buffer(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
			      PyObject *kwnames)
{
	static const char *const names[] = { "writable", NULL };
	struct ext_frame *frame = (struct ext_frame *)self;
	struct ext_stream *stream = frame->stream;
	PyObject *values[1] = { NULL };
	struct ndma_buffer *buffer;
	int fd, ret, writable;

	if (ext_arguments("to_buffer", args, nargs, kwnames, names, values))
		return NULL;
	/* Also of a stream whose arrays are read-only: it is for drivers, which map both ways. */
	writable = is_wanted(values[0]);
	if (writable < 0)
		return NULL;
	if (frame->entry.completion.flags & NDMA_FRAME_ERROR)
		return refuse_error(frame);
	if (frame->entry.completion.bytes_used != stream->frame_bytes)
		return copy_to_buffer(self);
	if (ext_stream_check(stream))
		return NULL;
	fd = writable ? ndma_frame_export_writable(stream->handle, &frame->entry)
		      : ndma_frame_export(stream->handle, &frame->entry);
	if (fd < 0)
		return ext_error(stream->state, EXT_STREAM, fd);
	ret = ext_buffer_import(fd, NULL, &buffer);
	close(fd);
	if (ret < 0)
		return ext_error(stream->state, EXT_BUFFER, ret);
	return ext_buffer_wrap(stream->state, buffer, NULL);
}

PyObject *ext_frame_dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct ext_frame *frame = (struct ext_frame *)self;
	const struct ext_layout *layout;

	if (frame->entry.completion.flags & NDMA_FRAME_ERROR)
		return refuse_error(frame);
	layout = ext_frame_layout(frame);
	if (!layout)
		return NULL;
	return ext_dlpack_export(
		layout, frame->entry.data,
		frame->stream->writable
			? NULL
			: "share it by np.asarray(frame), or make the stream by stream(writable=True)",
		self, args, kwargs);
}

PyObject *ext_frame_reduce(PyObject *self, PyObject *unused)
{
	PyErr_SetString(PyExc_TypeError,
			"a Frame does not travel: it belongs to this process's "
			"stream. Send frame.copy(), an array of its own, or frame.to_buffer(), "
			"which shares the memory with processes of multiprocessing");
	return NULL;
}
