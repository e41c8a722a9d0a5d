// SPDX-License-Identifier: MIT
/*
 * ndma record: take frames from a source into a recording, and say loudly if anything is missing.
 *
 *	ndma record sim0 -s 65536 --set rate=1e6 -o run
 *
 * The frames are written from where the card put them. In Python: ndma.load("run").
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ndma_ring.h>

#include "record.h"

/* Frames taken at a time. */
#define BATCH 64
/* A signal that comes just before a wait is seen behind it. */
#define SLICE_NS 100000000

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/**
 * struct run - one recording, from start to summary
 * @options: what was asked for
 * @source, @stream: what it comes from
 * @keeper: or NULL: nothing is recorded
 * @record: the file that grows; the keeper's
 * @parts: files so far
 * @part_before: frames that were in this one before this program
 * @part_frames: frames that it gave to this one
 * @part_ns: when it began
 * @pattern: or NULL
 * @wrong: frames with wrong samples
 * @progress: how far it has come
 * @stopped: the source was told to stop: what is ready is taken, and no more comes
 */
struct run {
	const struct record_options *options;
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct keeper *keeper;
	struct ndma_record *record;
	unsigned int parts;
	uint64_t part_before;
	uint64_t part_frames;
	int64_t part_ns;
	struct pattern *pattern;
	uint64_t wrong;
	struct progress progress;
	bool stopped;
};

static int complain(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", record_name, what, ndma_error());
	return -1;
}

/* ---------------------------------------------------------------- files */

static bool is_split(const struct run *run)
{
	return run->options->split_bytes || run->options->split_ns;
}

/* "run", or "run-0001" where there are several. */
static char *part_path(const struct run *run)
{
	const char *output = run->options->output;
	size_t length = strlen(output);
	char *path;

	if (!is_split(run))
		return strdup(output);
	if (length > 4 && !strcmp(output + length - 4, ".npy"))
		length -= 4;
	if (asprintf(&path, "%.*s-%04u", (int)length, output, run->parts + 1) < 0)
		return NULL;
	return path;
}

/* Who asks for --direct hears what became of it. */
static void tell_method(const struct run *run)
{
	bool in_flight = !strncmp(ndma_record_method(run->record), "io_uring", 8);

	if (run->options->record.flags & NDMA_RECORD_DIRECT && !(in_flight && run->options->quiet))
		fprintf(stderr, "%s: --direct: %s\n", record_name, ndma_record_method(run->record));
}

static int open_part(struct run *run)
{
	char *path;
	int rc;

	/* Another thread finishes the one before, and frames go back from this one. */
	if (run->record && ndma_record_wait(run->record, 0) < 0)
		return complain("recording");
	path = part_path(run);
	if (!path) {
		perror(record_name);
		return -1;
	}
	rc = ndma_record_open(path, run->source, run->stream, &run->options->record, &run->record);
	free(path);
	if (rc)
		return complain("recording");
	keeper_give(run->keeper, run->record);
	if (!run->parts++)
		tell_method(run);
	run->part_before = ndma_record_frames(run->record);
	run->part_frames = 0;
	run->part_ns = progress_now_ns();
	return 0;
}

/* Frames that this file still takes. */
static uint64_t part_room(const struct run *run)
{
	uint64_t room = UINT64_MAX;

	if (run->options->split_bytes) {
		room = run->options->split_bytes / run->progress.frame_bytes;
		room = room ? room - run->part_frames : 1 - run->part_frames;
	}
	if (run->options->split_ns && run->part_frames &&
	    progress_now_ns() - run->part_ns >= run->options->split_ns)
		room = 0;
	return room;
}

/* For the disk's name and room, of whatever directory the recording is in. */
static int open_disk(const struct record_options *options)
{
	char *path;
	int fd;

	if (!options->output || !record_is_file(options))
		return -1;
	path = strdup(options->output);
	fd = path ? open(dirname(path), O_PATH | O_CLOEXEC) : -1;
	free(path);
	return fd;
}

/* ---------------------------------------------------------------- frames */

static void count_loss(struct loss *loss, const struct ndma_frame *frame)
{
	loss->dropped += frame->dropped;
	loss->partial += !!(frame->completion.flags & NDMA_FRAME_PARTIAL);
	/* A gap that nobody has counted is samples lost, too. */
	loss->overflow +=
		!!(frame->completion.flags & (NDMA_FRAME_OVERFLOW | NDMA_FRAME_LOSS_UNKNOWN));
	loss->error += !!(frame->completion.flags & NDMA_FRAME_ERROR);
}

/* What did not get to the disk did not arrive. */
static int take_back(struct run *run)
{
	uint64_t there = ndma_record_frames(run->record) - run->part_before;
	uint64_t missing = run->part_frames - there;

	run->progress.taken -= missing;
	run->progress.bytes -= missing * run->progress.frame_bytes;
	run->part_frames = there;
	return complain("recording");
}

/* From the card's hands to the disk's, which give them back. */
static int use(struct run *run, const struct ndma_frame *frames, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		count_loss(&run->progress.loss, &frames[i]);
		run->progress.taken++;
		run->progress.bytes += frames[i].completion.bytes_used;
		if (run->pattern && !pattern_check(run->pattern, &frames[i]))
			run->wrong++;
	}
	if (run->keeper) {
		run->part_frames += (uint64_t)count;
		return ndma_record_submit(run->record, frames, (size_t)count) ? take_back(run) : 0;
	}
	while (count--)
		ndma_stream_release(run->stream, frames++);
	return 0;
}

/* While no frame is ready, those on their way to the disk are waited for: the card needs them back. */
static int wait_for_disk(struct run *run)
{
	int left;

	if (!run->keeper)
		return 0;
	left = ndma_record_wait(run->record, UINT32_MAX);
	while (left > 0 && !ndma_ring_ready(ndma_stream_ring(run->stream)))
		left = ndma_record_wait(run->record, (uint32_t)left - 1);
	return left < 0 ? take_back(run) : 0;
}

/* How many may be taken now; 0: enough. -1: another file could not be opened. */
static int room_now(struct run *run)
{
	uint64_t room = BATCH, part;

	if (run->progress.limit) {
		if (run->progress.taken >= run->progress.limit)
			return 0;
		if (room > run->progress.limit - run->progress.taken)
			room = run->progress.limit - run->progress.taken;
	}
	if (run->keeper && is_split(run)) {
		if (!part_room(run) && open_part(run))
			return -1;
		part = part_room(run);
		room = room < part ? room : part;
	}
	return (int)room;
}

/* Whoever ends it has what the card made up to then: the source stops, and what is ready is taken. */
static void stop_in_time(struct run *run)
{
	const struct record_options *options = run->options;

	if (run->stopped)
		return;
	if (!interrupted &&
	    (!options->time_ns || progress_now_ns() - run->progress.begin_ns < options->time_ns))
		return;
	ndma_stream_stop(run->stream);
	run->stopped = true;
}

/* The library's words are of the last slice. */
static int tell_silence(const struct run *run)
{
	fprintf(stderr, "%s: waiting for a frame: none came from %s within %.3f s\n", record_name,
		run->options->source, (double)run->options->timeout_ns / 1e9);
	return -1;
}

static int take_frames(struct run *run)
{
	struct ndma_frame frames[BATCH];
	int64_t waited_ns = 0, slice_ns;
	int rc, room;

	while ((room = room_now(run)) > 0) {
		stop_in_time(run);
		if (wait_for_disk(run))
			return -1;
		slice_ns = run->options->timeout_ns - waited_ns;
		slice_ns = slice_ns < SLICE_NS ? slice_ns : SLICE_NS;
		rc = ndma_stream_next_batch(run->stream, frames, 1, (size_t)room, slice_ns);
		progress_show(&run->progress, false);
		if (rc == -ETIMEDOUT && (waited_ns += slice_ns) < run->options->timeout_ns)
			continue;
		if (rc == -EINTR)
			continue;
		if (rc == -ETIMEDOUT)
			return tell_silence(run);
		if (rc < 0)
			return complain("waiting for a frame");
		if (rc == 0)
			return 0;
		waited_ns = 0;
		if (use(run, frames, rc))
			return -1;
	}
	return room;
}

/* ---------------------------------------------------------------- from start to summary */

/* Without these words a user takes sim0 for the module's, or for a card. */
static void tell_simulation(const struct ndma_source *source)
{
	const char *chosen = getenv("NDMA_BACKEND");

	if ((!chosen || !*chosen) && !strcmp(ndma_source_backend(source), "memfd"))
		fprintf(stderr,
			"%s: %s: this process simulates %s (NDMA_BACKEND=memfd says that this is "
			"meant)\n",
			record_name, ndma_backend_reason(), ndma_source_name(source));
}

static void prepare_progress(struct run *run)
{
	const struct record_options *options = run->options;
	struct progress *progress = &run->progress;
	const struct ndma_layout *layout = &ndma_stream_setup(run->stream)->layout;
	uint64_t limit;

	progress->options = options;
	progress->stream = run->stream;
	progress->disk = open_disk(options);
	progress->frame_bytes = ndma_layout_size(layout) * layout->itemsize;
	progress->limit = options->count;
	if (options->bytes) {
		limit = (options->bytes - 1) / progress->frame_bytes + 1;
		if (!progress->limit || limit < progress->limit)
			progress->limit = limit;
	}
}

static int prepare(struct run *run)
{
	const struct record_options *options = run->options;
	unsigned int i;

	if (ndma_source_open(options->source, &run->source))
		return complain(options->source);
	tell_simulation(run->source);
	for (i = 0; i < options->nr_settings; i++)
		if (record_set(run->source, options->settings[i]))
			return -1;
	if (ndma_stream_create(run->source, &options->stream, &run->stream))
		return complain("making a stream");
	prepare_progress(run);
	if (options->check) {
		run->pattern = pattern_of(run->stream, run->source);
		if (!run->pattern)
			return -1;
	}
	if (!options->output)
		return 0;
	run->keeper = keeper_start(options->sync_ns);
	return run->keeper ? open_part(run) : -1;
}

static int acquire(struct run *run)
{
	int rc;

	if (ndma_stream_start(run->stream, 0))
		return complain("starting");
	run->progress.begin_ns = run->part_ns = progress_now_ns();
	rc = take_frames(run);
	if (run->keeper && ndma_record_wait(run->record, 0) < 0)
		rc = take_back(run);
	progress_show(&run->progress, true);
	ndma_stream_close(run->stream);
	return rc;
}

static bool is_incomplete(const struct run *run)
{
	const struct loss *loss = &run->progress.loss;

	return loss->dropped || loss->partial || loss->overflow || loss->error ||
	       (run->progress.limit && run->progress.taken < run->progress.limit &&
		!run->options->time_ns);
}

static void print_frames(FILE *file, const struct progress *progress)
{
	fprintf(file, "%llu ", (unsigned long long)progress->taken);
	if (progress->limit)
		fprintf(file, "of %llu ", (unsigned long long)progress->limit);
}

/* --quiet keeps quiet about success, never about a loss. */
static void tell_loss(const struct run *run)
{
	if (!is_incomplete(run))
		return;
	fprintf(stderr, "%s: ", record_name);
	print_frames(stderr, &run->progress);
	fputs("frames; lost: ", stderr);
	record_print_loss(stderr, &run->progress.loss);
}

static void summarize(const struct run *run)
{
	const struct progress *progress = &run->progress;
	double took = (double)(progress_now_ns() - progress->begin_ns) / 1e9;
	/* Not between samples. */
	FILE *file = run->options->output && !record_is_file(run->options) ? stderr : stdout;

	if (run->options->quiet) {
		tell_loss(run);
		return;
	}
	print_frames(file, progress);
	fprintf(file, "frames, %.1f MB in %.3f s (%.1f MB/s) from %s (%s%s)\n",
		(double)progress->bytes / 1e6, took, (double)progress->bytes / took / 1e6,
		run->options->source, ndma_source_backend(run->source),
		ndma_source_is_simulated(run->source) ? ", simulated" : "");
	fputs("lost: ", file);
	record_print_loss(file, &progress->loss);
	if (run->pattern)
		fprintf(file, "checked: %llu of %llu frames are right to the bit\n",
			(unsigned long long)(progress->taken - run->wrong),
			(unsigned long long)progress->taken);
	if (!run->options->output)
		return;
	fputs("written: ", file);
	record_print_name(file, run->options->output);
	if (run->parts > 1)
		fprintf(file, ", in %u files", run->parts);
	putc('\n', file);
}

static int status_of(const struct run *run, int rc)
{
	if (rc || record_flush())
		return EXIT_TROUBLE;
	if (run->wrong)
		return EXIT_WRONG;
	return is_incomplete(run) ? EXIT_LOSS : EXIT_COMPLETE;
}

/* No SA_RESTART: a wait ends at once. A second signal ends the program, and what is recorded stays. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* nohup(1) says that this one is not to end it. */
	if (!sigaction(SIGHUP, NULL, &before) && before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
	/* A pipe without a reader and a file at its limit are errors of a write. */
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

int main(int argc, char **argv)
{
	struct record_options options;
	struct run run = { .options = &options, .progress.disk = -1 };
	/* By the name that it had, or as "ndma acquire". */
	bool was_acquire = argc && strstr(argv[0], "acquire");
	int rc;

	if (was_acquire)
		record_name = "ndma-acquire";
	record_parse(&options, argc, argv);
	/* Under that name it always wrote over what was there, and scripts rely on that. */
	if (was_acquire && !(options.record.flags & NDMA_RECORD_APPEND))
		options.record.flags |= NDMA_RECORD_REPLACE;
	catch_signals();
	rc = prepare(&run);
	if (!rc) {
		rc = acquire(&run);
		rc |= keeper_end(run.keeper);
		summarize(&run);
	} else {
		keeper_end(run.keeper);
	}
	rc = status_of(&run, rc);
	pattern_free(run.pattern);
	if (run.progress.disk >= 0)
		close(run.progress.disk);
	ndma_stream_free(run.stream);
	ndma_source_close(run.source);
	return rc;
}
