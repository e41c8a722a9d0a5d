// SPDX-License-Identifier: MIT
/*
 * Loss that cannot be missed: a warning at the first loss, then at most one a second with totals,
 * one at the end of a run for what no frame tells of, and one at close for what is left; or an
 * exception that carries the frame.
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

/* FrameLossError with `text`, which it takes over, and `frame`, may be NULL; always -1. */
static int raise_loss(struct ext_stream *stream, struct ext_frame *frame, PyObject *text)
{
	PyObject *type = stream->state->frame_loss_error;
	PyObject *exception = text ? PyObject_CallOneArg(type, text) : NULL;

	if (exception && (!frame || !PyObject_SetAttrString(exception, "frame", (PyObject *)frame)))
		PyErr_SetObject(type, exception);
	Py_XDECREF(exception);
	Py_XDECREF(text);
	return -1;
}

bool ext_loss_is(const struct ndma_frame *entry)
{
	return entry->dropped || entry->completion.flags & NDMA_FRAME_LOSS_UNKNOWN;
}

/* A loss that nobody has counted. It is told of whenever it comes: it is rare, and no count can be
 * told of later. */
static int note_unknown(struct ext_stream *stream, struct ext_frame *frame, uint64_t dropped)
{
	PyObject *text = PyUnicode_FromFormat(
		"%s lost %llu frames or more before frame %llu, which nobody could count: the machine "
		"slept, or the card was reset",
		stream->name, (unsigned long long)dropped,
		(unsigned long long)frame->entry.completion.sequence);
	uint64_t unsaid = stream->lost_unsaid;
	int ret;

	if (stream->on_loss == EXT_LOSS_RAISE)
		return raise_loss(stream, frame, text);
	ret = warn(stream, text);
	stream->lost_unsaid = unsaid;
	return ret;
}

int ext_loss_note(struct ext_stream *stream, struct ext_frame *frame)
{
	uint64_t dropped = frame->entry.dropped - stream->lost_ahead;
	unsigned long long sequence = frame->entry.completion.sequence;

	stream->lost_ahead = 0;
	stream->lost += dropped;
	if (stream->on_loss == EXT_LOSS_IGNORE)
		return 0;
	if (frame->entry.completion.flags & NDMA_FRAME_LOSS_UNKNOWN)
		return note_unknown(stream, frame, dropped);
	if (!dropped)
		return 0;
	if (stream->on_loss == EXT_LOSS_RAISE)
		return raise_loss(
			stream, frame,
			PyUnicode_FromFormat("%llu frames of %s were lost before frame %llu, which "
					     "this exception carries as `frame`",
					     (unsigned long long)dropped, stream->name, sequence));
	stream->lost_unsaid += dropped;
	if (stream->warned_ns && ext_now_ns() - stream->warned_ns < NS_PER_S)
		return 0;
	return warn(
		stream,
		PyUnicode_FromFormat(
			"%s lost %llu frames before frame %llu, %llu so far: this program is too slow for "
			"it, or the source lost them itself (stream.stats tells)",
			stream->name, (unsigned long long)stream->lost_unsaid, sequence,
			(unsigned long long)stream->lost));
}

uint64_t ext_loss_note_end(struct ext_stream *stream)
{
	int64_t lost;

	Py_BEGIN_ALLOW_THREADS lost = ndma_stream_missing(stream->handle);
	Py_END_ALLOW_THREADS if (lost <= (int64_t)stream->lost_ahead) return 0;
	lost -= (int64_t)stream->lost_ahead;
	stream->lost_ahead += (uint64_t)lost;
	stream->lost += (uint64_t)lost;
	if (stream->on_loss != EXT_LOSS_IGNORE)
		stream->lost_unsaid += (uint64_t)lost;
	return (uint64_t)lost;
}

int ext_loss_end(struct ext_stream *stream)
{
	unsigned long long lost = ext_loss_note_end(stream), came = stream->ring->sequence;
	PyObject *where, *unsaid, *text;

	if (!lost || stream->on_loss == EXT_LOSS_IGNORE)
		return 0;
	where = came ? PyUnicode_FromFormat("after frame %llu, the last that came", came - 1)
		     : PyUnicode_FromString("and none came");
	unsaid = PyUnicode_FromFormat(
		stream->lost_unsaid > lost ? ", %llu of them since the last warning" : "",
		(unsigned long long)stream->lost_unsaid);
	text = where && unsaid
		       ? PyUnicode_FromFormat("%s lost %llu frames %U: %llu so far%U", stream->name,
					      lost, where, (unsigned long long)stream->lost, unsaid)
		       : NULL;
	Py_XDECREF(unsaid);
	Py_XDECREF(where);
	if (stream->on_loss == EXT_LOSS_WARN)
		return warn(stream, text);
	stream->lost_unsaid = 0;
	return raise_loss(stream, NULL, text);
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
