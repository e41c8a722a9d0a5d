/* SPDX-License-Identifier: MIT */
/*
 * A driver for the card in the same process: host memory, a clock that the test moves, and the few
 * things that every driver of the card does. Anything it should not do, tests do by hand.
 */
#ifndef CARD_TEST_DRIVER_H
#define CARD_TEST_DRIVER_H

#include "card.h"

#define HOST_BASE 0x100000ull		/* DMA address of the memory */
#define HOST_BYTES (8u << 20)
#define HOST_READ_ONLY (HOST_BASE + HOST_BYTES)	/* a page that cannot be written, behind it */
#define HOST_RING HOST_BASE
#define HOST_COMPLETIONS (HOST_BASE + 0x10000)
#define HOST_FRAMES (HOST_BASE + 0x20000)

/**
 * struct host - the machine around the card
 * @now: the clock
 * @mastering: the bus master bit
 * @interrupts: that arrived
 * @tail: descriptors posted; @taken: completions taken
 * @ring_log2: written by host_configure()
 */
struct host {
	struct card card;
	unsigned char *memory;
	uint32_t *regs;
	uint64_t now;
	bool mastering;
	unsigned int interrupts;
	uint32_t tail, taken, ring_log2;
};

/** host_open - a card that was just switched on, in checker mode, with @fifo_bytes on board. */
void host_open(struct host *host, uint64_t fifo_bytes);
void host_close(struct host *host);
uint32_t host_read(struct host *host, uint32_t offset);
/** host_write - a register write as the PCI attachment does it. */
void host_write(struct host *host, uint32_t offset, uint32_t value);
void *host_pointer(struct host *host, uint64_t address);
/**
 * host_configure - settings: planar signed 16-bit counters, 2 channels of 128 samples, unthrottled,
 * an interrupt each, 16 ring entries. Tests change what they want before host_run().
 */
void host_configure(struct host *host);
/** host_run - clear the completion ring and set RUN; true if the card runs. */
bool host_run(struct host *host);
/** host_descriptor - write the next descriptor; host_ring() makes it the card's. */
void host_descriptor(struct host *host, uint64_t address, uint32_t length, uint32_t control);
void host_ring(struct host *host);
/** host_post - one descriptor of @bytes for a whole frame, and TAIL. */
void host_post(struct host *host, uint64_t address, uint32_t bytes);
/** host_step - let the card work until nothing is due at this moment. */
void host_step(struct host *host);
/** host_until - let time pass, working whenever something is due. */
void host_until(struct host *host, uint64_t now);
/** host_take - the next completion; false if there is none. */
bool host_take(struct host *host, struct vdig_completion *completion);
/** host_frame_right - whether memory holds what the completion promises. */
bool host_frame_right(struct host *host, uint64_t address, const struct vdig_completion *c);
/** host_command - a command to the control socket; false if it was refused. */
bool host_command(struct host *host, const char *line);
/** host_silent - the checker has nothing to say. */
bool host_silent(const struct host *host);

#endif /* CARD_TEST_DRIVER_H */
