// SPDX-License-Identifier: MIT
/*
 * The settings of a source or a stream, as attributes and as what `controls` is: numbers in their unit, menus
 * by name.
 */
#include "internal.h"
#include "types.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Whose settings: a source's, or a stream's own where @stream is not NULL. */
struct owner {
	struct ext_state *state;
	struct ext_source *source;
	struct ext_stream *stream;
	const char *name;
};

/* 1: settings can be asked for; 0: @self is closed, or another process's. */
static int owner_of(PyObject *self, struct owner *owner)
{
	struct ext_state *state = ext_state_of(PyType_GetModule(Py_TYPE(self)));

	*owner = (struct owner){ .state = state };
	if (Py_TYPE(self) == state->stream_type) {
		owner->stream = (struct ext_stream *)self;
		owner->name = owner->stream->name;
		return !owner->stream->closed && ext_process_is(owner->stream->process);
	}
	owner->source = (struct ext_source *)self;
	if (owner->source->closed || !ext_process_is(owner->source->process))
		return 0;
	owner->name = ndma_source_name(owner->source->handle);
	return 1;
}

/* A closed source, or stream, is a ValueError. What is begun keeps a source's handle. */
static int begin(const struct owner *owner)
{
	return owner->stream ? ext_stream_check(owner->stream)
			     : ext_source_begin_call(owner->source);
}

static void end(const struct owner *owner)
{
	if (owner->source)
		ext_source_end_call(owner->source);
}

static int find_by_name(const struct owner *owner, const char *name, struct ndma_control_info *info)
{
	return owner->stream ? ndma_stream_control_find(owner->stream->handle, name, info)
			     : ndma_control_find(owner->source->handle, name, info);
}

static int next_info(const struct owner *owner, struct ndma_control_info *info)
{
	return owner->stream ? ndma_stream_control_next(owner->stream->handle, info->id, info)
			     : ndma_control_next(owner->source->handle, info->id, info);
}

static int menu_text(const struct owner *owner, uint32_t id, int64_t value,
		     char name[NDMA_NAME_MAX])
{
	return owner->stream
		       ? ndma_stream_control_menu(owner->stream->handle, id, (uint32_t)value, name)
		       : ndma_control_menu(owner->source->handle, id, (uint32_t)value, name);
}

static int get_value(const struct owner *owner, uint32_t id, int64_t *value)
{
	return owner->stream ? ndma_stream_control_get(owner->stream->handle, id, value)
			     : ndma_control_get(owner->source->handle, id, value);
}

static int set_value(const struct owner *owner, uint32_t id, int64_t value)
{
	return owner->stream ? ndma_stream_control_set(owner->stream->handle, id, value)
			     : ndma_control_set(owner->source->handle, id, value);
}

/* 1: found; 0: the source has no such control; -1 with an exception. */
static int find(PyObject *self, PyObject *name, struct owner *owner, struct ndma_control_info *info)
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
	if (*text == '_' || !owner_of(self, owner))
		return 0;
	ret = find_by_name(owner, text, info);
	if (!ret)
		return 1;
	if (ret == -ENOENT)
		return 0;
	ext_error(owner->state, EXT_STREAM, ret);
	return -1;
}

static PyObject *menu_name(const struct owner *owner, const struct ndma_control_info *info,
			   int64_t value)
{
	char name[NDMA_NAME_MAX];
	int ret = menu_text(owner, info->id, value, name);

	return ret < 0 ? ext_error(owner->state, EXT_STREAM, ret) : PyUnicode_FromString(name);
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

static PyObject *to_python(const struct owner *owner, const struct ndma_control_info *info,
			   int64_t value)
{
	switch (info->type) {
	case NDMA_CONTROL_BOOLEAN:
		return PyBool_FromLong(value != 0);
	case NDMA_CONTROL_MENU:
		return menu_name(owner, info, value);
	default:
		return number(info, value);
	}
}

static PyObject *get(const struct owner *owner, const struct ndma_control_info *info)
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
	if (begin(owner))
		return NULL;
	ret = get_value(owner, info->id, &value);
	result = ret < 0 ? ext_error(owner->state, EXT_STREAM, ret) : to_python(owner, info, value);
	end(owner);
	return result;
}

PyObject *ext_control_getattro(PyObject *self, PyObject *name)
{
	PyObject *attribute = PyObject_GenericGetAttr(self, name);
	struct ndma_control_info info;
	PyObject *type, *value, *traceback;
	struct owner owner;
	int found;

	if (attribute || !PyErr_ExceptionMatches(PyExc_AttributeError))
		return attribute;
	PyErr_Fetch(&type, &value, &traceback);
	found = find(self, name, &owner, &info);
	if (!found) {
		PyErr_Restore(type, value, traceback);
		return NULL;
	}
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	return found < 0 ? NULL : get(&owner, &info);
}

/* 1: @value has a name; 0: no value of the menu has this number; -1: an exception. */
static int menu_item(const struct owner *owner, const struct ndma_control_info *info, int64_t value,
		     char name[NDMA_NAME_MAX])
{
	int ret = menu_text(owner, info->id, value, name);

	if (!ret || ret == -EINVAL)
		return !ret;
	ext_error(owner->state, EXT_STREAM, ret);
	return -1;
}

static PyObject *menu_names(const struct owner *owner, const struct ndma_control_info *info)
{
	PyObject *list = PyList_New(0), *tuple;
	char words[NDMA_NAME_MAX];

	for (int64_t i = info->min; list && i <= info->max; i++) {
		int found = menu_item(owner, info, i, words);
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

static int menu_value(const struct owner *owner, const struct ndma_control_info *info,
		      PyObject *object, int64_t *value)
{
	bool is_text = PyUnicode_Check(object);
	char name[NDMA_NAME_MAX];
	PyObject *names;

	for (*value = info->min; is_text && *value <= info->max; ++*value) {
		int found = menu_item(owner, info, *value, name);

		if (found < 0)
			return -1;
		if (found && !PyUnicode_CompareWithASCIIString(object, name))
			return 0;
	}
	names = menu_names(owner, info);
	if (!names)
		return -1;
	PyErr_Format(is_text ? PyExc_ValueError : PyExc_TypeError,
		     "%s of %s must be one of %S, not %R", info->name, owner->name, names, object);
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

static int from_python(const struct owner *owner, const struct ndma_control_info *info,
		       PyObject *object, int64_t *value)
{
	switch (info->type) {
	case NDMA_CONTROL_MENU:
		return menu_value(owner, info, object, value);
	case NDMA_CONTROL_BOOLEAN:
	case NDMA_CONTROL_BUTTON:
		*value = PyObject_IsTrue(object);
		return *value < 0 ? -1 : 0;
	default:
		return integer_value(info, object, value);
	}
}

/* AttributeError, or KeyError, that lists the controls there are. */
static void refuse_name(PyObject *self, const struct owner *owner, PyObject *type, PyObject *name)
{
	PyObject *controls = ext_control_all(self, NULL);
	PyObject *names = controls ? PyMapping_Keys(controls) : NULL;
	PyObject *comma = names ? PyUnicode_FromString(", ") : NULL;
	PyObject *list = comma ? PyUnicode_Join(comma, names) : NULL;

	if (list)
		PyErr_Format(type, "%s has no control '%U'; it has %U", owner->name, name, list);
	Py_XDECREF(list);
	Py_XDECREF(comma);
	Py_XDECREF(names);
	Py_XDECREF(controls);
}

/* Converting can run anything, close() included. */
static int set(const struct owner *owner, const struct ndma_control_info *info, PyObject *object)
{
	int64_t value;
	int ret = -1;

	if (begin(owner))
		return -1;
	if (!from_python(owner, info, object, &value)) {
		ret = set_value(owner, info->id, value);
		if (ret < 0)
			ext_error(owner->state, EXT_STREAM, ret);
	}
	end(owner);
	return ret < 0 ? -1 : 0;
}

/* Whether the type has an attribute of this name, or its base: what Python looks up begins with "_". */
static int is_taken(PyObject *self, PyObject *name)
{
	PyObject *descriptor;
	int taken = PyDict_Contains(Py_TYPE(self)->tp_dict, name);

	if (taken || !PyUnicode_GET_LENGTH(name) || PyUnicode_READ_CHAR(name, 0) != '_')
		return taken;
	descriptor = PyObject_GetAttr((PyObject *)Py_TYPE(self), name);
	if (!descriptor)
		PyErr_Clear();
	Py_XDECREF(descriptor);
	return descriptor != NULL;
}

int ext_control_setattro(PyObject *self, PyObject *name, PyObject *object)
{
	/* Getting does it in the same order: a control whose name is taken is in `controls` alone. */
	int taken = is_taken(self, name), found;
	struct ndma_control_info info;
	struct owner owner;

	if (taken < 0)
		return -1;
	if (taken || !object)
		return PyObject_GenericSetAttr(self, name, object);
	found = find(self, name, &owner, &info);
	if (found < 0)
		return -1;
	if (found)
		return set(&owner, &info, object);
	owner_of(self, &owner);
	if (!begin(&owner)) {
		refuse_name(self, &owner, PyExc_AttributeError, name);
		end(&owner);
	}
	return -1;
}

/* For _controls.py: (name, value). */
PyObject *ext_control_set(PyObject *self, PyObject *args)
{
	struct ndma_control_info info;
	PyObject *name, *object;
	struct owner owner;
	int found;

	if (!PyArg_ParseTuple(args, "UO:_set_control", &name, &object))
		return NULL;
	owner_of(self, &owner);
	if (begin(&owner))
		return NULL;
	found = find(self, name, &owner, &info);
	if (!found)
		refuse_name(self, &owner, PyExc_KeyError, name);
	end(&owner);
	if (found <= 0 || set(&owner, &info, object))
		return NULL;
	Py_RETURN_NONE;
}

/* Control(name, type, unit, min, max, step, preset, choices, live, value) */
static PyObject *describe(const struct owner *owner, const struct ndma_control_info *info)
{
	static const char *const types[] = { NULL, "integer", "boolean", "menu", "button" };
	bool menu = info->type == NDMA_CONTROL_MENU;
	PyObject *record = PyStructSequence_New(owner->state->control_type);
	PyObject *const values[] = {
		PyUnicode_FromString(info->name),
		PyUnicode_FromString(info->type < 5 && info->type ? types[info->type] : "unknown"),
		PyUnicode_DecodeUTF8(info->unit, (Py_ssize_t)strlen(info->unit), "replace"),
		to_python(owner, info, info->min),
		to_python(owner, info, info->max),
		number(info, info->step),
		to_python(owner, info, info->preset),
		menu ? menu_names(owner, info) : PyTuple_New(0),
		PyBool_FromLong(info->flags & NDMA_CONTROL_LIVE),
		info->type == NDMA_CONTROL_BUTTON ? Py_NewRef(Py_None) : get(owner, info),
	};

	for (Py_ssize_t i = 0; i < 10; i++) {
		if (record && values[i]) {
			PyStructSequence_SetItem(record, i, values[i]);
		} else {
			Py_CLEAR(record);
			Py_XDECREF(values[i]);
		}
	}
	return record;
}

PyObject *ext_control_all(PyObject *self, PyObject *unused)
{
	struct ndma_control_info info = { .id = 0 };
	struct owner owner;
	PyObject *dict;
	int ret;

	owner_of(self, &owner);
	if (begin(&owner))
		return NULL;
	dict = PyDict_New();
	while (dict && (ret = next_info(&owner, &info))) {
		PyObject *control = ret < 0 ? ext_error(owner.state, EXT_STREAM, ret)
					    : describe(&owner, &info);

		if (!control || PyDict_SetItemString(dict, info.name, control))
			Py_CLEAR(dict);
		Py_XDECREF(control);
	}
	end(&owner);
	return dict;
}

PyObject *ext_control_mapping(PyObject *self, void *unused)
{
	struct owner owner;
	PyObject *module, *mapping;

	owner_of(self, &owner);
	if (begin(&owner))
		return NULL;
	end(&owner);
	module = PyImport_ImportModule("ndma._controls");
	mapping = module ? PyObject_CallMethod(module, "Controls", "O", self) : NULL;
	Py_XDECREF(module);
	return mapping;
}

PyObject *ext_control_dir(PyObject *self, PyObject *unused)
{
	PyObject *names = PyObject_Dir((PyObject *)Py_TYPE(self)), *controls, *keys = NULL;
	struct owner owner;

	if (!names || !owner_of(self, &owner))
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
	{ "live", "True: it may change while a stream runs" },
	{ "value", "as it is now; None for a button" },
	{ NULL },
};

static PyStructSequence_Desc control_desc = {
	.name = "ndma.Control",
	.doc = "One setting of a source or a stream; the attribute of its name gets and sets it.",
	.fields = control_fields,
	.n_in_sequence = 10,
};

int ext_control_setup(PyObject *module, struct ext_state *state)
{
	state->control_type = ext_record_type(module, &control_desc);
	return state->control_type ? 0 : -1;
}
