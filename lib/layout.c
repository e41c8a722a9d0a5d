// SPDX-License-Identifier: MIT
/* Layouts: the kernel's own validator, with words. */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "ndma_layout.h"

/* "4 x 65536", cut where it gets long. */
static void describe_shape(const struct ndma_layout *layout, char *words, size_t room)
{
	size_t length = 0;
	uint32_t i;

	snprintf(words, room, "no dimensions");
	for (i = 0; i < layout->ndim && length + 32 < room; i++)
		length += snprintf(words + length, room - length, "%s%llu", i ? " x " : "",
				   (unsigned long long)layout->shape[i]);
}

int ndma_layout_error(int rc, const struct ndma_layout *layout, uint64_t bytes)
{
	char shape[128];

	if (rc == -EINVAL && !layout->itemsize)
		return ndma_set_error(EINVAL, "a layout with itemsize 0: expected at least 1");
	if (rc == -EINVAL && layout->ndim > NDMA_NDIM_MAX)
		return ndma_set_error(EINVAL, "a layout of %u dimensions: expected at most %u",
				      layout->ndim, NDMA_NDIM_MAX);
	if (rc == -EINVAL)
		return ndma_set_error(EINVAL,
				      "a layout with something behind its last dimension or "
				      "its format's end: expected zeros there");
	describe_shape(layout, shape, sizeof(shape));
	if (rc == -EOVERFLOW)
		return ndma_set_error(EOVERFLOW,
				      "a layout of %s elements of %u bytes: its size does "
				      "not fit 64 bits",
				      shape, layout->itemsize);
	return ndma_set_error(ERANGE,
			      "a layout of %s elements of %u bytes from byte %llu on reaches "
			      "outside a buffer of %llu bytes",
			      shape, layout->itemsize, (unsigned long long)layout->offset,
			      (unsigned long long)bytes);
}

NDMA_API int ndma_layout_check(const struct ndma_layout *layout, uint64_t bytes)
{
	int rc = ndma_layout_validate(layout, bytes);

	return rc ? ndma_layout_error(rc, layout, bytes) : 0;
}

NDMA_API int ndma_layout_span(const struct ndma_layout *layout, uint64_t *bytes)
{
	__u64 below, above;
	int rc;

	rc = ndma_layout_check(layout, UINT64_MAX);
	if (rc)
		return rc;
	if (!ndma_layout_size(layout)) {
		*bytes = layout->offset ? layout->offset : 1;
		return 0;
	}
	ndma_layout_validate_reach(layout, &below, &above);
	*bytes = layout->offset + above + layout->itemsize;
	return 0;
}

NDMA_API void ndma_layout_flat(struct ndma_layout *layout, uint64_t bytes)
{
	ndma_layout_fill_bytes(layout, bytes);
}

NDMA_API int ndma_layout_init(struct ndma_layout *layout, const char *format, uint32_t itemsize,
			      uint32_t ndim, const uint64_t *shape)
{
	struct ndma_layout made = { .itemsize = itemsize, .ndim = ndim };
	uint64_t stride = itemsize;
	size_t length = strlen(format);
	bool empty;
	uint32_t i;
	int rc;

	if (length >= NDMA_FORMAT_MAX)
		return ndma_set_error(EINVAL, "a format of %zu characters: expected at most %d",
				      length, NDMA_FORMAT_MAX - 1);
	if (ndim > NDMA_NDIM_MAX || !itemsize)
		return ndma_layout_error(-EINVAL, &made, 0);
	memcpy(made.format, format, length);
	for (i = 0; i < ndim; i++)
		made.shape[i] = shape[i];
	rc = ndma_layout_validate_count(&made, &empty);
	if (rc)
		return ndma_layout_error(rc, &made, 0);
	for (i = ndim; i-- > 0;) {
		made.strides[i] = (int64_t)stride;
		stride *= shape[i] ? shape[i] : 1;
	}
	*layout = made;
	return 0;
}

NDMA_API uint64_t ndma_layout_size(const struct ndma_layout *layout)
{
	uint64_t size = 1;
	uint32_t i;

	for (i = 0; i < layout->ndim; i++)
		size *= layout->shape[i];
	return size;
}

NDMA_API bool ndma_layout_is_c_contiguous(const struct ndma_layout *layout)
{
	uint64_t stride = layout->itemsize;
	uint32_t i;

	if (!ndma_layout_size(layout))
		return true;
	for (i = layout->ndim; i-- > 0;) {
		if (layout->shape[i] != 1 && (uint64_t)layout->strides[i] != stride)
			return false;
		stride *= layout->shape[i];
	}
	return true;
}
