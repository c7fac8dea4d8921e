/* SPDX-License-Identifier: GPL-2.0-only */
/* Buffers of a ring that the driver registers, and keeps mapped: NVME_URING_CMD_REGISTER_BUFFER. */
#ifndef MAPPED_H
#define MAPPED_H

#include "ring.h"

/* Room for @slots buffers, all empty. */
int mapped_table(struct ring *ring, unsigned int slots);

/* The command which makes memory the buffer number @slot, through the node @fd. */
struct ring_command mapped_registration(int fd, unsigned int slot, const void *memory,
					unsigned long bytes);

/* Puts an ordinary buffer into a slot, or none, if it is of no bytes. */
int mapped_replace(struct ring *ring, unsigned int slot, void *memory, unsigned long bytes);

#endif /* MAPPED_H */
