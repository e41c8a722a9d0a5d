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

#include "tap.h"
#include "uapi/file.h"
#include "uapi/scene.h"

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
	return heap_open();
}

static int open_the_heap_to_read(void)
{
	return heap_open_mode(O_RDONLY);
}

static int open_a_source(void)
{
	return source_open("sim0");
}

static int open_a_source_to_read(void)
{
	return source_open_mode("sim0", O_RDONLY);
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
		result = deeds[deed].act();
		_exit(result < 0 ? -result : 0);
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

/* A client, and a handle in its hands. */
enum hand { OWNER, OTHER, READER, OTHER_READER, FRAME, HANDS };

static const char *const hands[HANDS] = {
	[OWNER] = "the owner",
	[OTHER] = "another client",
	[READER] = "the owner, through a read-only handle,",
	[OTHER_READER] = "another client, through a read-only handle,",
	[FRAME] = "the holder of an exported frame",
};

static int hold_a_frame(struct scene *scene)
{
	struct ndma_completion completion;

	scene_init(scene, "sim0");
	TRY(scene_open_source(scene));
	TRY(scene_setup(scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE));
	TRY(scene_map_stream(scene));
	TRY(scene_start(scene));
	TRY(scene_take(scene, &completion));
	scene->buffer = scene_keep(scene, stream_export(scene->source, completion.index));
	TRY(scene->buffer);
	TRY(scene_open_heap(scene));
	scene->capacity = buffer_info(scene->heap, scene->buffer).capacity;
	return 0;
}

/* The owner's scene, and what a hand has; of the owner's own it has the heap, or the buffer, or both. */
static int fill_hand(enum hand hand, struct scene *owner, struct scene *scene)
{
	scene_init(owner, NULL);
	scene_init(scene, NULL);
	TRY(scene_open_heap(owner));
	TRY(scene_alloc(owner, 4 << 20, 0));
	if (hand == FRAME)
		return hold_a_frame(scene);
	scene->capacity = owner->capacity;
	scene->heap = owner->heap;
	scene->buffer = owner->buffer;
	if (hand == OTHER || hand == OTHER_READER)
		TRY(scene_open_heap(scene));
	if (hand != READER && hand != OTHER_READER)
		return 0;
	scene->buffer = scene_keep(scene, buffer_readonly(owner->heap, owner->buffer));
	return scene->buffer;
}

static int error_of(enum uapi_who who, enum hand hand)
{
	static const int errors[][HANDS] = {
		[UAPI_ANYBODY] = { 0, 0, 0, 0, 0 },
		[UAPI_WRITER] = { 0, 0, EPERM, EPERM, EPERM },
		[UAPI_OWNER] = { 0, EPERM, 0, EPERM, EPERM },
		[UAPI_OWNING_WRITER] = { 0, EPERM, EPERM, EPERM, EPERM },
	};

	return -errors[who][hand];
}

/* What the owner could do, made with what the hand has. */
static int do_by_hand(const struct uapi_call *call, struct scene *owner, struct scene *scene)
{
	TRY(scene_prepare(owner, call));
	scene->argument = owner->argument;
	scene_put(scene, uapi_field_of(call, UAPI_BUFFER), scene->buffer);
	TRY(scene_call(scene, call));
	return 0;
}

/* ---------------------------------------------------------------- what is no call of its own */

static int lease_to_write(struct scene *scene)
{
	return lease_try(scene->heap, scene->buffer, NDMA_WRITE);
}

static int begin_to_the_device(struct scene *scene)
{
	return scene_begin(scene, NDMA_TO_DEVICE, NDMA_GUARD_NONE, NDMA_TRANSFER_FENCE);
}

static int begin_guarded(struct scene *scene)
{
	return scene_begin(scene, NDMA_BOTH, NDMA_GUARD_BLOCK, 0);
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
	return map(scene->heap, buffer_offset(scene->buffer), scene->capacity, PROT_READ);
}

static int map_to_write(struct scene *scene)
{
	return map(scene->heap, buffer_offset(scene->buffer), scene->capacity,
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

/* Rights that are those of a call, and of what goes by its file and its handle; or other errors. */
static const struct {
	const char *name;
	int (*act)(struct scene *scene);
	int errors[HANDS];
} deeds_by_hand[] = {
	{ "take a lease to write", lease_to_write, { 0, 0, EPERM, EPERM, EPERM } },
	{ "begin a transfer to the device", begin_to_the_device, { 0, EPERM, EPERM, EPERM, EPERM } },
	{ "begin a guarded transfer", begin_guarded, { 0, EPERM, EPERM, EPERM, EPERM } },
	{ "map to read", map_to_read, { 0, 0, 0, 0, 0 } },
	{ "map to write", map_to_write, { 0, 0, EACCES, EACCES, EACCES } },
	{ "map the handle to write", map_the_handle_to_write, { 0, 0, EACCES, EACCES, EACCES } },
	{ "make a mapping writable", make_a_mapping_writable, { 0, 0, EACCES, EACCES, EACCES } },
	{ "open the handle again", open_the_handle_again, { ENXIO, ENXIO, ENXIO, ENXIO, ENXIO } },
};

static void tell(const char *who, const char *what, int result, int expected)
{
	char name[128];

	snprintf(name, sizeof(name), "%s may%s %s", who, expected ? " not" : "", what);
	if (result != expected)
		tap_note("answer: %s", strerror(-result));
	tap_result(result == expected, name);
}

static void test_calls(enum hand hand)
{
	const struct uapi_call *call;
	struct scene owner, scene;
	int result;

	FOR_EACH_CALL(call) {
		if (call->on != UAPI_HEAP || !uapi_field_of(call, UAPI_BUFFER))
			continue;
		result = fill_hand(hand, &owner, &scene);
		if (result >= 0)
			result = do_by_hand(call, &owner, &scene);
		tell(hands[hand], call->name, result, error_of(call->who, hand));
		scene_close(&scene);
		scene_close(&owner);
	}
}

static void test_deeds(enum hand hand)
{
	struct scene owner, scene;
	size_t deed;
	int result;

	for (deed = 0; deed < sizeof(deeds_by_hand) / sizeof(deeds_by_hand[0]); deed++) {
		result = fill_hand(hand, &owner, &scene);
		if (result >= 0)
			result = deeds_by_hand[deed].act(&scene);
		tell(hands[hand], deeds_by_hand[deed].name, result,
		     -deeds_by_hand[deed].errors[hand]);
		scene_close(&scene);
		scene_close(&owner);
	}
}

/* ---------------------------------------------------------------- files that cannot write */

/* EACCES is told before anything else is looked at, and to nobody who may. */
static void test_readonly_files(void)
{
	int heap = heap_open_mode(O_RDONLY), source = source_open_mode("sim0", O_RDONLY), result;
	uint32_t none[SCENE_ARGUMENT / sizeof(uint32_t)] = { 0 };
	const struct uapi_call *row;
	char name[128];

	FOR_EACH_CALL(row) {
		result = call(row->on == UAPI_HEAP ? heap : source, row->number, none);
		snprintf(name, sizeof(name), "a file opened to read may%s %s",
			 row->who == UAPI_ANYBODY ? "" : " not", row->name);
		tap_result(result == (row->who == UAPI_ANYBODY ? -EINVAL : -EACCES), name);
	}
	close(source);
	close(heap);
}

/* ---------------------------------------------------------------- what others may know */

/* Who holds a lease is the business of its user, and of whoever may trace him. */
static int pid_seen_by_somebody_else(void)
{
	struct ndma_holder holder = { .pid = -1 };
	struct scene scene;

	scene_init(&scene, NULL);
	TRY(scene_open_heap(&scene));
	TRY(scene_alloc(&scene, 4096, 0));
	TRY(scene_lease(&scene, NDMA_READ));
	TRY(become(true));
	TRY(scene_open_heap(&scene));
	TRY(buffer_holders(scene.heap, scene.buffer, &holder, 1));
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
	enum hand hand;

	test_users();
	for (hand = OWNER; hand < HANDS; hand++) {
		test_calls(hand);
		test_deeds(hand);
	}
	test_readonly_files();
	test_privacy();
	return tap_end();
}
