// SPDX-License-Identifier: MIT
/*
 * The card behind QEMU's ivshmem-doorbell. The card is the ivshmem server and the one other peer:
 * the device's shared memory is its register file, the peer's doorbell is the card's, and its own
 * vector is the interrupt. The guest's memory is a file, so a DMA address is an offset in it, but for
 * what q35 puts between, or for where another machine's memory begins.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "card.h"
#include "front.h"
#include "socket.h"

#define PROTOCOL 0
#define PEER_CARD 1
#define PEER_QEMU 0

/* What q35 puts elsewhere: video memory and ROMs; memory beyond these sizes goes above 4 GiB. */
#define ROM_START 0xa0000ull
#define ROM_END 0x100000ull
#define LOW_MAX 0xb0000000ull
#define LOW_SPLIT 0x80000000ull
#define HIGH_START 0x100000000ull

enum { FD_LISTENER, FD_PEER, FD_DOORBELL };

struct ivshmem {
	struct front front;
	struct card *card;
	const char *ram_path;
	unsigned char *ram;
	uint64_t ram_bytes;
	uint64_t ram_start; /* 0: q35's */
	int listener, peer, doorbell, interrupt, shared;
};

/* QEMU may make the file after it connects, so it is mapped when first needed. */
static bool map_ram(struct ivshmem *iv)
{
	struct stat st;
	int fd;

	if (iv->ram)
		return true;
	fd = open(iv->ram_path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && st.st_size) {
		void *ram =
			mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (ram != MAP_FAILED) {
			iv->ram = ram;
			iv->ram_bytes = (uint64_t)st.st_size;
		}
	}
	close(fd);
	return iv->ram != NULL;
}

static void unmap_ram(struct ivshmem *iv)
{
	if (iv->ram)
		munmap(iv->ram, iv->ram_bytes);
	iv->ram = NULL;
}

static enum card_reach reach(void *context, uint64_t address, uint64_t *bytes, bool write,
			     void **host)
{
	struct ivshmem *iv = context;
	uint64_t low, start, end, offset;

	(void)write;
	if (!map_ram(iv))
		return CARD_REACH_UNMAPPED;
	low = iv->ram_bytes >= LOW_MAX ? LOW_SPLIT : iv->ram_bytes;
	if (iv->ram_start) {
		start = iv->ram_start;
		end = start + iv->ram_bytes;
		offset = 0;
	} else if (address < ROM_START) {
		start = 0;
		end = ROM_START;
		offset = 0;
	} else if (address < low) {
		start = ROM_END;
		end = low;
		offset = ROM_END;
	} else {
		start = HIGH_START;
		end = HIGH_START + iv->ram_bytes - low;
		offset = low;
	}
	if (address < start || address >= end)
		return CARD_REACH_UNMAPPED;
	if (*bytes > end - address)
		*bytes = end - address;
	*host = iv->ram + offset + (address - start);
	return CARD_REACH_OK;
}

static void interrupt(void *context)
{
	struct ivshmem *iv = context;
	uint64_t one = 1;

	if (iv->interrupt >= 0 && write(iv->interrupt, &one, sizeof(one)) < 0)
		return; /* full: then one is pending anyway */
}

/* The command register is QEMU's alone: nothing to see from here. */
static bool mastering(void *context)
{
	(void)context;
	return true;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void disconnect(struct ivshmem *iv)
{
	close_fd(&iv->peer);
	close_fd(&iv->doorbell);
	close_fd(&iv->interrupt);
	unmap_ram(iv);
	card_end(iv->card);
}

static bool tell(struct ivshmem *iv, int64_t value, int fd)
{
	uint64_t message = htole64((uint64_t)value);

	return socket_send(iv->peer, &message, sizeof(message), fd);
}

static void connect_peer(struct ivshmem *iv)
{
	int fd = socket_accept(iv->listener);

	if (fd < 0)
		return;
	disconnect(iv);
	iv->peer = fd;
	iv->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	iv->interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (iv->doorbell < 0 || iv->interrupt < 0 || !tell(iv, PROTOCOL, -1) ||
	    !tell(iv, PEER_QEMU, -1) || !tell(iv, -1, iv->shared) ||
	    !tell(iv, PEER_CARD, iv->doorbell) || !tell(iv, PEER_QEMU, iv->interrupt))
		disconnect(iv);
}

static void ivshmem_poll(struct front *front, struct pollfd *fds)
{
	struct ivshmem *iv = (struct ivshmem *)front;

	fds[FD_LISTENER] = (struct pollfd){ .fd = iv->listener, .events = POLLIN };
	fds[FD_PEER] = (struct pollfd){ .fd = iv->peer, .events = POLLIN };
	fds[FD_DOORBELL] = (struct pollfd){ .fd = iv->doorbell, .events = POLLIN };
}

static void ivshmem_ready(struct front *front, const struct pollfd *fds, uint64_t now)
{
	struct ivshmem *iv = (struct ivshmem *)front;
	uint64_t rings;

	if (fds[FD_DOORBELL].revents & POLLIN &&
	    read(iv->doorbell, &rings, sizeof(rings)) == sizeof(rings))
		card_notify(iv->card, now);
	/* QEMU says nothing on this socket: whatever happens on it is its end. */
	if (fds[FD_PEER].revents)
		disconnect(iv);
	if (fds[FD_LISTENER].revents & POLLIN)
		connect_peer(iv);
}

static void ivshmem_close(struct front *front)
{
	struct ivshmem *iv = (struct ivshmem *)front;

	disconnect(iv);
	close_fd(&iv->listener);
	close_fd(&iv->shared);
	munmap(iv->card->regs, VDIG_REGS_BYTES);
	free(iv);
}

int ivshmem_open(struct card *card, const char *path, const char *ram, uint64_t ram_start,
		 struct front **front)
{
	struct ivshmem *iv = calloc(1, sizeof(*iv));
	void *regs;
	int error;

	if (!iv)
		return -ENOMEM;
	*iv = (struct ivshmem){
		.front = { ivshmem_poll, ivshmem_ready, ivshmem_close },
		.card = card,
		.ram_path = ram,
		.ram_start = ram_start,
		.peer = -1,
		.doorbell = -1,
		.interrupt = -1,
	};
	iv->shared = memfd_create("vdig-registers", MFD_CLOEXEC);
	if (iv->shared < 0 || ftruncate(iv->shared, VDIG_REGS_BYTES)) {
		error = -errno;
		goto no_memory;
	}
	regs = mmap(NULL, VDIG_REGS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, iv->shared, 0);
	if (regs == MAP_FAILED) {
		error = -errno;
		goto no_memory;
	}
	iv->listener = socket_listen(path);
	if (iv->listener < 0) {
		error = iv->listener;
		goto no_socket;
	}
	card->regs = regs;
	card->doorbell = PEER_CARD << 16;
	card->bus = (struct card_bus){ iv, reach, interrupt, mastering, false };
	card_power_on(card);
	*front = &iv->front;
	return 0;
no_socket:
	munmap(regs, VDIG_REGS_BYTES);
no_memory:
	close_fd(&iv->shared);
	free(iv);
	return error;
}
