/* SPDX-License-Identifier: MIT */
/* The smallest TAP: a sentence and whether it holds. */
#ifndef CARD_TAP_H
#define CARD_TAP_H

#include <stdio.h>

static unsigned int tap_count, tap_failures;

static void tap(int holds, const char *sentence)
{
	tap_count++;
	tap_failures += !holds;
	printf("%sok %u %s\n", holds ? "" : "not ", tap_count, sentence);
}

/* Inside a test: says where it went wrong and makes the test fail. */
#define EXPECT(ok, condition)                                                             \
	do {                                                                              \
		if (!(condition)) {                                                       \
			printf("# %s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
			(ok) = 0;                                                         \
		}                                                                         \
	} while (0)

static int tap_end(void)
{
	printf("1..%u\n", tap_count);
	return tap_failures != 0;
}

#endif /* CARD_TAP_H */
