// SPDX-License-Identifier: MIT
/* libndma's errors as exceptions: the built-in one that users already catch, or one of five. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(PyObject *module, const char *name, const char *doc, PyObject *bases, PyObject *dict,
	       PyObject **out)
{
	if (!bases)
		return -1;
	*out = PyErr_NewExceptionWithDoc(name, doc, bases, dict);
	Py_DECREF(bases);
	if (!*out)
		return -1;
	return PyModule_AddObjectRef(module, strchr(name, '.') + 1, *out);
}

int ext_errors_setup(PyObject *module, struct ext_state *state)
{
	PyObject *frame = Py_BuildValue("{s:O}", "frame", Py_None);
	int ret = -1;

	if (!frame)
		return -1;
	/* OSError first: the other way round errno is lost. */
	if (add(module, "ndma.LockedError",
		"A buffer is with its device, or views of it are alive.\n\n"
		"Both an OSError with errno EBUSY and the BufferError that consumers of the\n"
		"buffer protocol expect.",
		PyTuple_Pack(2, PyExc_OSError, PyExc_BufferError), NULL, &state->locked_error))
		goto out;
	if (add(module, "ndma.FramesHeldError",
		"This program holds every frame of a stream, so no further one can come.",
		PyTuple_Pack(1, PyExc_BufferError), NULL, &state->frames_held_error))
		goto out;
	if (add(module, "ndma.SourceGone",
		"The source was unplugged or its driver was unloaded.\n\n"
		"Frames that were taken before stay readable.",
		PyTuple_Pack(1, PyExc_OSError), NULL, &state->source_gone))
		goto out;
	if (add(module, "ndma.FrameLossError",
		"Frames were lost, on a stream with on_loss=\"raise\".\n\n"
		"Attributes\n----------\nframe : Frame or None\n"
		"    The frame that came after the loss; its `dropped` says how many are missing, at\n"
		"    least so many where its `loss_unknown` is set. None at\n"
		"    the end of a run, where no frame came after it.",
		PyTuple_Pack(1, PyExc_RuntimeError), frame, &state->frame_loss_error))
		goto out;
	if (add(module, "ndma.LossWarning", "Frames were lost, on a stream with on_loss=\"warn\".",
		PyTuple_Pack(1, PyExc_RuntimeWarning), NULL, &state->loss_warning))
		goto out;
	ret = 0;
out:
	Py_DECREF(frame);
	return ret;
}

void *ext_error_os(PyObject *type, int error, PyObject *text)
{
	PyObject *exception;

	if (!text)
		return NULL;
	exception = PyObject_CallFunction(type, "iN", error, text);
	if (!exception)
		return NULL;
	PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
	Py_DECREF(exception);
	return NULL;
}

/* As ext_error_os(), of an exception without a number. */
static void *raise_plain(PyObject *type, PyObject *text)
{
	if (text)
		PyErr_SetObject(type, text);
	Py_XDECREF(text);
	return NULL;
}

void *ext_error(struct ext_state *state, enum ext_noun noun, int error)
{
	const char *words = ndma_error();
	PyObject *type = PyExc_OSError, *text;

	error = -error;
	if (!*words)
		words = strerror(error);
	/* libndma's message has a longest length, and may end in the middle of a character. */
	text = PyUnicode_DecodeUTF8(words, (Py_ssize_t)strlen(words), "replace");
	switch (error) {
	case ENOMEM:
		return raise_plain(PyExc_MemoryError, text);
	case EINVAL:
	case ERANGE:
	case EOVERFLOW:
	case E2BIG:
		return raise_plain(PyExc_ValueError, text);
	case EBADF:
		/* Another thread closed the stream in the middle of the call: the error is as if it
		 * had done so before. */
		if (noun == EXT_STREAM)
			return raise_plain(PyExc_ValueError, text);
		break;
	case EBUSY:
		if (noun == EXT_BUFFER)
			type = state->locked_error;
		break;
	case ENODEV:
		if (noun == EXT_STREAM)
			type = state->source_gone;
		break;
	}
	return ext_error_os(type, error, text);
}

int ext_collect(void)
{
	PyObject *gc = PyImport_ImportModule("gc");
	PyObject *count = gc ? PyObject_CallMethod(gc, "collect", NULL) : NULL;

	Py_XDECREF(gc);
	Py_XDECREF(count);
	return count ? 0 : -1;
}

int ext_warn_memfd(struct ext_state *state)
{
	if (state->warned_memfd || getenv("NDMA_BACKEND") || strcmp(ndma_backend_name(), "memfd"))
		return 0;
	state->warned_memfd = true;
	return PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
				"%s: buffers and sources are simulated in this process (memfd); "
				"NDMA_BACKEND=memfd says that this is meant",
				ndma_backend_reason());
}
