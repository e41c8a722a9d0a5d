// SPDX-License-Identifier: GPL-2.0-only
/* Leases: what they keep from happening, in this process and across processes. */
#include <poll.h>

#include "buffer.h"

TEST_F(buffer, a_lease_pins_the_layout)
{
	struct ndma_layout flat;
	uint32_t lease;

	ndma_layout_flat(&flat, 12000);
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &lease));
	EXPECT_EQ(-EBUSY, ndma_buffer_set_layout(self->buffer, &flat));
	ASSERT_WORDS("1 lease to read");
	ASSERT_DONE(ndma_lease_release(self->buffer, lease));
	ASSERT_DONE(ndma_buffer_set_layout(self->buffer, &flat));
}

TEST_F(buffer, a_thousand_views_are_one_lease)
{
	struct ndma_buffer_info info;
	uint32_t leases[1000];
	size_t i;

	for (i = 0; i < 1000; i++)
		ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &leases[i]));
	ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	EXPECT_EQ(1, info.read_leases);
	EXPECT_EQ(1, info.own_leases);
	for (i = 0; i < 1000; i++)
		ASSERT_DONE(ndma_lease_release(self->buffer, leases[i]));
	ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	EXPECT_EQ(0, info.read_leases);
}

TEST_F(buffer, what_is_not_held_cannot_be_released)
{
	uint32_t lease;

	EXPECT_EQ(-EINVAL, ndma_lease_release(self->buffer, NDMA_READ));
	EXPECT_EQ(-EINVAL, ndma_lease_release(self->buffer, 12345));
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_WRITE, &lease));
	ASSERT_DONE(ndma_lease_release(self->buffer, lease));
	EXPECT_EQ(-EINVAL, ndma_lease_release(self->buffer, lease));
	ASSERT_WORDS("not held");
	EXPECT_EQ(-EINVAL, ndma_lease_acquire(self->buffer, 0, &lease));
}

TEST_F(buffer, no_transfer_from_a_device_begins_under_a_lease)
{
	uint32_t lease, transfer;

	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &lease));
	EXPECT_EQ(-EBUSY, ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					      SECOND_NS, &transfer));
	ASSERT_WORDS("lease to read");
	EXPECT_EQ(-EBUSY, ndma_transfer_begin(self->buffer, NDMA_BOTH, NDMA_GUARD_NONE, 0,
					      SECOND_NS, &transfer));
	ASSERT_DONE(ndma_lease_release(self->buffer, lease));
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					SECOND_NS, &transfer));
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
}

TEST_F(buffer, a_transfer_to_a_device_minds_writers_alone)
{
	uint32_t reader, writer, transfer;

	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &reader));
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_WRITE, &writer));
	EXPECT_EQ(-EBUSY, ndma_transfer_begin(self->buffer, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0,
					      SECOND_NS, &transfer));
	ASSERT_WORDS("lease to write");
	ASSERT_DONE(ndma_lease_release(self->buffer, writer));
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0, SECOND_NS,
					&transfer));
	EXPECT_EQ(-EBUSY, ndma_lease_acquire(self->buffer, NDMA_WRITE, &writer));
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &reader));
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
}

TEST_F(buffer, no_lease_is_given_while_a_device_writes)
{
	uint32_t lease, transfer;

	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					SECOND_NS, &transfer));
	EXPECT_EQ(-EBUSY, ndma_lease_acquire(self->buffer, NDMA_READ, &lease));
	ASSERT_WORDS("transfer");
	EXPECT_EQ(-EBUSY, ndma_lease_acquire(self->buffer, NDMA_WRITE, &lease));
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &lease));
}

/* The child holds a lease on what it inherited the descriptor of, then waits. */
static int hold_a_lease(const struct peer *peer, int fd)
{
	struct ndma_buffer *mine;
	uint32_t lease;
	int rc;

	if (ndma_buffer_import(fd, NULL, &mine) || ndma_lease_acquire(mine, NDMA_READ, &lease))
		return 1;
	peer_tell(peer);
	peer_await(peer);
	rc = ndma_lease_release(mine, lease);
	ndma_buffer_close(mine);
	return rc == -ESTALE ? 2 : 0;
}

TEST_F(buffer, a_lease_of_another_process_counts_until_that_process_dies)
{
	uint32_t transfer;
	struct peer peer;

	if (!peer_start(&peer))
		_exit(hold_a_lease(&peer, ndma_buffer_fd(self->buffer)));
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(-EBUSY, ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					      SECOND_NS, &transfer));
	kill(peer.pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, peer_end(&peer));
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					SECOND_NS, &transfer));
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
}

TEST_F(buffer, holders_name_the_other_process)
{
	struct ndma_holder holder;
	struct peer peer;

	EXPECT_EQ(0, ndma_buffer_holders(self->buffer, NULL, 0));
	if (!peer_start(&peer))
		_exit(hold_a_lease(&peer, ndma_buffer_fd(self->buffer)));
	ASSERT_TRUE(peer_await(&peer));
	ASSERT_EQ(1, ndma_buffer_holders(self->buffer, &holder, 1));
	EXPECT_EQ(NDMA_HOLDER_LEASE, holder.kind);
	EXPECT_EQ(NDMA_READ, holder.access);
	EXPECT_EQ(1, holder.count);
	/* memfd: the kernel does not say whose a lock of an open file is. */
	EXPECT_EQ(strcmp(variant->backend, "memfd") ? peer.pid : 0, holder.pid);
	peer_tell(&peer);
	EXPECT_EQ(0, peer_end(&peer));
}

TEST_F(buffer, the_owner_takes_back_what_another_process_holds)
{
	uint32_t transfer;
	struct peer peer;
	int count;

	if (!peer_start(&peer))
		_exit(hold_a_lease(&peer, ndma_buffer_fd(self->buffer)));
	ASSERT_TRUE(peer_await(&peer));
	count = ndma_buffer_revoke(self->buffer);
	if (!strcmp(variant->backend, "memfd")) {
		/* Locks of another process cannot be taken away. */
		EXPECT_EQ(-EOPNOTSUPP, count);
		kill(peer.pid, SIGKILL);
		peer_end(&peer);
		return;
	}
	EXPECT_EQ(1, count);
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					SECOND_NS, &transfer));
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
	peer_tell(&peer);
	EXPECT_EQ(2, peer_end(&peer));
}

/* In another process, which the owner has taken its lease to read from in between. */
static int join_what_was_revoked(const struct peer *peer, int fd)
{
	uint32_t lease, other, joined;
	struct ndma_buffer *mine;
	int rc;

	if (ndma_buffer_import(fd, NULL, &mine) || ndma_lease_acquire(mine, NDMA_READ, &lease))
		return 1;
	peer_tell(peer);
	peer_await(peer);
	if (ndma_lease_acquire(mine, NDMA_WRITE, &other))
		return 3;
	rc = ndma_lease_acquire(mine, NDMA_READ, &joined);
	return rc == -ESTALE ? 2 : 0;
}

TEST_F(buffer, a_revoked_lease_is_not_joined_whatever_else_its_process_holds)
{
	/* Locks of another process cannot be taken away. */
	bool memfd = !strcmp(variant->backend, "memfd");
	struct peer peer;

	if (!peer_start(&peer))
		_exit(join_what_was_revoked(&peer, ndma_buffer_fd(self->buffer)));
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(memfd ? -EOPNOTSUPP : 1, ndma_buffer_revoke(self->buffer));
	peer_tell(&peer);
	EXPECT_EQ(memfd ? 0 : 2, peer_end(&peer));
}

/* In another process: asks for what was revoked, until it is told to end. */
static int ask_for_what_was_revoked(const struct peer *peer, int fd)
{
	struct pollfd told = { .fd = peer->socket, .events = POLLIN };
	struct ndma_buffer *mine;
	uint32_t lease, joined;

	if (ndma_buffer_import(fd, NULL, &mine) || ndma_lease_acquire(mine, NDMA_READ, &lease))
		return 1;
	peer_tell(peer);
	peer_await(peer);
	peer_tell(peer);
	while (!poll(&told, 1, 0))
		if (ndma_lease_acquire(mine, NDMA_READ, &joined) != -ESTALE)
			return 3;
	return 2;
}

TEST_F(buffer, an_owner_who_has_revoked_is_not_refused_where_others_ask_again)
{
	uint32_t transfer;
	struct peer peer;
	int i, refused = 0;

	/* Locks of another process cannot be taken away. */
	if (!strcmp(variant->backend, "memfd"))
		return;
	if (!peer_start(&peer))
		_exit(ask_for_what_was_revoked(&peer, ndma_buffer_fd(self->buffer)));
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(1, ndma_buffer_revoke(self->buffer));
	peer_tell(&peer);
	ASSERT_TRUE(peer_await(&peer));
	for (i = 0; i < 2000; i++) {
		if (ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					SECOND_NS, &transfer))
			refused++;
		else
			ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
	}
	EXPECT_EQ(0, refused);
	peer_tell(&peer);
	EXPECT_EQ(2, peer_end(&peer));
}

TEST_F(buffer, a_guarded_transfer_begins_over_a_lease_that_nobody_can_join)
{
	uint32_t lease, second, transfer;

	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &lease));
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_SIGBUS, 0,
					SECOND_NS, &transfer));
	EXPECT_EQ(-EBUSY, ndma_lease_acquire(self->buffer, NDMA_READ, &second));
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &second));
}

static void *acquire_and_release(void *argument)
{
	struct ndma_buffer *buffer = argument;
	uint32_t lease;
	long i;

	for (i = 0; i < 20000; i++)
		if (ndma_lease_acquire(buffer, i & 1 ? NDMA_READ : NDMA_WRITE, &lease) ||
		    ndma_lease_release(buffer, lease))
			return (void *)(i + 1);
	return NULL;
}

TEST_F(buffer, threads_take_leases_side_by_side)
{
	struct ndma_buffer_info info;
	pthread_t threads[4];
	void *failed;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, acquire_and_release, self->buffer));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &failed));
		EXPECT_EQ(NULL, failed);
	}
	ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	EXPECT_EQ(0, info.own_leases);
}

TEST_HARNESS_MAIN
