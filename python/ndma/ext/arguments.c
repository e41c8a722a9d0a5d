// SPDX-License-Identifier: MIT
/* Small conversions between Python's values and C's. */
#include "internal.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define WORD_MAX 31

/* How many letters have to be put in, left out or changed to make `b` of `a`. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], length = strlen(b);

	if (length > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= length; i++)
		row[i] = i;
	for (; *a; a++) {
		size_t diagonal = row[0]++;

		for (size_t i = 0; i < length; i++) {
			size_t changed = diagonal + (*a != b[i]);
			size_t least = row[i] < row[i + 1] ? row[i] + 1 : row[i + 1] + 1;

			diagonal = row[i + 1];
			row[i + 1] = changed < least ? changed : least;
		}
	}
	return row[length];
}

/* TypeError for a keyword that the function does not have; -1. */
static int refuse_keyword(const char *function, PyObject *keyword, const char *const *names)
{
	const char *word = PyUnicode_AsUTF8(keyword), *nearest = *names;
	PyObject *list;

	if (!word)
		return -1;
	for (const char *const *name = names; *name; name++)
		if (distance(word, *name) < distance(word, nearest))
			nearest = *name;
	if (nearest && 2 * distance(word, nearest) <= strlen(word)) {
		PyErr_Format(PyExc_TypeError, "%s() has no argument %R; the nearest is '%s'",
			     function, keyword, nearest);
		return -1;
	}
	list = PyUnicode_FromString("");
	for (const char *const *name = names; list && *name; name++)
		PyUnicode_AppendAndDel(
			&list, PyUnicode_FromFormat("%s%s", name == names ? "" : ", ", *name));
	if (list)
		PyErr_Format(PyExc_TypeError, "%s() has no argument %R; it has %U", function,
			     keyword, list);
	Py_XDECREF(list);
	return -1;
}

int ext_parse(PyObject *args, PyObject *kwargs, const char *format, char **names, ...)
{
	const char *function = strchr(format, ':') + 1;
	PyObject *keyword, *value;
	Py_ssize_t at = 0;
	va_list list;
	int ret;

	while (kwargs && PyDict_Next(kwargs, &at, &keyword, &value)) {
		char **name = names;

		while (*name && PyUnicode_CompareWithASCIIString(keyword, *name))
			name++;
		if (!*name) {
			refuse_keyword(function, keyword, (const char *const *)names);
			return 0;
		}
	}
	va_start(list, names);
	ret = PyArg_VaParseTupleAndKeywords(args, kwargs, format, names, list);
	va_end(list);
	return ret;
}

int ext_arguments(const char *function, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
		  const char *const *names, PyObject **values)
{
	Py_ssize_t room = 0, keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;

	while (names[room])
		room++;
	if (nargs > room) {
		PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)",
			     function, room, nargs);
		return -1;
	}
	for (Py_ssize_t i = 0; i < nargs; i++)
		values[i] = args[i];
	for (Py_ssize_t k = 0; k < keywords; k++) {
		PyObject *keyword = PyTuple_GET_ITEM(kwnames, k);
		Py_ssize_t i = 0;

		while (names[i] && PyUnicode_CompareWithASCIIString(keyword, names[i]))
			i++;
		if (!names[i])
			return refuse_keyword(function, keyword, names);
		if (i < nargs) {
			PyErr_Format(PyExc_TypeError, "%s() got several values for argument '%U'",
				     function, keyword);
			return -1;
		}
		values[i] = args[nargs + k];
	}
	return 0;
}

int ext_type_error(PyObject *object, const char *what)
{
	if (PyErr_ExceptionMatches(PyExc_TypeError))
		PyErr_Format(PyExc_TypeError, "%s, not %R", what, object);
	return -1;
}

int ext_integer(PyObject *object, const char *what, int64_t min, int64_t max, int64_t *value)
{
	PyObject *number = PyNumber_Index(object);
	int overflow;

	if (!number)
		return ext_type_error(object, what);
	*value = PyLong_AsLongLongAndOverflow(number, &overflow);
	Py_DECREF(number);
	if (!overflow && *value >= min && *value <= max)
		return 0;
	PyErr_Format(PyExc_ValueError, "%s, not %R", what, object);
	return -1;
}

int ext_timeout(PyObject *object, int64_t *ns)
{
	double seconds;

	*ns = -1;
	if (!object || object == Py_None)
		return 0;
	seconds = PyFloat_AsDouble(object);
	if (seconds == -1 && PyErr_Occurred())
		return ext_type_error(object, "timeout must be None or a number of seconds >= 0");
	if (!(seconds >= 0)) {
		PyErr_Format(PyExc_ValueError,
			     "timeout must be None or a number of seconds >= 0, not %R", object);
		return -1;
	}
	/* 292 years are for ever, whatever the kernel's type. */
	if (seconds < 9.2e9)
		*ns = (int64_t)ceil(seconds * 1e9);
	return 0;
}

int ext_count(PyObject *object, uint64_t *count)
{
	int64_t value = 0;

	if (object != Py_None &&
	    ext_integer(object, "count must be None or an int, 1 or more", 1, INT64_MAX, &value))
		return -1;
	*count = (uint64_t)value;
	return 0;
}

int ext_node(PyObject *object, int *node)
{
	int64_t value;

	*node = NDMA_NODE_ANY;
	if (!object || object == Py_None)
		return 0;
	if (ext_integer(object, "node must be None or a NUMA node, 0 or more", 0, INT32_MAX,
			&value))
		return -1;
	*node = (int)value;
	return 0;
}

int ext_choice(const char *argument, PyObject *object, const char *const *choices)
{
	PyObject *list, *joined, *comma;

	if (!PyUnicode_Check(object)) {
		PyErr_Format(PyExc_TypeError, "%s must be a str, not %s", argument,
			     Py_TYPE(object)->tp_name);
		return -1;
	}
	for (int i = 0; choices[i]; i++)
		if (!PyUnicode_CompareWithASCIIString(object, choices[i]))
			return i;
	comma = PyUnicode_FromString(", ");
	list = comma ? PyList_New(0) : NULL;
	for (int i = 0; list && choices[i]; i++) {
		PyObject *item = PyUnicode_FromFormat("\"%s\"", choices[i]);

		if (!item || PyList_Append(list, item))
			Py_CLEAR(list);
		Py_XDECREF(item);
	}
	joined = list ? PyUnicode_Join(comma, list) : NULL;
	if (joined)
		PyErr_Format(PyExc_ValueError, "%s must be one of %U, not %R", argument, joined,
			     object);
	Py_XDECREF(joined);
	Py_XDECREF(comma);
	Py_XDECREF(list);
	return -1;
}

int64_t ext_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

double ext_rational(struct ndma_rational rational)
{
	return rational.den ? (double)rational.num / (double)rational.den : 0;
}

PyTypeObject *ext_record_type(PyObject *module, PyStructSequence_Desc *desc)
{
	PyTypeObject *type = PyStructSequence_NewType(desc);

	if (type && PyModule_AddType(module, type))
		Py_CLEAR(type);
	return type;
}
