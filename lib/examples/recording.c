// SPDX-License-Identifier: MIT
/*
 * The .npy: a header of one page, then frame after frame in the order [channel, sample], so that
 * np.load(mmap_mode="r") maps it and O_DIRECT can write it. A short frame is filled up with zeros:
 * "valid" in the sidecar says how much of it is real. The header counts no frames until the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recording.h"

#define HEADER_BYTES 4096

static int trouble(const struct recording *recording, const char *what)
{
	fprintf(stderr, "ndma-acquire: %s %s: %s\n", what, recording->path, strerror(errno));
	return -1;
}

static int write_all(struct recording *recording, int fd, const void *data, size_t bytes)
{
	const char *from = data;
	ssize_t done;

	while (bytes) {
		done = write(fd, from, bytes);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return trouble(recording, "writing");
		from += done;
		bytes -= (size_t)done;
	}
	return 0;
}

/* "<h" is "<i2" to NumPy. */
static int name_dtype(struct recording *recording, const char *format)
{
	const struct ndma_layout *layout = &recording->setup->layout;
	const char *code = format + strspn(format, "@=<>");
	char order = layout->itemsize == 1 ? '|' : *format == '>' ? '>' : '<';
	char kind;

	if (strlen(code) == 1 && strchr("bhilq", *code))
		kind = 'i';
	else if (strlen(code) == 1 && strchr("BHILQ", *code))
		kind = 'u';
	else if (strlen(code) == 1 && strchr("efd", *code))
		kind = 'f';
	else {
		fprintf(stderr, "ndma-acquire: a .npy cannot hold samples of format \"%s\"\n",
			format);
		return -1;
	}
	snprintf(recording->dtype, sizeof(recording->dtype), "%c%c%u", order, kind,
		 layout->itemsize);
	return 0;
}

static int write_header(struct recording *recording)
{
	const struct ndma_layout *layout = &recording->setup->layout;
	char header[HEADER_BYTES];
	int length;

	memset(header, ' ', sizeof(header));
	memcpy(header, "\x93NUMPY\x01\x00", 8);
	header[8] = (char)((HEADER_BYTES - 10) & 0xff);
	header[9] = (char)((HEADER_BYTES - 10) >> 8);
	length =
		snprintf(header + 10, sizeof(header) - 10,
			 "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %llu, %llu%s), }",
			 recording->dtype, (unsigned long long)recording->count,
			 (unsigned long long)layout->shape[0], (unsigned long long)layout->shape[1],
			 layout->ndim == 3 ? ", 2" : "");
	header[10 + length] = ' ';
	header[HEADER_BYTES - 1] = '\n';
	if (lseek(recording->fd, 0, SEEK_SET) < 0)
		return trouble(recording, "writing");
	return write_all(recording, recording->fd, header, sizeof(header));
}

/* O_DIRECT writes whole blocks from whole pages: only frames that lie as they are written do. */
static int open_direct(struct recording *recording)
{
	if (recording->frame_bytes % HEADER_BYTES || !recording->as_it_lies) {
		fprintf(stderr,
			"ndma-acquire: --direct needs planar frames of a multiple of %d bytes, "
			"these have %llu\n",
			HEADER_BYTES, (unsigned long long)recording->frame_bytes);
		return -1;
	}
	recording->direct_fd = open(recording->path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (recording->direct_fd < 0)
		return trouble(recording, "opening with O_DIRECT");
	if (lseek(recording->direct_fd, HEADER_BYTES, SEEK_SET) < 0)
		return trouble(recording, "writing");
	return 0;
}

static int open_files(struct recording *recording, bool direct)
{
	recording->fd = open(recording->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (recording->fd < 0)
		return trouble(recording, "opening");
	if (write_header(recording))
		return -1;
	return direct ? open_direct(recording) : 0;
}

static void discard(struct recording *recording)
{
	if (recording->fd >= 0)
		close(recording->fd);
	if (recording->direct_fd >= 0)
		close(recording->direct_fd);
	free(recording->row);
	free(recording->notes);
	free(recording);
}

int recording_open(const char *path, struct ndma_stream *stream, bool direct,
		   struct recording **out)
{
	const struct ndma_stream_setup *setup = ndma_stream_setup(stream);
	const struct ndma_layout *layout = &setup->layout;
	struct recording *recording = calloc(1, sizeof(*recording));

	if (!recording) {
		perror("ndma-acquire");
		return -1;
	}
	recording->path = path;
	recording->stream = stream;
	recording->setup = setup;
	recording->fd = -1;
	recording->direct_fd = -1;
	recording->frame_bytes = ndma_layout_size(layout) * layout->itemsize;
	recording->as_it_lies = ndma_layout_is_c_contiguous(layout);
	recording->row = malloc(layout->shape[1] * recording_sample_bytes(recording));
	if (recording->row && !name_dtype(recording, layout->format) &&
	    !open_files(recording, direct)) {
		*out = recording;
		return 0;
	}
	if (!recording->row)
		perror("ndma-acquire");
	discard(recording);
	return -1;
}

uint64_t recording_sample_bytes(const struct recording *recording)
{
	const struct ndma_layout *layout = &recording->setup->layout;

	return layout->itemsize * (layout->ndim == 3 ? layout->shape[2] : 1);
}

/* Channel by channel, gathered where samples are interleaved, zeros behind the valid ones. */
static int write_rows(struct recording *recording, const char *data,
		      const struct ndma_layout *layout)
{
	uint64_t bytes = recording_sample_bytes(recording), channel, i;
	uint64_t row = recording->setup->layout.shape[1] * bytes;

	for (channel = 0; channel < layout->shape[0]; channel++) {
		const char *from = data + layout->offset + channel * layout->strides[0];

		memset(recording->row, 0, row);
		for (i = 0; i < layout->shape[1]; i++)
			memcpy(recording->row + i * bytes, from + i * layout->strides[1], bytes);
		if (write_all(recording, recording->fd, recording->row, row))
			return -1;
	}
	return 0;
}

static int note(struct recording *recording, const struct ndma_frame *frame, uint64_t valid)
{
	struct note *notes = recording->notes;

	if (recording->count == recording->room) {
		recording->room = recording->room ? 2 * recording->room : 256;
		notes = realloc(notes, recording->room * sizeof(*notes));
		if (!notes) {
			perror("ndma-acquire");
			return -1;
		}
		recording->notes = notes;
	}
	notes[recording->count++] = (struct note){
		.completion = frame->completion,
		.time_ns = ndma_frame_realtime_ns(recording->stream, frame),
		.dropped = frame->dropped,
		.valid = valid,
	};
	return 0;
}

int recording_add(struct recording *recording, const struct ndma_frame *frame)
{
	struct ndma_layout layout;
	bool whole;
	int rc;

	ndma_frame_layout(recording->stream, frame, &layout);
	whole = layout.shape[1] == recording->setup->layout.shape[1];
	if (recording->direct_fd >= 0 && whole) {
		rc = write_all(recording, recording->direct_fd, frame->data,
			       recording->frame_bytes);
	} else {
		off_t at = HEADER_BYTES + (off_t)(recording->count * recording->frame_bytes);

		rc = lseek(recording->fd, at, SEEK_SET) < 0 ? trouble(recording, "writing") : 0;
		if (!rc && recording->as_it_lies && whole)
			rc = write_all(recording, recording->fd, frame->data,
				       recording->frame_bytes);
		else if (!rc)
			rc = write_rows(recording, frame->data, &layout);
		if (!rc && recording->direct_fd >= 0)
			rc = lseek(recording->direct_fd, (off_t)recording->frame_bytes, SEEK_CUR) <
					     0
				     ? trouble(recording, "writing")
				     : 0;
	}
	return rc ? rc : note(recording, frame, layout.shape[1]);
}

int recording_close(struct recording *recording, const struct ndma_source *source,
		    const struct loss *loss)
{
	int rc = write_header(recording);

	if (!rc && fsync(recording->fd))
		rc = trouble(recording, "writing");
	if (!rc)
		rc = recording_write_sidecar(recording, source, loss);
	discard(recording);
	return rc;
}
