// SPDX-License-Identifier: MIT
/* Finishing what a recorder could not. It changes counts and texts, never a sample or an entry. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

int ndma_recording_write_texts(const struct ndma_recording *recording)
{
	const struct ndma_recording_info *info = &recording->info;
	uint64_t end = info->data_offset + info->frames * info->frame_bytes;
	struct record_summary summary = {
		.place = &recording->place,
		.index = &recording->index,
		.axes = &recording->axes,
		.text = recording->text,
		.info = info,
		.holes = recording->holes,
	};
	struct stat data;

	if (!fstat(recording->data, &data) && (uint64_t)data.st_size > end)
		summary.trailing = (uint64_t)data.st_size - end;
	return ndma_record_write_texts(&summary);
}

/* Whether the samples of frame @number are those that were recorded; unknown where they are not
 * checked. */
static bool is_right(const struct ndma_recording *recording, uint64_t number,
		     const struct ndma_recording_frame *frame, char *samples)
{
	uint64_t bytes = recording->info.frame_bytes;

	if (!(recording->info.flags & NDMA_RECORD_CHECKSUM))
		return true;
	return ndma_record_pread(recording->data, samples, bytes,
				 recording->info.data_offset + number * bytes) == (ssize_t)bytes &&
	       ndma_crc32c(0, samples, bytes) == frame->checksum;
}

/* Reads every entry, and every frame that has a checksum. *@damaged: how many are. */
static int look(const struct ndma_recording *recording, uint64_t *damaged)
{
	char *samples = malloc(recording->info.frame_bytes);
	struct ndma_recording_frame frames[64];
	uint64_t number = 0;
	ssize_t got = 1, i;

	*damaged = 0;
	if (!samples)
		return ndma_set_error(ENOMEM, "no memory for a frame");
	for (; got > 0; number += (uint64_t)got) {
		got = ndma_recording_frames(recording, number, frames, 64);
		for (i = 0; i < got; i++)
			*damaged += frames[i].flags & NDMA_RECORDED_DAMAGED ||
				    !is_right(recording, number + (uint64_t)i, &frames[i], samples);
	}
	free(samples);
	return (int)got;
}

static int close_files(struct ndma_recording *recording, int data, int entries)
{
	struct ndma_recording_info *info = &recording->info;
	/* More than there are says for ever that some were cut off. */
	uint64_t synced = info->synced > info->frames ? info->synced : info->frames;
	int rc = ndma_record_npy_count(data, info->frames);

	if (!rc && fdatasync(data))
		rc = -errno;
	if (rc)
		return ndma_record_trouble(&recording->place, RECORD_DATA, -rc, "writing");
	rc = ndma_record_state_write(entries, &recording->index, synced, true);
	if (!rc && fdatasync(entries))
		rc = -errno;
	if (rc)
		return ndma_record_trouble(&recording->place, RECORD_INDEX, -rc, "writing");
	info->synced = synced;
	info->closed = true;
	return ndma_recording_write_texts(recording);
}

static int repair_locked(struct ndma_recording *recording, int data, int entries, uint64_t *damaged)
{
	int rc;

	if (flock(entries, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return ndma_set_error(EBUSY, "%s is being recorded by somebody now",
				      recording->place.stem);
	rc = ndma_recording_refresh(recording);
	if (!rc)
		rc = look(recording, damaged);
	return rc ? rc : close_files(recording, data, entries);
}

static int repair(struct ndma_recording *recording, uint64_t *damaged)
{
	int entries = ndma_record_open_file(&recording->place, RECORD_INDEX, O_RDWR);
	int data = ndma_record_open_file(&recording->place, RECORD_DATA, O_RDWR);
	int rc;

	if (entries < 0)
		rc = ndma_record_trouble(&recording->place, RECORD_INDEX, -entries, "opening");
	else if (data < 0)
		rc = ndma_record_trouble(&recording->place, RECORD_DATA, -data, "opening");
	else
		rc = repair_locked(recording, data, entries, damaged);
	if (entries >= 0)
		close(entries);
	if (data >= 0)
		close(data);
	return rc;
}

NDMA_API int ndma_recording_repair(const char *path, struct ndma_recording_info *info)
{
	struct ndma_recording *recording;
	uint64_t damaged = 0;
	int rc = ndma_recording_open(path, &recording);

	if (rc)
		return rc;
	rc = repair(recording, &damaged);
	if (!rc && info)
		*info = recording->info;
	ndma_recording_close(recording);
	return rc ? rc : damaged > INT_MAX ? INT_MAX : (int)damaged;
}
