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
#include "../setup.h"

int ndma_memfd_setup_plan(const char *source, struct ndma_stream_setup *setup)
{
	const struct ndma_setup_limits limits = {
		.formats = ndma_memfd_nr_formats,
		.channels = ndma_memfd_nr_channels,
		.frames_min = NDMA_SIM_FRAMES_MIN,
		.frames_max = NDMA_SIM_FRAMES_MAX,
		.frame_bytes_max = NDMA_SIM_FRAME_BYTES_MAX,
		.samples_step = NDMA_SIM_SAMPLES_STEP,
	};
	const struct ndma_setup_memory memory = {
		.page_bytes = ndma_memfd_page_up(1),
		.guard_bytes = 2u << 20,
	};
	const struct ndma_format_desc *format =
		ndma_setup_format(ndma_memfd_formats, ndma_memfd_nr_formats, setup->format);
	struct ndma_setup_verdict verdict;
	int rc;

	rc = ndma_setup_check_stream(&limits, setup, &verdict);
	if (!rc)
		rc = ndma_setup_check_frame(&limits, format, setup, &verdict);
	if (!rc)
		rc = ndma_setup_measure(&limits, &memory, format, setup, &verdict);
	if (rc)
		return ndma_setup_error(rc, source, format, setup, &verdict);
	return ndma_memfd_node_check(setup->node);
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
	if (!rc) {
		stream->completions->entries = setup->entries;
		stream->completions->entry_bytes = setup->entry_bytes;
	}
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
	ndma_memfd_cond_init(&stream->work);
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

	rc = ndma_memfd_setup_plan(base->name, setup);
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
