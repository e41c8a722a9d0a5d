/* SPDX-License-Identifier: MIT */
/* Between the verbs of the command ndma, one file each. */
#ifndef NDMA_TOOLS_H
#define NDMA_TOOLS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ndma.h>

/* The verbs; the exit status. @as_json: one JSON object on standard output. */
int list(bool as_json);
int doctor(bool as_json);
int info(const struct ndma_source *source, bool as_json);
int controls(const struct ndma_source *source, bool as_json);

/* words.c: says the library's last error on standard error; EXIT_FAILURE */
int complain(void);
/* "1 channel", "8 channels" */
const char *plural(uint64_t count);
double value_of(const struct ndma_rational *rational);
/* "1e+06 samples/s", "rate not known"; until the next call */
const char *words_of_rate(const struct ndma_rational *rate);

/**
 * struct json - a JSON text that is being written to standard output
 * @depth: of objects and arrays that are open
 * @is_first: nothing stands yet in the innermost of them
 */
struct json {
	int depth;
	bool is_first;
};

/* json.c. @key is NULL in an array, and for the outermost object. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_string(struct json *json, const char *key, const char *value);
void json_integer(struct json *json, const char *key, int64_t value);
/* With all its digits; what is no number of JSON's, NaN and infinity, is null. */
void json_number(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
/* In Hz; null: not known. */
void json_rate(struct json *json, const char *key, const struct ndma_rational *rate);

#endif
