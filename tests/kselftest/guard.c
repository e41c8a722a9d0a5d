// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard: what the CPU meets when it touches what the device owns.
 */
#include <sys/syscall.h>
#include <sys/uio.h>

#include <linux/io_uring.h>

#include "guard.h"
#include "uapi/dmabuf.h"

#define BEGIN(direction) \
	transfer_begin(self->heap, self->fd, direction, variant->guard, 0, LONG_NS)
#define END(transfer) transfer_end(self->heap, self->fd, transfer)
#define TOUCHES() buffer_info(self->heap, self->fd).touches
#define SKIP_UNLESS(kind) \
	do { \
		if (variant->guard != (kind)) \
			return; \
	} while (0)

/* Waits until the guard has met @count touches. */
static bool await_touches(int heap, int fd, uint64_t count)
{
	uint64_t give_up = now_ns() + 20 * SECOND_NS;

	while (buffer_info(heap, fd).touches < count && now_ns() < give_up)
		usleep(1000);
	return buffer_info(heap, fd).touches >= count;
}

static bool try_read(const volatile uint64_t *at)
{
	if (sigsetjmp(fault_return, 1))
		return false;
	(void)*at;
	return true;
}

/**
 * struct toucher - a thread that touches memory
 * @at: where it writes
 * @value: what it writes
 * @done: it has
 */
struct toucher {
	pthread_t thread;
	volatile uint64_t *at;
	uint64_t value;
	atomic_bool done;
};

static void *touch_once(void *argument)
{
	struct toucher *toucher = argument;

	*toucher->at = toucher->value;
	atomic_store(&toucher->done, true);
	return NULL;
}

TEST_F(guard, a_write_sleeps_until_the_transfer_ends)
{
	struct toucher toucher = { .at = self->data, .value = 7 };
	int64_t transfer = BEGIN(NDMA_FROM_DEVICE);

	SKIP_UNLESS(NDMA_GUARD_BLOCK);
	ASSERT_GT(transfer, 0);
	ASSERT_EQ(pthread_create(&toucher.thread, NULL, touch_once, &toucher), 0);
	ASSERT_TRUE(await_touches(self->heap, self->fd, 1));
	EXPECT_FALSE(atomic_load(&toucher.done));
	EXPECT_EQ(END(transfer), 0);
	pthread_join(toucher.thread, NULL);
	EXPECT_EQ(self->data[0], 7);
	EXPECT_EQ(TOUCHES(), 1);
}

TEST_F(guard, a_touch_gets_sigbus_with_its_address)
{
	int64_t transfer = BEGIN(NDMA_FROM_DEVICE);
	volatile uint64_t *at = self->data + self->bytes / 16 + 3;

	SKIP_UNLESS(NDMA_GUARD_SIGBUS);
	ASSERT_GT(transfer, 0);
	catch_sigbus();
	EXPECT_FALSE(try_write(at, 7));
	EXPECT_EQ(fault_address, at);
	EXPECT_EQ(fault_code, BUS_ADRERR);
	EXPECT_FALSE(try_read(self->data + 1));
	EXPECT_EQ(fault_address, self->data + 1);
	EXPECT_EQ(TOUCHES(), 2);
	EXPECT_EQ(END(transfer), 0);
	EXPECT_TRUE(try_write(at, 7));
	EXPECT_EQ(*at, 7);
	EXPECT_EQ(TOUCHES(), 2);
}

TEST_F(guard, it_costs_no_more_faults_than_huge_pages)
{
	int64_t transfer;
	long before;
	size_t at;

	if (variant->bytes < HUGE_BYTES || variant->through_dma_buf)
		return;
	transfer = BEGIN(NDMA_FROM_DEVICE);
	ASSERT_GT(transfer, 0);
	ASSERT_EQ(END(transfer), 0);
	before = minor_faults();
	for (at = 0; at < self->bytes / 8; at += 512)
		self->data[at] = at;
	EXPECT_LE(minor_faults() - before, 2);
}

TEST_F(guard, it_is_told_by_the_buffer)
{
	int64_t transfer = BEGIN(NDMA_BOTH);

	EXPECT_EQ(buffer_info(self->heap, self->fd).guard, variant->guard);
	EXPECT_EQ(END(transfer), 0);
	EXPECT_EQ(buffer_info(self->heap, self->fd).guard, NDMA_GUARD_NONE);
}

static atomic_int signals_seen;

static void on_user_signal(int number)
{
	(void)number;
	atomic_fetch_add(&signals_seen, 1);
}

#define SIGNALS 10

/* The touch goes on after each of them, and is the same one. */
TEST_F(guard, signals_run_while_a_touch_sleeps_and_it_counts_once)
{
	struct sigaction action = { .sa_handler = on_user_signal };
	struct toucher toucher = { .at = self->data, .value = 7 };
	int64_t transfer = BEGIN(NDMA_FROM_DEVICE);
	uint64_t give_up = now_ns() + 20 * SECOND_NS;
	int i;

	SKIP_UNLESS(NDMA_GUARD_BLOCK);
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(pthread_create(&toucher.thread, NULL, touch_once, &toucher), 0);
	ASSERT_TRUE(await_touches(self->heap, self->fd, 1));
	for (i = 1; i <= SIGNALS; i++) {
		pthread_kill(toucher.thread, SIGUSR1);
		while (atomic_load(&signals_seen) < i && now_ns() < give_up)
			usleep(1000);
	}
	EXPECT_EQ(atomic_load(&signals_seen), SIGNALS);
	EXPECT_FALSE(atomic_load(&toucher.done));
	EXPECT_EQ(TOUCHES(), 1);
	EXPECT_EQ(END(transfer), 0);
	pthread_join(toucher.thread, NULL);
	EXPECT_EQ(self->data[0], 7);
}

TEST_F(guard, a_process_that_sleeps_in_a_touch_can_be_killed)
{
	int64_t transfer = BEGIN(NDMA_FROM_DEVICE);
	struct peer peer;

	SKIP_UNLESS(NDMA_GUARD_BLOCK);
	if (!peer_fork(&peer)) {
		self->data[0] = 7;
		_exit(0);
	}
	ASSERT_TRUE(await_touches(self->heap, self->fd, 1));
	kill(peer.pid, SIGKILL);
	EXPECT_EQ(peer_join(&peer), 128 + SIGKILL);
	EXPECT_EQ(END(transfer), 0);
	EXPECT_EQ(self->data[0], 42);
}

TEST_F(guard, others_map_and_unmap_while_a_touch_sleeps)
{
	struct toucher toucher = { .at = self->data, .value = 7 };
	int64_t transfer = BEGIN(NDMA_FROM_DEVICE);
	void *other;

	SKIP_UNLESS(NDMA_GUARD_BLOCK);
	ASSERT_EQ(pthread_create(&toucher.thread, NULL, touch_once, &toucher), 0);
	ASSERT_TRUE(await_touches(self->heap, self->fd, 1));
	other = buffer_map(self->heap, self->fd, self->bytes, RW);
	EXPECT_NE(other, MAP_FAILED);
	EXPECT_EQ(munmap(other, self->bytes), 0);
	EXPECT_FALSE(atomic_load(&toucher.done));
	EXPECT_EQ(END(transfer), 0);
	pthread_join(toucher.thread, NULL);
}

TEST_F(guard, an_owner_who_dies_wakes_who_sleeps)
{
	struct toucher toucher = { .at = self->data, .value = 7 };

	SKIP_UNLESS(NDMA_GUARD_BLOCK);
	ASSERT_GT(BEGIN(NDMA_FROM_DEVICE), 0);
	ASSERT_EQ(pthread_create(&toucher.thread, NULL, touch_once, &toucher), 0);
	usleep(100000);
	EXPECT_FALSE(atomic_load(&toucher.done));
	close(self->heap);
	pthread_join(toucher.thread, NULL);
	EXPECT_EQ(self->data[0], 7);
}

TEST_F(guard, a_system_call_waits_once_and_not_for_ever)
{
	uint64_t start = now_ns();
	int64_t transfer = BEGIN(NDMA_FROM_DEVICE);
	int pipes[2];

	ASSERT_GT(transfer, 0);
	ASSERT_EQ(pipe(pipes), 0);
	EXPECT_EQ(write(pipes[1], (void *)self->data, 8), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_LT(now_ns() - start, 10 * SECOND_NS);
	if (variant->guard == NDMA_GUARD_BLOCK)
		EXPECT_GE(now_ns() - start, SECOND_NS * 9 / 10);
	EXPECT_EQ(END(transfer), 0);
	EXPECT_EQ(write(pipes[1], (void *)self->data, 8), 8);
	EXPECT_EQ(read(pipes[0], (void *)self->data, 8), 8);
	close(pipes[0]);
	close(pipes[1]);
}

/**
 * struct caller - a thread in a system call that touches memory
 * @at: that memory
 * @pipes: what it reads from, or writes to
 * @copy: where process_vm_readv() puts it
 * @ret: what the call returned
 */
struct caller {
	pthread_t thread;
	void *at;
	int pipes[2];
	char copy[8];
	ssize_t ret;
};

static void *call_write(void *argument)
{
	struct caller *caller = argument;

	caller->ret = write(caller->pipes[1], caller->at, 8);
	return NULL;
}

static void *call_read(void *argument)
{
	struct caller *caller = argument;

	caller->ret = read(caller->pipes[0], caller->at, 8);
	return NULL;
}

static void *call_process_vm_readv(void *argument)
{
	struct caller *caller = argument;
	struct iovec local = { caller->copy, 8 }, remote = { caller->at, 8 };

	caller->ret = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	return NULL;
}

TEST_F(guard, a_system_call_succeeds_when_the_transfer_ends_in_time)
{
	void *(*const calls[])(void *) = { call_write, call_read, call_process_vm_readv };
	size_t i;
	int try;

	SKIP_UNLESS(NDMA_GUARD_BLOCK);
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		/* On a machine too busy to end the transfer in time, again. */
		for (try = 0; try < 20; try++) {
			struct caller caller = { .at = (void *)self->data };
			uint64_t touches = TOUCHES();
			int64_t transfer;

			ASSERT_EQ(pipe(caller.pipes), 0);
			ASSERT_EQ(write(caller.pipes[1], "01234567", 8), 8);
			transfer = BEGIN(NDMA_FROM_DEVICE);
			ASSERT_GT(transfer, 0);
			ASSERT_EQ(pthread_create(&caller.thread, NULL, calls[i], &caller), 0);
			ASSERT_TRUE(await_touches(self->heap, self->fd, touches + 1)) {
				TH_LOG("call %zu, try %d", i, try);
			}
			EXPECT_EQ(END(transfer), 0);
			pthread_join(caller.thread, NULL);
			close(caller.pipes[0]);
			close(caller.pipes[1]);
			if (caller.ret == 8)
				break;
		}
		EXPECT_LT(try, 20);
	}
}

TEST_F(guard, pages_that_the_kernel_holds_refuse_it)
{
	struct iovec local = { (void *)self->data, 4096 };
	char copy[4096];
	int64_t transfer;
	int pipes[2];

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &local, 1, 0), 4096);
	EXPECT_EQ(BEGIN(NDMA_FROM_DEVICE), -EBUSY);
	EXPECT_EQ(buffer_info(self->heap, self->fd).owner, NDMA_OWNER_CPU);
	EXPECT_EQ(buffer_info(self->heap, self->fd).transfers, 0);
	self->data[0] = 43;
	ASSERT_EQ(read(pipes[0], copy, 4096), 4096);
	transfer = BEGIN(NDMA_FROM_DEVICE);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(END(transfer), 0);
	close(pipes[0]);
	close(pipes[1]);
}

static void *touch_on(void *argument)
{
	struct toucher *toucher = argument;

	while (!atomic_load(&toucher->done))
		(*toucher->at)++;
	return NULL;
}

TEST_F(guard, no_touch_is_met_while_it_is_being_refused)
{
	struct iovec local = { (void *)self->data, 4096 };
	struct toucher toucher = { .at = self->data + self->bytes / 16 };
	int pipes[2], try;

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &local, 1, 0), 4096);
	ASSERT_EQ(pthread_create(&toucher.thread, NULL, touch_on, &toucher), 0);
	for (try = 0; try < 10; try++)
		EXPECT_EQ(BEGIN(NDMA_FROM_DEVICE), -EBUSY);
	atomic_store(&toucher.done, true);
	pthread_join(toucher.thread, NULL);
	EXPECT_EQ(TOUCHES(), 0);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(guard, a_buffer_registered_with_io_uring_refuses_it)
{
	struct iovec local = { (void *)self->data, self->bytes };
	struct io_uring_params params = {};
	int64_t transfer;
	int ring;

	ring = syscall(__NR_io_uring_setup, 1, &params);
	if (ring < 0)
		SKIP(return, "this guest has no io_uring");
	if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS, &local, 1)) {
		/* Linux 6.1 registers nothing that is mapped from a file but shmem. */
		EXPECT_EQ(errno, EOPNOTSUPP);
		return;
	}
	EXPECT_EQ(BEGIN(NDMA_FROM_DEVICE), -EBUSY);
	ASSERT_EQ(syscall(__NR_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0), 0);
	close(ring);
	transfer = BEGIN(NDMA_FROM_DEVICE);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(END(transfer), 0);
}

TEST_F(guard, it_goes_with_a_fence)
{
	int64_t transfer = transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, variant->guard,
					  NDMA_TRANSFER_FENCE, SECOND_NS);

	ASSERT_GT(transfer, 0);
	EXPECT_EQ(dmabuf_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ), 0);
	EXPECT_EQ(END(transfer), -ETIMEDOUT);
	EXPECT_EQ(self->data[0], 42);
}

TEST_HARNESS_MAIN
