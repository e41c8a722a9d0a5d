// SPDX-License-Identifier: MIT
/* The type Frame: its methods and what their docstrings promise. */
#include "internal.h"
#include "types.h"

#include <stddef.h>
#include <structmember.h>

static PyMethodDef frame_methods[] = {
	{ "array", (PyCFunction)(void (*)(void))ext_frame_array_method,
	  METH_FASTCALL | METH_KEYWORDS,
	  "array($self, /, writable=None, on_error=\"raise\")\n--\n\n"
	  "The valid samples as an array over the frame's own memory.\n\n"
	  "Parameters\n----------\n"
	  "writable : bool, optional\n"
	  "    True needs a stream made with ``writable=True``. Read-only by default.\n"
	  "on_error : {\"raise\", \"keep\"}\n"
	  "    What to do with a frame whose source says that its contents are wrong.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    Shape ``(channels, valid)``, and a trailing 2 for I/Q samples. The frame goes back\n"
	  "    to the device when the array and everything made from it without copying is gone.\n\n"
	  "Raises\n------\n"
	  "OSError\n    EIO: the frame has its error flag.\n"
	  "ValueError\n    The stream is read-only.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1024, count=1) as stream:\n"
	  "...     shape = next(stream).array().shape\n"
	  ">>> shape[1]\n1024" },
	{ "buffer_array", (PyCFunction)(void (*)(void))ext_frame_buffer_array,
	  METH_FASTCALL | METH_KEYWORDS,
	  "buffer_array($self, /, writable=None)\n--\n\n"
	  "The whole frame, with whatever lies behind the valid samples of a short one.\n\n"
	  "Parameters\n----------\n"
	  "writable : bool, optional\n"
	  "    True needs a stream made with ``writable=True``. Read-only by default.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    Shape ``(channels, samples)``, and a trailing 2 for I/Q samples.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    The stream is read-only.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=1) as stream:\n"
	  "...     frame = next(stream)\n"
	  ">>> frame.buffer_array().shape == stream.shape\n"
	  "True" },
	{ "copy", ext_frame_copy, METH_NOARGS,
	  "copy($self, /)\n--\n\n"
	  "The valid samples in memory of their own; the frame can go.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    Shape and dtype as of `array()`.\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    EIO: the frame has its error flag.\n"
	  "MemoryError\n"
	  "    No memory.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=3) as stream:\n"
	  "...     kept = [frame.copy() for frame in stream]\n"
	  ">>> len(kept), stream.held\n"
	  "(3, [])" },
	{ "physical", (PyCFunction)ext_frame_physical, METH_NOARGS,
	  "physical($self, /)\n--\n\n"
	  "The valid samples in the channels' units: raw * scale + offset.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    float32, shape as of `array()`, a copy.\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    EIO: the frame has its error flag.\n"
	  "MemoryError\n"
	  "    No memory.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=1) as stream:\n"
	  "...     frame = next(stream)\n"
	  ">>> frame.physical().dtype\n"
	  "dtype('float32')" },
	{ "iq", (PyCFunction)ext_frame_iq, METH_NOARGS,
	  "iq($self, /)\n--\n\n"
	  "I/Q samples as complex numbers in the channels' units.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n"
	  "    complex64, shape ``(channels, valid)``, a copy.\n\n"
	  "Raises\n------\n"
	  "TypeError\n"
	  "    The stream has real samples.\n"
	  "OSError\n"
	  "    EIO: the frame has its error flag.\n"
	  "MemoryError\n"
	  "    No memory.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, iq=True, count=1) as stream:\n"
	  "...     z = next(stream).iq()\n"
	  ">>> z.dtype, z.shape[1]\n"
	  "(dtype('complex64'), 1000)" },
	{ "to_buffer", (PyCFunction)(void (*)(void))ext_frame_to_buffer,
	  METH_FASTCALL | METH_KEYWORDS,
	  "to_buffer($self, /, writable=None)\n--\n\n"
	  "The valid samples as a Buffer that can go to other processes and drivers.\n\n"
	  "With the module nothing is copied: the Buffer is read-only unless asked, and the device does\n"
	  "not get the frame back before it, and whatever others made of its descriptor, is gone. A\n"
	  "short frame, and one of memfd's, is copied; the copy of a short one is always writable.\n\n"
	  "Parameters\n----------\n"
	  "writable : bool, optional\n"
	  "    True is for drivers of DRM (a GPU) and RDMA: they map what they import both ways, also to\n"
	  "    read it, and refuse a read-only descriptor (EPERM). Whoever has the Buffer's descriptor\n"
	  "    can write to the frame then, of a stream made without ``writable=True`` too.\n\n"
	  "Returns\n-------\n"
	  "Buffer\n"
	  "    Shape and dtype as of `array()`.\n\n"
	  "Raises\n------\n"
	  "OSError\n"
	  "    EIO: the frame has its error flag.\n"
	  "ValueError\n"
	  "    The stream is closed.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=1) as stream:\n"
	  "...     buf = next(stream).to_buffer()\n"
	  ">>> buf.shape == stream.shape, buf.readonly\n"
	  "(True, True)" },
	{ "ravel", (PyCFunction)(void (*)(void))ext_array_like_ravel, METH_VARARGS | METH_KEYWORDS,
	  ext_array_like_ravel_doc },
	{ "astype", (PyCFunction)(void (*)(void))ext_array_like_astype,
	  METH_VARARGS | METH_KEYWORDS, ext_array_like_astype_doc },
	{ "__array__", (PyCFunction)(void (*)(void))ext_frame_dunder_array,
	  METH_VARARGS | METH_KEYWORDS,
	  "__array__($self, /, dtype=None, copy=None)\n--\n\nFor NumPy: `array()`, converted as asked." },
	{ "__dlpack__", (PyCFunction)(void (*)(void))ext_frame_dlpack, METH_VARARGS | METH_KEYWORDS,
	  "__dlpack__($self, /, *, stream=None, max_version=None, dl_device=None, copy=None)\n--\n\n"
	  "For ``numpy.from_dlpack`` and ``torch.from_dlpack``.\n\n"
	  "Of a stream made with ``writable=True`` the tensor keeps the frame. Of any other it is a\n"
	  "copy, unless ``copy=False`` asks for BufferError: consumers write to read-only memory in\n"
	  "spite of DLPack's flag, and that ends the interpreter. ``torch.from_numpy(frame.array())``\n"
	  "ignores NumPy's flag likewise, and ``torch.asarray(frame)`` takes the bytes for numbers of\n"
	  "another kind: use ``torch.from_dlpack``." },
	{ "__dlpack_device__", ext_dlpack_device, METH_NOARGS,
	  "__dlpack_device__($self, /)\n--\n\n``(1, 0)``: memory of the CPU." },
	{ "to_xarray", ext_frame_to_xarray, METH_NOARGS,
	  "to_xarray($self, /)\n--\n\n"
	  "An xarray.DataArray in physical units, a copy: [channel, sample], with coordinates.\n\n"
	  "Returns\n-------\nAny\n"
	  "    A DataArray with \"channel\", \"unit\", and the calendar \"time\" of each sample, UTC, where the source\n"
	  "    knows its rate and when the frame began; else the seconds from its first sample, \"offset\".\n\n"
	  "Raises\n------\nImportError\n    xarray is not there: it is an extra, ``pip install ndma[xarray]``.\n"
	  "OSError\n    EIO: the frame is wrong by its source's own word.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\") as source, source.stream(100, channels=2) as stream:\n"
	  "...     array = next(stream).to_xarray()  # doctest: +SKIP\n"
	  ">>> array.dims                            # doctest: +SKIP\n"
	  "('channel', 'sample')" },
	{ "_repr_html_", ext_repr_html, METH_NOARGS,
	  "_repr_html_($self, /)\n--\n\nFor notebooks: its time, a plot of its channels, what was lost before it." },
	{ "__reduce__", ext_frame_reduce, METH_NOARGS,
	  "__reduce__($self, /)\n--\n\nAlways TypeError: a frame does not travel." },
	{ NULL },
};

static PyMemberDef frame_members[] = {
	{ "__weaklistoffset__", T_PYSSIZET, offsetof(struct ext_frame, weakrefs), READONLY },
	{ NULL },
};

static PyType_Slot frame_slots[] = {
	{ Py_tp_doc,
	  "One filled frame of a stream, in the device's own memory.\n\n"
	  "Obtained from a Stream. It goes back to the device when the last reference to it and\n"
	  "to every array made from it is gone, in any thread. ``frame[key]``, ``len(frame)`` and a\n"
	  "loop over it are those of `array()`.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=2) as stream:\n"
	  "...     [(frame.sequence, frame.dropped, frame.valid) for frame in stream]\n"
	  "[(0, 0, 1000), (1, 0, 1000)]" },
	{ Py_tp_dealloc, ext_frame_dealloc },
	{ Py_tp_repr, ext_frame_repr },
	{ Py_tp_methods, frame_methods },
	{ Py_tp_getset, ext_frame_getset },
	{ Py_tp_members, frame_members },
	{ Py_tp_iter, ext_frame_iter },
	{ Py_mp_length, ext_frame_length },
	{ Py_mp_subscript, ext_frame_getitem },
	{ Py_bf_getbuffer, ext_frame_getbuffer },
	{ 0, NULL },
};

static PyType_Spec frame_spec = {
	.name = "ndma.Frame",
	.basicsize = sizeof(struct ext_frame),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = frame_slots,
};

int ext_frame_setup(PyObject *module, struct ext_state *state)
{
	state->frame_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &frame_spec, NULL);
	return state->frame_type ? PyModule_AddType(module, state->frame_type) : -1;
}
