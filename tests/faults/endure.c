// SPDX-License-Identifier: MIT
/*
 * endure [SECONDS [SOURCE [RATE]]]: one stream for a long time, frames of 64 KiB, 1,000 a second
 * unless RATE says how many samples. Each frame is accounted for: received or reported as lost,
 * with the sequence and the contents that it must have; memory does not grow.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ndma.h>

#include "tap.h"
#include "uapi/file.h"

#define FRAME_SAMPLES 32768
#define FRAMES 64
#define SECOND_NS 1000000000LL
/* What a process and a kernel may differ by from one moment to the next. */
#define NOISE_KIB 4096

struct tally {
	uint64_t received;
	uint64_t dropped;
	uint64_t next_sequence;
	uint64_t gaps;
	uint64_t wrong;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* A line's number in a file of /proc. */
static long number_in(const char *path, const char *key)
{
	char text[8192];
	const char *line;

	if (file_read(path, text, sizeof(text)) < 0)
		return 0;
	line = strstr(text, key);
	return line ? strtol(line + strlen(key), NULL, 10) : 0;
}

static long own_kib(void)
{
	return number_in("/proc/self/status", "VmRSS:");
}

static long kernel_kib(void)
{
	return number_in("/proc/meminfo", "Slab:") + number_in("/proc/meminfo", "VmallocUsed:") +
	       number_in("/proc/meminfo", "PageTables:");
}

/* The counter pattern: each sample is one more than the one before, the first is hw_timestamp. */
static bool is_counter(const struct ndma_frame *frame)
{
	const int16_t *samples = frame->data;
	size_t count = frame->completion.bytes_used / sizeof(*samples), i;

	if (count != FRAME_SAMPLES)
		return false;
	for (i = 1; i < count; i += 61)
		if ((int16_t)(samples[i] - samples[0]) != (int16_t)i)
			return false;
	return true;
}

static void count_frame(struct tally *tally, const struct ndma_frame *frame, bool counts)
{
	tally->received++;
	tally->dropped += frame->dropped;
	if (frame->completion.sequence != tally->next_sequence + frame->dropped)
		tally->gaps++;
	tally->next_sequence = frame->completion.sequence + 1;
	if (counts && !is_counter(frame))
		tally->wrong++;
}

/* Takes frames for so long; a negative errno where they stop coming. */
static int take(struct ndma_stream *stream, struct tally *tally, int64_t duration_ns, bool counts)
{
	int64_t end = now_ns() + duration_ns;
	struct ndma_frame frames[FRAMES];
	int count, i;

	while (now_ns() < end) {
		count = ndma_stream_next_batch(stream, frames, 1, FRAMES, 10 * SECOND_NS);
		if (count <= 0)
			return count;
		for (i = 0; i < count; i++) {
			count_frame(tally, &frames[i], counts);
			ndma_stream_release(stream, &frames[i]);
		}
	}
	return 1;
}

static int open_stream(const char *name, int64_t rate, struct ndma_source **source,
		       struct ndma_stream **stream)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	struct ndma_control_info pattern;
	int result = ndma_source_open(name, source);

	if (result < 0)
		return result;
	if (ndma_control_find(*source, "pattern", &pattern) >= 0)
		ndma_control_set(*source, pattern.id, 3);
	result = ndma_control_set(*source, NDMA_CONTROL_RATE, rate);
	if (result < 0)
		return result;
	options.samples = FRAME_SAMPLES;
	options.frames = FRAMES;
	options.channels = 1;
	options.format = "<h";
	result = ndma_stream_create(*source, &options, stream);
	return result < 0 ? result : ndma_stream_start(*stream, 0);
}

static void test(const char *name, int64_t seconds, int64_t rate)
{
	bool counts = !strncmp(name, "sim", 3);
	struct ndma_stream_stats stats = { 0 };
	struct ndma_source *source = NULL;
	struct ndma_stream *stream = NULL;
	struct tally tally = { 0 };
	long own, kernel;
	int result;

	result = open_stream(name, rate, &source, &stream);
	/* A tenth to warm up; what grows from then on is not flat. */
	if (result >= 0)
		result = take(stream, &tally, seconds * SECOND_NS / 10, counts);
	own = own_kib();
	kernel = kernel_kib();
	if (result > 0)
		result = take(stream, &tally, seconds * SECOND_NS * 9 / 10, counts);
	own = own_kib() - own;
	kernel = kernel_kib() - kernel;
	if (result < 0)
		tap_note("%s", ndma_error());
	if (result > 0 && !ndma_stream_stop(stream))
		ndma_stream_stats(stream, &stats);
	while (result > 0) {
		struct ndma_frame frame;

		result = ndma_stream_next(stream, &frame, 0);
		if (result > 0) {
			count_frame(&tally, &frame, counts);
			ndma_stream_release(stream, &frame);
		}
	}
	tap_note("%llu frames received, %llu lost, %llu made; memory: process %+ld KiB, kernel "
		 "%+ld KiB",
		 (unsigned long long)tally.received, (unsigned long long)tally.dropped,
		 (unsigned long long)stats.produced, own, kernel);
	tap_result(!result && tally.received, "frames come until the stream is stopped");
	/* Lost ones behind the last frame are told by nothing but the statistics. */
	tap_result(!tally.gaps && tally.received + stats.dropped == stats.produced &&
			   tally.dropped <= stats.dropped,
		   "every frame is received or reported as lost");
	tap_result(!tally.wrong, "every frame holds what it must");
	tap_result(own < NOISE_KIB && kernel < NOISE_KIB, "memory does not grow");
	ndma_stream_free(stream);
	ndma_source_close(source);
}

int main(int argc, char **argv)
{
	int64_t seconds = argc > 1 ? strtoll(argv[1], NULL, 0) : 5;
	const char *name = argc > 2 ? argv[2] : "sim0";
	int64_t rate = argc > 3 ? strtoll(argv[3], NULL, 0) : FRAME_SAMPLES * 1000LL;

	test(name, seconds, rate);
	return tap_end();
}
