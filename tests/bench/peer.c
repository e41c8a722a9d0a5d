// SPDX-License-Identifier: MIT
/* In-tree peers through their own user APIs: dma-heap, udmabuf, V4L2's vivid. */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <linux/videodev2.h>

#define VIVID_BUFFERS 8
/* Far more than a frame takes. */
#define VIVID_TIMEOUT_MS 60000

int peer_dma_heap_alloc(size_t bytes)
{
	static int heap = -1;
	struct dma_heap_allocation_data data = { .len = bytes, .fd_flags = O_RDWR | O_CLOEXEC };

	if (heap < 0)
		heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	if (heap < 0 || ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		return -1;
	return data.fd;
}

int peer_udmabuf_create(size_t bytes)
{
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int memory = memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct udmabuf_create create = { .memfd = memory,
					 .flags = UDMABUF_FLAGS_CLOEXEC,
					 .size = bytes };
	int fd = -1;

	if (device >= 0 && memory >= 0 && !ftruncate(memory, bytes) &&
	    !fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK))
		fd = ioctl(device, UDMABUF_CREATE, &create);
	if (memory >= 0)
		close(memory);
	if (device >= 0)
		close(device);
	return fd;
}

/* The capture node of vivid, or -1. */
static int vivid_open(void)
{
	struct v4l2_capability capability;
	char path[32];

	if (system("modprobe -q vivid"))
		return -1;
	for (int i = 0; i < 16; i++) {
		int fd;

		snprintf(path, sizeof(path), "/dev/video%d", i);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!ioctl(fd, VIDIOC_QUERYCAP, &capability) &&
		    !strcmp((const char *)capability.driver, "vivid") &&
		    capability.device_caps & V4L2_CAP_VIDEO_CAPTURE)
			return fd;
		close(fd);
	}
	return -1;
}

static int vivid_start(int fd)
{
	struct v4l2_requestbuffers request = { .count = VIVID_BUFFERS,
					       .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
					       .memory = V4L2_MEMORY_MMAP };
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	if (ioctl(fd, VIDIOC_REQBUFS, &request))
		return -1;
	for (unsigned int i = 0; i < request.count; i++) {
		struct v4l2_buffer buffer = { .index = i,
					      .type = type,
					      .memory = V4L2_MEMORY_MMAP };

		if (ioctl(fd, VIDIOC_QBUF, &buffer))
			return -1;
	}
	return ioctl(fd, VIDIOC_STREAMON, &type);
}

/* What taking one frame that is there and giving it back costs; -1: none came. */
static int64_t vivid_step(int fd)
{
	struct v4l2_buffer buffer = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
				      .memory = V4L2_MEMORY_MMAP };
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	uint64_t start;

	if (poll(&ready, 1, VIVID_TIMEOUT_MS) != 1)
		return -1;
	start = bench_now();
	if (ioctl(fd, VIDIOC_DQBUF, &buffer) || ioctl(fd, VIDIOC_QBUF, &buffer))
		return -1;
	return bench_now() - start;
}

int64_t peer_vivid_frame(void)
{
	int64_t best = INT64_MAX, spent = 0;
	int fd = vivid_open();

	if (fd < 0)
		return -1;
	if (vivid_start(fd))
		spent = -1;
	for (int i = 0; i < VIVID_BUFFERS + BENCH_RUNS && spent >= 0; i++) {
		spent = vivid_step(fd);
		if (i >= BENCH_WARMUP && spent < best)
			best = spent;
	}
	close(fd);
	return spent < 0 ? -1 : best;
}
