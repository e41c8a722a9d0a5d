// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: promises to look at a buffer, counted per client file, dropped when it closes.
 */
#include <linux/dma-buf.h>
#include <linux/slab.h>

#include "buffer.h"
#include "heap.h"

/* Enters @lease into its buffer, if the state of the buffer allows. */
static int ndma_lease_enter(struct ndma_lease *lease)
{
	struct ndma_buffer *buffer = lease->buffer;
	const struct ndma_transfer *transfer = &buffer->transfer;
	int ret = 0;

	down_write(&buffer->lock);
	if (transfer->active &&
	    (transfer->direction != NDMA_TO_DEVICE || lease->access == NDMA_WRITE)) {
		ret = -EBUSY;
	} else if (buffer->owner_died) {
		buffer->owner_died = false;
		ret = -EOWNERDEAD;
	} else {
		list_add_tail(&lease->link, &buffer->leases);
		if (lease->access == NDMA_WRITE)
			buffer->write_leases++;
		else
			buffer->read_leases++;
	}
	up_write(&buffer->lock);
	return ret;
}

/* Takes @lease out of its buffer; buffer->lock is held for writing. */
static void ndma_lease_leave(struct ndma_lease *lease)
{
	list_del(&lease->link);
	if (lease->access == NDMA_WRITE)
		lease->buffer->write_leases--;
	else
		lease->buffer->read_leases--;
}

static int ndma_lease_new(struct ndma_client *client, struct dma_buf *dmabuf,
			  struct ndma_buffer *buffer, u32 access, u32 *id)
{
	struct ndma_lease *lease;
	int ret;

	lease = kzalloc(sizeof(*lease), GFP_KERNEL_ACCOUNT);
	if (!lease)
		return -ENOMEM;
	lease->client = client;
	lease->buffer = buffer;
	lease->dmabuf = dmabuf;
	lease->access = access;
	/* Reserved only: nobody can release it before it is valid. */
	ret = xa_alloc_cyclic(&client->leases, id, NULL, XA_LIMIT(1, INT_MAX), &client->lease_next,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		goto err_free;
	ret = ndma_lease_enter(lease);
	if (ret)
		goto err_id;
	get_dma_buf(dmabuf);
	/* The reservation has the room: this cannot fail. */
	xa_store(&client->leases, *id, lease, GFP_KERNEL);
	return 0;

err_id:
	xa_release(&client->leases, *id);
err_free:
	kfree(lease);
	return ret;
}

int ndma_lease_acquire_ioctl(struct file *file, void *arg)
{
	struct ndma_client *client = ndma_client_of(file);
	struct ndma_lease_acquire *request = arg;
	struct ndma_handle *handle;
	struct dma_buf *dmabuf;
	u32 id;
	int ret;

	if (request->flags || request->reserved ||
	    (request->access != NDMA_READ && request->access != NDMA_WRITE))
		return -EINVAL;
	if (request->access == NDMA_WRITE && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	dmabuf = ndma_handle_get(request->fd, &handle);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = -EPERM;
	if (request->access == NDMA_WRITE && handle->readonly)
		goto out_put;
	ret = -EMFILE;
	if (!atomic_add_unless(&client->nr_leases, 1, NDMA_LEASES_MAX))
		goto out_put;
	ret = ndma_lease_new(client, dmabuf, handle->buffer, request->access, &id);
	if (ret)
		atomic_dec(&client->nr_leases);
	else
		request->lease = id;
out_put:
	dma_buf_put(dmabuf);
	return ret;
}

/* Ends a lease that no id leads to any more; -ESTALE if it was revoked. */
static int ndma_lease_drop(struct ndma_lease *lease)
{
	struct ndma_buffer *buffer = lease->buffer;
	int ret = 0;

	down_write(&buffer->lock);
	if (lease->revoked)
		ret = -ESTALE;
	else
		ndma_lease_leave(lease);
	up_write(&buffer->lock);
	dma_buf_put(lease->dmabuf);
	atomic_dec(&lease->client->nr_leases);
	kfree(lease);
	return ret;
}

int ndma_lease_release_ioctl(struct file *file, void *arg)
{
	struct ndma_client *client = ndma_client_of(file);
	const struct ndma_lease_release *request = arg;
	struct ndma_lease *lease;

	/* Not xa_erase(): it would free an id that is only reserved so far. */
	do {
		lease = xa_load(&client->leases, request->lease);
		if (!lease)
			return -EINVAL;
	} while (xa_cmpxchg(&client->leases, request->lease, lease, NULL, 0) != lease);
	return ndma_lease_drop(lease);
}

void ndma_lease_acquire_undo(struct file *file, void *arg)
{
	const struct ndma_lease_acquire *request = arg;
	struct ndma_lease_release release = { .lease = request->lease };

	ndma_lease_release_ioctl(file, &release);
}

void ndma_lease_drop_all(struct ndma_client *client)
{
	struct ndma_lease *lease;
	unsigned long id;

	xa_for_each(&client->leases, id, lease)
		ndma_lease_drop(lease);
	xa_destroy(&client->leases);
}

int ndma_lease_revoke_ioctl(struct file *file, void *arg)
{
	struct ndma_client *client = ndma_client_of(file);
	struct ndma_lease_revoke *request = arg;
	struct ndma_lease *lease, *next;
	struct ndma_handle *handle;
	struct ndma_buffer *buffer;
	struct dma_buf *dmabuf;
	u32 count = 0;

	if (request->flags)
		return -EINVAL;
	dmabuf = ndma_handle_get(request->fd, &handle);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buffer = handle->buffer;
	if (buffer->owner != client) {
		dma_buf_put(dmabuf);
		return -EPERM;
	}
	down_write(&buffer->lock);
	list_for_each_entry_safe(lease, next, &buffer->leases, link) {
		if (lease->client == client)
			continue;
		ndma_lease_leave(lease);
		lease->revoked = true;
		count++;
	}
	up_write(&buffer->lock);
	dma_buf_put(dmabuf);
	request->count = count;
	return 0;
}
