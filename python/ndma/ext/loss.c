// SPDX-License-Identifier: MIT
/*
 * Loss that cannot be missed: a warning at the first loss, then at most one a second with totals,
 * and one at close for what is left; or an exception that carries the frame.
 */
#include "internal.h"

/* Warns through a registry that is emptied each time: the caller's __warningregistry__ would keep
 * each text for ever, as each has another count, and a text without a count would be shown once
 * only. */
static int warn(struct ext_stream *stream, PyObject *text)
{
	struct ext_state *state = stream->state;
	PyFrameObject *caller = PyEval_GetFrame();
	PyCodeObject *code = caller ? PyFrame_GetCode(caller) : NULL;
	PyObject *file = code ? Py_NewRef(code->co_filename) : PyUnicode_FromString("ndma");
	int line = caller ? PyFrame_GetLineNumber(caller) : 0, ret = -1;

	if (text && file) {
		PyDict_Clear(state->loss_registry);
		ret = PyErr_WarnExplicitObject(state->loss_warning, text, file, line,
					       state->module_name, state->loss_registry);
		PyDict_Clear(state->loss_registry);
	}
	stream->lost_unsaid = 0;
	stream->warned_ns = ext_now_ns();
	Py_XDECREF(file);
	Py_XDECREF(code);
	Py_XDECREF(text);
	return ret;
}

static int raise_loss(struct ext_stream *stream, struct ext_frame *frame)
{
	PyObject *type = stream->state->frame_loss_error, *exception, *text;

	text = PyUnicode_FromFormat("%llu frames of %s were lost before frame %llu, which this "
				    "exception carries as `frame`",
				    (unsigned long long)frame->entry.dropped, stream->name,
				    (unsigned long long)frame->entry.completion.sequence);
	exception = text ? PyObject_CallOneArg(type, text) : NULL;
	if (exception && !PyObject_SetAttrString(exception, "frame", (PyObject *)frame))
		PyErr_SetObject(type, exception);
	Py_XDECREF(exception);
	Py_XDECREF(text);
	return -1;
}

int ext_loss_note(struct ext_stream *stream, struct ext_frame *frame)
{
	stream->lost += frame->entry.dropped;
	if (stream->on_loss == EXT_LOSS_IGNORE)
		return 0;
	if (stream->on_loss == EXT_LOSS_RAISE)
		return raise_loss(stream, frame);
	stream->lost_unsaid += frame->entry.dropped;
	if (stream->warned_ns && ext_now_ns() - stream->warned_ns < NS_PER_S)
		return 0;
	return warn(
		stream,
		PyUnicode_FromFormat(
			"%s lost %llu frames before frame %llu, %llu so far: this program is too slow for "
			"it, or the source lost them itself (stream.stats tells)",
			stream->name, (unsigned long long)stream->lost_unsaid,
			(unsigned long long)frame->entry.completion.sequence,
			(unsigned long long)stream->lost));
}

int ext_loss_finish(struct ext_stream *stream)
{
	if (!stream->lost_unsaid)
		return 0;
	return warn(stream, PyUnicode_FromFormat("%s lost %llu frames in all, %llu of them since "
						 "the last warning",
						 stream->name, (unsigned long long)stream->lost,
						 (unsigned long long)stream->lost_unsaid));
}
