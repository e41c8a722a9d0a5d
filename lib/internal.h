/* SPDX-License-Identifier: MIT */
/*
 * Between the files of libndma. The public functions (buffer.c, source.c, stream.c …) check
 * arguments and fork, count leases and keep the ring; what differs between the kernel module, a
 * foreign dma-buf and memfd is behind struct ndma_backend.
 */
#ifndef NDMA_LIB_INTERNAL_H
#define NDMA_LIB_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ndma.h"
#include "ndma_ring.h"

#define NDMA_API __attribute__((visibility("default")))

/* ---------------------------------------------------------------- error.c */

/* Sets the words of ndma_error() and returns -error, so that it can be returned at once. */
int ndma_set_error(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is not UTF-8 is left out of @text, and control characters become question marks. */
void ndma_clean_words(char *text);
/* Bytes of the UTF-8 character at @at; 0: it is none, or was cut short. */
size_t ndma_utf8_length(const unsigned char *at);
#define NDMA_CLOSED_FD "descriptor %d, which is ndma's, was closed by somebody else"

/* ---------------------------------------------------------------- process.c: fork */

/* A number that a forked child does not share with its parent: never 0. Objects note it when they
 * are made; where it differs, they belong to a parent.
 */
uint32_t ndma_process_id(void);

/*
 * Where the number stands, for the hot path; NULL where the system has no memory that fork wipes.
 */
extern _Atomic uint32_t *ndma_process_word;

/* True: certainly this process's. False: ask ndma_process_check(). */
static inline bool ndma_process_is(uint32_t process)
{
	return ndma_process_word &&
	       __atomic_load_n((uint32_t *)ndma_process_word, __ATOMIC_RELAXED) == process;
}

/* 0, or -EPERM with the words: @what belongs to a parent process. */
int ndma_process_check(uint32_t process, const char *what);

/*
 * A descriptor that this process has one of, opened by @make (a descriptor or -errno) when it is
 * first asked for, and kept in @word. A child opens its own: it may have closed what it inherited,
 * and the number be another file's. @replace, may be NULL, is told of both.
 */
int ndma_process_fd(_Atomic uint64_t *word, int (*make)(void),
		    void (*replace)(int inherited, int ours));

/* ---------------------------------------------------------------- objects */

/**
 * struct ndma_mapping - one view of a buffer's memory in this process
 * @address: of byte 0; NULL: not mapped yet
 * @bytes: length to unmap
 */
struct ndma_mapping {
	void *address;
	uint64_t bytes;
};

/**
 * struct ndma_buffer - what every backend's buffers start with
 * @backend: who made it
 * @process: ndma_process_id() of the maker
 * @fd: dma-buf or memfd, the object's own
 * @readonly: this handle cannot write
 * @owned: made here: only this process begins transfers, so that it knows of each
 * @bytes: what layouts may use
 * @capacity: length of a mapping
 * @lock: protects what follows
 * @maps: [0] PROT_READ, [1] PROT_READ | PROT_WRITE
 * @counts: leases of this object's users: [0] to read, [1] to write
 * @leases: the backend's lease that stands for all of counts[i], while that is not 0
 * @transfer: id of the transfer that was begun through this object and not ended, else 0; not
 *   under @lock
 */
struct ndma_buffer {
	const struct ndma_backend *backend;
	uint32_t process;
	int fd;
	bool readonly;
	bool owned;
	uint64_t bytes;
	uint64_t capacity;
	pthread_mutex_t lock;
	struct ndma_mapping maps[2];
	uint32_t counts[2];
	uint32_t leases[2];
	_Atomic uint32_t transfer;
};

/**
 * struct ndma_source - what every backend's sources start with
 * @backend: who opened it
 * @process: ndma_process_id() of the opener
 * @fd: of an open file that holds the controls, or -1
 * @filling: number of the fill that was begun and is not known to be over, else 0
 * @name: "sim0"
 */
struct ndma_source {
	const struct ndma_backend *backend;
	uint32_t process;
	int fd;
	atomic_uint filling;
	char name[NDMA_NAME_MAX];
};

/**
 * struct ndma_stream - what every backend's streams start with
 * @ring: the hot path; made by stream.c from what follows
 * @backend: who made it
 * @process: ndma_process_id() of the maker
 * @fd: readable when a frame is ready; -1 once closed, which is done under @lock
 * @setup: with its outputs
 * @completions: mapping of setup.completions_bytes
 * @releases: mapping of setup.releases_bytes
 * @data: mapping of setup.data_bytes
 * @name: of the source
 * @realtime_offset_ns: of the last start, from CLOCK_MONOTONIC to the calendar: one word, which
 *   frames read without the lock
 * @lock: protects what follows
 * @left: a user left, or @fd was closed; whoever closes waits for both
 * @users: calls that use @fd now
 * @closed: no new call may use @fd
 * @last: statistics at the moment of closing
 * @info: snapshot at the last start
 * @channels: likewise, setup.channels of them; NULL before the first
 */
struct ndma_stream {
	struct ndma_ring ring;
	const struct ndma_backend *backend;
	uint32_t process;
	int fd;
	struct ndma_stream_setup setup;
	struct ndma_completions *completions;
	struct ndma_releases *releases;
	void *data;
	char name[NDMA_NAME_MAX];
	_Atomic int64_t realtime_offset_ns;
	pthread_mutex_t lock;
	pthread_cond_t left;
	uint32_t users;
	bool closed;
	struct ndma_stream_stats last;
	struct ndma_source_info info;
	struct ndma_source_channel *channels;
};

/* ---------------------------------------------------------------- backends */

/**
 * struct ndma_backend - how the library reaches buffers, sources and streams
 *
 * Every function returns 0, a count, a new fd, or a negative errno with its words set. Arguments
 * have been checked as far as the public header says, fork too. A backend's objects start with the
 * structures above: it allocates them, and frees them in buffer_free, source_free, stream_free.
 * A NULL pointer here: the backend has no such thing, and no object that would need it. @self,
 * where there is no object yet, is the table itself.
 *
 * @name: "kernel", "memfd" or "foreign"
 * @simulated: no source of it is hardware
 *
 * @heap_info: fills all but size
 *
 * @buffer_create: new zeroed buffer of the @bytes that @layout spans; ends with ndma_buffer_init()
 * @buffer_import: -ENOTTY where the fd is not this backend's, and the next is asked; it
 *   duplicates the fd. @layout may be NULL
 * @buffer_free: closes fd, frees; nothing is mapped, leased or transferring any more
 * @buffer_map: a new mapping for NDMA_READ or NDMA_WRITE into @map; called under buffer->lock
 * @buffer_forget: munmap of a mapping comes next; NULL: nothing to do. Not in a child of fork
 * @buffer_info: fills all but size
 * @buffer_get_layout, @buffer_set_layout, @buffer_readonly_fd, @buffer_holders, @buffer_revoke:
 *   as the public ones; holders returns how many there are
 * @buffer_sync: DMA_BUF_IOCTL_SYNC or what stands for it; @end: the access is over
 * @lease_acquire, @lease_release: the one lease of its kind that this object holds, whatever the
 *   number of users; called under buffer->lock
 * @lease_check: may it have one user more? -EBUSY without words, -ESTALE; it is counted nowhere, as it
 *   would be in the owner's way
 * @transfer_begin, @transfer_end: as the public ones; buffer->lock is not held, may sleep
 *
 * @source_list: as ndma_source_list(), unsorted is fine
 * @source_open: a source with controls at their presets
 * @source_free: closes, frees
 * @source_info, @source_format, @source_channel: fill all but size
 * @control_query: @id may have NDMA_CONTROL_NEXT; -EINVAL: none there
 * @control_menu, @control_get: as the public ones
 * @control_set: -ERANGE: the nearest valid value is written back to *@value; it is set, and a button
 *   pressed, in what the source fills and in its streams as well: all of them, then the first error.
 *   -EBUSY: one of them runs and cannot take it, and nothing has changed
 *
 * @fill_begin: @setup has the inputs that a frame has, guard among them; -EBUSY without words
 * @fill_wait, @fill_cancel: as the public ones; -EINTR: not over
 *
 * @stream_create: @setup has its inputs; allocates memory and rings (MADV_DONTFORK), copies
 *   the source's controls, fills setup, fd, completions, releases, data of the stream (ring,
 *   held, locks are stream.c's) by ndma_stream_init()
 * @stream_start, @stream_stop, @stream_kick, @stream_stats: as the uAPI's
 * @stream_wait: as NDMA_STREAM_WAIT: fills ready and state also on -ETIMEDOUT
 * @stream_export: an fd of a held frame, read-only unless @writable
 * @stream_info, @stream_channel: of the stream: once started, as it was at the start
 * @stream_control_query, @stream_control_menu, @stream_control_get, @stream_control_set: as those of a
 *   source, on the stream's own controls
 * @stream_close: the device stops, fd is closed; no other op runs or comes, but stream_free.
 *   Not called in a child of fork
 * @stream_free: after stream_close: unmaps data and rings, frees. In a child of fork the rings
 *   are not mapped and must not be unmapped; the child's fd is closed already
 */
struct ndma_backend {
	const char *name;
	bool simulated;

	int (*heap_info)(struct ndma_heap_info *info);

	int (*buffer_create)(const struct ndma_backend *self, const struct ndma_layout *layout,
			     uint64_t bytes, const struct ndma_buffer_options *options,
			     struct ndma_buffer **out);
	int (*buffer_import)(const struct ndma_backend *self, int fd,
			     const struct ndma_layout *layout, struct ndma_buffer **out);
	void (*buffer_free)(struct ndma_buffer *buffer);
	int (*buffer_map)(struct ndma_buffer *buffer, uint32_t access, struct ndma_mapping *map);
	void (*buffer_forget)(struct ndma_buffer *buffer, uint32_t access);
	int (*buffer_info)(const struct ndma_buffer *buffer, struct ndma_buffer_info *info);
	int (*buffer_get_layout)(const struct ndma_buffer *buffer, struct ndma_layout *layout);
	int (*buffer_set_layout)(struct ndma_buffer *buffer, const struct ndma_layout *layout);
	int (*buffer_readonly_fd)(const struct ndma_buffer *buffer);
	int (*buffer_holders)(const struct ndma_buffer *buffer, struct ndma_holder *holders,
			      size_t room);
	int (*buffer_revoke)(struct ndma_buffer *buffer);
	int (*buffer_sync)(struct ndma_buffer *buffer, uint32_t access, bool end);
	int (*lease_acquire)(struct ndma_buffer *buffer, uint32_t access, uint32_t *lease);
	int (*lease_release)(struct ndma_buffer *buffer, uint32_t lease);
	int (*lease_check)(struct ndma_buffer *buffer, uint32_t access, uint32_t lease);
	int (*transfer_begin)(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
			      uint32_t flags, uint64_t timeout_ns, uint32_t *transfer);
	int (*transfer_end)(struct ndma_buffer *buffer, uint32_t transfer);

	int (*source_list)(char (*names)[NDMA_NAME_MAX], size_t room);
	int (*source_open)(const struct ndma_backend *self, const char *name,
			   struct ndma_source **out);
	void (*source_free)(struct ndma_source *source);
	int (*source_info)(const struct ndma_source *source, struct ndma_source_info *info);
	int (*source_format)(const struct ndma_source *source, uint32_t index,
			     struct ndma_source_format *format);
	int (*source_channel)(const struct ndma_source *source, uint32_t index,
			      struct ndma_source_channel *channel);
	int (*control_query)(const struct ndma_source *source, uint32_t id,
			     struct ndma_control_info *info);
	int (*control_menu)(const struct ndma_source *source, uint32_t id, uint32_t index,
			    char name[NDMA_NAME_MAX]);
	int (*control_get)(const struct ndma_source *source, uint32_t id, int64_t *value);
	int (*control_set)(struct ndma_source *source, uint32_t id, int64_t *value);

	int (*fill_begin)(struct ndma_source *source, struct ndma_buffer *buffer,
			  const struct ndma_stream_setup *setup, uint64_t timeout_ns);
	int (*fill_wait)(struct ndma_source *source, struct ndma_completion *completion);
	int (*fill_cancel)(struct ndma_source *source);

	int (*stream_create)(const struct ndma_source *source, struct ndma_stream_setup *setup,
			     bool writable, struct ndma_stream **out);
	int (*stream_start)(struct ndma_stream *stream, uint64_t count);
	int (*stream_stop)(struct ndma_stream *stream);
	int (*stream_wait)(struct ndma_stream *stream, struct ndma_stream_wait *wait);
	int (*stream_kick)(struct ndma_stream *stream);
	int (*stream_stats)(const struct ndma_stream *stream, struct ndma_stream_stats *stats);
	int (*stream_export)(struct ndma_stream *stream, uint32_t index, bool writable);
	int (*stream_info)(const struct ndma_stream *stream, struct ndma_source_info *info);
	int (*stream_channel)(const struct ndma_stream *stream, uint32_t index,
			      struct ndma_source_channel *channel);
	int (*stream_control_query)(const struct ndma_stream *stream, uint32_t id,
				    struct ndma_control_info *info);
	int (*stream_control_menu)(const struct ndma_stream *stream, uint32_t id, uint32_t index,
				   char name[NDMA_NAME_MAX]);
	int (*stream_control_get)(const struct ndma_stream *stream, uint32_t id, int64_t *value);
	int (*stream_control_set)(struct ndma_stream *stream, uint32_t id, int64_t *value);
	void (*stream_close)(struct ndma_stream *stream);
	void (*stream_free)(struct ndma_stream *stream);
};

/* Named in backend.c alone. */
extern const struct ndma_backend ndma_backend_kernel;	/* kernel/backend.c */
extern const struct ndma_backend ndma_backend_memfd;	/* memfd/backend.c */
extern const struct ndma_backend ndma_backend_foreign;	/* foreign/backend.c: buffers alone */

/* backend.c: NDMA_BACKEND, else the kernel's where the module is loaded, else memfd; NULL with
 * words: the variable has another value. Likewise for one object: a source of this name, the heap.
 */
const struct ndma_backend *ndma_backend_choose(void);
const struct ndma_backend *ndma_backend_of_source(const char *name);
const struct ndma_backend *ndma_backend_of_heap(void);
/* A buffer of whichever backend knows the fd; -ENOTTY without words: none does. */
int ndma_backend_import(int fd, const struct ndma_layout *layout, struct ndma_buffer **out);
/* module.c. @module is "ndma" or a driver's name. */
bool ndma_module_is_loaded(void);
bool ndma_module_is_installed(const char *module);
/* "sudo modprobe ndma"; or that it is loaded already, or not installed and what brings it. This
 * thread's, until the next call. */
const char *ndma_module_advice(const char *module);

/* object.c: what every backend's constructor ends with; *buffer was zeroed. */
void ndma_buffer_init(struct ndma_buffer *buffer, const struct ndma_backend *backend, int fd,
		      uint64_t bytes, uint64_t capacity);
void ndma_source_init(struct ndma_source *source, const struct ndma_backend *backend, int fd,
		      const char *name);
void ndma_stream_init(struct ndma_stream *stream, const struct ndma_backend *backend, int fd,
		      const struct ndma_stream_setup *setup);

/* buffer.c: 0, -EINVAL (neither NDMA_READ nor NDMA_WRITE), -EPERM (a parent's; a write through a
 * read-only handle).
 */
int ndma_buffer_check_access(const struct ndma_buffer *buffer, uint32_t access);
/* holder.c: -EBUSY, with words that begin with @what and name whoever holds the buffer. */
int ndma_holder_error(const struct ndma_buffer *buffer, const char *what);
/* transfer.c: 0, or -EINVAL with words: the arguments are those of no transfer or fill. */
int ndma_transfer_check(uint32_t direction, uint32_t guard, uint64_t timeout_ns);

/* control.c */
typedef int ndma_control_next_fn(const void *owner, uint32_t id, struct ndma_control_info *info);
/* A control by its name among those of @owner, which is called @owner_name; as ndma_control_find(). */
int ndma_control_search(ndma_control_next_fn *next, const void *owner, const char *owner_name,
			const char *name, struct ndma_control_info *info);
/* Words for a control that cannot be set to @value; @nearest is what could be. Returns @rc. */
int ndma_control_error(const struct ndma_control_info *info, int rc, int64_t value,
		       int64_t nearest);

/* ongoing.c: transfers and fills that were begun in this process and are not known to be over */

bool ndma_ongoing_any(void);
/* Counts one that is about to begin, or one less. */
void ndma_ongoing_count(bool begins);
/* The transfer that was counted last has begun, with this id. */
void ndma_ongoing_add_transfer(struct ndma_buffer *buffer, uint32_t transfer);
/* The object's transfer is over, if it still is the one with this id. */
void ndma_ongoing_remove_transfer(struct ndma_buffer *buffer, uint32_t transfer);
/* The fill that was counted last has begun; it gets a number. */
void ndma_ongoing_add_fill(struct ndma_source *source);
/* The source's fill is over, if it still is the one with this number. */
void ndma_ongoing_remove_fill(struct ndma_source *source, uint32_t fill);

/* layout.c: words for what ndma_layout_validate() has refused. Returns @rc. */
int ndma_layout_error(int rc, const struct ndma_layout *layout, uint64_t bytes);

/* ioctl.c: ioctl(2) that returns 0 or a negative errno, without words. */
int ndma_ioctl_call(int fd, unsigned long request, void *argument);

/* dmabuf.c */
bool ndma_dmabuf_is(int fd);
/* True: a dma-buf that the module ndma exported, as its fdinfo says. */
bool ndma_dmabuf_is_ours(int fd);
/* DMA_BUF_IOCTL_SYNC: the op buffer_sync of backends whose buffers are dma-bufs. */
int ndma_dmabuf_sync(struct ndma_buffer *buffer, uint32_t access, bool end);

/* mmap.c: what a huge page of this kernel has. */
size_t ndma_mmap_huge_bytes(void);
/* @length bytes of whole pages to map something over, at a multiple of a huge page; NULL: errno. */
void *ndma_mmap_reserve(size_t length);
/* Maps a whole dma-buf or memfd at an address that lets huge pages be used. */
int ndma_mmap_aligned(int fd, uint64_t bytes, uint32_t access, struct ndma_mapping *mapping);

#endif /* NDMA_LIB_INTERNAL_H */
