// SPDX-License-Identifier: GPL-2.0-only
/* Exports: frames that have dma-bufs of their own. */
#include "internal.h"

/*
 * The last reference to an exported frame's dma-buf is gone, perhaps long after the stream has
 * ended.
 */
static void ndma_export_end(void *priv)
{
	struct ndma_frame *frame = priv;
	struct ndma_stream *stream = frame->stream;
	unsigned long flags;

	spin_lock_irqsave(&stream->ring_lock, flags);
	if (!--frame->exports) {
		stream->exported--;
		if (frame->state == NDMA_FRAME_IS_KEPT)
			ndma_frame_recycle(frame);
	}
	/*
	 * A stream that has stopped does not wait for its worker when it ends, so no work may be
	 * queued then.
	 */
	if (stream->running)
		queue_work(ndma_flow_workqueue, &stream->worker);
	spin_unlock_irqrestore(&stream->ring_lock, flags);
	ndma_stream_put(stream);
}

int ndma_stream_export_ioctl(struct file *file, void *arg)
{
	struct ndma_stream *stream = file->private_data;
	struct ndma_stream_export *export = arg;
	struct ndma_frame *frame;
	struct dma_buf *view;
	bool held;
	int ret;

	if (export->fd_flags & ~(O_CLOEXEC | O_RDWR))
		return -EINVAL;
	/* Acquire: all that setup made. Pairs with the release store in ndma_setup_locked(). */
	if (!smp_load_acquire(&stream->set_up) || export->index >= stream->config.frames)
		return -EINVAL;
	frame = &stream->frames[export->index];

	spin_lock_irq(&stream->ring_lock);
	ndma_ring_note(stream);
	held = ndma_ring_is_users(frame);
	if (held && !frame->exports++)
		stream->exported++;
	spin_unlock_irq(&stream->ring_lock);
	if (!held)
		return -EBUSY;

	kref_get(&stream->ref);
	ret = ndma_buffer_view(stream->buffer, export->index * stream->stride,
			       stream->config.frame_bytes, &stream->layout,
			       !(export->fd_flags & O_RDWR), ndma_export_end, frame, &view);
	if (ret) {
		ndma_export_end(frame);
		return ret;
	}
	export->fd = ndma_ioctl_stage_fd(arg, view->file, export->fd_flags & O_CLOEXEC);
	if (export->fd < 0) {
		dma_buf_put(view);
		return export->fd;
	}
	return 0;
}
