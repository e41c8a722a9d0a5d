// SPDX-License-Identifier: MIT
/*
 * Allocator: a context in which NumPy takes the memory of new arrays from DMA buffers (NEP 49).
 * An array outlives the context, and may be freed by any thread: so the handler that made it lives
 * as long as NumPy keeps its capsule.
 */
#include "heap.h"

#include <errno.h>
#include <string.h>

/* Arrays below it are NumPy's own, unless the memory has to be of some kind. */
#define SMALL 4096

/* What the capsule owns: the handler that NumPy calls, and where memory is from. */
struct handler {
	PyDataMem_Handler handler;
	struct ext_heap *heap;
	const PyDataMemAllocator *numpy;
	struct ext_source *source; /* pinned, or NULL */
	uint64_t process;
	bool takes_small;
};

struct ext_allocator {
	PyObject_HEAD struct ext_state *state;
	PyObject *capsule;
	PyObject *before; /* NumPy's handler outside, while entered */
};

#define ALLOCATOR ((struct ext_allocator *)self)

/* Whether an array is NumPy's own: what is small, and all in a forked child. */
static bool is_numpys(const struct handler *handler, size_t bytes)
{
	return (bytes < SMALL && !handler->takes_small) || !ext_process_is(handler->process);
}

static void *handler_malloc(void *context, size_t bytes)
{
	const struct handler *handler = context;

	if (is_numpys(handler, bytes))
		return handler->numpy->malloc(handler->numpy->ctx, bytes);
	return ext_heap_take(handler->heap, bytes, false);
}

static void *handler_calloc(void *context, size_t count, size_t size)
{
	const struct handler *handler = context;
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	if (is_numpys(handler, bytes))
		return handler->numpy->calloc(handler->numpy->ctx, count, size);
	return ext_heap_take(handler->heap, bytes, true);
}

static void handler_free(void *context, void *memory, size_t bytes)
{
	const struct handler *handler = context;

	if (memory && !ext_heap_give(memory))
		handler->numpy->free(handler->numpy->ctx, memory, bytes);
}

/* An array that is NumPy's own stays so: nobody says how large it was. */
static void *handler_realloc(void *context, void *memory, size_t bytes)
{
	const struct handler *handler = context;
	size_t room = memory ? ext_heap_room(memory) : 0;
	void *fresh;

	if (!memory)
		return handler_malloc(context, bytes);
	if (!room)
		return handler->numpy->realloc(handler->numpy->ctx, memory, bytes);
	if (bytes <= room && bytes > room / 2)
		return memory;
	fresh = handler_malloc(context, bytes);
	if (!fresh)
		return NULL;
	memcpy(fresh, memory, room < bytes ? room : bytes);
	ext_heap_give(memory);
	return fresh;
}

static void handler_destroy(PyObject *capsule)
{
	struct handler *handler = PyCapsule_GetPointer(capsule, "mem_handler");

	ext_heap_free(handler->heap);
	if (handler->source) {
		ext_source_end_call(handler->source);
		Py_DECREF(handler->source);
	}
	PyMem_Free(handler);
}

static PyObject *make_capsule(struct ext_buffer_request *request)
{
	const PyDataMem_Handler *numpy =
		PyCapsule_GetPointer(PyDataMem_DefaultHandler, "mem_handler");
	struct handler *handler = numpy ? PyMem_Calloc(1, sizeof(*handler)) : NULL;
	PyObject *capsule;

	if (!handler)
		return numpy ? PyErr_NoMemory() : NULL;
	strcpy(handler->handler.name, "ndma");
	handler->handler.version = 1;
	handler->handler.allocator = (PyDataMemAllocator){
		.ctx = handler,
		.malloc = handler_malloc,
		.calloc = handler_calloc,
		.realloc = handler_realloc,
		.free = handler_free,
	};
	handler->numpy = &numpy->allocator;
	handler->process = ext_process();
	handler->takes_small = request->source || request->options.flags;
	capsule = PyCapsule_New(handler, "mem_handler", handler_destroy);
	if (!capsule) {
		PyMem_Free(handler);
		return NULL;
	}
	if (request->source) {
		if (ext_source_begin_call(request->source))
			goto drop;
		handler->source = (struct ext_source *)Py_NewRef(request->source);
		request->options.source = handler->source->handle;
	}
	handler->heap = ext_heap_new(&request->options);
	if (handler->heap)
		return capsule;
	PyErr_NoMemory();
drop:
	Py_DECREF(capsule);
	return NULL;
}

/* Before a fork. */
static PyObject *warn_of_fork(PyObject *self, PyObject *unused)
{
	static bool warned;
	size_t live = ext_heap_live();

	if (warned || !live)
		Py_RETURN_NONE;
	warned = true;
	if (PyErr_WarnFormat(
		    PyExc_RuntimeWarning, 1,
		    "fork with %zu arrays of ndma.allocator(): their memory is shared, so that "
		    "what parent or child writes to them the other one sees, and new arrays of "
		    "the child are not from there. multiprocessing's \"spawn\" has no such "
		    "arrays",
		    live) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static int watch_fork(void)
{
	static PyMethodDef method = { "warn_of_fork", warn_of_fork, METH_NOARGS, NULL };
	static bool watched;
	PyObject *os, *hook, *call, *result = NULL, *none, *names;
	int ret = ext_heap_setup();

	if (ret < 0) {
		errno = -ret;
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	if (watched)
		return 0;
	os = PyImport_ImportModule("os");
	call = os ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
	hook = call ? PyCFunction_New(&method, NULL) : NULL;
	none = PyTuple_New(0);
	names = hook ? Py_BuildValue("{sO}", "before", hook) : NULL;
	if (none && names)
		result = PyObject_Call(call, none, names);
	watched = result;
	Py_XDECREF(result);
	Py_XDECREF(names);
	Py_XDECREF(none);
	Py_XDECREF(hook);
	Py_XDECREF(call);
	Py_XDECREF(os);
	return watched ? 0 : -1;
}

PyObject *ext_allocator_new(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "source", "node", "contiguous", NULL };
	struct ext_state *state = ext_state_of(module);
	PyObject *source = NULL, *node = NULL;
	struct ext_buffer_request request;
	struct ext_allocator *allocator;
	int contiguous = 0;

	if (!ext_parse(args, kwargs, "|$OOp:allocator", names, &source, &node, &contiguous) ||
	    ext_buffer_options(state, source, node, contiguous, &request) ||
	    ext_warn_memfd(state) || watch_fork())
		return NULL;
	allocator = ext_object_alloc(state->allocator_type);
	if (!allocator)
		return NULL;
	allocator->state = state;
	allocator->capsule = make_capsule(&request);
	if (!allocator->capsule)
		Py_CLEAR(allocator);
	else
		PyObject_GC_Track(allocator);
	return (PyObject *)allocator;
}

static PyObject *allocator_enter(PyObject *self, PyObject *unused)
{
	if (ALLOCATOR->before) {
		PyErr_SetString(PyExc_RuntimeError, "this allocator is entered already");
		return NULL;
	}
	ALLOCATOR->before = PyDataMem_SetHandler(ALLOCATOR->capsule);
	return ALLOCATOR->before ? Py_NewRef(self) : NULL;
}

static PyObject *allocator_exit(PyObject *self, PyObject *args)
{
	PyObject *inside;

	if (!ALLOCATOR->before)
		Py_RETURN_NONE;
	inside = PyDataMem_SetHandler(ALLOCATOR->before);
	if (!inside) {
		/* Else a moment without memory would leave NumPy with this allocator for good. */
		PyErr_Clear();
		inside = PyDataMem_SetHandler(ALLOCATOR->before);
	}
	if (!inside)
		return NULL;
	Py_DECREF(inside);
	Py_CLEAR(ALLOCATOR->before);
	Py_RETURN_NONE;
}

/* The array that owns the memory `array` points into, or NULL. */
static PyArrayObject *owner_of(PyObject *array)
{
	while (array && PyArray_Check(array)) {
		if (PyArray_FLAGS((PyArrayObject *)array) & NPY_ARRAY_OWNDATA)
			return (PyArrayObject *)array;
		array = PyArray_BASE((PyArrayObject *)array);
	}
	return NULL;
}

/* A descriptor of what has `owner`'s memory, to be closed; or -1 with an exception. */
static int descriptor_of(PyArrayObject *owner, PyObject *array, size_t *offset)
{
	int fd = owner ? ext_heap_descriptor(PyArray_DATA(owner), offset) : -ENOENT;

	if (fd >= 0)
		return fd;
	if (fd == -ENOENT) {
		PyErr_Format(
			PyExc_ValueError,
			"the memory of this %s is not from an allocator of ndma; arrays below %d "
			"bytes are only from one made with source= or contiguous=True",
			Py_TYPE(array)->tp_name, SMALL);
	} else {
		errno = -fd;
		PyErr_SetFromErrno(PyExc_OSError);
	}
	return -1;
}

/* The layout of `array`, asked of a view made here: a subclass may lie about itself, and other
 * threads may reshape the array meanwhile. */
static struct ext_layout *describe(PyArrayObject *array, const char *start)
{
	PyArrayObject *view = (PyArrayObject *)PyArray_View(array, NULL, &PyArray_Type);
	PyObject *shape = view ? PyObject_GetAttrString((PyObject *)view, "shape") : NULL;
	struct ext_layout *layout = NULL;

	if (shape)
		layout = ext_layout_from_arguments(shape, (PyObject *)PyArray_DESCR(view));
	Py_XDECREF(shape);
	for (int i = 0; layout && i < layout->ndim; i++)
		layout->strides[i] = PyArray_STRIDE(view, i);
	if (layout)
		layout->offset = PyArray_BYTES(view) - start;
	if (layout && ext_layout_finish(layout)) {
		ext_layout_put(layout);
		layout = NULL;
	}
	Py_XDECREF(view);
	return layout;
}

/* The memory behind `fd`, where it has room for such an array. Takes `layout` over. */
static PyObject *open_as(struct ext_state *state, int fd, struct ext_layout *layout)
{
	struct ndma_buffer *handle;
	struct ndma_layout asked;
	PyObject *buffer = NULL;
	int ret = ext_buffer_import(fd, NULL, &handle);

	if (!ret && layout->bytes) {
		ext_layout_store(layout, &asked);
		ret = ndma_layout_check(&asked, ndma_buffer_bytes(handle));
		if (ret < 0)
			ndma_buffer_close(handle);
	}
	if (ret < 0)
		ext_error(state, EXT_BUFFER, ret);
	else
		buffer = ext_buffer_wrap(state, handle, NULL);
	if (!buffer) {
		ext_layout_put(layout);
		return NULL;
	}
	/* The array's lease pins the backend's layout, which stays plain bytes. */
	ext_buffer_replace_layout((struct ext_buffer *)buffer, layout,
				  &((struct ext_buffer *)buffer)->stored);
	return buffer;
}

static PyObject *allocator_buffer(PyObject *self, PyObject *array)
{
	PyArrayObject *owner = owner_of(array);
	size_t offset = 0;
	int fd = descriptor_of(owner, array, &offset);
	struct ext_layout *layout;
	PyObject *buffer = NULL;

	if (fd < 0)
		return NULL;
	layout = describe((PyArrayObject *)array, PyArray_BYTES(owner) - offset);
	if (layout)
		buffer = open_as(ALLOCATOR->state, fd, layout);
	close(fd);
	return buffer;
}

static void allocator_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	Py_XDECREF(ALLOCATOR->capsule);
	Py_XDECREF(ALLOCATOR->before);
	type->tp_free(self);
	Py_DECREF(type);
}

static int allocator_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(ALLOCATOR->capsule);
	Py_VISIT(ALLOCATOR->before);
	return 0;
}

static PyMethodDef allocator_methods[] = {
	{ "buffer", allocator_buffer, METH_O,
	  "buffer($self, array, /)\n--\n\n"
	  "The memory of an array that was made inside, as a Buffer of its shape.\n\n"
	  "Its descriptor can go to drivers and other processes, which see plain bytes: those of\n"
	  "arrays that lie in the same memory too, from `Buffer.offset` on are this one's. They all\n"
	  "hold a lease to write, so a transfer waits for their end; no later array comes to lie there.\n\n"
	  "Parameters\n----------\n"
	  "array : numpy.ndarray\n"
	  "    Or a view of one.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    Of the array's dtype, shape and strides.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    The memory is from elsewhere; a small array's is, see `allocator`.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.allocator() as allocator:\n"
	  "...     x = np.zeros((2, 1000), \"f4\")\n"
	  ">>> allocator.buffer(x)[1] = 5\n"
	  ">>> x.sum()\n"
	  "np.float32(5000.0)" },
	{ "__enter__", allocator_enter, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nNumPy allocates here." },
	{ "__exit__", allocator_exit, METH_VARARGS,
	  "__exit__($self, /, *exception)\n--\n\nNumPy allocates as before." },
	{ NULL },
};

static PyType_Slot allocator_slots[] = {
	{ Py_tp_doc, "NumPy's memory from DMA buffers; made by `allocator()`.\n\n"
		     "For the calling thread or task, as NumPy's own setting.\n\n"
		     "Examples\n--------\n"
		     ">>> with ndma.allocator():\n"
		     "...     x = np.arange(3)\n"
		     ">>> x.tolist()\n"
		     "[0, 1, 2]" },
	{ Py_tp_dealloc, allocator_dealloc },
	{ Py_tp_traverse, allocator_traverse },
	{ Py_tp_methods, allocator_methods },
	{ 0, NULL },
};

static PyType_Spec allocator_spec = {
	.name = "ndma.Allocator",
	.basicsize = sizeof(struct ext_allocator),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_HAVE_GC,
	.slots = allocator_slots,
};

int ext_allocator_setup(PyObject *module, struct ext_state *state)
{
	state->allocator_type =
		(PyTypeObject *)PyType_FromModuleAndSpec(module, &allocator_spec, NULL);
	return state->allocator_type ? PyModule_AddType(module, state->allocator_type) : -1;
}
