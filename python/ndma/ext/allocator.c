// SPDX-License-Identifier: MIT
/*
 * Allocator: a context in which NumPy takes the memory of new arrays from DMA buffers (NEP 49).
 * An array outlives the context, and may be freed by any thread: so the handler that made it lives
 * as long as NumPy keeps its capsule, and what it hands out stands in one table under a lock.
 */
#include "internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

/* One array's memory. */
struct piece {
	struct piece *next;
	struct ndma_buffer *buffer;
	void *address;
	uint32_t lease;
};

/* What the capsule owns: the handler that NumPy calls, and how to allocate. */
struct heap {
	PyDataMem_Handler handler;
	struct ndma_buffer_options options;
	struct ext_source *source; /* pinned, or NULL */
};

struct ext_allocator {
	PyObject_HEAD struct ext_state *state;
	PyObject *capsule;
	PyObject *before; /* NumPy's handler outside, while entered */
};

#define ALLOCATOR ((struct ext_allocator *)self)
#define BUCKETS 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *pieces[BUCKETS];

static struct piece **bucket_of(const void *address)
{
	return &pieces[((uintptr_t)address >> 12) % BUCKETS];
}

/* With the lock. */
static struct piece **find(const void *address)
{
	struct piece **link = bucket_of(address);

	while (*link && (*link)->address != address)
		link = &(*link)->next;
	return link;
}

static void *heap_calloc(void *context, size_t count, size_t size)
{
	struct heap *heap = context;
	struct ndma_layout layout;
	struct piece *piece;
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	piece = calloc(1, sizeof(*piece));
	if (!piece)
		return NULL;
	ndma_layout_flat(&layout, bytes ? bytes : 1);
	if (ndma_buffer_create(&layout, &heap->options, &piece->buffer))
		goto free_piece;
	/* An array that uses the memory is a view of it: no device gets it meanwhile. */
	if (ndma_lease_acquire(piece->buffer, NDMA_WRITE, &piece->lease) ||
	    ndma_buffer_map(piece->buffer, NDMA_WRITE, &piece->address))
		goto close_buffer;
	pthread_mutex_lock(&lock);
	piece->next = *bucket_of(piece->address);
	*bucket_of(piece->address) = piece;
	pthread_mutex_unlock(&lock);
	return piece->address;

close_buffer:
	ndma_buffer_close(piece->buffer);
free_piece:
	free(piece);
	return NULL;
}

static void *heap_malloc(void *context, size_t size)
{
	return heap_calloc(context, 1, size);
}

static void heap_free(void *context, void *address, size_t size)
{
	struct piece **link, *piece;

	if (!address)
		return;
	pthread_mutex_lock(&lock);
	link = find(address);
	piece = *link;
	if (piece)
		*link = piece->next;
	pthread_mutex_unlock(&lock);
	if (!piece)
		return;
	ndma_buffer_close(piece->buffer);
	free(piece);
}

static void *heap_realloc(void *context, void *address, size_t size)
{
	struct piece *piece;
	void *fresh;
	size_t old;

	if (!address)
		return heap_malloc(context, size);
	pthread_mutex_lock(&lock);
	piece = *find(address);
	old = piece ? ndma_buffer_bytes(piece->buffer) : 0;
	pthread_mutex_unlock(&lock);
	fresh = heap_malloc(context, size);
	if (!fresh)
		return NULL;
	memcpy(fresh, address, old < size ? old : size);
	heap_free(context, address, old);
	return fresh;
}

static void heap_destroy(PyObject *capsule)
{
	struct heap *heap = PyCapsule_GetPointer(capsule, "mem_handler");

	if (heap->source) {
		ext_source_end_call(heap->source);
		Py_DECREF(heap->source);
	}
	PyMem_Free(heap);
}

static PyObject *make_capsule(const struct ext_buffer_request *request)
{
	struct heap *heap = PyMem_Calloc(1, sizeof(*heap));
	PyObject *capsule;

	if (!heap)
		return PyErr_NoMemory();
	strcpy(heap->handler.name, "ndma");
	heap->handler.version = 1;
	heap->handler.allocator = (PyDataMemAllocator){
		.ctx = heap,
		.malloc = heap_malloc,
		.calloc = heap_calloc,
		.realloc = heap_realloc,
		.free = heap_free,
	};
	heap->options = request->options;
	capsule = PyCapsule_New(heap, "mem_handler", heap_destroy);
	if (!capsule) {
		PyMem_Free(heap);
		return NULL;
	}
	if (!request->source)
		return capsule;
	if (ext_source_begin_call(request->source)) {
		Py_DECREF(capsule);
		return NULL;
	}
	heap->source = (struct ext_source *)Py_NewRef(request->source);
	heap->options.source = heap->source->handle;
	return capsule;
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
	    ext_buffer_options(state, source, node, contiguous, &request) || ext_warn_memfd(state))
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

/* A duplicate of the descriptor of `owner`'s memory, to be closed; or -1 with an exception. */
static int duplicate(PyArrayObject *owner, PyObject *array)
{
	struct piece *piece;
	int fd = -1;

	pthread_mutex_lock(&lock);
	piece = owner ? *find(PyArray_DATA(owner)) : NULL;
	if (piece)
		fd = fcntl(ndma_buffer_fd(piece->buffer), F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&lock);
	if (!piece)
		PyErr_Format(PyExc_ValueError,
			     "the memory of this %s is not from an allocator of "
			     "ndma",
			     Py_TYPE(array)->tp_name);
	else if (fd < 0)
		PyErr_SetFromErrno(PyExc_OSError);
	return fd;
}

/* The layout of `array`, asked of a view made here: a subclass may lie about itself, and other
 * threads may reshape the array meanwhile. */
static struct ext_layout *describe(PyArrayObject *array, const void *start)
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
		layout->offset = PyArray_BYTES(view) - (const char *)start;
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
	int fd = duplicate(owner, array);
	struct ext_layout *layout;
	PyObject *buffer = NULL;

	if (fd < 0)
		return NULL;
	layout = describe((PyArrayObject *)array, PyArray_DATA(owner));
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
	  "Its descriptor can go to drivers and other processes, which see plain bytes. The array\n"
	  "holds a lease to write, so a transfer waits for its end.\n\n"
	  "Parameters\n----------\n"
	  "array : numpy.ndarray\n"
	  "    Or a view of one.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    Of the array's dtype, shape and strides.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    The memory is from elsewhere.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.allocator() as allocator:\n"
	  "...     x = np.zeros((2, 3), \"f4\")\n"
	  ">>> allocator.buffer(x)[1] = 5\n"
	  ">>> x.sum()\n"
	  "np.float32(15.0)" },
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
