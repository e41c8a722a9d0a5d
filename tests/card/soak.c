// SPDX-License-Identifier: MIT
/*
 * ndma-soak-card SECONDS FILE: find what the digitizer and this program sustain with every sample
 * checked, then take frames at half of that pace for so long. FILE gets a line for each frame, to
 * be compared with the card's own log. Nothing may be lost and nothing wrong.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "receive.h"

#define NAME "vdig0"
#define FRAME_BYTES (1u << 20)
/* Some seconds of memory: the machine below may be doing other things. */
#define FRAMES 256u
#define TRIAL_SECONDS 10.0
#define SAMPLE_BYTES 2

static int run(int64_t rate, double seconds, FILE *note, struct receive_tally *tally)
{
	struct receive receive;
	int ret = receive_open(&receive, NAME, FRAME_BYTES, FRAMES, rate);

	if (!ret)
		ret = receive_run(&receive, seconds, true, note, tally);
	if (ret)
		fprintf(stderr, "ndma-soak-card: %s\n", ndma_error());
	receive_close(&receive);
	return ret;
}

int main(int argc, char **argv)
{
	struct receive_tally trial = { 0 }, tally = { 0 };
	double seconds = argc == 3 ? atof(argv[1]) : 0, sustained;
	FILE *note = seconds > 0 ? fopen(argv[2], "w") : NULL;
	int ret;

	if (!note) {
		fprintf(stderr, "usage: ndma-soak-card SECONDS FILE, which can be written\n");
		return 1;
	}
	ret = run(0, TRIAL_SECONDS, NULL, &trial);
	sustained = (double)trial.bytes / trial.seconds;
	if (!ret)
		ret = run((int64_t)(sustained / 2 / SAMPLE_BYTES), seconds, note, &tally);
	if (fclose(note) || ret)
		return 1;
	printf("%" PRIu64 " frames of 1 MiB in %.0f s at %.1f MB/s, half of what is sustained: "
	       "%" PRIu64 " lost, %" PRIu64 " flagged, %" PRIu64 " wrong\n",
	       tally.frames, tally.seconds, (double)tally.bytes / tally.seconds / 1e6,
	       tally.dropped, tally.flagged, tally.wrong);
	return tally.dropped || tally.flagged || tally.wrong || trial.wrong;
}
