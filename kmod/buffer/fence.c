// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences: a transfer as other drivers see it, and other drivers' transfers as we do.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * A fence that a program ends holds up others as long as that likes, up to 10 s and again and again;
 * Linux wants none (dma-buf.rst: "with or without a timeout"). So it is there for tests.
 */
static bool ndma_user_fences;
module_param_named(user_fences, ndma_user_fences, bool, 0644);
MODULE_PARM_DESC(user_fences,
		 "let programs' own transfers publish fences (NDMA_TRANSFER_FENCE), by which any of them holds up others for 10 s; for tests (default: N)");

bool ndma_fence_allows_users(void)
{
	return READ_ONCE(ndma_user_fences);
}

/**
 * struct ndma_fence - a fence that can outlive its buffer
 * @base: first, as dma_fence_free() wants it
 * @lock: of @base, where it has none of its own
 */
struct ndma_fence {
	struct dma_fence base;
	spinlock_t lock;
};

static const char *ndma_fence_driver_name(struct dma_fence *fence)
{
	return "ndma";
}

static const char *ndma_fence_timeline_name(struct dma_fence *fence)
{
	return "transfer";
}

#if NDMA_FENCE_KEEPS_MODULE
static void ndma_fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}
#endif

static const struct dma_fence_ops ndma_fence_ops = {
	.get_driver_name = ndma_fence_driver_name,
	.get_timeline_name = ndma_fence_timeline_name,
#if NDMA_FENCE_KEEPS_MODULE
	.release = ndma_fence_release,
#endif
};

struct dma_fence *ndma_fence_create(struct ndma_buffer *buffer)
{
	struct ndma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&fence->lock);
	if (NDMA_FENCE_KEEPS_MODULE)
		__module_get(THIS_MODULE);
	dma_fence_init(&fence->base, &ndma_fence_ops,
		       NDMA_FENCE_KEEPS_MODULE ? &fence->lock : NULL,
		       buffer->fence_context, ++buffer->fence_seqno);
	return &fence->base;
}

void ndma_fence_signal(struct dma_fence *fence, int error)
{
	unsigned long flags;

	dma_fence_lock_irqsave(fence, flags);
	if (!dma_fence_is_signaled_locked(fence)) {
		if (error)
			dma_fence_set_error(fence, error);
		dma_fence_signal_locked(fence);
	}
	dma_fence_unlock_irqrestore(fence, flags);
}

static void ndma_fence_tell(struct dma_resv *resv, enum dma_resv_usage usage)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, resv, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		rcu_read_lock();
		if (!dma_fence_is_signaled(fence))
			pr_debug_ratelimited("a fence of %s did not signal before the deadline\n",
					     ndma_fence_driver(fence));
		rcu_read_unlock();
	}
	dma_resv_iter_end(&cursor);
}

bool ndma_fence_test_signaled(struct dma_resv *resv, bool write)
{
	return dma_resv_test_signaled(resv, dma_resv_usage_rw(write));
}

int ndma_fence_wait(struct dma_resv *resv, bool write, ktime_t deadline)
{
	enum dma_resv_usage usage = dma_resv_usage_rw(write);
	s64 left_ns;
	long ret;

	for (;;) {
		left_ns = ktime_to_ns(ktime_sub(deadline, ktime_get()));
		if (left_ns <= 0)
			break;
		/*
		 * One look is not enough: jiffies that lag behind the clock catch up in leaps, so
		 * this wait may end before the deadline.
		 */
		ret = dma_resv_wait_timeout(resv, usage, true, nsecs_to_jiffies(left_ns) + 1);
		if (ret > 0)
			return 0;
		if (ret < 0)
			return ret == -ERESTARTSYS ? -EINTR : ret;
	}
	ndma_fence_tell(resv, usage);
	return -ETIMEDOUT;
}
