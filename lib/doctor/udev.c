// SPDX-License-Identifier: MIT
/* Who may open the nodes, and who sees to that. */
#include <unistd.h>

#include "doctor.h"

void ndma_doctor_udev(struct doctor *doctor)
{
	static const char *const containers[] = { "/.dockerenv", "/run/.containerenv",
						  "/run/systemd/container" };
	struct ndma_heap_info heap = { .size = sizeof(heap) };
	size_t i;

	for (i = 0; i < sizeof(containers) / sizeof(*containers); i++)
		if (!access(containers[i], F_OK)) {
			ndma_doctor_tell(doctor, NDMA_FINDING_NOTE, "container",
					 "this is a container (%s): it has the nodes in /dev/ndma "
					 "that it was given, and no others",
					 containers[i]);
			break;
		}
	if (!ndma_module_is_loaded())
		return;
	if (ndma_heap_info(&heap))
		ndma_doctor_tell(doctor, NDMA_FINDING_FAULT, "node", "%s", ndma_error());
	else
		ndma_doctor_tell(doctor, NDMA_FINDING_OK, "node",
				 "/dev/ndma/heap opens for this user");
}
