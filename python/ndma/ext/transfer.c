// SPDX-License-Identifier: MIT
/* Transfer: the time in which a device owns a buffer, as a context manager. */
#include "internal.h"
#include "types.h"

#include <errno.h>

struct ext_transfer {
	PyObject_HEAD struct ext_buffer *buffer;
	uint32_t direction;
	uint32_t guard;
	uint32_t flags;
	uint32_t id; /* 0: not in progress */
	bool beginning;
	uint64_t process;
	int64_t timeout_ns;
};

#define TRANSFER ((struct ext_transfer *)self)

static const char *const directions[] = { "from_device", "to_device", "both", NULL };
static const char *const guards[] = { "none", "block", "sigbus", NULL };

PyObject *ext_transfer_new(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "direction", "timeout", "guard", "fence", NULL };
	struct ext_buffer *buffer = (struct ext_buffer *)self;
	PyObject *direction, *timeout = NULL, *guard = NULL;
	int chosen, guarded = 0, fence = 0;
	int64_t timeout_ns = NS_PER_S;
	struct ext_transfer *transfer;

	if (!ext_parse(args, kwargs, "O|OO$p:transfer", names, &direction, &timeout, &guard,
		       &fence))
		return NULL;
	chosen = ext_choice("direction", direction, directions);
	if (chosen < 0 || (guard && (guarded = ext_choice("guard", guard, guards)) < 0) ||
	    (timeout && ext_timeout(timeout, &timeout_ns)) || ext_buffer_check(buffer))
		return NULL;
	if (timeout_ns <= 0) {
		PyErr_Format(PyExc_ValueError,
			     "a transfer ends: timeout must be a number of seconds "
			     "above 0, not %R",
			     timeout);
		return NULL;
	}
	transfer = ext_object_alloc(buffer->state->transfer_type);
	if (!transfer)
		return NULL;
	transfer->buffer = (struct ext_buffer *)Py_NewRef(buffer);
	transfer->direction = NDMA_FROM_DEVICE + (uint32_t)chosen;
	transfer->guard = (uint32_t)guarded;
	transfer->flags = fence ? NDMA_TRANSFER_FENCE : 0;
	transfer->timeout_ns = timeout_ns;
	PyObject_GC_Track(transfer);
	return (PyObject *)transfer;
}

static int refuse(struct ext_transfer *transfer, int error)
{
	struct ext_buffer *buffer = transfer->buffer;

	if (error == -EBUSY && ext_buffer_views(buffer))
		ext_buffer_refuse_views(buffer, transfer->direction == NDMA_TO_DEVICE
							? "give the buffer to the device to read"
							: "give the buffer to the device to write");
	else
		ext_error(buffer->state, EXT_BUFFER, error);
	return -1;
}

/* Views that only garbage keeps are no reason to refuse: one collection, then the answer. */
static int begin(struct ext_transfer *transfer)
{
	struct ext_buffer *buffer = transfer->buffer;
	bool collected = false;
	uint32_t id;
	int ret;

	for (;;) {
		if (ext_buffer_check(buffer))
			return -1;
		ext_buffer_begin_call(buffer);
		Py_BEGIN_ALLOW_THREADS ret =
			ndma_transfer_begin(buffer->handle, transfer->direction, transfer->guard,
					    transfer->flags, (uint64_t)transfer->timeout_ns, &id);
		Py_END_ALLOW_THREADS if (!ret) break;
		ext_buffer_end_call(buffer);
		if (ret == -EINTR) {
			if (PyErr_CheckSignals())
				return -1;
			continue;
		}
		if (ret != -EBUSY || collected || !ext_buffer_views(buffer))
			return refuse(transfer, ret);
		collected = true;
		if (ext_collect())
			return -1;
	}
	transfer->id = id;
	transfer->process = ext_process();
	ext_buffer_lend(buffer);
	ext_buffer_end_call(buffer);
	return 0;
}

/* 0 or a negative errno. A forked child does not end its parent's transfer. */
static int end(struct ext_transfer *transfer)
{
	struct ext_buffer *buffer = transfer->buffer;
	uint32_t id = transfer->id;
	int ret = 0;

	transfer->id = 0;
	if (!id || !ext_process_is(transfer->process))
		return 0;
	ext_buffer_begin_call(buffer);
	Py_BEGIN_ALLOW_THREADS ret = ndma_transfer_end(buffer->handle, id);
	/* Another transfer may have begun meanwhile, or after this one's deadline. */
	Py_END_ALLOW_THREADS ext_buffer_take_back(buffer);
	ext_buffer_end_call(buffer);
	return ret;
}

static PyObject *transfer_begin(PyObject *self, PyObject *unused)
{
	int ret;

	/* The id of one of two transfers would be lost: other code runs while one begins. */
	if (TRANSFER->id || TRANSFER->beginning)
		return ext_error_os(TRANSFER->buffer->state->locked_error, EBUSY,
				    PyUnicode_FromString("this transfer is in progress already"));
	TRANSFER->beginning = true;
	ret = begin(TRANSFER);
	TRANSFER->beginning = false;
	if (ret)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *transfer_end(PyObject *self, PyObject *unused)
{
	int ret;

	if (!TRANSFER->id) {
		PyErr_SetString(PyExc_ValueError, "this transfer is not in progress");
		return NULL;
	}
	ret = end(TRANSFER);
	if (ret < 0)
		return ext_error(TRANSFER->buffer->state, EXT_BUFFER, ret);
	Py_RETURN_NONE;
}

static PyObject *transfer_enter(PyObject *self, PyObject *unused)
{
	PyObject *begun = transfer_begin(self, NULL);

	if (!begun)
		return NULL;
	Py_DECREF(begun);
	return Py_NewRef(self);
}

/* An exception on its way out must not be hidden by the news that the deadline has passed. */
static PyObject *transfer_exit(PyObject *self, PyObject *args)
{
	int ret = end(TRANSFER);

	if (ret < 0 && (!PyTuple_GET_SIZE(args) || PyTuple_GET_ITEM(args, 0) == Py_None))
		return ext_error(TRANSFER->buffer->state, EXT_BUFFER, ret);
	Py_RETURN_NONE;
}

static PyObject *get_buffer(PyObject *self, void *unused)
{
	return Py_NewRef(TRANSFER->buffer);
}

static PyObject *get_direction(PyObject *self, void *unused)
{
	return PyUnicode_FromString(directions[TRANSFER->direction - NDMA_FROM_DEVICE]);
}

static PyObject *get_guard(PyObject *self, void *unused)
{
	return PyUnicode_FromString(guards[TRANSFER->guard]);
}

static PyObject *get_timeout(PyObject *self, void *unused)
{
	return PyFloat_FromDouble((double)TRANSFER->timeout_ns / 1e9);
}

static PyObject *get_active(PyObject *self, void *unused)
{
	return PyBool_FromLong(TRANSFER->id);
}

static PyObject *transfer_repr(PyObject *self)
{
	return PyUnicode_FromFormat("<ndma.Transfer %s of %R, guard %s, %s>",
				    directions[TRANSFER->direction - NDMA_FROM_DEVICE],
				    TRANSFER->buffer, guards[TRANSFER->guard],
				    TRANSFER->id ? "in progress" : "not in progress");
}

/* A transfer that was forgotten in progress ends, with a ResourceWarning as an open file's. */
static void transfer_finalize(PyObject *self)
{
	PyObject *type, *value, *traceback;

	if (!TRANSFER->id)
		return;
	PyErr_Fetch(&type, &value, &traceback);
	if (PyErr_ResourceWarning(self, 1, "a transfer was forgotten in progress: use \"with\""))
		PyErr_WriteUnraisable(self);
	end(TRANSFER);
	PyErr_Restore(type, value, traceback);
}

static void transfer_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	if (PyObject_CallFinalizerFromDealloc(self) < 0)
		return;
	PyObject_GC_UnTrack(self);
	Py_DECREF(TRANSFER->buffer);
	type->tp_free(self);
	Py_DECREF(type);
}

static int transfer_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(TRANSFER->buffer);
	return 0;
}

static PyMethodDef transfer_methods[] = {
	{ "begin", transfer_begin, METH_NOARGS,
	  "begin($self, /)\n--\n\n"
	  "Give the buffer to the device; entering the transfer does it too.\n\n"
	  "Raises\n------\n"
	  "LockedError\n"
	  "    Views are alive, or a transfer is in progress.\n"
	  "PermissionError\n"
	  "    The buffer was made by another process.\n"
	  "TimeoutError\n"
	  "    Somebody else's device was still busy with it at the deadline.\n\n"
	  "Examples\n--------\n"
	  ">>> transfer = ndma.zeros(3).transfer(\"from_device\")\n"
	  ">>> transfer.begin()\n"
	  ">>> transfer.buffer.locked\n"
	  "True\n"
	  ">>> transfer.end()" },
	{ "end", transfer_end, METH_NOARGS,
	  "end($self, /)\n--\n\n"
	  "Take the buffer back; leaving the transfer does it too.\n\n"
	  "Raises\n------\n"
	  "TimeoutError\n"
	  "    The deadline ended it already: the contents are not to be trusted.\n"
	  "ValueError\n"
	  "    It was not begun.\n\n"
	  "Examples\n--------\n"
	  ">>> transfer = ndma.zeros(3).transfer(\"both\")\n"
	  ">>> transfer.begin()\n"
	  ">>> transfer.end()\n"
	  ">>> transfer.active\n"
	  "False" },
	{ "__enter__", transfer_enter, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nBegins the transfer." },
	{ "__exit__", transfer_exit, METH_VARARGS,
	  "__exit__($self, /, *exception)\n--\n\nEnds the transfer." },
	{ NULL },
};

static PyGetSetDef transfer_getset[] = {
	{ "buffer", get_buffer, NULL, "Buffer: what is transferred." },
	{ "direction", get_direction, NULL, "str: \"from_device\", \"to_device\" or \"both\"." },
	{ "guard", get_guard, NULL, "str: \"none\", \"block\" or \"sigbus\"." },
	{ "timeout", get_timeout, NULL, "float: seconds from its beginning to its deadline." },
	{ "active", get_active, NULL, "bool: begun and not ended." },
	{ NULL },
};

static PyType_Slot transfer_slots[] = {
	{ Py_tp_doc, "The time in which a device owns a buffer; made by `Buffer.transfer()`.\n\n"
		     "Leaving it ends the transfer, also by an exception. Any thread.\n\n"
		     "Examples\n--------\n"
		     ">>> buf = ndma.zeros(3)\n"
		     ">>> with buf.transfer(\"to_device\") as transfer:\n"
		     "...     transfer.active, buf.array().flags.writeable\n"
		     "(True, False)" },
	{ Py_tp_dealloc, transfer_dealloc },
	{ Py_tp_finalize, transfer_finalize },
	{ Py_tp_traverse, transfer_traverse },
	{ Py_tp_repr, transfer_repr },
	{ Py_tp_methods, transfer_methods },
	{ Py_tp_getset, transfer_getset },
	{ 0, NULL },
};

static PyType_Spec transfer_spec = {
	.name = "ndma.Transfer",
	.basicsize = sizeof(struct ext_transfer),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_HAVE_GC,
	.slots = transfer_slots,
};

int ext_transfer_setup(PyObject *module, struct ext_state *state)
{
	state->transfer_type =
		(PyTypeObject *)PyType_FromModuleAndSpec(module, &transfer_spec, NULL);
	return state->transfer_type ? PyModule_AddType(module, state->transfer_type) : -1;
}
