// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sysfs.h"
#include "util.h"

#define CLASSES "/sys/class/"

struct folder folder_of(const struct controller *controller)
{
	struct folder folder;

	snprintf(folder.path, sizeof(folder.path), CLASSES "%s/%s", controller->class,
		 controller->node);
	return folder;
}

struct folder folder_of_namespace(const struct controller *controller, unsigned int number)
{
	struct folder folder;

	snprintf(folder.path, sizeof(folder.path), CLASSES "%s/%s/%sn%u", controller->class,
		 controller->node, controller->node, number);
	return folder;
}

struct folder folder_of_subsystem(const struct controller *controller, unsigned int number)
{
	struct folder folder;

	snprintf(folder.path, sizeof(folder.path), CLASSES "%s-subsystem/nvme-subsys%u",
		 controller->class, number);
	return folder;
}

static void join(char *path, size_t size, const struct folder *folder, const char *name)
{
	snprintf(path, size, "%s/%s", folder->path, name);
}

bool folder_has(const struct folder *folder, const char *name)
{
	char path[256];

	join(path, sizeof(path), folder, name);
	return path_exists(path);
}

const char *folder_read(const struct folder *folder, const char *name)
{
	static __thread char texts[16][512];
	static __thread unsigned int turn;
	char *text = texts[turn++ % ARRAY_LENGTH(texts)];
	char path[256], *end;
	int error;

	join(path, sizeof(path), folder, name);
	error = read_file(path, text, sizeof(texts[0]));
	if (error)
		return strerrorname_np(-error);
	end = strchr(text, '\n');
	if (!end || end[1])
		return "not one line";
	*end = '\0';
	return text;
}

int folder_write(const struct folder *folder, const char *name, const char *text)
{
	char path[256];

	join(path, sizeof(path), folder, name);
	return write_file(path, text);
}

int folder_mode(const struct folder *folder, const char *name)
{
	struct stat status;
	char path[256];

	join(path, sizeof(path), folder, name);
	return stat(path, &status) ? -errno : (int)(status.st_mode & 07777);
}

bool folder_links(const struct folder *folder, const char *name, const struct folder *to)
{
	char path[256], here[PATH_MAX], there[PATH_MAX];

	join(path, sizeof(path), folder, name);
	return realpath(path, here) && realpath(to->path, there) && !strcmp(here, there);
}
