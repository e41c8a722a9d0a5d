/* SPDX-License-Identifier: MIT */
/*
 * What the files of the extension share.
 *
 * Ownership rules
 * ---------------
 * Source    owns a libndma source. Its streams do not need it: each opened the device once more.
 * Stream    owns a libndma stream: the rings and the memory of all frames, freed with the object,
 *           not by close().
 * StreamIterator
 *           one loop over a stream: a reference on the stream.
 * Frame     owns one entry of its stream's ring and a reference on the stream. It is exporter and
 *           base of every view of it; its dealloc gives the entry back.
 * Buffer    owns a libndma buffer, freed when it is closed and the last view is gone.
 * Lease     one view of a buffer: exporter and base of what it was taken for, and a reference on
 *           the buffer. The first of a kind takes the kernel's lease, the last one drops it.
 * Transfer  a reference on its buffer, and the right to end the transfer.
 * layout    immutable and counted: what a view points into cannot change behind it.
 *
 * Everything here is read and written with the GIL held, except where libndma waits.
 *
 * A Frame or a Lease dies wherever its last reference goes, in the middle of anybody's code: their
 * deallocs allocate nothing, call no Python (but callbacks of weak references to a Frame) and touch
 * no exception. They refer only to objects that never refer back, so they need no garbage
 * collection.
 */
#ifndef NDMA_EXT_INTERNAL_H
#define NDMA_EXT_INTERNAL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "numpy_api.h"

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include <ndma.h>
#include <ndma_ring.h>

#define NS_PER_S 1000000000LL

/* A wait gives signal handlers their turn this often. */
#define EXT_SLICE_NS 100000000LL

struct ext_state {
	PyTypeObject *source_type;
	PyTypeObject *stream_type;
	PyTypeObject *iterator_type;
	PyTypeObject *frame_type;
	PyTypeObject *buffer_type;
	PyTypeObject *lease_type;
	PyTypeObject *transfer_type;
	PyTypeObject *sync_type;
	PyTypeObject *allocator_type;
	PyTypeObject *channel_type;	/* from here: struct sequences */
	PyTypeObject *format_type;
	PyTypeObject *control_type;
	PyTypeObject *stats_type;
	PyTypeObject *holder_type;
	PyTypeObject *view_type;
	PyObject *locked_error;
	PyObject *frames_held_error;
	PyObject *source_gone;
	PyObject *frame_loss_error;
	PyObject *loss_warning;
	PyArray_Descr *time_descr;	/* datetime64[ns] */
	PyObject *module_name;		/* "ndma" */
	PyObject *loss_registry;	/* of LossWarning; emptied before each */
	struct ext_stream *streams;	/* borrowed: each leaves the list when it dies */
	struct ext_buffer *lent;	/* borrowed: those with transfers in progress */
	bool traces_leases;
	bool warned_memfd;
	bool taught_multiprocessing;	/* how to send a Buffer */
};

static inline struct ext_state *ext_state_of(PyObject *module)
{
	return PyModule_GetState(module);
}

/* A zeroed object that gc.get_objects() does not show before PyObject_GC_Track(): making it may run
 * a collection or give up the GIL, and nobody may see it half made. */
static inline void *ext_object_alloc(PyTypeObject *type)
{
	PyObject *object = type->tp_alloc(type, 0);

	if (object)
		PyObject_GC_UnTrack(object);
	return object;
}

/* ---------------------------------------------------------------- process.c */

/* Maps the word; -1 with an exception. */
int ext_process_setup(void);
/* A number that no other process in this one's line of descent has. */
uint64_t ext_process(void);

extern const volatile uint64_t *ext_process_word;

/* Whether this is still the process that `process` was taken in, without a system call. */
static inline bool ext_process_is(uint64_t process)
{
	return *ext_process_word == process;
}

/* ---------------------------------------------------------------- errors.c */

enum ext_noun { EXT_SOURCE, EXT_STREAM, EXT_BUFFER };

int ext_errors_setup(PyObject *module, struct ext_state *state);
/* Raises what `error` (negative errno, just returned by libndma to this thread) means for `noun`.
 * Always NULL. */
void *ext_error(struct ext_state *state, enum ext_noun noun, int error);
/* Raises type(errno, text) with the subclass that OSError picks; steals text. Always NULL. */
void *ext_error_os(PyObject *type, int error, PyObject *text);
/* gc.collect(), before anybody is refused for a view that only garbage holds: 0 or -1. */
int ext_collect(void);
/* Warns once in a process that the module is not loaded, and memfd stands in. */
int ext_warn_memfd(struct ext_state *state);

/* ---------------------------------------------------------------- interactive.c */

/* Has IPython, where it is loaded, keep copies of what it displays, not frames and leases. Called
 * where the first of them can come from: IPython may be loaded after ndma. */
int ext_interactive_attach(void);

/* ---------------------------------------------------------------- arguments.c */

/* PyArg_ParseTupleAndKeywords(), with a TypeError that names an unknown keyword and the nearest. */
int ext_parse(PyObject *args, PyObject *kwargs, const char *format, char **names, ...);
/* Positional and keyword arguments of a fast call into `values`, in the order of `names`
 * (NULL-terminated); missing ones stay as they are. */
int ext_arguments(const char *function, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
		  const char *const *names, PyObject **values);
/* Makes of a TypeError one that says "`what`, not `object`"; always -1. */
int ext_type_error(PyObject *object, const char *what);
/* An int of min to max; else -1 with the TypeError or ValueError "`what`, not `object`". */
int ext_integer(PyObject *object, const char *what, int64_t min, int64_t max, int64_t *value);
/* None or a number of seconds, at least 0, into ns; None is -1. */
int ext_timeout(PyObject *object, int64_t *ns);
/* None, or 1 or more; None is 0. */
int ext_count(PyObject *object, uint64_t *count);
/* None, or a NUMA node. */
int ext_node(PyObject *object, int *node);
/* Index of the string `object` among `choices` (NULL-terminated), or -1 with a ValueError or
 * TypeError that lists them. */
int ext_choice(const char *argument, PyObject *object, const char *const *choices);
int64_t ext_now_ns(void);
double ext_rational(struct ndma_rational rational);
/* A struct-sequence type from `desc`, added to the module under its name. */
PyTypeObject *ext_record_type(PyObject *module, PyStructSequence_Desc *desc);

/* ---------------------------------------------------------------- format.c, format_parse.c */

/* PEP 3118 format of `descr` into `format`; -1 with TypeError (no such format) or ValueError. */
int ext_format_write(PyArray_Descr *descr, char format[NDMA_FORMAT_MAX]);
/* The dtype of a format whose element takes `itemsize` bytes. */
PyArray_Descr *ext_format_parse(const char *format, Py_ssize_t itemsize);

/* ---------------------------------------------------------------- layout.c */

struct ext_layout {
	Py_ssize_t references;
	PyArray_Descr *descr;
	Py_ssize_t offset;
	Py_ssize_t itemsize;
	Py_ssize_t bytes;	/* of all elements */
	Py_ssize_t *shape;
	Py_ssize_t *strides;
	int ndim;
	bool c_contiguous;
	bool f_contiguous;
	char format[NDMA_FORMAT_MAX];
	Py_ssize_t extents[];
};

/* With `descr` NULL the dtype comes from the layout's format. A sub-array dtype becomes further
 * dimensions, as in NumPy. */
struct ext_layout *ext_layout_new(const struct ndma_layout *layout, PyArray_Descr *descr);
/* dtype and shape as np.empty takes them, into a C-contiguous layout. */
struct ext_layout *ext_layout_from_arguments(PyObject *shape, PyObject *dtype);
struct ext_layout *ext_layout_get(struct ext_layout *layout);
void ext_layout_put(struct ext_layout *layout);
/* Works out bytes and contiguity after shape and strides were filled in. */
int ext_layout_finish(struct ext_layout *layout);
struct ext_layout *ext_layout_alloc(PyArray_Descr *descr, int ndim);
void ext_layout_store(const struct ext_layout *layout, struct ndma_layout *out);
PyObject *ext_layout_shape(const struct ext_layout *layout);
PyObject *ext_layout_strides(const struct ext_layout *layout);
Py_ssize_t ext_layout_size(const struct ext_layout *layout);

/* bf_getbuffer for `exporter`; -1 with BufferError and view->obj NULL. */
int ext_layout_export(const struct ext_layout *layout, void *data, bool readonly,
		      PyObject *exporter, Py_buffer *view, int flags);
/* An array over `data` whose base is `base`. */
PyObject *ext_layout_array(const struct ext_layout *layout, void *data, bool writable,
			   PyObject *base);

/* What __array__(dtype, copy) says about `array`, whose reference it takes over. */
PyObject *ext_array_convert(PyObject *array, PyObject *dtype, PyObject *copy);

/* ---------------------------------------------------------------- objects */

struct ext_source {
	PyObject_HEAD
	struct ext_state *state;
	struct ndma_source *handle;	/* NULL once closed and not in use */
	uint64_t process;
	unsigned int calls;		/* in progress, which Python code may run in the middle of */
	bool closed;
};

struct ext_lease {
	PyObject_HEAD
	struct ext_buffer *buffer;
	struct ext_layout *layout;
	void *data;
	uint64_t process;
	struct ext_lease *next;		/* of the buffer's live views, newest first */
	struct ext_lease **link;
	PyObject *made;			/* str: the stack that took it; NULL unless traced */
	uint32_t access;
};

struct ext_buffer {
	PyObject_HEAD
	struct ext_state *state;
	struct ndma_buffer *handle;	/* NULL once closed and without views */
	struct ext_layout *layout;
	struct ext_lease *leases;	/* borrowed */
	uint64_t process;
	void *address[NDMA_WRITE + 1];
	Py_ssize_t views[NDMA_WRITE + 1];
	uint32_t lease[NDMA_WRITE + 1];	/* the backend's, while there are views */
	unsigned int transfers;		/* begun and not ended: they name the memory of `handle` */
	unsigned long transfer_thread;	/* that began the last of them */
	struct ext_buffer *lent_next;	/* of the buffers with transfers */
	struct ext_buffer **lent_link;
	uint64_t id;			/* the memory's, whichever handle */
	unsigned int calls;		/* in progress, which use `handle` without the GIL */
	int fd;
	bool closed;
	bool readonly;
	bool shared;			/* others may change its layout, begin a transfer */
	struct ndma_layout stored;	/* what `layout` was made from */
	PyObject *weakrefs;
};

int ext_buffer_setup(PyObject *module, struct ext_state *state);
int ext_buffer_info_setup(PyObject *module, struct ext_state *state);
int ext_lease_setup(PyObject *module, struct ext_state *state);
int ext_transfer_setup(PyObject *module, struct ext_state *state);
int ext_sync_setup(PyObject *module, struct ext_state *state);
int ext_allocator_setup(PyObject *module, struct ext_state *state);

/* One transfer more, which this thread has begun; and one less. */
void ext_buffer_lend(struct ext_buffer *buffer);
void ext_buffer_take_back(struct ext_buffer *buffer);
/* ndma_buffer_import() without the GIL: a peer may have to be waited for. */
int ext_buffer_import(int fd, const struct ndma_layout *layout, struct ndma_buffer **handle);
/* A Buffer of `handle`, which it takes over also when it fails, as of memory that others share.
 * With `descr` NULL the dtype comes from the layout. */
PyObject *ext_buffer_wrap(struct ext_state *state, struct ndma_buffer *handle,
			  PyArray_Descr *descr);
/* What memory is asked for; `source` is borrowed, NULL for any. */
struct ext_buffer_request {
	struct ndma_buffer_options options;
	struct ext_source *source;
};

PyObject *ext_buffer_create(struct ext_state *state, struct ext_layout *layout,
			    const struct ext_buffer_request *request);
/* A new buffer like `array`, and its contents. */
PyObject *ext_buffer_copy_of(struct ext_state *state, PyArrayObject *array,
			     const struct ext_buffer_request *request);
/* source=, node= and contiguous= into a request; -1 with an exception. */
int ext_buffer_options(struct ext_state *state, PyObject *source, PyObject *node, int contiguous,
		       struct ext_buffer_request *request);
PyObject *ext_buffer_empty(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *ext_buffer_zeros(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *ext_buffer_from_array(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *ext_buffer_from_fd(PyObject *module, PyObject *args, PyObject *kwargs);
/* To be called before every use: -1 with an exception if closed. A forked child opens the inherited
 * descriptor here. */
int ext_buffer_check(struct ext_buffer *buffer);
/* Gives the buffer another layout, whose reference it takes over, made from `stored`. Runs the
 * finalizer that a dtype's metadata may have. */
void ext_buffer_replace_layout(struct ext_buffer *buffer, struct ext_layout *layout,
			       const struct ndma_layout *stored);
/* Adopts a layout that another process has stored; for shared buffers, before each look. After
 * success ext_buffer_check() holds. */
int ext_buffer_refresh(struct ext_buffer *buffer);
/* Around calls that use the handle without the GIL: until the end of the call nobody swaps or frees
 * it. */
static inline void ext_buffer_begin_call(struct ext_buffer *buffer)
{
	buffer->calls++;
}
void ext_buffer_end_call(struct ext_buffer *buffer);
/* LockedError for transfers or calls in progress; `what` is refused. */
void *ext_buffer_refuse_transfer(struct ext_buffer *buffer, const char *what);
/* Frees a closed buffer's memory, unless a view, a transfer or a call still uses it. */
void ext_buffer_free_unused(struct ext_buffer *buffer);
static inline Py_ssize_t ext_buffer_views(const struct ext_buffer *buffer)
{
	return buffer->views[NDMA_READ] + buffer->views[NDMA_WRITE];
}
/* LockedError for live views: how many, where from, what to do. `what` is refused. */
void *ext_buffer_refuse_views(struct ext_buffer *buffer, const char *what);
/* 0 where ext_buffer_check() holds and no view is alive, if need be after a collection; else -1,
 * for a view with that LockedError. Ask last of all: the answer is good until Python runs again. */
int ext_buffer_check_views(struct ext_buffer *buffer, const char *what);
/* array(writable): access NDMA_READ, NDMA_WRITE, or 0 for to write where possible. */
PyObject *ext_buffer_array(struct ext_buffer *buffer, uint32_t access);

/* NULL with LockedError, ValueError (closed, read-only) or OSError. */
struct ext_lease *ext_lease_new(struct ext_buffer *buffer, uint32_t access);

PyObject *ext_allocator_new(PyObject *module, PyObject *args, PyObject *kwargs);

/* ---------------------------------------------------------------- dlpack.c */

/* __dlpack__ of a view whose memory `owner` (a Lease or a Frame) keeps. Memory is read-only where
 * `instead` says what to do for a consumer that wants it shared; NULL: writable. */
PyObject *ext_dlpack_export(const struct ext_layout *layout, void *data, const char *instead,
			    PyObject *owner, PyObject *args, PyObject *kwargs);

/* ---------------------------------------------------------------- sources */

int ext_source_setup(PyObject *module, struct ext_state *state);
int ext_source_info_setup(PyObject *module, struct ext_state *state);
PyObject *ext_source_open(PyObject *module, PyObject *name);
PyObject *ext_source_names(PyObject *module, PyObject *unused);
int ext_source_check(struct ext_source *source);
/* ext_source_check(), and the handle stays until ext_source_end_call(), whoever closes the source
 * meanwhile. */
int ext_source_begin_call(struct ext_source *source);
void ext_source_end_call(struct ext_source *source);
PyObject *ext_source_channel_record(struct ext_state *state,
				    const struct ndma_source_channel *channel);
/* Lets the device write to the buffer itself: 1 where it did, 0 where the caller has to stream and
 * copy, -1 with an exception. */
int ext_source_fill(struct ext_source *source, struct ext_buffer *buffer, int64_t timeout_ns);

int ext_control_setup(PyObject *module, struct ext_state *state);

/* ---------------------------------------------------------------- streams */

struct ext_frame;

enum ext_on_loss { EXT_LOSS_WARN, EXT_LOSS_RAISE, EXT_LOSS_IGNORE };

struct ext_stream {
	PyObject_HEAD
	struct ext_state *state;
	struct ndma_stream *handle;
	struct ndma_ring *ring;
	struct ext_layout *layout;	/* of a whole frame */
	uint64_t frame_bytes;
	uint64_t process;
	struct ndma_frame *pending;	/* taken, not handed out yet; room for every frame */
	uint32_t pending_first;
	uint32_t pending_count;
	uint32_t frames;
	bool awaited;			/* a thread or a task waits for the next frame */
	bool started;
	bool ended;			/* a caller was told so */
	bool replaced;			/* closed by this session for a newer one */
	bool closed;
	bool writable;
	bool iq;
	bool simulated;
	enum ext_on_loss on_loss;
	uint64_t count;			/* of a run whose start() names none; 0: no end */
	int64_t timeout_ns;		/* negative: none */
	uint64_t delivered;
	uint64_t lost;
	uint64_t lost_unsaid;		/* since the last warning */
	uint64_t skipped;		/* passed over unseen by latest() and skip() */
	int64_t fresh_ns;		/* frames from before it are passed over; 0: none */
	int64_t frame_ns;		/* how long a frame is made, as of latest() or skip() */
	uint64_t lost_ahead;		/* noted at an end: the next frame counts them again */
	int64_t warned_ns;		/* CLOCK_MONOTONIC of it, or 0 */
	struct ext_frame *spare;	/* the memory of a dead frame, for the next one */
	uint32_t channels;
	float *scale;			/* by channel, from the first physical() on; offset behind */
	char name[NDMA_NAME_MAX];
	unsigned int iterators;		/* that have not ended */
	unsigned long thread;		/* that started it, or last waited for a frame */
	struct ext_stream *next;	/* of the module's streams, newest first */
	struct ext_stream **link;
};

/* What a stream is asked for by: Source.stream(), and read() with its own choices. */
struct ext_stream_request {
	struct ndma_stream_options options;
	PyObject *dtype;		/* borrowed; NULL or None: the source's first */
	enum ext_on_loss on_loss;
	uint64_t count;
	int64_t timeout_ns;
	bool replaces;			/* an idle stream of an interactive session */
};

int ext_stream_setup(PyObject *module, struct ext_state *state);
int ext_stream_info_setup(PyObject *module, struct ext_state *state);
int ext_stream_iterator_setup(PyObject *module, struct ext_state *state);
PyObject *ext_stream_create(struct ext_source *source, struct ext_stream_request *request);
int ext_samples(PyObject *object, uint64_t *samples);
int ext_channels(PyObject *object, uint32_t *channels);
int ext_order(PyObject *object, uint32_t *order);
PyObject *ext_stream_next(PyObject *self);
/* Starts a call that takes frames, and the stream if need be: sets `awaited`, or -1. */
int ext_stream_begin_wait(struct ext_stream *stream);
/* Sleeps until a frame is ready: 1, 0 at the end, -1 with an exception. */
int ext_stream_await(struct ext_stream *stream, int64_t timeout_ns);
/* The next frame that is there, or NULL: with an exception only if there is no memory for it. */
struct ext_frame *ext_stream_take_ready(struct ext_stream *stream);
/* stream_fresh.c: how long the source makes one frame, 0 where it does not know; CLOCK_MONOTONIC of a
 * frame's first sample, stream->frame_ns being known; and, while stream->fresh_ns is set, whether a
 * frame that was taken is too old. */
int64_t ext_fresh_frame_ns(const struct ext_stream *stream);
int64_t ext_fresh_start_of(const struct ext_stream *stream, const struct ext_frame *frame);
bool ext_fresh_passes_over(struct ext_stream *stream, const struct ext_frame *frame);
/* -1 with an exception where the stream is closed, or another process's. */
int ext_stream_check(struct ext_stream *stream);
/* Lets the source fill frames, unless the stream was started, or stopped, before. */
int ext_stream_start(struct ext_stream *stream);
/* Starts a stream anew whose end was told; any other is left as it is. */
int ext_stream_begin_again(struct ext_stream *stream);

/* stream_busy.c, for a source `name` that has no stream left. In an interactive session the oldest
 * idle one of this process is closed, with a warning: 1; 0 if there is none; -1 with an exception. */
int ext_stream_replace(struct ext_state *state, const char *name);
/* OSError that says what would free a stream. Always NULL. */
void *ext_stream_refuse_busy(struct ext_state *state, const char *name);

/* loss.c: whether something is missing before a frame, known how much or not. */
bool ext_loss_is(const struct ndma_frame *entry);
/* What on_loss says about the loss before `frame`: 0, or -1 with an exception. */
int ext_loss_note(struct ext_stream *stream, struct ext_frame *frame);
/* At the end of a run, for what was lost behind its last frame: as ext_loss_note(). */
int ext_loss_end(struct ext_stream *stream);
/* Counts those, once, among what ext_loss_finish() tells; returns how many. Nothing while it runs. */
uint64_t ext_loss_note_end(struct ext_stream *stream);
/* At close: losses that no warning or exception has named yet. */
int ext_loss_finish(struct ext_stream *stream);

struct ext_frame {
	PyObject_HEAD
	struct ext_stream *stream;
	struct ext_layout *layout;	/* of a short frame, once asked for; NULL: the stream's */
	struct ndma_frame entry;
	uint64_t sample_start;
	bool held;			/* the entry is ours to give back */
	PyObject *weakrefs;
};

/* Turns counts of the stream into the channels' units, in a C-contiguous float32 array. */
int ext_stream_scale(struct ext_stream *stream, PyArrayObject *array);

int ext_frame_setup(PyObject *module, struct ext_state *state);
/* Without an entry yet. */
struct ext_frame *ext_frame_alloc(struct ext_stream *stream);
const struct ext_layout *ext_frame_layout(struct ext_frame *frame);

/* ---------------------------------------------------------------- record.c, recording.c */

int ext_record_setup(PyObject *module, struct ext_state *state);
int ext_recording_setup(PyObject *module, struct ext_state *state);

#endif /* NDMA_EXT_INTERNAL_H */
