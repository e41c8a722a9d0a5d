// SPDX-License-Identifier: MIT
/* Every fault on command: what a driver in the same process sees of it, and that it ends. */
#include <endian.h>
#include <string.h>

#include "tap.h"
#include "test_driver.h"

#define FRAME 512u
#define SAMPLES 128u
#define FRAMES 8u
#define FRAME_AT(i) (HOST_FRAMES + (uint64_t)(i)*FRAME)
#define SECOND 1000000000ull
#define MILLISECOND 1000000ull

/* Arms a fault for frame 3, streams eight places' worth, and keeps what arrived. */
static uint32_t stream_with(struct host *h, const char *command, struct vdig_completion *c)
{
	uint32_t i, got = 0;

	host_open(h, 1 << 20);
	host_configure(h);
	h->now = 10 * SECOND;
	if (!host_command(h, command) || !host_run(h))
		return 0;
	for (i = 0; i < FRAMES; i++) {
		memset(host_pointer(h, FRAME_AT(i)), 0xee, FRAME);
		host_post(h, FRAME_AT(i), FRAME);
		h->now += MILLISECOND;
		host_step(h);
	}
	while (got < FRAMES && host_take(h, &c[got]))
		got++;
	return got;
}

/* Frames before and after the fault must be whole and in order. */
static int others_right(struct host *h, const struct vdig_completion *c, uint32_t got,
			uint32_t except, uint64_t shift)
{
	uint32_t i;
	int ok = got == FRAMES && host_silent(h);

	for (i = 0; i < got; i++) {
		if (i == except)
			continue;
		EXPECT(ok, le64toh(c[i].sequence) == i + (i > except ? shift : 0));
		EXPECT(ok, le32toh(c[i].samples) == SAMPLES && le32toh(c[i].slot) == i);
		EXPECT(ok, !c[i].flags && !c[i].lost_frames);
		EXPECT(ok, host_frame_right(h, FRAME_AT(i), &c[i]));
	}
	return ok;
}

static void frames_are_lost(void)
{
	struct vdig_completion c[FRAMES];
	struct host h;
	uint32_t got = stream_with(&h, "fault drop 2 at=3", c);
	int ok = others_right(&h, c, got, 3, 2);

	EXPECT(ok, le64toh(c[3].sequence) == 5 && le32toh(c[3].lost_frames) == 2 && !c[3].flags);
	EXPECT(ok, le64toh(c[3].lost_samples) == 2 * SAMPLES && host_read(&h, VDIG_REG_LOST) == 2);
	EXPECT(ok, host_frame_right(&h, FRAME_AT(3), &c[3]));
	host_close(&h);
	tap(ok, "drop: exactly so many frames are missing, and the next says so");

	got = stream_with(&h, "fault overrun 2 at=3", c);
	ok = others_right(&h, c, got, 3, 2);
	EXPECT(ok, le64toh(c[3].sequence) == 5 && le32toh(c[3].lost_frames) == 2);
	EXPECT(ok, le32toh(c[3].flags) == VDIG_FLAG_OVERRUN);
	EXPECT(ok, host_read(&h, VDIG_REG_STATUS) & VDIG_STATUS_OVERRUN);
	host_close(&h);
	tap(ok, "overrun: as drop, with the reason in the completion and the status");
}

static void frames_are_wrong(void)
{
	struct vdig_completion c[FRAMES];
	struct host h;
	uint32_t got = stream_with(&h, "fault corrupt 1 at=3", c), i, wrong = 0;
	int ok = others_right(&h, c, got, 3, 0);

	for (i = 0; i < 2 * SAMPLES; i++) {
		const int16_t *data = host_pointer(&h, FRAME_AT(3));

		wrong += data[i] != ndma_wave_sample(&h.card.settings.wave, i / SAMPLES,
						     3 * SAMPLES + i % SAMPLES);
	}
	EXPECT(ok, wrong == 1 && !c[3].flags && le64toh(c[3].sequence) == 3);
	host_close(&h);
	tap(ok, "corrupt: exactly one sample is wrong, and nothing says so");

	got = stream_with(&h, "fault error 1 at=3", c);
	ok = others_right(&h, c, got, 3, 0);
	EXPECT(ok, le32toh(c[3].flags) == VDIG_FLAG_ERROR && le64toh(c[3].sequence) == 3);
	host_close(&h);
	tap(ok, "error: the frame carries the converter's error flag");

	got = stream_with(&h, "fault short 1 at=3", c);
	ok = others_right(&h, c, got, 3, 0);
	EXPECT(ok, le32toh(c[3].flags) == VDIG_FLAG_SHORT && le32toh(c[3].samples) == SAMPLES / 2);
	EXPECT(ok, host_frame_right(&h, FRAME_AT(3), &c[3]));
	EXPECT(ok, ((unsigned char *)host_pointer(&h, FRAME_AT(3)))[SAMPLES] == 0xee);
	host_close(&h);
	tap(ok, "short: half of each channel's samples, and nothing written behind them");

	got = stream_with(&h, "fault duplicate 1 at=3", c);
	ok = others_right(&h, c, got, 4, (uint64_t)-1);
	EXPECT(ok, le64toh(c[4].sequence) == 3 && host_frame_right(&h, FRAME_AT(4), &c[4]));
	host_close(&h);
	tap(ok, "duplicate: the same frame comes a second time");

	got = stream_with(&h, "fault timestamp 1 at=3", c);
	ok = others_right(&h, c, got, FRAMES, 0);
	EXPECT(ok, le64toh(c[2].timestamp_ns) - le64toh(c[3].timestamp_ns) == 999 * MILLISECOND);
	EXPECT(ok, le64toh(c[4].timestamp_ns) - le64toh(c[2].timestamp_ns) == 2 * MILLISECOND);
	host_close(&h);
	tap(ok, "timestamp: one stamp goes back by a second, the next does not");

	got = stream_with(&h, "fault dma-fault 1 at=3", c);
	ok = others_right(&h, c, got, 3, 0);
	EXPECT(ok, le32toh(c[3].flags) == (VDIG_FLAG_DMA_FAULT | VDIG_FLAG_SHORT));
	EXPECT(ok, !c[3].samples && host_read(&h, VDIG_REG_STATUS) & VDIG_STATUS_DMA_FAULT);
	EXPECT(ok, ((unsigned char *)host_pointer(&h, FRAME_AT(3)))[0] == 0xee);
	host_close(&h);
	tap(ok, "dma-fault: the frame has no samples, and its flag and the status say why");
}

static void completions_lie(void)
{
	struct vdig_completion c[FRAMES];
	struct host h;
	uint32_t got = stream_with(&h, "fault lie-samples 1 at=3", c);
	int ok = got == FRAMES && le32toh(c[3].samples) > SAMPLES;

	host_close(&h);
	got = stream_with(&h, "fault lie-sequence 1 at=3", c);
	EXPECT(ok, got == FRAMES && le64toh(c[3].sequence) == 3 - 10ull);
	host_close(&h);
	got = stream_with(&h, "fault lie-slot 1 at=3", c);
	EXPECT(ok, got == FRAMES && le32toh(c[3].slot) >= 16);
	host_close(&h);
	got = stream_with(&h, "fault lie-flags 1 at=3", c);
	EXPECT(ok, got == FRAMES && le32toh(c[3].flags) & ~VDIG_FLAG_BITS);
	EXPECT(ok, host_frame_right(&h, FRAME_AT(4), &c[4]));
	EXPECT(ok, host_command(&h, "fault lie-status"));
	EXPECT(ok, host_read(&h, VDIG_REG_STATUS) & ~VDIG_STATUS_BITS);
	EXPECT(ok, !host_take(&h, c) && host_command(&h, "fault lie-extra 2"));
	EXPECT(ok, host_take(&h, c) && host_take(&h, c) && !host_take(&h, c));
	EXPECT(ok, host_read(&h, VDIG_REG_HEAD) == FRAMES);
	host_close(&h);
	tap(ok, "lies: lengths, sequences, slots, flags, status and completions can be garbage");
}

static void interrupts_misbehave(void)
{
	struct vdig_completion c[FRAMES];
	struct host h;
	uint32_t got = stream_with(&h, "fault irq-lost 3", c);
	int ok = others_right(&h, c, got, FRAMES, 0);

	EXPECT(ok, h.interrupts == FRAMES - 3);
	EXPECT(ok, host_command(&h, "fault irq-spurious 5") && h.interrupts == FRAMES + 2);
	host_close(&h);
	tap(ok, "interrupts are lost or come for no reason, while the completions stay right");

	host_open(&h, 1 << 20);
	ok = host_command(&h, "fault irq-storm 10");
	EXPECT(ok, card_work(&h.card, h.now) <= h.now && card_work(&h.card, h.now) <= h.now);
	EXPECT(ok, h.interrupts == 2);
	h.now += 10 * MILLISECOND;
	EXPECT(ok, card_work(&h.card, h.now) > h.now && h.interrupts == 2);
	host_close(&h);
	tap(ok, "a storm of interrupts lasts as long as asked");
}

static void it_stalls(void)
{
	struct vdig_completion c;
	struct host h;
	uint32_t i;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	host_write(&h, VDIG_REG_RATE, SAMPLES * 1000);
	EXPECT(ok, host_run(&h) && host_command(&h, "fault stall 5"));
	for (i = 0; i < FRAMES; i++)
		host_post(&h, FRAME_AT(i), FRAME);
	host_until(&h, 5 * MILLISECOND - 1);
	EXPECT(ok, !host_take(&h, &c));
	host_until(&h, 5 * MILLISECOND);
	for (i = 0; i < 5; i++)
		EXPECT(ok, host_take(&h, &c) && le64toh(c.sequence) == i && !c.lost_frames);
	EXPECT(ok, host_command(&h, "fault stall 1000000") && host_command(&h, "fault stall 0"));
	host_until(&h, 8 * MILLISECOND);
	for (i = 5; i < 8; i++)
		EXPECT(ok, host_take(&h, &c) && le64toh(c.sequence) == i && !c.lost_frames);
	EXPECT(ok, host_silent(&h));
	host_close(&h);
	tap(ok, "a stall delays frames; what the on-board memory holds is not lost");
}

static void it_hears_nothing(void)
{
	struct vdig_completion c;
	struct host h;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	EXPECT(ok, host_run(&h) && host_command(&h, "fault deaf"));
	host_write(&h, VDIG_REG_CTRL, 0);
	EXPECT(ok, host_read(&h, VDIG_REG_STATUS) & VDIG_STATUS_RUNNING);
	host_post(&h, FRAME_AT(0), FRAME);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c));
	h.mastering = false;
	host_write(&h, VDIG_REG_CTRL, VDIG_CTRL_RESET);
	host_step(&h);
	EXPECT(ok, host_read(&h, VDIG_REG_CTRL) == VDIG_CTRL_RESET && host_silent(&h));
	h.mastering = true;
	host_step(&h);
	EXPECT(ok, h.card.checker.count[CARD_WRONG_WROTE_AFTER_RESET] == 1);
	EXPECT(ok, host_command(&h, "fault deaf 0") && !host_read(&h, VDIG_REG_CTRL));
	EXPECT(ok, !host_read(&h, VDIG_REG_STATUS));
	host_configure(&h);
	EXPECT(ok, host_run(&h));
	host_close(&h);
	tap(ok, "deaf: neither stop nor reset is obeyed, and the bus must not be given back");
}

static void it_vanishes(void)
{
	struct vdig_completion c;
	struct host h;
	int ok = 1;

	host_open(&h, 1 << 20);
	host_configure(&h);
	EXPECT(ok, host_run(&h) && host_command(&h, "fault gone"));
	host_post(&h, FRAME_AT(0), FRAME);
	host_step(&h);
	EXPECT(ok, !host_take(&h, &c) && !h.interrupts);
	EXPECT(ok, host_read(&h, VDIG_REG_ID) == UINT32_MAX);
	EXPECT(ok, host_read(&h, VDIG_REG_TAIL) == UINT32_MAX);
	EXPECT(ok, host_command(&h, "fault back") && host_read(&h, VDIG_REG_ID) == VDIG_ID);
	host_configure(&h);
	EXPECT(ok, host_run(&h) && host_silent(&h));
	EXPECT(ok, host_command(&h, "fault exit") && h.card.faults.exit);
	host_close(&h);
	tap(ok, "gone: everything reads all-ones, until it is back as after power-on");
}

static void commands_are_refused(void)
{
	static const char *const bad[] = {
		"fault",          "fault nonsense",
		"fault drop -1",  "fault drop 1x",
		"fault drop at=", "fault drop 99999999999999999999",
		"trigger x",      "trigger 4294967296",
		"frobnicate",     "fifo",
		"fifo 0",         "fifo 4097",
	};
	static const char *const good[] = { "help",       "faults", "stats",  "check",
					    "attachment", "flush",  "trigger" };
	struct host h;
	size_t i;
	int ok = 1;

	host_open(&h, 1 << 20);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT(ok, !host_command(&h, bad[i]));
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		EXPECT(ok, host_command(&h, good[i]));
	for (i = 0; i < CARD_FAULTS; i++)
		EXPECT(ok, !h.card.faults.armed[i].left);
	host_close(&h);
	tap(ok, "a command that makes no sense is refused and changes nothing");
}

int main(void)
{
	puts("TAP version 13");
	frames_are_lost();
	frames_are_wrong();
	completions_lie();
	interrupts_misbehave();
	it_stalls();
	it_hears_nothing();
	it_vanishes();
	commands_are_refused();
	return tap_end();
}
