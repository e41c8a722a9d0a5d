// SPDX-License-Identifier: MIT
/* Source: an acquisition device by its name. Its life, and the process it belongs to. */
#include "internal.h"
#include "types.h"

#include <string.h>

#define SOURCE ((struct ext_source *)self)

int ext_source_check(struct ext_source *source)
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

int ext_source_begin_call(struct ext_source *source)
{
	if (ext_source_check(source))
		return -1;
	source->calls++;
	return 0;
}

void ext_source_end_call(struct ext_source *source)
{
	struct ndma_source *handle = source->handle;

	if (--source->calls || !source->closed)
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

PyObject *ext_source_close(PyObject *self, PyObject *unused)
{
	if (SOURCE->closed)
		Py_RETURN_NONE;
	SOURCE->calls++;
	SOURCE->closed = true;
	ext_source_end_call(SOURCE);
	Py_RETURN_NONE;
}

PyObject *ext_source_enter(PyObject *self, PyObject *unused)
{
	return ext_source_check(SOURCE) ? NULL : Py_NewRef(self);
}

PyObject *ext_source_exit(PyObject *self, PyObject *args)
{
	return ext_source_close(self, NULL);
}

PyObject *ext_source_reduce(PyObject *self, PyObject *unused)
{
	PyErr_SetString(PyExc_TypeError, "a Source does not travel: send its name, and open it "
					 "again in the other process");
	return NULL;
}

void ext_source_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	ndma_source_close(SOURCE->handle);
	type->tp_free(self);
	Py_DECREF(type);
}

int ext_source_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	return 0;
}
