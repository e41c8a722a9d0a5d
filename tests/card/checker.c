// SPDX-License-Identifier: MIT
#include "checker.h"

#include <stdarg.h>
#include <stdio.h>

/* A driver in a loop must not fill the disk: of each kind so many are written out. */
#define WRITTEN_OF_A_KIND 100

static const char *const names[CARD_WRONGS] = {
	[CARD_WRONG_NO_BUS_MASTER] = "no-bus-master",
	[CARD_WRONG_UNMAPPED] = "unmapped",
	[CARD_WRONG_READ_ONLY] = "read-only",
	[CARD_WRONG_DESCRIPTOR_CHANGED] = "descriptor-changed",
	[CARD_WRONG_DESCRIPTOR_BAD] = "descriptor-bad",
	[CARD_WRONG_FRAME_TOO_SMALL] = "frame-too-small",
	[CARD_WRONG_DOORBELL_OVERRUN] = "doorbell-overrun",
	[CARD_WRONG_USE_AFTER_RESET] = "use-after-reset",
	[CARD_WRONG_WROTE_AFTER_RESET] = "wrote-after-reset",
	[CARD_WRONG_BAD_SETTING] = "bad-setting",
	[CARD_WRONG_SETTING_CHANGED] = "setting-changed",
};

const char *card_checker_name(enum card_wrong wrong)
{
	return names[wrong];
}

void card_checker_report(struct card_checker *checker, enum card_wrong wrong, const char *format,
			 ...)
{
	char text[sizeof(checker->first[0])];
	va_list args;

	if (!checker->on)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	checker->total++;
	if (!checker->count[wrong]++)
		snprintf(checker->first[wrong], sizeof(text), "%s", text);
	if (checker->count[wrong] > WRITTEN_OF_A_KIND)
		return;
	card_log_line(checker->log, "check kind=%s text=\"%s\"", names[wrong], text);
	fprintf(stderr, "vdig: the driver is wrong: %s: %s\n", names[wrong], text);
}
