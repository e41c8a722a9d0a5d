// SPDX-License-Identifier: MIT
/*
 * segment: a card whose engine wraps at a boundary, what DMA-API's checks say of its segments, and a card
 * that reaches no memory. Loads ndma_edu anew. Root.
 */
#include <stdlib.h>
#include <string.h>

#include "kmodule.h"
#include "tap.h"
#include "uapi/stream.h"

#include "ndma_edu.h"

/* A page: two of them that touch were one segment. */
#define BOUNDARY 4096
#define FRAME_BYTES (2 * BOUNDARY + 100)
#define FRAMES 2

#define DMA_API "/sys/kernel/debug/dma-api/"

/* Errors that DMA-API has counted, all of them; -1: this kernel does not check. */
static long dma_api_errors(void)
{
	FILE *file = fopen(DMA_API "error_count", "re");
	long count = -1;

	if (file && fscanf(file, "%ld", &count) != 1)
		count = -1;
	if (file)
		fclose(file);
	return count;
}

static bool load_edu(const char *arguments)
{
	int error = kmodule_unload_soon("ndma_edu");

	if (!error || error == -ENOENT)
		error = kmodule_load("ndma_edu", arguments);
	if (error)
		tap_note("ndma_edu %s: %s", arguments, strerror(-error));
	return !error;
}

static bool frame_is_right(const struct stream *stream, const struct ndma_completion *completion)
{
	const unsigned char *frame = stream_frame(stream, completion->index);
	uint32_t i;

	for (i = 0; i < FRAME_BYTES; i++)
		if (frame[i] != ndma_edu_byte(completion->hw_sequence, i))
			break;
	if (i < FRAME_BYTES || completion->flags != NDMA_FRAME_HW_SEQUENCE)
		tap_note("frame %llu: byte %u, flags 0x%x", completion->sequence, i,
			 completion->flags);
	return i == FRAME_BYTES && completion->flags == NDMA_FRAME_HW_SEQUENCE;
}

static bool frames_arrive(void)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, FRAME_BYTES);
	struct ndma_completion completion;
	bool fine = true;
	struct stream stream;
	int i, error;

	error = stream_make(&stream, source_open("edu0"), &setup);
	if (!error)
		error = stream_start(stream.fd, FRAMES);
	for (i = 0; i < FRAMES && !error; i++) {
		error = stream_next(&stream, &completion);
		if (!error)
			fine &= frame_is_right(&stream, &completion);
	}
	if (error)
		tap_note("%s", strerror(-error));
	stream_end(&stream);
	return fine && !error;
}

/* The lowest address of memory. */
static unsigned long long memory_begins(void)
{
	FILE *file = fopen("/proc/iomem", "re");
	unsigned long long start = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, ": System RAM") && sscanf(line, "%llx", &start) == 1)
			break;
	if (file)
		fclose(file);
	return start;
}

int main(void)
{
	const char *unreached = "a card that reaches no memory is refused";
	const char *crossed = "no segment of a frame crosses the boundary of its card";
	const char *told = "DMA-API has nothing to say of them";
	char usual[512], bounded[560];
	long before;

	if (access("/dev/ndma/edu0", F_OK)) {
		tap_skip(crossed, "this guest has no /dev/ndma/edu0");
		return tap_end();
	}
	kmodule_parameters("ndma_edu", usual, sizeof(usual));
	/* What comes later in the line counts. */
	snprintf(bounded, sizeof(bounded), "%s boundary=%d", usual, BOUNDARY);
	before = dma_api_errors();
	tap_result(load_edu(bounded) && frames_arrive(), crossed);
	if (before < 0)
		tap_skip(told, "this guest has no " DMA_API "error_count");
	else
		tap_result(dma_api_errors() == before, told);
	tap_result(!load_edu("boundary=3000") || access("/dev/ndma/edu0", F_OK),
		   "a boundary that is no power of two is refused");
	if (memory_begins() >> 28)
		tap_result(!load_edu("dma_bits=28") || access("/dev/ndma/edu0", F_OK), unreached);
	else
		tap_skip(unreached, "this guest has no machine whose memory begins beyond 28 bits");
	tap_result(load_edu(usual) && frames_arrive(), "the card works without one after that");
	/* The node is new: whoever comes next finds it with udev's owner and mode. */
	return system("udevadm settle --timeout=60") ? 1 : tap_end();
}
