/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DRM's vgem, as root: a driver that imports and exports buffers and attaches fences to them. What is
 * not about fences serves every driver of DRM.
 */
#ifndef NDMA_TEST_VGEM_H
#define NDMA_TEST_VGEM_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drm.h>
#include <drm_mode.h>

#include "uapi/call.h"

/* vgem's own calls; Debian 12 has no header for them. */
struct vgem_fence_attach {
	__u32 handle;
	__u32 flags;
	__u32 out_fence;
	__u32 pad;
};

struct vgem_fence_signal {
	__u32 fence;
	__u32 flags;
};

#define VGEM_FENCE_ATTACH DRM_IOWR(DRM_COMMAND_BASE + 1, struct vgem_fence_attach)
#define VGEM_FENCE_SIGNAL DRM_IOW(DRM_COMMAND_BASE + 2, struct vgem_fence_signal)
#define VGEM_WRITE 1

/* A DRM node of @driver's, or -1. */
static inline int drm_open(const char *driver)
{
	char path[32], name[16], modprobe[64];
	int i, fd;

	snprintf(modprobe, sizeof(modprobe), "modprobe %s", driver);
	if (system(modprobe))
		return -1;
	for (i = 0; i < 16; i++) {
		struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (!ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver))
			return fd;
		close(fd);
	}
	return -1;
}

static inline int vgem_open(void)
{
	return drm_open("vgem");
}

/* A handle of vgem's for the dma-buf, or a negative errno. */
static inline int64_t vgem_import(int vgem, int fd)
{
	struct drm_prime_handle prime = { .fd = fd };
	int ret = call(vgem, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	return ret ? ret : (int64_t)prime.handle;
}

/* A handle of a new buffer of its own, whole pages, or a negative errno. */
static inline int64_t vgem_create(int vgem, size_t bytes)
{
	struct drm_mode_create_dumb dumb = { .width = 1024, .height = bytes / 4096, .bpp = 32 };
	int ret = call(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);

	return ret ? ret : (int64_t)dumb.handle;
}

/* The dma-buf of @handle, or a negative errno. */
static inline int vgem_export(int vgem, uint32_t handle)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	int ret = call(vgem, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);

	return ret ? ret : prime.fd;
}

static inline int vgem_release(int vgem, uint32_t handle)
{
	struct drm_gem_close request = { .handle = handle };

	return call(vgem, DRM_IOCTL_GEM_CLOSE, &request);
}

/* A fence in flight on @handle, or a negative errno. */
static inline int64_t vgem_fence(int vgem, uint32_t handle, uint32_t flags)
{
	struct vgem_fence_attach request = { .handle = handle, .flags = flags };
	int ret = call(vgem, VGEM_FENCE_ATTACH, &request);

	return ret ? ret : (int64_t)request.out_fence;
}

static inline int vgem_signal(int vgem, uint32_t fence)
{
	struct vgem_fence_signal request = { .fence = fence };

	return call(vgem, VGEM_FENCE_SIGNAL, &request);
}

#endif /* NDMA_TEST_VGEM_H */
