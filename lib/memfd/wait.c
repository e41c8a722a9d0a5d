// SPDX-License-Identifier: MIT
/*
 * Waiting for frames. What poll sees is a pipe: readable once a frame is ready or when none will
 * come, hung up when the card is gone. Taking a frame costs no system call, so it does not empty
 * the pipe; the next call that finds no frame does, and until then poll may report a frame too
 * many.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

void ndma_memfd_wait_wake(struct memfd_stream *stream)
{
	if (!stream->wanted)
		return;
	if (stream->state == NDMA_STREAM_RUNNING && ndma_memfd_ring_note(stream) < stream->wanted)
		return;
	/* Does not fail: the pipe is empty, and takes one byte. */
	if (stream->wake_fd >= 0 && write(stream->wake_fd, "", 1) == 1)
		stream->wanted = 0;
}

void ndma_memfd_wait_arm(struct memfd_stream *stream, uint32_t wanted)
{
	char bytes[16];

	while (read(stream->base.fd, bytes, sizeof(bytes)) == sizeof(bytes))
		;
	stream->wanted = wanted;
	ndma_memfd_wait_wake(stream);
}

void ndma_memfd_wait_set_state(struct memfd_stream *stream, uint32_t state)
{
	/* A card that is gone does not come back. */
	if (stream->state == NDMA_STREAM_GONE)
		return;
	stream->state = state;
	__atomic_store_n(&stream->running, state == NDMA_STREAM_RUNNING, __ATOMIC_RELAXED);
	__atomic_store_n(&stream->completions->state, state, __ATOMIC_RELEASE);
	if (state == NDMA_STREAM_RUNNING)
		return;
	pthread_cond_signal(&stream->work);
	ndma_memfd_wait_wake(stream);
	if (state == NDMA_STREAM_GONE) {
		close(stream->wake_fd);
		stream->wake_fd = -1;
	}
}

/* Drains releases, and wakes a card that sleeps for lack of frames. */
static void drain(struct memfd_stream *stream)
{
	ndma_memfd_ring_drain(stream);
	if (stream->starving && stream->counts[MEMFD_FRAME_FREE])
		pthread_cond_signal(&stream->work);
}

/* 1: go to sleep; else the answer. */
static int look(struct memfd_stream *stream, struct ndma_stream_wait *wait)
{
	drain(stream);
	wait->ready = ndma_memfd_ring_note(stream);
	wait->state = stream->state;
	if (wait->ready >= wait->min)
		return 0;
	if (stream->state == NDMA_STREAM_GONE)
		return wait->ready ? 0 : -ENODEV;
	if (stream->state == NDMA_STREAM_IDLE)
		return 0;
	/* Every frame is ready or held by the user, so no other can come. */
	if (!stream->counts[MEMFD_FRAME_FREE] && !stream->counts[MEMFD_FRAME_DEVICE])
		return wait->ready ? 0 : -EBUSY;
	if (!wait->timeout_ns) {
		ndma_memfd_wait_arm(stream, 1);
		return -EAGAIN;
	}
	ndma_memfd_wait_arm(stream, wait->min);
	return 1;
}

static int sleep_until(int fd, uint64_t until_ns, bool forever)
{
	struct pollfd pipe = { .fd = fd, .events = POLLIN };
	struct timespec left;
	uint64_t now, rest;

	if (forever)
		return poll(&pipe, 1, -1) < 0 ? -errno : 0;
	now = ndma_memfd_now_ns();
	rest = until_ns > now ? until_ns - now : 0;
	left.tv_sec = (time_t)(rest / 1000000000);
	left.tv_nsec = (long)(rest % 1000000000);
	switch (ppoll(&pipe, 1, &left, NULL)) {
	case -1:
		return -errno;
	case 0:
		return -ETIMEDOUT;
	default:
		return 0;
	}
}

/* The moment at which a wait ends; the last there is, where the sum would overflow. */
static uint64_t deadline(int64_t timeout_ns)
{
	uint64_t now = ndma_memfd_now_ns();

	return (uint64_t)timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + (uint64_t)timeout_ns;
}

int ndma_memfd_stream_wait(struct ndma_stream *base, struct ndma_stream_wait *wait)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);
	uint64_t until_ns = wait->timeout_ns > 0 ? deadline(wait->timeout_ns) : 0;
	int rc, slept;

	if (!wait->min || wait->min > base->setup.frames)
		return -EINVAL;
	pthread_mutex_lock(&stream->lock);
	while ((rc = look(stream, wait)) > 0) {
		pthread_mutex_unlock(&stream->lock);
		slept = sleep_until(base->fd, until_ns, wait->timeout_ns < 0);
		pthread_mutex_lock(&stream->lock);
		if (!slept)
			continue;
		wait->ready = ndma_memfd_ring_note(stream);
		wait->state = stream->state;
		rc = wait->ready < wait->min ? slept : 0;
		break;
	}
	/*
	 * Others may poll the same pipe, for the first frame and not for as many as this call
	 * wanted.
	 */
	if (stream->wanted > 1)
		ndma_memfd_wait_arm(stream, 1);
	pthread_mutex_unlock(&stream->lock);
	return rc;
}

int ndma_memfd_stream_kick(struct ndma_stream *base)
{
	struct memfd_stream *stream = ndma_memfd_stream(base);

	pthread_mutex_lock(&stream->lock);
	drain(stream);
	pthread_mutex_unlock(&stream->lock);
	return 0;
}
