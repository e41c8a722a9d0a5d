// SPDX-License-Identifier: MIT
/*
 * Who may do what: users at the nodes, and clients at the handles of a buffer. Root: it is each of
 * the users in turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "scene.h"
#include "tap.h"

#define SOMEBODY 60001

/* ---------------------------------------------------------------- users at the nodes */

static int become(bool member)
{
	struct stat heap;

	if (stat(NDMA_HEAP_PATH, &heap) || setgroups(member ? 1 : 0, &heap.st_gid) ||
	    setresgid(SOMEBODY, SOMEBODY, SOMEBODY) || setresuid(SOMEBODY, SOMEBODY, SOMEBODY))
		return -errno;
	return 0;
}

/* Root of a user name space, as in a container. */
static int become_root_inside(bool member)
{
	char map[64];

	TRY(become(member));
	/* Whoever changes his user id does not own his files in /proc any more. */
	if (prctl(PR_SET_DUMPABLE, 1) || unshare(CLONE_NEWUSER))
		return -errno;
	TRY(file_write("/proc/self/setgroups", "deny"));
	snprintf(map, sizeof(map), "0 %d 1", SOMEBODY);
	TRY(file_write("/proc/self/uid_map", map));
	return file_write("/proc/self/gid_map", map);
}

static int stay_root(bool member)
{
	(void)member;
	return 0;
}

static const struct {
	const char *name;
	int (*become)(bool member);
	bool member;
	bool may;
} users[] = {
	{ "root", stay_root, false, true },
	{ "a member of the group", become, true, true },
	{ "a stranger", become, false, false },
	{ "a member who is root in a container", become_root_inside, true, true },
	{ "a stranger who is root in a container", become_root_inside, false, false },
};

static int open_the_heap(void)
{
	return open(NDMA_HEAP_PATH, O_RDWR) < 0 ? -errno : 0;
}

static int open_the_heap_to_read(void)
{
	return open(NDMA_HEAP_PATH, O_RDONLY) < 0 ? -errno : 0;
}

static int open_a_source(void)
{
	return open("/dev/ndma/sim0", O_RDWR) < 0 ? -errno : 0;
}

static int open_a_source_to_read(void)
{
	return open("/dev/ndma/sim0", O_RDONLY) < 0 ? -errno : 0;
}

static int allocate(void)
{
	struct scene scene;

	scene_init(&scene, NULL);
	TRY(scene_open_heap(&scene));
	TRY(scene_alloc(&scene, 4 << 20, 0));
	return 0;
}

static int stream(void)
{
	struct ndma_completion completion;
	struct scene scene;

	scene_init(&scene, "sim0");
	TRY(scene_open_source(&scene));
	TRY(scene_setup(&scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE));
	TRY(scene_map_stream(&scene));
	TRY(scene_start(&scene));
	return scene_take(&scene, &completion);
}

static const struct {
	const char *name;
	int (*act)(void);
} deeds[] = {
	{ "open the heap", open_the_heap }, { "open the heap to read", open_the_heap_to_read },
	{ "open a source", open_a_source }, { "open a source to read", open_a_source_to_read },
	{ "allocate", allocate },           { "stream", stream },
};

/* What the deed answers to this user, in a process of his own. */
static int deed_by(size_t user, size_t deed)
{
	int status, result;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		result = users[user].become(users[user].member);
		if (result < 0) {
			tap_note("becoming %s: %s", users[user].name, strerror(-result));
			fflush(stdout);
			_exit(255);
		}
		_exit(-deeds[deed].act());
	}
	if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return -EPROTO;
	return -WEXITSTATUS(status);
}

static void test_users(void)
{
	size_t user, deed;
	char name[128];
	int result;

	for (user = 0; user < sizeof(users) / sizeof(users[0]); user++) {
		for (deed = 0; deed < sizeof(deeds) / sizeof(deeds[0]); deed++) {
			snprintf(name, sizeof(name), "%s may%s %s", users[user].name,
				 users[user].may ? "" : " not", deeds[deed].name);
			result = deed_by(user, deed);
			if (result != (users[user].may ? 0 : -EACCES))
				tap_note("answer: %s", strerror(-result));
			tap_result(result == (users[user].may ? 0 : -EACCES), name);
		}
	}
}

/* ---------------------------------------------------------------- clients at the handles */

/**
 * struct hand - a client, and a handle in its hands
 * @scene: holds both; its buffer is the handle
 */
struct hand {
	const char *name;
	struct scene scene;
};

enum { OWNER, OTHER, READER, FRAME, HANDS };

static struct hand hands[HANDS] = {
	[OWNER] = { .name = "the owner" },
	[OTHER] = { .name = "another client" },
	[READER] = { .name = "the owner, through a read-only handle," },
	[FRAME] = { .name = "the holder of an exported frame" },
};

static int ask(struct scene *scene)
{
	struct ndma_buffer_info info = { .fd = scene->buffer };

	return scene_call(scene->heap, NDMA_BUFFER_INFO, &info);
}

static int read_the_layout(struct scene *scene)
{
	struct ndma_buffer_layout layout = { .fd = scene->buffer };

	return scene_call(scene->heap, NDMA_BUFFER_GET_LAYOUT, &layout);
}

static int change_the_layout(struct scene *scene)
{
	struct ndma_buffer_layout layout = { .fd = scene->buffer };

	TRY(scene_call(scene->heap, NDMA_BUFFER_GET_LAYOUT, &layout));
	return scene_call(scene->heap, NDMA_BUFFER_SET_LAYOUT, &layout);
}

static int lease(struct scene *scene, uint32_t access)
{
	struct ndma_lease_release release = { 0 };

	TRY(scene_lease(scene, access));
	release.lease = scene->lease;
	return scene_call(scene->heap, NDMA_LEASE_RELEASE, &release);
}

static int lease_to_read(struct scene *scene)
{
	return lease(scene, NDMA_READ);
}

static int lease_to_write(struct scene *scene)
{
	return lease(scene, NDMA_WRITE);
}

static int begin_and_end_a_transfer(struct scene *scene)
{
	TRY(scene_begin(scene, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0));
	return scene_end(scene);
}

/* The transfer of the owner, by its id. */
static int end_the_owners_transfer(struct scene *scene)
{
	struct scene *owner = &hands[OWNER].scene;
	int result;

	TRY(scene_begin(owner, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0));
	scene->transfer = owner->transfer;
	result = scene_end(scene);
	if (result)
		TRY(scene_end(owner));
	return result;
}

static int revoke_leases(struct scene *scene)
{
	struct ndma_lease_revoke revoke = { .fd = scene->buffer };

	return scene_call(scene->heap, NDMA_LEASE_REVOKE, &revoke);
}

static int make_a_readonly_handle(struct scene *scene)
{
	struct ndma_buffer_readonly readonly = { .fd = scene->buffer };

	TRY(scene_call(scene->heap, NDMA_BUFFER_READONLY_HANDLE, &readonly));
	close(readonly.out_fd);
	return 0;
}

static int map(int fd, uint64_t offset, size_t bytes, int protection)
{
	void *address = mmap(NULL, bytes, protection, MAP_SHARED, fd, (off_t)offset);

	if (address == MAP_FAILED)
		return -errno;
	munmap(address, bytes);
	return 0;
}

static int map_to_read(struct scene *scene)
{
	return map(scene->heap, (uint64_t)scene->buffer << NDMA_MMAP_FD_SHIFT, scene->capacity,
		   PROT_READ);
}

static int map_to_write(struct scene *scene)
{
	return map(scene->heap, (uint64_t)scene->buffer << NDMA_MMAP_FD_SHIFT, scene->capacity,
		   PROT_READ | PROT_WRITE);
}

static int map_the_handle_to_write(struct scene *scene)
{
	return map(scene->buffer, 0, scene->capacity, PROT_READ | PROT_WRITE);
}

static int make_a_mapping_writable(struct scene *scene)
{
	void *address = mmap(NULL, scene->capacity, PROT_READ, MAP_SHARED, scene->buffer, 0);
	int result;

	if (address == MAP_FAILED)
		return -errno;
	result = mprotect(address, scene->capacity, PROT_READ | PROT_WRITE) ? -errno : 0;
	munmap(address, scene->capacity);
	return result;
}

/* /proc would give a second open file with more rights, if a dma-buf could be opened. */
static int open_the_handle_again(struct scene *scene)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", scene->buffer);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* The rights of each hand: 0, or the errno that it gets. */
static const struct {
	const char *name;
	int (*act)(struct scene *scene);
	int errors[HANDS];
} rights[] = {
	{ "ask about a buffer", ask, { 0, 0, 0, 0 } },
	{ "read the layout", read_the_layout, { 0, 0, 0, 0 } },
	{ "change the layout", change_the_layout, { 0, 0, EPERM, EPERM } },
	{ "take a lease to read", lease_to_read, { 0, 0, 0, 0 } },
	{ "take a lease to write", lease_to_write, { 0, 0, EPERM, EPERM } },
	{ "begin a transfer", begin_and_end_a_transfer, { 0, EPERM, EPERM, EPERM } },
	{ "end the owner's transfer", end_the_owners_transfer, { 0, EPERM, EPERM, EPERM } },
	{ "revoke leases", revoke_leases, { 0, EPERM, 0, EPERM } },
	{ "make a read-only handle", make_a_readonly_handle, { 0, 0, 0, 0 } },
	{ "map to read", map_to_read, { 0, 0, 0, 0 } },
	{ "map to write", map_to_write, { 0, 0, EACCES, EACCES } },
	{ "map the handle to write", map_the_handle_to_write, { 0, 0, EACCES, EACCES } },
	{ "make a mapping writable", make_a_mapping_writable, { 0, 0, EACCES, EACCES } },
	{ "open the handle again", open_the_handle_again, { ENXIO, ENXIO, ENXIO, ENXIO } },
};

static int hold_a_frame(struct scene *scene)
{
	struct ndma_stream_export export = { 0 };
	struct ndma_buffer_info info = { 0 };
	struct ndma_completion completion;

	scene_init(scene, "sim0");
	TRY(scene_open_source(scene));
	TRY(scene_setup(scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE));
	TRY(scene_map_stream(scene));
	TRY(scene_start(scene));
	TRY(scene_take(scene, &completion));
	export.index = completion.index;
	TRY(scene_call(scene->source, NDMA_STREAM_EXPORT, &export));
	scene->buffer = scene_keep(scene, export.fd);
	TRY(scene_open_heap(scene));
	info.fd = scene->buffer;
	TRY(scene_call(scene->heap, NDMA_BUFFER_INFO, &info));
	scene->capacity = info.capacity;
	return 0;
}

static int fill_hands(void)
{
	struct ndma_buffer_readonly readonly = { 0 };
	struct scene *owner = &hands[OWNER].scene;
	struct scene *other = &hands[OTHER].scene;
	struct scene *reader = &hands[READER].scene;

	scene_init(owner, NULL);
	scene_init(other, NULL);
	scene_init(reader, NULL);
	TRY(scene_open_heap(owner));
	TRY(scene_alloc(owner, 4 << 20, 0));
	readonly.fd = owner->buffer;
	TRY(scene_call(owner->heap, NDMA_BUFFER_READONLY_HANDLE, &readonly));
	TRY(scene_open_heap(other));
	other->buffer = owner->buffer;
	other->capacity = owner->capacity;
	reader->heap = owner->heap;
	reader->buffer = scene_keep(reader, readonly.out_fd);
	reader->capacity = owner->capacity;
	return hold_a_frame(&hands[FRAME].scene);
}

static void test_hands(void)
{
	char name[128];
	size_t right;
	int hand, result, expected = fill_hands();

	if (expected < 0)
		tap_note("filling the hands: %s", strerror(-expected));
	tap_result(expected >= 0, "buffers, read-only handles and frames can be had");
	for (right = 0; right < sizeof(rights) / sizeof(rights[0]); right++) {
		for (hand = 0; hand < HANDS; hand++) {
			expected = -rights[right].errors[hand];
			result = rights[right].act(&hands[hand].scene);
			snprintf(name, sizeof(name), "%s may%s %s", hands[hand].name,
				 expected ? " not" : "", rights[right].name);
			if (result != expected)
				tap_note("answer: %s", strerror(-result));
			tap_result(result == expected, name);
		}
	}
	for (hand = 0; hand < HANDS; hand++)
		scene_close(&hands[hand].scene);
}

/* ---------------------------------------------------------------- what others may know */

/* Who holds a lease is the business of its user, and of whoever may trace him. */
static int pid_seen_by_somebody_else(void)
{
	struct ndma_holder holder = { .pid = -1 };
	struct ndma_buffer_holders ask = { .count = 1, .holders = (uintptr_t)&holder };
	struct scene scene;

	scene_init(&scene, NULL);
	TRY(scene_open_heap(&scene));
	TRY(scene_alloc(&scene, 4096, 0));
	TRY(scene_lease(&scene, NDMA_READ));
	TRY(become(true));
	TRY(scene_open_heap(&scene));
	ask.fd = scene.buffer;
	TRY(scene_call(scene.heap, NDMA_BUFFER_HOLDERS, &ask));
	return holder.pid;
}

static void test_privacy(void)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		_exit(pid_seen_by_somebody_else() ? 1 : 0);
	waitpid(child, &status, 0);
	tap_result(!status, "another user does not learn who holds a lease");
}

int main(void)
{
	test_users();
	test_hands();
	test_privacy();
	return tap_end();
}
