// SPDX-License-Identifier: MIT
/* How a stream is asked for: from what a user writes to what the source can do. */
#include "internal.h"
#include "types.h"

#include <errno.h>
#include <string.h>

/* "int16, int32" of what the source has, for messages. */
static PyObject *list_formats(struct ext_source *source, uint32_t formats, bool iq)
{
	PyObject *text = PyUnicode_FromString("");

	for (uint32_t i = 0; text && i < formats; i++) {
		struct ndma_source_format format;
		PyArray_Descr *descr;

		if (ndma_source_format(source->handle, i, &format) < 0 ||
		    iq != !!(format.flags & NDMA_FORMAT_IQ))
			continue;
		descr = ext_format_parse(format.format, format.itemsize);
		if (!descr) {
			Py_CLEAR(text);
			break;
		}
		PyUnicode_AppendAndDel(
			&text, PyUnicode_FromFormat("%s%S", PyUnicode_GET_LENGTH(text) ? ", " : "",
						    descr));
		Py_DECREF(descr);
	}
	return text;
}

/* How far a dtype is from another: one of the same kind is nearest, then one of the same size. */
static Py_ssize_t distance(PyArray_Descr *a, PyArray_Descr *b)
{
	Py_ssize_t sizes = PyDataType_ELSIZE(a) - PyDataType_ELSIZE(b);

	return (a->kind == b->kind ? 0 : 1000) + (sizes < 0 ? -sizes : sizes);
}

static void refuse_dtype(struct ext_source *source, uint32_t formats, bool iq, PyObject *dtype,
			 PyArray_Descr *nearest)
{
	PyObject *list = list_formats(source, formats, iq);

	if (!list)
		return;
	if (nearest)
		PyErr_Format(PyExc_ValueError,
			     "%s has no %s samples of dtype %R; it has %U, and "
			     "%S comes nearest",
			     ndma_source_name(source->handle), iq ? "I/Q" : "real", dtype, list,
			     nearest);
	else
		PyErr_Format(PyExc_ValueError, "%s has no %s samples",
			     ndma_source_name(source->handle), iq ? "I/Q" : "real");
	Py_DECREF(list);
}

/* The source's format for a dtype into `out`. */
static int choose_format(struct ext_source *source, PyObject *dtype, bool iq, char out[16])
{
	PyArray_Descr *wanted = NULL, *nearest = NULL;
	struct ndma_source_info info;
	int ret = ndma_source_info(source->handle, &info), found = 0;

	if (ret < 0) {
		ext_error(source->state, EXT_STREAM, ret);
		return -1;
	}
	if (!PyArray_DescrConverter(dtype, &wanted))
		return -1;
	for (uint32_t i = 0; !found && i < info.formats; i++) {
		struct ndma_source_format format;
		PyArray_Descr *descr;

		if (ndma_source_format(source->handle, i, &format) < 0 ||
		    iq != !!(format.flags & NDMA_FORMAT_IQ))
			continue;
		descr = ext_format_parse(format.format, format.itemsize);
		if (!descr) {
			found = -1;
			break;
		}
		found = PyArray_EquivTypes(wanted, descr);
		if (found)
			memcpy(out, format.format, 16);
		if (!nearest || distance(wanted, descr) < distance(wanted, nearest))
			Py_XSETREF(nearest, (PyArray_Descr *)Py_NewRef(descr));
		Py_DECREF(descr);
	}
	if (!found)
		refuse_dtype(source, info.formats, iq, dtype, nearest);
	Py_DECREF(wanted);
	Py_XDECREF(nearest);
	return found > 0 ? 0 : -1;
}

static struct ext_stream *stream_alloc(struct ext_source *source)
{
	struct ext_stream *stream = ext_object_alloc(source->state->stream_type);

	if (!stream)
		return NULL;
	stream->state = source->state;
	stream->process = ext_process();
	return stream;
}

static int stream_init(struct ext_stream *stream, struct ext_stream_request *request)
{
	const struct ndma_stream_setup *setup = ndma_stream_setup(stream->handle);

	stream->ring = ndma_ring_open(stream->handle);
	if (!stream->ring) {
		PyErr_SetString(PyExc_ImportError, "this libndma's rings are of another version");
		return -1;
	}
	stream->frames = setup->frames;
	stream->frame_bytes = setup->frame_bytes;
	stream->channels = (uint32_t)setup->layout.shape[0];
	stream->writable = request->options.writable;
	stream->iq = request->options.iq;
	stream->on_loss = request->on_loss;
	stream->count = request->count;
	stream->timeout_ns = request->timeout_ns;
	stream->pending = PyMem_Calloc(stream->frames, sizeof(*stream->pending));
	if (!stream->pending) {
		PyErr_NoMemory();
		return -1;
	}
	stream->layout = ext_layout_new(&setup->layout, NULL);
	return stream->layout ? 0 : -1;
}

/* Opens the stream; where the source has none left, once more without those that only garbage
 * keeps, and then without an idle one that the session may replace. */
static int open_handle(struct ext_source *source, const struct ext_stream_request *request,
		       struct ext_stream *stream)
{
	bool collected = false;
	int ret;

	for (;;) {
		Py_BEGIN_ALLOW_THREADS ret =
			ndma_stream_create_entries(source->handle, &request->options,
						   sizeof(struct ndma_entry), &stream->handle);
		Py_END_ALLOW_THREADS if (!ret) return 0;
		if (ret != -EBUSY || !strstr(ndma_error(), "no stream left")) {
			ext_error(source->state, EXT_STREAM, ret);
			return -1;
		}
		if (!collected) {
			collected = true;
			if (ext_collect())
				return -1;
			continue;
		}
		ret = request->replaces ? ext_stream_replace(source->state, stream->name) : 0;
		if (!ret)
			ext_stream_refuse_busy(source->state, stream->name);
		if (ret <= 0)
			return -1;
	}
}

static void link_stream(struct ext_stream *stream)
{
	stream->next = stream->state->streams;
	stream->link = &stream->state->streams;
	if (stream->next)
		stream->next->link = &stream->next;
	stream->state->streams = stream;
}

static PyObject *create(struct ext_source *source, struct ext_stream_request *request)
{
	char format[16];
	struct ext_stream *stream;

	if (request->dtype && request->dtype != Py_None) {
		if (choose_format(source, request->dtype, request->options.iq, format))
			return NULL;
		request->options.format = format;
	}
	stream = stream_alloc(source);
	if (!stream)
		return NULL;
	stream->simulated = ndma_source_is_simulated(source->handle);
	snprintf(stream->name, sizeof(stream->name), "%s", ndma_source_name(source->handle));
	if (open_handle(source, request, stream) || stream_init(stream, request)) {
		Py_DECREF(stream);
		return NULL;
	}
	link_stream(stream);
	PyObject_GC_Track(stream);
	return (PyObject *)stream;
}

PyObject *ext_stream_create(struct ext_source *source, struct ext_stream_request *request)
{
	PyObject *stream;

	if (ext_interactive_attach() || ext_source_begin_call(source))
		return NULL;
	stream = create(source, request);
	ext_source_end_call(source);
	return stream;
}

int ext_samples(PyObject *object, uint64_t *samples)
{
	int64_t value;

	if (ext_integer(object, "samples must be an int, 1 or more", 1, INT64_MAX, &value))
		return -1;
	*samples = (uint64_t)value;
	return 0;
}

static int parse_frames(PyObject *object, uint32_t *frames)
{
	int64_t value;

	if (!object)
		return 0;
	if (ext_integer(
		    object,
		    "frames must be an int, 3 or more (a loop holds one frame while it asks for "
		    "the next and the device fills a third) and at most as many as the source takes",
		    3, UINT32_MAX, &value))
		return -1;
	*frames = (uint32_t)value;
	return 0;
}

int ext_order(PyObject *object, uint32_t *order)
{
	static const char *const choices[] = { "planar", "interleaved", NULL };
	int choice;

	if (object == Py_None)
		return 0;
	choice = ext_choice("order", object, choices);
	if (choice < 0)
		return -1;
	*order = choice ? NDMA_ORDER_INTERLEAVED : NDMA_ORDER_PLANAR;
	return 0;
}

int ext_channels(PyObject *object, uint32_t *channels)
{
	int64_t value;

	if (object == Py_None)
		return 0;
	if (ext_integer(object, "channels must be None (all) or how many, from the first", 1,
			UINT32_MAX, &value))
		return -1;
	*channels = (uint32_t)value;
	return 0;
}

PyObject *ext_stream_from_arguments(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "samples", "frames",   "policy", "on_loss",  "count",
				 "timeout", "writable", "dtype",  "channels", "order",
				 "iq",      "guard",    "node",   NULL };
	static const char *const policies[] = { "drop", "latest", NULL };
	static const char *const losses[] = { "warn", "raise", "ignore", NULL };
	static const char *const guards[] = { "none", "sigbus", NULL };
	struct ext_stream_request request = { .options = NDMA_STREAM_OPTIONS_INIT };
	PyObject *samples, *frames = NULL, *policy = NULL, *on_loss = NULL, *count = Py_None;
	PyObject *timeout = Py_None, *channels = Py_None, *order = Py_None, *guard = NULL;
	PyObject *node = Py_None;
	int writable = 0, iq = 0, choice = 0;

	if (!ext_parse(args, kwargs, "O|OOO$OOpOOOpOO:stream", names, &samples, &frames, &policy,
		       &on_loss, &count, &timeout, &writable, &request.dtype, &channels, &order,
		       &iq, &guard, &node))
		return NULL;
	if (ext_samples(samples, &request.options.samples) ||
	    parse_frames(frames, &request.options.frames) || ext_count(count, &request.count) ||
	    ext_timeout(timeout, &request.timeout_ns) ||
	    ext_channels(channels, &request.options.channels) ||
	    ext_order(order, &request.options.order) || ext_node(node, &request.options.node))
		return NULL;
	if (policy && (choice = ext_choice("policy", policy, policies)) < 0)
		return NULL;
	request.options.policy = (uint32_t)choice;
	choice = on_loss ? ext_choice("on_loss", on_loss, losses) : 0;
	if (choice < 0)
		return NULL;
	request.on_loss = (enum ext_on_loss)choice;
	choice = guard ? ext_choice("guard", guard, guards) : 0;
	if (choice < 0)
		return NULL;
	request.options.guard = choice ? NDMA_GUARD_SIGBUS : NDMA_GUARD_NONE;
	request.options.writable = writable;
	request.options.iq = iq;
	request.replaces = true;
	return ext_stream_create((struct ext_source *)self, &request);
}
