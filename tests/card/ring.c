// SPDX-License-Identifier: MIT
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"

#define DESCRIPTOR sizeof(struct vdig_descriptor)
#define BODY offsetof(struct vdig_completion, generation)

_Static_assert(DESCRIPTOR == 16, "the ring's stride");
_Static_assert(sizeof(struct vdig_completion) == 64, "one cache line");

int card_ring_open(struct card *card)
{
	struct card_ring *ring = &card->ring;
	uint32_t entries = 1u << card->settings.ring_log2;

	memset(ring, 0, sizeof(*ring));
	ring->shadow = calloc(entries, DESCRIPTOR);
	ring->mask = entries - 1;
	return ring->shadow ? 1 : -1;
}

void card_ring_close(struct card *card)
{
	free(card->ring.shadow);
	memset(&card->ring, 0, sizeof(card->ring));
}

static uint64_t descriptor_address(const struct card *card, uint32_t number)
{
	return card->settings.ring + (uint64_t)(number & card->ring.mask) * DESCRIPTOR;
}

static int bad_descriptor(struct card *card, uint32_t number, const char *why)
{
	const struct vdig_descriptor *d = &card->ring.shadow[number & card->ring.mask];

	card_checker_report(&card->checker, CARD_WRONG_DESCRIPTOR_BAD,
			    "descriptor %u (address %#llx, length %u, control %#x): %s", number,
			    (unsigned long long)le64toh(d->address), le32toh(d->length),
			    le32toh(d->control), why);
	return -1;
}

static int check_descriptor(struct card *card, uint32_t number)
{
	const struct vdig_descriptor *d = &card->ring.shadow[number & card->ring.mask];
	uint32_t length = le32toh(d->length);

	if (le64toh(d->address) % VDIG_ALIGN || length % VDIG_ALIGN || !length)
		return bad_descriptor(card, number, "address and length are multiples of 8, not 0");
	if (le32toh(d->control) & ~(VDIG_DESCRIPTOR_SOF | VDIG_DESCRIPTOR_EOF))
		return bad_descriptor(card, number, "unknown control bits");
	return 1;
}

int card_ring_post(struct card *card, uint32_t tail)
{
	struct card_ring *ring = &card->ring;
	uint32_t used = ring->tail - ring->head;

	if (tail - ring->tail > ring->mask + 1 - used) {
		card_checker_report(&card->checker, CARD_WRONG_DOORBELL_OVERRUN,
				    "TAIL went from %u to %u with HEAD %u and %u entries",
				    ring->tail, tail, ring->head, ring->mask + 1);
		return -1;
	}
	for (; ring->tail != tail; ring->tail++) {
		if (!card_dma_read(card, descriptor_address(card, ring->tail),
				   &ring->shadow[ring->tail & ring->mask], DESCRIPTOR,
				   "descriptor ring"))
			return -1;
		if (check_descriptor(card, ring->tail) < 0)
			return -1;
	}
	return 1;
}

int card_ring_group(struct card *card, uint32_t *count)
{
	struct card_ring *ring = &card->ring;
	uint64_t bytes = 0;
	uint32_t at;

	for (at = ring->head; at != ring->tail; at++) {
		const struct vdig_descriptor *d = &ring->shadow[at & ring->mask];
		uint32_t control = le32toh(d->control);

		if (!(control & VDIG_DESCRIPTOR_SOF) != (at != ring->head))
			return bad_descriptor(card, at,
					      "start of frame where none can be, or none");
		bytes += le32toh(d->length);
		if (!(control & VDIG_DESCRIPTOR_EOF))
			continue;
		if (bytes < card->settings.frame_bytes) {
			card_checker_report(
				&card->checker, CARD_WRONG_FRAME_TOO_SMALL,
				"descriptors %u to %u hold %llu bytes of a frame of %llu",
				ring->head, at, (unsigned long long)bytes,
				(unsigned long long)card->settings.frame_bytes);
			return -1;
		}
		*count = at + 1 - ring->head;
		return 1;
	}
	return 0;
}

/* The driver must not have touched what the card owned. */
static void check_unchanged(struct card *card, uint32_t count)
{
	struct card_ring *ring = &card->ring;
	struct vdig_descriptor now;
	uint32_t i;

	for (i = 0; card->checker.on && i < count; i++) {
		uint32_t number = ring->head + i;

		if (card_dma_read(card, descriptor_address(card, number), &now, DESCRIPTOR,
				  "descriptor ring") &&
		    memcmp(&now, &ring->shadow[number & ring->mask], DESCRIPTOR))
			card_checker_report(&card->checker, CARD_WRONG_DESCRIPTOR_CHANGED,
					    "descriptor %u changed while the card owned it",
					    number);
	}
}

int card_ring_complete(struct card *card, struct vdig_completion *completion, uint32_t count)
{
	struct card_ring *ring = &card->ring;
	uint64_t bytes = sizeof(*completion);
	uint32_t generation = 1 + (ring->produced >> card->settings.ring_log2);
	unsigned char *host;

	check_unchanged(card, count);
	host = card_dma_map(
		card, card->settings.completions + (uint64_t)(ring->produced & ring->mask) * bytes,
		&bytes, true, "completion ring");
	if (!host || bytes < sizeof(*completion))
		return -1;
	memcpy(host, completion, BODY);
	/* Pairs with the driver's acquire of `generation`: the frame and the body are before it. */
	__atomic_store_n((uint32_t *)(void *)(host + BODY), htole32(generation), __ATOMIC_RELEASE);
	ring->produced++;
	ring->head += count;
	card_set_reg(card, VDIG_REG_PRODUCED, ring->produced);
	card_set_reg(card, VDIG_REG_HEAD, ring->head);
	return 1;
}
