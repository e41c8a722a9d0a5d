/* SPDX-License-Identifier: MIT */
/* What the registers asked for when RUN was set. */
#ifndef CARD_SETTINGS_H
#define CARD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ndma_wave.h"

/**
 * struct card_settings - a consistent set of settings
 * @ring: @completions: DMA addresses of the rings
 * @ring_log2:   entries of each
 * @channels: @samples: shape of a frame
 * @itemsize:    bytes of a sample
 * @frame_bytes: of a whole frame
 * @interleaved: else planar
 * @rate:        samples/s of a channel; 0: unthrottled
 * @trigger: @level: as in the registers
 * @irq_frames:  at least 1
 * @irq_ns:      the longest that a completion waits
 * @wave:        the signal
 */
struct card_settings {
	uint64_t ring, completions;
	uint32_t ring_log2;
	uint32_t channels, samples, itemsize;
	uint64_t frame_bytes;
	bool interleaved;
	uint32_t rate;
	uint32_t trigger;
	int32_t level;
	uint32_t irq_frames;
	uint64_t irq_ns;
	struct ndma_wave wave;
};

/**
 * card_settings_read - take the settings from a register file
 * @regs:     the registers, little-endian
 * @settings: out: unspecified unless the result is true
 * @why:      out: which setting is out of range, its value and what was expected
 */
bool card_settings_read(const uint32_t *regs, struct card_settings *settings, char *why,
			size_t why_bytes);

#endif /* CARD_SETTINGS_H */
