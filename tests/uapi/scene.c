// SPDX-License-Identifier: MIT
/*
 * Short uses of the kernel's calls, and their end.
 */
#include <dirent.h>
#include <time.h>

#include "scene.h"

#define FRAME_BYTES 4096

void scene_init(struct scene *scene, const char *source_name)
{
	memset(scene, 0, sizeof(*scene));
	scene->source_name = source_name;
	scene->heap = scene->buffer = scene->source = scene->stream.fd = -1;
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

int scene_keep(struct scene *scene, int fd)
{
	if (fd < 0)
		return fd;
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

/* ---------------------------------------------------------------- the heap */

int scene_open_heap(struct scene *scene)
{
	scene->heap = scene_keep(scene, heap_open());
	return scene->heap;
}

int scene_alloc(struct scene *scene, uint64_t bytes, uint32_t flags)
{
	struct ndma_buffer_alloc alloc = alloc_of(bytes);

	alloc.flags = flags;
	alloc.source_fd = scene->source;
	scene->buffer = scene_keep(scene, heap_alloc_as(scene->heap, &alloc));
	scene->capacity = alloc.capacity;
	return scene->buffer;
}

int scene_map_buffer(struct scene *scene, int protection, void **address)
{
	return scene_map(scene, scene->heap, buffer_offset(scene->buffer), scene->capacity,
			 protection, address);
}

/* An id, or a negative errno, apart: an id has all of 32 bits. */
static int keep_id(int64_t id, uint32_t *kept)
{
	if (id < 0)
		return (int)id;
	*kept = (uint32_t)id;
	return 0;
}

int scene_lease(struct scene *scene, uint32_t access)
{
	return keep_id(lease_acquire(scene->heap, scene->buffer, access), &scene->lease);
}

int scene_begin(struct scene *scene, uint32_t direction, uint32_t guard, uint32_t flags)
{
	/* A fence ends in at most 10 s; the other kind must last on a slow machine. */
	uint64_t timeout_ns = (flags & NDMA_TRANSFER_FENCE ? 5 : 100) * SECOND_NS;

	return keep_id(transfer_begin(scene->heap, scene->buffer, direction, guard, flags,
				      timeout_ns),
		       &scene->transfer);
}

int scene_end(struct scene *scene)
{
	return transfer_end(scene->heap, scene->buffer, scene->transfer);
}

/* ---------------------------------------------------------------- sources */

int scene_open_source(struct scene *scene)
{
	scene->source = scene_keep(scene, source_open(scene->source_name));
	return scene->source;
}

/* A stream of one channel in the source's first format. */
static int small_setup(struct scene *scene, struct ndma_stream_setup *setup)
{
	struct ndma_source_info info = { .size = sizeof(info) };
	struct ndma_source_format format = { .size = sizeof(format) };
	uint32_t numbers, step;

	TRY(call(scene->source, NDMA_SOURCE_INFO, &info));
	TRY(call(scene->source, NDMA_SOURCE_FORMAT, &format));
	numbers = format.flags & NDMA_FORMAT_IQ ? 2 : 1;
	step = info.samples_step;
	*setup = setup_of(info.frames_min > SCENE_FRAMES ? info.frames_min : SCENE_FRAMES,
			  FRAME_BYTES / (format.itemsize * numbers) / step * step);
	setup->order = format.orders & -format.orders;
	setup->channels = 1;
	if (!setup->samples)
		setup->samples = step;
	return 0;
}

int scene_setup(struct scene *scene, uint32_t policy, uint32_t guard)
{
	struct ndma_stream_setup *setup = &scene->stream.setup;

	TRY(small_setup(scene, setup));
	setup->policy = policy;
	setup->guard = guard;
	scene->stream.fd = scene->source;
	return stream_setup(scene->source, setup);
}

int scene_map_stream(struct scene *scene)
{
	struct stream *stream = &scene->stream;
	void *data, *completions, *releases;

	TRY(scene_map(scene, stream->fd, NDMA_MMAP_FRAMES, stream->setup.data_bytes, PROT_READ,
		      &data));
	TRY(scene_map(scene, stream->fd, NDMA_MMAP_COMPLETIONS, stream->setup.completions_bytes,
		      PROT_READ, &completions));
	TRY(scene_map(scene, stream->fd, NDMA_MMAP_RELEASES, stream->setup.releases_bytes,
		      PROT_READ | PROT_WRITE, &releases));
	stream->data = data;
	stream->completions = completions;
	stream->releases = releases;
	return 0;
}

int scene_start(struct scene *scene)
{
	return stream_start(scene->source, 0);
}

int scene_stop(struct scene *scene)
{
	return stream_stop(scene->source);
}

int scene_take(struct scene *scene, struct ndma_completion *completion)
{
	int ready;

	do {
		ready = stream_wait(scene->source, 1, 10 * SECOND_NS);
		if (ready <= 0)
			return ready ? ready : -ENODATA;
	} while (!stream_take_latest(&scene->stream, completion));
	return 0;
}

int scene_release(struct scene *scene, uint32_t index)
{
	return stream_release(&scene->stream, index) ? stream_kick(scene->source) : 0;
}

int scene_fill(struct scene *scene, uint32_t guard)
{
	struct ndma_fill_begin fill = fill_of(scene->heap, scene->buffer, 1000, 10 * SECOND_NS);

	fill.guard = guard;
	return call(scene->source, NDMA_FILL_BEGIN, &fill);
}

/* ---------------------------------------------------------------- calls of the list */

uint32_t scene_get(const struct scene *scene, const struct uapi_field *field)
{
	uint32_t value;

	memcpy(&value, scene->argument.bytes + field->at, sizeof(value));
	return value;
}

void scene_put(struct scene *scene, const struct uapi_field *field, uint32_t value)
{
	memcpy(scene->argument.bytes + field->at, &value, sizeof(value));
}

static void put_u64(struct scene *scene, const struct uapi_field *field, uint64_t value)
{
	memcpy(scene->argument.bytes + field->at, &value, sizeof(value));
}

int scene_file(const struct scene *scene, const struct uapi_call *call)
{
	return call->on == UAPI_HEAP ? scene->heap : scene->source;
}

static int have_buffer(struct scene *scene)
{
	if (scene->heap < 0)
		TRY(scene_open_heap(scene));
	return scene->buffer < 0 ? scene_alloc(scene, FRAME_BYTES, 0) : 0;
}

static int have_file(struct scene *scene, enum uapi_on on)
{
	if (on == UAPI_HEAP)
		return have_buffer(scene);
	if (scene->source < 0)
		TRY(scene_open_source(scene));
	if (on == UAPI_STREAM || on == UAPI_FRAMES)
		TRY(scene_setup(scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE));
	if (on == UAPI_FRAMES) {
		TRY(scene_map_stream(scene));
		TRY(scene_start(scene));
	}
	if (on == UAPI_FILL) {
		TRY(have_buffer(scene));
		TRY(scene_fill(scene, NDMA_GUARD_NONE));
	}
	return 0;
}

/* What a field must be for the call to succeed, where the list cannot know. */
static int fill_in(struct scene *scene, const struct uapi_field *field)
{
	struct ndma_completion completion;
	struct ndma_stream_setup setup;

	switch (field->role) {
	case UAPI_BUFFER:
		TRY(have_buffer(scene));
		scene_put(scene, field, scene->buffer);
		return 0;
	case UAPI_HEAP_FD:
		scene_put(scene, field, scene->heap);
		return 0;
	case UAPI_LEASE:
		TRY(scene_lease(scene, NDMA_READ));
		scene_put(scene, field, scene->lease);
		return 0;
	case UAPI_TRANSFER:
		TRY(scene_begin(scene, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0));
		scene_put(scene, field, scene->transfer);
		return 0;
	case UAPI_FRAME:
		TRY(scene_take(scene, &completion));
		scene_put(scene, field, completion.index);
		return 0;
	case UAPI_HOLDERS_AT:
		put_u64(scene, field, (uintptr_t)scene->holders);
		return 0;
	case UAPI_FRAMES_NR:
		TRY(small_setup(scene, &setup));
		scene_put(scene, field, setup.frames);
		return 0;
	case UAPI_ORDER:
		TRY(small_setup(scene, &setup));
		scene_put(scene, field, setup.order);
		return 0;
	case UAPI_SAMPLES:
		TRY(small_setup(scene, &setup));
		put_u64(scene, field, setup.samples);
		return 0;
	default:
		return 0;
	}
}

int scene_prepare(struct scene *scene, const struct uapi_call *call)
{
	const struct uapi_field *field;

	TRY(have_file(scene, call->on));
	memset(&scene->argument, 0, sizeof(scene->argument));
	memcpy(scene->argument.bytes, call->argument, call->bytes);
	FOR_EACH_FIELD(field, call)
		TRY(fill_in(scene, field));
	return 0;
}

int scene_call(struct scene *scene, const struct uapi_call *row)
{
	const struct uapi_field *field = uapi_field_of(row, UAPI_NEW_FD);

	TRY(call(scene_file(scene, row), row->number, &scene->argument));
	return field ? scene_keep(scene, (int)scene_get(scene, field)) : 0;
}

/* ---------------------------------------------------------------- the machine */

int64_t scene_used_bytes(void)
{
	struct ndma_heap_info info = { .size = sizeof(info) };
	int heap = heap_open();
	int error;

	if (heap < 0)
		return heap;
	error = call(heap, NDMA_HEAP_INFO, &info);
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
