// SPDX-License-Identifier: MIT
/*
 * Short uses of the kernel's calls, and their end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"

#define FRAME_BYTES 4096
#define SECOND_NS 1000000000LL

void scene_init(struct scene *scene, const char *source_name)
{
	memset(scene, 0, sizeof(*scene));
	scene->source_name = source_name;
	scene->heap = scene->buffer = scene->source = -1;
}

void scene_close(struct scene *scene)
{
	while (scene->nr_maps) {
		scene->nr_maps--;
		/* It may fail for lack of memory, where that is what a test is about. */
		if (munmap(scene->maps[scene->nr_maps].address, scene->maps[scene->nr_maps].bytes))
			munmap(scene->maps[scene->nr_maps].address,
			       scene->maps[scene->nr_maps].bytes);
	}
	while (scene->nr_fds)
		close(scene->fds[--scene->nr_fds]);
	scene_init(scene, scene->source_name);
}

int scene_ioctl(int fd, unsigned long number, void *argument)
{
	return ioctl(fd, number, argument) < 0 ? -errno : 0;
}

int scene_keep(struct scene *scene, int fd)
{
	if (fd < 0)
		return -errno;
	if (scene->nr_fds == SCENE_FDS) {
		close(fd);
		return -EMFILE;
	}
	scene->fds[scene->nr_fds++] = fd;
	return fd;
}

int scene_map(struct scene *scene, int fd, uint64_t offset, size_t bytes, int protection,
	      void **address)
{
	void *mapped = mmap(NULL, bytes, protection, MAP_SHARED, fd, (off_t)offset);

	if (mapped == MAP_FAILED)
		return -errno;
	if (scene->nr_maps == SCENE_MAPS) {
		munmap(mapped, bytes);
		return -EMFILE;
	}
	scene->maps[scene->nr_maps].address = mapped;
	scene->maps[scene->nr_maps++].bytes = bytes;
	*address = mapped;
	return 0;
}

int scene_open_heap(struct scene *scene)
{
	scene->heap = scene_keep(scene, open(NDMA_HEAP_PATH, O_RDWR | O_CLOEXEC));
	return scene->heap;
}

int scene_alloc(struct scene *scene, uint64_t bytes, uint32_t flags)
{
	struct ndma_buffer_alloc alloc = {
		.flags = flags,
		.bytes = bytes,
		.node = NDMA_NODE_ANY,
		.source_fd = scene->source,
		.fd_flags = O_CLOEXEC,
	};

	TRY(scene_call(scene->heap, NDMA_BUFFER_ALLOC, &alloc));
	scene->buffer = scene_keep(scene, alloc.fd);
	scene->capacity = alloc.capacity;
	return scene->buffer;
}

int scene_map_buffer(struct scene *scene, int protection, void **address)
{
	return scene_map(scene, scene->heap, (uint64_t)scene->buffer << NDMA_MMAP_FD_SHIFT,
			 scene->capacity, protection, address);
}

int scene_lease(struct scene *scene, uint32_t access)
{
	struct ndma_lease_acquire acquire = { .fd = scene->buffer, .access = access };

	TRY(scene_call(scene->heap, NDMA_LEASE_ACQUIRE, &acquire));
	scene->lease = acquire.lease;
	return 0;
}

int scene_begin(struct scene *scene, uint32_t direction, uint32_t guard, uint32_t flags)
{
	struct ndma_transfer_begin begin = {
		.fd = scene->buffer,
		.direction = direction,
		.guard = guard,
		.flags = flags,
		/* A fence ends in at most 10 s; the other kind must last on a slow machine. */
		.timeout_ns = (flags & NDMA_TRANSFER_FENCE ? 5 : 100) * SECOND_NS,
	};

	TRY(scene_call(scene->heap, NDMA_TRANSFER_BEGIN, &begin));
	scene->transfer = begin.transfer;
	return 0;
}

int scene_end(struct scene *scene)
{
	struct ndma_transfer_end end = { .fd = scene->buffer, .transfer = scene->transfer };

	return scene_call(scene->heap, NDMA_TRANSFER_END, &end);
}

int scene_open_source(struct scene *scene)
{
	char path[16 + NDMA_NAME_MAX];

	snprintf(path, sizeof(path), "/dev/ndma/%s", scene->source_name);
	scene->source = scene_keep(scene, open(path, O_RDWR | O_CLOEXEC));
	return scene->source;
}

int scene_set_control(struct scene *scene, uint32_t id, int64_t value)
{
	struct ndma_control control = { .id = id, .value = value };

	return scene_call(scene->source, NDMA_CONTROL_SET, &control);
}

static uint32_t first_order(uint32_t orders)
{
	return orders & -orders;
}

int scene_setup(struct scene *scene, uint32_t policy, uint32_t guard)
{
	struct ndma_source_info info = { 0 };
	struct ndma_source_format format = { 0 };
	uint32_t numbers, step;

	TRY(scene_call(scene->source, NDMA_SOURCE_INFO, &info));
	TRY(scene_call(scene->source, NDMA_SOURCE_FORMAT, &format));
	numbers = format.flags & NDMA_FORMAT_IQ ? 2 : 1;
	step = info.samples_step;
	scene->setup = (struct ndma_stream_setup){
		.direction = NDMA_FROM_DEVICE,
		.frames = info.frames_min > SCENE_FRAMES ? info.frames_min : SCENE_FRAMES,
		.policy = policy,
		.guard = guard,
		.order = first_order(format.orders),
		.channels = 1,
		.node = NDMA_NODE_ANY,
		.samples = FRAME_BYTES / (format.itemsize * numbers) / step * step,
	};
	if (!scene->setup.samples)
		scene->setup.samples = step;
	return scene_call(scene->source, NDMA_STREAM_SETUP, &scene->setup);
}

int scene_map_stream(struct scene *scene)
{
	const struct ndma_stream_setup *setup = &scene->setup;
	void *completions, *releases;

	TRY(scene_map(scene, scene->source, NDMA_MMAP_FRAMES, setup->data_bytes, PROT_READ,
		      &scene->frames));
	TRY(scene_map(scene, scene->source, NDMA_MMAP_COMPLETIONS, setup->completions_bytes,
		      PROT_READ, &completions));
	TRY(scene_map(scene, scene->source, NDMA_MMAP_RELEASES, setup->releases_bytes,
		      PROT_READ | PROT_WRITE, &releases));
	scene->completions = completions;
	scene->releases = releases;
	return 0;
}

int scene_start(struct scene *scene)
{
	struct ndma_stream_start start = { 0 };

	return scene_call(scene->source, NDMA_STREAM_START, &start);
}

int scene_stop(struct scene *scene)
{
	struct ndma_stream_stop stop = { 0 };

	return scene_call(scene->source, NDMA_STREAM_STOP, &stop);
}

int scene_take(struct scene *scene, struct ndma_completion *completion)
{
	struct ndma_stream_wait wait = { .min = 1, .timeout_ns = 10 * SECOND_NS };
	uint32_t taken, mask = scene->setup.entries - 1;

	for (;;) {
		TRY(scene_call(scene->source, NDMA_STREAM_WAIT, &wait));
		if (!wait.ready)
			return -ENODATA;
		taken = __atomic_load_n(&scene->releases->taken, __ATOMIC_RELAXED);
		/* Pairs with the release store of head in ndma_ring_publish(). */
		if (__atomic_load_n(&scene->completions->head, __ATOMIC_ACQUIRE) == taken)
			continue;
		*completion = scene->completions->ring[taken & mask];
		if (__atomic_compare_exchange_n(&scene->releases->taken, &taken, taken + 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return 0;
	}
}

int scene_release(struct scene *scene, uint32_t index)
{
	struct ndma_stream_kick kick = { 0 };
	uint32_t tail = scene->releases->tail;

	scene->releases->ring[tail & (scene->setup.entries - 1)] = index;
	/* Pairs with the acquire load of tail in ndma_ring_drain(). */
	__atomic_store_n(&scene->releases->tail, tail + 1, __ATOMIC_RELEASE);
	/* Pairs with the full barrier between need_wakeup and tail in the kernel. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&scene->completions->need_wakeup, __ATOMIC_RELAXED))
		return 0;
	return scene_call(scene->source, NDMA_STREAM_KICK, &kick);
}

int64_t scene_used_bytes(void)
{
	struct ndma_heap_info info = { 0 };
	int heap = open(NDMA_HEAP_PATH, O_RDWR | O_CLOEXEC);
	int error;

	if (heap < 0)
		return -errno;
	error = scene_call(heap, NDMA_HEAP_INFO, &info);
	close(heap);
	return error < 0 ? error : (int64_t)info.used_bytes;
}

int64_t scene_await_used(int64_t bytes)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int64_t used = scene_used_bytes();
	int tries;

	/* A worker may hold the last reference for a moment; nothing tells when it let go. */
	for (tries = 0; used != bytes && tries < 1000; tries++) {
		nanosleep(&pause, NULL);
		used = scene_used_bytes();
	}
	return used;
}

int scene_sources(char (*names)[NDMA_NAME_MAX], size_t room)
{
	DIR *directory = opendir("/dev/ndma");
	const struct dirent *entry;
	size_t count = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory))) {
		if (entry->d_type != DT_CHR || !strcmp(entry->d_name, "heap") ||
		    strlen(entry->d_name) >= NDMA_NAME_MAX)
			continue;
		if (count < room)
			strcpy(names[count], entry->d_name);
		count++;
	}
	closedir(directory);
	return (int)count;
}
