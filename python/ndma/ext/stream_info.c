// SPDX-License-Identifier: MIT
/* What a stream says about itself: its settings as they were at the start, and its counts. */
#include "internal.h"
#include "types.h"

#include <stddef.h>

#define STREAM ((struct ext_stream *)self)

static const struct ndma_stream_setup *setup(PyObject *self)
{
	return ndma_stream_setup(STREAM->handle);
}

static PyObject *get_name(PyObject *self, void *unused)
{
	return PyUnicode_FromString(STREAM->name);
}

static PyObject *get_simulated(PyObject *self, void *unused)
{
	return PyBool_FromLong(STREAM->simulated);
}

static PyObject *get_samples(PyObject *self, void *unused)
{
	return PyLong_FromUnsignedLongLong(setup(self)->samples);
}

static PyObject *get_frames(PyObject *self, void *unused)
{
	return PyLong_FromUnsignedLong(STREAM->frames);
}

static PyObject *get_dtype(PyObject *self, void *unused)
{
	return Py_NewRef(STREAM->layout->descr);
}

static PyObject *get_shape(PyObject *self, void *unused)
{
	return ext_layout_shape(STREAM->layout);
}

static PyObject *get_order(PyObject *self, void *unused)
{
	return PyUnicode_FromString(setup(self)->order == NDMA_ORDER_INTERLEAVED ? "interleaved"
										 : "planar");
}

static PyObject *get_policy(PyObject *self, void *unused)
{
	return PyUnicode_FromString(setup(self)->policy == NDMA_POLICY_LATEST ? "latest" : "drop");
}

static PyObject *get_on_loss(PyObject *self, void *unused)
{
	static const char *const names[] = { "warn", "raise", "ignore" };

	return PyUnicode_FromString(names[STREAM->on_loss]);
}

static PyObject *get_writable(PyObject *self, void *unused)
{
	return PyBool_FromLong(STREAM->writable);
}

static PyObject *get_closed(PyObject *self, void *unused)
{
	return PyBool_FromLong(STREAM->closed);
}

static PyObject *get_channels(PyObject *self, void *unused)
{
	PyObject *tuple = PyTuple_New(STREAM->channels);

	for (uint32_t i = 0; tuple && i < STREAM->channels; i++) {
		struct ndma_source_channel channel;
		int ret = ndma_stream_channel(STREAM->handle, i, &channel);
		PyObject *record = ret < 0 ? ext_error(STREAM->state, EXT_STREAM, ret)
					   : ext_source_channel_record(STREAM->state, &channel);

		if (!record)
			Py_CLEAR(tuple);
		else
			PyTuple_SET_ITEM(tuple, i, record);
	}
	return tuple;
}

static PyObject *get_rate(PyObject *self, void *unused)
{
	struct ndma_source_info info;
	int ret = ndma_stream_info(STREAM->handle, &info);

	if (ret < 0)
		return ext_error(STREAM->state, EXT_STREAM, ret);
	if (!info.rate.num)
		Py_RETURN_NONE;
	return PyFloat_FromDouble(ext_rational(info.rate));
}

static PyObject *get_timeout(PyObject *self, void *unused)
{
	if (STREAM->timeout_ns < 0)
		Py_RETURN_NONE;
	return PyFloat_FromDouble((double)STREAM->timeout_ns / 1e9);
}

static int set_timeout(PyObject *self, PyObject *value, void *unused)
{
	int64_t timeout_ns;

	if (!value) {
		PyErr_SetString(PyExc_AttributeError,
				"timeout cannot be deleted; None is for ever");
		return -1;
	}
	if (ext_timeout(value, &timeout_ns))
		return -1;
	STREAM->timeout_ns = timeout_ns;
	return 0;
}

static PyObject *get_held(PyObject *self, void *unused)
{
	PyObject *list = PyList_New(0);

	for (uint32_t i = 0; list && i < STREAM->frames; i++) {
		PyObject *sequence;

		if (!STREAM->ring->held[i])
			continue;
		sequence = PyLong_FromUnsignedLongLong(STREAM->ring->held[i] - 1);
		if (!sequence || PyList_Append(list, sequence))
			Py_CLEAR(list);
		Py_XDECREF(sequence);
	}
	if (list && PyList_Sort(list))
		Py_CLEAR(list);
	return list;
}

static const struct count {
	const char *name;
	size_t offset;
	bool wide;
	const char *doc;
} counts[] = {
#define WIDE(name, doc)                                                    \
	{                                                                  \
#name, offsetof(struct ndma_stream_stats, name), true, doc \
	}
#define NARROW(name, doc)                                                   \
	{                                                                   \
#name, offsetof(struct ndma_stream_stats, name), false, doc \
	}
	WIDE(produced, "frames the source made, lost ones included"),
	WIDE(completed, "frames published"),
	WIDE(dropped, "frames lost"),
	WIDE(stolen, "of these, ready ones that policy \"latest\" used again"),
	WIDE(starved, "times the source wanted a frame and none was free"),
	WIDE(bad_releases, "releases that named no held frame"),
	WIDE(bad_taken, "times the taken count was out of range"),
	WIDE(errors, "frames with their error flag"),
	WIDE(touches, "touches that the guard met"),
	NARROW(free_frames, "frames that wait for the device"),
	NARROW(device_frames, "frames the device has"),
	NARROW(user_frames, "frames ready or held here"),
	NARROW(exported_frames, "frames with a dma-buf of their own"),
#undef WIDE
#undef NARROW
};

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

static PyObject *get_stats(PyObject *self, void *unused)
{
	struct ndma_stream_stats stats;
	int ret = ndma_stream_stats(STREAM->handle, &stats);
	PyObject *record;

	if (ret < 0)
		return ext_error(STREAM->state, EXT_STREAM, ret);
	record = PyStructSequence_New(STREAM->state->stats_type);
	for (size_t i = 0; record && i < COUNTS; i++) {
		const char *field = (const char *)&stats + counts[i].offset;
		PyObject *value = PyLong_FromUnsignedLongLong(
			counts[i].wide ? *(const __u64 *)field : *(const __u32 *)field);

		if (!value)
			Py_CLEAR(record);
		else
			PyStructSequence_SetItem(record, (Py_ssize_t)i, value);
	}
	if (record) {
		PyObject *skipped = PyLong_FromUnsignedLongLong(STREAM->skipped);

		if (!skipped)
			Py_CLEAR(record);
		else
			PyStructSequence_SetItem(record, COUNTS, skipped);
	}
	return record;
}

PyObject *ext_stream_repr(PyObject *self)
{
	PyObject *shape = ext_layout_shape(STREAM->layout), *repr;

	if (!shape)
		return NULL;
	repr = PyUnicode_FromFormat("<ndma.Stream of %s: %u frames of %S %S%s%s>", STREAM->name,
				    STREAM->frames, shape, STREAM->layout->descr,
				    STREAM->closed ? ", closed" : "",
				    STREAM->simulated ? ", simulated" : "");
	Py_DECREF(shape);
	return repr;
}

PyGetSetDef ext_stream_getset[] = {
	{ "name", get_name, NULL, "str: the source's." },
	{ "simulated", get_simulated, NULL, "bool: no hardware is behind it." },
	{ "samples", get_samples, NULL, "int: of each channel in a whole frame." },
	{ "frames", get_frames, NULL, "int: how many there are." },
	{ "dtype", get_dtype, NULL, "numpy.dtype: of one number." },
	{ "shape", get_shape, NULL, "tuple of int: of a whole frame." },
	{ "order", get_order, NULL, "str: \"planar\" or \"interleaved\"." },
	{ "policy", get_policy, NULL, "str: \"drop\" or \"latest\"." },
	{ "on_loss", get_on_loss, NULL, "str: \"warn\", \"raise\" or \"ignore\"." },
	{ "writable", get_writable, NULL, "bool: frames may be written to." },
	{ "channels", get_channels, NULL, "tuple of Channel: as they were at the start." },
	{ "controls", ext_control_mapping, NULL,
	  "Controls: the stream's settings by name; ``stream.controls[\"amplitude\"] = 0.1`` sets one." },
	{ "rate", get_rate, NULL,
	  "float or None: samples of one channel per second, as it was at the start." },
	{ "timeout", get_timeout, set_timeout,
	  "float or None: seconds that one frame may take; can be set." },
	{ "held", get_held, NULL, "list of int: sequences of the frames this process holds." },
	{ "stats", get_stats, NULL, "StreamStats: counts since the stream was made." },
	{ "closed", get_closed, NULL, "bool: close() was called." },
	{ NULL },
};

int ext_stream_info_setup(PyObject *module, struct ext_state *state)
{
	PyStructSequence_Field fields[COUNTS + 2] = { 0 };
	PyStructSequence_Desc desc = {
		.name = "ndma.StreamStats",
		.doc = "Counts of a stream since it was made.",
		.fields = fields,
		.n_in_sequence = COUNTS + 1,
	};

	for (size_t i = 0; i < COUNTS; i++) {
		fields[i].name = counts[i].name;
		fields[i].doc = counts[i].doc;
	}
	fields[COUNTS].name = "skipped";
	fields[COUNTS].doc = "frames that latest() and skip() passed over, lost ones included";
	state->stats_type = ext_record_type(module, &desc);
	return state->stats_type ? 0 : -1;
}
