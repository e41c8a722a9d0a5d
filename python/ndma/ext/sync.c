// SPDX-License-Identifier: MIT
/* Sync: the bracket that drivers of other people's dma-bufs want around CPU access. */
#include "internal.h"
#include "types.h"

#include <errno.h>

struct ext_sync {
	PyObject_HEAD struct ext_buffer *buffer;
	uint32_t access;
	bool active;
};

#define SYNC ((struct ext_sync *)self)

PyObject *ext_sync_new(PyObject *self, PyObject *access)
{
	static const char *const choices[] = { "read", "write", NULL };
	struct ext_buffer *buffer = (struct ext_buffer *)self;
	int choice = ext_choice("access", access, choices);
	struct ext_sync *sync;

	if (choice < 0 || ext_buffer_check(buffer))
		return NULL;
	sync = ext_object_alloc(buffer->state->sync_type);
	if (!sync)
		return NULL;
	sync->buffer = (struct ext_buffer *)Py_NewRef(buffer);
	sync->access = choice ? NDMA_WRITE : NDMA_READ;
	PyObject_GC_Track(sync);
	return (PyObject *)sync;
}

/* Waits for fences: without the GIL, again after a signal whose handler lets it. */
static int run(struct ext_sync *sync, int (*bracket)(struct ndma_buffer *buffer, uint32_t access))
{
	struct ext_buffer *buffer = sync->buffer;
	int ret;

	do {
		if (PyErr_CheckSignals() || ext_buffer_check(buffer))
			return -1;
		ext_buffer_begin_call(buffer);
		Py_BEGIN_ALLOW_THREADS ret = bracket(buffer->handle, sync->access);
		Py_END_ALLOW_THREADS ext_buffer_end_call(buffer);
	} while (ret == -EINTR || ret == -EAGAIN);
	if (ret < 0)
		ext_error(buffer->state, EXT_BUFFER, ret);
	return ret;
}

static PyObject *sync_enter(PyObject *self, PyObject *unused)
{
	if (SYNC->active) {
		PyErr_SetString(PyExc_RuntimeError, "this bracket is open already");
		return NULL;
	}
	if (run(SYNC, ndma_buffer_sync_begin))
		return NULL;
	SYNC->active = true;
	return Py_NewRef(SYNC->buffer);
}

static PyObject *sync_exit(PyObject *self, PyObject *args)
{
	if (!SYNC->active)
		Py_RETURN_NONE;
	SYNC->active = false;
	/* A buffer that was closed inside `with` has no bracket left to close. */
	if (!SYNC->buffer->closed && run(SYNC, ndma_buffer_sync_end))
		return NULL;
	Py_RETURN_NONE;
}

static void sync_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	Py_DECREF(SYNC->buffer);
	type->tp_free(self);
	Py_DECREF(type);
}

static int sync_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(SYNC->buffer);
	return 0;
}

static PyMethodDef sync_methods[] = {
	{ "__enter__", sync_enter, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nBegins CPU access; the Buffer." },
	{ "__exit__", sync_exit, METH_VARARGS,
	  "__exit__($self, /, *exception)\n--\n\nEnds CPU access." },
	{ NULL },
};

static PyType_Slot sync_slots[] = {
	{ Py_tp_doc, "A bracket around CPU access; made by `Buffer.sync()`.\n\n"
		     "Examples\n--------\n"
		     ">>> with ndma.zeros(2).sync(\"write\") as buf:\n"
		     "...     buf[0] = 1" },
	{ Py_tp_dealloc, sync_dealloc },
	{ Py_tp_traverse, sync_traverse },
	{ Py_tp_methods, sync_methods },
	{ 0, NULL },
};

static PyType_Spec sync_spec = {
	.name = "ndma.Sync",
	.basicsize = sizeof(struct ext_sync),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_HAVE_GC,
	.slots = sync_slots,
};

int ext_sync_setup(PyObject *module, struct ext_state *state)
{
	state->sync_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sync_spec, NULL);
	return state->sync_type ? PyModule_AddType(module, state->sync_type) : -1;
}
