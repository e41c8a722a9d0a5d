// SPDX-License-Identifier: MIT
/*
 * The digitizer, by wall clock: what arrives, every sample checked, beside what the card sends when
 * nobody looks and what the checking loop manages in memory of its own; and small frames at a pace.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ndma.h>

#include "../card/receive.h"

#define ROUNDS 7
#define SECONDS 1.0
#define FRAME_BYTES (1u << 20)
#define FRAMES 16u
#define SMALL_BYTES 4096u
#define SMALL_FRAMES 1024u
#define SMALL_SECONDS 3.0

static const char *name;

static void must(int result)
{
	if (result < 0) {
		fprintf(stderr, "ndma-bench-card: %s: %s\n", name, ndma_error());
		exit(1);
	}
}

/* MB/s from the card, in frames of 1 MiB, as fast as it goes. */
static double streamed(bool check)
{
	struct receive_tally warm = { 0 }, tally = { 0 };
	struct receive receive;

	must(receive_open(&receive, name, FRAME_BYTES, FRAMES, 0));
	must(receive_run(&receive, SECONDS / 10, check, NULL, &warm));
	must(receive_run(&receive, SECONDS, check, NULL, &tally));
	receive_close(&receive);
	if (tally.dropped || tally.flagged || tally.wrong) {
		fprintf(stderr,
			"ndma-bench-card: of %llu frames %llu lost, %llu flagged, %llu wrong\n",
			(unsigned long long)tally.frames, (unsigned long long)tally.dropped,
			(unsigned long long)tally.flagged, (unsigned long long)tally.wrong);
		exit(1);
	}
	return (double)tally.bytes / tally.seconds / 1e6;
}

/* MB/s of the same check over as much memory that nobody else touches. */
static double checked_alone(char *memory)
{
	double begin = receive_now(), now;
	uint64_t bytes = 0;
	uint32_t samples = FRAME_BYTES / 2, frame = 0;

	do {
		if (ndma_wave_check(&receive_wave, memory + frame * FRAME_BYTES, 2, 0,
				    (uint64_t)frame * samples, samples, 2) != samples)
			abort();
		frame = (frame + 1) % FRAMES;
		bytes += FRAME_BYTES;
		now = receive_now();
	} while (now < begin + SECONDS);
	return (double)bytes / (now - begin) / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

static void sustained(void)
{
	double ours[ROUNDS], card[ROUNDS], check[ROUNDS], ratio[ROUNDS];
	char *memory = malloc(FRAMES * FRAME_BYTES);

	if (!memory)
		abort();
	ndma_wave_fill(&receive_wave, memory, 2, 0, 0, FRAMES * FRAME_BYTES / 2, 2);
	for (int i = 0; i < ROUNDS; i++) {
		card[i] = streamed(false);
		check[i] = checked_alone(memory);
		ours[i] = streamed(true);
		ratio[i] = ours[i] / (card[i] < check[i] ? card[i] : check[i]);
	}
	free(memory);
	printf("{\"name\": \"card_every_sample_checked\", \"unit\": \"ratio\", \"value\": %.3f, "
	       "\"peers\": {\"MB/s\": %.0f, \"card alone\": %.0f, \"check alone\": %.0f}}\n",
	       median(ratio), median(ours), median(card), median(check));
	fflush(stdout);
}

/* Whether frames of 4 KiB come at this pace, all of them, all right. */
static bool keeps_up(int64_t frames_per_second)
{
	struct receive_tally tally = { 0 };
	struct receive receive;

	must(receive_open(&receive, name, SMALL_BYTES, SMALL_FRAMES,
			  frames_per_second * (SMALL_BYTES / 2)));
	must(receive_run(&receive, SMALL_SECONDS, true, NULL, &tally));
	receive_close(&receive);
	return !tally.dropped && !tally.flagged && !tally.wrong &&
	       (double)tally.frames >= 0.95 * SMALL_SECONDS * (double)frames_per_second;
}

static void small(void)
{
	int64_t best = 0, pace;

	for (pace = 2500; pace <= 160000 && keeps_up(pace); pace *= 2)
		best = pace;
	printf("{\"name\": \"card_4KiB_frames_lossless\", \"unit\": \"frames/s\", \"value\": %lld, "
	       "\"peers\": {}}\n",
	       (long long)best);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	name = argc > 1 ? argv[1] : "vdig0";
	sustained();
	small();
	return 0;
}
