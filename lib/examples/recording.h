/* SPDX-License-Identifier: MIT */
/* Between recording.c, which writes the .npy, and sidecar.c, which writes the .json. */
#ifndef RECORDING_H
#define RECORDING_H

#include "acquire.h"

/* What is known of one frame beside its samples. */
struct note {
	struct ndma_completion completion;
	int64_t time_ns;
	uint64_t dropped;
	uint64_t valid;
};

/**
 * struct recording - a .npy that grows
 * @path: of the .npy
 * @stream, @setup: where frames come from
 * @fd: of the .npy
 * @direct_fd: of the same with O_DIRECT, or -1
 * @dtype: as NumPy writes it
 * @frame_bytes: bytes of a frame in the file
 * @as_it_lies: frames are in memory as they are in the file
 * @row: one channel of a frame
 * @count: frames so far
 * @room: notes that there is room for
 * @notes: one for each frame
 */
struct recording {
	const char *path;
	struct ndma_stream *stream;
	const struct ndma_stream_setup *setup;
	int fd;
	int direct_fd;
	char dtype[16];
	uint64_t frame_bytes;
	bool as_it_lies;
	char *row;
	uint64_t count;
	uint64_t room;
	struct note *notes;
};

/* Bytes of one sample of one channel: one number, or two of I/Q. */
uint64_t recording_sample_bytes(const struct recording *recording);
/* Writes the .json. 0, or -1 after printing what went wrong. */
int recording_write_sidecar(const struct recording *recording, const struct ndma_source *source,
			    const struct loss *loss);

#endif /* RECORDING_H */
