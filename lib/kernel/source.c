// SPDX-License-Identifier: MIT
/* Sources of the kernel module: /dev/ndma/<name>, found through /sys/class/ndma. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"

#define CLASS_PATH "/sys/class/ndma"

int ndma_kernel_source_list(char (*names)[NDMA_NAME_MAX], size_t room)
{
	struct dirent *entry;
	size_t count = 0;
	DIR *class;

	class = opendir(CLASS_PATH);
	if (!class)
		return ndma_kernel_node_error(errno, CLASS_PATH);
	while ((entry = readdir(class))) {
		if (*entry->d_name == '.' || !strcmp(entry->d_name, "heap") ||
		    strlen(entry->d_name) >= NDMA_NAME_MAX)
			continue;
		if (count < room)
			strcpy(names[count], entry->d_name);
		count++;
	}
	closedir(class);
	return (int)count;
}

/* The module is there, a source of that name is not: says which are. */
static int no_such_source(const char *name)
{
	char names[16][NDMA_NAME_MAX], list[512] = "";
	int count = ndma_kernel_source_list(names, 16);
	int i;

	for (i = 0; i < count && i < 16; i++) {
		if (!strcmp(names[i], name))
			return ndma_set_error(ENOENT,
					      "/dev/ndma/%s is not there although the source "
					      "is: has udev run, is this a container without it?",
					      name);
		if (strlen(list) + NDMA_NAME_MAX + 2 < sizeof(list))
			strcat(strcat(list, *list ? ", " : ""), names[i]);
	}
	if (!strncmp(name, "sim", 3))
		return ndma_set_error(ENOENT, "there is no source \"%s\" (%s); there is %s", name,
				      ndma_module_advice("ndma_sim"), *list ? list : "none");
	return ndma_set_error(ENOENT,
			      "there is no source \"%s\": is its card in this machine, its "
			      "driver loaded? There is %s",
			      name, *list ? list : "none");
}

int ndma_kernel_source_fd(const char *name)
{
	char path[sizeof("/dev/ndma/") + NDMA_NAME_MAX];
	int fd;

	snprintf(path, sizeof(path), "/dev/ndma/%s", name);
	fd = ndma_kernel_node_open(path);
	if (fd >= 0)
		return fd;
	if (fd == -ENOENT && ndma_module_is_loaded())
		return no_such_source(name);
	return ndma_kernel_node_error(-fd, path);
}

int ndma_kernel_source_open(const struct ndma_backend *self, const char *name,
			    struct ndma_source **out)
{
	struct ndma_source *source;
	int fd;

	if (!strcmp(name, "heap"))
		return no_such_source(name);
	fd = ndma_kernel_source_fd(name);
	if (fd < 0)
		return fd;
	source = calloc(1, sizeof(*source));
	if (!source) {
		close(fd);
		return ndma_set_error(ENOMEM, "no memory for a source object");
	}
	ndma_source_init(source, self, fd, name);
	*out = source;
	return 0;
}

void ndma_kernel_source_free(struct ndma_source *source)
{
	close(source->fd);
	free(source);
}

int ndma_kernel_source_info(const struct ndma_source *source, struct ndma_source_info *info)
{
	int rc = ndma_ioctl_call(source->fd, NDMA_SOURCE_INFO, info);

	return rc ? ndma_kernel_error(rc, "asking what %s is", source->name) : 0;
}

int ndma_kernel_source_format(const struct ndma_source *source, uint32_t index,
			      struct ndma_source_format *format)
{
	int rc = ndma_ioctl_call(source->fd, NDMA_SOURCE_FORMAT, format);

	return rc ? ndma_kernel_error(rc, "asking for format %u of %s", index, source->name) : 0;
}

int ndma_kernel_source_channel(const struct ndma_source *source, uint32_t index,
			       struct ndma_source_channel *channel)
{
	int rc = ndma_ioctl_call(source->fd, NDMA_SOURCE_CHANNEL, channel);

	return rc ? ndma_kernel_error(rc, "asking for channel %u of %s", index, source->name) : 0;
}

static int query(int fd, const char *of, uint32_t id, struct ndma_control_info *info)
{
	int rc = ndma_ioctl_call(fd, NDMA_CONTROL_QUERY, info);

	return rc ? ndma_kernel_error(rc, "asking for control 0x%x of %s", id, of) : 0;
}

int ndma_kernel_control_query(const struct ndma_source *source, uint32_t id,
			      struct ndma_control_info *info)
{
	return query(source->fd, source->name, id, info);
}

int ndma_kernel_stream_control_query(const struct ndma_stream *stream, uint32_t id,
				     struct ndma_control_info *info)
{
	return query(stream->fd, stream->name, id, info);
}

static int menu(int fd, const char *of, uint32_t id, uint32_t index, char name[NDMA_NAME_MAX])
{
	struct ndma_control_menu_item item = { .size = sizeof(item), .id = id, .index = index };
	int rc = ndma_ioctl_call(fd, NDMA_CONTROL_MENU_ITEM, &item);

	if (rc)
		return ndma_kernel_error(rc, "asking for value %u of control 0x%x of %s", index, id,
					 of);
	memcpy(name, item.name, NDMA_NAME_MAX);
	return 0;
}

int ndma_kernel_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index,
			     char name[NDMA_NAME_MAX])
{
	return menu(source->fd, source->name, id, index, name);
}

int ndma_kernel_stream_control_menu(const struct ndma_stream *stream, uint32_t id, uint32_t index,
				    char name[NDMA_NAME_MAX])
{
	return menu(stream->fd, stream->name, id, index, name);
}

int ndma_kernel_control_get(const struct ndma_source *source, uint32_t id, int64_t *value)
{
	struct ndma_control control = { .size = sizeof(control), .id = id };
	int rc = ndma_ioctl_call(source->fd, NDMA_CONTROL_GET, &control);

	if (rc)
		return ndma_kernel_error(rc, "reading control 0x%x of %s", id, source->name);
	*value = control.value;
	return 0;
}

int ndma_kernel_control_set(struct ndma_source *source, uint32_t id, int64_t *value)
{
	struct ndma_control control = { .size = sizeof(control), .id = id, .value = *value };
	int rc = ndma_ioctl_call(source->fd, NDMA_CONTROL_SET, &control);

	*value = control.value;
	return rc ? ndma_kernel_error(rc, "setting control 0x%x of %s", id, source->name) : 0;
}
