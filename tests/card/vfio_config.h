/* SPDX-License-Identifier: MIT */
/* The card's PCI configuration space: an endpoint with one memory BAR and one MSI vector. */
#ifndef CARD_VFIO_CONFIG_H
#define CARD_VFIO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define VFIO_CONFIG_BYTES 4096u

/** struct vfio_config - @bytes: what is read; @writable: bits that a write changes */
struct vfio_config {
	uint8_t bytes[VFIO_CONFIG_BYTES];
	uint8_t writable[VFIO_CONFIG_BYTES];
};

/** vfio_config_reset - as after power-on. */
void vfio_config_reset(struct vfio_config *config);
/** vfio_config_write - @count bytes at @offset, which lie in the configuration space. */
void vfio_config_write(struct vfio_config *config, uint64_t offset, const uint8_t *data,
		       uint32_t count);
/** vfio_config_mastering - is the bus master bit set? */
bool vfio_config_mastering(const struct vfio_config *config);

#endif /* CARD_VFIO_CONFIG_H */
