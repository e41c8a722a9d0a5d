// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controls of one open file that a stream on another one takes: NDMA_SETUP_CONTROLS.
 */
#include <sys/mman.h>

#include "test.h"
#include "uapi/stream.h"

#include "ndma_sim.h"

#define FRAMES 4
#define SAMPLES 1000

FIXTURE(controls)
{
	int leader;
	int fd;
	int heap;
	uint64_t used;
};

FIXTURE_SETUP(controls)
{
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
	self->used = heap_info(self->heap).used_bytes;
	self->leader = source_open("sim0");
	ASSERT_GE(self->leader, 0);
	self->fd = source_open("sim0");
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(control_set(self->leader, NDMA_CONTROL_TRIGGER, NDMA_SIM_TRIGGER_SOFTWARE), 0);
	ASSERT_EQ(control_set(self->leader, NDMA_CONTROL_FREQUENCY, 777), 0);
	ASSERT_EQ(control_set(self->fd, NDMA_CONTROL_FREQUENCY, 555), 0);
}

FIXTURE_TEARDOWN(controls)
{
	close(self->fd);
	close(self->leader);
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used);
	close(self->heap);
}

static struct ndma_stream_setup following(int leader)
{
	struct ndma_stream_setup setup = setup_of(FRAMES, SAMPLES);

	setup.flags = NDMA_SETUP_CONTROLS;
	setup.controls_fd = leader;
	return setup;
}

static int64_t frequency_of(int fd)
{
	int64_t value = -1;

	control_get(fd, NDMA_CONTROL_FREQUENCY, &value);
	return value;
}

static int press(int fd)
{
	return control_set(fd, NDMA_CONTROL_TRIGGER_SOFTWARE, 0);
}

TEST_F(controls, a_stream_has_the_values_that_the_other_file_had)
{
	struct ndma_stream_setup setup = following(self->leader);

	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	EXPECT_EQ(frequency_of(self->fd), 777);
	/* It follows, and is not followed. */
	ASSERT_EQ(control_set(self->leader, NDMA_CONTROL_FREQUENCY, 888), 0);
	EXPECT_EQ(frequency_of(self->fd), 888);
	ASSERT_EQ(control_set(self->fd, NDMA_CONTROL_FREQUENCY, 999), 0);
	EXPECT_EQ(frequency_of(self->leader), 888);
}

TEST_F(controls, what_a_stream_that_follows_cannot_take_now_is_refused_to_its_leader)
{
	struct ndma_stream_setup setup = following(self->leader), more = setup;
	int second = source_open("sim0");
	int64_t rate;

	ASSERT_GE(second, 0);
	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	ASSERT_EQ(stream_setup(second, &more), 0);
	ASSERT_EQ(control_set(self->leader, NDMA_CONTROL_RATE, 5000), 0);
	ASSERT_EQ(stream_start(second, 0), 0);
	EXPECT_EQ(control_set(self->leader, NDMA_CONTROL_RATE, 6000), -EBUSY);
	EXPECT_EQ(control_set(self->leader, NDMA_CONTROL_RATE, 0), -EBUSY);
	ASSERT_EQ(control_get(self->leader, NDMA_CONTROL_RATE, &rate), 0);
	EXPECT_EQ(rate, 5000);
	ASSERT_EQ(control_get(self->fd, NDMA_CONTROL_RATE, &rate), 0);
	EXPECT_EQ(rate, 5000);
	/* A live one reaches both. */
	EXPECT_EQ(control_set(self->leader, NDMA_CONTROL_FREQUENCY, 444), 0);
	EXPECT_EQ(frequency_of(self->fd), 444);
	EXPECT_EQ(frequency_of(second), 444);
	/* Files that follow nobody are nobody's. */
	close(second);
	EXPECT_EQ(control_set(self->leader, NDMA_CONTROL_RATE, 6000), 0);
	ASSERT_EQ(control_get(self->fd, NDMA_CONTROL_RATE, &rate), 0);
	EXPECT_EQ(rate, 6000);
}

TEST_F(controls, a_file_that_may_only_be_read_has_values_as_well)
{
	int reader = source_open_mode("sim0", O_RDONLY);
	struct ndma_stream_setup setup = following(reader);

	ASSERT_GE(reader, 0);
	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	EXPECT_EQ(frequency_of(self->fd), 1000);
	close(reader);
}

TEST_F(controls, any_other_descriptor_is_refused_and_changes_nothing)
{
	const int other = source_open("sim1"), memfd = memfd_create("no source", 0);
	const int null = open("/dev/null", O_RDWR), closed = dup(self->leader);
	const int buffer = heap_alloc(self->heap, 4096);
	const struct {
		const char *what;
		int fd, error;
	} cases[] = {
		{ "none", -1, -EBADF },
		{ "one out of range", INT32_MAX, -EBADF },
		{ "a closed one", closed, -EBADF },
		{ "/dev/null", null, -EBADF },
		{ "a memfd", memfd, -EBADF },
		{ "the heap", self->heap, -EBADF },
		{ "a buffer", buffer, -EBADF },
		{ "the file itself", self->fd, -EINVAL },
		{ "another source", other, -EINVAL },
	};
	struct ndma_stream_setup setup;
	size_t i;

	ASSERT_GE(other, 0);
	ASSERT_GE(buffer, 0);
	close(closed);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup = following(cases[i].fd);
		EXPECT_EQ(stream_setup(self->fd, &setup), cases[i].error)
		TH_LOG("%s", cases[i].what);
		EXPECT_EQ(frequency_of(self->fd), 555);
	}
	close(buffer);
	close(null);
	close(memfd);
	close(other);
	EXPECT_EQ(heap_info(self->heap).used_bytes, self->used);
	setup = setup_of(FRAMES, SAMPLES);
	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	EXPECT_EQ(frequency_of(self->fd), 555);
}

TEST_F(controls, a_setup_that_is_refused_leaves_the_values_and_follows_nobody)
{
	struct ndma_stream_setup setup = following(self->leader);

	setup.frames = 1;
	EXPECT_EQ(stream_setup(self->fd, &setup), -EINVAL);
	setup = following(self->leader);
	setup.flags |= 2;
	EXPECT_EQ(stream_setup(self->fd, &setup), -EINVAL);
	setup = following(self->leader);
	setup.flags = 0;
	EXPECT_EQ(stream_setup(self->fd, &setup), -EINVAL);
	EXPECT_EQ(frequency_of(self->fd), 555);

	setup = setup_of(FRAMES, SAMPLES);
	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	setup = following(self->leader);
	EXPECT_EQ(stream_setup(self->fd, &setup), -EBUSY);
	EXPECT_EQ(frequency_of(self->fd), 555);
	ASSERT_EQ(control_set(self->fd, NDMA_CONTROL_TRIGGER, NDMA_SIM_TRIGGER_SOFTWARE), 0);
	ASSERT_EQ(stream_start(self->fd, 0), 0);
	ASSERT_EQ(press(self->leader), 0);
	EXPECT_EQ(stream_wait(self->fd, 1, 20 * MSEC_NS), -ETIMEDOUT);
}

TEST_F(controls, a_button_is_pressed_in_the_streams_that_follow_its_file)
{
	struct ndma_stream_setup setup = following(self->leader), more = setup;
	int second = source_open("sim0");

	ASSERT_GE(second, 0);
	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	ASSERT_EQ(stream_setup(second, &more), 0);
	ASSERT_EQ(stream_start(self->fd, 0), 0);
	ASSERT_EQ(stream_start(second, 0), 0);
	ASSERT_EQ(press(self->leader), 0);
	EXPECT_EQ(stream_wait(self->fd, 1, PATIENCE_NS), 1);
	EXPECT_EQ(stream_wait(second, 1, PATIENCE_NS), 1);
	/* Those that follow are not followed. */
	ASSERT_EQ(press(self->fd), 0);
	EXPECT_EQ(stream_wait(self->fd, 2, PATIENCE_NS), 2);
	EXPECT_EQ(stream_wait(second, 2, 20 * MSEC_NS), -ETIMEDOUT);
	/* One that is closed is left out. */
	close(second);
	ASSERT_EQ(press(self->leader), 0);
	EXPECT_EQ(stream_wait(self->fd, 3, PATIENCE_NS), 3);
	/* A file that is closed presses nothing, nor does one that is opened in its place. */
	close(self->leader);
	self->leader = source_open("sim0");
	ASSERT_GE(self->leader, 0);
	ASSERT_EQ(press(self->leader), 0);
	EXPECT_EQ(stream_wait(self->fd, 4, 20 * MSEC_NS), -ETIMEDOUT);
}

/* Neither waits for the other: each looks at the other's values before it locks its own. */
TEST_F(controls, two_files_may_name_each_other)
{
	struct ndma_stream_setup setup = following(self->leader), back = following(self->fd);

	ASSERT_EQ(stream_setup(self->fd, &setup), 0);
	ASSERT_EQ(stream_setup(self->leader, &back), 0);
	EXPECT_EQ(frequency_of(self->leader), 777);
	ASSERT_EQ(stream_start(self->fd, 0), 0);
	ASSERT_EQ(stream_start(self->leader, 0), 0);
	ASSERT_EQ(press(self->leader), 0);
	EXPECT_EQ(stream_wait(self->fd, 1, PATIENCE_NS), 1);
	EXPECT_EQ(stream_wait(self->leader, 1, PATIENCE_NS), 1);
	EXPECT_EQ(stream_wait(self->leader, 2, 20 * MSEC_NS), -ETIMEDOUT);
}

TEST_HARNESS_MAIN
