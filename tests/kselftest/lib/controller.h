/* SPDX-License-Identifier: GPL-2.0-only */
/* The NVMe controllers of the machine, and what the driver makes of them. */
#ifndef CONTROLLER_H
#define CONTROLLER_H

#include <fcntl.h>
#include <stdbool.h>

struct controller {
	unsigned int index;	/* QEMU calls it nvme<index> */
	char address[16];	/* of the PCI function */
	char class[16];		/* its node's class, ... */
	char node[16];		/* ... name, ... */
	char path[32];		/* ... and place in /dev; empty: not bound */
};

/* Finds the controller number @index in the order of PCI addresses, from 0 on. */
int controller_find(struct controller *controller, unsigned int index);

/* Looks again which node it has. */
void controller_refresh(struct controller *controller);

/* The driver it is bound to; "" if none. */
void controller_driver(const struct controller *controller, char *name, unsigned int size);

/* Binds it to or unbinds it from nvme_rs; the errno is the driver core's. */
int controller_bind(struct controller *controller);
int controller_unbind(struct controller *controller);

/*
 * Finds controller @index and binds it anew, none of its warnings on: the
 * numbers of its events begin at 1.
 */
int controller_renew(struct controller *controller, unsigned int index);

/* Opens its node; negative: errno. */
int controller_open(const struct controller *controller, int flags);

/* Writes to a file of its PCI function; the errno is the kernel's answer. */
int controller_write(const struct controller *controller, const char *file, const char *text);

/* The number after "@name: " in what debugfs says of the controller's events. */
int controller_value(const struct controller *controller, const char *name,
		     unsigned long long *value);

/* The number of the newest event whose log page was read; 0: none yet. */
unsigned long long controller_captured(const struct controller *controller);

/* Whether the driver takes namespace @nsid to be there. */
bool controller_has_namespace(const struct controller *controller, unsigned int nsid);

#endif /* CONTROLLER_H */
