// SPDX-License-Identifier: GPL-2.0-only
/* Guards: what a CPU touch of the device's memory meets. */
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sim.h"

#define COUNT (1 << 20) /* 4 MiB: huge pages where there are any */

FIXTURE(guard)
{
	struct ndma_buffer *buffer;
	int *data;
};

ON_EVERY_BACKEND(guard);

FIXTURE_SETUP(guard)
{
	if (!use_backend(variant->backend))
		SKIP(return, "module ndma is not loaded");
	ASSERT_DONE(make_buffer(COUNT, &self->buffer));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, (void **)&self->data));
	self->data[12345] = 1;
}

FIXTURE_TEARDOWN(guard)
{
	ndma_buffer_close(self->buffer);
}

static sigjmp_buf after;
static void *volatile fault_at;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	fault_at = info->si_addr;
	siglongjmp(after, info->si_code);
}

/* 0, or the si_code of the SIGBUS that a touch of *@at got. */
static int touch(volatile int *at, bool write)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
	int code;

	sigaction(SIGBUS, &action, NULL);
	fault_at = NULL;
	code = sigsetjmp(after, 1);
	if (code)
		return code;
	if (write)
		*at = 2;
	else
		(void)*at;
	return 0;
}

static int begin(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard, int64_t timeout_ns,
		 uint32_t *transfer)
{
	return ndma_transfer_begin(buffer, direction, guard, 0, (uint64_t)timeout_ns, transfer);
}

#define BEGIN_OR_SKIP(direction, guard, timeout_ns, transfer)                            \
	do {                                                                             \
		int begun = begin(self->buffer, direction, guard, timeout_ns, transfer); \
		if (begun == -EOPNOTSUPP && IS_MEMFD())                                  \
			SKIP(return, "this guest has no userfaultfd");                   \
		ASSERT_EQ(0, begun);                                                     \
	} while (0)

TEST_F(guard, of_kind_sigbus_gives_the_exact_address)
{
	uint32_t transfer;

	ASSERT_DONE(begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_SIGBUS, 10 * SECOND_NS,
			  &transfer));
	EXPECT_EQ(BUS_ADRERR, touch(&self->data[12345], false));
	EXPECT_EQ(&self->data[12345], fault_at);
	EXPECT_EQ(BUS_ADRERR, touch(&self->data[COUNT - 1], true));
	EXPECT_EQ(&self->data[COUNT - 1], fault_at);
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	EXPECT_EQ(0, touch(&self->data[COUNT - 1], true));
	EXPECT_EQ(1, self->data[12345]);
}

TEST_F(guard, of_kind_sigbus_ends_with_the_deadline)
{
	int64_t until = now_ns() + 10 * SECOND_NS;
	uint32_t transfer;

	ASSERT_DONE(begin(self->buffer, NDMA_BOTH, NDMA_GUARD_SIGBUS, SECOND_NS / 20, &transfer));
	while (touch(&self->data[12345], false) && now_ns() < until)
		sched_yield();
	EXPECT_EQ(0, touch(&self->data[12345], true));
	EXPECT_EQ(-ETIMEDOUT, ndma_transfer_end(self->buffer, transfer));
}

TEST_F(guard, leaves_reading_open_while_the_device_reads)
{
	struct ndma_buffer *reader;
	int fd = ndma_buffer_readonly_fd(self->buffer);
	uint32_t transfer;
	int *view;

	ASSERT_DONE(fd);
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &reader));
	ASSERT_DONE(ndma_buffer_map(reader, NDMA_READ, (void **)&view));
	ASSERT_DONE(
		begin(self->buffer, NDMA_TO_DEVICE, NDMA_GUARD_SIGBUS, 10 * SECOND_NS, &transfer));
	EXPECT_EQ(0, touch(&view[12345], false));
	EXPECT_EQ(BUS_ADRERR, touch(&self->data[12345], true));
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	EXPECT_EQ(0, touch(&self->data[12345], true));
	EXPECT_EQ(2, view[12345]);
	ndma_buffer_close(reader);
	close(fd);
}

TEST_F(guard, covers_a_mapping_that_is_made_in_the_transfer)
{
	uint32_t transfer;
	int *view;

	ASSERT_DONE(begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_SIGBUS, 10 * SECOND_NS,
			  &transfer));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, (void **)&view));
	EXPECT_EQ(BUS_ADRERR, touch(&view[12345], false));
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	EXPECT_EQ(0, touch(&view[12345], false));
	EXPECT_EQ(1, view[12345]);
}

TEST_F(guard, lets_a_transfer_begin_over_a_lease_of_this_process)
{
	uint32_t transfer, lease;

	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_WRITE, &lease));
	EXPECT_EQ(-EBUSY,
		  begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, SECOND_NS, &transfer));
	ASSERT_DONE(begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_SIGBUS, 10 * SECOND_NS,
			  &transfer));
	EXPECT_EQ(BUS_ADRERR, touch(&self->data[0], false));
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	EXPECT_EQ(-EBUSY,
		  begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, SECOND_NS, &transfer));
	EXPECT_EQ(0, ndma_lease_release(self->buffer, lease));
	EXPECT_EQ(0, begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, SECOND_NS, &transfer));
	EXPECT_EQ(0, ndma_transfer_end(self->buffer, transfer));
}

TEST_F(guard, of_kind_sigbus_is_refused_without_a_descriptor_and_given_once_there_is_one)
{
	struct rlimit limit, none;
	uint32_t transfer;
	int i, rc;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
		rc = begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_SIGBUS, 10 * SECOND_NS,
			   &transfer);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		/* The module wants none. */
		ASSERT_EQ(IS_MEMFD() ? -EMFILE : 0, rc);
		if (IS_MEMFD()) {
			ASSERT_WORDS("sigbus");
		} else {
			ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
		}
		EXPECT_EQ(0, touch(&self->data[12345], true));
	}
	ASSERT_DONE(begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_SIGBUS, 10 * SECOND_NS,
			  &transfer));
	EXPECT_EQ(BUS_ADRERR, touch(&self->data[12345], true));
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	EXPECT_EQ(2, self->data[12345]);
}

/* A thread that touches, and the moment it was through. */
struct toucher {
	pthread_t thread;
	volatile int *at;
	int seen;
	int64_t through_ns;
};

static void *run_toucher(void *argument)
{
	struct toucher *toucher = argument;

	toucher->seen = *toucher->at;
	__atomic_store_n(&toucher->through_ns, now_ns(), __ATOMIC_RELEASE);
	return NULL;
}

/* Until the kernel says that a thread of ours sleeps in the fault, which it counts. */
static bool wait_for_touch(struct ndma_buffer *buffer, int64_t enough_ns)
{
	int64_t until = now_ns() + enough_ns;
	struct ndma_buffer_info info;

	do {
		if (ndma_buffer_info(buffer, &info))
			return false;
		sched_yield();
	} while (!info.touches && now_ns() < until);
	return info.touches;
}

TEST_F(guard, of_kind_block_holds_a_touch_until_the_transfer_ends)
{
	struct toucher toucher = { .at = &self->data[12345] };
	struct ndma_buffer_info info;
	uint32_t transfer;
	int64_t ended_ns;

	BEGIN_OR_SKIP(NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 10 * SECOND_NS, &transfer);
	ASSERT_EQ(0, pthread_create(&toucher.thread, NULL, run_toucher, &toucher));
	/* The memfd backend counts a touch when the transfer ends. */
	wait_for_touch(self->buffer, SECOND_NS / 10);
	ended_ns = now_ns();
	EXPECT_EQ(0, __atomic_load_n(&toucher.through_ns, __ATOMIC_RELAXED));
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	pthread_join(toucher.thread, NULL);
	EXPECT_LE(ended_ns, toucher.through_ns);
	EXPECT_EQ(1, toucher.seen);
	ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	EXPECT_LE(1, info.touches);
}

TEST_F(guard, of_kind_block_ends_with_the_deadline)
{
	int64_t began = now_ns();
	uint32_t transfer;

	BEGIN_OR_SKIP(NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, SECOND_NS / 20, &transfer);
	EXPECT_EQ(1, *(volatile int *)&self->data[12345]);
	EXPECT_LE(SECOND_NS / 20, now_ns() - began);
	EXPECT_EQ(-ETIMEDOUT, ndma_transfer_end(self->buffer, transfer));
}

static void ignore(int number)
{
	(void)number;
}

TEST_F(guard, of_kind_block_lets_signal_handlers_run)
{
	struct sigaction action = { .sa_handler = ignore };
	struct toucher toucher = { .at = &self->data[12345] };
	uint32_t transfer;
	int i;

	sigaction(SIGUSR1, &action, NULL);
	BEGIN_OR_SKIP(NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 10 * SECOND_NS, &transfer);
	ASSERT_EQ(0, pthread_create(&toucher.thread, NULL, run_toucher, &toucher));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, pthread_kill(toucher.thread, SIGUSR1));
		sched_yield();
	}
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	pthread_join(toucher.thread, NULL);
	EXPECT_EQ(1, toucher.seen);
}

TEST_F(guard, that_blocks_dies_with_the_process)
{
	struct peer peer;
	int status;

	if (!peer_start(&peer)) {
		struct ndma_buffer *own;
		uint32_t transfer;
		int *data;

		if (make_buffer(COUNT, &own) || ndma_buffer_map(own, NDMA_WRITE, (void **)&data))
			_exit(1);
		alarm(1);
		if (begin(own, NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 3600 * SECOND_NS, &transfer))
			_exit(2);
		_exit(3 + data[0]);
	}
	status = peer_end(&peer);
	/* 2: what this kernel refuses. */
	EXPECT_TRUE(status == 128 + SIGALRM || (IS_MEMFD() && status == 2));
}

TEST_F(guard, ends_in_the_parent_while_a_child_of_fork_lives)
{
	struct toucher toucher = { .at = &self->data[12345] };
	struct peer peer;
	uint32_t transfer;

	BEGIN_OR_SKIP(NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 10 * SECOND_NS, &transfer);
	if (!peer_start(&peer)) {
		peer_await(&peer);
		_exit(0);
	}
	ASSERT_EQ(0, pthread_create(&toucher.thread, NULL, run_toucher, &toucher));
	wait_for_touch(self->buffer, SECOND_NS / 20);
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	pthread_join(toucher.thread, NULL);
	EXPECT_EQ(1, toucher.seen);
	EXPECT_EQ(0, peer_end(&peer));
}

/* As a daemon begins: what it inherited is closed, and the numbers are other files'. */
static int touch_as_a_daemon(void)
{
	struct ndma_buffer *own;
	uint32_t transfer;
	int *data, i, fd;

	close_range(3, ~0U, 0);
	for (i = 0; i < 64; i++) {
		fd = memfd_create("log", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, COUNT * sizeof(int)))
			return 1;
	}
	if (make_buffer(COUNT, &own) || ndma_buffer_map(own, NDMA_WRITE, (void **)&data) ||
	    begin(own, NDMA_FROM_DEVICE, NDMA_GUARD_SIGBUS, 10 * SECOND_NS, &transfer))
		return 2;
	return touch(&data[12345], true) == BUS_ADRERR ? 0 : 3;
}

TEST_F(guard, of_kind_sigbus_holds_in_a_child_that_closed_what_it_inherited)
{
	struct peer peer;
	uint32_t transfer;

	ASSERT_DONE(begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_SIGBUS, 10 * SECOND_NS,
			  &transfer));
	ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	if (!peer_start(&peer))
		_exit(touch_as_a_daemon());
	EXPECT_EQ(0, peer_end(&peer));
}

TEST_F(guard, may_come_and_go_thousands_of_times)
{
	uint32_t transfer, guard;
	int i;

	for (guard = NDMA_GUARD_BLOCK; guard <= NDMA_GUARD_SIGBUS; guard++) {
		for (i = 0; i < 1000; i++) {
			BEGIN_OR_SKIP(NDMA_BOTH, guard, 10 * SECOND_NS, &transfer);
			ASSERT_EQ(0, ndma_transfer_end(self->buffer, transfer));
			self->data[i] = i;
		}
	}
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(i, self->data[i]);
}

TEST_HARNESS_MAIN
