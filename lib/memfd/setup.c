// SPDX-License-Identifier: MIT
/* Setting up a stream: what was asked for, its memory, its rings. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream.h"

#define GUARD_STRIDE (2u << 20)

static int check_frames(const struct ndma_stream_setup *setup)
{
	if (setup->frames < NDMA_SIM_FRAMES_MIN || setup->frames > NDMA_SIM_FRAMES_MAX)
		return ndma_set_error(EINVAL, "%u frames: expected %u to %u", setup->frames,
				      NDMA_SIM_FRAMES_MIN, NDMA_SIM_FRAMES_MAX);
	if (setup->policy > NDMA_POLICY_LATEST)
		return ndma_set_error(EINVAL, "policy %u: expected NDMA_POLICY_DROP or _LATEST",
				      setup->policy);
	if (setup->guard != NDMA_GUARD_NONE && setup->guard != NDMA_GUARD_SIGBUS)
		return ndma_set_error(EINVAL,
				      "guard %u on a stream: expected NDMA_GUARD_NONE or "
				      "_SIGBUS",
				      setup->guard);
	return ndma_memfd_node_check(setup->node);
}

static int check(const struct ndma_stream_setup *setup)
{
	const struct memfd_format *format;

	if (setup->flags || setup->reserved)
		return ndma_set_error(EINVAL, "stream flags 0x%x: expected 0", setup->flags);
	if (setup->direction < NDMA_FROM_DEVICE || setup->direction > NDMA_BOTH)
		return ndma_set_error(EINVAL, "direction %u: expected NDMA_FROM_DEVICE",
				      setup->direction);
	if (setup->direction != NDMA_FROM_DEVICE)
		return ndma_set_error(EOPNOTSUPP, "streams to a device are not there yet");
	if (setup->format >= ndma_memfd_nr_formats)
		return ndma_set_error(EINVAL, "format %u: the source has 0 to %u", setup->format,
				      ndma_memfd_nr_formats - 1);
	format = &ndma_memfd_formats[setup->format];
	if (setup->order & (setup->order - 1) || !(setup->order & format->orders))
		return ndma_set_error(EINVAL, "order 0x%x: expected one of 0x%x", setup->order,
				      format->orders);
	if (setup->channels > ndma_memfd_nr_channels)
		return ndma_set_error(EINVAL, "%u channels: the source has %u", setup->channels,
				      ndma_memfd_nr_channels);
	return check_frames(setup);
}

/* [channel, sample], and a trailing 2 for I/Q; strides tell planar from interleaved. */
static void lay_out(struct ndma_stream_setup *setup, const struct memfd_format *format)
{
	bool iq = format->flags & NDMA_FORMAT_IQ;
	uint64_t unit = (uint64_t)format->itemsize * (iq ? 2 : 1);
	struct ndma_layout *layout = &setup->layout;
	bool planar = setup->order == NDMA_ORDER_PLANAR;

	memset(layout, 0, sizeof(*layout));
	layout->itemsize = format->itemsize;
	layout->ndim = iq ? 3 : 2;
	layout->shape[0] = setup->channels;
	layout->shape[1] = setup->samples;
	layout->strides[0] = (int64_t)(planar ? setup->samples * unit : unit);
	layout->strides[1] = (int64_t)(planar ? unit : setup->channels * unit);
	if (iq) {
		layout->shape[2] = 2;
		layout->strides[2] = format->itemsize;
	}
	strcpy(layout->format, format->format);
}

static uint32_t power_of_two_from(uint32_t number)
{
	uint32_t power = 1;

	while (power < number)
		power <<= 1;
	return power;
}

int ndma_memfd_setup_plan(struct ndma_stream_setup *setup)
{
	const struct memfd_format *format;
	uint64_t sample_bytes;
	int rc;

	rc = check(setup);
	if (rc)
		return rc;
	format = &ndma_memfd_formats[setup->format];
	if (!setup->channels)
		setup->channels = ndma_memfd_nr_channels;
	sample_bytes = (uint64_t)format->itemsize * setup->channels;
	if (format->flags & NDMA_FORMAT_IQ)
		sample_bytes *= 2;
	if (!setup->samples || setup->samples > NDMA_SIM_FRAME_BYTES_MAX / sample_bytes)
		return ndma_set_error(EINVAL,
				      "%" PRIu64 " samples: expected 1 to %" PRIu64
				      " (frames of at most %u bytes)",
				      (uint64_t)setup->samples,
				      NDMA_SIM_FRAME_BYTES_MAX / sample_bytes,
				      NDMA_SIM_FRAME_BYTES_MAX);
	setup->frame_bytes = setup->samples * sample_bytes;
	setup->frame_stride = ndma_memfd_page_up(setup->frame_bytes);
	if (setup->guard == NDMA_GUARD_SIGBUS)
		setup->frame_stride = (setup->frame_stride + GUARD_STRIDE - 1) &
				      ~((uint64_t)GUARD_STRIDE - 1);
	setup->data_bytes = setup->frame_stride * setup->frames;
	setup->entries = power_of_two_from(setup->frames);
	setup->completions_bytes = (uint32_t)ndma_memfd_page_up(
		sizeof(struct ndma_completions) + setup->entries * sizeof(struct ndma_completion));
	setup->releases_bytes = (uint32_t)ndma_memfd_page_up(sizeof(struct ndma_releases) +
							     setup->entries * sizeof(uint32_t));
	lay_out(setup, format);
	return 0;
}

static int map(int fd, uint64_t bytes, int prot, void **out)
{
	void *at = mmap(NULL, bytes, prot, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return ndma_set_error(errno, "mapping %" PRIu64 " bytes of a ring: %s", bytes,
				      strerror(errno));
	madvise(at, bytes, MADV_DONTFORK);
	*out = at;
	return 0;
}

/*
 * The user's mapping of the completions comes from a file that was opened for reading, so that
 * mprotect cannot make it writable either.
 */
static int map_rings(struct memfd_stream *stream)
{
	const struct ndma_stream_setup *setup = &stream->base.setup;
	int writer, reader, rc;

	rc = map(-1, setup->releases_bytes, PROT_READ | PROT_WRITE,
		 (void **)&stream->base.releases);
	if (rc)
		return rc;
	writer = ndma_memfd_file_create("ndma-ring", setup->completions_bytes);
	if (writer < 0)
		return writer;
	reader = ndma_memfd_file_reopen(writer, O_RDONLY);
	rc = reader < 0 ? reader
			: map(writer, setup->completions_bytes, PROT_READ | PROT_WRITE,
			      (void **)&stream->completions);
	if (!rc)
		rc = map(reader, setup->completions_bytes, PROT_READ,
			 (void **)&stream->base.completions);
	if (!rc)
		stream->completions->entries = setup->entries;
	if (reader >= 0)
		close(reader);
	close(writer);
	return rc;
}

static int map_frames(struct memfd_stream *stream)
{
	const struct ndma_stream_setup *setup = &stream->base.setup;
	struct ndma_mapping user, device;
	uint32_t i;
	int rc;

	stream->data_fd = ndma_memfd_file_create("ndma-frames", setup->data_bytes);
	if (stream->data_fd < 0)
		return stream->data_fd;
	rc = ndma_mmap_aligned(stream->data_fd, setup->data_bytes, NDMA_WRITE, &device);
	if (rc)
		return rc;
	stream->device = device.address;
	madvise(device.address, device.bytes, MADV_DONTFORK);
	rc = ndma_mmap_aligned(stream->data_fd, setup->data_bytes,
			       stream->writable ? NDMA_WRITE : NDMA_READ, &user);
	if (rc)
		return rc;
	stream->base.data = user.address;
	for (i = 0; !rc && i < setup->frames; i++)
		rc = ndma_memfd_ring_hide(stream, i);
	return rc;
}

static int make_pipe(struct memfd_stream *stream)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return ndma_set_error(errno, "a pipe for a stream: %s", strerror(errno));
	stream->base.fd = fds[0];
	stream->wake_fd = fds[1];
	stream->wanted = 1;
	return 0;
}

static struct memfd_stream *allocate(struct memfd_source *source,
				     const struct ndma_stream_setup *setup, bool writable)
{
	/* The arrays of frames and entries lie behind the object, in one allocation. */
	size_t notes = setup->entries * 2 * sizeof(uint32_t) + setup->frames;
	struct memfd_stream *stream = calloc(1, sizeof(*stream) + notes);
	uint32_t i;

	if (!stream)
		return NULL;
	stream->order = (uint32_t *)(stream + 1);
	stream->free = stream->order + setup->entries;
	stream->states = (uint8_t *)(stream->free + setup->entries);
	for (i = 0; i < setup->frames; i++)
		stream->free[i] = i;
	stream->counts[MEMFD_FRAME_FREE] = setup->frames;
	ndma_stream_init(&stream->base, source->base.backend, -1, setup);
	stream->format = &ndma_memfd_formats[setup->format];
	stream->data_fd = -1;
	stream->wake_fd = -1;
	stream->writable = writable;
	pthread_mutex_init(&stream->run, NULL);
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->work, NULL);
	pthread_mutex_lock(&source->lock);
	memcpy(stream->values, source->values, sizeof(stream->values));
	pthread_mutex_unlock(&source->lock);
	ndma_memfd_stream_configure(stream);
	return stream;
}

int ndma_memfd_stream_create(const struct ndma_source *base, struct ndma_stream_setup *setup,
			     bool writable, struct ndma_stream **out)
{
	struct memfd_source *source = ndma_memfd_source(base);
	struct memfd_stream *stream;
	int rc;

	rc = ndma_memfd_setup_plan(setup);
	if (rc)
		return rc;
	stream = allocate(source, setup, writable);
	if (!stream)
		return ndma_set_error(ENOMEM, "no memory for a stream object");
	rc = map_rings(stream);
	if (!rc)
		rc = map_frames(stream);
	if (!rc)
		rc = make_pipe(stream);
	if (!rc)
		rc = ndma_memfd_card_add(source->card, stream);
	if (rc) {
		if (stream->base.fd >= 0)
			close(stream->base.fd);
		pthread_cond_destroy(&stream->base.left);
		pthread_mutex_destroy(&stream->base.lock);
		ndma_memfd_stream_free(&stream->base);
		return rc;
	}
	stream->card = source->card;
	*out = &stream->base;
	return 0;
}

static void unmap(void *address, uint64_t bytes)
{
	if (address)
		munmap(address, bytes);
}

void ndma_memfd_stream_free(struct ndma_stream *base)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	const struct ndma_stream_setup *setup = &base->setup;

	unmap(base->data, setup->data_bytes);
	/* A child of fork did not inherit these, and may have mapped something else there. */
	if (base->process == ndma_process_id()) {
		unmap(stream->device, setup->data_bytes);
		unmap(base->completions, setup->completions_bytes);
		unmap(stream->completions, setup->completions_bytes);
		unmap(base->releases, setup->releases_bytes);
		pthread_cond_destroy(&stream->work);
		pthread_mutex_destroy(&stream->lock);
		pthread_mutex_destroy(&stream->run);
	}
	if (stream->data_fd >= 0)
		close(stream->data_fd);
	if (stream->wake_fd >= 0)
		close(stream->wake_fd);
	if (stream->card)
		ndma_memfd_card_put(stream->card);
	free(stream);
}
