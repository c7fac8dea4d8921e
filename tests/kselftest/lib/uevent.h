/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel tells udev. */
#ifndef UEVENT_H
#define UEVENT_H

#include <stdbool.h>

/* Listens from now on; the socket; negative: errno. */
int uevents_open(void);

/* Waits for a change uevent of the node that carries @variable. */
bool uevent_arrives(int socket, const char *node, const char *variable);

#endif /* UEVENT_H */
