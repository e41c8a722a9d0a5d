// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: promises to look at a buffer, counted per client, ended when the client's file closes.
 *
 * A client has one lease to read and one to write on each buffer, with a count of promises. A lease
 * whose count falls to 0 stays until its buffer or its client ends, because making one costs an
 * allocation and a program that looks again and again would make it each time. It keeps the
 * buffer's structure then, but only a count above 0 keeps the memory.
 */
#include <linux/dma-buf.h>
#include <linux/slab.h>

#include "internal.h"

/* A new lease on @buffer: 0, or why there can be none now. buffer->lock is held for writing. */
static int ndma_lease_admit(struct ndma_buffer *buffer, u32 access)
{
	const struct ndma_own own = ndma_buffer_own(buffer);
	int ret = ndma_own_admit_lease(&own, access);

	/* It is told once. */
	if (ret == -EOWNERDEAD)
		buffer->owner_died = false;
	return ret;
}

/* The client's lease of this kind, or NULL. buffer->lock is held. */
static struct ndma_lease *ndma_lease_find(const struct ndma_buffer *buffer,
					  const struct ndma_client *client, u32 access)
{
	struct ndma_lease *lease;

	list_for_each_entry(lease, &buffer->leases, link) {
		if (lease->client == client && lease->access == access)
			return lease;
	}
	return NULL;
}

static u32 *ndma_lease_total(const struct ndma_lease *lease)
{
	return lease->access == NDMA_WRITE ? &lease->buffer->write_leases :
					     &lease->buffer->read_leases;
}

/* Counts one promise more. -ENOENT: the client has no lease of this kind on the buffer yet. */
static int ndma_lease_count(struct ndma_client *client, struct ndma_handle *handle, u32 access,
			    u32 *id)
{
	struct ndma_buffer *buffer = handle->buffer;
	struct ndma_lease *lease;
	int ret;

	down_write(&buffer->lock);
	ret = ndma_lease_admit(buffer, access);
	if (ret)
		goto out_unlock;
	lease = ndma_lease_find(buffer, client, access);
	if (!lease) {
		ret = -ENOENT;
		goto out_unlock;
	}
	if (*ndma_lease_total(lease) == U32_MAX) {
		ret = -EMFILE;
		goto out_unlock;
	}
	if (!lease->count++) {
		get_dma_buf(handle->dmabuf);
		lease->dmabuf = handle->dmabuf;
	}
	(*ndma_lease_total(lease))++;
	*id = lease->id;
out_unlock:
	up_write(&buffer->lock);
	return ret;
}

static void ndma_lease_free(struct ndma_lease *lease)
{
	ndma_buffer_put(lease->buffer);
	kfree(lease);
}

/* Makes a lease with a count of 0, unless another thread of the client has just made it. */
static int ndma_lease_create(struct ndma_client *client, struct ndma_buffer *buffer, u32 access)
{
	struct ndma_lease *lease;
	int ret;

	lease = kzalloc(sizeof(*lease), GFP_KERNEL_ACCOUNT);
	if (!lease)
		return -ENOMEM;
	lease->client = client;
	lease->buffer = buffer;
	lease->access = access;
	kref_get(&buffer->ref);
	mutex_lock(&client->lock);
	down_read(&buffer->lock);
	ret = ndma_lease_find(buffer, client, access) ? -EEXIST : 0;
	up_read(&buffer->lock);
	if (!ret)
		ret = xa_alloc_cyclic(&client->leases, &lease->id, lease, XA_LIMIT(1, INT_MAX),
				      &client->lease_next, GFP_KERNEL_ACCOUNT);
	if (ret >= 0) {
		down_write(&buffer->lock);
		list_add_tail(&lease->link, &buffer->leases);
		up_write(&buffer->lock);
	}
	mutex_unlock(&client->lock);
	if (ret < 0)
		ndma_lease_free(lease);
	return ret < 0 && ret != -EEXIST ? ret : 0;
}

static int ndma_lease_new(struct ndma_client *client, struct ndma_handle *handle, u32 access,
			  u32 *id)
{
	int ret;

	/*
	 * Two rounds are enough, unless the owner revokes between them what another thread of the
	 * client has counted.
	 */
	while ((ret = ndma_lease_count(client, handle, access, id)) == -ENOENT) {
		ret = ndma_lease_create(client, handle->buffer, access);
		if (ret)
			break;
	}
	return ret;
}

/* For NDMA_LEASE_CHECK. A promise that was counted meanwhile would be in the owner's way. */
static int ndma_lease_try(struct ndma_client *client, struct ndma_buffer *buffer, u32 access, u32 id)
{
	struct ndma_lease *lease;
	int ret = -EINVAL;

	mutex_lock(&client->lock);
	lease = xa_load(&client->leases, id);
	if (lease && lease->buffer == buffer && lease->access == access) {
		down_write(&buffer->lock);
		if (lease->revoked)
			ret = -ESTALE;
		else if (lease->count)
			ret = ndma_lease_admit(buffer, access);
		up_write(&buffer->lock);
	}
	mutex_unlock(&client->lock);
	return ret;
}

int ndma_lease_acquire_check(const struct file *file, const void *arg)
{
	const struct ndma_lease_acquire *request = arg;

	if (request->flags & ~NDMA_LEASE_CHECK || request->reserved ||
	    (request->access != NDMA_READ && request->access != NDMA_WRITE))
		return -EINVAL;
	if (request->access == NDMA_WRITE && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	return 0;
}

int ndma_lease_acquire_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	struct ndma_client *client = ndma_client_of(file);
	struct ndma_lease_acquire *request = arg;
	u32 id;
	int ret;

	if (!ndma_own_may_lease(handle->readonly, request->access))
		return -EPERM;
	if (request->flags & NDMA_LEASE_CHECK)
		return ndma_lease_try(client, handle->buffer, request->access, request->lease);
	if (!atomic_add_unless(&client->nr_leases, 1, NDMA_LEASES_MAX))
		return -EMFILE;
	ret = ndma_lease_new(client, handle, request->access, &id);
	if (ret)
		atomic_dec(&client->nr_leases);
	else
		request->lease = id;
	return ret;
}

/*
 * Counts one promise less. client->lock is held; @dmabuf is what the caller has to put without it,
 * or NULL.
 */
static int ndma_lease_uncount(struct ndma_lease *lease, struct dma_buf **dmabuf)
{
	struct ndma_buffer *buffer = lease->buffer;
	int ret = 0;

	*dmabuf = NULL;
	down_write(&buffer->lock);
	if (!lease->count) {
		ret = -EINVAL;
		goto out_unlock;
	}
	if (lease->revoked)
		ret = -ESTALE;
	else
		(*ndma_lease_total(lease))--;
	if (!--lease->count)
		*dmabuf = lease->dmabuf;
out_unlock:
	up_write(&buffer->lock);
	return ret;
}

int ndma_lease_release_ioctl(struct file *file, void *arg)
{
	struct ndma_client *client = ndma_client_of(file);
	const struct ndma_lease_release *request = arg;
	struct ndma_lease *lease;
	struct dma_buf *dmabuf;
	int ret;

	mutex_lock(&client->lock);
	lease = xa_load(&client->leases, request->lease);
	if (!lease) {
		mutex_unlock(&client->lock);
		return -EINVAL;
	}
	ret = ndma_lease_uncount(lease, &dmabuf);
	/* A revoked lease is out of its buffer's list, so nobody can count it again. */
	if (ret == -ESTALE && dmabuf) {
		xa_erase(&client->leases, lease->id);
		ndma_lease_free(lease);
	}
	mutex_unlock(&client->lock);
	if (dmabuf)
		dma_buf_put(dmabuf);
	if (ret != -EINVAL)
		atomic_dec(&client->nr_leases);
	return ret;
}

void ndma_lease_acquire_undo(struct file *file, struct ndma_handle *handle, void *arg)
{
	const struct ndma_lease_acquire *request = arg;
	struct ndma_lease_release release = { .lease = request->lease };

	if (!(request->flags & NDMA_LEASE_CHECK))
		ndma_lease_release_ioctl(file, &release);
}

/* Takes @lease, and what it counts, out of its buffer. buffer->lock is held for writing. */
static void ndma_lease_leave(struct ndma_lease *lease)
{
	list_del_init(&lease->link);
	if (!lease->revoked)
		*ndma_lease_total(lease) -= lease->count;
}

void ndma_lease_drop_all(struct ndma_client *client)
{
	struct ndma_lease *lease;
	unsigned long id;

	mutex_lock(&client->lock);
	xa_for_each(&client->leases, id, lease) {
		down_write(&lease->buffer->lock);
		ndma_lease_leave(lease);
		up_write(&lease->buffer->lock);
		/*
		 * Even if this is the last reference, its release does not run under these locks:
		 * fput() defers it.
		 */
		if (lease->count)
			dma_buf_put(lease->dmabuf);
		ndma_lease_free(lease);
	}
	xa_destroy(&client->leases);
	mutex_unlock(&client->lock);
}

/*
 * Takes a lease out of @buffer and answers its client, with a reference. The client is alive while
 * one of its leases is in the list: ndma_lease_drop_all() takes them out first, and needs
 * buffer->lock for that.
 */
static struct ndma_lease *ndma_lease_pop(struct ndma_buffer *buffer, struct ndma_client **client,
					 u32 *id)
{
	struct ndma_lease *lease;

	down_write(&buffer->lock);
	lease = list_first_entry_or_null(&buffer->leases, struct ndma_lease, link);
	if (lease) {
		list_del_init(&lease->link);
		*client = lease->client;
		*id = lease->id;
		ndma_client_get(*client);
	}
	up_write(&buffer->lock);
	return lease;
}

void ndma_lease_forget_all(struct ndma_buffer *buffer)
{
	struct ndma_client *client;
	struct ndma_lease *lease;
	u32 id;

	while ((lease = ndma_lease_pop(buffer, &client, &id))) {
		mutex_lock(&client->lock);
		/*
		 * Another answer than @lease means that ndma_lease_drop_all() came first and has
		 * freed it.
		 */
		if (xa_cmpxchg(&client->leases, id, lease, NULL, 0) == lease)
			ndma_lease_free(lease);
		mutex_unlock(&client->lock);
		ndma_client_put(client);
	}
}

int ndma_lease_revoke_check(const struct file *file, const void *arg)
{
	const struct ndma_lease_revoke *request = arg;

	return request->flags ? -EINVAL : 0;
}

int ndma_lease_revoke_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	struct ndma_client *client = ndma_client_of(file);
	struct ndma_buffer *buffer = handle->buffer;
	struct ndma_lease_revoke *request = arg;
	struct ndma_lease *lease, *next;
	u32 count = 0;

	if (buffer->owner != client)
		return -EPERM;
	down_write(&buffer->lock);
	list_for_each_entry_safe(lease, next, &buffer->leases, link) {
		if (lease->client == client || !lease->count)
			continue;
		ndma_lease_leave(lease);
		lease->revoked = true;
		count += lease->count;
	}
	up_write(&buffer->lock);
	request->count = count;
	return 0;
}
