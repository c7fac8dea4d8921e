/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands in plain entries of a ring: the forms of <linux/nvme_uring.h>. */
#ifndef PLAIN_H
#define PLAIN_H

#include <linux/nvme_uring.h>

#include "ring.h"

/*
 * Adds an entry of 64 bytes; EBUSY if there is no room. The operation of
 * @command, NVME_URING_CMD_IO, _ADMIN or one of their _VEC, says what it is for.
 * @entry, if asked for, is told where the entry is.
 */
int plain_push_inline(struct ring *ring, const struct ring_command *command,
		      struct io_uring_sqe **entry);

/* As above, of a command at @address; what @command has besides its operation does not matter. */
int plain_push_indirect(struct ring *ring, const struct ring_command *command, const void *address,
			unsigned int flags);

/* The command to be put there. */
struct nvme_passthru_cmd64 plain_command(const struct ring_command *command);

#endif /* PLAIN_H */
