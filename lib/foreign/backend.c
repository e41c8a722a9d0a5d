// SPDX-License-Identifier: MIT
/*
 * Any driver's dma-buf: V4L2, DRM, udmabuf, dma-heap. The layout is this process's, leases are
 * counted here, and whoever exported the dma-buf begins and ends its own transfers: their fences
 * are what ndma_buffer_sync_begin() waits for.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../internal.h"
#include "ndma_layout.h"
#include "ndma_own.h"

/* @layout, @reads and @writes change under base.lock. */
struct foreign {
	struct ndma_buffer base;
	struct ndma_layout layout;
	uint32_t reads;
	uint32_t writes;
};

static struct foreign *foreign(const struct ndma_buffer *buffer)
{
	return (struct foreign *)buffer;
}

static int check_fd(int fd, const struct ndma_layout *layout, uint64_t *bytes)
{
	off_t end;
	int rc;

	if (!ndma_dmabuf_is(fd))
		return -ENOTTY;
	if (ndma_dmabuf_is_ours(fd))
		return ndma_set_error(EACCES,
				      "file descriptor %d is a buffer of the module ndma, which "
				      "NDMA_BACKEND keeps out",
				      fd);
	if (!layout)
		return ndma_set_error(EINVAL,
				      "file descriptor %d is a dma-buf of another driver: give "
				      "a layout, nobody else knows it",
				      fd);
	end = lseek(fd, 0, SEEK_END);
	if (end <= 0)
		return ndma_set_error(
			EINVAL, "the dma-buf of file descriptor %d does not tell its size", fd);
	*bytes = (uint64_t)end;
	rc = ndma_layout_validate(layout, *bytes);
	return rc ? ndma_layout_error(rc, layout, *bytes) : 0;
}

static int foreign_import(const struct ndma_backend *self, int fd, const struct ndma_layout *layout,
			  struct ndma_buffer **out)
{
	struct foreign *made;
	uint64_t bytes = 0;
	int copy, rc;

	rc = check_fd(fd, layout, &bytes);
	if (rc)
		return rc;
	made = calloc(1, sizeof(*made));
	if (!made)
		return ndma_set_error(ENOMEM, "no memory for a buffer object");
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		rc = ndma_set_error(errno, "duplicating file descriptor %d: %s", fd,
				    strerror(errno));
		free(made);
		return rc;
	}
	ndma_buffer_init(&made->base, self, copy, bytes, bytes);
	made->base.readonly = (fcntl(copy, F_GETFL) & O_ACCMODE) == O_RDONLY;
	made->layout = *layout;
	*out = &made->base;
	return 0;
}

static void foreign_free(struct ndma_buffer *buffer)
{
	close(buffer->fd);
	free(foreign(buffer));
}

static int foreign_map(struct ndma_buffer *buffer, uint32_t access, struct ndma_mapping *map)
{
	return ndma_mmap_aligned(buffer->fd, buffer->capacity, access, map);
}

/* Called with base.lock held or not, so the counts are read without it. */
static int foreign_info(const struct ndma_buffer *buffer, struct ndma_buffer_info *info)
{
	const struct foreign *self = foreign(buffer);
	struct stat file;

	info->id = fstat(buffer->fd, &file) ? 0 : file.st_ino;
	info->flags = buffer->readonly ? NDMA_BUFFER_READONLY : 0;
	info->bytes = buffer->bytes;
	info->capacity = buffer->capacity;
	info->read_leases = __atomic_load_n(&self->reads, __ATOMIC_RELAXED);
	info->write_leases = __atomic_load_n(&self->writes, __ATOMIC_RELAXED);
	info->own_leases = info->read_leases + info->write_leases;
	info->node = NDMA_NODE_ANY;
	info->run_bytes = buffer->capacity;
	info->run_page_bytes = sysconf(_SC_PAGESIZE);
	return 0;
}

static int foreign_get_layout(const struct ndma_buffer *buffer, struct ndma_layout *layout)
{
	struct foreign *self = foreign(buffer);

	pthread_mutex_lock(&self->base.lock);
	*layout = self->layout;
	pthread_mutex_unlock(&self->base.lock);
	return 0;
}

static int foreign_set_layout(struct ndma_buffer *buffer, const struct ndma_layout *layout)
{
	struct foreign *self = foreign(buffer);
	struct ndma_own own;
	int rc;

	pthread_mutex_lock(&buffer->lock);
	own = (struct ndma_own){ .read_leases = self->reads, .write_leases = self->writes };
	rc = ndma_own_admit_layout(&own);
	if (!rc)
		self->layout = *layout;
	pthread_mutex_unlock(&buffer->lock);
	return rc;
}

static int foreign_readonly_fd(const struct ndma_buffer *buffer)
{
	(void)buffer;
	return ndma_set_error(EOPNOTSUPP, "only its own driver can make a read-only handle of a "
					  "foreign dma-buf");
}

static int foreign_holders(const struct ndma_buffer *buffer, struct ndma_holder *holders,
			   size_t room)
{
	const struct foreign *self = foreign(buffer);
	const uint32_t counts[2] = {
		__atomic_load_n(&self->reads, __ATOMIC_RELAXED),
		__atomic_load_n(&self->writes, __ATOMIC_RELAXED),
	};
	int found = 0;
	size_t i;

	for (i = 0; i < 2; i++) {
		if (!counts[i])
			continue;
		if ((size_t)found < room)
			holders[found] = (struct ndma_holder){
				.kind = NDMA_HOLDER_LEASE,
				.access = i ? NDMA_WRITE : NDMA_READ,
				.pid = getpid(),
				.count = counts[i],
			};
		found++;
	}
	return found;
}

static int foreign_revoke(struct ndma_buffer *buffer)
{
	(void)buffer;
	return ndma_set_error(EPERM, "a foreign dma-buf has no owner here who could revoke");
}

static int foreign_lease_acquire(struct ndma_buffer *buffer, uint32_t access, uint32_t *lease)
{
	struct foreign *self = foreign(buffer);

	__atomic_fetch_add(access == NDMA_WRITE ? &self->writes : &self->reads, 1,
			   __ATOMIC_RELAXED);
	*lease = access;
	return 0;
}

static int foreign_lease_release(struct ndma_buffer *buffer, uint32_t lease)
{
	struct foreign *self = foreign(buffer);

	__atomic_fetch_sub(lease == NDMA_WRITE ? &self->writes : &self->reads, 1, __ATOMIC_RELAXED);
	return 0;
}

static int foreign_lease_check(struct ndma_buffer *buffer, uint32_t access, uint32_t lease)
{
	(void)buffer, (void)access, (void)lease;
	return 0;
}

static int foreign_transfer_begin(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
				  uint32_t flags, uint64_t timeout_ns, uint32_t *transfer)
{
	(void)buffer, (void)direction, (void)guard, (void)flags, (void)timeout_ns, (void)transfer;
	return ndma_set_error(EPERM, "a foreign dma-buf's transfers are its own driver's");
}

static int foreign_transfer_end(struct ndma_buffer *buffer, uint32_t transfer)
{
	(void)buffer;
	return ndma_set_error(EINVAL, "transfer %u is not in progress on this buffer", transfer);
}

const struct ndma_backend ndma_backend_foreign = {
	.name = "foreign",
	.buffer_import = foreign_import,
	.buffer_free = foreign_free,
	.buffer_map = foreign_map,
	.buffer_info = foreign_info,
	.buffer_get_layout = foreign_get_layout,
	.buffer_set_layout = foreign_set_layout,
	.buffer_readonly_fd = foreign_readonly_fd,
	.buffer_holders = foreign_holders,
	.buffer_revoke = foreign_revoke,
	.buffer_sync = ndma_dmabuf_sync,
	.lease_acquire = foreign_lease_acquire,
	.lease_release = foreign_lease_release,
	.lease_check = foreign_lease_check,
	.transfer_begin = foreign_transfer_begin,
	.transfer_end = foreign_transfer_end,
};
