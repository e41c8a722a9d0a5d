// SPDX-License-Identifier: MIT
/* Buffers: what is alike on every backend. Leases and transfers are in lease.c and transfer.c. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "ndma_own.h"

int ndma_buffer_check_access(const struct ndma_buffer *buffer, uint32_t access)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	if (rc)
		return rc;
	if (access != NDMA_READ && access != NDMA_WRITE)
		return ndma_set_error(EINVAL, "access %u: expected NDMA_READ or NDMA_WRITE",
				      access);
	if (!ndma_own_may_lease(buffer->readonly, access))
		return ndma_set_error(EPERM, "this handle of the buffer is read-only: ask for "
					     "NDMA_READ");
	return 0;
}

NDMA_API int ndma_buffer_create(const struct ndma_layout *layout,
				const struct ndma_buffer_options *options, struct ndma_buffer **out)
{
	static const struct ndma_buffer_options defaults = { .node = NDMA_NODE_ANY };
	const struct ndma_backend *backend;
	uint64_t bytes;
	int rc;

	if (!options)
		options = &defaults;
	if (options->flags & ~NDMA_BUFFER_CONTIGUOUS)
		return ndma_set_error(EINVAL,
				      "buffer flags 0x%x: expected NDMA_BUFFER_CONTIGUOUS or 0",
				      options->flags);
	rc = ndma_layout_span(layout, &bytes);
	if (rc)
		return rc;
	if (options->source) {
		rc = ndma_process_check(options->source->process, "source");
		if (rc)
			return rc;
		backend = options->source->backend;
	} else {
		backend = ndma_backend_choose();
	}
	if (!backend)
		return -EINVAL;
	rc = backend->buffer_create(backend, layout, bytes, options, out);
	if (!rc)
		(*out)->owned = true;
	return rc;
}

/*
 * An import changes nothing, so a layout that is given with it must be the one that the buffer
 * has.
 */
static int check_imported_layout(struct ndma_buffer *buffer, const struct ndma_layout *layout)
{
	struct ndma_layout has;
	int rc;

	rc = buffer->backend->buffer_get_layout(buffer, &has);
	if (rc)
		return rc;
	if (!memcmp(&has, layout, sizeof(has)))
		return 0;
	return ndma_set_error(EINVAL,
			      "this buffer of ndma has a layout, \"%s\" with %u dimensions, "
			      "and not the one given: import it without, then set another",
			      has.format, has.ndim);
}

NDMA_API int ndma_buffer_import(int fd, const struct ndma_layout *layout, struct ndma_buffer **out)
{
	struct ndma_buffer *buffer;
	int rc;

	if (fcntl(fd, F_GETFD) < 0)
		return ndma_set_error(EBADF, "file descriptor %d is not open", fd);
	rc = ndma_backend_import(fd, layout, &buffer);
	if (rc == -ENOTTY)
		return ndma_set_error(EBADF,
				      "file descriptor %d is neither a dma-buf nor a memfd of "
				      "ndma",
				      fd);
	if (rc)
		return rc;
	if (layout) {
		rc = check_imported_layout(buffer, layout);
		if (rc) {
			ndma_buffer_close(buffer);
			return rc;
		}
	}
	*out = buffer;
	return 0;
}

/* Ends the transfer and the leases of this object. */
static void let_go(struct ndma_buffer *buffer)
{
	uint32_t transfer = atomic_load(&buffer->transfer);
	uint32_t kind;

	if (transfer) {
		buffer->backend->transfer_end(buffer, transfer);
		ndma_ongoing_remove_transfer(buffer, transfer);
	}
	for (kind = 0; kind < 2; kind++)
		if (buffer->counts[kind])
			buffer->backend->lease_release(buffer, buffer->leases[kind]);
}

static void end_mapping(struct ndma_buffer *buffer, uint32_t access)
{
	struct ndma_mapping *map = &buffer->maps[access == NDMA_WRITE];

	if (!map->address)
		return;
	if (buffer->backend->buffer_forget && buffer->process == ndma_process_id())
		buffer->backend->buffer_forget(buffer, access);
	munmap(map->address, map->bytes);
	map->address = NULL;
}

NDMA_API void ndma_buffer_close(struct ndma_buffer *buffer)
{
	if (!buffer)
		return;
	/*
	 * A child of fork has mappings and a descriptor alone; leases and transfers are the
	 * parent's.
	 */
	if (buffer->process == ndma_process_id())
		let_go(buffer);
	end_mapping(buffer, NDMA_READ);
	end_mapping(buffer, NDMA_WRITE);
	pthread_mutex_destroy(&buffer->lock);
	buffer->backend->buffer_free(buffer);
}

NDMA_API int ndma_buffer_fd(const struct ndma_buffer *buffer)
{
	return buffer->fd;
}

NDMA_API uint64_t ndma_buffer_bytes(const struct ndma_buffer *buffer)
{
	return buffer->bytes;
}

NDMA_API const char *ndma_buffer_backend(const struct ndma_buffer *buffer)
{
	return buffer->backend->name;
}

NDMA_API int ndma_buffer_layout(const struct ndma_buffer *buffer, struct ndma_layout *layout)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	return rc ? rc : buffer->backend->buffer_get_layout(buffer, layout);
}

NDMA_API int ndma_buffer_set_layout(struct ndma_buffer *buffer, const struct ndma_layout *layout)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	if (rc)
		return rc;
	if (!ndma_own_may_set_layout(false, buffer->readonly))
		return ndma_set_error(EPERM, "a read-only handle cannot change the layout");
	rc = ndma_layout_check(layout, buffer->bytes);
	if (rc)
		return rc;
	rc = buffer->backend->buffer_set_layout(buffer, layout);
	return rc == -EBUSY ? ndma_holder_error(buffer, "the layout cannot change") : rc;
}

NDMA_API int ndma_buffer_info(const struct ndma_buffer *buffer, struct ndma_buffer_info *info)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	if (rc)
		return rc;
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->fd = buffer->fd;
	return buffer->backend->buffer_info(buffer, info);
}

NDMA_API int ndma_buffer_map(struct ndma_buffer *buffer, uint32_t access, void **address)
{
	struct ndma_mapping *map;
	int rc;

	rc = ndma_buffer_check_access(buffer, access);
	if (rc)
		return rc;
	map = &buffer->maps[access == NDMA_WRITE];
	pthread_mutex_lock(&buffer->lock);
	if (!map->address)
		rc = buffer->backend->buffer_map(buffer, access, map);
	if (!rc)
		*address = map->address;
	pthread_mutex_unlock(&buffer->lock);
	return rc;
}

NDMA_API int ndma_buffer_unmap(struct ndma_buffer *buffer, uint32_t access)
{
	int rc;

	rc = ndma_buffer_check_access(buffer, access);
	if (rc)
		return rc;
	pthread_mutex_lock(&buffer->lock);
	if (buffer->maps[access == NDMA_WRITE].address)
		end_mapping(buffer, access);
	else
		rc = ndma_set_error(EINVAL, "the buffer is not mapped to %s",
				    access == NDMA_WRITE ? "write" : "read");
	pthread_mutex_unlock(&buffer->lock);
	return rc;
}

NDMA_API int ndma_buffer_readonly_fd(const struct ndma_buffer *buffer)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	return rc ? rc : buffer->backend->buffer_readonly_fd(buffer);
}

static int sync_access(struct ndma_buffer *buffer, uint32_t access, bool end)
{
	int rc = ndma_buffer_check_access(buffer, access);

	return rc ? rc : buffer->backend->buffer_sync(buffer, access, end);
}

NDMA_API int ndma_buffer_sync_begin(struct ndma_buffer *buffer, uint32_t access)
{
	return sync_access(buffer, access, false);
}

NDMA_API int ndma_buffer_sync_end(struct ndma_buffer *buffer, uint32_t access)
{
	return sync_access(buffer, access, true);
}
