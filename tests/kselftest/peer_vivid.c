// SPDX-License-Identifier: GPL-2.0-only
/*
 * V4L2, as root: vivid captures video and software radio into buffers (V4L2_MEMORY_DMABUF). One of
 * its two devices writes through a kernel mapping of a buffer, the other one maps it as for DMA.
 */
#include "test.h"
#include "vivid.h"

#define RW (PROT_READ | PROT_WRITE)
#define BUFFERS 3
#define ROUNDS 7
#define UNTOUCHED 0x55

FIXTURE(vivid)
{
	int heap;
	int video;
	uint32_t type;
	size_t bytes;
	size_t mapped;
	int fds[BUFFERS];
	uint8_t *data[BUFFERS];
};

FIXTURE_VARIANT(vivid)
{
	const char *device;
	bool maps;
	bool radio;
};

FIXTURE_VARIANT_ADD(vivid, video_by_cpu)
{
	.device = "vivid-000",
};

FIXTURE_VARIANT_ADD(vivid, video_as_for_dma)
{
	.device = "vivid-001",
	.maps = true,
};

FIXTURE_VARIANT_ADD(vivid, radio_by_cpu)
{
	.device = "vivid-000",
	.radio = true,
};

FIXTURE_VARIANT_ADD(vivid, radio_as_for_dma)
{
	.device = "vivid-001",
	.maps = true,
	.radio = true,
};

FIXTURE_SETUP(vivid)
{
	struct v4l2_requestbuffers request = { .count = BUFFERS, .memory = V4L2_MEMORY_DMABUF };
	const char *setting = getenv("NDMA_SETTING");
	int i;

	if (variant->maps && setting && !strcmp(setting, "swiotlb"))
		SKIP(return, "this guest has no memory that vivid maps and not bounces: its CPU "
		     "writes past the bounce buffer, which then overwrites");
	self->type = variant->radio ? V4L2_BUF_TYPE_SDR_CAPTURE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
	self->video = variant->radio ?
		vivid_open(variant->device, "swradio", V4L2_CAP_SDR_CAPTURE) :
		vivid_open(variant->device, "video", V4L2_CAP_VIDEO_CAPTURE);
	ASSERT_GE(self->video, 0);
	self->bytes = vivid_format(self->video, self->type);
	ASSERT_GT((int64_t)self->bytes, 0);
	request.type = self->type;
	ASSERT_EQ(call(self->video, VIDIOC_REQBUFS, &request), 0);
	self->heap = heap_open();
	for (i = 0; i < BUFFERS; i++) {
		self->fds[i] = heap_alloc_flags(self->heap, self->bytes, NDMA_BUFFER_CONTIGUOUS);
		ASSERT_GE(self->fds[i], 0);
		self->mapped = buffer_info(self->heap, self->fds[i]).capacity;
		self->data[i] = buffer_map(self->heap, self->fds[i], self->mapped, RW);
		ASSERT_NE(self->data[i], MAP_FAILED);
		memset(self->data[i], UNTOUCHED, self->bytes);
	}
}

FIXTURE_TEARDOWN(vivid)
{
	int i;

	if (!self->heap)
		return;
	close(self->video);
	for (i = 0; i < BUFFERS; i++) {
		munmap(self->data[i], self->mapped);
		close(self->fds[i]);
	}
	close(self->heap);
}

static int queue(const struct _test_data_vivid *self, int index, int fd)
{
	return vivid_queue(self->video, self->type, V4L2_MEMORY_DMABUF, index, fd);
}

/* Pairs of 8 bits each about 128: a carrier, so that all are about as far from the centre. */
static bool is_carrier(const uint8_t *samples, size_t bytes)
{
	int least = INT32_MAX, most = 0;
	size_t i;

	for (i = 0; i < bytes; i += 2) {
		int x = 2 * samples[i] - 255, y = 2 * samples[i + 1] - 255;
		int square = x * x + y * y;

		least = square < least ? square : least;
		most = square > most ? square : most;
	}
	return least > 200 * 200 && most < 2 * least;
}

static void capture(struct __test_metadata *_metadata, struct _test_data_vivid *self,
		    bool (*is_right)(const uint8_t *frame, size_t bytes))
{
	int type = self->type, round, i;

	for (i = 0; i < BUFFERS; i++)
		ASSERT_EQ(queue(self, i, self->fds[i]), 0);
	ASSERT_EQ(call(self->video, VIDIOC_STREAMON, &type), 0);
	for (round = 0; round < ROUNDS; round++) {
		i = vivid_dequeue(self->video, type, V4L2_MEMORY_DMABUF);
		ASSERT_GE(i, 0);
		EXPECT_TRUE(is_right(self->data[i], self->bytes));
		memset(self->data[i], UNTOUCHED, self->bytes);
		ASSERT_EQ(queue(self, i, self->fds[i]), 0);
	}
	ASSERT_EQ(call(self->video, VIDIOC_STREAMOFF, &type), 0);
}

static bool is_white(const uint8_t *frame, size_t bytes)
{
	return bytes >= VIVID_WIDTH * VIVID_HEIGHT * 2 && vivid_is_all(frame, 235);
}

static bool is_black(const uint8_t *frame, size_t bytes)
{
	return bytes >= VIVID_WIDTH * VIVID_HEIGHT * 2 && vivid_is_all(frame, 16);
}

TEST_F(vivid, captures_into_buffers)
{
	if (variant->radio) {
		EXPECT_FALSE(is_carrier(self->data[0], self->bytes));
		capture(_metadata, self, is_carrier);
		return;
	}
	ASSERT_EQ(vivid_choose(self->video, "100% White"), 0);
	capture(_metadata, self, is_white);
	ASSERT_EQ(vivid_choose(self->video, "100% Black"), 0);
	capture(_metadata, self, is_black);
}

TEST_F(vivid, cannot_capture_through_a_read_only_handle)
{
	int readonly = buffer_readonly(self->heap, self->fds[0]);
	size_t i, touched = 0;

	ASSERT_GE(readonly, 0);
	EXPECT_LT(queue(self, 0, readonly), 0);
	for (i = 0; i < self->bytes; i++)
		touched += self->data[0][i] != UNTOUCHED;
	EXPECT_EQ(touched, 0);
	close(readonly);
}

TEST_F(vivid, keeps_the_memory_that_it_was_given)
{
	uint64_t used = heap_info(self->heap).used_bytes;
	struct v4l2_requestbuffers none = { .type = self->type, .memory = V4L2_MEMORY_DMABUF };

	ASSERT_EQ(queue(self, 0, self->fds[0]), 0);
	munmap(self->data[0], self->mapped);
	close(self->fds[0]);
	EXPECT_EQ(heap_info(self->heap).used_bytes, used);
	EXPECT_EQ(call(self->video, VIDIOC_REQBUFS, &none), 0);
	EXPECT_LT(heap_info(self->heap).used_bytes, used);
	self->fds[0] = heap_alloc(self->heap, self->mapped);
	self->data[0] = buffer_map(self->heap, self->fds[0], self->mapped, RW);
}

TEST_HARNESS_MAIN
