/* SPDX-License-Identifier: MIT */
/* Between the files of `ndma record` and `ndma repair`. */
#ifndef NDMA_TOOLS_RECORD_H
#define NDMA_TOOLS_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ndma.h>

/* Exit statuses. */
#define EXIT_COMPLETE	0	/* everything asked for has arrived */
#define EXIT_TROUBLE	1	/* bad arguments, no source, no disk … */
#define EXIT_LOSS	2	/* frames or samples are missing */
#define EXIT_WRONG	3	/* --check found wrong samples */

#define SETTINGS_MAX	32

/* ---------------------------------------------------------------- record_words.c */

/* "ndma record", "ndma repair", or "ndma-acquire" where it was started by that name. */
extern const char *record_name;

/**
 * struct loss - what is missing in a recording
 * @dropped: frames that never came
 * @partial: frames that came short
 * @overflow: frames in which the source lost samples
 * @error: frames that the source itself calls wrong
 */
struct loss {
	uint64_t dropped;
	uint64_t partial;
	uint64_t overflow;
	uint64_t error;
};

void record_print_loss(FILE *file, const struct loss *loss);
/* A name that moves no terminal's cursor. */
void record_print_name(FILE *file, const char *name);
/* EXIT_COMPLETE, or EXIT_TROUBLE after saying that what was printed went nowhere. */
int record_flush(void);

/* ---------------------------------------------------------------- record_options.c */

/**
 * struct record_options - what the command line says
 * @source: name of the source
 * @output: path of the recording, or NULL: nothing is written
 * @count: frames to take; 0: no limit
 * @bytes: likewise, of samples
 * @time_ns: likewise, how long
 * @split_bytes: samples of one file; 0: one file for all
 * @split_ns: time of one file; likewise
 * @sync_ns: between two syncs; 0: none before the end
 * @settings: "name=value", @nr_settings of them
 * @timeout_ns: longest wait for one frame
 * @check: compare with the pattern that the source makes
 * @quiet: no progress, no summary
 * @record: NDMA_RECORD_…
 * @stream: the rest
 */
struct record_options {
	const char *source;
	const char *output;
	uint64_t count;
	uint64_t bytes;
	int64_t time_ns;
	uint64_t split_bytes;
	int64_t split_ns;
	int64_t sync_ns;
	const char *settings[SETTINGS_MAX];
	unsigned int nr_settings;
	int64_t timeout_ns;
	bool check;
	bool quiet;
	struct ndma_record_options record;
	struct ndma_stream_options stream;
};

/* Fills @options, or prints what is wrong and ends the program. */
void record_parse(struct record_options *options, int argc, char **argv);
/* Whether the samples go to a file, and not to a pipe. */
bool record_is_file(const struct record_options *options);
/* Sets the control that "name=value" names. 0, or -1 after printing why not. */
int record_set(struct ndma_source *source, const char *setting);

/* ---------------------------------------------------------------- keeper.c: what may take long */

/**
 * struct keeper - a thread that syncs the recording that grows, and finishes those that do not
 *
 * A disk takes its time for either, and frames come meanwhile.
 */
struct keeper;

/* NULL after printing why not. @sync_ns: between two syncs, or 0. */
struct keeper *keeper_start(int64_t sync_ns);
/* The recording that grows now, or NULL; the one before is finished and closed. */
void keeper_give(struct keeper *keeper, struct ndma_record *record);
/* Waits for all of it. 0, or -1 where something went wrong, which was printed. */
int keeper_end(struct keeper *keeper);

/* ---------------------------------------------------------------- progress.c */

/**
 * struct progress - how far a recording has come
 * @options: what was asked for
 * @stream: where frames come from
 * @limit: frames to take; 0: none
 * @frame_bytes: of a whole frame
 * @begin_ns: when it began, of CLOCK_MONOTONIC
 * @shown_ns: when it was last shown
 * @taken: frames so far
 * @bytes: of valid samples so far
 * @loss: what is missing
 * @disk: a descriptor on the disk that is written to, or -1
 */
struct progress {
	const struct record_options *options;
	struct ndma_stream *stream;
	uint64_t limit;
	uint64_t frame_bytes;
	int64_t begin_ns;
	int64_t shown_ns;
	uint64_t taken;
	uint64_t bytes;
	struct loss loss;
	int disk;
};

int64_t progress_now_ns(void);
/* A line on a terminal, now and then; @last: now, and it stays. */
void progress_show(struct progress *progress, bool last);

/* ---------------------------------------------------------------- pattern.c: --check */

struct pattern;

/* NULL after printing why @source cannot be checked. */
struct pattern *pattern_of(struct ndma_stream *stream, const struct ndma_source *source);
/* True: every valid sample of the frame is what the source should have made; else prints which not. */
bool pattern_check(struct pattern *pattern, const struct ndma_frame *frame);
void pattern_free(struct pattern *pattern);

#endif /* NDMA_TOOLS_RECORD_H */
