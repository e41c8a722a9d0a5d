// SPDX-License-Identifier: MIT
/*
 * Writing frames. For every batch of them: their samples, then their entries, then the count in the
 * .npy's header, each by one write. So whatever ends this process, the header names no frame
 * without an entry, and no entry is of a frame that is not there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "record.h"

/* The index has room on the disk before samples are written, in such steps: a disk that fills must
 * not leave frames without entries. */
#define RESERVE_BYTES (64u << 10)

static uint64_t frame_bytes(const struct ndma_record *record)
{
	return record->index.head->frame_bytes;
}

static bool checks(const struct ndma_record *record)
{
	return record->index.head->flags & NDMA_RECORD_CHECKSUM;
}

/* ---------------------------------------------------------------- writing */

/* True: the index has room on the disk up to @end, or its file system makes no promises. */
static bool reserve_up_to(struct ndma_record *record, uint64_t end)
{
	if (fallocate(record->entries, FALLOC_FL_KEEP_SIZE, (off_t)record->reserved,
		      (off_t)(end - record->reserved)) &&
	    errno != EOPNOTSUPP && errno != EINTR)
		return false;
	record->reserved = end;
	return true;
}

/* A step ahead; of a disk, or a limit, that has no room for one as much as is needed. */
int ndma_record_reserve(struct ndma_record *record, uint64_t frames)
{
	const struct record_head *head = record->index.head;
	uint64_t end = head->head_bytes + (record->frames + frames) * head->entry_bytes;

	if (record->entries < 0 || end <= record->reserved ||
	    reserve_up_to(record, end + RESERVE_BYTES) || reserve_up_to(record, end))
		return 0;
	return ndma_record_trouble(&record->place, RECORD_INDEX, errno, "making room in");
}

uint64_t ndma_record_end(const struct ndma_record *record)
{
	return record->index.head->data_offset + record->frames * frame_bytes(record);
}

void ndma_record_advance(struct iovec **pieces, int *count, uint64_t done)
{
	for (; *count && done >= (*pieces)->iov_len; (*pieces)++, (*count)--)
		done -= (*pieces)->iov_len;
	if (*count) {
		(*pieces)->iov_base = (char *)(*pieces)->iov_base + done;
		(*pieces)->iov_len -= done;
	}
}

bool ndma_record_go_plain(struct ndma_record *record, int error)
{
	/* Memory of a device, or a disk with larger blocks. */
	if (record->direct < 0 || (error != EFAULT && error != EINVAL && error != EOPNOTSUPP))
		return false;
	record->plain = true;
	snprintf(record->method, sizeof(record->method),
		 "pwrite through the page cache: O_DIRECT of these frames to this disk: %s",
		 strerror(error));
	return true;
}

int ndma_record_write_pieces(struct ndma_record *record, struct iovec *pieces, int count,
			     uint64_t offset, uint64_t *written)
{
	bool direct;
	ssize_t done;

	*written = 0;
	while (count) {
		direct = record->direct >= 0 && !record->plain;
		done = record->entries < 0 ? writev(record->data, pieces, count)
					   : pwritev(direct ? record->direct : record->data, pieces,
						     count, (off_t)(offset + *written));
		if (done < 0 && (errno == EINTR || (direct && ndma_record_go_plain(record, errno))))
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		*written += (uint64_t)done;
		ndma_record_advance(&pieces, &count, (uint64_t)done);
	}
	return 0;
}

bool ndma_record_is_whole(const struct ndma_record *record, const struct ndma_frame *frame)
{
	return frame->completion.bytes_used >= frame_bytes(record);
}

/* A short frame, as it is written: its samples where those of a whole one are, zeros elsewhere. */
static const void *fill_up(struct ndma_record *record, const struct ndma_frame *frame)
{
	const struct ndma_layout *whole = &ndma_stream_setup(record->stream)->layout;
	struct ndma_layout valid;
	uint64_t piece, i;

	/* In whole pages, which O_DIRECT wants. */
	if (!record->scratch)
		record->scratch = aligned_alloc(RECORD_NPY_BYTES,
						(frame_bytes(record) + RECORD_NPY_BYTES - 1) &
							~(uint64_t)(RECORD_NPY_BYTES - 1));
	if (!record->scratch)
		return NULL;
	memset(record->scratch, 0, frame_bytes(record));
	ndma_frame_layout(record->stream, frame, &valid);
	if (record->axes.interleaved) {
		memcpy(record->scratch, frame->data, valid.shape[1] * (uint64_t)whole->strides[1]);
		return record->scratch;
	}
	piece = valid.shape[1] * (uint64_t)whole->strides[1];
	for (i = 0; i < whole->shape[0]; i++)
		memcpy(record->scratch + i * (uint64_t)whole->strides[0],
		       (const char *)frame->data + i * (uint64_t)whole->strides[0], piece);
	return record->scratch;
}

/* The list of holes has this frame, or one must be able to go back to it. */
static bool is_noted(const struct record_entry *entry, uint64_t back)
{
	return entry->completion.dropped || back == RECORD_BACK ||
	       entry->completion.flags & (NDMA_FRAME_PARTIAL | NDMA_FRAME_OVERFLOW |
					  NDMA_FRAME_ERROR | NDMA_FRAME_LOSS_UNKNOWN);
}

static void fill_entry(struct ndma_record *record, const struct ndma_frame *frame,
		       const void *samples, uint64_t number, struct record_entry *entry)
{
	int64_t realtime_ns = ndma_frame_realtime_ns(record->stream, frame);
	int64_t offset_ns = realtime_ns - (int64_t)frame->completion.timestamp_ns;
	uint64_t back = number - record->noted;
	bool first = !record->running || offset_ns != record->offset_ns ||
		     frame->completion.sequence < record->sequence;

	*entry = (struct record_entry){
		.completion = frame->completion,
		.tail.realtime_ns = realtime_ns,
	};
	entry->completion.index = checks(record) ? ndma_crc32c(0, samples, frame_bytes(record)) : 0;
	entry->completion.dropped = first ? frame->dropped
					  : frame->completion.sequence - record->sequence;
	if (first || is_noted(entry, back)) {
		entry->tail.link = (first ? RECORD_RUN : 0) | RECORD_NOTED;
		record->noted = number;
	}
	entry->tail.link |= (uint32_t)back;
	entry->tail.crc = ndma_record_entry_crc(record->index.head->id, number, entry,
						offsetof(struct record_entry, tail.crc));
	record->running = true;
	record->offset_ns = offset_ns;
	record->sequence = frame->completion.sequence + 1;
}

int ndma_record_write_entries(struct ndma_record *record, const struct ndma_frame *frames,
			      const struct iovec *pieces, unsigned int count)
{
	const struct record_head *head = record->index.head;
	struct record_entry entries[RECORD_BATCH];
	const uint64_t noted = record->noted, sequence = record->sequence;
	unsigned int i;
	int rc;

	if (record->entries < 0) {
		record->frames += count;
		return 0;
	}
	for (i = 0; i < count; i++)
		fill_entry(record, &frames[i], pieces[i].iov_base, record->frames + i, &entries[i]);
	rc = ndma_record_pwrite(record->entries, entries, count * sizeof(*entries),
				head->head_bytes + record->frames * sizeof(*entries));
	if (rc) {
		/* As if these frames had not come: the next one tells of them. */
		record->noted = noted;
		record->sequence = sequence;
		return ndma_record_trouble(&record->place, RECORD_INDEX, -rc, "writing");
	}
	record->frames += count;
	rc = ndma_record_npy_count(record->data, record->frames);
	return rc ? ndma_record_trouble(&record->place, RECORD_DATA, -rc, "writing") : 0;
}

void ndma_record_release(struct ndma_record *record, const struct ndma_frame *frames, size_t count)
{
	while (count--)
		ndma_stream_release(record->stream, frames++);
}

int ndma_record_cut(struct ndma_record *record)
{
	uint64_t end = ndma_record_end(record);

	record->allocated = end;
	return ftruncate(record->data, (off_t)end) ? -errno : 0;
}

/* Frames whose bytes are at @pieces, @count of them. */
static int write_batch(struct ndma_record *record, const struct ndma_frame *frames,
		       const struct iovec *pieces, unsigned int count)
{
	struct iovec rest[RECORD_BATCH];
	uint64_t written;
	int rc, failed;

	rc = ndma_record_reserve(record, count);
	if (rc)
		return rc;
	memcpy(rest, pieces, count * sizeof(*pieces));
	failed = ndma_record_write_pieces(record, rest, (int)count, ndma_record_end(record),
					  &written);
	rc = ndma_record_write_entries(record, frames, pieces,
				       (unsigned int)(written / frame_bytes(record)));
	if (!failed || rc)
		return rc;
	if (record->entries < 0)
		return ndma_set_error(-failed, "writing samples: %s", strerror(-failed));
	/* The piece of a frame that did not fit would take the room of .json. */
	rc = ndma_record_cut(record);
	failed = rc ? rc : failed;
	return ndma_record_trouble(&record->place, RECORD_DATA, -failed, "writing");
}

int ndma_record_write_through(struct ndma_record *record, const struct ndma_frame *frames,
			      size_t count)
{
	struct iovec pieces[RECORD_BATCH];
	unsigned int batch;
	int rc = 0;

	while (!rc && count) {
		batch = 0;
		while (batch < count && batch < RECORD_BATCH &&
		       ndma_record_is_whole(record, &frames[batch])) {
			pieces[batch].iov_base = frames[batch].data;
			pieces[batch++].iov_len = frame_bytes(record);
		}
		if (!batch) {
			pieces[0].iov_base = (void *)fill_up(record, frames);
			if (!pieces[0].iov_base)
				return ndma_set_error(ENOMEM, "no memory for a short frame");
			pieces[batch++].iov_len = frame_bytes(record);
		}
		rc = write_batch(record, frames, pieces, batch);
		frames += batch;
		count -= batch;
	}
	return rc;
}
