// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ndma/heap: the door to buffers. Its dispatch table, their allocation, and their mapping by
 * number.
 */
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/huge_mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

static int ndma_heap_open(struct inode *inode, struct file *file)
{
	file->private_data = ndma_client_create(file);
	return file->private_data ? 0 : -ENOMEM;
}

/*
 * The last copy of the file is closed, perhaps by a crash: the client's leases end, and so do the
 * transfers of its buffers.
 */
static int ndma_heap_release(struct inode *inode, struct file *file)
{
	struct ndma_client *client = ndma_client_of(file);
	struct ndma_buffer *buffer;

	ndma_lease_drop_all(client);
	mutex_lock(&client->lock);
	list_for_each_entry(buffer, &client->buffers, owner_link)
		ndma_transfer_owner_died(buffer);
	mutex_unlock(&client->lock);
	ndma_client_put(client);
	return 0;
}

static int ndma_heap_info_ioctl(struct file *file, void *arg)
{
	struct ndma_heap_info *info = arg;
	u64 quota, used;

	if (info->flags)
		return -EINVAL;
	ndma_memory_reap();
	quota = ndma_account_quota(file->f_cred->uid, &used);
	info->abi = NDMA_ABI_VERSION;
	info->page_bytes = PAGE_SIZE;
	info->huge_bytes = NDMA_HUGE_BYTES;
	info->leases_max = NDMA_LEASES_MAX;
	info->quota_bytes = quota;
	info->used_bytes = used;
	info->fence_max_ns = NDMA_FENCE_MAX_NS;
	return 0;
}

/* The device that @fd's source uses, with a reference, or NULL. */
static int ndma_heap_source_device(int fd, struct device **dev)
{
	struct file *file;
	int ret;

	*dev = NULL;
	if (fd == -1)
		return 0;
	file = fget(fd);
	if (!file)
		return -EBADF;
	ret = ndma_node_device(file, dev);
	fput(file);
	return ret;
}

static int ndma_heap_first_layout(const struct ndma_buffer_alloc *request,
				  struct ndma_layout *layout)
{
	if (!request->layout) {
		ndma_layout_bytes(layout, request->bytes);
		return 0;
	}
	if (copy_from_user(layout, u64_to_user_ptr(request->layout), sizeof(*layout)))
		return -EFAULT;
	return ndma_layout_verify(layout, request->bytes);
}

static int ndma_heap_alloc_memory(struct file *file, const struct ndma_buffer_alloc *request,
				  struct ndma_memory **memory)
{
	struct ndma_memory_spec spec = {
		.bytes = request->bytes,
		.node = request->node,
		.contiguous = request->flags & NDMA_BUFFER_CONTIGUOUS,
		.uid = file->f_cred->uid,
	};
	int ret;

	ret = ndma_heap_source_device(request->source_fd, &spec.dev);
	if (ret)
		return ret;
	ret = ndma_memory_alloc(&spec, memory);
	put_device(spec.dev);
	return ret;
}

static int ndma_heap_alloc(struct file *file, const struct ndma_buffer_alloc *request,
			   const struct ndma_layout *layout, struct ndma_buffer **buffer)
{
	struct ndma_memory *memory;
	int ret;

	ret = ndma_heap_alloc_memory(file, request, &memory);
	if (ret)
		return ret;
	ret = ndma_dmabuf_create(memory, request->bytes, layout, ndma_client_of(file), false,
				 buffer);
	ndma_memory_put(memory);
	return ret;
}

static int ndma_heap_alloc_ioctl(struct file *file, void *arg)
{
	struct ndma_buffer_alloc *request = arg;
	struct ndma_layout *layout;
	struct ndma_buffer *buffer;
	struct dma_buf *dmabuf;
	int ret, fd;

	if (request->flags & ~NDMA_BUFFER_CONTIGUOUS || request->fd_flags & ~O_CLOEXEC ||
	    !request->bytes)
		return -EINVAL;
	layout = kmalloc(sizeof(*layout), GFP_KERNEL);
	if (!layout)
		return -ENOMEM;
	ret = ndma_heap_first_layout(request, layout);
	if (!ret)
		ret = ndma_heap_alloc(file, request, layout, &buffer);
	kfree(layout);
	if (ret)
		return ret;
	dmabuf = buffer->handle.dmabuf;
	request->capacity = buffer->capacity;
	fd = ndma_ioctl_stage_fd(arg, dmabuf->file, request->fd_flags);
	if (fd < 0) {
		dma_buf_put(dmabuf);
		return fd;
	}
	request->fd = fd;
	return 0;
}

static const struct ndma_ioctl_row ndma_heap_ioctls[] = {
	{ NDMA_TRANSFER_BEGIN, NDMA_IOCTL_ON_BUFFER(struct ndma_transfer_begin),
	  .out_at = offsetof(struct ndma_transfer_begin, transfer), .write = true,
	  .check = ndma_transfer_begin_check, .on_buffer = ndma_transfer_begin_ioctl,
	  .undo = ndma_transfer_begin_undo },
	{ NDMA_TRANSFER_END, NDMA_IOCTL_ON_BUFFER(struct ndma_transfer_end), .write = true,
	  .in_only = true,
	  .check = ndma_transfer_end_check, .on_buffer = ndma_transfer_end_ioctl },
	{ NDMA_LEASE_ACQUIRE, NDMA_IOCTL_ON_BUFFER(struct ndma_lease_acquire),
	  .out_at = offsetof(struct ndma_lease_acquire, lease),
	  .check = ndma_lease_acquire_check, .on_buffer = ndma_lease_acquire_ioctl,
	  .undo = ndma_lease_acquire_undo },
	{ NDMA_LEASE_RELEASE, NDMA_IOCTL_SIZES(struct ndma_lease_release), .in_only = true,
	  .handler = ndma_lease_release_ioctl },
	{ NDMA_LEASE_REVOKE, NDMA_IOCTL_ON_BUFFER(struct ndma_lease_revoke), .write = true,
	  .check = ndma_lease_revoke_check, .on_buffer = ndma_lease_revoke_ioctl },
	{ NDMA_HEAP_INFO, NDMA_IOCTL_SIZES(struct ndma_heap_info),
	  .handler = ndma_heap_info_ioctl },
	{ NDMA_BUFFER_ALLOC, NDMA_IOCTL_SIZES(struct ndma_buffer_alloc), .write = true,
	  .handler = ndma_heap_alloc_ioctl },
	{ NDMA_BUFFER_INFO, .min = offsetof(struct ndma_buffer_info, id),
	  .size = sizeof(struct ndma_buffer_info), .fd_at = offsetof(struct ndma_buffer_info, fd),
	  .check = ndma_buffer_info_check, .on_buffer = ndma_buffer_info_ioctl },
	{ NDMA_BUFFER_GET_LAYOUT, NDMA_IOCTL_ON_BUFFER(struct ndma_buffer_layout),
	  .check = ndma_buffer_layout_check, .on_buffer = ndma_layout_get_ioctl },
	{ NDMA_BUFFER_SET_LAYOUT, NDMA_IOCTL_ON_BUFFER(struct ndma_buffer_layout), .write = true,
	  .in_only = true,
	  .check = ndma_buffer_layout_check, .on_buffer = ndma_layout_set_ioctl },
	{ NDMA_BUFFER_READONLY_HANDLE, NDMA_IOCTL_ON_BUFFER(struct ndma_buffer_readonly),
	  .check = ndma_buffer_readonly_check, .on_buffer = ndma_view_readonly_ioctl },
	{ NDMA_BUFFER_HOLDERS, NDMA_IOCTL_ON_BUFFER(struct ndma_buffer_holders),
	  .check = ndma_buffer_holders_check, .on_buffer = ndma_holder_ioctl },
};

static long ndma_heap_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return ndma_ioctl_dispatch(file, ndma_heap_ioctls, ARRAY_SIZE(ndma_heap_ioctls), cmd, arg);
}

/* The buffer that an offset of the heap names, with a reference. */
static struct ndma_handle *ndma_heap_named(pgoff_t pgoff)
{
	unsigned int shift = NDMA_MMAP_FD_SHIFT - PAGE_SHIFT;

	if (pgoff & (BIT(shift) - 1) || pgoff >> shift > INT_MAX)
		return ERR_PTR(-EINVAL);
	return ndma_handle_get(pgoff >> shift);
}

/* The mapping belongs to the buffer's dma-buf, so closing the heap does not touch it. */
static int ndma_heap_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ndma_handle *handle = ndma_heap_named(vma->vm_pgoff);
	int ret;

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	ret = -EINVAL;
	if (vma->vm_end - vma->vm_start == handle->dmabuf->size)
		ret = dma_buf_mmap(handle->dmabuf, vma, 0);
	ndma_handle_put(handle);
	return ret;
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/*
 * The offset is a name, which need not be a multiple of a huge page: an address is wanted that fits
 * where the buffer begins in its memory, because ndma_mapping_mmap() goes on from there.
 */
static unsigned long ndma_heap_unmapped_area(struct file *file, unsigned long address,
					     unsigned long bytes, unsigned long pgoff,
					     unsigned long flags)
{
	struct ndma_handle *handle = ndma_heap_named(pgoff);

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	pgoff = handle->buffer->offset >> PAGE_SHIFT;
	ndma_handle_put(handle);
	return thp_get_unmapped_area(file, address, bytes, pgoff, flags);
}
#else
#define ndma_heap_unmapped_area NULL
#endif

const struct ndma_node_type ndma_heap_type = {
	.kind = NDMA_KIND_HEAP,
	.fops = {
		.owner = THIS_MODULE,
		.open = ndma_heap_open,
		.release = ndma_heap_release,
		.unlocked_ioctl = ndma_heap_ioctl,
		.compat_ioctl = compat_ptr_ioctl,
		.mmap = ndma_heap_mmap,
		.get_unmapped_area = ndma_heap_unmapped_area,
		.llseek = noop_llseek,
	},
};
