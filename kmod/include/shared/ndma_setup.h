/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ndma_setup.h - may a stream or a fill be set up as it was asked for, and how many bytes are that?
 *
 * The module refuses by these rules. The library's memfd backend refuses by them too, and the library
 * makes its words from the same verdict. Integers only, no libc, no allocation; every function may be
 * called from any context, with any bytes in the setup.
 *
 * A setup is looked at in three steps: ndma_setup_check_stream(), what a stream alone has;
 * ndma_setup_check_frame(), what one frame has, of a fill too; ndma_setup_measure(), which writes the
 * outputs. The NUMA node is no part of it: which nodes there are is each machine's.
 */
#ifndef NDMA_SETUP_H
#define NDMA_SETUP_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <uapi/linux/ndma.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <linux/ndma.h>
#endif

/**
 * struct ndma_format_desc - one kind of sample that a source makes
 * @format: PEP 3118 format of one number, "<h"; at most 15 characters
 * @itemsize: bytes of one number
 * @bits: significant bits of one number
 * @orders: NDMA_ORDER_… that the source can write
 * @flags: NDMA_FORMAT_IQ or 0
 */
struct ndma_format_desc {
	const char *format;
	__u32 itemsize;
	__u32 bits;
	__u32 orders;
	__u32 flags;
};

/**
 * struct ndma_setup_limits - what a source can do
 * @formats: how many formats
 * @channels: how many channels
 * @frames_min: fewest frames of a stream
 * @frames_max: most frames of a stream
 * @frame_bytes_max: largest frame
 * @samples_step: samples of a frame are a multiple of it; 0: 1
 */
struct ndma_setup_limits {
	__u32 formats;
	__u32 channels;
	__u32 frames_min;
	__u32 frames_max;
	__u64 frame_bytes_max;
	__u32 samples_step;
};

/**
 * struct ndma_setup_memory - what memory is like; sizes are powers of two
 * @page_bytes: of a page: frames and rings begin at a multiple
 * @guard_bytes: what a guard takes away and gives back at once: min(PMD_SIZE, 2 MiB)
 * @piece_bytes: memory is contiguous in aligned pieces of so many bytes
 * @contiguous: a frame that is no larger than a piece must not cross the end of one
 */
struct ndma_setup_memory {
	__u64 page_bytes;
	__u64 guard_bytes;
	__u64 piece_bytes;
	bool contiguous;
};

/** enum ndma_setup_rule - which rule a setup breaks */
enum ndma_setup_rule {
	NDMA_SETUP_RULE_NONE,
	NDMA_SETUP_RULE_FLAGS,		/* @flags are known; without its flag @controls_fd is 0 */
	NDMA_SETUP_RULE_ENTRY,		/* @entry_bytes is 0 or of an entry that there is */
	NDMA_SETUP_RULE_DIRECTION,
	NDMA_SETUP_RULE_POLICY,
	NDMA_SETUP_RULE_GUARD,
	NDMA_SETUP_RULE_FRAMES,		/* between frames_min and frames_max */
	NDMA_SETUP_RULE_FORMAT,		/* the source has it */
	NDMA_SETUP_RULE_ORDER,		/* one, which the format has */
	NDMA_SETUP_RULE_CHANNELS,	/* no more than the source has */
	NDMA_SETUP_RULE_STEP,		/* samples are a multiple of samples_step, and not 0 */
	NDMA_SETUP_RULE_COUNT,		/* bytes of a frame fit 63 bits */
	NDMA_SETUP_RULE_BYTES,		/* a frame is no larger than frame_bytes_max */
	NDMA_SETUP_RULE_TOTAL,		/* bytes of all frames fit 63 bits, those of a ring 32 */
};

/**
 * struct ndma_setup_verdict - why a setup is refused
 * @rule: the first rule that it breaks, or %NDMA_SETUP_RULE_NONE
 * @value: what was asked for: frames, channels, a number of samples, …
 * @min: smallest value that would do
 * @max: largest value that would do; of orders: all that would
 * @step: values between are a multiple of it
 * @nearest: value nearest to @value that would do
 */
struct ndma_setup_verdict {
	enum ndma_setup_rule rule;
	__u64 value;
	__u64 min;
	__u64 max;
	__u64 step;
	__u64 nearest;
};

/* Everything called ndma_setup__ is internal to this header. */

/* What struct ndma_layout allows for a count of bytes. */
#define NDMA_SETUP__BYTES_MAX	0x7fffffffffffffffULL

static inline __u64 ndma_setup__divide(__u64 value, __u64 divisor, __u64 *rest)
{
#ifdef __KERNEL__
	return div64_u64_rem(value, divisor, rest);
#else
	*rest = value % divisor;
	return value / divisor;
#endif
}

/* The largest multiple of @step that is no larger than @value. */
static inline __u64 ndma_setup__round_down(__u64 value, __u64 step)
{
	__u64 rest;

	ndma_setup__divide(value, step, &rest);
	return value - rest;
}

/* False: it does not fit. @to is a power of two. */
static inline bool ndma_setup__round_up(__u64 *value, __u64 to)
{
	if (__builtin_add_overflow(*value, to - 1, value))
		return false;
	*value &= ~(to - 1);
	return true;
}

static inline __u64 ndma_setup__power_of_two_from(__u64 value)
{
	__u64 power = 1;

	while (power < value)
		power <<= 1;
	return power;
}

/* Returns @error; @value was to be @min to @max. */
static inline int ndma_setup__refuse(struct ndma_setup_verdict *verdict, int error,
				     enum ndma_setup_rule rule, __u64 value, __u64 min, __u64 max)
{
	verdict->rule = rule;
	verdict->value = value;
	verdict->min = min;
	verdict->max = max;
	verdict->step = 1;
	verdict->nearest = value < min ? min : value > max ? max : value;
	return error;
}

/* Bytes of one sample of all channels; at most 2^65, so that they may not fit. */
static inline bool ndma_setup__sample_bytes(const struct ndma_format_desc *format, __u32 channels,
					    __u64 *bytes)
{
	*bytes = (__u64)format->itemsize * channels;
	return !(format->flags & NDMA_FORMAT_IQ) || !__builtin_mul_overflow(*bytes, 2, bytes);
}

/* The most samples that a frame of this kind can have. */
static inline __u64 ndma_setup__samples_max(const struct ndma_setup_limits *limits,
					    __u64 sample_bytes, __u64 step)
{
	__u64 most = limits->frame_bytes_max, rest;

	if (most > NDMA_SETUP__BYTES_MAX)
		most = NDMA_SETUP__BYTES_MAX;
	return ndma_setup__round_down(ndma_setup__divide(most, sample_bytes, &rest), step);
}

static inline int ndma_setup__refuse_samples(const struct ndma_setup_limits *limits,
					     const struct ndma_stream_setup *setup,
					     __u64 sample_bytes, int error,
					     enum ndma_setup_rule rule,
					     struct ndma_setup_verdict *verdict)
{
	__u64 step = limits->samples_step ? limits->samples_step : 1;
	__u64 most = ndma_setup__samples_max(limits, sample_bytes, step);
	__u64 value = setup->samples, nearest = ndma_setup__round_down(value, step);

	ndma_setup__refuse(verdict, error, rule, value, step, most);
	verdict->step = step;
	if (value - nearest > step / 2)
		nearest += step;
	if (value > most)
		nearest = most;
	verdict->nearest = nearest ? nearest : step;
	return error;
}

/**
 * ndma_setup_check_stream() - the rules of NDMA_STREAM_SETUP that a fill has no part in
 * @limits: what the source can do
 * @setup: its inputs
 * @verdict: written where it is refused
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP: a direction that is known, but not done.
 */
static inline int ndma_setup_check_stream(const struct ndma_setup_limits *limits,
					  const struct ndma_stream_setup *setup,
					  struct ndma_setup_verdict *verdict)
{
	if (setup->flags & ~NDMA_SETUP_CONTROLS)
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_FLAGS,
					  setup->flags, 0, NDMA_SETUP_CONTROLS);
	if (!setup->flags && setup->controls_fd)
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_FLAGS,
					  setup->controls_fd, 0, 0);
	if (setup->reserved || (setup->entry_bytes &&
				setup->entry_bytes != sizeof(struct ndma_completion) &&
				setup->entry_bytes != sizeof(struct ndma_entry)))
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_ENTRY,
					  setup->reserved ? setup->reserved : setup->entry_bytes,
					  sizeof(struct ndma_completion),
					  sizeof(struct ndma_entry));
	if (setup->direction != NDMA_FROM_DEVICE)
		return ndma_setup__refuse(verdict,
					  setup->direction == NDMA_TO_DEVICE ||
					  setup->direction == NDMA_BOTH ? -EOPNOTSUPP : -EINVAL,
					  NDMA_SETUP_RULE_DIRECTION, setup->direction,
					  NDMA_FROM_DEVICE, NDMA_FROM_DEVICE);
	if (setup->policy > NDMA_POLICY_LATEST)
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_POLICY, setup->policy,
					  NDMA_POLICY_DROP, NDMA_POLICY_LATEST);
	if (setup->guard != NDMA_GUARD_NONE && setup->guard != NDMA_GUARD_SIGBUS)
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_GUARD, setup->guard,
					  NDMA_GUARD_NONE, NDMA_GUARD_SIGBUS);
	if (setup->frames < limits->frames_min || setup->frames > limits->frames_max)
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_FRAMES, setup->frames,
					  limits->frames_min, limits->frames_max);
	return 0;
}

/**
 * ndma_setup_format() - the format that was asked for
 * @formats: those of the source
 * @count: how many
 * @index: any number
 *
 * Return: it; NULL: there is none, which ndma_setup_check_frame() refuses.
 */
static inline const struct ndma_format_desc *
ndma_setup_format(const struct ndma_format_desc *formats, __u32 count, __u32 index)
{
	return index < count ? &formats[index] : NULL;
}

/**
 * ndma_setup_check_frame() - the rules of what one frame of a stream, or a fill, is
 * @limits: what the source can do; its frames do not matter
 * @format: the format that was asked for, or NULL
 * @setup: inputs: format, order, channels, samples
 * @verdict: written where it is refused
 *
 * Return: 0; -EINVAL; -EOVERFLOW: the bytes of a frame do not fit 63 bits.
 */
static inline int ndma_setup_check_frame(const struct ndma_setup_limits *limits,
					 const struct ndma_format_desc *format,
					 const struct ndma_stream_setup *setup,
					 struct ndma_setup_verdict *verdict)
{
	__u64 step = limits->samples_step ? limits->samples_step : 1;
	__u64 sample_bytes, bytes;

	if (!format)
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_FORMAT, setup->format,
					  0, limits->formats - 1);
	if (setup->order & (setup->order - 1) || !(setup->order & format->orders))
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_ORDER, setup->order,
					  format->orders & -format->orders, format->orders);
	if (setup->channels > limits->channels)
		return ndma_setup__refuse(verdict, -EINVAL, NDMA_SETUP_RULE_CHANNELS,
					  setup->channels, 0, limits->channels);
	if (!ndma_setup__sample_bytes(format, setup->channels ? setup->channels : limits->channels,
				      &sample_bytes))
		return ndma_setup__refuse(verdict, -EOVERFLOW, NDMA_SETUP_RULE_COUNT,
					  setup->samples, 0, 0);
	if (!setup->samples || ndma_setup__round_down(setup->samples, step) != setup->samples)
		return ndma_setup__refuse_samples(limits, setup, sample_bytes, -EINVAL,
						  NDMA_SETUP_RULE_STEP, verdict);
	if (__builtin_mul_overflow(sample_bytes, setup->samples, &bytes) ||
	    bytes > NDMA_SETUP__BYTES_MAX)
		return ndma_setup__refuse_samples(limits, setup, sample_bytes, -EOVERFLOW,
						  NDMA_SETUP_RULE_COUNT, verdict);
	if (bytes > limits->frame_bytes_max)
		return ndma_setup__refuse_samples(limits, setup, sample_bytes, -EINVAL,
						  NDMA_SETUP_RULE_BYTES, verdict);
	return 0;
}

/* [channel, sample], and a trailing 2 for I/Q; the strides tell planar from interleaved. */
static inline void ndma_setup__lay_out(const struct ndma_format_desc *format,
				       struct ndma_stream_setup *setup)
{
	struct ndma_layout *layout = &setup->layout;
	bool planar = setup->order == NDMA_ORDER_PLANAR;
	__u64 unit = format->itemsize;
	__u32 i;

	memset(layout, 0, sizeof(*layout));
	for (i = 0; i < NDMA_FORMAT_MAX - 1 && format->format[i]; i++)
		layout->format[i] = format->format[i];
	layout->itemsize = format->itemsize;
	layout->ndim = 2;
	if (format->flags & NDMA_FORMAT_IQ) {
		layout->ndim = 3;
		layout->shape[2] = 2;
		layout->strides[2] = (__s64)unit;
		unit *= 2;
	}
	layout->shape[0] = setup->channels;
	layout->shape[1] = setup->samples;
	layout->strides[0] = (__s64)(planar ? setup->samples * unit : unit);
	layout->strides[1] = (__s64)(planar ? unit : setup->channels * unit);
}

/**
 * ndma_setup_measure_rings() - how large the rings of a stream are
 * @frames: any number
 * @entry_bytes: from one completion to the next
 * @page_bytes: of a page
 * @entries: written: of each ring
 * @completions_bytes: written: length of its mapping
 * @releases_bytes: written: length of its mapping
 *
 * Return: 0; -EOVERFLOW: lengths that do not fit 32 bits, and nothing is written.
 */
static inline int ndma_setup_measure_rings(__u32 frames, __u32 entry_bytes, __u64 page_bytes,
					   __u32 *entries, __u32 *completions_bytes, __u32 *releases_bytes)
{
	__u64 count = ndma_setup__power_of_two_from(frames);
	__u64 completions = sizeof(struct ndma_completions) + count * entry_bytes;
	__u64 releases = sizeof(struct ndma_releases) + count * sizeof(__u32);

	if (!ndma_setup__round_up(&completions, page_bytes) ||
	    !ndma_setup__round_up(&releases, page_bytes) || completions != (__u32)completions)
		return -EOVERFLOW;
	*entries = (__u32)count;
	*completions_bytes = (__u32)completions;
	*releases_bytes = (__u32)releases;
	return 0;
}

/**
 * ndma_setup_measure() - the outputs of a setup that ndma_setup_check_frame() has let pass
 * @limits: what the source can do
 * @memory: what memory is like
 * @format: the format that was asked for
 * @setup: channels, which was 0 for all, entry_bytes, which was 0 for the smallest, and all outputs are
 *   written; data_bytes is the least that all frames take
 * @verdict: written where it is refused
 *
 * Return: 0; -EOVERFLOW: the bytes of all frames do not fit 63 bits, or those of a ring 32.
 */
static inline int ndma_setup_measure(const struct ndma_setup_limits *limits,
				     const struct ndma_setup_memory *memory,
				     const struct ndma_format_desc *format,
				     struct ndma_stream_setup *setup,
				     struct ndma_setup_verdict *verdict)
{
	bool guarded = setup->guard == NDMA_GUARD_SIGBUS;
	__u64 bytes, stride, data;

	if (!setup->channels)
		setup->channels = limits->channels;
	if (!setup->entry_bytes)
		setup->entry_bytes = sizeof(struct ndma_completion);
	ndma_setup__sample_bytes(format, setup->channels, &bytes);
	bytes *= setup->samples;
	stride = bytes;
	/* Pages of a frame's own, and what a guard takes away has to be its own too. */
	if (!ndma_setup__round_up(&stride, guarded ? memory->guard_bytes : memory->page_bytes))
		goto overflow;
	if (memory->contiguous && bytes <= memory->piece_bytes && setup->frames > 1)
		stride = ndma_setup__power_of_two_from(stride);
	if (__builtin_mul_overflow(stride, setup->frames, &data) || data > NDMA_SETUP__BYTES_MAX ||
	    ndma_setup_measure_rings(setup->frames, setup->entry_bytes, memory->page_bytes,
				     &setup->entries, &setup->completions_bytes, &setup->releases_bytes))
		goto overflow;
	setup->frame_bytes = bytes;
	setup->frame_stride = stride;
	setup->data_bytes = data;
	ndma_setup__lay_out(format, setup);
	return 0;

overflow:
	return ndma_setup__refuse(verdict, -EOVERFLOW, NDMA_SETUP_RULE_TOTAL, setup->frames,
				  limits->frames_min, limits->frames_max);
}

#endif /* NDMA_SETUP_H */
