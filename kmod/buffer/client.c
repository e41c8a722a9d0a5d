// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients: open files of the heap, for as long as a buffer or a lease knows them.
 */
#include <linux/slab.h>

#include "internal.h"

struct ndma_client *ndma_client_create(const struct file *file)
{
	struct ndma_client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (!client)
		return NULL;
	kref_init(&client->ref);
	client->cred = get_cred(file->f_cred);
	client->pid = get_pid(task_tgid(current));
	mutex_init(&client->lock);
	INIT_LIST_HEAD(&client->buffers);
	xa_init_flags(&client->leases, XA_FLAGS_ALLOC1);
	return client;
}

static void ndma_client_free(struct kref *ref)
{
	struct ndma_client *client = container_of(ref, struct ndma_client, ref);

	put_cred(client->cred);
	put_pid(client->pid);
	mutex_destroy(&client->lock);
	kfree(client);
}

void ndma_client_get(struct ndma_client *client)
{
	kref_get(&client->ref);
}

void ndma_client_put(struct ndma_client *client)
{
	kref_put(&client->ref, ndma_client_free);
}
