/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ndma_sim.h - what the simulated source is, in the kernel (kmod/sources/sim.c) and without it
 * (lib/memfd/sim.c): formats, channels, controls, and which samples a frame holds.
 *
 * A program cannot tell the two apart, because both are these tables and these functions. Integers
 * only, no libc, no allocation; every function may be called from any context.
 *
 * What a frame holds
 *   Samples are numbered from 0 at setup; sample n of channel c is ndma_wave_sample(wave, c, n).
 *   A completion's hw_timestamp is the number of its first sample, its hw_sequence counts the
 *   frames that the simulated card made, lost ones included.
 *
 * Triggers
 *   free:     frame follows frame without a gap
 *   level:    a frame starts samples / 4 before a rising edge of channel 0 through the level;
 *             `trigger` is the index of the first sample at or above it
 *   software: a frame for each press of the button
 */
#ifndef NDMA_SIM_H
#define NDMA_SIM_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/math64.h>
#include <uapi/linux/ndma.h>
#else
#include <stdbool.h>
#include <linux/ndma.h>
#endif
#include "ndma_wave.h"

#define NDMA_SIM_FRAMES_MIN		2
#define NDMA_SIM_FRAMES_MAX		65536
#define NDMA_SIM_FRAME_BYTES_MAX	(256u << 20)
#define NDMA_SIM_SAMPLES_STEP		1

/* Samples are in the machine's byte order, and the format says which that is. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define NDMA_SIM__ENDIAN ">"
#else
#define NDMA_SIM__ENDIAN "<"
#endif

#define NDMA_SIM__ORDERS (NDMA_ORDER_PLANAR | NDMA_ORDER_INTERLEAVED)

/**
 * NDMA_SIM_FORMATS - initialisers of an array with the fields of struct ndma_format_desc
 *
 * A format whose code is a capital letter is unsigned (offset binary).
 */
#define NDMA_SIM_FORMATS \
	{ .format = NDMA_SIM__ENDIAN "h", .itemsize = 2, .bits = 16, .orders = NDMA_SIM__ORDERS }, \
	{ .format = NDMA_SIM__ENDIAN "H", .itemsize = 2, .bits = 12, .orders = NDMA_SIM__ORDERS }, \
	{ .format = "b", .itemsize = 1, .bits = 8, .orders = NDMA_SIM__ORDERS }, \
	{ .format = NDMA_SIM__ENDIAN "i", .itemsize = 4, .bits = 24, .orders = NDMA_SIM__ORDERS }, \
	{ .format = NDMA_SIM__ENDIAN "h", .itemsize = 2, .bits = 16, .orders = NDMA_SIM__ORDERS, \
	  .flags = NDMA_FORMAT_IQ }

/** NDMA_SIM_CHANNELS - initialisers of an array with the fields of struct ndma_channel_desc */
#define NDMA_SIM_CHANNELS \
	{ .name = "ch0", .unit = "V", .scale = { 1, 10000 }, .offset = { 0, 1 } }, \
	{ .name = "ch1", .unit = "V", .scale = { 1, 10000 }, .offset = { 0, 1 } }, \
	{ .name = "ch2", .unit = "V", .scale = { 1, 1000 }, .offset = { 0, 1 } }, \
	{ .name = "ch3", .unit = "V", .scale = { 1, 1000 }, .offset = { -5, 2 } }, \
	{ .name = "ch4", .unit = "A", .scale = { 1, 2000 }, .offset = { 0, 1 } }, \
	{ .name = "ch5", .unit = "A", .scale = { -1, 2000 }, .offset = { 0, 1 } }, \
	{ .name = "ch6", .unit = "\302\260C", .scale = { 1, 100 }, .offset = { 20, 1 } }, \
	{ .name = "ch7", .unit = "Pa", .scale = { 3, 1 }, .offset = { 100000, 1 } }

/** NDMA_SIM_CONTROL_PACED - 0: frames are made as fast as they become free, and none is lost */
#define NDMA_SIM_CONTROL_PACED	(NDMA_CONTROL_DRIVER + 0)

/* NDMA_CONTROL_PATTERN: enum ndma_wave_pattern, or: frames are completed as they are. */
#define NDMA_SIM_PATTERN_OFF	NDMA_WAVE_OFF
#define NDMA_SIM_PATTERN_MAX \
	(NDMA_WAVE_PATTERNS > NDMA_SIM_PATTERN_OFF ? NDMA_WAVE_PATTERNS - 1 : NDMA_SIM_PATTERN_OFF)
#define NDMA_SIM_PATTERN_MENU	{ NDMA_WAVE_NAMES, [NDMA_SIM_PATTERN_OFF] = "off" }

/* NDMA_CONTROL_TRIGGER */
#define NDMA_SIM_TRIGGER_FREE		0
#define NDMA_SIM_TRIGGER_LEVEL		1
#define NDMA_SIM_TRIGGER_SOFTWARE	2
#define NDMA_SIM_TRIGGER_MENU		{ "free", "level", "software" }

#define NDMA_SIM__FAULT(fault_id, fault_name, fault_unit, fault_exponent, fault_max) \
	{ .id = fault_id, .type = NDMA_CONTROL_INTEGER, .name = fault_name, .unit = fault_unit, \
	  .exponent = fault_exponent, .live = 1, .max = fault_max, .step = 1 }

/**
 * NDMA_SIM_CONTROLS - initialisers of an array with the fields of struct ndma_control_desc
 * @patterns: const char *const[] = NDMA_SIM_PATTERN_MENU
 * @triggers: const char *const[] = NDMA_SIM_TRIGGER_MENU
 */
#define NDMA_SIM_CONTROLS(patterns, triggers) \
	{ .id = NDMA_CONTROL_RATE, .type = NDMA_CONTROL_INTEGER, .name = "rate", .unit = "Hz", \
	  .min = 1, .max = 4000000000LL, .step = 1, .preset = 1000000 }, \
	{ .id = NDMA_CONTROL_PATTERN, .type = NDMA_CONTROL_MENU, .name = "pattern", .live = 1, \
	  .max = NDMA_SIM_PATTERN_MAX, .step = 1, .preset = NDMA_WAVE_SINE, .menu = patterns }, \
	{ .id = NDMA_CONTROL_FREQUENCY, .type = NDMA_CONTROL_INTEGER, .name = "frequency", \
	  .unit = "Hz", .live = 1, .max = 2000000000LL, .step = 1, .preset = 1000 }, \
	{ .id = NDMA_CONTROL_AMPLITUDE, .type = NDMA_CONTROL_INTEGER, .name = "amplitude", \
	  .exponent = -3, .live = 1, .max = 1000, .step = 1, .preset = 1000 }, \
	{ .id = NDMA_CONTROL_TRIGGER, .type = NDMA_CONTROL_MENU, .name = "trigger", \
	  .max = NDMA_SIM_TRIGGER_SOFTWARE, .step = 1, .preset = NDMA_SIM_TRIGGER_FREE, \
	  .menu = triggers }, \
	{ .id = NDMA_CONTROL_TRIGGER_LEVEL, .type = NDMA_CONTROL_INTEGER, .name = "trigger_level", \
	  .live = 1, .min = -8388608, .max = 8388607, .step = 1 }, \
	{ .id = NDMA_CONTROL_TRIGGER_SOFTWARE, .type = NDMA_CONTROL_BUTTON, \
	  .name = "trigger_software", .live = 1, .max = 0, .step = 1 }, \
	NDMA_SIM__FAULT(NDMA_CONTROL_FAULT_DROP, "fault_drop", "frames", 0, 4294967295LL), \
	NDMA_SIM__FAULT(NDMA_CONTROL_FAULT_SHORT, "fault_short", "frames", 0, 4294967295LL), \
	NDMA_SIM__FAULT(NDMA_CONTROL_FAULT_ERROR, "fault_error", "frames", 0, 4294967295LL), \
	NDMA_SIM__FAULT(NDMA_CONTROL_FAULT_STALL, "fault_stall", "frames", 0, 4294967295LL), \
	NDMA_SIM__FAULT(NDMA_CONTROL_FAULT_JITTER, "fault_jitter", "s", -6, 1000000), \
	NDMA_SIM__FAULT(NDMA_CONTROL_FAULT_VANISH, "fault_vanish", "frames", 0, 4294967295LL), \
	{ .id = NDMA_SIM_CONTROL_PACED, .type = NDMA_CONTROL_BOOLEAN, .name = "paced", \
	  .max = 1, .step = 1, .preset = 1 }

/**
 * struct ndma_sim_settings - a stream's configuration and controls, as they are for one frame
 * @samples: of one channel in a frame
 * @channels: how many
 * @order: one NDMA_ORDER_…
 * @itemsize: bytes of one number
 * @bits: significant bits of one number
 * @is_signed: format code is a small letter
 * @iq: two numbers a sample
 * @rate: NDMA_CONTROL_RATE, and so on
 */
struct ndma_sim_settings {
	__u64 samples;
	__u32 channels;
	__u32 order;
	__u32 itemsize;
	__u32 bits;
	__u32 is_signed;
	__u32 iq;
	__u32 rate;
	__u32 paced;
	__u32 pattern;
	__u32 frequency;
	__u32 amplitude;
	__u32 trigger;
	__s32 trigger_level;
	__u32 fault_drop;
	__u32 fault_short;
	__u32 fault_error;
	__u32 fault_stall;
	__u32 fault_jitter;
	__u32 fault_vanish;
};

/**
 * struct ndma_sim_state - where a stream is; all 0 at setup, @started 0 again at every start
 * @made: frames planned since setup: the next frame's sequence
 * @started: frames planned since start
 * @position: number of the next sample
 * @presses: of the software trigger, not served yet
 */
struct ndma_sim_state {
	__u64 made;
	__u64 started;
	__u64 position;
	__u32 presses;
};

/**
 * struct ndma_sim_frame - the next frame
 * @first: number of its first sample; hw_timestamp
 * @sequence: hw_sequence
 * @samples: valid samples of one channel
 * @bytes: of all valid samples, whether they are in one piece or not
 * @late_ns: by how much it comes too late
 * @flags: NDMA_FRAME_…
 * @trigger: as in struct ndma_completion
 * @lost: not 0: the card loses this one
 */
struct ndma_sim_frame {
	__u64 first;
	__u64 sequence;
	__u64 samples;
	__u64 bytes;
	__u32 late_ns;
	__u32 flags;
	__u32 trigger;
	__u32 lost;
};

/** enum ndma_sim_step - what ndma_sim_next() found */
enum ndma_sim_step {
	NDMA_SIM_FRAME,		/* a frame */
	NDMA_SIM_SEARCHING,	/* no edge yet; @position went on, call again at that time */
	NDMA_SIM_WAITING,	/* for the button */
	NDMA_SIM_STALLED,	/* nothing more until it is stopped */
	NDMA_SIM_VANISHED,	/* unplugged */
};

/* Samples that one call looks through for an edge. */
#define NDMA_SIM__SEARCH	16384u

static inline __u64 ndma_sim__divide(__u64 value, __u32 divisor, __u32 *rest)
{
#ifdef __KERNEL__
	return div_u64_rem(value, divisor, rest);
#else
	*rest = (__u32)(value % divisor);
	return value / divisor;
#endif
}

/**
 * ndma_sim_time_ns - when a sample is taken
 * @settings: with @rate
 * @sample: its number
 *
 * Return: ns after sample 0, rounded down.
 */
static inline __u64 ndma_sim_time_ns(const struct ndma_sim_settings *settings, __u64 sample)
{
	__u32 rest, unused;
	__u64 seconds = ndma_sim__divide(sample, settings->rate, &rest);

	return seconds * 1000000000ULL +
	       ndma_sim__divide((__u64)rest * 1000000000ULL, settings->rate, &unused);
}

/**
 * ndma_sim_wave - the wave of a stream; not for %NDMA_SIM_PATTERN_OFF
 * @settings: the settings
 * @quadrature: 0, or 1 for the second number of an I/Q sample, a quarter of a cycle behind
 * @wave: where it is written
 */
static inline void ndma_sim_wave(const struct ndma_sim_settings *settings, __u32 quadrature,
				 struct ndma_wave *wave)
{
	__u32 rest;

	wave->pattern = (enum ndma_wave_pattern)settings->pattern;
	wave->bits = settings->bits;
	wave->is_signed = settings->is_signed;
	wave->phase_step = ndma_wave_phase_step(settings->frequency, settings->rate);
	wave->amplitude = (__u32)ndma_sim__divide((__u64)settings->amplitude *
						  NDMA_WAVE_FULL_SCALE, 1000, &rest);
	wave->seed = settings->iq && !quadrature ? 0x40000000u : 0;
}

/**
 * ndma_sim_fill - write a part of a frame, all channels
 * @settings: the settings
 * @frame: byte 0 of the frame
 * @first: number of the frame's first sample
 * @from: index in the frame of the first sample to write
 * @count: how many samples of each channel
 *
 * Nothing for %NDMA_SIM_PATTERN_OFF. Call it in pieces where it must not run for long.
 */
static inline void ndma_sim_fill(const struct ndma_sim_settings *settings, void *frame,
				 __u64 first, __u64 from, __u32 count)
{
	__u32 numbers = settings->iq ? 2 : 1, channel, number;
	__u64 unit = (__u64)settings->itemsize * numbers;
	bool planar = settings->order == NDMA_ORDER_PLANAR;
	__u64 channel_step = planar ? settings->samples * unit : unit;
	__u64 sample_step = planar ? unit : unit * settings->channels;
	struct ndma_wave wave;

	if (!ndma_wave_is_pattern(settings->pattern))
		return;
	for (number = 0; number < numbers; number++) {
		ndma_sim_wave(settings, number, &wave);
		for (channel = 0; channel < settings->channels; channel++) {
			__u64 at = channel * channel_step + from * sample_step +
				   number * settings->itemsize;

			ndma_wave_fill(&wave, (char *)frame + at, settings->itemsize, channel,
				       first + from, count, (ptrdiff_t)sample_step);
		}
	}
}

/* The next rising edge of channel 0 at or behind *at; false: none in reach, *at went on. */
static inline bool ndma_sim__edge(const struct ndma_sim_settings *settings, __u64 *at)
{
	struct ndma_wave wave;
	__s32 before, now;
	__u32 i;

	ndma_sim_wave(settings, 0, &wave);
	if (!*at)
		*at = 1;
	before = ndma_wave_sample(&wave, 0, *at - 1);
	for (i = 0; i < NDMA_SIM__SEARCH; i++, ++*at, before = now) {
		now = ndma_wave_sample(&wave, 0, *at);
		if (before < settings->trigger_level && now >= settings->trigger_level)
			return true;
	}
	return false;
}

static inline bool ndma_sim__every(__u32 nth, __u64 sequence)
{
	__u32 rest;

	if (!nth)
		return false;
	ndma_sim__divide(sequence + 1, nth, &rest);
	return !rest;
}

static inline void ndma_sim__faults(const struct ndma_sim_settings *settings,
				    struct ndma_sim_frame *frame)
{
	__u32 mixed = (__u32)frame->sequence * 0x9e3779b1u;

	mixed ^= mixed >> 15;
	frame->lost = ndma_sim__every(settings->fault_drop, frame->sequence);
	frame->late_ns = (__u32)(((__u64)mixed * (settings->fault_jitter * 1000ULL)) >> 32);
	if (ndma_sim__every(settings->fault_error, frame->sequence))
		frame->flags |= NDMA_FRAME_ERROR;
	if (ndma_sim__every(settings->fault_short, frame->sequence)) {
		frame->flags |= NDMA_FRAME_PARTIAL;
		frame->samples /= 2;
	}
}

/**
 * ndma_sim_next - plan the next frame
 * @settings: the settings as they are now
 * @state: goes on by one frame (%NDMA_SIM_FRAME), or by what was looked through in vain
 * @frame: the plan
 *
 * Each planned frame is completed or lost, exactly once. When @settings->paced it is due when
 * its last sample is, ndma_sim_time_ns(first + the frame's samples), or as long after the press
 * of the button as its samples take; and then @late_ns. Its time stamp is that of @first where
 * %NDMA_FRAME_TIME_START is set, else the time of completion.
 */
static inline enum ndma_sim_step ndma_sim_next(const struct ndma_sim_settings *settings,
					       struct ndma_sim_state *state,
					       struct ndma_sim_frame *frame)
{
	__u64 before = settings->samples / 4, edge;

	if (settings->fault_vanish && state->started >= settings->fault_vanish)
		return NDMA_SIM_VANISHED;
	if (settings->fault_stall && state->started >= settings->fault_stall)
		return NDMA_SIM_STALLED;
	frame->first = state->position;
	frame->flags = NDMA_FRAME_HW_TIME | NDMA_FRAME_HW_SEQUENCE;
	frame->trigger = 0;
	if (settings->trigger == NDMA_SIM_TRIGGER_SOFTWARE) {
		if (!state->presses)
			return NDMA_SIM_WAITING;
		state->presses--;
		frame->flags |= NDMA_FRAME_TRIGGERED;
	} else if (settings->trigger == NDMA_SIM_TRIGGER_LEVEL &&
		   ndma_wave_is_pattern(settings->pattern)) {
		edge = state->position + before;
		if (!ndma_sim__edge(settings, &edge)) {
			state->position = edge - before;
			return NDMA_SIM_SEARCHING;
		}
		frame->first = edge - before;
		frame->flags |= NDMA_FRAME_TRIGGERED;
		frame->trigger = (__u32)before;
	}
	if (settings->paced && settings->trigger != NDMA_SIM_TRIGGER_SOFTWARE)
		frame->flags |= NDMA_FRAME_TIME_START;
	frame->sequence = state->made++;
	state->started++;
	frame->samples = settings->samples;
	state->position = frame->first + frame->samples;
	ndma_sim__faults(settings, frame);
	frame->bytes = frame->samples * settings->channels * settings->itemsize *
		       (settings->iq ? 2 : 1);
	return NDMA_SIM_FRAME;
}

#endif /* NDMA_SIM_H */
