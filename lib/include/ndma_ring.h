/* SPDX-License-Identifier: MIT */
/**
 * The hot path of a stream, inline: take a ready frame, give it back, without a system call.
 *
 * The out-of-line twins are ndma_stream_next() and ndma_stream_release() of <ndma.h>, and both
 * ways can be mixed on one stream. A program that includes this file has struct ndma_ring compiled
 * in and is bound to this version of it: ndma_ring_open() answers NULL where the library is of
 * another one. Whoever wants to stay independent of that uses the twins.
 *
 * Threads: one at a time takes, one at a time releases; these may be two different threads.
 *
 * fork: unlike the twins, nothing here looks for it. The rings are not inherited: a child that
 * takes or releases gets SIGSEGV, and the parent's stream is not disturbed.
 *
 * @code
 *	struct ndma_ring *ring = ndma_ring_open(stream);
 *	struct ndma_frame frame;
 *	int rc;
 *
 *	while ((rc = ndma_stream_wait(stream, 1, timeout_ns)) > 0 || rc == -EINTR)
 *		while (ndma_ring_take(ring, &frame)) {
 *			use(frame.data, frame.completion.bytes_used, frame.dropped);
 *			if (ndma_ring_release(ring, frame.completion.index))
 *				ndma_stream_kick(stream);
 *		}
 *	if (rc < 0)	// no end: the source is gone, or no frame came in time
 *		fail(ndma_error());
 * @endcode
 */
#ifndef NDMA_RING_H
#define NDMA_RING_H

#include <ndma.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of struct ndma_ring, and of what the functions below do, where an entry has 64 bytes. */
#define NDMA_RING_VERSION 1
/** The same where it is a struct ndma_entry: code that knows version 1 alone refuses such a ring. */
#define NDMA_RING_VERSION_ENTRY 2

/**
 * struct ndma_ring - this process's side of a stream's two rings
 *
 * Owned by the stream, valid until ndma_stream_free(). The fields are for the functions below.
 *
 * @version: NDMA_RING_VERSION or _ENTRY of the library; stays the first field in every version
 * @mask: entries of each ring - 1
 * @completions: from the kernel, mapped read-only
 * @releases: to the kernel
 * @data: the first byte of frame 0
 * @stride: bytes from one frame to the next
 * @held: one for each frame: its sequence + 1 while the caller has it, else 0
 * @policy: NDMA_POLICY_…
 * @frames: how many frames
 * @sequence: of the next frame if none is lost; the taker's
 * @taken: completions taken; the taker's. The shared word is written, and read under
 *   %NDMA_POLICY_LATEST alone
 * @tail: entries released; the releaser's. The shared word is only written
 * @kept: from version %NDMA_RING_VERSION_ENTRY on: the entry of each frame that was taken, by index
 */
struct ndma_ring {
	uint32_t version;
	uint32_t mask;
	const struct ndma_completions *completions;
	struct ndma_releases *releases;
	char *data;
	uint64_t stride;
	uint64_t *held;
	uint32_t policy;
	uint32_t frames;
	uint64_t sequence;
	uint32_t taken;
	uint32_t tail;
	struct ndma_entry *kept;
};

/**
 * ndma_ring_open() - the ring of a stream
 * @stream: any stream, also one that is not started or is closed
 *
 * Return: the ring, or NULL: the library's struct ndma_ring is not the one compiled in here; use
 * ndma_stream_next() and ndma_stream_release().
 */
static inline struct ndma_ring *ndma_ring_open(struct ndma_stream *stream)
{
	struct ndma_ring *ring = ndma_stream_ring(stream);

	return ring->version == NDMA_RING_VERSION || ring->version == NDMA_RING_VERSION_ENTRY ? ring
											    : NULL;
}

/**
 * ndma_ring_position() - where the taker is
 * @ring: the ring
 * @taken: the shared word `taken`, loaded before @head
 * @head: completions so far
 *
 * For the functions below. A program that has spoilt its own `taken` goes on with the oldest frame
 * that it may not have taken yet; the next take puts the word right.
 *
 * Return: completions taken: @taken, if there can be so many.
 */
static inline uint32_t ndma_ring_position(const struct ndma_ring *ring, uint32_t taken,
					  uint32_t head)
{
	if (head - taken <= ring->frames)
		return taken;
	return head - ring->taken <= ring->frames ? ring->taken : head - ring->frames;
}

/**
 * ndma_ring_copy() - what the kernel says of a frame
 * @ring: the ring
 * @taken: completions taken before it
 * @entry: written: all of it with %NDMA_RING_VERSION_ENTRY, else its completion
 *
 * For the functions below.
 */
static inline void ndma_ring_copy(const struct ndma_ring *ring, uint32_t taken,
				  struct ndma_entry *entry)
{
	const struct ndma_completion *first = ring->completions->ring;

	if (ring->version == NDMA_RING_VERSION)
		entry->completion = first[taken & ring->mask];
	else
		*entry = ((const struct ndma_entry *)first)[taken & ring->mask];
}

/**
 * ndma_ring_take() - the next ready frame
 * @ring: the ring
 * @frame: filled where one is ready
 *
 * Pairs with the kernel's release store of `head`: what it wrote before (the entry, the samples)
 * is seen after.
 *
 * Return: true: *@frame is the caller's until it is released.
 */
static inline bool ndma_ring_take(struct ndma_ring *ring, struct ndma_frame *frame)
{
	const struct ndma_completions *completions = ring->completions;
	uint32_t taken = ring->taken;
	struct ndma_entry entry;
	uint32_t head, word;

	if (ring->policy == NDMA_POLICY_DROP) {
		if (__atomic_load_n(&completions->head, __ATOMIC_ACQUIRE) == taken)
			return false;
		ndma_ring_copy(ring, taken, &entry);
		/* The copy comes first: the kernel may use the entry again from here on. */
		__atomic_store_n(&ring->releases->taken, taken + 1, __ATOMIC_RELEASE);
	} else {
		word = __atomic_load_n(&ring->releases->taken, __ATOMIC_ACQUIRE);
		do {
			head = __atomic_load_n(&completions->head, __ATOMIC_ACQUIRE);
			taken = ndma_ring_position(ring, word, head);
			if (head == taken)
				return false;
			ndma_ring_copy(ring, taken, &entry);
			/*
			 * The kernel steals by the same swap. Whoever loses it has a worthless
			 * copy and goes on from the new value, which the swap has put in `word`.
			 */
		} while (!__atomic_compare_exchange_n(&ring->releases->taken, &word, taken + 1,
						      false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	}
	ring->taken = taken + 1;
	frame->completion = entry.completion;
	if (ring->version != NDMA_RING_VERSION)
		ring->kept[entry.completion.index] = entry;
	frame->dropped = frame->completion.sequence - ring->sequence;
	ring->sequence = frame->completion.sequence + 1;
	ring->held[frame->completion.index] = ring->sequence;
	frame->data = ring->data + frame->completion.index * ring->stride;
	return true;
}

/**
 * ndma_ring_release() - give a frame back
 * @ring: the ring
 * @index: completion.index of a frame that was taken and not released yet. Any other is counted
 *   by the kernel as a bad release and ignored
 *
 * What the caller did to the frame before is over when the device gets it: the kernel loads
 * `tail` with acquire. The full fence pairs with the kernel's between its store of need_wakeup and
 * its second look at `tail`.
 *
 * Return: true: the device sleeps for lack of frames; call ndma_stream_kick(), after the last of
 * several releases is early enough.
 */
static inline bool ndma_ring_release(struct ndma_ring *ring, uint32_t index)
{
	uint32_t tail = ring->tail;

	if (index < ring->frames)
		ring->held[index] = 0;
	ring->releases->ring[tail & ring->mask] = index;
	ring->tail = tail + 1;
	__atomic_store_n(&ring->releases->tail, tail + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&ring->completions->need_wakeup, __ATOMIC_RELAXED) != 0;
}

/**
 * ndma_ring_ready() - how many frames are ready
 * @ring: the ring
 *
 * For the taking thread. Under %NDMA_POLICY_LATEST it may be fewer a moment later.
 *
 * Return: frames that ndma_ring_take() would give now.
 */
static inline uint32_t ndma_ring_ready(const struct ndma_ring *ring)
{
	uint32_t taken = ring->taken;
	uint32_t head;

	if (ring->policy != NDMA_POLICY_DROP)
		taken = __atomic_load_n(&ring->releases->taken, __ATOMIC_ACQUIRE);
	head = __atomic_load_n(&ring->completions->head, __ATOMIC_ACQUIRE);
	return head - ndma_ring_position(ring, taken, head);
}

#ifdef __cplusplus
}
#endif

#endif /* NDMA_RING_H */
