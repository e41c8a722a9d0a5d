// SPDX-License-Identifier: MIT
/* How a Buffer is looked at: each view is a lease. */
#include "internal.h"
#include "types.h"

#define BUFFER ((struct ext_buffer *)self)

PyObject *ext_buffer_array(struct ext_buffer *buffer, uint32_t access)
{
	struct ext_lease *lease = ext_lease_new(buffer, access);
	PyObject *array;

	if (!lease)
		return NULL;
	array = ext_layout_array(lease->layout, lease->data, lease->access == NDMA_WRITE,
				 (PyObject *)lease);
	Py_DECREF(lease);
	return array;
}

int ext_buffer_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
	bool writable = (flags & PyBUF_WRITABLE) == PyBUF_WRITABLE;
	struct ext_lease *lease;
	int ret;

	view->obj = NULL;
	if (writable && BUFFER->readonly && !BUFFER->closed) {
		PyErr_SetString(
			PyExc_BufferError,
			"this buffer is read-only: write through the one that it was made of");
		return -1;
	}
	lease = ext_lease_new(BUFFER, writable ? NDMA_WRITE : 0);
	if (!lease)
		return -1;
	/* The consumer's object is the lease, not the buffer. */
	ret = ext_layout_export(lease->layout, lease->data, lease->access == NDMA_READ,
				(PyObject *)lease, view, flags);
	Py_DECREF(lease);
	return ret;
}

/* Never called, for view->obj is a lease; but NumPy looks for it on the type that it was given,
 * and without it keeps the buffer as base and drops the lease. */
void ext_buffer_releasebuffer(PyObject *self, Py_buffer *view)
{
}

PyObject *ext_buffer_array_method(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
				  PyObject *kwnames)
{
	static const char *const names[] = { "writable", NULL };
	PyObject *writable = NULL;
	int truth;

	if (!nargs && !kwnames)
		return ext_buffer_array(BUFFER, 0);
	if (ext_arguments("array", args, nargs, kwnames, names, &writable))
		return NULL;
	if (!writable || writable == Py_None)
		return ext_buffer_array(BUFFER, 0);
	truth = PyObject_IsTrue(writable);
	if (truth < 0)
		return NULL;
	return ext_buffer_array(BUFFER, truth ? NDMA_WRITE : NDMA_READ);
}

PyObject *ext_buffer_dunder_array(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "dtype", "copy", NULL };
	PyObject *dtype = Py_None, *copy = Py_None, *array;

	if (!ext_parse(args, kwargs, "|OO:__array__", names, &dtype, &copy))
		return NULL;
	array = ext_buffer_array(BUFFER, 0);
	return array ? ext_array_convert(array, dtype, copy) : NULL;
}

PyObject *ext_buffer_dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct ext_lease *lease = ext_lease_new(BUFFER, 0);
	PyObject *capsule;

	if (!lease)
		return NULL;
	capsule = ext_dlpack_export(
		lease->layout, lease->data,
		lease->access == NDMA_WRITE ? NULL
		: BUFFER->readonly
			? "share it by np.asarray(buffer), or the Buffer that this one was made of"
			: "share it by np.asarray(buffer), or after the transfer",
		(PyObject *)lease, args, kwargs);
	Py_DECREF(lease);
	return capsule;
}
