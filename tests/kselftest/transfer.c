// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transfers: who may, when they end, and what is left when nobody ends them.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "test.h"
#include "uapi/dmabuf.h"

#define LONG_NS (100 * SECOND_NS)

FIXTURE(transfer)
{
	int heap;
	int other;
	int fd;
};

FIXTURE_SETUP(transfer)
{
	self->heap = heap_open();
	self->other = heap_open();
	ASSERT_GE(self->other, 0);
	self->fd = heap_alloc(self->heap, 4096);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(transfer)
{
	close(self->fd);
	close(self->other);
	close(self->heap);
}

static int64_t begin(int heap, int fd, uint64_t timeout_ns)
{
	return transfer_begin(heap, fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0, timeout_ns);
}

static int64_t begin_fenced(int heap, int fd, uint32_t direction, uint64_t timeout_ns)
{
	return transfer_begin(heap, fd, direction, NDMA_GUARD_NONE, NDMA_TRANSFER_FENCE,
			      timeout_ns);
}

static int ready(int fd, int timeout_ms)
{
	return events_of(fd, POLLIN | POLLOUT, timeout_ms);
}

/* An open file of the heap is what counts, not the process: who was given it may. */
TEST_F(transfer, whoever_has_the_owners_file_may)
{
	int64_t transfer = begin(self->heap, self->fd, LONG_NS);
	struct peer peer;

	ASSERT_GT(transfer, 0);
	if (!peer_fork(&peer))
		_exit(transfer_end(self->heap, self->fd, transfer) ||
		      begin(self->heap, self->fd, LONG_NS) < 0);
	EXPECT_EQ(peer_join(&peer), 0);
	EXPECT_EQ(buffer_info(self->heap, self->fd).owner, NDMA_OWNER_DEVICE);
}

TEST_F(transfer, an_argument_that_makes_no_sense_is_refused)
{
	const struct {
		uint32_t direction, guard, flags;
		uint64_t timeout_ns;
	} rows[] = {
		{ 0, 0, 0, LONG_NS },
		{ 4, 0, 0, LONG_NS },
		{ UINT32_MAX, 0, 0, LONG_NS },
		{ NDMA_BOTH, 3, 0, LONG_NS },
		{ NDMA_BOTH, 0, 2, LONG_NS },
		{ NDMA_BOTH, 0, 0, 0 },
		{ NDMA_BOTH, 0, 0, 3600 * SECOND_NS + 1 },
		{ NDMA_BOTH, 0, 0, 365 * 24 * 3600 * SECOND_NS },
		{ NDMA_BOTH, 0, 0, UINT64_MAX },
		{ NDMA_BOTH, 0, NDMA_TRANSFER_FENCE, 10 * SECOND_NS + 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		EXPECT_EQ(transfer_begin(self->heap, self->fd, rows[i].direction, rows[i].guard,
					 rows[i].flags, rows[i].timeout_ns), -EINVAL);
	EXPECT_EQ(buffer_info(self->heap, self->fd).transfers, 0);
}

struct closer {
	int heap;
	int fd;
	int seen;
};

/* Closes the one descriptor once the other sees that a transfer has begun. */
static void *close_when_begun(void *arg)
{
	const struct closer *closer = arg;

	while (buffer_info(closer->heap, closer->seen).owner != NDMA_OWNER_DEVICE)
		sched_yield();
	close(closer->fd);
	return NULL;
}

/* The argument is in the buffer itself, whose guard keeps the answer from being written. */
TEST_F(transfer, one_that_nobody_can_be_told_of_is_undone_without_its_descriptor)
{
	struct ndma_transfer_begin *request =
		buffer_map(self->heap, self->fd, 4096, PROT_READ | PROT_WRITE);
	struct closer closer = { .heap = self->other, .fd = dup(self->fd), .seen = self->fd };
	pthread_t thread;

	ASSERT_NE(request, MAP_FAILED);
	*request = (struct ndma_transfer_begin){
		.size = sizeof(*request),
		.fd = closer.fd,
		.direction = NDMA_FROM_DEVICE,
		.guard = NDMA_GUARD_BLOCK,
		.timeout_ns = LONG_NS,
	};
	ASSERT_EQ(pthread_create(&thread, NULL, close_when_begun, &closer), 0);
	EXPECT_EQ(call(self->heap, NDMA_TRANSFER_BEGIN, request), -EFAULT);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(buffer_info(self->other, self->fd).owner, NDMA_OWNER_CPU);
	munmap(request, 4096);
}

TEST_F(transfer, a_deadline_of_a_nanosecond_is_one)
{
	int64_t transfer;
	int i;

	for (i = 0; i < 1000; i++) {
		transfer = begin(self->heap, self->fd, 1);
		ASSERT_GT(transfer, 0);
		ASSERT_EQ(transfer_end(self->heap, self->fd, transfer), -ETIMEDOUT);
	}
	EXPECT_EQ(buffer_info(self->heap, self->fd).aborted, 1000);
}

TEST_F(transfer, a_late_deadline_does_not_hit_the_next_one)
{
	int64_t transfer;
	int i;

	for (i = 0; i < 1000; i++) {
		transfer_end(self->heap, self->fd, begin(self->heap, self->fd, 1 + i * 100));
		transfer = begin(self->heap, self->fd, LONG_NS);
		ASSERT_GT(transfer, 0);
		ASSERT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	}
}

TEST_F(transfer, it_keeps_the_memory_of_a_closed_buffer_until_its_deadline)
{
	uint64_t used = heap_info(self->heap).used_bytes;
	int fd = heap_alloc(self->heap, HUGE_BYTES);
	uint64_t give_up = now_ns() + 20 * SECOND_NS;

	ASSERT_GT(begin(self->heap, fd, SECOND_NS / 10), 0);
	close(fd);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used + HUGE_BYTES);
	while (heap_info(self->heap).used_bytes != used && now_ns() < give_up)
		usleep(1000);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used);
}

TEST_F(transfer, an_owner_who_closes_leaves_word_once)
{
	ASSERT_GT(begin(self->heap, self->fd, LONG_NS), 0);
	close(self->heap);
	EXPECT_EQ(buffer_info(self->other, self->fd).owner, NDMA_OWNER_CPU);
	EXPECT_EQ(buffer_info(self->other, self->fd).aborted, 1);
	EXPECT_EQ(lease_acquire(self->other, self->fd, NDMA_READ), -EOWNERDEAD);
	EXPECT_GT(lease_acquire(self->other, self->fd, NDMA_READ), 0);
	EXPECT_EQ(begin(self->other, self->fd, LONG_NS), -EPERM);
}

TEST_F(transfer, an_owner_who_closes_without_one_leaves_none)
{
	close(self->heap);
	EXPECT_GT(lease_acquire(self->other, self->fd, NDMA_WRITE), 0);
}

TEST_F(transfer, a_child_who_execs_ends_nothing)
{
	int64_t transfer = begin(self->heap, self->fd, LONG_NS);
	struct peer peer;

	ASSERT_GT(transfer, 0);
	if (!peer_fork(&peer)) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	EXPECT_EQ(peer_join(&peer), 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
}

TEST_F(transfer, it_publishes_no_fence_unless_asked)
{
	int64_t transfer = begin(self->heap, self->fd, LONG_NS);

	EXPECT_EQ(ready(self->fd, 0), POLLIN | POLLOUT);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
}

TEST_F(transfer, a_fence_is_what_poll_sees)
{
	int64_t transfer;

	EXPECT_EQ(ready(self->fd, 0), POLLIN | POLLOUT);
	transfer = begin_fenced(self->heap, self->fd, NDMA_FROM_DEVICE, 10 * SECOND_NS);
	ASSERT_GT(transfer, 0);
	EXPECT_EQ(ready(self->fd, 0), 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	EXPECT_EQ(ready(self->fd, 0), POLLIN | POLLOUT);
	transfer = begin_fenced(self->heap, self->fd, NDMA_TO_DEVICE, 10 * SECOND_NS);
	ASSERT_GT(transfer, 0);
	EXPECT_EQ(ready(self->fd, 0), POLLIN);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	EXPECT_EQ(ready(self->fd, 0), POLLIN | POLLOUT);
}

TEST_F(transfer, a_read_only_handle_sees_the_same_fence)
{
	int readonly = buffer_readonly(self->heap, self->fd);
	int64_t transfer = begin_fenced(self->heap, self->fd, NDMA_FROM_DEVICE, 10 * SECOND_NS);

	ASSERT_GT(transfer, 0);
	EXPECT_EQ(ready(readonly, 0), 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	EXPECT_EQ(ready(readonly, 0), POLLIN | POLLOUT);
	close(readonly);
}

TEST_F(transfer, a_fence_ends_at_the_deadline)
{
	ASSERT_GT(begin_fenced(self->heap, self->fd, NDMA_FROM_DEVICE, SECOND_NS / 10), 0);
	EXPECT_EQ(ready(self->fd, 0), 0);
	/* One signal, two callbacks: poll() for both may return between them. */
	EXPECT_EQ(events_of(self->fd, POLLIN, 20000), POLLIN);
	EXPECT_EQ(events_of(self->fd, POLLOUT, 20000), POLLOUT);
}

TEST_F(transfer, a_fence_ends_with_its_owner)
{
	ASSERT_GT(begin_fenced(self->heap, self->fd, NDMA_FROM_DEVICE, 10 * SECOND_NS), 0);
	close(self->heap);
	EXPECT_EQ(ready(self->fd, 0), POLLIN | POLLOUT);
}

TEST_F(transfer, a_cpu_access_waits_for_the_fence)
{
	uint64_t began = now_ns();

	ASSERT_GT(begin_fenced(self->heap, self->fd, NDMA_FROM_DEVICE, SECOND_NS / 10), 0);
	EXPECT_EQ(dmabuf_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ), 0);
	EXPECT_GE(now_ns() - began, SECOND_NS / 10);
}

TEST_F(transfer, a_fence_outlives_the_buffer_as_a_sync_file)
{
	int fence;

	ASSERT_GT(begin_fenced(self->heap, self->fd, NDMA_FROM_DEVICE, 10 * SECOND_NS), 0);
	fence = fence_export(self->fd, DMA_BUF_SYNC_READ);
	ASSERT_GE(fence, 0);
	EXPECT_EQ(ready(fence, 0), 0);
	close(self->fd);
	EXPECT_EQ(ready(fence, 0), 0);
	close(self->heap);
	EXPECT_EQ(ready(fence, 20000) & POLLIN, POLLIN);
	close(fence);
}

/* Puts an unfinished fence of another buffer on @fd; returns that buffer. */
static int import_fence(int heap, int fd, uint64_t timeout_ns)
{
	int foreign = heap_alloc(heap, 1);
	int fence, ret;

	begin_fenced(heap, foreign, NDMA_FROM_DEVICE, timeout_ns);
	fence = fence_export(foreign, DMA_BUF_SYNC_READ);
	ret = fence_import(fd, DMA_BUF_SYNC_WRITE, fence);
	close(fence);
	return ret ? ret : foreign;
}

TEST_F(transfer, fences_of_others_are_waited_for)
{
	uint64_t start = now_ns();
	int64_t transfer;

	ASSERT_GE(import_fence(self->other, self->fd, SECOND_NS / 5), 0);
	transfer = begin(self->heap, self->fd, LONG_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_GE(now_ns() - start, SECOND_NS / 5);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
}

static void on_alarm(int number)
{
	(void)number;
}

TEST_F(transfer, a_signal_ends_the_wait_for_fences_of_others)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval timer = { .it_value = { .tv_usec = 50000 } };

	ASSERT_GE(import_fence(self->other, self->fd, 10 * SECOND_NS), 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	EXPECT_EQ(begin(self->heap, self->fd, LONG_NS), -EINTR);
	EXPECT_EQ(buffer_info(self->heap, self->fd).transfers, 0);
}

TEST_HARNESS_MAIN
