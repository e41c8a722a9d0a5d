// SPDX-License-Identifier: MIT
/* The nodes: where they come from, whether the heap's opens, and how much of it is in use. */
#include <unistd.h>

#include "doctor.h"

static void tell_quota(struct doctor *doctor, const struct ndma_heap_info *heap)
{
	if (!heap->quota_bytes)
		ndma_doctor_tell(doctor, NDMA_FINDING_OK, "quota",
				 "%.1f MiB of buffers are in use by this user, without a limit",
				 (double)heap->used_bytes / 1048576);
	else
		ndma_doctor_tell(doctor,
				 heap->used_bytes < heap->quota_bytes / 10 * 9 ? NDMA_FINDING_OK
									       : NDMA_FINDING_NOTE,
				 "quota", "%.1f of %.1f MiB of buffers are in use by this user",
				 (double)heap->used_bytes / 1048576,
				 (double)heap->quota_bytes / 1048576);
}

void ndma_doctor_nodes(struct doctor *doctor)
{
	static const char *const containers[] = { "/.dockerenv", "/run/.containerenv",
						  "/run/systemd/container" };
	struct ndma_heap_info heap;
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
	if (ndma_heap_info(&heap)) {
		ndma_doctor_tell(doctor, NDMA_FINDING_FAULT, "node", "%s", ndma_error());
		return;
	}
	ndma_doctor_tell(doctor, NDMA_FINDING_OK, "node", "/dev/ndma/heap opens for this user");
	tell_quota(doctor, &heap);
}
