// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: who excludes whom, across clients and processes, and how they end.
 */
#include <signal.h>

#include "heap.h"

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

TEST_F(lease, an_access_that_is_none_is_refused)
{
	EXPECT_EQ(lease_acquire(self->heap, self->fd, 0), -EINVAL);
	EXPECT_EQ(lease_acquire(self->heap, self->fd, 3), -EINVAL);
	EXPECT_EQ(lease_acquire(self->heap, self->fd, UINT32_MAX), -EINVAL);
}

TEST_F(lease, a_transfer_from_the_device_is_refused_for_any_lease)
{
	const uint32_t access[] = { NDMA_READ, NDMA_WRITE };
	int64_t lease;
	int i;

	for (i = 0; i < 2; i++) {
		lease = lease_acquire(self->other, self->fd, access[i]);
		EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), -EBUSY);
		EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_BOTH), -EBUSY);
		lease_release(self->other, lease);
		lease = lease_acquire(self->heap, self->fd, access[i]);
		EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), -EBUSY);
		lease_release(self->heap, lease);
	}
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), 0);
}

TEST_F(lease, a_transfer_to_the_device_is_refused_for_writers_only)
{
	int64_t lease = lease_acquire(self->other, self->fd, NDMA_READ);

	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_TO_DEVICE), 0);
	lease_release(self->other, lease);
	lease = lease_acquire(self->other, self->fd, NDMA_WRITE);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_TO_DEVICE), -EBUSY);
	lease_release(self->other, lease);
}

TEST_F(lease, a_new_one_is_refused_in_a_transfer_that_excludes_it)
{
	const struct {
		uint32_t direction, access;
		bool refused;
	} rows[] = {
		{ NDMA_FROM_DEVICE, NDMA_READ, true }, { NDMA_FROM_DEVICE, NDMA_WRITE, true },
		{ NDMA_BOTH, NDMA_READ, true },	       { NDMA_BOTH, NDMA_WRITE, true },
		{ NDMA_TO_DEVICE, NDMA_READ, false },  { NDMA_TO_DEVICE, NDMA_WRITE, true },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t transfer = transfer_begin(self->heap, self->fd, rows[i].direction,
						  NDMA_GUARD_NONE, 0, 100 * SECOND_NS);
		int64_t lease = lease_acquire(self->other, self->fd, rows[i].access);

		ASSERT_GT(transfer, 0);
		EXPECT_EQ(lease == -EBUSY, rows[i].refused);
		EXPECT_EQ(lease_release(self->other, lease), rows[i].refused ? -EINVAL : 0);
		EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
	}
}

TEST_F(lease, it_ends_with_the_clients_file)
{
	ASSERT_GT(lease_acquire(self->other, self->fd, NDMA_WRITE), 0);
	ASSERT_GT(lease_acquire(self->other, self->fd, NDMA_READ), 0);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), -EBUSY);
	close(self->other);
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), 0);
}

TEST_F(lease, it_ends_with_a_killed_process)
{
	struct peer peer;

	if (!peer_fork(&peer)) {
		int heap = heap_open();

		if (lease_acquire(heap, self->fd, NDMA_READ) > 0 && peer_tell(&peer))
			pause();
		_exit(1);
	}
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(try_transfer(self->heap, self->fd, NDMA_FROM_DEVICE), -EBUSY);
	EXPECT_EQ(buffer_info(self->heap, self->fd).own_leases, 0);
	kill(peer.pid, SIGKILL);
	EXPECT_EQ(peer_join(&peer), 128 + SIGKILL);
	EXPECT_EQ(buffer_info(self->heap, self->fd).read_leases, 0);
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

static struct ndma_buffer_holders holders(int heap, int fd, struct ndma_holder *entries,
					  uint32_t room)
{
	struct ndma_buffer_holders request = {
		.size = sizeof(request),
		.fd = fd,
		.count = room,
		.holders = (uintptr_t)entries,
	};

	if (call(heap, NDMA_BUFFER_HOLDERS, &request))
		request.count = UINT32_MAX;
	return request;
}

TEST_F(lease, holders_are_told_with_their_processes)
{
	struct ndma_holder entries[4] = {};
	struct peer peer;

	EXPECT_EQ(holders(self->heap, self->fd, entries, 4).count, 0);
	ASSERT_GT(lease_acquire(self->heap, self->fd, NDMA_READ), 0);
	ASSERT_GT(lease_acquire(self->heap, self->fd, NDMA_READ), 0);
	if (!peer_fork(&peer)) {
		int heap = heap_open();

		if (lease_acquire(heap, self->fd, NDMA_WRITE) > 0 && peer_tell(&peer))
			peer_await(&peer);
		_exit(0);
	}
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(holders(self->other, self->fd, entries, 4).count, 2);
	EXPECT_EQ(entries[0].kind, NDMA_HOLDER_LEASE);
	EXPECT_EQ(entries[0].access, NDMA_READ);
	EXPECT_EQ(entries[0].pid, getpid());
	EXPECT_EQ(entries[0].count, 2);
	EXPECT_EQ(entries[1].access, NDMA_WRITE);
	EXPECT_EQ(entries[1].pid, peer.pid);
	EXPECT_EQ(entries[1].count, 1);
	EXPECT_EQ(entries[2].kind, 0);

	memset(entries, 0, sizeof(entries));
	EXPECT_EQ(holders(self->other, self->fd, entries, 1).count, 2);
	EXPECT_EQ(entries[0].pid, getpid());
	EXPECT_EQ(entries[1].kind, 0);
	EXPECT_EQ(holders(self->other, self->fd, NULL, 0).count, 2);
	EXPECT_EQ(holders(self->other, self->fd, NULL, 4).count, UINT32_MAX);
	EXPECT_EQ(errno, EFAULT);
	peer_tell(&peer);
	EXPECT_EQ(peer_join(&peer), 0);
}

TEST_F(lease, a_transfer_is_a_holder_too)
{
	struct ndma_holder entry = {};

	ASSERT_GT(transfer_begin(self->heap, self->fd, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0,
				 100 * SECOND_NS), 0);
	EXPECT_EQ(holders(self->other, self->fd, &entry, 1).count, 1);
	EXPECT_EQ(entry.kind, NDMA_HOLDER_TRANSFER);
	EXPECT_EQ(entry.access, NDMA_TO_DEVICE);
	EXPECT_EQ(entry.pid, getpid());
}

TEST_HARNESS_MAIN
