// SPDX-License-Identifier: MIT
/* Buffers without the module: one sealed memfd each. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memfd.h"

/* @fd and one reference of the share belong to the object; on failure they are given up. */
static int wrap(const struct ndma_backend *self, int fd, struct memfd_share *share, bool readonly,
		struct ndma_buffer **out)
{
	struct memfd_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer) {
		close(fd);
		ndma_memfd_share_put(share);
		return ndma_set_error(ENOMEM, "no memory for a buffer object");
	}
	ndma_buffer_init(&buffer->base, self, fd, share->bytes, share->capacity);
	buffer->base.readonly = readonly;
	buffer->share = share;
	*out = &buffer->base;
	return 0;
}

static int check_options(const struct ndma_buffer_options *options)
{
	if (options->flags & NDMA_BUFFER_CONTIGUOUS)
		return ndma_set_error(EOPNOTSUPP,
				      "memfd cannot promise physically contiguous memory: "
				      "that needs module ndma (%s)",
				      ndma_module_advice("ndma"));
	return ndma_memfd_node_check(options->node);
}

/* A new memfd with @layout, which spans @bytes, in its header. */
static int create_file(const struct ndma_layout *layout, uint64_t bytes,
		       struct memfd_header *header)
{
	int fd, rc;

	if (bytes > INT64_MAX - 2 * MEMFD_HEADER_BYTES)
		return ndma_set_error(ENOMEM, "%" PRIu64 " bytes: no file is as large", bytes);
	memset(header, 0, sizeof(*header));
	header->magic = MEMFD_MAGIC;
	header->bytes = bytes;
	header->capacity = ndma_memfd_page_up(bytes);
	header->layout = *layout;
	fd = ndma_memfd_file_create("ndma", header->capacity + MEMFD_HEADER_BYTES);
	if (fd < 0)
		return fd;
	rc = ndma_memfd_header_write(fd, header);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int ndma_memfd_buffer_create(const struct ndma_backend *self, const struct ndma_layout *layout,
			     uint64_t bytes, const struct ndma_buffer_options *options,
			     struct ndma_buffer **out)
{
	struct memfd_header header;
	struct memfd_share *share;
	int fd, rc;

	rc = check_options(options);
	if (rc)
		return rc;
	fd = create_file(layout, bytes, &header);
	if (fd < 0)
		return fd;
	rc = ndma_memfd_share_open(fd, false, &header, &share);
	if (rc) {
		close(fd);
		return rc;
	}
	return wrap(self, fd, share, false, out);
}

int ndma_memfd_buffer_import(const struct ndma_backend *self, int fd,
			     const struct ndma_layout *layout, struct ndma_buffer **out)
{
	int mode = fcntl(fd, F_GETFL) & O_ACCMODE;
	struct memfd_share *share;
	int copy, rc;

	(void)layout; /* the header has it; buffer.c compares */
	if (fcntl(fd, F_GET_SEALS) < 0)
		return -ENOTTY;
	if (mode == O_WRONLY)
		return ndma_set_error(EACCES, "this memfd was opened for writing alone: a buffer "
					      "must be readable");
	rc = ndma_memfd_share_open(fd, mode == O_RDONLY, NULL, &share);
	if (rc)
		return rc;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		rc = ndma_set_error(errno, "duplicating file descriptor %d: %s", fd,
				    strerror(errno));
		ndma_memfd_share_put(share);
		return rc;
	}
	return wrap(self, copy, share, mode == O_RDONLY, out);
}

void ndma_memfd_buffer_free(struct ndma_buffer *base)
{
	close(base->fd);
	ndma_memfd_share_put(ndma_memfd_share(base));
	free(base);
}

int ndma_memfd_buffer_map(struct ndma_buffer *base, uint32_t access, struct ndma_mapping *mapping)
{
	struct memfd_map *map = &ndma_memfd_buffer(base)->maps[access == NDMA_WRITE];
	struct memfd_share *share = ndma_memfd_share(base);
	int rc;

	rc = ndma_mmap_aligned(base->fd, base->capacity, access, mapping);
	if (rc)
		return rc;
	map->address = mapping->address;
	map->bytes = mapping->bytes;
	map->access = access;
	map->fd = base->fd;
	pthread_mutex_lock(&share->state);
	rc = ndma_memfd_guard_map(share, map);
	if (!rc) {
		map->next = share->maps;
		share->maps = map;
	}
	pthread_mutex_unlock(&share->state);
	if (rc) {
		munmap(mapping->address, mapping->bytes);
		mapping->address = NULL;
	}
	return rc;
}

void ndma_memfd_buffer_forget(struct ndma_buffer *base, uint32_t access)
{
	struct memfd_map *map = &ndma_memfd_buffer(base)->maps[access == NDMA_WRITE];
	struct memfd_share *share = ndma_memfd_share(base);
	struct memfd_map **link = &share->maps;

	pthread_mutex_lock(&share->state);
	while (*link != map)
		link = &(*link)->next;
	*link = map->next;
	pthread_mutex_unlock(&share->state);
}

int ndma_memfd_buffer_get_layout(const struct ndma_buffer *base, struct ndma_layout *layout)
{
	struct memfd_share *share = ndma_memfd_share(base);

	pthread_mutex_lock(&share->state);
	*layout = share->layout;
	pthread_mutex_unlock(&share->state);
	return 0;
}

static int set_layout(struct memfd_share *share, const struct ndma_layout *layout)
{
	const struct ndma_own own = ndma_memfd_own(share);
	int rc;

	rc = ndma_own_admit_layout(&own);
	if (rc)
		return rc;
	rc = ndma_memfd_lock(share->lock_fd, F_WRLCK, MEMFD_LOCK_READ, 2);
	if (rc)
		return rc;
	rc = ndma_memfd_header_set_layout(share, layout);
	if (!rc)
		share->layout = *layout;
	ndma_memfd_lock_restore(share);
	return rc;
}

int ndma_memfd_buffer_set_layout(struct ndma_buffer *base, const struct ndma_layout *layout)
{
	struct memfd_share *share = ndma_memfd_share(base);
	int rc;

	pthread_mutex_lock(&share->state);
	rc = set_layout(share, layout);
	pthread_mutex_unlock(&share->state);
	return rc == -EAGAIN ? -EBUSY : rc;
}

int ndma_memfd_buffer_readonly_fd(const struct ndma_buffer *buffer)
{
	return ndma_memfd_file_reopen(buffer->fd, O_RDONLY);
}

/* CPUs alone access a memfd, and their caches agree: there is nothing to do. */
int ndma_memfd_buffer_sync(struct ndma_buffer *buffer, uint32_t access, bool end)
{
	(void)buffer;
	(void)access;
	(void)end;
	return 0;
}

int ndma_memfd_buffer_copy_fd(const struct ndma_layout *layout, const void *data, uint64_t bytes,
			      bool writable)
{
	struct memfd_header header;
	uint64_t done = 0;
	int fd, readonly;
	ssize_t got;

	fd = create_file(layout, bytes, &header);
	if (fd < 0)
		return fd;
	while (done < bytes) {
		got = pwrite(fd, (const char *)data + done, bytes - done, (off_t)done);
		if (got < 0) {
			int rc = ndma_set_error(errno, "copying a frame: %s", strerror(errno));

			close(fd);
			return rc;
		}
		done += (uint64_t)got;
	}
	if (writable)
		return fd;
	readonly = ndma_memfd_file_reopen(fd, O_RDONLY);
	close(fd);
	return readonly;
}
