// SPDX-License-Identifier: MIT
/*
 * Every call of the list, and what takes several: used as it is meant to be.
 */
#include <sys/epoll.h>
#include <sys/wait.h>

#include "scenario.h"
#include "uapi/dmabuf.h"

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
	struct ndma_buffer_alloc alloc = alloc_of(SMALL_BYTES);

	alloc.layout = (uintptr_t)&layout;
	return scene_keep(scene, heap_alloc_as(scene->heap, &alloc));
}

static int tell_the_holders(struct scene *scene)
{
	TRY(scene_lease(scene, NDMA_READ));
	return buffer_holders(scene->heap, scene->buffer, scene->holders, 4);
}

static int revoke_a_lease(struct scene *scene)
{
	int owner = scene->heap, revoked;

	TRY(scene_open_heap(scene));
	TRY(scene_lease(scene, NDMA_READ));
	revoked = lease_revoke(owner, scene->buffer);
	TRY(revoked);
	return revoked == 1 ? 0 : -EPROTO;
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
	TRY(scene_begin(scene, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, NDMA_TRANSFER_FENCE));
	TRY(scene_end(scene));
	return events_of(scene->buffer, POLLIN, 10000);
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
	TRY(dmabuf_sync(scene->buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	return dmabuf_sync(scene->buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
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

/* Reads every control, the items of menus too, and sets each to what it is. */
static int use_the_controls(struct scene *scene)
{
	struct ndma_control_info info = { .size = sizeof(info), .id = NDMA_CONTROL_NEXT };
	int64_t value;
	int error;

	for (;;) {
		error = call(scene->source, NDMA_CONTROL_QUERY, &info);
		if (error)
			return error == -EINVAL ? 0 : error;
		if (info.type == NDMA_CONTROL_MENU) {
			struct ndma_control_menu_item item = {
				.size = sizeof(item),
				.id = info.id,
			};

			TRY(call(scene->source, NDMA_CONTROL_MENU_ITEM, &item));
		}
		if (info.type != NDMA_CONTROL_BUTTON) {
			TRY(control_get(scene->source, info.id, &value));
			TRY(control_set(scene->source, info.id, value));
		}
		info = (struct ndma_control_info){
			.size = sizeof(info),
			.id = info.id | NDMA_CONTROL_NEXT,
		};
	}
}

static int set_up_a_stream_of_the_latest(struct scene *scene)
{
	return scene_setup(scene, NDMA_POLICY_LATEST, NDMA_GUARD_NONE);
}

static int set_up_a_stream_with_anothers_controls(struct scene *scene)
{
	struct ndma_stream_setup setup = setup_of(4, 1000);

	setup.flags = NDMA_SETUP_CONTROLS;
	setup.controls_fd = scene_keep(scene, source_open(scene->source_name));
	TRY(setup.controls_fd);
	return stream_setup(scene->source, &setup);
}

static int alloc_in_reach(struct scene *scene)
{
	TRY(scene_open_heap(scene));
	return scene_alloc(scene, SMALL_BYTES, 0);
}

static int map_a_stream(struct scene *scene)
{
	TRY(scene_map_stream(scene));
	return *(volatile unsigned char *)scene->stream.data & 1;
}

static int start_and_stop(struct scene *scene)
{
	TRY(scene_start(scene));
	return scene_stop(scene);
}

static int poll_a_stream(struct scene *scene)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || scene_keep(scene, epoll) < 0)
		return -errno;
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

static int with_source_and_buffer(struct scene *scene)
{
	TRY(with_source(scene));
	return alloc_in_reach(scene);
}

static int fill_a_buffer(struct scene *scene)
{
	struct ndma_completion completion;

	TRY(scene_fill(scene, NDMA_GUARD_BLOCK));
	return fill_wait(scene->source, &completion);
}

static int stop_a_fill(struct scene *scene)
{
	struct ndma_completion completion;
	int ret;

	TRY(scene_fill(scene, NDMA_GUARD_NONE));
	TRY(scene_stop(scene));
	ret = fill_wait(scene->source, &completion);
	return ret == -ECANCELED ? 0 : ret;
}

static int leave_a_fill(struct scene *scene)
{
	TRY(scene_fill(scene, NDMA_GUARD_NONE));
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

/* Setup alone may say that there is no memory which its source reaches. */
#define CALL(number, argument, oldest, where, ...)                    \
	{                                                             \
		.on = UAPI_##where,                                   \
		.also = number == NDMA_STREAM_SETUP ? EOPNOTSUPP : 0, \
		.name = #number,                                      \
		.call = &uapi_calls[UAPI_AT_##number],                \
	},

const struct scenario scenarios[] = {
	{ UAPI_HEAP, 0, "opening the heap", NULL, NULL, with_heap },
	{ UAPI_HEAP, 0, "allocating a large buffer", NULL, with_heap, alloc_large },
	{ UAPI_HEAP, EOPNOTSUPP, "allocating a contiguous buffer", NULL, with_heap,
	  alloc_contiguous },
	{ UAPI_HEAP, 0, "allocating with a layout", NULL, with_heap, alloc_with_layout },
	{ UAPI_HEAP, 0, "telling the holders", NULL, with_buffer, tell_the_holders },
	{ UAPI_HEAP, 0, "revoking a lease", NULL, with_buffer, revoke_a_lease },
	{ UAPI_HEAP, 0, "an unguarded transfer", NULL, with_large_buffer, transfer_unguarded },
	{ UAPI_HEAP, 0, "guarded transfers", NULL, with_large_buffer, transfer_guarded },
	{ UAPI_HEAP, 0, "a transfer with a fence", NULL, with_buffer, transfer_fenced },
	{ UAPI_HEAP, 0, "mapping and touching a small buffer", NULL, with_buffer, map_and_touch },
	{ UAPI_HEAP, 0, "mapping and touching a large buffer", NULL, with_large_buffer,
	  map_and_touch },
	{ UAPI_HEAP, 0, "syncing for the CPU", NULL, with_buffer, sync_for_the_cpu },
	{ UAPI_HEAP, EAGAIN, "forking with a mapping", NULL, with_buffer, fork_with_a_mapping },
	{ UAPI_HEAP, 0, "closing in mid-transfer", NULL, with_a_leased_transfer, close_everything },

	{ UAPI_SOURCE, 0, "opening a source", NULL, NULL, with_source },
	{ UAPI_SOURCE, 0, "using the controls", NULL, with_source, use_the_controls },
	{ UAPI_SOURCE, EOPNOTSUPP, "allocating where a source reaches", NULL, with_source,
	  alloc_in_reach },
	{ UAPI_SIM, 0, "setting up a stream of the latest", NULL, with_source,
	  set_up_a_stream_of_the_latest },
	{ UAPI_SIM, 0, "setting up a stream with another file's controls", NULL, with_source,
	  set_up_a_stream_with_anothers_controls },
	{ UAPI_SOURCE, 0, "mapping a stream", NULL, with_stream, map_a_stream },
	{ UAPI_SOURCE, 0, "starting and stopping", NULL, with_mapped_stream, start_and_stop },
	{ UAPI_SOURCE, 0, "closing a running stream", NULL, with_running_stream, close_everything },
	{ UAPI_SIM, 0, "polling a stream", NULL, with_running_stream, poll_a_stream },
	{ UAPI_SIM, 0, "taking and releasing frames", NULL, with_running_stream, take_and_release },
	{ UAPI_SIM, 0, "filling a buffer", NULL, with_source_and_buffer, fill_a_buffer },
	{ UAPI_SOURCE, 0, "stopping a fill", NULL, with_source_and_buffer, stop_a_fill },
	{ UAPI_SOURCE, 0, "closing in a fill", NULL, with_source_and_buffer, leave_a_fill },
	{ UAPI_SIM, 0, "a stream from open to close", NULL, NULL, stream_from_open_to_close },

	UAPI_CALLS(CALL)
};

const unsigned int nr_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);

int scenario_prepare(const struct scenario *scenario, struct scene *scene)
{
	if (scenario->call)
		return scene_prepare(scene, scenario->call);
	return scenario->prepare ? scenario->prepare(scene) : 0;
}

int scenario_act(const struct scenario *scenario, struct scene *scene)
{
	return scenario->call ? scene_call(scene, scenario->call) : scenario->act(scene);
}

int scenario_run(const struct scenario *scenario, struct scene *scene)
{
	TRY(scenario_prepare(scenario, scene));
	return scenario_act(scenario, scene);
}

bool scenario_suits(const struct scenario *scenario, const char *source_name)
{
	if (scenario->on == UAPI_HEAP)
		return !source_name;
	if (!source_name)
		return false;
	return scenario->on == UAPI_SOURCE || scenario->on == UAPI_STREAM ||
	       !strncmp(source_name, "sim", 3);
}
