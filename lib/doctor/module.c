// SPDX-License-Identifier: MIT
/* The kernel module: built, installed, loaded, of which version, and for which kernel. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"

#define DKMS_PATH "/var/lib/dkms/ndma"

static bool is_there(const char *folder, const char *first, const char *second)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/%s", folder, first, second);
	return !access(path, F_OK);
}

static void tell_loaded(struct doctor *doctor, const char *release)
{
	char version[64];

	if (!ndma_doctor_read("/sys/module/ndma/version", version, sizeof(version)))
		ndma_doctor_tell(doctor, NDMA_FINDING_NOTE, "module",
				 "module ndma is loaded, and older than 0.1.0, which has no "
				 "version: this library is %s",
				 ndma_version());
	else if (strcmp(version, ndma_version()))
		ndma_doctor_tell(doctor, NDMA_FINDING_NOTE, "module",
				 "module ndma %s is loaded and this library is %s: they work "
				 "together, and what only one of them knows is refused "
				 "(EOPNOTSUPP)",
				 version, ndma_version());
	else
		ndma_doctor_tell(doctor, NDMA_FINDING_OK, "module",
				 "module ndma %s is loaded, on Linux %s", version, release);
}

/* One version that DKMS has: for which kernel, or why not for this one. */
static void tell_dkms(struct doctor *doctor, const char *version, const char *release)
{
	if (is_there(DKMS_PATH, version, release)) {
		ndma_doctor_tell(doctor, NDMA_FINDING_OK, "dkms",
				 "DKMS has built ndma %s for Linux %s", version, release);
		return;
	}
	if (!is_there("/lib/modules", release, "build")) {
		ndma_doctor_tell(doctor, NDMA_FINDING_FAULT, "dkms",
				 "DKMS has ndma %s, and not built it for Linux %s, whose headers "
				 "are not installed: sudo apt install linux-headers-%s",
				 version, release, release);
		return;
	}
	ndma_doctor_tell(doctor, NDMA_FINDING_FAULT, "dkms",
			 "DKMS has ndma %s, and not built it for Linux %s: sudo dkms install "
			 "ndma/%s -k %s; where that fails, " DKMS_PATH
			 "/%s/build/make.log says why",
			 version, release, version, release, version);
}

/* The number of versions that DKMS has. */
static int tell_each_dkms(struct doctor *doctor, const char *release)
{
	struct dirent *entry;
	DIR *folder = opendir(DKMS_PATH);
	int count = 0;

	while (folder && (entry = readdir(folder))) {
		/* "kernel-6.1.0-40-amd64-x86_64" is a link to the version that it uses. */
		if (*entry->d_name == '.' || !strncmp(entry->d_name, "kernel-", 7))
			continue;
		tell_dkms(doctor, entry->d_name, release);
		count++;
	}
	if (folder)
		closedir(folder);
	if (count > 1)
		ndma_doctor_tell(
			doctor, NDMA_FINDING_NOTE, "dkms",
			"DKMS has %d versions of ndma: `dkms status ndma` names them, sudo "
			"dkms remove ndma/VERSION --all takes one away",
			count);
	return count;
}

void ndma_doctor_module(struct doctor *doctor)
{
	struct utsname system;
	int versions;

	uname(&system);
	versions = tell_each_dkms(doctor, system.release);
	if (ndma_module_is_loaded())
		tell_loaded(doctor, system.release);
	else if (ndma_module_is_installed("ndma"))
		ndma_doctor_tell(doctor, NDMA_FINDING_FAULT, "module",
				 "module ndma is installed for Linux %s, and not loaded: %s",
				 system.release, ndma_module_advice("ndma"));
	else if (!versions)
		ndma_doctor_tell(doctor, NDMA_FINDING_NOTE, "module",
				 "module ndma is not loaded: %s. Without it there are buffers in "
				 "shared memory and the simulated source sim0, and no card",
				 ndma_module_advice("ndma"));
}
