// SPDX-License-Identifier: GPL-2.0-only
/* Writes behind the end of an array. */
#include <linux/module.h>

static int numbers[4];
static int index = 4;
module_param(index, int, 0444);

static int __init out_of_bounds_init(void)
{
	numbers[index] = 1;
	return 0;
}
module_init(out_of_bounds_init);

static void __exit out_of_bounds_exit(void)
{
}
module_exit(out_of_bounds_exit);

MODULE_DESCRIPTION("Planted defect: an index out of bounds");
MODULE_LICENSE("GPL");
