// SPDX-License-Identifier: MIT
/* A recording that is read: what ndma/_record.py makes arrays of. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ext_recording {
	PyObject_HEAD struct ext_state *state;
	struct ndma_recording *handle; /* NULL once closed */
};

#define RECORDING ((struct ext_recording *)self)

/* EILSEQ is what no file of ours has: a value that is wrong. */
static void *fail(struct ext_state *state, int error)
{
	return ext_error(state, EXT_SOURCE, error == -EILSEQ ? -EINVAL : error);
}

static PyObject *recording_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct ext_recording *recording;
	PyObject *path;
	int ret;

	if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path))
		return NULL;
	recording = (struct ext_recording *)type->tp_alloc(type, 0);
	if (!recording) {
		Py_DECREF(path);
		return NULL;
	}
	recording->state = PyType_GetModuleState(type);
	Py_BEGIN_ALLOW_THREADS ret =
		ndma_recording_open(PyBytes_AS_STRING(path), &recording->handle);
	Py_END_ALLOW_THREADS Py_DECREF(path);
	if (ret < 0) {
		fail(recording->state, ret);
		Py_CLEAR(recording);
	}
	return (PyObject *)recording;
}

static int check(struct ext_recording *recording)
{
	if (recording->handle)
		return 0;
	PyErr_SetString(PyExc_ValueError, "this recording is closed");
	return -1;
}

static PyObject *tuple_of(const __u64 *values, uint32_t count)
{
	PyObject *tuple = PyTuple_New(count), *number;
	uint32_t i;

	for (i = 0; tuple && i < count; i++) {
		number = PyLong_FromUnsignedLongLong(values[i]);
		if (number)
			PyTuple_SET_ITEM(tuple, i, number);
		else
			Py_CLEAR(tuple);
	}
	return tuple;
}

static PyObject *recording_info(PyObject *self, PyObject *unused)
{
	struct ndma_recording_info info;
	const struct ndma_layout *layout = &info.layout;
	PyArray_Descr *descr;

	if (check(RECORDING))
		return NULL;
	ndma_recording_info(RECORDING->handle, &info);
	descr = ext_format_parse(layout->format, (Py_ssize_t)layout->itemsize);
	if (!descr)
		return NULL;
	return Py_BuildValue(
		"{sK sK sK sK sK sK sK sK sN sI sy# sK sK sN sN sN sd}", "frames",
		(unsigned long long)info.frames, "runs", (unsigned long long)info.runs, "dropped",
		(unsigned long long)info.dropped, "partial", (unsigned long long)info.partial,
		"overflow", (unsigned long long)info.overflow, "error",
		(unsigned long long)info.error, "damaged", (unsigned long long)info.damaged,
		"synced", (unsigned long long)info.synced, "closed", PyBool_FromLong(info.closed),
		"flags", info.flags, "id", (const char *)info.id, (Py_ssize_t)sizeof(info.id),
		"data_offset", (unsigned long long)info.data_offset, "frame_bytes",
		(unsigned long long)info.frame_bytes, "dtype", descr, "shape",
		tuple_of(layout->shape, layout->ndim), "strides",
		tuple_of((const __u64 *)layout->strides, layout->ndim), "rate",
		ext_rational(info.source.rate));
}

static PyObject *recording_text(PyObject *self, PyObject *unused)
{
	const char *text;

	if (check(RECORDING))
		return NULL;
	text = ndma_recording_text(RECORDING->handle);
	return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

static PyObject *recording_channels(PyObject *self, PyObject *unused)
{
	struct ndma_source_channel channel;
	struct ndma_recording_info info;
	PyObject *tuple, *one;
	uint32_t i;

	if (check(RECORDING))
		return NULL;
	ndma_recording_info(RECORDING->handle, &info);
	tuple = PyTuple_New((Py_ssize_t)info.layout.shape[0]);
	for (i = 0; tuple && i < info.layout.shape[0]; i++) {
		ndma_recording_channel(RECORDING->handle, i, &channel);
		one = ext_source_channel_record(RECORDING->state, &channel);
		if (one)
			PyTuple_SET_ITEM(tuple, i, one);
		else
			Py_CLEAR(tuple);
	}
	return tuple;
}

static PyObject *recording_entries(PyObject *self, PyObject *args)
{
	unsigned long long first, count;
	struct ndma_recording_info info;
	PyObject *bytes;
	ssize_t got;

	if (!PyArg_ParseTuple(args, "KK", &first, &count) || check(RECORDING))
		return NULL;
	ndma_recording_info(RECORDING->handle, &info);
	count = first > info.frames ? 0 : count > info.frames - first ? info.frames - first : count;
	bytes = PyBytes_FromStringAndSize(
		NULL, (Py_ssize_t)(count * sizeof(struct ndma_recording_frame)));
	if (!bytes)
		return NULL;
	got = ndma_recording_frames(RECORDING->handle, first,
				    (struct ndma_recording_frame *)PyBytes_AS_STRING(bytes),
				    (size_t)count);
	if (got >= 0)
		return bytes;
	Py_DECREF(bytes);
	return fail(RECORDING->state, (int)got);
}

static PyObject *recording_holes(PyObject *self, PyObject *unused)
{
	PyObject *bytes;
	uint64_t count;

	if (check(RECORDING))
		return NULL;
	count = ndma_recording_holes(RECORDING->handle, NULL, 0);
	bytes = PyBytes_FromStringAndSize(NULL,
					  (Py_ssize_t)(count * sizeof(struct ndma_recording_hole)));
	if (bytes)
		ndma_recording_holes(RECORDING->handle,
				     (struct ndma_recording_hole *)PyBytes_AS_STRING(bytes),
				     (size_t)count);
	return bytes;
}

static PyObject *recording_refresh(PyObject *self, PyObject *unused)
{
	int ret;

	if (check(RECORDING))
		return NULL;
	ret = ndma_recording_refresh(RECORDING->handle);
	if (ret < 0)
		return fail(RECORDING->state, ret);
	Py_RETURN_NONE;
}

static PyObject *recording_fileno(PyObject *self, PyObject *unused)
{
	if (check(RECORDING))
		return NULL;
	return PyLong_FromLong(ndma_recording_data_fd(RECORDING->handle));
}

static PyObject *recording_close(PyObject *self, PyObject *unused)
{
	struct ndma_recording *handle = RECORDING->handle;

	RECORDING->handle = NULL;
	ndma_recording_close(handle);
	Py_RETURN_NONE;
}

static void recording_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	ndma_recording_close(RECORDING->handle);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef recording_methods[] = {
	{ "info", recording_info, METH_NOARGS, "info()\n--\n\nWhat it has, as a dict." },
	{ "text", recording_text, METH_NOARGS, "text()\n--\n\nWhat describes it, in JSON." },
	{ "channels", recording_channels, METH_NOARGS, "channels()\n--\n\nA Channel for each." },
	{ "entries", recording_entries, METH_VARARGS,
	  "entries(first, count, /)\n--\n\nWhat is known of frames, as bytes." },
	{ "holes", recording_holes, METH_NOARGS, "holes()\n--\n\nThe list of holes, as bytes." },
	{ "refresh", recording_refresh, METH_NOARGS, "refresh()\n--\n\nLooks again." },
	{ "fileno", recording_fileno, METH_NOARGS, "fileno()\n--\n\nOf the samples." },
	{ "close", recording_close, METH_NOARGS, "close()\n--\n\nLets go of the files." },
	{ NULL },
};

static PyType_Slot recording_slots[] = {
	{ Py_tp_doc, "A recording that is read." },
	{ Py_tp_new, recording_new },
	{ Py_tp_dealloc, recording_dealloc },
	{ Py_tp_methods, recording_methods },
	{ 0, NULL },
};

static PyType_Spec recording_spec = {
	.name = "ndma._ext._Recording",
	.basicsize = sizeof(struct ext_recording),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = recording_slots,
};

int ext_recording_setup(PyObject *module, struct ext_state *state)
{
	PyObject *type = PyType_FromModuleAndSpec(module, &recording_spec, NULL);
	int ret = type ? PyModule_AddObjectRef(module, "_Recording", type) : -1;

	Py_XDECREF(type);
	return ret;
}
