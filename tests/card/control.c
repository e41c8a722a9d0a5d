// SPDX-License-Identifier: MIT
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "card.h"
#include "socket.h"

int control_open(struct control *control, struct card *card, const char *path)
{
	int i;

	control->card = card;
	control->quit = false;
	for (i = 0; i < CONTROL_CLIENTS; i++)
		control->clients[i].fd = -1;
	control->listener = path ? socket_listen(path) : -1;
	return path && control->listener < 0 ? control->listener : 0;
}

static void hang_up(struct control_client *client)
{
	close(client->fd);
	client->fd = -1;
	client->used = 0;
}

void control_close(struct control *control)
{
	int i;

	for (i = 0; i < CONTROL_CLIENTS; i++)
		if (control->clients[i].fd >= 0)
			hang_up(&control->clients[i]);
	if (control->listener >= 0)
		close(control->listener);
}

void control_poll(const struct control *control, struct pollfd *fds)
{
	int i;

	for (i = 0; i < CONTROL_CLIENTS; i++)
		fds[i] = (struct pollfd){ .fd = control->clients[i].fd, .events = POLLIN };
	fds[CONTROL_CLIENTS] = (struct pollfd){ .fd = control->listener, .events = POLLIN };
}

static bool number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* fault NAME [AMOUNT] [at=SEQUENCE] */
static bool do_fault(struct card *card, char **words, int count, FILE *answer, uint64_t now)
{
	uint64_t amount = 1, from = 0;
	int i;

	for (i = 2; i < count; i++) {
		bool good = !strncmp(words[i], "at=", 3) ? number(words[i] + 3, &from)
							 : number(words[i], &amount);

		if (!good) {
			fprintf(answer, "error: '%s': expected a number or at=SEQUENCE\n",
				words[i]);
			return false;
		}
	}
	if (count < 2 || !card_fault_command(card, words[1], amount, from, now)) {
		fprintf(answer, "error: no such fault '%s': 'faults' lists them\n",
			count < 2 ? "" : words[1]);
		return false;
	}
	return true;
}

static void do_faults(const struct card *card, FILE *answer)
{
	int i;

	for (i = 0; i < CARD_FAULTS; i++) {
		enum card_fault fault = (enum card_fault)i;

		fprintf(answer, "%-13s %s", card_fault_name(fault), card_fault_help(fault));
		if (card->faults.armed[i].left)
			fprintf(answer, " (armed: %llu)",
				(unsigned long long)card->faults.armed[i].left);
		putc('\n', answer);
	}
}

static void do_stats(const struct card *card, FILE *answer)
{
	fprintf(answer,
		"running=%d gone=%d halted=%d frames=%llu bytes=%llu interrupts=%llu lost=%llu "
		"waiting=%u posted=%u wrong=%llu\n",
		card->running, card->gone, card->halted, (unsigned long long)card->frames,
		(unsigned long long)card->bytes, (unsigned long long)card->interrupts,
		(unsigned long long)card->acquire.lost_total, card->acquire.count,
		card->ring.tail - card->ring.head, (unsigned long long)card->checker.total);
}

static void do_check(const struct card *card, FILE *answer)
{
	int i;

	if (!card->checker.on)
		fputs("checker mode is off (start the card with --check)\n", answer);
	for (i = 0; i < CARD_WRONGS; i++)
		if (card->checker.count[i])
			fprintf(answer, "%s %llu \"%s\"\n", card_checker_name((enum card_wrong)i),
				(unsigned long long)card->checker.count[i], card->checker.first[i]);
}

static bool do_trigger(struct card *card, char **words, int count, FILE *answer, uint64_t now)
{
	uint64_t edges = 1;

	if (count > 1 && (!number(words[1], &edges) || edges > UINT32_MAX)) {
		fprintf(answer, "error: '%s': expected a number of edges\n", words[1]);
		return false;
	}
	card_trigger(card, (uint32_t)edges, now);
	return true;
}

/* Only sizes and numbers of frames that wait are kept, so any amount costs nothing. */
static bool do_fifo(struct card *card, const char *word, FILE *answer)
{
	uint64_t mib;

	if (!number(word, &mib) || mib < 1 || mib > CARD_FIFO_MIB_MAX) {
		fprintf(answer, "error: '%s': expected 1 to %u MiB\n", word, CARD_FIFO_MIB_MAX);
		return false;
	}
	card->fifo_bytes = mib << 20;
	if (!card->gone)
		card_set_reg(card, VDIG_REG_FIFO_KIB, (uint32_t)(mib << 10));
	return true;
}

static const char help[] =
	"fault NAME [AMOUNT] [at=SEQUENCE]  misbehave (AMOUNT: frames, interrupts or ms; 1)\n"
	"faults                             what NAME can be, and what is armed\n"
	"trigger [EDGES]                    edges at the external trigger input\n"
	"fifo MIB                           on-board memory, from the next start on\n"
	"stats                              counts, as key=value\n"
	"check                              what the driver did wrong: kind, count, first\n"
	"attachment                         how QEMU reaches the card: ivshmem or vfio-user, socket\n"
	"flush                              write the log out\n"
	"quit                               end the card's process in order\n";

void control_line(struct control *control, char *line, FILE *answer, uint64_t now)
{
	struct card *card = control->card;
	char *words[4], *rest = line, *word;
	int count = 0;

	while (count < 4 && (word = strsep(&rest, " \t\r")))
		if (*word)
			words[count++] = word;
	if (!count)
		return;
	if (!strcmp(words[0], "fault")) {
		if (!do_fault(card, words, count, answer, now))
			return;
	} else if (!strcmp(words[0], "faults")) {
		do_faults(card, answer);
	} else if (!strcmp(words[0], "trigger")) {
		if (!do_trigger(card, words, count, answer, now))
			return;
	} else if (!strcmp(words[0], "fifo")) {
		if (!do_fifo(card, count > 1 ? words[1] : "", answer))
			return;
	} else if (!strcmp(words[0], "stats")) {
		do_stats(card, answer);
	} else if (!strcmp(words[0], "check")) {
		do_check(card, answer);
	} else if (!strcmp(words[0], "attachment")) {
		fprintf(answer, "%s %s\n", control->attachment, control->socket);
	} else if (!strcmp(words[0], "flush")) {
		card_log_flush(&card->log);
	} else if (!strcmp(words[0], "quit")) {
		control->quit = true;
	} else if (!strcmp(words[0], "help")) {
		fputs(help, answer);
	} else {
		fprintf(answer, "error: no such command '%s': try 'help'\n", words[0]);
		return;
	}
	fputs("ok\n", answer);
}

static void answer_line(struct control *control, struct control_client *client, char *line,
			uint64_t now)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *answer = open_memstream(&text, &bytes);

	if (!answer)
		return;
	control_line(control, line, answer, now);
	fclose(answer);
	if (bytes && !socket_send(client->fd, text, bytes, -1))
		hang_up(client);
	free(text);
}

static void read_client(struct control *control, struct control_client *client, uint64_t now)
{
	ssize_t got = recv(client->fd, client->line + client->used,
			   sizeof(client->line) - client->used, MSG_DONTWAIT);
	char *end;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		hang_up(client);
		return;
	}
	client->used += (size_t)got;
	while (client->fd >= 0 && (end = memchr(client->line, '\n', client->used))) {
		size_t line = (size_t)(end - client->line) + 1;

		*end = 0;
		answer_line(control, client, client->line, now);
		if (client->fd < 0)
			return;
		client->used -= line;
		memmove(client->line, client->line + line, client->used);
	}
	if (client->used == sizeof(client->line))
		hang_up(client);
}

void control_ready(struct control *control, const struct pollfd *fds, uint64_t now)
{
	int i, fd;

	for (i = 0; i < CONTROL_CLIENTS; i++)
		if (fds[i].fd >= 0 && fds[i].revents)
			read_client(control, &control->clients[i], now);
	if (!(fds[CONTROL_CLIENTS].revents & POLLIN))
		return;
	fd = socket_accept(control->listener);
	if (fd < 0)
		return;
	for (i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->clients[i].fd >= 0)
			continue;
		control->clients[i].fd = fd;
		control->clients[i].used = 0;
		return;
	}
	close(fd);
}
