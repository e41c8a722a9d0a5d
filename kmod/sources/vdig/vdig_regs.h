/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * vdig_regs.h - register model of the VDIG virtual digitizer, version 1.0
 *
 * Shared by the driver (kmod/sources/vdig/) and the card (tests/card). This is the card's data
 * sheet: what is not written here is not promised.
 *
 * 1. Overview
 *
 *   VDIG samples 1 to 16 channels at 8, 12 or 16 bits and moves frames of samples into host memory
 *   by bus-master DMA. A frame is a fixed number of samples of every channel. The driver posts
 *   memory in a descriptor ring; the card writes a frame there, then says so in a completion ring,
 *   then interrupts. While data flows, nobody reads a register.
 *
 *                         descriptor ring               completion ring
 *       driver --writes--> [ a frame's segments ] --card--> [ what was written ] --> driver
 *              --TAIL----> card                        card --interrupt (MSI/MSI-X)--> driver
 *
 *   All registers and structures are little-endian. A register is 32 bits, naturally aligned,
 *   accessed whole. Reserved bits and registers read 0 and are written 0.
 *
 * 2. Attachment
 *
 *   PCI function (vfio-user): vendor VDIG_PCI_VENDOR, device VDIG_PCI_DEVICE, registers in BAR 0,
 *     one MSI vector. Writes to CTRL, TAIL and TRIGGERS act at once. The card masters the bus only
 *     while the command register's bus master bit is set.
 *   Shared memory (ivshmem, 1af4:1110): registers at offset 0 of BAR 2, one MSI-X vector. The card
 *     is not told of register writes: after writing CTRL, TAIL or TRIGGERS the driver writes the
 *     value that it found in DOORBELL to offset VDIG_IVSHMEM_DOORBELL of BAR 0. The card takes DMA
 *     addresses for guest-physical ones: it cannot work behind an IOMMU. Other ivshmem devices do
 *     not have VDIG_ID in register ID.
 *
 *   A card that was pulled out, on either attachment, reads as all-ones. One that died silently is
 *   told by TIME_MS, which stands still.
 *
 * 3. Starting and stopping
 *
 *   Reset:  CTRL = RESET; wait until CTRL reads 0. Every setting is then 0 and nothing is posted.
 *   Start:  write the settings; clear the completion ring; post descriptors and write TAIL (the
 *           ring starts at descriptor 0, TAIL 0 means none yet); CTRL = RUN. The card latches the
 *           settings, clears its sticky status bits and sets RUNNING, or, where a setting is out of
 *           range, BAD_SETTING instead. Wait for one of the two.
 *           RUN must have been clear before: also after the card stopped by itself.
 *   Stop:   CTRL = 0; wait until RUNNING is clear. From then on the card writes no memory. A frame
 *           in progress is abandoned and its descriptors stay unused. HEAD keeps its value.
 *   Settings are written while RUNNING is clear. Bounds for waiting: VDIG_WAIT_MS.
 *
 *   The card stops by itself, sets RING_FAULT and interrupts, when it cannot make sense of its
 *   rings: TAIL more than the ring's size beyond HEAD, a descriptor out of order or misaligned, a
 *   frame's segments shorter than the frame, or a ring that cannot be reached by DMA.
 *
 * 4. Descriptor ring (struct vdig_descriptor, 16 bytes; read by the card only)
 *
 *   2^RING_LOG2 entries at RING. A frame is one or more consecutive descriptors: the first has
 *   SOF, the last EOF, both in a frame of one segment. TAIL is the free-running number (modulo
 *   2^32) of descriptors posted since the start; the card has used HEAD of them. Descriptors from
 *   HEAD to TAIL belong to the card and must not change. The card reads them when TAIL is written,
 *   so they must be visible before. Addresses and lengths are multiples of VDIG_ALIGN, lengths not
 *   0. Memory beyond the frame's bytes is not written.
 *
 * 5. Completion ring (struct vdig_completion, 64 bytes; written by the card only)
 *
 *   2^RING_LOG2 entries at COMPLETIONS, one for each frame in order. Entry i of the run (counted
 *   from 0) is at slot i modulo the size and is valid once its `generation` is 1 + i / size, which
 *   the card writes last, after the frame's data. Read it with acquire semantics, the rest after
 *   it. There are as many completions as descriptors, so the ring cannot overflow as long as the
 *   driver takes a frame's completion before it posts its descriptors anew.
 *
 * 6. Frames
 *
 *   Items are 1 byte for 8 bits, else 2, right-aligned; signed ones sign-extended. Planar: all
 *   samples of channel 0, then of channel 1 …; interleaved: sample 0 of all channels, then sample
 *   1 …. Sample n of a channel is that of ndma_wave.h, with n counted from the start of the run,
 *   so a frame's content follows from its completion's `sample` alone.
 *
 *   `sequence` counts the frames acquired since the start, lost ones included. Frames wait in the
 *   on-board memory (FIFO_KIB) until descriptors are there; when it is full the newest are lost,
 *   and the next completion says how many. With RATE 0 a frame is acquired when there is a place
 *   for it, and none is lost.
 *
 *   A short frame (SHORT) has `samples` < SAMPLES valid samples of every channel, each at its
 *   usual place; the others' places are not written.
 *
 * 7. Trigger
 *
 *   FREE:     frames follow each other without a gap.
 *   LEVEL:    a frame begins with the first sample of channel 0 that is >= LEVEL after one below
 *             it. Then the trigger is armed again.
 *   EXTERNAL: a frame begins with an edge at the trigger input, or with a software trigger: the
 *             driver adds to TRIGGERS (free-running, 0 at the start) as many frames as it wants.
 *             Edges that come while a frame is being taken queue up.
 *
 * 8. Interrupts
 *
 *   After IRQ_FRAMES completions (0 counts as 1), or IRQ_US microseconds after the first that has
 *   not been announced, whichever is first; IRQ_US 0 announces each at once. Also whenever RUNNING
 *   becomes clear. There is nothing to acknowledge.
 */
#ifndef VDIG_REGS_H
#define VDIG_REGS_H

#include <linux/types.h>

#define VDIG_PCI_VENDOR		0x1234
#define VDIG_PCI_DEVICE		0xd161
#define VDIG_IVSHMEM_VENDOR	0x1af4
#define VDIG_IVSHMEM_DEVICE	0x1110
#define VDIG_IVSHMEM_DOORBELL	12

/* Bytes of the register file: BAR 0 of the PCI function, the start of BAR 2 of ivshmem */
#define VDIG_REGS_BYTES		4096

/* Identity, read-only */
#define VDIG_REG_ID		0x000	/* VDIG_ID */
#define VDIG_REG_VERSION	0x004	/* major << 16 | minor; majors differ in meaning */
#define VDIG_REG_CHANNELS_MAX	0x008
#define VDIG_REG_RATE_MAX	0x00c	/* samples/s of a channel */
#define VDIG_REG_FIFO_KIB	0x010	/* on-board memory for frames that wait, KiB */
#define VDIG_REG_DOORBELL	0x014	/* ivshmem: value for its doorbell; else 0 */

/* State, read-only */
#define VDIG_REG_STATUS		0x040	/* VDIG_STATUS_* */
#define VDIG_REG_HEAD		0x044	/* descriptors used since the start */
#define VDIG_REG_PRODUCED	0x048	/* completions written since the start */
#define VDIG_REG_LOST		0x04c	/* frames lost since the start */
#define VDIG_REG_TIME_MS	0x050	/* the card's clock; moves at least 10 times a second */

/* Control */
#define VDIG_REG_CTRL		0x080	/* VDIG_CTRL_* */
#define VDIG_REG_TAIL		0x084	/* descriptors posted since the start */
#define VDIG_REG_TRIGGERS	0x088	/* software triggers given since the start */

/* Settings */
#define VDIG_REG_RING_LO	0x0c0	/* descriptor ring's DMA address, multiple of 64 */
#define VDIG_REG_RING_HI	0x0c4
#define VDIG_REG_COMPLETIONS_LO	0x0c8	/* completion ring's DMA address, multiple of 64 */
#define VDIG_REG_COMPLETIONS_HI	0x0cc
#define VDIG_REG_RING_LOG2	0x0d0	/* VDIG_RING_LOG2_MIN..MAX */
#define VDIG_REG_CHANNELS	0x0d4	/* 1..CHANNELS_MAX */
#define VDIG_REG_SAMPLES	0x0d8	/* of a channel; VDIG_FRAME_MIN..MAX bytes in all */
#define VDIG_REG_FORMAT		0x0dc	/* VDIG_FORMAT_* */
#define VDIG_REG_RATE		0x0e0	/* samples/s of a channel; 0: as fast as the bus */
#define VDIG_REG_TRIGGER	0x0e4	/* VDIG_TRIGGER_* */
#define VDIG_REG_LEVEL		0x0e8	/* of the level trigger, as a sample, two's complement */
#define VDIG_REG_IRQ_FRAMES	0x0ec	/* completions an interrupt */
#define VDIG_REG_IRQ_US		0x0f0	/* the longest a completion waits for its interrupt, µs */
#define VDIG_REG_PATTERN	0x100	/* enum ndma_wave_pattern, the signal at the inputs … */
#define VDIG_REG_PHASE_STEP	0x104	/* … and the other fields of struct ndma_wave */
#define VDIG_REG_AMPLITUDE	0x108
#define VDIG_REG_SEED		0x10c

#define VDIG_REG_SETTINGS	VDIG_REG_RING_LO
#define VDIG_REG_SETTINGS_END	0x110

#define VDIG_ID			0x47494456u	/* "VDIG" */
#define VDIG_VERSION		0x00010000u

#define VDIG_CTRL_RUN		0x1u
#define VDIG_CTRL_RESET		0x2u		/* clears itself, and RUN */

#define VDIG_STATUS_RUNNING	0x1u
/* Sticky until the next start or reset */
#define VDIG_STATUS_OVERRUN	0x2u		/* frames were lost: no memory was posted in time */
#define VDIG_STATUS_DMA_FAULT	0x4u		/* part of a frame could not be written */
#define VDIG_STATUS_RING_FAULT	0x8u		/* stopped: the rings make no sense */
#define VDIG_STATUS_BAD_SETTING	0x10u		/* not started: a setting is out of range */
#define VDIG_STATUS_BITS	0x1fu		/* a card that sets others lies */

#define VDIG_FORMAT_BITS_MASK	0xffu		/* 8, 12 or 16 */
#define VDIG_FORMAT_SIGNED	0x100u
#define VDIG_FORMAT_INTERLEAVED	0x200u

#define VDIG_TRIGGER_FREE	0u
#define VDIG_TRIGGER_LEVEL	1u
#define VDIG_TRIGGER_EXTERNAL	2u

#define VDIG_RING_LOG2_MIN	4u
#define VDIG_RING_LOG2_MAX	16u
#define VDIG_CHANNELS_MAX	16u
#define VDIG_RATE_MAX		1000000000u
#define VDIG_ALIGN		8u
#define VDIG_FRAME_MIN		64u
#define VDIG_FRAME_MAX		(256u << 20)
#define VDIG_WAIT_MS		1000u

#define VDIG_DESCRIPTOR_SOF	0x1u
#define VDIG_DESCRIPTOR_EOF	0x2u

/**
 * struct vdig_descriptor - a segment of host memory for a frame
 * @address: DMA address, multiple of VDIG_ALIGN
 * @length:  bytes, multiple of VDIG_ALIGN, not 0
 * @control: VDIG_DESCRIPTOR_*
 */
struct vdig_descriptor {
	__le64 address;
	__le32 length;
	__le32 control;
};

#define VDIG_FLAG_SHORT		0x1u		/* fewer samples than SAMPLES */
#define VDIG_FLAG_OVERRUN	0x2u		/* the loss before it: on-board memory full */
#define VDIG_FLAG_ERROR		0x4u		/* the converter reported an error in this frame */
#define VDIG_FLAG_DMA_FAULT	0x8u		/* part of this frame could not be written */
#define VDIG_FLAG_BITS		0xfu

/**
 * struct vdig_completion - a frame that was written
 * @sequence:     of the frame, from 0 at the start; lost frames count
 * @timestamp_ns: of the first sample, by the card's clock, from the start
 * @sample:       number of the first sample, from 0 at the start
 * @lost_samples: samples of each channel in frames lost between the previous completion and this
 * @lost_frames:  how many frames those were
 * @samples:      valid samples of each channel
 * @slot:         where in the descriptor ring the frame began
 * @flags:        VDIG_FLAG_*
 * @reserved:     0
 * @generation:   1 + how often the ring has wrapped; written last
 */
struct vdig_completion {
	__le64 sequence;
	__le64 timestamp_ns;
	__le64 sample;
	__le64 lost_samples;
	__le32 lost_frames;
	__le32 samples;
	__le32 slot;
	__le32 flags;
	__le32 reserved[3];
	__le32 generation;
};

#endif /* VDIG_REGS_H */
