/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver of the virtual digitizer, whose data sheet is vdig_regs.h:
 *
 *   main.c    coming and going: probe, remove, errors of the bus, a card that vanished
 *   card.c    registers: start, stop, is it there; the two attachments
 *   ring.c    descriptors and completions: which frame the card fills, and what became of it
 *   stream.c  what ndma calls, and what the card can do
 *
 * Nothing that the card writes is trusted. What contradicts itself gets an error flag, what makes
 * no sense at all stops the stream; neither is ever an index or a length of the driver's.
 */
#ifndef VDIG_H
#define VDIG_H

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "ndma_source.h"
#include "vdig_regs.h"

/* Entries of both rings; also the most segments that a frame may have. */
#define VDIG_RING_LOG2		12
#define VDIG_RING_ENTRIES	(1u << VDIG_RING_LOG2)
#define VDIG_RING_MASK		(VDIG_RING_ENTRIES - 1)

/* Controls beside the standard ones. Paced has sim's number and meaning. */
#define VDIG_CONTROL_PACED		(NDMA_CONTROL_DRIVER + 0)
#define VDIG_CONTROL_IRQ_FRAMES		(NDMA_CONTROL_DRIVER + 1)
#define VDIG_CONTROL_IRQ_US		(NDMA_CONTROL_DRIVER + 2)

/**
 * struct vdig_place - a frame that the card has
 * @frame: the frame
 * @descriptors: how many it takes, from this slot on
 */
struct vdig_place {
	struct ndma_frame *frame;
	u32 descriptors;
};

/**
 * struct vdig_ring - both rings; from setup to teardown, counters from start to stop
 * @descriptors: where the card reads
 * @completions: where it writes
 * @descriptors_dma: address of @descriptors for the card
 * @completions_dma: address of @completions for the card
 * @places: by slot of the first descriptor
 * @held: a frame for which there was no room in the ring, or NULL
 * @tail: descriptors posted
 * @head: of these, those of frames that came back
 * @taken: completions taken
 * @sequence: that the next frame should have
 * @resync: the last one did not: believe the next
 * @timestamp: of the last frame that had a plausible one, in ns since the start
 */
struct vdig_ring {
	struct vdig_descriptor *descriptors;
	struct vdig_completion *completions;
	dma_addr_t descriptors_dma;
	dma_addr_t completions_dma;
	struct vdig_place *places;
	struct ndma_frame *held;
	u32 tail;
	u32 head;
	u32 taken;
	u64 sequence;
	bool resync;
	u64 timestamp;
};

/**
 * struct vdig - one card
 * @pdev: the PCI function
 * @regs: register file
 * @irq: asked for in time: pci_irq_vector() takes a mutex that others allocate memory under
 * @doorbell: of ivshmem, else NULL
 * @doorbell_value: what is written there
 * @desc: the description
 * @mutex: starting, stopping and recovering the card; @source, @recovering, @recover_by
 * @source: what it is registered as; NULL once it has vanished
 * @recovering: its bus is being reset or recovers, and the source is paused
 * @recover_by: jiffies after which that is not believed any more
 * @gone: work that unregisters a card that vanished
 * @watchdog: work that looks after a running card
 * @time_ms: the card's clock, when it was last seen to move; the watchdog's
 * @moved: jiffies of that moment
 * @lock: all below; taken in the interrupt
 * @stream: from start to stop
 * @running: the card was started, and nothing that it did speaks against it
 * @start_ns: CLOCK_MONOTONIC of the start
 * @triggers: software triggers since the start
 */
struct vdig {
	struct pci_dev *pdev;
	void __iomem *regs;
	int irq;
	void __iomem *doorbell;
	u32 doorbell_value;
	struct ndma_source_desc desc;

	struct mutex mutex;
	struct ndma_source *source;
	bool recovering;
	unsigned long recover_by;
	struct delayed_work gone;
	struct delayed_work watchdog;
	u32 time_ms;
	unsigned long moved;

	spinlock_t lock;
	struct ndma_stream *stream;
	bool running;
	u64 start_ns;
	u32 triggers;
	struct vdig_ring ring;
};

/* ---------------------------------------------------------------- card.c */

/* Is this the card, and is it there? 0, -ENODEV. */
int vdig_card_check(struct vdig *vdig);
/*
 * 0: it has forgotten every descriptor, and writes no memory. Otherwise it must not get the bus:
 * -ENODEV, -ETIMEDOUT.
 */
int vdig_card_reset(struct vdig *vdig);
/* Resets, writes the settings of vdig->stream and starts. 0, -ENODEV, -EIO, -ETIMEDOUT. Under the mutex. */
int vdig_card_start(struct vdig *vdig);
/* 0: the card is quiet. Otherwise it is not known what it does: -ENODEV, -EIO, -ETIMEDOUT. */
int vdig_card_stop(struct vdig *vdig);
/* The last resort: takes the bus from it. */
void vdig_card_cut_off(struct vdig *vdig);
/* Writes CTRL, TAIL or TRIGGERS so that the card hears of it. Any context. */
void vdig_card_command(struct vdig *vdig, u32 reg, u32 value);

/* ---------------------------------------------------------------- ring.c */

int vdig_ring_create(struct vdig *vdig);
void vdig_ring_destroy(struct vdig *vdig);
/* As at the start of a run. The card has stopped, and has no frame. */
void vdig_ring_reset(struct vdig *vdig);
/* All under vdig->lock. */
/* Gives every free frame to the card. */
void vdig_ring_post(struct vdig *vdig);
/* Takes in at most @limit completions; returns how many. */
u32 vdig_ring_take(struct vdig *vdig, u32 limit);
/* Frames that the card had go back unfilled. It is quiet. */
void vdig_ring_return(struct vdig *vdig);

/* ---------------------------------------------------------------- stream.c */

/* What every card is; .dev is per card. */
extern const struct ndma_source_desc vdig_desc;

/* ---------------------------------------------------------------- vdig.c */

/*
 * The card does not answer: it has vanished, unless its bus says otherwise soon. Under the mutex, or from
 * the watchdog, which is halted before anybody else says anything.
 */
void vdig_miss(struct vdig *vdig);
/* The card was started: give it frames, look after it. Under the mutex. */
void vdig_run(struct vdig *vdig);
/* No frame is given to it from here on, and nobody looks after it. Under the mutex. */
void vdig_halt(struct vdig *vdig);
/* The card did what it must not: say so, and let the stream end. Under vdig->lock. */
void vdig_distrust(struct vdig *vdig, const char *why);

#endif /* VDIG_H */
