// SPDX-License-Identifier: GPL-2.0-only
/* Fills: what the library adds to NDMA_FILL_BEGIN; and whose fences a transfer has waited for. */
#include <linux/dma-buf.h>
#include <sys/ioctl.h>

#include "sim.h"

#define SAMPLES 1000

FIXTURE(fill)
{
	struct ndma_source *source;
	struct ndma_stream_options options;
	struct ndma_buffer *buffer;
};

ON_EVERY_BACKEND(fill);

/* Two channels of SAMPLES, and room for twice as many. */
FIXTURE_SETUP(fill)
{
	OPEN_SIM();
	self->options.samples = SAMPLES;
	self->options.channels = 2;
	ASSERT_DONE(make_buffer(2 * SAMPLES, &self->buffer));
	ASSERT_DONE(set_control(self->source, "pattern", NDMA_WAVE_COUNTER));
}

FIXTURE_TEARDOWN(fill)
{
	ndma_source_close(self->source);
	ndma_buffer_close(self->buffer);
}

TEST_F(fill, a_buffer_is_filled_in_place)
{
	struct ndma_wave wave = { .pattern = NDMA_WAVE_COUNTER, .bits = 16, .is_signed = 1 };
	struct ndma_completion completion;
	struct ndma_layout layout;
	uint32_t lease;
	void *data;

	/* memfd's card is a thread of the library, which reaches its frames alone. */
	if (IS_MEMFD()) {
		EXPECT_EQ(-EOPNOTSUPP, ndma_fill_begin(self->source, self->buffer, &self->options,
						       10 * SECOND_NS));
		ASSERT_WORDS("copy");
		EXPECT_EQ(-EINVAL, ndma_fill_wait(self->source, &completion));
		ASSERT_DONE(ndma_fill_cancel(self->source));
		return;
	}
	ASSERT_DONE(ndma_fill_begin(self->source, self->buffer, &self->options, 10 * SECOND_NS));
	ASSERT_DONE(ndma_fill_wait(self->source, &completion));
	EXPECT_EQ(2 * 2 * SAMPLES, completion.bytes_used);
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &lease));
	ASSERT_DONE(ndma_buffer_layout(self->buffer, &layout));
	EXPECT_EQ(2, layout.ndim);
	EXPECT_EQ(2, layout.shape[0]);
	EXPECT_EQ(SAMPLES, layout.shape[1]);
	ASSERT_DONE(ndma_buffer_map(self->buffer, NDMA_READ, &data));
	EXPECT_EQ(SAMPLES, ndma_wave_check(&wave, data, 2, 0, 0, SAMPLES, 2));
	EXPECT_EQ(SAMPLES, ndma_wave_check(&wave, (char *)data + 2 * SAMPLES, 2, 1, 0, SAMPLES, 2));
	/* A lease: whose, the words say. */
	EXPECT_EQ(-EBUSY, ndma_fill_begin(self->source, self->buffer, &self->options, SECOND_NS));
	ASSERT_WORDS("1 lease to read");
	ASSERT_DONE(ndma_lease_release(self->buffer, lease));
}

TEST_F(fill, one_that_is_cancelled_gives_the_buffer_back)
{
	struct ndma_completion completion;
	uint32_t lease, again;

	if (IS_MEMFD())
		return;
	ASSERT_DONE(set_control(self->source, "trigger", NDMA_SIM_TRIGGER_SOFTWARE));
	/* Under a guard leases stay, and may not be joined meanwhile. */
	ASSERT_DONE(ndma_fill_begin(self->source, self->buffer, &self->options, 10 * SECOND_NS));
	ASSERT_DONE(ndma_fill_cancel(self->source));
	EXPECT_EQ(-ECANCELED, ndma_fill_wait(self->source, &completion));
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &lease));
	self->options.guard = NDMA_GUARD_BLOCK;
	ASSERT_DONE(ndma_fill_begin(self->source, self->buffer, &self->options, 10 * SECOND_NS));
	EXPECT_EQ(-EBUSY, ndma_lease_acquire(self->buffer, NDMA_READ, &again));
	ASSERT_WORDS("1 transfer");
	EXPECT_EQ(-EBUSY, ndma_fill_begin(self->source, self->buffer, &self->options, SECOND_NS));
	ASSERT_DONE(set_control(self->source, "trigger_software", 0));
	ASSERT_DONE(ndma_fill_wait(self->source, &completion));
	EXPECT_EQ(NDMA_FRAME_TRIGGERED, completion.flags & NDMA_FRAME_TRIGGERED);
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_READ, &again));
	ASSERT_DONE(ndma_lease_release(self->buffer, again));
	ASSERT_DONE(ndma_lease_release(self->buffer, lease));
}

TEST_F(fill, closing_the_source_ends_it)
{
	uint32_t lease;

	if (IS_MEMFD())
		return;
	ASSERT_DONE(set_control(self->source, "trigger", NDMA_SIM_TRIGGER_SOFTWARE));
	ASSERT_DONE(ndma_fill_begin(self->source, self->buffer, &self->options, 10 * SECOND_NS));
	ndma_source_close(self->source);
	self->source = NULL;
	ASSERT_DONE(ndma_lease_acquire(self->buffer, NDMA_WRITE, &lease));
	ASSERT_DONE(ndma_lease_release(self->buffer, lease));
}

TEST_F(fill, its_deadline_is_told)
{
	struct ndma_completion completion;

	if (IS_MEMFD())
		return;
	ASSERT_DONE(set_control(self->source, "trigger", NDMA_SIM_TRIGGER_SOFTWARE));
	ASSERT_DONE(ndma_fill_begin(self->source, self->buffer, &self->options, SECOND_NS / 10));
	EXPECT_EQ(-ETIMEDOUT, ndma_fill_wait(self->source, &completion));
	ASSERT_WORDS("sim0");
	ASSERT_WORDS("not to be trusted");
}

TEST_F(fill, what_is_wrong_is_told)
{
	struct ndma_stream_options options = self->options;
	struct ndma_buffer *readonly;
	int fd = ndma_buffer_readonly_fd(self->buffer);

	if (IS_MEMFD())
		return;
	options.samples = 4 * SAMPLES;
	EXPECT_EQ(-ERANGE, ndma_fill_begin(self->source, self->buffer, &options, SECOND_NS));
	ASSERT_WORDS("4000 samples");
	options = self->options;
	options.format = "<f";
	EXPECT_EQ(-EINVAL, ndma_fill_begin(self->source, self->buffer, &options, SECOND_NS));
	ASSERT_WORDS("it makes");
	options = self->options;
	options.guard = 7;
	EXPECT_EQ(-EINVAL, ndma_fill_begin(self->source, self->buffer, &options, SECOND_NS));
	ASSERT_WORDS("guard 7");
	EXPECT_EQ(-EINVAL, ndma_fill_begin(self->source, self->buffer, &self->options, 0));
	ASSERT_WORDS("one hour");
	ASSERT_DONE(ndma_buffer_import(fd, NULL, &readonly));
	EXPECT_EQ(-EPERM, ndma_fill_begin(self->source, readonly, &self->options, SECOND_NS));
	ASSERT_WORDS("read-only");
	ndma_buffer_close(readonly);
	close(fd);
}

/* Puts the unfinished fence of a transfer of @from on @to. */
static int lend_fence(struct ndma_buffer *from, struct ndma_buffer *to)
{
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ };
	struct dma_buf_import_sync_file import = { .flags = DMA_BUF_SYNC_WRITE };
	int rc;

	if (ioctl(ndma_buffer_fd(from), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export))
		return -errno;
	import.fd = export.fd;
	rc = ioctl(ndma_buffer_fd(to), DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import) ? -errno : 0;
	close(export.fd);
	return rc;
}

TEST_F(fill, fences_that_are_waited_for_in_vain_are_told_by_their_drivers)
{
	struct ndma_buffer *other;
	uint32_t transfer;

	if (IS_MEMFD())
		return;
	ASSERT_DONE(make_buffer(1, &other));
	ASSERT_DONE(ndma_transfer_begin(other, NDMA_FROM_DEVICE, NDMA_GUARD_NONE,
					NDMA_TRANSFER_FENCE, 10 * SECOND_NS, &transfer));
	ASSERT_DONE(lend_fence(other, self->buffer));
	EXPECT_EQ(-ETIMEDOUT, ndma_transfer_begin(self->buffer, NDMA_TO_DEVICE, NDMA_GUARD_NONE, 0,
						  SECOND_NS / 10, &transfer));
	ASSERT_WORDS("a fence of ndma (");
	EXPECT_EQ(-ETIMEDOUT,
		  ndma_fill_begin(self->source, self->buffer, &self->options, SECOND_NS / 10));
	ASSERT_WORDS("a fence of ndma (");
	ndma_buffer_close(other);
}

TEST_HARNESS_MAIN
