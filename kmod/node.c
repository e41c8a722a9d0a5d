// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes in /dev/ndma: their class, minor numbers and the machine's sleep; and the module's workqueues.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pm.h>
#include <linux/slab.h>

#include "internal.h"

#define NDMA_MINORS 256

/**
 * struct ndma_node - one name in /dev/ndma
 * @type: what it has in common with others
 * @priv: for ndma_node_priv()
 */
struct ndma_node {
	const struct ndma_node_type *type;
	void *priv;
};

static dev_t ndma_first;
static struct cdev ndma_cdev;
static struct class *ndma_class;

struct workqueue_struct *ndma_fence_workqueue, *ndma_workqueue, *ndma_flow_workqueue;
struct workqueue_struct *ndma_source_workqueue;
EXPORT_SYMBOL_GPL(ndma_source_workqueue);

static const struct {
	struct workqueue_struct **queue;
	const char *name;
} ndma_workqueues[] = {
	{ &ndma_source_workqueue, "ndma_source" },
	{ &ndma_flow_workqueue, "ndma_flow" },
	{ &ndma_workqueue, "ndma" },
	{ &ndma_fence_workqueue, "ndma_fence" },
};

/*
 * struct ndma_node by minor. The lock is held while a node's open(), pause(), resume() or shut_down()
 * runs, so that ndma_node_destroy() waits for it.
 */
static DEFINE_IDR(ndma_nodes);
static DEFINE_MUTEX(ndma_nodes_lock);

static int ndma_node_open(struct inode *inode, struct file *file)
{
	const struct file_operations *fops;
	struct ndma_node *node;
	int ret = -ENODEV;

	mutex_lock(&ndma_nodes_lock);
	node = idr_find(&ndma_nodes, iminor(inode));
	if (!node)
		goto out_unlock;
	fops = fops_get(&node->type->fops);
	if (!fops)
		goto out_unlock;
	replace_fops(file, fops);
	ret = file->f_op->open(inode, file);
out_unlock:
	mutex_unlock(&ndma_nodes_lock);
	return ret;
}

static const struct file_operations ndma_node_fops = {
	.owner = THIS_MODULE,
	.open = ndma_node_open,
	.llseek = noop_llseek,
};

void *ndma_node_priv(struct inode *inode)
{
	struct ndma_node *node;

	lockdep_assert_held(&ndma_nodes_lock);
	node = idr_find(&ndma_nodes, iminor(inode));
	return node->priv;
}

/*
 * The type of the node that @file was opened by; NULL: not one of ours. No file with our major
 * number has other operations, because ndma_node_open() has replaced them.
 */
static const struct ndma_node_type *ndma_node_type(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	if (!S_ISCHR(inode->i_mode) || imajor(inode) != MAJOR(ndma_first))
		return NULL;
	return container_of(file->f_op, struct ndma_node_type, fops);
}

enum ndma_node_kind ndma_node_kind(const struct file *file)
{
	const struct ndma_node_type *type = ndma_node_type(file);

	return type ? type->kind : NDMA_KIND_FOREIGN;
}

int ndma_node_device(struct file *file, struct device **dev)
{
	const struct ndma_node_type *type = ndma_node_type(file);

	return type && type->device ? type->device(file, dev) : -EBADF;
}

static int ndma_node_add(struct ndma_node *node)
{
	int minor;

	mutex_lock(&ndma_nodes_lock);
	minor = idr_alloc(&ndma_nodes, node, 0, NDMA_MINORS, GFP_KERNEL);
	mutex_unlock(&ndma_nodes_lock);
	return minor;
}

static void ndma_node_remove(unsigned int minor)
{
	struct ndma_node *node;

	mutex_lock(&ndma_nodes_lock);
	node = idr_remove(&ndma_nodes, minor);
	mutex_unlock(&ndma_nodes_lock);
	kfree(node);
}

struct device *ndma_node_create(const char *name, const struct ndma_node_type *type, void *priv,
				const struct attribute_group **groups, struct device *parent,
				unsigned int *minor)
{
	struct ndma_node *node;
	struct device *dev;
	int ret;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->type = type;
	node->priv = priv;
	ret = ndma_node_add(node);
	if (ret < 0) {
		kfree(node);
		return ERR_PTR(ret);
	}
	dev = device_create_with_groups(ndma_class, parent, MKDEV(MAJOR(ndma_first), ret), priv,
					groups, "%s", name);
	if (IS_ERR(dev)) {
		ndma_node_remove(ret);
		return dev;
	}
	*minor = ret;
	return dev;
}

void ndma_node_destroy(unsigned int minor)
{
	device_destroy(ndma_class, MKDEV(MAJOR(ndma_first), minor));
	ndma_node_remove(minor);
}

/* ---------------------------------------------------------------- the machine */

/*
 * What a node does when the machine sleeps, wakes up or ends, by offset in its type. A node that is
 * being destroyed is not found any more.
 */
static void ndma_node_tell(const struct device *dev, size_t what)
{
	void (*tell)(void *priv);
	struct ndma_node *node;

	mutex_lock(&ndma_nodes_lock);
	node = idr_find(&ndma_nodes, MINOR(dev->devt));
	if (node) {
		tell = *(void (*const *)(void *priv))((const char *)node->type + what);
		if (tell)
			tell(node->priv);
	}
	mutex_unlock(&ndma_nodes_lock);
}

static int ndma_node_suspend(struct device *dev)
{
	ndma_node_tell(dev, offsetof(struct ndma_node_type, pause));
	return 0;
}

static int ndma_node_resume(struct device *dev)
{
	ndma_node_tell(dev, offsetof(struct ndma_node_type, resume));
	return 0;
}

/*
 * At reboot, power-off and kexec, before the parent's driver hears of it: a device that still ran would
 * write to the next kernel's memory.
 */
static int ndma_node_shutdown(struct device *dev)
{
	ndma_node_tell(dev, offsetof(struct ndma_node_type, shut_down));
	return 0;
}

/* Suspend to idle and to memory; hibernation, its failures included. */
static DEFINE_SIMPLE_DEV_PM_OPS(ndma_node_pm, ndma_node_suspend, ndma_node_resume);

/* ---------------------------------------------------------------- the class */

static char *ndma_devnode(ndma_devnode_device *dev, umode_t *mode)
{
	return kasprintf(GFP_KERNEL, "ndma/%s", dev_name(dev));
}

int ndma_nodes_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&ndma_first, 0, NDMA_MINORS, "ndma");
	if (ret)
		return ret;
	cdev_init(&ndma_cdev, &ndma_node_fops);
	ndma_cdev.owner = THIS_MODULE;
	ret = cdev_add(&ndma_cdev, ndma_first, NDMA_MINORS);
	if (ret)
		goto err_region;
	ndma_class = ndma_class_create("ndma");
	if (IS_ERR(ndma_class)) {
		ret = PTR_ERR(ndma_class);
		goto err_cdev;
	}
	ndma_class->devnode = ndma_devnode;
	ndma_class->pm = pm_sleep_ptr(&ndma_node_pm);
	ndma_class->shutdown_pre = ndma_node_shutdown;
	return 0;

err_cdev:
	cdev_del(&ndma_cdev);
err_region:
	unregister_chrdev_region(ndma_first, NDMA_MINORS);
	return ret;
}

void ndma_nodes_exit(void)
{
	class_destroy(ndma_class);
	cdev_del(&ndma_cdev);
	unregister_chrdev_region(ndma_first, NDMA_MINORS);
	idr_destroy(&ndma_nodes);
}

/*
 * WQ_SYSFS: an administrator can choose their processors and priority. WQ_MEM_RECLAIM: each has a
 * thread from the beginning, because whoever waits for a fence may be who is to make memory for a new
 * one; and no such queue may wait for one that is not.
 */
int ndma_workqueues_init(void)
{
	const unsigned int flags = WQ_UNBOUND | WQ_HIGHPRI | WQ_SYSFS | WQ_MEM_RECLAIM;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ndma_workqueues); i++) {
		*ndma_workqueues[i].queue = alloc_workqueue("%s", flags, 0, ndma_workqueues[i].name);
		if (!*ndma_workqueues[i].queue)
			goto destroy;
	}
	return 0;

destroy:
	while (i--)
		destroy_workqueue(*ndma_workqueues[i].queue);
	return -ENOMEM;
}

void ndma_workqueues_exit(void)
{
	size_t i = ARRAY_SIZE(ndma_workqueues);

	while (i--)
		destroy_workqueue(*ndma_workqueues[i].queue);
}
