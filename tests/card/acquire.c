// SPDX-License-Identifier: MIT
#include "acquire.h"

#include <stdlib.h>
#include <string.h>

#include "card.h"

#define SECOND 1000000000ull
/* Enough for 5 s of the shortest useful frames; the on-board memory's bytes usually decide. */
#define RECORDS_MAX 65536u
/* Samples that the level trigger looks at in one go: about 2 ms of work. */
#define SCAN_MAX (1u << 19)
#define SCAN_BLOCK 256u

__extension__ typedef unsigned __int128 wide;

static uint64_t samples_until(const struct card_acquire *a, uint64_t now)
{
	return (uint64_t)((wide)(now - a->start_ns) * a->settings->rate / SECOND);
}

/* The moment of a sample, rounded up: samples_until() of it counts the samples before. */
static uint64_t time_of(const struct card_acquire *a, uint64_t sample)
{
	uint32_t rate = a->settings->rate;

	return a->start_ns + (uint64_t)(((wide)sample * SECOND + rate - 1) / rate);
}

bool card_acquire_start(struct card_acquire *a, const struct card_settings *settings,
			uint64_t fifo_bytes, uint64_t now)
{
	uint64_t capacity = fifo_bytes / settings->frame_bytes;

	memset(a, 0, sizeof(*a));
	a->settings = settings;
	a->start_ns = now;
	a->capacity = (uint32_t)(capacity < 1             ? 1
				 : capacity > RECORDS_MAX ? RECORDS_MAX
							  : capacity);
	a->records = calloc(a->capacity, sizeof(*a->records));
	return a->records != NULL;
}

void card_acquire_stop(struct card_acquire *a)
{
	free(a->records);
	a->records = NULL;
	a->count = 0;
}

void card_acquire_trigger(struct card_acquire *a, uint32_t edges, uint64_t now)
{
	if (a->settings->trigger != VDIG_TRIGGER_EXTERNAL)
		return;
	card_acquire_advance(a, now);
	if (!a->pending && a->settings->rate) {
		uint64_t here = samples_until(a, now);

		if (a->next < here)
			a->next = here;
	}
	a->pending += edges;
}

static void make_record(struct card_acquire *a, uint64_t time_ns, struct card_record *record)
{
	*record = (struct card_record){
		.sequence = a->sequence++,
		.sample = a->next,
		.time_ns = time_ns,
		.lost_samples = a->lost_samples,
		.lost_frames = a->lost_frames,
		.overrun = a->lost_frames != 0,
	};
	a->next += a->settings->samples;
	a->lost_samples = 0;
	a->lost_frames = 0;
}

/* @frames in a row ended, the first at a->next: keep those for which there is room. */
static void store(struct card_acquire *a, uint64_t frames)
{
	for (; frames && a->count < a->capacity; frames--, a->count++)
		make_record(a, time_of(a, a->next),
			    &a->records[(a->first + a->count) % a->capacity]);
	a->sequence += frames;
	a->next += frames * a->settings->samples;
	a->lost_frames += frames;
	a->lost_samples += frames * a->settings->samples;
	a->lost_total += frames;
}

/* Looks for a rising crossing of the level in samples before @end; arms a->next there. */
static void scan(struct card_acquire *a, uint64_t end)
{
	const struct card_settings *s = a->settings;
	int32_t block[SCAN_BLOCK + 1];
	uint32_t left = SCAN_MAX, count, i;

	while (!a->armed && a->scanned + 1 < end && left) {
		count = SCAN_BLOCK;
		if (end - a->scanned - 1 < count)
			count = (uint32_t)(end - a->scanned - 1);
		ndma_wave_fill(&s->wave, block, sizeof(block[0]), 0, a->scanned, count + 1,
			       sizeof(block[0]));
		for (i = 0; i < count && !a->armed; i++)
			a->armed = block[i] < s->level && block[i + 1] >= s->level;
		a->scanned += i;
		if (a->armed)
			a->next = a->scanned;
		left = left > count ? left - count : 0;
	}
}

static void advance_level(struct card_acquire *a, uint64_t end)
{
	for (;;) {
		if (!a->armed)
			scan(a, end);
		if (!a->armed || a->next + a->settings->samples > end)
			return;
		store(a, 1);
		a->armed = false;
		a->scanned = a->next - 1;
	}
}

void card_acquire_advance(struct card_acquire *a, uint64_t now)
{
	uint64_t end, frames;

	if (!a->settings->rate)
		return;
	end = samples_until(a, now);
	if (a->settings->trigger == VDIG_TRIGGER_LEVEL) {
		advance_level(a, end);
		return;
	}
	frames = end > a->next ? (end - a->next) / a->settings->samples : 0;
	if (a->settings->trigger == VDIG_TRIGGER_EXTERNAL) {
		if (frames > a->pending)
			frames = a->pending;
		a->pending -= frames;
	}
	store(a, frames);
}

static bool make_unthrottled(struct card_acquire *a, uint64_t now, struct card_record *record)
{
	switch (a->settings->trigger) {
	case VDIG_TRIGGER_LEVEL:
		scan(a, a->scanned + SCAN_MAX);
		if (!a->armed)
			return false;
		make_record(a, now, record);
		a->armed = false;
		a->scanned = a->next - 1;
		return true;
	case VDIG_TRIGGER_EXTERNAL:
		if (!a->pending)
			return false;
		a->pending--;
		break;
	}
	make_record(a, now, record);
	return true;
}

bool card_acquire_next(struct card_acquire *a, uint64_t now, struct card_record *record)
{
	if (!a->settings->rate)
		return make_unthrottled(a, now, record);
	card_acquire_advance(a, now);
	if (!a->count)
		return false;
	*record = a->records[a->first];
	a->first = (a->first + 1) % a->capacity;
	a->count--;
	return true;
}

uint64_t card_acquire_due(const struct card_acquire *a, uint64_t now)
{
	if (a->count)
		return now;
	switch (a->settings->trigger) {
	case VDIG_TRIGGER_LEVEL:
		/* An unknown crossing: look again soon, or at once where there is no clock. */
		if (!a->settings->rate)
			return now;
		if (!a->armed)
			return now + SECOND / 1000;
		break;
	case VDIG_TRIGGER_EXTERNAL:
		if (!a->pending)
			return CARD_NEVER;
		break;
	}
	return a->settings->rate ? time_of(a, a->next + a->settings->samples) : now;
}
