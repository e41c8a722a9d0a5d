// SPDX-License-Identifier: MIT
/*
 * libFuzzer on what a stranger's recording may hold: it is refused, or all that it then says of
 * itself can be used. What has a CRC gets the right one, or nothing would come past it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/record/record.h"

#define ENTRIES 64
#define FRAME_BYTES 400

static char directory[] = "/dev/shm/ndma-parse-XXXXXX";
static struct record_place place = { .stem = "run" };
static struct record_index index_;

static void clean(void)
{
	unlinkat(place.directory, "run.npy", 0);
	unlinkat(place.directory, "run.ndma", 0);
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct ndma_source_channel channels[2];
	const uint64_t shape[] = { 2, 100 };
	struct ndma_source_info info = { 0 };
	struct record_axes axes;
	struct ndma_layout layout;
	char npy[RECORD_NPY_BYTES];
	int fd;

	(void)argc;
	(void)argv;
	if (!mkdtemp(directory) || ndma_layout_init(&layout, "<h", 2, 2, shape) ||
	    ndma_record_head_make(&layout, &info, channels, "{}", NDMA_RECORD_CHECKSUM, &index_) ||
	    ndma_record_axes(&layout, &axes))
		abort();
	place.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ndma_record_npy(&axes, index_.head->id, ENTRIES, npy);
	fd = ndma_record_open_file(&place, RECORD_DATA, O_RDWR | O_CREAT);
	if (fd < 0 || ndma_record_pwrite(fd, npy, sizeof(npy), 0) ||
	    ftruncate(fd, RECORD_NPY_BYTES + ENTRIES * FRAME_BYTES))
		abort();
	close(fd);
	return atexit(clean);
}

static void use(struct ndma_recording *recording)
{
	struct ndma_recording_frame frames[ENTRIES];
	struct ndma_recording_hole holes[ENTRIES];
	struct ndma_source_channel channel;
	struct ndma_recording_info info;
	uint64_t count, i;

	ndma_recording_info(recording, &info);
	if (ndma_layout_check(&info.layout, info.frame_bytes))
		abort();
	for (i = 0; i < info.layout.shape[0]; i++)
		if (ndma_recording_channel(recording, (uint32_t)i, &channel))
			abort();
	ndma_recording_frames(recording, 0, frames, ENTRIES);
	count = ndma_recording_holes(recording, holes, ENTRIES);
	if (count > info.frames)
		abort();
	for (i = 0; i < count && i < ENTRIES; i++)
		if (holes[i].number >= info.frames || (i && holes[i].number <= holes[i - 1].number))
			abort();
	if (strlen(ndma_recording_text(recording)) > index_.head->head_bytes)
		abort();
}

/* The CRCs that a header and entries of such sizes would have. */
static void sign(char *bytes, size_t size)
{
	struct record_head *head = (struct record_head *)bytes;
	size_t at, number, checked = head->completion_bytes + sizeof(struct record_tail) - 4;
	uint32_t crc;

	if (head->head_bytes < sizeof(*head) || head->head_bytes > size || !head->entry_bytes ||
	    checked + 4 > head->entry_bytes || checked < 64)
		return;
	crc = ndma_crc32c(0, head, offsetof(struct record_head, crc));
	head->crc = ndma_crc32c(crc, head + 1, head->head_bytes - sizeof(*head));
	for (number = 0, at = head->head_bytes; at + head->entry_bytes <= size;
	     at += head->entry_bytes, number++) {
		crc = ndma_record_entry_crc(head->id, number, bytes + at, checked);
		memcpy(bytes + at + checked, &crc, sizeof(crc));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ndma_recording *recording;
	static char bytes[1 << 16];
	size_t room = index_.head->head_bytes + ENTRIES * sizeof(struct record_entry), i;
	int fd, rc;

	if (size < 2)
		return 0;
	/* As it should be; the input is laid over it from a place of its choice on. */
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, index_.head, index_.head->head_bytes);
	i = (size_t)(data[0] | data[1] << 8) % room;
	for (data += 2, size -= 2; size && i < sizeof(bytes); data++, size--)
		bytes[i++] ^= (char)*data;
	sign(bytes, room);
	fd = ndma_record_open_file(&place, RECORD_INDEX, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0 || ndma_record_pwrite(fd, bytes, room, 0))
		abort();
	close(fd);
	rc = ndma_recording_open_at(&place, &recording);
	if (!rc) {
		use(recording);
		ndma_recording_close(recording);
	}
	return 0;
}
