// SPDX-License-Identifier: MIT
/* Memory: limits, and what huge pages there are. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "doctor.h"

static void tell_memlock(struct doctor *doctor)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		ndma_doctor_tell(doctor, NDMA_FINDING_OK, "memlock", "no limit of locked memory");
	else
		ndma_doctor_tell(
			doctor, NDMA_FINDING_OK, "memlock",
			"%.1f MiB of locked memory are allowed (ulimit -l), which io_uring's "
			"fixed buffers and RDMA count; ndma's buffers do not",
			(double)limit.rlim_cur / 1048576);
}

static void tell_huge_pages(struct doctor *doctor)
{
	char modes[128];

	if (!ndma_doctor_read("/sys/kernel/mm/transparent_hugepage/shmem_enabled", modes,
			      sizeof(modes)))
		return;
	ndma_doctor_tell(
		doctor, NDMA_FINDING_OK, "hugepages",
		"buffers of the module are huge pages where there are any; shared memory's "
		"are: %s",
		modes);
}

void ndma_doctor_memory(struct doctor *doctor)
{
	tell_memlock(doctor);
	tell_huge_pages(doctor);
}
