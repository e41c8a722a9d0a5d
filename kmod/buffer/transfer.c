// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transfers: the time in which a device owns a buffer.
 *
 *                     claim                     commit
 *    the CPU's  ---------------->  starting  ------------>  the device's
 *     !active                active, starting             active, !starting
 *        ^                            |                          |
 *        |          unclaim           |                          |
 *        +----------------------------+                          |
 *        |                        finish                         |
 *        +-------------------------------------------------------+
 *
 * While it is starting, memory is seized for a guard, or a source is made ready for a fill. That can
 * be refused, and nobody has an id yet. A user's transfer without a guard needs neither and is
 * claimed and committed under one lock.
 *
 * A user's transfer is finished by the first of NDMA_TRANSFER_END, its deadline, and the end of its
 * owner's file. A fill is finished by ndma_transfer_complete() alone, when its source is quiet: its
 * deadline and its owner's end store a cause and have the worker call filler->abort(), and that comes
 * to ndma_transfer_complete().
 */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/hrtimer.h>

#include "internal.h"

/*
 * Locks @buffer to end a transfer. Who waits for the transfer's fence may be reclaiming memory, so
 * nothing until unlock may wait for memory; the annotation has lockdep prove it.
 */
static bool ndma_transfer_lock(struct ndma_buffer *buffer)
{
	bool cookie = dma_fence_begin_signalling();

	down_write(&buffer->lock);
	return cookie;
}

static void ndma_transfer_unlock(struct ndma_buffer *buffer, bool cookie)
{
	up_write(&buffer->lock);
	dma_fence_end_signalling(cookie);
}

/*
 * Gives the buffer back to the CPU. @error: 0, or why its owner did not end the transfer.
 * ndma_transfer_lock() is held; the answer is the dma-buf that the transfer kept, for the caller to
 * put without the lock.
 */
static struct dma_buf *ndma_transfer_finish(struct ndma_buffer *buffer, int error)
{
	struct ndma_transfer *transfer = &buffer->transfer;

	/*
	 * Importers have mappings of their own. What a source has written has to reach their
	 * devices; what a user's device has written has to reach the CPU.
	 */
	if (transfer->filler)
		ndma_buffer_sync_for_device(buffer);
	else
		ndma_buffer_sync_for_cpu(buffer);
	/* Release: what the syncs wrote. Pairs with the acquire load in ndma_guard_excludes(). */
	smp_store_release(&transfer->active, false);
	if (transfer->guard != NDMA_GUARD_NONE)
		wake_up_all(&buffer->wait);
	if (error)
		buffer->aborted++;
	if (transfer->fence) {
		ndma_fence_signal(transfer->fence, error);
		dma_fence_put(transfer->fence);
		transfer->fence = NULL;
	}
	return transfer->dmabuf;
}

static enum hrtimer_restart ndma_transfer_timer(struct hrtimer *timer)
{
	struct ndma_transfer *transfer = container_of(timer, struct ndma_transfer, timer);

	/*
	 * The fence of a user's transfer signals here, so that who waits for it does not depend on
	 * a worker getting its turn. The fence of a fill must wait, because the source writes until
	 * it is stopped.
	 */
	if (transfer->fence && !transfer->filler)
		ndma_fence_signal(transfer->fence, -ETIMEDOUT);
	WRITE_ONCE(transfer->cause, -ETIMEDOUT);
	queue_work(ndma_fence_workqueue, &transfer->work);
	return HRTIMER_NORESTART;
}

static void ndma_transfer_work(struct work_struct *work)
{
	struct ndma_buffer *buffer = container_of(work, struct ndma_buffer, transfer.work);
	struct ndma_transfer *transfer = &buffer->transfer;
	const struct ndma_filler *filler = NULL;
	struct dma_buf *dmabuf = NULL;
	void *priv = NULL;
	bool cookie;

	cookie = ndma_transfer_lock(buffer);
	/*
	 * Without a cause the transfer in progress is another one: the owner has ended the timer's
	 * first.
	 */
	if (transfer->active && READ_ONCE(transfer->cause)) {
		filler = transfer->filler;
		if (filler) {
			priv = transfer->filler_priv;
			filler->get(priv);
		} else {
			hrtimer_cancel(&transfer->timer);
			transfer->timed_out = transfer->id;
			dmabuf = ndma_transfer_finish(buffer, -ETIMEDOUT);
		}
	}
	ndma_transfer_unlock(buffer, cookie);
	if (dmabuf)
		dma_buf_put(dmabuf);
	if (filler) {
		filler->abort(priv, buffer);
		filler->put(priv);
	}
}

void ndma_transfer_init(struct ndma_buffer *buffer)
{
	hrtimer_setup(&buffer->transfer.timer, ndma_transfer_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED);
	INIT_WORK(&buffer->transfer.work, ndma_transfer_work);
}

void ndma_transfer_fini(struct ndma_buffer *buffer)
{
	/*
	 * A transfer would have kept the dma-buf, so none is in progress, but the worker of an
	 * ended one may still be queued.
	 */
	cancel_work_sync(&buffer->transfer.work);
}

void ndma_transfer_owner_died(struct ndma_buffer *buffer)
{
	struct ndma_transfer *transfer = &buffer->transfer;
	struct dma_buf *dmabuf = NULL;
	bool cookie;

	cookie = ndma_transfer_lock(buffer);
	if (transfer->active) {
		hrtimer_cancel(&transfer->timer);
		buffer->owner_died = true;
		if (transfer->filler) {
			/*
			 * The stream's locks are outside buffer->lock: the worker stops the source.
			 */
			WRITE_ONCE(transfer->cause, -EOWNERDEAD);
			queue_work(ndma_fence_workqueue, &transfer->work);
		} else {
			dmabuf = ndma_transfer_finish(buffer, -EOWNERDEAD);
		}
	}
	ndma_transfer_unlock(buffer, cookie);
	if (dmabuf)
		dma_buf_put(dmabuf);
}

/* May a transfer begin, as far as leases and other transfers go? buffer->lock is held. */
static int ndma_transfer_admit(const struct ndma_buffer *buffer,
			       const struct ndma_transfer_plan *plan)
{
	const struct ndma_own own = ndma_buffer_own(buffer);
	bool relayout = plan->layout &&
			memcmp(plan->layout, &buffer->layout, sizeof(buffer->layout));

	return ndma_own_admit_transfer(&own, plan->direction, plan->guard, relayout);
}

/*
 * Is the buffer claimed before the transfer starts, because memory has to be seized or a device
 * made ready in between?
 */
static bool ndma_transfer_is_seized(const struct ndma_transfer_plan *plan)
{
	return plan->guard != NDMA_GUARD_NONE || plan->filler;
}

/*
 * Makes the buffer the device's, unless leases or another transfer forbid it. buffer->lock is held
 * for writing.
 */
static int ndma_transfer_claim(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan)
{
	struct ndma_transfer *transfer = &buffer->transfer;
	int ret;

	ret = ndma_transfer_admit(buffer, plan);
	if (ret)
		return ret;
	transfer->cause = 0;
	if (plan->guard != NDMA_GUARD_NONE) {
		transfer->began = ktime_get();
		ndma_guard_forget(buffer);
	}
	WRITE_ONCE(transfer->direction, plan->direction);
	WRITE_ONCE(transfer->guard, plan->guard);
	WRITE_ONCE(transfer->starting, ndma_transfer_is_seized(plan));
	/*
	 * Release: direction, guard and starting. Pairs with the acquire load in
	 * ndma_guard_excludes().
	 */
	smp_store_release(&transfer->active, true);
	return 0;
}

void ndma_transfer_unclaim(struct ndma_buffer *buffer)
{
	down_write(&buffer->lock);
	WRITE_ONCE(buffer->transfer.active, false);
	WRITE_ONCE(buffer->transfer.starting, false);
	up_write(&buffer->lock);
	wake_up_all(&buffer->wait);
}

int ndma_transfer_seize(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan)
{
	int ret;

	down_write(&buffer->lock);
	ret = ndma_transfer_claim(buffer, plan);
	up_write(&buffer->lock);
	if (ret || plan->guard == NDMA_GUARD_NONE)
		return ret;
	ret = ndma_guard_seize(buffer, 0, buffer->capacity);
	if (ret)
		ndma_transfer_unclaim(buffer);
	return ret;
}

/*
 * Gives the transfer its id and its deadline, and takes @fence over, if there is one. buffer->lock
 * is held for writing.
 */
static u32 ndma_transfer_commit(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan,
				struct dma_fence *fence)
{
	struct ndma_transfer *transfer = &buffer->transfer;

	get_dma_buf(buffer->handle.dmabuf);
	WRITE_ONCE(transfer->starting, false);
	if (!++transfer->id)
		transfer->id = 1;
	/*
	 * A source may still refuse to start, and then the last transfer's owner has yet to hear of
	 * its timeout.
	 */
	if (!plan->filler)
		transfer->timed_out = 0;
	transfer->deadline = plan->deadline;
	transfer->dmabuf = buffer->handle.dmabuf;
	transfer->fence = fence;
	transfer->filler = plan->filler;
	transfer->filler_priv = plan->filler_priv;
	buffer->transfers++;
	if (plan->filler) {
		plan->filler->get(plan->filler_priv);
		ndma_buffer_sync_for_cpu(buffer);
	} else {
		ndma_buffer_sync_for_device(buffer);
	}
	hrtimer_start(&transfer->timer, plan->deadline, HRTIMER_MODE_ABS_PINNED);
	return transfer->id;
}

/* Starts the transfer. @fence, which may be NULL, is taken over on success. */
static int ndma_transfer_enter(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan,
			       struct dma_fence *fence, u32 *id)
{
	bool seized = ndma_transfer_is_seized(plan);
	int ret = 0;

	down_write(&buffer->lock);
	if (!seized)
		ret = ndma_transfer_claim(buffer, plan);
	if (!ret)
		*id = ndma_transfer_commit(buffer, plan, fence);
	up_write(&buffer->lock);
	/*
	 * Faults of readers waited for the end of the beginning; a transfer to the device does not
	 * concern them from here on.
	 */
	if (seized)
		wake_up_all(&buffer->wait);
	return ret;
}

/* Starts the transfer with a fence in the dma-buf's dma_resv, where importers and poll() see it. */
static int ndma_transfer_enter_fenced(struct ndma_buffer *buffer,
				      const struct ndma_transfer_plan *plan, u32 *id)
{
	bool write = plan->direction != NDMA_TO_DEVICE;
	struct dma_resv *resv = buffer->handle.dmabuf->resv;
	struct dma_fence *fence;
	int ret;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	if (!ndma_fence_all_signaled(resv, write)) {
		ret = NDMA_TRANSFER_AGAIN;
		goto out_unlock;
	}
	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		goto out_unlock;
	fence = ndma_fence_create(buffer);
	if (IS_ERR(fence)) {
		ret = PTR_ERR(fence);
		goto out_unlock;
	}
	dma_fence_get(fence);
	ret = ndma_transfer_enter(buffer, plan, fence, id);
	if (ret) {
		ndma_fence_signal(fence, ret);
		dma_fence_put(fence);
	} else {
		dma_resv_add_fence(resv, fence, plan->direction == NDMA_TO_DEVICE ?
				   DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE);
	}
	dma_fence_put(fence);
out_unlock:
	dma_resv_unlock(resv);
	return ret;
}

int ndma_transfer_start(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan, u32 *id)
{
	if (plan->fenced)
		return ndma_transfer_enter_fenced(buffer, plan, id);
	return ndma_transfer_enter(buffer, plan, NULL, id);
}

void ndma_transfer_complete(struct ndma_buffer *buffer, int error)
{
	struct ndma_transfer *transfer = &buffer->transfer;
	const struct ndma_filler *filler;
	struct dma_buf *dmabuf;
	void *priv;
	bool cookie;

	cookie = ndma_transfer_lock(buffer);
	hrtimer_cancel(&transfer->timer);
	filler = transfer->filler;
	priv = transfer->filler_priv;
	dmabuf = ndma_transfer_finish(buffer, error);
	transfer->filler = NULL;
	ndma_transfer_unlock(buffer, cookie);
	filler->put(priv);
	dma_buf_put(dmabuf);
}

void ndma_transfer_confirm(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan)
{
	down_write(&buffer->lock);
	buffer->layout = *plan->layout;
	buffer->transfer.timed_out = 0;
	up_write(&buffer->lock);
}

void ndma_transfer_forget(struct ndma_buffer *buffer, int error)
{
	down_write(&buffer->lock);
	buffer->transfers--;
	if (error)
		buffer->aborted--;
	up_write(&buffer->lock);
}

int ndma_transfer_begin_check(const struct file *file, const void *arg)
{
	const struct ndma_transfer_begin *request = arg;

	if (request->flags & ~NDMA_TRANSFER_FENCE ||
	    ndma_own_check_transfer(request->direction, request->guard, request->timeout_ns))
		return -EINVAL;
	if (!(request->flags & NDMA_TRANSFER_FENCE))
		return 0;
	if (request->timeout_ns > NDMA_FENCE_MAX_NS)
		return -EINVAL;
	return ndma_fence_allows_users() ? 0 : -EOPNOTSUPP;
}

bool ndma_transfer_may(const struct ndma_handle *handle, const struct ndma_client *client)
{
	return ndma_own_may_transfer(handle->buffer->owner == client, handle->readonly);
}

int ndma_transfer_await_fences(struct ndma_buffer *buffer, const struct ndma_transfer_plan *plan)
{
	struct dma_resv *resv = buffer->handle.dmabuf->resv;
	bool write = plan->direction != NDMA_TO_DEVICE;
	int ret;

	if (ndma_fence_all_signaled(resv, write))
		return 0;
	/*
	 * A transfer that leases forbid is refused at once, not after others' fences have
	 * signalled.
	 */
	down_read(&buffer->lock);
	ret = ndma_transfer_admit(buffer, plan);
	up_read(&buffer->lock);
	return ret ? ret : ndma_fence_wait(resv, write, plan->deadline);
}

static int ndma_transfer_begin_user(struct ndma_buffer *buffer,
				    const struct ndma_transfer_begin *request, u32 *id)
{
	const struct ndma_transfer_plan plan = {
		.direction = request->direction,
		.guard = request->guard,
		.fenced = request->flags & NDMA_TRANSFER_FENCE,
		.deadline = ktime_add_ns(ktime_get(), request->timeout_ns),
	};
	bool guarded = request->guard != NDMA_GUARD_NONE;
	int ret;

	do {
		ret = ndma_transfer_await_fences(buffer, &plan);
		if (!ret && guarded)
			ret = ndma_transfer_seize(buffer, &plan);
		if (ret)
			return ret;
		ret = ndma_transfer_start(buffer, &plan, id);
		if (ret && guarded)
			ndma_transfer_unclaim(buffer);
	} while (ret == NDMA_TRANSFER_AGAIN);
	return ret;
}

int ndma_transfer_begin_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	struct ndma_transfer_begin *request = arg;
	u32 id;
	int ret;

	if (!ndma_transfer_may(handle, ndma_client_of(file)))
		return -EPERM;
	ret = ndma_transfer_begin_user(handle->buffer, request, &id);
	if (ret)
		return ret;
	request->transfer = id;
	return 0;
}

static int ndma_transfer_end_user(struct ndma_buffer *buffer, u32 id)
{
	struct ndma_transfer *transfer = &buffer->transfer;
	struct dma_buf *dmabuf = NULL;
	bool cookie;
	int ret = 0;

	cookie = ndma_transfer_lock(buffer);
	if (transfer->active && !transfer->starting && !transfer->filler && transfer->id == id) {
		hrtimer_cancel(&transfer->timer);
		/* The deadline counts, not the timer, which may be late. */
		if (transfer->cause || ktime_after(ktime_get(), transfer->deadline))
			ret = -ETIMEDOUT;
		dmabuf = ndma_transfer_finish(buffer, ret);
	} else if (id && transfer->timed_out == id) {
		transfer->timed_out = 0;
		ret = -ETIMEDOUT;
	} else {
		ret = -EINVAL;
	}
	ndma_transfer_unlock(buffer, cookie);
	if (dmabuf)
		dma_buf_put(dmabuf);
	return ret;
}

void ndma_transfer_begin_undo(struct file *file, struct ndma_handle *handle, void *arg)
{
	const struct ndma_transfer_begin *request = arg;

	ndma_transfer_end_user(handle->buffer, request->transfer);
}

int ndma_transfer_end_check(const struct file *file, const void *arg)
{
	const struct ndma_transfer_end *request = arg;

	return request->flags ? -EINVAL : 0;
}

int ndma_transfer_end_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	const struct ndma_transfer_end *request = arg;

	if (!ndma_transfer_may(handle, ndma_client_of(file)))
		return -EPERM;
	return ndma_transfer_end_user(handle->buffer, request->transfer);
}
