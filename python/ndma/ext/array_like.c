// SPDX-License-Identifier: MIT
/* Methods of numpy.ndarray that others call on whatever looks like an array: zarr does. */
#include "internal.h"
#include "types.h"

static PyObject *call(PyObject *self, const char *name, PyObject *args, PyObject *kwargs)
{
	PyObject *array = PyObject_CallMethod(self, "array", NULL);
	PyObject *method = array ? PyObject_GetAttrString(array, name) : NULL;
	PyObject *result = method ? PyObject_Call(method, args, kwargs) : NULL;

	Py_XDECREF(method);
	Py_XDECREF(array);
	return result;
}

PyObject *ext_array_like_ravel(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return call(self, "ravel", args, kwargs);
}

PyObject *ext_array_like_astype(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return call(self, "astype", args, kwargs);
}

const char ext_array_like_ravel_doc[] =
	"ravel($self, /, order=\"C\")\n--\n\n"
	"`array()` with one dimension, as `numpy.ndarray.ravel`: not copied where it lies like that.\n\n"
	"Parameters\n----------\n"
	"order : {\"C\", \"F\", \"A\", \"K\"}\n\n"
	"Returns\n-------\n"
	"numpy.ndarray\n\n"
	"Raises\n------\n"
	"OSError, ValueError\n"
	"    As `array()`.\n\n"
	"Examples\n--------\n"
	">>> ndma.zeros((2, 3)).ravel().shape\n"
	"(6,)";

const char ext_array_like_astype_doc[] =
	"astype($self, /, dtype, order=\"K\", casting=\"unsafe\", subok=True, copy=True)\n--\n\n"
	"`array()` converted to another dtype, as `numpy.ndarray.astype`.\n\n"
	"Parameters\n----------\n"
	"dtype : dtype\n"
	"order, casting, subok, copy\n"
	"    As NumPy takes them.\n\n"
	"Returns\n-------\n"
	"numpy.ndarray\n\n"
	"Raises\n------\n"
	"TypeError\n"
	"    `casting` forbids it.\n"
	"OSError, ValueError\n"
	"    As `array()`.\n\n"
	"Examples\n--------\n"
	">>> ndma.array([1.5, 2.5]).astype(\"i4\").tolist()\n"
	"[1, 2]";
