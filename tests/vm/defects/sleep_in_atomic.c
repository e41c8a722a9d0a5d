// SPDX-License-Identifier: GPL-2.0-only
/* Calls what may sleep while holding a spinlock; it happens not to sleep. */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(spin);
static DEFINE_MUTEX(mutex);

static int __init sleep_in_atomic_init(void)
{
	spin_lock(&spin);
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	spin_unlock(&spin);
	return 0;
}
module_init(sleep_in_atomic_init);

static void __exit sleep_in_atomic_exit(void)
{
}
module_exit(sleep_in_atomic_exit);

MODULE_DESCRIPTION("Planted defect: sleep in atomic context");
MODULE_LICENSE("GPL");
