// SPDX-License-Identifier: MIT
/*
 * The card's end of a stream's two rings. The protocol is in uapi/linux/ndma.h; the other side of
 * every barrier named here is in include/ndma_ring.h.
 *
 * The user writes `taken`, the tail and the release entries, whatever and whenever. Each is read
 * once and the copy is checked: `taken` must lie between what is known to be taken and the head,
 * and a released index must be that of a frame that the user has.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "stream.h"

/*
 * Swaps that a steal may lose to the user in a row. With no limit a busy user would hold up the
 * card.
 */
#define STEAL_TRIES 8

static uint32_t slot(const struct memfd_stream *stream, uint32_t position)
{
	return position & (stream->base.setup.entries - 1);
}

static void move(struct memfd_stream *stream, uint32_t index, enum memfd_frame_state state)
{
	stream->counts[stream->states[index]]--;
	stream->counts[state]++;
	stream->states[index] = (uint8_t)state;
}

/* ---------------------------------------------------------------- the guard */

static void *user_frame(const struct memfd_stream *stream, uint32_t index)
{
	return (char *)stream->base.data + index * stream->base.setup.frame_stride;
}

static int prot(const struct memfd_stream *stream)
{
	return stream->writable ? PROT_READ | PROT_WRITE : PROT_READ;
}

int ndma_memfd_ring_hide(struct memfd_stream *stream, uint32_t index)
{
	if (stream->base.setup.guard != NDMA_GUARD_SIGBUS)
		return 0;
	return ndma_memfd_guard_hide(user_frame(stream, index), stream->base.setup.frame_stride,
				     prot(stream));
}

int ndma_memfd_ring_show(struct memfd_stream *stream, uint32_t index)
{
	uint64_t stride = stream->base.setup.frame_stride;

	if (stream->base.setup.guard != NDMA_GUARD_SIGBUS)
		return 0;
	return ndma_memfd_guard_show(user_frame(stream, index), stride, prot(stream),
				     stream->data_fd, index * stride);
}

/* ---------------------------------------------------------------- what the user says */

/* Moves frames that were taken, up to @taken, to the user; returns how many are ready. */
static uint32_t note_taken(struct memfd_stream *stream, uint32_t taken)
{
	uint32_t untaken = stream->head - stream->taken;

	if (taken - stream->taken > untaken) {
		stream->stats.bad_taken++;
		return untaken;
	}
	for (; stream->taken != taken; stream->taken++)
		move(stream, stream->order[slot(stream, stream->taken)], MEMFD_FRAME_USER);
	return stream->head - taken;
}

uint32_t ndma_memfd_ring_note(struct memfd_stream *stream)
{
	return note_taken(stream, __atomic_load_n(&stream->base.releases->taken, __ATOMIC_RELAXED));
}

static void push_free(struct memfd_stream *stream, uint32_t index)
{
	uint32_t at = stream->free_first + stream->counts[MEMFD_FRAME_FREE];

	stream->free[slot(stream, at)] = index;
	move(stream, index, MEMFD_FRAME_FREE);
}

static void recycle(struct memfd_stream *stream, uint32_t index)
{
	/*
	 * Where the mapping cannot be changed the guard misses this frame; to lose it would be
	 * worse.
	 */
	ndma_memfd_ring_hide(stream, index);
	push_free(stream, index);
}

void ndma_memfd_ring_drain(struct memfd_stream *stream)
{
	struct ndma_releases *ring = stream->base.releases;
	uint32_t entries = stream->base.setup.entries;
	/*
	 * Acquire: the entries, what the user did to the frames, and the store of `taken` come
	 * before. Pairs with the release store of tail in ndma_ring_release().
	 */
	uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	uint32_t index;

	if (tail == stream->cursor)
		return;
	if (tail - stream->cursor > entries) {
		/* The tail was spoilt: a ring of @entries cannot hold more than that. */
		stream->stats.bad_releases += tail - stream->cursor - entries;
		stream->cursor = tail - entries;
	}
	ndma_memfd_ring_note(stream);
	for (; stream->cursor != tail; stream->cursor++) {
		index = __atomic_load_n(&ring->ring[slot(stream, stream->cursor)],
					__ATOMIC_RELAXED);
		if (index < stream->base.setup.frames && stream->states[index] == MEMFD_FRAME_USER)
			recycle(stream, index);
		else
			stream->stats.bad_releases++;
	}
}

/* ---------------------------------------------------------------- frames for the device */

static int pop_free(struct memfd_stream *stream)
{
	if (!stream->counts[MEMFD_FRAME_FREE])
		ndma_memfd_ring_drain(stream);
	if (!stream->counts[MEMFD_FRAME_FREE])
		return -1;
	return (int)stream->free[slot(stream, stream->free_first++)];
}

/* The oldest completion that is not taken, taken back from the user; -1: there is none. */
static int steal(struct memfd_stream *stream)
{
	uint32_t *word = &stream->base.releases->taken;
	uint32_t taken, index;
	int i;

	for (i = 0; i < STEAL_TRIES; i++) {
		taken = __atomic_load_n(word, __ATOMIC_RELAXED);
		if (!note_taken(stream, taken))
			return -1;
		/*
		 * Pairs with the compare-and-swap in ndma_ring_take(): whoever wins has the frame.
		 * Where the user has spoilt the word, the swap repairs it.
		 */
		if (!__atomic_compare_exchange_n(word, &taken, stream->taken + 1, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		index = stream->order[slot(stream, stream->taken++)];
		stream->stats.stolen++;
		stream->stats.dropped++;
		ndma_memfd_ring_hide(stream, index);
		return (int)index;
	}
	return -1;
}

/*
 * The full barrier between need_wakeup and the second look at the tail pairs with the one between
 * tail and need_wakeup in ndma_ring_release(): one of the two sees the other's store.
 */
static int starve(struct memfd_stream *stream)
{
	int index;

	stream->starving = true;
	__atomic_store_n(&stream->completions->need_wakeup, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	index = pop_free(stream);
	if (index < 0)
		stream->stats.starved++;
	return index;
}

int ndma_memfd_ring_next(struct memfd_stream *stream)
{
	int index = pop_free(stream);

	if (index < 0 && stream->base.setup.policy == NDMA_POLICY_LATEST)
		index = steal(stream);
	if (index < 0)
		index = starve(stream);
	if (index < 0)
		return index;
	move(stream, (uint32_t)index, MEMFD_FRAME_DEVICE);
	if (stream->starving) {
		stream->starving = false;
		__atomic_store_n(&stream->completions->need_wakeup, 0, __ATOMIC_RELAXED);
	}
	return index;
}

void ndma_memfd_ring_return(struct memfd_stream *stream, uint32_t index)
{
	push_free(stream, index);
}

void ndma_memfd_ring_lose(struct memfd_stream *stream)
{
	stream->sequence++;
	stream->lost++;
	stream->stats.dropped++;
	stream->remaining--;
}

/*
 * An entry is not written over before it is taken: the completions between stream->taken and the
 * head name a different frame each, and the ring has an entry for every frame.
 */
void ndma_memfd_ring_publish(struct memfd_stream *stream, uint32_t index,
			     const struct ndma_sim_frame *frame, uint64_t timestamp_ns)
{
	uint32_t at = slot(stream, stream->head);
	bool wide = stream->base.setup.entry_bytes == sizeof(struct ndma_entry);
	struct ndma_entry *entry = (struct ndma_entry *)stream->completions->ring + at;
	struct ndma_completion *completion = wide ? &entry->completion
						  : &stream->completions->ring[at];

	if (wide)
		*entry = (struct ndma_entry){ .sample_start = frame->first };
	completion->index = index;
	completion->flags = frame->flags | (wide ? NDMA_FRAME_SAMPLE_START : 0);
	/*
	 * A touch of a frame that stays hidden is SIGBUS: the user must know that it has no data.
	 */
	if (ndma_memfd_ring_show(stream, index))
		completion->flags |= NDMA_FRAME_ERROR;
	completion->sequence = stream->sequence++;
	completion->timestamp_ns = timestamp_ns;
	completion->hw_timestamp = frame->first;
	completion->hw_sequence = frame->sequence;
	completion->bytes_used = frame->bytes;
	completion->dropped = stream->lost;
	completion->trigger = frame->trigger;
	ndma_memfd_calendar_anchor(stream);
	completion->anchor = stream->completions->anchor;
	if (completion->anchor != stream->anchor_told)
		completion->flags |= NDMA_FRAME_CALENDAR;
	stream->anchor_told = completion->anchor;
	if (completion->flags & NDMA_FRAME_ERROR)
		stream->stats.errors++;
	stream->lost = 0;
	stream->remaining--;
	stream->stats.completed++;
	stream->order[at] = index;
	move(stream, index, MEMFD_FRAME_DONE);
	stream->head++;
	/* Release: the entry and the samples first. Pairs with the acquire in ndma_ring_take(). */
	__atomic_store_n(&stream->completions->head, stream->head, __ATOMIC_RELEASE);
}
