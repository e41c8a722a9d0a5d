/* SPDX-License-Identifier: MIT */
/*
 * A front end: how QEMU sees the card. It owns the register file, gives the card its bus, and turns
 * what QEMU sends into card_notify().
 */
#ifndef CARD_FRONT_H
#define CARD_FRONT_H

#include <poll.h>
#include <stdint.h>

struct card;

#define FRONT_FDS 3

/**
 * struct front - an open front end
 * @poll:  fill in FRONT_FDS entries for poll(); those not in use have fd -1
 * @ready: act on what poll() found; may call card_notify() and card_power_on()
 * @close: end; QEMU's mappings and descriptors are given up
 */
struct front {
	void (*poll)(struct front *front, struct pollfd *fds);
	void (*ready)(struct front *front, const struct pollfd *fds, uint64_t now);
	void (*close)(struct front *front);
};

/**
 * ivshmem_open - be the server of QEMU's ivshmem-doorbell at the socket @path
 * @ram: the file behind the guest's memory (memory-backend-file, share=on); may appear later
 * @ram_start: the address at which that memory begins, all of it in a row; 0: it is laid out as q35 does
 *
 * Sets @card's bus and regs. Return: 0 or a negative errno.
 */
int ivshmem_open(struct card *card, const char *path, const char *ram, uint64_t ram_start,
		 struct front **front);

/** vfio_open - be the server of QEMU's vfio-user-pci at the socket @path; as ivshmem_open(). */
int vfio_open(struct card *card, const char *path, struct front **front);

#endif /* CARD_FRONT_H */
