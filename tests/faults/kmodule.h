/* SPDX-License-Identifier: MIT */
/* Loads and unloads ndma's modules. Root. */
#ifndef NDMA_KMODULE_H
#define NDMA_KMODULE_H

#include <stddef.h>

/* 0 or a negative errno. `arguments`: the module's parameters, "dma_bits=32 ". */
int kmodule_load(const char *name, const char *arguments);
int kmodule_unload(const char *name);
/* The same, for who has just closed its last file: a worker lets go a moment later. */
int kmodule_unload_soon(const char *name);
/* What it is loaded with, as kmodule_load() takes it; empty where it is not loaded. */
void kmodule_parameters(const char *name, char *arguments, size_t room);

#endif /* NDMA_KMODULE_H */
