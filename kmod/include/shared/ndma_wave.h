/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ndma_wave.h - the project's waveform generator
 *
 * One generator serves every simulated source: the kernel's `sim`, the library's memfd backend and
 * the virtual card in tests/card. A sample is a pure function of (wave, channel, sample number), so
 * whoever knows those three can check any frame, anywhere, without having seen the one before it.
 *
 * Integers only, no division, no libc, no state, no allocation: every function may be called from
 * any context and from any number of threads.
 *
 * Scale
 *   A wave is made at 32 bits, -0x7fffffff..0x7fffffff at full amplitude (noise and ramp also reach
 *   -0x80000000), then shifted down to the significant bits. Signed samples are two's complement,
 *   sign-extended to the item; unsigned ones are offset binary: zero volts is half of the range.
 *   Samples are right-aligned in their item: 12 bits in two bytes lie in 0..4095 or -2048..2047.
 *
 * Phase
 *   Sample n of channel c has the phase seed + n * phase_step + c * NDMA_WAVE_CHANNEL_PHASE, modulo
 *   one cycle (1 << 32): channels are alike, each a sixteenth of a cycle ahead of the one before.
 */
#ifndef NDMA_WAVE_H
#define NDMA_WAVE_H

#include <linux/types.h>
#ifndef __KERNEL__
#include <stddef.h>
#endif

/**
 * enum ndma_wave_pattern - what the samples look like
 * @NDMA_WAVE_SINE:    starts at zero, rising; exact to about 27 bits
 * @NDMA_WAVE_RAMP:    rises from the lowest to the highest value once a cycle, then falls at once
 * @NDMA_WAVE_SQUARE:  highest value in the first half of a cycle, its negative in the second
 * @NDMA_WAVE_COUNTER: sample number modulo the range, so that one lost or doubled sample shows;
 *                     neither amplitude nor phase_step apply. Channel c starts at c sixteenths of
 *                     the range, all of them @seed further
 * @NDMA_WAVE_NOISE:   white, uniform over the range; @seed and channel choose the sequence
 *
 * A pattern keeps its number for ever: programs, menus and the registers of a card have it. A new one
 * gets the number behind the highest, but not %NDMA_WAVE_OFF, and a line in NDMA_WAVE_NAMES.
 */
enum ndma_wave_pattern {
	NDMA_WAVE_SINE = 0,
	NDMA_WAVE_RAMP = 1,
	NDMA_WAVE_SQUARE = 2,
	NDMA_WAVE_COUNTER = 3,
	NDMA_WAVE_NOISE = 4,
	NDMA_WAVE_PATTERNS,		/* behind the highest number; not a pattern */
};

/** NDMA_WAVE_OFF - the number that no pattern has: in the menu of `sim` it means none */
#define NDMA_WAVE_OFF		5

/** NDMA_WAVE_NAMES - initialisers of an array of patterns' names, each at its number */
#define NDMA_WAVE_NAMES \
	[NDMA_WAVE_SINE] = "sine", [NDMA_WAVE_RAMP] = "ramp", [NDMA_WAVE_SQUARE] = "square", \
	[NDMA_WAVE_COUNTER] = "counter", [NDMA_WAVE_NOISE] = "noise"

/** NDMA_WAVE_CHANNEL_PHASE - how far a channel is ahead of the one before, in 2^-32 cycles */
#define NDMA_WAVE_CHANNEL_PHASE	0x10000000u
/** NDMA_WAVE_FULL_SCALE - the amplitude that uses the whole range */
#define NDMA_WAVE_FULL_SCALE	0x10000u

/**
 * struct ndma_wave - a waveform
 * @pattern:    one of enum ndma_wave_pattern
 * @bits:       significant bits of a sample, 8..32
 * @is_signed:  not 0: two's complement; 0: offset binary
 * @phase_step: cycles per sample in units of 2^-32, see ndma_wave_phase_step()
 * @amplitude:  peak in units of 2^-16 of full scale, 0..NDMA_WAVE_FULL_SCALE
 * @seed:       phase of sample 0 (2^-32 cycles); counter: value of sample 0; noise: which sequence
 */
struct ndma_wave {
	enum ndma_wave_pattern pattern;
	__u32 bits;
	__u32 is_signed;
	__u32 phase_step;
	__u32 amplitude;
	__u32 seed;
};

/**
 * ndma_wave_is_pattern - is this the number of a pattern?
 * @number: any number
 */
static inline int ndma_wave_is_pattern(__u32 number)
{
	return number < NDMA_WAVE_PATTERNS && number != NDMA_WAVE_OFF;
}

/**
 * ndma_wave_valid - can this wave be stored in items of this size?
 * @w:        any content
 * @itemsize: bytes per sample
 *
 * The other functions take waves for which this is true; for others their values are unspecified,
 * though nothing outside the destination is touched.
 *
 * Return: 1 if every field is in range, @itemsize is 1, 2 or 4 and holds @bits; else 0.
 */
static inline int ndma_wave_valid(const struct ndma_wave *w, __u32 itemsize)
{
	return ndma_wave_is_pattern((__u32)w->pattern) && w->bits >= 8 && w->bits <= 32 &&
	       w->amplitude <= NDMA_WAVE_FULL_SCALE &&
	       (itemsize == 1 || itemsize == 2 || itemsize == 4) && w->bits <= 8 * itemsize;
}

/**
 * ndma_wave_phase_step - the phase step for a frequency
 * @frequency: of the wave, in any unit (Hz, mHz, cycles per frame)
 * @rate:      samples in the same unit (per second, per 1000 s, per frame), not 0
 *
 * Return: frequency / rate modulo 1, rounded down, in units of 2^-32.
 */
static inline __u32 ndma_wave_phase_step(__u32 frequency, __u32 rate)
{
	__u32 rest = frequency % rate, step = 0, carry, i;

	/* Long division: a 64-bit '/' would need a libgcc call in 32-bit kernels. */
	for (i = 0; i < 32; i++) {
		carry = rest >> 31;
		rest <<= 1;
		step <<= 1;
		if (carry || rest >= rate) {
			rest -= rate;
			step |= 1;
		}
	}
	return step;
}

/* Everything called ndma_wave__ is internal to this header. */

#define NDMA_WAVE__BLOCK	64u

/* sin(2 pi phase) at 31 bits: an odd polynomial over a quarter of the cycle, folded out. */
static inline __s32 ndma_wave__sine(__u32 phase)
{
	__s64 x = phase & 0x3fffffffu, square, y;

	if (phase & 0x40000000u)
		x = 0x40000000 - x;
	square = (x * x) >> 30;
	y = 162767;
	y = ((y * square) >> 30) - 5018687;
	y = ((y * square) >> 30) + 85566336;
	y = ((y * square) >> 30) - 693598297;
	y = ((y * square) >> 30) + 1686629705;
	y = (y * x) >> 29;
	if (y > 0x7fffffff)
		y = 0x7fffffff;
	return (__s32)(phase & 0x80000000u ? -y : y);
}

/* Mixes every bit of x into every other: multiply and fold, twice. */
static inline __u32 ndma_wave__mix(__u32 x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	x ^= x >> 16;
	return x;
}

static inline __s32 ndma_wave__scale(const struct ndma_wave *w, __s32 full)
{
	__s32 value = (__s32)(((__s64)full * (__s64)w->amplitude) >> 16);

	if (w->is_signed)
		return value >> ((32 - w->bits) & 31);
	return (__s32)(((__u32)value ^ 0x80000000u) >> ((32 - w->bits) & 31));
}

/* Finished samples n .. n + count - 1 of a channel; one loop a pattern keeps the branch outside. */
static inline void ndma_wave__block(const struct ndma_wave *w, __u32 channel, __u64 n,
				    __s32 *out, __u32 count)
{
	__u32 low = (__u32)n, step = w->phase_step, up = (32 - w->bits) & 31, i;
	__u32 phase = w->seed + low * step + channel * NDMA_WAVE_CHANNEL_PHASE;
	__u32 key;

	switch (w->pattern) {
	case NDMA_WAVE_SINE:
		for (i = 0; i < count; i++, phase += step)
			out[i] = ndma_wave__scale(w, ndma_wave__sine(phase));
		break;
	case NDMA_WAVE_RAMP:
		for (i = 0; i < count; i++, phase += step)
			out[i] = ndma_wave__scale(w, (__s32)(phase ^ 0x80000000u));
		break;
	case NDMA_WAVE_SQUARE:
		for (i = 0; i < count; i++, phase += step)
			out[i] = ndma_wave__scale(w, phase & 0x80000000u ? -0x7fffffff
									  : 0x7fffffff);
		break;
	case NDMA_WAVE_COUNTER:
		phase = ((low + w->seed) << up) + channel * NDMA_WAVE_CHANNEL_PHASE;
		if (w->is_signed)
			for (i = 0; i < count; i++)
				out[i] = (__s32)(phase + (i << up)) >> up;
		else
			for (i = 0; i < count; i++)
				out[i] = (__s32)((phase + (i << up)) >> up);
		break;
	default:
		key = ndma_wave__mix(w->seed + channel * 0x9e3779b9u);
		for (i = 0; i < count; i++) {
			__u32 high = (__u32)((n + i) >> 32);
			__u32 x = ndma_wave__mix((low + i) ^ key ^ high * 0x85ebca6bu);

			out[i] = ndma_wave__scale(w, (__s32)x);
		}
		break;
	}
}

/* memcpy, because a foreign layout's items need not be aligned; it compiles to one store. */
static inline void ndma_wave__store(unsigned char *to, __u32 itemsize, ptrdiff_t stride,
				    const __s32 *from, __u32 count)
{
	__u32 i;

	switch (itemsize) {
	case 1:
		for (i = 0; i < count; i++)
			to[(ptrdiff_t)i * stride] = (unsigned char)from[i];
		break;
	case 2:
		for (i = 0; i < count; i++) {
			__u16 item = (__u16)from[i];

			__builtin_memcpy(to + (ptrdiff_t)i * stride, &item, 2);
		}
		break;
	case 4:
		for (i = 0; i < count; i++)
			__builtin_memcpy(to + (ptrdiff_t)i * stride, &from[i], 4);
		break;
	}
}

static inline int ndma_wave__equal(const unsigned char *at, __u32 itemsize, __s32 value)
{
	__u16 half;
	__u32 word;

	switch (itemsize) {
	case 1:
		return *at == (unsigned char)value;
	case 2:
		__builtin_memcpy(&half, at, 2);
		return half == (__u16)value;
	default:
		__builtin_memcpy(&word, at, 4);
		return word == (__u32)value;
	}
}

/**
 * ndma_wave_sample - one sample
 * @w:       a valid wave
 * @channel: any number
 * @n:       sample number since the start of the stream
 *
 * Return: the sample. With 32 unsigned bits, cast it to __u32.
 */
static inline __s32 ndma_wave_sample(const struct ndma_wave *w, __u32 channel, __u64 n)
{
	__s32 value;

	ndma_wave__block(w, channel, n, &value, 1);
	return value;
}

/**
 * ndma_wave_fill - write consecutive samples of one channel
 * @w:            a valid wave
 * @dst:          where sample @first goes; no alignment asked
 * @itemsize:     bytes per sample: 1, 2 or 4; written in native byte order
 * @channel:      any number
 * @first:        number of the first sample
 * @samples:      how many; 0 writes nothing
 * @stride_bytes: from one sample to the next: @itemsize in a planar frame, channels * @itemsize in
 *                an interleaved one; may be negative
 *
 * Writes exactly the items, not the bytes between them. Uses about 300 bytes of stack.
 */
static inline void ndma_wave_fill(const struct ndma_wave *w, void *dst, __u32 itemsize,
				  __u32 channel, __u64 first, __u32 samples,
				  ptrdiff_t stride_bytes)
{
	unsigned char *to = (unsigned char *)dst;
	__s32 block[NDMA_WAVE__BLOCK];

	while (samples) {
		__u32 count = samples < NDMA_WAVE__BLOCK ? samples : NDMA_WAVE__BLOCK;

		ndma_wave__block(w, channel, first, block, count);
		/* A constant stride lets the compiler use vector stores for planar frames. */
		if (stride_bytes == (ptrdiff_t)itemsize)
			ndma_wave__store(to, itemsize, (ptrdiff_t)itemsize, block, count);
		else
			ndma_wave__store(to, itemsize, stride_bytes, block, count);
		samples -= count;
		first += count;
		/* Not past the last sample: that pointer may not exist. */
		if (samples)
			to += (ptrdiff_t)count * stride_bytes;
	}
}

/**
 * ndma_wave_check - compare samples that arrived with those that should have
 * @w: @src: @itemsize: @channel: @first: @samples: @stride_bytes: as for ndma_wave_fill()
 *
 * Return: how many samples are right before the first wrong one; @samples if all are.
 */
static inline __u32 ndma_wave_check(const struct ndma_wave *w, const void *src, __u32 itemsize,
				    __u32 channel, __u64 first, __u32 samples,
				    ptrdiff_t stride_bytes)
{
	const unsigned char *at = (const unsigned char *)src;
	__s32 block[NDMA_WAVE__BLOCK];
	__u32 done = 0, i;

	while (done < samples) {
		__u32 rest = samples - done;
		__u32 count = rest < NDMA_WAVE__BLOCK ? rest : NDMA_WAVE__BLOCK;

		ndma_wave__block(w, channel, first + done, block, count);
		for (i = 0; i < count; i++)
			if (!ndma_wave__equal(at + (ptrdiff_t)(done + i) * stride_bytes, itemsize,
					      block[i]))
				return done + i;
		done += count;
	}
	return samples;
}

#endif /* NDMA_WAVE_H */
