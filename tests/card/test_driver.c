// SPDX-License-Identifier: MIT
#include "test_driver.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

#define PAGE 4096u
/* Steps at one moment after which a card that never says "done" has hung. */
#define STEPS_MAX 100000

static enum card_reach reach(void *context, uint64_t address, uint64_t *bytes, bool write,
			     void **host)
{
	struct host *h = context;
	uint64_t end = address < HOST_READ_ONLY ? HOST_READ_ONLY : HOST_READ_ONLY + PAGE;

	if (address < HOST_BASE || address >= HOST_READ_ONLY + PAGE)
		return CARD_REACH_UNMAPPED;
	if (write && address >= HOST_READ_ONLY)
		return CARD_REACH_READ_ONLY;
	/* Pieces as small as the bus may make them: a page at a time. */
	if (end > (address | (PAGE - 1)) + 1)
		end = (address | (PAGE - 1)) + 1;
	if (*bytes > end - address)
		*bytes = end - address;
	*host = h->memory + (address - HOST_BASE);
	return CARD_REACH_OK;
}

static void interrupt(void *context)
{
	((struct host *)context)->interrupts++;
}

static bool mastering(void *context)
{
	return ((struct host *)context)->mastering;
}

void host_open(struct host *host, uint64_t fifo_bytes)
{
	memset(host, 0, sizeof(*host));
	host->memory = calloc(1, HOST_BYTES + PAGE);
	host->regs = calloc(1, VDIG_REGS_BYTES);
	if (!host->memory || !host->regs)
		abort();
	host->mastering = true;
	host->card.bus = (struct card_bus){ host, reach, interrupt, mastering, true };
	host->card.regs = host->regs;
	host->card.fifo_bytes = fifo_bytes;
	host->card.checker.on = true;
	host->card.checker.log = &host->card.log;
	card_power_on(&host->card);
}

void host_close(struct host *host)
{
	card_close(&host->card);
	free(host->memory);
	free(host->regs);
}

uint32_t host_read(struct host *host, uint32_t offset)
{
	return le32toh(host->regs[offset / 4]);
}

void host_write(struct host *host, uint32_t offset, uint32_t value)
{
	host->regs[offset / 4] = htole32(value);
	if (offset == VDIG_REG_CTRL || offset == VDIG_REG_TAIL || offset == VDIG_REG_TRIGGERS)
		card_notify(&host->card, host->now);
}

void *host_pointer(struct host *host, uint64_t address)
{
	return host->memory + (address - HOST_BASE);
}

void host_configure(struct host *host)
{
	uint32_t offset;

	for (offset = VDIG_REG_SETTINGS; offset < VDIG_REG_SETTINGS_END; offset += 4)
		host_write(host, offset, 0);
	host->ring_log2 = 4;
	host_write(host, VDIG_REG_RING_LO, (uint32_t)HOST_RING);
	host_write(host, VDIG_REG_COMPLETIONS_LO, (uint32_t)HOST_COMPLETIONS);
	host_write(host, VDIG_REG_RING_LOG2, host->ring_log2);
	host_write(host, VDIG_REG_CHANNELS, 2);
	host_write(host, VDIG_REG_SAMPLES, 128);
	host_write(host, VDIG_REG_FORMAT, 16 | VDIG_FORMAT_SIGNED);
	host_write(host, VDIG_REG_PATTERN, NDMA_WAVE_COUNTER);
	host_write(host, VDIG_REG_AMPLITUDE, NDMA_WAVE_FULL_SCALE);
}

bool host_run(struct host *host)
{
	memset(host_pointer(host, HOST_COMPLETIONS), 0,
	       sizeof(struct vdig_completion) << host->ring_log2);
	host->tail = 0;
	host->taken = 0;
	host->regs[VDIG_REG_TAIL / 4] = 0;
	host->regs[VDIG_REG_TRIGGERS / 4] = 0;
	host_write(host, VDIG_REG_CTRL, VDIG_CTRL_RUN);
	return host_read(host, VDIG_REG_STATUS) & VDIG_STATUS_RUNNING;
}

void host_descriptor(struct host *host, uint64_t address, uint32_t length, uint32_t control)
{
	uint32_t slot = host->tail++ & ((1u << host->ring_log2) - 1);
	struct vdig_descriptor *ring = host_pointer(host, HOST_RING);

	ring[slot] = (struct vdig_descriptor){
		.address = htole64(address),
		.length = htole32(length),
		.control = htole32(control),
	};
}

void host_ring(struct host *host)
{
	host_write(host, VDIG_REG_TAIL, host->tail);
}

void host_post(struct host *host, uint64_t address, uint32_t bytes)
{
	host_descriptor(host, address, bytes, VDIG_DESCRIPTOR_SOF | VDIG_DESCRIPTOR_EOF);
	host_ring(host);
}

void host_step(struct host *host)
{
	int steps = 0;

	while (card_work(&host->card, host->now) <= host->now)
		if (++steps == STEPS_MAX)
			abort();
}

void host_until(struct host *host, uint64_t now)
{
	for (;;) {
		uint64_t due = card_work(&host->card, host->now);

		if (due > now)
			break;
		if (due > host->now)
			host->now = due;
	}
	host->now = now;
	host_step(host);
}

bool host_take(struct host *host, struct vdig_completion *completion)
{
	uint32_t slot = host->taken & ((1u << host->ring_log2) - 1);
	struct vdig_completion *ring = host_pointer(host, HOST_COMPLETIONS);

	if (le32toh(ring[slot].generation) != 1 + (host->taken >> host->ring_log2))
		return false;
	*completion = ring[slot];
	host->taken++;
	return true;
}

bool host_frame_right(struct host *host, uint64_t address, const struct vdig_completion *c)
{
	const struct card_settings *s = &host->card.settings;
	const unsigned char *data = host_pointer(host, address);
	uint32_t channel, samples = le32toh(c->samples);
	size_t pixel = (size_t)s->channels * s->itemsize, row = (size_t)s->samples * s->itemsize;

	for (channel = 0; channel < s->channels; channel++) {
		const unsigned char *at = data + channel * (s->interleaved ? s->itemsize : row);

		if (ndma_wave_check(&s->wave, at, s->itemsize, channel, le64toh(c->sample), samples,
				    (ptrdiff_t)(s->interleaved ? pixel : s->itemsize)) != samples)
			return false;
	}
	return true;
}

bool host_command(struct host *host, const char *line)
{
	struct control control = {
		.card = &host->card,
		.attachment = "in-process",
		.socket = "none",
	};
	char *text = NULL, copy[128];
	size_t bytes = 0;
	FILE *answer = open_memstream(&text, &bytes);
	bool good;

	if (!answer)
		abort();
	snprintf(copy, sizeof(copy), "%s", line);
	control_line(&control, copy, answer, host->now);
	fclose(answer);
	good = bytes >= 3 && !strcmp(text + bytes - 3, "ok\n");
	free(text);
	return good;
}

bool host_silent(const struct host *host)
{
	return !host->card.checker.total;
}
