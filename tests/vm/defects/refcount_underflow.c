// SPDX-License-Identifier: GPL-2.0-only
/* Drops a reference more than it has. */
#include <linux/module.h>
#include <linux/refcount.h>

static refcount_t count = REFCOUNT_INIT(1);

static int __init refcount_underflow_init(void)
{
	int dropped = 0;

	dropped += refcount_dec_and_test(&count);
	dropped += refcount_dec_and_test(&count);
	pr_info("dropped %d\n", dropped);
	return 0;
}
module_init(refcount_underflow_init);

static void __exit refcount_underflow_exit(void)
{
}
module_exit(refcount_underflow_exit);

MODULE_DESCRIPTION("Planted defect: refcount underflow");
MODULE_LICENSE("GPL");
