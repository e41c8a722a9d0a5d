// SPDX-License-Identifier: MIT
/* What keeps a module from being loaded that was built on this machine. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

/* The variable is four bytes of attributes and one of value. */
static bool is_secure_boot(void)
{
	unsigned char value[5] = { 0 };
	int fd = open("/sys/firmware/efi/efivars/"
		      "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
		      O_RDONLY | O_CLOEXEC);
	bool is_on = fd >= 0 && read(fd, value, sizeof(value)) == sizeof(value) && value[4] == 1;

	if (fd >= 0)
		close(fd);
	return is_on;
}

/* "none [integrity] confidentiality": the one in brackets holds. */
static bool is_locked_down(void)
{
	char modes[128];

	return ndma_doctor_read("/sys/kernel/security/lockdown", modes, sizeof(modes)) &&
	       !strstr(modes, "[none]");
}

void ndma_doctor_security(struct doctor *doctor)
{
	bool is_secure = is_secure_boot();

	if (!is_secure && !is_locked_down()) {
		ndma_doctor_tell(doctor, NDMA_FINDING_OK, "signing",
				 "the kernel takes modules that nobody signed: no Secure Boot, no "
				 "lockdown");
		return;
	}
	ndma_doctor_tell(
		doctor, ndma_module_is_loaded() ? NDMA_FINDING_OK : NDMA_FINDING_NOTE, "signing",
		"the kernel takes signed modules only (%s)%s",
		is_secure ? "Secure Boot" : "lockdown",
		ndma_module_is_loaded()
			? ""
			: ": where modprobe says \"Key was rejected by service\", tell the "
			  "firmware DKMS's key once (sudo mokutil --import "
			  "/var/lib/dkms/mok.pub, and a reboot that asks for the password "
			  "given)");
}
