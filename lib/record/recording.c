// SPDX-License-Identifier: MIT
/*
 * Reading a recording. Nothing in its files is believed: numbers are checked, entries have a CRC
 * that no other entry or recording has. The index is read, not mapped: whoever cuts it off
 * meanwhile must not end this process.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

/* Entries of one read. */
#define BLOCK_BYTES (64u << 10)

/* ---------------------------------------------------------------- entries */

static uint64_t block_entries(const struct ndma_recording *recording)
{
	return BLOCK_BYTES / recording->index.head->entry_bytes;
}

/* Entry @number from its bytes. *@link: RECORD_…; of one that is damaged 0. */
static void decode(const struct ndma_recording *recording, const char *bytes, uint64_t number,
		   struct ndma_recording_frame *frame, uint32_t *link)
{
	const struct record_head *head = recording->index.head;
	size_t checked = head->completion_bytes + sizeof(struct record_tail) - sizeof(uint32_t);
	struct record_tail tail;

	memset(frame, 0, sizeof(*frame));
	memcpy(&tail, bytes + head->completion_bytes, sizeof(tail));
	*link = 0;
	if (tail.crc != ndma_record_entry_crc(head->id, number, bytes, checked)) {
		frame->flags = NDMA_RECORDED_DAMAGED;
		return;
	}
	*link = tail.link;
	memcpy(&frame->completion, bytes, sizeof(frame->completion));
	frame->checksum = frame->completion.index;
	frame->completion.index = 0;
	frame->realtime_ns = tail.realtime_ns;
	frame->flags = tail.link & RECORD_RUN ? NDMA_RECORDED_RUN : 0;
}

/* Up to a block of them from @first on: how many there are, or -errno without words. */
static ssize_t read_block(const struct ndma_recording *recording, uint64_t first, uint64_t count,
			  char *block)
{
	const struct record_head *head = recording->index.head;
	ssize_t got = ndma_record_pread(recording->entries, block, count * head->entry_bytes,
					head->head_bytes + first * head->entry_bytes);

	return got < 0 ? got : got / (ssize_t)head->entry_bytes;
}

/* One entry; one that is not there is damaged. */
static void read_one(const struct ndma_recording *recording, uint64_t number,
		     struct ndma_recording_frame *frame, uint32_t *link)
{
	char block[4096];

	if (read_block(recording, number, 1, block) == 1) {
		decode(recording, block, number, frame, link);
		return;
	}
	*link = 0;
	memset(frame, 0, sizeof(*frame));
	frame->flags = NDMA_RECORDED_DAMAGED;
}

/* ---------------------------------------------------------------- holes */

/**
 * struct list - holes, as they are found
 * @holes: of them
 * @count, @room: how many there are, and may be
 */
struct list {
	struct ndma_recording_hole *holes;
	uint64_t count;
	uint64_t room;
};

static int add_hole(struct list *list, uint64_t number, const struct ndma_recording_frame *frame)
{
	struct ndma_recording_hole *holes = list->holes;

	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		holes = reallocarray(holes, list->room, sizeof(*holes));
		if (!holes)
			return ndma_set_error(ENOMEM, "no memory for %llu holes",
					      (unsigned long long)list->room);
		list->holes = holes;
	}
	list->holes[list->count].number = number;
	list->holes[list->count++].frame = *frame;
	return 0;
}

/* From the last of @frames back to the first. False: the list is broken. */
static bool follow_list(const struct ndma_recording *recording, uint64_t frames, struct list *list,
			int *rc)
{
	struct ndma_recording_frame frame;
	struct ndma_recording_hole hole;
	uint64_t number = frames - 1, i;
	uint32_t link, back;

	read_one(recording, number, &frame, &link);
	while (!(link & RECORD_NOTED) || (*rc = add_hole(list, number, &frame)) == 0) {
		back = link & RECORD_BACK;
		if (frame.flags & NDMA_RECORDED_DAMAGED || back > number || (!back && number))
			return false;
		if (!number)
			break;
		number -= back;
		read_one(recording, number, &frame, &link);
		if (!(link & RECORD_NOTED))
			return false;
	}
	for (i = 0; i < list->count / 2; i++) {
		hole = list->holes[i];
		list->holes[i] = list->holes[list->count - 1 - i];
		list->holes[list->count - 1 - i] = hole;
	}
	return true;
}

/* Every entry, one after the other. */
static int scan(const struct ndma_recording *recording, uint64_t frames, struct list *list)
{
	char *block = malloc(BLOCK_BYTES);
	uint64_t number = 0, count, i;
	struct ndma_recording_frame frame;
	uint32_t link;
	ssize_t got;
	int rc = block ? 0 : ndma_set_error(ENOMEM, "no memory for entries");

	list->count = 0;
	while (!rc && number < frames) {
		count = block_entries(recording);
		count = count < frames - number ? count : frames - number;
		got = read_block(recording, number, count, block);
		if (got <= 0) {
			rc = ndma_record_trouble(&recording->place, RECORD_INDEX,
						 got ? (int)-got : EIO, "reading");
			break;
		}
		for (i = 0; !rc && i < (uint64_t)got; i++) {
			decode(recording, block + i * recording->index.head->entry_bytes,
			       number + i, &frame, &link);
			if (link & RECORD_NOTED || frame.flags & NDMA_RECORDED_DAMAGED)
				rc = add_hole(list, number + i, &frame);
		}
		number += (uint64_t)got;
	}
	free(block);
	return rc;
}

static void count_hole(struct ndma_recording_info *info, const struct ndma_recording_frame *frame)
{
	info->runs += !!(frame->flags & NDMA_RECORDED_RUN);
	info->damaged += !!(frame->flags & NDMA_RECORDED_DAMAGED);
	info->dropped += frame->completion.dropped;
	info->partial += !!(frame->completion.flags & NDMA_FRAME_PARTIAL);
	info->overflow += !!(frame->completion.flags & NDMA_FRAME_OVERFLOW);
	info->error += !!(frame->completion.flags & NDMA_FRAME_ERROR);
}

/* ---------------------------------------------------------------- what is there */

/* So many frames the files have room for. */
static int count_room(const struct ndma_recording *recording, uint64_t *room)
{
	const struct record_head *head = recording->index.head;
	struct stat data, entries;
	uint64_t in_data, in_index;

	if (fstat(recording->data, &data) || fstat(recording->entries, &entries))
		return ndma_record_trouble(&recording->place, RECORD_DATA, errno, "looking at");
	in_data = (uint64_t)data.st_size < head->data_offset
			  ? 0
			  : ((uint64_t)data.st_size - head->data_offset) / head->frame_bytes;
	in_index = (uint64_t)entries.st_size < head->head_bytes
			   ? 0
			   : ((uint64_t)entries.st_size - head->head_bytes) / head->entry_bytes;
	*room = in_data < in_index ? in_data : in_index;
	return 0;
}

/* Frames up to the last whose entry is whole: behind it are remains of a write or of a crash. */
static int count_frames(const struct ndma_recording *recording, uint64_t *frames)
{
	char *block = malloc(BLOCK_BYTES);
	struct ndma_recording_frame frame;
	uint64_t end = 0, count;
	uint32_t link;
	ssize_t got;
	int rc = count_room(recording, &end);

	if (!block)
		rc = ndma_set_error(ENOMEM, "no memory for entries");
	*frames = 0;
	for (count = 1; !rc && end && !*frames; count = block_entries(recording)) {
		count = count < end ? count : end;
		end -= count;
		got = read_block(recording, end, count, block);
		for (; got > 0 && !*frames; got--) {
			decode(recording,
			       block + (uint64_t)(got - 1) * recording->index.head->entry_bytes,
			       end + (uint64_t)got - 1, &frame, &link);
			if (!(frame.flags & NDMA_RECORDED_DAMAGED))
				*frames = end + (uint64_t)got;
		}
	}
	free(block);
	return rc;
}

/* What has no part in any array: only the list goes through it. */
static bool is_waypoint(const struct ndma_recording_frame *frame)
{
	return !frame->flags && !frame->completion.dropped &&
	       !(frame->completion.flags & (NDMA_FRAME_PARTIAL | NDMA_FRAME_OVERFLOW |
					    NDMA_FRAME_ERROR | NDMA_FRAME_LOSS_UNKNOWN));
}

static int find_holes(const struct ndma_recording *recording, uint64_t frames, struct list *list)
{
	uint64_t from, to;
	int rc = 0;

	if (frames && !follow_list(recording, frames, list, &rc) && !rc)
		rc = scan(recording, frames, list);
	for (from = to = 0; from < list->count; from++)
		if (!is_waypoint(&list->holes[from].frame))
			list->holes[to++] = list->holes[from];
	list->count = to;
	return rc;
}

NDMA_API int ndma_recording_refresh(struct ndma_recording *recording)
{
	const struct record_head *head = recording->index.head;
	struct ndma_recording_info info = {
		.flags = head->flags,
		.data_offset = head->data_offset,
		.frame_bytes = head->frame_bytes,
		.layout = recording->index.layout,
		.source = recording->index.info,
	};
	struct list list = { 0 };
	struct record_state state;
	uint64_t i;
	int rc;

	/* Before the frames are counted, or one more could come between and it not be closed. */
	if (ndma_record_state_read(recording->entries, &recording->index, &state)) {
		info.synced = state.synced;
		info.closed = state.closed == 1;
	}
	memcpy(info.id, head->id, sizeof(info.id));
	rc = count_frames(recording, &info.frames);
	if (!rc)
		rc = find_holes(recording, info.frames, &list);
	if (rc) {
		free(list.holes);
		return rc;
	}
	for (i = 0; i < list.count; i++)
		count_hole(&info, &list.holes[i].frame);
	info.holes = list.count;
	free(recording->holes);
	recording->holes = list.holes;
	recording->info = info;
	return 0;
}

/* ---------------------------------------------------------------- opening */

static int open_one(const struct ndma_recording *recording, const char *suffix)
{
	int fd = ndma_record_open_file(&recording->place, suffix, O_RDONLY | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	return ndma_record_trouble(&recording->place, suffix, -fd, "opening");
}

static int open_files(struct ndma_recording *recording)
{
	const struct record_part *text;
	const struct record_head *head;
	int rc;

	recording->entries = open_one(recording, RECORD_INDEX);
	if (recording->entries < 0)
		return recording->entries;
	rc = ndma_record_head_read(recording->entries, &recording->place, &recording->index);
	if (rc)
		return rc;
	recording->data = open_one(recording, RECORD_DATA);
	if (recording->data < 0)
		return recording->data;
	head = recording->index.head;
	if (!ndma_record_npy_is(recording->data, head->id))
		return ndma_set_error(EILSEQ,
				      "%s" RECORD_INDEX " is the index of another recording than "
				      "the samples in %s" RECORD_DATA,
				      recording->place.stem, recording->place.stem);
	text = &head->parts[RECORD_TEXT];
	recording->text = strndup((const char *)head + text->offset, text->bytes);
	if (!recording->text)
		return ndma_set_error(ENOMEM, "no memory for a recording");
	rc = ndma_record_axes(&recording->index.layout, &recording->axes);
	return rc ? rc : ndma_recording_refresh(recording);
}

int ndma_recording_open_at(const struct record_place *place, struct ndma_recording **out)
{
	struct ndma_recording *recording;
	int rc;

	if (!RECORD_IS_NATIVE)
		return ndma_set_error(EOPNOTSUPP, "recordings are of little-endian machines");
	recording = calloc(1, sizeof(*recording));
	if (!recording)
		return ndma_set_error(ENOMEM, "no memory for a recording");
	recording->data = recording->entries = -1;
	recording->place = *place;
	recording->place.directory = fcntl(place->directory, F_DUPFD_CLOEXEC, 0);
	if (recording->place.directory < 0)
		rc = ndma_record_trouble(place, "", errno, "opening the directory of");
	else
		rc = open_files(recording);
	if (rc)
		ndma_recording_close(recording);
	else
		*out = recording;
	return rc;
}

NDMA_API int ndma_recording_open(const char *path, struct ndma_recording **out)
{
	struct record_place place;
	int rc = ndma_record_place(path, &place);

	if (rc)
		return rc;
	rc = ndma_recording_open_at(&place, out);
	ndma_record_leave(&place);
	return rc;
}

NDMA_API void ndma_recording_close(struct ndma_recording *recording)
{
	if (!recording)
		return;
	if (recording->data >= 0)
		close(recording->data);
	if (recording->entries >= 0)
		close(recording->entries);
	if (recording->place.directory >= 0)
		ndma_record_leave(&recording->place);
	ndma_record_head_free(&recording->index);
	free(recording->holes);
	free(recording->text);
	free(recording);
}

/* ---------------------------------------------------------------- asking */

NDMA_API int ndma_recording_info(const struct ndma_recording *recording,
				 struct ndma_recording_info *info)
{
	*info = recording->info;
	return 0;
}

NDMA_API int ndma_recording_channel(const struct ndma_recording *recording, uint32_t index,
				    struct ndma_source_channel *channel)
{
	if (!ndma_record_head_channel(&recording->index, index, channel))
		return 0;
	return ndma_set_error(EINVAL, "channel %u: the recording has 0 to %u", index,
			      recording->index.channels - 1);
}

NDMA_API const char *ndma_recording_text(const struct ndma_recording *recording)
{
	return recording->text;
}

NDMA_API int ndma_recording_data_fd(const struct ndma_recording *recording)
{
	return recording->data;
}

NDMA_API ssize_t ndma_recording_frames(const struct ndma_recording *recording, uint64_t first,
				       struct ndma_recording_frame *frames, size_t count)
{
	uint64_t there = recording->info.frames, step = block_entries(recording), i;
	char *block = malloc(BLOCK_BYTES);
	size_t done = 0;
	uint32_t link;
	ssize_t got;

	if (!block)
		return ndma_set_error(ENOMEM, "no memory for entries");
	count = first >= there ? 0 : count < there - first ? count : (size_t)(there - first);
	while (done < count) {
		got = read_block(recording, first + done, step < count - done ? step : count - done,
				 block);
		if (got <= 0)
			break;
		for (i = 0; i < (uint64_t)got; i++, done++)
			decode(recording, block + i * recording->index.head->entry_bytes,
			       first + done, &frames[done], &link);
	}
	free(block);
	if (done == count)
		return (ssize_t)done;
	return ndma_record_trouble(&recording->place, RECORD_INDEX, EIO, "reading");
}

NDMA_API uint64_t ndma_recording_holes(const struct ndma_recording *recording,
				       struct ndma_recording_hole *holes, size_t room)
{
	uint64_t count = recording->info.holes;

	if (room && count)
		memcpy(holes, recording->holes, (room < count ? room : count) * sizeof(*holes));
	return count;
}
