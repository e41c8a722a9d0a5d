/* SPDX-License-Identifier: MIT */
/*
 * Checker mode: the card says what a driver does wrong. A correct driver never hears of it.
 */
#ifndef CARD_CHECKER_H
#define CARD_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"

enum card_wrong {
	CARD_WRONG_NO_BUS_MASTER,	/* asked for DMA with bus mastering off */
	CARD_WRONG_UNMAPPED,		/* DMA address where nothing answers */
	CARD_WRONG_READ_ONLY,		/* DMA write to read-only memory */
	CARD_WRONG_DESCRIPTOR_CHANGED,	/* between TAIL and completion */
	CARD_WRONG_DESCRIPTOR_BAD,	/* misaligned, empty or out of order */
	CARD_WRONG_FRAME_TOO_SMALL,	/* segments hold less than a frame */
	CARD_WRONG_DOORBELL_OVERRUN,	/* TAIL beyond the ring */
	CARD_WRONG_USE_AFTER_RESET,	/* RUN or TAIL without settings */
	CARD_WRONG_WROTE_AFTER_RESET,	/* made the card write after a reset that it ignores */
	CARD_WRONG_BAD_SETTING,		/* RUN with a setting out of range */
	CARD_WRONG_SETTING_CHANGED,	/* settings written while running */
	CARD_WRONGS,
};

/**
 * struct card_checker - what was reported
 * @on:    report at all
 * @log:   where lines go, beside stderr
 * @total: reports since the program began
 * @count: of each kind
 * @first: the first report of each kind, for people
 */
struct card_checker {
	bool on;
	struct card_log *log;
	uint64_t total;
	uint64_t count[CARD_WRONGS];
	char first[CARD_WRONGS][128];
};

/** card_checker_report - the driver did @wrong; the rest says what exactly. */
void card_checker_report(struct card_checker *checker, enum card_wrong wrong, const char *format,
			 ...) __attribute__((format(printf, 3, 4)));
/** card_checker_name - a kind's name in the log, "descriptor-changed". */
const char *card_checker_name(enum card_wrong wrong);

#endif /* CARD_CHECKER_H */
