/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ndma_edu.h - what the frames of the `edu` source hold, for the driver and for whoever checks them
 *
 * The card has 4,096 bytes of memory. For every frame the driver writes a pattern there, by DMA to
 * the card, and then lets the card write it to the frame, NDMA_EDU_CHUNK bytes at a time. So the
 * pattern of a frame starts again every NDMA_EDU_CHUNK bytes, and each frame's is another one.
 */
#ifndef NDMA_EDU_H
#define NDMA_EDU_H

#include <linux/types.h>

/* The most that QEMU 7.2's card moves at a time: with all 4,096 bytes it aborts. */
#define NDMA_EDU_CHUNK	4088u

/**
 * ndma_edu_byte - one byte of a frame
 * @hw_sequence: of the frame's completion: frames since setup, from 0
 * @offset: of the byte in the frame
 */
static inline unsigned char ndma_edu_byte(__u64 hw_sequence, __u32 offset)
{
	__u32 at = offset % NDMA_EDU_CHUNK;

	return (unsigned char)(hw_sequence * 31 + at + (at >> 8));
}

#endif /* NDMA_EDU_H */
