// SPDX-License-Identifier: MIT
/*
 * Recording to the NVMe disk, by wall clock and by turns: frames from where they lie (O_DIRECT),
 * anonymous memory in the same pieces, and what people do instead: capture, copy, write.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DISK "/dev/nvme0n1"
#define FRAMES 32u
#define FRAME_BYTES (1u << 20)
#define TURNS 9
/* Apart from what is written directly, which would pay for throwing the cached pages away. */
#define COPIES ((off_t)FRAMES * FRAME_BYTES)

struct recording {
	struct bench_run run;
	int direct;
	int buffered;
	char *memory;
};

static void write_at(int disk, const void *data, off_t offset)
{
	if (pwrite(disk, data, FRAME_BYTES, offset) != FRAME_BYTES)
		bench_must(errno ? -errno : -EIO, "write to " DISK);
}

/* One frame, from where it lies or by a copy. */
static void record(struct recording *recording, const void *data, off_t offset, bool copy)
{
	if (copy) {
		memcpy(recording->memory, data, FRAME_BYTES);
		write_at(recording->buffered, recording->memory, COPIES + offset);
	} else {
		write_at(recording->direct, data, offset);
	}
}

static uint64_t record_all(struct recording *recording, bool copy)
{
	struct ndma_frame frame;
	uint64_t start, spent;
	off_t offset = 0;

	bench_run_fill(&recording->run);
	start = bench_now();
	for (; ndma_ring_take(recording->run.ring, &frame); offset += FRAME_BYTES) {
		record(recording, frame.data, offset, copy);
		ndma_ring_release(recording->run.ring, frame.completion.index);
	}
	if (copy && fdatasync(recording->buffered))
		bench_must(-errno, "fdatasync " DISK);
	spent = bench_now() - start;
	bench_must(ndma_stream_kick(recording->run.stream), "kick");
	return spent;
}

static uint64_t record_frames(struct recording *recording)
{
	return record_all(recording, false);
}

static uint64_t record_copies(struct recording *recording)
{
	return record_all(recording, true);
}

/* As freshly written as frames are: what the caches hold of it is then the same. */
static uint64_t record_memory(struct recording *recording)
{
	uint64_t start;

	memset(recording->memory, 1, FRAMES * FRAME_BYTES);
	start = bench_now();
	for (size_t offset = 0; offset < FRAMES * FRAME_BYTES; offset += FRAME_BYTES)
		write_at(recording->direct, recording->memory + offset, offset);
	return bench_now() - start;
}

static uint64_t (*const ways[])(struct recording *recording) = { record_frames, record_memory,
								 record_copies };

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static double rate(uint64_t ns)
{
	return FRAMES * (double)FRAME_BYTES * 1e3 / (double)ns;
}

void bench_disk(void)
{
	uint64_t best[WAYS] = { UINT64_MAX, UINT64_MAX, UINT64_MAX };
	struct ndma_source *source = bench_source();
	struct recording recording = { .run = bench_run_open(source, FRAMES, FRAME_BYTES) };

	recording.direct = open(DISK, O_WRONLY | O_DIRECT | O_CLOEXEC);
	recording.buffered = open(DISK, O_WRONLY | O_CLOEXEC);
	if (recording.direct < 0 || recording.buffered < 0)
		bench_must(-errno, "open " DISK " (give tests/vm/run --nvme 256M)");
	recording.memory = mmap(NULL, FRAMES * FRAME_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (recording.memory == MAP_FAILED)
		bench_must(-errno, "memory");
	bench_touch(recording.memory, FRAMES * FRAME_BYTES);
	for (int turn = 0; turn < TURNS; turn++) {
		for (size_t i = 0; i < WAYS; i++) {
			/* None comes after the same one each time. */
			size_t way = (i * (1 + turn % 2) + turn) % WAYS;
			uint64_t spent = ways[way](&recording);

			if (spent < best[way])
				best[way] = spent;
		}
	}
	bench_report("disk_from_frames", "MB/s", rate(best[0]));
	bench_peer("anonymous memory", rate(best[1]));
	bench_peer("buffered copies", rate(best[2]));
	bench_end();
	munmap(recording.memory, FRAMES * FRAME_BYTES);
	close(recording.direct);
	close(recording.buffered);
	ndma_stream_free(recording.run.stream);
	ndma_source_close(source);
}
