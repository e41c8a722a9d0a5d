/* SPDX-License-Identifier: MIT */
/*
 * What a program has reached: with KCOV the edges of the modules' code, and always which
 * operations gave which answers, one after the other. Root, before privileges are dropped.
 */
#ifndef FUZZ_COVERAGE_H
#define FUZZ_COVERAGE_H

#include "program.h"

/* Whether there is KCOV. */
bool coverage_open(void);
/* Before a program. */
void coverage_reset(void);
/* In the thread that is to be watched; ends with it. */
void coverage_watch(unsigned int thread);
/* In that thread: an operation's answer. */
void coverage_answer(unsigned int thread, unsigned int op, long result);
/* Whether an operation gave this answer: in which thread, and the how many-th it answered there. */
bool coverage_find(unsigned int op, long result, unsigned int *thread, unsigned int *at);
/* After the program's end: how many of its features no program had before. */
unsigned int coverage_collect(void);
/* All features so far, and how many of them are edges of code. */
unsigned int coverage_features(void);
unsigned int coverage_edges(void);
/* Calls since the last reset, and how many of them were not refused. */
void coverage_calls(unsigned int *made, unsigned int *passed);

#endif /* FUZZ_COVERAGE_H */
