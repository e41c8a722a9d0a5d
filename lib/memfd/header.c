// SPDX-License-Identifier: MIT
/* The page behind a buffer's data: its layout for whoever gets the fd, and a few counts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "memfd.h"
#include "ndma_layout.h"

#define SEALS_NEEDED (F_SEAL_SHRINK | F_SEAL_GROW)

/* One a millisecond. A peer holds the lock for one write: one that has it for longer is stuck. */
#define LOCK_TRIES 200

static int write_all(int fd, const void *from, size_t bytes, uint64_t at)
{
	if (pwrite(fd, from, bytes, (off_t)at) == (ssize_t)bytes)
		return 0;
	return ndma_set_error(errno, "writing a buffer's header: %s", strerror(errno));
}

int ndma_memfd_header_write(int fd, const struct memfd_header *header)
{
	return write_all(fd, header, sizeof(*header), header->capacity);
}

static int lock_to_read(int fd)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int rc, i;

	for (i = 0; i < LOCK_TRIES; i++) {
		rc = ndma_memfd_lock(fd, F_RDLCK, MEMFD_LOCK_HEADER, 1);
		if (rc != -EAGAIN)
			return rc;
		nanosleep(&pause, NULL);
	}
	return ndma_set_error(EBUSY, "another process keeps the header of this buffer locked");
}

static int copy_header(int fd, uint64_t at, struct memfd_header *header)
{
	ssize_t got;
	int rc;

	rc = lock_to_read(fd);
	if (rc)
		return rc;
	got = pread(fd, header, sizeof(*header), (off_t)at);
	rc = errno;
	ndma_memfd_lock(fd, F_UNLCK, MEMFD_LOCK_HEADER, 1);
	if (got < 0)
		return ndma_set_error(rc, "reading a buffer's header: %s", strerror(rc));
	if (got != sizeof(*header) || header->magic != MEMFD_MAGIC)
		return ndma_set_error(EBADF, "this memfd was not made by ndma: it has no layout");
	return 0;
}

static int validate(const struct memfd_header *header, uint64_t at)
{
	int rc;

	if (header->capacity != at || !header->bytes || header->bytes > header->capacity)
		return ndma_set_error(EINVAL,
				      "the header of this memfd says %" PRIu64 " bytes of %" PRIu64
				      ", but it has %" PRIu64 ": refused",
				      header->bytes, header->capacity, at);
	rc = ndma_layout_validate(&header->layout, header->bytes);
	return rc ? ndma_layout_error(rc, &header->layout, header->bytes) : 0;
}

int ndma_memfd_header_read(int fd, struct memfd_header *header)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat status;
	uint64_t at;
	int rc;

	if ((seals & SEALS_NEEDED) != SEALS_NEEDED)
		return ndma_set_error(EINVAL,
				      "this memfd could be shrunk under its readers: expected "
				      "the seals F_SEAL_SHRINK and F_SEAL_GROW, it has 0x%x",
				      seals);
	if (fstat(fd, &status))
		return ndma_set_error(errno, "fstat of a memfd: %s", strerror(errno));
	if (status.st_size <= MEMFD_HEADER_BYTES)
		return ndma_set_error(EBADF, "this memfd was not made by ndma: it has %lld bytes",
				      (long long)status.st_size);
	at = (uint64_t)status.st_size - MEMFD_HEADER_BYTES;
	rc = copy_header(fd, at, header);
	return rc ? rc : validate(header, at);
}

uint64_t ndma_memfd_header_count(const struct memfd_share *share, size_t offset)
{
	uint64_t count;

	if (pread(share->lock_fd, &count, sizeof(count), (off_t)(share->capacity + offset)) !=
	    sizeof(count))
		return 0;
	return count;
}

void ndma_memfd_header_add(const struct memfd_share *share, size_t offset, uint64_t count)
{
	count += ndma_memfd_header_count(share, offset);
	write_all(share->lock_fd, &count, sizeof(count), share->capacity + offset);
}

uint32_t ndma_memfd_header_direction(const struct memfd_share *share)
{
	uint32_t direction;

	if (pread(share->lock_fd, &direction, sizeof(direction),
		  (off_t)(share->capacity + offsetof(struct memfd_header, direction))) !=
	    sizeof(direction))
		return 0;
	return direction & NDMA_BOTH;
}

int ndma_memfd_header_set_direction(const struct memfd_share *share, uint32_t direction)
{
	return write_all(share->lock_fd, &direction, sizeof(direction),
			 share->capacity + offsetof(struct memfd_header, direction));
}

int ndma_memfd_header_set_layout(const struct memfd_share *share, const struct ndma_layout *layout)
{
	int rc;

	rc = ndma_memfd_lock(share->lock_fd, F_WRLCK, MEMFD_LOCK_HEADER, 1);
	if (rc)
		return rc;
	rc = write_all(share->lock_fd, layout, sizeof(*layout),
		       share->capacity + offsetof(struct memfd_header, layout));
	ndma_memfd_lock(share->lock_fd, F_UNLCK, MEMFD_LOCK_HEADER, 1);
	return rc;
}
