// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an administrator sets, as root: each user's quota of memory, how long a system call may sleep,
 * how much the module's queues run at a time, and what they do without memory.
 */
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fill.h"
#include "test.h"

#define QUOTA "/sys/module/ndma/parameters/quota_bytes"
#define TOTAL "/sys/module/ndma/parameters/total_bytes"
#define KERNEL_FAULT "/sys/module/ndma/parameters/kernel_fault_ms"
#define USER_FENCES "/sys/module/ndma/parameters/user_fences"
#define AT_A_TIME "/sys/devices/virtual/workqueue/ndma/max_active"
#define FLOW_AT_A_TIME "/sys/devices/virtual/workqueue/ndma_flow/max_active"
#define FENCE_AT_A_TIME "/sys/devices/virtual/workqueue/ndma_fence/max_active"
#define TRACE "/sys/kernel/tracing/trace"
#define TRACED "/sys/kernel/tracing/events/workqueue/workqueue_queue_work"
#define SOMEBODY 12345
#define SOMEBODY_ELSE 12346

static bool parameter_write(const char *path, const char *value)
{
	FILE *file = fopen(path, "w");
	bool fine;

	if (!file)
		return false;
	fine = fputs(value, file) >= 0;
	return fclose(file) == 0 && fine;
}

static void parameter_read(const char *path, char *value, size_t room)
{
	FILE *file = fopen(path, "r");

	if (!file || !fgets(value, room, file))
		value[0] = 0;
	if (file)
		fclose(file);
}

FIXTURE(parameter)
{
	int heap;
	char quota[32];
	char total[32];
	char kernel_fault[32];
	char user_fences[8];
	char at_a_time[32];
	char flow_at_a_time[32];
	char fence_at_a_time[32];
};

FIXTURE_SETUP(parameter)
{
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
	parameter_read(QUOTA, self->quota, sizeof(self->quota));
	parameter_read(TOTAL, self->total, sizeof(self->total));
	parameter_read(KERNEL_FAULT, self->kernel_fault, sizeof(self->kernel_fault));
	parameter_read(USER_FENCES, self->user_fences, sizeof(self->user_fences));
	parameter_read(AT_A_TIME, self->at_a_time, sizeof(self->at_a_time));
	parameter_read(FLOW_AT_A_TIME, self->flow_at_a_time, sizeof(self->flow_at_a_time));
	parameter_read(FENCE_AT_A_TIME, self->fence_at_a_time, sizeof(self->fence_at_a_time));
	ASSERT_TRUE(parameter_write(QUOTA, "8388608"));
}

FIXTURE_TEARDOWN(parameter)
{
	EXPECT_TRUE(parameter_write(QUOTA, self->quota));
	EXPECT_TRUE(parameter_write(TOTAL, self->total));
	EXPECT_TRUE(parameter_write(KERNEL_FAULT, self->kernel_fault));
	EXPECT_TRUE(parameter_write(USER_FENCES, self->user_fences));
	EXPECT_TRUE(parameter_write(AT_A_TIME, self->at_a_time));
	EXPECT_TRUE(parameter_write(FLOW_AT_A_TIME, self->flow_at_a_time));
	EXPECT_TRUE(parameter_write(FENCE_AT_A_TIME, self->fence_at_a_time));
	close(self->heap);
}

/* This process is @user from now on; the heap as that user opens it, whose the memory then is. */
static int heap_as(uid_t user)
{
	struct stat node;

	if (stat(NDMA_HEAP_PATH, &node) || setgid(node.st_gid) || setuid(user))
		return -errno;
	return heap_open();
}

/* In a child that is @user: 0, or the line that is not as it should be. */
static int as_user(uid_t user, int (*check)(int heap))
{
	struct peer peer;

	if (!peer_fork(&peer)) {
		int heap = heap_as(user);

		_exit(heap < 0 ? __LINE__ % 250 : check(heap));
	}
	return peer_join(&peer);
}

/* Exit status of whichever child ends first. */
static int child_status(void)
{
	int status;

	return wait(&status) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define CHECK(condition) \
	do { \
		if (!(condition)) \
			return __LINE__ % 250; \
	} while (0)

static int check_limit(int heap)
{
	int first, second;

	CHECK(heap_info(heap).quota_bytes == 8 * MIB);
	CHECK(heap_info(heap).used_bytes == 0);
	CHECK(heap_alloc(heap, 8 * MIB + 1) == -EDQUOT);
	first = heap_alloc(heap, 6 * MIB);
	CHECK(first >= 0);
	CHECK(heap_alloc(heap, 2 * MIB + 1) == -EDQUOT);
	second = heap_alloc(heap, 2 * MIB);
	CHECK(second >= 0);
	CHECK(heap_alloc(heap, 1) == -EDQUOT);
	CHECK(heap_info(heap).used_bytes == 8 * MIB);
	close(first);
	CHECK(heap_alloc(heap, 1) >= 0);
	return 0;
}

static int check_rest(int heap)
{
	CHECK(heap_info(heap).used_bytes == 0);
	CHECK(heap_alloc(heap, 8 * MIB) >= 0);
	return 0;
}

TEST_F(parameter, a_user_has_no_more_than_the_quota)
{
	EXPECT_EQ(as_user(SOMEBODY, check_limit), 0);
}

/* Whatever users the file is passed to, and whatever they open for themselves. */
TEST_F(parameter, what_comes_from_one_file_is_one_users)
{
	struct ndma_stream_setup setup = setup_of(2, MIB);
	uint64_t before = heap_info(self->heap).used_bytes;
	int source = source_open("sim0"), user, held;
	struct peer peer[3];

	ASSERT_EQ(before, 0);
	for (user = 0; user < 3; user++) {
		if (!peer_fork(&peer[user])) {
			if (setuid(SOMEBODY + user))
				_exit(1);
			/* The third one sets up a stream in a source that root has opened. */
			held = user < 2 ? heap_alloc(self->heap, 4 * MIB) :
					  stream_setup(source, &setup);
			if (held != -EDQUOT && held < 0)
				_exit(2);
			peer_tell(&peer[user]);
			peer_await(&peer[user]);
			_exit(held == -EDQUOT ? 3 : 0);
		}
		ASSERT_TRUE(peer_await(&peer[user]));
	}
	EXPECT_EQ(heap_info(self->heap).used_bytes, 8 * MIB);
	for (user = 0; user < 3; user++) {
		peer_tell(&peer[user]);
		EXPECT_EQ(peer_join(&peer[user]), user < 2 ? 0 : 3);
	}
	close(source);
}

static int check_total(int heap)
{
	int fd = heap_alloc(heap, 4 * MIB);

	CHECK(fd >= 0);
	CHECK(heap_alloc(heap, 4 * MIB) == -ENOMEM);
	CHECK(heap_info(heap).used_bytes == 4 * MIB);
	CHECK(heap_alloc(heap, 2 * MIB) >= 0);
	return 0;
}

TEST_F(parameter, all_users_together_have_no_more_than_the_total)
{
	int fd = heap_alloc(self->heap, 6 * MIB);

	ASSERT_GE(fd, 0);
	ASSERT_TRUE(parameter_write(TOTAL, "12582912"));
	EXPECT_EQ(as_user(SOMEBODY, check_total), 0);
	/* The user's own quota is what he can do something about. */
	EXPECT_EQ(heap_alloc(self->heap, 8 * MIB), -EDQUOT);
	EXPECT_EQ(heap_alloc(self->heap, 2 * MIB + 1), -EDQUOT);
	close(fd);
	EXPECT_EQ(as_user(SOMEBODY, check_rest), 0);
}

TEST_F(parameter, what_one_user_holds_is_not_anothers)
{
	struct peer peer;

	if (!peer_fork(&peer)) {
		if (heap_alloc(heap_as(SOMEBODY), 8 * MIB) >= 0 && peer_tell(&peer))
			peer_await(&peer);
		_exit(0);
	}
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(as_user(SOMEBODY_ELSE, check_rest), 0);
	EXPECT_NE(as_user(SOMEBODY, check_rest), 0);
	peer_tell(&peer);
	EXPECT_EQ(peer_join(&peer), 0);
	EXPECT_EQ(as_user(SOMEBODY, check_rest), 0);
}

TEST_F(parameter, a_quota_of_nothing_is_no_limit)
{
	int fd;

	ASSERT_TRUE(parameter_write(QUOTA, "0"));
	EXPECT_EQ(heap_info(self->heap).quota_bytes, 0);
	fd = heap_alloc(self->heap, 16 * MIB);
	EXPECT_GE(fd, 0);
	close(fd);
}

/* A thousand deadlines at once come to the same: whoever ends a fill waits for its stream's worker. */
TEST_F(parameter, deadlines_end_fills_where_queues_run_one_work_at_a_time)
{
	struct ndma_completion completion;
	int source = source_open("sim0"), fd, i;

	ASSERT_TRUE(parameter_write(AT_A_TIME, "1"));
	ASSERT_TRUE(parameter_write(FLOW_AT_A_TIME, "1"));
	ASSERT_TRUE(parameter_write(FENCE_AT_A_TIME, "1"));
	fd = heap_alloc_for(self->heap, source, MIB);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(control_set(source, NDMA_CONTROL_TRIGGER, NDMA_SIM_TRIGGER_SOFTWARE), 0);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(fill_begin(source, self->heap, fd, 1000, 1), 0);
		EXPECT_EQ(fill_wait(source, &completion), -ETIMEDOUT);
	}
	close(fd);
	close(source);
}

/* Is there a thread of this name, as Linux calls a queue's own: "NAME" or "kworker/R-NAME"? */
static bool has_thread(const char *name)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (directory && !found && (entry = readdir(directory))) {
		char path[300], comm[64];
		const char *own = comm;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!atoi(entry->d_name))
			continue;
		parameter_read(path, comm, sizeof(comm));
		comm[strcspn(comm, "\n+")] = 0;
		if (!strncmp(own, "kworker/R-", 10))
			own += 10;
		found = !strcmp(own, name);
	}
	if (directory)
		closedir(directory);
	return found;
}

/* When there is no memory for a new one, who waits for a fence may be who is to make some. */
TEST(each_queue_has_a_thread_that_is_there_when_memory_is_not)
{
	EXPECT_TRUE(has_thread("ndma_fence"));
	EXPECT_TRUE(has_thread("ndma_flow"));
	EXPECT_TRUE(has_thread("ndma_source"));
	EXPECT_TRUE(has_thread("ndma"));
	EXPECT_FALSE(has_thread("ndma_none"));
}

/* Works that were put on the queue with that name since the trace was emptied. */
static int traced(void)
{
	FILE *file = fopen(TRACE, "r");
	char line[512];
	int count = 0;

	while (file && fgets(line, sizeof(line), file))
		count += line[0] != '#';
	if (file)
		fclose(file);
	return count;
}

static void fill_and_wait(struct __test_metadata *_metadata, int heap, const char *name)
{
	int source = source_open(name), fd;
	struct ndma_completion completion;

	if (source == -ENOENT)
		return;
	fd = heap_alloc_for(heap, source, 4096);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(fill_begin(source, heap, fd, 1000, FENCED_NS), 0);
	EXPECT_EQ(fill_wait(source, &completion), 0);
	close(fd);
	close(source);
}

/* A stream's worker may wait for memory, and a queue runs so many works at a time. */
TEST_F(parameter, a_fill_waits_for_no_queue_where_others_wait_for_memory)
{
	struct ndma_stream_setup setup = setup_of(2, 100);
	struct stream stream;

	if (access(TRACED, F_OK))
		SKIP(return, "this guest has no " TRACED);
	ASSERT_TRUE(parameter_write(TRACED "/filter", "workqueue == \"ndma_flow\""));
	ASSERT_TRUE(parameter_write(TRACED "/enable", "1"));
	ASSERT_TRUE(parameter_write(TRACE, ""));
	fill_and_wait(_metadata, self->heap, "sim0");
	fill_and_wait(_metadata, self->heap, "edu0");
	EXPECT_EQ(traced(), 0);
	/* A stream's worker is seen there. */
	ASSERT_EQ(stream_make(&stream, source_open("sim0"), &setup), 0);
	EXPECT_EQ(stream_start(stream.fd, 1), 0);
	EXPECT_GT(traced(), 0);
	stream_end(&stream);
	EXPECT_TRUE(parameter_write(TRACED "/enable", "0"));
	EXPECT_TRUE(parameter_write(TRACED "/filter", "0"));
}

/* The process of the one holder that @fd has; -1: there is another number of them. */
static pid_t holder_pid(int heap, int fd)
{
	struct ndma_holder entry = {};

	return buffer_holders(heap, fd, &entry, 1) == 1 ? entry.pid : -1;
}

TEST_F(parameter, holders_are_hidden_from_other_users)
{
	int fd = heap_alloc(self->heap, 1);
	struct peer peer;

	ASSERT_GT(lease_acquire(self->heap, fd, NDMA_READ), 0);
	if (!peer_fork(&peer))
		_exit(setuid(SOMEBODY) || holder_pid(self->heap, fd));
	EXPECT_EQ(peer_join(&peer), 0);
	EXPECT_EQ(holder_pid(self->heap, fd), getpid());
	close(fd);
}

TEST_F(parameter, holders_are_told_to_whoever_may_trace_them)
{
	int fd = heap_alloc(self->heap, 1);
	struct peer peer;

	if (!peer_fork(&peer)) {
		int heap = heap_as(SOMEBODY);

		if (lease_acquire(heap, fd, NDMA_READ) > 0 && peer_tell(&peer))
			peer_await(&peer);
		_exit(0);
	}
	ASSERT_TRUE(peer_await(&peer));
	/* Root has CAP_SYS_PTRACE; the same user needs none; another user is told nothing. */
	EXPECT_EQ(holder_pid(self->heap, fd), peer.pid);
	if (!fork())
		_exit(setuid(SOMEBODY) || holder_pid(self->heap, fd) != peer.pid);
	EXPECT_EQ(child_status(), 0);
	if (!fork())
		_exit(setuid(SOMEBODY_ELSE) || holder_pid(self->heap, fd));
	EXPECT_EQ(child_status(), 0);
	peer_tell(&peer);
	EXPECT_EQ(peer_join(&peer), 0);
	close(fd);
}

TEST_F(parameter, holders_are_told_by_the_callers_pid_namespace)
{
	int fd = heap_alloc(self->heap, 1);
	struct peer peer;
	int64_t lease;

	ASSERT_EQ(unshare(CLONE_NEWPID), 0);
	if (!peer_fork(&peer)) {
		/* The first process of a namespace from which the parent is not seen. */
		int heap = heap_open();

		if (getpid() != 1 || lease_acquire(heap, fd, NDMA_READ) < 0 ||
		    holder_pid(heap, fd) != 1)
			_exit(1);
		peer_tell(&peer);
		peer_await(&peer);
		close(heap);
		peer_tell(&peer);
		peer_await(&peer);
		_exit(holder_pid(self->heap, fd));
	}
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(holder_pid(self->heap, fd), peer.pid);
	peer_tell(&peer);
	ASSERT_TRUE(peer_await(&peer));
	lease = lease_acquire(self->heap, fd, NDMA_READ);
	EXPECT_GT(lease, 0);
	peer_tell(&peer);
	EXPECT_EQ(peer_join(&peer), 0);
	close(fd);
}

TEST_F(parameter, a_system_call_does_not_sleep_at_all_if_told_so)
{
	int fd = heap_alloc(self->heap, 4096);
	char *data = buffer_map(self->heap, fd, 4096, PROT_READ | PROT_WRITE);
	int64_t transfer;
	int pipes[2];

	ASSERT_NE(data, MAP_FAILED);
	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_TRUE(parameter_write(KERNEL_FAULT, "0"));
	transfer = transfer_begin(self->heap, fd, NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 0,
				  100 * SECOND_NS);
	ASSERT_GT(transfer, 0);
	EXPECT_EQ(write(pipes[1], data, 1), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(transfer_end(self->heap, fd, transfer), 0);
	EXPECT_EQ(write(pipes[1], data, 1), 1);
	munmap(data, 4096);
	close(fd);
}

/* By a fence that it ends itself, any member of the group could hold others up, again and again. */
TEST_F(parameter, a_program_publishes_no_fence_unless_root_allows_it)
{
	int fd = heap_alloc(self->heap, 4096);
	int64_t transfer;

	ASSERT_TRUE(parameter_write(USER_FENCES, "0"));
	EXPECT_EQ(transfer_begin(self->heap, fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE,
				 NDMA_TRANSFER_FENCE, SECOND_NS), -EOPNOTSUPP);
	/* What is wrong anyway is told first. */
	EXPECT_EQ(transfer_begin(self->heap, fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE,
				 NDMA_TRANSFER_FENCE, FENCED_NS + 1), -EINVAL);
	EXPECT_EQ(buffer_info(self->heap, fd).transfers, 0);
	transfer = transfer_begin(self->heap, fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0, SECOND_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(fill_poll(fd), POLLIN | POLLOUT);
	EXPECT_EQ(transfer_end(self->heap, fd, transfer), 0);
	/* The fence of a source is the source's. */
	fill_and_wait(_metadata, self->heap, "sim0");
	ASSERT_TRUE(parameter_write(USER_FENCES, "1"));
	transfer = transfer_begin(self->heap, fd, NDMA_FROM_DEVICE, NDMA_GUARD_NONE,
				  NDMA_TRANSFER_FENCE, FENCED_NS);
	EXPECT_GT(transfer, 0);
	EXPECT_EQ(fill_poll(fd), 0);
	EXPECT_EQ(transfer_end(self->heap, fd, transfer), 0);
	close(fd);
}

TEST_HARNESS_MAIN
