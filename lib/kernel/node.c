// SPDX-License-Identifier: MIT
/* Nodes in /dev/ndma: opening them, and why one cannot be opened. */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"

#define UDEV_PATH "/run/udev"
#define UDEV_PAUSES 500 /* of 10 ms: what udev is waited for at most */
#define UDEV_YOUNG_NS 2000000000ull /* a node of that age may be one that udev has not met */

/* Since the node was made or got its owner; a clock that was set back makes it old. */
static uint64_t age_of(const struct stat *node)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (now.tv_sec - node->st_ctim.tv_sec) * 1000000000ll +
	      (now.tv_nsec - node->st_ctim.tv_nsec);
	return age < 0 ? UINT64_MAX : (uint64_t)age;
}

/* True: udev runs, has not been at the node yet, and is busy or may not have heard of it. */
static bool awaits_udev(const char *path)
{
	char seen[sizeof(UDEV_PATH "/data/c4294967295:4294967295")];
	struct stat node;

	if (access(UDEV_PATH "/control", F_OK) || stat(path, &node))
		return false;
	snprintf(seen, sizeof(seen), UDEV_PATH "/data/c%u:%u", major(node.st_rdev),
		 minor(node.st_rdev));
	if (!access(seen, F_OK))
		return false;
	return !access(UDEV_PATH "/queue", F_OK) || age_of(&node) < UDEV_YOUNG_NS;
}

static int open_errno(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * A node is root's alone until udev has given it its owner, which it does after modprobe has
 * returned: without the wait the first command behind "modprobe ndma" would be refused.
 */
int ndma_kernel_node_open(const char *path)
{
	const struct timespec pause = { 0, 10000000 };
	int pauses = 0, rc;

	while ((rc = open_errno(path)) == -EACCES && pauses++ < UDEV_PAUSES && awaits_udev(path))
		nanosleep(&pause, NULL);
	return rc;
}

/* "ndma", or the number of a group that has no name. */
static const char *name_of_group(gid_t group, char *name, size_t room)
{
	struct group entry, *found = NULL;
	char text[4096];

	/* One with more members than there is room for is told by its number. */
	if (getgrgid_r(group, &entry, text, sizeof(text), &found) || !found)
		snprintf(name, room, "%u", (unsigned int)group);
	else
		snprintf(name, room, "%s", entry.gr_name);
	return name;
}

static bool has_group(gid_t group)
{
	gid_t groups[1024];
	int count = getgroups(1024, groups), i;

	for (i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return getegid() == group;
}

/* True: the list of groups has the user in it, whatever this session began with. */
static bool is_member(const struct passwd *user, gid_t group)
{
	gid_t groups[1024];
	int count = 1024, i;

	if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
		return false;
	for (i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

static bool has_rule(void)
{
	static const char *const folders[] = { "/etc/udev/rules.d", UDEV_PATH "/rules.d",
					       "/usr/local/lib/udev/rules.d",
					       "/usr/lib/udev/rules.d", "/lib/udev/rules.d" };
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/60-ndma.rules", folders[i]);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

static int root_alone(const char *path, unsigned int mode)
{
	if (access(UDEV_PATH "/control", F_OK))
		return ndma_set_error(
			EACCES,
			"no permission for %s: it is root's alone (mode %04o), and no "
			"udev runs here to change that: sudo chown $USER %s",
			path, mode, path);
	if (has_rule())
		return ndma_set_error(
			EACCES,
			"no permission for %s: it is root's alone (mode %04o), though "
			"udev's rule 60-ndma.rules is installed: apply it by "
			"sudo udevadm control --reload && sudo udevadm trigger "
			"--subsystem-match=ndma",
			path, mode);
	return ndma_set_error(EACCES,
			      "no permission for %s: it is root's alone (mode %04o), as udev's "
			      "rule 60-ndma.rules is not installed (package ndma-dkms and make "
			      "install have it)",
			      path, mode);
}

/* What would have to change for this user, told by what is so. */
static int no_permission(const char *path)
{
	struct passwd entry, *user = NULL;
	char text[4096], group[64];
	unsigned int mode;
	struct stat node;

	if (stat(path, &node))
		return ndma_set_error(EACCES, "no permission to look at %s: %s", path,
				      strerror(errno));
	mode = node.st_mode & 0777;
	if (!node.st_gid || (mode & 0060) != 0060)
		return root_alone(path, mode);
	name_of_group(node.st_gid, group, sizeof(group));
	if (has_group(node.st_gid))
		return ndma_set_error(EACCES,
				      "no permission for %s, although this process is in the group "
				      "%s that owns it: a container's device rule or a security "
				      "module refuses",
				      path, group);
	if (getpwuid_r(getuid(), &entry, text, sizeof(text), &user))
		user = NULL;
	if (user && is_member(user, node.st_gid))
		return ndma_set_error(
			EACCES,
			"no permission for %s: %s is in the group %s that owns it, but "
			"this session began before that: log in again, or newgrp %s",
			path, user->pw_name, group, group);
	return ndma_set_error(EACCES,
			      "no permission for %s: join the group that owns it (sudo usermod -aG "
			      "%s %s) and log in again",
			      path, group, user ? user->pw_name : "$USER");
}

int ndma_kernel_node_error(int error, const char *path)
{
	switch (error) {
	case EACCES:
		return no_permission(path);
	case EPERM:
		return ndma_set_error(
			EACCES,
			"no permission for %s: a container's device rule or a security "
			"module refuses it to this process",
			path);
	case ENOENT:
	case ENODEV:
	case ENXIO:
		if (!ndma_module_is_loaded())
			return ndma_set_error(ENODEV,
					      "module ndma is not loaded (%s); memfd has sim0",
					      ndma_module_advice("ndma"));
		return ndma_set_error(error,
				      "%s is not there although module ndma is loaded: has "
				      "udev run, is this a container without it?",
				      path);
	default:
		return ndma_set_error(error, "opening %s: %s", path, strerror(error));
	}
}
