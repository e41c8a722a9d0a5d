/* SPDX-License-Identifier: GPL-2.0-only */
/* A stream of sim0 with settings by name, and what its samples must be; on every backend. */
#ifndef NDMA_TEST_SIM_H
#define NDMA_TEST_SIM_H

#include <sched.h>

#include "lib.h"
#include "ndma_sim.h"

/* A fixture with variant->backend. */
#define ON_EVERY_BACKEND(fixture)                                \
	FIXTURE_VARIANT(fixture)                                 \
	{                                                        \
		const char *backend;                             \
	};                                                       \
	FIXTURE_VARIANT_ADD(fixture, kernel) { .backend = "kernel" }; \
	FIXTURE_VARIANT_ADD(fixture, memfd) { .backend = "memfd" }

#define IS_MEMFD() (!strcmp(variant->backend, "memfd"))

/* First in the setup of a fixture with a source. */
#define OPEN_SIM()                                                                  \
	do {                                                                        \
		if (!use_backend(variant->backend))                                 \
			SKIP(return, "module ndma is not loaded");                  \
		if (!IS_MEMFD() && access("/dev/ndma/sim0", F_OK))                  \
			SKIP(return, "module ndma_sim is not loaded");              \
		ASSERT_DONE(ndma_source_open("sim0", &self->source));               \
		self->options = (struct ndma_stream_options)NDMA_STREAM_OPTIONS_INIT; \
	} while (0)

static inline int count_fds(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Controls by name, ended by NULL: { "rate", 1000000 }. */
struct setting {
	const char *name;
	int64_t value;
};

static inline int set_control(struct ndma_source *source, const char *name, int64_t value)
{
	struct ndma_control_info info;
	int rc = ndma_control_find(source, name, &info);

	return rc ? rc : ndma_control_set(source, info.id, value);
}

/* As fast as frames become free, counting. */
#define UNPACED { "paced", 0 }, { "pattern", NDMA_WAVE_COUNTER }

static inline int open_stream(struct ndma_source *source, const struct setting *settings,
			      const struct ndma_stream_options *options, struct ndma_stream **out)
{
	int rc = 0;

	for (; !rc && settings->name; settings++)
		rc = set_control(source, settings->name, settings->value);
	return rc ? rc : ndma_stream_create(source, options, out);
}

#define OPEN_STREAM(options, ...)                                                         \
	ASSERT_DONE(open_stream(self->source,                                             \
				(struct setting[]){ __VA_ARGS__, { NULL, 0 } }, options, \
				&self->stream))

/* True: every sample of a frame of counters is what its number says: 16 bits, both orders. */
static inline bool is_counted(const struct ndma_stream *stream, const struct ndma_frame *frame)
{
	const struct ndma_layout *layout = &ndma_stream_setup(stream)->layout;
	struct ndma_wave wave = { .pattern = NDMA_WAVE_COUNTER, .bits = 16, .is_signed = 1 };
	uint32_t channels = (uint32_t)layout->shape[0], channel;
	uint32_t samples = (uint32_t)(frame->completion.bytes_used / 2 / channels);

	for (channel = 0; channel < channels; channel++)
		if (ndma_wave_check(&wave, (char *)frame->data + channel * layout->strides[0], 2,
				    channel, frame->completion.hw_timestamp, samples,
				    layout->strides[1]) != samples)
			return false;
	return true;
}

/* The module plugs a card that vanished in again, and the next test wants it. */
static inline bool wait_for_sim(void)
{
	int64_t until = now_ns() + 20 * SECOND_NS;
	struct ndma_source *source;

	while (ndma_source_open("sim0", &source)) {
		if (now_ns() > until)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	ndma_source_close(source);
	return true;
}

#endif /* NDMA_TEST_SIM_H */
