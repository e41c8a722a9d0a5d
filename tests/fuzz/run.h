/* SPDX-License-Identifier: MIT */
/*
 * Running a program in a process of its own, which ends with everything that the program opened,
 * and looking at the kernel's log for what it thinks of that.
 */
#ifndef FUZZ_RUN_H
#define FUZZ_RUN_H

#include "program.h"

enum run_end {
	RUN_ENDED,
	RUN_KILLED,	/* it slept longer than it may; not a failure */
	RUN_STUCK,	/* it cannot be killed */
};

enum run_end run_program(const struct program *program);

/* From here on; false: this kernel's log cannot be read. */
bool log_open(void);
/* Whether something bad has been logged since the last call: the line, else NULL. */
const char *log_complaint(void);

#endif /* FUZZ_RUN_H */
