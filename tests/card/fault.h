/* SPDX-License-Identifier: MIT */
/*
 * Misbehaviour on command. A fault is armed for so many frames (or interrupts), from a sequence
 * number on if the test says so, and is used up as they pass; or it acts at once.
 */
#ifndef CARD_FAULT_H
#define CARD_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct card;

enum card_fault {
	/* of a frame: used up one by one */
	CARD_FAULT_DROP,
	CARD_FAULT_OVERRUN,
	CARD_FAULT_CORRUPT,
	CARD_FAULT_ERROR,
	CARD_FAULT_SHORT,
	CARD_FAULT_DUPLICATE,
	CARD_FAULT_TIMESTAMP,
	CARD_FAULT_DMA,
	CARD_FAULT_LIE_SAMPLES,
	CARD_FAULT_LIE_SEQUENCE,
	CARD_FAULT_LIE_SLOT,
	CARD_FAULT_LIE_FLAGS,
	/* of an interrupt: used up one by one */
	CARD_FAULT_IRQ_LOST,
	/* at once */
	CARD_FAULT_IRQ_SPURIOUS,
	CARD_FAULT_IRQ_STORM,
	CARD_FAULT_STALL,
	CARD_FAULT_DEAF,
	CARD_FAULT_LIE_STATUS,
	CARD_FAULT_LIE_EXTRA,
	CARD_FAULT_GONE,
	CARD_FAULT_BACK,
	CARD_FAULT_EXIT,
	CARD_FAULTS,
};

/* @stall_until and @storm_until: card time; CARD_NEVER: until told otherwise */
struct card_faults {
	struct {
		uint64_t left, from;
	} armed[CARD_FAULTS];
	uint64_t stall_until, storm_until;
	bool exit;
};

/** card_fault_take - use up one of a fault that is armed for this frame (0 for an interrupt). */
bool card_fault_take(struct card_faults *faults, enum card_fault fault, uint64_t sequence);
/** card_fault_name - "drop". */
const char *card_fault_name(enum card_fault fault);
/** card_fault_help - what a fault does and what its number means. */
const char *card_fault_help(enum card_fault fault);
/**
 * card_fault_command - arm a fault, or do it
 * @amount: frames, interrupts or milliseconds; 0: disarm, end
 * @from:   not before this sequence number
 *
 * Return: false if there is no such fault.
 */
bool card_fault_command(struct card *card, const char *name, uint64_t amount, uint64_t from,
			uint64_t now);

#endif /* CARD_FAULT_H */
