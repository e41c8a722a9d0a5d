// SPDX-License-Identifier: MIT
/* Source.read_into() of a Buffer that the source's device reaches: no frame, no copy. */
#include "internal.h"

#include <errno.h>
#include <string.h>

#define SECOND_NS 1000000000ULL
#define LONGEST_NS (3600 * SECOND_NS)

/* The buffer's layout as options: false where no source writes like that. */
static bool options_of(const struct ndma_layout *layout, struct ndma_stream_options *options)
{
	uint64_t channels = layout->shape[0], samples = layout->shape[1];
	int64_t unit = layout->itemsize;

	if (layout->offset || (layout->ndim != 2 && layout->ndim != 3) || !channels || !samples ||
	    channels > UINT32_MAX)
		return false;
	if (layout->ndim == 3) {
		if (layout->shape[2] != 2 || layout->strides[2] != unit)
			return false;
		unit *= 2;
	}
	if (layout->strides[1] == unit && layout->strides[0] == (int64_t)samples * unit)
		options->order = NDMA_ORDER_PLANAR;
	else if (layout->strides[0] == unit && layout->strides[1] == (int64_t)channels * unit)
		options->order = NDMA_ORDER_INTERLEAVED;
	else
		return false;
	options->samples = samples;
	options->channels = (uint32_t)channels;
	options->format = layout->format;
	options->iq = layout->ndim == 3;
	return true;
}

/* The fill's deadline. `timeout_ns` is a time without data, and a fill's data come all at once,
 * after the time that the samples take. */
static uint64_t deadline_of(const struct ndma_source *source, uint64_t samples, int64_t timeout_ns)
{
	struct ndma_source_info info;
	double took = 0;

	if (timeout_ns < 0)
		return LONGEST_NS;
	if (!ndma_source_info(source, &info) && info.rate.num > 0)
		took = (double)samples * (double)info.rate.den / (double)info.rate.num;
	took = took * 1e9 + (double)timeout_ns;
	return took < (double)LONGEST_NS ? (uint64_t)took : LONGEST_NS;
}

/* Sleeps until the fill is over, or a signal handler raises. 0, a negative errno, or 1 with the
 * handler's exception; -1 is -EPERM, which a handler meets that forks and returns in the child. */
static int await(struct ndma_source *source, struct ndma_completion *completion)
{
	int ret;

	for (;;) {
		Py_BEGIN_ALLOW_THREADS ret = ndma_fill_wait(source, completion);
		Py_END_ALLOW_THREADS if (ret != -EINTR) return ret;
		if (!PyErr_CheckSignals())
			continue;
		Py_BEGIN_ALLOW_THREADS ndma_fill_cancel(source);
		Py_END_ALLOW_THREADS return 1;
	}
}

/* 1, or -1 with OSError. */
static int check(struct ext_source *source, const struct ndma_layout *layout,
		 const struct ndma_completion *completion)
{
	uint64_t bytes = ndma_layout_size(layout) * layout->itemsize;
	const char *name = ndma_source_name(source->handle);

	if (completion->flags & NDMA_FRAME_ERROR)
		ext_error_os(PyExc_OSError, EIO,
			     PyUnicode_FromFormat("%s says that what it has filled the buffer with "
						  "is wrong",
						  name));
	else if (completion->bytes_used != bytes)
		ext_error_os(PyExc_OSError, EIO,
			     PyUnicode_FromFormat("%s has filled %llu bytes of %llu", name,
						  (unsigned long long)completion->bytes_used,
						  (unsigned long long)bytes));
	else
		return 1;
	return -1;
}

static int fill(struct ext_source *source, struct ext_buffer *buffer, int64_t timeout_ns)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	struct ndma_completion completion;
	struct ndma_layout layout;
	uint64_t deadline;
	int ret;

	if (ndma_buffer_layout(buffer->handle, &layout) || !options_of(&layout, &options))
		return 0;
	deadline = deadline_of(source->handle, options.samples, timeout_ns);
	do {
		Py_BEGIN_ALLOW_THREADS ret =
			ndma_fill_begin(source->handle, buffer->handle, &options, deadline);
		Py_END_ALLOW_THREADS if (ret == -EINTR)
		{
			if (PyErr_CheckSignals())
				return -1;
			continue;
		}
		/* Another driver's fence has not signalled: that driver may still write to the
		 * buffer, also into a copy. */
		if (ret == -ETIMEDOUT)
			continue;
		/* The stream that the caller falls back to copies, or says what is wrong. */
		if (ret < 0)
			return 0;
		ret = await(source->handle, &completion);
		if (ret > 0)
			return -1;
	} while (ret == -EINTR || (ret == -ETIMEDOUT && timeout_ns < 0));
	if (!ret)
		return check(source, &layout, &completion);
	ext_error(source->state, EXT_STREAM, ret);
	return -1;
}

int ext_source_fill(struct ext_source *source, struct ext_buffer *buffer, int64_t timeout_ns)
{
	uint64_t process;
	int ret;

	/* A timeout of 0 waits for nothing, and a fill always waits: the stream raises
	 * TimeoutError. */
	if (!timeout_ns || strcmp(ndma_source_backend(source->handle), "kernel"))
		return 0;
	if (ext_buffer_check(buffer) || ext_source_begin_call(source))
		return -1;
	process = buffer->process;
	ext_buffer_begin_call(buffer);
	ret = fill(source, buffer, timeout_ns);
	/* A child that a signal handler forked may have opened the buffer anew, and counts its own
	 * calls. */
	if (buffer->process == process)
		ext_buffer_end_call(buffer);
	ext_source_end_call(source);
	return ret;
}
