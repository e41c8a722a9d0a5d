// SPDX-License-Identifier: MIT
/* Source.read() and read_into(): so many samples in a row, out of a stream's frames. */
#include "internal.h"
#include "types.h"

#include <errno.h>

/* The most that a frame takes. */
#define CHUNK_BYTES (1 << 20)
/* A read of at most so many numbers has a frame for each part of it, so that it loses nothing however
 * late this program comes; a longer one runs through a small ring. */
#define NUMBERS_MAX (32 << 20)
#define CHUNK_FRAMES 16

/* Shapes and strides of `array` with the sample axis cut to [first, first + count). */
static PyObject *cut(PyArrayObject *array, npy_intp first, npy_intp count)
{
	npy_intp shape[NPY_MAXDIMS];
	int ndim = PyArray_NDIM(array);
	PyObject *part;

	for (int i = 0; i < ndim; i++)
		shape[i] = PyArray_DIM(array, i);
	shape[1] = count;
	Py_INCREF(PyArray_DESCR(array));
	part = PyArray_NewFromDescr(&PyArray_Type, PyArray_DESCR(array), ndim, shape,
				    PyArray_STRIDES(array),
				    PyArray_BYTES(array) + first * PyArray_STRIDE(array, 1),
				    PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE, NULL);
	if (part && PyArray_SetBaseObject((PyArrayObject *)part, Py_NewRef(array)) < 0)
		Py_CLEAR(part);
	return part;
}

/* A short frame is refused unless it is the last: the next frame does not go on where a short one
 * ends. */
static int check_short(const struct ext_frame *frame, npy_intp count, npy_intp missing)
{
	const struct ext_stream *stream = frame->stream;

	if (count >= missing || count == stream->layout->shape[1])
		return 0;
	ext_error_os(
		PyExc_OSError, EIO,
		PyUnicode_FromFormat(
			"frame %llu of %s is short, %zd samples of %zd, in the middle of the read",
			(unsigned long long)frame->entry.completion.sequence, stream->name,
			(Py_ssize_t)count, stream->layout->shape[1]));
	return -1;
}

/* The frame's samples into `out` from sample `at` on: how many, or -1. */
static npy_intp copy_frame(PyArrayObject *out, npy_intp at, PyObject *frame)
{
	PyObject *array = PyObject_CallMethod(frame, "array", NULL), *from = NULL, *to = NULL;
	npy_intp count = -1;

	if (!array)
		return -1;
	count = PyArray_DIM((PyArrayObject *)array, 1);
	if (check_short((struct ext_frame *)frame, count, PyArray_DIM(out, 1) - at)) {
		Py_DECREF(array);
		return -1;
	}
	if (count > PyArray_DIM(out, 1) - at)
		count = PyArray_DIM(out, 1) - at;
	from = cut((PyArrayObject *)array, 0, count);
	to = from ? cut(out, at, count) : NULL;
	if (!to || PyArray_CopyInto((PyArrayObject *)to, (PyArrayObject *)from))
		count = -1;
	Py_XDECREF(to);
	Py_XDECREF(from);
	Py_DECREF(array);
	return count;
}

/* A loss before the first frame is no gap: the capture begins with that frame. */
static int check_gap(struct ext_stream *stream, PyObject *frame, npy_intp at)
{
	if (!at)
		return 0;
	if (((struct ext_frame *)frame)->entry.completion.flags & NDMA_FRAME_OVERFLOW) {
		ext_error_os(PyExc_OSError, EIO,
			     PyUnicode_FromFormat("%s lost samples in the middle of the read",
						  stream->name));
		return -1;
	}
	if (!ext_loss_is(&((struct ext_frame *)frame)->entry))
		return 0;
	stream->on_loss = EXT_LOSS_RAISE;
	return ext_loss_note(stream, (struct ext_frame *)frame);
}

static int copy_frames(PyObject *object, PyArrayObject *out)
{
	struct ext_stream *stream = (struct ext_stream *)object;
	npy_intp at = 0;

	while (at < PyArray_DIM(out, 1)) {
		PyObject *frame = ext_stream_next(object);
		npy_intp count;

		if (!frame) {
			if (!PyErr_Occurred())
				PyErr_Format(PyExc_EOFError, "%s stopped after %zd of %zd samples",
					     stream->name, (Py_ssize_t)at,
					     (Py_ssize_t)PyArray_DIM(out, 1));
			return -1;
		}
		count = check_gap(stream, frame, at) ? -1 : copy_frame(out, at, frame);
		Py_DECREF(frame);
		if (count < 0)
			return -1;
		at += count;
	}
	return 0;
}

static PyObject *create_of(struct ext_source *source, struct ext_stream_request *request,
			   const struct ndma_source_info *info, uint64_t frames)
{
	if (frames < CHUNK_FRAMES)
		frames = CHUNK_FRAMES;
	if (frames < info->frames_min)
		frames = info->frames_min;
	request->options.frames = frames < info->frames_max ? (uint32_t)frames : info->frames_max;
	return ext_stream_create(source, request);
}

/* Whether the exception, which stays, says that there is not so much memory: for anybody, for this
 * user, where the device reaches. */
static bool is_no_memory(void)
{
	PyObject *type, *value, *traceback, *number = NULL;
	long error = 0;

	if (PyErr_ExceptionMatches(PyExc_MemoryError))
		return true;
	if (!PyErr_ExceptionMatches(PyExc_OSError))
		return false;
	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (value)
		number = PyObject_GetAttrString(value, "errno");
	if (number && PyLong_Check(number))
		error = PyLong_AsLong(number);
	Py_XDECREF(number);
	PyErr_Restore(type, value, traceback);
	return error == EDQUOT || error == EOPNOTSUPP;
}

/* A stream whose frames suit a read of `samples`; they are rounded up to what the source takes. */
static PyObject *make_stream(struct ext_source *source, struct ext_stream_request *request,
			     uint64_t samples)
{
	struct ndma_source_info info;
	uint64_t chunk, step, most, parts;
	uint32_t channels;
	PyObject *stream;
	int ret;

	if (ext_source_check(source))
		return NULL;
	ret = ndma_source_info(source->handle, &info);
	if (ret < 0)
		return ext_error(source->state, EXT_STREAM, ret);
	channels = request->options.channels ? request->options.channels : info.channels;
	step = info.samples_step ? info.samples_step : 1;
	/* 16 bytes are the largest sample there is: a pair of doubles. */
	most = info.frame_bytes_max < CHUNK_BYTES ? info.frame_bytes_max : CHUNK_BYTES;
	most = most / 16 / (channels ? channels : 1) / step * step;
	chunk = (samples + step - 1) / step * step;
	request->options.samples = chunk < most ? chunk : most ? most : step;
	request->on_loss = EXT_LOSS_IGNORE;
	parts = samples / request->options.samples + 1;
	if (parts > CHUNK_FRAMES && channels &&
	    samples <= NUMBERS_MAX / channels / (request->options.iq ? 2 : 1)) {
		stream = create_of(source, request, &info, parts);
		/* Memory for all of it may be more than there is, or than this user may have. */
		if (stream || !is_no_memory())
			return stream;
		PyErr_Clear();
	}
	return create_of(source, request, &info, CHUNK_FRAMES);
}

static PyObject *close_stream(PyObject *stream, PyObject *result)
{
	PyObject *type, *value, *traceback, *closed;

	PyErr_Fetch(&type, &value, &traceback);
	closed = PyObject_CallMethod(stream, "close", NULL);
	if (!closed)
		PyErr_Clear();
	Py_XDECREF(closed);
	PyErr_Restore(type, value, traceback);
	Py_DECREF(stream);
	return result;
}

PyObject *ext_source_read(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "samples", "timeout", "dtype",    "channels",
				 "order",   "iq",      "physical", NULL };
	struct ext_stream_request request = { .options = NDMA_STREAM_OPTIONS_INIT };
	PyObject *samples, *timeout = Py_None, *channels = Py_None, *order = Py_None;
	PyObject *stream, *array;
	uint64_t count;
	int iq = 0, physical = 0;

	if (!ext_parse(args, kwargs, "O|$OOOOpp:read", names, &samples, &timeout, &request.dtype,
		       &channels, &order, &iq, &physical) ||
	    ext_samples(samples, &count) || ext_timeout(timeout, &request.timeout_ns) ||
	    ext_channels(channels, &request.options.channels) ||
	    ext_order(order, &request.options.order))
		return NULL;
	request.options.iq = iq;
	stream = make_stream((struct ext_source *)self, &request, count);
	if (!stream)
		return NULL;
	{
		const struct ext_layout *layout = ((struct ext_stream *)stream)->layout;
		npy_intp shape[3] = { layout->shape[0], (npy_intp)count,
				      layout->ndim > 2 ? layout->shape[2] : 1 };

		PyArray_Descr *descr = physical ? PyArray_DescrFromType(NPY_FLOAT)
						: (PyArray_Descr *)Py_NewRef(layout->descr);

		array = PyArray_NewFromDescr(&PyArray_Type, descr, layout->ndim, shape, NULL, NULL,
					     0, NULL);
	}
	if (array &&
	    (copy_frames(stream, (PyArrayObject *)array) ||
	     (physical && ext_stream_scale((struct ext_stream *)stream, (PyArrayObject *)array))))
		Py_CLEAR(array);
	return close_stream(stream, array);
}

static bool is_target(PyArrayObject *array)
{
	int ndim = PyArray_NDIM(array);

	return (ndim == 2 || (ndim == 3 && PyArray_DIM(array, 2) == 2)) && PyArray_DIM(array, 0) &&
	       PyArray_DIM(array, 1);
}

/* A new array over the target's memory, writable and of a shape that samples have: another thread
 * may reshape the caller's own meanwhile. */
static PyObject *open_target(struct ext_source *source, PyObject *object)
{
	PyObject *array;

	if (Py_IS_TYPE(object, source->state->buffer_type)) {
		array = ext_buffer_array((struct ext_buffer *)object, NDMA_WRITE);
	} else if (PyArray_Check(object)) {
		array = PyArray_View((PyArrayObject *)object, NULL, &PyArray_Type);
	} else {
		PyErr_Format(PyExc_TypeError, "read_into() fills a Buffer or an array, not %s",
			     Py_TYPE(object)->tp_name);
		return NULL;
	}
	if (!array)
		return NULL;
	if (!is_target((PyArrayObject *)array)) {
		PyObject *shape = PyObject_GetAttrString(array, "shape");

		if (shape)
			PyErr_Format(PyExc_ValueError,
				     "read_into() fills (channels, samples), and a "
				     "trailing 2 for I/Q, none of them 0; the shape is %R",
				     shape);
		Py_XDECREF(shape);
		Py_CLEAR(array);
	} else if (PyArray_FailUnlessWriteable((PyArrayObject *)array, "the target") < 0) {
		Py_CLEAR(array);
	}
	return array;
}

PyObject *ext_source_read_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "buffer", "timeout", NULL };
	struct ext_stream_request request = { .options = NDMA_STREAM_OPTIONS_INIT };
	PyObject *target, *timeout = Py_None, *array, *stream;
	PyArrayObject *out;
	int failed, filled;

	if (!ext_parse(args, kwargs, "O|$O:read_into", names, &target, &timeout) ||
	    ext_timeout(timeout, &request.timeout_ns) ||
	    ext_source_check((struct ext_source *)self))
		return NULL;
	if (Py_IS_TYPE(target, ((struct ext_source *)self)->state->buffer_type)) {
		filled = ext_source_fill((struct ext_source *)self, (struct ext_buffer *)target,
					 request.timeout_ns);
		if (filled)
			return filled < 0 ? NULL : Py_NewRef(Py_None);
	}
	array = open_target((struct ext_source *)self, target);
	if (!array)
		return NULL;
	out = (PyArrayObject *)array;
	request.dtype = (PyObject *)PyArray_DESCR(out);
	request.options.channels = (uint32_t)PyArray_DIM(out, 0);
	request.options.iq = PyArray_NDIM(out) == 3;
	stream = make_stream((struct ext_source *)self, &request, (uint64_t)PyArray_DIM(out, 1));
	if (!stream) {
		Py_DECREF(array);
		return NULL;
	}
	failed = copy_frames(stream, out);
	Py_DECREF(array);
	return close_stream(stream, failed ? NULL : Py_NewRef(Py_None));
}
