// SPDX-License-Identifier: GPL-2.0-only
/* Transfers: begin, end, deadlines, who may. */
#include "after_unlock.h"
#include "buffer.h"

TEST_F(buffer, a_transfer_begins_and_ends_once)
{
	struct ndma_buffer_info info;
	uint32_t transfer, second;

	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					10 * SECOND_NS, &transfer));
	ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	EXPECT_EQ(NDMA_OWNER_DEVICE, info.owner);
	EXPECT_EQ(NDMA_FROM_DEVICE, info.direction);
	EXPECT_EQ(-EBUSY, ndma_transfer_begin(self->buffer, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0,
					      SECOND_NS, &second));
	EXPECT_EQ(-EINVAL, ndma_transfer_end(self->buffer, transfer + 1));
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
	EXPECT_EQ(-EINVAL, ndma_transfer_end(self->buffer, transfer));
	ASSERT_WORDS("not in progress");
	ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	EXPECT_EQ(NDMA_OWNER_CPU, info.owner);
	EXPECT_EQ(1, info.transfers);
	EXPECT_EQ(0, info.aborted);
}

TEST_F(buffer, its_deadline_ends_it_and_whoever_ends_it_late_is_told)
{
	struct ndma_buffer_info info;
	int64_t limit = now_ns() + 10 * SECOND_NS;
	uint32_t transfer;

	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0, 1000000,
					&transfer));
	do {
		ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	} while (info.owner == NDMA_OWNER_DEVICE && now_ns() < limit);
	EXPECT_EQ(NDMA_OWNER_CPU, info.owner);
	EXPECT_EQ(1, info.aborted);
	EXPECT_EQ(-ETIMEDOUT, ndma_transfer_end(self->buffer, transfer));
	ASSERT_WORDS("not to be trusted");
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					SECOND_NS, &transfer));
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
}

/* A transfer that begins through another object while the end of the one before still returns. */
static struct {
	struct ndma_buffer *buffer;
	uint32_t transfer;
	int rc;
} next;

static void begin_next(void)
{
	next.rc = ndma_transfer_begin(next.buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
				      SECOND_NS / 50, &next.transfer);
	if (next.rc)
		after_unlock = begin_next;
}

TEST_F(buffer, ending_one_transfer_leaves_the_deadline_of_the_next)
{
	struct ndma_buffer_info info;
	int64_t limit = now_ns() + 10 * SECOND_NS;
	uint32_t transfer;

	next.rc = -EBUSY;
	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &next.buffer));
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					100 * SECOND_NS, &transfer));
	after_unlock = begin_next;
	EXPECT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	after_unlock = NULL;
	/* The module's calls lock nothing here: there the next begins afterwards. */
	if (next.rc)
		begin_next();
	ASSERT_EQ(0, next.rc);
	do {
		ASSERT_DONE(ndma_buffer_info(self->buffer, &info));
	} while (info.owner == NDMA_OWNER_DEVICE && now_ns() < limit);
	EXPECT_EQ(NDMA_OWNER_CPU, info.owner);
	EXPECT_EQ(1, info.aborted);
	EXPECT_EQ(-ETIMEDOUT, ndma_transfer_end(next.buffer, next.transfer));
	ndma_buffer_close(next.buffer);
}

/* A transfer that begins through the same object once the one before, of which the program has not
 * heard yet, was ended by its deadline.
 */
static void begin_after_the_deadline(void)
{
	int64_t limit = now_ns() + 10 * SECOND_NS;

	do {
		next.rc = ndma_transfer_begin(next.buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					      100 * SECOND_NS, &next.transfer);
	} while (next.rc == -EBUSY && now_ns() < limit);
}

TEST_F(buffer, closing_ends_the_transfer_that_began_last)
{
	struct ndma_buffer_info info;
	struct ndma_buffer *other;
	uint32_t transfer;

	next.rc = -EBUSY;
	next.buffer = self->buffer;
	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &other));
	after_unlock = begin_after_the_deadline;
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					SECOND_NS / 50, &transfer));
	after_unlock = NULL;
	/* The module's calls lock nothing here: there it begins afterwards. */
	if (next.rc)
		begin_after_the_deadline();
	ASSERT_EQ(0, next.rc);
	ndma_buffer_close(self->buffer);
	self->buffer = other;
	ASSERT_DONE(ndma_buffer_info(other, &info));
	EXPECT_EQ(NDMA_OWNER_CPU, info.owner);
	EXPECT_EQ(2, info.transfers);
}

TEST_F(buffer, the_layout_cannot_change_meanwhile)
{
	uint32_t transfer;

	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0, SECOND_NS,
					&transfer));
	EXPECT_EQ(-EBUSY, ndma_buffer_set_layout(self->buffer, &self->layout));
	ASSERT_WORDS("transfer");
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
	ASSERT_DONE(ndma_buffer_set_layout(self->buffer, &self->layout));
}

TEST_F(buffer, closing_ends_the_transfer)
{
	struct ndma_buffer *other;
	struct ndma_buffer_info info;
	uint32_t transfer;

	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &other));
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					100 * SECOND_NS, &transfer));
	ndma_buffer_close(self->buffer);
	self->buffer = other;
	ASSERT_DONE(ndma_buffer_info(other, &info));
	EXPECT_EQ(NDMA_OWNER_CPU, info.owner);
}

TEST_F(buffer, wrong_arguments_are_refused_with_words)
{
	static const struct {
		uint32_t direction, guard, flags;
		uint64_t timeout_ns;
		const char *words;
	} wrong[] = {
		{ 0, NDMA_GUARD_NONE, 0, SECOND_NS, "direction 0" },
		{ 4, NDMA_GUARD_NONE, 0, SECOND_NS, "direction 4" },
		{ NDMA_BOTH, 3, 0, SECOND_NS, "guard 3" },
		{ NDMA_BOTH, NDMA_GUARD_NONE, 2, SECOND_NS, "flags 0x2" },
		{ NDMA_BOTH, NDMA_GUARD_NONE, 0, 0, "0 ns" },
		{ NDMA_BOTH, NDMA_GUARD_NONE, 0, 86400ULL * 366 * SECOND_NS, "one hour" },
	};
	uint32_t transfer = 77;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		EXPECT_EQ(-EINVAL,
			  ndma_transfer_begin(self->buffer, wrong[i].direction, wrong[i].guard,
					      wrong[i].flags, wrong[i].timeout_ns, &transfer));
		ASSERT_WORDS(wrong[i].words);
	}
	EXPECT_EQ(77, transfer);
	EXPECT_EQ(-EINVAL, ndma_transfer_end(self->buffer, 1));
}

/* 0 where a process that only received the descriptor may not. */
static int try_a_transfer(int fd)
{
	struct ndma_buffer *mine;
	uint32_t transfer;

	if (ndma_buffer_import(fd, NULL, &mine))
		return 1;
	return ndma_transfer_begin(mine, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0, SECOND_NS,
				   &transfer) == -EPERM
		       ? 0
		       : 2;
}

TEST_F(buffer, another_process_may_not_begin_one)
{
	struct peer peer;

	if (!peer_start(&peer))
		_exit(try_a_transfer(ndma_buffer_fd(self->buffer)));
	EXPECT_EQ(0, peer_end(&peer));
}

/* Makes a buffer, sends its descriptor, and dies in a transfer to it. */
static int die_in_a_transfer(const struct peer *peer)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec data = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct ndma_buffer *buffer;
	struct ndma_layout layout;
	struct cmsghdr *header;
	uint32_t transfer;
	int fd;

	ndma_layout_flat(&layout, 4096);
	if (ndma_buffer_create(&layout, NULL, &buffer) ||
	    ndma_transfer_begin(buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0, 100 * SECOND_NS,
				&transfer))
		return 1;
	fd = ndma_buffer_fd(buffer);
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(peer->socket, &message, 0) != 1)
		return 2;
	peer_await(peer);
	raise(SIGKILL);
	return 3;
}

static int receive(const struct peer *peer)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	int fd;

	if (recvmsg(peer->socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

TEST_F(buffer, the_death_of_the_owner_in_a_transfer_is_told_once)
{
	struct ndma_buffer *orphan;
	struct peer peer;
	uint32_t lease;
	int fd;

	if (!peer_start(&peer))
		_exit(die_in_a_transfer(&peer));
	fd = receive(&peer);
	ASSERT_LE(0, fd);
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &orphan));
	EXPECT_EQ(-EBUSY, ndma_lease_acquire(orphan, NDMA_READ, &lease));
	peer_tell(&peer);
	EXPECT_EQ(128 + SIGKILL, peer_end(&peer));
	EXPECT_EQ(-EOWNERDEAD, ndma_lease_acquire(orphan, NDMA_READ, &lease));
	ASSERT_WORDS("trusted");
	ASSERT_DONE(ndma_lease_acquire(orphan, NDMA_READ, &lease));
	ndma_buffer_close(orphan);
	close(fd);
}

TEST_HARNESS_MAIN
