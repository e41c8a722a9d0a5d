// SPDX-License-Identifier: GPL-2.0-only
/* Never lets go of itself. */
#include <linux/module.h>

static int __init reference_kept_init(void)
{
	__module_get(THIS_MODULE);
	return 0;
}
module_init(reference_kept_init);

static void __exit reference_kept_exit(void)
{
}
module_exit(reference_kept_exit);

MODULE_DESCRIPTION("Planted defect: a leaked module reference");
MODULE_LICENSE("GPL");
