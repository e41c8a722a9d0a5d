// SPDX-License-Identifier: MIT
/* Beginning a recording, or going on with one: its files, and that nobody else writes to them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

/* "-", or what is there and is neither a file nor a directory: its descriptor. -ENOENT: a recording. */
static int open_pipe(const char *path)
{
	struct stat status;
	int fd;

	if (!strcmp(path, "-"))
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	else if (stat(path, &status) || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))
		return -ENOENT;
	else
		fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? ndma_set_error(errno, "opening %s: %s", path, strerror(errno)) : fd;
}

static int lock(const struct ndma_record *record, int fd)
{
	if (!flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
		return 0; /* some network's file systems have no locks */
	return ndma_set_error(EBUSY, "%s is being recorded by somebody now", record->place.stem);
}

/* A new file, never one that is there: whoever maps that keeps what it has. */
static int create(const struct ndma_record *record, const char *suffix)
{
	int fd = ndma_record_open_file(&record->place, suffix, O_RDWR | O_CREAT | O_EXCL);

	if (fd != -EEXIST)
		return fd < 0 ? ndma_record_trouble(&record->place, suffix, -fd, "making") : fd;
	return ndma_set_error(EEXIST,
			      "%s%s is there: append to it, replace it, or choose another name",
			      record->place.stem, suffix);
}

static void remove_file(const struct ndma_record *record, const char *suffix)
{
	char name[NAME_MAX + 1];

	snprintf(name, sizeof(name), "%.*s%s", NAME_MAX - 24, record->place.stem, suffix);
	unlinkat(record->place.directory, name, 0);
}

/* Nobody's recording is taken away while it grows. */
static int remove_old(const struct ndma_record *record)
{
	int fd = ndma_record_open_file(&record->place, RECORD_INDEX, O_RDWR);
	int rc = fd < 0 ? 0 : lock(record, fd);

	if (!rc) {
		remove_file(record, RECORD_SIGMF);
		remove_file(record, RECORD_JSON);
		remove_file(record, RECORD_INDEX);
		remove_file(record, RECORD_DATA);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static int write_heads(struct ndma_record *record)
{
	const struct record_head *head = record->index.head;
	char npy[RECORD_NPY_BYTES];
	int rc;

	ndma_record_npy(&record->axes, head->id, 0, npy);
	rc = ndma_record_pwrite(record->data, npy, sizeof(npy), 0);
	if (rc)
		return ndma_record_trouble(&record->place, RECORD_DATA, -rc, "writing");
	rc = ndma_record_pwrite(record->entries, head, head->head_bytes, 0);
	if (!rc)
		rc = ndma_record_state_write(record->entries, &record->index, 0, false);
	if (rc)
		return ndma_record_trouble(&record->place, RECORD_INDEX, -rc, "writing");
	/* The names too must be on the disk for a sync to mean anything. Not all directories can. */
	fsync(record->place.directory);
	return 0;
}

static int open_direct(struct ndma_record *record)
{
	record->direct = ndma_record_open_file(&record->place, RECORD_DATA, O_WRONLY | O_DIRECT);
	if (record->direct >= 0)
		return 0;
	return ndma_record_trouble(&record->place, RECORD_DATA, -record->direct,
				   "opening with O_DIRECT");
}

static int create_files(struct ndma_record *record, uint32_t flags)
{
	int rc = flags & NDMA_RECORD_REPLACE ? remove_old(record) : 0;

	if (rc)
		return rc;
	record->entries = create(record, RECORD_INDEX);
	if (record->entries < 0)
		return record->entries;
	rc = lock(record, record->entries);
	if (rc)
		return rc;
	record->data = create(record, RECORD_DATA);
	rc = record->data < 0 ? record->data : write_heads(record);
	if (!rc && flags & NDMA_RECORD_DIRECT)
		rc = open_direct(record);
	if (rc) {
		remove_file(record, RECORD_INDEX);
		if (record->data >= 0)
			remove_file(record, RECORD_DATA);
	}
	return rc;
}

/* What the frames to come must have in common with those that are there. */
static int compare(const struct ndma_record *record, const struct record_index *there)
{
	const struct record_index *index = &record->index;
	struct ndma_source_channel ours, theirs;
	const char *differs = NULL;
	uint32_t i;

	if (memcmp(&index->layout, &there->layout, sizeof(index->layout)))
		differs = "layout";
	else if (index->info.rate.num != there->info.rate.num ||
		 index->info.rate.den != there->info.rate.den)
		differs = "rate";
	for (i = 0; !differs && i < index->channels; i++)
		if (ndma_record_head_channel(index, i, &ours) ||
		    ndma_record_head_channel(there, i, &theirs) ||
		    memcmp(&ours.name, &theirs.name,
			   sizeof(ours) - offsetof(struct ndma_source_channel, name)))
			differs = "channels";
	if (!differs && there->head->entry_bytes != sizeof(struct record_entry))
		differs = "entries";
	if (!differs)
		return 0;
	return ndma_set_error(EINVAL, "%s is of frames with another %s: record to another name",
			      record->place.stem, differs);
}

/* Where the files go on. */
static int find_end(struct ndma_record *record)
{
	struct ndma_recording *recording;
	int rc = ndma_recording_open_at(&record->place, &recording);

	if (rc)
		return rc;
	record->frames = recording->info.frames;
	if (recording->info.holes)
		record->noted = recording->holes[recording->info.holes - 1].number;
	ndma_recording_close(recording);
	return 0;
}

/* Frames begin where the last whole one ends. What is behind it would else be taken for theirs. */
static int cut_remains(const struct ndma_record *record)
{
	const struct record_head *head = record->index.head;
	uint64_t entries = head->head_bytes + record->frames * head->entry_bytes;
	uint64_t data = head->data_offset + record->frames * head->frame_bytes;
	int rc;

	if (ftruncate(record->data, (off_t)data))
		return ndma_record_trouble(&record->place, RECORD_DATA, errno, "writing");
	rc = ftruncate(record->entries, (off_t)entries) ? -errno : 0;
	if (!rc)
		rc = ndma_record_state_write(record->entries, &record->index, record->frames,
					     false);
	return rc ? ndma_record_trouble(&record->place, RECORD_INDEX, -rc, "writing") : 0;
}

static int reopen_files(struct ndma_record *record, uint32_t flags)
{
	struct record_index there;
	int rc;

	record->entries = ndma_record_open_file(&record->place, RECORD_INDEX, O_RDWR);
	if (record->entries < 0)
		return ndma_record_trouble(&record->place, RECORD_INDEX, -record->entries,
					   "opening");
	record->data = ndma_record_open_file(&record->place, RECORD_DATA, O_RDWR);
	if (record->data < 0)
		return ndma_record_trouble(&record->place, RECORD_DATA, -record->data, "opening");
	rc = lock(record, record->entries);
	if (!rc)
		rc = ndma_record_head_read(record->entries, &record->place, &there);
	if (rc)
		return rc;
	rc = compare(record, &there);
	if (!rc)
		rc = find_end(record);
	if (rc) {
		ndma_record_head_free(&there);
		return rc;
	}
	ndma_record_head_free(&record->index);
	record->index = there;
	rc = cut_remains(record);
	return rc || !(flags & NDMA_RECORD_DIRECT) ? rc : open_direct(record);
}

/* The header of what would be a new recording. */
static int make_index(struct ndma_record *record, const struct ndma_source *source, uint32_t flags)
{
	const struct ndma_stream_setup *setup = ndma_stream_setup(record->stream);
	uint32_t count = (uint32_t)setup->layout.shape[0], i;
	struct ndma_source_channel *channels;
	struct ndma_source_info info;
	char *text = NULL;
	int rc;

	rc = ndma_record_axes(&setup->layout, &record->axes);
	if (!rc)
		rc = ndma_stream_info(record->stream, &info);
	if (rc)
		return rc;
	channels = calloc(count, sizeof(*channels));
	if (channels)
		text = ndma_record_describe(source, record->stream, &record->axes);
	if (!channels || !text)
		rc = ndma_set_error(ENOMEM, "no memory to describe a recording");
	for (i = 0; !rc && i < count; i++)
		rc = ndma_stream_channel(record->stream, i, &channels[i]);
	if (!rc)
		rc = ndma_record_head_make(&setup->layout, &info, channels, text,
					   flags & NDMA_RECORD_CHECKSUM, &record->index);
	free(text);
	free(channels);
	return rc;
}

/* Past the page cache, whole blocks of a disk are written. */
static bool is_direct(const struct ndma_record *record, uint32_t flags)
{
	if (!(flags & NDMA_RECORD_DIRECT) || !(record->index.head->frame_bytes % RECORD_NPY_BYTES))
		return true;
	ndma_set_error(EINVAL, "O_DIRECT writes frames of a multiple of %d bytes, these have %llu",
		       RECORD_NPY_BYTES, (unsigned long long)record->index.head->frame_bytes);
	return false;
}

static int open_files(struct ndma_record *record, const char *path, uint32_t flags)
{
	int rc;

	if (!is_direct(record, flags))
		return -EINVAL;
	record->data = open_pipe(path);
	if (record->data != -ENOENT)
		return record->data < 0 ? record->data : 0;
	rc = ndma_record_place(path, &record->place);
	if (rc)
		return rc;
	return flags & NDMA_RECORD_APPEND ? reopen_files(record, flags)
					  : create_files(record, flags);
}

/* -EINVAL with words. */
static int check_options(const struct ndma_record_options *options)
{
	uint32_t flags = options->flags;

	if (options->size < sizeof(*options))
		return ndma_set_error(EINVAL,
				      "options of %u bytes: begin with NDMA_RECORD_OPTIONS_INIT",
				      options->size);
	if (flags & ~(NDMA_RECORD_APPEND | NDMA_RECORD_REPLACE | NDMA_RECORD_CHECKSUM |
		      NDMA_RECORD_DIRECT) ||
	    (flags & NDMA_RECORD_APPEND && flags & NDMA_RECORD_REPLACE))
		return ndma_set_error(
			EINVAL,
			"flags %#x: expected NDMA_RECORD_APPEND or "
			"NDMA_RECORD_REPLACE, NDMA_RECORD_CHECKSUM, NDMA_RECORD_DIRECT",
			flags);
	if (options->depth > NDMA_RECORD_DEPTH_MAX)
		return ndma_set_error(EINVAL, "%u writes in flight: expected at most %u",
				      options->depth, NDMA_RECORD_DEPTH_MAX);
	if (options->reserved)
		return ndma_set_error(EINVAL, "reserved is %u: expected 0", options->reserved);
	return 0;
}

NDMA_API int ndma_record_open(const char *path, const struct ndma_source *source,
			      struct ndma_stream *stream, const struct ndma_record_options *options,
			      struct ndma_record **out)
{
	struct ndma_record_options how = NDMA_RECORD_OPTIONS_INIT;
	struct ndma_record *record;
	int rc = ndma_process_check(stream->process, "stream");

	if (rc)
		return rc;
	if (!RECORD_IS_NATIVE)
		return ndma_set_error(EOPNOTSUPP, "recordings are of little-endian machines");
	if (options) {
		rc = check_options(options);
		if (rc)
			return rc;
		how = *options;
	}
	record = calloc(1, sizeof(*record));
	if (!record)
		return ndma_set_error(ENOMEM, "no memory for a recording");
	record->process = ndma_process_id();
	record->stream = stream;
	snprintf(record->method, sizeof(record->method), "pwrite through the page cache");
	record->place.directory = record->data = record->direct = record->entries = -1;
	rc = make_index(record, source, how.flags);
	if (!rc)
		rc = open_files(record, path, how.flags);
	if (!rc && record->direct >= 0)
		ndma_record_flight_open(record, how.depth);
	if (rc)
		ndma_record_close(record);
	else
		*out = record;
	return rc;
}
