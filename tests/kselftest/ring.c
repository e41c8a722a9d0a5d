// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two rings: both ends at once, going to sleep and being woken, what a consumer that lies
 * gets, and who loses a frame when there is none left.
 */
#include <pthread.h>
#include <sys/epoll.h>

#include "test.h"
#include "uapi/stream.h"

#include "ndma_sim.h"

#define FRAMES 8
#define SAMPLES 64

FIXTURE(ring)
{
	struct stream stream;
	uint32_t random;
};

FIXTURE_SETUP(ring)
{
	self->stream.fd = source_open("sim0");
	ASSERT_GE(self->stream.fd, 0);
	self->random = 0x2545f491;
	/* As fast as frames become free, and every sample tells its number. */
	ASSERT_EQ(control_set(self->stream.fd, NDMA_SIM_CONTROL_PACED, 0), 0);
	ASSERT_EQ(control_set(self->stream.fd, NDMA_CONTROL_PATTERN, NDMA_WAVE_COUNTER), 0);
}

FIXTURE_TEARDOWN(ring)
{
	stream_end(&self->stream);
}

static uint32_t draw(uint32_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % below;
}

static int make(struct stream *stream, uint32_t frames, uint32_t policy)
{
	struct ndma_stream_setup setup = setup_of(frames, SAMPLES);

	setup.channels = 1;
	setup.policy = policy;
	return stream_make(stream, stream->fd, &setup);
}

/* Does the frame hold the samples that its completion says? */
static bool holds(const struct stream *stream, const struct ndma_completion *completion)
{
	const uint16_t *sample = (uint16_t *)stream_frame(stream, completion->index);
	uint32_t i;

	for (i = 0; i < SAMPLES; i++)
		if (sample[i] != (uint16_t)(completion->hw_timestamp + i))
			return false;
	return true;
}

/* ------------------------------------------------------------ both ends at once */

#define ROUNDS 20000

/* Frames that one thread has taken and another will release. */
struct handover {
	struct stream *stream;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t queue[FRAMES];
	uint32_t in;
	uint32_t out;
	bool over;
};

static void *release_in_batches(void *data)
{
	struct handover *handover = data;
	uint32_t random = 0x9e3779b9, batch[FRAMES], count, i;
	bool wake;

	for (;;) {
		pthread_mutex_lock(&handover->lock);
		while (handover->in == handover->out && !handover->over)
			pthread_cond_wait(&handover->changed, &handover->lock);
		count = handover->in - handover->out;
		if (count)
			count = 1 + draw(&random, count);
		for (i = 0; i < count; i++)
			batch[i] = handover->queue[handover->out++ % FRAMES];
		pthread_mutex_unlock(&handover->lock);
		if (!count)
			return NULL;
		wake = false;
		for (i = 0; i < count; i++)
			wake |= stream_release(handover->stream, batch[i]);
		if (wake)
			stream_kick(handover->stream->fd);
	}
}

static void hand_over(struct handover *handover, const uint32_t *batch, uint32_t count)
{
	uint32_t i;

	pthread_mutex_lock(&handover->lock);
	for (i = 0; i < count; i++)
		handover->queue[handover->in++ % FRAMES] = batch[i];
	handover->over = !count;
	pthread_cond_signal(&handover->changed);
	pthread_mutex_unlock(&handover->lock);
}

TEST_F_TIMEOUT(ring, both_ends_in_two_threads_lose_nothing_through_many_wraps, 300)
{
	struct handover handover = {
		.stream = &self->stream,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	struct ndma_completion completion;
	struct ndma_stream_stats stats;
	uint64_t sequence = 0, wrong = 0;
	pthread_t releaser;

	ASSERT_EQ(make(&self->stream, FRAMES, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(pthread_create(&releaser, NULL, release_in_batches, &handover), 0);
	ASSERT_EQ(stream_start(self->stream.fd, ROUNDS), 0);
	while (sequence < ROUNDS) {
		uint32_t batch[FRAMES], want = 1 + draw(&self->random, FRAMES), got = 0;

		while (got < want && stream_take(&self->stream, &completion)) {
			wrong += completion.sequence != sequence++;
			wrong += !holds(&self->stream, &completion);
			batch[got++] = completion.index;
		}
		if (got)
			hand_over(&handover, batch, got);
		else if (stream_wait(self->stream.fd, 1, PATIENCE_NS) < 0)
			/* Every frame is on its way to the releaser. */
			sched_yield();
	}
	hand_over(&handover, NULL, 0);
	pthread_join(releaser, NULL);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(stream_wait(self->stream.fd, 1, 0), 0);
	stats = stream_stats(self->stream.fd);
	EXPECT_EQ(stats.produced, ROUNDS);
	EXPECT_EQ(stats.completed, ROUNDS);
	EXPECT_EQ(stats.dropped, 0);
	EXPECT_EQ(stats.bad_releases, 0);
	EXPECT_EQ(stats.bad_taken, 0);
	EXPECT_EQ(stats.free_frames, FRAMES);
	EXPECT_EQ(stats.user_frames, 0);
}

/* ------------------------------------------------------------ sleeping and waking */

#define WAKE_ROUNDS 1000

static void *sleep_in_epoll(void *data)
{
	struct stream *stream = data;
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	long woken = -1;

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, stream->fd, &event) == 0)
		woken = epoll_wait(epoll, &event, 1, PATIENCE_NS / MSEC_NS);
	close(epoll);
	return (void *)woken;
}

TEST_F_TIMEOUT(ring, a_device_that_waits_for_frames_is_woken_by_their_release, 300)
{
	struct ndma_completion completion[4];
	struct stream *stream = &self->stream;
	uint32_t round, i;

	ASSERT_EQ(make(stream, 4, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	for (round = 0; round < WAKE_ROUNDS; round++) {
		pthread_t sleeper;
		void *woken;

		ASSERT_EQ(stream_wait(stream->fd, 4, PATIENCE_NS), 4)
			TH_LOG("round %u", round);
		for (i = 0; i < 4; i++)
			ASSERT_TRUE(stream_take(stream, &completion[i]));
		ASSERT_EQ(pthread_create(&sleeper, NULL, sleep_in_epoll, stream), 0);
		for (i = draw(&self->random, 2000); i; i--)
			__asm__ volatile("");
		for (i = 0; i < 4; i++)
			stream_give(stream, completion[i].index);
		ASSERT_EQ(pthread_join(sleeper, &woken), 0);
		ASSERT_EQ((long)woken, 1)
			TH_LOG("round %u: nobody woke it", round);
	}
}

TEST_F_TIMEOUT(ring, a_release_that_races_with_the_device_going_to_sleep_is_seen, 300)
{
	struct ndma_completion completion;
	struct stream *stream = &self->stream;
	uint32_t round, i;

	/* Two frames: the device runs out of them after each one. */
	ASSERT_EQ(make(stream, 2, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(stream_next(stream, &completion), 0)
			TH_LOG("round %u", round);
		ASSERT_EQ(completion.sequence, round);
		for (i = draw(&self->random, 300); i; i--)
			__asm__ volatile("");
		stream_give(stream, completion.index);
	}
	EXPECT_EQ(stream_stats(stream->fd).dropped, 0);
}

TEST_F(ring, waiting_with_every_frame_in_hand_is_refused_at_once)
{
	struct ndma_completion completion;
	uint32_t i;

	ASSERT_EQ(make(&self->stream, 4, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(stream_start(self->stream.fd, 0), 0);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(stream_next(&self->stream, &completion), 0);
	EXPECT_EQ(stream_wait(self->stream.fd, 1, -1), -EBUSY);
	/* The device finds out by itself, in its own time. */
	while (!__atomic_load_n(&self->stream.completions->need_wakeup, __ATOMIC_RELAXED))
		sched_yield();
	EXPECT_GT(stream_stats(self->stream.fd).starved, 0);
	/* Taken in by the wait itself, without a kick. */
	stream_release(&self->stream, completion.index);
	EXPECT_EQ(stream_wait(self->stream.fd, 1, PATIENCE_NS), 1);
}

TEST_F(ring, a_batch_that_cannot_become_full_is_given_as_it_is)
{
	struct ndma_completion completion;
	uint32_t i;

	ASSERT_EQ(make(&self->stream, 4, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(stream_start(self->stream.fd, 0), 0);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(stream_next(&self->stream, &completion), 0);
	/* Two are held: at most two more can come. */
	EXPECT_EQ(stream_wait(self->stream.fd, 3, -1), 2);
}

/* ------------------------------------------------------------ who loses */

#define LATE_ROUNDS 100

TEST_F(ring, drop_loses_the_newest_and_the_next_frame_says_how_many)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	struct ndma_stream_stats stats;
	uint64_t next = 0, lost = 0;
	int i;

	ASSERT_EQ(control_set(stream->fd, NDMA_SIM_CONTROL_PACED, 1), 0);
	ASSERT_EQ(control_set(stream->fd, NDMA_CONTROL_RATE, SAMPLES * 1000), 0);
	ASSERT_EQ(make(stream, 4, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(stream_start(stream->fd, 40), 0);
	/* Nobody takes anything until it has ended. */
	ASSERT_EQ(stream_wait(stream->fd, 4, PATIENCE_NS), 4);
	ASSERT_TRUE(stream_await_end(stream->fd));
	stats = stream_stats(stream->fd);
	EXPECT_EQ(stats.produced, 40);
	EXPECT_EQ(stats.completed, 4);
	EXPECT_EQ(stats.dropped, 36);
	for (i = 0; i < 4; i++) {
		ASSERT_TRUE(stream_take(stream, &completion));
		EXPECT_EQ(completion.sequence, next++);
		EXPECT_EQ(completion.dropped, 0);
		EXPECT_TRUE(holds(stream, &completion));
		stream_give(stream, completion.index);
	}
	/* What was lost at the end is told by the first frame of the next run. */
	ASSERT_EQ(stream_start(stream->fd, 1), 0);
	ASSERT_EQ(stream_next(stream, &completion), 0);
	lost = completion.dropped;
	EXPECT_EQ(lost, 36);
	EXPECT_EQ(completion.sequence, 40);
}

/* A guarded stream's frames go through the worker, as those of a mapping that needs syncing. */
TEST_F_TIMEOUT(ring, latest_loses_the_oldest_where_the_worker_frees_it, 300)
{
	struct ndma_stream_setup setup = setup_of(2, SAMPLES);
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	struct ndma_stream_stats stats;
	uint64_t first;
	int ready, i;

	setup.channels = 1;
	setup.policy = NDMA_POLICY_LATEST;
	setup.guard = NDMA_GUARD_SIGBUS;
	ASSERT_EQ(stream_make(stream, stream->fd, &setup), 0);
	/* Nobody takes or releases anything: a device that went to sleep would sleep for ever. */
	ASSERT_EQ(stream_start(stream->fd, 1000), 0);
	ASSERT_TRUE(stream_await_end(stream->fd));
	stats = stream_stats(stream->fd);
	ready = stream_wait(stream->fd, 1, 0);
	EXPECT_EQ(stats.completed, 1000);
	EXPECT_EQ(stats.stolen + ready, 1000);
	EXPECT_EQ(stats.dropped, stats.stolen);
	ASSERT_GE(ready, 1);
	first = 1000 - ready;
	for (i = 0; i < ready; i++) {
		ASSERT_TRUE(stream_take_latest(stream, &completion));
		EXPECT_EQ(completion.sequence, first + i);
		EXPECT_TRUE(holds(stream, &completion));
	}
	EXPECT_FALSE(stream_take_latest(stream, &completion));
}

/* Two frames filled before the worker shows the first, and the device asks for a third. */
TEST_F_TIMEOUT(ring, latest_goes_on_when_the_worker_is_late, 300)
{
	struct ndma_stream_setup setup = setup_of(2, SAMPLES);
	struct stream *stream = &self->stream;
	struct ndma_completion completion;
	int i;

	setup.channels = 1;
	setup.policy = NDMA_POLICY_LATEST;
	setup.guard = NDMA_GUARD_SIGBUS;
	ASSERT_EQ(control_set(stream->fd, NDMA_CONTROL_PATTERN, NDMA_SIM_PATTERN_OFF), 0);
	ASSERT_EQ(stream_make(stream, stream->fd, &setup), 0);
	/* Which of the two is first is chance: most times, here, the device. */
	for (i = 0; i < LATE_ROUNDS; i++) {
		ASSERT_EQ(stream_start(stream->fd, 4), 0);
		ASSERT_TRUE(stream_await_end(stream->fd))
			TH_LOG("the device sleeps, at start %d", i);
		while (stream_take_latest(stream, &completion))
			stream_give(stream, completion.index);
	}
}

TEST_F_TIMEOUT(ring, latest_never_takes_back_what_was_taken, 300)
{
	struct ndma_completion held[3], completion;
	struct stream *stream = &self->stream;
	uint64_t wrong = 0, last = 0, taken = 0, gaps = 0;
	struct ndma_stream_stats stats;
	int i;

	ASSERT_EQ(make(stream, 5, NDMA_POLICY_LATEST), 0);
	ASSERT_EQ(stream_start(stream->fd, ROUNDS), 0);
	for (i = 0; i < 3; i++) {
		while (!stream_take_latest(stream, &held[i]))
			ASSERT_GE(stream_wait(stream->fd, 1, PATIENCE_NS), 0);
		taken++;
		last = held[i].sequence;
	}
	gaps = last + 1 - taken;
	for (;;) {
		if (!stream_take_latest(stream, &completion)) {
			if (stream_wait(stream->fd, 1, PATIENCE_NS) > 0)
				continue;
			break;
		}
		taken++;
		wrong += completion.sequence <= last;
		gaps += completion.sequence - last - 1;
		last = completion.sequence;
		/* The oldest that is held has had all this time to be written over. */
		i = taken % 3;
		wrong += !holds(stream, &held[i]);
		stream_give(stream, held[i].index);
		held[i] = completion;
	}
	stats = stream_stats(stream->fd);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(stats.produced, ROUNDS);
	EXPECT_EQ(stats.bad_releases, 0);
	EXPECT_EQ(stats.bad_taken, 0);
	EXPECT_EQ(taken + stats.stolen, stats.completed);
	EXPECT_EQ(gaps + ROUNDS - 1 - last, stats.dropped);
}

/* ------------------------------------------------------------ a consumer that lies */

TEST_F(ring, a_frame_that_is_not_held_cannot_be_released)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;

	ASSERT_EQ(make(stream, FRAMES, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(stream_start(stream->fd, 4), 0);
	ASSERT_EQ(stream_wait(stream->fd, 4, PATIENCE_NS), 4);

	/* Free, published but not taken, and none at all. */
	stream_release(stream, FRAMES - 1);
	stream_release(stream, 0);
	stream_release(stream, FRAMES);
	stream_release(stream, UINT32_MAX);
	EXPECT_EQ(stream_stats(stream->fd).bad_releases, 4);
	EXPECT_EQ(stream_stats(stream->fd).user_frames, 4);

	ASSERT_TRUE(stream_take(stream, &completion));
	stream_release(stream, completion.index);
	EXPECT_EQ(stream_stats(stream->fd).bad_releases, 4);
	EXPECT_EQ(stream_stats(stream->fd).user_frames, 3);
	/* Twice. */
	stream_release(stream, completion.index);
	EXPECT_EQ(stream_stats(stream->fd).bad_releases, 5);
	EXPECT_EQ(stream_stats(stream->fd).free_frames, FRAMES - 3);
}

/* More than a driver's call looks at, with interrupts off. The worker goes on. */
TEST_F_TIMEOUT(ring, a_release_behind_much_nonsense_is_found_without_a_kick, 300)
{
	const uint32_t frames = 1024;
	struct ndma_completion completion = {};
	struct stream *stream = &self->stream;
	struct ndma_stream_stats stats;
	uint32_t last = 0, i;

	ASSERT_EQ(make(stream, frames, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	ASSERT_EQ(stream_wait(stream->fd, frames, PATIENCE_NS), frames);
	while (stream_take(stream, &completion))
		last = completion.index;
	for (i = 0; i < frames - 1; i++)
		stream_release(stream, frames);
	stream_release(stream, last);
	/* It makes the driver look for a frame, and drains nothing itself. */
	ASSERT_EQ(control_set(stream->fd, NDMA_CONTROL_TRIGGER_SOFTWARE, 1), 0);
	while (!stream_take(stream, &completion))
		sched_yield();
	EXPECT_EQ(completion.index, last);
	EXPECT_EQ(completion.sequence, frames);
	stats = stream_stats(stream->fd);
	EXPECT_EQ(stats.bad_releases, frames - 1);
	EXPECT_EQ(stats.user_frames, frames);
}

TEST_F(ring, a_tail_that_jumps_costs_one_turn_of_the_ring)
{
	struct stream *stream = &self->stream;
	struct ndma_stream_stats stats;

	ASSERT_EQ(make(stream, FRAMES, NDMA_POLICY_DROP), 0);
	stream->releases->tail = 1U << 31;
	stats = stream_stats(stream->fd);
	EXPECT_EQ(stats.bad_releases, 1U << 31);
	/* It goes on from there. */
	stream->tail = 1U << 31;
	ASSERT_EQ(stream_start(stream->fd, 1), 0);
	stream->taken = 0;
	ASSERT_EQ(stream_wait(stream->fd, 1, PATIENCE_NS), 1);
	stream->releases->taken = 1;
	stream_release(stream, stream->completions->ring[0].index);
	stats = stream_stats(stream->fd);
	EXPECT_EQ(stats.bad_releases, 1U << 31);
	EXPECT_EQ(stats.free_frames, FRAMES);
}

TEST_F(ring, taken_out_of_range_is_counted_and_changes_nothing)
{
	const uint32_t lies[] = { 5, 1U << 31, UINT32_MAX, 1000 };
	struct stream *stream = &self->stream;
	struct ndma_stream_stats stats;
	size_t i;

	ASSERT_EQ(make(stream, FRAMES, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(stream_start(stream->fd, 4), 0);
	ASSERT_EQ(stream_wait(stream->fd, 4, PATIENCE_NS), 4);
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint64_t before = stream_stats(stream->fd).bad_taken;

		stream->releases->taken = lies[i];
		EXPECT_EQ(stream_wait(stream->fd, 1, 0), 4);
		stream->releases->taken = 0;
		stats = stream_stats(stream->fd);
		EXPECT_GT(stats.bad_taken, before);
		EXPECT_EQ(stats.user_frames, 4);
	}
	/* Back is a lie as well. */
	stream->releases->taken = 3;
	EXPECT_EQ(stream_wait(stream->fd, 1, 0), 1);
	stream->releases->taken = 1;
	EXPECT_EQ(stream_wait(stream->fd, 1, 0), 1);
}

TEST_F(ring, a_steal_puts_right_what_was_out_of_range)
{
	struct stream *stream = &self->stream;
	struct ndma_completion completion;

	ASSERT_EQ(make(stream, 4, NDMA_POLICY_LATEST), 0);
	ASSERT_EQ(stream_start(stream->fd, 4), 0);
	ASSERT_EQ(stream_wait(stream->fd, 4, PATIENCE_NS), 4);
	stream->releases->taken = 0xdeadbeef;
	ASSERT_EQ(stream_start(stream->fd, 2), 0);
	ASSERT_TRUE(stream_await_end(stream->fd));
	EXPECT_EQ(stream->releases->taken, 2);
	ASSERT_TRUE(stream_take_latest(stream, &completion));
	EXPECT_EQ(completion.sequence, 2);
	EXPECT_TRUE(holds(stream, &completion));
}

struct liar {
	struct stream *stream;
	uint32_t random;
	int over;
};

static void *write_nonsense(void *data)
{
	struct liar *liar = data;
	struct stream *stream = liar->stream;
	uint32_t *word = (uint32_t *)stream->releases;
	uint32_t words = stream->setup.releases_bytes / sizeof(*word);

	while (!__atomic_load_n(&liar->over, __ATOMIC_RELAXED)) {
		switch (draw(&liar->random, 4)) {
		case 0:
			stream->releases->tail += draw(&liar->random, 3 * FRAMES);
			break;
		case 1:
			stream->releases->taken += draw(&liar->random, 3) - 1;
			break;
		case 2:
			word[draw(&liar->random, words)] = draw(&liar->random, FRAMES + 1);
			break;
		default:
			word[draw(&liar->random, words)] = liar->random;
		}
	}
	return NULL;
}

static void lie(struct __test_metadata *_metadata, struct stream *stream, uint32_t policy)
{
	struct liar liar = { .stream = stream, .random = 0x1234567 };
	struct ndma_completion completion;
	struct ndma_stream_stats stats;
	struct stream honest = { 0 };
	uint64_t sequence = 0;
	pthread_t thread;

	ASSERT_EQ(make(stream, FRAMES, policy), 0);
	honest.fd = source_open("sim1");
	ASSERT_GE(honest.fd, 0);
	ASSERT_EQ(control_set(honest.fd, NDMA_SIM_CONTROL_PACED, 0), 0);
	ASSERT_EQ(control_set(honest.fd, NDMA_CONTROL_PATTERN, NDMA_WAVE_COUNTER), 0);
	ASSERT_EQ(make(&honest, FRAMES, NDMA_POLICY_DROP), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, write_nonsense, &liar), 0);
	ASSERT_EQ(stream_start(stream->fd, 0), 0);
	ASSERT_EQ(stream_start(honest.fd, 0), 0);
	while (sequence < 5000) {
		ASSERT_EQ(stream_next(&honest, &completion), 0);
		ASSERT_EQ(completion.sequence, sequence++);
		ASSERT_TRUE(holds(&honest, &completion));
		stream_give(&honest, completion.index);
		stream_kick(stream->fd);
		stream_wait(stream->fd, 1, 0);
		events_of(stream->fd, POLLIN, 0);
	}
	EXPECT_EQ(stream_stop(stream->fd), 0);
	__atomic_store_n(&liar.over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	stats = stream_stats(stream->fd);
	EXPECT_GT(stats.bad_releases + stats.bad_taken, 0);
	EXPECT_EQ(stats.free_frames + stats.device_frames + stats.user_frames, FRAMES);
	stream_end(&honest);
}

TEST_F_TIMEOUT(ring, nonsense_in_the_ring_harms_nobody_else, 300)
{
	lie(_metadata, &self->stream, NDMA_POLICY_DROP);
}

TEST_F_TIMEOUT(ring, nonsense_in_the_ring_of_a_scope_harms_nobody_else, 300)
{
	lie(_metadata, &self->stream, NDMA_POLICY_LATEST);
}

TEST_HARNESS_MAIN
