// SPDX-License-Identifier: MIT
/* From what a person asks for to NDMA_STREAM_SETUP; errors name what the source can do. */
#include <stdio.h>
#include <string.h>

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

static int resolve_order(const struct ndma_source *source, const struct ndma_source_format *format,
			 uint32_t asked, uint32_t *order)
{
	const char *orders = "planar or interleaved";

	*order = asked ? asked : format->orders & -format->orders;
	if (*order & format->orders && !(*order & (*order - 1)))
		return 0;
	if (format->orders == NDMA_ORDER_PLANAR)
		orders = "planar";
	else if (format->orders == NDMA_ORDER_INTERLEAVED)
		orders = "interleaved";
	return ndma_set_error(EINVAL, "memory order %u: %s makes samples of format \"%s\" %s",
			      asked, source->name, format->format, orders);
}

static int check_counts(const struct ndma_source *source, const struct ndma_source_info *info,
			const struct ndma_stream_setup *setup)
{
	uint64_t step = info->samples_step ? info->samples_step : 1;
	uint64_t nearest;

	if (setup->frames < info->frames_min || setup->frames > info->frames_max)
		return ndma_set_error(EINVAL, "%u frames: %s takes %u to %u", setup->frames,
				      source->name, info->frames_min, info->frames_max);
	if (setup->channels > info->channels)
		return ndma_set_error(EINVAL, "%u channels: %s has %u", setup->channels,
				      source->name, info->channels);
	if (setup->samples && setup->samples % step == 0)
		return 0;
	nearest = (setup->samples + step / 2) / step * step;
	return ndma_set_error(EINVAL,
			      "%llu samples a frame: %s takes multiples of %llu; the nearest is "
			      "%llu",
			      (unsigned long long)setup->samples, source->name,
			      (unsigned long long)step,
			      (unsigned long long)(nearest ? nearest : step));
}

static int check_bytes(const struct ndma_source *source, const struct ndma_source_info *info,
		       const struct ndma_stream_setup *setup,
		       const struct ndma_source_format *format)
{
	uint32_t channels = setup->channels ? setup->channels : info->channels;
	uint64_t sample = (uint64_t)channels * format->itemsize;
	uint64_t step = info->samples_step ? info->samples_step : 1;
	uint64_t most;

	if (format->flags & NDMA_FORMAT_IQ)
		sample *= 2;
	most = info->frame_bytes_max / sample / step * step;
	if (setup->samples <= most)
		return 0;
	return ndma_set_error(EINVAL,
			      "%llu samples of %u channels of format \"%s\" a frame: %s takes at "
			      "most %llu",
			      (unsigned long long)setup->samples, channels, format->format,
			      source->name, (unsigned long long)most);
}

int ndma_stream_resolve(const struct ndma_source *source, const struct ndma_stream_options *options,
			struct ndma_stream_setup *setup)
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
	if (options->policy > NDMA_POLICY_LATEST)
		return ndma_set_error(EINVAL, "policy %u: expected NDMA_POLICY_DROP or _LATEST",
				      options->policy);
	if (options->guard != NDMA_GUARD_NONE && options->guard != NDMA_GUARD_SIGBUS)
		return ndma_set_error(EINVAL,
				      "guard %u of a stream: expected NDMA_GUARD_NONE or "
				      "_SIGBUS",
				      options->guard);
	*setup = (struct ndma_stream_setup){
		.size = sizeof(*setup),
		.direction = NDMA_FROM_DEVICE,
		.frames = options->frames ? options->frames : 16,
		.policy = options->policy,
		.guard = options->guard,
		.format = format.index,
		.channels = options->channels,
		.node = options->node,
		.samples = options->samples,
	};
	rc = resolve_order(source, &format, options->order, &setup->order);
	if (!rc)
		rc = check_counts(source, &info, setup);
	if (!rc)
		rc = check_bytes(source, &info, setup, &format);
	return rc;
}
