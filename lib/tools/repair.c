// SPDX-License-Identifier: MIT
/* ndma repair: finish recordings whose recorder could not. */
#include <string.h>

#include "record.h"

static const char usage[] =
	"usage: ndma repair PATH ...\n"
	"\n"
	"Finishes recordings whose recorder was killed or lost its power, and says what they have. It\n"
	"reads all of each, changes no sample, and cuts nothing off. Exit status: 0 whole; 1 trouble;\n"
	"2 frames or samples were lost; 3 some are damaged.\n";

static int repair_one(const char *path)
{
	struct ndma_recording_info info;
	struct loss loss;
	int damaged = ndma_recording_repair(path, &info);

	if (damaged < 0) {
		fprintf(stderr, "%s: %s\n", record_name, ndma_error());
		return EXIT_TROUBLE;
	}
	loss = (struct loss){ info.dropped, info.partial, info.overflow, info.error };
	record_print_name(stdout, path);
	printf(": %llu frames in %llu run%s, %d damaged, %llu cut off\nlost: ",
	       (unsigned long long)info.frames, (unsigned long long)info.runs,
	       info.runs == 1 ? "" : "s", damaged,
	       (unsigned long long)(info.synced > info.frames ? info.synced - info.frames : 0));
	record_print_loss(stdout, &loss);
	if (damaged || info.synced > info.frames)
		return EXIT_WRONG;
	return loss.dropped || loss.partial || loss.overflow || loss.error ? EXIT_LOSS
									   : EXIT_COMPLETE;
}

int main(int argc, char **argv)
{
	int status = EXIT_COMPLETE, one, i;

	record_name = "ndma repair";
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return record_flush();
	}
	if (argc < 2 || *argv[1] == '-') {
		fputs(usage, stderr);
		return EXIT_TROUBLE;
	}
	for (i = 1; i < argc; i++) {
		one = repair_one(argv[i]);
		/* The worst of them: what could not be repaired, what is wrong, what is lost. */
		if (one == EXIT_TROUBLE || (status != EXIT_TROUBLE && one > status))
			status = one;
	}
	return record_flush() ? EXIT_TROUBLE : status;
}
