// SPDX-License-Identifier: MIT
/*
 * libFuzzer on the validator of layouts: what it accepts lies inside the buffer, and what lies
 * inside it accepts, as 128-bit arithmetic sees it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <ndma.h>

typedef __int128 wide;

/* Further away than any byte of any buffer, and far from where 128 bits end. */
#define FAR ((wide)1 << 100)

/* Where the elements of a well-formed layout lie: false if there are none. */
static int find_extent(const struct ndma_layout *layout, wide *low, wide *high)
{
	uint32_t i;

	*low = layout->offset;
	*high = *low + layout->itemsize;
	for (i = 0; i < layout->ndim; i++) {
		wide reach = ((wide)layout->shape[i] - 1) * layout->strides[i];

		if (!layout->shape[i])
			return 0;
		reach = reach > FAR ? FAR : reach < -FAR ? -FAR : reach;
		*(reach < 0 ? low : high) += reach;
	}
	return 1;
}

static void check(const struct ndma_layout *layout, uint64_t bytes)
{
	int result = ndma_layout_check(layout, bytes);
	wide low, high;

	if (result == -EINVAL)
		return;
	if (!find_extent(layout, &low, &high)) {
		if (!result && layout->offset > bytes)
			abort();
		return;
	}
	if (!result && (low < 0 || high > bytes))
		abort();
	if (result == -ERANGE && low >= 0 && high <= bytes)
		abort();
	if (result && !*ndma_error())
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct {
		uint64_t bytes;
		struct ndma_layout layout;
	} input = { 0 };

	memcpy(&input, data, size < sizeof(input) ? size : sizeof(input));
	check(&input.layout, input.bytes);
	/* Hardly any input has zeros where they must be; so with them too. */
	input.layout.ndim %= 4;
	memset(&input.layout.shape[input.layout.ndim], 0,
	       sizeof(input.layout.shape[0]) * (NDMA_NDIM_MAX - input.layout.ndim));
	memset(&input.layout.strides[input.layout.ndim], 0,
	       sizeof(input.layout.strides[0]) * (NDMA_NDIM_MAX - input.layout.ndim));
	memset(input.layout.format, 0, sizeof(input.layout.format));
	check(&input.layout, input.bytes);
	return 0;
}
