// SPDX-License-Identifier: MIT
#include "fault.h"

#include <string.h>

#include "card.h"

#define MILLISECOND 1000000ull

static const struct {
	const char *name, *help;
} table[CARD_FAULTS] = {
	[CARD_FAULT_DROP] = { "drop", "N frames are lost, and counted as lost" },
	[CARD_FAULT_OVERRUN] = { "overrun",
				 "N frames are lost as if the on-board memory was full" },
	[CARD_FAULT_CORRUPT] = { "corrupt", "one byte is wrong in each of N frames, unsaid" },
	[CARD_FAULT_ERROR] = { "error", "N frames carry the converter's error flag" },
	[CARD_FAULT_SHORT] = { "short", "N frames end in the middle" },
	[CARD_FAULT_DUPLICATE] = { "duplicate", "N frames are delivered twice" },
	[CARD_FAULT_TIMESTAMP] = { "timestamp", "N frames are stamped one second too early" },
	[CARD_FAULT_DMA] = { "dma-fault", "N frames go to an address where nothing answers" },
	[CARD_FAULT_LIE_SAMPLES] = { "lie-samples", "N completions tell of more than a frame" },
	[CARD_FAULT_LIE_SEQUENCE] = { "lie-sequence", "N completions go back by 10 frames" },
	[CARD_FAULT_LIE_SLOT] = { "lie-slot", "N completions name no descriptor of the ring" },
	[CARD_FAULT_LIE_FLAGS] = { "lie-flags", "N completions have every flag set" },
	[CARD_FAULT_IRQ_LOST] = { "irq-lost", "N interrupts are not raised" },
	[CARD_FAULT_IRQ_SPURIOUS] = { "irq-spurious", "N interrupts come for no reason" },
	[CARD_FAULT_IRQ_STORM] = { "irq-storm", "interrupts without end for N ms" },
	[CARD_FAULT_STALL] = { "stall", "no frame is written for N ms; 0 ends a stall" },
	[CARD_FAULT_DEAF] = { "deaf", "CTRL is ignored: no stop, no reset; 0 ends it" },
	[CARD_FAULT_LIE_STATUS] = { "lie-status", "the status register turns to garbage" },
	[CARD_FAULT_LIE_EXTRA] = { "lie-extra", "N completions of frames that do not exist" },
	[CARD_FAULT_GONE] = { "gone", "pulled out: everything reads all-ones" },
	[CARD_FAULT_BACK] = { "back", "plugged in again after gone, as after power-on" },
	[CARD_FAULT_EXIT] = { "exit", "the card dies without a word" },
};

bool card_fault_take(struct card_faults *faults, enum card_fault fault, uint64_t sequence)
{
	if (!faults->armed[fault].left || sequence < faults->armed[fault].from)
		return false;
	faults->armed[fault].left--;
	return true;
}

const char *card_fault_name(enum card_fault fault)
{
	return table[fault].name;
}

const char *card_fault_help(enum card_fault fault)
{
	return table[fault].help;
}

static uint64_t after_ms(uint64_t now, uint64_t ms)
{
	return ms < (CARD_NEVER - now) / MILLISECOND ? now + ms * MILLISECOND : CARD_NEVER;
}

/* All zeros but what makes them valid; the card's own count of descriptors does not move. */
static void complete_nothing(struct card *card, uint64_t amount)
{
	struct vdig_completion nothing = { 0 };

	while (card->running && amount-- && card_ring_complete(card, &nothing, 0) > 0)
		;
	card_raise(card);
}

bool card_fault_command(struct card *card, const char *name, uint64_t amount, uint64_t from,
			uint64_t now)
{
	struct card_faults *faults = &card->faults;
	int fault = 0;

	while (fault < CARD_FAULTS && strcmp(table[fault].name, name))
		fault++;
	if (fault == CARD_FAULTS)
		return false;
	card_log_line(&card->log, "fault name=%s amount=%llu from=%llu", name,
		      (unsigned long long)amount, (unsigned long long)from);
	switch (fault) {
	case CARD_FAULT_IRQ_SPURIOUS:
		for (; amount; amount--)
			card_raise(card);
		break;
	case CARD_FAULT_IRQ_STORM:
		faults->storm_until = after_ms(now, amount);
		break;
	case CARD_FAULT_STALL:
		faults->stall_until = after_ms(now, amount);
		break;
	case CARD_FAULT_DEAF:
		faults->armed[fault].left = amount;
		/* It does now what it was told meanwhile. */
		card->reset_ignored = false;
		card_notify(card, now);
		break;
	case CARD_FAULT_LIE_STATUS:
		card_set_reg(card, VDIG_REG_STATUS, 0xdeadbeef);
		card_raise(card);
		break;
	case CARD_FAULT_LIE_EXTRA:
		complete_nothing(card, amount);
		break;
	case CARD_FAULT_GONE:
		card_vanish(card);
		break;
	case CARD_FAULT_BACK:
		card_power_on(card);
		break;
	case CARD_FAULT_EXIT:
		faults->exit = true;
		break;
	default:
		faults->armed[fault].left = amount;
		faults->armed[fault].from = from;
	}
	return true;
}
