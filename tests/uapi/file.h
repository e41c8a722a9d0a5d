/* SPDX-License-Identifier: MIT */
/* Open files; small ones of /proc, /sys and cgroups whole, in one call. */
#ifndef NDMA_UAPI_FILE_H
#define NDMA_UAPI_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* The number that the next one would get: the same again when nothing was left open. */
static inline int file_next(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* 0 or a negative errno. */
static inline int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* Bytes read, NUL-terminated in `text`, a last newline removed; or a negative errno. */
static inline int file_read(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, text, room - 1);
	if (got < 0)
		got = -errno;
	close(fd);
	if (got > 0 && text[got - 1] == '\n')
		got--;
	text[got > 0 ? got : 0] = '\0';
	return (int)got;
}

#endif /* NDMA_UAPI_FILE_H */
