// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard against those who race with it: writers, remappers, forkers, and beginners.
 *
 * A transfer to the device leaves reads through read-only handles open: that is how these tests
 * look at memory that nobody may write.
 */
#include <sched.h>

#include "guard.h"

/* Transfers that a racing writer is given; there are five variants. */
#define ROUNDS 400

/**
 * struct looper - a thread that does something again and again
 * @stop: no more
 * @rounds: done so far
 */
struct looper {
	pthread_t thread;
	int heap;
	int fd;
	uint32_t guard;
	size_t bytes;
	volatile uint64_t *data;
	atomic_bool stop;
	atomic_long rounds;
};

static void *loop_transfers(void *argument)
{
	struct looper *looper = argument;

	while (!atomic_load(&looper->stop)) {
		int64_t transfer = transfer_begin(looper->heap, looper->fd, NDMA_FROM_DEVICE,
						  looper->guard, 0, LONG_NS);

		if (transfer > 0)
			transfer_end(looper->heap, looper->fd, transfer);
		atomic_fetch_add(&looper->rounds, 1);
	}
	return NULL;
}

TEST_F_TIMEOUT(guard, one_who_begins_again_and_again_keeps_no_system_call_asleep, 60)
{
	struct looper looper = { .heap = self->heap, .fd = self->fd, .guard = variant->guard };
	uint64_t give_up = now_ns() + 20 * SECOND_NS;
	int pipes[2];

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(pthread_create(&looper.thread, NULL, loop_transfers, &looper), 0);
	while (atomic_load(&looper.rounds) < 100 && now_ns() < give_up) {
		uint64_t start = now_ns();

		if (write(pipes[1], (void *)self->data, 8) < 0)
			EXPECT_EQ(errno, EFAULT);
		EXPECT_LT(now_ns() - start, 10 * SECOND_NS);
	}
	atomic_store(&looper.stop, true);
	pthread_join(looper.thread, NULL);
	EXPECT_GE(atomic_load(&looper.rounds), 100);
	close(pipes[0]);
	close(pipes[1]);
}

static void *loop_writes(void *argument)
{
	struct looper *looper = argument;
	uint64_t value = 1;
	size_t at;

	while (!atomic_load(&looper->stop)) {
		for (at = 0; at < looper->bytes / 8; at += 512)
			try_write(looper->data + at, value++);
		atomic_fetch_add(&looper->rounds, 1);
	}
	return NULL;
}

/* Does @seen change while one looks? */
static bool changes(const volatile uint64_t *seen, size_t bytes)
{
	uint64_t before[64];
	size_t step = bytes / 8 / 64, i;
	int look;

	for (i = 0; i < 64; i++)
		before[i] = seen[i * step];
	for (look = 0; look < 8; look++) {
		sched_yield();
		for (i = 0; i < 64; i++) {
			if (seen[i * step] != before[i])
				return true;
		}
	}
	return false;
}

/* In how many of @rounds transfers to the device the memory changed. */
static int count_changes(struct looper *looper, const volatile uint64_t *seen, uint32_t guard,
			 int rounds)
{
	int i, changed = 0;

	for (i = 0; i < rounds; i++) {
		int64_t transfer = transfer_begin(looper->heap, looper->fd, NDMA_TO_DEVICE, guard,
						  0, LONG_NS);

		if (transfer == -EBUSY)
			continue;
		if (transfer < 0)
			return -1;
		changed += changes(seen, looper->bytes);
		if (transfer_end(looper->heap, looper->fd, transfer))
			return -1;
		/* Whoever slept gets its turn. */
		usleep(1);
	}
	return changed;
}

TEST_F_TIMEOUT(guard, a_racing_writer_changes_nothing, 300)
{
	struct looper looper = {
		.heap = self->heap,
		.fd = self->fd,
		.bytes = self->bytes,
		.data = self->data,
	};
	int readonly = buffer_readonly(self->heap, self->fd);
	const volatile uint64_t *seen = buffer_map(self->heap, readonly, self->bytes, PROT_READ);
	uint64_t give_up = now_ns() + 200 * SECOND_NS;
	int changed = 0;

	ASSERT_NE(seen, MAP_FAILED);
	catch_sigbus();
	ASSERT_EQ(pthread_create(&looper.thread, NULL, loop_writes, &looper), 0);
	EXPECT_EQ(count_changes(&looper, seen, variant->guard, ROUNDS), 0);
	EXPECT_GT(buffer_info(self->heap, self->fd).touches, 0);
	/* The control: without a guard this very test sees changes. */
	while (!changed && now_ns() < give_up)
		changed = count_changes(&looper, seen, NDMA_GUARD_NONE, 100);
	EXPECT_GT(changed, 0);
	atomic_store(&looper.stop, true);
	pthread_join(looper.thread, NULL);
	munmap((void *)seen, self->bytes);
	close(readonly);
}

/* Moves, splits, protects, drops and forks a mapping of its own, and writes through it. */
static void *loop_mappings(void *argument)
{
	struct looper *looper = argument;
	size_t page = 4096;

	while (!atomic_load(&looper->stop)) {
		char *data = buffer_map(looper->heap, looper->fd, looper->bytes, RW);
		pid_t child;

		if (data == MAP_FAILED)
			break;
		try_write((void *)data, 1);
		madvise(data, looper->bytes, MADV_DONTNEED);
		try_write((void *)(data + page), 2);
		mprotect(data + page, page, PROT_READ);
		data = mremap(data, page, page, MREMAP_MAYMOVE | MREMAP_FIXED,
			      data + 32 * MIB + page);
		if (data == MAP_FAILED)
			break;
		try_write((void *)data, 3);
		child = fork();
		if (!child) {
			catch_sigbus();
			_exit(!try_write((void *)data, 4));
		}
		munmap(data, page);
		munmap(data - 32 * MIB, looper->bytes - page);
		waitpid(child, NULL, 0);
		atomic_fetch_add(&looper->rounds, 1);
	}
	return NULL;
}

TEST_F_TIMEOUT(guard, a_mapping_that_moves_splits_and_forks_changes_nothing, 300)
{
	struct looper looper = {
		.heap = self->heap,
		.fd = self->fd,
		.bytes = self->bytes,
		.data = self->data,
	};
	int readonly = buffer_readonly(self->heap, self->fd);
	const volatile uint64_t *seen = buffer_map(self->heap, readonly, self->bytes, PROT_READ);
	uint64_t give_up = now_ns() + 200 * SECOND_NS;

	ASSERT_NE(seen, MAP_FAILED);
	catch_sigbus();
	ASSERT_EQ(pthread_create(&looper.thread, NULL, loop_mappings, &looper), 0);
	while (atomic_load(&looper.rounds) < 20 && now_ns() < give_up)
		ASSERT_EQ(count_changes(&looper, seen, variant->guard, 10), 0);
	EXPECT_GE(atomic_load(&looper.rounds), 20);
	atomic_store(&looper.stop, true);
	pthread_join(looper.thread, NULL);
	munmap((void *)seen, self->bytes);
	close(readonly);
}

TEST_HARNESS_MAIN
