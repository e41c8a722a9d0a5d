/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * V4L2's vivid, as root: video and software radio. The buffers of vivid-000 are in pages that its CPU
 * writes; vivid-001 maps what it is given as for DMA.
 */
#ifndef NDMA_TEST_VIVID_H
#define NDMA_TEST_VIVID_H

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/videodev2.h>

#include "uapi/call.h"

#define VIVID_WIDTH 320
#define VIVID_HEIGHT 180
/* Far more than a frame takes, on the slowest machine. */
#define VIVID_PATIENCE_MS 60000

/* A node, "video", of the device "vivid-000" or "vivid-001" that can do @wanted, or -1. */
static inline int vivid_open(const char *device, const char *node, uint32_t wanted)
{
	char path[64];
	int i, fd;

	if (system("modprobe vivid n_devs=2 allocators=0,1"))
		return -1;
	for (i = 0; i < 64; i++) {
		struct v4l2_capability can;

		snprintf(path, sizeof(path), "/dev/%s%d", node, i);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!ioctl(fd, VIDIOC_QUERYCAP, &can) && strstr((char *)can.bus_info, device) &&
		    can.device_caps & wanted)
			return fd;
		close(fd);
	}
	return -1;
}

/* Bytes of a frame, or a negative errno. */
static inline int64_t vivid_format(int fd, uint32_t type)
{
	struct v4l2_format format = { .type = type };
	int ret = call(fd, VIDIOC_G_FMT, &format);

	if (ret)
		return ret;
	if (type == V4L2_BUF_TYPE_SDR_CAPTURE)
		return format.fmt.sdr.buffersize;
	format.fmt.pix = (struct v4l2_pix_format){
		.width = VIVID_WIDTH,
		.height = VIVID_HEIGHT,
		.pixelformat = V4L2_PIX_FMT_YUYV,
		.field = V4L2_FIELD_NONE,
	};
	ret = call(fd, VIDIOC_S_FMT, &format);
	return ret ? ret : (int64_t)format.fmt.pix.sizeimage;
}

/* @fd: of V4L2_MEMORY_DMABUF */
static inline int vivid_queue(int video, uint32_t type, uint32_t memory, int index, int fd)
{
	struct v4l2_buffer buffer = { .type = type, .memory = memory, .index = index };

	if (memory == V4L2_MEMORY_DMABUF)
		buffer.m.fd = fd;
	return call(video, VIDIOC_QBUF, &buffer);
}

/* The index of a filled buffer, or a negative errno. */
static inline int vivid_dequeue(int video, uint32_t type, uint32_t memory)
{
	struct v4l2_buffer buffer = { .type = type, .memory = memory };
	struct pollfd filled = { .fd = video, .events = POLLIN };
	int ret;

	if (poll(&filled, 1, VIVID_PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	ret = call(video, VIDIOC_DQBUF, &buffer);
	if (!ret && buffer.flags & V4L2_BUF_FLAG_ERROR)
		return -EIO;
	return ret ? ret : (int)buffer.index;
}

/* The control's number, or 0. */
static inline uint32_t vivid_control(int video, const char *name)
{
	struct v4l2_queryctrl control = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };

	while (!call(video, VIDIOC_QUERYCTRL, &control)) {
		if (!strcmp((char *)control.name, name))
			return control.id;
		control.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
	}
	return 0;
}

/* Another picture than colour bars: one that can be told in every byte. */
static inline int vivid_choose(int video, const char *name)
{
	struct v4l2_querymenu item = { .id = vivid_control(video, "Test Pattern") };
	struct v4l2_control control = { .id = item.id };

	for (item.index = 0; !call(video, VIDIOC_QUERYMENU, &item); item.index++) {
		if (strcmp((char *)item.name, name))
			continue;
		control.value = item.index;
		return call(video, VIDIOC_S_CTRL, &control);
	}
	return -ENOENT;
}

/* The last row, where vivid writes no words: all of one brightness. */
static inline bool vivid_is_all(const uint8_t *frame, uint8_t luma)
{
	const uint8_t *row = frame + (VIVID_HEIGHT - 1) * VIVID_WIDTH * 2;
	int x;

	for (x = 0; x < VIVID_WIDTH; x++)
		if (abs(row[2 * x] - luma) > 8)
			return false;
	return true;
}

#endif /* NDMA_TEST_VIVID_H */
