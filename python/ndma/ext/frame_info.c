// SPDX-License-Identifier: MIT
/* What a Frame says about itself: its number, its times, its flags. */
#include "internal.h"
#include "types.h"

#define FRAME ((struct ext_frame *)self)
#define COMPLETION (FRAME->entry.completion)

/* In Python: xarray is an extra, and imported on use. */
PyObject *ext_frame_to_xarray(PyObject *self, PyObject *unused)
{
	PyObject *module = PyImport_ImportModule("ndma._export");
	PyObject *array = module ? PyObject_CallMethod(module, "frame_to_xarray", "O", self) : NULL;

	Py_XDECREF(module);
	return array;
}

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

static PyObject *get_sample_start(PyObject *self, void *unused)
{
	return PyLong_FromUnsignedLongLong(FRAME->sample_start);
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

static PyObject *get_size(PyObject *self, void *unused)
{
	const struct ext_layout *layout = ext_frame_layout(FRAME);

	return layout ? PyLong_FromSsize_t(ext_layout_size(layout)) : NULL;
}

static PyObject *get_ndim(PyObject *self, void *unused)
{
	return PyLong_FromLong(FRAME->stream->layout->ndim);
}

static PyObject *get_itemsize(PyObject *self, void *unused)
{
	return PyLong_FromSsize_t(FRAME->stream->layout->itemsize);
}

static PyObject *get_dtype(PyObject *self, void *unused)
{
	return Py_NewRef(FRAME->stream->layout->descr);
}

static PyObject *get_stream(PyObject *self, void *unused)
{
	return Py_NewRef(FRAME->stream);
}

PyObject *ext_frame_repr(PyObject *self)
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
				    ext_loss_is(&frame->entry) ? ", frames lost before it" : "");
	Py_DECREF(shape);
	return repr;
}

#define FLAG(bit) ((void *)(uintptr_t)(bit))

PyGetSetDef ext_frame_getset[] = {
	{ "sequence", get_sequence, NULL,
	  "int: counts every frame that the source made, lost ones included, from 0." },
	{ "sample_start", get_sample_start, NULL,
	  "int: number of the first sample, of one channel, since the stream was made: right across\n"
	  "lost and short frames. Too small by what nobody counted: see `overflow`, `loss_unknown`." },
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
	{ "ndim", get_ndim, NULL, "int: dimensions of `array()`." },
	{ "size", get_size, NULL, "int: numbers in `array()`." },
	{ "itemsize", get_itemsize, NULL, "int: bytes of one number." },
	{ "dtype", get_dtype, NULL, "numpy.dtype: of one number." },
	{ "flags", get_flags, NULL, "int: all flags, as in <linux/ndma.h>." },
	{ "partial", get_flag, NULL, "bool: the frame is short.", FLAG(NDMA_FRAME_PARTIAL) },
	{ "error", get_flag, NULL, "bool: the source says that the contents are wrong.",
	  FLAG(NDMA_FRAME_ERROR) },
	{ "overflow", get_flag, NULL, "bool: the source lost samples inside or before the frame.",
	  FLAG(NDMA_FRAME_OVERFLOW) },
	{ "loss_unknown", get_flag, NULL,
	  "bool: nobody counted what was lost before the frame, as the machine slept or the card was\n"
	  "reset: `dropped` is a lower bound.",
	  FLAG(NDMA_FRAME_LOSS_UNKNOWN) },
	{ "calendar_moved", get_flag, NULL,
	  "bool: the first frame after the calendar moved: the clock was set, or the machine slept.\n"
	  "`time` is right in the frames before it and from it on.",
	  FLAG(NDMA_FRAME_CALENDAR) },
	{ "settings_changed", get_flag, NULL,
	  "bool: the first frame made with a control that was set while the stream ran.",
	  FLAG(NDMA_FRAME_SETTINGS) },
	{ "eof", get_flag, NULL, "bool: the last frame of a burst.", FLAG(NDMA_FRAME_EOF) },
	{ "index", get_index, NULL, "int: which of the stream's frames this is." },
	{ "stream", get_stream, NULL, "Stream: where it came from." },
	{ NULL },
};
