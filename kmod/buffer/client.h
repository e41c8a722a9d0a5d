/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients: open files of the heap.
 */
#ifndef NDMA_HEAP_H
#define NDMA_HEAP_H

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/xarray.h>

#define NDMA_LEASES_MAX 65536

/**
 * struct ndma_client - one open file of the heap
 * @ref: the file, and each buffer it owns
 * @cred: of the opener
 * @pid: the opener's process
 * @lock: protects @buffers and @leases; outside every buffer->lock
 * @buffers: those it owns, by owner_link
 * @leases: struct ndma_lease by id
 * @lease_next: where the search for a free id begins
 * @nr_leases: sum of their counts
 */
struct ndma_client {
	struct kref ref;
	const struct cred *cred;
	struct pid *pid;
	struct mutex lock;
	struct list_head buffers;
	struct xarray leases;
	u32 lease_next;
	atomic_t nr_leases;
};

/* The client of a heap's @file that is being opened, or NULL. */
struct ndma_client *ndma_client_create(const struct file *file);
void ndma_client_get(struct ndma_client *client);
void ndma_client_put(struct ndma_client *client);

static inline struct ndma_client *ndma_client_of(struct file *file)
{
	return file->private_data;
}

#endif /* NDMA_HEAP_H */
