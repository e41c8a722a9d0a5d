// SPDX-License-Identifier: MIT
/* Layouts: from dtype and shape, to arrays and to what PEP 3118 consumers ask for. */
#include "internal.h"

#include <string.h>

struct ext_layout *ext_layout_alloc(PyArray_Descr *descr, int ndim)
{
	struct ext_layout *layout;

	layout = PyMem_Calloc(1, sizeof(*layout) + 2 * (size_t)ndim * sizeof(Py_ssize_t));
	if (!layout) {
		PyErr_NoMemory();
		return NULL;
	}
	Py_INCREF(descr);
	layout->references = 1;
	layout->descr = descr;
	layout->itemsize = PyDataType_ELSIZE(descr);
	layout->ndim = ndim;
	layout->shape = layout->extents;
	layout->strides = layout->extents + ndim;
	return layout;
}

struct ext_layout *ext_layout_get(struct ext_layout *layout)
{
	layout->references++;
	return layout;
}

void ext_layout_put(struct ext_layout *layout)
{
	if (!layout || --layout->references)
		return;
	Py_DECREF(layout->descr);
	PyMem_Free(layout);
}

Py_ssize_t ext_layout_size(const struct ext_layout *layout)
{
	return layout->bytes / layout->itemsize;
}

/* As CPython's: an extent of one or none has no say, and no elements are contiguous. */
static bool contiguous(const struct ext_layout *layout, int first, int step)
{
	Py_ssize_t expected = layout->itemsize;

	if (!layout->bytes)
		return true;
	for (int i = first; i >= 0 && i < layout->ndim; i += step) {
		if (layout->shape[i] > 1 && layout->strides[i] != expected)
			return false;
		expected *= layout->shape[i];
	}
	return true;
}

int ext_layout_finish(struct ext_layout *layout)
{
	layout->bytes = layout->itemsize;
	for (int i = 0; i < layout->ndim; i++)
		if (!layout->shape[i])
			layout->bytes = 0;
	for (int i = 0; i < layout->ndim && layout->bytes; i++) {
		if (__builtin_mul_overflow(layout->bytes, layout->shape[i], &layout->bytes)) {
			PyErr_Format(PyExc_ValueError,
				     "the array is too big: the bytes of %d dimensions, %zd in "
				     "axis %d, do not fit 63 bits",
				     layout->ndim, layout->shape[i], i);
			return -1;
		}
	}
	layout->c_contiguous = contiguous(layout, layout->ndim - 1, -1);
	layout->f_contiguous = contiguous(layout, 0, 1);
	return ext_format_write(layout->descr, layout->format);
}

/* Splits a sub-array dtype: its base, and its dimensions behind `ndim` others. */
static struct ext_layout *alloc_expanded(PyArray_Descr *descr, int ndim)
{
	PyObject *base = PyObject_GetAttrString((PyObject *)descr, "base");
	PyObject *shape = base ? PyObject_GetAttrString((PyObject *)descr, "shape") : NULL;
	struct ext_layout *layout = NULL;
	Py_ssize_t extra, stride;

	if (!shape)
		goto out;
	extra = PyTuple_GET_SIZE(shape);
	if (ndim + extra > NDMA_NDIM_MAX) {
		PyErr_Format(PyExc_ValueError, "%zd dimensions; a buffer has at most %d",
			     ndim + extra, NDMA_NDIM_MAX);
		goto out;
	}
	layout = ext_layout_alloc((PyArray_Descr *)base, ndim + (int)extra);
	if (!layout)
		goto out;
	stride = layout->itemsize;
	for (Py_ssize_t i = extra - 1; i >= 0; i--) {
		layout->shape[ndim + i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i));
		layout->strides[ndim + i] = stride;
		stride *= layout->shape[ndim + i];
	}
out:
	Py_XDECREF(base);
	Py_XDECREF(shape);
	return layout;
}

struct ext_layout *ext_layout_new(const struct ndma_layout *from, PyArray_Descr *descr)
{
	struct ext_layout *layout;

	if (descr)
		Py_INCREF(descr);
	else
		descr = ext_format_parse(from->format, from->itemsize);
	if (!descr)
		return NULL;
	layout = alloc_expanded(descr, (int)from->ndim);
	Py_DECREF(descr);
	if (!layout)
		return NULL;
	layout->offset = (Py_ssize_t)from->offset;
	for (uint32_t i = 0; i < from->ndim; i++) {
		layout->shape[i] = (Py_ssize_t)from->shape[i];
		layout->strides[i] = (Py_ssize_t)from->strides[i];
	}
	if (ext_layout_finish(layout)) {
		ext_layout_put(layout);
		return NULL;
	}
	return layout;
}

/* An int or a sequence of ints, none negative, as a tuple's worth in `extents`. */
static int parse_shape(PyObject *object, Py_ssize_t *extents)
{
	PyObject *sequence;
	Py_ssize_t ndim;

	sequence = PyIndex_Check(object) ? PyTuple_Pack(1, object) : PySequence_Tuple(object);
	if (!sequence) {
		if (PyErr_ExceptionMatches(PyExc_TypeError))
			PyErr_Format(PyExc_TypeError,
				     "shape must be an int or a sequence of ints, not %R", object);
		return -1;
	}
	ndim = PyTuple_GET_SIZE(sequence);
	if (ndim > NDMA_NDIM_MAX) {
		PyErr_Format(PyExc_ValueError, "%zd dimensions; a buffer has at most %d", ndim,
			     NDMA_NDIM_MAX);
		ndim = -1;
	}
	for (Py_ssize_t i = 0; i < ndim; i++) {
		PyObject *extent = PyTuple_GET_ITEM(sequence, i);
		int64_t value = 0;

		if (ext_integer(extent, "an extent of a shape must be an int of 64 bits", INT64_MIN,
				INT64_MAX, &value)) {
			ndim = -1;
		} else if (value < 0) {
			PyErr_Format(PyExc_ValueError,
				     "negative dimensions are not allowed: %R in axis %zd", extent,
				     i);
			ndim = -1;
		}
		extents[i] = value;
	}
	Py_DECREF(sequence);
	return (int)ndim;
}

static PyArray_Descr *parse_dtype(PyObject *object)
{
	PyArray_Descr *descr = NULL;

	if (!PyArray_DescrConverter(object, &descr))
		return NULL;
	/* "S" and "U" without a length hold one character, as in np.empty. */
	if (!PyDataType_ELSIZE(descr) &&
	    (descr->type_num == NPY_STRING || descr->type_num == NPY_UNICODE)) {
		PyObject *one = PyUnicode_FromString(descr->type_num == NPY_STRING ? "S1" : "U1");

		Py_CLEAR(descr);
		if (one && !PyArray_DescrConverter(one, &descr))
			descr = NULL;
		Py_XDECREF(one);
	}
	if (descr && !PyDataType_ELSIZE(descr)) {
		PyErr_Format(PyExc_ValueError,
			     "%R has elements of 0 bytes; a buffer's have 1 or "
			     "more",
			     descr);
		Py_CLEAR(descr);
	}
	return descr;
}

struct ext_layout *ext_layout_from_arguments(PyObject *shape, PyObject *dtype)
{
	Py_ssize_t extents[NDMA_NDIM_MAX], stride;
	struct ext_layout *layout;
	PyArray_Descr *descr;
	int ndim;

	ndim = parse_shape(shape, extents);
	if (ndim < 0)
		return NULL;
	descr = parse_dtype(dtype);
	if (!descr)
		return NULL;
	layout = alloc_expanded(descr, ndim);
	stride = PyDataType_ELSIZE(descr);
	Py_DECREF(descr);
	if (!layout)
		return NULL;
	for (int i = ndim - 1; i >= 0; i--) {
		layout->shape[i] = extents[i];
		layout->strides[i] = stride;
		/* Too much is found below, where zeros count. */
		if (extents[i] && __builtin_mul_overflow(stride, extents[i], &stride))
			stride = 0;
	}
	if (ext_layout_finish(layout)) {
		ext_layout_put(layout);
		return NULL;
	}
	return layout;
}

void ext_layout_store(const struct ext_layout *layout, struct ndma_layout *out)
{
	memset(out, 0, sizeof(*out));
	out->itemsize = (uint32_t)layout->itemsize;
	out->ndim = (uint32_t)layout->ndim;
	out->offset = (uint64_t)layout->offset;
	for (int i = 0; i < layout->ndim; i++) {
		out->shape[i] = (uint64_t)layout->shape[i];
		out->strides[i] = layout->strides[i];
	}
	memcpy(out->format, layout->format, strlen(layout->format));
}

static PyObject *tuple(const Py_ssize_t *values, int count)
{
	PyObject *tuple = PyTuple_New(count);

	for (int i = 0; tuple && i < count; i++) {
		PyObject *value = PyLong_FromSsize_t(values[i]);

		if (!value)
			Py_CLEAR(tuple);
		else
			PyTuple_SET_ITEM(tuple, i, value);
	}
	return tuple;
}

PyObject *ext_layout_shape(const struct ext_layout *layout)
{
	return tuple(layout->shape, layout->ndim);
}

PyObject *ext_layout_strides(const struct ext_layout *layout)
{
	return tuple(layout->strides, layout->ndim);
}

static int refuse(Py_buffer *view, const char *why)
{
	view->obj = NULL;
	PyErr_SetString(PyExc_BufferError, why);
	return -1;
}

static bool asks(int flags, int wanted)
{
	return (flags & wanted) == wanted;
}

int ext_layout_export(const struct ext_layout *layout, void *data, bool readonly,
		      PyObject *exporter, Py_buffer *view, int flags)
{
	bool c = layout->c_contiguous, f = layout->f_contiguous;

	if (asks(flags, PyBUF_WRITABLE) && readonly)
		return refuse(view, "a writable view was asked for; this memory is read-only");
	if (asks(flags, PyBUF_C_CONTIGUOUS) && !c)
		return refuse(view,
			      f ? "a C-contiguous view was asked for; this memory is in Fortran "
				  "order (interleaved): its array().T is C-contiguous"
				: "a C-contiguous view was asked for; this memory is not: its "
				  "array().copy() is");
	if (asks(flags, PyBUF_F_CONTIGUOUS) && !f)
		return refuse(view, "a Fortran-contiguous view was asked for; this memory is not");
	if (asks(flags, PyBUF_ANY_CONTIGUOUS) && !c && !f)
		return refuse(view, "a contiguous view was asked for; this memory is not");
	if (!asks(flags, PyBUF_STRIDES) && !c)
		return refuse(view, f ? "a view without strides was asked for; this memory is in "
					"Fortran order (interleaved): its array().T needs none"
				      : "a view without strides was asked for; this memory needs "
					"them: its array().copy() does not");
	if (asks(flags, PyBUF_FORMAT) && !asks(flags, PyBUF_ND))
		return refuse(view, "a format was asked for without a shape");

	view->buf = (char *)data + layout->offset;
	view->len = layout->bytes;
	view->itemsize = layout->itemsize;
	view->readonly = readonly;
	view->format = asks(flags, PyBUF_FORMAT) ? (char *)layout->format : NULL;
	view->ndim = asks(flags, PyBUF_ND) ? layout->ndim : 1;
	view->shape = asks(flags, PyBUF_ND) && layout->ndim ? layout->shape : NULL;
	view->strides = asks(flags, PyBUF_STRIDES) && layout->ndim ? layout->strides : NULL;
	view->suboffsets = NULL;
	view->internal = NULL;
	view->obj = Py_NewRef(exporter);
	return 0;
}

PyObject *ext_layout_array(const struct ext_layout *layout, void *data, bool writable,
			   PyObject *base)
{
	PyObject *array;

	Py_INCREF(layout->descr);
	array = PyArray_NewFromDescr(&PyArray_Type, layout->descr, layout->ndim, layout->shape,
				     layout->strides, (char *)data + layout->offset,
				     writable ? NPY_ARRAY_WRITEABLE : 0, NULL);
	if (!array)
		return NULL;
	if (PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(base)) < 0) {
		Py_DECREF(array);
		return NULL;
	}
	return array;
}

PyObject *ext_array_convert(PyObject *array, PyObject *dtype, PyObject *copy)
{
	PyArray_Descr *descr = NULL;
	PyObject *result;
	int flags = NPY_ARRAY_FORCECAST, wants = -1;

	if (copy != Py_None)
		wants = PyObject_IsTrue(copy);
	if ((wants < 0 && PyErr_Occurred()) ||
	    (dtype != Py_None && !PyArray_DescrConverter(dtype, &descr))) {
		Py_DECREF(array);
		return NULL;
	}
	if (wants == 0 && descr &&
	    !PyArray_EquivTypes(descr, PyArray_DESCR((PyArrayObject *)array))) {
		PyErr_Format(PyExc_ValueError, "copy=False, but making %R from %R needs a copy",
			     descr, PyArray_DESCR((PyArrayObject *)array));
		Py_DECREF(descr);
		Py_DECREF(array);
		return NULL;
	}
	if (wants == 1)
		flags |= NPY_ARRAY_ENSURECOPY;
	if (!descr && wants != 1)
		return array;
	result = PyArray_FromAny(array, descr, 0, 0, flags, NULL);
	Py_DECREF(array);
	return result;
}
