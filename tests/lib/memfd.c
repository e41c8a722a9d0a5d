// SPDX-License-Identifier: GPL-2.0-only
/* What is the memfd backend's own: descriptors from strangers, hostile peers, what it cannot do. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "lib.h"
#include "ndma_layout.h"

#define LOCK_HEADER ((off_t)1 << 60)
#define HEADER_BYTES 4096

FIXTURE(memfd)
{
	struct ndma_buffer *buffer;
};

FIXTURE_SETUP(memfd)
{
	setenv("NDMA_BACKEND", "memfd", 1);
	ASSERT_DONE(make_buffer(1000, &self->buffer));
}

FIXTURE_TEARDOWN(memfd)
{
	ndma_buffer_close(self->buffer);
}

/* A memfd of a stranger. */
static int make_stranger(uint64_t bytes, int seals)
{
	int fd = memfd_create("stranger", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) || fcntl(fd, F_ADD_SEALS, seals))
		abort();
	return fd;
}

TEST_F(memfd, cannot_be_shrunk_or_grown_or_given_other_seals)
{
	int fd = ndma_buffer_fd(self->buffer);

	EXPECT_EQ(-1, ftruncate(fd, 0));
	EXPECT_EQ(-1, ftruncate(fd, 1 << 20));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

TEST_F(memfd, of_a_stranger_is_refused_unless_it_is_sealed_and_has_a_header)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
	const struct {
		uint64_t bytes;
		int seals, rc;
	} strangers[] = {
		{ 8192, 0, -EINVAL },           { 8192, F_SEAL_SHRINK, -EINVAL },
		{ 8192, F_SEAL_GROW, -EINVAL }, { 8192, sealed, -EBADF },
		{ 0, sealed, -EBADF },          { 4096, sealed, -EBADF },
		{ 1ULL << 40, sealed, -EBADF },
	};
	struct ndma_buffer *other = NULL;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
		fd = make_stranger(strangers[i].bytes, strangers[i].seals);
		EXPECT_EQ(strangers[i].rc, ndma_buffer_import(fd, NULL, &other));
		close(fd);
	}
	EXPECT_EQ(NULL, other);
}

/* A page of a real buffer, to be spoilt. */
static void copy_header(struct ndma_buffer *buffer, unsigned char *header)
{
	if (pread(ndma_buffer_fd(buffer), header, HEADER_BYTES, 4096) != HEADER_BYTES)
		abort();
}

TEST_F(memfd, with_a_spoilt_header_is_refused_or_as_valid_as_any)
{
	unsigned char good[HEADER_BYTES], bad[HEADER_BYTES];
	struct ndma_layout layout;
	struct ndma_buffer *other;
	unsigned int seed = 7, i, j, accepted = 0;
	int fd;
	void *at;

	copy_header(self->buffer, good);
	fd = make_stranger(4096 + HEADER_BYTES, F_SEAL_SHRINK | F_SEAL_GROW);
	for (i = 0; i < 5000; i++) {
		memcpy(bad, good, sizeof(bad));
		for (j = 0; j < 1 + i % 4; j++)
			bad[8 + rand_r(&seed) % 840] = rand_r(&seed) % 3 ? rand_r(&seed) : 0xff;
		ASSERT_EQ(HEADER_BYTES, pwrite(fd, bad, HEADER_BYTES, 4096));
		if (ndma_buffer_import(fd, NULL, &other))
			continue;
		accepted++;
		ASSERT_DONE(ndma_buffer_layout(other, &layout));
		ASSERT_LE(ndma_buffer_bytes(other), 4096);
		ASSERT_EQ(0, ndma_layout_validate(&layout, ndma_buffer_bytes(other)));
		ASSERT_DONE(ndma_buffer_map(other, NDMA_READ, &at));
		ASSERT_EQ(0, ((volatile char *)at)[ndma_buffer_bytes(other) - 1]);
		ndma_buffer_close(other);
	}
	/* Both happen, or this test sees nothing. */
	EXPECT_LT(0, accepted);
	EXPECT_GT(5000, accepted);
	close(fd);
}

TEST_F(memfd, has_the_layout_of_the_moment_it_was_opened)
{
	unsigned char nonsense[HEADER_BYTES];
	struct ndma_layout before, after;
	struct ndma_buffer *other;
	uint32_t lease;

	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &other));
	ASSERT_DONE(ndma_buffer_layout(other, &before));
	memset(nonsense, 0xff, sizeof(nonsense));
	ASSERT_EQ(HEADER_BYTES, pwrite(ndma_buffer_fd(self->buffer), nonsense, HEADER_BYTES, 4096));
	ASSERT_DONE(ndma_buffer_layout(other, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(4000, ndma_buffer_bytes(other));
	/* The nonsense says that the owner died, which is believed once. */
	EXPECT_EQ(-EOWNERDEAD, ndma_lease_acquire(other, NDMA_READ, &lease));
	EXPECT_EQ(0, ndma_lease_acquire(other, NDMA_READ, &lease));
	ndma_buffer_close(other);
}

static bool has_dimensions(const struct ndma_buffer *buffer, uint32_t ndim)
{
	struct ndma_layout layout;

	return !ndma_buffer_layout(buffer, &layout) && layout.ndim == ndim;
}

/* 0 where this process sees its parent's new layout once it has let go of the buffer, and not before. */
static int follow_layout(int fd, const struct peer *peer)
{
	struct ndma_buffer *first, *second;

	if (ndma_buffer_import(fd, NULL, &first) || !has_dimensions(first, 1))
		return 1;
	peer_tell(peer);
	peer_await(peer);
	if (ndma_buffer_import(fd, NULL, &second) || !has_dimensions(second, 1) ||
	    !has_dimensions(first, 1))
		return 2;
	ndma_buffer_close(first);
	ndma_buffer_close(second);
	if (ndma_buffer_import(fd, NULL, &first) || !has_dimensions(first, 2))
		return 3;
	ndma_buffer_close(first);
	return 0;
}

TEST_F(memfd, whose_layout_another_process_sets_has_it_once_it_is_opened_anew)
{
	uint64_t shape[2] = { 10, 100 };
	struct ndma_layout layout;
	struct ndma_buffer *other;
	struct peer peer;

	if (!peer_start(&peer))
		_exit(follow_layout(ndma_buffer_fd(self->buffer), &peer));
	EXPECT_TRUE(peer_await(&peer));
	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &other));
	ASSERT_DONE(ndma_layout_init(&layout, "<i", 4, 2, shape));
	ASSERT_DONE(ndma_buffer_set_layout(self->buffer, &layout));
	EXPECT_TRUE(has_dimensions(other, 2));
	peer_tell(&peer);
	EXPECT_EQ(0, peer_end(&peer));
	ndma_buffer_close(other);
}

/* A peer that takes every lock there is and keeps it. */
static void keep_locks(struct ndma_buffer *buffer, struct peer *peer)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = LOCK_HEADER,
		.l_len = 3,
	};
	char path[32];
	int fd;

	if (peer_start(peer))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ndma_buffer_fd(buffer));
	fd = open(path, O_RDWR);
	if (fcntl(fd, F_OFD_SETLK, &lock))
		_exit(1);
	peer_tell(peer);
	peer_await(peer);
	_exit(0);
}

TEST_F(memfd, whose_locks_a_peer_keeps_is_refused_and_never_waited_for)
{
	struct ndma_buffer *other = NULL;
	struct ndma_layout layout;
	struct peer peer;
	uint32_t id;

	keep_locks(self->buffer, &peer);
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(-EBUSY, ndma_lease_acquire(self->buffer, NDMA_READ, &id));
	EXPECT_EQ(-EBUSY, ndma_transfer_begin(self->buffer, NDMA_BOTH, 0, 0, SECOND_NS, &id));
	EXPECT_EQ(-EBUSY, ndma_transfer_begin(self->buffer, NDMA_BOTH, NDMA_GUARD_SIGBUS, 0,
					      SECOND_NS, &id));
	ASSERT_DONE(ndma_buffer_layout(self->buffer, &layout));
	EXPECT_EQ(-EBUSY, ndma_buffer_set_layout(self->buffer, &layout));
	EXPECT_EQ(-EBUSY, ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &other));
	EXPECT_EQ(NULL, other);
	EXPECT_EQ(0, peer_end(&peer));
	EXPECT_EQ(0, ndma_lease_acquire(self->buffer, NDMA_READ, &id));
}

/* 0: all is as it should be for a process that did not make the buffer. */
static int hold_a_lease(struct peer *peer, int fd)
{
	struct ndma_buffer *buffer;
	uint32_t lease;

	if (ndma_buffer_import(fd, NULL, &buffer) || ndma_lease_acquire(buffer, NDMA_READ, &lease))
		return 1;
	peer_tell(peer);
	peer_await(peer);
	return ndma_buffer_revoke(buffer) == -EPERM ? 0 : 2;
}

TEST_F(memfd, does_not_take_back_what_another_process_holds_and_says_so)
{
	struct peer peer;

	EXPECT_EQ(0, ndma_buffer_revoke(self->buffer));
	if (!peer_start(&peer))
		_exit(hold_a_lease(&peer, ndma_buffer_fd(self->buffer)));
	ASSERT_TRUE(peer_await(&peer));
	EXPECT_EQ(-EOPNOTSUPP, ndma_buffer_revoke(self->buffer));
	peer_tell(&peer);
	EXPECT_EQ(0, peer_end(&peer));
	EXPECT_EQ(0, ndma_buffer_revoke(self->buffer));
}

/* As in the module's heap: a process is one client, however often it opens a buffer. */
TEST_F(memfd, is_one_buffer_to_this_process_by_whatever_descriptor_it_comes)
{
	int fd = ndma_buffer_readonly_fd(self->buffer);
	struct ndma_buffer *reader, *writer;
	struct ndma_layout layout, seen;
	uint32_t transfer, lease;

	ASSERT_DONE(fd);
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &reader));
	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &writer));
	ndma_layout_flat(&layout, 4000);
	ASSERT_DONE(ndma_buffer_set_layout(writer, &layout));
	ASSERT_DONE(ndma_buffer_layout(reader, &seen));
	EXPECT_EQ(0, memcmp(&layout, &seen, sizeof(seen)));
	ASSERT_DONE(ndma_transfer_begin(writer, NDMA_BOTH, 0, 0, SECOND_NS, &transfer));
	EXPECT_EQ(-EBUSY, ndma_lease_acquire(reader, NDMA_READ, &lease));
	EXPECT_EQ(0, ndma_transfer_end(self->buffer, transfer));
	ASSERT_DONE(ndma_lease_acquire(reader, NDMA_READ, &lease));
	ndma_buffer_close(self->buffer);
	self->buffer = NULL;
	EXPECT_EQ(-EBUSY, ndma_transfer_begin(writer, NDMA_BOTH, 0, 0, SECOND_NS, &transfer));
	ndma_buffer_close(reader);
	EXPECT_EQ(0, ndma_transfer_begin(writer, NDMA_BOTH, 0, 0, SECOND_NS, &transfer));
	ndma_buffer_close(writer);
	close(fd);
}

/* In a process that does not have it yet. */
TEST_F(memfd, may_be_read_first_and_written_later)
{
	struct ndma_buffer *reader, *writer;
	struct ndma_layout layout;
	uint32_t reading, writing;
	struct peer peer;
	int fd;

	if (!peer_start(&peer)) {
		char path[32];
		int failed;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", ndma_buffer_fd(self->buffer));
		fd = open(path, O_RDONLY);
		failed = ndma_buffer_import(fd, NULL, &reader) ||
			 ndma_lease_acquire(reader, NDMA_READ, &reading) ||
			 ndma_buffer_import(ndma_buffer_fd(self->buffer), NULL, &writer) ||
			 ndma_lease_acquire(writer, NDMA_WRITE, &writing) ||
			 ndma_lease_release(writer, writing) ||
			 ndma_buffer_layout(writer, &layout) ||
			 ndma_buffer_set_layout(writer, &layout) != -EBUSY ||
			 ndma_lease_release(reader, reading) ||
			 ndma_buffer_set_layout(writer, &layout);
		_exit(failed);
	}
	EXPECT_EQ(0, peer_end(&peer));
}

TEST_F(memfd, refuses_what_only_the_module_can_do_and_says_so)
{
	struct ndma_buffer_options contiguous = {
		.flags = NDMA_BUFFER_CONTIGUOUS,
		.node = NDMA_NODE_ANY,
	};
	struct ndma_source *source = NULL;
	struct ndma_buffer *other = NULL;
	struct ndma_layout layout;
	uint32_t transfer;

	ndma_layout_flat(&layout, 4096);
	EXPECT_EQ(-EOPNOTSUPP, ndma_buffer_create(&layout, &contiguous, &other));
	EXPECT_NE(NULL, strstr(ndma_error(), "module ndma ("));
	EXPECT_EQ(-EOPNOTSUPP, ndma_transfer_begin(self->buffer, NDMA_BOTH, 0, NDMA_TRANSFER_FENCE,
						   SECOND_NS, &transfer));
	EXPECT_NE(NULL, strstr(ndma_error(), "module ndma ("));
	EXPECT_EQ(-ENOENT, ndma_source_open("edu0", &source));
	EXPECT_NE(NULL, strstr(ndma_error(), "sim0"));
	EXPECT_EQ(NULL, source);
}

TEST_F(memfd, under_a_guard_is_efault_to_system_calls)
{
	uint32_t transfer;
	int pipes[2];
	void *at;

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_WRITE, &at));
	ASSERT_DONE(ndma_transfer_begin(self->buffer, NDMA_BOTH, NDMA_GUARD_SIGBUS, 0,
					10 * SECOND_NS, &transfer));
	EXPECT_EQ(-1, write(pipes[1], at, 100));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
	EXPECT_EQ(100, write(pipes[1], at, 100));
	if (!ndma_transfer_begin(self->buffer, NDMA_BOTH, NDMA_GUARD_BLOCK, 0, 10 * SECOND_NS,
				 &transfer)) {
		EXPECT_EQ(-1, write(pipes[1], at, 100));
		EXPECT_EQ(EFAULT, errno);
		ASSERT_DONE(ndma_transfer_end(self->buffer, transfer));
		EXPECT_EQ(100, write(pipes[1], at, 100));
	}
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(memfd, larger_than_the_file_size_limit_is_refused_without_a_signal)
{
	struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY };
	struct ndma_buffer *other = NULL;

	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_EQ(-ENOMEM, make_buffer(1 << 20, &other));
	EXPECT_NE(NULL, strstr(ndma_error(), "RLIMIT_FSIZE"));
	EXPECT_EQ(0, make_buffer(1 << 10, &other));
	ndma_buffer_close(other);
}

/* Descriptors run out at each of the steps in turn. */
TEST_F(memfd, is_refused_cleanly_when_no_descriptor_is_left)
{
	struct rlimit limit, none;
	struct ndma_buffer *other = NULL;
	int lowest = dup(0), room, rc = -1;

	close(lowest);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	for (room = 0; rc && room < 4; room++) {
		none = limit;
		none.rlim_cur = lowest + room;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
		rc = make_buffer(1000, &other);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		EXPECT_TRUE(!rc || rc == -EMFILE);
	}
	EXPECT_LT(1, room);
	EXPECT_EQ(0, rc);
	ndma_buffer_close(other);
	/* Nothing of the attempts is left open. */
	EXPECT_EQ(lowest, dup(0));
}

TEST_F(memfd, is_not_mapped_beyond_the_address_space_limit)
{
	struct rlimit limit, low;
	struct ndma_buffer *large;
	void *at;

	ASSERT_DONE(make_buffer(4 << 20, &large));
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &limit));
	low = limit;
	low.rlim_cur = mapped_bytes() + (1 << 20);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &low));
	EXPECT_EQ(-ENOMEM, ndma_buffer_map(large, NDMA_READ, &at));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	EXPECT_EQ(0, ndma_buffer_map(large, NDMA_READ, &at));
	ndma_buffer_close(large);
}

TEST_F(memfd, opened_for_writing_alone_is_no_buffer)
{
	struct ndma_buffer *other = NULL;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", ndma_buffer_fd(self->buffer));
	fd = open(path, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, ndma_buffer_import(fd, NULL, &other));
	close(fd);
}

/* As on a kernel, or in a container, that has none. */
static int forbid_memfd(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

TEST_F(memfd, without_the_system_call_says_so)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	struct ndma_stream *stream = NULL;
	struct ndma_buffer *other = NULL;
	struct ndma_source *source;

	ASSERT_EQ(0, forbid_memfd());
	EXPECT_EQ(-EOPNOTSUPP, make_buffer(10, &other));
	ASSERT_WORDS("module ndma here (");
	EXPECT_EQ(NULL, other);
	ASSERT_DONE(ndma_source_open("sim0", &source));
	options.samples = 64;
	EXPECT_EQ(-EOPNOTSUPP, ndma_stream_create(source, &options, &stream));
	EXPECT_EQ(NULL, stream);
	ndma_source_close(source);
}

TEST(a_backend_that_is_none_is_named)
{
	struct ndma_buffer *buffer = NULL;
	struct ndma_source *source = NULL;

	setenv("NDMA_BACKEND", "paper", 1);
	EXPECT_EQ(-EINVAL, make_buffer(10, &buffer));
	EXPECT_NE(NULL, strstr(ndma_error(), "paper"));
	EXPECT_EQ(-EINVAL, ndma_source_open("sim0", &source));
}

TEST(a_card_without_the_module_is_told_how_to_get_it)
{
	struct ndma_source *source = NULL;

	unsetenv("NDMA_BACKEND");
	if (!access(NDMA_HEAP_PATH, F_OK)) {
		EXPECT_STREQ("kernel", ndma_backend_name());
		return;
	}
	EXPECT_EQ(-ENODEV, ndma_source_open("edu0", &source));
	ASSERT_WORDS("module ndma is not loaded (");
	ASSERT_WORDS("; memfd has sim0");
	ASSERT_DONE(ndma_source_open("sim0", &source));
	EXPECT_TRUE(ndma_source_is_simulated(source));
	EXPECT_STREQ("memfd", ndma_backend_name());
	ndma_source_close(source);
}

TEST_HARNESS_MAIN
