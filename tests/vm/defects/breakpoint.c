// SPDX-License-Identifier: GPL-2.0-only
/* Runs into a breakpoint that nobody set. */
#include <linux/module.h>

static int __init breakpoint_init(void)
{
	asm volatile("int3");
	return 0;
}
module_init(breakpoint_init);

MODULE_DESCRIPTION("Planted defect: a breakpoint that nobody set");
MODULE_LICENSE("GPL");
