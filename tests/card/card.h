/* SPDX-License-Identifier: MIT */
/*
 * The virtual digitizer's device core, which knows nothing of QEMU. What the card does is written
 * in kmod/sources/vdig/vdig_regs.h; this is how it is built:
 *
 *   front end (ivshmem.c, vfio.c)   gives it a register file, a bus and doorbells
 *   card.c                          life: power-on, reset, start, stop, one step of work
 *   settings.c                      what the registers ask for
 *   acquire.c                       sample clock, trigger and on-board memory: which frames exist
 *   ring.c                          descriptors in, completions out
 *   frame.c                         the samples of one frame into its segments
 *   fault.c, checker.c, log.c       misbehaviour on command, the driver's errors, the record
 *
 * One thread. Times are nanoseconds of the card's clock, handed in by the caller, so that a test
 * can play a year in a second.
 */
#ifndef CARD_H
#define CARD_H

#include <stdbool.h>
#include <stdint.h>

#include "acquire.h"
#include "checker.h"
#include "fault.h"
#include "log.h"
#include "settings.h"
#include "vdig_regs.h"

#define CARD_NEVER UINT64_MAX
#define CARD_FIFO_MIB_MAX 4096u

enum card_reach {
	CARD_REACH_OK,
	CARD_REACH_UNMAPPED,		/* nothing answers at that address */
	CARD_REACH_READ_ONLY,
};

/**
 * struct card_bus - what a front end does for the card
 * @context:   handed to each op
 * @map:       host memory behind a DMA address. @bytes: wanted; out: how many lie in one piece, at
 *             least VDIG_ALIGN for an aligned address. The pointer is good until the next return to
 *             the front end
 * @interrupt: raises the card's interrupt
 * @mastering: whether the card may access memory now
 * @gated:     that is for the driver to say, by the bus master bit
 */
struct card_bus {
	void *context;
	enum card_reach (*map)(void *context, uint64_t address, uint64_t *bytes, bool write,
			       void **host);
	void (*interrupt)(void *context);
	bool (*mastering)(void *context);
	bool gated;
};

/* The two rings. `shadow` is what the card read when TAIL was written. */
struct card_ring {
	struct vdig_descriptor *shadow;
	uint32_t mask;
	uint32_t head, tail;
	uint32_t produced;
};

/* The frame that is being written. */
struct card_frame {
	bool active;
	bool unreachable;		/* a part could not be written */
	struct card_record record;
	uint32_t descriptors;		/* that it occupies, from ring.head on */
	uint32_t segment;		/* the next one to write, and … */
	uint32_t within;		/* … how far it is written */
	uint64_t offset;		/* in the frame */
	uint32_t samples;		/* valid ones of a channel */
	uint64_t corrupt_at;		/* byte to flip, or CARD_NEVER */
};

/* Completions that wait for the next interrupt. */
struct card_announce {
	uint32_t completions;
	uint64_t first_ns;
};

/**
 * struct card - one digitizer
 * @regs:     register file of VDIG_REGS_BYTES, little-endian, the front end's memory
 * @doorbell: the front end's value for VDIG_REG_DOORBELL
 * @fifo_bytes: on-board memory
 * @running:  started and not stopped
 * @halted:   RUN is set, but the card stopped by itself
 * @gone:     pulled out: every register reads all-ones
 * @reset_ignored: a deaf card was told to reset, and runs on; its work is over all the same, because the
 *   memory is the driver's again
 * @again:    the record to deliver a second time is in @frame.record
 * @triggers: software triggers that were seen
 * @latched:  the settings' registers at the start, to see whether they change
 * @lost_frames: @lost_samples: @lost_overrun: lost by a fault, not yet told to the driver
 * @frames: @bytes: @interrupts: since the program began, for people
 */
struct card {
	struct card_bus bus;
	uint32_t *regs;
	uint32_t doorbell;
	uint64_t fifo_bytes;
	bool running, halted, gone, reset_ignored, again;
	uint32_t triggers;
	uint32_t latched[(VDIG_REG_SETTINGS_END - VDIG_REG_SETTINGS) / 4];
	uint64_t lost_frames, lost_samples;
	bool lost_overrun;
	struct card_settings settings;
	struct card_acquire acquire;
	struct card_ring ring;
	struct card_frame frame;
	struct card_announce announce;
	struct card_faults faults;
	struct card_checker checker;
	struct card_log log;
	uint64_t frames, bytes, interrupts;
};

/* card.c */

/** card_power_on - registers and state as after switching on; ends `gone`. Also a bus reset. */
void card_power_on(struct card *card);
/**
 * card_end - the machine has ended, or QEMU has: as card_power_on()
 *
 * A card that still runs then would write to the memory of whatever is started next (kexec).
 */
void card_end(struct card *card);
/** card_notify - CTRL, TAIL or TRIGGERS were written, or a doorbell was rung. */
void card_notify(struct card *card, uint64_t now);
/**
 * card_work - do what is due, for a fraction of a millisecond
 *
 * Return: when to call again at the latest; @now or earlier: at once, there is more.
 */
uint64_t card_work(struct card *card, uint64_t now);
/** card_trigger - @count edges at the trigger input. */
void card_trigger(struct card *card, uint32_t count, uint64_t now);
/** card_halt - stop by itself, for a reason that goes to STATUS. */
void card_halt(struct card *card, uint32_t status);
/** card_vanish - all-ones from now on, until card_power_on(). */
void card_vanish(struct card *card);
/** card_close - free everything that the card holds; @regs is the front end's. */
void card_close(struct card *card);

uint32_t card_reg(const struct card *card, uint32_t offset);
void card_set_reg(struct card *card, uint32_t offset, uint32_t value);
/** card_set_status - set bits of STATUS. */
void card_set_status(struct card *card, uint32_t bits);
/** card_raise - an interrupt, unless a fault eats it. */
void card_raise(struct card *card);

/* dma.c: @what is accessed, for the checker's message */

/** card_dma_map - host memory for @bytes at @address, as far as it lies in one piece, or NULL. */
void *card_dma_map(struct card *card, uint64_t address, uint64_t *bytes, bool write,
		   const char *what);
/** card_dma_read - copy from host memory; false if a part cannot be reached. */
bool card_dma_read(struct card *card, uint64_t address, void *to, uint64_t bytes,
		   const char *what);

/* ring.c: an int result is 1 yes, 0 not yet, -1 the ring makes no sense (already reported) */

int card_ring_open(struct card *card);
void card_ring_close(struct card *card);
int card_ring_post(struct card *card, uint32_t tail);
/** card_ring_group - is a whole frame's worth of descriptors at the head? @count: how many. */
int card_ring_group(struct card *card, uint32_t *count);
/** card_ring_complete - publish a completion and use up the frame's descriptors. */
int card_ring_complete(struct card *card, struct vdig_completion *completion, uint32_t count);

/* frame.c */

void card_frame_begin(struct card *card, uint32_t descriptors);
/** card_frame_write - write up to @bytes of the frame; true when it is whole. */
bool card_frame_write(struct card *card, uint64_t bytes);

#endif /* CARD_H */
