// SPDX-License-Identifier: MIT
/* Buffer: DMA memory with a layout. Its life, and the process it belongs to. */
#include "internal.h"
#include "types.h"

#include <errno.h>
#include <string.h>

#define BUFFER ((struct ext_buffer *)self)

void ext_buffer_free_unused(struct ext_buffer *buffer)
{
	struct ndma_buffer *handle = buffer->handle;

	if (!buffer->closed || buffer->calls || buffer->transfers || ext_buffer_views(buffer))
		return;
	buffer->handle = NULL;
	memset(buffer->address, 0, sizeof(buffer->address));
	ndma_buffer_close(handle);
}

void ext_buffer_end_call(struct ext_buffer *buffer)
{
	buffer->calls--;
	ext_buffer_free_unused(buffer);
}

static void unlink_lent(struct ext_buffer *buffer)
{
	if (!buffer->lent_link)
		return;
	*buffer->lent_link = buffer->lent_next;
	if (buffer->lent_next)
		buffer->lent_next->lent_link = buffer->lent_link;
	buffer->lent_link = NULL;
}

void ext_buffer_lend(struct ext_buffer *buffer)
{
	struct ext_buffer **list = &buffer->state->lent;

	buffer->transfer_thread = PyThread_get_thread_ident();
	if (buffer->transfers++)
		return;
	buffer->lent_next = *list;
	buffer->lent_link = list;
	if (*list)
		(*list)->lent_link = &buffer->lent_next;
	*list = buffer;
}

void ext_buffer_take_back(struct ext_buffer *buffer)
{
	if (!--buffer->transfers)
		unlink_lent(buffer);
}

/* Opens the memory anew in a forked child, which inherited the descriptor but not the parent's
 * leases. The old handle stays where inherited arrays point into its mapping. The GIL is kept, for
 * callers of ext_buffer_check() rely on its answer. */
static int adopt(struct ext_buffer *buffer)
{
	bool foreign = !strcmp(ndma_buffer_backend(buffer->handle), "foreign");
	struct ndma_buffer *old = buffer->handle, *handle;
	int ret = ndma_buffer_import(buffer->fd, foreign ? &buffer->stored : NULL, &handle);

	if (ret < 0) {
		ext_error(buffer->state, EXT_BUFFER, ret);
		return -1;
	}
	if (!buffer->leases)
		ndma_buffer_close(old);
	buffer->handle = handle;
	buffer->fd = ndma_buffer_fd(handle);
	buffer->process = ext_process();
	buffer->leases = NULL;
	buffer->transfers = 0;
	unlink_lent(buffer);
	buffer->calls = 0;
	buffer->shared = true;
	memset(buffer->address, 0, sizeof(buffer->address));
	memset(buffer->views, 0, sizeof(buffer->views));
	return 0;
}

int ext_buffer_check(struct ext_buffer *buffer)
{
	if (buffer->closed) {
		PyErr_SetString(PyExc_ValueError, "this Buffer is closed");
		return -1;
	}
	return ext_process_is(buffer->process) ? 0 : adopt(buffer);
}

void ext_buffer_replace_layout(struct ext_buffer *buffer, struct ext_layout *layout,
			       const struct ndma_layout *stored)
{
	struct ext_layout *old = buffer->layout;

	buffer->layout = layout;
	buffer->stored = *stored;
	ext_layout_put(old);
}

static bool is_same(const struct ndma_layout *a, const struct ndma_layout *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Making a layout can run a collection, and that can close or resize the buffer: so the new layout
 * counts only once the memory, asked again, still says the same. */
int ext_buffer_refresh(struct ext_buffer *buffer)
{
	struct ext_layout *layout = NULL;
	struct ndma_layout stored, made;
	int ret;

	do {
		ret = ndma_buffer_layout(buffer->handle, &stored);
		if (ret < 0) {
			ext_error(buffer->state, EXT_BUFFER, ret);
			break;
		}
		if (is_same(&stored, &buffer->stored))
			break;
		if (layout && is_same(&stored, &made)) {
			ext_buffer_replace_layout(buffer, layout, &stored);
			return 0;
		}
		ext_layout_put(layout);
		made = stored;
		layout = ext_layout_new(&made, NULL);
		ret = layout ? ext_buffer_check(buffer) : -1;
	} while (!ret);
	ext_layout_put(layout);
	return ret;
}

static int buffer_init(struct ext_buffer *buffer, PyArray_Descr *descr)
{
	struct ndma_buffer_info info;
	int ret = ndma_buffer_layout(buffer->handle, &buffer->stored);

	if (!ret)
		ret = ndma_buffer_info(buffer->handle, &info);
	if (ret < 0) {
		ext_error(buffer->state, EXT_BUFFER, ret);
		return -1;
	}
	buffer->readonly = info.flags & NDMA_BUFFER_READONLY;
	buffer->id = info.id;
	buffer->fd = ndma_buffer_fd(buffer->handle);
	buffer->layout = ext_layout_new(&buffer->stored, descr);
	return buffer->layout ? 0 : -1;
}

/* multiprocessing learns with the first buffer how to send one; `import ndma` does not pay for its
 * import. */
static int teach_multiprocessing(struct ext_state *state)
{
	PyObject *module;

	if (state->taught_multiprocessing)
		return 0;
	module = PyImport_ImportModule("ndma._share");
	if (!module)
		return -1;
	Py_DECREF(module);
	state->taught_multiprocessing = true;
	return 0;
}

PyObject *ext_buffer_wrap(struct ext_state *state, struct ndma_buffer *handle, PyArray_Descr *descr)
{
	struct ext_buffer *buffer = NULL;

	if (!ext_interactive_attach() && !teach_multiprocessing(state))
		buffer = ext_object_alloc(state->buffer_type);
	if (!buffer) {
		ndma_buffer_close(handle);
		return NULL;
	}
	buffer->state = state;
	buffer->handle = handle;
	buffer->process = ext_process();
	buffer->shared = true;
	if (buffer_init(buffer, descr))
		Py_CLEAR(buffer);
	else
		PyObject_GC_Track(buffer);
	return (PyObject *)buffer;
}

static PyObject *traces(struct ext_buffer *buffer)
{
	PyObject *text = PyUnicode_FromString("");

	for (struct ext_lease *lease = buffer->leases; text && lease; lease = lease->next)
		if (lease->made)
			PyUnicode_AppendAndDel(
				&text,
				PyUnicode_FromFormat("\nA view to %s was made at\n%U",
						     lease->access == NDMA_READ ? "read" : "write",
						     lease->made));
	if (text && !PyUnicode_GET_LENGTH(text))
		PyUnicode_AppendAndDel(
			&text, PyUnicode_FromString(
				       "; ndma.trace_leases(True) remembers where views are made"));
	return text;
}

void *ext_buffer_refuse_views(struct ext_buffer *buffer, const char *what)
{
	PyObject *where = traces(buffer), *text;

	if (!where)
		return NULL;
	text = PyUnicode_FromFormat(
		"cannot %s: views of it are alive in this process (%zd, to write %zd). Let go of "
		"the arrays, slices and memoryviews made from it: lists, _ and Out[n] in IPython (%%reset -f out), and sys.last_traceback keep them too%U",
		what, ext_buffer_views(buffer), buffer->views[NDMA_WRITE], where);
	Py_DECREF(where);
	return ext_error_os(buffer->state->locked_error, EBUSY, text);
}

void *ext_buffer_refuse_transfer(struct ext_buffer *buffer, const char *what)
{
	return ext_error_os(
		buffer->state->locked_error, EBUSY,
		PyUnicode_FromFormat("cannot %s: a transfer of it is in progress; end it first",
				     what));
}

int ext_buffer_check_views(struct ext_buffer *buffer, const char *what)
{
	if (ext_buffer_check(buffer))
		return -1;
	/* A collection runs anybody's code, and that may close the buffer. */
	if (ext_buffer_views(buffer) && (ext_collect() || ext_buffer_check(buffer)))
		return -1;
	if (!ext_buffer_views(buffer))
		return 0;
	ext_buffer_refuse_views(buffer, what);
	return -1;
}

PyObject *ext_buffer_close(PyObject *self, PyObject *unused)
{
	if (BUFFER->closed)
		Py_RETURN_NONE;
	if (ext_buffer_check_views(BUFFER, "close the buffer")) {
		if (!BUFFER->closed)
			return NULL;
		PyErr_Clear(); /* code that the collection ran has closed the buffer */
		Py_RETURN_NONE;
	}
	if (BUFFER->transfers || BUFFER->calls)
		return ext_buffer_refuse_transfer(BUFFER, "close the buffer");
	BUFFER->closed = true;
	ext_buffer_free_unused(BUFFER);
	Py_RETURN_NONE;
}

PyObject *ext_buffer_enter(PyObject *self, PyObject *unused)
{
	return ext_buffer_check(BUFFER) ? NULL : Py_NewRef(self);
}

/* Leaving `with` is never refused: the last view frees the memory. */
PyObject *ext_buffer_exit(PyObject *self, PyObject *args)
{
	BUFFER->closed = true;
	ext_buffer_free_unused(BUFFER);
	Py_RETURN_NONE;
}

PyObject *ext_buffer_fileno(PyObject *self, PyObject *unused)
{
	if (ext_buffer_check(BUFFER))
		return NULL;
	BUFFER->shared = true;
	return PyLong_FromLong(BUFFER->fd);
}

PyObject *ext_buffer_reduce(PyObject *self, PyObject *unused)
{
	PyErr_SetString(PyExc_TypeError,
			"a Buffer is memory, not a value: multiprocessing sends it "
			"to other processes without copying (as an argument, or through a Queue or "
			"Pipe); pickle its contents by numpy.array(buffer)");
	return NULL;
}

PyObject *ext_buffer_richcompare(PyObject *self, PyObject *other, int operation)
{
	if (operation != Py_EQ && operation != Py_NE)
		Py_RETURN_NOTIMPLEMENTED;
	PyErr_SetString(PyExc_TypeError,
			"a Buffer is compared by its contents, buffer.array() == x, "
			"or by identity, buffer is x");
	return NULL;
}

void ext_buffer_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	if (BUFFER->weakrefs)
		PyObject_ClearWeakRefs(self);
	/* A child that did not adopt it, and whose parent's transfer it is. */
	unlink_lent(BUFFER);
	ndma_buffer_close(BUFFER->handle);
	ext_layout_put(BUFFER->layout);
	type->tp_free(self);
	Py_DECREF(type);
}

int ext_buffer_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	return 0;
}
