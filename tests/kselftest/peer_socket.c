// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets: buffers are sent as any memory is, by TCP with and without a copy; their handles by
 * SCM_RIGHTS, and whoever gets one learns from the kernel what is in it.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>

#include <linux/errqueue.h>

#include "test.h"

#define RW (PROT_READ | PROT_WRITE)
/* Far more than anything here takes, on the slowest machine. */
#define PATIENCE_MS 60000

FIXTURE(network)
{
	int heap;
	int fds[2];
	uint8_t *sent;
	uint8_t *received;
	size_t bytes;
	int from;
	int to;
};

FIXTURE_VARIANT(network)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(network, huge)
{
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(network, pages)
{
	.bytes = 64 * 1024,
};

/* Two ends of one connexion over TCP. */
static int connect_both(int *from, int *to)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) ||
	    connect(*from, (struct sockaddr *)&address, size))
		return -errno;
	*to = accept(listener, NULL, NULL);
	close(listener);
	return *to < 0 ? -errno : 0;
}

FIXTURE_SETUP(network)
{
	size_t i;

	self->bytes = variant->bytes;
	self->heap = heap_open();
	for (i = 0; i < 2; i++) {
		self->fds[i] = heap_alloc(self->heap, self->bytes);
		ASSERT_GE(self->fds[i], 0);
	}
	self->sent = buffer_map(self->heap, self->fds[0], self->bytes, RW);
	self->received = buffer_map(self->heap, self->fds[1], self->bytes, RW);
	ASSERT_NE(self->sent, MAP_FAILED);
	ASSERT_NE(self->received, MAP_FAILED);
	for (i = 0; i < self->bytes; i++)
		self->sent[i] = i * 31 + (i >> 8) + (i >> 16);
	ASSERT_EQ(connect_both(&self->from, &self->to), 0);
}

FIXTURE_TEARDOWN(network)
{
	close(self->from);
	close(self->to);
	munmap(self->sent, self->bytes);
	munmap(self->received, self->bytes);
	close(self->fds[0]);
	close(self->fds[1]);
	close(self->heap);
}

static void *receive_all(void *priv)
{
	struct _test_data_network *self = priv;

	return (void *)recv(self->to, self->received, self->bytes, MSG_WAITALL);
}

/* How many calls it took; 0: it failed. */
static uint32_t send_all(struct _test_data_network *self, int flags)
{
	uint32_t calls = 0;
	size_t done = 0;

	while (done < self->bytes) {
		ssize_t ret = send(self->from, self->sent + done, self->bytes - done,
				   flags | MSG_NOSIGNAL);

		if (ret <= 0)
			return 0;
		done += ret;
		calls++;
	}
	return calls;
}

TEST_F(network, a_buffer_is_sent_into_another)
{
	pthread_t receiver;
	void *got;

	ASSERT_EQ(pthread_create(&receiver, NULL, receive_all, self), 0);
	EXPECT_GE(send_all(self, 0), 1);
	ASSERT_EQ(pthread_join(receiver, &got), 0);
	EXPECT_EQ((size_t)got, self->bytes);
	EXPECT_EQ(memcmp(self->sent, self->received, self->bytes), 0);
}

/* Calls whose memory the kernel has let go, from what it says now; negative: nothing came. */
static int let_go(int fd)
{
	char room[CMSG_SPACE(sizeof(struct sock_extended_err)) + 64];
	struct msghdr message = { .msg_control = room, .msg_controllen = sizeof(room) };
	struct pollfd told = { .fd = fd };
	struct sock_extended_err error;

	if (poll(&told, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0 || !CMSG_FIRSTHDR(&message))
		return -EIO;
	memcpy(&error, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(error));
	if (error.ee_errno || error.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
		return -EPROTO;
	return error.ee_data - error.ee_info + 1;
}

TEST_F(network, a_buffer_is_sent_without_a_copy_and_let_go)
{
	uint32_t calls, told = 0;
	int64_t transfer;
	pthread_t receiver;
	int one = 1, ret;
	void *got;

	ASSERT_EQ(setsockopt(self->from, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), 0);
	ASSERT_EQ(pthread_create(&receiver, NULL, receive_all, self), 0);
	calls = send_all(self, MSG_ZEROCOPY);
	ASSERT_GE(calls, 1);
	ASSERT_EQ(pthread_join(receiver, &got), 0);
	EXPECT_EQ((size_t)got, self->bytes);
	EXPECT_EQ(memcmp(self->sent, self->received, self->bytes), 0);
	while (told < calls) {
		ret = let_go(self->from);
		ASSERT_GE(ret, 1);
		told += ret;
	}
	transfer = transfer_begin(self->heap, self->fds[0], NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 0,
				  SECOND_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(transfer_end(self->heap, self->fds[0], transfer), 0);
}

static int send_handle(int socket, int fd)
{
	char room[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec data = { "", 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

static int receive_handle(int socket)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -EIO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static const struct ndma_layout picture = {
	.itemsize = 2,
	.ndim = 2,
	.shape = { 8, 16 },
	.strides = { 64, 2 },
	.offset = 128,
	.format = "<h",
};

/* Another process, with nothing but a socket: which step went wrong, or 0. */
static int be_the_other(const struct peer *peer)
{
	int heap = heap_open(), fd = receive_handle(peer->socket), readonly;
	struct ndma_layout layout, flat = layout_bytes(16);
	int16_t *data;
	int64_t lease;

	if (fd < 0 || layout_get(heap, fd, &layout) || memcmp(&layout, &picture, sizeof(layout)))
		return 1;
	lease = lease_acquire(heap, fd, NDMA_READ);
	if (lease <= 0)
		return 2;
	data = buffer_map(heap, fd, HUGE_BYTES, RW);
	if (data == MAP_FAILED || data[(layout.offset + 7 * layout.strides[0]) / 2 + 15] != 4711)
		return 3;
	if (!peer_tell(peer) || !peer_await(peer))
		return 4;
	readonly = receive_handle(peer->socket);
	if (readonly < 0 || layout_get(heap, readonly, &layout) ||
	    memcmp(&layout, &picture, sizeof(layout)))
		return 5;
	if (buffer_map(heap, readonly, HUGE_BYTES, RW) != MAP_FAILED || errno != EACCES)
		return 6;
	return layout_set(heap, readonly, &flat) >= 0 ? 7 : 0;
}

TEST(another_process_learns_the_layout_from_a_handle_that_it_was_sent)
{
	int heap = heap_open(), fd = heap_alloc(heap, HUGE_BYTES), readonly;
	struct ndma_layout flat = layout_bytes(16);
	struct peer peer;
	int16_t *data;

	if (!peer_fork(&peer)) {
		close(heap);
		close(fd);
		_exit(be_the_other(&peer));
	}
	ASSERT_GE(fd, 0);
	data = buffer_map(heap, fd, HUGE_BYTES, RW);
	ASSERT_NE(data, MAP_FAILED);
	ASSERT_EQ(layout_set(heap, fd, &picture), 0);
	data[(128 + 7 * 64) / 2 + 15] = 4711;
	ASSERT_EQ(send_handle(peer.socket, fd), 0);
	ASSERT_TRUE(peer_await(&peer));
	/* The other one looks at it. */
	EXPECT_EQ(layout_set(heap, fd, &flat), -EBUSY);
	readonly = buffer_readonly(heap, fd);
	EXPECT_TRUE(peer_tell(&peer));
	ASSERT_EQ(send_handle(peer.socket, readonly), 0);
	EXPECT_EQ(peer_join(&peer), 0);
	EXPECT_EQ(layout_set(heap, fd, &flat), 0);
	munmap(data, HUGE_BYTES);
	close(readonly);
	close(fd);
	close(heap);
}

TEST_HARNESS_MAIN
