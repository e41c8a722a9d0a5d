// SPDX-License-Identifier: MIT
/* ndma: what acquisition sources this machine has, and what they can do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools.h"

static const char usage[] =
	"usage: ndma list               names of the sources, and the memory in use\n"
	"       ndma info SOURCE        formats, channels, rate and limits\n"
	"       ndma controls SOURCE    settings: value, range, unit\n"
	"       ndma doctor             what is wrong on this machine, and what to type\n"
	"       ndma record SOURCE ...  frames into files, until it is interrupted\n"
	"       ndma repair PATH ...    finish recordings whose recorder was killed\n"
	"       ndma VERB --json        list, info, controls and doctor for programs\n"
	"       ndma VERB --help\n"
	"       ndma --version\n"
	"\n"
	"Any other VERB is a program ndma-VERB. `ndma record` captures: ndma-record(1).\n"
	"NDMA_BACKEND=kernel|memfd chooses who answers.\n";

static int on_source(const char *name,
		     int (*action)(const struct ndma_source *source, bool as_json), bool as_json)
{
	struct ndma_source *source;
	int status;

	if (ndma_source_open(name, &source))
		return complain();
	status = action(source, as_json);
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
	int (*on_all)(bool as_json);
	int (*on_source)(const struct ndma_source *source, bool as_json);
	const char *help;
};

static const struct verb verbs[] = {
	{ "list", list, NULL,
	  "usage: ndma list [--json]\n"
	  "\n"
	  "Shows each source: its name, driver, device, number of channels and rate; then how much\n"
	  "memory this user has in buffers.\n" },
	{ "info", NULL, info,
	  "usage: ndma info SOURCE [--json]\n"
	  "\n"
	  "Shows what a source can do: rate, number and size of frames, formats and memory orders,\n"
	  "channels with scale, offset and unit. `ndma list` has the names of sources.\n" },
	{ "controls", NULL, controls,
	  "usage: ndma controls SOURCE [--json]\n"
	  "\n"
	  "Shows a source's settings: value, range, step and unit, or the words a menu has.\n"
	  "`ndma record --set NAME=VALUE` takes them. `ndma list` has the names of sources.\n" },
	{ "doctor", doctor, NULL,
	  "usage: ndma doctor [--json]\n"
	  "\n"
	  "Looks at module, nodes, signing, limits and sources; says of each whether it is as it\n"
	  "should be, and where it is not, what to type. Changes nothing; root sees more.\n" },
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
	bool as_json;

	if (argc == 1 && is_help(argv[0])) {
		fputs(verb->help, stdout);
		return EXIT_SUCCESS;
	}
	as_json = argc && !strcmp(argv[argc - 1], "--json");
	argc -= as_json;
	if (argc == 0 && verb->on_all)
		return verb->on_all(as_json);
	if (argc == 1 && verb->on_source && *argv[0] != '-')
		return on_source(argv[0], verb->on_source, as_json);
	fprintf(stderr, "ndma %s: expected %s\n%s", verb->name,
		verb->on_all ? "nothing behind it" : "the name of one source", verb->help);
	return EXIT_FAILURE;
}

/* "ndma record sim0" is "ndma-record sim0": packages bring verbs of their own, as git's do. */
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
		"ndma: \"%s\": expected one of list, info, controls, doctor, or the VERB of a program "
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
