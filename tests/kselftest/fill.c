// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills: a source writes to a buffer of the heap, once, in place. What arrives, who may, and what
 * others see meanwhile. How a fill ends early is in fill_end.c.
 */
#include "fill_fixture.h"

/* Of the digitizer's control "trigger". */
#define VDIG_TRIGGER_FREE 0
#define VDIG_TRIGGER_EXTERNAL 2

/* ------------------------------------------------------------ what arrives */

TEST_F_TIMEOUT(fill, every_byte_arrives_and_no_other_changes, 120)
{
	const uint64_t sizes[] = { 2, 100, NDMA_EDU_CHUNK, 4096, 2 * 4096 + 6 };
	struct ndma_completion completion;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(self->data, POISON, CAPACITY);
		ASSERT_EQ(begin_short(self, variant, sizes[i], NDMA_GUARD_NONE), 0);
		ASSERT_EQ(fill_wait(self->source, &completion), 0);
		EXPECT_TRUE(is_filled(self, variant, sizes[i]))
			TH_LOG("%d bytes", (int)sizes[i]);
		EXPECT_EQ(completion.bytes_used, sizes[i]);
		EXPECT_EQ(completion.index, 0);
		EXPECT_EQ(completion.sequence, 0);
		EXPECT_EQ(completion.hw_sequence, 0);
		EXPECT_EQ(completion.dropped, 0);
		EXPECT_GT(completion.timestamp_ns, 0);
		EXPECT_EQ(buffer_info(self->heap, self->fd).transfers, i + 1);
		EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), 0);
	}
	EXPECT_EQ(buffer_info(self->heap, self->fd).aborted, 0);
	/* As often as it is asked for. */
	EXPECT_EQ(fill_wait(self->source, &completion), 0);
	EXPECT_EQ(completion.bytes_used, sizes[i - 1]);
}

TEST_F(fill, a_guarded_touch_sleeps_until_the_data_are_there)
{
	ASSERT_EQ(begin_short(self, variant, 1000, NDMA_GUARD_BLOCK), 0);
	EXPECT_TRUE(is_filled(self, variant, 1000));
	EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), 0);
}

TEST_F(fill, a_cpu_access_waits_for_the_fence)
{
	ASSERT_EQ(begin_short(self, variant, 1000, NDMA_GUARD_NONE), 0);
	ASSERT_EQ(dmabuf_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ), 0);
	EXPECT_TRUE(is_filled(self, variant, 1000));
}

TEST_F(fill, a_buffer_is_the_cpus_when_poll_says_so)
{
	struct ndma_completion completion;

	ASSERT_EQ(begin_short(self, variant, 1000, NDMA_GUARD_NONE), 0);
	EXPECT_TRUE(fill_await(self->fd));
	EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), 0);
	EXPECT_TRUE(is_filled(self, variant, 1000));
	ASSERT_EQ(fill_wait(self->source, &completion), 0);
	EXPECT_EQ(events_of(self->source, POLLIN, 0), POLLIN);
}

/* ------------------------------------------------------------ what others see, and may */

TEST_F(fill, its_fence_is_what_everybody_sees)
{
	int readonly = buffer_readonly(self->heap, self->fd), fence;

	EXPECT_EQ(fill_poll(self->fd), POLLIN | POLLOUT);
	ASSERT_EQ(begin_bound(self, variant, FENCED_NS), 0);
	EXPECT_EQ(fill_poll(self->fd), 0);
	EXPECT_EQ(fill_poll(readonly), 0);
	EXPECT_EQ(events_of(self->source, POLLIN, 0), 0);
	fence = fence_export(self->fd, DMA_BUF_SYNC_READ);
	ASSERT_GE(fence, 0);
	EXPECT_EQ(fence_status(fence), 0);
	ASSERT_EQ(stream_stop(self->source), 0);
	EXPECT_EQ(fill_poll(readonly), POLLIN | POLLOUT);
	EXPECT_EQ(fence_status(fence), -ECANCELED);
	close(fence);
	close(readonly);
}

TEST_F(fill, one_that_may_take_longer_than_a_fence_publishes_none)
{
	ASSERT_EQ(begin_bound(self, variant, FENCED_NS + 1), 0);
	EXPECT_EQ(fill_poll(self->fd), POLLIN | POLLOUT);
	EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), -EBUSY);
}

/* Nobody is held up who looks at the buffer: sim waits for its button, edu takes too long. */
TEST_F(fill, one_whose_source_cannot_promise_an_end_publishes_no_fence)
{
	ASSERT_EQ(begin_long(self, variant, FENCED_NS), 0);
	EXPECT_EQ(fill_poll(self->fd), POLLIN | POLLOUT);
	EXPECT_EQ(dmabuf_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW), 0);
	EXPECT_EQ(buffer_info(self->heap, self->fd).owner, NDMA_OWNER_DEVICE);
	EXPECT_EQ(lease_try(self->other, self->fd, NDMA_WRITE), -EBUSY);
}

TEST_F(fill, what_would_break_the_promise_of_a_fence_is_refused)
{
	const uint32_t faults[] = { NDMA_CONTROL_FAULT_DROP, NDMA_CONTROL_FAULT_STALL,
				    NDMA_CONTROL_FAULT_VANISH };
	int64_t value;
	size_t i;

	if (!is_sim(variant))
		return;
	ASSERT_EQ(begin_bound(self, variant, FENCED_NS), 0);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		EXPECT_EQ(control_set(self->source, faults[i], 1000), -EBUSY);
		EXPECT_EQ(control_get(self->source, faults[i], &value), 0);
		EXPECT_EQ(value, 0);
	}
	EXPECT_EQ(control_set(self->source, NDMA_CONTROL_FAULT_ERROR, 1), 0);
	ASSERT_EQ(stream_stop(self->source), 0);
	/* Without a fence nobody minds. */
	ASSERT_EQ(begin_bound(self, variant, FENCED_NS + 1), 0);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		EXPECT_EQ(control_set(self->source, faults[i], 1000), 0);
}

TEST_F(fill, the_buffer_is_the_devices_meanwhile)
{
	struct ndma_layout layout = layout_bytes(16);
	int another = source_open("sim1");
	struct ndma_buffer_info info;
	uint32_t id;

	ASSERT_EQ(begin_long(self, variant, FENCED_NS), 0);
	info = buffer_info(self->other, self->fd);
	EXPECT_EQ(info.owner, NDMA_OWNER_DEVICE);
	EXPECT_EQ(info.direction, NDMA_FROM_DEVICE);
	EXPECT_EQ(info.transfers, 1);
	EXPECT_EQ(lease_acquire(self->heap, self->fd, NDMA_READ), -EBUSY);
	EXPECT_EQ(lease_acquire(self->other, self->fd, NDMA_WRITE), -EBUSY);
	EXPECT_EQ(layout_set(self->heap, self->fd, &layout), -EBUSY);
	EXPECT_EQ(transfer_begin(self->heap, self->fd, NDMA_TO_DEVICE, 0, 0, SECOND_NS), -EBUSY);
	EXPECT_EQ(fill_begin(another, self->heap, self->fd, 1, SECOND_NS), -EBUSY);
	EXPECT_EQ(begin_short(self, variant, 100, NDMA_GUARD_NONE), -EBUSY);
	/* Only the source ends it. */
	for (id = 0; id < 4; id++)
		EXPECT_EQ(transfer_end(self->heap, self->fd, id), -EINVAL);
	EXPECT_EQ(buffer_info(self->other, self->fd).owner, NDMA_OWNER_DEVICE);
	close(another);
}

TEST_F(fill, leases_keep_the_source_out)
{
	int64_t read = lease_acquire(self->other, self->fd, NDMA_READ), write;

	EXPECT_EQ(begin_short(self, variant, 100, NDMA_GUARD_NONE), -EBUSY);
	EXPECT_EQ(lease_release(self->other, read), 0);
	write = lease_acquire(self->heap, self->fd, NDMA_WRITE);
	EXPECT_EQ(begin_short(self, variant, 100, NDMA_GUARD_NONE), -EBUSY);
	EXPECT_EQ(lease_release(self->heap, write), 0);
	EXPECT_EQ(buffer_info(self->heap, self->fd).transfers, 0);
	EXPECT_EQ(begin_short(self, variant, 100, NDMA_GUARD_NONE), 0);
}

TEST_F(fill, with_a_guard_a_lease_pins_the_layout_alone)
{
	struct ndma_completion completion;
	int64_t lease = lease_acquire(self->other, self->fd, NDMA_READ);

	EXPECT_EQ(begin_short(self, variant, 100, NDMA_GUARD_BLOCK), -EBUSY);
	EXPECT_EQ(lease_release(self->other, lease), 0);
	ASSERT_EQ(begin_short(self, variant, 100, NDMA_GUARD_BLOCK), 0);
	ASSERT_EQ(fill_wait(self->source, &completion), 0);
	EXPECT_GT(lease_acquire(self->other, self->fd, NDMA_READ), 0);
	ASSERT_EQ(begin_short(self, variant, 100, NDMA_GUARD_BLOCK), 0);
	EXPECT_EQ(fill_wait(self->source, &completion), 0);
	EXPECT_EQ(begin_short(self, variant, 102, NDMA_GUARD_BLOCK), -EBUSY);
}

TEST_F(fill, only_the_owner_may_and_proves_it_by_its_file)
{
	int readonly = buffer_readonly(self->heap, self->fd);
	int heap_readonly = open(NDMA_HEAP_PATH, O_RDONLY | O_CLOEXEC);
	int source_readonly = source_open_mode(variant->source, O_RDONLY);
	const struct {
		int source, heap, fd, error;
	} rows[] = {
		{ self->source, self->other, self->fd, -EPERM },
		{ self->source, self->other, readonly, -EPERM },
		{ self->source, self->heap, readonly, -EPERM },
		{ self->source, heap_readonly, self->fd, -EACCES },
		{ self->source, self->source, self->fd, -EBADF },
		{ self->source, self->fd, self->fd, -EBADF },
		{ self->source, -1, self->fd, -EBADF },
		{ self->source, self->heap, -1, -EBADF },
		{ self->source, self->heap, self->heap, -EBADF },
		{ source_readonly, self->heap, self->fd, -EACCES },
		{ self->heap, self->heap, self->fd, -ENOTTY },
		{ self->source, self->heap, self->fd, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		EXPECT_EQ(fill_begin(rows[i].source, rows[i].heap, rows[i].fd, 1, FENCED_NS),
			  rows[i].error)
			TH_LOG("row %d", (int)i);
	EXPECT_EQ(buffer_info(self->heap, self->fd).transfers, 1);
	close(source_readonly);
	close(heap_readonly);
	close(readonly);
}

TEST_F(fill, what_makes_no_sense_is_refused_and_changes_nothing)
{
	const struct {
		uint32_t flags, guard, format, order, channels;
		uint64_t samples, timeout_ns;
		int error;
	} rows[] = {
		{ 1, 0, 0, 1, 1, 1, SECOND_NS, -EINVAL },
		{ 0, 3, 0, 1, 1, 1, SECOND_NS, -EINVAL },
		{ 0, 0, 99, 1, 1, 1, SECOND_NS, -EINVAL },
		{ 0, 0, 0, 0, 1, 1, SECOND_NS, -EINVAL },
		{ 0, 0, 0, 3, 1, 1, SECOND_NS, -EINVAL },
		{ 0, 0, 0, 1, 99, 1, SECOND_NS, -EINVAL },
		{ 0, 0, 0, 1, 1, 0, SECOND_NS, -EINVAL },
		{ 0, 0, 0, 1, 1, 1ULL << 40, SECOND_NS, -EINVAL },
		{ 0, 0, 0, 1, 1, 1, 0, -EINVAL },
		{ 0, 0, 0, 1, 1, 1, 3600 * SECOND_NS + 1, -EINVAL },
		{ 0, 0, 0, 1, 1, 1, UINT64_MAX, -EINVAL },
	};
	struct ndma_layout before, after;
	struct ndma_completion completion;
	struct ndma_fill_begin request;
	int small = heap_alloc_for(self->heap, self->source, 100);
	size_t i;

	layout_get(self->heap, self->fd, &before);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		request = fill_of(self->heap, self->fd, rows[i].samples, rows[i].timeout_ns);
		request.flags = rows[i].flags;
		request.guard = rows[i].guard;
		request.format = rows[i].format;
		request.order = rows[i].order;
		request.channels = rows[i].channels;
		EXPECT_EQ(call(self->source, NDMA_FILL_BEGIN, &request), rows[i].error)
			TH_LOG("row %d", (int)i);
	}
	EXPECT_EQ(fill_begin(self->source, self->heap, small, 101, SECOND_NS), -ERANGE);
	EXPECT_EQ(fill_wait(self->source, &completion), -EINVAL);
	EXPECT_EQ(events_of(self->source, POLLIN, 0), POLLERR);
	EXPECT_EQ(buffer_info(self->heap, self->fd).transfers, 0);
	layout_get(self->heap, self->fd, &after);
	EXPECT_EQ(memcmp(&before, &after, sizeof(before)), 0);
	close(small);
}

TEST_F(fill, a_file_streams_or_fills_and_does_either_again)
{
	struct ndma_stream_setup setup = setup_of(2, 100);
	struct ndma_completion completion;
	struct stream stream;
	int i;

	/* No frame of the stream below is to be lost. */
	control_set(self->source, NDMA_SIM_CONTROL_PACED, 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(begin_long(self, variant, FENCED_NS), 0);
		EXPECT_EQ(stream_setup(self->source, &setup), -EBUSY);
		EXPECT_EQ(stream_start(self->source, 0), -EINVAL);
		EXPECT_EQ(mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->source,
			       NDMA_MMAP_COMPLETIONS), MAP_FAILED);
		ASSERT_EQ(stream_stop(self->source), 0);
		control_set(self->source, NDMA_CONTROL_TRIGGER, 0);
		ASSERT_EQ(begin_short(self, variant, 100, NDMA_GUARD_NONE), 0);
		ASSERT_EQ(fill_wait(self->source, &completion), 0);
	}
	ASSERT_EQ(stream_make(&stream, self->source, &setup), 0);
	EXPECT_EQ(begin_short(self, variant, 100, NDMA_GUARD_NONE), -EBUSY);
	ASSERT_EQ(stream_start(stream.fd, 3), 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(stream_next(&stream, &completion), 0);
		EXPECT_EQ(completion.sequence, i);
		stream_give(&stream, completion.index);
	}
	stream_unmap(&stream);
}

/* A card with descriptors and interrupts that are put off: one frame is enough for it. */
TEST(the_digitizer_fills_a_buffer)
{
	struct ndma_wave wave = { .pattern = NDMA_WAVE_COUNTER, .bits = 16, .is_signed = 1 };
	int heap = heap_open(), source = source_open("vdig0"), fd, i;
	struct ndma_completion completion;
	unsigned char *data;

	if (source == -ENOENT)
		SKIP(return, "this guest has no /dev/ndma/vdig0");
	ASSERT_EQ(control_set(source, NDMA_CONTROL_PATTERN, NDMA_WAVE_COUNTER), 0);
	fd = heap_alloc_for(heap, source, CAPACITY);
	data = buffer_map(heap, fd, CAPACITY, PROT_READ);
	ASSERT_NE(data, MAP_FAILED);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(fill_begin(source, heap, fd, 100000, FENCED_NS), 0);
		ASSERT_TRUE(fill_await(fd));
		ASSERT_EQ(fill_wait(source, &completion), 0);
		EXPECT_EQ(completion.bytes_used, 200000);
		EXPECT_EQ(ndma_wave_check(&wave, data, 2, 0, completion.hw_timestamp, 100000, 2),
			  100000);
	}
	/* When somebody will pull its trigger is not known. */
	ASSERT_EQ(control_set(source, NDMA_CONTROL_TRIGGER, VDIG_TRIGGER_EXTERNAL), 0);
	ASSERT_EQ(fill_begin(source, heap, fd, 1000, FENCED_NS), 0);
	EXPECT_EQ(fill_poll(fd), POLLIN | POLLOUT);
	EXPECT_EQ(buffer_info(heap, fd).owner, NDMA_OWNER_DEVICE);
	ASSERT_EQ(stream_stop(source), 0);
	ASSERT_EQ(control_set(source, NDMA_CONTROL_TRIGGER, VDIG_TRIGGER_FREE), 0);
	/* At a sample a second it is not done in time, and is cut off. */
	ASSERT_EQ(control_set(source, NDMA_CONTROL_RATE, 1), 0);
	ASSERT_EQ(fill_begin(source, heap, fd, 1000, SECOND_NS / 2), 0);
	EXPECT_EQ(fill_wait(source, &completion), -ETIMEDOUT);
	EXPECT_EQ(lease_try(heap, fd, NDMA_WRITE), 0);
	munmap(data, CAPACITY);
	close(fd);
	close(source);
	close(heap);
}

/* More than the lowest 256 MiB, which is all that the card reaches by itself. */
#define FAR_BUFFERS 130

/*
 * Behind an IOMMU, or with bounce buffers, the card reaches every buffer. On arm64 it has 32 address bits, as
 * memory begins at 1 GiB: 3 GiB of it are in reach.
 */
static bool edu_reaches_all(void)
{
	const char *setting = getenv("NDMA_SETTING");

	if (setting && (!strcmp(setting, "iommu") || !strcmp(setting, "swiotlb")))
		return true;
#ifdef __aarch64__
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) <= 3ULL << 30;
#else
	return false;
#endif
}

TEST(a_buffer_out_of_reach_is_refused)
{
	int heap = heap_open(), source = source_open("edu0"), fds[FAR_BUFFERS], ret, i;

	if (source == -ENOENT)
		SKIP(return, "this guest has no /dev/ndma/edu0");
	for (i = 0; i < FAR_BUFFERS; i++)
		fds[i] = heap_alloc(heap, HUGE_BYTES);
	if (edu_reaches_all()) {
		EXPECT_EQ(fill_begin(source, heap, fds[0], 1, FENCED_NS), 0);
	} else {
		for (i = 0, ret = 0; i < FAR_BUFFERS && !ret; i++) {
			ret = fill_begin(source, heap, fds[i], 1, FENCED_NS);
			stream_stop(source);
		}
		EXPECT_EQ(ret, -EOPNOTSUPP);
		EXPECT_EQ(buffer_info(heap, fds[i - 1]).transfers, 0);
	}
	for (i = 0; i < FAR_BUFFERS; i++)
		close(fds[i]);
	close(source);
	close(heap);
}

TEST_HARNESS_MAIN
