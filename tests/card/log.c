// SPDX-License-Identifier: MIT
#include "log.h"

#include <stdarg.h>

void card_log_line(struct card_log *log, const char *format, ...)
{
	va_list args;

	if (!log->file)
		return;
	va_start(args, format);
	vfprintf(log->file, format, args);
	va_end(args);
	putc('\n', log->file);
}

void card_log_flush(struct card_log *log)
{
	if (log->file)
		fflush(log->file);
}
