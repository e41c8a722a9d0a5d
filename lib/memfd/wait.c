// SPDX-License-Identifier: MIT
/*
 * Waiting for frames. What poll sees is a pipe: readable once a frame is ready, or when none will
 * come; hung up when the card is gone. Taking frames costs no system call, so nobody empties the
 * pipe with the ring: it is emptied by the next call that finds no frame, and before that poll may
 * say once too often that it is worth looking.
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
	/* Cannot fail: a pipe takes one byte, and it is empty. */
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

/* Takes in releases, and lets an idle card go on. */
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
	/* Ready and held frames are all there are: no other can come. */
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

/* The longest timeout that does not overflow is some 292 years from now. */
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
	/* Whoever polls wants to know of the first frame, not of the waiter's number. */
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
