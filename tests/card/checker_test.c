// SPDX-License-Identifier: MIT
/* Checker mode: each thing that a driver can do wrong is said by its name, and nothing else. */
#include <endian.h>
#include <string.h>

#include "tap.h"
#include "test_driver.h"

#define FRAME 512u
#define FRAME_AT(i) (HOST_FRAMES + (uint64_t)(i)*FRAME)
#define WHOLE (VDIG_DESCRIPTOR_SOF | VDIG_DESCRIPTOR_EOF)

static void start(struct host *h)
{
	host_open(h, 1 << 20);
	host_configure(h);
}

/* Ends a test: only @wrong was reported, once, and the card is in the state it should be. */
static void end(struct host *h, int ok, enum card_wrong wrong, uint32_t status,
		const char *sentence)
{
	EXPECT(ok, h->card.checker.count[wrong] == 1 && h->card.checker.total == 1);
	EXPECT(ok, host_read(h, VDIG_REG_STATUS) == status);
	host_close(h);
	tap(ok, sentence);
}

static void rings_make_no_sense(void)
{
	static const struct {
		uint64_t address;
		uint32_t length, control;
	} bad[] = {
		{ HOST_FRAMES + 4, FRAME, WHOLE },
		{ HOST_FRAMES, FRAME + 1, WHOLE },
		{ HOST_FRAMES, 0, WHOLE },
		{ HOST_FRAMES, FRAME, WHOLE | 4 },
		{ HOST_FRAMES, FRAME, VDIG_DESCRIPTOR_EOF },
	};
	struct host h;
	size_t i;
	int ok;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(&h);
		ok = host_run(&h);
		host_descriptor(&h, bad[i].address, bad[i].length, bad[i].control);
		host_ring(&h);
		host_step(&h);
		EXPECT(ok, h.interrupts == 1 && h.card.halted);
		end(&h, ok, CARD_WRONG_DESCRIPTOR_BAD, VDIG_STATUS_RING_FAULT,
		    "descriptor-bad: misaligned, empty, unknown bits, no start of frame");
	}
	start(&h);
	ok = host_run(&h);
	host_descriptor(&h, FRAME_AT(0), 256, VDIG_DESCRIPTOR_SOF);
	host_descriptor(&h, FRAME_AT(1), 256, WHOLE);
	host_ring(&h);
	host_step(&h);
	end(&h, ok, CARD_WRONG_DESCRIPTOR_BAD, VDIG_STATUS_RING_FAULT,
	    "descriptor-bad: a frame that starts inside another");

	start(&h);
	ok = host_run(&h);
	host_post(&h, FRAME_AT(0), FRAME - 8);
	host_step(&h);
	end(&h, ok, CARD_WRONG_FRAME_TOO_SMALL, VDIG_STATUS_RING_FAULT,
	    "frame-too-small: segments that hold less than a frame");

	start(&h);
	ok = host_run(&h);
	host_write(&h, VDIG_REG_TAIL, 17);
	end(&h, ok, CARD_WRONG_DOORBELL_OVERRUN, VDIG_STATUS_RING_FAULT,
	    "doorbell-overrun: more descriptors than the ring has");

	start(&h);
	ok = host_run(&h);
	for (i = 0; i < 4; i++)
		host_descriptor(&h, FRAME_AT(i), FRAME, WHOLE);
	host_ring(&h);
	host_write(&h, VDIG_REG_TAIL, 2);
	end(&h, ok, CARD_WRONG_DOORBELL_OVERRUN, VDIG_STATUS_RING_FAULT,
	    "doorbell-overrun: TAIL that goes back");
}

static void memory_is_not_there(void)
{
	struct vdig_completion c;
	struct host h;
	int ok;

	start(&h);
	ok = host_run(&h);
	host_descriptor(&h, HOST_READ_ONLY - FRAME / 2, FRAME, WHOLE);
	host_ring(&h);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c) && le32toh(c.flags) & VDIG_FLAG_DMA_FAULT && !c.samples);
	end(&h, ok, CARD_WRONG_READ_ONLY, VDIG_STATUS_RUNNING | VDIG_STATUS_DMA_FAULT,
	    "read-only: half a frame lies in memory that cannot be written");

	start(&h);
	ok = host_run(&h);
	host_post(&h, 0xdead0000, FRAME);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c) && le32toh(c.flags) & VDIG_FLAG_DMA_FAULT);
	end(&h, ok, CARD_WRONG_UNMAPPED, VDIG_STATUS_RUNNING | VDIG_STATUS_DMA_FAULT,
	    "unmapped: a frame's address is nowhere");

	start(&h);
	host_write(&h, VDIG_REG_RING_HI, 1);
	ok = host_run(&h);
	host_post(&h, FRAME_AT(0), FRAME);
	EXPECT(ok, h.interrupts == 1);
	end(&h, ok, CARD_WRONG_UNMAPPED, VDIG_STATUS_RING_FAULT,
	    "unmapped: the descriptor ring's address is nowhere");

	start(&h);
	host_write(&h, VDIG_REG_COMPLETIONS_LO, (uint32_t)HOST_READ_ONLY);
	ok = host_run(&h);
	host_post(&h, FRAME_AT(0), FRAME);
	host_step(&h);
	end(&h, ok, CARD_WRONG_READ_ONLY, VDIG_STATUS_RING_FAULT,
	    "read-only: the completion ring cannot be written");
}

static void the_bus_is_off(void)
{
	struct vdig_completion c;
	struct host h;
	int ok;

	start(&h);
	ok = host_run(&h);
	h.mastering = false;
	host_post(&h, FRAME_AT(0), FRAME);
	host_step(&h);
	EXPECT(ok, !host_take(&h, &c));
	h.mastering = true;
	host_step(&h);
	EXPECT(ok, !host_take(&h, &c)); /* that TAIL was never heard */
	host_ring(&h);
	host_step(&h);
	EXPECT(ok, host_take(&h, &c) && host_frame_right(&h, FRAME_AT(0), &c));
	end(&h, ok, CARD_WRONG_NO_BUS_MASTER, VDIG_STATUS_RUNNING,
	    "no-bus-master: work was asked for while the card may not touch memory");

	start(&h);
	ok = host_run(&h);
	host_post(&h, FRAME_AT(0), FRAME);
	h.mastering = false;
	host_step(&h);
	EXPECT(ok, !host_take(&h, &c));
	host_write(&h, VDIG_REG_CTRL, 0);
	EXPECT(ok, host_silent(&h) && !host_read(&h, VDIG_REG_STATUS));
	host_close(&h);
	tap(ok, "turning bus mastering off stops a card that does not answer, and is no mistake");
}

static void promises_are_broken(void)
{
	struct vdig_descriptor *ring;
	struct vdig_completion c;
	struct host h;
	int ok;

	start(&h);
	ok = host_run(&h);
	host_post(&h, FRAME_AT(0), FRAME);
	ring = host_pointer(&h, HOST_RING);
	ring[0].address = htole64(FRAME_AT(1));
	host_step(&h);
	EXPECT(ok, host_take(&h, &c) && host_frame_right(&h, FRAME_AT(0), &c));
	end(&h, ok, CARD_WRONG_DESCRIPTOR_CHANGED, VDIG_STATUS_RUNNING,
	    "descriptor-changed: between TAIL and completion; the card uses what it read");

	start(&h);
	ok = host_run(&h);
	host_write(&h, VDIG_REG_RATE, 5);
	host_post(&h, FRAME_AT(0), FRAME);
	host_write(&h, VDIG_REG_CTRL, 0);
	end(&h, ok, CARD_WRONG_SETTING_CHANGED, 0,
	    "setting-changed: while the card runs, said once");

	start(&h);
	host_write(&h, VDIG_REG_CTRL, VDIG_CTRL_RESET);
	host_write(&h, VDIG_REG_TAIL, 1);
	end(&h, 1, CARD_WRONG_USE_AFTER_RESET, 0, "use-after-reset: TAIL");

	start(&h);
	host_write(&h, VDIG_REG_CTRL, VDIG_CTRL_RESET);
	ok = !host_run(&h);
	end(&h, ok, CARD_WRONG_USE_AFTER_RESET, VDIG_STATUS_BAD_SETTING, "use-after-reset: RUN");

	start(&h);
	h.card.checker.on = false;
	ok = host_run(&h);
	host_write(&h, VDIG_REG_TAIL, 17);
	EXPECT(ok, host_silent(&h) && host_read(&h, VDIG_REG_STATUS) == VDIG_STATUS_RING_FAULT);
	host_close(&h);
	tap(ok, "without checker mode the card stops just so, and says nothing");
}

int main(void)
{
	puts("TAP version 13");
	rings_make_no_sense();
	memory_is_not_there();
	the_bus_is_off();
	promises_are_broken();
	return tap_end();
}
