/* SPDX-License-Identifier: MIT */
/* Between the files of the kernel backend. */
#ifndef NDMA_LIB_KERNEL_H
#define NDMA_LIB_KERNEL_H

#include "../internal.h"

/* Returns @rc, having set "@doing: " and what the errno means. */
int ndma_kernel_error(int rc, const char *doing, ...) __attribute__((format(printf, 2, 3)));

/* node.c: a descriptor, or a negative errno without words; waits for udev where it is on its way. */
int ndma_kernel_node_open(const char *path);

/* Why a node in /dev/ndma cannot be opened, in words that name its real owner; @error is positive. */
int ndma_kernel_node_error(int error, const char *path);

/* The heap's file of this process: opened once, never closed; the library's. Negative errno. */
int ndma_kernel_heap(void);
int ndma_kernel_heap_info(struct ndma_heap_info *info);

/* buffer.c */
int ndma_kernel_buffer_create(const struct ndma_backend *self, const struct ndma_layout *layout,
			      uint64_t bytes, const struct ndma_buffer_options *options,
			      struct ndma_buffer **out);
int ndma_kernel_buffer_import(const struct ndma_backend *self, int fd,
			      const struct ndma_layout *layout, struct ndma_buffer **out);
void ndma_kernel_buffer_free(struct ndma_buffer *buffer);
int ndma_kernel_buffer_map(struct ndma_buffer *buffer, uint32_t access, struct ndma_mapping *map);
int ndma_kernel_buffer_info(const struct ndma_buffer *buffer, struct ndma_buffer_info *info);
int ndma_kernel_buffer_get_layout(const struct ndma_buffer *buffer, struct ndma_layout *layout);
int ndma_kernel_buffer_set_layout(struct ndma_buffer *buffer, const struct ndma_layout *layout);
int ndma_kernel_buffer_readonly_fd(const struct ndma_buffer *buffer);
int ndma_kernel_buffer_holders(const struct ndma_buffer *buffer, struct ndma_holder *holders,
			       size_t room);

/* fence.c: -ETIMEDOUT, with the drivers whose fences a transfer has waited for in vain. */
int ndma_kernel_fence_error(const struct ndma_buffer *buffer, uint32_t direction);

/* fill.c */
int ndma_kernel_fill_begin(struct ndma_source *source, struct ndma_buffer *buffer,
			   const struct ndma_stream_setup *setup, uint64_t timeout_ns);
int ndma_kernel_fill_wait(struct ndma_source *source, struct ndma_completion *completion);
int ndma_kernel_fill_cancel(struct ndma_source *source);

/* lease.c: leases and transfers */
int ndma_kernel_buffer_revoke(struct ndma_buffer *buffer);
int ndma_kernel_lease_acquire(struct ndma_buffer *buffer, uint32_t access, uint32_t *lease);
int ndma_kernel_lease_release(struct ndma_buffer *buffer, uint32_t lease);
int ndma_kernel_lease_check(struct ndma_buffer *buffer, uint32_t access, uint32_t lease);
int ndma_kernel_transfer_begin(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
			       uint32_t flags, uint64_t timeout_ns, uint32_t *transfer);
int ndma_kernel_transfer_end(struct ndma_buffer *buffer, uint32_t transfer);

/* source.c */
int ndma_kernel_source_list(char (*names)[NDMA_NAME_MAX], size_t room);
int ndma_kernel_source_open(const struct ndma_backend *self, const char *name,
			    struct ndma_source **out);
void ndma_kernel_source_free(struct ndma_source *source);
int ndma_kernel_source_info(const struct ndma_source *source, struct ndma_source_info *info);
int ndma_kernel_source_format(const struct ndma_source *source, uint32_t index,
			      struct ndma_source_format *format);
int ndma_kernel_source_channel(const struct ndma_source *source, uint32_t index,
			       struct ndma_source_channel *channel);
int ndma_kernel_control_query(const struct ndma_source *source, uint32_t id,
			      struct ndma_control_info *info);
int ndma_kernel_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index,
			     char name[NDMA_NAME_MAX]);
int ndma_kernel_control_get(const struct ndma_source *source, uint32_t id, int64_t *value);
int ndma_kernel_control_set(struct ndma_source *source, uint32_t id, int64_t *value);
/* An open file of the source; negative errno with words. */
int ndma_kernel_source_fd(const char *name);

/* stream.c */
int ndma_kernel_stream_create(const struct ndma_source *source, struct ndma_stream_setup *setup,
			      bool writable, struct ndma_stream **out);
int ndma_kernel_stream_start(struct ndma_stream *stream, uint64_t count);
int ndma_kernel_stream_stop(struct ndma_stream *stream);
int ndma_kernel_stream_wait(struct ndma_stream *stream, struct ndma_stream_wait *wait);
int ndma_kernel_stream_kick(struct ndma_stream *stream);
int ndma_kernel_stream_stats(const struct ndma_stream *stream, struct ndma_stream_stats *stats);
int ndma_kernel_stream_export(struct ndma_stream *stream, uint32_t index, bool writable);
int ndma_kernel_stream_info(const struct ndma_stream *stream, struct ndma_source_info *info);
int ndma_kernel_stream_channel(const struct ndma_stream *stream, uint32_t index,
			       struct ndma_source_channel *channel);
int ndma_kernel_stream_control_query(const struct ndma_stream *stream, uint32_t id,
				     struct ndma_control_info *info);
int ndma_kernel_stream_control_menu(const struct ndma_stream *stream, uint32_t id, uint32_t index,
				    char name[NDMA_NAME_MAX]);
int ndma_kernel_stream_control_get(const struct ndma_stream *stream, uint32_t id, int64_t *value);
int ndma_kernel_stream_control_set(struct ndma_stream *stream, uint32_t id, int64_t *value);
void ndma_kernel_stream_close(struct ndma_stream *stream);
void ndma_kernel_stream_free(struct ndma_stream *stream);

#endif /* NDMA_LIB_KERNEL_H */
