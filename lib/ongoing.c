// SPDX-License-Identifier: MIT
/*
 * Transfers and fills that this process has begun and does not know to be over. Their number is
 * kept, because while there is none a lease can be joined without asking the backend.
 */
#include "internal.h"

static atomic_uint on;

bool ndma_ongoing_any(void)
{
	return atomic_load(&on) != 0;
}

void ndma_ongoing_count(bool begins)
{
	atomic_fetch_add(&on, begins ? 1 : -1U);
}

void ndma_ongoing_remove_transfer(struct ndma_buffer *buffer, uint32_t transfer)
{
	if (atomic_compare_exchange_strong(&buffer->transfer, &transfer, 0))
		atomic_fetch_sub(&on, 1);
}

/* Ids grow by one, and wrap. */
static bool is_newer(uint32_t transfer, uint32_t other)
{
	return !other || (int32_t)(transfer - other) > 0;
}

/*
 * The transfer before this one is over: its deadline has ended it, and the program never did. By
 * now this one may be over too, and a later one noted by another thread: that one stays.
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

/* A number for a fill: never 0, which stands for none. */
static uint32_t new_number(void)
{
	static atomic_uint last;
	uint32_t number;

	do
		number = atomic_fetch_add(&last, 1) + 1;
	while (!number);
	return number;
}

void ndma_ongoing_remove_fill(struct ndma_source *source, uint32_t fill)
{
	if (fill && atomic_compare_exchange_strong(&source->filling, &fill, 0))
		ndma_ongoing_count(false);
}

void ndma_ongoing_add_fill(struct ndma_source *source)
{
	/* The one before is over, or this one could not begin; nobody waited for it. */
	if (atomic_exchange(&source->filling, new_number()))
		ndma_ongoing_count(false);
}
