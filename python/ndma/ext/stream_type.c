// SPDX-License-Identifier: MIT
/* The type Stream: its methods and what their docstrings promise. */
#include "internal.h"
#include "types.h"

static PyMethodDef stream_methods[] = {
	{ "start", (PyCFunction)(void (*)(void))ext_stream_start_method,
	  METH_VARARGS | METH_KEYWORDS,
	  "start($self, /, count=None)\n--\n\n"
	  "Let the source fill frames; entering the stream or asking for a frame does it too.\n\n"
	  "Parameters\n----------\n"
	  "count : int, optional\n"
	  "    Stop this run after so many frames, lost ones included; by default the stream's own\n"
	  "    `count`.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed, or a count below 1.\n"
	  "OSError\n"
	  "    EBUSY: it runs already. ENODEV: the source was unplugged.\n\n"
	  "Examples\n--------\n"
	  ">>> stream = ndma.open(\"sim0\").stream(1000)\n"
	  ">>> stream.start(count=2)\n"
	  ">>> len(list(stream))\n"
	  "2\n"
	  ">>> stream.close()" },
	{ "stop", ext_stream_stop, METH_NOARGS,
	  "stop($self, /)\n--\n\n"
	  "Stop the source. The loop ends after the frames that are ready; the next one starts the\n"
	  "source again. Any thread.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, on_loss=\"ignore\") as stream:\n"
	  "...     for frame in stream:\n"
	  "...         if frame.sequence >= 3:\n"
	  "...             stream.stop()" },
	{ "close", ext_stream_close, METH_NOARGS,
	  "close($self, /)\n--\n\n"
	  "Stop the source and give it back. Frames and arrays that are held stay readable.\n"
	  "Any thread, also while another one waits for a frame.\n\n"
	  "Examples\n--------\n"
	  ">>> stream = ndma.open(\"sim0\").stream(1000)\n"
	  ">>> frame = next(stream)\n"
	  ">>> stream.close()\n"
	  ">>> frame.array().shape[1]\n"
	  "1000" },
	{ "latest", ext_stream_latest, METH_NOARGS,
	  "latest($self, /)\n--\n\n"
	  "The newest frame that there is; older ones go back unseen. Waits as next() does for the\n"
	  "first, and where all frames were ready, so that the source had nowhere to write, for one\n"
	  "that ends after the call began, as long as newer ones come.\n\n"
	  "What is passed over counts as `stats.skipped`: no loss is warned of or raised for it.\n\n"
	  "Returns\n-------\n"
	  "Frame\n\n"
	  "Raises\n------\n"
	  "EOFError\n"
	  "    The stream has ended.\n"
	  "TimeoutError, FramesHeldError, SourceGone, ValueError\n"
	  "    As next().\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, on_loss=\"ignore\") as stream:\n"
	  "...     stream.latest().valid\n"
	  "1000" },
	{ "skip", ext_stream_skip, METH_NOARGS,
	  "skip($self, /)\n--\n\n"
	  "Pass over what was made before this moment: the next frame, in a loop, by next(), read()\n"
	  "or latest(), begins after it. Starts the stream, as asking for a frame does.\n\n"
	  "What is passed over counts as `stats.skipped`: no loss is warned of or raised for it.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed.\n"
	  "RuntimeError\n"
	  "    Another thread or task waits for a frame.\n\n"
	  "Examples\n--------\n"
	  ">>> import time\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, on_loss=\"ignore\") as stream:\n"
	  "...     moment = time.monotonic_ns()\n"
	  "...     stream.skip()\n"
	  "...     next(stream).timestamp_ns >= moment\n"
	  "True" },
	{ "fileno", ext_stream_fileno, METH_NOARGS,
	  "fileno($self, /)\n--\n\n"
	  "A descriptor that polls readable when a frame is ready.\n\n"
	  "Returns\n-------\n"
	  "int\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Closed.\n\n"
	  "Examples\n--------\n"
	  ">>> import select\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=1) as stream:\n"
	  "...     readable, _, _ = select.select([stream], [], [], 10)\n"
	  "...     readable == [stream]\n"
	  "True" },
	{ "read", ext_stream_read, METH_O,
	  "read($self, frames, /)\n--\n\n"
	  "For asyncio: ``await stream.read(n)``.\n\n"
	  "Cancelling it loses nothing: frames that had come are the next call's.\n\n"
	  "Parameters\n----------\n"
	  "frames : int\n"
	  "    How many, at most all of the stream's.\n\n"
	  "Returns\n-------\n"
	  "list of Frame\n"
	  "    Fewer only at the end of the stream, and before a loss that the next call raises; none\n"
	  "    from then on until the stream is started again.\n\n"
	  "Raises\n------\n"
	  "ValueError\n"
	  "    Less than 1, or more than the stream has; closed.\n"
	  "RuntimeError\n"
	  "    Another thread or task waits for a frame.\n"
	  "TimeoutError, FramesHeldError, SourceGone, FrameLossError\n"
	  "    As next().\n\n"
	  "Examples\n--------\n"
	  ">>> async def main():\n"
	  "...     with ndma.open(\"sim0\").stream(1000, count=4) as stream:\n"
	  "...         return [frame.sequence for frame in await stream.read(4)]\n"
	  ">>> import asyncio\n"
	  ">>> asyncio.run(main())\n"
	  "[0, 1, 2, 3]" },
	{ "_poll", ext_stream_poll, METH_O, NULL },
	{ "_claim", ext_stream_claim, METH_O, NULL },
	{ "_take", ext_stream_take, METH_NOARGS, NULL },
	{ "_controls", ext_control_all, METH_NOARGS, NULL },
	{ "_set_control", ext_control_set, METH_VARARGS, NULL },
	{ "__dir__", ext_control_dir, METH_NOARGS,
	  "__dir__($self, /)\n--\n\nMethods, attributes and controls." },
	{ "__enter__", ext_stream_enter, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nStarts the stream." },
	{ "__exit__", ext_stream_exit, METH_VARARGS,
	  "__exit__($self, /, *exception)\n--\n\nCloses the stream." },
	{ "_repr_html_", ext_repr_html, METH_NOARGS,
	  "_repr_html_($self, /)\n--\n\nFor notebooks: what was made and lost, who has its frames." },
	{ "__reduce__", ext_stream_reduce, METH_NOARGS,
	  "__reduce__($self, /)\n--\n\nAlways TypeError: a stream does not travel." },
	{ NULL },
};

static PyType_Slot stream_slots[] = {
	{ Py_tp_doc,
	  "A run of a source into frames; made by `Source.stream()`.\n\n"
	  "Iterate over it, or ``async for``. One thread or task asks for frames at a time; frames\n"
	  "go back from any thread; stop() and close() may be called from any thread.\n\n"
	  "It ends after `count` frames, after stop() and close(). A loop over a stream whose end a\n"
	  "loop or next() has met before starts it again, as start() and ``with`` do: for `count`\n"
	  "frames more, with sequences that go on. Until then next() raises StopIteration, latest()\n"
	  "EOFError, and read() returns an empty list. One ``iter(stream)`` never begins again.\n\n"
	  "Its controls are attributes where their names are free, ``stream.amplitude = 0.1``, and always\n"
	  "in `controls`. A live one holds at once, and the first frame made with it says so by its\n"
	  "`settings_changed`; any other is an OSError (EBUSY) that names it while the stream runs.\n\n"
	  "Asking for a frame raises TimeoutError after `timeout`, FramesHeldError when this process\n"
	  "holds every frame, SourceGone when the source was unplugged, FrameLossError where the\n"
	  "stream was made with ``on_loss=\"raise\"``.\n\n"
	  "Examples\n--------\n"
	  ">>> with ndma.open(\"sim0\").stream(1000, count=3) as stream:\n"
	  "...     sum(frame.valid for frame in stream)\n"
	  "3000" },
	{ Py_tp_dealloc, ext_stream_dealloc },
	{ Py_tp_traverse, ext_stream_traverse },
	{ Py_tp_repr, ext_stream_repr },
	{ Py_tp_getattro, ext_control_getattro },
	{ Py_tp_setattro, ext_control_setattro },
	{ Py_tp_iter, ext_stream_iter },
	{ Py_tp_iternext, ext_stream_next },
	{ Py_am_aiter, ext_stream_iter },
	{ Py_am_anext, ext_stream_anext },
	{ Py_tp_methods, stream_methods },
	{ Py_tp_getset, ext_stream_getset },
	{ 0, NULL },
};

static PyType_Spec stream_spec = {
	.name = "ndma.Stream",
	.basicsize = sizeof(struct ext_stream),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_HAVE_GC,
	.slots = stream_slots,
};

int ext_stream_setup(PyObject *module, struct ext_state *state)
{
	state->stream_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &stream_spec, NULL);
	if (!state->stream_type || PyModule_AddType(module, state->stream_type))
		return -1;
	return ext_stream_iterator_setup(module, state) ? -1 : ext_stream_info_setup(module, state);
}
