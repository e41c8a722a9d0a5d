// SPDX-License-Identifier: MIT
/* What a Buffer does with its contents, through an array that lives as long as it takes. */
#include "internal.h"
#include "types.h"

#include <errno.h>

#define BUFFER ((struct ext_buffer *)self)

PyObject *ext_buffer_getitem(PyObject *self, PyObject *key)
{
	PyObject *array = ext_buffer_array(BUFFER, 0), *item;

	if (!array)
		return NULL;
	item = PyObject_GetItem(array, key);
	Py_DECREF(array);
	return item;
}

int ext_buffer_setitem(PyObject *self, PyObject *key, PyObject *value)
{
	PyObject *array;
	int ret;

	if (!value) {
		PyErr_SetString(PyExc_TypeError, "elements of a Buffer cannot be deleted");
		return -1;
	}
	array = ext_buffer_array(BUFFER, NDMA_WRITE);
	if (!array)
		return -1;
	ret = PyObject_SetItem(array, key, value);
	Py_DECREF(array);
	return ret;
}

Py_ssize_t ext_buffer_length(PyObject *self)
{
	if (ext_buffer_check(BUFFER) || (BUFFER->shared && ext_buffer_refresh(BUFFER)))
		return -1;
	if (!BUFFER->layout->ndim) {
		PyErr_SetString(PyExc_TypeError, "len() of unsized object: the Buffer has no "
						 "dimensions");
		return -1;
	}
	return BUFFER->layout->shape[0];
}

PyObject *ext_buffer_iter(PyObject *self)
{
	PyObject *array = ext_buffer_array(BUFFER, 0), *iterator;

	if (!array)
		return NULL;
	iterator = PyObject_GetIter(array);
	Py_DECREF(array);
	return iterator;
}

PyObject *ext_buffer_fill(PyObject *self, PyObject *value)
{
	PyObject *array = ext_buffer_array(BUFFER, NDMA_WRITE), *result;

	if (!array)
		return NULL;
	result = PyObject_CallMethod(array, "fill", "(O)", value);
	Py_DECREF(array);
	return result;
}

static bool same_shape(PyArrayObject *a, PyArrayObject *b)
{
	return PyArray_NDIM(a) == PyArray_NDIM(b) &&
	       PyArray_CompareLists(PyArray_DIMS(a), PyArray_DIMS(b), PyArray_NDIM(a));
}

static int copy_checked(PyArrayObject *to, PyArrayObject *from, NPY_CASTING casting)
{
	static const char *const rules[] = {
		[NPY_NO_CASTING] = "no",         [NPY_EQUIV_CASTING] = "equiv",
		[NPY_SAFE_CASTING] = "safe",     [NPY_SAME_KIND_CASTING] = "same_kind",
		[NPY_UNSAFE_CASTING] = "unsafe",
	};

	if (!same_shape(to, from)) {
		PyObject *is = PyObject_GetAttrString((PyObject *)from, "shape");
		PyObject *expected = is ? PyObject_GetAttrString((PyObject *)to, "shape") : NULL;

		if (expected)
			PyErr_Format(PyExc_ValueError,
				     "cannot assign an array of shape %S to a "
				     "Buffer of shape %S",
				     is, expected);
		Py_XDECREF(expected);
		Py_XDECREF(is);
		return -1;
	}
	if (!PyArray_CanCastArrayTo(from, PyArray_DESCR(to), casting)) {
		PyErr_Format(PyExc_TypeError,
			     "cannot assign %R to a Buffer of %R by casting='%s': convert it "
			     "before, or say casting='unsafe'",
			     PyArray_DESCR(from), PyArray_DESCR(to), rules[casting]);
		return -1;
	}
	return PyArray_CopyInto(to, from);
}

PyObject *ext_buffer_assign(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "x", "casting", NULL };
	NPY_CASTING casting = NPY_SAME_KIND_CASTING;
	PyObject *x, *from, *to;
	int ret;

	if (!ext_parse(args, kwargs, "O|O&:assign", names, &x, PyArray_CastingConverter, &casting))
		return NULL;
	from = PyArray_FromAny(x, NULL, 0, 0, 0, NULL);
	if (!from)
		return NULL;
	to = ext_buffer_array(BUFFER, NDMA_WRITE);
	ret = to ? copy_checked((PyArrayObject *)to, (PyArrayObject *)from, casting) : -1;
	Py_XDECREF(to);
	Py_DECREF(from);
	if (ret)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *corner(PyArrayObject *array, int ndim, const npy_intp *shape)
{
	PyObject *part;

	Py_INCREF(PyArray_DESCR(array));
	part = PyArray_NewFromDescr(&PyArray_Type, PyArray_DESCR(array), ndim, shape,
				    PyArray_STRIDES(array), PyArray_DATA(array),
				    PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE, NULL);
	if (part && PyArray_SetBaseObject((PyArrayObject *)part, Py_NewRef(array)) < 0)
		Py_CLEAR(part);
	return part;
}

/* Copies the elements whose indices both arrays have; they are of the same rank. */
static int copy_corner(PyArrayObject *to, PyArrayObject *from)
{
	npy_intp shape[NPY_MAXDIMS];
	int ndim = PyArray_NDIM(to), ret = -1;
	PyObject *a, *b;

	for (int i = 0; i < ndim; i++)
		shape[i] = PyArray_DIM(to, i) < PyArray_DIM(from, i) ? PyArray_DIM(to, i)
								     : PyArray_DIM(from, i);
	a = corner(to, ndim, shape);
	b = a ? corner(from, ndim, shape) : NULL;
	if (b)
		ret = PyArray_CopyInto((PyArrayObject *)a, (PyArrayObject *)b);
	Py_XDECREF(a);
	Py_XDECREF(b);
	return ret;
}

/* With other ranks elements keep their place in C order. `to` is C-contiguous. */
static int copy_overlap(PyArrayObject *to, PyArrayObject *from)
{
	PyObject *a, *b;
	int ret = -1;

	if (PyArray_NDIM(to) == PyArray_NDIM(from))
		return copy_corner(to, from);
	a = PyArray_Ravel(to, NPY_CORDER);
	b = a ? PyArray_Ravel(from, NPY_CORDER) : NULL;
	if (b)
		ret = copy_corner((PyArrayObject *)a, (PyArrayObject *)b);
	Py_XDECREF(a);
	Py_XDECREF(b);
	return ret;
}

/* Refuses where a view, a lease of another process or a device has the buffer. */
static int check_free(struct ext_buffer *buffer)
{
	struct ndma_buffer_info info;
	int ret;

	if (ext_buffer_check_views(buffer, "resize the buffer"))
		return -1;
	ret = ndma_buffer_info(buffer->handle, &info);
	if (ret < 0) {
		ext_error(buffer->state, EXT_BUFFER, ret);
		return -1;
	}
	if (buffer->calls || buffer->transfers)
		ext_buffer_refuse_transfer(buffer, "resize the buffer");
	else if (info.owner == NDMA_OWNER_DEVICE)
		ext_error_os(
			buffer->state->locked_error, EBUSY,
			PyUnicode_FromString("cannot resize the buffer: it is with its device"));
	else if (info.read_leases || info.write_leases)
		ext_error_os(
			buffer->state->locked_error, EBUSY,
			PyUnicode_FromFormat(
				"cannot resize the buffer: other processes hold %u leases on it "
				"(holders() tells which)",
				info.read_leases + info.write_leases));
	else
		return 0;
	return -1;
}

static PyObject *make_resized(struct ext_buffer *buffer, PyObject *shape)
{
	struct ext_buffer_request request = { .options = NDMA_BUFFER_OPTIONS_INIT };
	PyObject *fresh, *to = NULL, *from = NULL, *dtype;
	struct ext_layout *layout;

	/* A reference of its own, for the shape's code may give the buffer another layout. */
	dtype = Py_NewRef(buffer->layout->descr);
	layout = ext_layout_from_arguments(shape, dtype);
	Py_DECREF(dtype);
	if (!layout)
		return NULL;
	fresh = ext_buffer_create(buffer->state, layout, &request);
	ext_layout_put(layout);
	if (!fresh)
		return NULL;
	/* gc.get_objects() must not show the new buffer: it will give its memory away. */
	PyObject_GC_UnTrack(fresh);
	to = ext_buffer_array((struct ext_buffer *)fresh, NDMA_WRITE);
	from = to ? ext_buffer_array(buffer, NDMA_READ) : NULL;
	if (!from || copy_overlap((PyArrayObject *)to, (PyArrayObject *)from))
		Py_CLEAR(fresh);
	Py_XDECREF(from);
	Py_XDECREF(to);
	return fresh;
}

PyObject *ext_buffer_resize(PyObject *self, PyObject *shape)
{
	struct ext_buffer *buffer = BUFFER, *fresh;
	struct ndma_buffer *handle;
	struct ext_layout *layout;

	if (ext_buffer_check(buffer))
		return NULL;
	if (buffer->readonly) {
		PyErr_SetString(
			PyExc_ValueError,
			"this buffer is read-only: write through the one that it was made of");
		return NULL;
	}
	if (check_free(buffer))
		return NULL;
	fresh = (struct ext_buffer *)make_resized(buffer, shape);
	if (!fresh)
		return NULL;
	/* Other threads ran meanwhile, and may have closed the buffer or taken views. */
	if (ext_buffer_check(buffer) || check_free(buffer)) {
		Py_DECREF(fresh);
		return NULL;
	}
	/* The two buffers swap memory, and the old memory goes with the temporary one. */
	handle = buffer->handle;
	layout = buffer->layout;
	buffer->handle = fresh->handle;
	buffer->layout = fresh->layout;
	buffer->stored = fresh->stored;
	buffer->fd = fresh->fd;
	buffer->id = fresh->id;
	buffer->shared = false;
	fresh->handle = handle;
	fresh->layout = layout;
	for (int i = 0; i <= NDMA_WRITE; i++)
		buffer->address[i] = fresh->address[i];
	Py_DECREF(fresh);
	Py_RETURN_NONE;
}
