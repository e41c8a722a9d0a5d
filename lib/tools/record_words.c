// SPDX-License-Identifier: MIT
/* What ndma record and ndma repair say in the same words. */
#include <errno.h>
#include <string.h>

#include "record.h"

const char *record_name = "ndma record";

int record_flush(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_COMPLETE;
	fprintf(stderr, "%s: standard output: %s\n", record_name, strerror(errno));
	return EXIT_TROUBLE;
}

void record_print_name(FILE *file, const char *name)
{
	for (; *name; name++)
		putc((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name, file);
}

void record_print_loss(FILE *file, const struct loss *loss)
{
	fprintf(file, "%llu frames dropped, %llu short, %llu with lost samples, %llu with errors\n",
		(unsigned long long)loss->dropped, (unsigned long long)loss->partial,
		(unsigned long long)loss->overflow, (unsigned long long)loss->error);
}
