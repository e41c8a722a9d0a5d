// SPDX-License-Identifier: MIT
/* What is going on: transfers and fills that were begun here and are not known to be over. */
#include "internal.h"

/* Of all buffers of this process: while any is on, no lease is taken for granted. */
static atomic_uint on;

bool ndma_ongoing_any(void)
{
	return atomic_load(&on) != 0;
}

void ndma_ongoing_count(bool begins)
{
	atomic_fetch_add(&on, begins ? 1 : -1U);
}

/* Notes that the object's transfer is over, if it is the one with this id. */
void ndma_ongoing_remove_transfer(struct ndma_buffer *buffer, uint32_t transfer)
{
	if (atomic_compare_exchange_strong(&buffer->transfer, &transfer, 0))
		atomic_fetch_sub(&on, 1);
}

/* False: @other began later. Ids grow by one, and go round. */
static bool is_newer(uint32_t transfer, uint32_t other)
{
	return !other || (int32_t)(transfer - other) > 0;
}

/*
 * Notes what began, and that what was noted before is over: its deadline ended it, and the program
 * never did. So may this one have ended by now, and another thread have begun the next.
 */
void ndma_ongoing_add_transfer(struct ndma_buffer *buffer, uint32_t transfer)
{
	uint32_t before = atomic_load(&buffer->transfer);

	while (is_newer(transfer, before))
		if (atomic_compare_exchange_weak(&buffer->transfer, &before, transfer))
			break;
	if (before)
		atomic_fetch_sub(&on, 1);
}

/* Of a fill; never 0. */
static uint32_t new_number(void)
{
	static atomic_uint last;
	uint32_t number;

	do
		number = atomic_fetch_add(&last, 1) + 1;
	while (!number);
	return number;
}

/* Notes that the source's fill is over, if it is the one with this number. */
void ndma_ongoing_remove_fill(struct ndma_source *source, uint32_t fill)
{
	if (fill && atomic_compare_exchange_strong(&source->filling, &fill, 0))
		ndma_ongoing_count(false);
}

void ndma_ongoing_add_fill(struct ndma_source *source)
{
	/* One that ended, and nobody waited for. */
	if (atomic_exchange(&source->filling, new_number()))
		ndma_ongoing_count(false);
}
