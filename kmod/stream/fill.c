// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills: a source's bounded transfer to a buffer of the heap.
 *
 * A fill is a stream of one frame whose memory is the buffer's, and whose rings nobody maps. The
 * driver cannot tell the difference.
 *
 *    NONE or OVER  ---- ndma_fill_start() ---->  RUNNING  ---- ndma_fill_finish() ---->  OVER
 *          ^                                        |
 *          +---- as it was, if the source does not start
 *
 * What may end a fill, each at any time: its frame is done, the source gives up, the deadline,
 * NDMA_STREAM_STOP, the end of its file, of its source, of the buffer's owner. All of them come to
 * ndma_fill_finish(), whose order is: stop, quiesce, give back, signal; then unmap and free.
 *
 * The fence signals in finite time: every one of these takes the stream's mutex alone, under which
 * nothing is allocated once the fence is published, and a driver's stop and abort are bounded. lockdep
 * proves it of what is done under the mutex (dma_fence_begin_signalling()). Of the mutex itself it
 * cannot: the mutexes of all streams are one to it, and a stream that is set up allocates under its own.
 */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/file.h>
#include <linux/freezer.h>
#include <linux/sched/signal.h>

#include "internal.h"

/*
 * Makes the file as it was before the fill: the next setup or fill must find counters and queues at
 * zero.
 */
static void ndma_fill_reset(struct ndma_stream *stream)
{
	ndma_setup_dismantle(stream);
	ndma_frames_destroy(stream);
	memset_startat(stream, 0, running);
	stream->started = false;
}

/* Notes what became of the fill, whose source is quiet; the answer is what its fence says. */
static int ndma_fill_judge(struct ndma_stream *stream, int error)
{
	struct ndma_fill *fill = &stream->fill;

	memset(&fill->completion, 0, sizeof(fill->completion));
	/* A frame that is done is the result, whatever was about to end the fill. */
	if (stream->head) {
		fill->completion = stream->ring->completions->ring[0];
		/*
		 * The frame is the fill's first, and what was lost before it is in its count of
		 * dropped frames.
		 */
		fill->completion.sequence = 0;
		error = 0;
	}
	fill->error = error;
	return fill->completion.flags & NDMA_FRAME_ERROR ? -EIO : error;
}

void ndma_fill_finish(struct ndma_stream *stream, int error)
{
	struct ndma_fill *fill = &stream->fill;
	bool cookie;

	if (fill->state != NDMA_FILL_RUNNING)
		return;
	cookie = dma_fence_begin_signalling();
	ndma_run_quiet(stream, NDMA_STREAM_IDLE);
	error = ndma_fill_judge(stream, error);
	ndma_transfer_complete(stream->buffer, error);
	dma_fence_end_signalling(cookie);
	/* What may wait for memory: a driver's teardown, pages that are unmapped, a thread that ends. */
	ndma_setup_detach(stream);
	ndma_fill_reset(stream);
	/* Release: the result. Pairs with the acquire load in ndma_fill_wait_ioctl(). */
	smp_store_release(&fill->state, NDMA_FILL_OVER);
	wake_up_all(&stream->waiters);
}

void ndma_fill_stopper(struct work_struct *work)
{
	struct ndma_stream *stream = container_of(work, struct ndma_stream, fill_stopper);

	/*
	 * Not source->lock: whoever waits for the fence would wait for another stream's setup too.
	 * Unplugging ends a fill, under its stream's mutex, before the source may go.
	 */
	mutex_lock(&stream->mutex);
	/* The next fill may have begun meanwhile, and has not finished. */
	if (stream->active && READ_ONCE(stream->finished))
		ndma_fill_finish(stream, -EIO);
	mutex_unlock(&stream->mutex);
}

static void ndma_fill_abort(void *priv, struct ndma_buffer *buffer)
{
	struct ndma_stream *stream = priv;
	int cause;

	mutex_lock(&stream->mutex);
	/*
	 * Another thread may have ended the transfer and begun a new one, which has no cause to end
	 * yet.
	 */
	cause = READ_ONCE(buffer->transfer.cause);
	if (cause && stream->fill.state == NDMA_FILL_RUNNING && stream->buffer == buffer)
		ndma_fill_finish(stream, cause);
	mutex_unlock(&stream->mutex);
}

static void ndma_fill_get(void *priv)
{
	struct ndma_stream *stream = priv;

	kref_get(&stream->ref);
}

static void ndma_fill_put(void *priv)
{
	ndma_stream_put(priv);
}

static const struct ndma_filler ndma_fill_filler = {
	.abort = ndma_fill_abort,
	.get = ndma_fill_get,
	.put = ndma_fill_put,
};

/*
 * Finds the configuration for the request, and refuses a buffer that is too small or out of the
 * device's reach.
 */
static int ndma_fill_configure(struct ndma_stream *stream, const struct ndma_fill_begin *request,
			       const struct ndma_buffer *buffer)
{
	const struct ndma_source_desc *desc = stream->source->desc;
	struct ndma_stream_setup setup = {
		.frames = 1,
		.policy = NDMA_POLICY_DROP,
		.guard = NDMA_GUARD_NONE,
		.format = request->format,
		.order = request->order,
		.channels = request->channels,
		.samples = request->samples,
	};
	int ret;

	if (desc->flags & NDMA_SOURCE_CYCLIC)
		return -EOPNOTSUPP;
	ret = ndma_setup_configure(stream, &setup);
	if (ret)
		return ret;
	ret = ndma_layout_verify(&stream->layout, buffer->bytes);
	if (ret)
		return ret;
	if (!desc->dev || ndma_memory_reachable(buffer->memory, desc->dev))
		return 0;
	pr_info_ratelimited("ndma: %s does not reach the buffer that %s[%d] wants it to fill; allocate it with source_fd\n",
			    stream->source->name, current->comm, task_tgid_nr(current));
	return -EOPNOTSUPP;
}

/* Seizes the buffer and starts the source, or leaves all as it was. Under the mutex. */
static int ndma_fill_start(struct ndma_stream *stream, struct ndma_buffer *buffer,
			   struct ndma_transfer_plan *plan)
{
	const struct ndma_fill before = stream->fill;
	bool cookie;
	u32 id;
	int ret;

	ret = ndma_setup_claim(stream->source);
	if (ret)
		return ret;
	ret = ndma_transfer_seize(buffer, plan);
	if (ret)
		goto unclaim_source;
	ndma_memory_get(buffer->memory);
	stream->memory = buffer->memory;
	get_dma_buf(buffer->handle.dmabuf);
	stream->buffer = buffer;
	ret = ndma_setup_connect(stream);
	if (ret)
		goto put_buffer;
	plan->fenced = plan->fenced && ndma_stream_is_bound(stream);
	ret = ndma_transfer_start(buffer, plan, &id);
	if (ret)
		goto detach;
	stream->fill.state = NDMA_FILL_RUNNING;
	stream->fill.fenced = plan->fenced;
	/* The fence is out: a start that waited for memory could wait for it. */
	cookie = dma_fence_begin_signalling();
	ret = ndma_run_begin(stream, 0);
	dma_fence_end_signalling(cookie);
	if (!ret) {
		ndma_transfer_confirm(buffer, plan);
		return 0;
	}
	/*
	 * Others may have seen the fill run and waited for it, so it is finished like any other.
	 * Then it is taken out of the counts: nothing was written.
	 */
	ndma_fill_finish(stream, ret);
	ndma_transfer_forget(buffer, stream->fill.error);
	stream->fill = before;
	return ret;

detach:
	ndma_setup_disconnect(stream, NDMA_STREAM_IDLE);
	ndma_fill_reset(stream);
	ndma_transfer_unclaim(buffer);
	return ret;
put_buffer:
	dma_buf_put(buffer->handle.dmabuf);
	ndma_memory_put(buffer->memory);
	ndma_transfer_unclaim(buffer);
unclaim_source:
	ndma_setup_unclaim(stream->source);
	return ret;
}

/*
 * The heap's file proves that its client owns the buffer. It is held until the transfer has begun:
 * closed before that, it would leave nobody who ends the transfer.
 */
static struct file *ndma_fill_heap(int fd, const struct ndma_handle *handle)
{
	struct file *heap = fget(fd);
	int ret;

	if (!heap)
		return ERR_PTR(-EBADF);
	if (ndma_node_kind(heap) != NDMA_KIND_HEAP)
		ret = -EBADF;
	else if (!(heap->f_mode & FMODE_WRITE))
		ret = -EACCES;
	else if (!ndma_transfer_may(handle, ndma_client_of(heap)))
		ret = -EPERM;
	else
		return heap;
	fput(heap);
	return ERR_PTR(ret);
}

static int ndma_fill_try(struct ndma_stream *stream, struct ndma_buffer *buffer,
			 const struct ndma_fill_begin *request)
{
	struct ndma_transfer_plan plan = {
		.direction = NDMA_FROM_DEVICE,
		.guard = request->guard,
		.deadline = ktime_add_ns(ktime_get(), request->timeout_ns),
		.filler = &ndma_fill_filler,
		.filler_priv = stream,
	};
	int ret;

	do {
		/* The layout is stream->layout, which may be looked at under the mutex alone. */
		plan.layout = NULL;
		plan.fenced = request->timeout_ns <= NDMA_FENCE_MAX_NS;
		/*
		 * Others' fences are waited for without the mutex, because unplugging the source
		 * waits for that.
		 */
		ret = ndma_transfer_await_fences(buffer, &plan);
		if (!ret)
			ret = ndma_stream_lock_awake(stream, plan.deadline);
		if (ret)
			return ret;
		ret = -EBUSY;
		if (!ndma_stream_in_use(stream))
			ret = ndma_fill_configure(stream, request, buffer);
		if (!ret) {
			plan.layout = &stream->layout;
			ret = ndma_fill_start(stream, buffer, &plan);
		}
		ndma_stream_unlock(stream);
	} while (ret == NDMA_TRANSFER_AGAIN);
	return ret;
}

int ndma_fill_begin_check(const struct file *file, const void *arg)
{
	const struct ndma_fill_begin *request = arg;

	if (request->flags ||
	    ndma_own_check_transfer(NDMA_FROM_DEVICE, request->guard, request->timeout_ns))
		return -EINVAL;
	return 0;
}

int ndma_fill_begin_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	const struct ndma_fill_begin *request = arg;
	struct file *heap = ndma_fill_heap(request->heap_fd, handle);
	int ret;

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	ret = ndma_fill_try(file->private_data, handle->buffer, request);
	fput(heap);
	return ret;
}

int ndma_fill_wait_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_fill_wait *wait = arg;
	struct ndma_fill *fill = &stream->fill;
	int ret;

	if (wait->flags)
		return -EINVAL;
	do {
		/* Acquire: the result. Pairs with the release store in ndma_fill_finish(). */
		if (wait_event_freezable(stream->waiters, smp_load_acquire(&fill->state) !=
							  NDMA_FILL_RUNNING))
			return -EINTR;
		if (mutex_lock_killable(&stream->mutex))
			return -EINTR;
		/*
		 * Another thread may have begun the next fill between the wake-up and the mutex:
		 * wait for that one.
		 */
		ret = fill->state == NDMA_FILL_RUNNING ? -EAGAIN : fill->error;
		if (fill->state == NDMA_FILL_NONE)
			ret = -EINVAL;
		wait->completion = fill->completion;
		mutex_unlock(&stream->mutex);
	} while (ret == -EAGAIN);
	return ret;
}
