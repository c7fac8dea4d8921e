/* SPDX-License-Identifier: GPL-2.0-only */
/* The slot of the controller that can be unplugged. */
#ifndef SLOT_H
#define SLOT_H

#include <stddef.h>

#include "controller.h"

/* The PCI address of the port above. */
int slot_port(const struct controller *controller, char *port, size_t size);

/* Takes the power from the slot at once, without waiting for what follows from it. */
int slot_power_off(const char *port);

/* Pulls the controller out without a word, and plugs it in again, bound: both wait for the end of it. */
int slot_pull(const struct controller *controller, const char *port);
int slot_plug(struct controller *controller);

/* Waits until a controller that was found is bound. */
int slot_await(struct controller *controller);

#endif /* SLOT_H */
