// SPDX-License-Identifier: MIT
/* The waveform generator, natively: known values, and every way to make or check a frame agrees. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ndma_wave.h"
#include "tap.h"

static const struct ndma_wave sine16 = {
	.pattern = NDMA_WAVE_SINE,
	.bits = 16,
	.is_signed = 1,
	.phase_step = 1u << 24,
	.amplitude = NDMA_WAVE_FULL_SCALE,
};

static void known_values_hold(void)
{
	struct ndma_wave w = sine16;
	int ok;

	ok = ndma_wave_sample(&w, 0, 0) == 0 && ndma_wave_sample(&w, 0, 64) == 32767 &&
	     ndma_wave_sample(&w, 0, 128) == 0 && ndma_wave_sample(&w, 0, 192) == -32768 &&
	     ndma_wave_sample(&w, 4, 0) == 32767;
	tap(ok, "a sine is zero, peak, zero and trough at the quarters of its cycle");

	w.is_signed = 0;
	w.bits = 12;
	ok = ndma_wave_sample(&w, 0, 0) == 2048 && ndma_wave_sample(&w, 0, 64) == 4095 &&
	     ndma_wave_sample(&w, 0, 192) == 0;
	tap(ok, "an unsigned 12-bit sine has its zero at 2048 and its peak at 4095");

	w.amplitude = 0;
	tap(ndma_wave_sample(&w, 3, 77) == 2048, "amplitude 0 is silence at half of the range");

	w = sine16;
	w.pattern = NDMA_WAVE_RAMP;
	ok = ndma_wave_sample(&w, 0, 0) == -32768 && ndma_wave_sample(&w, 0, 128) == 0 &&
	     ndma_wave_sample(&w, 0, 255) == 32512 && ndma_wave_sample(&w, 0, 256) == -32768;
	tap(ok, "a ramp rises through zero at half of the cycle and starts again");

	w.pattern = NDMA_WAVE_SQUARE;
	ok = ndma_wave_sample(&w, 0, 127) == 32767 && ndma_wave_sample(&w, 0, 128) == -32768;
	tap(ok, "a square wave turns over at half of the cycle");

	w.pattern = NDMA_WAVE_COUNTER;
	w.is_signed = 0;
	ok = ndma_wave_sample(&w, 0, 65537) == 1 && ndma_wave_sample(&w, 1, 0) == 4096;
	w.bits = 32;
	ok = ok && (__u32)ndma_wave_sample(&w, 0, 0x1fffffffeull) == 0xfffffffeu;
	w.bits = 8;
	w.is_signed = 1;
	ok = ok && ndma_wave_sample(&w, 0, 128) == -128 && ndma_wave_sample(&w, 0, 255) == -1;
	tap(ok, "a counter counts modulo its range, each channel a sixteenth ahead");

	w.pattern = NDMA_WAVE_NOISE;
	w.bits = 32;
	ok = ndma_wave_sample(&w, 0, 5) == ndma_wave_sample(&w, 0, 5) &&
	     ndma_wave_sample(&w, 0, 5) != ndma_wave_sample(&w, 1, 5) &&
	     ndma_wave_sample(&w, 0, 5) != ndma_wave_sample(&w, 0, 5 + (1ull << 32));
	tap(ok, "noise repeats for one sample number and differs between channels and numbers");
}

static void the_sine_is_a_sine(void)
{
	struct ndma_wave w = sine16;
	double worst = 0;
	__u64 n;

	w.bits = 32;
	w.phase_step = 0x00123457;
	for (n = 0; n < 100000; n++) {
		double turn = (double)(__u32)(n * w.phase_step) / 4294967296.0;
		double error = fabs(ndma_wave_sample(&w, 0, n) / 2147483648.0 -
				    sin(2 * 3.14159265358979323846 * turn));

		if (error > worst)
			worst = error;
	}
	tap(worst < 2e-8, "a sine differs from libm's by less than 2e-8 of full scale");
}

static void noise_is_white(void)
{
	struct ndma_wave w = sine16;
	double sum = 0, lag = 0, square = 0, last = 0;
	int n;

	w.pattern = NDMA_WAVE_NOISE;
	for (n = 0; n < 100000; n++) {
		double x = ndma_wave_sample(&w, 2, n) / 32768.0;

		sum += x;
		square += x * x;
		lag += x * last;
		last = x;
	}
	tap(fabs(sum / n) < 0.01 && fabs(square / n - 1.0 / 3) < 0.01 && fabs(lag / n) < 0.01,
	    "noise has the mean, the variance and no correlation of white uniform noise");
}

static int frame_agrees(const struct ndma_wave *w, __u32 itemsize, __u64 first)
{
	enum { CHANNELS = 3, SAMPLES = 131 };
	size_t row = (size_t)SAMPLES * itemsize, pixel = (size_t)CHANNELS * itemsize;
	unsigned char *planar = malloc(CHANNELS * row), *mixed = malloc(CHANNELS * row);
	unsigned char *odd = malloc(CHANNELS * row + 1);
	int ok = planar && mixed && odd;
	__u32 c, i;

	for (c = 0; ok && c < CHANNELS; c++) {
		ndma_wave_fill(w, planar + c * row, itemsize, c, first, SAMPLES, itemsize);
		ndma_wave_fill(w, mixed + c * itemsize, itemsize, c, first, SAMPLES,
			       (ptrdiff_t)pixel);
		/* unaligned and backwards at once */
		ndma_wave_fill(w, odd + 1 + c * row + row - itemsize, itemsize, c, first, SAMPLES,
			       -(ptrdiff_t)itemsize);
	}
	for (c = 0; ok && c < CHANNELS; c++) {
		for (i = 0; i < SAMPLES; i++) {
			const unsigned char *a = planar + c * row + i * itemsize;
			const unsigned char *b = mixed + c * itemsize + i * pixel;
			const unsigned char *d = odd + 1 + c * row + (SAMPLES - 1 - i) * itemsize;
			__s32 value = ndma_wave_sample(w, c, first + i);

			ok = ok && !memcmp(a, b, itemsize) && !memcmp(a, d, itemsize) &&
			     ndma_wave__equal(a, itemsize, value);
		}
		ok = ok && ndma_wave_check(w, mixed + c * itemsize, itemsize, c, first, SAMPLES,
					   (ptrdiff_t)pixel) == SAMPLES;
		planar[c * row + 100 * itemsize] ^= 1;
		ok = ok && ndma_wave_check(w, planar + c * row, itemsize, c, first, SAMPLES,
					   itemsize) == 100;
	}
	free(planar);
	free(mixed);
	free(odd);
	return ok;
}

static void every_way_agrees(void)
{
	static const __u32 sizes[][2] = { { 8, 1 }, { 12, 2 }, { 16, 2 }, { 24, 4 }, { 32, 4 } };
	struct ndma_wave w = sine16;
	int ok = 1, pattern;
	__u32 i;

	w.phase_step = 0x01234567;
	w.amplitude = 0xc000;
	w.seed = 0xfffffff0u;
	for (pattern = 0; pattern < NDMA_WAVE_PATTERNS; pattern++)
		for (i = 0; ndma_wave_is_pattern(pattern) && i < sizeof(sizes) / sizeof(sizes[0]);
		     i++)
			for (w.is_signed = 0; w.is_signed < 2; w.is_signed++) {
				w.pattern = (enum ndma_wave_pattern)pattern;
				w.bits = sizes[i][0];
				ok = ok && ndma_wave_valid(&w, sizes[i][1]) &&
				     frame_agrees(&w, sizes[i][1], 0) &&
				     frame_agrees(&w, sizes[i][1], 0xffffffc0ull) &&
				     frame_agrees(&w, sizes[i][1], ~0ull - 200);
			}
	tap(ok, "planar, interleaved, backward, single samples and the check agree");
}

static void bounds_are_told(void)
{
	struct ndma_wave w = sine16;
	int ok = ndma_wave_valid(&w, 2) && ndma_wave_valid(&w, 4) && !ndma_wave_valid(&w, 1) &&
		 !ndma_wave_valid(&w, 3) && !ndma_wave_valid(&w, 8);

	w.amplitude++;
	ok = ok && !ndma_wave_valid(&w, 2);
	w = sine16;
	w.bits = 7;
	ok = ok && !ndma_wave_valid(&w, 2);
	w.bits = 33;
	ok = ok && !ndma_wave_valid(&w, 4);
	w = sine16;
	w.pattern = NDMA_WAVE_PATTERNS;
	ok = ok && !ndma_wave_valid(&w, 2);
	w.pattern = (enum ndma_wave_pattern)NDMA_WAVE_OFF;
	ok = ok && !ndma_wave_valid(&w, 2);
	tap(ok, "a wave that does not fit its item is not valid");

	ok = ndma_wave_phase_step(1, 2) == 0x80000000u &&
	     ndma_wave_phase_step(3, 2) == 0x80000000u &&
	     ndma_wave_phase_step(1000, 3000000) == 1431655u &&
	     ndma_wave_phase_step(0xfffffffeu, 0xffffffffu) == 0xfffffffeu &&
	     ndma_wave_phase_step(5, 5) == 0;
	tap(ok, "a phase step is frequency over rate modulo one cycle");
}

int main(void)
{
	puts("TAP version 13");
	known_values_hold();
	the_sine_is_a_sine();
	noise_is_white();
	every_way_agrees();
	bounds_are_told();
	return tap_end();
}
