// SPDX-License-Identifier: MIT
/* What a Source says about itself: what it can do, and its settings as they are. */
#include "internal.h"
#include "types.h"

#include <string.h>

#define SOURCE ((struct ext_source *)self)

static int load_info(PyObject *self, struct ndma_source_info *info)
{
	int ret;

	if (ext_source_check(SOURCE))
		return -1;
	ret = ndma_source_info(SOURCE->handle, info);
	if (ret < 0)
		ext_error(SOURCE->state, EXT_STREAM, ret);
	return ret;
}

static PyObject *get_name(PyObject *self, void *unused)
{
	return ext_source_check(SOURCE) ? NULL
					: PyUnicode_FromString(ndma_source_name(SOURCE->handle));
}

static PyObject *get_simulated(PyObject *self, void *unused)
{
	return ext_source_check(SOURCE) ? NULL
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

	if (ext_source_begin_call(SOURCE))
		return NULL;
	tuple = PyTuple_New(count);
	for (uint32_t i = 0; tuple && i < count; i++) {
		PyObject *item = at(SOURCE, i);

		if (!item)
			Py_CLEAR(tuple);
		else
			PyTuple_SET_ITEM(tuple, i, item);
	}
	ext_source_end_call(SOURCE);
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

PyObject *ext_source_repr(PyObject *self)
{
	struct ndma_source_info info;

	if (SOURCE->closed)
		return PyUnicode_FromString("<ndma.Source, closed>");
	if (load_info(self, &info))
		return NULL;
	return PyUnicode_FromFormat("<ndma.Source %s: %s%s%s, %u channel%s%s>", info.name,
				    info.driver, *info.device ? " at " : "", info.device,
				    info.channels, info.channels == 1 ? "" : "s",
				    ndma_source_is_simulated(SOURCE->handle) ? ", simulated" : "");
}

PyGetSetDef ext_source_getset[] = {
	{ "name", get_name, NULL, "str: as in /dev/ndma, \"sim0\"." },
	{ "simulated", get_simulated, NULL, "bool: no hardware is behind it." },
	{ "driver", get_driver, NULL, "str: the driver's name." },
	{ "device", get_device, NULL, "str: the device behind it, \"0000:00:04.0\", or \"\"." },
	{ "channels", get_channels, NULL,
	  "tuple of Channel: name, unit, scale and offset of each." },
	{ "formats", get_formats, NULL, "tuple of Format: the kinds of samples there are." },
	{ "controls", ext_control_mapping, NULL,
	  "Controls: the settings there are, by name; ``source.controls[\"rate\"] = 1e6`` sets one." },
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

int ext_source_info_setup(PyObject *module, struct ext_state *state)
{
	state->channel_type = ext_record_type(module, &channel_desc);
	state->format_type = ext_record_type(module, &format_desc);
	return state->channel_type && state->format_type ? 0 : -1;
}
