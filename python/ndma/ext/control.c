// SPDX-License-Identifier: MIT
/* A source's settings as attributes: numbers in their unit, menus by name. */
#include "internal.h"
#include "types.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SOURCE ((struct ext_source *)self)

/* 1: found; 0: the source has no such control; -1 with an exception. */
static int find(PyObject *self, PyObject *name, struct ndma_control_info *info)
{
	Py_ssize_t length;
	const char *text = PyUnicode_AsUTF8AndSize(name, &length);
	int ret;

	if (!text) {
		if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
			return -1;
		PyErr_Clear();
		return 0;
	}
	if (strlen(text) != (size_t)length)
		return 0;
	/* Nothing that Python itself looks up is a control, and a closed source has none. */
	if (*text == '_' || SOURCE->closed || !ext_process_is(SOURCE->process))
		return 0;
	ret = ndma_control_find(SOURCE->handle, text, info);
	if (!ret)
		return 1;
	if (ret == -ENOENT)
		return 0;
	ext_error(SOURCE->state, EXT_STREAM, ret);
	return -1;
}

static PyObject *menu_name(struct ext_source *source, const struct ndma_control_info *info,
			   int64_t value)
{
	char name[NDMA_NAME_MAX];
	int ret = ndma_control_menu(source->handle, info->id, (uint32_t)value, name);

	return ret < 0 ? ext_error(source->state, EXT_STREAM, ret) : PyUnicode_FromString(name);
}

/* value * 10^exponent: an int where there is no exponent. */
static PyObject *number(const struct ndma_control_info *info, int64_t value)
{
	if (!info->exponent)
		return PyLong_FromLongLong(value);
	/* Division by a power of ten is exact where the product with its inverse is not. */
	return PyFloat_FromDouble(info->exponent < 0 ? (double)value / pow(10, -info->exponent)
						     : (double)value * pow(10, info->exponent));
}

static PyObject *to_python(struct ext_source *source, const struct ndma_control_info *info,
			   int64_t value)
{
	switch (info->type) {
	case NDMA_CONTROL_BOOLEAN:
		return PyBool_FromLong(value != 0);
	case NDMA_CONTROL_MENU:
		return menu_name(source, info, value);
	default:
		return number(info, value);
	}
}

static PyObject *get(struct ext_source *source, const struct ndma_control_info *info)
{
	PyObject *result;
	int64_t value;
	int ret;

	if (info->type == NDMA_CONTROL_BUTTON) {
		PyErr_Format(PyExc_AttributeError,
			     "%s is a button, which has no value: press it by "
			     "assigning True",
			     info->name);
		return NULL;
	}
	if (ext_source_begin_call(source))
		return NULL;
	ret = ndma_control_get(source->handle, info->id, &value);
	result = ret < 0 ? ext_error(source->state, EXT_STREAM, ret)
			 : to_python(source, info, value);
	ext_source_end_call(source);
	return result;
}

PyObject *ext_control_getattro(PyObject *self, PyObject *name)
{
	PyObject *attribute = PyObject_GenericGetAttr(self, name);
	struct ndma_control_info info;
	PyObject *type, *value, *traceback;
	int found;

	if (attribute || !PyErr_ExceptionMatches(PyExc_AttributeError))
		return attribute;
	PyErr_Fetch(&type, &value, &traceback);
	found = find(self, name, &info);
	if (!found) {
		PyErr_Restore(type, value, traceback);
		return NULL;
	}
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	return found < 0 ? NULL : get(SOURCE, &info);
}

/* 1: @value has a name; 0: no value of the menu has this number; -1: an exception. */
static int menu_item(struct ext_source *source, const struct ndma_control_info *info, int64_t value,
		     char name[NDMA_NAME_MAX])
{
	int ret = ndma_control_menu(source->handle, info->id, (uint32_t)value, name);

	if (!ret || ret == -EINVAL)
		return !ret;
	ext_error(source->state, EXT_STREAM, ret);
	return -1;
}

static PyObject *menu_names(struct ext_source *source, const struct ndma_control_info *info)
{
	PyObject *list = PyList_New(0), *tuple;
	char words[NDMA_NAME_MAX];

	for (int64_t i = info->min; list && i <= info->max; i++) {
		int found = menu_item(source, info, i, words);
		PyObject *name = found > 0 ? PyUnicode_FromString(words) : NULL;

		if (found && (!name || PyList_Append(list, name)))
			Py_CLEAR(list);
		Py_XDECREF(name);
	}
	if (!list)
		return NULL;
	tuple = PyList_AsTuple(list);
	Py_DECREF(list);
	return tuple;
}

static int menu_value(struct ext_source *source, const struct ndma_control_info *info,
		      PyObject *object, int64_t *value)
{
	bool is_text = PyUnicode_Check(object);
	char name[NDMA_NAME_MAX];
	PyObject *names;

	for (*value = info->min; is_text && *value <= info->max; ++*value) {
		int found = menu_item(source, info, *value, name);

		if (found < 0)
			return -1;
		if (found && !PyUnicode_CompareWithASCIIString(object, name))
			return 0;
	}
	names = menu_names(source, info);
	if (!names)
		return -1;
	PyErr_Format(is_text ? PyExc_ValueError : PyExc_TypeError,
		     "%s of %s must be one of %S, not %R", info->name,
		     ndma_source_name(source->handle), names, object);
	Py_DECREF(names);
	return -1;
}

/* ValueError that says what the control takes, and which of it is nearest to `scaled` units of
 * 10^exponent. */
static void refuse_number(const struct ndma_control_info *info, PyObject *object, double scaled)
{
	PyObject *min = number(info, info->min), *max = number(info, info->max);
	PyObject *step = number(info, info->step), *nearest = NULL;
	double width = info->step > 0 ? (double)info->step : 1;
	double steps = round((scaled - (double)info->min) / width);
	const char *gap = *info->unit ? " " : "";

	if (!isnan(scaled) && scaled > (double)info->min && scaled < (double)info->max)
		nearest = number(info, info->min + (int64_t)(steps * width));
	else if (!isnan(scaled))
		nearest = Py_XNewRef(scaled < (double)info->max ? min : max);
	if (min && max && step && nearest)
		PyErr_Format(PyExc_ValueError,
			     "%s = %R: expected %R to %R in steps of %R%s%s; the nearest is %R",
			     info->name, object, min, max, step, gap, info->unit, nearest);
	else if (min && max && step && !PyErr_Occurred())
		PyErr_Format(PyExc_ValueError, "%s = %R: expected %R to %R in steps of %R%s%s",
			     info->name, object, min, max, step, gap, info->unit);
	Py_XDECREF(nearest);
	Py_XDECREF(step);
	Py_XDECREF(max);
	Py_XDECREF(min);
}

/* A whole number of the control's steps of 10^exponent: 1e6, 1_000_000 and np.float32(1e6) alike. */
static int integer_value(const struct ndma_control_info *info, PyObject *object, int64_t *value)
{
	double wanted, scaled;

	if (PyIndex_Check(object) && !info->exponent) {
		*value = PyNumber_AsSsize_t(object, PyExc_OverflowError);
		if (*value == -1 && PyErr_Occurred()) {
			if (PyErr_ExceptionMatches(PyExc_OverflowError))
				PyErr_Format(PyExc_ValueError, "%s = %S: expected %lld to %lld",
					     info->name, object, (long long)info->min,
					     (long long)info->max);
			return -1;
		}
		return 0;
	}
	wanted = PyFloat_AsDouble(object);
	if (wanted == -1 && PyErr_Occurred()) {
		if (PyErr_ExceptionMatches(PyExc_TypeError))
			PyErr_Format(PyExc_TypeError, "%s = %R: expected a number", info->name,
				     object);
		return -1;
	}
	scaled = info->exponent < 0 ? wanted * pow(10, -info->exponent)
				    : wanted / pow(10, info->exponent);
	if (!(fabs(scaled) < 9.2e18) ||
	    fabs(scaled - round(scaled)) > 1e-9 * fmax(1, fabs(scaled))) {
		refuse_number(info, object, scaled);
		return -1;
	}
	*value = llround(scaled);
	return 0;
}

static int from_python(struct ext_source *source, const struct ndma_control_info *info,
		       PyObject *object, int64_t *value)
{
	switch (info->type) {
	case NDMA_CONTROL_MENU:
		return menu_value(source, info, object, value);
	case NDMA_CONTROL_BOOLEAN:
	case NDMA_CONTROL_BUTTON:
		*value = PyObject_IsTrue(object);
		return *value < 0 ? -1 : 0;
	default:
		return integer_value(info, object, value);
	}
}

static void refuse_name(PyObject *self, PyObject *name)
{
	PyObject *controls = ext_control_all(self, NULL);
	PyObject *names = controls ? PyMapping_Keys(controls) : NULL;
	PyObject *comma = names ? PyUnicode_FromString(", ") : NULL;
	PyObject *list = comma ? PyUnicode_Join(comma, names) : NULL;

	if (list)
		PyErr_Format(PyExc_AttributeError, "%s has no control '%U'; it has %U",
			     ndma_source_name(SOURCE->handle), name, list);
	Py_XDECREF(list);
	Py_XDECREF(comma);
	Py_XDECREF(names);
	Py_XDECREF(controls);
}

/* Converting can run anything, close() included. */
static int set(struct ext_source *source, const struct ndma_control_info *info, PyObject *object)
{
	int64_t value;
	int ret = -1;

	if (ext_source_begin_call(source))
		return -1;
	if (!from_python(source, info, object, &value)) {
		ret = ndma_control_set(source->handle, info->id, value);
		if (ret < 0)
			ext_error(source->state, EXT_STREAM, ret);
	}
	ext_source_end_call(source);
	return ret < 0 ? -1 : 0;
}

int ext_control_setattro(PyObject *self, PyObject *name, PyObject *object)
{
	struct ndma_control_info info;
	int found;

	found = find(self, name, &info);
	if (found < 0)
		return -1;
	if (!found || !object) {
		PyObject *descriptor = PyObject_GetAttr((PyObject *)Py_TYPE(self), name);

		if (!descriptor)
			PyErr_Clear();
		Py_XDECREF(descriptor);
		if (descriptor || !object)
			return PyObject_GenericSetAttr(self, name, object);
		if (!ext_source_begin_call(SOURCE)) {
			refuse_name(self, name);
			ext_source_end_call(SOURCE);
		}
		return -1;
	}
	return set(SOURCE, &info, object);
}

/* Control(name, type, value, unit, min, max, step, preset, choices) */
static PyObject *describe(struct ext_source *source, const struct ndma_control_info *info)
{
	static const char *const types[] = { NULL, "integer", "boolean", "menu", "button" };
	bool menu = info->type == NDMA_CONTROL_MENU;
	PyObject *record = PyStructSequence_New(source->state->control_type);
	PyObject *const values[] = {
		PyUnicode_FromString(info->name),
		PyUnicode_FromString(info->type < 5 && info->type ? types[info->type] : "unknown"),
		PyUnicode_DecodeUTF8(info->unit, (Py_ssize_t)strlen(info->unit), "replace"),
		to_python(source, info, info->min),
		to_python(source, info, info->max),
		number(info, info->step),
		to_python(source, info, info->preset),
		menu ? menu_names(source, info) : PyTuple_New(0),
	};

	for (Py_ssize_t i = 0; i < 8; i++) {
		if (record && values[i]) {
			PyStructSequence_SetItem(record, i, values[i]);
		} else {
			Py_CLEAR(record);
			Py_XDECREF(values[i]);
		}
	}
	return record;
}

PyObject *ext_control_all(PyObject *self, void *unused)
{
	struct ndma_control_info info = { .id = 0 };
	PyObject *dict;
	int ret;

	if (ext_source_begin_call(SOURCE))
		return NULL;
	dict = PyDict_New();
	while (dict && (ret = ndma_control_next(SOURCE->handle, info.id, &info))) {
		PyObject *control = ret < 0 ? ext_error(SOURCE->state, EXT_STREAM, ret)
					    : describe(SOURCE, &info);

		if (!control || PyDict_SetItemString(dict, info.name, control))
			Py_CLEAR(dict);
		Py_XDECREF(control);
	}
	ext_source_end_call(SOURCE);
	return dict;
}

PyObject *ext_control_dir(PyObject *self, PyObject *unused)
{
	PyObject *names = PyObject_Dir((PyObject *)Py_TYPE(self)), *controls, *keys = NULL;

	if (!names || SOURCE->closed)
		return names;
	controls = ext_control_all(self, NULL);
	keys = controls ? PyMapping_Keys(controls) : NULL;
	if (!keys || PyList_SetSlice(names, PyList_GET_SIZE(names), PyList_GET_SIZE(names), keys))
		Py_CLEAR(names);
	Py_XDECREF(keys);
	Py_XDECREF(controls);
	return names;
}

static PyStructSequence_Field control_fields[] = {
	{ "name", "the attribute" },
	{ "type", "\"integer\", \"boolean\", \"menu\" or \"button\"" },
	{ "unit", "of its value" },
	{ "min", "smallest value" },
	{ "max", "largest value" },
	{ "step", "values are min + k * step" },
	{ "preset", "value when the source is opened" },
	{ "choices", "names of a menu" },
	{ NULL },
};

static PyStructSequence_Desc control_desc = {
	.name = "ndma.Control",
	.doc = "One setting of a source; the attribute of its name gets and sets it.",
	.fields = control_fields,
	.n_in_sequence = 8,
};

int ext_control_setup(PyObject *module, struct ext_state *state)
{
	state->control_type = ext_record_type(module, &control_desc);
	return state->control_type ? 0 : -1;
}
