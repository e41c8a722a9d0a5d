/* SPDX-License-Identifier: MIT */
/*
 * QEMU's monitor (QMP), from inside the guest: the hand that pulls the edu card out of its slot.
 * tests/vm/run --monitor puts it there, and $NDMA_CARD_DEVICE says what the card was made of.
 */
#ifndef NDMA_MONITOR_H
#define NDMA_MONITOR_H

#define MONITOR_PATH "/dev/virtio-ports/monitor"

/* An fd, or a negative errno. */
int monitor_open(void);
/* 0 when the device is gone, else a negative errno: ETIMEDOUT where the guest does not let go. */
int monitor_unplug(int monitor);
/* 0 when QEMU has put it in; the guest finds it a moment later. */
int monitor_plug(int monitor);

#endif /* NDMA_MONITOR_H */
