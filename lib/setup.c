// SPDX-License-Identifier: MIT
/* Words for a setup that is refused, by whichever side: the rules are those of ndma_setup.h. */
#include <stdio.h>

#include "setup.h"

static const char *orders_name(uint32_t orders)
{
	switch (orders) {
	case NDMA_ORDER_PLANAR:
		return "planar";
	case NDMA_ORDER_INTERLEAVED:
		return "interleaved";
	default:
		return "planar or interleaved";
	}
}

/* What a stream alone has. */
static int explain_stream(int error, const char *source, const struct ndma_setup_verdict *verdict)
{
	unsigned int value = (unsigned int)verdict->value;

	switch (verdict->rule) {
	case NDMA_SETUP_RULE_FLAGS:
		return ndma_set_error(error, "stream flags 0x%x: expected 0", value);
	case NDMA_SETUP_RULE_ENTRY:
		return ndma_set_error(error,
				      "%u bytes a ring entry: expected 0, %llu (struct "
				      "ndma_completion) or %llu (struct ndma_entry)",
				      value, (unsigned long long)verdict->min,
				      (unsigned long long)verdict->max);
	case NDMA_SETUP_RULE_DIRECTION:
		if (error == EOPNOTSUPP)
			return ndma_set_error(error, "streams to a device are not there yet");
		return ndma_set_error(error, "direction %u: expected NDMA_FROM_DEVICE", value);
	case NDMA_SETUP_RULE_POLICY:
		return ndma_set_error(error, "policy %u: expected NDMA_POLICY_DROP or _LATEST",
				      value);
	case NDMA_SETUP_RULE_GUARD:
		return ndma_set_error(
			error, "guard %u of a stream: expected NDMA_GUARD_NONE or _SIGBUS", value);
	default:
		return ndma_set_error(error, "%u frames: %s takes %llu to %llu", value, source,
				      (unsigned long long)verdict->min,
				      (unsigned long long)verdict->max);
	}
}

static int explain_samples(int error, const char *source, const struct ndma_format_desc *format,
			   uint32_t channels, const struct ndma_setup_verdict *verdict)
{
	unsigned long long samples = verdict->value, most = verdict->max;
	char how_many[16] = "all";

	if (verdict->rule == NDMA_SETUP_RULE_STEP)
		return ndma_set_error(error,
				      "%llu samples a frame: %s takes multiples of %llu; the "
				      "nearest is %llu",
				      samples, source, (unsigned long long)verdict->step,
				      (unsigned long long)verdict->nearest);
	if (channels)
		snprintf(how_many, sizeof(how_many), "%u", channels);
	return ndma_set_error(
		error,
		"%llu samples of %s channels of format \"%s\" a frame%s: %s takes at "
		"most %llu",
		samples, how_many, format->format,
		verdict->rule == NDMA_SETUP_RULE_COUNT ? ", whose bytes 63 bits do not count" : "",
		source, most);
}

int ndma_setup_error(int rc, const char *source, const struct ndma_format_desc *format,
		     const struct ndma_stream_setup *setup,
		     const struct ndma_setup_verdict *verdict)
{
	unsigned int value = (unsigned int)verdict->value;

	switch (verdict->rule) {
	case NDMA_SETUP_RULE_FORMAT:
		return ndma_set_error(-rc, "format %u: %s has 0 to %llu", value, source,
				      (unsigned long long)verdict->max);
	case NDMA_SETUP_RULE_ORDER:
		return ndma_set_error(-rc, "memory order %u: %s makes samples of format \"%s\" %s",
				      value, source, format->format,
				      orders_name((uint32_t)verdict->max));
	case NDMA_SETUP_RULE_CHANNELS:
		return ndma_set_error(-rc, "%u channels: %s has %llu", value, source,
				      (unsigned long long)verdict->max);
	case NDMA_SETUP_RULE_STEP:
	case NDMA_SETUP_RULE_COUNT:
	case NDMA_SETUP_RULE_BYTES:
		return explain_samples(-rc, source, format, setup->channels, verdict);
	case NDMA_SETUP_RULE_TOTAL:
		return ndma_set_error(-rc,
				      "%u frames of %llu samples: 63 bits do not count their bytes",
				      value, (unsigned long long)setup->samples);
	default:
		return explain_stream(-rc, source, verdict);
	}
}
