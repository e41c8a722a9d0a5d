// SPDX-License-Identifier: MIT
/*
 * DLPack, both generations: NumPy 1.24 asks bare and gets the first, which cannot say read-only;
 * later consumers say which version they know and get the second. Layouts of the structures are
 * DLPack's ABI 1.0.
 */
#include "internal.h"
#include "types.h"

struct dl_device {
	int32_t type;
	int32_t id;
};

struct dl_dtype {
	uint8_t code;
	uint8_t bits;
	uint16_t lanes;
};

struct dl_tensor {
	void *data;
	struct dl_device device;
	int32_t ndim;
	struct dl_dtype dtype;
	int64_t *shape;
	int64_t *strides; /* in elements */
	uint64_t byte_offset;
};

struct dl_managed {
	struct dl_tensor tensor;
	void *context;
	void (*deleter)(struct dl_managed *self);
};

struct dl_managed_versioned {
	uint32_t major;
	uint32_t minor;
	void *context;
	void (*deleter)(struct dl_managed_versioned *self);
	uint64_t flags;
	struct dl_tensor tensor;
};

#define DL_CPU 1
#define DL_IS_COPIED (1u << 1)
#define DL_NAME "dltensor"
#define DL_NAME_VERSIONED "dltensor_versioned"

/* What a capsule points to: the tensor of either generation, who owns its memory, shape and
 * strides. */
struct export
{
	union {
		struct dl_managed managed;
		struct dl_managed_versioned versioned;
	};
	PyObject *owner;
	int64_t extents[];
};

/* The consumer calls the deleter in any thread, with or without the GIL, also after the interpreter
 * has ended. */
static void export_free(struct export *export)
{
	PyGILState_STATE gil;

	if (!Py_IsInitialized())
		return;
	gil = PyGILState_Ensure();
	Py_DECREF(export->owner);
	PyMem_Free(export);
	PyGILState_Release(gil);
}

static void delete (struct dl_managed *self)
{
	export_free(self->context);
}

static void delete_versioned(struct dl_managed_versioned *self)
{
	export_free(self->context);
}

/* A consumer renames the capsule; one that still has its name was never taken. */
static void capsule_free(PyObject *capsule)
{
	if (PyCapsule_IsValid(capsule, DL_NAME))
		delete (PyCapsule_GetPointer(capsule, DL_NAME));
	else if (PyCapsule_IsValid(capsule, DL_NAME_VERSIONED))
		delete_versioned(PyCapsule_GetPointer(capsule, DL_NAME_VERSIONED));
}

static int refuse(const char *why, PyArray_Descr *descr)
{
	PyErr_Format(PyExc_BufferError, "DLPack knows no %R: %s", descr, why);
	return -1;
}

static int to_dtype(PyArray_Descr *descr, struct dl_dtype *out)
{
	bool native = descr->byteorder == '=' || descr->byteorder == '|' ||
		      descr->byteorder == NPY_NATBYTE;

	if (!native)
		return refuse("only the machine's own byte order", descr);
	if (descr->type_num == NPY_LONGDOUBLE || descr->type_num == NPY_CLONGDOUBLE)
		return refuse("its width differs between machines", descr);
	switch (descr->kind) {
	case 'i':
		out->code = 0;
		break;
	case 'u':
		out->code = 1;
		break;
	case 'f':
		out->code = 2;
		break;
	case 'c':
		out->code = 5;
		break;
	case 'b':
		out->code = 6;
		break;
	default:
		return refuse("only booleans and numbers", descr);
	}
	out->bits = (uint8_t)(8 * PyDataType_ELSIZE(descr));
	out->lanes = 1;
	return 0;
}

static int fill_tensor(struct dl_tensor *tensor, const struct ext_layout *layout, void *data,
		       int64_t *extents)
{
	if (to_dtype(layout->descr, &tensor->dtype))
		return -1;
	tensor->data = (char *)data + layout->offset;
	tensor->device = (struct dl_device){ .type = DL_CPU };
	tensor->ndim = layout->ndim;
	tensor->shape = extents;
	tensor->strides = extents + layout->ndim;
	tensor->byte_offset = 0;
	for (int i = 0; i < layout->ndim; i++) {
		if (layout->strides[i] % layout->itemsize) {
			PyErr_Format(PyExc_BufferError,
				     "DLPack counts strides in elements; %zd "
				     "bytes are no whole number of them",
				     layout->strides[i]);
			return -1;
		}
		tensor->shape[i] = layout->shape[i];
		tensor->strides[i] = layout->strides[i] / layout->itemsize;
	}
	return 0;
}

static PyObject *make_capsule(const struct ext_layout *layout, void *data, PyObject *owner,
			      bool versioned, uint64_t flags)
{
	struct export *export;
	struct dl_tensor *tensor;
	PyObject *capsule = NULL;

	export = PyMem_Calloc(1, sizeof(*export) + 2 * (size_t)layout->ndim * sizeof(int64_t));
	if (!export)
		return PyErr_NoMemory();
	export->owner = owner;
	tensor = versioned ? &export->versioned.tensor : &export->managed.tensor;
	if (versioned) {
		export->versioned.major = 1;
		export->versioned.context = export;
		export->versioned.deleter = delete_versioned;
		export->versioned.flags = flags;
	} else {
		export->managed.context = export;
		export->managed.deleter = delete;
	}
	if (!fill_tensor(tensor, layout, data, export->extents))
		capsule = PyCapsule_New(export, versioned ? DL_NAME_VERSIONED : DL_NAME,
					capsule_free);
	if (!capsule) {
		PyMem_Free(export);
		return NULL;
	}
	Py_INCREF(owner);
	return capsule;
}

/* A capsule over a copy, which belongs to the consumer. */
static PyObject *make_copy(const struct ext_layout *layout, void *data, PyObject *owner,
			   bool versioned)
{
	PyObject *array = ext_layout_array(layout, data, false, owner), *copy, *capsule = NULL;
	struct ext_layout *flat;
	PyObject *shape;

	if (!array)
		return NULL;
	copy = PyArray_NewCopy((PyArrayObject *)array, NPY_CORDER);
	Py_DECREF(array);
	if (!copy)
		return NULL;
	shape = ext_layout_shape(layout);
	flat = shape ? ext_layout_from_arguments(shape, (PyObject *)layout->descr) : NULL;
	if (flat)
		capsule = make_capsule(flat, PyArray_DATA((PyArrayObject *)copy), copy, versioned,
				       DL_IS_COPIED);
	ext_layout_put(flat);
	Py_XDECREF(shape);
	Py_DECREF(copy);
	return capsule;
}

static int check_device(PyObject *device)
{
	long type, id;

	if (device == Py_None)
		return 0;
	if (!PyArg_Parse(device, "(ll)", &type, &id))
		return ext_type_error(device, "dl_device must be a pair of ints");
	if (type == DL_CPU && id == 0)
		return 0;
	PyErr_Format(PyExc_BufferError,
		     "this memory is the CPU's: dl_device must be (1, 0), not %R", device);
	return -1;
}

/* max_version is the newest version that the consumer knows; None is the first generation. */
static int parse_version(PyObject *version, bool *versioned)
{
	long major, minor;

	*versioned = false;
	if (version == Py_None)
		return 0;
	if (!PyArg_Parse(version, "(ll)", &major, &minor))
		return ext_type_error(version, "max_version must be None or a pair of ints");
	*versioned = major >= 1;
	return 0;
}

PyObject *ext_dlpack_export(const struct ext_layout *layout, void *data, const char *instead,
			    PyObject *owner, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "stream", "max_version", "dl_device", "copy", NULL };
	PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
	bool versioned, readonly = instead;
	int copies = 0;

	if (!ext_parse(args, kwargs, "|$OOOO:__dlpack__", names, &stream, &version, &device,
		       &copy) ||
	    check_device(device) || parse_version(version, &versioned))
		return NULL;
	if (stream != Py_None) {
		PyErr_SetString(PyExc_BufferError,
				"memory of the CPU has no stream: it must be None");
		return NULL;
	}
	if (copy != Py_None)
		copies = PyObject_IsTrue(copy);
	if (copies < 0)
		return NULL;
	/* Consumers ignore the read-only flag, and a write through such a tensor is a SIGSEGV. */
	if (copies || (readonly && copy == Py_None))
		return make_copy(layout, data, owner, versioned);
	if (readonly) {
		PyErr_Format(PyExc_BufferError,
			     "this memory is read-only, which consumers of DLPack ignore: take a "
			     "copy, or %s",
			     instead);
		return NULL;
	}
	return make_capsule(layout, data, owner, versioned, 0);
}

PyObject *ext_dlpack_device(PyObject *self, PyObject *unused)
{
	return Py_BuildValue("(ii)", DL_CPU, 0);
}
