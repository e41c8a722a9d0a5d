// SPDX-License-Identifier: GPL-2.0-only
/* Waiting until a source that is paused can be used. */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "internal.h"

static bool ndma_source_is_awake(const struct ndma_source *source)
{
	return !READ_ONCE(source->pauses) || READ_ONCE(source->shut_down) ||
	       READ_ONCE(source->gone);
}

static long ndma_source_patience(ktime_t deadline)
{
	if (deadline == KTIME_MAX)
		return MAX_SCHEDULE_TIMEOUT;
	return nsecs_to_jiffies(max_t(s64, ktime_sub(deadline, ktime_get()), 0)) + 1;
}

/*
 * Waits until the source is not paused, or gone. -EINTR: killed meanwhile; -ETIMEDOUT: not by @deadline;
 * -ESHUTDOWN: it will not be.
 */
static int ndma_source_await(struct ndma_source *source, ktime_t deadline)
{
	long left = ndma_source_patience(deadline);

	/* Freezable: a sleeper must not keep the machine from sleeping, and goes on waiting after it. */
	left = ___wait_event(source->awake, ___wait_cond_timeout(ndma_source_is_awake(source)),
			     (TASK_KILLABLE | TASK_FREEZABLE), 0, left,
			     __ret = schedule_timeout(__ret));
	if (left < 0)
		return -EINTR;
	if (READ_ONCE(source->gone))
		return 0;
	if (READ_ONCE(source->shut_down))
		return -ESHUTDOWN;
	return left ? 0 : -ETIMEDOUT;
}

int ndma_stream_lock_awake(struct ndma_stream *stream, ktime_t deadline)
{
	int ret;

	for (;;) {
		ret = ndma_source_await(stream->source, deadline);
		if (!ret)
			ret = ndma_stream_lock(stream);
		/* source->lock keeps it from being paused from here on. */
		if (ret || !stream->source->pauses)
			return ret;
		ndma_stream_unlock(stream);
	}
}
