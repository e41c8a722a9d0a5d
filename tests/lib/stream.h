/* SPDX-License-Identifier: GPL-2.0-only */
/* The fixture of tests that need a source: sim0, on each backend that has one. */
#ifndef NDMA_TEST_STREAM_H
#define NDMA_TEST_STREAM_H

#include "lib.h"

FIXTURE(sim)
{
	struct ndma_source *source;
	struct ndma_stream_options options;
	struct ndma_stream *stream;
};

FIXTURE_VARIANT(sim)
{
	const char *backend;
};

FIXTURE_VARIANT_ADD(sim, kernel) { .backend = "kernel" };
FIXTURE_VARIANT_ADD(sim, memfd) { .backend = "memfd" };

FIXTURE_SETUP(sim)
{
	if (!use_backend(variant->backend))
		SKIP(return, "module ndma is not loaded");
	self->options = (struct ndma_stream_options)NDMA_STREAM_OPTIONS_INIT;
	self->options.samples = 64;
	self->options.channels = 2;
	self->options.frames = 8;
	ASSERT_DONE(ndma_source_open("sim0", &self->source));
}

FIXTURE_TEARDOWN(sim)
{
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
}

/* As fast as frames become free, and none is lost, where @on is 0. */
static inline int set_pace(struct ndma_source *source, int64_t on)
{
	struct ndma_control_info info;
	int rc = ndma_control_find(source, "paced", &info);

	return rc ? rc : ndma_control_set(source, info.id, on);
}

/* A counter, as fast as it goes: every sample says which it is. */
static inline int count_fast(struct ndma_source *source)
{
	int rc = ndma_control_set(source, NDMA_CONTROL_PATTERN, 3);

	return rc ? rc : set_pace(source, 0);
}

#endif /* NDMA_TEST_STREAM_H */
