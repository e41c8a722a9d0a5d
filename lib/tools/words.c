// SPDX-License-Identifier: MIT
/* Words that several verbs say. */
#include <stdlib.h>

#include "tools.h"

int complain(void)
{
	fprintf(stderr, "ndma: %s\n", ndma_error());
	return EXIT_FAILURE;
}

const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

double value_of(const struct ndma_rational *rational)
{
	return rational->den ? (double)rational->num / (double)rational->den : 0;
}

const char *words_of_rate(const struct ndma_rational *rate)
{
	static char words[48];

	if (!value_of(rate))
		return "rate not known";
	snprintf(words, sizeof(words), "%g samples/s", value_of(rate));
	return words;
}
