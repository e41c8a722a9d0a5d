// SPDX-License-Identifier: MIT
/*
 * StreamIterator: one loop over a stream. A stream that has ended runs again for the next loop,
 * and an iterator that has ended stays so: itertools and batches of islice() rely on that.
 */
#include "internal.h"
#include "types.h"

struct ext_iterator {
	PyObject_HEAD struct ext_stream *stream;
	bool done;
};

#define ITERATOR ((struct ext_iterator *)self)

PyObject *ext_stream_iter(PyObject *self)
{
	struct ext_stream *stream = (struct ext_stream *)self;
	struct ext_iterator *iterator;

	if (ext_stream_begin_again(stream))
		return NULL;
	iterator = PyObject_New(struct ext_iterator, stream->state->iterator_type);
	if (!iterator)
		return NULL;
	iterator->stream = (struct ext_stream *)Py_NewRef(self);
	iterator->done = false;
	stream->iterators++;
	return (PyObject *)iterator;
}

static PyObject *iterator_next(PyObject *self)
{
	PyObject *frame;

	if (ITERATOR->done)
		return NULL;
	frame = ext_stream_next((PyObject *)ITERATOR->stream);
	/* Another thread may have met the end too. */
	if (!frame && !PyErr_Occurred() && !ITERATOR->done) {
		ITERATOR->done = true;
		ITERATOR->stream->iterators--;
	}
	return frame;
}

static PyObject *iterator_anext(PyObject *self)
{
	return ext_stream_anext((PyObject *)ITERATOR->stream);
}

static void iterator_dealloc(PyObject *self)
{
	struct ext_stream *stream = ITERATOR->stream;
	PyTypeObject *type = Py_TYPE(self);

	if (!ITERATOR->done)
		stream->iterators--;
	PyObject_Free(self);
	Py_DECREF(type);
	Py_DECREF(stream);
}

static PyType_Slot iterator_slots[] = {
	{ Py_tp_doc, "One loop over a Stream; made by ``iter()`` and ``aiter()``." },
	{ Py_tp_dealloc, iterator_dealloc },
	{ Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, iterator_next },
	{ Py_am_aiter, PyObject_SelfIter },
	{ Py_am_anext, iterator_anext },
	{ 0, NULL },
};

static PyType_Spec iterator_spec = {
	.name = "ndma.StreamIterator",
	.basicsize = sizeof(struct ext_iterator),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = iterator_slots,
};

int ext_stream_iterator_setup(PyObject *module, struct ext_state *state)
{
	state->iterator_type =
		(PyTypeObject *)PyType_FromModuleAndSpec(module, &iterator_spec, NULL);
	return state->iterator_type ? 0 : -1;
}
