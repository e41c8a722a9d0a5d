// SPDX-License-Identifier: MIT
/* The command line of ndma record, and of ndma-acquire, as it was called first. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "record.h"

static const char usage[] =
	"usage: ndma record SOURCE -s SAMPLES [-o PATH] [options]\n"
	"\n"
	"Takes frames of SAMPLES samples a channel from SOURCE (sim0, edu0, ...; see `ndma list`) until it\n"
	"is interrupted, or has what -n, --time or --bytes say.\n"
	"\n"
	"  -s, --samples SAMPLES    samples of one channel in a frame\n"
	"  -o, --output PATH        record to PATH.npy and PATH.ndma: ndma-recording(5). \"-\", a pipe or a\n"
	"                           device gets the samples alone\n"
	"  -n, --count COUNT        frames to take\n"
	"      --time SECONDS       for so long\n"
	"      --bytes BYTES        of samples: 500M, 2T\n"
	"      --split-time SECONDS another file, PATH-0002, after so long, without losing a frame\n"
	"      --split-bytes BYTES  likewise, after so many\n"
	"      --append             go on behind the frames that are there\n"
	"      --replace            put this in the place of a recording that is there\n"
	"      --checksum           note a CRC32C of each frame, which `ndma repair` compares\n"
	"      --sync SECONDS       what a loss of power may cost (default: 1; 0: sync at the end alone)\n"
	"      --direct             write with O_DIRECT, past the page cache, by io_uring\n"
	"      --depth WRITES       with --direct: so many at a time (default: 16)\n"
	"  -b, --buffers N          frames of memory the card may fill ahead (default: 16)\n"
	"  -c, --channels N         channels, from the first (default: all)\n"
	"  -t, --format FORMAT      of a number, such as \"<h\" (default: the source's first)\n"
	"      --iq                 I/Q samples, two numbers each\n"
	"      --order ORDER        planar or interleaved (default: the source's first)\n"
	"      --set NAME=VALUE     a control (`ndma controls SOURCE` lists them); repeatable\n"
	"      --timeout SECONDS    longest wait for one frame (default: 10)\n"
	"      --check              compare every sample with the pattern that the source makes\n"
	"  -q, --quiet              no progress, no summary\n"
	"  -h, --help               this text\n"
	"      --version            version of the library\n"
	"\n"
	"Exit status: 0 all frames arrived whole; 1 trouble; 2 loss; 3 wrong samples (--check).\n";

enum {
	IQ = 256,
	ORDER,
	SET,
	TIMEOUT,
	CHECK,
	DIRECT,
	DEPTH,
	TIME,
	BYTES,
	SPLIT_TIME,
	SPLIT_BYTES,
	APPEND,
	REPLACE,
	CHECKSUM,
	SYNC,
	VERSION,
};

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
	{ "depth", required_argument, NULL, DEPTH },
	{ "time", required_argument, NULL, TIME },
	{ "bytes", required_argument, NULL, BYTES },
	{ "split-time", required_argument, NULL, SPLIT_TIME },
	{ "split-bytes", required_argument, NULL, SPLIT_BYTES },
	{ "append", no_argument, NULL, APPEND },
	{ "replace", no_argument, NULL, REPLACE },
	{ "checksum", no_argument, NULL, CHECKSUM },
	{ "sync", required_argument, NULL, SYNC },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, VERSION },
	{ 0 },
};

__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", record_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" (--help says more)\n", stderr);
	exit(EXIT_TROUBLE);
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

static int64_t parse_seconds(const char *text, const char *what)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0 && value <= 1e9))
		refuse("%s \"%s\": expected seconds, more than 0", what, text);
	return (int64_t)(value * 1e9);
}

/* "500M": thousands, as disks are sold. */
static uint64_t parse_bytes(const char *text, const char *what)
{
	static const char units[] = "kMGTP";
	double value, scale = 1;
	const char *unit;
	char *end;

	value = strtod(text, &end);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		for (; unit >= units; unit--)
			scale *= 1000;
		end++;
	}
	if (end == text || *end || !(value * scale >= 1 && value * scale <= 1e18))
		refuse("%s \"%s\": expected bytes, such as 500M or 2T", what, text);
	return (uint64_t)(value * scale);
}

static uint32_t parse_order(const char *text)
{
	if (!strcmp(text, "planar"))
		return NDMA_ORDER_PLANAR;
	if (!strcmp(text, "interleaved"))
		return NDMA_ORDER_INTERLEAVED;
	refuse("order \"%s\": expected planar or interleaved", text);
}

static void parse_option(struct record_options *options, int option, const char *value)
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
		options->timeout_ns = parse_seconds(value, "timeout");
		break;
	case CHECK:
		options->check = true;
		break;
	case DIRECT:
		options->record.flags |= NDMA_RECORD_DIRECT;
		break;
	case DEPTH:
		options->record.depth =
			(uint32_t)parse_count(value, "depth", NDMA_RECORD_DEPTH_MAX);
		break;
	case APPEND:
		options->record.flags |= NDMA_RECORD_APPEND;
		break;
	case REPLACE:
		options->record.flags |= NDMA_RECORD_REPLACE;
		break;
	case CHECKSUM:
		options->record.flags |= NDMA_RECORD_CHECKSUM;
		break;
	case TIME:
		options->time_ns = parse_seconds(value, "time");
		break;
	case BYTES:
		options->bytes = parse_bytes(value, "bytes");
		break;
	case SPLIT_TIME:
		options->split_ns = parse_seconds(value, "split-time");
		break;
	case SPLIT_BYTES:
		options->split_bytes = parse_bytes(value, "split-bytes");
		break;
	case SYNC:
		options->sync_ns = strcmp(value, "0") ? parse_seconds(value, "sync") : 0;
		break;
	case 'q':
		options->quiet = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(record_flush());
	case VERSION:
		printf("%s %s\n", record_name, ndma_version());
		exit(record_flush());
	default:
		fputs(usage, stderr);
		exit(EXIT_TROUBLE);
	}
}

bool record_is_file(const struct record_options *options)
{
	struct stat status;

	return strcmp(options->output, "-") && (stat(options->output, &status) ||
						S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

void record_parse(struct record_options *options, int argc, char **argv)
{
	int option;

	*options = (struct record_options){
		.timeout_ns = 10000000000LL,
		.sync_ns = 1000000000LL,
		.record = NDMA_RECORD_OPTIONS_INIT,
		.stream = NDMA_STREAM_OPTIONS_INIT,
	};
	while ((option = getopt_long(argc, argv, "n:s:o:b:c:t:qh", long_options, NULL)) != -1)
		parse_option(options, option, optarg);
	if (optind + 1 != argc)
		refuse("expected one source, got %d", argc - optind);
	options->source = argv[optind];
	if (!options->stream.samples)
		refuse("how many samples a frame? -s SAMPLES");
	if (!options->output &&
	    (options->record.flags || options->split_bytes || options->split_ns))
		refuse("nothing is recorded without -o PATH");
	if (options->record.depth && !(options->record.flags & NDMA_RECORD_DIRECT))
		refuse("--depth is of --direct");
	if ((options->split_bytes || options->split_ns) &&
	    (options->record.flags & NDMA_RECORD_APPEND || !record_is_file(options)))
		refuse("only a new recording in files can be split");
	if (options->record.flags & NDMA_RECORD_APPEND &&
	    options->record.flags & NDMA_RECORD_REPLACE)
		refuse("either --append or --replace");
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
	fprintf(stderr, "%s: %s \"%s\": expected one of %s\n", record_name, info->name, text, list);
	return -1;
}

/* "1e6", "0.5", in the control's unit; counted in 10^exponent of it. */
static int parse_value(const struct ndma_control_info *info, const char *text, int64_t *value)
{
	char *end;
	double number = strtod(text, &end), counts = number * pow(10, -info->exponent);

	if (end == text || *end || !(fabs(counts) < 9e18)) {
		fprintf(stderr, "%s: %s \"%s\": expected a number in %s\n", record_name, info->name,
			text, *info->unit ? info->unit : "counts");
		return -1;
	}
	*value = llround(counts);
	if (fabs(counts - *value) > 1e-9 * fabs(counts)) {
		fprintf(stderr, "%s: %s \"%s\": goes in steps of %g; the nearest is %g\n",
			record_name, info->name, text, info->step * pow(10, info->exponent),
			*value * pow(10, info->exponent));
		return -1;
	}
	return 0;
}

int record_set(struct ndma_source *source, const char *setting)
{
	struct ndma_control_info info;
	const char *text = strchr(setting, '=');
	char name[NDMA_NAME_MAX];
	int64_t value;
	int rc;

	if (!text || (size_t)(text - setting) >= sizeof(name)) {
		fprintf(stderr, "%s: --set \"%s\": expected NAME=VALUE\n", record_name, setting);
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
	fprintf(stderr, "%s: %s\n", record_name, ndma_error());
	return -1;
}
