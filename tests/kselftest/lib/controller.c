// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller.h"
#include "event.h"
#include "module.h"
#include "util.h"

#define PCI_DEVICES "/sys/bus/pci/devices/"
#define PCI_DRIVER "/sys/bus/pci/drivers/" MODULE
/* The most that debugfs says of a controller's events: a line for each that is kept. */
#define INSPECT_BYTES (128 << 10)
#define NVM_EXPRESS_CLASS "0x010802\n"

int controller_find(struct controller *controller, unsigned int index)
{
	int error = -ENODEV;
	unsigned int count = 0;
	char class[16];
	glob_t found;
	size_t i;

	memset(controller, 0, sizeof(*controller));
	controller->index = index;
	if (glob(PCI_DEVICES "*/class", 0, NULL, &found))
		return -ENOENT;
	for (i = 0; i < found.gl_pathc && error; i++) {
		if (read_file(found.gl_pathv[i], class, sizeof(class)) ||
		    strcmp(class, NVM_EXPRESS_CLASS) || count++ != index)
			continue;
		snprintf(controller->address, sizeof(controller->address), "%s",
			 basename(dirname(found.gl_pathv[i])));
		error = 0;
	}
	globfree(&found);
	if (error)
		complain("this machine has no NVMe controller number %u", index);
	else
		controller_refresh(controller);
	return error;
}

void controller_refresh(struct controller *controller)
{
	char pattern[128];
	glob_t nodes;

	controller->class[0] = controller->node[0] = controller->path[0] = '\0';
	snprintf(pattern, sizeof(pattern), PCI_DEVICES "%s/nvme*/nvme*", controller->address);
	if (glob(pattern, 0, NULL, &nodes))
		return;
	snprintf(controller->node, sizeof(controller->node), "%s", basename(nodes.gl_pathv[0]));
	snprintf(controller->class, sizeof(controller->class), "%s",
		 basename(dirname(nodes.gl_pathv[0])));
	snprintf(controller->path, sizeof(controller->path), "/dev/%s", controller->node);
	globfree(&nodes);
}

void controller_driver(const struct controller *controller, char *name, unsigned int size)
{
	char link[128], target[256];
	ssize_t length;

	snprintf(link, sizeof(link), PCI_DEVICES "%s/driver", controller->address);
	length = readlink(link, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	snprintf(name, size, "%s", length > 0 ? basename(target) : "");
}

int controller_bind(struct controller *controller)
{
	int error = write_file(PCI_DRIVER "/bind", controller->address);

	controller_refresh(controller);
	return error;
}

int controller_unbind(struct controller *controller)
{
	int error = write_file(PCI_DRIVER "/unbind", controller->address);

	controller_refresh(controller);
	return error;
}

int controller_renew(struct controller *controller, unsigned int index)
{
	char driver[32];
	int error;

	error = controller_find(controller, index);
	if (error)
		return error;
	controller_driver(controller, driver, sizeof(driver));
	if (driver[0])
		error = controller_unbind(controller);
	error = error ?: event_clear(controller);
	error = error ?: controller_bind(controller);
	if (error)
		complain("%s: cannot be bound anew: %s", controller->address, strerror(-error));
	return error;
}

int controller_open(const struct controller *controller, int flags)
{
	int fd = open(controller->path, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The line of the controller's debugfs file from @line on that begins with @name. */
static char *find_line(char *line, const char *name)
{
	size_t length = strlen(name);

	while (line && !(strncmp(line, name, length) == 0 && line[length] == ':')) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line;
}

static int inspect(const struct controller *controller, char *text, size_t size)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/" MODULE "/%s/events", controller->node);
	return read_file(path, text, size);
}

int controller_value(const struct controller *controller, const char *name,
		     unsigned long long *value)
{
	char text[INSPECT_BYTES];
	char *line;
	int error;

	error = inspect(controller, text, sizeof(text));
	if (error)
		return error;
	line = find_line(text, name);
	if (!line)
		return -ENOENT;
	*value = strtoull(line + strlen(name) + 1, NULL, 10);
	return 0;
}

unsigned long long controller_captured(const struct controller *controller)
{
	unsigned long long last, newest = 0;
	char text[INSPECT_BYTES];
	char *line;

	if (inspect(controller, text, sizeof(text)))
		return 0;
	for (line = find_line(text, "snapshot"); line; line = find_line(line + 1, "snapshot")) {
		unsigned int page;

		/* Page 0 is of a provider's event, whose number is another thing. */
		if (sscanf(line, "snapshot: page %x events %*u..=%llu", &page, &last) == 2 &&
		    page && last > newest)
			newest = last;
	}
	return newest;
}

bool controller_has_namespace(const struct controller *controller, unsigned int nsid)
{
	char text[INSPECT_BYTES];
	char *line;

	if (inspect(controller, text, sizeof(text)))
		return false;
	for (line = find_line(text, "namespace"); line; line = find_line(line + 1, "namespace")) {
		if (strtoul(line + strlen("namespace:"), NULL, 10) == nsid)
			return true;
	}
	return false;
}

int controller_write(const struct controller *controller, const char *file, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", controller->address, file);
	return write_file(path, text);
}
