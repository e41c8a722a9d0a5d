// SPDX-License-Identifier: MIT
#include "receive.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define SECOND_NS 1000000000LL
#define ITEM 2u
#define BATCH 64

const struct ndma_wave receive_wave = {
	.pattern = NDMA_WAVE_COUNTER,
	.bits = 16,
	.is_signed = 1,
};

double receive_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int set(struct ndma_source *source, const char *name, int64_t value)
{
	struct ndma_control_info info;
	int ret = ndma_control_find(source, name, &info);

	return ret ? ret : ndma_control_set(source, info.id, value);
}

int receive_open(struct receive *receive, const char *name, uint64_t frame_bytes, uint32_t frames,
		 int64_t rate)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	int ret;

	*receive = (struct receive){ 0 };
	options.samples = frame_bytes / ITEM;
	options.frames = frames;
	options.channels = 1;
	options.format = "<h";
	if ((ret = ndma_source_open(name, &receive->source)) ||
	    (ret = set(receive->source, "pattern", NDMA_WAVE_COUNTER)) ||
	    (ret = set(receive->source, "paced", rate != 0)) ||
	    (rate && (ret = set(receive->source, "rate", rate))) ||
	    (ret = ndma_stream_create(receive->source, &options, &receive->stream)))
		return ret;
	return ndma_stream_start(receive->stream, 0);
}

static bool is_right(const struct ndma_frame *frame)
{
	uint32_t samples = (uint32_t)(frame->completion.bytes_used / ITEM);

	return ndma_wave_check(&receive_wave, frame->data, ITEM, 0, frame->completion.hw_timestamp,
			       samples, ITEM) == samples;
}

static void count(struct receive_tally *tally, const struct ndma_frame *frame, bool check)
{
	tally->frames++;
	tally->bytes += frame->completion.bytes_used;
	tally->dropped += frame->dropped;
	tally->flagged += !!(frame->completion.flags &
			     (NDMA_FRAME_PARTIAL | NDMA_FRAME_ERROR | NDMA_FRAME_OVERFLOW));
	tally->wrong += check && !is_right(frame);
}

/* In the words of the card's log. */
static void write_note(FILE *note, const struct ndma_frame *frame)
{
	fprintf(note, "frame sequence=%llu sample=%llu samples=%llu lost=%llu\n",
		(unsigned long long)frame->completion.hw_sequence,
		(unsigned long long)frame->completion.hw_timestamp,
		(unsigned long long)frame->completion.bytes_used / ITEM,
		(unsigned long long)frame->dropped);
}

int receive_run(struct receive *receive, double seconds, bool check, FILE *note,
		struct receive_tally *tally)
{
	double begin = receive_now(), now = begin;
	struct ndma_frame frames[BATCH];
	int taken, i;

	while (now < begin + seconds) {
		taken = ndma_stream_next_batch(receive->stream, frames, 1, BATCH, 10 * SECOND_NS);
		if (taken <= 0)
			return taken ? taken : -EPIPE;
		for (i = 0; i < taken; i++) {
			count(tally, &frames[i], check);
			if (note)
				write_note(note, &frames[i]);
			ndma_stream_release(receive->stream, &frames[i]);
		}
		now = receive_now();
	}
	tally->seconds += now - begin;
	return 0;
}

void receive_close(struct receive *receive)
{
	ndma_stream_free(receive->stream);
	ndma_source_close(receive->source);
}
