// SPDX-License-Identifier: MIT
/* Buffers of the kernel module: dma-bufs that the heap answers about. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel.h"

/* @fd belongs to the object; on failure it is closed. */
static int wrap(const struct ndma_backend *self, int fd, uint64_t bytes, uint64_t capacity,
		bool readonly, struct ndma_buffer **out)
{
	struct ndma_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer) {
		close(fd);
		return ndma_set_error(ENOMEM, "no memory for a buffer object");
	}
	ndma_buffer_init(buffer, self, fd, bytes, capacity);
	buffer->readonly = readonly;
	*out = buffer;
	return 0;
}

int ndma_kernel_buffer_create(const struct ndma_backend *self, const struct ndma_layout *layout,
			      uint64_t bytes, const struct ndma_buffer_options *options,
			      struct ndma_buffer **out)
{
	struct ndma_buffer_alloc alloc = {
		.size = sizeof(alloc),
		.flags = options->flags,
		.node = options->node,
		.source_fd = options->source ? options->source->fd : -1,
		.fd_flags = O_CLOEXEC,
		.layout = (uintptr_t)layout,
		.bytes = bytes,
	};
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_BUFFER_ALLOC, &alloc);
	if (rc == -EOPNOTSUPP && options->source)
		return ndma_set_error(EOPNOTSUPP,
				      "%llu bytes of memory that %s reaches are not to "
				      "be had: its DMA mask leaves too little",
				      (unsigned long long)bytes, options->source->name);
	if (rc == -EOPNOTSUPP)
		return ndma_set_error(EOPNOTSUPP,
				      "%llu bytes in one physical piece are not to be "
				      "had: at most 4 MiB are",
				      (unsigned long long)bytes);
	if (rc)
		return ndma_kernel_error(rc, "allocating a buffer of %llu bytes",
					 (unsigned long long)bytes);
	return wrap(self, alloc.fd, bytes, alloc.capacity, false, out);
}

int ndma_kernel_buffer_import(const struct ndma_backend *self, int fd,
			      const struct ndma_layout *layout, struct ndma_buffer **out)
{
	struct ndma_buffer_info info = { .size = sizeof(info), .fd = fd };
	int heap, copy, rc;

	(void)layout; /* the kernel has it; buffer.c compares */
	if (!ndma_module_is_loaded() && !ndma_dmabuf_is_ours(fd))
		return -ENOTTY;
	heap = ndma_kernel_heap();
	if (heap < 0) /* which a foreign dma-buf does not need */
		return ndma_dmabuf_is_ours(fd) ? heap : -ENOTTY;
	rc = ndma_ioctl_call(heap, NDMA_BUFFER_INFO, &info);
	if (rc == -EBADF)
		return -ENOTTY;
	if (rc)
		return ndma_kernel_error(rc, "asking about the buffer of file descriptor %d", fd);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return ndma_set_error(errno, "duplicating file descriptor %d: %s", fd,
				      strerror(errno));
	return wrap(self, copy, info.bytes, info.capacity, info.flags & NDMA_BUFFER_READONLY, out);
}

void ndma_kernel_buffer_free(struct ndma_buffer *buffer)
{
	close(buffer->fd);
	free(buffer);
}

/* Bytes from @at on whose pages are of one size; 0: the module does not say. */
static uint64_t run_bytes(const struct ndma_buffer *buffer, int heap, uint64_t at)
{
	struct ndma_buffer_info info = { .size = sizeof(info), .fd = buffer->fd, .run_at = at };

	return ndma_ioctl_call(heap, NDMA_BUFFER_INFO, &info) ? 0 : info.run_bytes;
}

/*
 * Memory in pages of several sizes: one mapping each for what is of one size, side by side, because
 * in one mapping of them all the large pages would be small ones. NULL: it cannot be done.
 */
static void *map_runs(const struct ndma_buffer *buffer, int heap, int prot)
{
	char *room = ndma_mmap_reserve(buffer->capacity);
	uint64_t at, bytes;

	for (at = 0; room && at < buffer->capacity; at += bytes) {
		bytes = run_bytes(buffer, heap, at);
		if (bytes && mmap(room + at, bytes, prot, MAP_SHARED | MAP_FIXED, buffer->fd,
				  (off_t)at) != MAP_FAILED)
			continue;
		munmap(room, buffer->capacity);
		return NULL;
	}
	return room;
}

int ndma_kernel_buffer_map(struct ndma_buffer *buffer, uint32_t access, struct ndma_mapping *map)
{
	int prot = access == NDMA_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	off_t offset = (off_t)buffer->fd << NDMA_MMAP_FD_SHIFT;
	int heap = ndma_kernel_heap();
	void *address = NULL;

	if (heap < 0)
		return heap;
	if (buffer->capacity > ndma_mmap_huge_bytes() &&
	    run_bytes(buffer, heap, 0) < buffer->capacity)
		address = map_runs(buffer, heap, prot);
	if (!address)
		address = mmap(NULL, buffer->capacity, prot, MAP_SHARED, heap, offset);
	if (address == MAP_FAILED)
		return ndma_kernel_error(-errno, "mapping a buffer of %llu bytes",
					 (unsigned long long)buffer->capacity);
	map->address = address;
	map->bytes = buffer->capacity;
	return 0;
}

int ndma_kernel_buffer_info(const struct ndma_buffer *buffer, struct ndma_buffer_info *info)
{
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	info->fd = buffer->fd;
	rc = ndma_ioctl_call(heap, NDMA_BUFFER_INFO, info);
	return rc ? ndma_kernel_error(rc, "asking for the state of a buffer") : 0;
}

int ndma_kernel_buffer_get_layout(const struct ndma_buffer *buffer, struct ndma_layout *layout)
{
	struct ndma_buffer_layout argument = { .size = sizeof(argument), .fd = buffer->fd };
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_BUFFER_GET_LAYOUT, &argument);
	if (rc)
		return ndma_kernel_error(rc, "asking for a layout");
	*layout = argument.layout;
	return 0;
}

int ndma_kernel_buffer_set_layout(struct ndma_buffer *buffer, const struct ndma_layout *layout)
{
	struct ndma_buffer_layout argument = {
		.size = sizeof(argument),
		.fd = buffer->fd,
		.layout = *layout,
	};
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_BUFFER_SET_LAYOUT, &argument);
	if (rc == -EPERM)
		return ndma_set_error(EPERM, "the layout of a stream's buffer cannot change");
	return rc ? ndma_kernel_error(rc, "setting a layout") : 0;
}

int ndma_kernel_buffer_readonly_fd(const struct ndma_buffer *buffer)
{
	struct ndma_buffer_readonly argument = {
		.size = sizeof(argument),
		.fd = buffer->fd,
		.fd_flags = O_CLOEXEC,
	};
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_BUFFER_READONLY_HANDLE, &argument);
	return rc ? ndma_kernel_error(rc, "making a read-only handle") : argument.out_fd;
}

int ndma_kernel_buffer_holders(const struct ndma_buffer *buffer, struct ndma_holder *holders,
			       size_t room)
{
	struct ndma_buffer_holders argument = {
		.size = sizeof(argument),
		.fd = buffer->fd,
		.count = room > UINT32_MAX ? UINT32_MAX : (uint32_t)room,
		.holders = (uintptr_t)holders,
	};
	int heap = ndma_kernel_heap();
	int rc;

	if (heap < 0)
		return heap;
	rc = ndma_ioctl_call(heap, NDMA_BUFFER_HOLDERS, &argument);
	return rc ? ndma_kernel_error(rc, "asking who holds a buffer") : (int)argument.count;
}
