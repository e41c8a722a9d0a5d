// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holders: the reasons why a buffer is not free, for whoever has to find out.
 */
#include <linux/dma-buf.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/* Most entries that are told at a time. */
#define NDMA_HOLDERS_MAX 4096

/**
 * struct ndma_holder_list - holders as they are found
 * @entries: room for @room of them
 * @room: as asked for
 * @count: found so far, those that had no room included
 */
struct ndma_holder_list {
	struct ndma_holder *entries;
	u32 room;
	u32 count;
};

/*
 * The client's process, or 0 where the caller may not know it: another user's, without
 * CAP_SYS_PTRACE.
 */
static pid_t ndma_holder_pid(const struct ndma_client *client)
{
	if (!uid_eq(client->cred->uid, current_uid()) &&
	    !ns_capable(client->cred->user_ns, CAP_SYS_PTRACE))
		return 0;
	return pid_vnr(client->pid);
}

static void ndma_holder_add(struct ndma_holder_list *list, u32 kind, u32 access,
			    const struct ndma_client *client, u32 count)
{
	if (list->count < list->room)
		list->entries[list->count] = (struct ndma_holder){
			.kind = kind,
			.access = access,
			.pid = client ? ndma_holder_pid(client) : 0,
			.count = count,
		};
	list->count++;
}

static void ndma_holder_add_leases(struct ndma_holder_list *list, const struct ndma_buffer *buffer)
{
	const struct ndma_lease *lease;

	list_for_each_entry(lease, &buffer->leases, link) {
		if (lease->count)
			ndma_holder_add(list, NDMA_HOLDER_LEASE, lease->access, lease->client,
					lease->count);
	}
}

static void ndma_holder_collect(struct ndma_buffer *buffer, struct ndma_holder_list *list)
{
	u32 importers = ndma_attachment_count(buffer);

	down_read(&buffer->lock);
	if (buffer->transfer.active)
		ndma_holder_add(list, NDMA_HOLDER_TRANSFER, buffer->transfer.direction,
				buffer->owner, 1);
	ndma_holder_add_leases(list, buffer);
	up_read(&buffer->lock);
	if (importers)
		ndma_holder_add(list, NDMA_HOLDER_IMPORTER, 0, NULL, importers);
	if (buffer->parent)
		ndma_holder_add(list, NDMA_HOLDER_FRAME,
				buffer->handle.readonly ? NDMA_READ : NDMA_WRITE, NULL, 1);
}

int ndma_buffer_holders_check(const struct file *file, const void *arg)
{
	const struct ndma_buffer_holders *request = arg;

	return request->flags ? -EINVAL : 0;
}

int ndma_holder_ioctl(struct file *file, struct ndma_handle *handle, void *arg)
{
	struct ndma_buffer_holders *request = arg;
	struct ndma_holder_list list = { .room = min_t(u32, request->count, NDMA_HOLDERS_MAX) };
	u32 known;
	int ret = 0;

	if (list.room) {
		list.entries = kvcalloc(list.room, sizeof(*list.entries), NDMA_GFP_ASKED);
		if (!list.entries)
			return -ENOMEM;
	}
	ndma_holder_collect(handle->buffer, &list);
	known = min(list.count, list.room);
	if (known && copy_to_user(u64_to_user_ptr(request->holders), list.entries,
				  known * sizeof(*list.entries)))
		ret = -EFAULT;
	request->count = list.count;
	kvfree(list.entries);
	return ret;
}
