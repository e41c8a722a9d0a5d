/* SPDX-License-Identifier: GPL-2.0-only */
/* What tests of fills start with: a buffer that is poisoned, and a source that reaches it. */
#ifndef NDMA_TEST_FILL_FIXTURE_H
#define NDMA_TEST_FILL_FIXTURE_H

#include "fill.h"

#define POISON 0xee
#define CAPACITY HUGE_BYTES

FIXTURE(fill)
{
	int heap;
	int other;
	int source;
	int fd;
	unsigned char *data;
};

FIXTURE_VARIANT(fill)
{
	const char *source;
	uint64_t itemsize;
};

FIXTURE_VARIANT_ADD(fill, sim) { .source = "sim0", .itemsize = 2 };
FIXTURE_VARIANT_ADD(fill, edu) { .source = "edu0", .itemsize = 1 };

FIXTURE_SETUP(fill)
{
	self->source = source_open(variant->source);
	if (self->source == -ENOENT)
		SKIP(return, "this guest has no /dev/ndma/edu0");
	ASSERT_GE(self->source, 0);
	self->heap = heap_open();
	self->other = heap_open();
	ASSERT_GE(self->other, 0);
	self->fd = heap_alloc_for(self->heap, self->source, CAPACITY);
	ASSERT_GE(self->fd, 0);
	self->data = buffer_map(self->heap, self->fd, CAPACITY, PROT_READ | PROT_WRITE);
	ASSERT_NE(self->data, MAP_FAILED);
	memset(self->data, POISON, CAPACITY);
}

FIXTURE_TEARDOWN(fill)
{
	munmap(self->data, CAPACITY);
	close(self->fd);
	close(self->source);
	close(self->other);
	close(self->heap);
}

static inline bool is_sim(const FIXTURE_VARIANT(fill) *variant)
{
	return variant->itemsize == 2;
}

/* Begins one that is soon done. */
static inline int begin_short(struct _test_data_fill *self, const FIXTURE_VARIANT(fill) *variant,
		       uint64_t bytes, uint32_t guard)
{
	struct ndma_fill_begin request =
		fill_of(self->heap, self->fd, bytes / variant->itemsize, FENCED_NS);

	request.guard = guard;
	return call(self->source, NDMA_FILL_BEGIN, &request);
}

/*
 * Begins one that is not done while the test runs, and has no fence: sim waits for its button, edu is
 * slow.
 */
static inline int begin_long(struct _test_data_fill *self, const FIXTURE_VARIANT(fill) *variant,
		      uint64_t timeout_ns)
{
	if (is_sim(variant))
		control_set(self->source, NDMA_CONTROL_TRIGGER, NDMA_SIM_TRIGGER_SOFTWARE);
	return fill_begin(self->source, self->heap, self->fd, LONG_BYTES / variant->itemsize,
			  timeout_ns);
}

/* Begins one that is not done soon, and whose source knows that it will be: it has a fence. */
static inline int begin_bound(struct _test_data_fill *self, const FIXTURE_VARIANT(fill) *variant,
			      uint64_t timeout_ns)
{
	if (is_sim(variant))
		control_set(self->source, NDMA_CONTROL_RATE, BOUND_RATE);
	return fill_begin(self->source, self->heap, self->fd,
			  is_sim(variant) ? LONG_BYTES / variant->itemsize : BOUND_BYTES,
			  timeout_ns);
}

static inline bool is_filled(const struct _test_data_fill *self, const FIXTURE_VARIANT(fill) *variant,
		      uint64_t bytes)
{
	uint64_t i;

	for (i = bytes; i < CAPACITY; i++)
		if (self->data[i] != POISON)
			return false;
	return is_sim(variant) ? fill_is_sim(self->data, bytes / 2, 1000000)
			       : fill_is_edu(self->data, bytes);
}

#endif /* NDMA_TEST_FILL_FIXTURE_H */
