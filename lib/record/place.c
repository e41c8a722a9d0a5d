// SPDX-License-Identifier: MIT
/* Where a recording's files are, and reading and writing them to the last byte. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record.h"

static const char *const suffixes[] = { RECORD_DATA, RECORD_INDEX, RECORD_JSON, RECORD_SIGMF };

/* Bytes of the name without one of the suffixes. */
static size_t stem_length(const char *name)
{
	size_t length = strlen(name), suffix, i;

	for (i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		suffix = strlen(suffixes[i]);
		if (length > suffix && !strcmp(name + length - suffix, suffixes[i]))
			return length - suffix;
	}
	return length;
}

static int open_directory(const char *path, size_t length)
{
	char *name = length ? strndup(path, length) : strdup(".");
	int fd;

	if (!name)
		return ndma_set_error(ENOMEM, "no memory for a path");
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = ndma_set_error(errno, "directory %s: %s", name, strerror(errno));
	free(name);
	return fd;
}

int ndma_record_place(const char *path, struct record_place *place)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t length = stem_length(name);

	if (!length || !strcmp(name, ".") || !strcmp(name, ".."))
		return ndma_set_error(EINVAL, "recording \"%s\": expected the name of a file",
				      path);
	/* Room for the longest suffix and a word before it. */
	if (length + 24 > NAME_MAX)
		return ndma_set_error(ENAMETOOLONG,
				      "recording \"%.40s...\": a name of %zu bytes; at most %d",
				      name, length, NAME_MAX - 24);
	memcpy(place->stem, name, length);
	place->stem[length] = 0;
	place->directory = open_directory(path, slash ? (size_t)(slash + 1 - path) : 0);
	return place->directory < 0 ? place->directory : 0;
}

void ndma_record_leave(struct record_place *place)
{
	close(place->directory);
}

int ndma_record_open_file(const struct record_place *place, const char *suffix, int flags)
{
	char name[NAME_MAX + 1];
	int fd;

	snprintf(name, sizeof(name), "%.*s%s", NAME_MAX - 24, place->stem, suffix);
	fd = openat(place->directory, name, flags | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : fd;
}

int ndma_record_trouble(const struct record_place *place, const char *suffix, int error,
			const char *doing)
{
	return ndma_set_error(error, "%s %s%s: %s", doing, place->stem, suffix, strerror(error));
}

int ndma_record_pwrite(int fd, const void *data, size_t bytes, uint64_t offset)
{
	const char *from = data;
	ssize_t done;

	while (bytes) {
		done = pwrite(fd, from, bytes, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		from += done;
		offset += (uint64_t)done;
		bytes -= (size_t)done;
	}
	return 0;
}

ssize_t ndma_record_pread(int fd, void *data, size_t bytes, uint64_t offset)
{
	size_t got = 0;
	ssize_t done;

	while (got < bytes) {
		done = pread(fd, (char *)data + got, bytes - got, (off_t)(offset + got));
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (!done)
			break;
		got += (size_t)done;
	}
	return (ssize_t)got;
}
