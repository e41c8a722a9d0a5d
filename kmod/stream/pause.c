// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pauses: the machine sleeps or ends, or a driver's device is being reset.
 *
 *   RUNNING  ---- pause ---->  PAUSED  ---- resume ---->  RUNNING, or IDLE if it does not start
 *                                 |
 *                                 +---- NDMA_STREAM_STOP ---->  IDLE
 */
#include <linux/module.h>

#include "internal.h"

static void ndma_stream_pause(struct ndma_stream *stream)
{
	mutex_lock(&stream->mutex);
	ndma_fill_finish(stream, -ECANCELED);
	if (stream->active)
		ndma_run_quiet(stream, NDMA_STREAM_PAUSED);
	mutex_unlock(&stream->mutex);
}

static void ndma_stream_resume(struct ndma_stream *stream)
{
	int ret;

	mutex_lock(&stream->mutex);
	ret = stream->paused ? ndma_run_resume(stream) : 0;
	mutex_unlock(&stream->mutex);
	if (ret)
		pr_err_ratelimited("ndma: %s: a stream does not start again after a pause: %d\n",
				   stream->source->name, ret);
}

void ndma_source_pause(struct ndma_source *source)
{
	if (IS_ERR_OR_NULL(source))
		return;
	kref_get(&source->ref);
	down_write(&source->lock);
	WRITE_ONCE(source->pauses, source->pauses + 1);
	if (source->pauses == 1)
		ndma_source_for_streams(source, ndma_stream_pause);
	up_write(&source->lock);
	ndma_source_put(source);
}
EXPORT_SYMBOL_GPL(ndma_source_pause);

void ndma_source_resume(struct ndma_source *source)
{
	if (IS_ERR_OR_NULL(source))
		return;
	/* A card that does not answer at a start may make its driver unregister it at once. */
	kref_get(&source->ref);
	down_write(&source->lock);
	if (source->pauses)
		WRITE_ONCE(source->pauses, source->pauses - 1);
	else
		pr_err_ratelimited("ndma: %s: the driver resumed it more often than it paused it\n",
				   source->name);
	if (!source->pauses && !source->gone)
		ndma_source_for_streams(source, ndma_stream_resume);
	up_write(&source->lock);
	wake_up_all(&source->awake);
	ndma_source_put(source);
}
EXPORT_SYMBOL_GPL(ndma_source_resume);

void ndma_source_shut_down(struct ndma_source *source)
{
	ndma_source_pause(source);
	/* Whoever waits for the end of the pause is told that there will be none. */
	WRITE_ONCE(source->shut_down, true);
	wake_up_all(&source->awake);
}
