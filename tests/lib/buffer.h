/* SPDX-License-Identifier: GPL-2.0-only */
/* The fixture of tests that need one buffer, on each backend that makes buffers. */
#ifndef NDMA_TEST_BUFFER_H
#define NDMA_TEST_BUFFER_H

#include "lib.h"

FIXTURE(buffer)
{
	struct ndma_layout layout;
	struct ndma_buffer *buffer;
};

FIXTURE_VARIANT(buffer)
{
	const char *backend;
};

FIXTURE_VARIANT_ADD(buffer, kernel) { .backend = "kernel" };
FIXTURE_VARIANT_ADD(buffer, memfd) { .backend = "memfd" };

/* 3 x 1000 numbers of 4 bytes. */
FIXTURE_SETUP(buffer)
{
	uint64_t shape[2] = { 3, 1000 };

	if (!use_backend(variant->backend))
		SKIP(return, "module ndma is not loaded");
	ASSERT_DONE(ndma_layout_init(&self->layout, "<i", 4, 2, shape));
	ASSERT_DONE(ndma_buffer_create(&self->layout, NULL, &self->buffer));
}

FIXTURE_TEARDOWN(buffer)
{
	ndma_buffer_close(self->buffer);
}

#endif /* NDMA_TEST_BUFFER_H */
