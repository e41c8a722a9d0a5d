// SPDX-License-Identifier: MIT
/*
 * Several writes on their way to the disk, past the page cache.
 *
 * Writes end in any order; frames get their entries in the order of their numbers, once every write
 * before theirs has ended. A frame goes back to the card with its entry. So whatever ends this
 * process, the files hold what entries.c promises.
 *
 *	submitted -> written -> has its entry, released
 *	     \__________\_____ a write before it, or its own, failed: released, and not recorded
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "record.h"

#define DEPTH_DEFAULT 16
/* Small frames share a write up to there: each costs a system call. */
#define WRITE_BYTES (256u << 10)
/* The .npy grows by so much at a time: a write behind its end waits for the disk in many file
 * systems, and to grow waits for all that are on their way. */
#define GROW_BYTES (256ull << 20)

/**
 * struct write - one of them
 * @frames, @count: which
 * @pieces: their bytes
 * @offset: in the .npy
 * @bytes: of all
 * @result: bytes written, or -errno, once it is @done
 */
struct write {
	struct ndma_frame frames[RECORD_BATCH];
	struct iovec pieces[RECORD_BATCH];
	unsigned int count;
	uint64_t offset;
	uint64_t bytes;
	int result;
	bool done;
};

/**
 * struct record_flight - what is on its way
 * @ring: by which it goes
 * @depth: writes at most
 * @first, @count: of those that are, oldest first
 * @frames: in all of them
 * @writes: @depth of them
 */
struct record_flight {
	struct record_ring *ring;
	unsigned int depth;
	unsigned int first;
	unsigned int count;
	uint32_t frames;
	struct write writes[];
};

static struct write *oldest(struct record_flight *flight)
{
	return &flight->writes[flight->first];
}

/* ---------------------------------------------------------------- opening */

void ndma_record_flight_open(struct ndma_record *record, uint32_t depth)
{
	struct record_flight *flight;
	int rc;

	depth = depth ? depth : DEPTH_DEFAULT;
	flight = calloc(1, sizeof(*flight) + depth * sizeof(*flight->writes));
	rc = flight ? ndma_record_ring_open(depth, &flight->ring) : -ENOMEM;
	if (rc) {
		free(flight);
		snprintf(record->method, sizeof(record->method),
			 "pwrite with O_DIRECT, one at a time: io_uring: %s",
			 rc == -EOPNOTSUPP ? "libndma was built without liburing" : strerror(-rc));
		return;
	}
	flight->depth = depth;
	record->allocated = ndma_record_end(record);
	snprintf(record->method, sizeof(record->method),
		 "io_uring with O_DIRECT, up to %u writes in flight", depth);
	record->flight = flight;
}

/* ---------------------------------------------------------------- growing */

static int grow_to(const struct ndma_record *record, uint64_t end)
{
	uint64_t begin = record->allocated;
	int rc;

	do
		rc = fallocate(record->data, 0, (off_t)begin, (off_t)(end - begin));
	while (rc && errno == EINTR);
	/* Where nothing is reserved, its size alone is what writes need. */
	if (rc && (errno == EOPNOTSUPP || errno == ENOSYS))
		rc = ftruncate(record->data, (off_t)end);
	return rc ? -errno : 0;
}

/* As far ahead as the disk, or a limit, has room; -errno without words if not up to @end. */
static int grow(struct ndma_record *record, uint64_t end)
{
	uint64_t ahead = GROW_BYTES;
	int rc = 0;

	while (end > record->allocated) {
		rc = grow_to(record, end + ahead);
		if (!rc)
			record->allocated = end + ahead;
		else if (!ahead)
			break;
		ahead = ahead > WRITE_BYTES ? ahead / 4 : 0;
	}
	return rc;
}

/* ---------------------------------------------------------------- ending writes */

/* Takes one end of a write from the ring. -EAGAIN: there is none, without @wait. */
static int reap(struct record_flight *flight, bool wait)
{
	struct write *write;
	int result, rc;
	void *tag;

	rc = ndma_record_ring_reap(flight->ring, wait, &tag, &result);
	if (rc)
		return rc;
	write = tag;
	write->result = result;
	write->done = true;
	return 0;
}

/* What the ring did not write, the usual way writes, or says why not. -errno without words. */
static int complete(struct ndma_record *record, struct write *write)
{
	struct iovec rest[RECORD_BATCH], *pieces = rest;
	int count = (int)write->count;
	uint64_t written;

	if (write->result >= 0 && (uint64_t)write->result == write->bytes)
		return 0;
	if (write->result < 0 && !ndma_record_go_plain(record, -write->result) &&
	    write->result != -EAGAIN && write->result != -EINTR)
		return write->result;
	memcpy(rest, write->pieces, write->count * sizeof(*rest));
	written = write->result > 0 ? (uint64_t)write->result : 0;
	ndma_record_advance(&pieces, &count, written);
	return ndma_record_write_pieces(record, pieces, count, write->offset + written, &written);
}

static void forget(struct ndma_record *record, struct write *write)
{
	struct record_flight *flight = record->flight;

	ndma_record_release(record, write->frames, write->count);
	flight->frames -= write->count;
	flight->first = (flight->first + 1) % flight->depth;
	flight->count--;
}

/* What comes behind a write that failed has no place: as if those frames had not come. */
static int abandon(struct ndma_record *record)
{
	while (record->flight->count) {
		while (!oldest(record->flight)->done && !reap(record->flight, true))
			;
		forget(record, oldest(record->flight));
	}
	return ndma_record_cut(record);
}

static int end_oldest(struct ndma_record *record)
{
	struct write *write = oldest(record->flight);
	int rc = complete(record, write);

	if (rc)
		rc = ndma_record_trouble(&record->place, RECORD_DATA, -rc, "writing");
	else
		rc = ndma_record_write_entries(record, write->frames, write->pieces, write->count);
	if (!rc)
		forget(record, write);
	return rc;
}

int ndma_record_flight_settle(struct ndma_record *record, unsigned int writes)
{
	struct record_flight *flight = record->flight;
	int rc = 0;

	while (!rc && flight->count) {
		if (oldest(flight)->done) {
			rc = end_oldest(record);
			continue;
		}
		rc = reap(flight, flight->count > writes);
		if (rc == -EAGAIN)
			return 0;
		if (rc)
			rc = ndma_set_error(-rc, "waiting for a write: %s", strerror(-rc));
	}
	if (rc)
		abandon(record);
	return rc;
}

/* ---------------------------------------------------------------- submitting */

unsigned int ndma_record_flight_gather(const struct ndma_record *record,
				       const struct ndma_frame *frames, size_t count)
{
	uint64_t bytes = record->index.head->frame_bytes;
	unsigned int batch = 0;

	while (batch < count && batch < RECORD_BATCH &&
	       (!batch || (batch + 1) * bytes <= WRITE_BYTES) &&
	       ndma_record_is_whole(record, &frames[batch]))
		batch++;
	return batch;
}

int ndma_record_flight_begin(struct ndma_record *record, const struct ndma_frame *frames,
			     unsigned int count)
{
	struct record_flight *flight = record->flight;
	uint64_t bytes = record->index.head->frame_bytes;
	struct write *write;
	unsigned int i;
	int rc = ndma_record_flight_settle(record, flight->depth - 1);

	if (rc)
		return rc;
	write = &flight->writes[(flight->first + flight->count) % flight->depth];
	write->count = count;
	write->bytes = count * bytes;
	write->offset = ndma_record_end(record) + flight->frames * bytes;
	write->done = false;
	for (i = 0; i < count; i++) {
		write->frames[i] = frames[i];
		write->pieces[i].iov_base = frames[i].data;
		write->pieces[i].iov_len = bytes;
	}
	rc = ndma_record_reserve(record, flight->frames + count);
	if (rc)
		return rc;
	rc = grow(record, write->offset + write->bytes);
	if (rc)
		return ndma_record_trouble(&record->place, RECORD_DATA, -rc, "writing");
	rc = ndma_record_ring_write(flight->ring, record->direct, write->pieces, count,
				    write->offset, write);
	if (rc) {
		/* What was not taken is still in the ring: nothing must send it there later. */
		record->plain = true;
		snprintf(record->method, sizeof(record->method),
			 "pwrite through the page cache: io_uring: %s", strerror(-rc));
		return ndma_record_trouble(&record->place, RECORD_DATA, -rc, "writing");
	}
	flight->count++;
	flight->frames += count;
	return 0;
}

int ndma_record_flight_wait(struct ndma_record *record, uint32_t left)
{
	struct record_flight *flight = record->flight;
	int rc = ndma_record_flight_settle(record, flight->depth);

	while (!rc && flight->frames > left)
		rc = ndma_record_flight_settle(record, flight->count - 1);
	return rc ? rc : (int)flight->frames;
}

void ndma_record_flight_close(struct ndma_record *record)
{
	if (!record->flight)
		return;
	ndma_record_ring_close(record->flight->ring);
	free(record->flight);
	record->flight = NULL;
}
