// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "card.h"
#include "uapi/file.h"

#define DRIVERS "/sys/bus/pci/drivers"
#define DEVICES "/sys/bus/pci/devices"
#define AWAIT_MS 20000

/* Copies the names in `path` that start with `prefix`; returns how many there are. */
static int list(const char *path, const char *prefix, char (*names)[32], size_t room)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) ||
		    strlen(entry->d_name) >= sizeof(*names))
			continue;
		if (count < room)
			strcpy(names[count], entry->d_name);
		count++;
	}
	closedir(directory);
	return (int)(count < room ? count : room);
}

int card_list(struct card *cards, size_t room)
{
	char drivers[8][32], addresses[8][32];
	char path[PATH_MAX];
	int nr_drivers = list(DRIVERS, "ndma_", drivers, 8);
	size_t count = 0;
	int d, a, nr_addresses;

	for (d = 0; d < nr_drivers; d++) {
		snprintf(path, sizeof(path), DRIVERS "/%s", drivers[d]);
		nr_addresses = list(path, "0000:", addresses, 8);
		for (a = 0; a < nr_addresses && count < room; a++, count++) {
			strcpy(cards[count].driver, drivers[d]);
			strcpy(cards[count].address, addresses[a]);
		}
	}
	return (int)count;
}

int card_bind(const struct card *card)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DRIVERS "/%s/bind", card->driver);
	return file_write(path, card->address);
}

int card_unbind(const struct card *card)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DRIVERS "/%s/unbind", card->driver);
	return file_write(path, card->address);
}

int card_enable(const struct card *card, bool enable)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/enable", card->address);
	return file_write(path, enable ? "1" : "0");
}

int card_remove(const struct card *card)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/remove", card->address);
	return file_write(path, "1");
}

int card_rescan(void)
{
	return file_write("/sys/bus/pci/rescan", "1");
}

bool card_is_bound(const struct card *card)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DRIVERS "/%s/%s", card->driver, card->address);
	return !access(path, F_OK);
}

bool card_source(const struct card *card, char *name, size_t room)
{
	char names[1][32], path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/ndma", card->address);
	if (!list(path, "", names, 1))
		return false;
	snprintf(name, room, "%s", names[0]);
	snprintf(path, sizeof(path), "/dev/ndma/%s", name);
	return !access(path, F_OK);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool card_await_source(const struct card *card, bool present)
{
	struct pollfd change = { .fd = inotify_init1(IN_CLOEXEC), .events = POLLIN };
	long left, deadline = now_ms() + AWAIT_MS;
	char name[32], events[4096];

	inotify_add_watch(change.fd, "/dev/ndma", IN_CREATE | IN_DELETE);
	while (card_source(card, name, sizeof(name)) != present) {
		left = deadline - now_ms();
		if (left <= 0 || poll(&change, 1, (int)left) <= 0 ||
		    read(change.fd, events, sizeof(events)) < 0)
			break;
	}
	close(change.fd);
	return card_source(card, name, sizeof(name)) == present;
}
