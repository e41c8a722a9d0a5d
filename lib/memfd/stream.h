/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the memfd backend: the simulated card and its streams.
 *
 * A stream's thread does what the module does: it is the only one that gives frames away and takes
 * them in, by the same rings and rules (uapi/linux/ndma.h). The user's mapping of the completions
 * cannot write, and what the user writes is not believed.
 *
 * Locks, outermost first: stream->run, card->lock, stream->lock. None is touched in a child of
 * fork, where the thread is not.
 */
#ifndef NDMA_LIB_MEMFD_STREAM_H
#define NDMA_LIB_MEMFD_STREAM_H

#include "memfd.h"
#include "ndma_sim.h"

#define MEMFD_CONTROLS	14

struct memfd_format {
	const char *format;
	uint32_t itemsize;
	uint32_t bits;
	uint32_t orders;
	uint32_t flags;
};

struct memfd_channel {
	const char *name;
	const char *unit;
	struct ndma_rational scale;
	struct ndma_rational offset;
};

struct memfd_control {
	uint32_t id;
	uint32_t type;
	const char *name;
	const char *unit;
	int32_t exponent;
	bool live;
	int64_t min, max, step, preset;
	const char *const *menu;
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
 * @wake_fd: writing end of the pipe; -1: closed, for POLLHUP
 * @writable: the user may write to frames
 * @device: mapping of all frames for the thread
 * @completions: mapping of the completions for the thread
 * @run: start, stop and what follows
 * @thread: fills frames
 * @threaded: it is there, or was not joined yet
 * @started: the three below are of a start
 * @start_monotonic_ns: its time
 * @start_realtime_ns: the same moment
 * @rate: at that moment
 * @lock: protects all below
 * @work: the thread sleeps on it: frames to be had, a trigger, an end
 * @values: of the controls
 * @settings: the same for ndma_sim.h
 * @sim: where the card is
 * @running: the thread is to go on
 * @starving: need_wakeup is set
 * @state: NDMA_STREAM_…, as published
 * @wanted: make the pipe readable at so many ready frames; 0: it is
 * @head: completions published
 * @taken: of these, known to be taken or stolen
 * @cursor: releases taken in
 * @order: frame of each completion
 * @states: enum memfd_frame_state of each frame
 * @counts: frames in each state
 * @free: ring of free frames, counts[MEMFD_FRAME_FREE] of them
 * @free_first: the first of them
 * @remaining: frames until the end of this run
 * @sequence: of the next frame
 * @lost: since the last completion
 * @stats: the counters
 */
struct memfd_stream {
	struct ndma_stream base;
	struct memfd_card *card;
	struct memfd_stream *next;
	const struct memfd_format *format;
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
extern const struct memfd_control ndma_memfd_controls[MEMFD_CONTROLS];
void ndma_memfd_control_presets(int64_t *values);
/* @values[…] of a control. */
int64_t ndma_memfd_control_value(const int64_t *values, uint32_t id);
/* Words and -EINVAL: none such; -EBUSY: @running; -ERANGE: the nearest is in *@value. A button
 * changes nothing.
 */
int ndma_memfd_control_store(int64_t *values, uint32_t id, int64_t *value, bool running);
int ndma_memfd_control_query(const struct ndma_source *source, uint32_t id,
			     struct ndma_control_info *info);
int ndma_memfd_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index,
			    char name[NDMA_NAME_MAX]);
int ndma_memfd_control_get(const struct ndma_source *source, uint32_t id, int64_t *value);
int ndma_memfd_control_set(struct ndma_source *source, uint32_t id, int64_t *value);

/* card.c */
extern const struct memfd_format ndma_memfd_formats[];
extern const uint32_t ndma_memfd_nr_formats;
extern const uint32_t ndma_memfd_nr_channels;
/* All but the name, the rate and the start. */
void ndma_memfd_card_info(struct ndma_source_info *info);
int ndma_memfd_card_channel(uint32_t index, struct ndma_source_channel *channel);
/* 0, or -ENODEV with words. */
int ndma_memfd_card_check(struct memfd_card *card);
/* -ENODEV: it is gone. */
int ndma_memfd_card_add(struct memfd_card *card, struct memfd_stream *stream);
void ndma_memfd_card_remove(struct memfd_card *card, struct memfd_stream *stream);
void ndma_memfd_card_put(struct memfd_card *card);
/* Unplugs it: all its streams are gone. No stream's lock is held. */
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
/* Checks the inputs of @setup and computes its outputs. */
int ndma_memfd_setup_plan(struct ndma_stream_setup *setup);
int ndma_memfd_stream_create(const struct ndma_source *source, struct ndma_stream_setup *setup,
			     bool writable, struct ndma_stream **out);
void ndma_memfd_stream_free(struct ndma_stream *stream);

/* stream.c */
/* From values, under the lock. */
void ndma_memfd_stream_configure(struct memfd_stream *stream);
int ndma_memfd_stream_start(struct ndma_stream *stream, uint64_t count);
int ndma_memfd_stream_stop(struct ndma_stream *stream);
int ndma_memfd_stream_stats(const struct ndma_stream *stream, struct ndma_stream_stats *stats);
int ndma_memfd_stream_export(struct ndma_stream *stream, uint32_t index);
int ndma_memfd_stream_info(const struct ndma_stream *stream, struct ndma_source_info *info);
int ndma_memfd_stream_channel(const struct ndma_stream *stream, uint32_t index,
			      struct ndma_source_channel *channel);
int ndma_memfd_stream_control_get(const struct ndma_stream *stream, uint32_t id, int64_t *value);
int ndma_memfd_stream_control_set(struct ndma_stream *stream, uint32_t id, int64_t *value);
void ndma_memfd_stream_close(struct ndma_stream *stream);

/* wait.c. What is not an op of the table wants the lock. */
int ndma_memfd_stream_wait(struct ndma_stream *stream, struct ndma_stream_wait *wait);
int ndma_memfd_stream_kick(struct ndma_stream *stream);
/* Readable, if enough frames are ready for somebody or the stream does not run. */
void ndma_memfd_wait_wake(struct memfd_stream *stream);
/* Not readable, until @wanted frames are ready. */
void ndma_memfd_wait_arm(struct memfd_stream *stream, uint32_t wanted);
void ndma_memfd_wait_set_state(struct memfd_stream *stream, uint32_t state);

/* ring.c, all under the lock */
uint32_t ndma_memfd_ring_note(struct memfd_stream *stream);
void ndma_memfd_ring_drain(struct memfd_stream *stream);
/* A frame for the device, or -1: none is free, and need_wakeup is set. */
int ndma_memfd_ring_next(struct memfd_stream *stream);
void ndma_memfd_ring_return(struct memfd_stream *stream, uint32_t index);
void ndma_memfd_ring_lose(struct memfd_stream *stream);
void ndma_memfd_ring_publish(struct memfd_stream *stream, uint32_t index,
			     const struct ndma_sim_frame *frame, uint64_t timestamp_ns);
/* The device's frames in the user's mapping, of a stream with a guard: hidden, or shown again. */
int ndma_memfd_ring_hide(struct memfd_stream *stream, uint32_t index);
int ndma_memfd_ring_show(struct memfd_stream *stream, uint32_t index);

/* sim.c: the thread */
void *ndma_memfd_sim_run(void *stream);

#endif /* NDMA_LIB_MEMFD_STREAM_H */
