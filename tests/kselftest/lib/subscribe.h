/* SPDX-License-Identifier: GPL-2.0-only */
/* Events by io_uring. For programs that are linked with liburing, which the others are not. */
#ifndef SUBSCRIBE_H
#define SUBSCRIBE_H

#include <liburing.h>
#include <linux/nvme_event.h>
#include <string.h>

/* Of NVME_URING_CMD_EVENTS; younger than Debian's headers. */
#ifndef IORING_URING_CMD_MULTISHOT
#define IORING_URING_CMD_MULTISHOT (1U << 1)
#endif

/* Adds the command for all events to come, into provided buffers of @group; to be submitted. */
static inline struct io_uring_sqe *subscribe_prepare(struct io_uring *ring, int fd, unsigned int group,
						     struct nvme_event_uring wish)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = NVME_URING_CMD_EVENTS;
	sqe->uring_cmd_flags = IORING_URING_CMD_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = group;
	memcpy(sqe->cmd, &wish, sizeof(wish));
	return sqe;
}

#endif /* SUBSCRIBE_H */
