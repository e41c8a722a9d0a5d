// SPDX-License-Identifier: GPL-2.0-only
/* Fork: the child can do nothing to what is its parent's. */
#include "stream.h"

/* 0 where every call on the inherited buffer is refused and closing it does nothing. */
static int try_buffer(struct ndma_buffer *buffer, uint32_t transfer)
{
	struct ndma_buffer_info info;
	struct ndma_layout layout;
	uint32_t id;
	void *address;

	if (ndma_buffer_layout(buffer, &layout) != -EPERM || !strstr(ndma_error(), "fork") ||
	    ndma_buffer_info(buffer, &info) != -EPERM ||
	    ndma_buffer_map(buffer, NDMA_READ, &address) != -EPERM ||
	    ndma_lease_acquire(buffer, NDMA_READ, &id) != -EPERM ||
	    ndma_transfer_end(buffer, transfer) != -EPERM)
		return 1;
	ndma_buffer_close(buffer);
	return 0;
}

TEST_F(sim, a_child_cannot_end_its_parents_transfer)
{
	struct ndma_buffer_info info;
	struct ndma_buffer *buffer;
	struct ndma_layout layout;
	struct peer peer;
	uint32_t transfer;

	ndma_layout_flat(&layout, 4096);
	ASSERT_DONE(ndma_buffer_create(&layout, NULL, &buffer));
	ASSERT_DONE(ndma_transfer_begin(buffer, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					100 * SECOND_NS, &transfer));
	if (!peer_start(&peer))
		_exit(try_buffer(buffer, transfer));
	EXPECT_EQ(0, peer_end(&peer));
	ASSERT_DONE(ndma_buffer_info(buffer, &info));
	EXPECT_EQ(NDMA_OWNER_DEVICE, info.owner);
	ASSERT_DONE(ndma_transfer_end(buffer, transfer));
	ndma_buffer_close(buffer);
}

/* 0 where the child can import what its parent made, and lease it as itself. */
static int import_inherited(struct ndma_buffer *buffer)
{
	struct ndma_buffer *mine;
	uint32_t lease;

	if (ndma_buffer_import(ndma_buffer_fd(buffer), NULL, &mine) ||
	    ndma_lease_acquire(mine, NDMA_WRITE, &lease))
		return 1;
	ndma_buffer_close(mine);
	return 0;
}

TEST_F(sim, a_child_leases_as_itself_and_its_parents_lease_stays)
{
	struct ndma_buffer_info info;
	struct ndma_buffer *buffer;
	struct ndma_layout layout;
	struct peer peer;
	uint32_t lease;

	ndma_layout_flat(&layout, 4096);
	ASSERT_DONE(ndma_buffer_create(&layout, NULL, &buffer));
	ASSERT_DONE(ndma_lease_acquire(buffer, NDMA_READ, &lease));
	if (!peer_start(&peer))
		_exit(import_inherited(buffer));
	EXPECT_EQ(0, peer_end(&peer));
	ASSERT_DONE(ndma_buffer_info(buffer, &info));
	EXPECT_EQ(1, info.read_leases);
	EXPECT_EQ(0, info.write_leases);
	ASSERT_DONE(ndma_lease_release(buffer, lease));
	ndma_buffer_close(buffer);
}

/* 0 where the child can neither take, release nor stop; then it frees and opens its own. */
static int try_stream(struct ndma_source *source, struct ndma_stream *stream,
		      const struct ndma_frame *held)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	struct ndma_source_channel channel;
	struct ndma_source_info info;
	struct ndma_source *own;
	struct ndma_frame frame;

	if (ndma_stream_next(stream, &frame, -1) != -EPERM ||
	    ndma_stream_wait(stream, 1, -1) != -EPERM ||
	    ndma_stream_release(stream, held) != -EPERM || ndma_stream_stop(stream) != -EPERM ||
	    ndma_stream_start(stream, 0) != -EPERM || ndma_source_info(source, &info) != -EPERM ||
	    ndma_stream_info(stream, &info) != -EPERM ||
	    ndma_stream_channel(stream, 0, &channel) != -EPERM)
		return 1;
	/* What was held at fork can still be read. */
	if (*(volatile int16_t *)held->data != 0)
		return 2;
	ndma_stream_close(stream);
	ndma_stream_free(stream);
	ndma_source_close(source);
	options.samples = 16;
	if (ndma_source_open("sim0", &own) || count_fast(own) ||
	    ndma_stream_create(own, &options, &stream) || ndma_stream_start(stream, 1) ||
	    ndma_stream_next(stream, &frame, -1) != 1)
		return 3;
	ndma_stream_free(stream);
	ndma_source_close(own);
	return 0;
}

TEST_F(sim, a_child_neither_takes_nor_releases_nor_stops)
{
	struct ndma_stream_stats stats;
	struct ndma_frame held, frame;
	struct peer peer;
	int i;

	ASSERT_DONE(count_fast(self->source));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &held, 10 * SECOND_NS));
	if (!peer_start(&peer))
		_exit(try_stream(self->source, self->stream, &held));
	EXPECT_EQ(0, peer_end(&peer));
	for (i = 1; i < 100; i++) {
		ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
		ASSERT_EQ(i, frame.completion.sequence);
		ASSERT_DONE(ndma_stream_release(self->stream, &frame));
	}
	ASSERT_DONE(ndma_stream_stats(self->stream, &stats));
	EXPECT_EQ(0, stats.bad_releases);
	EXPECT_EQ(NDMA_STREAM_RUNNING, stats.state);
}

TEST_F(sim, a_child_that_uses_the_inline_path_harms_itself_alone)
{
	struct ndma_frame frame;
	struct ndma_ring *ring;
	struct peer peer;

	ASSERT_DONE(set_pace(self->source, 0));
	ASSERT_DONE(ndma_stream_create(self->source, &self->options, &self->stream));
	ring = ndma_ring_open(self->stream);
	ASSERT_DONE(ndma_stream_start(self->stream, 0));
	if (!peer_start(&peer)) {
		signal(SIGSEGV, SIG_DFL);
		ndma_ring_take(ring, &frame);
		_exit(0);
	}
	EXPECT_EQ(128 + SIGSEGV, peer_end(&peer));
	ASSERT_EQ(1, ndma_stream_next(self->stream, &frame, 10 * SECOND_NS));
	EXPECT_EQ(0, frame.completion.sequence);
}

TEST_HARNESS_MAIN
