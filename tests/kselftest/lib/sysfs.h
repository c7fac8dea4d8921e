/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading sysfs. */
#ifndef SYSFS_H
#define SYSFS_H

#include <stdbool.h>
#include <stddef.h>

#include "controller.h"

/* A folder of /sys/class. */
struct folder {
	char path[128];
};

/* That of a controller, of the namespace with that number, of the subsystem. */
struct folder folder_of(const struct controller *controller);
struct folder folder_of_namespace(const struct controller *controller, unsigned int number);
struct folder folder_of_subsystem(const struct controller *controller, unsigned int number);

/* Whether there is something of that name in the folder. */
bool folder_has(const struct folder *folder, const char *name);

/*
 * What the one line of a file in the folder says, in memory that the next 15
 * calls leave alone; the name of the errno where it cannot be read.
 */
const char *folder_read(const struct folder *folder, const char *name);

/* Writes to a file of the folder; the errno is the kernel's answer. */
int folder_write(const struct folder *folder, const char *name, const char *text);

/* Permissions of a file in the folder; negative: errno. */
int folder_mode(const struct folder *folder, const char *name);

/* Whether the link in the folder leads to where @to is. */
bool folder_links(const struct folder *folder, const char *name, const struct folder *to);

#endif /* SYSFS_H */
