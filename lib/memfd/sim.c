// SPDX-License-Identifier: MIT
/* The simulated card at work: a thread for each stream that runs. ndma_sim.h says what it makes. */
#define _GNU_SOURCE
#include <sched.h>
#include <time.h>

#include "stream.h"

/* Frames without samples that are made in a row; then whoever else waits for the lock gets it. */
#define BURST 64
/* How late the thread may be before it loses frames, as a card does whose own memory is full. */
#define FIFO_NS 500000000ULL
/* Samples of each channel that are written before the thread looks whether it is to stop. */
#define PIECE 16384u

/**
 * struct run - one run of a stream, from start to stop
 * @origin_ns: when it began
 * @origin: number of the first sample at that moment
 * @planned: @frame is to be made
 * @frame: the next frame
 * @due_ns: when it is complete
 * @now_ns: the time, as of the last look
 * @burst: frames until the others' turn
 */
struct run {
	uint64_t origin_ns;
	uint64_t origin;
	bool planned;
	struct ndma_sim_frame frame;
	uint64_t due_ns;
	uint64_t now_ns;
	unsigned int burst;
};

/* Both times count from sample 0: the time of a difference would be rounded anew in every run. */
static uint64_t time_of(const struct memfd_stream *stream, const struct run *run, uint64_t sample)
{
	return run->origin_ns + ndma_sim_time_ns(&stream->settings, sample) -
	       ndma_sim_time_ns(&stream->settings, run->origin);
}

static void sleep_until(struct memfd_stream *stream, struct run *run, uint64_t until_ns)
{
	ndma_memfd_wait_wake(stream);
	if (until_ns)
		ndma_memfd_cond_until(&stream->work, &stream->lock, until_ns);
	else
		pthread_cond_wait(&stream->work, &stream->lock);
	run->now_ns = ndma_memfd_now_ns();
}

/* Gives the lock up for a moment: users need it to release frames, and this loop rarely sleeps. */
static void give_way(struct memfd_stream *stream, struct run *run)
{
	ndma_memfd_wait_wake(stream);
	pthread_mutex_unlock(&stream->lock);
	sched_yield();
	pthread_mutex_lock(&stream->lock);
	run->burst = BURST;
	run->now_ns = ndma_memfd_now_ns();
}

static bool is_timed(const struct memfd_stream *stream)
{
	return stream->settings.paced && stream->settings.trigger != NDMA_SIM_TRIGGER_SOFTWARE;
}

/* When the last sample of the planned frame is there; 0: at once. */
static uint64_t due(const struct memfd_stream *stream, const struct run *run)
{
	const struct ndma_sim_settings *settings = &stream->settings;
	uint32_t late_ns = run->frame.late_ns;

	if (is_timed(stream))
		return time_of(stream, run, run->frame.first + settings->samples) + late_ns;
	if (settings->paced) /* from the press on */
		return ndma_memfd_now_ns() + ndma_sim_time_ns(settings, settings->samples) +
		       late_ns;
	return late_ns ? run->now_ns + late_ns : 0;
}

static void plan(struct memfd_stream *stream, struct run *run)
{
	struct ndma_sim_frame *frame = &run->frame;

	switch (ndma_sim_next(&stream->settings, &stream->sim, frame)) {
	case NDMA_SIM_FRAME:
		run->planned = true;
		run->due_ns = due(stream, run);
		break;
	case NDMA_SIM_SEARCHING:
		if (is_timed(stream))
			sleep_until(stream, run, time_of(stream, run, stream->sim.position));
		else
			give_way(stream, run);
		break;
	case NDMA_SIM_WAITING:
	case NDMA_SIM_STALLED:
		sleep_until(stream, run, 0);
		break;
	case NDMA_SIM_VANISHED:
		pthread_mutex_unlock(&stream->lock);
		ndma_memfd_card_vanish(stream->card);
		pthread_mutex_lock(&stream->lock);
		break;
	}
}

/*
 * Needs no lock: nobody else touches the device's frame. False: the stream was stopped meanwhile.
 */
static bool fill_samples(const struct memfd_stream *stream,
			 const struct ndma_sim_settings *settings,
			 const struct ndma_sim_frame *frame, uint32_t index)
{
	char *at = stream->device + index * stream->base.setup.frame_stride;
	uint64_t from = 0;
	uint32_t piece;

	for (; from < frame->samples; from += piece) {
		if (!__atomic_load_n(&stream->running, __ATOMIC_RELAXED))
			return false;
		piece = frame->samples - from < PIECE ? (uint32_t)(frame->samples - from) : PIECE;
		ndma_sim_fill(settings, at, frame->first, from, piece);
	}
	return true;
}

/* Gives the lock up while samples are written. False: the stream was stopped meanwhile. */
static bool fill(struct memfd_stream *stream, struct run *run, uint32_t index)
{
	struct ndma_sim_settings settings = stream->settings;
	bool whole;

	ndma_memfd_wait_wake(stream);
	pthread_mutex_unlock(&stream->lock);
	whole = fill_samples(stream, &settings, &run->frame, index);
	run->now_ns = ndma_memfd_now_ns();
	pthread_mutex_lock(&stream->lock);
	return whole;
}

static void complete(struct memfd_stream *stream, struct run *run, uint32_t index)
{
	bool samples = stream->settings.pattern != NDMA_SIM_PATTERN_OFF;
	uint64_t stamp_ns;

	run->planned = false;
	if (stream->changed)
		run->frame.flags |= NDMA_FRAME_SETTINGS;
	stream->changed = false;
	if (samples && !fill(stream, run, index)) {
		ndma_memfd_ring_return(stream, index);
		return;
	}
	stamp_ns = run->frame.flags & NDMA_FRAME_TIME_START ? time_of(stream, run, run->frame.first)
							    : run->now_ns;
	ndma_memfd_ring_publish(stream, index, &run->frame, stamp_ns);
	if (samples)
		ndma_memfd_wait_wake(stream);
	else if (!--run->burst)
		give_way(stream, run);
}

static void step(struct memfd_stream *stream, struct run *run)
{
	int index;

	if (!run->planned) {
		plan(stream, run);
		return;
	}
	if (run->due_ns > run->now_ns) {
		run->now_ns = ndma_memfd_now_ns();
		if (run->due_ns > run->now_ns) {
			sleep_until(stream, run, run->due_ns);
			return;
		}
	}
	if (run->frame.lost || (is_timed(stream) && run->now_ns > run->due_ns + FIFO_NS)) {
		ndma_memfd_ring_lose(stream);
		run->planned = false;
		return;
	}
	index = ndma_memfd_ring_next(stream);
	if (index >= 0) {
		complete(stream, run, (uint32_t)index);
	} else if (stream->settings.paced) {
		ndma_memfd_ring_lose(stream);
		run->planned = false;
		ndma_memfd_wait_wake(stream);
	} else {
		sleep_until(stream, run, 0);
	}
}

void *ndma_memfd_sim_run(void *argument)
{
	struct memfd_stream *stream = argument;
	struct run run = { .burst = BURST };

	pthread_mutex_lock(&stream->lock);
	run.origin_ns = (uint64_t)stream->start_monotonic_ns;
	run.origin = stream->sim.position;
	run.now_ns = ndma_memfd_now_ns();
	while (stream->running && stream->remaining)
		step(stream, &run);
	if (stream->running)
		ndma_memfd_wait_set_state(stream, NDMA_STREAM_IDLE);
	pthread_mutex_unlock(&stream->lock);
	return NULL;
}
