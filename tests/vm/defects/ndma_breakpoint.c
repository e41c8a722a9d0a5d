// SPDX-License-Identifier: GPL-2.0-only
/* The same, in a module that is called like ndma's. */
#include "breakpoint.c"
