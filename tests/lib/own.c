// SPDX-License-Identifier: GPL-2.0-only
/* Who may do what with a buffer: the whole table of ndma_own.h, and both backends by it. */
#include "buffer.h"
#include "ndma_own.h"

#define DEVICE_NONE 0

/*
 * Every state that a buffer can be in, and what is admitted then: y yes, b EBUSY. Transfers are tried
 * from the device, to it, and both ways.
 */
static const struct {
	uint32_t direction, reads, writes;
	char read_lease, write_lease, layout;
	char transfer[4]; /* without a guard */
	char guarded[4]; /* with one */
	char relayout[4]; /* with one, and another layout behind it */
	char written, read_alone; /* mappings that a guard leaves open: y */
} states[] = {
	{ DEVICE_NONE, 0, 0, 'y', 'y', 'y', "yyy", "yyy", "yyy", 'y', 'y' },
	{ DEVICE_NONE, 1, 0, 'y', 'y', 'b', "byb", "yyy", "bbb", 'y', 'y' },
	{ DEVICE_NONE, 0, 1, 'y', 'y', 'b', "bbb", "yyy", "bbb", 'y', 'y' },
	{ DEVICE_NONE, 1, 1, 'y', 'y', 'b', "bbb", "yyy", "bbb", 'y', 'y' },
	{ NDMA_FROM_DEVICE, 0, 0, 'b', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'b' },
	{ NDMA_FROM_DEVICE, 1, 0, 'b', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'b' },
	{ NDMA_FROM_DEVICE, 0, 1, 'b', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'b' },
	{ NDMA_FROM_DEVICE, 1, 1, 'b', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'b' },
	{ NDMA_TO_DEVICE, 0, 0, 'y', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'y' },
	{ NDMA_TO_DEVICE, 1, 0, 'y', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'y' },
	{ NDMA_TO_DEVICE, 0, 1, 'y', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'y' },
	{ NDMA_TO_DEVICE, 1, 1, 'y', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'y' },
	{ NDMA_BOTH, 0, 0, 'b', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'b' },
	{ NDMA_BOTH, 1, 0, 'b', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'b' },
	{ NDMA_BOTH, 0, 1, 'b', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'b' },
	{ NDMA_BOTH, 1, 1, 'b', 'b', 'b', "bbb", "bbb", "bbb", 'b', 'b' },
};

#define STATES (sizeof(states) / sizeof(*states))

static char answer(int rc)
{
	return rc == 0 ? 'y' : rc == -EBUSY ? 'b' : rc == -EPERM ? 'p' : '?';
}

static struct ndma_own own_of(size_t state)
{
	return (struct ndma_own){
		.direction = states[state].direction,
		.read_leases = states[state].reads,
		.write_leases = states[state].writes,
	};
}

TEST(leases_and_layouts_are_admitted_as_the_table_says)
{
	size_t i;

	for (i = 0; i < STATES; i++) {
		const struct ndma_own own = own_of(i);

		EXPECT_EQ(states[i].read_lease, answer(ndma_own_admit_lease(&own, NDMA_READ)));
		EXPECT_EQ(states[i].write_lease, answer(ndma_own_admit_lease(&own, NDMA_WRITE)));
		EXPECT_EQ(states[i].layout, answer(ndma_own_admit_layout(&own)));
	}
}

TEST(transfers_begin_as_the_table_says)
{
	uint32_t direction, guard;
	size_t i;

	for (i = 0; i < STATES; i++) {
		const struct ndma_own own = own_of(i);

		for (direction = NDMA_FROM_DEVICE; direction <= NDMA_BOTH; direction++) {
			for (guard = NDMA_GUARD_NONE; guard <= NDMA_GUARD_SIGBUS; guard++) {
				const char *column = guard ? states[i].guarded : states[i].transfer;
				char same = answer(
					ndma_own_admit_transfer(&own, direction, guard, false));
				char other = answer(
					ndma_own_admit_transfer(&own, direction, guard, true));

				EXPECT_EQ(column[direction - 1], same)
				{
					TH_LOG("state %zu direction %u guard %u", i, direction,
					       guard);
				}
				/* What a guard lets begin has to leave the layout alone. */
				EXPECT_EQ(states[i].relayout[direction - 1], other);
			}
		}
	}
}

TEST(a_guard_closes_mappings_as_the_table_says_and_without_one_all_are_open)
{
	uint32_t guard;
	size_t i;

	for (i = 0; i < STATES; i++) {
		uint32_t direction = states[i].direction;

		EXPECT_FALSE(ndma_own_closes(direction, NDMA_GUARD_NONE, NDMA_READ));
		EXPECT_FALSE(ndma_own_closes(direction, NDMA_GUARD_NONE, NDMA_WRITE));
		for (guard = NDMA_GUARD_BLOCK; guard <= NDMA_GUARD_SIGBUS; guard++) {
			EXPECT_EQ(states[i].written == 'b',
				  ndma_own_closes(direction, guard, NDMA_WRITE));
			EXPECT_EQ(states[i].read_alone == 'b',
				  ndma_own_closes(direction, guard, NDMA_READ));
		}
	}
}

TEST(a_read_only_handle_looks_and_the_owner_alone_transfers)
{
	EXPECT_TRUE(ndma_own_may_lease(false, NDMA_READ));
	EXPECT_TRUE(ndma_own_may_lease(false, NDMA_WRITE));
	EXPECT_TRUE(ndma_own_may_lease(true, NDMA_READ));
	EXPECT_FALSE(ndma_own_may_lease(true, NDMA_WRITE));
	EXPECT_TRUE(ndma_own_may_transfer(true, false));
	EXPECT_FALSE(ndma_own_may_transfer(true, true));
	EXPECT_FALSE(ndma_own_may_transfer(false, false));
	EXPECT_FALSE(ndma_own_may_transfer(false, true));
	EXPECT_TRUE(ndma_own_may_set_layout(false, false));
	EXPECT_FALSE(ndma_own_may_set_layout(false, true));
	EXPECT_FALSE(ndma_own_may_set_layout(true, false));
	EXPECT_FALSE(ndma_own_may_set_layout(true, true));
}

TEST(an_owner_that_died_is_told_to_whoever_looks_next)
{
	struct ndma_own own = { .orphaned = true };

	EXPECT_EQ(-EOWNERDEAD, ndma_own_admit_lease(&own, NDMA_READ));
	EXPECT_EQ(-EOWNERDEAD, ndma_own_admit_lease(&own, NDMA_WRITE));
	/* Nobody but the owner could begin a transfer; and a layout is not what the buffer holds. */
	EXPECT_EQ(0, ndma_own_admit_layout(&own));
	/* Later, while a device has the buffer again. */
	own.direction = NDMA_FROM_DEVICE;
	EXPECT_EQ(-EBUSY, ndma_own_admit_lease(&own, NDMA_READ));
}

TEST(the_arguments_of_a_transfer_have_bounds)
{
	static const struct {
		uint32_t direction, guard;
		uint64_t timeout_ns;
		enum ndma_own_rule rule;
	} rows[] = {
		{ 1, 0, 1, NDMA_OWN_RULE_NONE },
		{ 3, 2, 3600 * SECOND_NS, NDMA_OWN_RULE_NONE },
		{ 0, 0, 1, NDMA_OWN_RULE_DIRECTION },
		{ 4, 0, 1, NDMA_OWN_RULE_DIRECTION },
		{ UINT32_MAX, 0, 1, NDMA_OWN_RULE_DIRECTION },
		{ 1, 3, 1, NDMA_OWN_RULE_GUARD },
		{ 1, UINT32_MAX, 1, NDMA_OWN_RULE_GUARD },
		{ 1, 0, 0, NDMA_OWN_RULE_TIMEOUT },
		{ 1, 0, 3600 * SECOND_NS + 1, NDMA_OWN_RULE_TIMEOUT },
		{ 1, 0, UINT64_MAX, NDMA_OWN_RULE_TIMEOUT },
		{ 0, 3, 0, NDMA_OWN_RULE_DIRECTION },
		{ 1, 3, 0, NDMA_OWN_RULE_GUARD },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		EXPECT_EQ(rows[i].rule, ndma_own_check_transfer(rows[i].direction, rows[i].guard,
								rows[i].timeout_ns));
}

/* ---------------------------------------------------------------- both backends */

FIXTURE(handles)
{
	struct ndma_layout layout, other_layout;
	struct ndma_buffer *maker, *holder, *writer, *reader;
};

FIXTURE_VARIANT(handles)
{
	const char *backend;
};

FIXTURE_VARIANT_ADD(handles, kernel){ .backend = "kernel" };
FIXTURE_VARIANT_ADD(handles, memfd){ .backend = "memfd" };

/* The maker's object, one that holds leases, and one of each kind that is tried. */
FIXTURE_SETUP(handles)
{
	int readonly;

	if (!use_backend(variant->backend))
		SKIP(return, "module ndma is not loaded");
	ndma_layout_flat(&self->layout, 5000);
	ndma_layout_flat(&self->other_layout, 4000);
	ASSERT_DONE(ndma_buffer_create(&self->layout, NULL, &self->maker));
	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->maker), NULL, &self->holder));
	ASSERT_DONE(ndma_buffer_import(ndma_buffer_fd(self->maker), NULL, &self->writer));
	readonly = ndma_buffer_readonly_fd(self->maker);
	ASSERT_DONE(readonly);
	ASSERT_DONE(ndma_buffer_import(readonly, NULL, &self->reader));
	close(readonly);
}

FIXTURE_TEARDOWN(handles)
{
	ndma_buffer_close(self->reader);
	ndma_buffer_close(self->writer);
	ndma_buffer_close(self->holder);
	ndma_buffer_close(self->maker);
}

static char try_lease(struct ndma_buffer *buffer, uint32_t access)
{
	uint32_t lease;
	int rc = ndma_lease_acquire(buffer, access, &lease);

	if (!rc)
		ndma_lease_release(buffer, lease);
	return answer(rc);
}

static char try_transfer(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard)
{
	uint32_t transfer;
	int rc = ndma_transfer_begin(buffer, direction, guard, 0, 100 * SECOND_NS, &transfer);

	if (!rc)
		ndma_transfer_end(buffer, transfer);
	return answer(rc);
}

/* Tries all that there is through both kinds of handle, in a state of the table. */
static void try_all(struct __test_metadata *_metadata, FIXTURE_DATA(handles) * self, size_t i)
{
	uint32_t direction;

	EXPECT_EQ(states[i].read_lease, try_lease(self->writer, NDMA_READ));
	EXPECT_EQ(states[i].write_lease, try_lease(self->writer, NDMA_WRITE));
	EXPECT_EQ(states[i].read_lease, try_lease(self->reader, NDMA_READ));
	EXPECT_EQ('p', try_lease(self->reader, NDMA_WRITE));
	EXPECT_EQ(states[i].layout,
		  answer(ndma_buffer_set_layout(self->writer, &self->other_layout)));
	EXPECT_EQ('p', answer(ndma_buffer_set_layout(self->reader, &self->layout)));
	for (direction = NDMA_FROM_DEVICE; direction <= NDMA_BOTH; direction++) {
		EXPECT_EQ(states[i].transfer[direction - 1],
			  try_transfer(self->writer, direction, NDMA_GUARD_NONE))
		{
			TH_LOG("state %zu direction %u", i, direction);
		}
		EXPECT_EQ(states[i].guarded[direction - 1],
			  try_transfer(self->writer, direction, NDMA_GUARD_SIGBUS))
		{
			TH_LOG("state %zu direction %u, guarded", i, direction);
		}
		EXPECT_EQ('p', try_transfer(self->reader, direction, NDMA_GUARD_NONE));
	}
	ndma_buffer_set_layout(self->writer, &self->layout);
}

TEST_F(handles, both_backends_admit_what_the_table_says)
{
	uint32_t read_lease, write_lease, transfer, guard;
	int rc;
	size_t i;

	for (i = 0; i < STATES; i++) {
		for (guard = NDMA_GUARD_NONE; guard <= NDMA_GUARD_SIGBUS; guard++) {
			if (states[i].reads)
				ASSERT_DONE(
					ndma_lease_acquire(self->holder, NDMA_READ, &read_lease));
			if (states[i].writes)
				ASSERT_DONE(
					ndma_lease_acquire(self->holder, NDMA_WRITE, &write_lease));
			rc = 0;
			if (states[i].direction)
				rc = ndma_transfer_begin(self->maker, states[i].direction, guard, 0,
							 100 * SECOND_NS, &transfer);
			/* A state that leases without a guard keep from being; or no userfaultfd. */
			if (rc && guard == NDMA_GUARD_NONE)
				EXPECT_EQ('b', states[states[i].reads + 2 * states[i].writes]
						       .transfer[states[i].direction - 1]);
			if (rc && guard == NDMA_GUARD_BLOCK)
				EXPECT_EQ(-EOPNOTSUPP, rc);
			if (!rc)
				try_all(_metadata, self, i);
			if (!rc && states[i].direction) {
				EXPECT_EQ(-EPERM, ndma_transfer_end(self->reader, transfer));
				EXPECT_EQ(0, ndma_transfer_end(self->maker, transfer));
			}
			if (states[i].reads)
				ASSERT_DONE(ndma_lease_release(self->holder, read_lease));
			if (states[i].writes)
				ASSERT_DONE(ndma_lease_release(self->holder, write_lease));
			if (rc && guard == NDMA_GUARD_SIGBUS)
				ASSERT_DONE(rc);
		}
	}
}

TEST_F(handles, nobody_but_the_owner_ends_a_transfer)
{
	struct ndma_buffer *copy;
	uint32_t transfer, id;
	struct peer peer;
	int fd = ndma_buffer_fd(self->maker);

	ASSERT_DONE(ndma_transfer_begin(self->maker, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
					100 * SECOND_NS, &transfer));
	if (!peer_start(&peer)) {
		if (ndma_buffer_import(fd, NULL, &copy))
			_exit(1);
		for (id = 0; id < 4; id++)
			if (ndma_transfer_end(copy, id) != -EPERM || !*ndma_error())
				_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, peer_end(&peer));
	EXPECT_EQ(0, ndma_transfer_end(self->maker, transfer));
}

TEST_F(handles, whoever_ends_a_transfer_behind_its_deadline_is_told_however_soon)
{
	struct ndma_buffer_info info;
	uint32_t transfer;
	int i;

	for (i = 1; i <= 100; i++) {
		ASSERT_DONE(ndma_transfer_begin(self->maker, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0,
						1, &transfer));
		ASSERT_EQ(-ETIMEDOUT, ndma_transfer_end(self->maker, transfer));
		ASSERT_EQ(-EINVAL, ndma_transfer_end(self->maker, transfer));
		ASSERT_DONE(ndma_buffer_info(self->maker, &info));
		EXPECT_EQ(i, info.aborted);
		EXPECT_EQ(i, info.transfers);
	}
}

TEST_HARNESS_MAIN
