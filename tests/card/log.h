/* SPDX-License-Identifier: MIT */
/*
 * What the card did, one line an event: a word, then key=value pairs separated by spaces. Numbers
 * are decimal. The lines are described in README.md; tests compare them with what arrived.
 */
#ifndef CARD_LOG_H
#define CARD_LOG_H

#include <stdio.h>

/** struct card_log - @file: NULL: nothing is kept */
struct card_log {
	FILE *file;
};

void card_log_line(struct card_log *log, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** card_log_flush - what was logged can be read in the file. */
void card_log_flush(struct card_log *log);

#endif /* CARD_LOG_H */
