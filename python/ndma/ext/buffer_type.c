// SPDX-License-Identifier: MIT
/* The type Buffer: its methods and what their docstrings promise. */
#include "internal.h"
#include "types.h"

#include <stddef.h>
#include <structmember.h>

static PyMethodDef buffer_methods[] = {
	{ "array", (PyCFunction)(void (*)(void))ext_buffer_array_method,
	  METH_FASTCALL | METH_KEYWORDS,
	  "array($self, /, writable=None)\n--\n\n"
	  "An array over the buffer's own memory, and a lease on it while it lives.\n\n"
	  "Parameters\n----------\n"
	  "writable : bool, optional\n"
	  "    True or False; by default writable where that is allowed now. A read-only array\n"
	  "    points into a mapping of its own that nothing can write through.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    Of the buffer's dtype, shape and strides.\n\n"
	  "Raises\n------\n"
	  "LockedError\n"
	  "    The buffer is with its device. Under guard=\"block\" it waits instead, unless it was\n"
	  "    this thread that began the transfer.\n"
	  "ValueError\n"
	  "    Closed, or read-only and to be written.\n"
	  "OSError\n"
	  "    ESTALE: its maker has revoked what this process holds; let go of it first.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.zeros(3)\n"
	  ">>> buf.array()[1] = 7\n"
	  ">>> buf[1]\n"
	  "np.float64(7.0)" },
	{ "assign", (PyCFunction)(void (*)(void))ext_buffer_assign, METH_VARARGS | METH_KEYWORDS,
	  "assign($self, /, x, casting=\"same_kind\")\n--\n\n"
	  "Copy an array into the buffer's own memory.\n\n"
	  "Parameters\n----------\n"
	  "x : array_like\n"
	  "    Of the buffer's shape.\n"
	  "casting : {\"no\", \"equiv\", \"safe\", \"same_kind\", \"unsafe\"}\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Another shape; closed, or read-only.\n"
	  "TypeError\n"
	  "    A dtype that `casting` does not allow.\n"
	  "LockedError\n"
	  "    The buffer is with its device.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.empty(3, \"f4\")\n"
	  ">>> buf.assign([1, 2, 3], casting=\"unsafe\")" },
	{ "fill", ext_buffer_fill, METH_O,
	  "fill($self, value, /)\n--\n\n"
	  "Set every element, as `numpy.ndarray.fill`.\n\n"
	  "Parameters\n----------\n"
	  "value : scalar\n\n"
	  "Raises\n------\n"
	  "LockedError\n"
	  "    The buffer is with its device.\n"
	  "ValueError\n"
	  "    Closed, or read-only; what NumPy says of `value`.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.empty(3, \"i2\")\n"
	  ">>> buf.fill(7)\n"
	  ">>> buf[:].tolist()\n"
	  "[7, 7, 7]" },
	{ "copy", ext_buffer_copy, METH_NOARGS,
	  "copy($self, /)\n--\n\n"
	  "A new buffer of the same dtype, shape and contents.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    C-contiguous.\n\n"
	  "Raises\n------\n"
	  "LockedError\n"
	  "    The device is writing.\n"
	  "MemoryError, OSError\n"
	  "    No memory.\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.array([1, 2])\n"
	  ">>> other = buf.copy()\n"
	  ">>> buf[0] = 9\n"
	  ">>> other[:].tolist()\n"
	  "[1, 2]" },
	{ "set_layout", (PyCFunction)(void (*)(void))ext_buffer_set_layout,
	  METH_VARARGS | METH_KEYWORDS,
	  "set_layout($self, /, dtype, shape=None, strides=None, offset=0)\n--\n\n"
	  "Say anew what is in the buffer's bytes, for everybody who has it; a memfd's, for this\n"
	  "process and whoever opens it from now on.\n\n"
	  "Parameters\n----------\n"
	  "dtype : dtype\n"
	  "shape : int or sequence of int, optional\n    By default as much as there is.\n"
	  "strides : sequence of int, optional\n    C-contiguous by default; may be negative or 0.\n"
	  "offset : int\n    Byte of the element with all indices 0.\n\n"
	  "Raises\n------\n"
	  "LockedError\n    Views are alive, here or elsewhere, or a transfer is in progress.\n"
	  "ValueError\n    An element would lie outside the buffer.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.zeros(16, \"u1\")\n>>> buf.set_layout(\"i2\", (2, 4))\n>>> buf.shape\n(2, 4)" },
	{ "resize", ext_buffer_resize, METH_O,
	  "resize($self, shape, /)\n--\n\n"
	  "Change the shape; what both have in common is kept, what is new is zero.\n\n"
	  "The memory is new, C-contiguous, and so is its descriptor: others that have the old one\n"
	  "keep the old memory. With as many dimensions as before elements keep their indices,\n"
	  "otherwise their place in C order.\n\n"
	  "Parameters\n----------\nshape : int or sequence of int\n\n"
	  "Raises\n------\n"
	  "LockedError\n    Views are alive, here or in another process, or a transfer is in\n"
	  "    progress.\n"
	  "MemoryError, OSError\n    No memory. Nothing has changed then.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.array([1, 2, 3])\n>>> buf.resize(5)\n>>> buf[:].tolist()\n[1, 2, 3, 0, 0]" },
	{ "transfer", (PyCFunction)(void (*)(void))ext_transfer_new, METH_VARARGS | METH_KEYWORDS,
	  "transfer($self, /, direction, timeout=1.0, guard=\"none\", *, fence=False)\n--\n\n"
	  "The time in which a device owns the buffer, as a context manager.\n\n"
	  "Parameters\n----------\n"
	  "direction : {\"from_device\", \"to_device\", \"both\"}\n"
	  "timeout : float\n    Seconds until it is ended by itself, at most 3600. Nobody stops the\n"
	  "    hardware then: `end()` raises TimeoutError, and the contents are not to be trusted.\n"
	  "guard : {\"none\", \"block\", \"sigbus\"}\n"
	  "    What a touch of the memory meets. \"none\": nothing, leases alone protect, so that no\n"
	  "    view may be alive. \"block\": views may be alive, and whoever touches them sleeps\n"
	  "    until the end; a touch through an older array freezes the whole interpreter, at most\n"
	  "    until the timeout. \"sigbus\": whoever touches them is ended by SIGBUS, which\n"
	  "    `faulthandler` explains: a tool for debugging.\n"
	  "fence : bool\n"
	  "    Publish a fence on the dma-buf, for which other drivers wait up to 10 s. The module\n"
	  "    does so only with its parameter ``user_fences``, for tests; else beginning the\n"
	  "    transfer is an OSError (EOPNOTSUPP).\n\n"
	  "Returns\n-------\nTransfer\n\n"
	  "Raises\n------\n"
	  "LockedError\n    On entering: views are alive (from the device: any; to it: writable).\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.empty(1024)\n"
	  ">>> with buf.transfer(\"from_device\", timeout=1.0):\n"
	  "...     buf.locked\n"
	  "True" },
	{ "sync", ext_sync_new, METH_O,
	  "sync($self, access, /)\n--\n\n"
	  "Bracket for CPU access to a foreign dma-buf, as a context manager.\n\n"
	  "Parameters\n----------\n"
	  "access : {\"read\", \"write\"}\n\n"
	  "Returns\n-------\n"
	  "Sync\n"
	  "    Entering it gives the buffer.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Another access; closed.\n"
	  "OSError\n"
	  "    On entering and leaving: what the exporting driver says.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.zeros(4).sync(\"read\") as buf:\n"
	  "...     buf[0]\n"
	  "np.float64(0.0)" },
	{ "holders", ext_buffer_holders, METH_NOARGS,
	  "holders($self, /)\n--\n\n"
	  "Who keeps the buffer from a transfer, in all processes.\n\n"
	  "Returns\n-------\n"
	  "list of Holder\n"
	  "    `kind` and `access` say how; `pid` is 0 where it may not be known.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.zeros(3)\n"
	  ">>> view = buf.array(writable=False)\n"
	  ">>> [(holder.kind, holder.access) for holder in buf.holders()]\n"
	  "[('lease', 'read')]" },
	{ "leases", ext_buffer_leases, METH_NOARGS,
	  "leases($self, /)\n--\n\n"
	  "The views that are alive in this process, newest first.\n\n"
	  "Returns\n-------\n"
	  "list of View\n"
	  "    `made` is set where `trace_leases` was on.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.zeros(3)\n"
	  ">>> views = buf.array(), memoryview(buf)\n"
	  ">>> [view.access for view in buf.leases()]\n"
	  "['write', 'write']" },
	{ "revoke", ext_buffer_revoke, METH_NOARGS,
	  "revoke($self, /)\n--\n\n"
	  "Take back the leases of other processes on a buffer that this one made.\n\n"
	  "Their next call says ESTALE.\n\n"
	  "Returns\n-------\n"
	  "int\n"
	  "    How many.\n\n"
	  "Raises\n------\n"
	  "PermissionError\n"
	  "    Another process made the buffer.\n"
	  "OSError\n"
	  "    EOPNOTSUPP: memfd has no way to, and another process has one.\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> ndma.zeros(3).revoke()\n"
	  "0" },
	{ "as_readonly", ext_buffer_as_readonly, METH_NOARGS,
	  "as_readonly($self, /)\n--\n\n"
	  "A second handle on the same memory that can never be written through, by whoever it\n"
	  "is sent to.\n\n"
	  "Drivers that map what they import both ways, those of DRM and RDMA, refuse its descriptor\n"
	  "(EPERM), even to read: give them that of the buffer itself.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    Its `readonly` is True.\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    No descriptor left.\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.array([1, 2, 3])\n"
	  ">>> with buf.as_readonly() as other:\n"
	  "...     other.array().flags.writeable\n"
	  "False" },
	{ "close", ext_buffer_close, METH_NOARGS,
	  "close($self, /)\n--\n\n"
	  "Give the memory back. Leaving ``with buf:`` is never refused: then the last view frees it.\n\n"
	  "Raises\n------\n"
	  "LockedError\n"
	  "    Views are alive, or a transfer is in progress.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.zeros(3)\n"
	  ">>> buf.close()\n"
	  ">>> buf.closed\n"
	  "True" },
	{ "fileno", ext_buffer_fileno, METH_NOARGS,
	  "fileno($self, /)\n--\n\n"
	  "The dma-buf (or memfd), for drivers and other processes; do not close it.\n\n"
	  "Returns\n-------\n"
	  "int\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> ndma.zeros(3).fileno() > 2\n"
	  "True" },
	{ "ravel", (PyCFunction)(void (*)(void))ext_array_like_ravel, METH_VARARGS | METH_KEYWORDS,
	  ext_array_like_ravel_doc },
	{ "astype", (PyCFunction)(void (*)(void))ext_array_like_astype,
	  METH_VARARGS | METH_KEYWORDS, ext_array_like_astype_doc },
	{ "__array__", (PyCFunction)(void (*)(void))ext_buffer_dunder_array,
	  METH_VARARGS | METH_KEYWORDS,
	  "__array__($self, /, dtype=None, copy=None)\n--\n\nFor NumPy: `array()`, converted as asked." },
	{ "__dlpack__", (PyCFunction)(void (*)(void))ext_buffer_dlpack,
	  METH_VARARGS | METH_KEYWORDS,
	  "__dlpack__($self, /, *, stream=None, max_version=None, dl_device=None, copy=None)\n--\n\n"
	  "For ``numpy.from_dlpack`` and ``torch.from_dlpack``; the tensor is a lease.\n\n"
	  "Read-only memory is copied, unless ``copy=False`` asks for BufferError: consumers write\n"
	  "to it in spite of DLPack's flag, and that ends the interpreter." },
	{ "__dlpack_device__", ext_dlpack_device, METH_NOARGS,
	  "__dlpack_device__($self, /)\n--\n\n``(1, 0)``: memory of the CPU." },
	{ "__enter__", ext_buffer_enter, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nThe buffer itself." },
	{ "__exit__", ext_buffer_exit, METH_VARARGS,
	  "__exit__($self, /, *exception)\n--\n\nRefuses new views; the last one frees the memory." },
	{ "_repr_html_", ext_repr_html, METH_NOARGS,
	  "_repr_html_($self, /)\n--\n\nFor notebooks: what it is, who keeps it, and a plot." },
	{ "__reduce__", ext_buffer_reduce, METH_NOARGS,
	  "__reduce__($self, /)\n--\n\nAlways TypeError; multiprocessing has its own way." },
	{ NULL },
};

static PyMemberDef buffer_members[] = {
	{ "__weaklistoffset__", T_PYSSIZET, offsetof(struct ext_buffer, weakrefs), READONLY },
	{ NULL },
};

static PyType_Slot buffer_slots[] = {
	{ Py_tp_doc,
	  "DMA memory with a dtype and a shape; made by `empty`, `zeros`, `array` and\n"
	  "`from_fd`.\n\n"
	  "Arrays over it are leases: while one lives the layout stays and the device keeps out.\n"
	  "What takes its address and counts nowhere (``numpy.ndarray(buffer=buf)``, C code that\n"
	  "kept a pointer, arrays inherited by fork) is caught by a transfer's guard alone.\n"
	  "Any thread.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.empty((2, 3), \"i2\")\n"
	  ">>> buf[0] = 1\n"
	  ">>> np.asarray(buf).tolist()\n"
	  "[[1, 1, 1], [0, 0, 0]]" },
	{ Py_tp_dealloc, ext_buffer_dealloc },
	{ Py_tp_traverse, ext_buffer_traverse },
	{ Py_tp_repr, ext_buffer_repr },
	{ Py_tp_richcompare, ext_buffer_richcompare },
	{ Py_tp_hash, PyObject_HashNotImplemented },
	{ Py_tp_iter, ext_buffer_iter },
	{ Py_mp_length, ext_buffer_length },
	{ Py_mp_subscript, ext_buffer_getitem },
	{ Py_mp_ass_subscript, ext_buffer_setitem },
	{ Py_tp_methods, buffer_methods },
	{ Py_tp_getset, ext_buffer_getset },
	{ Py_tp_members, buffer_members },
	{ Py_bf_getbuffer, ext_buffer_getbuffer },
	{ Py_bf_releasebuffer, ext_buffer_releasebuffer },
	{ 0, NULL },
};

static PyType_Spec buffer_spec = {
	.name = "ndma.Buffer",
	.basicsize = sizeof(struct ext_buffer),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_HAVE_GC,
	.slots = buffer_slots,
};

int ext_buffer_setup(PyObject *module, struct ext_state *state)
{
	state->buffer_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &buffer_spec, NULL);
	if (!state->buffer_type || PyModule_AddType(module, state->buffer_type))
		return -1;
	return ext_buffer_info_setup(module, state);
}
