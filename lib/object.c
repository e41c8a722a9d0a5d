// SPDX-License-Identifier: MIT
/* What every backend's objects have in common: how they start, and who uses a stream. */
#include <string.h>

#include "stream.h"

void ndma_buffer_init(struct ndma_buffer *buffer, const struct ndma_backend *backend, int fd,
		      uint64_t bytes, uint64_t capacity)
{
	buffer->backend = backend;
	buffer->process = ndma_process_id();
	buffer->fd = fd;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	pthread_mutex_init(&buffer->lock, NULL);
}

void ndma_source_init(struct ndma_source *source, const struct ndma_backend *backend, int fd,
		      const char *name)
{
	source->backend = backend;
	source->process = ndma_process_id();
	source->fd = fd;
	strncpy(source->name, name, sizeof(source->name) - 1);
}

void ndma_stream_init(struct ndma_stream *stream, const struct ndma_backend *backend, int fd,
		      const struct ndma_stream_setup *setup)
{
	stream->backend = backend;
	stream->process = ndma_process_id();
	stream->fd = fd;
	stream->setup = *setup;
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->left, NULL);
}

int ndma_stream_closed_error(const struct ndma_stream *stream)
{
	return ndma_set_error(EBADF, "this stream of %s is closed", stream->name);
}

int ndma_stream_enter(struct ndma_stream *stream)
{
	int rc = ndma_process_check(stream->process, "stream");

	if (rc)
		return rc;
	pthread_mutex_lock(&stream->lock);
	if (stream->closed)
		rc = ndma_stream_closed_error(stream);
	else
		stream->users++;
	pthread_mutex_unlock(&stream->lock);
	return rc;
}

void ndma_stream_leave(struct ndma_stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	if (!--stream->users)
		pthread_cond_broadcast(&stream->left);
	pthread_mutex_unlock(&stream->lock);
}
