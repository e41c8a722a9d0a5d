/* SPDX-License-Identifier: MIT */
/**
 * libndma: DMA buffers with a layout, and streams of frames from acquisition hardware.
 *
 * Nouns: a *buffer* is DMA memory with a layout, its handle is a dma-buf fd; a *lease* says that
 * somebody looks at a buffer; a *transfer* is the time in which a device owns it; a *source* is
 * an acquisition driver; a *stream* is one run of a source into frames; a *frame* is one of them.
 *
 * Return values: 0, a count, or a negative errno with the meaning written at the top of
 * <linux/ndma.h>. After a negative return ndma_error() says in words what was wrong, what was
 * expected and what to do. Constructors write *out only on success. close/free take NULL.
 *
 * Threads: different objects are independent. One object: calls may come from any thread, at most
 * one at a time, except where a function says more.
 *
 * fork: objects of the parent do nothing in the child: every call there returns -EOWNERDEAD... see
 * each function; closing them frees the child's memory and has no other effect.
 */
#ifndef NDMA_H
#define NDMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/ndma.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ndma_buffer;
struct ndma_source;
struct ndma_stream;
struct ndma_ring;

/* ---------------------------------------------------------------- errors, version, backend */

/** Words for the last failed call of this thread; "" if there was none. Valid until the next. */
const char *ndma_error(void);
/** "0.1.0" */
const char *ndma_version(void);
/** "kernel" or "memfd": which backend new buffers use (NDMA_BACKEND=kernel|memfd forces one). */
const char *ndma_backend_name(void);

/* ---------------------------------------------------------------- layouts */

/** Flat layout of `bytes` elements "B". */
void ndma_layout_flat(struct ndma_layout *layout, uint64_t bytes);
/** C-contiguous layout: -EINVAL, -EOVERFLOW. */
int ndma_layout_init(struct ndma_layout *layout, const char *format, uint32_t itemsize, uint32_t ndim,
		     const uint64_t *shape);
/** 0, or -EINVAL, -EOVERFLOW, -ERANGE as the kernel would answer. */
int ndma_layout_check(const struct ndma_layout *layout, uint64_t bytes);
/** Elements, bytes of elements (0 when empty). */
uint64_t ndma_layout_size(const struct ndma_layout *layout);
bool ndma_layout_is_c_contiguous(const struct ndma_layout *layout);

/* ---------------------------------------------------------------- buffers */

struct ndma_buffer_options {
	uint32_t flags;			/* NDMA_BUFFER_CONTIGUOUS */
	int node;			/* NUMA node or NDMA_NODE_ANY */
	const struct ndma_source *source;	/* memory that this source reaches, or NULL */
};

/** New zeroed buffer of `layout` (copied). options may be NULL. */
int ndma_buffer_create(const struct ndma_layout *layout, const struct ndma_buffer_options *options,
		       struct ndma_buffer **out);
/** A buffer by its fd (duplicated; the caller closes its own). Foreign dma-bufs need a layout; for
 * ndma's own NULL takes the kernel's. */
int ndma_buffer_import(int fd, const struct ndma_layout *layout, struct ndma_buffer **out);
/** Ends leases and transfers of this object, unmaps, closes. */
void ndma_buffer_close(struct ndma_buffer *buffer);

int ndma_buffer_fd(const struct ndma_buffer *buffer);	/* the library's; do not close */
uint64_t ndma_buffer_bytes(const struct ndma_buffer *buffer);
/** A copy of the layout as it is now. */
int ndma_buffer_layout(const struct ndma_buffer *buffer, struct ndma_layout *layout);
int ndma_buffer_set_layout(struct ndma_buffer *buffer, const struct ndma_layout *layout);
int ndma_buffer_info(const struct ndma_buffer *buffer, struct ndma_buffer_info *info);
const char *ndma_buffer_backend(const struct ndma_buffer *buffer);	/* "kernel", "memfd", "foreign" */

/** Address of byte 0, mapped at the first call for `access` (NDMA_READ: PROT_READ, a mapping of its
 * own; NDMA_WRITE: both). Stays until close. */
int ndma_buffer_map(struct ndma_buffer *buffer, uint32_t access, void **address);
/** Ends the mapping for `access`; -EINVAL: there is none. The caller sees to it that nobody uses it. */
int ndma_buffer_unmap(struct ndma_buffer *buffer, uint32_t access);

/** A second handle that cannot write; a new fd, the caller closes it. */
int ndma_buffer_readonly_fd(const struct ndma_buffer *buffer);
int ndma_buffer_holders(const struct ndma_buffer *buffer, struct ndma_holder *holders, size_t room);
int ndma_buffer_revoke(struct ndma_buffer *buffer);
/** DMA_BUF_IOCTL_SYNC around CPU access, needed on foreign dma-bufs. access NDMA_READ/NDMA_WRITE. */
int ndma_buffer_sync_begin(struct ndma_buffer *buffer, uint32_t access);
int ndma_buffer_sync_end(struct ndma_buffer *buffer, uint32_t access);

/* leases: any thread, also several at a time */
int ndma_lease_acquire(struct ndma_buffer *buffer, uint32_t access, uint32_t *lease);
int ndma_lease_release(struct ndma_buffer *buffer, uint32_t lease);

/* transfers */
int ndma_transfer_begin(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
			uint32_t flags, uint64_t timeout_ns, uint32_t *transfer);
int ndma_transfer_end(struct ndma_buffer *buffer, uint32_t transfer);

/* ---------------------------------------------------------------- sources */

/** Names of the sources there are, "sim0": fills at most `room`, returns how many there are. */
int ndma_source_list(char (*names)[NDMA_NAME_MAX], size_t room);

/** -ENOENT: no such source (the message lists those there are); -EACCES: the message says which
 * group to join; -ENODEV: module not loaded, the message says how. */
int ndma_source_open(const char *name, struct ndma_source **out);
void ndma_source_close(struct ndma_source *source);
const char *ndma_source_name(const struct ndma_source *source);
bool ndma_source_is_simulated(const struct ndma_source *source);
int ndma_source_info(const struct ndma_source *source, struct ndma_source_info *info);
int ndma_source_format(const struct ndma_source *source, uint32_t index, struct ndma_source_format *format);
int ndma_source_channel(const struct ndma_source *source, uint32_t index, struct ndma_source_channel *channel);

/** Next control behind `id` (0: the first): 1, 0 at the end, or negative. */
int ndma_control_next(const struct ndma_source *source, uint32_t id, struct ndma_control_info *info);
int ndma_control_find(const struct ndma_source *source, const char *name, struct ndma_control_info *info);
int ndma_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index, char name[NDMA_NAME_MAX]);
int ndma_control_get(const struct ndma_source *source, uint32_t id, int64_t *value);
/** -ERANGE: the message names the nearest valid value. Streams made afterwards start with it. */
int ndma_control_set(struct ndma_source *source, uint32_t id, int64_t value);

/* ---------------------------------------------------------------- streams */

struct ndma_stream_options {
	uint64_t samples;	/* of one channel in a frame; required */
	uint32_t frames;	/* 0: 16 */
	uint32_t channels;	/* 0: all */
	const char *format;	/* "<h"; NULL: the source's first */
	bool iq;		/* with format: the I/Q one */
	uint32_t order;		/* NDMA_ORDER_…; 0: the format's first */
	uint32_t policy;	/* NDMA_POLICY_… */
	uint32_t guard;		/* NDMA_GUARD_NONE or NDMA_GUARD_SIGBUS */
	int node;		/* NDMA_NODE_ANY, or a node */
	bool writable;		/* map frames read-write */
};

#define NDMA_STREAM_OPTIONS_INIT { .node = NDMA_NODE_ANY }

/** One frame in the caller's hands, from next to release. Plain data: copy it as you like, release
 * it once. */
struct ndma_frame {
	struct ndma_completion completion;
	void *data;		/* completion.bytes_used bytes of valid samples */
	uint64_t dropped;	/* frames lost since the one taken before it */
};

/** Opens the source a second time, with its controls as they are now; memory, rings, mapping. */
int ndma_stream_create(const struct ndma_source *source, const struct ndma_stream_options *options,
		       struct ndma_stream **out);
/** Stops the device at once. Mapped frames stay readable until ndma_stream_free(). Any thread,
 * also while another waits in next: that one gets what is ready, then 0. */
void ndma_stream_close(struct ndma_stream *stream);
/** Closes if needed, unmaps the frames, frees. No frame may be touched afterwards. */
void ndma_stream_free(struct ndma_stream *stream);

int ndma_stream_start(struct ndma_stream *stream, uint64_t count);
int ndma_stream_stop(struct ndma_stream *stream);	/* any thread */

/** 1: a frame; 0: the stream ended (stopped, or `count` reached); -ETIMEDOUT, -EAGAIN
 * (timeout_ns 0), -EINTR, -ENODEV (gone, nothing ready), -EBUSY (the caller holds every frame).
 * No system call where one is ready. */
int ndma_stream_next(struct ndma_stream *stream, struct ndma_frame *frame, int64_t timeout_ns);
/** Up to `room` frames, at least `min` unless the stream ends. */
int ndma_stream_next_batch(struct ndma_stream *stream, struct ndma_frame *frames, size_t min, size_t room,
			   int64_t timeout_ns);
/** Sleeps until `min` are ready; returns how many are. */
int ndma_stream_wait(struct ndma_stream *stream, uint32_t min, int64_t timeout_ns);
/** Gives a frame back. Beside next also from another thread, one at a time. -EINVAL: not held. */
int ndma_stream_release(struct ndma_stream *stream, const struct ndma_frame *frame);
int ndma_stream_kick(struct ndma_stream *stream);

int ndma_stream_fd(const struct ndma_stream *stream);	/* for poll: readable when a frame is ready */
struct ndma_ring *ndma_stream_ring(struct ndma_stream *stream);	/* for <ndma_ring.h> */
const struct ndma_stream_setup *ndma_stream_setup(const struct ndma_stream *stream);
/** Layout of one frame's valid samples: cut on the sample axis where the frame is short. */
int ndma_frame_layout(const struct ndma_stream *stream, const struct ndma_frame *frame, struct ndma_layout *layout);
/** Snapshot of the source and channels at the start. */
int ndma_stream_info(const struct ndma_stream *stream, struct ndma_source_info *info);
int ndma_stream_channel(const struct ndma_stream *stream, uint32_t index, struct ndma_source_channel *channel);
int ndma_stream_stats(const struct ndma_stream *stream, struct ndma_stream_stats *stats);
/** Calendar time of a frame, ns since 1970. */
int64_t ndma_frame_realtime_ns(const struct ndma_stream *stream, const struct ndma_frame *frame);
/** A read-only dma-buf of one held frame; the caller closes it. */
int ndma_frame_export(struct ndma_stream *stream, const struct ndma_frame *frame);

#ifdef __cplusplus
}
#endif

#endif /* NDMA_H */
