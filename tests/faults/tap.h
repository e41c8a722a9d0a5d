/* SPDX-License-Identifier: MIT */
/*
 * TAP: one line for each test as it ends, and how many there were at the end.
 */
#ifndef NDMA_TAP_H
#define NDMA_TAP_H

#include <stdarg.h>
#include <stdio.h>

static unsigned int tap_number, tap_failures;

static inline void tap_result(int passed, const char *name)
{
	printf("%sok %u %s\n", passed ? "" : "not ", ++tap_number, name);
	fflush(stdout);
	tap_failures += !passed;
}

/* @what: "this guest has no /dev/ndma/sim0" */
static inline void tap_skip(const char *name, const char *what)
{
	printf("ok %u %s # SKIP %s\n", ++tap_number, name, what);
	fflush(stdout);
}

__attribute__((format(printf, 1, 2))) static inline void tap_note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("# ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
}

/* What main() returns. */
static inline int tap_end(void)
{
	printf("1..%u\n", tap_number);
	return tap_failures ? 1 : 0;
}

#endif /* NDMA_TAP_H */
