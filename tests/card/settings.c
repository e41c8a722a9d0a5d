// SPDX-License-Identifier: MIT
#include "settings.h"

#include <endian.h>
#include <stdio.h>

#include "vdig_regs.h"

#define RING_ALIGN 64u

static uint32_t reg(const uint32_t *regs, uint32_t offset)
{
	return le32toh(regs[offset / 4]);
}

static uint64_t reg64(const uint32_t *regs, uint32_t offset)
{
	return reg(regs, offset) | (uint64_t)reg(regs, offset + 4) << 32;
}

struct limit {
	const char *name;
	uint32_t offset, min, max;
};

static const struct limit limits[] = {
	{ "RING_LOG2", VDIG_REG_RING_LOG2, VDIG_RING_LOG2_MIN, VDIG_RING_LOG2_MAX },
	{ "CHANNELS", VDIG_REG_CHANNELS, 1, VDIG_CHANNELS_MAX },
	{ "SAMPLES", VDIG_REG_SAMPLES, 1, VDIG_FRAME_MAX },
	{ "RATE", VDIG_REG_RATE, 0, VDIG_RATE_MAX },
	{ "TRIGGER", VDIG_REG_TRIGGER, VDIG_TRIGGER_FREE, VDIG_TRIGGER_EXTERNAL },
	{ "PATTERN", VDIG_REG_PATTERN, 0, NDMA_WAVE_PATTERNS - 1 },
	{ "AMPLITUDE", VDIG_REG_AMPLITUDE, 0, NDMA_WAVE_FULL_SCALE },
};

static bool in_limits(const uint32_t *regs, char *why, size_t why_bytes)
{
	size_t i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct limit *limit = &limits[i];
		uint32_t value = reg(regs, limit->offset);

		if (value < limit->min || value > limit->max) {
			snprintf(why, why_bytes, "%s is %u, expected %u to %u", limit->name, value,
				 limit->min, limit->max);
			return false;
		}
	}
	return true;
}

bool card_settings_read(const uint32_t *regs, struct card_settings *s, char *why, size_t why_bytes)
{
	uint32_t format = reg(regs, VDIG_REG_FORMAT), bits = format & VDIG_FORMAT_BITS_MASK;

	if (!in_limits(regs, why, why_bytes))
		return false;
	if (!ndma_wave_is_pattern(reg(regs, VDIG_REG_PATTERN))) {
		snprintf(why, why_bytes, "PATTERN is %u, which is none",
			 reg(regs, VDIG_REG_PATTERN));
		return false;
	}
	if ((bits != 8 && bits != 12 && bits != 16) ||
	    (format & ~(VDIG_FORMAT_BITS_MASK | VDIG_FORMAT_SIGNED | VDIG_FORMAT_INTERLEAVED))) {
		snprintf(why, why_bytes, "FORMAT is %#x, expected 8, 12 or 16 bits and known flags",
			 format);
		return false;
	}
	s->ring = reg64(regs, VDIG_REG_RING_LO);
	s->completions = reg64(regs, VDIG_REG_COMPLETIONS_LO);
	if (!s->ring || s->ring % RING_ALIGN || !s->completions || s->completions % RING_ALIGN) {
		snprintf(why, why_bytes, "rings at %#llx and %#llx, expected multiples of %u",
			 (unsigned long long)s->ring, (unsigned long long)s->completions,
			 RING_ALIGN);
		return false;
	}
	s->ring_log2 = reg(regs, VDIG_REG_RING_LOG2);
	s->channels = reg(regs, VDIG_REG_CHANNELS);
	s->samples = reg(regs, VDIG_REG_SAMPLES);
	s->itemsize = bits == 8 ? 1 : 2;
	s->frame_bytes = (uint64_t)s->channels * s->samples * s->itemsize;
	if (s->frame_bytes < VDIG_FRAME_MIN || s->frame_bytes > VDIG_FRAME_MAX) {
		snprintf(why, why_bytes, "a frame has %llu bytes, expected %u to %u",
			 (unsigned long long)s->frame_bytes, VDIG_FRAME_MIN, VDIG_FRAME_MAX);
		return false;
	}
	s->interleaved = format & VDIG_FORMAT_INTERLEAVED;
	s->rate = reg(regs, VDIG_REG_RATE);
	s->trigger = reg(regs, VDIG_REG_TRIGGER);
	s->level = (int32_t)reg(regs, VDIG_REG_LEVEL);
	s->irq_frames = reg(regs, VDIG_REG_IRQ_FRAMES);
	if (!s->irq_frames)
		s->irq_frames = 1;
	s->irq_ns = reg(regs, VDIG_REG_IRQ_US) * 1000ull;
	s->wave = (struct ndma_wave){
		.pattern = (enum ndma_wave_pattern)reg(regs, VDIG_REG_PATTERN),
		.bits = bits,
		.is_signed = !!(format & VDIG_FORMAT_SIGNED),
		.phase_step = reg(regs, VDIG_REG_PHASE_STEP),
		.amplitude = reg(regs, VDIG_REG_AMPLITUDE),
		.seed = reg(regs, VDIG_REG_SEED),
	};
	return true;
}
