/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands in plain entries of a ring: the forms of <linux/nvme_uring.h>. */
#ifndef PLAIN_H
#define PLAIN_H

#include <linux/nvme_uring.h>

#include "ring.h"

/* The kinds of rings that take such entries, for programs with a variant for each: KIND(name, flags). */
#define PLAIN_KINDS(KIND)							\
	KIND(small, 0)								\
	KIND(cooperative, IORING_SETUP_COOP_TASKRUN)				\
	KIND(deferred, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)	\
	KIND(sqpoll, IORING_SETUP_SQPOLL)					\
	KIND(large_cqes, IORING_SETUP_CQE32)					\
	KIND(large_sqes, IORING_SETUP_SQE128)					\
	KIND(large, RING_WIDE)							\
	KIND(mixed, RING_SQE_MIXED | RING_CQE_MIXED)

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
