// SPDX-License-Identifier: MIT
/* Source: an acquisition device by its name; what it can do, and its settings as attributes. */
#include "internal.h"

#include <string.h>

#define SOURCE ((struct ext_source *)self)

int ext_source_ready(struct ext_source *source)
{
	if (!ext_process_is(source->process)) {
		PyErr_SetString(PyExc_RuntimeError,
				"this Source belongs to the process that forked "
				"this one: open it again here");
		return -1;
	}
	if (source->closed) {
		PyErr_SetString(PyExc_ValueError, "this Source is closed");
		return -1;
	}
	return 0;
}

int ext_source_pin(struct ext_source *source)
{
	if (ext_source_ready(source))
		return -1;
	source->busy++;
	return 0;
}

void ext_source_unpin(struct ext_source *source)
{
	struct ndma_source *handle = source->handle;

	if (--source->busy || !source->closed)
		return;
	source->handle = NULL;
	ndma_source_close(handle);
}

PyObject *ext_source_open(PyObject *module, PyObject *name)
{
	struct ext_state *state = ext_state_of(module);
	struct ext_source *source;
	const char *text;
	Py_ssize_t length;
	int ret;

	if (!PyUnicode_Check(name)) {
		PyErr_Format(PyExc_TypeError, "a source's name is a str as \"sim0\", not %s",
			     Py_TYPE(name)->tp_name);
		return NULL;
	}
	text = PyUnicode_AsUTF8AndSize(name, &length);
	if (!text)
		return NULL;
	if (strlen(text) != (size_t)length) {
		PyErr_SetString(PyExc_ValueError, "embedded null character in a source's name");
		return NULL;
	}
	if (!strncmp(text, "/dev/ndma/", 10))
		text += 10;
	source = ext_object_alloc(state->source_type);
	if (!source)
		return NULL;
	source->state = state;
	source->process = ext_process();
	Py_BEGIN_ALLOW_THREADS ret = ndma_source_open(text, &source->handle);
	Py_END_ALLOW_THREADS if (ret < 0) ext_error(state, EXT_SOURCE, ret);
	if (ret < 0 || (!strncmp(text, "sim", 3) && ext_warn_memfd(state)))
		Py_CLEAR(source);
	else
		PyObject_GC_Track(source);
	return (PyObject *)source;
}

PyObject *ext_source_names(PyObject *module, PyObject *unused)
{
	char(*names)[NDMA_NAME_MAX] = NULL;
	PyObject *list = NULL;
	int count = 0, room;

	do {
		room = count + 8;
		PyMem_Free(names);
		names = PyMem_Calloc((size_t)room, sizeof(*names));
		if (!names)
			return PyErr_NoMemory();
		count = ndma_source_list(names, (size_t)room);
	} while (count > room);
	if (count < 0)
		ext_error(ext_state_of(module), EXT_SOURCE, count);
	else
		list = PyList_New(count);
	for (int i = 0; list && i < count; i++) {
		PyObject *name = PyUnicode_FromString(names[i]);

		if (!name)
			Py_CLEAR(list);
		else
			PyList_SET_ITEM(list, i, name);
	}
	PyMem_Free(names);
	return list;
}

static PyObject *source_close(PyObject *self, PyObject *unused)
{
	if (SOURCE->closed)
		Py_RETURN_NONE;
	SOURCE->busy++;
	SOURCE->closed = true;
	ext_source_unpin(SOURCE);
	Py_RETURN_NONE;
}

static PyObject *source_enter(PyObject *self, PyObject *unused)
{
	return ext_source_ready(SOURCE) ? NULL : Py_NewRef(self);
}

static PyObject *source_exit(PyObject *self, PyObject *args)
{
	return source_close(self, NULL);
}

static PyObject *source_reduce(PyObject *self, PyObject *unused)
{
	PyErr_SetString(PyExc_TypeError, "a Source does not travel: send its name, and open it "
					 "again in the other process");
	return NULL;
}

static int load_info(PyObject *self, struct ndma_source_info *info)
{
	int ret;

	if (ext_source_ready(SOURCE))
		return -1;
	ret = ndma_source_info(SOURCE->handle, info);
	if (ret < 0)
		ext_error(SOURCE->state, EXT_STREAM, ret);
	return ret;
}

static PyObject *get_name(PyObject *self, void *unused)
{
	return ext_source_ready(SOURCE) ? NULL
					: PyUnicode_FromString(ndma_source_name(SOURCE->handle));
}

static PyObject *get_simulated(PyObject *self, void *unused)
{
	return ext_source_ready(SOURCE) ? NULL
					: PyBool_FromLong(ndma_source_is_simulated(SOURCE->handle));
}

static PyObject *get_closed(PyObject *self, void *unused)
{
	return PyBool_FromLong(SOURCE->closed);
}

static PyObject *get_driver(PyObject *self, void *unused)
{
	struct ndma_source_info info;

	return load_info(self, &info) ? NULL : PyUnicode_FromString(info.driver);
}

static PyObject *get_device(PyObject *self, void *unused)
{
	struct ndma_source_info info;

	return load_info(self, &info) ? NULL : PyUnicode_FromString(info.device);
}

static PyObject *get_sample_rate(PyObject *self, void *unused)
{
	struct ndma_source_info info;

	if (load_info(self, &info))
		return NULL;
	if (!info.rate.num)
		Py_RETURN_NONE;
	return PyFloat_FromDouble(ext_rational(info.rate));
}

static PyObject *get_samples_step(PyObject *self, void *unused)
{
	struct ndma_source_info info;

	return load_info(self, &info) ? NULL : PyLong_FromUnsignedLong(info.samples_step);
}

static PyObject *get_frames_range(PyObject *self, void *unused)
{
	struct ndma_source_info info;

	return load_info(self, &info) ? NULL
				      : Py_BuildValue("(II)", info.frames_min, info.frames_max);
}

static PyObject *get_frame_bytes_max(PyObject *self, void *unused)
{
	struct ndma_source_info info;

	return load_info(self, &info) ? NULL : PyLong_FromUnsignedLongLong(info.frame_bytes_max);
}

/* A struct sequence of `values`, whose references it takes; NULL if one of them is. */
static PyObject *record(PyTypeObject *type, PyObject *const *values, Py_ssize_t count)
{
	PyObject *record = PyStructSequence_New(type);

	for (Py_ssize_t i = 0; i < count; i++) {
		if (record && values[i]) {
			PyStructSequence_SetItem(record, i, values[i]);
		} else {
			Py_CLEAR(record);
			Py_XDECREF(values[i]);
		}
	}
	return record;
}

PyObject *ext_source_channel_record(struct ext_state *state,
				    const struct ndma_source_channel *channel)
{
	PyObject *const values[] = {
		PyUnicode_DecodeUTF8(channel->name, (Py_ssize_t)strlen(channel->name), "replace"),
		PyUnicode_DecodeUTF8(channel->unit, (Py_ssize_t)strlen(channel->unit), "replace"),
		PyFloat_FromDouble(ext_rational(channel->scale)),
		PyFloat_FromDouble(ext_rational(channel->offset)),
	};

	return record(state->channel_type, values, 4);
}

static PyObject *channel_at(struct ext_source *source, uint32_t index)
{
	struct ndma_source_channel channel;
	int ret = ndma_source_channel(source->handle, index, &channel);

	return ret < 0 ? ext_error(source->state, EXT_STREAM, ret)
		       : ext_source_channel_record(source->state, &channel);
}

static PyObject *orders(uint32_t bits)
{
	bool planar = bits & NDMA_ORDER_PLANAR, interleaved = bits & NDMA_ORDER_INTERLEAVED;

	return planar && interleaved ? Py_BuildValue("(ss)", "planar", "interleaved")
	       : planar              ? Py_BuildValue("(s)", "planar")
	       : interleaved         ? Py_BuildValue("(s)", "interleaved")
				     : PyTuple_New(0);
}

static PyObject *format_at(struct ext_source *source, uint32_t index)
{
	struct ndma_source_format format;
	int ret = ndma_source_format(source->handle, index, &format);

	if (ret < 0)
		return ext_error(source->state, EXT_STREAM, ret);
	{
		PyObject *const values[] = {
			(PyObject *)ext_format_parse(format.format, format.itemsize),
			PyBool_FromLong(format.flags & NDMA_FORMAT_IQ),
			PyLong_FromUnsignedLong(format.bits),
			orders(format.orders),
		};

		return record(source->state->format_type, values, 4);
	}
}

static PyObject *collect(PyObject *self, uint32_t count,
			 PyObject *(*at)(struct ext_source *source, uint32_t index))
{
	PyObject *tuple;

	if (ext_source_pin(SOURCE))
		return NULL;
	tuple = PyTuple_New(count);
	for (uint32_t i = 0; tuple && i < count; i++) {
		PyObject *item = at(SOURCE, i);

		if (!item)
			Py_CLEAR(tuple);
		else
			PyTuple_SET_ITEM(tuple, i, item);
	}
	ext_source_unpin(SOURCE);
	return tuple;
}

static PyObject *get_channels(PyObject *self, void *unused)
{
	struct ndma_source_info info;

	return load_info(self, &info) ? NULL : collect(self, info.channels, channel_at);
}

static PyObject *get_formats(PyObject *self, void *unused)
{
	struct ndma_source_info info;

	return load_info(self, &info) ? NULL : collect(self, info.formats, format_at);
}

static PyObject *source_repr(PyObject *self)
{
	struct ndma_source_info info;

	if (SOURCE->closed)
		return PyUnicode_FromString("<ndma.Source, closed>");
	if (load_info(self, &info))
		return NULL;
	return PyUnicode_FromFormat("<ndma.Source %s: %s%s%s, %u channels%s>", info.name,
				    info.driver, *info.device ? " at " : "", info.device,
				    info.channels,
				    ndma_source_is_simulated(SOURCE->handle) ? ", simulated" : "");
}

static PyMethodDef source_methods[] = {
	{ "stream", (PyCFunction)(void (*)(void))ext_stream_from_arguments,
	  METH_VARARGS | METH_KEYWORDS,
	  "stream($self, /, samples, frames=16, policy=\"drop\", *, on_loss=\"warn\",\n"
	  "       count=None, timeout=None, writable=False, dtype=None, channels=None, order=None, iq=False, guard=\"none\",\n"
	  "       node=None)\n--\n\n"
	  "A run of this source into frames. It starts when it is entered, or asked for a frame.\n\n"
	  "Parameters\n----------\n"
	  "samples : int\n"
	  "    Of each channel in one frame.\n"
	  "frames : int\n"
	  "    How many frames there are, 3 or more.\n"
	  "policy : {\"drop\", \"latest\"}\n"
	  "    When no frame is free: the newest is lost, or the oldest ready one is used again.\n"
	  "on_loss : {\"warn\", \"raise\", \"ignore\"}\n"
	  "    LossWarning at the first loss, then at most one a second; or FrameLossError.\n"
	  "count : int, optional\n"
	  "    End after so many frames, lost ones included.\n"
	  "timeout : float, optional\n"
	  "    Seconds that one frame may take; TimeoutError then.\n"
	  "writable : bool\n"
	  "    Frames may be written to, in place.\n"
	  "dtype : dtype, optional\n"
	  "    Of one number; one of `formats`.\n"
	  "channels : int, optional\n"
	  "    How many, from the first; all by default.\n"
	  "order : {\"planar\", \"interleaved\"}, optional\n"
	  "    How samples lie in memory; the shape is ``(channels, samples)`` either way.\n"
	  "iq : bool\n"
	  "    Pairs of numbers, in a trailing axis of 2.\n"
	  "guard : {\"none\", \"sigbus\"}\n"
	  "    A touch of a frame that is the device's is a SIGBUS: to find the code that does it.\n"
	  "node : int, optional\n"
	  "    NUMA node of the memory; the device's own by default.\n\n"
	  "Returns\n-------\n"
	  "Stream\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    What the source cannot do; the message names the nearest it can. Closed.\n"
	  "OSError\n"
	  "    EBUSY: the source has no stream left.\n"
	  "MemoryError\n"
	  "    No memory.\n"
	  "SourceGone\n"
	  "    It was unplugged.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\") as source, source.stream(1000, count=3) as stream:\n"
	  "...     [frame.sequence for frame in stream]\n"
	  "[0, 1, 2]" },
	{ "read", (PyCFunction)(void (*)(void))ext_source_read, METH_VARARGS | METH_KEYWORDS,
	  "read($self, /, samples, *, timeout=None, dtype=None, channels=None, order=None, iq=False)\n--\n\n"
	  "So many samples without a gap, as an array of its own.\n\n"
	  "Parameters\n----------\n"
	  "samples : int\n    Of each channel; any number.\n"
	  "timeout : float, optional\n    Seconds without data; TimeoutError then.\n"
	  "dtype, channels, order, iq\n    As in `stream`.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n    Shape ``(channels, samples)``, and a trailing 2 for I/Q.\n\n"
	  "Raises\n------\n"
	  "FrameLossError\n    Samples were lost between two frames.\n"
	  "OSError\n    EIO: the source says that what came is wrong.\n"
	  "EOFError\n    The source stopped early.\n\n"
	  "Examples\n--------\n"
	  ">>> ndma.open(\"sim0\").read(10_000).shape[1]\n10000" },
	{ "read_into", (PyCFunction)(void (*)(void))ext_source_read_into,
	  METH_VARARGS | METH_KEYWORDS,
	  "read_into($self, /, buffer, *, timeout=None)\n--\n\n"
	  "Fill an array or a Buffer that is there already.\n\n"
	  "Parameters\n----------\n"
	  "buffer : Buffer or numpy.ndarray\n"
	  "    Writable, of shape ``(channels, samples)`` (a trailing 2 for I/Q), of a dtype that\n"
	  "    the source has.\n"
	  "timeout : float, optional\n"
	  "    Seconds without data; TimeoutError then.\n\n"
	  "Raises\n------\n"
	  "TypeError\n"
	  "    It is neither.\n"
	  "ValueError\n"
	  "    Another shape or dtype than the source has, or read-only.\n"
	  "LockedError\n"
	  "    The buffer is with its device.\n"
	  "FrameLossError, OSError, EOFError, TimeoutError\n"
	  "    As `read`; what was there before is lost then.\n\n"
	  "Notes\n-----\n"
	  "A Buffer that this process made where the device reaches (``source=``), without a live\n"
	  "view, is filled in place: the device writes to it, no sample is copied, and others see\n"
	  "a fence on its dma-buf until the data are there. The fences of other drivers are waited\n"
	  "for before, within `timeout`; TimeoutError names those drivers. Anything else is copied\n"
	  "from frames.\n\n"
	  "Examples\n--------\n"
	  ">>> x = np.empty((2, 1000), \"i2\")\n"
	  ">>> ndma.open(\"sim0\").read_into(x)" },
	{ "close", source_close, METH_NOARGS,
	  "close($self, /)\n--\n\n"
	  "Give the source back. Its streams go on.\n\n"
	  "Examples\n--------\n"
	  ">>> source = ndma.open(\"sim0\")\n"
	  ">>> source.close()\n"
	  ">>> source.closed\n"
	  "True" },
	{ "__dir__", ext_control_dir, METH_NOARGS,
	  "__dir__($self, /)\n--\n\nMethods, attributes and controls." },
	{ "__enter__", source_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nThe source itself." },
	{ "__exit__", source_exit, METH_VARARGS,
	  "__exit__($self, /, *exception)\n--\n\nCloses the source." },
	{ "__reduce__", source_reduce, METH_NOARGS,
	  "__reduce__($self, /)\n--\n\nAlways TypeError: a source does not travel." },
	{ NULL },
};

static PyGetSetDef source_getset[] = {
	{ "name", get_name, NULL, "str: as in /dev/ndma, \"sim0\"." },
	{ "simulated", get_simulated, NULL, "bool: no hardware is behind it." },
	{ "driver", get_driver, NULL, "str: the driver's name." },
	{ "device", get_device, NULL, "str: the device behind it, \"0000:00:04.0\", or \"\"." },
	{ "channels", get_channels, NULL,
	  "tuple of Channel: name, unit, scale and offset of each." },
	{ "formats", get_formats, NULL, "tuple of Format: the kinds of samples there are." },
	{ "controls", ext_control_all, NULL, "dict of str to Control: the settings there are." },
	{ "sample_rate", get_sample_rate, NULL,
	  "float or None: samples of one channel per second, of the settings as they are." },
	{ "samples_step", get_samples_step, NULL,
	  "int: the samples of a stream's frame are a multiple of it." },
	{ "frames_range", get_frames_range, NULL,
	  "(int, int): fewest and most frames of a stream." },
	{ "frame_bytes_max", get_frame_bytes_max, NULL, "int: the largest frame." },
	{ "closed", get_closed, NULL, "bool: close() was called." },
	{ NULL },
};

static void source_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	ndma_source_close(SOURCE->handle);
	type->tp_free(self);
	Py_DECREF(type);
}

static int source_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	return 0;
}

static PyType_Slot source_slots[] = {
	{ Py_tp_doc,
	  "An acquisition source; made by `open()`.\n\n"
	  "Its controls are attributes, ``source.rate = 1e6``; ``dir(source)`` lists them and\n"
	  "`controls` says what they take. Streams made afterwards start with them. A button acts\n"
	  "on the streams that were made from this source: ``source.trigger_software = True``.\n"
	  "Any thread.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\") as source:\n"
	  "...     source.rate = 1e6\n"
	  "...     x = source.read(samples=1000)\n"
	  ">>> x.shape[1]\n"
	  "1000" },
	{ Py_tp_dealloc, source_dealloc },
	{ Py_tp_traverse, source_traverse },
	{ Py_tp_repr, source_repr },
	{ Py_tp_getattro, ext_control_getattro },
	{ Py_tp_setattro, ext_control_setattro },
	{ Py_tp_methods, source_methods },
	{ Py_tp_getset, source_getset },
	{ 0, NULL },
};

static PyType_Spec source_spec = {
	.name = "ndma.Source",
	.basicsize = sizeof(struct ext_source),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_HAVE_GC,
	.slots = source_slots,
};

static PyStructSequence_Field channel_fields[] = {
	{ "name", "what it is called" },
	{ "unit", "of the physical value" },
	{ "scale", "units per count" },
	{ "offset", "units at count 0" },
	{ NULL },
};

static PyStructSequence_Desc channel_desc = {
	.name = "ndma.Channel",
	.doc = "One channel of a source: physical = raw * scale + offset.",
	.fields = channel_fields,
	.n_in_sequence = 4,
};

static PyStructSequence_Field format_fields[] = {
	{ "dtype", "of one number" },
	{ "iq", "whether a sample is a pair of them" },
	{ "bits", "how many are significant" },
	{ "orders", "memory orders that can be asked for" },
	{ NULL },
};

static PyStructSequence_Desc format_desc = {
	.name = "ndma.Format",
	.doc = "One kind of sample that a source makes.",
	.fields = format_fields,
	.n_in_sequence = 4,
};

int ext_source_setup(PyObject *module, struct ext_state *state)
{
	state->source_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &source_spec, NULL);
	if (!state->source_type || PyModule_AddType(module, state->source_type))
		return -1;
	state->channel_type = ext_record_type(module, &channel_desc);
	state->format_type = ext_record_type(module, &format_desc);
	return state->channel_type && state->format_type ? ext_control_setup(module, state) : -1;
}
