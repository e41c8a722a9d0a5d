// SPDX-License-Identifier: GPL-2.0-only
/* Forgets an object. */
#include <linux/module.h>
#include <linux/slab.h>

static int __init leak_init(void)
{
	int i;

	/* Several: a stale copy of one pointer on some stack hides that one. */
	for (i = 0; i < 16; i++) {
		if (!kzalloc(1000, GFP_KERNEL))
			return -ENOMEM;
	}
	return 0;
}
module_init(leak_init);

static void __exit leak_exit(void)
{
}
module_exit(leak_exit);

MODULE_DESCRIPTION("Planted defect: a memory leak");
MODULE_LICENSE("GPL");
