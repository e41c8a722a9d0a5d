// SPDX-License-Identifier: MIT
/*
 * A source that has no stream left: which of this process's own could go, and who has to close
 * what. In an interactive session a cell that is run again asks for its stream again, while the
 * name, _ or the last traceback still keeps the one from before.
 */
#include "internal.h"
#include "types.h"

#include <errno.h>
#include <string.h>

static bool is_open(const struct ext_stream *stream, const char *name)
{
	return !stream->closed && ext_process_is(stream->process) && !strcmp(stream->name, name);
}

/* Whether nobody asks the stream for frames: no call, no loop, no other thread that lives. */
static bool is_idle(const struct ext_stream *stream, PyObject *threads)
{
	PyObject *thread;
	int lives;

	if (stream->awaited || stream->iterators)
		return false;
	if (stream->thread == PyThread_get_thread_ident())
		return true;
	thread = PyLong_FromUnsignedLong(stream->thread);
	lives = thread ? PyDict_Contains(threads, thread) : -1;
	Py_XDECREF(thread);
	PyErr_Clear();
	return !lives;
}

/* The oldest idle one of the source's open streams: a new reference, NULL with or without an
 * exception. */
static struct ext_stream *find_idle(struct ext_state *state, const char *name)
{
	PyObject *sys = PyImport_ImportModule("sys");
	PyObject *threads = sys ? PyObject_CallMethod(sys, "_current_frames", NULL) : NULL;
	struct ext_stream *oldest = NULL;

	Py_XDECREF(sys);
	if (!threads)
		return NULL;
	for (struct ext_stream *stream = state->streams; stream; stream = stream->next)
		if (is_open(stream, name) && is_idle(stream, threads))
			oldest = stream;
	Py_XINCREF(oldest);
	Py_DECREF(threads);
	return oldest;
}

int ext_stream_replace(struct ext_state *state, const char *name)
{
	struct ext_stream *stream;
	PyObject *closed;

	/* Set where somebody types: in the REPL, in IPython and in Jupyter. */
	if (!PySys_GetObject("ps1"))
		return 0;
	stream = find_idle(state, name);
	if (!stream)
		return PyErr_Occurred() ? -1 : 0;
	stream->replaced = true;
	closed = ext_stream_close((PyObject *)stream, NULL);
	Py_DECREF(stream);
	if (!closed)
		return -1;
	Py_DECREF(closed);
	return PyErr_WarnFormat(
		       PyExc_RuntimeWarning, 1,
		       "%s had an older stream of this session, which nobody read: it is "
		       "closed for the new one. stream.close() or \"with\" says when it may go",
		       name) < 0
		       ? -1
		       : 1;
}

void *ext_stream_refuse_busy(struct ext_state *state, const char *name)
{
	struct ext_stream *own = state->streams;

	while (own && !is_open(own, name))
		own = own->next;
	/* Its repr may run a collection. */
	Py_XINCREF(own);
	ext_error_os(
		PyExc_OSError, EBUSY,
		own ? PyUnicode_FromFormat("%s is in use: it has no stream left. This program has "
					   "%R: its close() gives it back",
					   name, own)
		    : PyUnicode_FromFormat("%s is in use: it has no stream left. Another program "
					   "has it (fuser -v /dev/ndma/%s tells which): it is free "
					   "when that closes its stream or ends",
					   name, name));
	Py_XDECREF(own);
	return NULL;
}
