/* SPDX-License-Identifier: MIT */
/*
 * The control socket: lines of text in, for each any number of lines and then `ok` or
 * `error: …` out. README.md lists the commands. Several clients at a time.
 */
#ifndef CARD_CONTROL_H
#define CARD_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct card;

#define CONTROL_CLIENTS 8
#define CONTROL_FDS (CONTROL_CLIENTS + 1)

struct control_client {
	int fd;				/* -1: none */
	size_t used;
	char line[256];
};

/**
 * struct control - the control socket
 * @attachment: @socket: what QEMU is given to plug the card in again
 * @quit: a client asked the card to end
 */
struct control {
	struct card *card;
	const char *attachment, *socket;
	int listener;
	bool quit;
	struct control_client clients[CONTROL_CLIENTS];
};

/** control_open - listen at @path (NULL: do not); 0 or a negative errno. */
int control_open(struct control *control, struct card *card, const char *path);
void control_close(struct control *control);
/** control_poll - fill in CONTROL_FDS entries for poll(); those not in use have fd -1. */
void control_poll(const struct control *control, struct pollfd *fds);
/** control_ready - act on what poll() found. */
void control_ready(struct control *control, const struct pollfd *fds, uint64_t now);
/** control_line - carry out one command and write the whole answer. @line is cut into words. */
void control_line(struct control *control, char *line, FILE *answer, uint64_t now);

#endif /* CARD_CONTROL_H */
