// SPDX-License-Identifier: MIT
/*
 * From a dtype to its PEP 3118 format. NumPy's own writer drops the trailing padding of structs
 * with explicit offsets and its reader refuses some of what it writes, so this one spells every
 * byte: byte order at each number, "x" for each gap.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer {
	char *text;
	size_t length;
};

static int put(struct writer *writer, const char *format, ...)
{
	size_t room = NDMA_FORMAT_MAX - writer->length;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(writer->text + writer->length, room, format, arguments);
	va_end(arguments);
	if ((size_t)length >= room) {
		PyErr_Format(PyExc_ValueError,
			     "the dtype is too long: its PEP 3118 format takes "
			     "more than %d bytes",
			     NDMA_FORMAT_MAX - 1);
		return -1;
	}
	writer->length += (size_t)length;
	return 0;
}

/* Code in native sizes, and in standard ones, which do not know long and long long apart. */
static const struct code {
	int type;
	const char *native;
	const char *standard;
} codes[] = {
	{ NPY_BOOL, "?", "?" },
	{ NPY_BYTE, "b", "b" },
	{ NPY_UBYTE, "B", "B" },
	{ NPY_SHORT, "h", "h" },
	{ NPY_USHORT, "H", "H" },
	{ NPY_INT, "i", "i" },
	{ NPY_UINT, "I", "I" },
	{ NPY_LONG, "l", sizeof(long) == 8 ? "q" : "l" },
	{ NPY_ULONG, "L", sizeof(long) == 8 ? "Q" : "L" },
	{ NPY_LONGLONG, "q", "q" },
	{ NPY_ULONGLONG, "Q", "Q" },
	{ NPY_HALF, "e", "e" },
	{ NPY_FLOAT, "f", "f" },
	{ NPY_DOUBLE, "d", "d" },
	{ NPY_LONGDOUBLE, "g", "g" },
	{ NPY_CFLOAT, "Zf", "Zf" },
	{ NPY_CDOUBLE, "Zd", "Zd" },
	{ NPY_CLONGDOUBLE, "Zg", "Zg" },
};

static bool is_big(const PyArray_Descr *descr)
{
	return descr->byteorder == '>' || (descr->byteorder == '=' && NPY_NATBYTE == NPY_BIG);
}

static bool is_native(const PyArray_Descr *descr)
{
	return descr->byteorder == '=' || descr->byteorder == '|' ||
	       descr->byteorder == NPY_NATBYTE;
}

static const char *order(const PyArray_Descr *descr)
{
	return is_big(descr) ? ">" : "<";
}

/* `inside` a struct byte order and standard sizes are spelled out; alone a native number is the
 * single letter that memoryview can index. */
static int write_scalar(struct writer *writer, PyArray_Descr *descr, bool inside)
{
	Py_ssize_t size = PyDataType_ELSIZE(descr);

	switch (descr->type_num) {
	case NPY_STRING:
		return put(writer, "%zds", size);
	case NPY_VOID:
		return put(writer, "%zdx", size);
	case NPY_UNICODE:
		return put(writer, "%s%zdw", inside || !is_native(descr) ? order(descr) : "",
			   size / 4);
	}
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].type != descr->type_num)
			continue;
		if (!inside && is_native(descr))
			return put(writer, "%s", codes[i].native);
		return put(writer, "%s%s", size > 1 ? order(descr) : "", codes[i].standard);
	}
	PyErr_Format(PyExc_TypeError, "%R has no PEP 3118 format, so memory of it cannot be shared",
		     descr);
	return -1;
}

static int write_any(struct writer *writer, PyArray_Descr *descr, bool inside);

/* The extents of a sub-array, and of a sub-array that it is made of: "(2,3)". *base is a new
 * reference to its elements' dtype. */
static int write_subarray(struct writer *writer, PyArray_Descr *descr, PyArray_Descr **base)
{
	PyObject *shape = PyObject_GetAttrString((PyObject *)descr, "shape");
	const char *before = "(";
	int ret = 0;

	*base = (PyArray_Descr *)Py_NewRef(descr);
	while (shape && PyTuple_GET_SIZE(shape)) {
		for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape) && !ret; i++, before = ",")
			ret = put(writer, "%s%zd", before,
				  PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i)));
		if (ret)
			break;
		Py_SETREF(*base,
			  (PyArray_Descr *)PyObject_GetAttrString((PyObject *)*base, "base"));
		Py_SETREF(shape, *base ? PyObject_GetAttrString((PyObject *)*base, "shape") : NULL);
	}
	if (!ret && *before == ',')
		ret = put(writer, ")");
	if (!shape || ret) {
		Py_CLEAR(*base);
		ret = -1;
	}
	Py_XDECREF(shape);
	return ret;
}

static int write_field(struct writer *writer, PyArray_Descr *descr, PyObject *name)
{
	const char *text = PyUnicode_AsUTF8(name);
	PyArray_Descr *base;
	int ret;

	if (!text)
		return -1;
	if (strchr(text, ':') ||
	    PyUnicode_FindChar(name, 0, 0, PyUnicode_GET_LENGTH(name), 1) >= 0) {
		PyErr_Format(PyExc_ValueError,
			     "a PEP 3118 format cannot name the field %R: no ':' "
			     "and no NUL",
			     name);
		return -1;
	}
	if (write_subarray(writer, descr, &base))
		return -1;
	ret = write_any(writer, base, true);
	Py_DECREF(base);
	return ret ? ret : put(writer, ":%s:", text);
}

/* The dtype and offset of one of a struct's fields, borrowed from `fields`. */
static int field_at(PyObject *fields, PyObject *name, PyArray_Descr **descr, Py_ssize_t *offset)
{
	PyObject *field = PyObject_GetItem(fields, name);

	if (!field)
		return -1;
	*descr = (PyArray_Descr *)PyTuple_GET_ITEM(field, 0);
	*offset = PyLong_AsSsize_t(PyTuple_GET_ITEM(field, 1));
	Py_DECREF(field);
	return 0;
}

/* Fields stand in the order of their names; the format can only go forward. */
static int write_fields(struct writer *writer, PyArray_Descr *descr, PyObject *names,
			PyObject *fields)
{
	Py_ssize_t end = 0, size = PyDataType_ELSIZE(descr);

	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
		PyObject *name = PyTuple_GET_ITEM(names, i);
		PyArray_Descr *field;
		Py_ssize_t offset;

		if (field_at(fields, name, &field, &offset))
			return -1;
		if (offset < end) {
			PyErr_Format(PyExc_ValueError,
				     "a PEP 3118 format has no way to say that "
				     "field %R lies at byte %zd, before the end of the field in "
				     "front of it",
				     name, offset);
			return -1;
		}
		if (offset > end && put(writer, "%zdx", offset - end))
			return -1;
		if (write_field(writer, field, name))
			return -1;
		end = offset + PyDataType_ELSIZE(field);
	}
	return size > end ? put(writer, "%zdx", size - end) : 0;
}

static int write_struct(struct writer *writer, PyArray_Descr *descr, PyObject *names)
{
	PyObject *fields = PyObject_GetAttrString((PyObject *)descr, "fields");
	int ret;

	if (!fields)
		return -1;
	ret = put(writer, "T{");
	if (!ret)
		ret = write_fields(writer, descr, names, fields);
	if (!ret)
		ret = put(writer, "}");
	Py_DECREF(fields);
	return ret;
}

static int write_any(struct writer *writer, PyArray_Descr *descr, bool inside)
{
	PyObject *names = PyObject_GetAttrString((PyObject *)descr, "names");
	int ret;

	if (!names)
		return -1;
	ret = names == Py_None ? write_scalar(writer, descr, inside)
			       : write_struct(writer, descr, names);
	Py_DECREF(names);
	return ret;
}

int ext_format_write(PyArray_Descr *descr, char format[NDMA_FORMAT_MAX])
{
	struct writer writer = { .text = format };
	PyArray_Descr *base;
	int ret;

	format[0] = 0;
	if (write_subarray(&writer, descr, &base))
		return -1;
	ret = write_any(&writer, base, base != descr);
	Py_DECREF(base);
	return ret;
}
