// SPDX-License-Identifier: GPL-2.0-only
/* Warns, and carries on. */
#include <linux/bug.h>
#include <linux/module.h>

static int __init warning_init(void)
{
	WARN_ON(1);
	return 0;
}
module_init(warning_init);

static void __exit warning_exit(void)
{
}
module_exit(warning_exit);

MODULE_DESCRIPTION("Planted defect: a WARN that nobody looks at");
MODULE_LICENSE("GPL");
