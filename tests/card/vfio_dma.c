// SPDX-License-Identifier: MIT
#include "vfio_dma.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct vfio_file {
	struct vfio_file *next;
	dev_t device;
	ino_t inode;
	bool writable;
	unsigned char *memory;
	size_t bytes;
	size_t ranges;
};

static struct vfio_file *get_file(struct vfio_dma *dma, int fd, int *error)
{
	struct vfio_file *file;
	struct stat st;
	void *memory;
	int flags = fcntl(fd, F_GETFL);
	bool writable = flags >= 0 && (flags & O_ACCMODE) == O_RDWR;

	*error = -errno;
	if (flags < 0 || fstat(fd, &st))
		return NULL;
	for (file = dma->files; file; file = file->next)
		if (file->device == st.st_dev && file->inode == st.st_ino &&
		    file->writable == writable && file->bytes == (size_t)st.st_size)
			return file;
	file = calloc(1, sizeof(*file));
	*error = -ENOMEM;
	if (!file)
		return NULL;
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
		      fd, 0);
	if (memory == MAP_FAILED) {
		*error = -errno;
		free(file);
		return NULL;
	}
	*file = (struct vfio_file){
		.next = dma->files,
		.device = st.st_dev,
		.inode = st.st_ino,
		.writable = writable,
		.memory = memory,
		.bytes = (size_t)st.st_size,
	};
	dma->files = file;
	return file;
}

static void drop_unused(struct vfio_dma *dma)
{
	struct vfio_file **link = &dma->files, *file;

	while ((file = *link)) {
		if (file->ranges) {
			link = &file->next;
			continue;
		}
		*link = file->next;
		munmap(file->memory, file->bytes);
		free(file);
	}
}

/* The first range that ends beyond an address. */
static size_t find(const struct vfio_dma *dma, uint64_t address)
{
	size_t low = 0, high = dma->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct vfio_range *range = &dma->ranges[middle];

		if (address - range->address < range->bytes || address < range->address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static int make_room(struct vfio_dma *dma)
{
	size_t room = dma->room ? 2 * dma->room : 64;
	struct vfio_range *ranges;

	if (dma->count < dma->room)
		return 0;
	ranges = realloc(dma->ranges, room * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	dma->ranges = ranges;
	dma->room = room;
	return 0;
}

int vfio_dma_map(struct vfio_dma *dma, const struct vfio_range *range, int fd)
{
	struct vfio_file *file = NULL;
	size_t at = find(dma, range->address);
	int error;

	if (!range->bytes || range->address + range->bytes - 1 < range->address)
		return -EINVAL;
	if (at < dma->count && dma->ranges[at].address - range->address < range->bytes)
		return -EEXIST;
	if (at < dma->count && dma->ranges[at].address < range->address)
		return -EEXIST;
	error = make_room(dma);
	if (error)
		return error;
	if (fd >= 0) {
		file = get_file(dma, fd, &error);
		if (!file)
			return error;
		if (range->offset > file->bytes || range->bytes > file->bytes - range->offset) {
			drop_unused(dma);
			return -EINVAL;
		}
		file->ranges++;
	}
	memmove(&dma->ranges[at + 1], &dma->ranges[at], (dma->count - at) * sizeof(*range));
	dma->ranges[at] = *range;
	dma->ranges[at].file = file;
	dma->ranges[at].writable = range->writable && (!file || file->writable);
	dma->count++;
	return 0;
}

void vfio_dma_unmap(struct vfio_dma *dma, uint64_t address, uint64_t bytes)
{
	size_t from = find(dma, address), to;

	for (to = from; to < dma->count; to++) {
		struct vfio_range *range = &dma->ranges[to];

		if (range->address < address || range->address - address >= bytes ||
		    range->bytes > bytes - (range->address - address))
			break;
		if (range->file)
			range->file->ranges--;
	}
	memmove(&dma->ranges[from], &dma->ranges[to], (dma->count - to) * sizeof(dma->ranges[0]));
	dma->count -= to - from;
	drop_unused(dma);
}

void vfio_dma_clear(struct vfio_dma *dma)
{
	size_t i;

	for (i = 0; i < dma->count; i++)
		if (dma->ranges[i].file)
			dma->ranges[i].file->ranges--;
	dma->count = 0;
	drop_unused(dma);
	free(dma->ranges);
	memset(dma, 0, sizeof(*dma));
}

enum card_reach vfio_dma_reach(const struct vfio_dma *dma, uint64_t address, uint64_t *bytes,
			       bool write, void **host)
{
	size_t at = find(dma, address);
	const struct vfio_range *range = &dma->ranges[at];
	uint64_t within;

	if (at == dma->count || address < range->address)
		return CARD_REACH_UNMAPPED;
	if (write && !range->writable)
		return CARD_REACH_READ_ONLY;
	if (!range->file || (!write && !range->readable))
		return CARD_REACH_UNMAPPED;
	within = address - range->address;
	if (*bytes > range->bytes - within)
		*bytes = range->bytes - within;
	*host = range->file->memory + range->offset + within;
	return CARD_REACH_OK;
}
