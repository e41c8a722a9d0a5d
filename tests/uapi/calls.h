/* SPDX-License-Identifier: MIT */
/*
 * Every call of <linux/ndma.h>, and every field of its argument: the one list that the tests go by.
 * From it come the sizes and offsets (calls.c), the sweep with wrong arguments (kselftest/uapi.c),
 * the failure of every allocation (faults/scenario.c), who may do what (faults/access.c) and what the
 * fuzzer does (fuzz/world_call.c). A new call is a row here, and a block of its argument's fields; a
 * new field is a line at the end of its block. Who forgets either is told: calls.c does not compile
 * while fields do not fill their structure, and the sweep finds numbers that answer without a row.
 */
#ifndef NDMA_UAPI_CALLS_H
#define NDMA_UAPI_CALLS_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/ndma.h>

/* On what a call is made. */
enum uapi_on {
	UAPI_HEAP,
	UAPI_SOURCE,	/* a source, newly opened */
	UAPI_SIM,	/* one that has the simulator's controls */
	UAPI_STREAM,	/* a source that is set up as a stream */
	UAPI_FRAMES,	/* one that runs, and makes frames at once */
	UAPI_FILL,	/* one that fills a buffer, and is done soon */
};

/* Who may make a call; others get EACCES for their file, EPERM for the buffer. */
enum uapi_who {
	UAPI_ANYBODY,
	UAPI_WRITER,		/* by a file opened for writing and a handle that can write */
	UAPI_OWNER,		/* by the file, opened for writing, that owns the buffer */
	UAPI_OWNING_WRITER,	/* both */
};

/**
 * UAPI_CALLS - CALL(number, argument, first, on, who, ...)
 * @first: bytes of the argument's first version, which are accepted for ever
 * @on: enum uapi_on
 * @who: enum uapi_who
 * @...: an argument with which the call succeeds, but for what the fields' roles say
 */
#define UAPI_CALLS(CALL)									\
	CALL(NDMA_HEAP_INFO, ndma_heap_info, 48, HEAP, ANYBODY, .flags = 0)			\
	CALL(NDMA_BUFFER_ALLOC, ndma_buffer_alloc, 48, HEAP, WRITER,				\
	     .bytes = 4096, .node = NDMA_NODE_ANY, .source_fd = -1)				\
	CALL(NDMA_BUFFER_INFO, ndma_buffer_info, 80, HEAP, ANYBODY, .flags = 0)			\
	CALL(NDMA_BUFFER_GET_LAYOUT, ndma_buffer_layout, 800, HEAP, ANYBODY, .flags = 0)	\
	CALL(NDMA_BUFFER_SET_LAYOUT, ndma_buffer_layout, 800, HEAP, WRITER, .layout = {		\
	     .itemsize = 1, .ndim = 1, .shape = { 4096 }, .strides = { 1 }, .format = "B" })	\
	CALL(NDMA_BUFFER_READONLY_HANDLE, ndma_buffer_readonly, 24, HEAP, ANYBODY, .flags = 0)	\
	CALL(NDMA_BUFFER_HOLDERS, ndma_buffer_holders, 24, HEAP, ANYBODY, .count = 4)		\
	CALL(NDMA_LEASE_ACQUIRE, ndma_lease_acquire, 24, HEAP, ANYBODY, .access = NDMA_READ)	\
	CALL(NDMA_LEASE_RELEASE, ndma_lease_release, 8, HEAP, ANYBODY, .lease = 0)		\
	CALL(NDMA_LEASE_REVOKE, ndma_lease_revoke, 16, HEAP, OWNER, .flags = 0)			\
	CALL(NDMA_TRANSFER_BEGIN, ndma_transfer_begin, 32, HEAP, OWNING_WRITER,			\
	     .direction = NDMA_FROM_DEVICE, .timeout_ns = 100000000000ULL)			\
	CALL(NDMA_TRANSFER_END, ndma_transfer_end, 16, HEAP, OWNING_WRITER, .flags = 0)		\
	CALL(NDMA_SOURCE_INFO, ndma_source_info, 176, SOURCE, ANYBODY, .flags = 0)		\
	CALL(NDMA_SOURCE_FORMAT, ndma_source_format, 40, SOURCE, ANYBODY, .index = 0)		\
	CALL(NDMA_SOURCE_CHANNEL, ndma_source_channel, 88, SOURCE, ANYBODY, .index = 0)		\
	CALL(NDMA_CONTROL_QUERY, ndma_control_info, 104, SIM, ANYBODY,				\
	     .id = NDMA_CONTROL_PATTERN)							\
	CALL(NDMA_CONTROL_MENU_ITEM, ndma_control_menu_item, 48, SIM, ANYBODY,			\
	     .id = NDMA_CONTROL_PATTERN)							\
	CALL(NDMA_CONTROL_GET, ndma_control, 16, SIM, ANYBODY, .id = NDMA_CONTROL_PATTERN)	\
	CALL(NDMA_CONTROL_SET, ndma_control, 16, SIM, WRITER, .id = NDMA_CONTROL_PATTERN)	\
	CALL(NDMA_STREAM_SETUP, ndma_stream_setup, 872, SOURCE, WRITER,				\
	     .direction = NDMA_FROM_DEVICE, .channels = 1, .node = NDMA_NODE_ANY)		\
	CALL(NDMA_STREAM_START, ndma_stream_start, 16, STREAM, WRITER, .count = 0)		\
	CALL(NDMA_STREAM_STOP, ndma_stream_stop, 8, STREAM, WRITER, .flags = 0)			\
	CALL(NDMA_STREAM_WAIT, ndma_stream_wait, 24, FRAMES, ANYBODY,				\
	     .min = 1, .timeout_ns = 10000000000LL)						\
	CALL(NDMA_STREAM_KICK, ndma_stream_kick, 8, STREAM, ANYBODY, .flags = 0)		\
	CALL(NDMA_STREAM_STATS, ndma_stream_stats, 96, STREAM, ANYBODY, .state = 0)		\
	CALL(NDMA_STREAM_EXPORT, ndma_stream_export, 16, FRAMES, ANYBODY, .index = 0)		\
	CALL(NDMA_FILL_BEGIN, ndma_fill_begin, 48, SOURCE, WRITER,				\
	     .channels = 1, .timeout_ns = 10000000000ULL)					\
	CALL(NDMA_FILL_WAIT, ndma_fill_wait, 72, FILL, ANYBODY, .flags = 0)

/* What the structures above hold; they are no arguments themselves. */
#define UAPI_PARTS(PART)	\
	PART(ndma_layout)	\
	PART(ndma_holder)	\
	PART(ndma_rational)	\
	PART(ndma_completion)

/* What a field is for. All that are not an output are read. */
enum uapi_role {
	UAPI_SIZE,		/* of the argument; the first field of each */
	UAPI_ZERO,		/* 0, else EINVAL; may be an output too */
	UAPI_FLAGS,		/* bits, of which only those that the field's line names are known */
	UAPI_OUT,
	UAPI_NEW_FD,		/* out: a descriptor that is the caller's now */
	UAPI_NEW_LEASE,		/* out: a lease's id; in, to check it */
	UAPI_NEW_TRANSFER,	/* out: a transfer's id */
	UAPI_BUFFER,		/* a buffer's descriptor */
	UAPI_HEAP_FD,		/* a file of the heap */
	UAPI_SOURCE_FD,		/* an open source, or -1 */
	UAPI_CONTROLS_FD,	/* another open file of the source, where a flag says so, else 0 */
	UAPI_LEASE,		/* a lease of this client */
	UAPI_TRANSFER,		/* the transfer in progress */
	UAPI_FRAME,		/* a frame in the caller's hands */
	UAPI_LAYOUT,		/* a layout inside the argument */
	UAPI_LAYOUT_AT,		/* a pointer to one, or 0 */
	UAPI_HOLDERS_AT,	/* a pointer to room for four holders */
	UAPI_NODE,
	UAPI_FRAMES_NR,		/* how many frames a stream of this source has */
	UAPI_ORDER,		/* an order of the source's first format */
	UAPI_SAMPLES,		/* about a page of that format's */
	UAPI_SMALL,		/* a small number */
	UAPI_BYTES,
	UAPI_TIME,		/* nanoseconds */
	UAPI_CONTROL,		/* a control's id */
	UAPI_VALUE,		/* any number at all */
};

/*
 * The fields of each structure, in their order: FIELD(T, member, offset, role), of UAPI_FLAGS with the
 * bits that are known.
 */
#define UAPI_ndma_layout(FIELD, T)		\
	FIELD(T, itemsize, 0, OUT)		\
	FIELD(T, ndim, 4, OUT)			\
	FIELD(T, offset, 8, OUT)		\
	FIELD(T, shape, 16, OUT)		\
	FIELD(T, strides, 272, OUT)		\
	FIELD(T, format, 528, OUT)

#define UAPI_ndma_heap_info(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, ZERO)		\
	FIELD(T, abi, 8, OUT)			\
	FIELD(T, page_bytes, 12, OUT)		\
	FIELD(T, huge_bytes, 16, OUT)		\
	FIELD(T, leases_max, 20, OUT)		\
	FIELD(T, quota_bytes, 24, OUT)		\
	FIELD(T, used_bytes, 32, OUT)		\
	FIELD(T, fence_max_ns, 40, OUT)

#define UAPI_ndma_buffer_alloc(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, FLAGS, NDMA_BUFFER_CONTIGUOUS) \
	FIELD(T, bytes, 8, BYTES)		\
	FIELD(T, node, 16, NODE)		\
	FIELD(T, source_fd, 20, SOURCE_FD)	\
	FIELD(T, fd_flags, 24, FLAGS, O_CLOEXEC) \
	FIELD(T, fd, 28, NEW_FD)		\
	FIELD(T, capacity, 32, OUT)		\
	FIELD(T, layout, 40, LAYOUT_AT)

#define UAPI_ndma_buffer_info(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, fd, 4, BUFFER)			\
	FIELD(T, flags, 8, ZERO)		\
	FIELD(T, owner, 12, OUT)		\
	FIELD(T, direction, 16, OUT)		\
	FIELD(T, guard, 20, OUT)		\
	FIELD(T, bytes, 24, OUT)		\
	FIELD(T, capacity, 32, OUT)		\
	FIELD(T, read_leases, 40, OUT)		\
	FIELD(T, write_leases, 44, OUT)		\
	FIELD(T, own_leases, 48, OUT)		\
	FIELD(T, node, 52, OUT)			\
	FIELD(T, transfers, 56, OUT)		\
	FIELD(T, aborted, 64, OUT)		\
	FIELD(T, touches, 72, OUT)		\
	FIELD(T, id, 80, OUT)			\
	FIELD(T, run_at, 88, SMALL)		\
	FIELD(T, run_bytes, 96, OUT)		\
	FIELD(T, run_page_bytes, 104, OUT)

#define UAPI_ndma_buffer_layout(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, fd, 4, BUFFER)			\
	FIELD(T, flags, 8, ZERO)		\
	FIELD(T, reserved, 12, ZERO)		\
	FIELD(T, layout, 16, LAYOUT)

#define UAPI_ndma_buffer_readonly(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, fd, 4, BUFFER)			\
	FIELD(T, flags, 8, ZERO)		\
	FIELD(T, fd_flags, 12, FLAGS, O_CLOEXEC) \
	FIELD(T, out_fd, 16, NEW_FD)		\
	FIELD(T, reserved, 20, ZERO)

#define UAPI_ndma_lease_acquire(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, fd, 4, BUFFER)			\
	FIELD(T, access, 8, SMALL)		\
	FIELD(T, flags, 12, FLAGS, NDMA_LEASE_CHECK) \
	FIELD(T, lease, 16, NEW_LEASE)		\
	FIELD(T, reserved, 20, ZERO)

#define UAPI_ndma_lease_release(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, lease, 4, LEASE)

#define UAPI_ndma_lease_revoke(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, fd, 4, BUFFER)			\
	FIELD(T, flags, 8, ZERO)		\
	FIELD(T, count, 12, OUT)

#define UAPI_ndma_holder(FIELD, T)		\
	FIELD(T, kind, 0, OUT)			\
	FIELD(T, access, 4, OUT)		\
	FIELD(T, pid, 8, OUT)			\
	FIELD(T, count, 12, OUT)

#define UAPI_ndma_buffer_holders(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, fd, 4, BUFFER)			\
	FIELD(T, flags, 8, ZERO)		\
	FIELD(T, count, 12, SMALL)		\
	FIELD(T, holders, 16, HOLDERS_AT)

#define UAPI_ndma_transfer_begin(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, fd, 4, BUFFER)			\
	FIELD(T, direction, 8, SMALL)		\
	FIELD(T, guard, 12, SMALL)		\
	FIELD(T, flags, 16, FLAGS, NDMA_TRANSFER_FENCE) \
	FIELD(T, transfer, 20, NEW_TRANSFER)	\
	FIELD(T, timeout_ns, 24, TIME)

#define UAPI_ndma_transfer_end(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, fd, 4, BUFFER)			\
	FIELD(T, transfer, 8, TRANSFER)		\
	FIELD(T, flags, 12, ZERO)

#define UAPI_ndma_rational(FIELD, T)		\
	FIELD(T, num, 0, OUT)			\
	FIELD(T, den, 8, OUT)

#define UAPI_ndma_source_info(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, ZERO)		\
	FIELD(T, name, 8, OUT)			\
	FIELD(T, driver, 40, OUT)		\
	FIELD(T, device, 72, OUT)		\
	FIELD(T, abi, 104, OUT)			\
	FIELD(T, formats, 108, OUT)		\
	FIELD(T, channels, 112, OUT)		\
	FIELD(T, frames_min, 116, OUT)		\
	FIELD(T, frames_max, 120, OUT)		\
	FIELD(T, streams_max, 124, OUT)		\
	FIELD(T, frame_bytes_max, 128, OUT)	\
	FIELD(T, samples_step, 136, OUT)	\
	FIELD(T, reserved, 140, ZERO)		\
	FIELD(T, rate, 144, OUT)		\
	FIELD(T, start_monotonic_ns, 160, OUT)	\
	FIELD(T, start_realtime_ns, 168, OUT)

#define UAPI_ndma_source_format(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, index, 4, SMALL)		\
	FIELD(T, flags, 8, ZERO)		\
	FIELD(T, itemsize, 12, OUT)		\
	FIELD(T, orders, 16, OUT)		\
	FIELD(T, bits, 20, OUT)			\
	FIELD(T, format, 24, OUT)

#define UAPI_ndma_source_channel(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, index, 4, SMALL)		\
	FIELD(T, name, 8, OUT)			\
	FIELD(T, unit, 40, OUT)			\
	FIELD(T, scale, 56, OUT)		\
	FIELD(T, offset, 72, OUT)

#define UAPI_ndma_control_info(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, id, 4, CONTROL)		\
	FIELD(T, type, 8, OUT)			\
	FIELD(T, flags, 12, ZERO)		\
	FIELD(T, name, 16, OUT)			\
	FIELD(T, unit, 48, OUT)			\
	FIELD(T, exponent, 64, OUT)		\
	FIELD(T, reserved, 68, ZERO)		\
	FIELD(T, min, 72, OUT)			\
	FIELD(T, max, 80, OUT)			\
	FIELD(T, step, 88, OUT)			\
	FIELD(T, preset, 96, OUT)

#define UAPI_ndma_control_menu_item(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, id, 4, CONTROL)		\
	FIELD(T, index, 8, SMALL)		\
	FIELD(T, reserved, 12, ZERO)		\
	FIELD(T, name, 16, OUT)

#define UAPI_ndma_control(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, id, 4, CONTROL)		\
	FIELD(T, value, 8, VALUE)

#define UAPI_ndma_stream_setup(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, FLAGS, NDMA_SETUP_CONTROLS) \
	FIELD(T, direction, 8, SMALL)		\
	FIELD(T, frames, 12, FRAMES_NR)		\
	FIELD(T, policy, 16, SMALL)		\
	FIELD(T, guard, 20, SMALL)		\
	FIELD(T, format, 24, SMALL)		\
	FIELD(T, order, 28, ORDER)		\
	FIELD(T, channels, 32, SMALL)		\
	FIELD(T, node, 36, NODE)		\
	FIELD(T, samples, 40, SAMPLES)		\
	FIELD(T, frame_bytes, 48, OUT)		\
	FIELD(T, frame_stride, 56, OUT)		\
	FIELD(T, data_bytes, 64, OUT)		\
	FIELD(T, entries, 72, OUT)		\
	FIELD(T, completions_bytes, 76, OUT)	\
	FIELD(T, releases_bytes, 80, OUT)	\
	FIELD(T, controls_fd, 84, CONTROLS_FD)	\
	FIELD(T, layout, 88, OUT)		\
	FIELD(T, entry_bytes, 872, SMALL)	\
	FIELD(T, reserved, 876, ZERO)

#define UAPI_ndma_stream_start(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, ZERO)		\
	FIELD(T, count, 8, SMALL)

#define UAPI_ndma_stream_stop(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, ZERO)

#define UAPI_ndma_stream_wait(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, min, 4, SMALL)			\
	FIELD(T, timeout_ns, 8, TIME)		\
	FIELD(T, ready, 16, OUT)		\
	FIELD(T, state, 20, OUT)

#define UAPI_ndma_stream_kick(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, ZERO)

#define UAPI_ndma_stream_stats(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, state, 4, OUT)			\
	FIELD(T, produced, 8, OUT)		\
	FIELD(T, completed, 16, OUT)		\
	FIELD(T, dropped, 24, OUT)		\
	FIELD(T, stolen, 32, OUT)		\
	FIELD(T, starved, 40, OUT)		\
	FIELD(T, bad_releases, 48, OUT)		\
	FIELD(T, bad_taken, 56, OUT)		\
	FIELD(T, errors, 64, OUT)		\
	FIELD(T, touches, 72, OUT)		\
	FIELD(T, free_frames, 80, OUT)		\
	FIELD(T, device_frames, 84, OUT)	\
	FIELD(T, user_frames, 88, OUT)		\
	FIELD(T, exported_frames, 92, OUT)

#define UAPI_ndma_stream_export(FIELD, T)	\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, index, 4, FRAME)		\
	FIELD(T, fd_flags, 8, FLAGS, (O_CLOEXEC | O_RDWR)) \
	FIELD(T, fd, 12, NEW_FD)

#define UAPI_ndma_fill_begin(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, ZERO)		\
	FIELD(T, fd, 8, BUFFER)			\
	FIELD(T, heap_fd, 12, HEAP_FD)		\
	FIELD(T, guard, 16, SMALL)		\
	FIELD(T, format, 20, SMALL)		\
	FIELD(T, order, 24, ORDER)		\
	FIELD(T, channels, 28, SMALL)		\
	FIELD(T, samples, 32, SAMPLES)		\
	FIELD(T, timeout_ns, 40, TIME)

#define UAPI_ndma_completion(FIELD, T)		\
	FIELD(T, index, 0, OUT)			\
	FIELD(T, flags, 4, OUT)			\
	FIELD(T, sequence, 8, OUT)		\
	FIELD(T, timestamp_ns, 16, OUT)		\
	FIELD(T, hw_timestamp, 24, OUT)		\
	FIELD(T, hw_sequence, 32, OUT)		\
	FIELD(T, bytes_used, 40, OUT)		\
	FIELD(T, dropped, 48, OUT)		\
	FIELD(T, trigger, 56, OUT)		\
	FIELD(T, anchor, 60, OUT)

#define UAPI_ndma_fill_wait(FIELD, T)		\
	FIELD(T, size, 0, SIZE)			\
	FIELD(T, flags, 4, ZERO)		\
	FIELD(T, completion, 8, OUT)

/**
 * struct uapi_field - one field
 * @name: its member's name; NULL behind the last
 * @at: its offset
 * @bytes: its size
 * @known: bits that a UAPI_FLAGS may have
 */
struct uapi_field {
	const char *name;
	enum uapi_role role;
	uint32_t at;
	uint32_t bytes;
	uint32_t known;
};

/**
 * struct uapi_call - one row
 * @name: its number's
 * @bytes: of the argument as this header has it
 * @argument: the one of the row
 * @fields: of the argument
 */
struct uapi_call {
	const char *name;
	unsigned long number;
	uint32_t first;
	uint32_t bytes;
	enum uapi_on on;
	enum uapi_who who;
	const void *argument;
	const struct uapi_field *fields;
};

/* Each call's place in the list: UAPI_AT_NDMA_HEAP_INFO, … */
enum uapi_at {
#define CALL(call, ...) UAPI_AT_##call,
	UAPI_CALLS(CALL)
#undef CALL
	UAPI_CALLS_NR
};

extern const struct uapi_call uapi_calls[UAPI_CALLS_NR];

#define FOR_EACH_CALL(call) for (call = uapi_calls; call < uapi_calls + UAPI_CALLS_NR; call++)
#define FOR_EACH_FIELD(field, call) for (field = (call)->fields; field->name; field++)

/* The row of a number, or NULL. */
const struct uapi_call *uapi_call_of(unsigned long number);
/* The first field of this role, or NULL. */
const struct uapi_field *uapi_field_of(const struct uapi_call *call, enum uapi_role role);

#endif /* NDMA_UAPI_CALLS_H */
