// SPDX-License-Identifier: MIT
/* What ndma/_record.py is made of: libndma's recordings, to write and to read. */
#include "internal.h"

#include <errno.h>
#include <ndma_ring.h>

/* Frames of one write. */
#define BATCH 64

/* ---------------------------------------------------------------- writing */

/* Everything but `busy` and `handle` is set once. */
struct ext_record {
	PyObject_HEAD struct ext_state *state;
	struct ext_stream *stream; /* whose frames: it outlives the recording */
	struct ndma_record *handle; /* NULL once closed */
	unsigned int busy; /* calls without the GIL */
};

#define RECORD ((struct ext_record *)self)

static PyObject *record_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct ext_state *state = PyType_GetModuleState(type);
	struct ndma_record_options options = NDMA_RECORD_OPTIONS_INIT;
	struct ext_source *source = NULL;
	struct ext_record *record;
	PyObject *path, *owner, *stream;
	unsigned int flags;
	int ret;

	if (!PyArg_ParseTuple(args, "O&O!OI", PyUnicode_FSConverter, &path, state->stream_type,
			      &stream, &owner, &flags))
		return NULL;
	if (PyObject_TypeCheck(owner, state->source_type))
		source = (struct ext_source *)owner;
	options.flags = flags;
	record = ext_object_alloc(type);
	if (!record || ext_stream_check((struct ext_stream *)stream) ||
	    (source && ext_source_begin_call(source)))
		goto failed;
	record->state = state;
	record->stream = (struct ext_stream *)Py_NewRef(stream);
	Py_BEGIN_ALLOW_THREADS ret =
		ndma_record_open(PyBytes_AS_STRING(path), source ? source->handle : NULL,
				 record->stream->handle, &options, &record->handle);
	Py_END_ALLOW_THREADS if (source) ext_source_end_call(source);
	if (ret < 0) {
		ext_error(state, EXT_SOURCE, ret);
		goto failed;
	}
	Py_DECREF(path);
	PyObject_GC_Track(record);
	return (PyObject *)record;
failed:
	Py_DECREF(path);
	Py_XDECREF(record);
	return NULL;
}

static int record_begin_call(struct ext_record *record)
{
	if (!record->handle) {
		PyErr_SetString(PyExc_ValueError, "this recording is closed");
		return -1;
	}
	record->busy++;
	return 0;
}

static PyObject *record_end_call(struct ext_record *record, int ret)
{
	record->busy--;
	if (ret < 0)
		return ext_error(record->state, EXT_STREAM, ret);
	Py_RETURN_NONE;
}

/* Frames that the caller holds: none may go back before it is written. */
static PyObject *record_write(PyObject *self, PyObject *argument)
{
	struct ext_frame *frame = (struct ext_frame *)argument;
	int ret;

	if (!PyObject_TypeCheck(argument, RECORD->state->frame_type) ||
	    frame->stream != RECORD->stream) {
		PyErr_SetString(PyExc_TypeError,
				"a recording takes frames of the stream that it was opened for");
		return NULL;
	}
	if (record_begin_call(RECORD))
		return NULL;
	Py_INCREF(frame);
	Py_BEGIN_ALLOW_THREADS ret = ndma_record_write(RECORD->handle, &frame->entry, 1);
	Py_END_ALLOW_THREADS Py_DECREF(frame);
	return record_end_call(RECORD, ret);
}

/* While no frame is ready, those on their way to the disk are waited for: the card needs them back. */
static int wait_for_disk(struct ext_record *record)
{
	int left = ndma_record_wait(record->handle, UINT32_MAX);

	while (left > 0 && !ndma_ring_ready(ndma_stream_ring(record->stream->handle)))
		left = ndma_record_wait(record->handle, (uint32_t)left - 1);
	return left;
}

/* One batch from the stream to the file: how many, or as ndma_stream_next_batch(). */
static int take(struct ext_record *record, size_t room, uint64_t *dropped)
{
	struct ndma_frame frames[BATCH];
	int count, ret, i;

	ret = wait_for_disk(record);
	if (ret < 0)
		return ret;
	count = ndma_stream_next_batch(record->stream->handle, frames, 1, room, EXT_SLICE_NS);
	if (!count) {
		ret = ndma_record_wait(record->handle, 0);
		return ret < 0 ? ret : 0;
	}
	if (count < 0)
		return count;
	for (i = 0; i < count; i++)
		*dropped += frames[i].dropped;
	ret = ndma_record_submit(record->handle, frames, (size_t)count);
	/* These may be the last. */
	if (!ret && (size_t)count == room)
		ret = ndma_record_wait(record->handle, 0);
	return ret < 0 ? ret : count;
}

/* (frames, dropped); (0, 0): none came for a while; None: the stream has ended. */
static PyObject *record_take(PyObject *self, PyObject *argument)
{
	unsigned long long room = PyLong_AsUnsignedLongLong(argument);
	uint64_t dropped = 0;
	int ret;

	if (PyErr_Occurred() || record_begin_call(RECORD))
		return NULL;
	room = room < BATCH ? room : BATCH;
	Py_BEGIN_ALLOW_THREADS ret = take(RECORD, (size_t)room, &dropped);
	Py_END_ALLOW_THREADS RECORD->busy--;
	if (ret == -ETIMEDOUT || ret == -EINTR)
		return Py_BuildValue("(ii)", 0, 0);
	if (ret < 0)
		return ext_error(RECORD->state, EXT_STREAM, ret);
	if (!ret)
		Py_RETURN_NONE;
	return Py_BuildValue("(iK)", ret, (unsigned long long)dropped);
}

static PyObject *record_sync(PyObject *self, PyObject *unused)
{
	int ret;

	if (record_begin_call(RECORD))
		return NULL;
	Py_BEGIN_ALLOW_THREADS ret = ndma_record_sync(RECORD->handle);
	Py_END_ALLOW_THREADS return record_end_call(RECORD, ret);
}

static PyObject *record_finish(PyObject *self, PyObject *unused)
{
	int ret;

	if (record_begin_call(RECORD))
		return NULL;
	Py_BEGIN_ALLOW_THREADS ret = ndma_record_finish(RECORD->handle);
	Py_END_ALLOW_THREADS return record_end_call(RECORD, ret);
}

static PyObject *record_close(PyObject *self, PyObject *unused)
{
	struct ndma_record *handle = RECORD->handle;

	if (RECORD->busy) {
		PyErr_SetString(PyExc_BufferError, "another thread is recording");
		return NULL;
	}
	RECORD->handle = NULL;
	ndma_record_close(handle);
	Py_RETURN_NONE;
}

static PyObject *record_frames(PyObject *self, void *unused)
{
	if (!RECORD->handle) {
		PyErr_SetString(PyExc_ValueError, "this recording is closed");
		return NULL;
	}
	return PyLong_FromUnsignedLongLong(ndma_record_frames(RECORD->handle));
}

static void record_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	ndma_record_close(RECORD->handle);
	Py_XDECREF(RECORD->stream);
	type->tp_free(self);
	Py_DECREF(type);
}

static int record_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(RECORD->stream);
	return 0;
}

static PyMethodDef record_methods[] = {
	{ "write", record_write, METH_O, "write(frame, /)\n--\n\nRecords a Frame that is held." },
	{ "take", record_take, METH_O,
	  "take(room, /)\n--\n\nRecords frames that are ready, or come within a moment." },
	{ "sync", record_sync, METH_NOARGS, "sync()\n--\n\nHas the disk keep what is there." },
	{ "finish", record_finish, METH_NOARGS, "finish()\n--\n\nSays that it is complete." },
	{ "close", record_close, METH_NOARGS, "close()\n--\n\nLets go of the files." },
	{ NULL },
};

static PyGetSetDef record_getset[] = {
	{ "frames", record_frames, NULL, "int: frames that it has.", NULL },
	{ NULL },
};

static PyType_Slot record_slots[] = {
	{ Py_tp_doc, "A recording that grows." },
	{ Py_tp_new, record_new },
	{ Py_tp_dealloc, record_dealloc },
	{ Py_tp_traverse, record_traverse },
	{ Py_tp_methods, record_methods },
	{ Py_tp_getset, record_getset },
	{ 0, NULL },
};

static PyType_Spec record_spec = {
	.name = "ndma._ext._Record",
	.basicsize = sizeof(struct ext_record),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
	.slots = record_slots,
};

int ext_record_setup(PyObject *module, struct ext_state *state)
{
	PyObject *type = PyType_FromModuleAndSpec(module, &record_spec, NULL);
	int ret = type ? PyModule_AddObjectRef(module, "_Record", type) : -1;

	Py_XDECREF(type);
	return ret ? ret : ext_recording_setup(module, state);
}
