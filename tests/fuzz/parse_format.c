// SPDX-License-Identifier: MIT
/*
 * libFuzzer on the extension's PEP 3118 formats: a format is refused with an exception, or makes a
 * dtype; and what is written for that dtype makes the same one again.
 */
#define NDMA_EXT_IMPORTS_NUMPY
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static int import_numpy(void)
{
	import_array1(-1);
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	Py_Initialize();
	return import_numpy();
}

/* What is refused is refused with the exceptions that the functions are said to raise. */
static void expect_exception(void)
{
	if (!PyErr_ExceptionMatches(PyExc_ValueError) && !PyErr_ExceptionMatches(PyExc_TypeError) &&
	    !PyErr_ExceptionMatches(PyExc_MemoryError)) {
		PyErr_Print();
		abort();
	}
	PyErr_Clear();
}

static void write_and_parse(PyArray_Descr *descr)
{
	char format[NDMA_FORMAT_MAX];
	PyArray_Descr *again;

	if (ext_format_write(descr, format)) {
		expect_exception();
		return;
	}
	again = ext_format_parse(format, PyDataType_ELSIZE(descr));
	if (!again || !PyArray_EquivTypes(descr, again)) {
		fprintf(stderr, "written as '%s'\n", format);
		PyErr_Print();
		PyObject_Print((PyObject *)descr, stderr, 0);
		abort();
	}
	Py_DECREF(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char format[NDMA_FORMAT_MAX] = "";
	PyArray_Descr *descr;
	uint16_t itemsize;

	if (size < sizeof(itemsize))
		return 0;
	memcpy(&itemsize, data, sizeof(itemsize));
	data += sizeof(itemsize);
	size -= sizeof(itemsize);
	memcpy(format, data, size < sizeof(format) ? size : sizeof(format) - 1);
	descr = ext_format_parse(format, itemsize);
	if (!descr) {
		expect_exception();
		return 0;
	}
	write_and_parse(descr);
	Py_DECREF(descr);
	return 0;
}
