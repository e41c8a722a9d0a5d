// SPDX-License-Identifier: MIT
/* Fills: a source writes to a buffer, once, in place. */
#include "ndma_own.h"
#include "stream.h"

static int check(const struct ndma_source *source, const struct ndma_buffer *buffer,
		 const struct ndma_stream_options *options, uint64_t timeout_ns)
{
	int rc = ndma_process_check(source->process, "source");

	if (!rc)
		rc = ndma_process_check(buffer->process, "buffer");
	if (!rc)
		rc = ndma_transfer_check(NDMA_FROM_DEVICE, options->guard, timeout_ns);
	if (rc)
		return rc;
	if (!ndma_own_may_transfer(true, buffer->readonly))
		return ndma_set_error(EPERM, "no fill through a read-only handle");
	if (!source->backend->fill_begin || buffer->backend != source->backend)
		return ndma_set_error(EOPNOTSUPP,
				      "a source of the backend \"%s\" does not fill a buffer of "
				      "the backend \"%s\": read a stream and copy",
				      source->backend->name, buffer->backend->name);
	return 0;
}

/* The format, the order and the counts of a stream of one such frame. */
static int resolve(const struct ndma_source *source, const struct ndma_stream_options *options,
		   struct ndma_stream_setup *setup)
{
	struct ndma_stream_options frame = *options;
	struct ndma_source_info info;
	int rc = ndma_source_info(source, &info);

	if (rc)
		return rc;
	frame.frames = info.frames_min;
	frame.policy = NDMA_POLICY_DROP;
	frame.guard = NDMA_GUARD_NONE;
	rc = ndma_stream_resolve(source, &frame, 0, setup);
	setup->guard = options->guard;
	return rc;
}

/* -EBUSY with the words for either reason: somebody holds the buffer, or the source is in use. */
static int busy(const struct ndma_source *source, const struct ndma_buffer *buffer)
{
	struct ndma_holder holder;

	if (buffer->backend->buffer_holders(buffer, &holder, 1) > 0)
		return ndma_holder_error(buffer, "no fill begins");
	return ndma_set_error(EBUSY,
			      "%s is in use: this object fills a buffer already, or the source "
			      "has no stream left",
			      source->name);
}

NDMA_API int ndma_fill_begin(struct ndma_source *source, struct ndma_buffer *buffer,
			     const struct ndma_stream_options *options, uint64_t timeout_ns)
{
	struct ndma_stream_setup setup;
	int rc;

	rc = check(source, buffer, options, timeout_ns);
	if (!rc)
		rc = resolve(source, options, &setup);
	if (rc)
		return rc;
	/* Counted before it begins: a lease that is joined in between must ask the backend. */
	ndma_ongoing_count(true);
	rc = source->backend->fill_begin(source, buffer, &setup, timeout_ns);
	if (rc) {
		ndma_ongoing_count(false);
		return rc == -EBUSY ? busy(source, buffer) : rc;
	}
	ndma_ongoing_add_fill(source);
	return 0;
}

NDMA_API int ndma_fill_wait(struct ndma_source *source, struct ndma_completion *completion)
{
	int rc = ndma_process_check(source->process, "source");
	uint32_t fill = atomic_load(&source->filling);

	if (rc)
		return rc;
	if (!source->backend->fill_wait)
		return ndma_set_error(EINVAL, "%s has filled no buffer", source->name);
	rc = source->backend->fill_wait(source, completion);
	if (rc != -EINTR)
		ndma_ongoing_remove_fill(source, fill);
	return rc;
}

NDMA_API int ndma_fill_cancel(struct ndma_source *source)
{
	int rc = ndma_process_check(source->process, "source");

	if (rc || !source->backend->fill_cancel)
		return rc;
	return source->backend->fill_cancel(source);
}
