/* SPDX-License-Identifier: MIT */
/* Setups that are refused: the rules, which the module shares, and the library's words for them. */
#ifndef NDMA_LIB_SETUP_H
#define NDMA_LIB_SETUP_H

#include "internal.h"
#include "ndma_setup.h"

/*
 * Returns @rc, having set the words for @verdict. @source names who refuses: "sim0"; @format is what
 * was asked for, NULL where the source has none such.
 */
int ndma_setup_error(int rc, const char *source, const struct ndma_format_desc *format,
		     const struct ndma_stream_setup *setup,
		     const struct ndma_setup_verdict *verdict);

#endif /* NDMA_LIB_SETUP_H */
