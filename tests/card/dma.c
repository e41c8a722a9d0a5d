// SPDX-License-Identifier: MIT
/* Host memory, as the bus lets the card reach it. */
#include <string.h>

#include "card.h"

void *card_dma_map(struct card *card, uint64_t address, uint64_t *bytes, bool write,
		   const char *what)
{
	uint64_t wanted = *bytes;
	void *host = NULL;

	/* Told to the driver where it asked for it (card_notify); here it is only a fact. */
	if (!card->bus.mastering(card->bus.context))
		return NULL;
	switch (card->bus.map(card->bus.context, address, bytes, write, &host)) {
	case CARD_REACH_OK:
		return host;
	case CARD_REACH_UNMAPPED:
		card_checker_report(&card->checker, CARD_WRONG_UNMAPPED,
				    "%s: nothing answers at %#llx (%llu bytes wanted)", what,
				    (unsigned long long)address, (unsigned long long)wanted);
		break;
	case CARD_REACH_READ_ONLY:
		card_checker_report(&card->checker, CARD_WRONG_READ_ONLY,
				    "%s: memory at %#llx cannot be written", what,
				    (unsigned long long)address);
		break;
	}
	return NULL;
}

bool card_dma_read(struct card *card, uint64_t address, void *to, uint64_t bytes, const char *what)
{
	unsigned char *at = to;

	while (bytes) {
		uint64_t piece = bytes;
		void *host = card_dma_map(card, address, &piece, false, what);

		if (!host)
			return false;
		memcpy(at, host, piece);
		at += piece;
		address += piece;
		bytes -= piece;
	}
	return true;
}
