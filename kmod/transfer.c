// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transfers: the time in which a device owns a buffer.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/hrtimer.h>

#include "buffer.h"
#include "heap.h"

#define NDMA_TRANSFER_MAX_NS (3600ULL * NSEC_PER_SEC)

/*
 * Gives the buffer back to the CPU. @error: 0, or why the owner did not. buffer->lock is held
 * for writing. Returns the dma-buf that the transfer kept, to be put without the lock.
 */
static struct dma_buf *ndma_transfer_finish(struct ndma_buffer *buffer, int error)
{
	struct ndma_transfer *transfer = &buffer->transfer;

	ndma_buffer_sync_for_cpu(buffer);
	WRITE_ONCE(transfer->active, false);
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

	/* Whoever waits for the fence must not depend on the worker. */
	if (transfer->fence)
		ndma_fence_signal(transfer->fence, -ETIMEDOUT);
	WRITE_ONCE(transfer->expired, true);
	queue_work(ndma_workqueue, &transfer->work);
	return HRTIMER_NORESTART;
}

static void ndma_transfer_work(struct work_struct *work)
{
	struct ndma_buffer *buffer = container_of(work, struct ndma_buffer, transfer.work);
	struct ndma_transfer *transfer = &buffer->transfer;
	struct dma_buf *dmabuf = NULL;

	down_write(&buffer->lock);
	/* Else its owner ended it first; another one may be in progress. */
	if (transfer->active && READ_ONCE(transfer->expired)) {
		hrtimer_cancel(&transfer->timer);
		transfer->timed_out = transfer->id;
		dmabuf = ndma_transfer_finish(buffer, -ETIMEDOUT);
	}
	up_write(&buffer->lock);
	if (dmabuf)
		dma_buf_put(dmabuf);
}

void ndma_transfer_init(struct ndma_buffer *buffer)
{
	hrtimer_setup(&buffer->transfer.timer, ndma_transfer_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS);
	INIT_WORK(&buffer->transfer.work, ndma_transfer_work);
}

void ndma_transfer_fini(struct ndma_buffer *buffer)
{
	/* Nothing is in progress, for that keeps the dma-buf; a late worker may still be queued. */
	cancel_work_sync(&buffer->transfer.work);
}

void ndma_transfer_owner_died(struct ndma_buffer *buffer)
{
	struct ndma_transfer *transfer = &buffer->transfer;
	struct dma_buf *dmabuf = NULL;

	down_write(&buffer->lock);
	if (transfer->active) {
		hrtimer_cancel(&transfer->timer);
		buffer->owner_died = true;
		dmabuf = ndma_transfer_finish(buffer, -EOWNERDEAD);
	}
	up_write(&buffer->lock);
	if (dmabuf)
		dma_buf_put(dmabuf);
}

/* May a transfer begin, as far as leases and other transfers go? buffer->lock is held. */
static int ndma_transfer_admit(const struct ndma_buffer *buffer, u32 direction, u32 guard)
{
	if (buffer->transfer.active)
		return -EBUSY;
	if (guard != NDMA_GUARD_NONE)
		return 0;
	if (buffer->write_leases || (direction != NDMA_TO_DEVICE && buffer->read_leases))
		return -EBUSY;
	return 0;
}

/* Makes the buffer the device's, if it may be. buffer->lock is held for writing. */
static int ndma_transfer_claim(struct ndma_buffer *buffer,
			       const struct ndma_transfer_begin *request)
{
	struct ndma_transfer *transfer = &buffer->transfer;
	int ret;

	ret = ndma_transfer_admit(buffer, request->direction, request->guard);
	if (ret)
		return ret;
	transfer->expired = false;
	transfer->direction = request->direction;
	transfer->guard = request->guard;
	transfer->starting = request->guard != NDMA_GUARD_NONE;
	WRITE_ONCE(transfer->active, true);
	return 0;
}

static void ndma_transfer_unclaim(struct ndma_buffer *buffer)
{
	down_write(&buffer->lock);
	WRITE_ONCE(buffer->transfer.active, false);
	WRITE_ONCE(buffer->transfer.starting, false);
	up_write(&buffer->lock);
	wake_up_all(&buffer->wait);
}

/* Claims the buffer and takes it away from every mapping. */
static int ndma_transfer_seize(struct ndma_buffer *buffer,
			       const struct ndma_transfer_begin *request)
{
	int ret;

	down_write(&buffer->lock);
	ret = ndma_transfer_claim(buffer, request);
	up_write(&buffer->lock);
	if (ret)
		return ret;
	ret = ndma_guard_seize(buffer, 0, buffer->capacity);
	if (ret)
		ndma_transfer_unclaim(buffer);
	return ret;
}

/* From here on it has an id and a deadline. Takes @fence over, if any. buffer->lock is held. */
static u32 ndma_transfer_commit(struct ndma_buffer *buffer, struct dma_buf *dmabuf,
				ktime_t deadline, struct dma_fence *fence)
{
	struct ndma_transfer *transfer = &buffer->transfer;

	get_dma_buf(dmabuf);
	WRITE_ONCE(transfer->starting, false);
	if (!++transfer->id)
		transfer->id = 1;
	transfer->timed_out = 0;
	transfer->deadline = deadline;
	transfer->dmabuf = dmabuf;
	transfer->fence = fence;
	buffer->transfers++;
	ndma_buffer_sync_for_device(buffer);
	hrtimer_start(&transfer->timer, deadline, HRTIMER_MODE_ABS);
	return transfer->id;
}

/* With a guard the buffer is claimed already. @fence is taken over on success; may be NULL. */
static int ndma_transfer_start(struct ndma_buffer *buffer, struct dma_buf *dmabuf,
			       const struct ndma_transfer_begin *request, ktime_t deadline,
			       struct dma_fence *fence, u32 *id)
{
	bool guarded = request->guard != NDMA_GUARD_NONE;
	int ret = 0;

	down_write(&buffer->lock);
	if (!guarded)
		ret = ndma_transfer_claim(buffer, request);
	if (!ret)
		*id = ndma_transfer_commit(buffer, dmabuf, deadline, fence);
	up_write(&buffer->lock);
	/* Readers of a transfer to the device may go on. */
	if (guarded)
		wake_up_all(&buffer->wait);
	return ret;
}

/* As ndma_transfer_start(), with a fence that everybody who has the dma-buf sees. */
static int ndma_transfer_start_fenced(struct ndma_buffer *buffer, struct dma_buf *dmabuf,
				      const struct ndma_transfer_begin *request, ktime_t deadline,
				      u32 *id)
{
	struct dma_resv *resv = dmabuf->resv;
	struct dma_fence *fence;
	int ret;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		goto out_unlock;
	fence = ndma_fence_create(buffer);
	if (IS_ERR(fence)) {
		ret = PTR_ERR(fence);
		goto out_unlock;
	}
	dma_fence_get(fence);
	ret = ndma_transfer_start(buffer, dmabuf, request, deadline, fence, id);
	if (ret) {
		ndma_fence_signal(fence, ret);
		dma_fence_put(fence);
	} else {
		dma_resv_add_fence(resv, fence, request->direction == NDMA_TO_DEVICE ?
				   DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE);
	}
	dma_fence_put(fence);
out_unlock:
	dma_resv_unlock(resv);
	return ret;
}

static int ndma_transfer_begin_check(const struct ndma_transfer_begin *request)
{
	if (request->direction < NDMA_FROM_DEVICE || request->direction > NDMA_BOTH ||
	    request->flags & ~NDMA_TRANSFER_FENCE || request->guard > NDMA_GUARD_SIGBUS)
		return -EINVAL;
	if (!request->timeout_ns || request->timeout_ns > NDMA_TRANSFER_MAX_NS)
		return -EINVAL;
	if (request->flags & NDMA_TRANSFER_FENCE && request->timeout_ns > NDMA_FENCE_MAX_NS)
		return -EINVAL;
	return 0;
}

static bool ndma_transfer_may(const struct ndma_handle *handle, const struct ndma_client *client)
{
	return handle->buffer->owner == client && !handle->readonly;
}

static int ndma_transfer_await_fences(struct ndma_buffer *buffer, struct dma_resv *resv,
				      const struct ndma_transfer_begin *request, ktime_t deadline)
{
	bool write = request->direction != NDMA_TO_DEVICE;
	int ret;

	if (ndma_fence_all_signaled(resv, write))
		return 0;
	/* What is refused anyhow is refused before others' fences are waited for. */
	down_read(&buffer->lock);
	ret = ndma_transfer_admit(buffer, request->direction, request->guard);
	up_read(&buffer->lock);
	return ret ? ret : ndma_fence_wait(resv, write, deadline);
}

static int ndma_transfer_begin(struct ndma_buffer *buffer, struct dma_buf *dmabuf,
			       const struct ndma_transfer_begin *request, u32 *id)
{
	ktime_t deadline = ktime_add_ns(ktime_get(), request->timeout_ns);
	int ret;

	ret = ndma_transfer_await_fences(buffer, dmabuf->resv, request, deadline);
	if (ret)
		return ret;
	if (request->guard != NDMA_GUARD_NONE) {
		ret = ndma_transfer_seize(buffer, request);
		if (ret)
			return ret;
	}
	if (request->flags & NDMA_TRANSFER_FENCE)
		ret = ndma_transfer_start_fenced(buffer, dmabuf, request, deadline, id);
	else
		ret = ndma_transfer_start(buffer, dmabuf, request, deadline, NULL, id);
	if (ret && request->guard != NDMA_GUARD_NONE)
		ndma_transfer_unclaim(buffer);
	return ret;
}

int ndma_transfer_begin_ioctl(struct file *file, void *arg)
{
	struct ndma_transfer_begin *request = arg;
	struct ndma_handle *handle;
	struct dma_buf *dmabuf;
	u32 id;
	int ret;

	ret = ndma_transfer_begin_check(request);
	if (ret)
		return ret;
	dmabuf = ndma_handle_get(request->fd, &handle);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = -EPERM;
	if (ndma_transfer_may(handle, ndma_client_of(file)))
		ret = ndma_transfer_begin(handle->buffer, dmabuf, request, &id);
	dma_buf_put(dmabuf);
	if (!ret)
		request->transfer = id;
	return ret;
}

static int ndma_transfer_end(struct ndma_buffer *buffer, u32 id)
{
	struct ndma_transfer *transfer = &buffer->transfer;
	struct dma_buf *dmabuf = NULL;
	int ret = 0;

	down_write(&buffer->lock);
	if (transfer->active && !transfer->starting && transfer->id == id) {
		hrtimer_cancel(&transfer->timer);
		/* The timer may be late, and the deadline has passed all the same. */
		if (transfer->expired || ktime_after(ktime_get(), transfer->deadline))
			ret = -ETIMEDOUT;
		dmabuf = ndma_transfer_finish(buffer, ret);
	} else if (id && transfer->timed_out == id) {
		transfer->timed_out = 0;
		ret = -ETIMEDOUT;
	} else {
		ret = -EINVAL;
	}
	up_write(&buffer->lock);
	if (dmabuf)
		dma_buf_put(dmabuf);
	return ret;
}

int ndma_transfer_end_ioctl(struct file *file, void *arg)
{
	const struct ndma_transfer_end *request = arg;
	struct ndma_handle *handle;
	struct dma_buf *dmabuf;
	int ret;

	if (request->flags)
		return -EINVAL;
	dmabuf = ndma_handle_get(request->fd, &handle);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = -EPERM;
	if (ndma_transfer_may(handle, ndma_client_of(file)))
		ret = ndma_transfer_end(handle->buffer, request->transfer);
	dma_buf_put(dmabuf);
	return ret;
}

void ndma_transfer_begin_undo(struct file *file, void *arg)
{
	const struct ndma_transfer_begin *request = arg;
	struct ndma_transfer_end end = { .fd = request->fd, .transfer = request->transfer };

	ndma_transfer_end_ioctl(file, &end);
}
