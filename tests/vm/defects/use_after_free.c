// SPDX-License-Identifier: GPL-2.0-only
/* Reads an object after freeing it. */
#include <linux/module.h>
#include <linux/slab.h>

static int __init use_after_free_init(void)
{
	int *object = kmalloc(sizeof(*object), GFP_KERNEL);
	int *same = object;

	if (!object)
		return -ENOMEM;
	*object = 1;
	OPTIMIZER_HIDE_VAR(same); /* or the compiler finds the defect first */
	kfree(object);
	pr_info("read %d\n", READ_ONCE(*same));
	return 0;
}
module_init(use_after_free_init);

static void __exit use_after_free_exit(void)
{
}
module_exit(use_after_free_exit);

MODULE_DESCRIPTION("Planted defect: use after free");
MODULE_LICENSE("GPL");
