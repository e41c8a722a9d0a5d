/* SPDX-License-Identifier: MIT */
/*
 * The other end of the digitizer, in the guest: takes its frames by libndma and compares every
 * sample with what the card must have made. For `make bench` and `make soak`.
 *
 * Functions return 0, or a negative errno, of which ndma_error() has the words.
 */
#ifndef CARD_RECEIVE_H
#define CARD_RECEIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ndma.h>

#include "ndma_wave.h"

/**
 * struct receive - a stream of one channel of 16-bit samples that count
 * @source, @stream: what it comes from
 */
struct receive {
	struct ndma_source *source;
	struct ndma_stream *stream;
};

/**
 * struct receive_tally - what came
 * @frames: how many
 * @bytes: of valid samples
 * @dropped: frames that were lost between the first and the last
 * @flagged: frames that are short, in error, or tell of a loss
 * @wrong: frames with a wrong sample
 * @seconds: of receive_run()
 */
struct receive_tally {
	uint64_t frames;
	uint64_t bytes;
	uint64_t dropped;
	uint64_t flagged;
	uint64_t wrong;
	double seconds;
};

/* What receive_open() makes the card send, in channel 0. */
extern const struct ndma_wave receive_wave;

double receive_now(void);

/**
 * receive_open - open the digitizer and start a stream
 * @name: "vdig0"
 * @frame_bytes: of a frame
 * @frames: of memory that the card may fill ahead
 * @rate: samples/s; 0: as fast as it goes
 */
int receive_open(struct receive *receive, const char *name, uint64_t frame_bytes, uint32_t frames,
		 int64_t rate);
/**
 * receive_run - take frames for so long
 * @check: look at every sample
 * @note: NULL, or where to write a line for each frame, with what it shares with the card's log
 * @tally: added to
 */
int receive_run(struct receive *receive, double seconds, bool check, FILE *note,
		struct receive_tally *tally);
/* Also where opening failed. */
void receive_close(struct receive *receive);

#endif /* CARD_RECEIVE_H */
