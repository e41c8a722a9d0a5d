// SPDX-License-Identifier: MIT
/* The device core, played against a driver in the same process: streaming, settings, life. */
#include <endian.h>
#include <string.h>

#include "tap.h"
#include "test_driver.h"

#define FRAME 512u /* bytes of host_configure()'s frame */
#define FRAME_AT(i) (HOST_FRAMES + (uint64_t)(i)*FRAME)
#define SECOND 1000000000ull
#define MILLISECOND 1000000ull
#define GATHERED (HOST_BASE + HOST_BYTES / 2)

/* Posts a frame in segments of 8, 24, 56 … bytes with holes between; tells where each went. */
static uint32_t post_scattered(struct host *h, uint32_t bytes, uint64_t *at, uint32_t *length)
{
	uint64_t address = HOST_FRAMES + 8;
	uint32_t left = (bytes + 7) & ~7u, piece = 8, count = 0;

	while (left) {
		if (piece > left || count == 14)
			piece = left;
		at[count] = address;
		length[count] = piece;
		left -= piece;
		host_descriptor(h, address, piece,
				(count ? 0 : VDIG_DESCRIPTOR_SOF) |
					(left ? 0 : VDIG_DESCRIPTOR_EOF));
		address += piece + 4096 - 8;
		piece = 2 * piece + 8;
		count++;
	}
	host_ring(h);
	return count;
}

static int shape_arrives(uint32_t format, uint32_t channels, uint32_t samples, uint32_t pattern)
{
	struct vdig_completion c;
	uint64_t at[16], gathered = GATHERED;
	uint32_t length[16], count, i;
	struct host h;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	host_write(&h, VDIG_REG_FORMAT, format);
	host_write(&h, VDIG_REG_CHANNELS, channels);
	host_write(&h, VDIG_REG_SAMPLES, samples);
	host_write(&h, VDIG_REG_PATTERN, pattern);
	host_write(&h, VDIG_REG_PHASE_STEP, 12345678);
	EXPECT(ok, host_run(&h));
	count = post_scattered(&h, (uint32_t)h.card.settings.frame_bytes, at, length);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c) && le32toh(c.samples) == samples && !c.flags && !c.slot);
	for (i = 0; i < count; gathered += length[i++])
		memcpy(host_pointer(&h, gathered), host_pointer(&h, at[i]), length[i]);
	EXPECT(ok, host_frame_right(&h, GATHERED, &c));
	EXPECT(ok, host_read(&h, VDIG_REG_HEAD) == count && host_silent(&h));
	host_close(&h);
	return ok;
}

static void every_shape_arrives(void)
{
	static const uint32_t formats[] = {
		8,
		8 | VDIG_FORMAT_SIGNED | VDIG_FORMAT_INTERLEAVED,
		12 | VDIG_FORMAT_INTERLEAVED,
		12 | VDIG_FORMAT_SIGNED,
		16,
		16 | VDIG_FORMAT_SIGNED | VDIG_FORMAT_INTERLEAVED,
	};
	static const uint32_t shapes[][2] = { { 1, 64 }, { 3, 333 }, { 16, 5001 }, { 2, 700000 } };
	uint32_t f, s, pattern;
	int ok = 1;

	for (f = 0; f < 6; f++)
		for (s = 0; s < 4; s++)
			for (pattern = 0; pattern < NDMA_WAVE_PATTERNS; pattern++)
				ok &= !ndma_wave_is_pattern(pattern) ||
				      shape_arrives(formats[f], shapes[s][0], shapes[s][1],
						    pattern);
	tap(ok, "every format, order, shape and pattern arrives whole in scattered segments");
}

static void the_rings_wrap(void)
{
	struct vdig_completion c;
	struct host h;
	uint32_t i;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	EXPECT(ok, host_run(&h));
	for (i = 0; i < 1000; i++) {
		uint64_t at = FRAME_AT(i % 16);

		host_post(&h, at, FRAME);
		if (i < 7)
			continue; /* seven frames ahead */
		host_step(&h);
		while (host_take(&h, &c)) {
			at = FRAME_AT((h.taken - 1) % 16);
			EXPECT(ok, le64toh(c.sequence) == h.taken - 1);
			EXPECT(ok, le64toh(c.sample) == 128ull * (h.taken - 1));
			EXPECT(ok, le32toh(c.slot) == (h.taken - 1) % 16);
			EXPECT(ok, host_frame_right(&h, at, &c));
		}
	}
	EXPECT(ok, h.taken == 1000 && h.interrupts == 1000 && !host_read(&h, VDIG_REG_LOST));
	EXPECT(ok, host_silent(&h));
	host_close(&h);
	tap(ok, "without a rate no frame is ever lost, through many turns of the rings");
}

static void a_rate_is_kept(void)
{
	struct vdig_completion c;
	struct host h;
	uint32_t i;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	host_write(&h, VDIG_REG_RATE, 128 * 100); /* 100 frames/s */
	h.now = 5 * SECOND;
	EXPECT(ok, host_run(&h));
	for (i = 0; i < 10; i++)
		host_post(&h, FRAME_AT(i), FRAME);
	host_until(&h, 5 * SECOND + 10 * MILLISECOND - 1);
	EXPECT(ok, !host_take(&h, &c));
	for (i = 0; i < 10; i++) {
		host_until(&h, 5 * SECOND + (i + 1) * 10 * MILLISECOND);
		EXPECT(ok, host_take(&h, &c) && !host_take(&h, &c));
		EXPECT(ok, le64toh(c.timestamp_ns) == i * 10 * MILLISECOND);
	}
	host_close(&h);
	tap(ok, "a paced frame comes when its last sample is there, stamped with its first");
}

static void a_full_memory_loses_the_newest(void)
{
	struct vdig_completion c;
	struct host h;
	uint32_t i;
	int ok = 1;

	host_open(&h, 4 * FRAME);
	host_configure(&h);
	host_write(&h, VDIG_REG_RATE, 128 * 100);
	EXPECT(ok, host_run(&h));
	host_until(&h, 3600 * SECOND); /* 360,000 frames and nobody takes them */
	EXPECT(ok, host_read(&h, VDIG_REG_STATUS) & VDIG_STATUS_OVERRUN);
	EXPECT(ok, host_read(&h, VDIG_REG_LOST) == 360000 - 4);
	for (i = 0; i < 6; i++)
		host_post(&h, FRAME_AT(i), FRAME);
	host_step(&h);
	for (i = 0; i < 4; i++) {
		EXPECT(ok, host_take(&h, &c) && le64toh(c.sequence) == i && !c.lost_frames);
		EXPECT(ok, host_frame_right(&h, FRAME_AT(i), &c));
	}
	EXPECT(ok, !host_take(&h, &c));
	host_until(&h, 3600 * SECOND + 20 * MILLISECOND);
	EXPECT(ok, host_take(&h, &c) && le64toh(c.sequence) == 360000);
	EXPECT(ok, le32toh(c.lost_frames) == 360000 - 4);
	EXPECT(ok, le64toh(c.lost_samples) == 128ull * (360000 - 4));
	EXPECT(ok, le32toh(c.flags) == VDIG_FLAG_OVERRUN && host_frame_right(&h, FRAME_AT(4), &c));
	EXPECT(ok,
	       host_take(&h, &c) && le64toh(c.sequence) == 360001 && !c.flags && !c.lost_frames);
	EXPECT(ok, host_silent(&h));
	host_close(&h);
	tap(ok, "when the on-board memory is full the newest frames are lost, and counted exactly");
}

static int level_triggers(uint32_t rate)
{
	struct vdig_completion c;
	struct host h;
	uint64_t last = 0;
	uint32_t i;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	host_write(&h, VDIG_REG_PATTERN, NDMA_WAVE_SINE);
	host_write(&h, VDIG_REG_PHASE_STEP, 0xffffffffu / 1000);
	host_write(&h, VDIG_REG_TRIGGER, VDIG_TRIGGER_LEVEL);
	host_write(&h, VDIG_REG_LEVEL, 10000);
	host_write(&h, VDIG_REG_RATE, rate);
	EXPECT(ok, host_run(&h));
	for (i = 0; i < 5; i++)
		host_post(&h, FRAME_AT(i), FRAME);
	host_until(&h, SECOND);
	for (i = 0; i < 5; i++) {
		const struct ndma_wave *w = &h.card.settings.wave;
		uint64_t at;

		EXPECT(ok, host_take(&h, &c));
		at = le64toh(c.sample);
		EXPECT(ok, ndma_wave_sample(w, 0, at) >= 10000);
		EXPECT(ok, ndma_wave_sample(w, 0, at - 1) < 10000);
		EXPECT(ok, !i || (at - last > 990 && at - last < 1010));
		EXPECT(ok, host_frame_right(&h, FRAME_AT(i), &c) && !c.lost_frames);
		last = at;
	}
	host_close(&h);
	return ok;
}

static void a_level_triggers(void)
{
	struct vdig_completion c;
	struct host h;
	int ok = level_triggers(0) & level_triggers(1000000);

	tap(ok, "a level trigger starts each frame where the signal rises through the level");

	host_open(&h, 1 << 20);
	host_configure(&h);
	host_write(&h, VDIG_REG_TRIGGER, VDIG_TRIGGER_LEVEL);
	host_write(&h, VDIG_REG_PATTERN, NDMA_WAVE_SINE);
	host_write(&h, VDIG_REG_LEVEL, 10000); /* phase step 0: a constant */
	host_write(&h, VDIG_REG_RATE, 1000);
	ok = host_run(&h);
	host_post(&h, FRAME_AT(0), FRAME);
	host_until(&h, SECOND);
	EXPECT(ok, !host_take(&h, &c));
	host_write(&h, VDIG_REG_CTRL, 0);
	EXPECT(ok, !(host_read(&h, VDIG_REG_STATUS) & VDIG_STATUS_RUNNING));
	host_close(&h);
	tap(ok, "a level that is never crossed never triggers, and the card still stops");
}

static void edges_trigger(void)
{
	struct vdig_completion c;
	struct host h;
	uint32_t i;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	host_write(&h, VDIG_REG_TRIGGER, VDIG_TRIGGER_EXTERNAL);
	host_write(&h, VDIG_REG_RATE, 1000);
	EXPECT(ok, host_run(&h));
	for (i = 0; i < 6; i++)
		host_post(&h, FRAME_AT(i), FRAME);
	host_until(&h, SECOND);
	EXPECT(ok, !host_take(&h, &c));
	EXPECT(ok, host_command(&h, "trigger 2"));
	host_until(&h, 3 * SECOND);
	EXPECT(ok, host_take(&h, &c) && le64toh(c.sample) == 1000 && !le64toh(c.sequence));
	EXPECT(ok, le64toh(c.timestamp_ns) == SECOND);
	EXPECT(ok, host_take(&h, &c) && le64toh(c.sample) == 1128);
	EXPECT(ok, !host_take(&h, &c));
	host_write(&h, VDIG_REG_TRIGGERS, 1);
	host_write(&h, VDIG_REG_TRIGGERS, 2);
	host_until(&h, 4 * SECOND);
	EXPECT(ok, host_take(&h, &c) && le64toh(c.sample) == 3000 && le64toh(c.sequence) == 2);
	EXPECT(ok, host_take(&h, &c) && le64toh(c.sample) == 3128 && !host_take(&h, &c));
	host_write(&h, VDIG_REG_CTRL, 0);
	host_write(&h, VDIG_REG_RATE, 0);
	EXPECT(ok, host_run(&h));
	host_post(&h, FRAME_AT(0), FRAME);
	host_step(&h);
	EXPECT(ok, !host_take(&h, &c));
	host_write(&h, VDIG_REG_TRIGGERS, 1);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c) && host_frame_right(&h, FRAME_AT(0), &c) && host_silent(&h));
	host_close(&h);
	tap(ok, "each edge, from outside or by software, takes one frame");
}

static void interrupts_are_coalesced(void)
{
	struct vdig_completion c;
	struct host h;
	uint32_t i;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	host_write(&h, VDIG_REG_RATE, 128 * 1000); /* a frame each ms */
	host_write(&h, VDIG_REG_IRQ_FRAMES, 4);
	host_write(&h, VDIG_REG_IRQ_US, 10000);
	EXPECT(ok, host_run(&h));
	for (i = 0; i < 6; i++)
		host_post(&h, FRAME_AT(i), FRAME);
	host_until(&h, 3 * MILLISECOND);
	EXPECT(ok, h.interrupts == 0 && host_take(&h, &c));
	host_until(&h, 4 * MILLISECOND);
	EXPECT(ok, h.interrupts == 1);
	host_until(&h, 15 * MILLISECOND - 1); /* the fifth came at 5 ms */
	EXPECT(ok, h.interrupts == 1);
	host_until(&h, 15 * MILLISECOND);
	EXPECT(ok, h.interrupts == 2);
	host_until(&h, SECOND);
	EXPECT(ok, h.interrupts == 2);
	host_close(&h);
	tap(ok, "an interrupt comes after so many completions or so much time, and then no other");
}

static void it_stops_and_starts(void)
{
	struct vdig_completion c;
	struct host h;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	EXPECT(ok, host_run(&h));
	host_post(&h, FRAME_AT(0), FRAME);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c));
	host_write(&h, VDIG_REG_CTRL, 0);
	EXPECT(ok, !(host_read(&h, VDIG_REG_STATUS) & VDIG_STATUS_RUNNING));
	EXPECT(ok, host_read(&h, VDIG_REG_HEAD) == 1);
	host_post(&h, FRAME_AT(1), FRAME);
	host_step(&h);
	EXPECT(ok, !host_take(&h, &c));
	EXPECT(ok, host_run(&h));
	host_post(&h, FRAME_AT(0), FRAME);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c) && !c.sequence && host_frame_right(&h, FRAME_AT(0), &c));
	EXPECT(ok, host_silent(&h));
	host_close(&h);
	tap(ok, "a stopped card writes nothing, and a new start begins at frame 0");
}

static void a_large_frame_is_written_in_steps(void)
{
	struct vdig_completion c;
	struct host h;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	host_write(&h, VDIG_REG_SAMPLES, 1 << 20); /* 4 MiB */
	EXPECT(ok, host_run(&h));
	host_post(&h, HOST_FRAMES, 4 << 20);
	card_work(&h.card, h.now);
	EXPECT(ok, !host_take(&h, &c) && h.card.frame.active);
	host_write(&h, VDIG_REG_CTRL, 0);
	host_step(&h);
	EXPECT(ok, !host_take(&h, &c) && !host_read(&h, VDIG_REG_HEAD));
	EXPECT(ok, host_run(&h));
	host_post(&h, HOST_FRAMES, 4 << 20);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c) && host_frame_right(&h, HOST_FRAMES, &c));
	host_close(&h);
	tap(ok, "a stop in the middle of a large frame abandons it");
}

static void a_reset_clears(void)
{
	struct host h;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	EXPECT(ok, host_run(&h));
	host_write(&h, VDIG_REG_CTRL, VDIG_CTRL_RESET);
	EXPECT(ok, !host_read(&h, VDIG_REG_CTRL) && !host_read(&h, VDIG_REG_STATUS));
	EXPECT(ok, !host_read(&h, VDIG_REG_RING_LOG2) && !host_read(&h, VDIG_REG_TAIL));
	EXPECT(ok, host_read(&h, VDIG_REG_ID) == VDIG_ID);
	host_configure(&h);
	EXPECT(ok, host_run(&h) && host_silent(&h));
	host_close(&h);
	tap(ok, "a reset stops the card and clears its settings, and it can start again");
}

static void settings_are_refused(void)
{
	static const uint32_t bad[][2] = {
		{ VDIG_REG_RING_LOG2, 3 },
		{ VDIG_REG_RING_LOG2, 17 },
		{ VDIG_REG_RING_LO, 0x100020 },
		{ VDIG_REG_COMPLETIONS_LO, 0 },
		{ VDIG_REG_CHANNELS, 0 },
		{ VDIG_REG_CHANNELS, 17 },
		{ VDIG_REG_SAMPLES, 0 },
		{ VDIG_REG_SAMPLES, 15 }, /* 60 bytes */
		{ VDIG_REG_SAMPLES, 0xffffffff },
		{ VDIG_REG_FORMAT, 10 },
		{ VDIG_REG_FORMAT, 0x10010 },
		{ VDIG_REG_RATE, VDIG_RATE_MAX + 1 },
		{ VDIG_REG_TRIGGER, 3 },
		{ VDIG_REG_PATTERN, NDMA_WAVE_PATTERNS },
		{ VDIG_REG_PATTERN, NDMA_WAVE_OFF },
		{ VDIG_REG_AMPLITUDE, NDMA_WAVE_FULL_SCALE + 1 },
	};
	size_t i;
	int ok = 1;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct host h;

		host_open(&h, 1 << 20);
		host_configure(&h);
		host_write(&h, bad[i][0], bad[i][1]);
		EXPECT(ok, !host_run(&h));
		EXPECT(ok, host_read(&h, VDIG_REG_STATUS) == VDIG_STATUS_BAD_SETTING);
		EXPECT(ok, h.interrupts == 1 && h.card.checker.count[CARD_WRONG_BAD_SETTING] == 1);
		host_configure(&h);
		host_write(&h, VDIG_REG_CTRL, VDIG_CTRL_RUN);
		EXPECT(ok, !h.card.running); /* RUN was not clear in between */
		host_write(&h, VDIG_REG_CTRL, 0);
		EXPECT(ok, host_run(&h));
		host_close(&h);
	}
	tap(ok, "a setting out of range is refused at the start, and a right one then works");
}

int main(void)
{
	puts("TAP version 13");
	every_shape_arrives();
	the_rings_wrap();
	a_rate_is_kept();
	a_full_memory_loses_the_newest();
	a_level_triggers();
	edges_trigger();
	interrupts_are_coalesced();
	it_stops_and_starts();
	a_large_frame_is_written_in_steps();
	a_reset_clears();
	settings_are_refused();
	return tap_end();
}
