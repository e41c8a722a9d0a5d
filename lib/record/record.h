/* SPDX-License-Identifier: MIT */
/*
 * A recording's files, as ndma-recording(5) has them: between open.c, record.c, entries.c, flight.c and
 * uring.c, which write them, recording.c, which reads them, repair.c, and what all need: place.c (names),
 * head.c (the index's header, the head of the .npy), text.c (.json, .sigmf-meta), crc32c.c.
 *
 * Numbers are little-endian, and the structures those of the machine: elsewhere the two openers
 * refuse.
 */
#ifndef NDMA_LIB_RECORD_H
#define NDMA_LIB_RECORD_H

#include <endian.h>
#include <limits.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "../internal.h"

#define RECORD_IS_NATIVE (__BYTE_ORDER == __LITTLE_ENDIAN)

/* ---------------------------------------------------------------- crc32c.c */

/* Of @bytes more, behind what gave @crc; 0 at first. */
uint32_t ndma_crc32c(uint32_t crc, const void *data, size_t bytes);

/* ---------------------------------------------------------------- the index */

#define RECORD_MAGIC	"\x89NDMA\r\n\x1a"	/* any conversion of text breaks it */
#define RECORD_VERSION	1
#define RECORD_HEAD_MAX	(16u << 20)

enum record_section { RECORD_LAYOUT, RECORD_INFO, RECORD_CHANNELS, RECORD_TEXT, RECORD_SECTIONS };

/**
 * struct record_part - one section of the header
 * @offset: from the index's first byte
 * @bytes: of the whole section
 */
struct record_part {
	uint32_t offset;
	uint32_t bytes;
};

/**
 * struct record_state - the only part of the header that changes, by one write
 * @synced: frames that were on the disk, with their entries, when this was written
 * @closed: 1: nobody records any more, and every entry is among them
 * @crc: CRC32C of the recording's id and of what comes before this
 */
struct record_state {
	uint64_t synced;
	uint32_t closed;
	uint32_t crc;
};

/**
 * struct record_head - the index's first bytes
 * @magic: RECORD_MAGIC
 * @version: RECORD_VERSION
 * @head_bytes: of the whole header: where entries begin
 * @entry_bytes: from entry to entry
 * @completion_bytes: of a completion at the start of an entry
 * @id: of the recording, random
 * @flags: NDMA_RECORD_CHECKSUM or 0
 * @channel_bytes: of one struct ndma_source_channel
 * @data_offset: where frames begin in the .npy
 * @frame_bytes: of a frame there
 * @parts: struct ndma_layout of a frame, struct ndma_source_info, one struct ndma_source_channel
 *   for each channel, and the description, JSON without a NUL
 * @reserved: 0
 * @crc: CRC32C of the header without state and without this
 * @state: see there; within one sector of any disk
 */
struct record_head {
	char magic[8];
	uint32_t version;
	uint32_t head_bytes;
	uint32_t entry_bytes;
	uint32_t completion_bytes;
	uint8_t id[16];
	uint32_t flags;
	uint32_t channel_bytes;
	uint64_t data_offset;
	uint64_t frame_bytes;
	struct record_part parts[RECORD_SECTIONS];
	uint32_t reserved[35];
	uint32_t crc;
	struct record_state state;
};

_Static_assert(sizeof(struct record_head) == 256, "the format says so");

/* Of an entry's link: the rest is how many entries back the noted one before it is, 0: none. */
#define RECORD_RUN	(1u << 31)	/* the first of a run: a start of a stream */
#define RECORD_NOTED	(1u << 30)	/* on the list of holes */
#define RECORD_BACK	(RECORD_NOTED - 1)

/**
 * struct record_tail - what follows an entry's completion, which may grow
 * @realtime_ns: calendar time that belongs to completion.timestamp_ns
 * @link: RECORD_…
 * @crc: CRC32C of the recording's id, the frame's number (8 bytes) and the entry up to here
 */
struct record_tail {
	int64_t realtime_ns;
	uint32_t link;
	uint32_t crc;
};

/**
 * struct record_entry - what is known of one frame
 * @completion: as the source gave it, but: index is the CRC32C of the frame's bytes in the .npy
 *   (with NDMA_RECORD_CHECKSUM; else 0), and dropped what is missing since the frame before it here
 * @tail: see there
 */
struct record_entry {
	struct ndma_completion completion;
	struct record_tail tail;
};

_Static_assert(sizeof(struct record_entry) == 80, "at most 80 bytes a frame");

/* The crc of entry @number; @bytes of it. */
uint32_t ndma_record_entry_crc(const uint8_t id[16], uint64_t number, const void *entry, size_t bytes);

/* ---------------------------------------------------------------- place.c: names */

#define RECORD_DATA	".npy"
#define RECORD_INDEX	".ndma"
#define RECORD_JSON	".json"
#define RECORD_SIGMF	".sigmf-meta"

/**
 * struct record_place - where a recording's files are
 * @directory: open, so that they are found whatever the working directory becomes
 * @stem: their name, up to the suffix
 */
struct record_place {
	int directory;
	char stem[NAME_MAX + 1];
};

/* What is left of @path without a suffix of a recording; -errno with words. */
int ndma_record_place(const char *path, struct record_place *place);
void ndma_record_leave(struct record_place *place);
/* An open file there, or -errno without words. */
int ndma_record_open_file(const struct record_place *place, const char *suffix, int flags);
/* Words for @error, a positive errno, that @doing met with the file of that suffix; -@error. */
int ndma_record_trouble(const struct record_place *place, const char *suffix, int error, const char *doing);
/* All of it at @offset, or -errno. */
int ndma_record_pwrite(int fd, const void *data, size_t bytes, uint64_t offset);
/* As much as there is, up to @bytes, or -errno. */
ssize_t ndma_record_pread(int fd, void *data, size_t bytes, uint64_t offset);

/* ---------------------------------------------------------------- head.c */

#define RECORD_NPY_BYTES 4096

/**
 * struct record_axes - a frame's array in the .npy
 * @dtype: NumPy's name, "<i2"
 * @shape: @ndim extents, outermost first
 * @interleaved: the first is the sample, not the channel
 */
struct record_axes {
	char dtype[16];
	uint32_t ndim;
	uint64_t shape[3];
	bool interleaved;
};

/* -EOPNOTSUPP with words: frames of this layout are no array of a .npy. */
int ndma_record_axes(const struct ndma_layout *layout, struct record_axes *axes);
/* The first RECORD_NPY_BYTES of the .npy. */
void ndma_record_npy(const struct record_axes *axes, const uint8_t id[16], uint64_t frames,
		     char head[RECORD_NPY_BYTES]);
/* Counts @frames in the .npy's header, in place. */
int ndma_record_npy_count(int fd, uint64_t frames);
/* Whether the .npy that @fd is belongs to the recording of that id. */
bool ndma_record_npy_is(int fd, const uint8_t id[16]);

/**
 * struct record_index - an index's header, in memory
 * @head: the whole of it, head->head_bytes
 * @layout, @info: sections of it, whatever their length in the file was
 * @channels: how many
 */
struct record_index {
	struct record_head *head;
	struct ndma_layout layout;
	struct ndma_source_info info;
	uint32_t channels;
};

/* A header from its sections. -ENOMEM, -EINVAL with words. */
int ndma_record_head_make(const struct ndma_layout *layout, const struct ndma_source_info *info,
			  const struct ndma_source_channel *channels, const char *text, uint32_t flags,
			  struct record_index *index);
/* A header from a file, every number of it checked. -EILSEQ with words: it is none, or damaged. */
int ndma_record_head_read(int fd, const struct record_place *place, struct record_index *index);
void ndma_record_head_free(struct record_index *index);
/* 0, or -ENOENT: no channel of that number. */
int ndma_record_head_channel(const struct record_index *index, uint32_t number,
			     struct ndma_source_channel *channel);
/* Writes the state; -errno without words. */
int ndma_record_state_write(int fd, const struct record_index *index, uint64_t synced, bool closed);
/* False: it was being written, or is damaged. */
bool ndma_record_state_read(int fd, const struct record_index *index, struct record_state *state);

/* ---------------------------------------------------------------- text.c */

/* What describes frames, as a JSON object; freed by the caller. NULL: no memory. */
char *ndma_record_describe(const struct ndma_source *source, const struct ndma_stream *stream,
			   const struct record_axes *axes);

/**
 * struct record_summary - what .json and .sigmf-meta are made from
 * @place, @index, @axes: of the recording
 * @text: what describes its frames
 * @info: what it has
 * @holes: info->holes of them
 * @trailing: bytes of the .npy behind its frames
 */
struct record_summary {
	const struct record_place *place;
	const struct record_index *index;
	const struct record_axes *axes;
	const char *text;
	const struct ndma_recording_info *info;
	const struct ndma_recording_hole *holes;
	uint64_t trailing;
};

/* Writes .json, and .sigmf-meta where SigMF has such samples; each appears whole. -errno with words. */
int ndma_record_write_texts(const struct record_summary *summary);

/* ---------------------------------------------------------------- open.c, record.c, entries.c */

/**
 * struct ndma_record - a recording that grows
 * @process: ndma_process_id() of the opener
 * @stream: where frames come from
 * @place: of the files; without a meaning where there is no index
 * @index, @axes: what its files say of it
 * @data: the .npy, or what gets the samples alone
 * @direct: the .npy with O_DIRECT, or -1
 * @plain: it cannot write these frames, and is not used any more
 * @flight: writes on their way; NULL: each is waited for
 * @allocated: with those: the .npy ends there, frames end before
 * @method: how samples are written
 * @entries: the index, locked; -1: there is none
 * @finished: no frame comes any more
 * @frames: how many there are
 * @noted: number of the last frame on the list of holes, while there is one
 * @reserved: the index has room on the disk up to there
 * @offset_ns: from the stream's clock to the calendar, of the run
 * @sequence: what the next frame has if none is missing
 * @running: false: the next frame begins a run
 * @scratch: a short frame, with its zeros; made for the first
 */
struct ndma_record {
	uint32_t process;
	struct ndma_stream *stream;
	struct record_place place;
	struct record_index index;
	struct record_axes axes;
	int data;
	int direct;
	bool plain;
	struct record_flight *flight;
	uint64_t allocated;
	char method[160];
	int entries;
	bool finished;
	_Atomic uint64_t frames;
	uint64_t noted;
	uint64_t reserved;
	int64_t offset_ns;
	uint64_t sequence;
	bool running;
	char *scratch;
};

/* Frames of one write. */
#define RECORD_BATCH 64

/* Where the next frame goes in the .npy. */
uint64_t ndma_record_end(const struct ndma_record *record);
/* Whether its samples fill the frame. */
bool ndma_record_is_whole(const struct ndma_record *record, const struct ndma_frame *frame);
/* Has room in the index for the next @frames, ahead of their samples. -errno with words. */
int ndma_record_reserve(struct ndma_record *record, uint64_t frames);
/* Takes @done bytes off the front. */
void ndma_record_advance(struct iovec **pieces, int *count, uint64_t done);
/* Writes them; *@written: bytes of them, also where it fails. -errno without words. */
int ndma_record_write_pieces(struct ndma_record *record, struct iovec *pieces, int count,
			     uint64_t offset, uint64_t *written);
/* True: @error says that O_DIRECT cannot take such frames, and the page cache does from now on. */
bool ndma_record_go_plain(struct ndma_record *record, int error);
/* Behind the samples of @count frames that are written. -errno with words. */
int ndma_record_write_entries(struct ndma_record *record, const struct ndma_frame *frames,
			      const struct iovec *pieces, unsigned int count);
/* Ends the .npy behind its last frame. -errno without words. */
int ndma_record_cut(struct ndma_record *record);

/* Writes frames and waits; as ndma_record_write(). -errno with words. */
int ndma_record_write_through(struct ndma_record *record, const struct ndma_frame *frames,
			      size_t count);
void ndma_record_release(struct ndma_record *record, const struct ndma_frame *frames, size_t count);

/* ---------------------------------------------------------------- flight.c */

/* Up to @depth writes at a time, or what keeps them from it in record->method; of what is direct. */
void ndma_record_flight_open(struct ndma_record *record, uint32_t depth);
/* How many of @count frames one write takes; 0: the first is a short one, which needs a copy. */
unsigned int ndma_record_flight_gather(const struct ndma_record *record,
				       const struct ndma_frame *frames, size_t count);
/* Begins to write what was gathered; 0: the frames are released later. -errno with words. */
int ndma_record_flight_begin(struct ndma_record *record, const struct ndma_frame *frames,
			     unsigned int count);
/* Ends writes until at most @writes are on their way, and what has ended by itself. -errno with words:
 * one failed, and nothing is on its way. */
int ndma_record_flight_settle(struct ndma_record *record, unsigned int writes);
/* Until at most @left frames are on their way: how many are. */
int ndma_record_flight_wait(struct ndma_record *record, uint32_t left);
/* Frees it; nothing is on its way. */
void ndma_record_flight_close(struct ndma_record *record);

/* ---------------------------------------------------------------- uring.c */

struct record_ring;

/* -errno without words; -EOPNOTSUPP: built without liburing. */
int ndma_record_ring_open(unsigned int depth, struct record_ring **out);
void ndma_record_ring_close(struct record_ring *ring);
/* Begins to write; the pieces stay until it has ended. -errno without words. */
int ndma_record_ring_write(struct record_ring *ring, int fd, const struct iovec *pieces,
			   unsigned int count, uint64_t offset, void *tag);
/* One that has ended: its tag, and bytes or -errno. -EAGAIN: none has, and there is no @wait. */
int ndma_record_ring_reap(struct record_ring *ring, bool wait, void **tag, int *result);

/* ---------------------------------------------------------------- recording.c, repair.c */

/**
 * struct ndma_recording - one that is read
 * @place, @index, @axes: of its files
 * @data: the .npy
 * @entries: the index
 * @info: what was found by the last look; holes, of @holes, among it
 * @holes: the list
 * @text: what describes its frames
 */
struct ndma_recording {
	struct record_place place;
	struct record_index index;
	struct record_axes axes;
	int data;
	int entries;
	struct ndma_recording_info info;
	struct ndma_recording_hole *holes;
	char *text;
};

/* As ndma_recording_open(). */
int ndma_recording_open_at(const struct record_place *place, struct ndma_recording **out);
/* Makes the texts of what is there. -errno with words. */
int ndma_recording_write_texts(const struct ndma_recording *recording);

#endif /* NDMA_LIB_RECORD_H */
