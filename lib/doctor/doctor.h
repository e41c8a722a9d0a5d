/* SPDX-License-Identifier: MIT */
/* Between the files of the doctor. */
#ifndef NDMA_LIB_DOCTOR_H
#define NDMA_LIB_DOCTOR_H

#include <limits.h>

#include "../internal.h"

/**
 * struct doctor - one examination
 * @tell: who hears of each finding
 * @context: his own
 * @faults: findings that are NDMA_FINDING_FAULT, so far
 */
struct doctor {
	void (*tell)(void *context, const struct ndma_finding *finding);
	void *context;
	int faults;
};

/* finding.c */
void ndma_doctor_tell(struct doctor *doctor, uint32_t level, const char *topic, const char *format,
		      ...) __attribute__((format(printf, 4, 5)));
/* The first line of a file without its end; false, and "", where it cannot be read. */
bool ndma_doctor_read(const char *path, char *text, size_t room);

/* One file a part of the machine. */
void ndma_doctor_module(struct doctor *doctor);
void ndma_doctor_nodes(struct doctor *doctor);
void ndma_doctor_security(struct doctor *doctor);
void ndma_doctor_memory(struct doctor *doctor);
void ndma_doctor_sources(struct doctor *doctor);

#endif
