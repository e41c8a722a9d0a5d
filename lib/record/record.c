// SPDX-License-Identifier: MIT
/* A recording that grows, for those who make one: writing, syncing and ending it. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "record.h"

/* Whether frames may still come, all of them here. */
static int check(const struct ndma_record *record)
{
	int rc = ndma_process_check(record->process, "recording");

	if (!rc && record->finished)
		rc = ndma_set_error(EINVAL, "this recording is finished");
	return rc;
}

static int settle(struct ndma_record *record)
{
	return record->flight ? ndma_record_flight_settle(record, 0) : 0;
}

NDMA_API int ndma_record_write(struct ndma_record *record, const struct ndma_frame *frames,
			       size_t count)
{
	int rc = check(record);

	if (!rc)
		rc = settle(record);
	return rc ? rc : ndma_record_write_through(record, frames, count);
}

/* One after the other. */
static int write_and_release(struct ndma_record *record, const struct ndma_frame *frames,
			     size_t count)
{
	int rc = settle(record);

	if (!rc)
		rc = ndma_record_write_through(record, frames, count);
	ndma_record_release(record, frames, count);
	return rc;
}

NDMA_API int ndma_record_submit(struct ndma_record *record, const struct ndma_frame *frames,
				size_t count)
{
	int rc = check(record);
	size_t batch;

	if (!rc && (!record->flight || record->plain))
		return write_and_release(record, frames, count);
	for (; !rc && count; frames += batch, count -= batch) {
		batch = ndma_record_flight_gather(record, frames, count);
		if (batch) {
			rc = ndma_record_flight_begin(record, frames, (unsigned int)batch);
			if (rc)
				break;
		} else {
			batch = 1;
			rc = write_and_release(record, frames, batch);
		}
	}
	if (!rc)
		return 0;
	ndma_record_release(record, frames, count);
	/* What was on its way before is recorded, or its own error is what is told. */
	if (record->flight && ndma_process_is(record->process))
		settle(record);
	return rc;
}

NDMA_API int ndma_record_wait(struct ndma_record *record, uint32_t left)
{
	int rc = ndma_process_check(record->process, "recording");

	if (rc || !record->flight)
		return rc;
	return ndma_record_flight_wait(record, left);
}

NDMA_API const char *ndma_record_method(const struct ndma_record *record)
{
	return record->method;
}

NDMA_API uint64_t ndma_record_frames(const struct ndma_record *record)
{
	return record->frames;
}

/* ---------------------------------------------------------------- ending */

/* Samples first: an entry on the disk says that its frame is there. */
static int sync_files(struct ndma_record *record, bool closed)
{
	uint64_t frames = record->frames;
	int rc;

	if (fdatasync(record->data))
		return ndma_record_trouble(&record->place, RECORD_DATA, errno, "syncing");
	rc = ndma_record_state_write(record->entries, &record->index, frames, closed);
	if (!rc && fdatasync(record->entries))
		rc = -errno;
	return rc ? ndma_record_trouble(&record->place, RECORD_INDEX, -rc, "syncing") : 0;
}

NDMA_API int ndma_record_sync(struct ndma_record *record)
{
	int rc = ndma_process_check(record->process, "recording");

	return rc || record->entries < 0 || record->finished ? rc : sync_files(record, false);
}

NDMA_API int ndma_record_finish(struct ndma_record *record)
{
	const struct record_head *head = record->index.head;
	struct ndma_recording *recording;
	int rc = ndma_process_check(record->process, "recording");

	if (rc || record->finished)
		return rc;
	rc = settle(record);
	record->finished = true;
	if (rc || record->entries < 0)
		return rc;
	/* What was allocated ahead would look like samples, and have the room of .json. */
	rc = record->flight ? ndma_record_cut(record) : 0;
	if (rc)
		return ndma_record_trouble(&record->place, RECORD_DATA, -rc, "writing");
	/* What was reserved and is not needed: on a full disk the .json has its room. */
	if (ftruncate(record->entries,
		      (off_t)(head->head_bytes + record->frames * head->entry_bytes)))
		return ndma_record_trouble(&record->place, RECORD_INDEX, errno, "writing");
	rc = sync_files(record, true);
	flock(record->entries, LOCK_UN);
	if (!rc)
		rc = ndma_recording_open_at(&record->place, &recording);
	if (rc)
		return rc;
	rc = ndma_recording_write_texts(recording);
	ndma_recording_close(recording);
	return rc;
}

NDMA_API void ndma_record_close(struct ndma_record *record)
{
	if (!record)
		return;
	/* A child of fork has no part in what is on its way. */
	if (record->flight && ndma_process_is(record->process)) {
		settle(record);
		if (!record->finished)
			ndma_record_cut(record);
	}
	ndma_record_flight_close(record);
	if (record->data >= 0)
		close(record->data);
	if (record->direct >= 0)
		close(record->direct);
	if (record->entries >= 0)
		close(record->entries);
	if (record->place.directory >= 0)
		ndma_record_leave(&record->place);
	ndma_record_head_free(&record->index);
	free(record->scratch);
	free(record);
}
