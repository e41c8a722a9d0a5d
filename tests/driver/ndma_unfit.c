// SPDX-License-Identifier: GPL-2.0-only
/* A driver that lacks something: its module loads if it is registered all the same. */
#include <linux/module.h>

#include "ndma_source.h"

static char *lacks = "";
module_param(lacks, charp, 0444);
MODULE_PARM_DESC(lacks, "ops, start, stop, queue or interface");

static int unfit_start(struct ndma_stream *stream)
{
	return 0;
}

static void unfit_nothing(struct ndma_stream *stream)
{
}

static const struct ndma_format_desc unfit_format = {
	.format = "<I", .itemsize = 4, .bits = 32, .orders = NDMA_ORDER_PLANAR,
};

static const struct ndma_channel_desc unfit_channel = {
	.name = "none", .scale = { 1, 1 }, .offset = { 0, 1 },
};

static struct ndma_source_ops unfit_ops = {
	.start = unfit_start,
	.stop = unfit_nothing,
	.queue = unfit_nothing,
};

static struct ndma_source_desc unfit_desc = {
	.name = "unfit",
	.owner = THIS_MODULE,
	.formats = &unfit_format,
	.nr_formats = 1,
	.channels = &unfit_channel,
	.nr_channels = 1,
	.frames_min = 2,
	.frames_max = 2,
	.frame_bytes_max = 4096,
	.ops = &unfit_ops,
};

static struct ndma_source *unfit;

static int __init unfit_init(void)
{
	u32 interface = NDMA_SOURCE_INTERFACE;

	if (!strcmp(lacks, "ops"))
		unfit_desc.ops = NULL;
	else if (!strcmp(lacks, "start"))
		unfit_ops.start = NULL;
	else if (!strcmp(lacks, "stop"))
		unfit_ops.stop = NULL;
	else if (!strcmp(lacks, "queue"))
		unfit_ops.queue = NULL;
	else if (!strcmp(lacks, "interface"))
		interface++;
	unfit = __ndma_source_register(&unfit_desc, NULL, interface);
	return PTR_ERR_OR_ZERO(unfit);
}

static void __exit unfit_exit(void)
{
	ndma_source_unregister(unfit);
}

module_init(unfit_init);
module_exit(unfit_exit);
MODULE_DESCRIPTION("Unfit driver of ndma's suite");
MODULE_LICENSE("GPL");
