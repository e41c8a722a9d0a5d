// SPDX-License-Identifier: MIT
/*
 * The card behind QEMU's vfio-user-pci: the server side of the vfio-user protocol, for one client
 * at a time. QEMU's documentation, "vfio-user Protocol Specification", defines the messages; the
 * structures below are those that this card needs.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "card.h"
#include "front.h"
#include "socket.h"
#include "vfio_config.h"
#include "vfio_dma.h"

#define MESSAGE_MAX (64u << 10)
#define FDS_MAX 8
/* Messages taken in one go; a guest that writes registers without end must not stop the card. */
#define BURST 64

enum {
	COMMAND_VERSION = 1,
	COMMAND_DMA_MAP = 2,
	COMMAND_DMA_UNMAP = 3,
	COMMAND_GET_INFO = 4,
	COMMAND_GET_REGION_INFO = 5,
	COMMAND_GET_IRQ_INFO = 7,
	COMMAND_SET_IRQS = 8,
	COMMAND_REGION_READ = 9,
	COMMAND_REGION_WRITE = 10,
	COMMAND_RESET = 13,
};

#define FLAG_TYPE 0x0fu
#define FLAG_REPLY 0x01u
#define FLAG_NO_REPLY 0x10u
#define FLAG_ERROR 0x20u

struct header {
	uint16_t id, command;
	uint32_t bytes, flags, error;
};

struct version {
	uint16_t major, minor;
	char json[];
};

struct dma_map {
	uint32_t argsz, flags;
	uint64_t offset, address, bytes;
};

struct dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, bytes;
};

struct region_access {
	uint64_t offset;
	uint32_t region, count;
	uint8_t data[];
};

static const char capabilities[] = "{\"capabilities\":{\"max_msg_fds\":8,"
				   "\"max_data_xfer_size\":4096,\"pgsizes\":4096}}";

enum { FD_LISTENER, FD_CLIENT };

struct vfio {
	struct front front;
	struct card *card;
	int listener, client, interrupt;
	struct vfio_dma dma;
	struct vfio_config config;
	_Alignas(8) union {
		struct header header;
		uint8_t bytes[MESSAGE_MAX];
	} message;
	size_t payload; /* bytes after the header, of request or reply */
	int fds[FDS_MAX];
	size_t nr_fds;
};

static void *payload(struct vfio *v)
{
	return v->message.bytes + sizeof(struct header);
}

static enum card_reach reach(void *context, uint64_t address, uint64_t *bytes, bool write,
			     void **host)
{
	struct vfio *v = context;

	return vfio_dma_reach(&v->dma, address, bytes, write, host);
}

static void interrupt(void *context)
{
	struct vfio *v = context;
	uint64_t one = 1;

	if (v->interrupt >= 0 && write(v->interrupt, &one, sizeof(one)) < 0)
		return; /* full: then one is pending anyway */
}

static bool mastering(void *context)
{
	struct vfio *v = context;

	return vfio_config_mastering(&v->config);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void reset(struct vfio *v)
{
	vfio_config_reset(&v->config);
	card_power_on(v->card);
}

static void disconnect(struct vfio *v)
{
	close_fd(&v->client);
	close_fd(&v->interrupt);
	card_end(v->card);
	reset(v);
	vfio_dma_clear(&v->dma);
}

/* The commands: each takes its request in payload() and leaves its reply there. 0 or -errno. */

static int do_version(struct vfio *v)
{
	struct version *version = payload(v);

	if (v->payload < sizeof(*version))
		return -EINVAL;
	if (version->major != 0)
		return -ENOTSUP;
	version->minor = 0;
	memcpy(version->json, capabilities, sizeof(capabilities));
	v->payload = sizeof(*version) + sizeof(capabilities);
	return 0;
}

static int do_dma_map(struct vfio *v)
{
	const struct dma_map *map = payload(v);
	struct vfio_range range;

	if (v->payload < sizeof(*map))
		return -EINVAL;
	range = (struct vfio_range){
		.address = map->address,
		.bytes = map->bytes,
		.offset = map->offset,
		.readable = map->flags & VFIO_DMA_MAP_FLAG_READ,
		.writable = map->flags & VFIO_DMA_MAP_FLAG_WRITE,
	};
	v->payload = 0;
	return vfio_dma_map(&v->dma, &range, v->nr_fds ? v->fds[0] : -1);
}

/* One thread: when this is read, no DMA is in flight. */
static int do_dma_unmap(struct vfio *v)
{
	const struct dma_unmap *unmap = payload(v);

	if (v->payload < sizeof(*unmap))
		return -EINVAL;
	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL)
		vfio_dma_clear(&v->dma);
	else
		vfio_dma_unmap(&v->dma, unmap->address, unmap->bytes);
	v->payload = sizeof(*unmap);
	return 0;
}

static int do_get_info(struct vfio *v)
{
	struct vfio_device_info info = {
		.argsz = 16,
		.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		.num_regions = VFIO_PCI_NUM_REGIONS,
		.num_irqs = VFIO_PCI_NUM_IRQS,
	};

	memcpy(payload(v), &info, info.argsz);
	v->payload = info.argsz;
	return 0;
}

static uint64_t region_bytes(uint32_t region)
{
	switch (region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return VDIG_REGS_BYTES;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return VFIO_CONFIG_BYTES;
	}
	return 0;
}

static int do_get_region_info(struct vfio *v)
{
	struct vfio_region_info *info = payload(v);

	if (v->payload < sizeof(*info) || info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	info->argsz = sizeof(*info);
	info->cap_offset = 0;
	info->offset = 0;
	info->size = region_bytes(info->index);
	/* Never mappable: that would make QEMU wait for the reply of every register write. */
	info->flags = info->size ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
	v->payload = sizeof(*info);
	return 0;
}

static int do_get_irq_info(struct vfio *v)
{
	struct vfio_irq_info *info = payload(v);

	if (v->payload < sizeof(*info) || info->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info->argsz = sizeof(*info);
	info->count = info->index == VFIO_PCI_MSI_IRQ_INDEX;
	info->flags = info->count ? VFIO_IRQ_INFO_EVENTFD : 0;
	v->payload = sizeof(*info);
	return 0;
}

static int do_set_irqs(struct vfio *v)
{
	const struct vfio_irq_set *set = payload(v);
	uint32_t kind, what;

	if (v->payload < sizeof(*set))
		return -EINVAL;
	v->payload = 0;
	kind = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	what = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	if (set->index != VFIO_PCI_MSI_IRQ_INDEX)
		return set->count ? -EINVAL : 0;
	if (what != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -EINVAL;
	if (kind == VFIO_IRQ_SET_DATA_NONE) {
		if (!set->count)
			close_fd(&v->interrupt);
		else
			interrupt(v);
		return 0;
	}
	if (kind != VFIO_IRQ_SET_DATA_EVENTFD || set->start != 0 || set->count != 1)
		return -EINVAL;
	close_fd(&v->interrupt);
	if (v->nr_fds) {
		v->interrupt = v->fds[0];
		v->fds[0] = -1;
	}
	return 0;
}

static bool good_access(const struct vfio *v, const struct region_access *access)
{
	uint64_t bytes = region_bytes(access->region);

	return v->payload >= sizeof(*access) && access->offset <= bytes &&
	       access->count <= bytes - access->offset;
}

static int do_region_read(struct vfio *v)
{
	struct region_access *access = payload(v);

	if (!good_access(v, access))
		return -EINVAL;
	v->payload = sizeof(*access) + access->count;
	if (v->card->gone)
		memset(access->data, 0xff, access->count);
	else if (access->region == VFIO_PCI_CONFIG_REGION_INDEX)
		memcpy(access->data, v->config.bytes + access->offset, access->count);
	else
		memcpy(access->data, (const uint8_t *)v->card->regs + access->offset,
		       access->count);
	return 0;
}

static void write_register(struct vfio *v, const struct region_access *access, uint64_t now)
{
	uint32_t value;

	/* The data sheet: a register is accessed whole; the rest of it is read-only. */
	if (access->count != sizeof(value) || access->offset % sizeof(value) ||
	    access->offset < VDIG_REG_CTRL || access->offset >= VDIG_REG_SETTINGS_END)
		return;
	memcpy(&value, access->data, sizeof(value));
	v->card->regs[access->offset / 4] = value;
	switch (access->offset) {
	case VDIG_REG_CTRL:
	case VDIG_REG_TAIL:
	case VDIG_REG_TRIGGERS:
		card_notify(v->card, now);
	}
}

static int do_region_write(struct vfio *v, uint64_t now)
{
	struct region_access *access = payload(v);

	if (!good_access(v, access) || v->payload < sizeof(*access) + access->count)
		return -EINVAL;
	if (!v->card->gone) {
		if (access->region == VFIO_PCI_CONFIG_REGION_INDEX)
			vfio_config_write(&v->config, access->offset, access->data, access->count);
		else
			write_register(v, access, now);
	}
	v->payload = sizeof(*access);
	return 0;
}

static int do_command(struct vfio *v, uint64_t now)
{
	switch (v->message.header.command) {
	case COMMAND_VERSION:
		return do_version(v);
	case COMMAND_DMA_MAP:
		return do_dma_map(v);
	case COMMAND_DMA_UNMAP:
		return do_dma_unmap(v);
	case COMMAND_GET_INFO:
		return do_get_info(v);
	case COMMAND_GET_REGION_INFO:
		return do_get_region_info(v);
	case COMMAND_GET_IRQ_INFO:
		return do_get_irq_info(v);
	case COMMAND_SET_IRQS:
		return do_set_irqs(v);
	case COMMAND_REGION_READ:
		return do_region_read(v);
	case COMMAND_REGION_WRITE:
		return do_region_write(v, now);
	case COMMAND_RESET:
		reset(v);
		v->payload = 0;
		return 0;
	}
	return -ENOTSUP;
}

static bool receive(struct vfio *v)
{
	struct header *h = &v->message.header;

	v->nr_fds = FDS_MAX;
	if (!socket_receive(v->client, h, sizeof(*h), v->fds, &v->nr_fds))
		return false;
	if (h->bytes < sizeof(*h) || h->bytes > MESSAGE_MAX)
		return false;
	v->payload = h->bytes - sizeof(*h);
	return socket_receive(v->client, payload(v), v->payload, NULL, NULL);
}

static bool serve(struct vfio *v, uint64_t now)
{
	struct header *h = &v->message.header;
	bool wants_reply;
	bool good = receive(v);
	size_t i;
	int error;

	if (good && (h->flags & FLAG_TYPE) != FLAG_REPLY) {
		wants_reply = !(h->flags & FLAG_NO_REPLY);
		error = do_command(v, now);
		h->flags = FLAG_REPLY | (error ? FLAG_ERROR : 0);
		h->error = (uint32_t)-error;
		h->bytes = (uint32_t)(sizeof(*h) + (error ? 0 : v->payload));
		if (wants_reply)
			good = socket_send(v->client, h, h->bytes, -1);
	}
	for (i = 0; i < v->nr_fds; i++)
		close_fd(&v->fds[i]);
	return good;
}

static bool readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) > 0;
}

static void connect_client(struct vfio *v)
{
	int fd = socket_accept(v->listener);

	if (fd < 0)
		return;
	disconnect(v);
	v->client = fd;
}

static void vfio_poll(struct front *front, struct pollfd *fds)
{
	struct vfio *v = (struct vfio *)front;

	fds[FD_LISTENER] = (struct pollfd){ .fd = v->listener, .events = POLLIN };
	fds[FD_CLIENT] = (struct pollfd){ .fd = v->client, .events = POLLIN };
	fds[FD_CLIENT + 1].fd = -1;
}

static void vfio_ready(struct front *front, const struct pollfd *fds, uint64_t now)
{
	struct vfio *v = (struct vfio *)front;
	int i;

	if (fds[FD_CLIENT].revents)
		for (i = 0; i < BURST && readable(v->client); i++)
			if (!serve(v, now)) {
				disconnect(v);
				break;
			}
	if (fds[FD_LISTENER].revents & POLLIN)
		connect_client(v);
}

static void vfio_close(struct front *front)
{
	struct vfio *v = (struct vfio *)front;

	disconnect(v);
	close_fd(&v->listener);
	free(v->card->regs);
	free(v);
}

int vfio_open(struct card *card, const char *path, struct front **front)
{
	struct vfio *v = calloc(1, sizeof(*v));
	int error = -ENOMEM;

	if (!v)
		return -ENOMEM;
	v->front = (struct front){ vfio_poll, vfio_ready, vfio_close };
	v->card = card;
	v->client = -1;
	v->interrupt = -1;
	card->regs = calloc(1, VDIG_REGS_BYTES);
	if (!card->regs)
		goto no_regs;
	v->listener = socket_listen(path);
	if (v->listener < 0) {
		error = v->listener;
		goto no_socket;
	}
	card->doorbell = 0;
	card->bus = (struct card_bus){ v, reach, interrupt, mastering, true };
	reset(v);
	*front = &v->front;
	return 0;
no_socket:
	free(card->regs);
no_regs:
	free(v);
	return error;
}
