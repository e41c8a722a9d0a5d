// SPDX-License-Identifier: MIT
/* From counts to units: copies of a frame's samples as float32 or complex64. */
#include "internal.h"
#include "types.h"

#include <string.h>

/* Scale and offset of each channel as they were at the start, looked up once. */
static int load_scales(struct ext_stream *stream)
{
	float *scale;

	if (stream->scale)
		return 0;
	scale = PyMem_Calloc(2 * (size_t)stream->channels, sizeof(*scale));
	if (!scale) {
		PyErr_NoMemory();
		return -1;
	}
	for (uint32_t i = 0; i < stream->channels; i++) {
		struct ndma_source_channel channel;
		int ret = ndma_stream_channel(stream->handle, i, &channel);

		if (ret < 0) {
			PyMem_Free(scale);
			ext_error(stream->state, EXT_STREAM, ret);
			return -1;
		}
		scale[i] = (float)ext_rational(channel.scale);
		scale[stream->channels + i] = (float)ext_rational(channel.offset);
	}
	stream->scale = scale;
	return 0;
}

int ext_stream_scale(struct ext_stream *stream, PyArrayObject *array)
{
	npy_intp row = PyArray_SIZE(array) / stream->channels;
	float *value = PyArray_DATA(array);

	if (load_scales(stream))
		return -1;
	for (uint32_t channel = 0; channel < stream->channels; channel++) {
		float scale = stream->scale[channel];
		float offset = stream->scale[stream->channels + channel];

		for (npy_intp i = 0; i < row; i++, value++)
			*value = *value * scale + offset;
	}
	return 0;
}

/* A C-contiguous float32 copy, scaled where it lies. */
PyObject *ext_frame_physical(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = ((struct ext_frame *)self)->stream;
	PyObject *array, *copy;

	array = PyObject_CallMethod(self, "array", NULL);
	if (!array)
		return NULL;
	copy = PyArray_FromAny(array, PyArray_DescrFromType(NPY_FLOAT), 0, 0,
			       NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ENSURECOPY | NPY_ARRAY_FORCECAST,
			       NULL);
	Py_DECREF(array);
	if (copy && ext_stream_scale(stream, (PyArrayObject *)copy))
		Py_CLEAR(copy);
	return copy;
}

PyObject *ext_frame_iq(PyObject *self, PyObject *unused)
{
	struct ext_stream *stream = ((struct ext_frame *)self)->stream;
	PyObject *pairs, *array;
	PyArray_Descr *descr;

	if (!stream->iq) {
		PyErr_Format(PyExc_TypeError,
			     "%s gives real samples here; iq=True asks stream() "
			     "for pairs where the source has them",
			     stream->name);
		return NULL;
	}
	pairs = ext_frame_physical(self, NULL);
	if (!pairs)
		return NULL;
	descr = PyArray_DescrFromType(NPY_CFLOAT);
	/* Two neighbouring float32 are one complex64. */
	array = PyArray_NewFromDescr(&PyArray_Type, descr, 2, PyArray_DIMS((PyArrayObject *)pairs),
				     NULL, PyArray_DATA((PyArrayObject *)pairs), NPY_ARRAY_CARRAY,
				     NULL);
	if (!array) {
		Py_DECREF(pairs);
		return NULL;
	}
	if (PyArray_SetBaseObject((PyArrayObject *)array, pairs) < 0)
		Py_CLEAR(array);
	return array;
}
