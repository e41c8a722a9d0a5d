// SPDX-License-Identifier: MIT
/* The module: its state, its functions, its types. */
#define NDMA_EXT_IMPORTS_NUMPY
#include "internal.h"

static PyObject *module_backend(PyObject *module, PyObject *unused)
{
	return PyUnicode_FromString(ndma_backend_name());
}

static PyObject *module_trace_leases(PyObject *module, PyObject *argument)
{
	struct ext_state *state = ext_state_of(module);
	bool before = state->traces_leases;
	int wanted = PyObject_IsTrue(argument);

	if (wanted < 0)
		return NULL;
	state->traces_leases = wanted;
	return PyBool_FromLong(before);
}

static PyMethodDef module_methods[] = {
	{ "open", ext_source_open, METH_O,
	  "open(name, /)\n--\n\n"
	  "An acquisition source by its name.\n\n"
	  "Parameters\n----------\n"
	  "name : str\n    As in /dev/ndma: \"sim0\", \"edu0\"; `sources()` lists them.\n\n"
	  "Returns\n-------\nSource\n\n"
	  "Raises\n------\n"
	  "FileNotFoundError\n    There is none of that name; the message lists those there are.\n"
	  "PermissionError\n    The message says which group to join.\n"
	  "OSError\n    ENODEV: the module is not loaded; the message says how to.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\") as source:\n"
	  "...     source.name\n"
	  "'sim0'" },
	{ "sources", ext_source_names, METH_NOARGS,
	  "sources()\n--\n\n"
	  "Names of the sources there are.\n\n"
	  "Returns\n-------\n"
	  "list of str\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    What the system says when they cannot be listed.\n\n"
	  "Examples\n--------\n"
	  ">>> \"sim0\" in ndma.sources()\n"
	  "True" },
	{ "backend", module_backend, METH_NOARGS,
	  "backend()\n--\n\n"
	  "\"kernel\" or \"memfd\": what new buffers and simulated sources use.\n\n"
	  "Returns\n-------\n"
	  "str\n"
	  "    \"memfd\" where the module is not loaded, or ``NDMA_BACKEND=memfd`` is set.\n\n"
	  "Examples\n--------\n"
	  ">>> ndma.backend() in (\"kernel\", \"memfd\")\n"
	  "True" },
	{ "empty", (PyCFunction)(void (*)(void))ext_buffer_empty, METH_VARARGS | METH_KEYWORDS,
	  "empty(shape, dtype=\"float64\", *, source=None, node=None, contiguous=False)\n--\n\n"
	  "A new buffer of DMA memory. The kernel fills it with zeros.\n\n"
	  "Parameters\n----------\n"
	  "shape : int or sequence of int\n"
	  "dtype : dtype\n    Any that has a PEP 3118 format.\n"
	  "source : Source, optional\n    Memory that this source's device reaches.\n"
	  "node : int, optional\n    NUMA node.\n"
	  "contiguous : bool\n    One physical piece, up to 4 MiB.\n\n"
	  "Returns\n-------\nBuffer\n    C-contiguous.\n\n"
	  "Raises\n------\n"
	  "MemoryError, OSError\n    No memory; EDQUOT: the user's quota is used up.\n"
	  "TypeError, ValueError\n    As np.empty; a dtype without a PEP 3118 format.\n\n"
	  "Examples\n--------\n"
	  ">>> ndma.empty((2, 3), \"f4\").array().sum()\n"
	  "np.float32(0.0)" },
	{ "zeros", (PyCFunction)(void (*)(void))ext_buffer_zeros, METH_VARARGS | METH_KEYWORDS,
	  "zeros(shape, dtype=\"float64\", *, source=None, node=None, contiguous=False)\n--\n\n"
	  "As `empty`, which gives zeros too.\n\n"
	  "Parameters\n----------\n"
	  "shape, dtype, source, node, contiguous\n"
	  "    As in `empty`.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    Of that shape, C-contiguous.\n\n"
	  "Raises\n------\n"
	  "MemoryError, OSError, TypeError, ValueError\n"
	  "    As `empty`.\n\n"
	  "Examples\n--------\n"
	  ">>> ndma.zeros(3, \"i2\").array().tolist()\n"
	  "[0, 0, 0]" },
	{ "array", (PyCFunction)(void (*)(void))ext_buffer_from_array, METH_VARARGS | METH_KEYWORDS,
	  "array(x, dtype=None, *, source=None, node=None, contiguous=False)\n--\n\n"
	  "A new buffer with a copy of an array.\n\n"
	  "It is always a copy: memory that a device reaches must be allocated as such.\n\n"
	  "Parameters\n----------\n"
	  "x : array_like\n"
	  "dtype : dtype, optional\n"
	  "    To convert to.\n"
	  "source, node, contiguous\n"
	  "    As in `empty`.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    Of the shape of `x`, C-contiguous.\n\n"
	  "Raises\n------\n"
	  "MemoryError, OSError\n"
	  "    No memory; EDQUOT: the user's quota is used up.\n"
	  "TypeError, ValueError\n"
	  "    A dtype without a PEP 3118 format; what np.asarray says of `x`.\n\n"
	  "Examples\n--------\n"
	  ">>> ndma.array([1, 2, 3])[1:].tolist()\n"
	  "[2, 3]" },
	{ "from_fd", (PyCFunction)(void (*)(void))ext_buffer_from_fd, METH_VARARGS | METH_KEYWORDS,
	  "from_fd(fd, dtype=None, shape=None, strides=None, offset=0)\n--\n\n"
	  "A buffer by its file descriptor: ndma's own, or any driver's dma-buf.\n\n"
	  "Parameters\n----------\n"
	  "fd : int or object with fileno()\n"
	  "    Duplicated: close yours.\n"
	  "dtype : dtype, optional\n"
	  "    Of a foreign dma-buf, which has no layout of its own; bytes by default.\n"
	  "shape : int or sequence of int, optional\n"
	  "    By default as much as there is.\n"
	  "strides : sequence of int, optional\n"
	  "    In bytes; C-contiguous by default.\n"
	  "offset : int\n"
	  "    Byte of the element with all indices 0.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    Of the layout that the buffer has, or that was given.\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    EBADF: not a dma-buf, and not a buffer of ndma.\n"
	  "ValueError\n"
	  "    The layout reaches outside the buffer, or differs from its own.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.array([1, 2, 3])\n"
	  ">>> with ndma.from_fd(buf.fileno()) as same:\n"
	  "...     same[1] = 20\n"
	  ">>> buf[:].tolist()\n"
	  "[1, 20, 3]" },
	{ "trace_leases", module_trace_leases, METH_O,
	  "trace_leases(on, /)\n--\n\n"
	  "Remember where each view of a buffer is made, and say so in LockedError.\n\n"
	  "It costs a stack trace a view: a tool for debugging.\n\n"
	  "Parameters\n----------\n"
	  "on : bool\n\n"
	  "Returns\n-------\n"
	  "bool\n"
	  "    What it was before.\n\n"
	  "Examples\n--------\n"
	  ">>> before = ndma.trace_leases(True)\n"
	  ">>> view = ndma.zeros(3).array()\n"
	  ">>> \"File\" in view.base.buffer.leases()[0].made\n"
	  "True\n"
	  ">>> ndma.trace_leases(before)\n"
	  "True" },
	{ "allocator", (PyCFunction)(void (*)(void))ext_allocator_new, METH_VARARGS | METH_KEYWORDS,
	  "allocator(*, source=None, node=None, contiguous=False)\n--\n\n"
	  "A context in which NumPy takes the memory of new arrays from here (NEP 49).\n\n"
	  "Arrays of less than 4096 bytes stay NumPy's own, unless `source` or `contiguous` asks for more.\n"
	  "Others are cut from a few buffers, and what is freed is used again: up to 256 MiB of it are\n"
	  "kept until the allocator and its arrays are gone.\n\n"
	  "Arrays inherited by fork are shared memory: os.fork() warns once while there are any, and in\n"
	  "the child an allocator from before gives NumPy's own memory. Use multiprocessing's \"spawn\".\n\n"
	  "Parameters\n----------\n"
	  "source, node, contiguous\n"
	  "    As in `empty`.\n\n"
	  "Returns\n-------\n"
	  "Allocator\n\n"
	  "Raises\n------\n"
	  "TypeError, ValueError\n"
	  "    A source that is none, a node that is none.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.allocator() as allocator:\n"
	  "...     x = np.ones((40, 40))\n"
	  ">>> allocator.buffer(x).shape\n"
	  "(40, 40)" },
	{ NULL },
};

static int setup_state(PyObject *module, struct ext_state *state)
{
	PyObject *time = PyUnicode_FromString("M8[ns]");

	if (!time)
		return -1;
	if (!PyArray_DescrConverter(time, &state->time_descr))
		state->time_descr = NULL;
	Py_DECREF(time);
	state->module_name = PyUnicode_FromString("ndma");
	state->loss_registry = PyDict_New();
	return state->time_descr && state->module_name && state->loss_registry ? 0 : -1;
}

static int module_exec(PyObject *module)
{
	struct ext_state *state = ext_state_of(module);

	if (_import_array() < 0)
		return -1;
	if (ext_process_setup() || setup_state(module, state) || ext_errors_setup(module, state) ||
	    ext_source_setup(module, state) || ext_stream_setup(module, state) ||
	    ext_frame_setup(module, state) || ext_buffer_setup(module, state) ||
	    ext_lease_setup(module, state) || ext_transfer_setup(module, state) ||
	    ext_sync_setup(module, state) || ext_allocator_setup(module, state) ||
	    ext_record_setup(module, state))
		return -1;
	return PyModule_AddStringConstant(module, "__version__", ndma_version());
}

#define FOR_EACH_OBJECT(state, action)              \
	do {                                        \
		action((state)->source_type);       \
		action((state)->stream_type);       \
		action((state)->iterator_type);     \
		action((state)->frame_type);        \
		action((state)->buffer_type);       \
		action((state)->lease_type);        \
		action((state)->transfer_type);     \
		action((state)->sync_type);         \
		action((state)->allocator_type);    \
		action((state)->channel_type);      \
		action((state)->format_type);       \
		action((state)->control_type);      \
		action((state)->stats_type);        \
		action((state)->holder_type);       \
		action((state)->view_type);         \
		action((state)->locked_error);      \
		action((state)->frames_held_error); \
		action((state)->source_gone);       \
		action((state)->frame_loss_error);  \
		action((state)->loss_warning);      \
		action((state)->time_descr);        \
		action((state)->module_name);       \
		action((state)->loss_registry);     \
	} while (0)

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	FOR_EACH_OBJECT(ext_state_of(module), Py_VISIT);
	return 0;
}

static int module_clear(PyObject *module)
{
	FOR_EACH_OBJECT(ext_state_of(module), Py_CLEAR);
	return 0;
}

static void module_free(void *module)
{
	module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
	{ Py_mod_exec, module_exec },
#ifdef Py_mod_multiple_interpreters
	{ Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED },
#endif
	{ 0, NULL },
};

static struct PyModuleDef module_def = {
	PyModuleDef_HEAD_INIT,
	.m_name = "ndma._ext",
	.m_doc = "What ndma is made of; import ndma instead.",
	.m_size = sizeof(struct ext_state),
	.m_methods = module_methods,
	.m_slots = module_slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
	.m_free = module_free,
};

PyMODINIT_FUNC PyInit__ext(void)
{
	return PyModuleDef_Init(&module_def);
}
