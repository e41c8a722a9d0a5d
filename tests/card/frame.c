// SPDX-License-Identifier: MIT
/* The samples of one frame, into the segments that the driver posted for it. */
#include <endian.h>

#include "card.h"

#define MIX 0x9e3779b97f4a7c15ull

static bool take(struct card *card, enum card_fault fault)
{
	return card_fault_take(&card->faults, fault, card->frame.record.sequence);
}

void card_frame_begin(struct card *card, uint32_t descriptors)
{
	const struct card_settings *s = &card->settings;
	struct card_frame *f = &card->frame;

	f->active = true;
	f->descriptors = descriptors;
	f->segment = 0;
	f->within = 0;
	f->offset = 0;
	f->unreachable = take(card, CARD_FAULT_DMA);
	f->samples = take(card, CARD_FAULT_SHORT) ? s->samples / 2 : s->samples;
	f->corrupt_at = CARD_NEVER;
	if (take(card, CARD_FAULT_CORRUPT)) {
		uint64_t items = (uint64_t)s->channels * s->samples;

		/* Anywhere, but the same place whenever this frame is asked for. */
		f->corrupt_at = (f->record.sequence + 1) * MIX % items * s->itemsize;
	}
}

/* Fills what lies in bytes from .. from + bytes of a planar frame. */
static void fill_planar(const struct card *card, uint64_t from, uint64_t bytes, unsigned char *host)
{
	const struct card_settings *s = &card->settings;
	uint64_t row = (uint64_t)s->samples * s->itemsize, end = from + bytes, at = from;

	while (at < end) {
		uint32_t channel = (uint32_t)(at / row);
		uint64_t row_end = (channel + 1ull) * row;
		uint64_t stop = row_end < end ? row_end : end;
		uint32_t first = (uint32_t)(at % row / s->itemsize);
		uint32_t count = (uint32_t)((stop - at) / s->itemsize);

		if (first + count > card->frame.samples)
			count = first < card->frame.samples ? card->frame.samples - first : 0;
		ndma_wave_fill(&s->wave, host + (at - from), s->itemsize, channel,
			       card->frame.record.sample + first, count, s->itemsize);
		at = stop;
	}
}

/* The number of the first sample of a channel that lies at or beyond a byte of the frame. */
static uint32_t sample_at(const struct card_settings *s, uint32_t channel, uint64_t byte)
{
	uint64_t pixel = (uint64_t)s->channels * s->itemsize, start = channel * s->itemsize;

	return byte <= start ? 0 : (uint32_t)((byte - start + pixel - 1) / pixel);
}

static void fill_interleaved(const struct card *card, uint64_t from, uint64_t bytes,
			     unsigned char *host)
{
	const struct card_settings *s = &card->settings;
	uint64_t pixel = (uint64_t)s->channels * s->itemsize;
	uint32_t channel, first, end;

	for (channel = 0; channel < s->channels; channel++) {
		first = sample_at(s, channel, from);
		end = sample_at(s, channel, from + bytes);
		if (end > card->frame.samples)
			end = card->frame.samples;
		if (first >= end)
			continue;
		ndma_wave_fill(&s->wave, host + (first * pixel + channel * s->itemsize - from),
			       s->itemsize, channel, card->frame.record.sample + first, end - first,
			       (ptrdiff_t)pixel);
	}
}

static void fill(const struct card *card, uint64_t from, uint64_t bytes, unsigned char *host)
{
	const struct card_frame *f = &card->frame;

	if (card->settings.interleaved)
		fill_interleaved(card, from, bytes, host);
	else
		fill_planar(card, from, bytes, host);
	if (f->corrupt_at >= from && f->corrupt_at - from < bytes)
		host[f->corrupt_at - from] ^= 0xff;
}

bool card_frame_write(struct card *card, uint64_t bytes)
{
	struct card_frame *f = &card->frame;
	uint64_t end = card->settings.frame_bytes;

	if (end - f->offset > bytes)
		end = f->offset + bytes;
	while (f->offset < end && !f->unreachable) {
		const struct vdig_descriptor *d =
			&card->ring.shadow[(card->ring.head + f->segment) & card->ring.mask];
		uint64_t piece = le32toh(d->length) - f->within;
		unsigned char *host;

		if (piece > end - f->offset)
			piece = end - f->offset;
		host = card_dma_map(card, le64toh(d->address) + f->within, &piece, true, "frame");
		if (!host) {
			f->unreachable = true;
			break;
		}
		fill(card, f->offset, piece, host);
		f->offset += piece;
		f->within += (uint32_t)piece;
		if (f->within == le32toh(d->length)) {
			f->segment++;
			f->within = 0;
		}
	}
	return f->unreachable || f->offset == card->settings.frame_bytes;
}
