// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way into guarded memory that is not a plain touch, as root, who sets kernel_fault_ms: how long
 * it sleeps, and what it says then. The rig's --nvme is the disk, and what it holds is lost.
 */
#include <liburing.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "test.h"

#define RW (PROT_READ | PROT_WRITE)
#define DISK "/dev/nvme0n1"
#define KERNEL_FAULT "/sys/module/ndma/parameters/kernel_fault_ms"
#define LIMIT_MS 200
/* Who sleeps a second time comes later than this; so does who waits for the machine, now and then. */
#define BOUND_NS (2 * LIMIT_MS * (SECOND_NS / 1000))
#define TRIES 6
/* A transfer lasts longer than any wait that the limit bounds. */
#define TRANSFER_NS (300 * SECOND_NS)
#define PAGE 4096
/* Of a child that gets SIGSEGV, as a shell tells it. */
#define KILLED (128 + SIGSEGV)

/**
 * struct place - what a way has to do with
 * @heap: the heap
 * @fd: the buffer
 * @data: its mapping, not touched since the transfer began
 * @bytes: of the mapping
 * @pipes: with some bytes to be read
 * @ring: of io_uring
 * @disk: opened for O_DIRECT
 * @memory: /proc/self/mem
 */
struct place {
	int heap;
	int fd;
	void *data;
	size_t bytes;
	int pipes[2];
	struct io_uring ring;
	int disk;
	int memory;
};

/**
 * struct way - a way into memory
 * @name: for people
 * @prepare: what it needs, before the transfer begins; may be NULL
 * @go: into the memory: 0 or more, or -1 and errno
 * @says: the errno that it ends with in time; 0: it succeeds all the same; KILLED
 * @otherwise: as @says, on another kernel; 0: it is the same on all
 * @touches: how many it may count, where the kernel goes on with other pages after one that it cannot
 *   have; 0: one
 * @fills: it fills page tables, so that a handled signal ends it
 */
struct way {
	const char *name;
	void (*prepare)(struct place *place);
	long (*go)(struct place *place);
	int says;
	int otherwise;
	unsigned int touches;
	bool fills;
};

static long go_write(struct place *place)
{
	return write(place->pipes[1], place->data, 1);
}

static long go_read(struct place *place)
{
	return read(place->pipes[0], place->data, 8);
}

static long go_getrandom(struct place *place)
{
	/* Not the vDSO's, which writes to the memory as user space. */
	return syscall(SYS_getrandom, place->data, 64, 0);
}

static long go_open(struct place *place)
{
	return open(place->data, O_RDONLY);
}

static long go_execve(struct place *place)
{
	char *arguments[] = { "true", place->data, NULL };

	return execv("/bin/true", arguments);
}

/* Copies a page, and what it cannot, byte by byte. */
static long go_mount(struct place *place)
{
	return mount("none", "/", "tmpfs", 0, place->data);
}

static long go_ioctl(struct place *place)
{
	return ioctl(place->heap, NDMA_HEAP_INFO, place->data);
}

static long go_futex(struct place *place)
{
	static const struct timespec moment = { .tv_nsec = 1 };

	return syscall(SYS_futex, place->data, FUTEX_WAIT, 0, &moment, NULL, 0);
}

static long go_futex_private(struct place *place)
{
	static const struct timespec moment = { .tv_nsec = 1 };

	return syscall(SYS_futex, place->data, FUTEX_WAIT_PRIVATE, 0, &moment, NULL, 0);
}

static long go_futex_op(struct place *place)
{
	static int word;

	return syscall(SYS_futex, &word, FUTEX_WAKE_OP_PRIVATE, 1, 1, place->data,
		       FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
}

static long go_vmsplice(struct place *place)
{
	struct iovec page = { place->data, PAGE };

	return vmsplice(place->pipes[1], &page, 1, 0);
}

static long go_readv_of_process(struct place *place)
{
	char copy[8];
	struct iovec local = { copy, 8 }, remote = { place->data, 8 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

static long go_writev_of_process(struct place *place)
{
	char copy[8] = {};
	struct iovec local = { copy, 8 }, remote = { place->data, 8 };

	return process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
}

static long go_memory_read(struct place *place)
{
	char copy[8];

	return pread(place->memory, copy, 8, (off_t)(uintptr_t)place->data);
}

static long go_memory_write(struct place *place)
{
	return pwrite(place->memory, "01234567", 8, (off_t)(uintptr_t)place->data);
}

static long go_disk_read(struct place *place)
{
	return pread(place->disk, place->data, PAGE, 0);
}

static long go_disk_write(struct place *place)
{
	return pwrite(place->disk, place->data, PAGE, 0);
}

static long submit(struct place *place)
{
	struct io_uring_cqe *done;
	int ret = io_uring_submit_and_wait(&place->ring, 1);

	if (ret == 1)
		ret = io_uring_peek_cqe(&place->ring, &done);
	if (!ret)
		ret = done->res;
	errno = ret < 0 ? -ret : 0;
	return ret < 0 ? -1 : ret;
}

static long go_ring_write(struct place *place)
{
	io_uring_prep_write(io_uring_get_sqe(&place->ring), place->pipes[1], place->data, 8, 0);
	return submit(place);
}

static long go_ring_disk(struct place *place)
{
	io_uring_prep_read(io_uring_get_sqe(&place->ring), place->disk, place->data, PAGE, 0);
	return submit(place);
}

static long go_ring_register(struct place *place)
{
	struct iovec all = { place->data, PAGE };
	int ret = io_uring_register_buffers(&place->ring, &all, 1);

	errno = -ret;
	return ret ? -1 : 0;
}

static void on_signal(int number)
{
	(void)number;
}

static void prepare_stack(struct place *place)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_sp = place->data, .ss_size = place->bytes };

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

static long go_stack(struct place *place)
{
	(void)place;
	return raise(SIGUSR1);
}

static long go_mlock(struct place *place)
{
	return mlock(place->data, place->bytes);
}

static long go_mlock2(struct place *place)
{
	return mlock2(place->data, place->bytes, 0);
}

static long go_mlockall(struct place *place)
{
	(void)place;
	return mlockall(MCL_CURRENT);
}

static long go_mmap(struct place *place)
{
	void *at = mmap(NULL, place->bytes, RW, MAP_SHARED | MAP_POPULATE, place->fd, 0);

	return at == MAP_FAILED ? -1 : 0;
}

static void prepare_future(struct place *place)
{
	(void)place;
	mlockall(MCL_FUTURE);
}

static long go_mmap_locked(struct place *place)
{
	return mmap(NULL, place->bytes, RW, MAP_SHARED, place->fd, 0) == MAP_FAILED ? -1 : 0;
}

static long go_remap(struct place *place)
{
	return remap_file_pages(place->data, place->bytes / 2, 0, 0, 0);
}

static long go_populate_read(struct place *place)
{
	return madvise(place->data, place->bytes, MADV_POPULATE_READ);
}

static long go_populate_write(struct place *place)
{
	return madvise(place->data, place->bytes, MADV_POPULATE_WRITE);
}

static const struct way ways[] = {
	{ .name = "write", .go = go_write, .says = EFAULT },
	{ .name = "read", .go = go_read, .says = EFAULT },
	{ .name = "getrandom", .go = go_getrandom, .says = EFAULT },
	{ .name = "the path of open", .go = go_open, .says = EFAULT },
	{ .name = "an argument of execve", .go = go_execve, .says = EFAULT },
	{ .name = "options of mount", .go = go_mount, .says = EFAULT },
	{ .name = "the argument of an ioctl", .go = go_ioctl, .says = EFAULT },
	{ .name = "futex, shared", .go = go_futex, .says = EFAULT },
	{ .name = "futex, private", .go = go_futex_private, .says = EFAULT },
	{ .name = "futex with an operation", .go = go_futex_op, .says = EFAULT },
	{ .name = "vmsplice", .go = go_vmsplice, .says = EFAULT },
	{ .name = "process_vm_readv", .go = go_readv_of_process, .says = EFAULT },
	{ .name = "process_vm_writev", .go = go_writev_of_process, .says = EFAULT },
	{ .name = "reading /proc/self/mem", .go = go_memory_read, .says = EIO },
	{ .name = "writing /proc/self/mem", .go = go_memory_write, .says = EIO },
	{ .name = "O_DIRECT, reading", .go = go_disk_read, .says = EFAULT },
	{ .name = "O_DIRECT, writing", .go = go_disk_write, .says = EFAULT },
	{ .name = "io_uring, writing", .go = go_ring_write, .says = EFAULT },
	{ .name = "io_uring and O_DIRECT", .go = go_ring_disk, .says = EFAULT },
	/* Linux 6.1 registers nothing that is mapped from a file but shmem. */
	{ .name = "registering with io_uring", .go = go_ring_register, .says = EFAULT,
	  .otherwise = EOPNOTSUPP },
	/* arm64 writes all of the frame, in two pages and the first one again, before it looks for errors. */
	{ .name = "a signal's stack", .prepare = prepare_stack, .go = go_stack, .says = KILLED,
	  .touches = 3 },
	{ .name = "mlock", .go = go_mlock, .says = ENOMEM, .fills = true },
	{ .name = "mlock2", .go = go_mlock2, .says = ENOMEM, .fills = true },
	{ .name = "mlockall", .go = go_mlockall, .says = 0, .fills = true },
	{ .name = "MAP_POPULATE", .go = go_mmap, .says = 0, .fills = true },
	{ .name = "mmap after mlockall", .prepare = prepare_future, .go = go_mmap_locked, .says = 0,
	  .fills = true },
	{ .name = "remap_file_pages", .go = go_remap, .says = 0, .fills = true },
	{ .name = "MADV_POPULATE_READ", .go = go_populate_read, .says = EFAULT },
	{ .name = "MADV_POPULATE_WRITE", .go = go_populate_write, .says = EFAULT },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

FIXTURE(ways)
{
	struct place place;
	char before[32];
};

FIXTURE_VARIANT(ways)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(ways, huge)
{
	.bytes = 4 * MIB,
};

FIXTURE_VARIANT_ADD(ways, pages)
{
	.bytes = 128 * 1024,
};

static int limit_set(unsigned int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms);
	return file_write(KERNEL_FAULT, text);
}

FIXTURE_SETUP(ways)
{
	struct place *place = &self->place;

	ASSERT_GT(file_read(KERNEL_FAULT, self->before, sizeof(self->before)), 0);
	place->disk = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (place->disk < 0)
		SKIP(return, DISK " is missing: give tests/vm/run --nvme 256M");
	place->bytes = variant->bytes;
	place->heap = heap_open();
	place->fd = heap_alloc(place->heap, place->bytes);
	ASSERT_GE(place->fd, 0);
	place->data = buffer_map(place->heap, place->fd, place->bytes, RW);
	ASSERT_NE(place->data, MAP_FAILED);
}

FIXTURE_TEARDOWN(ways)
{
	EXPECT_EQ(file_write(KERNEL_FAULT, self->before), 0);
	if (self->place.disk < 0)
		return;
	munmap(self->place.data, self->place.bytes);
	close(self->place.fd);
	close(self->place.heap);
	close(self->place.disk);
}

/* In a child: goes the way once the transfer has begun; its status is what the way says. */
static void take(const struct way *way, struct place *place, const struct peer *peer,
		 unsigned int alarms_us)
{
	struct itimerval alarms = {
		.it_interval.tv_usec = alarms_us,
		.it_value.tv_usec = alarms_us,
	};
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (pipe(place->pipes) || write(place->pipes[1], "01234567", 8) != 8 ||
	    io_uring_queue_init(4, &place->ring, 0))
		_exit(255);
	place->memory = open("/proc/self/mem", O_RDWR);
	if (way->prepare)
		way->prepare(place);
	sigaction(SIGALRM, &action, NULL);
	if (!peer_tell(peer) || !peer_await(peer))
		_exit(255);
	setitimer(ITIMER_REAL, &alarms, NULL);
	_exit(way->go(place) < 0 ? errno : 0);
}

/**
 * struct outcome - what came of a way
 * @status: what it said
 * @took_ns: from the begin of the transfer until the process was gone
 * @touches: that the guard has counted
 * @over: the transfer had ended before
 */
struct outcome {
	int status;
	uint64_t took_ns;
	uint64_t touches;
	bool over;
};

static struct outcome try_way(const struct way *way, struct place *place, unsigned int alarms_us)
{
	struct outcome outcome = { .over = true };
	uint64_t touches = buffer_info(place->heap, place->fd).touches, begun;
	struct peer peer;
	int64_t transfer;

	if (!peer_fork(&peer))
		take(way, place, &peer, alarms_us);
	if (!peer_await(&peer))
		return outcome;
	begun = now_ns();
	transfer = transfer_begin(place->heap, place->fd, NDMA_FROM_DEVICE, NDMA_GUARD_BLOCK, 0,
				  TRANSFER_NS);
	peer_tell(&peer);
	outcome.status = peer_join(&peer);
	outcome.took_ns = now_ns() - begun;
	outcome.touches = buffer_info(place->heap, place->fd).touches - touches;
	outcome.over = transfer_end(place->heap, place->fd, transfer) != 0;
	return outcome;
}

TEST_F(ways, none_sleeps_longer_than_the_limit_nor_counts_twice)
{
	struct outcome outcome;
	size_t i;
	int try;

	ASSERT_EQ(limit_set(LIMIT_MS), 0);
	for (i = 0; i < WAYS; i++) {
		for (try = 0; try < TRIES; try++) {
			outcome = try_way(&ways[i], &self->place, 0);
			if (outcome.took_ns < BOUND_NS)
				break;
		}
		EXPECT_FALSE(outcome.over);
		EXPECT_LT(outcome.took_ns, BOUND_NS) {
			TH_LOG("%s: %llu ms", ways[i].name, outcome.took_ns / 1000000ULL);
		}
		EXPECT_LE(outcome.touches, ways[i].touches ?: 1) {
			TH_LOG("%s", ways[i].name);
		}
		if (ways[i].otherwise && outcome.status == ways[i].otherwise)
			continue;
		EXPECT_EQ(outcome.status, ways[i].says) {
			TH_LOG("%s", ways[i].name);
		}
	}
}

TEST_F(ways, a_handled_signal_ends_what_fills_page_tables)
{
	struct outcome outcome;
	size_t i;

	ASSERT_EQ(limit_set(TRANSFER_NS / 1000000), 0);
	for (i = 0; i < WAYS; i++) {
		if (!ways[i].fills)
			continue;
		outcome = try_way(&ways[i], &self->place, 20000);
		EXPECT_FALSE(outcome.over) {
			TH_LOG("%s: %d after %llu ms", ways[i].name, outcome.status,
			       outcome.took_ns / 1000000ULL);
		}
		EXPECT_EQ(outcome.status, ways[i].says);
	}
}

TEST_HARNESS_MAIN
