// SPDX-License-Identifier: MIT
/* What a Buffer says about itself, and who keeps it. */
#include "internal.h"
#include "types.h"

#include <unistd.h>

#define BUFFER ((struct ext_buffer *)self)

/* A counted reference to the layout as it is now, for another thread may resize the buffer at any
 * allocation. */
static struct ext_layout *layout_of(PyObject *self)
{
	if (ext_buffer_check(BUFFER) || (BUFFER->shared && ext_buffer_refresh(BUFFER)))
		return NULL;
	return ext_layout_get(BUFFER->layout);
}

static PyObject *make_dtype(const struct ext_layout *layout)
{
	return Py_NewRef(layout->descr);
}

static PyObject *make_offset(const struct ext_layout *layout)
{
	return PyLong_FromSsize_t(layout->offset);
}

static PyObject *make_nbytes(const struct ext_layout *layout)
{
	return PyLong_FromSsize_t(layout->bytes);
}

static PyObject *make_size(const struct ext_layout *layout)
{
	return PyLong_FromSsize_t(ext_layout_size(layout));
}

static PyObject *make_ndim(const struct ext_layout *layout)
{
	return PyLong_FromLong(layout->ndim);
}

static PyObject *make_itemsize(const struct ext_layout *layout)
{
	return PyLong_FromSsize_t(layout->itemsize);
}

static PyObject *make_format(const struct ext_layout *layout)
{
	return PyUnicode_FromString(layout->format);
}

/* A property that the function `make` computes from the layout. */
static PyObject *get_property(PyObject *self, void *make)
{
	struct ext_layout *layout = layout_of(self);
	PyObject *result = NULL;

	if (layout)
		result = ((PyObject * (*)(const struct ext_layout *)) make)(layout);
	ext_layout_put(layout);
	return result;
}

static PyObject *get_readonly(PyObject *self, void *unused)
{
	return PyBool_FromLong(BUFFER->readonly);
}

static PyObject *get_closed(PyObject *self, void *unused)
{
	return PyBool_FromLong(BUFFER->closed);
}

static PyObject *get_backend(PyObject *self, void *unused)
{
	if (ext_buffer_check(BUFFER))
		return NULL;
	return PyUnicode_FromString(ndma_buffer_backend(BUFFER->handle));
}

static int load_info(PyObject *self, struct ndma_buffer_info *info)
{
	int ret;

	if (ext_buffer_check(BUFFER))
		return -1;
	ret = ndma_buffer_info(BUFFER->handle, info);
	if (ret < 0)
		ext_error(BUFFER->state, EXT_BUFFER, ret);
	return ret;
}

static PyObject *get_locked(PyObject *self, void *unused)
{
	struct ndma_buffer_info info;

	return load_info(self, &info) ? NULL : PyBool_FromLong(info.owner == NDMA_OWNER_DEVICE);
}

static PyObject *get_touches(PyObject *self, void *unused)
{
	struct ndma_buffer_info info;

	return load_info(self, &info) ? NULL : PyLong_FromUnsignedLongLong(info.touches);
}

static PyObject *get_aborted(PyObject *self, void *unused)
{
	struct ndma_buffer_info info;

	return load_info(self, &info) ? NULL : PyLong_FromUnsignedLongLong(info.aborted);
}

PyGetSetDef ext_buffer_getset[] = {
	{ "dtype", get_property, NULL, "numpy.dtype: of one element.", make_dtype },
	{ "shape", get_property, NULL, "tuple of int.", ext_layout_shape },
	{ "strides", get_property, NULL, "tuple of int: bytes from one element to the next.",
	  ext_layout_strides },
	{ "offset", get_property, NULL, "int: byte of the element with all indices 0.",
	  make_offset },
	{ "ndim", get_property, NULL, "int: dimensions.", make_ndim },
	{ "size", get_property, NULL, "int: elements.", make_size },
	{ "itemsize", get_property, NULL, "int: bytes of one element.", make_itemsize },
	{ "nbytes", get_property, NULL, "int: bytes of all elements.", make_nbytes },
	{ "format", get_property, NULL, "str: PEP 3118 format of one element.", make_format },
	{ "readonly", get_readonly, NULL, "bool: this handle cannot write." },
	{ "locked", get_locked, NULL, "bool: a transfer is in progress, begun by whomever." },
	{ "touches", get_touches, NULL, "int: touches of the memory that a guard has met." },
	{ "aborted", get_aborted, NULL, "int: transfers that their deadline or a death ended." },
	{ "backend", get_backend, NULL, "str: \"kernel\", \"memfd\" or \"foreign\"." },
	{ "closed", get_closed, NULL, "bool: no new views are given." },
	{ NULL },
};

PyObject *ext_buffer_repr(PyObject *self)
{
	PyObject *shape, *repr = NULL;
	struct ndma_buffer_info info;
	struct ext_layout *layout;
	const char *backend;

	if (BUFFER->closed)
		return PyUnicode_FromFormat("<ndma.Buffer, closed, %zd views alive>",
					    ext_buffer_views(BUFFER));
	if (load_info(self, &info))
		return NULL;
	backend = ndma_buffer_backend(BUFFER->handle);
	layout = layout_of(self);
	if (!layout)
		return NULL;
	shape = ext_layout_shape(layout);
	if (shape)
		repr = PyUnicode_FromFormat("<ndma.Buffer %S %S, %s%s%s, %zd views>", shape,
					    layout->descr, backend,
					    BUFFER->readonly ? ", read-only" : "",
					    info.owner == NDMA_OWNER_DEVICE ? ", locked" : "",
					    ext_buffer_views(BUFFER));
	Py_XDECREF(shape);
	ext_layout_put(layout);
	return repr;
}

static const char *kind_name(uint32_t kind)
{
	switch (kind) {
	case NDMA_HOLDER_LEASE:
		return "lease";
	case NDMA_HOLDER_TRANSFER:
		return "transfer";
	case NDMA_HOLDER_IMPORTER:
		return "importer";
	case NDMA_HOLDER_FRAME:
		return "frame";
	default:
		return "unknown";
	}
}

static const char *access_name(const struct ndma_holder *holder)
{
	if (holder->kind == NDMA_HOLDER_TRANSFER)
		return holder->access == NDMA_FROM_DEVICE ? "from_device"
		       : holder->access == NDMA_TO_DEVICE ? "to_device"
							  : "both";
	return holder->access == NDMA_WRITE ? "write" : "read";
}

static PyObject *holder_record(struct ext_state *state, const struct ndma_holder *holder)
{
	PyObject *record = PyStructSequence_New(state->holder_type);
	PyObject *const values[] = {
		PyUnicode_FromString(kind_name(holder->kind)),
		PyUnicode_FromString(access_name(holder)),
		PyLong_FromLong(holder->pid),
		PyLong_FromUnsignedLong(holder->count),
	};

	for (Py_ssize_t i = 0; i < 4; i++) {
		if (record && values[i]) {
			PyStructSequence_SetItem(record, i, values[i]);
		} else {
			Py_CLEAR(record);
			Py_XDECREF(values[i]);
		}
	}
	return record;
}

PyObject *ext_buffer_holders(PyObject *self, PyObject *unused)
{
	struct ndma_holder *holders = NULL;
	PyObject *list = NULL;
	int count = 0, room;

	if (ext_buffer_check(BUFFER))
		return NULL;
	do {
		room = count + 8;
		PyMem_Free(holders);
		holders = PyMem_Calloc((size_t)room, sizeof(*holders));
		if (!holders)
			return PyErr_NoMemory();
		count = ndma_buffer_holders(BUFFER->handle, holders, (size_t)room);
	} while (count > room);
	if (count < 0)
		ext_error(BUFFER->state, EXT_BUFFER, count);
	else
		list = PyList_New(count);
	for (int i = 0; list && i < count; i++) {
		PyObject *record = holder_record(BUFFER->state, &holders[i]);

		if (!record)
			Py_CLEAR(list);
		else
			PyList_SET_ITEM(list, i, record);
	}
	PyMem_Free(holders);
	return list;
}

static PyObject *view_record(const struct ext_lease *lease)
{
	PyObject *access = PyUnicode_FromString(lease->access == NDMA_READ ? "read" : "write");
	PyObject *record = access ? PyStructSequence_New(lease->buffer->state->view_type) : NULL;

	if (!record) {
		Py_XDECREF(access);
		return NULL;
	}
	PyStructSequence_SetItem(record, 0, access);
	PyStructSequence_SetItem(record, 1, Py_NewRef(lease->made ? lease->made : Py_None));
	return record;
}

/* Making a record can run a collection, and that can end leases: so each lease is kept while it is
 * looked at, and its neighbour is looked up afterwards. */
PyObject *ext_buffer_leases(PyObject *self, PyObject *unused)
{
	PyObject *list;
	struct ext_lease *lease, *next;

	if (ext_buffer_check(BUFFER))
		return NULL;
	list = PyList_New(0);
	lease = (struct ext_lease *)Py_XNewRef(BUFFER->leases);
	for (; list && lease; lease = next) {
		PyObject *record = view_record(lease);

		if (!record || PyList_Append(list, record))
			Py_CLEAR(list);
		Py_XDECREF(record);
		next = (struct ext_lease *)Py_XNewRef(lease->next);
		Py_DECREF(lease);
	}
	Py_XDECREF(lease);
	return list;
}

PyObject *ext_buffer_revoke(PyObject *self, PyObject *unused)
{
	int count;

	if (ext_buffer_check(BUFFER))
		return NULL;
	count = ndma_buffer_revoke(BUFFER->handle);
	return count < 0 ? ext_error(BUFFER->state, EXT_BUFFER, count) : PyLong_FromLong(count);
}

PyObject *ext_buffer_as_readonly(PyObject *self, PyObject *unused)
{
	struct ndma_buffer *handle;
	int fd, ret;

	if (ext_buffer_check(BUFFER))
		return NULL;
	fd = ndma_buffer_readonly_fd(BUFFER->handle);
	if (fd < 0)
		return ext_error(BUFFER->state, EXT_BUFFER, fd);
	BUFFER->shared = true;
	ret = ext_buffer_import(fd, NULL, &handle);
	close(fd);
	if (ret < 0)
		return ext_error(BUFFER->state, EXT_BUFFER, ret);
	return ext_buffer_wrap(BUFFER->state, handle, NULL);
}

static PyStructSequence_Field holder_fields[] = {
	{ "kind", "\"lease\", \"transfer\", \"importer\" or \"frame\"" },
	{ "access", "\"read\" or \"write\", or a transfer's direction" },
	{ "pid", "of the process, 0 where it may not be known" },
	{ "number", "how many of these" },
	{ NULL },
};

static PyStructSequence_Desc holder_desc = {
	.name = "ndma.Holder",
	.doc = "One reason why a buffer is not free.",
	.fields = holder_fields,
	.n_in_sequence = 4,
};

static PyStructSequence_Field view_fields[] = {
	{ "access", "\"read\" or \"write\"" },
	{ "made", "the stack that made it, or None" },
	{ NULL },
};

static PyStructSequence_Desc view_desc = {
	.name = "ndma.View",
	.doc = "One live view of a buffer in this process.",
	.fields = view_fields,
	.n_in_sequence = 2,
};

int ext_buffer_info_setup(PyObject *module, struct ext_state *state)
{
	state->holder_type = ext_record_type(module, &holder_desc);
	state->view_type = ext_record_type(module, &view_desc);
	return state->holder_type && state->view_type ? 0 : -1;
}
