/* SPDX-License-Identifier: MIT */
/**
 * The hot path of a stream, inline: take a ready frame, give it back, no system call.
 *
 * The out-of-line twins are ndma_stream_next() and ndma_stream_release() of <ndma.h>; a program
 * that includes this file has struct ndma_ring compiled in and is bound to this version of it
 * (NDMA_RING_VERSION is checked by ndma_stream_ring()).
 *
 * Threads: one at a time takes, one at a time releases; these may be two.
 */
#ifndef NDMA_RING_H
#define NDMA_RING_H

#include <ndma.h>

#define NDMA_RING_VERSION 1

struct ndma_ring {
	const struct ndma_completions *completions;
	struct ndma_releases *releases;
	uint32_t mask;		/* entries - 1 */
	uint32_t taken;		/* ours; the shared word is only written */
	uint32_t tail;
	uint32_t policy;
	uint64_t sequence;	/* the next frame's if nothing is lost */
	char *data;
	uint64_t stride;
	uint32_t frames;
	uint32_t version;
};

/** True: *frame is ready and the caller's. Pairs with the kernel's release store of head. */
static inline bool ndma_ring_take(struct ndma_ring *ring, struct ndma_frame *frame)
{
	const struct ndma_completions *completions = ring->completions;
	uint32_t taken = ring->taken;

	if (ring->policy == NDMA_POLICY_LATEST)
		taken = __atomic_load_n(&ring->releases->taken, __ATOMIC_RELAXED);
	for (;;) {
		if (__atomic_load_n(&completions->head, __ATOMIC_ACQUIRE) == taken)
			return false;
		frame->completion = completions->ring[taken & ring->mask];
		if (ring->policy == NDMA_POLICY_DROP) {
			__atomic_store_n(&ring->releases->taken, taken + 1, __ATOMIC_RELEASE);
			break;
		}
		/* The kernel steals by the same swap; after a lost one `taken` is the new value. */
		if (__atomic_compare_exchange_n(&ring->releases->taken, &taken, taken + 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			break;
	}
	ring->taken = taken + 1;
	frame->dropped = frame->completion.sequence - ring->sequence;
	ring->sequence = frame->completion.sequence + 1;
	frame->data = ring->data + frame->completion.index * ring->stride;
	return true;
}

/** Gives frame `index` back. True: the device sleeps for lack of frames, call ndma_stream_kick().
 * The full fence pairs with the kernel's between need_wakeup and its second look at tail. */
static inline bool ndma_ring_release(struct ndma_ring *ring, uint32_t index)
{
	uint32_t tail = ring->tail;

	ring->releases->ring[tail & ring->mask] = index;
	ring->tail = tail + 1;
	__atomic_store_n(&ring->releases->tail, tail + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&ring->completions->need_wakeup, __ATOMIC_RELAXED);
}

/** How many frames are ready. */
static inline uint32_t ndma_ring_ready(const struct ndma_ring *ring)
{
	return __atomic_load_n(&ring->completions->head, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&ring->releases->taken, __ATOMIC_RELAXED);
}

#endif /* NDMA_RING_H */
