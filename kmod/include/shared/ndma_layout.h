/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Is a layout valid? Compiled into the module and into the library's memfd backend, so that the
 * simulation cannot accept what the module refuses. Integers only; reads nothing outside the
 * layout; any bytes may be in it.
 */
#ifndef NDMA_LAYOUT_H
#define NDMA_LAYOUT_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <uapi/linux/ndma.h>
#else
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <linux/ndma.h>
#endif

#define NDMA_LAYOUT_S64_MAX 0x7fffffffffffffffULL

/* A NUL, and nothing but NULs behind it. */
static inline int ndma_layout_validate_format(const char *format)
{
	bool ended = false;
	int i;

	for (i = 0; i < NDMA_FORMAT_MAX; i++) {
		if (ended && format[i])
			return -EINVAL;
		ended |= !format[i];
	}
	return ended ? 0 : -EINVAL;
}

static inline int ndma_layout_validate_dims(const struct ndma_layout *layout)
{
	__u32 i;

	if (!layout->itemsize || layout->ndim > NDMA_NDIM_MAX)
		return -EINVAL;
	for (i = layout->ndim; i < NDMA_NDIM_MAX; i++) {
		if (layout->shape[i] || layout->strides[i])
			return -EINVAL;
	}
	return 0;
}

/*
 * Bytes of all elements as if none were shared, which everybody who counts them keeps in a signed
 * 64-bit number; a dimension of 0 makes it 0, but the others must fit nevertheless.
 */
static inline int ndma_layout_validate_count(const struct ndma_layout *layout, bool *empty)
{
	__u64 bytes = layout->itemsize;
	__u32 i;

	*empty = false;
	for (i = 0; i < layout->ndim; i++) {
		__u64 length = layout->shape[i];

		if (!length) {
			*empty = true;
			continue;
		}
		if (__builtin_mul_overflow(bytes, length, &bytes) || bytes > NDMA_LAYOUT_S64_MAX)
			return -EOVERFLOW;
	}
	return 0;
}

/* How far below and above the element of all zeros the others begin. */
static inline int ndma_layout_validate_reach(const struct ndma_layout *layout, __u64 *below,
					     __u64 *above)
{
	__u32 i;

	*below = 0;
	*above = 0;
	for (i = 0; i < layout->ndim; i++) {
		__u64 stride = (__u64)layout->strides[i];
		__u64 *side = above;
		__u64 reach;

		if (layout->strides[i] < 0) {
			stride = -stride;
			side = below;
		}
		if (__builtin_mul_overflow(layout->shape[i] - 1, stride, &reach) ||
		    __builtin_add_overflow(*side, reach, side))
			return -EOVERFLOW;
	}
	return 0;
}

/**
 * ndma_layout_validate() - the rules that struct ndma_layout states
 * @layout: any bytes
 * @bytes: size of the buffer that it describes
 *
 * Return: 0; -EINVAL: a field that no buffer could have; -EOVERFLOW: arithmetic that does not fit
 * 64 bits; -ERANGE: an element reaches outside the buffer.
 */
static inline int ndma_layout_validate(const struct ndma_layout *layout, __u64 bytes)
{
	__u64 below, above, end;
	bool empty;
	int ret;

	ret = ndma_layout_validate_dims(layout);
	if (ret)
		return ret;
	ret = ndma_layout_validate_format(layout->format);
	if (ret)
		return ret;
	ret = ndma_layout_validate_count(layout, &empty);
	if (ret)
		return ret;
	if (empty)
		return layout->offset <= bytes ? 0 : -ERANGE;
	ret = ndma_layout_validate_reach(layout, &below, &above);
	if (ret)
		return ret;
	if (__builtin_add_overflow(layout->offset, above, &end) ||
	    __builtin_add_overflow(end, (__u64)layout->itemsize, &end))
		return -EOVERFLOW;
	return below <= layout->offset && end <= bytes ? 0 : -ERANGE;
}

/**
 * ndma_layout_fill_bytes() - the layout of plain bytes
 * @layout: written whole
 * @bytes: how many elements of format "B"
 */
static inline void ndma_layout_fill_bytes(struct ndma_layout *layout, __u64 bytes)
{
	memset(layout, 0, sizeof(*layout));
	layout->itemsize = 1;
	layout->ndim = 1;
	layout->shape[0] = bytes;
	layout->strides[0] = 1;
	layout->format[0] = 'B';
}

#endif /* NDMA_LAYOUT_H */
