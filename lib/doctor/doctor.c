// SPDX-License-Identifier: MIT
/* What is wrong with ndma on this machine, and what to do: everything that can be looked at. */
#include "doctor.h"

NDMA_API int ndma_doctor(void (*tell)(void *context, const struct ndma_finding *finding),
			 void *context)
{
	struct doctor doctor = { .tell = tell, .context = context };

	ndma_doctor_tell(&doctor,
			 strcmp(ndma_backend_name(), "none") ? NDMA_FINDING_OK : NDMA_FINDING_FAULT,
			 "library", "libndma %s; new buffers and sources are those of %s: %s",
			 ndma_version(), ndma_backend_name(), ndma_backend_reason());
	ndma_doctor_module(&doctor);
	ndma_doctor_security(&doctor);
	ndma_doctor_nodes(&doctor);
	ndma_doctor_memory(&doctor);
	ndma_doctor_sources(&doctor);
	return doctor.faults;
}
