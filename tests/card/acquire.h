/* SPDX-License-Identifier: MIT */
/*
 * Which frames exist: sample clock, trigger and on-board memory.
 *
 * Samples are a function of their number, so the on-board memory holds records, not samples. It is
 * brought up to date lazily: what a frame's fate was does not depend on when one looks.
 */
#ifndef CARD_ACQUIRE_H
#define CARD_ACQUIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "settings.h"

/**
 * struct card_record - a frame that was taken and waits in the on-board memory
 * @sequence: frames taken since the start, lost ones included
 * @sample:   number of its first sample
 * @time_ns:  of its first sample
 * @lost_samples: @lost_frames: what was lost between the record before and this one
 * @overrun:  because the memory was full
 */
struct card_record {
	uint64_t sequence, sample, time_ns;
	uint64_t lost_samples, lost_frames;
	bool overrun;
};

/* All of it private to acquire.c, but @lost_total: frames lost since the start. */
struct card_acquire {
	const struct card_settings *settings;
	uint64_t start_ns;
	uint64_t sequence;
	uint64_t next;			/* first sample of the next frame, once it is known … */
	bool armed;			/* … which with LEVEL it is only while this is set … */
	uint64_t scanned;		/* … by looking at the samples up to here */
	uint64_t pending;		/* EXTERNAL: edges not yet used */
	uint64_t lost_frames, lost_samples, lost_total;
	struct card_record *records;	/* ring of `capacity`, `count` from `first` on */
	uint32_t capacity, first, count;
};

/** card_acquire_start - the clock runs; false if there is no memory. @settings must outlive it. */
bool card_acquire_start(struct card_acquire *acquire, const struct card_settings *settings,
			uint64_t fifo_bytes, uint64_t now);
/** card_acquire_stop - what is in the on-board memory is discarded. */
void card_acquire_stop(struct card_acquire *acquire);
/** card_acquire_trigger - @edges at the trigger input, for so many frames in a row. */
void card_acquire_trigger(struct card_acquire *acquire, uint32_t edges, uint64_t now);
/** card_acquire_advance - let the clock run until @now: frames end, fill the memory, are lost. */
void card_acquire_advance(struct card_acquire *acquire, uint64_t now);
/** card_acquire_next - take the oldest frame; without a rate: make one. False: none yet. */
bool card_acquire_next(struct card_acquire *acquire, uint64_t now, struct card_record *record);
/** card_acquire_due - when card_acquire_next() is worth a try; CARD_NEVER: after a trigger. */
uint64_t card_acquire_due(const struct card_acquire *acquire, uint64_t now);

#endif /* CARD_ACQUIRE_H */
