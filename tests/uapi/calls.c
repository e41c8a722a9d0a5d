// SPDX-License-Identifier: MIT
/*
 * The list of calls as tables, and what the compiler can say about it: a line that does not compile is
 * an ABI that moved, or a structure with a field or a hole that calls.h does not list.
 */
#include "calls.h"

#define AT(type, member, offset, ...) \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member);
#define BYTES(type, member, ...) +sizeof(((struct type *)0)->member)
#define ABI(type)                                                                             \
	UAPI_##type(AT, type) _Static_assert(UAPI_##type(BYTES, type) == sizeof(struct type), \
					     "fields of " #type);
#define ABI_OF_CALL(call, type, oldest, ...) \
	ABI(type) _Static_assert((oldest) <= sizeof(struct type), "first version of " #type);

UAPI_CALLS(ABI_OF_CALL)
UAPI_PARTS(ABI)

/* The rings end in an array, whose size is the stream's. */
AT(ndma_completions, head, 0)
AT(ndma_completions, need_wakeup, 4)
AT(ndma_completions, state, 8)
AT(ndma_completions, entries, 12)
AT(ndma_completions, anchor, 16)
AT(ndma_completions, entry_bytes, 20)
AT(ndma_completions, realtime_offset_ns, 24)
AT(ndma_completions, ring, 64)
_Static_assert(sizeof(struct ndma_completions) == 64, "size of ndma_completions");
AT(ndma_entry, completion, 0)
AT(ndma_entry, sample_start, 64)
AT(ndma_entry, skipped, 72)
AT(ndma_entry, records_offset, 80)
AT(ndma_entry, metadata_offset, 88)
AT(ndma_entry, trigger_ps, 96)
AT(ndma_entry, overload, 104)
AT(ndma_entry, records, 112)
AT(ndma_entry, metadata_bytes, 116)
AT(ndma_entry, settings, 120)
AT(ndma_entry, reserved, 124)
_Static_assert(sizeof(struct ndma_entry) == 128, "size of ndma_entry");

AT(ndma_releases, tail, 0)
AT(ndma_releases, reserved0, 4)
AT(ndma_releases, taken, 64)
AT(ndma_releases, reserved1, 68)
AT(ndma_releases, ring, 128)
_Static_assert(sizeof(struct ndma_releases) == 128, "size of ndma_releases");

#define FIELD(type, member, offset, what, ...)               \
	{                                                    \
		.name = #member,                             \
		.role = UAPI_##what,                         \
		.at = (offset),                              \
		.bytes = sizeof(((struct type *)0)->member), \
		.known = (__VA_ARGS__ + 0),                  \
	},
#define CALL(call, type, oldest, where, whose, ...)                                                \
	[UAPI_AT_##call] = {                                                                       \
		.name = #call,                                                                     \
		.number = call,                                                                    \
		.first = oldest,                                                                   \
		.bytes = sizeof(struct type),                                                      \
		.on = UAPI_##where,                                                                \
		.who = UAPI_##whose,                                                               \
		.argument = &(const struct type){ .size = sizeof(struct type), __VA_ARGS__ },      \
		.fields = (const struct uapi_field[]){ UAPI_##type(FIELD, type){ .name = NULL } }, \
	},

const struct uapi_call uapi_calls[UAPI_CALLS_NR] = { UAPI_CALLS(CALL) };

const struct uapi_call *uapi_call_of(unsigned long number)
{
	const struct uapi_call *call;

	FOR_EACH_CALL(call)
		if (call->number == number)
			return call;
	return NULL;
}

const struct uapi_field *uapi_field_of(const struct uapi_call *call, enum uapi_role role)
{
	const struct uapi_field *field;

	FOR_EACH_FIELD(field, call)
		if (field->role == role)
			return field;
	return NULL;
}
