// SPDX-License-Identifier: MIT
/* Streams of the kernel module: an open file of the source, one mapping of frames, two of rings. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel.h"

static int set_control(int fd, uint32_t id, int64_t *value)
{
	struct ndma_control control = { .size = sizeof(control), .id = id, .value = *value };
	int rc = ndma_ioctl_call(fd, NDMA_CONTROL_SET, &control);

	*value = control.value;
	return rc;
}

static int set_up(const struct ndma_source *source, int fd, struct ndma_stream_setup *setup)
{
	int rc;

	/* The values that the source's file has now; and its buttons reach the stream. */
	setup->flags = NDMA_SETUP_CONTROLS;
	setup->controls_fd = source->fd;
	rc = ndma_ioctl_call(fd, NDMA_STREAM_SETUP, setup);
	/* The user is told what the stream is, not by whose file it was made. */
	setup->flags = 0;
	setup->controls_fd = 0;
	switch (rc) {
	case 0:
		return 0;
	case -EBUSY:
		return ndma_set_error(EBUSY, "%s is in use: it has no stream left", source->name);
	case -EOPNOTSUPP:
		if (setup->guard)
			return ndma_set_error(EOPNOTSUPP, "no guard on a stream of %s",
					      source->name);
		return ndma_set_error(EOPNOTSUPP,
				      "%s cannot reach that much memory: ask for fewer or "
				      "smaller frames than %u of %llu samples",
				      source->name, setup->frames,
				      (unsigned long long)setup->samples);
	default:
		return ndma_kernel_error(rc, "setting up %u frames of %llu samples on %s",
					 setup->frames, (unsigned long long)setup->samples,
					 source->name);
	}
}

static void unmap(struct ndma_stream *stream)
{
	if (stream->data)
		munmap(stream->data, stream->setup.data_bytes);
	/* A child of fork did not inherit the rings, and may have mapped something else there. */
	if (stream->process != ndma_process_id())
		return;
	if (stream->completions)
		munmap(stream->completions, stream->setup.completions_bytes);
	if (stream->releases)
		munmap(stream->releases, stream->setup.releases_bytes);
}

static void *map(int fd, uint64_t bytes, int prot, uint64_t offset)
{
	void *address = mmap(NULL, bytes, prot, MAP_SHARED, fd, (off_t)offset);

	return address == MAP_FAILED ? NULL : address;
}

static int map_all(struct ndma_stream *stream, bool writable)
{
	const struct ndma_stream_setup *setup = &stream->setup;
	int rw = PROT_READ | PROT_WRITE;

	stream->data =
		map(stream->fd, setup->data_bytes, writable ? rw : PROT_READ, NDMA_MMAP_FRAMES);
	if (!stream->data)
		goto failed;
	stream->completions =
		map(stream->fd, setup->completions_bytes, PROT_READ, NDMA_MMAP_COMPLETIONS);
	if (!stream->completions)
		goto failed;
	stream->releases = map(stream->fd, setup->releases_bytes, rw, NDMA_MMAP_RELEASES);
	if (!stream->releases)
		goto failed;
	return 0;
failed:
	return ndma_kernel_error(-errno, "mapping %llu bytes of frames and their rings",
				 (unsigned long long)setup->data_bytes);
}

int ndma_kernel_stream_create(const struct ndma_source *source, struct ndma_stream_setup *setup,
			      bool writable, struct ndma_stream **out)
{
	struct ndma_stream *stream;
	int fd, rc;

	fd = ndma_kernel_source_fd(source->name);
	if (fd < 0)
		return fd;
	rc = set_up(source, fd, setup);
	if (rc)
		goto close_fd;
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		rc = ndma_set_error(ENOMEM, "no memory for a stream object");
		goto close_fd;
	}
	ndma_stream_init(stream, source->backend, fd, setup);
	rc = map_all(stream, writable);
	if (rc)
		goto free_stream;
	*out = stream;
	return 0;

free_stream:
	unmap(stream);
	free(stream);
close_fd:
	close(fd);
	return rc;
}

int ndma_kernel_stream_start(struct ndma_stream *stream, uint64_t count)
{
	struct ndma_stream_start argument = { .size = sizeof(argument), .count = count };
	int rc = ndma_ioctl_call(stream->fd, NDMA_STREAM_START, &argument);

	if (rc == -EBUSY)
		return ndma_set_error(EBUSY, "the stream of %s runs already", stream->name);
	return rc ? ndma_kernel_error(rc, "starting a stream of %s", stream->name) : 0;
}

int ndma_kernel_stream_stop(struct ndma_stream *stream)
{
	struct ndma_stream_stop argument = { .size = sizeof(argument) };
	int rc = ndma_ioctl_call(stream->fd, NDMA_STREAM_STOP, &argument);

	return rc ? ndma_kernel_error(rc, "stopping a stream of %s", stream->name) : 0;
}

int ndma_kernel_stream_wait(struct ndma_stream *stream, struct ndma_stream_wait *wait)
{
	return ndma_ioctl_call(stream->fd, NDMA_STREAM_WAIT, wait);
}

int ndma_kernel_stream_kick(struct ndma_stream *stream)
{
	struct ndma_stream_kick argument = { .size = sizeof(argument) };
	int rc = ndma_ioctl_call(stream->fd, NDMA_STREAM_KICK, &argument);

	return rc ? ndma_kernel_error(rc, "giving frames back to %s", stream->name) : 0;
}

int ndma_kernel_stream_stats(const struct ndma_stream *stream, struct ndma_stream_stats *stats)
{
	int rc = ndma_ioctl_call(stream->fd, NDMA_STREAM_STATS, stats);

	return rc ? ndma_kernel_error(rc, "asking for the counts of a stream of %s", stream->name)
		  : 0;
}

int ndma_kernel_stream_export(struct ndma_stream *stream, uint32_t index, bool writable)
{
	struct ndma_stream_export argument = {
		.size = sizeof(argument),
		.index = index,
		.fd_flags = O_CLOEXEC | (writable ? O_RDWR : 0),
	};
	int rc = ndma_ioctl_call(stream->fd, NDMA_STREAM_EXPORT, &argument);

	return rc ? ndma_kernel_error(rc, "exporting frame %u of %s", index, stream->name)
		  : argument.fd;
}

int ndma_kernel_stream_info(const struct ndma_stream *stream, struct ndma_source_info *info)
{
	int rc = ndma_ioctl_call(stream->fd, NDMA_SOURCE_INFO, info);

	return rc ? ndma_kernel_error(rc, "asking what %s is", stream->name) : 0;
}

int ndma_kernel_stream_channel(const struct ndma_stream *stream, uint32_t index,
			       struct ndma_source_channel *channel)
{
	int rc = ndma_ioctl_call(stream->fd, NDMA_SOURCE_CHANNEL, channel);

	return rc ? ndma_kernel_error(rc, "asking for channel %u of %s", index, stream->name) : 0;
}

int ndma_kernel_stream_control_get(const struct ndma_stream *stream, uint32_t id, int64_t *value)
{
	struct ndma_control control = { .size = sizeof(control), .id = id };
	int rc = ndma_ioctl_call(stream->fd, NDMA_CONTROL_GET, &control);

	if (rc)
		return ndma_kernel_error(rc, "reading control 0x%x of a stream of %s", id,
					 stream->name);
	*value = control.value;
	return 0;
}

int ndma_kernel_stream_control_set(struct ndma_stream *stream, uint32_t id, int64_t *value)
{
	int rc = set_control(stream->fd, id, value);

	return rc ? ndma_kernel_error(rc, "setting control 0x%x of a stream of %s", id,
				      stream->name)
		  : 0;
}

void ndma_kernel_stream_close(struct ndma_stream *stream)
{
	close(stream->fd);
}

void ndma_kernel_stream_free(struct ndma_stream *stream)
{
	unmap(stream);
	free(stream);
}
