// SPDX-License-Identifier: MIT
/* Findings: how they are made, and what they are read from. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"

void ndma_doctor_tell(struct doctor *doctor, uint32_t level, const char *topic, const char *format,
		      ...)
{
	struct ndma_finding finding = {
		.size = sizeof(finding),
		.level = level,
		.topic = topic,
	};
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	ndma_clean_words(text);
	finding.text = text;
	if (level == NDMA_FINDING_FAULT)
		doctor->faults++;
	doctor->tell(doctor->context, &finding);
}

bool ndma_doctor_read(const char *path, char *text, size_t room)
{
	FILE *file = fopen(path, "re");
	bool is_read = file && fgets(text, (int)room, file);

	if (file)
		fclose(file);
	if (is_read)
		text[strcspn(text, "\n")] = 0;
	else
		*text = 0;
	return is_read;
}
