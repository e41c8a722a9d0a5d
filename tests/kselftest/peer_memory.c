// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel offers for any memory, on a buffer's: mlock, futexes, userfaultfd, fork. The table of
 * libndma(3) says the same.
 */
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sys/syscall.h>

#include "test.h"

#define RW (PROT_READ | PROT_WRITE)

FIXTURE(memory)
{
	int heap;
	int fd;
	uint32_t *data;
};

FIXTURE_VARIANT(memory)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(memory, huge)
{
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(memory, pages)
{
	.bytes = 64 * 1024,
};

FIXTURE_SETUP(memory)
{
	self->heap = heap_open();
	self->fd = heap_alloc(self->heap, variant->bytes);
	ASSERT_GE(self->fd, 0);
	self->data = buffer_map(self->heap, self->fd, variant->bytes, RW);
	ASSERT_NE(self->data, MAP_FAILED);
	self->data[0] = 42;
}

FIXTURE_TEARDOWN(memory)
{
	munmap(self->data, variant->bytes);
	close(self->fd);
	close(self->heap);
}

TEST_F(memory, mlock_takes_it_and_counts_nothing)
{
	char status[4096];

	EXPECT_EQ(mlock(self->data, variant->bytes), 0);
	/* It is in memory anyway, and charged to the quota. */
	ASSERT_GT(file_read("/proc/self/status", status, sizeof(status)), 0);
	EXPECT_NE(strstr(status, "VmLck:\t       0 kB"), NULL);
	EXPECT_EQ(munlock(self->data, variant->bytes), 0);
}

static long futex_wait(uint32_t *word, int operation)
{
	const struct timespec moment = { .tv_nsec = 1000 };

	return syscall(SYS_futex, word, operation, 42, &moment, NULL, 0) ? -errno : 0;
}

TEST_F(memory, a_futex_in_it_works_within_a_process_and_not_between_processes)
{
	EXPECT_EQ(futex_wait(self->data, FUTEX_WAIT_PRIVATE), -ETIMEDOUT);
	EXPECT_EQ(futex_wait(self->data, FUTEX_WAIT), -EFAULT);
	EXPECT_EQ(syscall(SYS_futex, self->data, FUTEX_WAKE, 1, NULL, NULL, 0), -1);
	EXPECT_EQ(errno, EFAULT);
}

TEST_F(memory, userfaultfd_does_not_take_it)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register all = {
		.range = { .start = (uintptr_t)self->data, .len = variant->bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		SKIP(return, "this guest has no userfaultfd");
	ASSERT_EQ(ioctl(fd, UFFDIO_API, &api), 0);
	EXPECT_EQ(call(fd, UFFDIO_REGISTER, &all), -EINVAL);
	all.mode = UFFDIO_REGISTER_MODE_WP;
	EXPECT_EQ(call(fd, UFFDIO_REGISTER, &all), -EINVAL);
	close(fd);
}

TEST_F(memory, a_child_of_fork_has_it_too)
{
	struct peer peer;

	if (!peer_fork(&peer)) {
		if (self->data[0] != 42)
			_exit(1);
		self->data[0] = 43;
		_exit(0);
	}
	EXPECT_EQ(peer_join(&peer), 0);
	EXPECT_EQ(self->data[0], 43);
}

TEST_HARNESS_MAIN
