/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the memfd backend: the simulated card and its streams.
 *
 * A stream's thread, and the calls that hold the stream's lock, stand in for the module: they move
 * frames by the rings and rules of uapi/linux/ndma.h. The user's mapping of the completions is
 * read-only, and what the user writes to the releases is checked.
 *
 * Locks, outermost first: stream->run, card->lock, stream->lock and source->lock. A child of fork uses none of them:
 * the thread that held one at the fork is not there to give it back.
 */
#ifndef NDMA_LIB_MEMFD_STREAM_H
#define NDMA_LIB_MEMFD_STREAM_H

#include "memfd.h"
#include "ndma_control.h"
#include "ndma_setup.h"
#include "ndma_sim.h"

#define MEMFD_CONTROLS	14

struct memfd_channel {
	const char *name;
	const char *unit;
	struct ndma_rational scale;
	struct ndma_rational offset;
};

/**
 * struct memfd_card - the simulated card behind a source and its streams
 * @refs: the source and each stream
 * @lock: protects what follows
 * @gone: it was unplugged
 * @streams: all of them
 */
struct memfd_card {
	unsigned int refs;
	pthread_mutex_t lock;
	bool gone;
	struct memfd_stream *streams;
};

struct memfd_source {
	struct ndma_source base;
	struct memfd_card *card;
	pthread_mutex_t lock;	/* values */
	int64_t values[MEMFD_CONTROLS];
};

/* Where a frame is. Only a free one is given to the device. */
enum memfd_frame_state {
	MEMFD_FRAME_FREE,
	MEMFD_FRAME_DEVICE,
	MEMFD_FRAME_DONE,	/* published, not taken */
	MEMFD_FRAME_USER,	/* taken, not released */
	MEMFD_FRAME_STATES,
};

/**
 * struct memfd_stream - a stream of this backend
 * @base: what every backend's streams start with; base.fd is the reading end of a pipe
 * @card: its card, kept
 * @next: of the card's streams
 * @format: of the samples
 * @data_fd: memfd of all frames
 * @wake_fd: writing end of the pipe; closed, for POLLHUP, and -1 once the card is gone
 * @writable: the user may write to frames
 * @device: mapping of all frames for the thread
 * @completions: mapping of the completions for the thread
 * @run: start, stop and what follows
 * @thread: fills frames
 * @threaded: there is a thread to join
 * @started: there was a start, and the three below are of the last one
 * @start_monotonic_ns: its time
 * @start_realtime_ns: the same moment
 * @rate: at that moment
 * @lock: protects all below
 * @work: the thread sleeps on it: frames to be had, a trigger, an end
 * @values: of the controls
 * @settings: the values as ndma_sim.h wants them
 * @changed: a control was set since the last frame of this run
 * @sim: how far the card's samples and triggers have come
 * @running: false tells the thread to leave
 * @starving: need_wakeup is set
 * @state: NDMA_STREAM_…, as published
 * @wanted: ready frames at which the pipe becomes readable; 0: it is readable
 * @head: completions published
 * @taken: completions known to be taken or stolen
 * @cursor: releases drained
 * @order: frame of each completion
 * @states: enum memfd_frame_state of each frame
 * @counts: frames in each state
 * @free: ring of free frames, counts[MEMFD_FRAME_FREE] of them
 * @free_first: the first of them
 * @remaining: frames until the end of this run
 * @sequence: of the next frame
 * @lost: since the last completion
 * @anchor_told: number of the anchor of the last completion
 * @stats: the counters
 */
struct memfd_stream {
	struct ndma_stream base;
	struct memfd_card *card;
	struct memfd_stream *next;
	const struct ndma_format_desc *format;
	int data_fd;
	int wake_fd;
	bool writable;
	char *device;
	struct ndma_completions *completions;

	pthread_mutex_t run;
	pthread_t thread;
	bool threaded;
	bool started;
	int64_t start_monotonic_ns;
	int64_t start_realtime_ns;
	struct ndma_rational rate;

	pthread_mutex_t lock;
	pthread_cond_t work;
	int64_t values[MEMFD_CONTROLS];
	struct ndma_sim_settings settings;
	bool changed;
	struct ndma_sim_state sim;
	bool running;
	bool starving;
	uint32_t state;
	uint32_t wanted;
	uint32_t head;
	uint32_t taken;
	uint32_t cursor;
	uint32_t *order;
	uint8_t *states;
	uint32_t counts[MEMFD_FRAME_STATES];
	uint32_t *free;
	uint32_t free_first;
	uint64_t remaining;
	uint64_t sequence;
	uint64_t lost;
	uint32_t anchor_told;
	struct ndma_stream_stats stats;
};

static inline struct memfd_stream *ndma_memfd_stream(const struct ndma_stream *stream)
{
	return (struct memfd_stream *)stream;
}

static inline struct memfd_source *ndma_memfd_source(const struct ndma_source *source)
{
	return (struct memfd_source *)source;
}

/* control.c */
extern const struct ndma_control_desc ndma_memfd_controls[MEMFD_CONTROLS];
void ndma_memfd_control_presets(int64_t *values);
/* @values[…] of a control. */
int64_t ndma_memfd_control_value(const int64_t *values, uint32_t id);
/* Words and -EINVAL: none such, or a button. */
int ndma_memfd_control_load(const int64_t *values, uint32_t id, int64_t *value);
/* Words and -EINVAL: none such; -EBUSY: @running; -ERANGE: the nearest is in *@value. A button
 * changes nothing.
 */
int ndma_memfd_control_store(int64_t *values, uint32_t id, int64_t *value, bool running);
/* Computes a stream's settings from its values. The caller holds the stream's lock. */
void ndma_memfd_stream_configure(struct memfd_stream *stream);
/* As ndma_memfd_control_store(), for a stream, which is told of it. The caller holds the stream's lock. */
int ndma_memfd_control_apply(struct memfd_stream *stream, uint32_t id, int64_t *value);
int ndma_memfd_control_query(const struct ndma_source *source, uint32_t id,
			     struct ndma_control_info *info);
int ndma_memfd_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index,
			    char name[NDMA_NAME_MAX]);
int ndma_memfd_control_get(const struct ndma_source *source, uint32_t id, int64_t *value);
int ndma_memfd_control_set(struct ndma_source *source, uint32_t id, int64_t *value);
int ndma_memfd_stream_control_query(const struct ndma_stream *stream, uint32_t id,
				    struct ndma_control_info *info);
int ndma_memfd_stream_control_menu(const struct ndma_stream *stream, uint32_t id, uint32_t index,
				   char name[NDMA_NAME_MAX]);

/* card.c */
extern const struct ndma_format_desc ndma_memfd_formats[];
extern const uint32_t ndma_memfd_nr_formats;
extern const uint32_t ndma_memfd_nr_channels;
/* Fills in all but the name, the rate and the time of the start. */
void ndma_memfd_card_info(struct ndma_source_info *info);
int ndma_memfd_card_channel(uint32_t index, struct ndma_source_channel *channel);
/* -ENODEV with words: it was unplugged. */
int ndma_memfd_card_check(struct memfd_card *card);
/* A stream of the card, which keeps it. -ENODEV with words: it was unplugged. */
int ndma_memfd_card_add(struct memfd_card *card, struct memfd_stream *stream);
void ndma_memfd_card_remove(struct memfd_card *card, struct memfd_stream *stream);
void ndma_memfd_card_put(struct memfd_card *card);
/*
 * Unplugs it: all its streams are gone. Locks each of them, so the caller holds no stream's lock.
 */
void ndma_memfd_card_vanish(struct memfd_card *card);

/* source.c */
int ndma_memfd_source_list(char (*names)[NDMA_NAME_MAX], size_t room);
int ndma_memfd_source_open(const struct ndma_backend *self, const char *name,
			   struct ndma_source **out);
void ndma_memfd_source_free(struct ndma_source *source);
int ndma_memfd_source_info(const struct ndma_source *source, struct ndma_source_info *info);
int ndma_memfd_source_format(const struct ndma_source *source, uint32_t index,
			     struct ndma_source_format *format);
int ndma_memfd_source_channel(const struct ndma_source *source, uint32_t index,
			      struct ndma_source_channel *channel);

/* setup.c */
/* Checks the inputs of @setup and computes its outputs. @source: its name, for the words. */
int ndma_memfd_setup_plan(const char *source, struct ndma_stream_setup *setup);
int ndma_memfd_stream_create(const struct ndma_source *source, struct ndma_stream_setup *setup,
			     bool writable, struct ndma_stream **out);
void ndma_memfd_stream_free(struct ndma_stream *stream);

/* stream.c */
int ndma_memfd_stream_start(struct ndma_stream *stream, uint64_t count);
int ndma_memfd_stream_stop(struct ndma_stream *stream);
int ndma_memfd_stream_stats(const struct ndma_stream *stream, struct ndma_stream_stats *stats);
int ndma_memfd_stream_export(struct ndma_stream *stream, uint32_t index, bool writable);
int ndma_memfd_stream_info(const struct ndma_stream *stream, struct ndma_source_info *info);
int ndma_memfd_stream_channel(const struct ndma_stream *stream, uint32_t index,
			      struct ndma_source_channel *channel);
int ndma_memfd_stream_control_get(const struct ndma_stream *stream, uint32_t id, int64_t *value);
int ndma_memfd_stream_control_set(struct ndma_stream *stream, uint32_t id, int64_t *value);
void ndma_memfd_stream_close(struct ndma_stream *stream);

/* wait.c. The caller of a function that is no op holds the stream's lock. */
int ndma_memfd_stream_wait(struct ndma_stream *stream, struct ndma_stream_wait *wait);
int ndma_memfd_stream_kick(struct ndma_stream *stream);
/* Makes the pipe readable if as many frames are ready as are wanted, or the stream does not run. */
void ndma_memfd_wait_wake(struct memfd_stream *stream);
/* Empties the pipe, which becomes readable again when @wanted frames are ready. */
void ndma_memfd_wait_arm(struct memfd_stream *stream, uint32_t wanted);
/* Publishes what the stream does, and wakes whoever waits for a frame that will not come. */
void ndma_memfd_wait_set_state(struct memfd_stream *stream, uint32_t state);

/* ring.c. The caller holds the stream's lock. */

/* Moves the frames that were taken since the last look to the user. Returns how many are ready. */
uint32_t ndma_memfd_ring_note(struct memfd_stream *stream);
/* Moves the frames that were released since the last look to the free ones. */
void ndma_memfd_ring_drain(struct memfd_stream *stream);
/* A frame for the device, or -1: none is free, and need_wakeup is set. */
int ndma_memfd_ring_next(struct memfd_stream *stream);
/* A frame that the device did not fill is free again. */
void ndma_memfd_ring_return(struct memfd_stream *stream, uint32_t index);
/* The next frame is lost: counted, so that the one after it says so. */
void ndma_memfd_ring_lose(struct memfd_stream *stream);
/* A frame that was filled is ready. */
void ndma_memfd_ring_publish(struct memfd_stream *stream, uint32_t index,
			     const struct ndma_sim_frame *frame, uint64_t timestamp_ns);
/* Hides a frame that the device may write to in the user's mapping, and shows it again, where the
 * stream has a guard; else nothing.
 */
int ndma_memfd_ring_hide(struct memfd_stream *stream, uint32_t index);
int ndma_memfd_ring_show(struct memfd_stream *stream, uint32_t index);

/* calendar.c */

/* Makes a new anchor if the calendar has moved: see uapi/linux/ndma.h. The caller holds the stream's lock. */
void ndma_memfd_calendar_anchor(struct memfd_stream *stream);

/* sim.c: the thread */
void *ndma_memfd_sim_run(void *stream);

#endif /* NDMA_LIB_MEMFD_STREAM_H */
