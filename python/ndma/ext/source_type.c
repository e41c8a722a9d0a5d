// SPDX-License-Identifier: MIT
/* The type Source: its methods and what their docstrings promise. */
#include "internal.h"
#include "types.h"

static PyMethodDef source_methods[] = {
	{ "stream", (PyCFunction)(void (*)(void))ext_stream_from_arguments,
	  METH_VARARGS | METH_KEYWORDS,
	  "stream($self, /, samples, frames=16, policy=\"drop\", *, on_loss=\"warn\",\n"
	  "       count=None, timeout=None, writable=False, dtype=None, channels=None, order=None, iq=False, guard=\"none\",\n"
	  "       node=None)\n--\n\n"
	  "A run of this source into frames. It starts when it is entered, or asked for a frame.\n\n"
	  "Parameters\n----------\n"
	  "samples : int\n"
	  "    Of each channel in one frame.\n"
	  "frames : int\n"
	  "    How many frames there are, 3 or more.\n"
	  "policy : {\"drop\", \"latest\"}\n"
	  "    When no frame is free: the newest is lost, or the oldest ready one is used again.\n"
	  "on_loss : {\"warn\", \"raise\", \"ignore\"}\n"
	  "    LossWarning at the first loss, then at most one a second, and at the end of a run;\n"
	  "    or FrameLossError, at the end of a run too.\n"
	  "count : int, optional\n"
	  "    End each run after so many frames, lost ones included.\n"
	  "timeout : float, optional\n"
	  "    Seconds that one frame may take; TimeoutError then.\n"
	  "writable : bool\n"
	  "    Frames may be written to, in place.\n"
	  "dtype : dtype, optional\n"
	  "    Of one number; one of `formats`.\n"
	  "channels : int, optional\n"
	  "    How many, from the first; all by default.\n"
	  "order : {\"planar\", \"interleaved\"}, optional\n"
	  "    How samples lie in memory; the shape is ``(channels, samples)`` either way.\n"
	  "iq : bool\n"
	  "    Pairs of numbers, in a trailing axis of 2.\n"
	  "guard : {\"none\", \"sigbus\"}\n"
	  "    A touch of a frame that is the device's is a SIGBUS: to find the code that does it.\n"
	  "node : int, optional\n"
	  "    NUMA node of the memory; the device's own by default.\n\n"
	  "Returns\n-------\n"
	  "Stream\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    What the source cannot do; the message names the nearest it can. Closed.\n"
	  "OSError\n"
	  "    EBUSY: the source has no stream left; the message says what would free one. In an\n"
	  "    interactive session the process's own oldest stream of the source that nobody reads\n"
	  "    is closed for the new one, with a RuntimeWarning.\n"
	  "MemoryError\n"
	  "    No memory.\n"
	  "SourceGone\n"
	  "    It was unplugged.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\") as source, source.stream(1000, count=3) as stream:\n"
	  "...     [frame.sequence for frame in stream]\n"
	  "[0, 1, 2]" },
	{ "read", (PyCFunction)(void (*)(void))ext_source_read, METH_VARARGS | METH_KEYWORDS,
	  "read($self, /, samples, *, timeout=None, dtype=None, channels=None, order=None, iq=False,\n"
	  "     physical=False)\n--\n\n"
	  "So many samples without a gap, as an array of its own.\n\n"
	  "Parameters\n----------\n"
	  "samples : int\n    Of each channel; any number.\n"
	  "timeout : float, optional\n    Seconds without data; TimeoutError then.\n"
	  "dtype, channels, order, iq\n    As in `stream`.\n"
	  "physical : bool\n    In the channels' units, as float32: raw * scale + offset.\n\n"
	  "Returns\n-------\n"
	  "numpy.ndarray\n    Shape ``(channels, samples)``, and a trailing 2 for I/Q.\n\n"
	  "Raises\n------\n"
	  "FrameLossError\n    Samples were lost between two frames.\n"
	  "OSError\n    EIO: the source says that what came is wrong.\n"
	  "EOFError\n    The source stopped early.\n\n"
	  "Examples\n--------\n"
	  ">>> ndma.open(\"sim0\").read(10_000).shape[1]\n10000" },
	{ "read_into", (PyCFunction)(void (*)(void))ext_source_read_into,
	  METH_VARARGS | METH_KEYWORDS,
	  "read_into($self, /, buffer, *, timeout=None)\n--\n\n"
	  "Fill an array or a Buffer that is there already.\n\n"
	  "Parameters\n----------\n"
	  "buffer : Buffer or numpy.ndarray\n"
	  "    Writable, of shape ``(channels, samples)`` (a trailing 2 for I/Q), of a dtype that\n"
	  "    the source has.\n"
	  "timeout : float, optional\n"
	  "    Seconds without data; TimeoutError then.\n\n"
	  "Raises\n------\n"
	  "TypeError\n"
	  "    It is neither.\n"
	  "ValueError\n"
	  "    Another shape or dtype than the source has, or read-only.\n"
	  "LockedError\n"
	  "    The buffer is with its device.\n"
	  "FrameLossError, OSError, EOFError, TimeoutError\n"
	  "    As `read`; what was there before is lost then.\n\n"
	  "Notes\n-----\n"
	  "A Buffer that this process made where the device reaches (``source=``), without a live\n"
	  "view, is filled in place: the device writes to it, no sample is copied, and others see\n"
	  "a fence on its dma-buf until the data are there, unless the source waits for a trigger\n"
	  "or takes longer than 10 s. The fences of other drivers are waited\n"
	  "for before, within `timeout`; TimeoutError names those drivers. Anything else is copied\n"
	  "from frames.\n\n"
	  "Examples\n--------\n"
	  ">>> x = np.empty((2, 1000), \"i2\")\n"
	  ">>> ndma.open(\"sim0\").read_into(x)" },
	{ "close", ext_source_close, METH_NOARGS,
	  "close($self, /)\n--\n\n"
	  "Give the source back. Its streams go on.\n\n"
	  "Examples\n--------\n"
	  ">>> source = ndma.open(\"sim0\")\n"
	  ">>> source.close()\n"
	  ">>> source.closed\n"
	  "True" },
	{ "_controls", ext_control_all, METH_NOARGS, NULL },
	{ "_set_control", ext_control_set, METH_VARARGS, NULL },
	{ "__dir__", ext_control_dir, METH_NOARGS,
	  "__dir__($self, /)\n--\n\nMethods, attributes and controls." },
	{ "__enter__", ext_source_enter, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nThe source itself." },
	{ "__exit__", ext_source_exit, METH_VARARGS,
	  "__exit__($self, /, *exception)\n--\n\nCloses the source." },
	{ "_repr_html_", ext_repr_html, METH_NOARGS,
	  "_repr_html_($self, /)\n--\n\nFor notebooks: its channels and its settings." },
	{ "__reduce__", ext_source_reduce, METH_NOARGS,
	  "__reduce__($self, /)\n--\n\nAlways TypeError: a source does not travel." },
	{ NULL },
};

static PyType_Slot source_slots[] = {
	{ Py_tp_doc,
	  "An acquisition source; made by `open()`.\n\n"
	  "Its controls are attributes, ``source.rate = 1e6``; ``dir(source)`` lists them and\n"
	  "`controls` says what they take. Streams made afterwards start with them, and those that were\n"
	  "made from this source and are not closed take them as well: one that runs at once where the\n"
	  "control is live, else the setting is refused by OSError (EBUSY) and nothing has changed. A\n"
	  "button acts on those streams: ``source.trigger_software = True``.\n"
	  "Any thread.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\") as source:\n"
	  "...     source.rate = 1e6\n"
	  "...     x = source.read(samples=1000)\n"
	  ">>> x.shape[1]\n"
	  "1000" },
	{ Py_tp_dealloc, ext_source_dealloc },
	{ Py_tp_traverse, ext_source_traverse },
	{ Py_tp_repr, ext_source_repr },
	{ Py_tp_getattro, ext_control_getattro },
	{ Py_tp_setattro, ext_control_setattro },
	{ Py_tp_methods, source_methods },
	{ Py_tp_getset, ext_source_getset },
	{ 0, NULL },
};

static PyType_Spec source_spec = {
	.name = "ndma.Source",
	.basicsize = sizeof(struct ext_source),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_HAVE_GC,
	.slots = source_slots,
};

int ext_source_setup(PyObject *module, struct ext_state *state)
{
	state->source_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &source_spec, NULL);
	if (!state->source_type || PyModule_AddType(module, state->source_type))
		return -1;
	return ext_source_info_setup(module, state) ? -1 : ext_control_setup(module, state);
}
