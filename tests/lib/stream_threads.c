// SPDX-License-Identifier: GPL-2.0-only
/* What several threads do to one stream at a time. */
#include <malloc.h>
#include <semaphore.h>

#include "after_unlock.h"
#include "sim.h"

FIXTURE(threads)
{
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_stream_options options;
};

ON_EVERY_BACKEND(threads);

FIXTURE_SETUP(threads)
{
	OPEN_SIM();
	self->options.samples = 256;
	self->options.channels = 2;
	self->options.frames = 8;
}

FIXTURE_TEARDOWN(threads)
{
	ndma_stream_free(self->stream);
	ndma_source_close(self->source);
}

/* A thread that stays in a call on a stream, at the call's first step, until it is let go. */
static sem_t inside, go;

static void stay(void)
{
	sem_post(&inside);
	sem_wait(&go);
}

static void *stay_in_kick(void *stream)
{
	after_unlock = stay;
	ndma_stream_kick(stream);
	return NULL;
}

static void *stay_in_close(void *stream)
{
	after_unlock = stay;
	ndma_stream_close(stream);
	return NULL;
}

static int start_stayer(pthread_t *thread, void *(*call)(void *), struct ndma_stream *stream)
{
	int rc;

	sem_init(&inside, 0, 0);
	sem_init(&go, 0, 0);
	rc = pthread_create(thread, NULL, call, stream);
	if (!rc)
		sem_wait(&inside);
	return rc;
}

static pid_t closing;

static void *close_it(void *stream)
{
	closing = gettid();
	ndma_stream_close(stream);
	return NULL;
}

static bool wait_for_closed(struct ndma_stream *stream)
{
	int64_t until = now_ns() + 10 * SECOND_NS, value;
	int rc;

	do {
		sched_yield();
		rc = ndma_stream_control_get(stream, NDMA_CONTROL_RATE, &value);
	} while (rc != -EBADF && now_ns() < until);
	return rc == -EBADF;
}

TEST_F(threads, that_ask_for_counts_while_another_closes_get_no_less_than_before)
{
	struct ndma_stream_stats stats;
	pthread_t stayer, closer;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 8));
	ASSERT_EQ(8, ndma_stream_wait(self->stream, 8, 10 * SECOND_NS));
	ASSERT_EQ(0, start_stayer(&stayer, stay_in_kick, self->stream));
	ASSERT_EQ(0, pthread_create(&closer, NULL, close_it, self->stream));
	EXPECT_TRUE(wait_for_closed(self->stream));
	EXPECT_EQ(0, ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(8, stats.completed);
	EXPECT_EQ(sizeof(stats), stats.size);
	sem_post(&go);
	pthread_join(stayer, NULL);
	pthread_join(closer, NULL);
	EXPECT_EQ(0, ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(8, stats.completed);
	EXPECT_EQ(sizeof(stats), stats.size);
}

struct second {
	struct ndma_stream *stream;
	int fd_after;
	bool through;
};

static void *close_second(void *argument)
{
	struct second *second = argument;

	ndma_stream_close(second->stream);
	second->fd_after = ndma_stream_fd(second->stream);
	__atomic_store_n(&second->through, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F(threads, that_close_second_return_when_it_is_closed)
{
	int64_t until = now_ns() + SECOND_NS / 10;
	pthread_t first, thread;
	struct second second;

	OPEN_STREAM(&self->options, { "rate", 1 });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(0, start_stayer(&first, stay_in_close, self->stream));
	second = (struct second){ .stream = self->stream };
	ASSERT_EQ(0, pthread_create(&thread, NULL, close_second, &second));
	/* Time for one that does not wait for the first. */
	while (!__atomic_load_n(&second.through, __ATOMIC_ACQUIRE) && now_ns() < until)
		sched_yield();
	sem_post(&go);
	pthread_join(first, NULL);
	pthread_join(thread, NULL);
	EXPECT_EQ(-1, second.fd_after);
}

/* The device is quiet, and whoever closes sleeps until others have left their calls. */
static bool wait_for_sleeping_closer(struct ndma_stream *stream)
{
	int64_t until = now_ns() + 10 * SECOND_NS;
	struct ndma_stream_stats stats;
	char path[64], state = 0;
	FILE *file;

	do {
		sched_yield();
		if (ndma_stream_stats(stream, &stats) || stats.state != NDMA_STREAM_IDLE)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", closing);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		if (file)
			fclose(file);
	} while (state != 'S' && now_ns() < until);
	return state == 'S';
}

TEST_F(threads, that_close_at_a_fork_do_not_keep_the_child_from_freeing)
{
	pthread_t stayer, closer;
	struct peer peer;

	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(0, start_stayer(&stayer, stay_in_kick, self->stream));
	ASSERT_EQ(0, pthread_create(&closer, NULL, close_it, self->stream));
	EXPECT_TRUE(wait_for_closed(self->stream));
	EXPECT_TRUE(wait_for_sleeping_closer(self->stream));
	if (!peer_start(&peer)) {
		alarm(30);
		ndma_stream_free(self->stream);
		_exit(0);
	}
	EXPECT_EQ(0, peer_end(&peer));
	sem_post(&go);
	pthread_join(stayer, NULL);
	pthread_join(closer, NULL);
}

/* Another thread that takes what the one that waits was woken for, a few times. */
static struct {
	struct ndma_stream *stream;
	int left;
} thief;

static void steal(void)
{
	struct ndma_frame frame;

	if (ndma_stream_next(thief.stream, &frame, 0) == 1) {
		ndma_stream_release(thief.stream, &frame);
		thief.left--;
	}
	if (thief.left)
		after_unlock = steal;
}

TEST_F(threads, that_steal_what_woke_one_that_waits_do_not_end_its_wait)
{
	OPEN_STREAM(&self->options, { "rate", 25600 });
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	thief.stream = self->stream;
	thief.left = 3;
	after_unlock = steal;
	EXPECT_LT(0, ndma_stream_wait(self->stream, 1, 10 * SECOND_NS));
	after_unlock = NULL;
}

/* A thread that starts a stream again and again, for a while. */
struct restarter {
	struct ndma_stream *stream;
	int failed;
	bool through;
};

static void *restart(void *argument)
{
	struct restarter *restarter = argument;
	int64_t until = now_ns() + SECOND_NS / 2;

	while (!restarter->failed && now_ns() < until)
		restarter->failed = ndma_stream_start(restarter->stream, 0) ||
				    ndma_stream_stop(restarter->stream);
	__atomic_store_n(&restarter->through, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool is_channel(const struct ndma_source_channel *channel, uint32_t index)
{
	return channel->size == sizeof(*channel) && channel->index == index;
}

/* Memory that is freed is filled, so that a look at it is seen. */
TEST_F(threads, that_ask_what_it_is_while_another_starts_it_get_whole_answers)
{
	struct restarter restarter = { 0 };
	struct ndma_source_channel channel;
	struct ndma_source_info info;
	struct ndma_frame frame;
	pthread_t thread;
	uint64_t torn = 0;
	uint32_t i;

	mallopt(M_PERTURB, 0xa5);
	OPEN_STREAM(&self->options, UNPACED);
	ASSERT_DONE(ndma_stream_start(self->stream, 1));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	ASSERT_DONE(ndma_stream_stop(self->stream));
	restarter.stream = self->stream;
	ASSERT_EQ(0, pthread_create(&thread, NULL, restart, &restarter));
	while (!__atomic_load_n(&restarter.through, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 2; i++)
			torn += ndma_stream_channel(self->stream, i, &channel) ||
				!is_channel(&channel, i);
		torn += ndma_stream_info(self->stream, &info) || info.size != sizeof(info);
		torn += ndma_frame_realtime_ns(self->stream, &frame) < SECOND_NS;
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(0, restarter.failed);
	EXPECT_EQ(0, torn);
}

TEST_HARNESS_MAIN
