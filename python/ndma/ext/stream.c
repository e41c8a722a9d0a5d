// SPDX-License-Identifier: MIT
/* Stream: a run of a source into frames. Its life, and the process it belongs to. */
#include "internal.h"
#include "types.h"

int ext_stream_check(struct ext_stream *stream)
{
	if (!ext_process_is(stream->process)) {
		PyErr_Format(PyExc_RuntimeError,
			     "this stream of %s belongs to the process that "
			     "forked this one: open the source again here",
			     stream->name);
		return -1;
	}
	if (stream->closed) {
		PyErr_Format(PyExc_ValueError, "this stream of %s is closed%s", stream->name,
			     stream->replaced ? ": a newer one of this session has replaced it"
					      : "");
		return -1;
	}
	return 0;
}

/* A refusal changes nothing: a stream that runs goes on. */
static int start(struct ext_stream *stream, uint64_t count)
{
	int ret;

	Py_BEGIN_ALLOW_THREADS ret = ndma_stream_start(stream->handle, count);
	Py_END_ALLOW_THREADS if (ret < 0)
	{
		ext_error(stream->state, EXT_STREAM, ret);
		return -1;
	}
	stream->started = true;
	stream->ended = false;
	stream->thread = PyThread_get_thread_ident();
	return 0;
}

int ext_stream_start(struct ext_stream *stream)
{
	return stream->started ? 0 : start(stream, stream->count);
}

int ext_stream_begin_again(struct ext_stream *stream)
{
	if (!stream->ended || stream->pending_count)
		return 0;
	return ext_stream_check(stream) ? -1 : start(stream, stream->count);
}

PyObject *ext_stream_start_method(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "count", NULL };
	struct ext_stream *stream = (struct ext_stream *)self;
	PyObject *count = Py_None;
	uint64_t wanted;

	if (!ext_parse(args, kwargs, "|O:start", names, &count) || ext_count(count, &wanted) ||
	    ext_stream_check(stream) || start(stream, count == Py_None ? stream->count : wanted))
		return NULL;
	Py_RETURN_NONE;
}

PyObject *ext_stream_stop(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	int ret;

	if (ext_stream_check(stream))
		return NULL;
	stream->started = true; /* next() must not start a stopped stream again */
	Py_BEGIN_ALLOW_THREADS ret = ndma_stream_stop(stream->handle);
	Py_END_ALLOW_THREADS if (ret < 0) return ext_error(stream->state, EXT_STREAM, ret);
	Py_RETURN_NONE;
}

PyObject *ext_stream_close(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	bool closed = stream->closed;

	stream->closed = true;
	/* A run that close() stops has lost nothing that somebody waits for. */
	if (!closed)
		ext_loss_note_end(stream);
	/* A second close() waits in here for the first. */
	Py_BEGIN_ALLOW_THREADS ndma_stream_close(stream->handle);
	Py_END_ALLOW_THREADS if (!closed && ext_loss_finish(stream)) return NULL;
	Py_RETURN_NONE;
}

PyObject *ext_stream_enter(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;

	if (ext_stream_check(stream) || ext_stream_start(stream) || ext_stream_begin_again(stream))
		return NULL;
	return Py_NewRef(self);
}

PyObject *ext_stream_exit(PyObject *self, PyObject *args)
{
	return ext_stream_close(self, NULL);
}

PyObject *ext_stream_fileno(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = (struct ext_stream *)self;

	if (ext_stream_check(stream))
		return NULL;
	return PyLong_FromLong(ndma_stream_fd(stream->handle));
}

PyObject *ext_stream_reduce(PyObject *self, PyObject *unused)
{
	PyErr_SetString(PyExc_TypeError, "a Stream does not travel: open the source again in the "
					 "other process, by its name");
	return NULL;
}

void ext_stream_dealloc(PyObject *self)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	if (stream->link) {
		*stream->link = stream->next;
		if (stream->next)
			stream->next->link = stream->link;
	}
	ndma_stream_free(stream->handle);
	ext_layout_put(stream->layout);
	PyMem_Free(stream->pending);
	PyMem_Free(stream->scale);
	PyObject_Free(stream->spare);
	type->tp_free(self);
	Py_DECREF(type);
}

int ext_stream_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	return 0;
}
