// SPDX-License-Identifier: MIT
/* JSON (RFC 8259) as it is written, an item a line. */
#include <math.h>

#include "tools.h"

static void put_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned int)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void put_line(const struct json *json)
{
	printf("\n%*s", 2 * json->depth, "");
}

static void put_key(struct json *json, const char *key)
{
	if (json->depth) {
		fputs(json->is_first ? "" : ",", stdout);
		put_line(json);
	}
	json->is_first = false;
	if (key) {
		put_text(key);
		fputs(": ", stdout);
	}
}

void json_open(struct json *json, const char *key, char bracket)
{
	put_key(json, key);
	putchar(bracket);
	json->depth++;
	json->is_first = true;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (!json->is_first)
		put_line(json);
	putchar(bracket);
	json->is_first = false;
	if (!json->depth)
		putchar('\n');
}

void json_string(struct json *json, const char *key, const char *value)
{
	put_key(json, key);
	put_text(value);
}

void json_integer(struct json *json, const char *key, int64_t value)
{
	put_key(json, key);
	printf("%lld", (long long)value);
}

void json_number(struct json *json, const char *key, double value)
{
	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	put_key(json, key);
	printf("%.17g", value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	put_key(json, key);
	fputs(value ? "true" : "false", stdout);
}

void json_null(struct json *json, const char *key)
{
	put_key(json, key);
	fputs("null", stdout);
}

void json_rate(struct json *json, const char *key, const struct ndma_rational *rate)
{
	if (value_of(rate))
		json_number(json, key, value_of(rate));
	else
		json_null(json, key);
}
