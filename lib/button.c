// SPDX-License-Identifier: MIT
/*
 * A source's button acts on what runs: it is pressed in every stream that was made from the source.
 * Either of them may be freed first, so a stream remembers its source by a number only.
 */
#include "stream.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ndma_stream *first; /* under the lock, as the links */

static void lock_list(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_list(void)
{
	pthread_mutex_unlock(&lock);
}

/* No child is born with the lock in the hands of a thread that it does not have. */
__attribute__((constructor)) static void prepare_for_fork(void)
{
	pthread_atfork(lock_list, unlock_list, unlock_list);
}

void ndma_button_add(struct ndma_stream *stream, const struct ndma_source *source)
{
	lock_list();
	stream->source = source->number;
	stream->next = first;
	if (first)
		first->link = &stream->next;
	stream->link = &first;
	first = stream;
	unlock_list();
}

void ndma_button_remove(struct ndma_stream *stream)
{
	if (!stream->link)
		return;
	lock_list();
	*stream->link = stream->next;
	if (stream->next)
		stream->next->link = stream->link;
	unlock_list();
}

static int press(struct ndma_stream *stream, uint32_t id)
{
	int64_t value = 1;

	return stream->backend->stream_control_set(stream, id, &value);
}

int ndma_button_press(const struct ndma_source *source, uint32_t id)
{
	struct ndma_stream *stream;
	int rc = 0, one;

	lock_list();
	for (stream = first; stream; stream = stream->next) {
		if (stream->source != source->number)
			continue;
		/* Closed, or the parent's from before a fork: it does not run here. */
		if (ndma_stream_enter(stream))
			continue;
		one = press(stream, id);
		ndma_stream_leave(stream);
		if (!rc)
			rc = one;
	}
	unlock_list();
	return rc;
}
