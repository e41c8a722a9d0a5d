/* SPDX-License-Identifier: MIT */
/* What the type tables name: methods, properties and slots, which the interpreter calls. */
#ifndef NDMA_EXT_TYPES_H
#define NDMA_EXT_TYPES_H

#include "internal.h"

/* ---------------------------------------------------------------- Buffer */

PyObject *ext_buffer_array_method(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
				  PyObject *kwnames);
PyObject *ext_buffer_as_readonly(PyObject *self, PyObject *unused);
PyObject *ext_buffer_assign(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_buffer_close(PyObject *self, PyObject *unused);
PyObject *ext_buffer_copy(PyObject *self, PyObject *unused);
PyObject *ext_buffer_dlpack(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_buffer_dunder_array(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_buffer_enter(PyObject *self, PyObject *unused);
PyObject *ext_buffer_exit(PyObject *self, PyObject *args);
PyObject *ext_buffer_fileno(PyObject *self, PyObject *unused);
PyObject *ext_buffer_fill(PyObject *self, PyObject *value);
PyObject *ext_buffer_holders(PyObject *self, PyObject *unused);
PyObject *ext_buffer_leases(PyObject *self, PyObject *unused);
PyObject *ext_buffer_reduce(PyObject *self, PyObject *unused);
PyObject *ext_buffer_resize(PyObject *self, PyObject *shape);
PyObject *ext_buffer_revoke(PyObject *self, PyObject *unused);
PyObject *ext_buffer_set_layout(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_sync_new(PyObject *buffer, PyObject *access);
PyObject *ext_transfer_new(PyObject *buffer, PyObject *args, PyObject *kwargs);

extern PyGetSetDef ext_buffer_getset[];
void ext_buffer_dealloc(PyObject *self);
int ext_buffer_traverse(PyObject *self, visitproc visit, void *arg);
PyObject *ext_buffer_repr(PyObject *self);
PyObject *ext_buffer_richcompare(PyObject *self, PyObject *other, int operation);
PyObject *ext_buffer_iter(PyObject *self);
Py_ssize_t ext_buffer_length(PyObject *self);
PyObject *ext_buffer_getitem(PyObject *self, PyObject *key);
int ext_buffer_setitem(PyObject *self, PyObject *key, PyObject *value);
int ext_buffer_getbuffer(PyObject *self, Py_buffer *view, int flags);
void ext_buffer_releasebuffer(PyObject *self, Py_buffer *view);

/* ---------------------------------------------------------------- Source */

PyObject *ext_source_close(PyObject *self, PyObject *unused);
PyObject *ext_source_enter(PyObject *self, PyObject *unused);
PyObject *ext_source_exit(PyObject *self, PyObject *args);
PyObject *ext_source_read(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_source_read_into(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_source_reduce(PyObject *self, PyObject *unused);
PyObject *ext_stream_from_arguments(PyObject *source, PyObject *args, PyObject *kwargs);

extern PyGetSetDef ext_source_getset[];
void ext_source_dealloc(PyObject *self);
int ext_source_traverse(PyObject *self, visitproc visit, void *arg);
PyObject *ext_source_repr(PyObject *self);

/* ---------------------------------------------------------------- Stream */

PyObject *ext_stream_claim(PyObject *self, PyObject *claim);
PyObject *ext_stream_close(PyObject *self, PyObject *unused);
PyObject *ext_stream_enter(PyObject *self, PyObject *unused);
PyObject *ext_stream_exit(PyObject *self, PyObject *args);
PyObject *ext_stream_fileno(PyObject *self, PyObject *unused);
PyObject *ext_stream_latest(PyObject *self, PyObject *unused);
PyObject *ext_stream_poll(PyObject *self, PyObject *wanted);
PyObject *ext_stream_read(PyObject *self, PyObject *frames);
PyObject *ext_stream_reduce(PyObject *self, PyObject *unused);
PyObject *ext_stream_start_method(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_stream_skip(PyObject *self, PyObject *unused);
PyObject *ext_stream_stop(PyObject *self, PyObject *unused);
PyObject *ext_stream_take(PyObject *self, PyObject *unused);

extern PyGetSetDef ext_stream_getset[];
PyObject *ext_stream_anext(PyObject *self);
PyObject *ext_stream_iter(PyObject *self);
void ext_stream_dealloc(PyObject *self);
int ext_stream_traverse(PyObject *self, visitproc visit, void *arg);
PyObject *ext_stream_repr(PyObject *self);

/* ---------------------------------------------------------------- Source and Stream */

PyObject *ext_control_all(PyObject *self, PyObject *unused);
PyObject *ext_control_dir(PyObject *self, PyObject *unused);
PyObject *ext_control_mapping(PyObject *self, void *unused);
PyObject *ext_control_set(PyObject *self, PyObject *args);
PyObject *ext_control_getattro(PyObject *self, PyObject *name);
int ext_control_setattro(PyObject *self, PyObject *name, PyObject *value);

/* ---------------------------------------------------------------- Frame */

PyObject *ext_frame_array_method(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
				 PyObject *kwnames);
PyObject *ext_frame_buffer_array(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
				 PyObject *kwnames);
PyObject *ext_frame_copy(PyObject *self, PyObject *unused);
PyObject *ext_frame_dlpack(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_frame_dunder_array(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_frame_iq(PyObject *self, PyObject *unused);
PyObject *ext_frame_physical(PyObject *self, PyObject *unused);
PyObject *ext_frame_reduce(PyObject *self, PyObject *unused);
PyObject *ext_frame_to_buffer(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
			      PyObject *kwnames);

extern PyGetSetDef ext_frame_getset[];
void ext_frame_dealloc(PyObject *object);
PyObject *ext_frame_iter(PyObject *self);
Py_ssize_t ext_frame_length(PyObject *self);
PyObject *ext_frame_getitem(PyObject *self, PyObject *key);
PyObject *ext_frame_repr(PyObject *self);
int ext_frame_getbuffer(PyObject *self, Py_buffer *view, int flags);

/* ---------------------------------------------------------------- Buffer and Frame */

PyObject *ext_array_like_astype(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ext_array_like_ravel(PyObject *self, PyObject *args, PyObject *kwargs);
extern const char ext_array_like_astype_doc[];
extern const char ext_array_like_ravel_doc[];
PyObject *ext_dlpack_device(PyObject *self, PyObject *unused);

/* ---------------------------------------------------------------- Source, Stream, Frame, Buffer */

PyObject *ext_repr_html(PyObject *self, PyObject *unused);
PyObject *ext_frame_to_xarray(PyObject *self, PyObject *unused);

#endif /* NDMA_EXT_TYPES_H */
