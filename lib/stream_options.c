// SPDX-License-Identifier: MIT
/* From what a person asks for to NDMA_STREAM_SETUP; errors name what the source can do. */
#include <stdio.h>
#include <string.h>

#include "setup.h"
#include "stream.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE '<'
#else
#define NATIVE '>'
#endif

/* "@h", "=h" and "h" are "<h" on this machine; so is "<b" "b". */
static bool same_format(const char *asked, const char *has)
{
	asked += *asked == '@' || *asked == '=' || *asked == NATIVE;
	has += *has == '@' || *has == '=' || *has == NATIVE;
	return !strcmp(asked, has);
}

static int no_format(const struct ndma_source *source, const struct ndma_source_info *info,
		     const struct ndma_stream_options *options)
{
	struct ndma_source_format format;
	char list[256] = "";
	size_t length = 0;
	uint32_t i;

	for (i = 0; i < info->formats && length + 32 < sizeof(list); i++)
		if (!ndma_source_format(source, i, &format))
			length += snprintf(list + length, sizeof(list) - length, "%s\"%s\"%s",
					   length ? ", " : "", format.format,
					   format.flags & NDMA_FORMAT_IQ ? " I/Q" : "");
	return ndma_set_error(EINVAL, "%s does not make samples of format \"%s\"%s: it makes %s",
			      source->name, options->format ? options->format : "any",
			      options->iq ? " I/Q" : "", list);
}

static int resolve_format(const struct ndma_source *source, const struct ndma_source_info *info,
			  const struct ndma_stream_options *options,
			  struct ndma_source_format *format)
{
	uint32_t i;
	int rc;

	for (i = 0; i < info->formats; i++) {
		rc = ndma_source_format(source, i, format);
		if (rc)
			return rc;
		if (!(format->flags & NDMA_FORMAT_IQ) == !options->iq &&
		    (!options->format || same_format(options->format, format->format)))
			return 0;
	}
	return no_format(source, info, options);
}

/* The same rules as the backend's, which the source may refuse by too: here they get their words. */
static int check(const struct ndma_source *source, const struct ndma_source_info *info,
		 const struct ndma_source_format *has, const struct ndma_stream_setup *setup)
{
	const struct ndma_setup_limits limits = {
		.formats = info->formats,
		.channels = info->channels,
		.frames_min = info->frames_min,
		.frames_max = info->frames_max,
		.frame_bytes_max = info->frame_bytes_max,
		.samples_step = info->samples_step,
	};
	const struct ndma_format_desc format = {
		.format = has->format,
		.itemsize = has->itemsize,
		.bits = has->bits,
		.orders = has->orders,
		.flags = has->flags,
	};
	struct ndma_setup_verdict verdict;
	int rc;

	rc = ndma_setup_check_stream(&limits, setup, &verdict);
	if (!rc)
		rc = ndma_setup_check_frame(&limits, &format, setup, &verdict);
	return rc ? ndma_setup_error(rc, source->name, &format, setup, &verdict) : 0;
}

int ndma_stream_resolve(const struct ndma_source *source, const struct ndma_stream_options *options,
			uint32_t entry_bytes, struct ndma_stream_setup *setup)
{
	struct ndma_source_format format;
	struct ndma_source_info info;
	int rc;

	rc = ndma_source_info(source, &info);
	if (rc)
		return rc;
	rc = resolve_format(source, &info, options, &format);
	if (rc)
		return rc;
	*setup = (struct ndma_stream_setup){
		.size = sizeof(*setup),
		.direction = NDMA_FROM_DEVICE,
		.frames = options->frames ? options->frames : 16,
		.policy = options->policy,
		.guard = options->guard,
		.format = format.index,
		.order = options->order ? options->order : format.orders & -format.orders,
		.channels = options->channels,
		.node = options->node,
		.samples = options->samples,
		.entry_bytes = entry_bytes,
	};
	return check(source, &info, &format, setup);
}
