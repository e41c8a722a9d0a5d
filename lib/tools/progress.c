// SPDX-License-Identifier: MIT
/* How far a recording has come: one line on a terminal. */
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <ndma_ring.h>

#include "record.h"

#define INTERVAL_NS 200000000

int64_t progress_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Bytes that the disk still takes; negative: there is none. */
static double disk_left(const struct progress *progress)
{
	struct statvfs disk;

	if (progress->disk < 0 || fstatvfs(progress->disk, &disk))
		return -1;
	return (double)disk.f_bavail * (double)disk.f_frsize;
}

/* What ends first: what was asked for, or the disk. Negative: nobody knows. */
static double seconds_left(const struct progress *progress, double elapsed, double left)
{
	double per_byte = elapsed / (double)(progress->bytes + 1), seconds = -1, other;

	if (progress->limit)
		seconds = elapsed / (double)(progress->taken + 1) *
			  (double)(progress->limit - progress->taken);
	if (progress->options->time_ns) {
		other = (double)progress->options->time_ns / 1e9 - elapsed;
		seconds = seconds < 0 || other < seconds ? other : seconds;
	}
	if (left >= 0 && (seconds < 0 || left * per_byte < seconds))
		seconds = left * per_byte;
	return seconds;
}

static void print_time(double seconds)
{
	unsigned int whole = seconds < 3e9 ? (unsigned int)seconds : 3000000000u;

	if (whole >= 3600)
		fprintf(stderr, ", %u:%02u h to go", whole / 3600, whole / 60 % 60);
	else
		fprintf(stderr, ", %u:%02u to go", whole / 60, whole % 60);
}

void progress_show(struct progress *progress, bool last)
{
	uint32_t ready, frames = ndma_stream_setup(progress->stream)->frames;
	double elapsed, left, seconds;
	int64_t now;

	if (progress->options->quiet || !isatty(STDERR_FILENO))
		return;
	now = progress_now_ns();
	if (!last && now - progress->shown_ns < INTERVAL_NS)
		return;
	progress->shown_ns = now;
	elapsed = (double)(now - progress->begin_ns) / 1e9;
	ready = ndma_ring_ready(ndma_stream_ring(progress->stream));
	fprintf(stderr, "\r%s: %llu ", progress->options->source,
		(unsigned long long)progress->taken);
	if (progress->limit)
		fprintf(stderr, "of %llu ", (unsigned long long)progress->limit);
	fprintf(stderr, "frames, %.1f MB/s, %llu lost, buffer %u %%",
		(double)progress->bytes / elapsed / 1e6, (unsigned long long)progress->loss.dropped,
		ready * 100 / frames);
	left = disk_left(progress);
	if (left >= 0)
		fprintf(stderr, ", disk %.1f GB left", left / 1e9);
	seconds = last ? -1 : seconds_left(progress, elapsed, left);
	if (seconds >= 0)
		print_time(seconds);
	fprintf(stderr, " \033[K%s", last ? "\n" : "");
}
