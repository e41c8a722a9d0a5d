/* SPDX-License-Identifier: MIT */
/* NumPy's C API, from 1.24 to 2.x: module.c fills the table, everybody else uses it. */
#ifndef NDMA_EXT_NUMPY_API_H
#define NDMA_EXT_NUMPY_API_H

#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL ndma_ext_array_api
#ifndef NDMA_EXT_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

/* NumPy 2 moved a dtype's fields behind accessors; 1.x has only the fields. */
#ifndef PyDataType_ELSIZE
#if NPY_ABI_VERSION < 0x02000000
#define PyDataType_ELSIZE(descr) ((descr)->elsize)
#endif
#endif

#endif /* NDMA_EXT_NUMPY_API_H */
