// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that a driver of an acquisition card is: a template, to be copied and built outside ndma's tree.
 *
 * Its card counts: every 10 ms a work fills a frame with the numbers that follow those of the frame before.
 * A card with a DMA engine is given frames by their addresses (ndma_frame_sgl()) and its interrupt
 * completes them: edu.c is the driver of such a one, with all that this one does without.
 */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/workqueue.h>

#include "ndma_source.h"

#if NDMA_SOURCE_INTERFACE != 1
#error "ndma_source.h has changed: read its history of interfaces, then this line"
#endif

#define RAMP_FRAME_MS 10

struct ramp {
	struct ndma_stream *stream;
	struct delayed_work work;
	u32 next;
};

static void ramp_fill(struct ramp *ramp, struct ndma_frame *frame)
{
	struct ndma_frame_result result = { .bytes = ndma_frame_bytes(frame) };
	u32 *samples = ndma_frame_vaddr(frame);
	u64 i;

	for (i = 0; i < result.bytes / sizeof(*samples); i++)
		samples[i] = ramp->next++;
	ndma_frame_complete(frame, &result);
}

static void ramp_work(struct work_struct *work)
{
	struct ramp *ramp = container_of(to_delayed_work(work), struct ramp, work);
	struct ndma_frame *frame = ndma_stream_next_frame(ramp->stream);

	if (frame) {
		ramp_fill(ramp, frame);
	} else {
		/* The card waits for nobody: what is not told of here would be missing without a word. */
		ramp->next += ndma_stream_config(ramp->stream)->samples;
		ndma_stream_lost(ramp->stream, 1);
	}
	queue_delayed_work(ndma_source_workqueue, &ramp->work, msecs_to_jiffies(RAMP_FRAME_MS));
}

static int ramp_start(struct ndma_stream *stream)
{
	struct ramp *ramp = ndma_source_priv(ndma_stream_source(stream));

	ramp->stream = stream;
	ramp->next = 0;
	queue_delayed_work(ndma_source_workqueue, &ramp->work, msecs_to_jiffies(RAMP_FRAME_MS));
	return 0;
}

static void ramp_stop(struct ndma_stream *stream)
{
	struct ramp *ramp = ndma_source_priv(ndma_stream_source(stream));

	/* The work keeps no frame: when it has ended, nothing of this stream's is touched any more. */
	cancel_delayed_work_sync(&ramp->work);
}

/* Frames are asked for at each one's time. Whose card stands still without one starts it here. */
static void ramp_queue(struct ndma_stream *stream)
{
}

static const struct ndma_format_desc ramp_formats[] = {
	{ .format = "<I", .itemsize = 4, .bits = 32, .orders = NDMA_ORDER_PLANAR },
};

static const struct ndma_channel_desc ramp_channels[] = {
	{ .name = "count", .unit = "", .scale = { 1, 1 }, .offset = { 0, 1 } },
};

static const struct ndma_source_ops ramp_ops = {
	.start = ramp_start,
	.stop = ramp_stop,
	.queue = ramp_queue,
};

static const struct ndma_source_desc ramp_desc = {
	.name = "ramp",
	.owner = THIS_MODULE,
	.formats = ramp_formats,
	.nr_formats = ARRAY_SIZE(ramp_formats),
	.channels = ramp_channels,
	.nr_channels = ARRAY_SIZE(ramp_channels),
	.frames_min = 2,
	.frames_max = 64,
	.frame_bytes_max = 1 << 20,
	.streams_max = 1,
	.ops = &ramp_ops,
};

static void ramp_unregister(void *source)
{
	ndma_source_unregister(source);
}

static int ramp_probe(struct platform_device *pdev)
{
	struct ramp *ramp = devm_kzalloc(&pdev->dev, sizeof(*ramp), GFP_KERNEL);
	struct ndma_source *source;

	if (!ramp)
		return -ENOMEM;
	INIT_DELAYED_WORK(&ramp->work, ramp_work);
	source = ndma_source_register(&ramp_desc, ramp);
	if (IS_ERR(source))
		return PTR_ERR(source);
	return devm_add_action_or_reset(&pdev->dev, ramp_unregister, source);
}

static struct platform_driver ramp_driver = {
	.probe = ramp_probe,
	.driver.name = "ndma_ramp",
};

/* A real card's device comes from its bus, or from a device tree: module_platform_driver() is all then. */
static struct platform_device *ramp_device;

static int __init ramp_init(void)
{
	int ret = platform_driver_register(&ramp_driver);

	if (ret)
		return ret;
	ramp_device = platform_device_register_simple("ndma_ramp", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(ramp_device)) {
		platform_driver_unregister(&ramp_driver);
		return PTR_ERR(ramp_device);
	}
	return 0;
}

static void __exit ramp_exit(void)
{
	platform_device_unregister(ramp_device);
	platform_driver_unregister(&ramp_driver);
}

module_init(ramp_init);
module_exit(ramp_exit);
MODULE_DESCRIPTION("Template of an acquisition driver for ndma");
MODULE_LICENSE("GPL");
