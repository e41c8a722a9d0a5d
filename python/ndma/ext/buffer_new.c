// SPDX-License-Identifier: MIT
/* Where buffers come from: empty, zeros, array, from_fd. */
#include "internal.h"
#include "types.h"

#include <errno.h>
#include <string.h>

int ext_buffer_options(struct ext_state *state, PyObject *source, PyObject *node, int contiguous,
		       struct ext_buffer_request *request)
{
	memset(request, 0, sizeof(*request));
	if (source && source != Py_None) {
		if (!Py_IS_TYPE(source, state->source_type)) {
			PyErr_Format(PyExc_TypeError, "source must be a Source (ndma.open), not %s",
				     Py_TYPE(source)->tp_name);
			return -1;
		}
		if (ext_source_check((struct ext_source *)source))
			return -1;
		request->source = (struct ext_source *)source;
	}
	request->options.flags = contiguous ? NDMA_BUFFER_CONTIGUOUS : 0;
	return ext_node(node, &request->options.node);
}

PyObject *ext_buffer_create(struct ext_state *state, struct ext_layout *layout,
			    const struct ext_buffer_request *request)
{
	struct ndma_buffer_options options = request->options;
	struct ndma_buffer *handle;
	struct ndma_layout stored;
	PyObject *buffer;
	int ret;

	if (ext_warn_memfd(state) || (request->source && ext_source_begin_call(request->source)))
		return NULL;
	if (request->source)
		options.source = request->source->handle;
	ext_layout_store(layout, &stored);
	Py_BEGIN_ALLOW_THREADS ret = ndma_buffer_create(&stored, &options, &handle);
	Py_END_ALLOW_THREADS if (request->source) ext_source_end_call(request->source);
	if (ret < 0)
		return ext_error(state, EXT_BUFFER, ret);
	buffer = ext_buffer_wrap(state, handle, layout->descr);
	if (buffer)
		((struct ext_buffer *)buffer)->shared = false;
	return buffer;
}

static PyObject *empty(PyObject *module, PyObject *args, PyObject *kwargs, const char *format)
{
	static char *names[] = { "shape", "dtype", "source", "node", "contiguous", NULL };
	PyObject *shape, *dtype = (PyObject *)&PyFloat_Type, *source = NULL, *node = NULL, *buffer;
	struct ext_state *state = ext_state_of(module);
	struct ext_buffer_request request;
	struct ext_layout *layout;
	int contiguous = 0;

	if (!ext_parse(args, kwargs, format, names, &shape, &dtype, &source, &node, &contiguous) ||
	    ext_buffer_options(state, source, node, contiguous, &request))
		return NULL;
	layout = ext_layout_from_arguments(shape, dtype);
	if (!layout)
		return NULL;
	buffer = ext_buffer_create(state, layout, &request);
	ext_layout_put(layout);
	return buffer;
}

PyObject *ext_buffer_empty(PyObject *module, PyObject *args, PyObject *kwargs)
{
	return empty(module, args, kwargs, "O|O$OOp:empty");
}

PyObject *ext_buffer_zeros(PyObject *module, PyObject *args, PyObject *kwargs)
{
	return empty(module, args, kwargs, "O|O$OOp:zeros");
}

PyObject *ext_buffer_copy_of(struct ext_state *state, PyArrayObject *array,
			     const struct ext_buffer_request *request)
{
	PyObject *shape = PyObject_GetAttrString((PyObject *)array, "shape"), *buffer, *target;
	struct ext_layout *layout;
	int ret;

	if (!shape)
		return NULL;
	layout = ext_layout_from_arguments(shape, (PyObject *)PyArray_DESCR(array));
	Py_DECREF(shape);
	if (!layout)
		return NULL;
	buffer = ext_buffer_create(state, layout, request);
	ext_layout_put(layout);
	if (!buffer)
		return NULL;
	target = ext_buffer_array((struct ext_buffer *)buffer, NDMA_WRITE);
	ret = target ? PyArray_CopyInto((PyArrayObject *)target, array) : -1;
	Py_XDECREF(target);
	if (ret)
		Py_CLEAR(buffer);
	return buffer;
}

PyObject *ext_buffer_from_array(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "x", "dtype", "source", "node", "contiguous", NULL };
	PyObject *x, *dtype = Py_None, *source = NULL, *node = NULL, *array, *buffer;
	struct ext_state *state = ext_state_of(module);
	struct ext_buffer_request request;
	PyArray_Descr *descr = NULL;
	int contiguous = 0;

	if (!ext_parse(args, kwargs, "O|O$OOp:array", names, &x, &dtype, &source, &node,
		       &contiguous) ||
	    ext_buffer_options(state, source, node, contiguous, &request) ||
	    !PyArray_DescrConverter2(dtype, &descr))
		return NULL;
	/* A subclass of ndarray may lie about its contents. */
	array = PyArray_FromAny(x, descr, 0, 0, NPY_ARRAY_FORCECAST | NPY_ARRAY_ENSUREARRAY, NULL);
	if (!array)
		return NULL;
	buffer = ext_buffer_copy_of(state, (PyArrayObject *)array, &request);
	Py_DECREF(array);
	return buffer;
}

static int parse_strides(PyObject *object, struct ext_layout *layout)
{
	PyObject *strides;
	Py_ssize_t count;

	if (object == Py_None)
		return 0;
	strides = PySequence_Tuple(object);
	if (!strides)
		return -1;
	count = PyTuple_GET_SIZE(strides);
	if (count != layout->ndim) {
		PyErr_Format(PyExc_ValueError, "strides %R: expected one for each of %d dimensions",
			     object, layout->ndim);
		Py_DECREF(strides);
		return -1;
	}
	for (Py_ssize_t i = 0; i < count; i++) {
		int64_t stride;

		if (ext_integer(PyTuple_GET_ITEM(strides, i), "a stride must be an int of 64 bits",
				INT64_MIN, INT64_MAX, &stride)) {
			Py_DECREF(strides);
			return -1;
		}
		layout->strides[i] = stride;
	}
	Py_DECREF(strides);
	return ext_layout_finish(layout);
}

/* As many elements as fit behind `offset`. */
static PyObject *whole_shape(int64_t bytes, PyObject *dtype, Py_ssize_t offset)
{
	PyArray_Descr *descr = NULL;
	Py_ssize_t itemsize;

	if (!PyArray_DescrConverter(dtype, &descr))
		return NULL;
	itemsize = PyDataType_ELSIZE(descr);
	Py_DECREF(descr);
	if (!itemsize) {
		PyErr_SetString(PyExc_ValueError, "elements of no bytes: say a shape");
		return NULL;
	}
	return PyLong_FromSsize_t((bytes - offset) / itemsize);
}

/* The layout that a caller describes, of a buffer of `bytes`. */
static struct ext_layout *describe(int64_t bytes, PyObject *dtype, PyObject *shape,
				   PyObject *strides, Py_ssize_t offset)
{
	PyObject *element, *extent = NULL;
	struct ext_layout *layout = NULL;

	if (offset < 0 || offset > bytes) {
		PyErr_Format(PyExc_ValueError,
			     "offset must be 0 to the buffer's %lld bytes, not %zd%s",
			     (long long)bytes, offset,
			     offset < 0 ? ": nothing lies in front of it" : "");
		return NULL;
	}
	element = dtype == Py_None ? PyUnicode_FromString("B") : Py_NewRef(dtype);
	if (element)
		extent = shape == Py_None ? whole_shape(bytes, element, offset) : Py_NewRef(shape);
	if (extent)
		layout = ext_layout_from_arguments(extent, element);
	Py_XDECREF(extent);
	Py_XDECREF(element);
	if (!layout)
		return NULL;
	layout->offset = offset;
	if (parse_strides(strides, layout)) {
		ext_layout_put(layout);
		return NULL;
	}
	return layout;
}

int ext_buffer_import(int fd, const struct ndma_layout *layout, struct ndma_buffer **handle)
{
	int ret;

	Py_BEGIN_ALLOW_THREADS ret = ndma_buffer_import(fd, layout, handle);
	Py_END_ALLOW_THREADS return ret;
}

/* How many bytes there are behind `fd`: ndma's own buffers know, a dma-buf's size is its end. A
 * buffer of ndma's own is left in *handle, otherwise NULL. */
static int64_t bytes_behind(struct ext_state *state, int fd, struct ndma_buffer **handle)
{
	int ret = ext_buffer_import(fd, NULL, handle);
	off_t end;

	if (!ret)
		return (int64_t)ndma_buffer_bytes(*handle);
	*handle = NULL;
	if (ret != -EINVAL) {
		ext_error(state, EXT_BUFFER, ret);
		return -1;
	}
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		PyErr_SetFromErrno(PyExc_OSError);
	return end;
}

static PyObject *import_described(struct ext_state *state, int fd, struct ext_layout *layout)
{
	struct ndma_buffer *handle;
	struct ndma_layout stored;
	int ret;

	ext_layout_store(layout, &stored);
	ret = ext_buffer_import(fd, &stored, &handle);
	return ret < 0 ? ext_error(state, EXT_BUFFER, ret)
		       : ext_buffer_wrap(state, handle, layout->descr);
}

PyObject *ext_buffer_from_fd(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "fd", "dtype", "shape", "strides", "offset", NULL };
	PyObject *object, *dtype = Py_None, *shape = Py_None, *strides = Py_None, *buffer;
	struct ext_state *state = ext_state_of(module);
	struct ndma_buffer *handle;
	struct ext_layout *layout;
	Py_ssize_t offset = 0;
	int64_t bytes;
	int fd;

	if (!ext_parse(args, kwargs, "O|OOOn:from_fd", names, &object, &dtype, &shape, &strides,
		       &offset))
		return NULL;
	fd = PyObject_AsFileDescriptor(object);
	if (fd < 0)
		return NULL;
	bytes = bytes_behind(state, fd, &handle);
	if (bytes < 0)
		return NULL;
	if (handle && dtype == Py_None && shape == Py_None && strides == Py_None && !offset) {
		buffer = ext_buffer_wrap(state, handle, NULL);
	} else {
		ndma_buffer_close(handle);
		layout = describe(bytes, dtype, shape, strides, offset);
		if (!layout)
			return NULL;
		buffer = import_described(state, fd, layout);
		ext_layout_put(layout);
	}
	return buffer;
}

PyObject *ext_buffer_set_layout(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "dtype", "shape", "strides", "offset", NULL };
	struct ext_buffer *buffer = (struct ext_buffer *)self;
	PyObject *dtype, *shape = Py_None, *strides = Py_None;
	struct ndma_layout stored;
	struct ext_layout *layout;
	Py_ssize_t offset = 0;
	int ret;

	if (!ext_parse(args, kwargs, "O|OOn:set_layout", names, &dtype, &shape, &strides,
		       &offset) ||
	    ext_buffer_check_views(buffer, "change the layout"))
		return NULL;
	layout =
		describe((int64_t)ndma_buffer_bytes(buffer->handle), dtype, shape, strides, offset);
	if (!layout)
		return NULL;
	/* The arguments' own code may have taken a view of the buffer, or closed it. */
	if (ext_buffer_check_views(buffer, "change the layout")) {
		ext_layout_put(layout);
		return NULL;
	}
	ext_layout_store(layout, &stored);
	ret = ndma_buffer_set_layout(buffer->handle, &stored);
	if (ret < 0) {
		ext_layout_put(layout);
		return ext_error(buffer->state, EXT_BUFFER, ret);
	}
	ext_buffer_replace_layout(buffer, layout, &stored);
	Py_RETURN_NONE;
}

PyObject *ext_buffer_copy(PyObject *self, PyObject *unused)
{
	struct ext_buffer_request request = { .options = NDMA_BUFFER_OPTIONS_INIT };
	struct ext_buffer *buffer = (struct ext_buffer *)self;
	PyObject *array = ext_buffer_array(buffer, NDMA_READ), *copy;

	if (!array)
		return NULL;
	copy = ext_buffer_copy_of(buffer->state, (PyArrayObject *)array, &request);
	Py_DECREF(array);
	return copy;
}
