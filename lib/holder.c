// SPDX-License-Identifier: MIT
/* Who holds a buffer, as a list and in words. */
#include <stdio.h>

#include "internal.h"

/* One holder as words, "2 leases to read (process 123)". */
static int describe(char *words, size_t room, const struct ndma_holder *holder)
{
	static const char *const nouns[] = {
		[NDMA_HOLDER_LEASE] = "lease",
		[NDMA_HOLDER_TRANSFER] = "transfer",
		[NDMA_HOLDER_IMPORTER] = "importing device",
		[NDMA_HOLDER_FRAME] = "exported frame",
	};
	const char *noun = "holder";
	const char *how = "";
	char process[32] = "";

	if (holder->kind < sizeof(nouns) / sizeof(*nouns) && nouns[holder->kind])
		noun = nouns[holder->kind];
	if (holder->kind == NDMA_HOLDER_LEASE)
		how = holder->access == NDMA_WRITE ? " to write" : " to read";
	if (holder->pid > 0)
		snprintf(process, sizeof(process), " (process %d)", holder->pid);
	return snprintf(words, room, "%u %s%s%s%s", holder->count, noun,
			holder->count == 1 ? "" : "s", how, process);
}

int ndma_holder_error(const struct ndma_buffer *buffer, const char *what)
{
	struct ndma_holder holders[8];
	char list[512] = "";
	size_t length = 0;
	int count, shown, i;

	count = buffer->backend->buffer_holders(buffer, holders, 8);
	shown = count < 8 ? count : 8;
	for (i = 0; i < shown && length + 80 < sizeof(list); i++) {
		if (i)
			length += snprintf(list + length, sizeof(list) - length, ", ");
		length += describe(list + length, sizeof(list) - length, &holders[i]);
	}
	if (count > i)
		snprintf(list + length, sizeof(list) - length, " and %d more", count - i);
	return ndma_set_error(EBUSY, "%s while somebody holds the buffer: %s", what,
			      count > 0 ? list : "who has let go meanwhile; try again");
}

NDMA_API int ndma_buffer_holders(const struct ndma_buffer *buffer, struct ndma_holder *holders,
				 size_t room)
{
	int rc = ndma_process_check(buffer->process, "buffer");

	return rc ? rc : buffer->backend->buffer_holders(buffer, holders, room);
}
