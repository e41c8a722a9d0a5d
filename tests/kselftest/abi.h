/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sizes and offsets of everything that crosses the boundary to the kernel. A line that does not
 * compile is an ABI that moved; new fields go to the end of a structure, and of its block here.
 */
#ifndef NDMA_TEST_ABI_H
#define NDMA_TEST_ABI_H

#include <stddef.h>

#include <linux/ndma.h>

#define SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define AT(type, member, offset) \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)

SIZE(ndma_layout, 784);
AT(ndma_layout, itemsize, 0);
AT(ndma_layout, ndim, 4);
AT(ndma_layout, offset, 8);
AT(ndma_layout, shape, 16);
AT(ndma_layout, strides, 272);
AT(ndma_layout, format, 528);

SIZE(ndma_heap_info, 48);
AT(ndma_heap_info, size, 0);
AT(ndma_heap_info, flags, 4);
AT(ndma_heap_info, abi, 8);
AT(ndma_heap_info, page_bytes, 12);
AT(ndma_heap_info, huge_bytes, 16);
AT(ndma_heap_info, leases_max, 20);
AT(ndma_heap_info, quota_bytes, 24);
AT(ndma_heap_info, used_bytes, 32);
AT(ndma_heap_info, fence_max_ns, 40);

SIZE(ndma_buffer_alloc, 48);
AT(ndma_buffer_alloc, size, 0);
AT(ndma_buffer_alloc, flags, 4);
AT(ndma_buffer_alloc, bytes, 8);
AT(ndma_buffer_alloc, node, 16);
AT(ndma_buffer_alloc, source_fd, 20);
AT(ndma_buffer_alloc, fd_flags, 24);
AT(ndma_buffer_alloc, fd, 28);
AT(ndma_buffer_alloc, capacity, 32);
AT(ndma_buffer_alloc, layout, 40);

SIZE(ndma_buffer_info, 80);
AT(ndma_buffer_info, size, 0);
AT(ndma_buffer_info, fd, 4);
AT(ndma_buffer_info, flags, 8);
AT(ndma_buffer_info, owner, 12);
AT(ndma_buffer_info, direction, 16);
AT(ndma_buffer_info, guard, 20);
AT(ndma_buffer_info, bytes, 24);
AT(ndma_buffer_info, capacity, 32);
AT(ndma_buffer_info, read_leases, 40);
AT(ndma_buffer_info, write_leases, 44);
AT(ndma_buffer_info, own_leases, 48);
AT(ndma_buffer_info, node, 52);
AT(ndma_buffer_info, transfers, 56);
AT(ndma_buffer_info, aborted, 64);
AT(ndma_buffer_info, touches, 72);

SIZE(ndma_buffer_layout, 800);
AT(ndma_buffer_layout, size, 0);
AT(ndma_buffer_layout, fd, 4);
AT(ndma_buffer_layout, flags, 8);
AT(ndma_buffer_layout, reserved, 12);
AT(ndma_buffer_layout, layout, 16);

SIZE(ndma_buffer_readonly, 24);
AT(ndma_buffer_readonly, size, 0);
AT(ndma_buffer_readonly, fd, 4);
AT(ndma_buffer_readonly, flags, 8);
AT(ndma_buffer_readonly, fd_flags, 12);
AT(ndma_buffer_readonly, out_fd, 16);
AT(ndma_buffer_readonly, reserved, 20);

SIZE(ndma_lease_acquire, 24);
AT(ndma_lease_acquire, size, 0);
AT(ndma_lease_acquire, fd, 4);
AT(ndma_lease_acquire, access, 8);
AT(ndma_lease_acquire, flags, 12);
AT(ndma_lease_acquire, lease, 16);
AT(ndma_lease_acquire, reserved, 20);

SIZE(ndma_lease_release, 8);
AT(ndma_lease_release, size, 0);
AT(ndma_lease_release, lease, 4);

SIZE(ndma_lease_revoke, 16);
AT(ndma_lease_revoke, size, 0);
AT(ndma_lease_revoke, fd, 4);
AT(ndma_lease_revoke, flags, 8);
AT(ndma_lease_revoke, count, 12);

SIZE(ndma_holder, 16);
AT(ndma_holder, kind, 0);
AT(ndma_holder, access, 4);
AT(ndma_holder, pid, 8);
AT(ndma_holder, count, 12);

SIZE(ndma_buffer_holders, 24);
AT(ndma_buffer_holders, size, 0);
AT(ndma_buffer_holders, fd, 4);
AT(ndma_buffer_holders, flags, 8);
AT(ndma_buffer_holders, count, 12);
AT(ndma_buffer_holders, holders, 16);

SIZE(ndma_transfer_begin, 32);
AT(ndma_transfer_begin, size, 0);
AT(ndma_transfer_begin, fd, 4);
AT(ndma_transfer_begin, direction, 8);
AT(ndma_transfer_begin, guard, 12);
AT(ndma_transfer_begin, flags, 16);
AT(ndma_transfer_begin, transfer, 20);
AT(ndma_transfer_begin, timeout_ns, 24);

SIZE(ndma_transfer_end, 16);
AT(ndma_transfer_end, size, 0);
AT(ndma_transfer_end, fd, 4);
AT(ndma_transfer_end, transfer, 8);
AT(ndma_transfer_end, flags, 12);

SIZE(ndma_rational, 16);
AT(ndma_rational, num, 0);
AT(ndma_rational, den, 8);

SIZE(ndma_source_info, 176);
AT(ndma_source_info, size, 0);
AT(ndma_source_info, flags, 4);
AT(ndma_source_info, name, 8);
AT(ndma_source_info, driver, 40);
AT(ndma_source_info, device, 72);
AT(ndma_source_info, abi, 104);
AT(ndma_source_info, formats, 108);
AT(ndma_source_info, channels, 112);
AT(ndma_source_info, frames_min, 116);
AT(ndma_source_info, frames_max, 120);
AT(ndma_source_info, streams_max, 124);
AT(ndma_source_info, frame_bytes_max, 128);
AT(ndma_source_info, samples_step, 136);
AT(ndma_source_info, reserved, 140);
AT(ndma_source_info, rate, 144);
AT(ndma_source_info, start_monotonic_ns, 160);
AT(ndma_source_info, start_realtime_ns, 168);

SIZE(ndma_source_format, 40);
AT(ndma_source_format, size, 0);
AT(ndma_source_format, index, 4);
AT(ndma_source_format, flags, 8);
AT(ndma_source_format, itemsize, 12);
AT(ndma_source_format, orders, 16);
AT(ndma_source_format, bits, 20);
AT(ndma_source_format, format, 24);

SIZE(ndma_source_channel, 88);
AT(ndma_source_channel, size, 0);
AT(ndma_source_channel, index, 4);
AT(ndma_source_channel, name, 8);
AT(ndma_source_channel, unit, 40);
AT(ndma_source_channel, scale, 56);
AT(ndma_source_channel, offset, 72);

SIZE(ndma_control_info, 104);
AT(ndma_control_info, size, 0);
AT(ndma_control_info, id, 4);
AT(ndma_control_info, type, 8);
AT(ndma_control_info, flags, 12);
AT(ndma_control_info, name, 16);
AT(ndma_control_info, unit, 48);
AT(ndma_control_info, exponent, 64);
AT(ndma_control_info, reserved, 68);
AT(ndma_control_info, min, 72);
AT(ndma_control_info, max, 80);
AT(ndma_control_info, step, 88);
AT(ndma_control_info, preset, 96);

SIZE(ndma_control_menu_item, 48);
AT(ndma_control_menu_item, size, 0);
AT(ndma_control_menu_item, id, 4);
AT(ndma_control_menu_item, index, 8);
AT(ndma_control_menu_item, reserved, 12);
AT(ndma_control_menu_item, name, 16);

SIZE(ndma_control, 16);
AT(ndma_control, size, 0);
AT(ndma_control, id, 4);
AT(ndma_control, value, 8);

SIZE(ndma_stream_setup, 872);
AT(ndma_stream_setup, size, 0);
AT(ndma_stream_setup, flags, 4);
AT(ndma_stream_setup, direction, 8);
AT(ndma_stream_setup, frames, 12);
AT(ndma_stream_setup, policy, 16);
AT(ndma_stream_setup, guard, 20);
AT(ndma_stream_setup, format, 24);
AT(ndma_stream_setup, order, 28);
AT(ndma_stream_setup, channels, 32);
AT(ndma_stream_setup, node, 36);
AT(ndma_stream_setup, samples, 40);
AT(ndma_stream_setup, frame_bytes, 48);
AT(ndma_stream_setup, frame_stride, 56);
AT(ndma_stream_setup, data_bytes, 64);
AT(ndma_stream_setup, entries, 72);
AT(ndma_stream_setup, completions_bytes, 76);
AT(ndma_stream_setup, releases_bytes, 80);
AT(ndma_stream_setup, reserved, 84);
AT(ndma_stream_setup, layout, 88);

SIZE(ndma_stream_start, 16);
AT(ndma_stream_start, size, 0);
AT(ndma_stream_start, flags, 4);
AT(ndma_stream_start, count, 8);

SIZE(ndma_stream_stop, 8);
AT(ndma_stream_stop, size, 0);
AT(ndma_stream_stop, flags, 4);

SIZE(ndma_stream_wait, 24);
AT(ndma_stream_wait, size, 0);
AT(ndma_stream_wait, min, 4);
AT(ndma_stream_wait, timeout_ns, 8);
AT(ndma_stream_wait, ready, 16);
AT(ndma_stream_wait, state, 20);

SIZE(ndma_stream_kick, 8);
AT(ndma_stream_kick, size, 0);
AT(ndma_stream_kick, flags, 4);

SIZE(ndma_stream_stats, 96);
AT(ndma_stream_stats, size, 0);
AT(ndma_stream_stats, state, 4);
AT(ndma_stream_stats, produced, 8);
AT(ndma_stream_stats, completed, 16);
AT(ndma_stream_stats, dropped, 24);
AT(ndma_stream_stats, stolen, 32);
AT(ndma_stream_stats, starved, 40);
AT(ndma_stream_stats, bad_releases, 48);
AT(ndma_stream_stats, bad_taken, 56);
AT(ndma_stream_stats, errors, 64);
AT(ndma_stream_stats, touches, 72);
AT(ndma_stream_stats, free_frames, 80);
AT(ndma_stream_stats, device_frames, 84);
AT(ndma_stream_stats, user_frames, 88);
AT(ndma_stream_stats, exported_frames, 92);

SIZE(ndma_stream_export, 16);
AT(ndma_stream_export, size, 0);
AT(ndma_stream_export, index, 4);
AT(ndma_stream_export, fd_flags, 8);
AT(ndma_stream_export, fd, 12);

SIZE(ndma_completion, 64);
AT(ndma_completion, index, 0);
AT(ndma_completion, flags, 4);
AT(ndma_completion, sequence, 8);
AT(ndma_completion, timestamp_ns, 16);
AT(ndma_completion, hw_timestamp, 24);
AT(ndma_completion, hw_sequence, 32);
AT(ndma_completion, bytes_used, 40);
AT(ndma_completion, dropped, 48);
AT(ndma_completion, trigger, 56);
AT(ndma_completion, reserved, 60);

SIZE(ndma_fill_begin, 48);
AT(ndma_fill_begin, size, 0);
AT(ndma_fill_begin, flags, 4);
AT(ndma_fill_begin, fd, 8);
AT(ndma_fill_begin, heap_fd, 12);
AT(ndma_fill_begin, guard, 16);
AT(ndma_fill_begin, format, 20);
AT(ndma_fill_begin, order, 24);
AT(ndma_fill_begin, channels, 28);
AT(ndma_fill_begin, samples, 32);
AT(ndma_fill_begin, timeout_ns, 40);

SIZE(ndma_fill_wait, 72);
AT(ndma_fill_wait, size, 0);
AT(ndma_fill_wait, flags, 4);
AT(ndma_fill_wait, completion, 8);

SIZE(ndma_completions, 64);
AT(ndma_completions, head, 0);
AT(ndma_completions, need_wakeup, 4);
AT(ndma_completions, state, 8);
AT(ndma_completions, entries, 12);
AT(ndma_completions, reserved, 16);
AT(ndma_completions, ring, 64);

SIZE(ndma_releases, 128);
AT(ndma_releases, tail, 0);
AT(ndma_releases, reserved0, 4);
AT(ndma_releases, taken, 64);
AT(ndma_releases, reserved1, 68);
AT(ndma_releases, ring, 128);

#undef SIZE
#undef AT

#endif /* NDMA_TEST_ABI_H */
