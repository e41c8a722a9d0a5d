/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What guard.c and race.c share: one buffer with one mapping in every combination, and writes that
 * survive SIGBUS.
 */
#ifndef NDMA_TEST_GUARD_H
#define NDMA_TEST_GUARD_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

#include "test.h"

#define RW (PROT_READ | PROT_WRITE)
#define LONG_NS (100 * SECOND_NS)

FIXTURE(guard)
{
	int heap;
	int fd;
	size_t bytes;
	volatile uint64_t *data;
};

FIXTURE_VARIANT(guard)
{
	uint32_t guard;
	size_t bytes;
	bool through_dma_buf;
};

FIXTURE_VARIANT_ADD(guard, block_huge)
{
	.guard = NDMA_GUARD_BLOCK,
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(guard, block_pages)
{
	.guard = NDMA_GUARD_BLOCK,
	.bytes = 128 * 1024,
};

FIXTURE_VARIANT_ADD(guard, block_dma_buf)
{
	.guard = NDMA_GUARD_BLOCK,
	.bytes = 4 * MIB,
	.through_dma_buf = true,
};

FIXTURE_VARIANT_ADD(guard, sigbus_huge)
{
	.guard = NDMA_GUARD_SIGBUS,
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(guard, sigbus_pages)
{
	.guard = NDMA_GUARD_SIGBUS,
	.bytes = 128 * 1024,
};

FIXTURE_SETUP(guard)
{
	self->bytes = variant->bytes;
	self->heap = heap_open();
	self->fd = heap_alloc(self->heap, self->bytes);
	ASSERT_GE(self->fd, 0);
	self->data = variant->through_dma_buf ?
		     mmap(NULL, self->bytes, RW, MAP_SHARED, self->fd, 0) :
		     buffer_map(self->heap, self->fd, self->bytes, RW);
	ASSERT_NE(self->data, MAP_FAILED);
	self->data[0] = 42;
}

FIXTURE_TEARDOWN(guard)
{
	munmap((void *)self->data, self->bytes);
	close(self->fd);
	close(self->heap);
}

static __thread sigjmp_buf fault_return;
static __thread void *volatile fault_address;
static __thread volatile int fault_code;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	fault_address = info->si_addr;
	fault_code = info->si_code;
	siglongjmp(fault_return, 1);
}

static inline void catch_sigbus(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
}

/* Writes @value; false: SIGBUS came instead. */
static inline bool try_write(volatile uint64_t *at, uint64_t value)
{
	if (sigsetjmp(fault_return, 1))
		return false;
	*at = value;
	return true;
}

#endif /* NDMA_TEST_GUARD_H */
