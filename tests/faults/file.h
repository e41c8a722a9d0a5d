/* SPDX-License-Identifier: MIT */
/* Small files of /proc, /sys and cgroups: whole, in one call. */
#ifndef NDMA_FILE_H
#define NDMA_FILE_H

#include <stddef.h>

/* 0 or a negative errno. */
int file_write(const char *path, const char *text);
/* Bytes read, NUL-terminated in `text`, a last newline removed; or a negative errno. */
int file_read(const char *path, char *text, size_t room);

#endif /* NDMA_FILE_H */
