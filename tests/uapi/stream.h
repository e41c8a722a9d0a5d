/* SPDX-License-Identifier: MIT */
/*
 * The raw uAPI of sources and streams: every call returns 0 or more, or a negative errno. The rings
 * are used as uapi/linux/ndma.h says, without the library.
 */
#ifndef NDMA_UAPI_STREAM_H
#define NDMA_UAPI_STREAM_H

#include <stdio.h>

#include "heap.h"

#define MSEC_NS 1000000LL
/* Far more than anything here takes, on the slowest machine; a wait that reaches it has failed. */
#define PATIENCE_NS (60 * (int64_t)SECOND_NS)

/**
 * struct stream - a stream, set up and mapped
 * @fd: the open source
 * @setup: as the kernel answered
 * @data: all frames
 * @completions: from the kernel
 * @releases: to the kernel
 * @taken: completions taken
 * @tail: frames released
 */
struct stream {
	int fd;
	struct ndma_stream_setup setup;
	unsigned char *data;
	const struct ndma_completions *completions;
	struct ndma_releases *releases;
	uint32_t taken;
	uint32_t tail;
};

static inline int source_open_mode(const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/ndma/%s", name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static inline int source_open(const char *name)
{
	return source_open_mode(name, O_RDWR);
}

static inline struct ndma_source_info source_info(int fd)
{
	struct ndma_source_info info = { .size = sizeof(info) };

	if (call(fd, NDMA_SOURCE_INFO, &info))
		memset(&info, 0xff, sizeof(info));
	return info;
}

static inline int control_set(int fd, uint32_t id, int64_t value)
{
	struct ndma_control control = { .size = sizeof(control), .id = id, .value = value };

	return call(fd, NDMA_CONTROL_SET, &control);
}

static inline int control_get(int fd, uint32_t id, int64_t *value)
{
	struct ndma_control control = { .size = sizeof(control), .id = id };
	int ret = call(fd, NDMA_CONTROL_GET, &control);

	*value = control.value;
	return ret;
}

/* What most tests ask for: the first format, planar, all channels. */
static inline struct ndma_stream_setup setup_of(uint32_t frames, uint64_t samples)
{
	return (struct ndma_stream_setup){
		.size = sizeof(struct ndma_stream_setup),
		.direction = NDMA_FROM_DEVICE,
		.frames = frames,
		.order = NDMA_ORDER_PLANAR,
		.node = NDMA_NODE_ANY,
		.samples = samples,
	};
}

static inline int stream_setup(int fd, struct ndma_stream_setup *setup)
{
	return call(fd, NDMA_STREAM_SETUP, setup);
}

static inline int stream_start(int fd, uint64_t count)
{
	struct ndma_stream_start start = { .size = sizeof(start), .count = count };

	return call(fd, NDMA_STREAM_START, &start);
}

static inline int stream_stop(int fd)
{
	struct ndma_stream_stop stop = { .size = sizeof(stop) };

	return call(fd, NDMA_STREAM_STOP, &stop);
}

static inline int stream_kick(int fd)
{
	struct ndma_stream_kick kick = { .size = sizeof(kick) };

	return call(fd, NDMA_STREAM_KICK, &kick);
}

/* How many are ready, or a negative errno. */
static inline int stream_wait(int fd, uint32_t min, int64_t timeout_ns)
{
	struct ndma_stream_wait wait = {
		.size = sizeof(wait),
		.min = min,
		.timeout_ns = timeout_ns,
	};
	int ret = call(fd, NDMA_STREAM_WAIT, &wait);

	return ret ? ret : (int)wait.ready;
}

static inline struct ndma_stream_stats stream_stats(int fd)
{
	struct ndma_stream_stats stats = { .size = sizeof(stats) };

	if (call(fd, NDMA_STREAM_STATS, &stats))
		memset(&stats, 0xff, sizeof(stats));
	return stats;
}

/* @flags: O_RDWR for a handle that can write. */
static inline int stream_export_as(int fd, uint32_t index, uint32_t flags)
{
	struct ndma_stream_export export = {
		.size = sizeof(export),
		.index = index,
		.fd_flags = flags,
	};
	int ret = call(fd, NDMA_STREAM_EXPORT, &export);

	return ret ? ret : export.fd;
}

static inline int stream_export(int fd, uint32_t index)
{
	return stream_export_as(fd, index, O_CLOEXEC);
}

static inline int stream_map(struct stream *stream)
{
	const struct ndma_stream_setup *setup = &stream->setup;
	void *data, *completions, *releases;

	data = mmap(NULL, setup->data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, stream->fd,
		    NDMA_MMAP_FRAMES);
	completions = mmap(NULL, setup->completions_bytes, PROT_READ, MAP_SHARED, stream->fd,
			   NDMA_MMAP_COMPLETIONS);
	releases = mmap(NULL, setup->releases_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			stream->fd, NDMA_MMAP_RELEASES);
	if (data == MAP_FAILED || completions == MAP_FAILED || releases == MAP_FAILED)
		return -errno;
	stream->data = data;
	stream->completions = completions;
	stream->releases = releases;
	return 0;
}

static inline void stream_unmap(struct stream *stream)
{
	munmap(stream->data, stream->setup.data_bytes);
	munmap((void *)stream->completions, stream->setup.completions_bytes);
	munmap(stream->releases, stream->setup.releases_bytes);
}

/* Sets up and maps what is open as @fd. */
static inline int stream_make(struct stream *stream, int fd, const struct ndma_stream_setup *setup)
{
	int ret;

	memset(stream, 0, sizeof(*stream));
	stream->fd = fd;
	stream->setup = *setup;
	if (fd < 0)
		return fd;
	ret = stream_setup(fd, &stream->setup);
	return ret ? ret : stream_map(stream);
}

static inline void stream_end(struct stream *stream)
{
	if (stream->data)
		stream_unmap(stream);
	close(stream->fd);
}

/* Under NDMA_POLICY_DROP, by one thread. */
static inline bool stream_take(struct stream *stream, struct ndma_completion *completion)
{
	if (__atomic_load_n(&stream->completions->head, __ATOMIC_ACQUIRE) == stream->taken)
		return false;
	*completion = stream->completions->ring[stream->taken & (stream->setup.entries - 1)];
	stream->taken++;
	__atomic_store_n(&stream->releases->taken, stream->taken, __ATOMIC_RELEASE);
	return true;
}

/* Under NDMA_POLICY_LATEST. */
static inline bool stream_take_latest(struct stream *stream, struct ndma_completion *completion)
{
	uint32_t taken = __atomic_load_n(&stream->releases->taken, __ATOMIC_RELAXED);

	do {
		if (__atomic_load_n(&stream->completions->head, __ATOMIC_ACQUIRE) == taken)
			return false;
		*completion = stream->completions->ring[taken & (stream->setup.entries - 1)];
	} while (!__atomic_compare_exchange_n(&stream->releases->taken, &taken, taken + 1, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return true;
}

/* By one thread. True: the device sleeps, kick it. */
static inline bool stream_release(struct stream *stream, uint32_t index)
{
	stream->releases->ring[stream->tail & (stream->setup.entries - 1)] = index;
	stream->tail++;
	__atomic_store_n(&stream->releases->tail, stream->tail, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&stream->completions->need_wakeup, __ATOMIC_RELAXED);
}

/* Releases, and kicks where that is asked for. */
static inline void stream_give(struct stream *stream, uint32_t index)
{
	if (stream_release(stream, index))
		stream_kick(stream->fd);
}

/* The next frame, waiting for it. 0, or what the wait said. */
static inline int stream_next(struct stream *stream, struct ndma_completion *completion)
{
	while (!stream_take(stream, completion)) {
		int ret = stream_wait(stream->fd, 1, PATIENCE_NS);

		if (ret <= 0)
			return ret ? ret : -ENODATA;
	}
	return 0;
}

static inline unsigned char *stream_frame(const struct stream *stream, uint32_t index)
{
	return stream->data + index * stream->setup.frame_stride;
}

/* Sleeps until the stream has ended. False: it did not in all that time. */
static inline bool stream_await_end(int fd)
{
	return events_of(fd, POLLRDHUP, PATIENCE_NS / MSEC_NS) > 0;
}

#endif /* NDMA_UAPI_STREAM_H */
