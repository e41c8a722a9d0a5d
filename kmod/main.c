// SPDX-License-Identifier: GPL-2.0-only
/* The module: what has to be there first, and goes last. */
#include <linux/device.h>
#include <linux/module.h>

#include "buffer/internal.h"

static unsigned int ndma_heap_minor;

static int __init ndma_init(void)
{
	struct device *heap;
	int ret;

	ret = ndma_workqueues_init();
	if (ret)
		return ret;
	ret = ndma_nodes_init();
	if (ret)
		goto err_workqueues;
	heap = ndma_node_create("heap", &ndma_heap_type, NULL, NULL, NULL, &ndma_heap_minor);
	if (IS_ERR(heap)) {
		ret = PTR_ERR(heap);
		goto err_nodes;
	}
	return 0;

err_nodes:
	ndma_nodes_exit();
err_workqueues:
	ndma_workqueues_exit();
	return ret;
}

static void __exit ndma_exit(void)
{
	ndma_node_destroy(ndma_heap_minor);
	ndma_nodes_exit();
	ndma_workqueues_exit();
	ndma_memory_exit();
}

module_init(ndma_init);
module_exit(ndma_exit);
MODULE_DESCRIPTION("n-dimensional DMA buffers for acquisition hardware");
MODULE_AUTHOR("The ndma authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
