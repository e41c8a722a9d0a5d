// SPDX-License-Identifier: MIT
/*
 * Heap: arrays' memory, cut from a few DMA buffers ("spans"), so that neither an array nor its end
 * costs a system call, and descriptors do not grow with arrays.
 *
 * A span has blocks of one size class; four classes double the size. A class doubles what it has with
 * each further span, up to SPAN_MAX. An empty span is kept for the next array, up to IDLE_MAX of a
 * heap. What is free is noted outside the memory: a device or another process may write to that.
 *
 * A span that was given to somebody as a Buffer hands out no block any more, for a later array must
 * not lie where a device writes; it ends with the last of its arrays.
 *
 * Everything is under one lock, which fork takes too. In a forked child the spans are its parent's:
 * nothing is taken from them or given back.
 */
#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN 64ul
#define SPAN_MIN (256ul << 10)
#define SPAN_MAX (64ul << 20)
#define CONTIGUOUS_MAX (4ul << 20)
#define IDLE_MAX (256ul << 20)
#define BYTES_MAX (1ul << 56)
#define CLASSES (4 * 64)

struct span {
	struct ext_heap *heap;
	struct span *next; /* of its class, among those with a block to hand out */
	struct span **link; /* NULL: it has none */
	struct ndma_buffer *buffer;
	uint64_t process;
	unsigned char *memory;
	size_t bytes;
	size_t block;
	uint32_t class;
	uint32_t blocks;
	uint32_t fresh; /* blocks from here on were never handed out: zeros */
	uint32_t used;
	bool given;
	uint32_t free_count;
	uint32_t free[]; /* a stack of blocks below `fresh` */
};

struct ext_heap {
	struct ndma_buffer_options options;
	size_t idle_bytes;
	struct span *available[CLASSES];
	size_t class_bytes[CLASSES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* All heaps' spans, by address. */
static struct span **spans;
static size_t span_count, span_room;
static size_t live;

static void lock_for_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

int ext_heap_setup(void)
{
	static bool done;
	int ret = done ? 0 : pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);

	done = !ret;
	return -ret;
}

size_t ext_heap_live(void)
{
	size_t count;

	pthread_mutex_lock(&lock);
	count = live;
	pthread_mutex_unlock(&lock);
	return count;
}

/* The class of a block that has room for `bytes`, and how large that is. */
static uint32_t class_of(size_t bytes, size_t *block)
{
	uint32_t power, quarter;

	if (bytes < BLOCK_MIN)
		bytes = BLOCK_MIN;
	power = 63 - (uint32_t)__builtin_clzl(bytes);
	quarter = (uint32_t)((bytes - (1ul << power) + (1ul << (power - 2)) - 1) >> (power - 2));
	*block = (1ul << power) + quarter * (1ul << (power - 2));
	return 4 * power + quarter;
}

/* How many spans begin at or below an address. */
static size_t rank_of(const void *address)
{
	size_t low = 0, high = span_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if ((uintptr_t)spans[middle]->memory <= (uintptr_t)address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct span *find(const void *address)
{
	size_t rank = rank_of(address);
	struct span *span = rank ? spans[rank - 1] : NULL;

	return span && (uintptr_t)address - (uintptr_t)span->memory < span->bytes ? span : NULL;
}

static int note_span(struct span *span)
{
	size_t rank = rank_of(span->memory);

	if (span_count == span_room) {
		size_t room = span_room ? 2 * span_room : 64;
		struct span **more = realloc(spans, room * sizeof(struct span *));

		if (!more)
			return -ENOMEM;
		spans = more;
		span_room = room;
	}
	memmove(&spans[rank + 1], &spans[rank], (span_count - rank) * sizeof(struct span *));
	spans[rank] = span;
	span_count++;
	return 0;
}

static void forget_span(struct span *span)
{
	size_t rank = rank_of(span->memory);

	memmove(&spans[rank - 1], &spans[rank], (span_count - rank) * sizeof(struct span *));
	span_count--;
}

static void link_span(struct span *span)
{
	struct span **head = &span->heap->available[span->class];

	span->next = *head;
	span->link = head;
	if (span->next)
		span->next->link = &span->next;
	*head = span;
}

static void unlink_span(struct span *span)
{
	if (!span->link)
		return;
	*span->link = span->next;
	if (span->next)
		span->next->link = span->link;
	span->link = NULL;
}

static struct span *try_span(struct ext_heap *heap, uint32_t class, size_t block, size_t blocks)
{
	struct span *span = calloc(1, sizeof(*span) + blocks * sizeof(span->free[0]));
	struct ndma_layout layout;
	uint32_t lease;
	void *memory;

	if (!span)
		return NULL;
	span->heap = heap;
	span->process = ext_process();
	span->bytes = block * blocks;
	span->block = block;
	span->class = class;
	span->blocks = (uint32_t)blocks;
	ndma_layout_flat(&layout, span->bytes);
	if (ndma_buffer_create(&layout, &heap->options, &span->buffer))
		goto free_span;
	/* An array that uses the memory is a view of it: no device gets it meanwhile. */
	if (ndma_lease_acquire(span->buffer, NDMA_WRITE, &lease) ||
	    ndma_buffer_map(span->buffer, NDMA_WRITE, &memory))
		goto close_buffer;
	span->memory = memory;
	if (note_span(span))
		goto close_buffer;
	heap->class_bytes[class] += span->bytes;
	heap->idle_bytes += span->bytes;
	link_span(span);
	return span;

close_buffer:
	ndma_buffer_close(span->buffer);
free_span:
	free(span);
	return NULL;
}

static struct span *add_span(struct ext_heap *heap, uint32_t class, size_t block)
{
	size_t most = heap->options.flags & NDMA_BUFFER_CONTIGUOUS ? CONTIGUOUS_MAX : SPAN_MAX;
	size_t wanted = heap->class_bytes[class];
	struct span *span;

	if (wanted < SPAN_MIN)
		wanted = SPAN_MIN;
	if (wanted > most)
		wanted = most;
	if (wanted <= block)
		return try_span(heap, class, block, 1);
	span = try_span(heap, class, block, wanted / block);
	/* Where memory is short a single array may have room yet. */
	return span ? span : try_span(heap, class, block, 1);
}

static void end_span(struct span *span)
{
	span->heap->class_bytes[span->class] -= span->bytes;
	span->heap->idle_bytes -= span->bytes;
	unlink_span(span);
	forget_span(span);
	ndma_buffer_close(span->buffer);
	free(span);
}

struct ext_heap *ext_heap_new(const struct ndma_buffer_options *options)
{
	struct ext_heap *heap = calloc(1, sizeof(*heap));

	if (heap)
		heap->options = *options;
	return heap;
}

void ext_heap_free(struct ext_heap *heap)
{
	size_t kept = 0;

	if (!heap)
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < span_count; i++) {
		struct span *span = spans[i];

		if (span->heap != heap) {
			spans[kept++] = span;
			continue;
		}
		/* A forked child has its parent's. */
		if (ext_process_is(span->process))
			ndma_buffer_close(span->buffer);
		free(span);
	}
	span_count = kept;
	pthread_mutex_unlock(&lock);
	free(heap);
}

void *ext_heap_take(struct ext_heap *heap, size_t bytes, bool zeros)
{
	struct span *span;
	uint32_t class, number;
	bool dirty;
	void *memory;
	size_t block;

	if (bytes > BYTES_MAX)
		return NULL;
	class = class_of(bytes, &block);
	pthread_mutex_lock(&lock);
	span = heap->available[class];
	if (!span)
		span = add_span(heap, class, block);
	if (!span) {
		pthread_mutex_unlock(&lock);
		return NULL;
	}
	dirty = span->free_count;
	number = dirty ? span->free[--span->free_count] : span->fresh++;
	if (!span->used++)
		heap->idle_bytes -= span->bytes;
	if (!span->free_count && span->fresh == span->blocks)
		unlink_span(span);
	live++;
	memory = span->memory + (size_t)number * span->block;
	pthread_mutex_unlock(&lock);
	if (zeros && dirty)
		memset(memory, 0, bytes);
	return memory;
}

bool ext_heap_give(void *memory)
{
	struct span *span;

	pthread_mutex_lock(&lock);
	span = find(memory);
	if (span && ext_process_is(span->process)) {
		size_t number = (size_t)((unsigned char *)memory - span->memory) / span->block;
		struct ext_heap *heap = span->heap;

		live--;
		span->free[span->free_count++] = (uint32_t)number;
		if (!span->link && !span->given)
			link_span(span);
		if (!--span->used) {
			heap->idle_bytes += span->bytes;
			if (span->given || heap->idle_bytes > IDLE_MAX)
				end_span(span);
		}
	}
	pthread_mutex_unlock(&lock);
	return span;
}

size_t ext_heap_room(const void *memory)
{
	const struct span *span;
	size_t room;

	pthread_mutex_lock(&lock);
	span = find(memory);
	room = span ? span->block : 0;
	pthread_mutex_unlock(&lock);
	return room;
}

int ext_heap_descriptor(const void *memory, size_t *offset)
{
	struct span *span;
	int fd = -ENOENT;

	pthread_mutex_lock(&lock);
	span = find(memory);
	if (span) {
		*offset = (size_t)((const unsigned char *)memory - span->memory);
		fd = ndma_buffer_fd(span->buffer);
		fd = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (fd == -1)
			fd = -errno;
	}
	if (fd >= 0) {
		span->given = true;
		unlink_span(span);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}
