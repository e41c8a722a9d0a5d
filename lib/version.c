// SPDX-License-Identifier: MIT
#include "internal.h"

NDMA_API const char *ndma_version(void)
{
	return NDMA_VERSION;
}
