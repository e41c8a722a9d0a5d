// SPDX-License-Identifier: MIT
/*
 * ndma-acquire: take N frames from a source into a NumPy file, and say loudly if anything is missing.
 *
 *	ndma-acquire sim0 -n 1000 -s 65536 --set rate=1e6 -o run.npy
 *
 * The frames are written from where the card put them; what describes them goes to run.json. In
 * Python: np.load("run.npy", mmap_mode="r") has the shape (frame, channel, sample).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "acquire.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

/**
 * struct run - one acquisition, from start to summary
 * @options: what was asked for
 * @source, @stream: what it comes from
 * @recording: or NULL
 * @pattern: or NULL
 * @taken: frames so far
 * @bytes: of valid samples so far
 * @wrong: frames with wrong samples
 * @loss: what is missing
 * @begin: when it began, in seconds
 * @shown: when progress was last shown
 */
struct run {
	const struct acquire_options *options;
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct recording *recording;
	struct pattern *pattern;
	uint64_t taken;
	uint64_t bytes;
	uint64_t wrong;
	struct loss loss;
	double begin;
	double shown;
};

static int complain(const char *what)
{
	fprintf(stderr, "ndma-acquire: %s: %s\n", what, ndma_error());
	return -1;
}

static void show_progress(struct run *run, bool last)
{
	double now = seconds();

	if (run->options->quiet || !isatty(STDERR_FILENO) || (!last && now - run->shown < 0.2))
		return;
	run->shown = now;
	fprintf(stderr, "\r%s: %llu of %llu frames, %.1f MB/s, %llu lost \033[K%s",
		run->options->source, (unsigned long long)run->taken,
		(unsigned long long)run->options->count, run->bytes / (now - run->begin) / 1e6,
		(unsigned long long)run->loss.dropped, last ? "\n" : "");
}

static void count_loss(struct loss *loss, const struct ndma_frame *frame)
{
	loss->dropped += frame->dropped;
	loss->partial += !!(frame->completion.flags & NDMA_FRAME_PARTIAL);
	loss->overflow += !!(frame->completion.flags & NDMA_FRAME_OVERFLOW);
	loss->error += !!(frame->completion.flags & NDMA_FRAME_ERROR);
}

/* One frame, from the card's hands to the disk's. */
static int use(struct run *run, const struct ndma_frame *frame)
{
	count_loss(&run->loss, frame);
	run->taken++;
	run->bytes += frame->completion.bytes_used;
	if (run->pattern && !pattern_check(run->pattern, frame))
		run->wrong++;
	return run->recording ? recording_add(run->recording, frame) : 0;
}

static int take_frames(struct run *run)
{
	struct ndma_frame frame;
	int rc = 0;

	while (run->taken < run->options->count && !interrupted) {
		rc = ndma_stream_next(run->stream, &frame, run->options->timeout_ns);
		if (rc == -EINTR)
			continue;
		if (rc < 0)
			return complain("waiting for a frame");
		if (rc == 0)
			return 0;
		rc = use(run, &frame);
		ndma_stream_release(run->stream, &frame);
		if (rc)
			return rc;
		show_progress(run, false);
	}
	return 0;
}

/* Without these words a user takes sim0 for the module's, or for a card. */
static void tell_simulation(const struct ndma_source *source)
{
	const char *chosen = getenv("NDMA_BACKEND");

	if ((!chosen || !*chosen) && !strcmp(ndma_source_backend(source), "memfd"))
		fprintf(stderr,
			"ndma-acquire: %s: this process simulates %s (NDMA_BACKEND=memfd says that "
			"this is meant)\n",
			ndma_backend_reason(), ndma_source_name(source));
}

static int prepare(struct run *run)
{
	const struct acquire_options *options = run->options;
	unsigned int i;

	if (ndma_source_open(options->source, &run->source))
		return complain(options->source);
	tell_simulation(run->source);
	for (i = 0; i < options->nr_settings; i++)
		if (acquire_set(run->source, options->settings[i]))
			return -1;
	if (ndma_stream_create(run->source, &options->stream, &run->stream))
		return complain("making a stream");
	if (options->check) {
		run->pattern = pattern_of(run->stream, run->source);
		if (!run->pattern)
			return -1;
	}
	if (options->output)
		return recording_open(options->output, run->stream, options->direct,
				      &run->recording);
	return 0;
}

static int acquire(struct run *run)
{
	int rc;

	if (ndma_stream_start(run->stream, 0))
		return complain("starting");
	run->begin = seconds();
	rc = take_frames(run);
	show_progress(run, true);
	ndma_stream_close(run->stream);
	return rc;
}

static void print_loss(FILE *file, const struct loss *loss)
{
	fprintf(file, "%llu frames dropped, %llu short, %llu with lost samples, %llu with errors\n",
		(unsigned long long)loss->dropped, (unsigned long long)loss->partial,
		(unsigned long long)loss->overflow, (unsigned long long)loss->error);
}

static bool is_incomplete(const struct run *run)
{
	const struct loss *loss = &run->loss;

	return loss->dropped || loss->partial || loss->overflow || loss->error ||
	       run->taken < run->options->count;
}

/* --quiet keeps quiet about success, never about a loss. */
static void tell_loss(const struct run *run)
{
	if (!is_incomplete(run))
		return;
	fprintf(stderr, "ndma-acquire: %llu of %llu frames; lost: ", (unsigned long long)run->taken,
		(unsigned long long)run->options->count);
	print_loss(stderr, &run->loss);
}

static void summarize(const struct run *run)
{
	double took = seconds() - run->begin;

	if (run->options->quiet) {
		tell_loss(run);
		return;
	}
	printf("%llu of %llu frames, %.1f MB in %.3f s (%.1f MB/s) from %s (%s%s)\n",
	       (unsigned long long)run->taken, (unsigned long long)run->options->count,
	       run->bytes / 1e6, took, run->bytes / took / 1e6, run->options->source,
	       ndma_source_backend(run->source),
	       ndma_source_is_simulated(run->source) ? ", simulated" : "");
	printf("lost: ");
	print_loss(stdout, &run->loss);
	if (run->pattern)
		printf("checked: %llu of %llu frames are right to the bit\n",
		       (unsigned long long)(run->taken - run->wrong),
		       (unsigned long long)run->taken);
	if (run->options->output)
		printf("written: %s\n", run->options->output);
}

static int status_of(const struct run *run, int rc)
{
	if (rc || acquire_flush())
		return EXIT_TROUBLE;
	if (run->wrong)
		return EXIT_WRONG;
	return is_incomplete(run) ? EXIT_LOSS : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct acquire_options options;
	struct run run = { .options = &options };
	int rc;

	acquire_parse(&options, argc, argv);
	/* No SA_RESTART: a wait ends at once, and the file is completed with what has arrived. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	rc = prepare(&run);
	if (!rc) {
		rc = acquire(&run);
		if (run.recording && recording_close(run.recording, run.source, &run.loss))
			rc = -1;
		summarize(&run);
	}
	rc = status_of(&run, rc);
	pattern_free(run.pattern);
	ndma_stream_free(run.stream);
	ndma_source_close(run.source);
	return rc;
}
