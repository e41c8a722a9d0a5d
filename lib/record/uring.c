// SPDX-License-Identifier: MIT
/* Several writes at a time, by io_uring. Without liburing there are none, and its absence is said. */
#include <errno.h>
#include <stdlib.h>

#include "record.h"

#ifdef NDMA_LIBURING
#include <liburing.h>

struct record_ring {
	struct io_uring ring;
};

int ndma_record_ring_open(unsigned int depth, struct record_ring **out)
{
	struct record_ring *ring = malloc(sizeof(*ring));
	int rc;

	if (!ring)
		return -ENOMEM;
	rc = io_uring_queue_init(depth, &ring->ring, 0);
	if (rc)
		free(ring);
	else
		*out = ring;
	return rc;
}

void ndma_record_ring_close(struct record_ring *ring)
{
	if (!ring)
		return;
	io_uring_queue_exit(&ring->ring);
	free(ring);
}

int ndma_record_ring_write(struct record_ring *ring, int fd, const struct iovec *pieces,
			   unsigned int count, uint64_t offset, void *tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);
	int rc;

	if (!sqe)
		return -EBUSY;
	io_uring_prep_writev(sqe, fd, pieces, count, offset);
	io_uring_sqe_set_data(sqe, tag);
	/* An entry that the kernel has not taken would be written later, from a frame that is gone. */
	do
		rc = io_uring_submit(&ring->ring);
	while (rc == -EINTR || rc == -EAGAIN || rc == 0);
	return rc < 0 ? rc : 0;
}

int ndma_record_ring_reap(struct record_ring *ring, bool wait, void **tag, int *result)
{
	struct io_uring_cqe *cqe;
	int rc;

	do
		rc = wait ? io_uring_wait_cqe(&ring->ring, &cqe)
			  : io_uring_peek_cqe(&ring->ring, &cqe);
	while (rc == -EINTR);
	if (rc)
		return rc;
	*tag = io_uring_cqe_get_data(cqe);
	*result = cqe->res;
	io_uring_cqe_seen(&ring->ring, cqe);
	return 0;
}

#else

int ndma_record_ring_open(unsigned int depth, struct record_ring **out)
{
	(void)depth;
	(void)out;
	return -EOPNOTSUPP;
}

void ndma_record_ring_close(struct record_ring *ring)
{
	(void)ring;
}

int ndma_record_ring_write(struct record_ring *ring, int fd, const struct iovec *pieces,
			   unsigned int count, uint64_t offset, void *tag)
{
	(void)ring;
	(void)fd;
	(void)pieces;
	(void)count;
	(void)offset;
	(void)tag;
	return -EOPNOTSUPP;
}

int ndma_record_ring_reap(struct record_ring *ring, bool wait, void **tag, int *result)
{
	(void)ring;
	(void)wait;
	(void)tag;
	(void)result;
	return -EOPNOTSUPP;
}

#endif
