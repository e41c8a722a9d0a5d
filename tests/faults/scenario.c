// SPDX-License-Identifier: MIT
/*
 * Every call of the kernel's, used as it is meant to be.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/dma-buf.h>

#include "scenario.h"

#define SMALL_BYTES (3 * 4096)
#define LARGE_BYTES (5 << 20)

/* ---------------------------------------------------------------- the heap */

static int with_heap(struct scene *scene)
{
	return scene_open_heap(scene);
}

static int with_buffer(struct scene *scene)
{
	TRY(scene_open_heap(scene));
	return scene_alloc(scene, SMALL_BYTES, 0);
}

static int with_large_buffer(struct scene *scene)
{
	TRY(scene_open_heap(scene));
	return scene_alloc(scene, LARGE_BYTES, 0);
}

static int ask_the_heap(struct scene *scene)
{
	struct ndma_heap_info info = { 0 };

	return scene_call(scene->heap, NDMA_HEAP_INFO, &info);
}

static int alloc_small(struct scene *scene)
{
	return scene_alloc(scene, SMALL_BYTES, 0);
}

static int alloc_large(struct scene *scene)
{
	return scene_alloc(scene, LARGE_BYTES, 0);
}

static int alloc_contiguous(struct scene *scene)
{
	return scene_alloc(scene, 1 << 20, NDMA_BUFFER_CONTIGUOUS);
}

static int alloc_with_layout(struct scene *scene)
{
	struct ndma_layout layout = {
		.itemsize = 4,
		.ndim = 2,
		.shape = { 16, 64 },
		.strides = { 256, 4 },
		.format = "<i",
	};
	struct ndma_buffer_alloc alloc = {
		.bytes = SMALL_BYTES,
		.node = NDMA_NODE_ANY,
		.source_fd = -1,
		.layout = (uintptr_t)&layout,
	};

	TRY(scene_call(scene->heap, NDMA_BUFFER_ALLOC, &alloc));
	return scene_keep(scene, alloc.fd);
}

static int ask_a_buffer(struct scene *scene)
{
	struct ndma_buffer_info info = { .fd = scene->buffer };
	struct ndma_holder holders[4];
	struct ndma_buffer_holders ask = {
		.fd = scene->buffer,
		.count = 4,
		.holders = (uintptr_t)holders,
	};

	TRY(scene_lease(scene, NDMA_READ));
	TRY(scene_call(scene->heap, NDMA_BUFFER_INFO, &info));
	return scene_call(scene->heap, NDMA_BUFFER_HOLDERS, &ask);
}

static int change_a_layout(struct scene *scene)
{
	struct ndma_buffer_layout layout = { .fd = scene->buffer };

	TRY(scene_call(scene->heap, NDMA_BUFFER_GET_LAYOUT, &layout));
	layout.layout.shape[0] /= 2;
	return scene_call(scene->heap, NDMA_BUFFER_SET_LAYOUT, &layout);
}

static int get_a_readonly_handle(struct scene *scene)
{
	struct ndma_buffer_readonly readonly = { .fd = scene->buffer };

	TRY(scene_call(scene->heap, NDMA_BUFFER_READONLY_HANDLE, &readonly));
	return scene_keep(scene, readonly.out_fd);
}

static int lease_and_release(struct scene *scene)
{
	struct ndma_lease_release release = { 0 };

	TRY(scene_lease(scene, NDMA_READ));
	TRY(scene_lease(scene, NDMA_WRITE));
	release.lease = scene->lease;
	return scene_call(scene->heap, NDMA_LEASE_RELEASE, &release);
}

static int revoke_a_lease(struct scene *scene)
{
	struct ndma_lease_revoke revoke = { .fd = scene->buffer };
	int owner = scene->heap;

	TRY(scene_open_heap(scene));
	TRY(scene_lease(scene, NDMA_READ));
	TRY(scene_call(owner, NDMA_LEASE_REVOKE, &revoke));
	return revoke.count == 1 ? 0 : -EPROTO;
}

static int transfer(struct scene *scene, uint32_t direction, uint32_t guard)
{
	void *address;

	TRY(scene_map_buffer(scene, PROT_READ | PROT_WRITE, &address));
	memset(address, 1, 4096);
	TRY(scene_begin(scene, direction, guard, 0));
	TRY(scene_end(scene));
	memset(address, 2, scene->capacity);
	return 0;
}

static int transfer_unguarded(struct scene *scene)
{
	return transfer(scene, NDMA_FROM_DEVICE, NDMA_GUARD_NONE);
}

static int transfer_guarded(struct scene *scene)
{
	TRY(transfer(scene, NDMA_TO_DEVICE, NDMA_GUARD_BLOCK));
	return transfer(scene, NDMA_BOTH, NDMA_GUARD_SIGBUS);
}

static int transfer_fenced(struct scene *scene)
{
	struct pollfd ready = { .fd = scene->buffer, .events = POLLIN };

	TRY(scene_begin(scene, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, NDMA_TRANSFER_FENCE));
	TRY(scene_end(scene));
	return poll(&ready, 1, 10000) < 0 ? -errno : 0;
}

static int map_and_touch(struct scene *scene)
{
	void *address;

	TRY(scene_map_buffer(scene, PROT_READ | PROT_WRITE, &address));
	memset(address, 1, scene->capacity);
	TRY(scene_map(scene, scene->buffer, 0, scene->capacity, PROT_READ, &address));
	return *(volatile char *)address == 1 ? 0 : -EPROTO;
}

static int sync_for_the_cpu(struct scene *scene)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };

	TRY(scene_ioctl(scene->buffer, DMA_BUF_IOCTL_SYNC, &sync));
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	return scene_ioctl(scene->buffer, DMA_BUF_IOCTL_SYNC, &sync);
}

static int fork_with_a_mapping(struct scene *scene)
{
	volatile char *address;
	void *mapped;
	int status;
	pid_t child;

	TRY(scene_map_buffer(scene, PROT_READ | PROT_WRITE, &mapped));
	address = mapped;
	*address = 1;
	child = fork();
	if (child < 0)
		return -errno;
	if (!child) {
		*address = 2;
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return *address == 2 ? 0 : -EPROTO;
}

/* The end frees what others must not lose by a failure, so it may not need memory. */
static int close_everything(struct scene *scene)
{
	scene_close(scene);
	return 0;
}

static int with_a_leased_transfer(struct scene *scene)
{
	void *address;

	TRY(with_large_buffer(scene));
	TRY(scene_map_buffer(scene, PROT_READ, &address));
	TRY(scene_lease(scene, NDMA_READ));
	return scene_begin(scene, NDMA_TO_DEVICE, NDMA_GUARD_NONE, NDMA_TRANSFER_FENCE);
}

/* ---------------------------------------------------------------- sources */

static int with_source(struct scene *scene)
{
	return scene_open_source(scene);
}

static int with_stream(struct scene *scene)
{
	TRY(scene_open_source(scene));
	return scene_setup(scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE);
}

static int with_mapped_stream(struct scene *scene)
{
	TRY(with_stream(scene));
	return scene_map_stream(scene);
}

static int with_running_stream(struct scene *scene)
{
	TRY(with_mapped_stream(scene));
	return scene_start(scene);
}

static int ask_a_source(struct scene *scene)
{
	struct ndma_source_info info = { 0 };
	struct ndma_source_format format = { 0 };
	struct ndma_source_channel channel = { 0 };

	TRY(scene_call(scene->source, NDMA_SOURCE_INFO, &info));
	TRY(scene_call(scene->source, NDMA_SOURCE_FORMAT, &format));
	return scene_call(scene->source, NDMA_SOURCE_CHANNEL, &channel);
}

/* Reads every control, the items of menus too, and sets each to what it is. */
static int use_the_controls(struct scene *scene)
{
	struct ndma_control_info info = { .id = NDMA_CONTROL_NEXT };
	int error;

	for (;;) {
		error = scene_call(scene->source, NDMA_CONTROL_QUERY, &info);
		if (error)
			return error == -EINVAL ? 0 : error;
		if (info.type == NDMA_CONTROL_MENU) {
			struct ndma_control_menu_item item = { .id = info.id };

			TRY(scene_call(scene->source, NDMA_CONTROL_MENU_ITEM, &item));
		}
		if (info.type != NDMA_CONTROL_BUTTON) {
			struct ndma_control control = { .id = info.id };

			TRY(scene_call(scene->source, NDMA_CONTROL_GET, &control));
			TRY(scene_call(scene->source, NDMA_CONTROL_SET, &control));
		}
		info = (struct ndma_control_info){ .id = info.id | NDMA_CONTROL_NEXT };
	}
}

static int set_up_a_stream(struct scene *scene)
{
	return scene_setup(scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE);
}

static int set_up_a_stream_of_the_latest(struct scene *scene)
{
	return scene_setup(scene, NDMA_POLICY_LATEST, NDMA_GUARD_NONE);
}

static int alloc_in_reach(struct scene *scene)
{
	TRY(scene_open_heap(scene));
	return scene_alloc(scene, SMALL_BYTES, 0);
}

static int map_a_stream(struct scene *scene)
{
	TRY(scene_map_stream(scene));
	return *(volatile char *)scene->frames >= 0 ? 0 : 1;
}

static int start_and_stop(struct scene *scene)
{
	TRY(scene_start(scene));
	return scene_stop(scene);
}

static int ask_a_stream(struct scene *scene)
{
	struct ndma_stream_stats stats = { 0 };
	struct ndma_stream_kick kick = { 0 };

	TRY(scene_call(scene->source, NDMA_STREAM_KICK, &kick));
	return scene_call(scene->source, NDMA_STREAM_STATS, &stats);
}

static int poll_a_stream(struct scene *scene)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = scene_keep(scene, epoll_create1(EPOLL_CLOEXEC));

	TRY(epoll);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, scene->source, &event) < 0 ||
	    epoll_wait(epoll, &event, 1, 10000) < 0)
		return -errno;
	return event.events & EPOLLIN ? 0 : -EPROTO;
}

static int take_and_release(struct scene *scene)
{
	struct ndma_completion completion;
	int i;

	for (i = 0; i < 3 * SCENE_FRAMES; i++) {
		TRY(scene_take(scene, &completion));
		TRY(scene_release(scene, completion.index));
	}
	return 0;
}

static int export_a_frame(struct scene *scene)
{
	struct ndma_completion completion;
	struct ndma_stream_export export;

	TRY(scene_take(scene, &completion));
	export = (struct ndma_stream_export){ .index = completion.index };
	TRY(scene_call(scene->source, NDMA_STREAM_EXPORT, &export));
	TRY(scene_keep(scene, export.fd));
	return scene_release(scene, completion.index);
}

static int with_source_and_buffer(struct scene *scene)
{
	TRY(with_source(scene));
	return alloc_in_reach(scene);
}

static int begin_a_fill(struct scene *scene, uint32_t guard)
{
	struct ndma_fill_begin fill = {
		.fd = scene->buffer,
		.heap_fd = scene->heap,
		.guard = guard,
		.order = NDMA_ORDER_PLANAR,
		.channels = 1,
		.samples = 1000,
		.timeout_ns = 10000000000,
	};

	return scene_call(scene->source, NDMA_FILL_BEGIN, &fill);
}

static int fill_a_buffer(struct scene *scene)
{
	struct ndma_fill_wait wait = { 0 };

	TRY(begin_a_fill(scene, NDMA_GUARD_BLOCK));
	return scene_call(scene->source, NDMA_FILL_WAIT, &wait);
}

static int stop_a_fill(struct scene *scene)
{
	struct ndma_fill_wait wait = { 0 };
	int ret;

	TRY(begin_a_fill(scene, NDMA_GUARD_NONE));
	TRY(scene_stop(scene));
	ret = scene_call(scene->source, NDMA_FILL_WAIT, &wait);
	return ret == -ECANCELED ? 0 : ret;
}

static int leave_a_fill(struct scene *scene)
{
	TRY(begin_a_fill(scene, NDMA_GUARD_NONE));
	return close_everything(scene);
}

static int stream_from_open_to_close(struct scene *scene)
{
	TRY(with_running_stream(scene));
	TRY(take_and_release(scene));
	TRY(scene_stop(scene));
	scene_close(scene);
	return 0;
}

/* ---------------------------------------------------------------- the table */

const struct scenario scenarios[] = {
	{ NEEDS_HEAP, 0, "opening the heap", NULL, with_heap },
	{ NEEDS_HEAP, 0, "asking the heap", with_heap, ask_the_heap },
	{ NEEDS_HEAP, 0, "allocating a small buffer", with_heap, alloc_small },
	{ NEEDS_HEAP, 0, "allocating a large buffer", with_heap, alloc_large },
	{ NEEDS_HEAP, EOPNOTSUPP, "allocating a contiguous buffer", with_heap, alloc_contiguous },
	{ NEEDS_HEAP, 0, "allocating with a layout", with_heap, alloc_with_layout },
	{ NEEDS_HEAP, 0, "asking a buffer and for its holders", with_buffer, ask_a_buffer },
	{ NEEDS_HEAP, 0, "changing a layout", with_buffer, change_a_layout },
	{ NEEDS_HEAP, 0, "getting a read-only handle", with_buffer, get_a_readonly_handle },
	{ NEEDS_HEAP, 0, "taking and releasing leases", with_buffer, lease_and_release },
	{ NEEDS_HEAP, 0, "revoking a lease", with_buffer, revoke_a_lease },
	{ NEEDS_HEAP, 0, "an unguarded transfer", with_large_buffer, transfer_unguarded },
	{ NEEDS_HEAP, 0, "guarded transfers", with_large_buffer, transfer_guarded },
	{ NEEDS_HEAP, 0, "a transfer with a fence", with_buffer, transfer_fenced },
	{ NEEDS_HEAP, 0, "mapping and touching a small buffer", with_buffer, map_and_touch },
	{ NEEDS_HEAP, 0, "mapping and touching a large buffer", with_large_buffer, map_and_touch },
	{ NEEDS_HEAP, 0, "syncing for the CPU", with_buffer, sync_for_the_cpu },
	{ NEEDS_HEAP, EAGAIN, "forking with a mapping", with_buffer, fork_with_a_mapping },
	{ NEEDS_HEAP, 0, "closing in mid-transfer", with_a_leased_transfer, close_everything },

	{ NEEDS_SOURCE, 0, "opening a source", NULL, with_source },
	{ NEEDS_SOURCE, 0, "asking a source", with_source, ask_a_source },
	{ NEEDS_SOURCE, 0, "using the controls", with_source, use_the_controls },
	{ NEEDS_SOURCE, EOPNOTSUPP, "allocating where a source reaches", with_source,
	  alloc_in_reach },
	{ NEEDS_SOURCE, EOPNOTSUPP, "setting up a stream", with_source, set_up_a_stream },
	{ NEEDS_SIM, 0, "setting up a stream of the latest", with_source,
	  set_up_a_stream_of_the_latest },
	{ NEEDS_SOURCE, 0, "mapping a stream", with_stream, map_a_stream },
	{ NEEDS_SOURCE, 0, "starting and stopping", with_mapped_stream, start_and_stop },
	{ NEEDS_SOURCE, 0, "asking a stream", with_mapped_stream, ask_a_stream },
	{ NEEDS_SOURCE, 0, "closing a running stream", with_running_stream, close_everything },
	{ NEEDS_SIM, 0, "polling a stream", with_running_stream, poll_a_stream },
	{ NEEDS_SIM, 0, "taking and releasing frames", with_running_stream, take_and_release },
	{ NEEDS_SIM, 0, "exporting a frame", with_running_stream, export_a_frame },
	{ NEEDS_SIM, 0, "filling a buffer", with_source_and_buffer, fill_a_buffer },
	{ NEEDS_SOURCE, 0, "stopping a fill", with_source_and_buffer, stop_a_fill },
	{ NEEDS_SOURCE, 0, "closing in a fill", with_source_and_buffer, leave_a_fill },
	{ NEEDS_SIM, 0, "a stream from open to close", NULL, stream_from_open_to_close },
};

const unsigned int nr_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);

int scenario_run(const struct scenario *scenario, struct scene *scene)
{
	if (scenario->prepare)
		TRY(scenario->prepare(scene));
	return scenario->act(scene);
}

bool scenario_suits(const struct scenario *scenario, const char *source_name)
{
	if (scenario->needs == NEEDS_HEAP)
		return !source_name;
	if (!source_name)
		return false;
	return scenario->needs == NEEDS_SOURCE || !strncmp(source_name, "sim", 3);
}
