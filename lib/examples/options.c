// SPDX-License-Identifier: MIT
/* The command line of ndma-acquire. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "acquire.h"

static const char usage[] =
	"usage: ndma-acquire SOURCE -n COUNT -s SAMPLES [-o FILE.npy] [options]\n"
	"\n"
	"Takes COUNT frames of SAMPLES samples a channel from SOURCE (sim0, edu0, ...; see `ndma list`).\n"
	"\n"
	"  -n, --count COUNT        frames to take\n"
	"  -s, --samples SAMPLES    samples of one channel in a frame\n"
	"  -o, --output FILE.npy    write the frames there, and what describes them to FILE.json\n"
	"  -b, --buffers N          frames of memory the card may fill ahead (default: 16)\n"
	"  -c, --channels N         channels, from the first (default: all)\n"
	"  -t, --format FORMAT      of a number, such as \"<h\" (default: the source's first)\n"
	"      --iq                 I/Q samples, two numbers each\n"
	"      --order ORDER        planar or interleaved (default: the source's first)\n"
	"      --set NAME=VALUE     a control (`ndma controls SOURCE` lists them); repeatable\n"
	"      --timeout SECONDS    longest wait for one frame (default: 10)\n"
	"      --check              compare every sample with the pattern that the source makes\n"
	"      --direct             write with O_DIRECT, past the page cache\n"
	"  -q, --quiet              no progress, no summary\n"
	"  -h, --help               this text\n"
	"      --version            version of the library\n"
	"\n"
	"Exit status: 0 all frames arrived whole; 1 trouble; 2 loss; 3 wrong samples (--check).\n";

enum { IQ = 256, ORDER, SET, TIMEOUT, CHECK, DIRECT, VERSION };

static const struct option long_options[] = {
	{ "count", required_argument, NULL, 'n' },
	{ "samples", required_argument, NULL, 's' },
	{ "output", required_argument, NULL, 'o' },
	{ "buffers", required_argument, NULL, 'b' },
	{ "channels", required_argument, NULL, 'c' },
	{ "format", required_argument, NULL, 't' },
	{ "iq", no_argument, NULL, IQ },
	{ "order", required_argument, NULL, ORDER },
	{ "set", required_argument, NULL, SET },
	{ "timeout", required_argument, NULL, TIMEOUT },
	{ "check", no_argument, NULL, CHECK },
	{ "direct", no_argument, NULL, DIRECT },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, VERSION },
	{ 0 },
};

__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *format, ...)
{
	va_list arguments;

	fputs("ndma-acquire: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" (--help says more)\n", stderr);
	exit(EXIT_TROUBLE);
}

int acquire_flush(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_SUCCESS;
	perror("ndma-acquire: standard output");
	return EXIT_TROUBLE;
}

static uint64_t parse_count(const char *text, const char *what, uint64_t max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || !value || value > max)
		refuse("%s \"%s\": expected a number from 1 to %llu", what, text,
		       (unsigned long long)max);
	return value;
}

static int64_t parse_seconds(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0 && value <= 1e6))
		refuse("timeout \"%s\": expected seconds, more than 0", text);
	return (int64_t)(value * 1e9);
}

static uint32_t parse_order(const char *text)
{
	if (!strcmp(text, "planar"))
		return NDMA_ORDER_PLANAR;
	if (!strcmp(text, "interleaved"))
		return NDMA_ORDER_INTERLEAVED;
	refuse("order \"%s\": expected planar or interleaved", text);
}

static void parse_option(struct acquire_options *options, int option, const char *value)
{
	switch (option) {
	case 'n':
		options->count = parse_count(value, "count", UINT64_MAX);
		break;
	case 's':
		options->stream.samples = parse_count(value, "samples", UINT64_MAX);
		break;
	case 'o':
		options->output = value;
		break;
	case 'b':
		options->stream.frames = (uint32_t)parse_count(value, "buffers", UINT32_MAX);
		break;
	case 'c':
		options->stream.channels = (uint32_t)parse_count(value, "channels", UINT32_MAX);
		break;
	case 't':
		options->stream.format = value;
		break;
	case IQ:
		options->stream.iq = true;
		break;
	case ORDER:
		options->stream.order = parse_order(value);
		break;
	case SET:
		if (options->nr_settings == SETTINGS_MAX)
			refuse("more than %d settings", SETTINGS_MAX);
		options->settings[options->nr_settings++] = value;
		break;
	case TIMEOUT:
		options->timeout_ns = parse_seconds(value);
		break;
	case CHECK:
		options->check = true;
		break;
	case DIRECT:
		options->direct = true;
		break;
	case 'q':
		options->quiet = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(acquire_flush());
	case VERSION:
		printf("ndma-acquire %s\n", ndma_version());
		exit(acquire_flush());
	default:
		fputs(usage, stderr);
		exit(EXIT_TROUBLE);
	}
}

void acquire_parse(struct acquire_options *options, int argc, char **argv)
{
	int option;

	*options = (struct acquire_options){
		.timeout_ns = 10000000000LL,
		.stream = NDMA_STREAM_OPTIONS_INIT,
	};
	while ((option = getopt_long(argc, argv, "n:s:o:b:c:t:qh", long_options, NULL)) != -1)
		parse_option(options, option, optarg);
	if (optind + 1 != argc)
		refuse("expected one source, got %d", argc - optind);
	options->source = argv[optind];
	if (!options->count)
		refuse("how many frames? -n COUNT");
	if (!options->stream.samples)
		refuse("how many samples a frame? -s SAMPLES");
	if (options->direct && !options->output)
		refuse("--direct writes nothing without -o FILE.npy");
}

/* A menu's value by its name. */
static int find_item(const struct ndma_source *source, const struct ndma_control_info *info,
		     const char *text, int64_t *value)
{
	char name[NDMA_NAME_MAX];
	char list[512] = "";
	int64_t i;

	for (i = info->min; i <= info->max; i++) {
		if (ndma_control_menu(source, info->id, (uint32_t)i, name))
			continue;
		if (!strcmp(name, text)) {
			*value = i;
			return 0;
		}
		if (strlen(list) + NDMA_NAME_MAX + 2 < sizeof(list))
			strcat(strcat(list, *list ? ", " : ""), name);
	}
	fprintf(stderr, "ndma-acquire: %s \"%s\": expected one of %s\n", info->name, text, list);
	return -1;
}

/* "1e6", "0.5", in the control's unit; counted in 10^exponent of it. */
static int parse_value(const struct ndma_control_info *info, const char *text, int64_t *value)
{
	char *end;
	double number = strtod(text, &end), counts = number * pow(10, -info->exponent);

	if (end == text || *end || !(fabs(counts) < 9e18)) {
		fprintf(stderr, "ndma-acquire: %s \"%s\": expected a number in %s\n", info->name,
			text, *info->unit ? info->unit : "counts");
		return -1;
	}
	*value = llround(counts);
	if (fabs(counts - *value) > 1e-9 * fabs(counts)) {
		fprintf(stderr, "ndma-acquire: %s \"%s\": goes in steps of %g; the nearest is %g\n",
			info->name, text, info->step * pow(10, info->exponent),
			*value * pow(10, info->exponent));
		return -1;
	}
	return 0;
}

int acquire_set(struct ndma_source *source, const char *setting)
{
	struct ndma_control_info info;
	const char *text = strchr(setting, '=');
	char name[NDMA_NAME_MAX];
	int64_t value;
	int rc;

	if (!text || (size_t)(text - setting) >= sizeof(name)) {
		fprintf(stderr, "ndma-acquire: --set \"%s\": expected NAME=VALUE\n", setting);
		return -1;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(text - setting), setting);
	text++;
	if (ndma_control_find(source, name, &info))
		goto failed;
	if (info.type == NDMA_CONTROL_MENU)
		rc = find_item(source, &info, text, &value);
	else
		rc = parse_value(&info, text, &value);
	if (rc)
		return rc;
	if (ndma_control_set(source, info.id, value))
		goto failed;
	return 0;
failed:
	fprintf(stderr, "ndma-acquire: %s\n", ndma_error());
	return -1;
}
