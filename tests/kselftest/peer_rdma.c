// SPDX-License-Identifier: GPL-2.0-only
/*
 * RDMA, as root: soft-RoCE registers a buffer's pages as a memory region. By the kernel's own calls, as
 * ibv_reg_mr() makes them; no guest has the library.
 */
#include <linux/netlink.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_netlink.h>
#include <stdio.h>

#include "test.h"

#define RW (PROT_READ | PROT_WRITE)
#define VERBS "/dev/infiniband/uverbs0"

FIXTURE(rdma)
{
	int heap;
	int fd;
	void *data;
	int verbs;
	uint32_t domain;
};

FIXTURE_VARIANT(rdma)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(rdma, huge)
{
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(rdma, pages)
{
	.bytes = 64 * 1024,
};

/* Adds a string to a netlink message. */
static void add(struct nlmsghdr *message, unsigned short type, const char *text)
{
	struct nlattr *attribute = (void *)((char *)message + NLMSG_ALIGN(message->nlmsg_len));

	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + strlen(text) + 1;
	strcpy((char *)attribute + NLA_HDRLEN, text);
	message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + NLA_ALIGN(attribute->nla_len);
}

/* A soft-RoCE device over the loopback: 0, also where it is there; or a negative errno. */
static int make_device(void)
{
	union {
		struct nlmsghdr header;
		char room[512];
	} message = {
		.header = {
			.nlmsg_len = NLMSG_HDRLEN,
			.nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_NEWLINK),
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
	};
	const struct nlmsgerr *answer = NLMSG_DATA(&message.header);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA), error = -EIO;

	add(&message.header, RDMA_NLDEV_ATTR_DEV_NAME, "rxe0");
	add(&message.header, RDMA_NLDEV_ATTR_LINK_TYPE, "rxe");
	add(&message.header, RDMA_NLDEV_ATTR_NDEV_NAME, "lo");
	if (send(fd, &message, message.header.nlmsg_len, 0) > 0 &&
	    recv(fd, &message, sizeof(message), 0) > 0)
		error = message.header.nlmsg_type == NLMSG_ERROR ? answer->error : -EPROTO;
	close(fd);
	return error == -EEXIST ? 0 : error;
}

/* One command of the verbs; @words of its answer lie where its first field points. */
static int verb(int fd, uint32_t command, void *argument, size_t bytes, size_t answer)
{
	struct {
		struct ib_uverbs_cmd_hdr header;
		char argument[64];
	} message = {
		.header = {
			.command = command,
			.in_words = (sizeof(message.header) + bytes) / 4,
			.out_words = answer / 4,
		},
	};

	memcpy(message.argument, argument, bytes);
	return write(fd, &message, sizeof(message.header) + bytes) < 0 ? -errno : 0;
}

static int get_context(int fd)
{
	struct ib_uverbs_get_context_resp answer = {};
	struct ib_uverbs_get_context request = { .response = (uintptr_t)&answer };

	return verb(fd, IB_USER_VERBS_CMD_GET_CONTEXT, &request, sizeof(request), sizeof(answer));
}

static int get_domain(int fd, uint32_t *domain)
{
	struct ib_uverbs_alloc_pd_resp answer = {};
	struct ib_uverbs_alloc_pd request = { .response = (uintptr_t)&answer };
	int ret = verb(fd, IB_USER_VERBS_CMD_ALLOC_PD, &request, sizeof(request), sizeof(answer));

	*domain = answer.pd_handle;
	return ret;
}

/* A handle of the region, or a negative errno. */
static int64_t region_make(int fd, uint32_t domain, void *at, size_t bytes, uint32_t access)
{
	struct ib_uverbs_reg_mr_resp answer = {};
	struct ib_uverbs_reg_mr request = {
		.response = (uintptr_t)&answer,
		.start = (uintptr_t)at,
		.length = bytes,
		.hca_va = (uintptr_t)at,
		.pd_handle = domain,
		.access_flags = access,
	};
	int ret = verb(fd, IB_USER_VERBS_CMD_REG_MR, &request, sizeof(request), sizeof(answer));

	return ret ? ret : (int64_t)answer.mr_handle;
}

static int region_end(int fd, uint32_t region)
{
	struct ib_uverbs_dereg_mr request = { .mr_handle = region };

	return verb(fd, IB_USER_VERBS_CMD_DEREG_MR, &request, sizeof(request), 0);
}

FIXTURE_SETUP(rdma)
{
	self->verbs = -1;
	if (system("modprobe rdma_rxe && modprobe ib_uverbs"))
		SKIP(return, "this guest has no rdma_rxe");
	ASSERT_EQ(make_device(), 0);
	ASSERT_EQ(system("udevadm settle --timeout=60"), 0);
	self->verbs = open(VERBS, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->verbs, 0);
	ASSERT_EQ(get_context(self->verbs), 0);
	ASSERT_EQ(get_domain(self->verbs, &self->domain), 0);
	self->heap = heap_open();
	self->fd = heap_alloc(self->heap, variant->bytes);
	ASSERT_GE(self->fd, 0);
	self->data = buffer_map(self->heap, self->fd, variant->bytes, RW);
	ASSERT_NE(self->data, MAP_FAILED);
}

FIXTURE_TEARDOWN(rdma)
{
	if (self->verbs < 0)
		return;
	munmap(self->data, variant->bytes);
	close(self->fd);
	close(self->heap);
	close(self->verbs);
}

static int64_t begin(const struct _test_data_rdma *self)
{
	return transfer_begin(self->heap, self->fd, NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 0,
			      SECOND_NS);
}

TEST_F(rdma, a_region_of_its_pages_refuses_a_guarded_transfer_while_it_lives)
{
	int64_t region = region_make(self->verbs, self->domain, self->data, variant->bytes,
				     IB_UVERBS_ACCESS_LOCAL_WRITE | IB_UVERBS_ACCESS_REMOTE_WRITE);
	int64_t transfer;

	ASSERT_GE(region, 0);
	EXPECT_EQ(begin(self), -EBUSY);
	EXPECT_EQ(region_end(self->verbs, region), 0);
	transfer = begin(self);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(transfer_end(self->heap, self->fd, transfer), 0);
}

TEST_F(rdma, a_read_only_mapping_is_no_region_to_be_written)
{
	int readonly = buffer_readonly(self->heap, self->fd);
	void *seen = buffer_map(self->heap, readonly, variant->bytes, PROT_READ);

	ASSERT_NE(seen, MAP_FAILED);
	EXPECT_LT(region_make(self->verbs, self->domain, seen, variant->bytes,
			      IB_UVERBS_ACCESS_LOCAL_WRITE), 0);
	munmap(seen, variant->bytes);
	close(readonly);
}

TEST_HARNESS_MAIN
