/* SPDX-License-Identifier: MIT */
/*
 * The raw uAPI of the heap: every call returns 0 or more, or a negative errno.
 */
#ifndef NDMA_UAPI_HEAP_H
#define NDMA_UAPI_HEAP_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/ndma.h>

#include "call.h"

#define MIB (1UL << 20)
/* A large buffer; a huge page is as large on most machines, and heap_info() knows on which it is not. */
#define HUGE_BYTES (2 * MIB)
#define PAGE_BYTES ((uint64_t)sysconf(_SC_PAGESIZE))
#define SECOND_NS 1000000000ULL

static inline int heap_open_mode(int flags)
{
	int fd = open(NDMA_HEAP_PATH, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int heap_open(void)
{
	return heap_open_mode(O_RDWR);
}

/* What most ask for: memory of any node, flat bytes. */
static inline struct ndma_buffer_alloc alloc_of(uint64_t bytes)
{
	return (struct ndma_buffer_alloc){
		.size = sizeof(struct ndma_buffer_alloc),
		.bytes = bytes,
		.node = NDMA_NODE_ANY,
		.source_fd = -1,
		.fd_flags = O_CLOEXEC,
	};
}

/* The dma-buf, or a negative errno; @alloc is as the kernel answered. */
static inline int heap_alloc_as(int heap, struct ndma_buffer_alloc *alloc)
{
	int ret = call(heap, NDMA_BUFFER_ALLOC, alloc);

	return ret ? ret : alloc->fd;
}

static inline int heap_alloc_flags(int heap, uint64_t bytes, uint32_t flags)
{
	struct ndma_buffer_alloc alloc = alloc_of(bytes);

	alloc.flags = flags;
	return heap_alloc_as(heap, &alloc);
}

static inline int heap_alloc(int heap, uint64_t bytes)
{
	return heap_alloc_flags(heap, bytes, 0);
}

/* Where @source reaches. */
static inline int heap_alloc_for(int heap, int source, uint64_t bytes)
{
	struct ndma_buffer_alloc alloc = alloc_of(bytes);

	alloc.source_fd = source;
	return heap_alloc_as(heap, &alloc);
}

/* All ones where it cannot be had. */
static inline struct ndma_heap_info heap_info(int heap)
{
	struct ndma_heap_info info = { .size = sizeof(info) };

	if (call(heap, NDMA_HEAP_INFO, &info))
		memset(&info, 0xff, sizeof(info));
	return info;
}

/* All ones where it cannot be had. */
static inline struct ndma_buffer_info buffer_info(int heap, int fd)
{
	struct ndma_buffer_info info = { .size = sizeof(info), .fd = fd };

	if (call(heap, NDMA_BUFFER_INFO, &info))
		memset(&info, 0xff, sizeof(info));
	return info;
}

/* How many holders there are, of which @room at most are told; or a negative errno. */
static inline int buffer_holders(int heap, int fd, struct ndma_holder *holders, uint32_t room)
{
	struct ndma_buffer_holders request = {
		.size = sizeof(request),
		.fd = fd,
		.count = room,
		.holders = (uintptr_t)holders,
	};
	int ret = call(heap, NDMA_BUFFER_HOLDERS, &request);

	return ret ? ret : (int)request.count;
}

static inline int buffer_readonly(int heap, int fd)
{
	struct ndma_buffer_readonly request = {
		.size = sizeof(request),
		.fd = fd,
		.fd_flags = O_CLOEXEC,
	};
	int ret = call(heap, NDMA_BUFFER_READONLY_HANDLE, &request);

	return ret ? ret : request.out_fd;
}

/* Where mmap() of the heap finds the buffer. */
static inline uint64_t buffer_offset(int fd)
{
	return (uint64_t)(unsigned int)fd << NDMA_MMAP_FD_SHIFT;
}

/* Through the heap, where huge pages can be used. */
static inline void *buffer_map(int heap, int fd, size_t bytes, int prot)
{
	return mmap(NULL, bytes, prot, MAP_SHARED, heap, (off_t)buffer_offset(fd));
}

/* The id of the lease, or a negative errno. */
static inline int64_t lease_acquire(int heap, int fd, uint32_t access)
{
	struct ndma_lease_acquire request = { .size = sizeof(request), .fd = fd, .access = access };
	int ret = call(heap, NDMA_LEASE_ACQUIRE, &request);

	return ret ? ret : (int64_t)request.lease;
}

/* May it be acquired once more? 0, or a negative errno. */
static inline int lease_check(int heap, int fd, uint32_t access, int64_t lease)
{
	struct ndma_lease_acquire request = {
		.size = sizeof(request),
		.fd = fd,
		.access = access,
		.flags = NDMA_LEASE_CHECK,
		.lease = (uint32_t)lease,
	};

	return call(heap, NDMA_LEASE_ACQUIRE, &request);
}

static inline int lease_release(int heap, int64_t lease)
{
	struct ndma_lease_release request = { .size = sizeof(request), .lease = lease };

	return call(heap, NDMA_LEASE_RELEASE, &request);
}

/* Takes a lease at once and lets go: 0 where it is to be had. */
static inline int lease_try(int heap, int fd, uint32_t access)
{
	int64_t lease = lease_acquire(heap, fd, access);

	return lease < 0 ? lease : lease_release(heap, lease);
}

/* How many were revoked, or a negative errno. */
static inline int lease_revoke(int heap, int fd)
{
	struct ndma_lease_revoke request = { .size = sizeof(request), .fd = fd };
	int ret = call(heap, NDMA_LEASE_REVOKE, &request);

	return ret ? ret : (int)request.count;
}

/* The id of the transfer, or a negative errno. */
static inline int64_t transfer_begin(int heap, int fd, uint32_t direction, uint32_t guard,
				     uint32_t flags, uint64_t timeout_ns)
{
	struct ndma_transfer_begin request = {
		.size = sizeof(request),
		.fd = fd,
		.direction = direction,
		.guard = guard,
		.flags = flags,
		.timeout_ns = timeout_ns,
	};
	int ret = call(heap, NDMA_TRANSFER_BEGIN, &request);

	return ret ? ret : (int64_t)request.transfer;
}

static inline int transfer_end(int heap, int fd, int64_t transfer)
{
	struct ndma_transfer_end request = {
		.size = sizeof(request),
		.fd = fd,
		.transfer = transfer,
	};

	return call(heap, NDMA_TRANSFER_END, &request);
}

static inline int layout_set(int heap, int fd, const struct ndma_layout *layout)
{
	struct ndma_buffer_layout request = { .size = sizeof(request), .fd = fd, .layout = *layout };

	return call(heap, NDMA_BUFFER_SET_LAYOUT, &request);
}

static inline int layout_get(int heap, int fd, struct ndma_layout *layout)
{
	struct ndma_buffer_layout request = { .size = sizeof(request), .fd = fd };
	int ret = call(heap, NDMA_BUFFER_GET_LAYOUT, &request);

	*layout = request.layout;
	return ret;
}

static inline struct ndma_layout layout_bytes(uint64_t bytes)
{
	return (struct ndma_layout){
		.itemsize = 1,
		.ndim = 1,
		.shape = { bytes },
		.strides = { 1 },
		.format = "B",
	};
}

#endif /* NDMA_UAPI_HEAP_H */
