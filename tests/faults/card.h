/* SPDX-License-Identifier: MIT */
/*
 * Cards: PCI devices that one of ndma's drivers may bind, as sysfs shows them. Root.
 */
#ifndef NDMA_CARD_H
#define NDMA_CARD_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct card - one device and its driver
 * @address: "0000:00:04.0"
 * @driver: "ndma_edu"
 */
struct card {
	char address[32];
	char driver[32];
};

/* Devices bound to a driver named ndma_…: fills at most `room`, returns how many there are. */
int card_list(struct card *cards, size_t room);
/* 0 or a negative errno. */
int card_bind(const struct card *card);
int card_unbind(const struct card *card);
/* While no driver has the card. Balanced: it stays enabled as often as it is. */
int card_enable(const struct card *card, bool enable);
/* Takes the device out of the bus as the kernel sees it, and finds it again. */
int card_remove(const struct card *card);
int card_rescan(void);
/* Whether the driver has the card. */
bool card_is_bound(const struct card *card);
/* Waits until a source of this card is, or is not, there in /dev/ndma; false: not in 20 s. */
bool card_await_source(const struct card *card, bool present);
/* Name of the card's source ("edu0"), or false. */
bool card_source(const struct card *card, char *name, size_t room);

#endif /* NDMA_CARD_H */
