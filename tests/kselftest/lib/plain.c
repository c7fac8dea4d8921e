// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "plain.h"

static struct io_uring_sqe *push(struct ring *ring, const struct ring_command *command,
				 unsigned int operation, unsigned long address, unsigned int length)
{
	struct io_uring_sqe *sqe = ring_next(ring);

	if (!sqe)
		return NULL;
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = command->sqe_flags;
	sqe->fd = command->fd;
	sqe->cmd_op = operation;
	sqe->uring_cmd_flags = command->uring_flags;
	sqe->buf_index = command->buffer;
	sqe->personality = command->personality;
	sqe->user_data = command->tag;
	sqe->addr = address;
	sqe->len = length;
	return sqe;
}

int plain_push_inline(struct ring *ring, const struct ring_command *command,
		      struct io_uring_sqe **entry)
{
	const struct nvme_uring_cmd *cmd = &command->command;
	struct nvme_uring_inline small = {
		.opcode = cmd->opcode, .flags = cmd->flags, .timeout_s = cmd->timeout_ms / 1000,
		.cdw10 = cmd->cdw10, .cdw11 = cmd->cdw11, .cdw12 = cmd->cdw12,
	};
	struct io_uring_sqe *sqe;

	sqe = push(ring, command,
		   command->operation == NVME_URING_CMD_IO ? NVME_URING_CMD_IO_INLINE :
							     NVME_URING_CMD_ADMIN_INLINE,
		   cmd->addr, cmd->data_len);
	if (!sqe)
		return -EBUSY;
	sqe->file_index = cmd->nsid;
	memcpy(sqe->cmd, &small, sizeof(small));
	if (entry)
		*entry = sqe;
	ring_advance(ring, 1);
	return 0;
}

int plain_push_indirect(struct ring *ring, const struct ring_command *command, const void *address,
			unsigned int flags)
{
	static const unsigned int operations[][2] = {
		{ NVME_URING_CMD_IO, NVME_URING_CMD_IO_INDIRECT },
		{ NVME_URING_CMD_IO_VEC, NVME_URING_CMD_IO_VEC_INDIRECT },
		{ NVME_URING_CMD_ADMIN, NVME_URING_CMD_ADMIN_INDIRECT },
		{ NVME_URING_CMD_ADMIN_VEC, NVME_URING_CMD_ADMIN_VEC_INDIRECT },
	};
	struct nvme_uring_indirect pointer = { .flags = flags };
	struct io_uring_sqe *sqe;
	unsigned int i = 0;

	while (operations[i][0] != command->operation)
		i++;
	sqe = push(ring, command, operations[i][1], (unsigned long)address,
		   sizeof(struct nvme_passthru_cmd64));
	if (!sqe)
		return -EBUSY;
	memcpy(sqe->cmd, &pointer, sizeof(pointer));
	ring_advance(ring, 1);
	return 0;
}

struct nvme_passthru_cmd64 plain_command(const struct ring_command *command)
{
	struct nvme_passthru_cmd64 wide = { 0 };

	/* Up to the time it may take they are the same. */
	memcpy(&wide, &command->command, offsetof(struct nvme_passthru_cmd64, rsvd2));
	return wide;
}
