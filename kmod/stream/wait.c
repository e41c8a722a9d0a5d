// SPDX-License-Identifier: GPL-2.0-only
/* Sleeping until frames are ready. */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* How much later than asked for a timeout may come, so that timers can be served together. */
#define TIMEOUT_SLACK_NS	50000

/* A sleeper, who is not woken before his batch is there. */
struct ndma_waiter {
	struct wait_queue_entry entry;
	struct ndma_stream *stream;
	u32 min;
};

/* Frames that can still become ready without anybody's help. */
static u32 ndma_wait_coming(const struct ndma_stream *stream)
{
	return READ_ONCE(stream->count[NDMA_FRAME_IS_FREE]) +
	       READ_ONCE(stream->count[NDMA_FRAME_IS_DEVICE]) +
	       READ_ONCE(stream->count[NDMA_FRAME_IS_FILLED]) +
	       READ_ONCE(stream->count[NDMA_FRAME_IS_RELEASED]);
}

static int ndma_waiter_wake(struct wait_queue_entry *entry, unsigned int mode, int flags,
			    void *key)
{
	struct ndma_waiter *waiter = container_of(entry, struct ndma_waiter, entry);
	struct ndma_stream *stream = waiter->stream;

	if (!ndma_stream_is_over(READ_ONCE(stream->state)) &&
	    ndma_ring_ready(stream) < waiter->min && ndma_wait_coming(stream))
		return 0;
	return default_wake_function(entry, mode, flags, key);
}

/* The answer of NDMA_STREAM_WAIT as things are; -EAGAIN: there is something to wait for. */
static int ndma_wait_answer(struct ndma_stream *stream, struct ndma_stream_wait *wait)
{
	u32 coming;

	spin_lock_irq(&stream->ring_lock);
	wait->ready = ndma_ring_note(stream);
	wait->state = stream->state;
	coming = ndma_wait_coming(stream);
	spin_unlock_irq(&stream->ring_lock);

	if (wait->ready >= wait->min)
		return 0;
	if (wait->state == NDMA_STREAM_GONE)
		return wait->ready ? 0 : -ENODEV;
	if (wait->state == NDMA_STREAM_IDLE)
		return 0;
	if (!coming)
		return wait->ready ? 0 : -EBUSY;
	return -EAGAIN;
}

static int ndma_wait_sleep(struct ndma_stream *stream, struct ndma_stream_wait *wait)
{
	struct ndma_waiter waiter = { .stream = stream, .min = wait->min };
	ktime_t until = ktime_add_safe(ktime_get(), ns_to_ktime(wait->timeout_ns));
	bool in_time = true;
	int ret;

	init_waitqueue_func_entry(&waiter.entry, ndma_waiter_wake);
	waiter.entry.private = current;
	add_wait_queue(&stream->waiters, &waiter.entry);
	for (;;) {
		/* Freezable: without it each sleep of the machine would end this one by EINTR. */
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		ret = ndma_wait_answer(stream, wait);
		if (ret != -EAGAIN)
			break;
		if (!in_time) {
			ret = -ETIMEDOUT;
			break;
		}
		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		in_time = schedule_hrtimeout_range(wait->timeout_ns < 0 ? NULL : &until,
						   TIMEOUT_SLACK_NS, HRTIMER_MODE_ABS);
	}
	__set_current_state(TASK_RUNNING);
	remove_wait_queue(&stream->waiters, &waiter.entry);
	return ret;
}

int ndma_stream_wait_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_stream_wait *wait = arg;
	int ret;

	/* Acquire: all that setup made. Pairs with the release store in ndma_setup_locked(). */
	if (!smp_load_acquire(&stream->set_up) || !wait->min || wait->min > stream->config.frames)
		return -EINVAL;
	ndma_flow_kick(stream);
	ret = ndma_wait_answer(stream, wait);
	if (ret == -EAGAIN && wait->timeout_ns)
		ret = ndma_wait_sleep(stream, wait);
	return ret;
}
