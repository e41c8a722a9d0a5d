// SPDX-License-Identifier: MIT
/* ndma: what acquisition sources this machine has, and what they can do. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ndma.h>

static const char usage[] =
	"usage: ndma list               names of the sources, and the memory in use\n"
	"       ndma info SOURCE        formats, channels, rate and limits\n"
	"       ndma controls SOURCE    settings: value, range, unit\n"
	"       ndma VERB --help\n"
	"       ndma --version\n"
	"\n"
	"Any other VERB is a program ndma-VERB: `ndma acquire` runs ndma-acquire(1), which captures.\n"
	" NDMA_BACKEND=kernel|memfd chooses who answers.\n";

static int complain(void)
{
	fprintf(stderr, "ndma: %s\n", ndma_error());
	return EXIT_FAILURE;
}

/* "1 channel", "8 channels" */
static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static double value_of(const struct ndma_rational *rational)
{
	return rational->den ? (double)rational->num / (double)rational->den : 0;
}

/* "1e+06 samples/s", "rate not known" */
static const char *words_of_rate(const struct ndma_rational *rate)
{
	static char words[48];

	if (!value_of(rate))
		return "rate not known";
	snprintf(words, sizeof(words), "%g samples/s", value_of(rate));
	return words;
}

static int list_one(const char *name)
{
	struct ndma_source_info info;
	struct ndma_source *source;
	int rc;

	if (ndma_source_open(name, &source)) {
		printf("%-12s cannot be opened\n", name);
		return complain();
	}
	rc = ndma_source_info(source, &info);
	if (rc)
		complain();
	else
		printf("%-12s %-16s %s%s%u channel%s, %s\n", name, info.driver, info.device,
		       *info.device ? ", " : "", info.channels, plural(info.channels),
		       words_of_rate(&info.rate));
	ndma_source_close(source);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

static bool is_chosen(void)
{
	const char *backend = getenv("NDMA_BACKEND");

	return backend && *backend;
}

static int list_memory(void)
{
	struct ndma_heap_info heap;

	if (strcmp(ndma_backend_name(), "kernel")) {
		printf("backend memfd: the module ndma is not %s, and sim0 is simulated in each "
		       "process\n",
		       is_chosen() ? "in use" : "loaded");
		return EXIT_SUCCESS;
	}
	if (ndma_heap_info(&heap))
		return complain();
	printf("backend kernel: %.1f MiB of buffers in use by this user, ",
	       heap.used_bytes / 1048576.);
	if (heap.quota_bytes)
		printf("%.1f MiB allowed\n", heap.quota_bytes / 1048576.);
	else
		puts("no limit");
	return EXIT_SUCCESS;
}

static int list(void)
{
	char(*names)[NDMA_NAME_MAX] = NULL;
	int count, room, i, status = EXIT_SUCCESS;

	/* Sources may come between the two calls; those are left out. */
	room = ndma_source_list(NULL, 0);
	if (room < 0)
		return complain();
	names = calloc((size_t)room + 1, sizeof(*names));
	if (!names) {
		perror("ndma");
		return EXIT_FAILURE;
	}
	count = ndma_source_list(names, (size_t)room);
	if (count < 0)
		status = complain();
	for (i = 0; i < count && i < room; i++)
		status |= list_one(names[i]);
	if (!count)
		puts("no sources: drivers of cards add them; sudo modprobe ndma_sim adds sim0");
	free(names);
	return status | list_memory();
}

static const char *words_of_orders(uint32_t orders)
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

static int print_formats(const struct ndma_source *source, uint32_t count)
{
	struct ndma_source_format format;
	uint32_t i;

	puts("formats");
	for (i = 0; i < count; i++) {
		if (ndma_source_format(source, i, &format))
			return complain();
		printf("  %-4s %2u bits in %u byte%s%s, %s\n", format.format, format.bits,
		       format.itemsize, plural(format.itemsize),
		       format.flags & NDMA_FORMAT_IQ ? ", I/Q" : "",
		       words_of_orders(format.orders));
	}
	return EXIT_SUCCESS;
}

static int print_channels(const struct ndma_source *source, uint32_t count)
{
	struct ndma_source_channel channel;
	uint32_t i;

	puts("channels");
	for (i = 0; i < count; i++) {
		if (ndma_source_channel(source, i, &channel))
			return complain();
		printf("  %-12s count * %g %+g %s\n", channel.name, value_of(&channel.scale),
		       value_of(&channel.offset), channel.unit);
	}
	return EXIT_SUCCESS;
}

static int info(const struct ndma_source *source)
{
	struct ndma_source_info info;

	if (ndma_source_info(source, &info))
		return complain();
	printf("name      %s\n", info.name);
	printf("driver    %s%s\n", info.driver,
	       ndma_source_is_simulated(source) ? " (simulated)" : "");
	printf("device    %s\n", *info.device ? info.device : "none");
	printf("backend   %s\n", ndma_source_backend(source));
	if (value_of(&info.rate))
		printf("rate      %s, of each channel\n", words_of_rate(&info.rate));
	else
		puts("rate      not known");
	printf("frames    %u to %u, of at most %llu bytes\n", info.frames_min, info.frames_max,
	       (unsigned long long)info.frame_bytes_max);
	if (info.samples_step > 1)
		printf("samples   multiples of %u\n", info.samples_step);
	else
		puts("samples   any number");
	if (info.streams_max)
		printf("streams   %u at a time\n", info.streams_max);
	else
		puts("streams   any number at a time");
	if (info.flags & NDMA_SOURCE_CYCLIC)
		puts("note      this card cannot be kept from overwriting: it reports when it did");
	return print_formats(source, info.formats) | print_channels(source, info.channels);
}

/* "sine ramp square": the values that a menu has. */
static void print_menu(const struct ndma_source *source, const struct ndma_control_info *info)
{
	char name[NDMA_NAME_MAX];
	int64_t i;

	for (i = info->min; i <= info->max; i++)
		if (!ndma_control_menu(source, info->id, (uint32_t)i, name))
			printf(" %s", name);
	putchar('\n');
}

static int print_control(const struct ndma_source *source, const struct ndma_control_info *info)
{
	double unit = pow(10, info->exponent);
	char name[NDMA_NAME_MAX];
	int64_t value;

	if (info->type == NDMA_CONTROL_BUTTON) {
		printf("%-20s a button\n", info->name);
		return EXIT_SUCCESS;
	}
	if (ndma_control_get(source, info->id, &value))
		return complain();
	if (info->type == NDMA_CONTROL_MENU) {
		if (ndma_control_menu(source, info->id, (uint32_t)value, name))
			return complain();
		printf("%-20s %-12s one of:", info->name, name);
		print_menu(source, info);
	} else if (info->type == NDMA_CONTROL_BOOLEAN) {
		printf("%-20s %-12s 0 or 1\n", info->name, value ? "1" : "0");
	} else {
		printf("%-20s %-12.10g %.10g to %.10g in steps of %g %s\n", info->name,
		       (double)value * unit, (double)info->min * unit, (double)info->max * unit,
		       (double)info->step * unit, info->unit);
	}
	return EXIT_SUCCESS;
}

static int controls(const struct ndma_source *source)
{
	struct ndma_control_info info = { 0 };
	int status = EXIT_SUCCESS;
	int rc;

	while ((rc = ndma_control_next(source, info.id, &info)) > 0)
		status |= print_control(source, &info);
	return rc < 0 ? complain() : status;
}

static int on_source(const char *name, int (*action)(const struct ndma_source *source))
{
	struct ndma_source *source;
	int status;

	if (ndma_source_open(name, &source))
		return complain();
	status = action(source);
	ndma_source_close(source);
	return status;
}

/**
 * struct verb - one of the words that may follow "ndma"
 * @name: the word
 * @on_all: what it does without a source, or NULL
 * @on_source: what it does with one, or NULL
 * @help: how it is written and what it shows
 */
struct verb {
	const char *name;
	int (*on_all)(void);
	int (*on_source)(const struct ndma_source *source);
	const char *help;
};

static const struct verb verbs[] = {
	{ "list", list, NULL,
	  "usage: ndma list\n"
	  "\n"
	  "Shows each source: its name, driver, device, number of channels and rate; then how much\n"
	  "memory this user has in buffers.\n" },
	{ "info", NULL, info,
	  "usage: ndma info SOURCE\n"
	  "\n"
	  "Shows what a source can do: rate, number and size of frames, formats and memory orders,\n"
	  "channels with scale, offset and unit. `ndma list` has the names of sources.\n" },
	{ "controls", NULL, controls,
	  "usage: ndma controls SOURCE\n"
	  "\n"
	  "Shows a source's settings: value, range, step and unit, or the words a menu has.\n"
	  "ndma-acquire --set NAME=VALUE takes them. `ndma list` has the names of sources.\n" },
};

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

/* Without this look a list that a full disk cut short would end in success. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	perror("ndma: standard output");
	return EXIT_FAILURE;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	if (argc == 1 && is_help(argv[0])) {
		fputs(verb->help, stdout);
		return EXIT_SUCCESS;
	}
	if (argc == 0 && verb->on_all)
		return verb->on_all();
	if (argc == 1 && verb->on_source && *argv[0] != '-')
		return on_source(argv[0], verb->on_source);
	fprintf(stderr, "ndma %s: expected %s\n%s", verb->name,
		verb->on_all ? "nothing behind it" : "the name of one source", verb->help);
	return EXIT_FAILURE;
}

/* "ndma acquire sim0" is "ndma-acquire sim0": packages bring verbs of their own, as git's do. */
static int run_program(const char *verb, char **argv)
{
	char name[64];
	int length = snprintf(name, sizeof(name), "ndma-%s", verb);

	if (length < (int)sizeof(name) && !strchr(verb, '/')) {
		execvp(name, argv);
		if (errno != ENOENT) {
			fprintf(stderr, "ndma: running %s: %s\n", name, strerror(errno));
			return EXIT_FAILURE;
		}
	}
	fprintf(stderr,
		"ndma: \"%s\": expected one of list, info, controls, or the VERB of a program "
		"ndma-VERB in PATH\n%s",
		verb, usage);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(word, verbs[i].name))
			return finish(run(&verbs[i], argc - 2, argv + 2));
	if (argc == 2 && !strcmp(word, "--version")) {
		printf("ndma %s\n", ndma_version());
		return finish(EXIT_SUCCESS);
	}
	if (argc == 2 && is_help(word)) {
		fputs(usage, stdout);
		return finish(EXIT_SUCCESS);
	}
	if (*word && *word != '-')
		return run_program(word, argv + 1);
	if (*word)
		fprintf(stderr, "ndma: \"%s\": expected a verb, --help or --version\n", word);
	fputs(usage, stderr);
	return EXIT_FAILURE;
}
