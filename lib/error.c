// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static _Thread_local char words[768];

size_t ndma_utf8_length(const unsigned char *at)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code = at[0];
	size_t length, i;

	if (code < 0x80)
		return 1;
	if (code < 0xc0 || code >= 0xf8)
		return 0;
	length = code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4;
	code &= 0x7fu >> length;
	for (i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fu);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return length;
}

/*
 * Words quote names that others gave, and may be cut within a character. Bytes that are not UTF-8
 * are left out, and control characters become question marks, so that no name moves a terminal's
 * cursor.
 */
void ndma_clean_words(char *text)
{
	const char *from = text;
	char *to = text;
	size_t length;

	while (*from) {
		length = ndma_utf8_length((const unsigned char *)from);
		memmove(to, from, length);
		if (length == 1 && ((unsigned char)*to < ' ' || *to == 0x7f))
			*to = '?';
		to += length;
		from += length ? length : 1;
	}
	*to = 0;
}

int ndma_set_error(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	ndma_clean_words(words);
	return -error;
}

NDMA_API const char *ndma_error(void)
{
	return words;
}
