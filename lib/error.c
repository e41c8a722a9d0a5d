// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

static _Thread_local char words[768];

int ndma_set_error(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	return -error;
}

NDMA_API const char *ndma_error(void)
{
	return words;
}
