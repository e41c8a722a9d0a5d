// SPDX-License-Identifier: MIT
/*
 * From a PEP 3118 format to a dtype. The text may come from anybody: another process, a driver, a
 * kernel of another version. Sizes are checked at each step, and depth is bounded.
 */
#include "internal.h"

#include <string.h>

#define DEPTH_MAX 32

struct parser {
	const char *start;
	const char *at;
	char order; /* '@', '^', '=', '<' or '>' as last seen */
	int depth;
};

/* What a struct is made of so far. */
struct fields {
	PyObject *names;
	PyObject *descrs;
	PyObject *offsets;
	Py_ssize_t end;
	Py_ssize_t alignment;
};

static const struct code {
	char letter;
	bool complex_too; /* behind a Z */
	const char *native; /* NumPy's letter */
	const char *standard;
} codes[] = {
	{ '?', false, "?", "?" },  { 'b', false, "b", "i1" }, { 'B', false, "B", "u1" },
	{ 'h', false, "h", "i2" }, { 'H', false, "H", "u2" }, { 'i', false, "i", "i4" },
	{ 'I', false, "I", "u4" }, { 'l', false, "l", "i4" }, { 'L', false, "L", "u4" },
	{ 'q', false, "q", "i8" }, { 'Q', false, "Q", "u8" }, { 'n', false, "p", NULL },
	{ 'N', false, "P", NULL }, { 'e', false, "e", "f2" }, { 'f', true, "f", "f4" },
	{ 'd', true, "d", "f8" },  { 'g', true, "g", "g" },
};

static void *refuse(const struct parser *parser, const char *why)
{
	PyErr_Format(PyExc_ValueError, "PEP 3118 format '%s', character %zd: %s", parser->start,
		     (Py_ssize_t)(parser->at - parser->start), why);
	return NULL;
}

static PyArray_Descr *descr_from_object(PyObject *object)
{
	PyArray_Descr *descr = NULL;

	if (!object || !PyArray_DescrConverter(object, &descr))
		descr = NULL;
	Py_XDECREF(object);
	return descr;
}

static PyArray_Descr *descr_from_text(const char *text)
{
	return descr_from_object(PyUnicode_FromString(text));
}

/* A decimal number, at most what a buffer can have; -1 with an exception. */
static Py_ssize_t parse_number(struct parser *parser)
{
	Py_ssize_t number = 0;

	while (*parser->at >= '0' && *parser->at <= '9') {
		number = number * 10 + (*parser->at - '0');
		if (number > INT32_MAX) {
			refuse(parser, "a number that no dtype can hold");
			return -1;
		}
		parser->at++;
	}
	return number;
}

/* "(2,3)" into a tuple, or NULL without an exception where there is none. */
static PyObject *parse_shape(struct parser *parser)
{
	PyObject *list, *tuple;

	if (*parser->at != '(')
		return NULL;
	list = PyList_New(0);
	do {
		PyObject *extent;
		Py_ssize_t number;

		parser->at++;
		if (*parser->at < '0' || *parser->at > '9') {
			refuse(parser, "expected a dimension");
			Py_CLEAR(list);
			break;
		}
		number = parse_number(parser);
		extent = number < 0 ? NULL : PyLong_FromSsize_t(number);
		if (!list || !extent || PyList_Append(list, extent))
			Py_CLEAR(list);
		Py_XDECREF(extent);
	} while (list && *parser->at == ',');
	if (list && *parser->at != ')') {
		refuse(parser, "expected ',' or ')'");
		Py_CLEAR(list);
	}
	if (!list)
		return NULL;
	parser->at++;
	tuple = PyList_AsTuple(list);
	Py_DECREF(list);
	return tuple;
}

static void parse_order(struct parser *parser)
{
	switch (*parser->at) {
	case '!':
		parser->order = '>';
		parser->at++;
		break;
	case '@':
	case '^':
	case '=':
	case '<':
	case '>':
		parser->order = *parser->at++;
		break;
	}
}

static PyArray_Descr *parse_number_code(struct parser *parser)
{
	bool native = parser->order == '@' || parser->order == '^';
	bool is_complex = *parser->at == 'Z';
	char letter = parser->at[is_complex];
	char text[8] = "";
	PyArray_Descr *descr;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const char *name = native ? codes[i].native : codes[i].standard;

		if (codes[i].letter != letter || !name || (is_complex && !codes[i].complex_too))
			continue;
		if (!native && strchr("=<>", parser->order))
			text[0] = parser->order;
		strcat(text, is_complex && letter == 'f'   ? "c8"
			     : is_complex && letter == 'd' ? "c16"
			     : is_complex                  ? "G"
							   : name);
		parser->at += is_complex + 1;
		descr = descr_from_text(text);
		return descr;
	}
	return refuse(parser, "expected a type");
}

static PyArray_Descr *parse_fields(struct parser *parser, bool top);

/* Text and padding take the count in front as their length. */
static PyArray_Descr *parse_text(struct parser *parser, Py_ssize_t count)
{
	char letter = *parser->at == 's' ? 'S' : *parser->at == 'w' ? 'U' : 'V';
	char order = parser->order == '>' ? '>' : parser->order == '<' ? '<' : '=';

	/* NumPy 1.x makes a dtype of negative size of it. */
	if (letter == 'U' && count > INT32_MAX / 4)
		return refuse(parser, "a text that no dtype can hold");
	parser->at++;
	return descr_from_object(
		PyUnicode_FromFormat("%c%c%zd", letter == 'U' ? order : '|', letter, count));
}

static PyArray_Descr *parse_char(struct parser *parser)
{
	parser->at++;
	return descr_from_text("S1");
}

static PyArray_Descr *parse_struct(struct parser *parser)
{
	PyArray_Descr *descr;

	if (parser->depth == DEPTH_MAX)
		return refuse(parser, "structures in structures, too deep");
	parser->at += 2;
	parser->depth++;
	descr = parse_fields(parser, false);
	parser->depth--;
	return descr;
}

static PyArray_Descr *with_shape(PyArray_Descr *descr, PyObject *shape)
{
	if (!descr || !shape) {
		Py_XDECREF(descr);
		Py_XDECREF(shape);
		return NULL;
	}
	return descr_from_object(Py_BuildValue("(NN)", descr, shape));
}

/* "(2)3i" is "(2,3)i": NumPy would keep a sub-array of sub-arrays, that no format can say. */
static PyObject *with_extent(PyObject *shape, Py_ssize_t extent)
{
	PyObject *last = Py_BuildValue("(n)", extent), *whole;

	if (!shape || !last)
		return last;
	whole = PySequence_Concat(shape, last);
	Py_DECREF(shape);
	Py_DECREF(last);
	return whole;
}

/* One element with what stands in front of it: shape, order, count. *padding: it is a gap unless
 * it gets a name. */
static PyArray_Descr *parse_element(struct parser *parser, bool *padding)
{
	PyObject *shape = parse_shape(parser);
	PyArray_Descr *descr;
	Py_ssize_t count = 1;
	bool counted, text;

	if (!shape && PyErr_Occurred())
		return NULL;
	parse_order(parser);
	counted = *parser->at >= '0' && *parser->at <= '9';
	if (counted)
		count = parse_number(parser);
	text = *parser->at && strchr("swx", *parser->at);
	*padding = *parser->at == 'x' && !shape;
	if (count < 0)
		descr = NULL;
	else if (text)
		descr = parse_text(parser, count);
	else if (*parser->at == 'c')
		descr = parse_char(parser);
	else if (parser->at[0] == 'T' && parser->at[1] == '{')
		descr = parse_struct(parser);
	else
		descr = parse_number_code(parser);
	if (descr && counted && !text)
		shape = with_extent(shape, count);
	else if (!shape)
		return descr;
	return with_shape(descr, shape);
}

/* ":name:", or None where there is none. */
static PyObject *parse_name(struct parser *parser)
{
	const char *end;
	PyObject *name;

	if (*parser->at != ':')
		Py_RETURN_NONE;
	end = strchr(parser->at + 1, ':');
	if (!end)
		return refuse(parser, "a name without its second ':'");
	name = PyUnicode_DecodeUTF8(parser->at + 1, end - parser->at - 1, NULL);
	parser->at = end + 1;
	return name;
}

static void fields_clear(struct fields *fields)
{
	Py_CLEAR(fields->names);
	Py_CLEAR(fields->descrs);
	Py_CLEAR(fields->offsets);
}

static int fields_init(struct fields *fields)
{
	fields->names = PyList_New(0);
	fields->descrs = PyList_New(0);
	fields->offsets = PyList_New(0);
	fields->end = 0;
	fields->alignment = 1;
	if (fields->names && fields->descrs && fields->offsets)
		return 0;
	fields_clear(fields);
	return -1;
}

static int fields_add(struct fields *fields, PyObject *name, PyArray_Descr *descr)
{
	PyObject *offset = PyLong_FromSsize_t(fields->end);
	int ret = -1;

	if (offset && !PyList_Append(fields->names, name) &&
	    !PyList_Append(fields->descrs, (PyObject *)descr))
		ret = PyList_Append(fields->offsets, offset);
	Py_XDECREF(offset);
	return ret;
}

/* Native mode pads in front of each member as a C compiler does. */
static int fields_align(struct fields *fields, PyArray_Descr *descr)
{
	PyObject *number = PyObject_GetAttrString((PyObject *)descr, "alignment");
	Py_ssize_t alignment = number ? PyLong_AsSsize_t(number) : -1;

	Py_XDECREF(number);
	if (alignment < 1)
		return -1;
	fields->end += -fields->end & (alignment - 1);
	if (alignment > fields->alignment)
		fields->alignment = alignment;
	return 0;
}

static int parse_field(struct parser *parser, struct fields *fields)
{
	PyArray_Descr *descr;
	PyObject *name;
	bool padding;
	int ret = -1;

	descr = parse_element(parser, &padding);
	if (!descr)
		return -1;
	name = parse_name(parser);
	if (!name)
		goto out;
	if (parser->order == '@' && fields_align(fields, descr))
		goto out;
	ret = padding && name == Py_None ? 0 : fields_add(fields, name, descr);
	if (!ret && __builtin_add_overflow(fields->end, PyDataType_ELSIZE(descr), &fields->end)) {
		refuse(parser, "larger than any buffer");
		ret = -1;
	}
out:
	Py_XDECREF(name);
	Py_DECREF(descr);
	return ret;
}

/* Members without a name are called by their place, as NumPy does. */
static int fields_name(struct fields *fields)
{
	Py_ssize_t number = 0;

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(fields->names); i++) {
		PyObject *name;

		if (PyList_GET_ITEM(fields->names, i) != Py_None)
			continue;
		do {
			name = PyUnicode_FromFormat("f%zd", number++);
			if (!name)
				return -1;
			if (!PySequence_Contains(fields->names, name))
				break;
			Py_DECREF(name);
		} while (true);
		if (PyList_SetItem(fields->names, i, name))
			return -1;
	}
	return 0;
}

static PyArray_Descr *fields_descr(struct fields *fields, Py_ssize_t itemsize)
{
	if (fields_name(fields))
		return NULL;
	return descr_from_object(Py_BuildValue("{s:O,s:O,s:O,s:n}", "names", fields->names,
					       "formats", fields->descrs, "offsets",
					       fields->offsets, "itemsize", itemsize));
}

/* The members up to the end or the closing brace; one alone without a name is no struct. */
static PyArray_Descr *parse_fields(struct parser *parser, bool top)
{
	PyArray_Descr *descr = NULL;
	struct fields fields;

	if (fields_init(&fields))
		return NULL;
	while (*parser->at && *parser->at != '}')
		if (parse_field(parser, &fields))
			goto out;
	if (*parser->at != (top ? 0 : '}')) {
		refuse(parser, top ? "a '}' without its 'T{'" : "a 'T{' without its '}'");
		goto out;
	}
	if (!top)
		parser->at++;
	if (parser->order == '@')
		fields.end += -fields.end & (fields.alignment - 1);
	if (top && PyList_GET_SIZE(fields.names) == 1 &&
	    PyList_GET_ITEM(fields.names, 0) == Py_None &&
	    PyDataType_ELSIZE((PyArray_Descr *)PyList_GET_ITEM(fields.descrs, 0)) == fields.end)
		descr = (PyArray_Descr *)Py_NewRef(PyList_GET_ITEM(fields.descrs, 0));
	else if (top && !PyList_GET_SIZE(fields.names))
		descr = descr_from_object(PyUnicode_FromFormat("V%zd", fields.end));
	else
		descr = fields_descr(&fields, fields.end);
out:
	fields_clear(&fields);
	return descr;
}

PyArray_Descr *ext_format_parse(const char *format, Py_ssize_t itemsize)
{
	struct parser parser = { .start = format, .at = format, .order = '@' };
	PyArray_Descr *descr;

	if (!*format)
		return refuse(&parser, "empty");
	descr = parse_fields(&parser, true);
	if (descr && PyDataType_ELSIZE(descr) != itemsize) {
		PyErr_Format(PyExc_ValueError,
			     "PEP 3118 format '%s' is of %zd bytes, but the "
			     "layout says that an element has %zd",
			     format, (Py_ssize_t)PyDataType_ELSIZE(descr), itemsize);
		Py_CLEAR(descr);
	}
	return descr;
}
