// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: who excludes whom, across clients and processes, and how they end.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "test.h"

FIXTURE(lease)
{
	int heap;
	int other;
	int fd;
};

FIXTURE_SETUP(lease)
{
	self->heap = heap_open();
	self->other = heap_open();
	ASSERT_GE(self->other, 0);
	self->fd = heap_alloc(self->heap, 4096);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(lease)
{
	close(self->fd);
	close(self->other);
	close(self->heap);
}

static int try_transfer(int heap, int fd, uint32_t direction)
{
	int64_t transfer = transfer_begin(heap, fd, direction, NDMA_GUARD_NONE, 0, 100 * SECOND_NS);

	return transfer < 0 ? transfer : transfer_end(heap, fd, transfer);
}

TEST_F(lease, many_may_read_and_write_at_a_time)
{
	int64_t a = lease_acquire(self->heap, self->fd, NDMA_READ);
	int64_t b = lease_acquire(self->heap, self->fd, NDMA_WRITE);
	int64_t c = lease_acquire(self->other, self->fd, NDMA_WRITE);
	struct ndma_buffer_info info = buffer_info(self->heap, self->fd);

	ASSERT_GT(a, 0);
	ASSERT_GT(b, 0);
	ASSERT_GT(c, 0);
	EXPECT_EQ(info.read_leases, 1);
	EXPECT_EQ(info.write_leases, 2);
	EXPECT_EQ(info.own_leases, 2);
	EXPECT_EQ(lease_release(self->heap, a), 0);
	EXPECT_EQ(lease_release(self->heap, b), 0);
	EXPECT_EQ(lease_release(self->other, c), 0);
	info = buffer_info(self->heap, self->fd);
	EXPECT_EQ(info.read_leases + info.write_leases + info.own_leases, 0);
}

TEST_F(lease, an_id_is_released_once_and_by_its_own_client)
{
	int64_t lease = lease_acquire(self->heap, self->fd, NDMA_READ);

	ASSERT_GT(lease, 0);
	EXPECT_EQ(lease_release(self->other, lease), -EINVAL);
	EXPECT_EQ(lease_release(self->heap, lease), 0);
	EXPECT_EQ(lease_release(self->heap, lease), -EINVAL);
	EXPECT_EQ(lease_release(self->heap, 0), -EINVAL);
	EXPECT_EQ(lease_release(self->heap, UINT32_MAX), -EINVAL);
}

TEST_F(lease, those_of_a_client_that_are_alike_have_one_id)
{
	int64_t first = lease_acquire(self->heap, self->fd, NDMA_READ);
	int64_t second = lease_acquire(self->heap, self->fd, NDMA_READ);

	ASSERT_GT(first, 0);
	EXPECT_EQ(first, second);
	EXPECT_NE(lease_acquire(self->heap, self->fd, NDMA_WRITE), first);
	EXPECT_EQ(buffer_info(self->heap, self->fd).read_leases, 2);
	EXPECT_EQ(lease_release(self->heap, first), 0);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), -EBUSY);
	EXPECT_EQ(lease_release(self->heap, first), 0);
	EXPECT_EQ(lease_release(self->heap, first), -EINVAL);
	EXPECT_EQ(buffer_info(self->heap, self->fd).read_leases, 0);
	EXPECT_EQ(buffer_info(self->heap, self->fd).write_leases, 1);
}

TEST_F(lease, an_id_does_not_come_back_with_another_buffer)
{
	int64_t before = lease_acquire(self->heap, self->fd, NDMA_READ), after;

	ASSERT_GT(before, 0);
	EXPECT_EQ(lease_release(self->heap, before), 0);
	close(self->fd);
	self->fd = heap_alloc(self->heap, 4096);
	after = lease_acquire(self->heap, self->fd, NDMA_READ);
	ASSERT_GT(after, 0);
	EXPECT_NE(before, after);
	EXPECT_EQ(lease_release(self->heap, before), -EINVAL);
	EXPECT_EQ(lease_release(self->heap, after), 0);
}

TEST_F(lease, it_keeps_the_memory_until_it_is_released)
{
	int64_t lease = lease_acquire(self->other, self->fd, NDMA_READ);
	uint64_t used = heap_info(self->heap).used_bytes;

	ASSERT_GT(lease, 0);
	close(self->fd);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used);
	EXPECT_EQ(lease_release(self->other, lease), 0);
	EXPECT_LT(heap_info(self->heap).used_bytes, used);
}

TEST_F(lease, an_access_that_is_none_is_refused)
{
	EXPECT_EQ(lease_acquire(self->heap, self->fd, 0), -EINVAL);
	EXPECT_EQ(lease_acquire(self->heap, self->fd, 3), -EINVAL);
	EXPECT_EQ(lease_acquire(self->heap, self->fd, UINT32_MAX), -EINVAL);
}

TEST_F(lease, it_ends_with_the_clients_file)
{
	ASSERT_GT(lease_acquire(self->other, self->fd, NDMA_WRITE), 0);
	ASSERT_GT(lease_acquire(self->other, self->fd, NDMA_READ), 0);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), -EBUSY);
	close(self->other);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), 0);
}

TEST_F(lease, it_lasts_while_a_child_has_the_clients_file)
{
	struct peer peer;

	ASSERT_GT(lease_acquire(self->other, self->fd, NDMA_READ), 0);
	if (!peer_fork(&peer)) {
		peer_await(&peer);
		_exit(0);
	}
	close(self->other);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), -EBUSY);
	EXPECT_EQ(peer_join(&peer), 0);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), 0);
}

TEST_F(lease, the_owner_revokes_those_of_others)
{
	int64_t own = lease_acquire(self->heap, self->fd, NDMA_READ);
	int64_t a = lease_acquire(self->other, self->fd, NDMA_READ);
	int64_t b = lease_acquire(self->other, self->fd, NDMA_WRITE);

	EXPECT_EQ(lease_revoke(self->other, self->fd), -EPERM);
	EXPECT_EQ(lease_revoke(self->heap, self->fd), 2);
	EXPECT_EQ(buffer_info(self->heap, self->fd).own_leases, 1);
	EXPECT_EQ(buffer_info(self->heap, self->fd).read_leases, 1);
	EXPECT_EQ(lease_release(self->heap, own), 0);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), 0);
	EXPECT_EQ(lease_release(self->other, a), -ESTALE);
	EXPECT_EQ(lease_release(self->other, a), -EINVAL);
	EXPECT_EQ(lease_release(self->other, b), -ESTALE);
	EXPECT_EQ(lease_revoke(self->heap, self->fd), 0);
}

TEST_F(lease, what_is_revoked_says_so_once_for_each)
{
	int64_t old = lease_acquire(self->other, self->fd, NDMA_READ), new;

	ASSERT_EQ(lease_acquire(self->other, self->fd, NDMA_READ), old);
	EXPECT_EQ(lease_revoke(self->heap, self->fd), 2);
	new = lease_acquire(self->other, self->fd, NDMA_READ);
	ASSERT_GT(new, 0);
	EXPECT_NE(new, old);
	EXPECT_EQ(buffer_info(self->other, self->fd).own_leases, 1);
	EXPECT_EQ(lease_release(self->other, old), -ESTALE);
	EXPECT_EQ(lease_release(self->other, old), -ESTALE);
	EXPECT_EQ(lease_release(self->other, old), -EINVAL);
	EXPECT_EQ(lease_release(self->other, new), 0);
	EXPECT_EQ(lease_revoke(self->heap, self->fd), 0);
	EXPECT_EQ(lease_acquire(self->other, self->fd, NDMA_READ), new);
}

/* Whoever asks counts nowhere, so the owner is never refused because somebody asks. */
TEST_F(lease, whether_one_still_holds_can_be_asked)
{
	int64_t lease = lease_acquire(self->other, self->fd, NDMA_READ), transfer;
	int another = heap_alloc(self->other, 1), readonly = buffer_readonly(self->heap, self->fd);

	EXPECT_EQ(lease_check(self->other, self->fd, NDMA_READ, lease), 0);
	EXPECT_EQ(lease_check(self->other, readonly, NDMA_READ, lease), 0);
	EXPECT_EQ(lease_check(self->other, self->fd, NDMA_WRITE, lease), -EINVAL);
	EXPECT_EQ(lease_check(self->other, readonly, NDMA_WRITE, lease), -EPERM);
	EXPECT_EQ(lease_check(self->other, another, NDMA_READ, lease), -EINVAL);
	EXPECT_EQ(lease_check(self->heap, self->fd, NDMA_READ, lease), -EINVAL);
	EXPECT_EQ(lease_check(self->other, self->fd, NDMA_READ, lease + 1), -EINVAL);
	EXPECT_EQ(buffer_info(self->heap, self->fd).read_leases, 1);
	transfer = transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 0,
				  SECOND_NS);
	EXPECT_EQ(lease_check(self->other, self->fd, NDMA_READ, lease), -EBUSY);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	EXPECT_EQ(lease_revoke(self->heap, self->fd), 1);
	EXPECT_EQ(lease_check(self->other, self->fd, NDMA_READ, lease), -ESTALE);
	EXPECT_EQ(lease_check(self->other, self->fd, NDMA_READ, lease), -ESTALE);
	EXPECT_EQ(buffer_info(self->heap, self->fd).read_leases, 0);
	EXPECT_EQ(lease_release(self->other, lease), -ESTALE);
	EXPECT_EQ(lease_check(self->other, self->fd, NDMA_READ, lease), -EINVAL);
	/* One that was released is not held, though its structure stays. */
	lease = lease_acquire(self->other, self->fd, NDMA_READ);
	EXPECT_EQ(lease_release(self->other, lease), 0);
	EXPECT_EQ(lease_check(self->other, self->fd, NDMA_READ, lease), -EINVAL);
	close(readonly);
	close(another);
}

TEST_F(lease, there_are_only_so_many_for_one_client)
{
	uint32_t max = heap_info(self->heap).leases_max, i;
	int64_t last = 0;

	for (i = 0; i < max; i++) {
		last = lease_acquire(self->other, self->fd, NDMA_READ);
		ASSERT_GT(last, 0);
	}
	EXPECT_EQ(lease_acquire(self->other, self->fd, NDMA_READ), -EMFILE);
	EXPECT_EQ(lease_release(self->other, last), 0);
	EXPECT_GT(lease_acquire(self->other, self->fd, NDMA_READ), 0);
	EXPECT_GT(lease_acquire(self->heap, self->fd, NDMA_READ), 0);
}

TEST_F(lease, a_read_only_handle_gives_leases_to_read)
{
	int fd = buffer_readonly(self->heap, self->fd);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(lease_acquire(self->other, fd, NDMA_WRITE), -EPERM);
	EXPECT_GT(lease_acquire(self->other, fd, NDMA_READ), 0);
	EXPECT_EQ(buffer_info(self->heap, self->fd).read_leases, 1);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), -EBUSY);
	close(fd);
}

TEST_F(lease, holders_are_told_with_their_processes)
{
	struct ndma_holder entries[4] = {};
	struct peer peer;

	EXPECT_EQ(buffer_holders(self->heap, self->fd, entries, 4), 0);
	ASSERT_GT(lease_acquire(self->heap, self->fd, NDMA_READ), 0);
	ASSERT_GT(lease_acquire(self->heap, self->fd, NDMA_READ), 0);
	if (!peer_fork(&peer)) {
		int heap = heap_open();

		if (lease_acquire(heap, self->fd, NDMA_WRITE) > 0 && peer_tell(&peer))
			peer_await(&peer);
		_exit(0);
	}
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(buffer_holders(self->other, self->fd, entries, 4), 2);
	EXPECT_EQ(entries[0].kind, NDMA_HOLDER_LEASE);
	EXPECT_EQ(entries[0].access, NDMA_READ);
	EXPECT_EQ(entries[0].pid, getpid());
	EXPECT_EQ(entries[0].count, 2);
	EXPECT_EQ(entries[1].access, NDMA_WRITE);
	EXPECT_EQ(entries[1].pid, peer.pid);
	EXPECT_EQ(entries[1].count, 1);
	EXPECT_EQ(entries[2].kind, 0);

	memset(entries, 0, sizeof(entries));
	EXPECT_EQ(buffer_holders(self->other, self->fd, entries, 1), 2);
	EXPECT_EQ(entries[0].pid, getpid());
	EXPECT_EQ(entries[1].kind, 0);
	EXPECT_EQ(buffer_holders(self->other, self->fd, NULL, 0), 2);
	EXPECT_EQ(buffer_holders(self->other, self->fd, NULL, 4), -EFAULT);
	peer_tell(&peer);
	EXPECT_EQ(peer_join(&peer), 0);
}

/* Buffers that come and go, under the clients' feet. */
struct turnover {
	atomic_int fd;
	atomic_bool stop;
};

static void *come_and_go(void *argument)
{
	struct turnover *turnover = argument;
	int heap = heap_open(), next;

	while (!atomic_load(&turnover->stop)) {
		next = heap_alloc(heap, 4096);
		/* Its number may be taken by the next at once: for a client it is another buffer. */
		close(atomic_exchange(&turnover->fd, next));
	}
	close(heap);
	return NULL;
}

TEST_F_TIMEOUT(lease, clients_and_buffers_go_at_the_same_time, 300)
{
	uint64_t used = heap_info(self->heap).used_bytes;
	struct turnover turnover = {};
	pthread_t threads[2];
	int i, look, taken = 0;

	atomic_store(&turnover.fd, heap_alloc(self->heap, 4096));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, come_and_go, &turnover), 0);
	for (i = 0; i < 2000; i++) {
		int client = heap_open();

		for (look = 0; look < 4; look++) {
			int64_t lease = lease_acquire(client, atomic_load(&turnover.fd), NDMA_READ);

			if (lease > 0 && look & 1)
				EXPECT_EQ(lease_release(client, lease), 0);
			taken += lease > 0;
		}
		close(client);
	}
	atomic_store(&turnover.stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	close(atomic_load(&turnover.fd));
	EXPECT_GT(taken, 0);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used);
}

TEST_F(lease, a_transfer_is_a_holder_too)
{
	struct ndma_holder entry = {};

	ASSERT_GT(transfer_begin(self->heap, self->fd, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0,
				 100 * SECOND_NS), 0);
	EXPECT_EQ(buffer_holders(self->other, self->fd, &entry, 1), 1);
	EXPECT_EQ(entry.kind, NDMA_HOLDER_TRANSFER);
	EXPECT_EQ(entry.access, NDMA_TO_DEVICE);
	EXPECT_EQ(entry.pid, getpid());
}

TEST_HARNESS_MAIN
