// SPDX-License-Identifier: GPL-2.0-only
/* Recordings: what is written opens, whatever ended it, and damage is told, never taken for data. */
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "sim.h"

#define FRAMES 40

FIXTURE(record)
{
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_stream_options options;
	struct ndma_record *record;
	struct ndma_recording *recording;
	char directory[32];
	char path[64];
};

ON_EVERY_BACKEND(record);

FIXTURE_SETUP(record)
{
	OPEN_SIM();
	self->options.samples = 100;
	self->options.channels = 2;
	self->options.format = "<h";
	strcpy(self->directory, "/tmp/ndma-record-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->directory));
	snprintf(self->path, sizeof(self->path), "%s/run", self->directory);
}

FIXTURE_TEARDOWN(record)
{
	char command[64];

	ndma_recording_close(self->recording);
	ndma_record_close(self->record);
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
	snprintf(command, sizeof(command), "rm -rf %s", self->directory);
	if (*self->directory && system(command))
		abort();
}

/* Records @count frames as they come, @batch at a time; the error that ended it, or 0. */
static int take(struct ndma_stream *stream, struct ndma_record *record, int count, int batch)
{
	struct ndma_frame frames[16];
	int rc = 0, got, i;

	while (!rc && count > 0) {
		got = ndma_stream_next_batch(stream, frames,
					     (size_t)(batch < count ? batch : count),
					     (size_t)(batch < count ? batch : count),
					     10 * SECOND_NS);
		if (got <= 0)
			return got ? got : -ENODATA;
		rc = ndma_record_write(record, frames, (size_t)got);
		for (i = 0; i < got; i++)
			ndma_stream_release(stream, &frames[i]);
		count -= got;
	}
	return rc;
}

#define RECORD(flags_, ...)                                                                \
	do {                                                                               \
		struct ndma_record_options how = NDMA_RECORD_OPTIONS_INIT;                 \
		how.flags = (flags_);                                                      \
                                                                                           \
		OPEN_STREAM(&self->options, UNPACED, __VA_ARGS__);                         \
		ASSERT_DONE(ndma_record_open(self->path, self->source, self->stream, &how, \
					     &self->record));                              \
		ASSERT_DONE(ndma_stream_start(self->stream, 0));                           \
		ASSERT_DONE(take(self->stream, self->record, FRAMES, 3));                  \
	} while (0)

static int open_file(const char *stem, const char *suffix, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", stem, suffix);
	return open(path, flags | O_CLOEXEC, 0666);
}

/* The whole of a file: bytes, or -1. */
static ssize_t slurp(const char *stem, const char *suffix, char *bytes, size_t room)
{
	int fd = open_file(stem, suffix, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : pread(fd, bytes, room, 0);

	close(fd);
	return got;
}

static bool spill(const char *stem, const char *suffix, const char *bytes, size_t count)
{
	int fd = open_file(stem, suffix, O_WRONLY | O_CREAT | O_TRUNC);
	bool done = fd >= 0 && write(fd, bytes, count) == (ssize_t)count;

	close(fd);
	return done;
}

/* Sample @at of channel @channel of frame @number, as the file has it: planar. */
static int16_t sample(struct ndma_recording *recording, uint64_t number, int channel, int at)
{
	struct ndma_recording_info info;
	int16_t value = -1;

	ndma_recording_info(recording, &info);
	if (pread(ndma_recording_data_fd(recording), &value, 2,
		  (off_t)(info.data_offset + number * info.frame_bytes) +
			  channel * info.layout.strides[0] + at * info.layout.strides[1]) != 2)
		return -1;
	return value;
}

TEST_F(record, opens_with_times_and_holes)
{
	struct ndma_recording_frame frames[FRAMES + 1];
	struct ndma_recording_hole holes[FRAMES];
	struct ndma_recording_info info;
	struct ndma_source_channel channel;
	uint64_t sequence = 0, dropped = 0;
	int i;

	RECORD(0, { "fault_drop", 7 });
	ASSERT_DONE(ndma_record_finish(self->record));
	ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
	ASSERT_DONE(ndma_recording_info(self->recording, &info));
	EXPECT_EQ(FRAMES, info.frames);
	EXPECT_EQ(FRAMES, info.synced);
	EXPECT_TRUE(info.closed);
	EXPECT_EQ(1, info.runs);
	EXPECT_EQ(400, info.frame_bytes);
	ASSERT_EQ(FRAMES, ndma_recording_frames(self->recording, 0, frames, FRAMES + 1));
	for (i = 0; i < FRAMES; i++) {
		EXPECT_EQ(frames[i].completion.sequence, sequence + frames[i].completion.dropped);
		sequence = frames[i].completion.sequence + 1;
		dropped += frames[i].completion.dropped;
		EXPECT_EQ((int16_t)(frames[i].completion.hw_timestamp + 9),
			  sample(self->recording, (uint64_t)i, 0, 9));
		EXPECT_LT(1600000000 * SECOND_NS, frames[i].realtime_ns);
	}
	EXPECT_LE(FRAMES / 7, dropped);
	EXPECT_EQ(dropped, info.dropped);
	ASSERT_EQ(info.holes, ndma_recording_holes(self->recording, holes, FRAMES));
	EXPECT_EQ(0, holes[0].number);
	EXPECT_EQ(NDMA_RECORDED_RUN, holes[0].frame.flags);
	for (i = 1; i < (int)info.holes; i++) {
		EXPECT_EQ(1, holes[i].frame.completion.dropped);
		EXPECT_EQ(frames[holes[i].number].completion.sequence,
			  holes[i].frame.completion.sequence);
	}
	ASSERT_DONE(ndma_recording_channel(self->recording, 1, &channel));
	EXPECT_STREQ("V", channel.unit);
	EXPECT_EQ(-EINVAL, ndma_recording_channel(self->recording, 2, &channel));
}

TEST_F(record, opens_while_it_grows_and_before_it_is_finished)
{
	struct ndma_recording_info info;
	char head[4096];

	RECORD(0, { NULL, 0 });
	ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
	ASSERT_DONE(ndma_recording_info(self->recording, &info));
	EXPECT_EQ(FRAMES, info.frames);
	EXPECT_EQ(0, info.synced);
	EXPECT_FALSE(info.closed);
	ASSERT_DONE(take(self->stream, self->record, 10, 1));
	ASSERT_DONE(ndma_record_sync(self->record));
	ASSERT_DONE(ndma_recording_refresh(self->recording));
	ASSERT_DONE(ndma_recording_info(self->recording, &info));
	EXPECT_EQ(FRAMES + 10, info.frames);
	EXPECT_EQ(FRAMES + 10, info.synced);
	ASSERT_EQ(sizeof(head), slurp(self->path, ".npy", head, sizeof(head)));
	EXPECT_NE(NULL, strstr(head + 10, "'shape': (                  50, 2, 100)"));
	ndma_record_close(self->record);
	self->record = NULL;
	ASSERT_EQ(0, ndma_recording_repair(self->path, &info));
	EXPECT_TRUE(info.closed);
}

/* Every frame is as it was recorded, or called damaged. */
static bool is_honest(struct ndma_recording *recording,
		      const struct ndma_recording_frame *true_frames)
{
	struct ndma_recording_frame frames[FRAMES];
	ssize_t count = ndma_recording_frames(recording, 0, frames, FRAMES), i;

	for (i = 0; i < count; i++)
		if (memcmp(&frames[i], &true_frames[i], sizeof(*frames)) &&
		    frames[i].flags != NDMA_RECORDED_DAMAGED)
			return false;
	return count >= 0;
}

TEST_F(record, with_a_flipped_bit_in_its_index_is_refused_or_says_which_frame)
{
	struct ndma_recording_frame frames[FRAMES];
	struct ndma_recording_info info;
	char index[16384], flipped[16384];
	unsigned int refused = 0, told = 0;
	ssize_t bytes, at;

	RECORD(0, { "fault_drop", 7 });
	ASSERT_DONE(ndma_record_finish(self->record));
	ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
	ASSERT_EQ(FRAMES, ndma_recording_frames(self->recording, 0, frames, FRAMES));
	ndma_recording_close(self->recording);
	self->recording = NULL;
	bytes = slurp(self->path, ".ndma", index, sizeof(index));
	ASSERT_LT(0, bytes);
	for (at = 0; at < bytes; at += 3) {
		memcpy(flipped, index, (size_t)bytes);
		flipped[at] ^= (char)(1 << at % 8);
		ASSERT_TRUE(spill(self->path, ".ndma", flipped, (size_t)bytes));
		if (ndma_recording_open(self->path, &self->recording)) {
			ASSERT_WORDS("run.ndma");
			refused++;
			continue;
		}
		ASSERT_TRUE(is_honest(self->recording, frames))
		{
			TH_LOG("byte %zd", at);
		}
		ASSERT_DONE(ndma_recording_info(self->recording, &info));
		told += info.damaged == 1;
		ndma_recording_close(self->recording);
		self->recording = NULL;
	}
	EXPECT_LT(0, refused);
	EXPECT_LT(0, told);
}

TEST_F(record, cut_off_anywhere_has_the_whole_frames_before)
{
	char data[32768], index[16384];
	ssize_t data_bytes, index_bytes, at;
	struct ndma_recording_info info;

	RECORD(0, { NULL, 0 });
	ASSERT_DONE(ndma_record_finish(self->record));
	data_bytes = slurp(self->path, ".npy", data, sizeof(data));
	index_bytes = slurp(self->path, ".ndma", index, sizeof(index));
	ASSERT_EQ(4096 + FRAMES * 400, data_bytes);
	for (at = 4096; at < data_bytes; at += 133) {
		ASSERT_TRUE(spill(self->path, ".npy", data, (size_t)at));
		ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
		ASSERT_DONE(ndma_recording_info(self->recording, &info));
		EXPECT_EQ((uint64_t)(at - 4096) / 400, info.frames);
		EXPECT_EQ(FRAMES, info.synced);
		ndma_recording_close(self->recording);
		self->recording = NULL;
	}
	ASSERT_TRUE(spill(self->path, ".npy", data, (size_t)data_bytes));
	for (at = 0; at < index_bytes; at += 31) {
		ASSERT_TRUE(spill(self->path, ".ndma", index, (size_t)at));
		if (at < index_bytes - FRAMES * 80) {
			EXPECT_EQ(-EILSEQ, ndma_recording_open(self->path, &self->recording));
			continue;
		}
		ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
		ASSERT_DONE(ndma_recording_info(self->recording, &info));
		EXPECT_EQ((uint64_t)(at - (index_bytes - FRAMES * 80)) / 80, info.frames);
		ndma_recording_close(self->recording);
		self->recording = NULL;
	}
}

TEST_F(record, knows_entries_that_changed_places)
{
	char index[16384], one[80];
	struct ndma_recording_info info;
	ssize_t bytes;
	char *first;

	RECORD(0, { NULL, 0 });
	ASSERT_DONE(ndma_record_finish(self->record));
	bytes = slurp(self->path, ".ndma", index, sizeof(index));
	first = index + bytes - FRAMES * 80;
	memcpy(one, first + 80 * 5, 80);
	memcpy(first + 80 * 5, first + 80 * 6, 80);
	memcpy(first + 80 * 6, one, 80);
	ASSERT_TRUE(spill(self->path, ".ndma", index, (size_t)bytes));
	EXPECT_EQ(2, ndma_recording_repair(self->path, &info));
	EXPECT_EQ(FRAMES, info.frames);
}

TEST_F(record, refuses_the_index_of_another_one)
{
	char first[64], index[16384];
	ssize_t bytes;

	RECORD(0, { NULL, 0 });
	bytes = slurp(self->path, ".ndma", index, sizeof(index));
	ASSERT_LT(0, bytes);
	ndma_record_close(self->record);
	memcpy(first, self->path, sizeof(first));
	snprintf(self->path, sizeof(self->path), "%s/other", self->directory);
	ASSERT_DONE(ndma_record_open(self->path, self->source, self->stream, NULL, &self->record));
	ASSERT_DONE(take(self->stream, self->record, FRAMES, 3));
	ASSERT_TRUE(spill(self->path, ".ndma", index, (size_t)bytes));
	EXPECT_EQ(-EILSEQ, ndma_recording_open(self->path, &self->recording));
	ASSERT_WORDS("index of another recording");
	EXPECT_EQ(0, ndma_recording_open(first, &self->recording));
}

TEST_F(record, is_nobody_elses_while_it_grows)
{
	struct ndma_record_options append = { .size = sizeof(append), .flags = NDMA_RECORD_APPEND };
	struct ndma_record_options replace = { .size = sizeof(replace),
					       .flags = NDMA_RECORD_REPLACE };
	struct ndma_record *other;

	RECORD(0, { NULL, 0 });
	EXPECT_EQ(-EEXIST, ndma_record_open(self->path, NULL, self->stream, NULL, &other));
	ASSERT_WORDS("is there");
	EXPECT_EQ(-EBUSY, ndma_record_open(self->path, NULL, self->stream, &append, &other));
	EXPECT_EQ(-EBUSY, ndma_record_open(self->path, NULL, self->stream, &replace, &other));
	EXPECT_EQ(-EBUSY, ndma_recording_repair(self->path, NULL));
	ASSERT_WORDS("being recorded");
	ASSERT_DONE(take(self->stream, self->record, FRAMES, 3));
	ASSERT_DONE(ndma_record_finish(self->record));
	ndma_record_close(self->record);
	ASSERT_DONE(ndma_record_open(self->path, NULL, self->stream, &replace, &self->record));
	EXPECT_EQ(0, ndma_record_frames(self->record));
}

TEST_F(record, goes_on_in_a_new_run)
{
	struct ndma_record_options append = { .size = sizeof(append), .flags = NDMA_RECORD_APPEND };
	struct ndma_recording_hole holes[4];
	struct ndma_recording_info info;

	ASSERT_EQ(0, ndma_stream_create(self->source, (self->options.samples = 100, &self->options),
					&self->stream));
	EXPECT_EQ(-ENOENT,
		  ndma_record_open(self->path, NULL, self->stream, &append, &self->record));
	ndma_stream_free(self->stream);
	RECORD(0, { NULL, 0 });
	/* Not finished: as of one that was killed. */
	ndma_record_close(self->record);
	self->record = NULL;
	ndma_stream_free(self->stream);
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_record_open(self->path, NULL, self->stream, &append, &self->record));
	EXPECT_EQ(FRAMES, ndma_record_frames(self->record));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_DONE(take(self->stream, self->record, 10, 1));
	ASSERT_DONE(ndma_record_finish(self->record));
	ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
	ASSERT_DONE(ndma_recording_info(self->recording, &info));
	EXPECT_EQ(FRAMES + 10, info.frames);
	EXPECT_EQ(2, info.runs);
	ASSERT_EQ(2, ndma_recording_holes(self->recording, holes, 4));
	EXPECT_EQ(FRAMES, holes[1].number);
	EXPECT_EQ(NDMA_RECORDED_RUN, holes[1].frame.flags);
	ndma_record_close(self->record);
	self->record = NULL;
	ndma_stream_free(self->stream);
	self->options.samples = 101;
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	EXPECT_EQ(-EINVAL,
		  ndma_record_open(self->path, NULL, self->stream, &append, &self->record));
	ASSERT_WORDS("another layout");
}

TEST_F(record, fills_short_frames_up_with_zeros)
{
	struct ndma_recording_info info;

	RECORD(0, { "fault_short", 5 });
	ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
	ASSERT_DONE(ndma_recording_info(self->recording, &info));
	EXPECT_EQ(FRAMES / 5, info.partial);
	EXPECT_EQ(4 * 100 + 49, sample(self->recording, 4, 0, 49));
	EXPECT_EQ(0, sample(self->recording, 4, 0, 50));
	EXPECT_EQ(4096 + 4 * 100, sample(self->recording, 4, 1, 0));
	EXPECT_EQ(0, sample(self->recording, 4, 1, 99));
}

TEST_F(record, keeps_samples_in_the_order_they_lie_in)
{
	char text[4096] = "";

	self->options.order = NDMA_ORDER_INTERLEAVED;
	RECORD(0, { "fault_drop", 7 });
	ASSERT_DONE(ndma_record_finish(self->record));
	ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
	EXPECT_EQ(7, sample(self->recording, 0, 0, 7));
	EXPECT_EQ(4096 + 7, sample(self->recording, 0, 1, 7));
	ASSERT_LT(0, slurp(self->path, ".npy", text, sizeof(text) - 1));
	EXPECT_NE(NULL, strstr(text + 10, "40, 100, 2)"));
	ASSERT_LT(0, slurp(self->path, ".sigmf-meta", text, sizeof(text) - 1));
	EXPECT_NE(NULL, strstr(text, "\"core:datatype\": \"ri16_le\""));
	EXPECT_NE(NULL, strstr(text, "\"core:sample_start\": 600, \"core:global_index\": 700"));
}

TEST_F(record, on_a_full_disk_has_the_frames_that_fitted)
{
	struct rlimit limit = { .rlim_cur = 4096 + 25 * 400 + 123, .rlim_max = RLIM_INFINITY };
	struct ndma_recording_info info;

	signal(SIGXFSZ, SIG_IGN);
	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_record_open(self->path, self->source, self->stream, NULL, &self->record));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_EQ(-EFBIG, take(self->stream, self->record, FRAMES, 8));
	ASSERT_WORDS("run.npy");
	EXPECT_EQ(25, ndma_record_frames(self->record));
	EXPECT_EQ(0, ndma_record_finish(self->record));
	ASSERT_DONE(ndma_recording_open(self->path, &self->recording));
	ASSERT_DONE(ndma_recording_info(self->recording, &info));
	EXPECT_EQ(25, info.frames);
	EXPECT_EQ(1, info.holes);
}

TEST_F(record, with_checksums_finds_a_flipped_sample)
{
	char data[32768];
	ssize_t bytes;

	RECORD(NDMA_RECORD_CHECKSUM, { "fault_short", 5 });
	ASSERT_DONE(ndma_record_finish(self->record));
	ndma_record_close(self->record);
	self->record = NULL;
	EXPECT_EQ(0, ndma_recording_repair(self->path, NULL));
	bytes = slurp(self->path, ".npy", data, sizeof(data));
	data[4096 + 17 * 400 + 3] ^= 8;
	ASSERT_TRUE(spill(self->path, ".npy", data, (size_t)bytes));
	EXPECT_EQ(1, ndma_recording_repair(self->path, NULL));
}

TEST_F(record, to_a_pipe_is_the_samples_alone)
{
	char path[80];
	int16_t values[1000];
	int fd;

	snprintf(path, sizeof(path), "%s/pipe", self->directory);
	ASSERT_EQ(0, mkfifo(path, 0600));
	fd = open(path, O_RDWR | O_CLOEXEC);
	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_record_open(path, self->source, self->stream, NULL, &self->record));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_DONE(take(self->stream, self->record, 5, 2));
	EXPECT_EQ(0, ndma_record_sync(self->record));
	EXPECT_EQ(0, ndma_record_finish(self->record));
	ASSERT_EQ(sizeof(values), read(fd, values, sizeof(values)));
	EXPECT_EQ(100, values[200]);
	EXPECT_EQ(4096 + 4 * 100 + 99, values[999]);
	close(fd);
}

TEST_F(record, refuses_what_cannot_be_with_words)
{
	struct ndma_record_options odd = { .size = sizeof(odd), .flags = 64 };
	char path[300];

	OPEN_STREAM(&self->options, UNPACED);
	EXPECT_EQ(-EINVAL, ndma_record_open(self->path, NULL, self->stream, &odd, &self->record));
	EXPECT_EQ(-EINVAL, ndma_record_open("/tmp/", NULL, self->stream, NULL, &self->record));
	ASSERT_WORDS("name of a file");
	EXPECT_EQ(-ENOENT, ndma_record_open("/nowhere/x", NULL, self->stream, NULL, &self->record));
	ASSERT_WORDS("/nowhere");
	memset(path, 'n', sizeof(path));
	path[sizeof(path) - 1] = 0;
	EXPECT_EQ(-ENAMETOOLONG, ndma_record_open(path, NULL, self->stream, NULL, &self->record));
	EXPECT_EQ(-ENOENT, ndma_recording_open(self->path, &self->recording));
	ASSERT_TRUE(spill(self->path, ".npy", "samples", 7));
	EXPECT_EQ(-EEXIST, ndma_record_open(self->path, NULL, self->stream, NULL, &self->record));
	EXPECT_EQ(-ENOENT, ndma_recording_open(self->path, &self->recording));
	ASSERT_WORDS("run.ndma");
}

TEST_HARNESS_MAIN
