// SPDX-License-Identifier: MIT
/* When a frame began, and whether that is before the moment that skip() was called at. */
#include "internal.h"
#include "types.h"

int64_t ext_fresh_frame_ns(const struct ext_stream *stream)
{
	struct ndma_source_info info;
	double rate = 0;

	if (!ndma_stream_info(stream->handle, &info) && info.rate.num > 0)
		rate = ext_rational(info.rate);
	return rate > 0 ? (int64_t)((double)stream->layout->shape[1] / rate * NS_PER_S) : 0;
}

int64_t ext_fresh_start_of(const struct ext_stream *stream, const struct ext_frame *frame)
{
	const struct ndma_completion *completion = &frame->entry.completion;
	bool is_start = completion->flags & NDMA_FRAME_TIME_START;

	return (int64_t)completion->timestamp_ns - (is_start ? 0 : stream->frame_ns);
}

bool ext_fresh_passes_over(struct ext_stream *stream, const struct ext_frame *frame)
{
	bool old = ext_fresh_start_of(stream, frame) < stream->fresh_ns;

	/* The gap before it is none that on_loss tells of. */
	stream->skipped += frame->entry.dropped + old;
	stream->lost_ahead = old ? 0 : frame->entry.dropped;
	if (!old)
		stream->fresh_ns = 0;
	return old;
}
