/* SPDX-License-Identifier: MIT */
/* Between the files of ndma-acquire. */
#ifndef ACQUIRE_H
#define ACQUIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ndma.h>

/* Exit statuses; 0: everything asked for has arrived. */
#define EXIT_TROUBLE	1	/* bad arguments, no source, no disk … */
#define EXIT_LOSS	2	/* frames or samples are missing */
#define EXIT_WRONG	3	/* --check found wrong samples */

#define SETTINGS_MAX	32

/* ---------------------------------------------------------------- options.c */

/**
 * struct acquire_options - what the command line says
 * @source: name of the source
 * @count: frames to take
 * @output: path of the .npy, or NULL: nothing is written
 * @settings: "name=value", @nr_settings of them
 * @timeout_ns: longest wait for one frame
 * @check: compare with the pattern that the source makes
 * @direct: write with O_DIRECT
 * @quiet: no progress, no summary
 * @stream: the rest
 */
struct acquire_options {
	const char *source;
	uint64_t count;
	const char *output;
	const char *settings[SETTINGS_MAX];
	unsigned int nr_settings;
	int64_t timeout_ns;
	bool check;
	bool direct;
	bool quiet;
	struct ndma_stream_options stream;
};

/* Fills @options, or prints what is wrong and ends the program. */
void acquire_parse(struct acquire_options *options, int argc, char **argv);
/* Sets the control that "name=value" names. 0, or -1 after printing why not. */
int acquire_set(struct ndma_source *source, const char *setting);
/* EXIT_SUCCESS, or EXIT_TROUBLE after saying that what was printed went nowhere. */
int acquire_flush(void);

/* ---------------------------------------------------------------- recording.c: .npy and .json */

struct recording;

/**
 * struct loss - what is missing in a recording
 * @dropped: frames between the first and the last one that never came
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

/* All return 0, or -1 after printing what went wrong. */
int recording_open(const char *path, struct ndma_stream *stream, bool direct,
		   struct recording **out);
int recording_add(struct recording *recording, const struct ndma_frame *frame);
/* Completes the .npy and writes the .json beside it; frees. */
int recording_close(struct recording *recording, const struct ndma_source *source,
		    const struct loss *loss);

/* ---------------------------------------------------------------- pattern.c: --check */

struct pattern;

/* NULL after printing why @source cannot be checked. */
struct pattern *pattern_of(struct ndma_stream *stream, const struct ndma_source *source);
/* True: every valid sample of the frame is what the source should have made; else prints which not. */
bool pattern_check(struct pattern *pattern, const struct ndma_frame *frame);
void pattern_free(struct pattern *pattern);

#endif /* ACQUIRE_H */
