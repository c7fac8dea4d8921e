// SPDX-License-Identifier: GPL-2.0-only
#include "multishot.h"

static_assert(sizeof(struct io_br_sel) ==
	      sizeof_field(struct nvme_rs_provided, selection));

/* Until a buffer is taken, whose number is put in its place. */
unsigned int nvme_rs_uring_cmd_buffer_group(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->buf_index;
}

int nvme_rs_uring_cmd_take_buffer(struct io_uring_cmd *cmd, unsigned int group,
				  unsigned int flags,
				  struct nvme_rs_provided *provided)
{
	struct io_br_sel *sel = (struct io_br_sel *)provided->selection;

	/* 0: as long as it is. */
	provided->length = 0;
	*sel = io_uring_cmd_buffer_select(cmd, group, &provided->length, flags);
	if (sel->val < 0)
		return sel->val;
	if (!sel->addr)
		return -ENOBUFS;
	provided->address = (__force void *)sel->addr;
	return 0;
}

/* Whether this was the last answer. A negative one gives the buffer back. */
bool nvme_rs_uring_cmd_answer(struct io_uring_cmd *cmd, unsigned int flags,
			      struct nvme_rs_provided *provided, long result)
{
	struct io_br_sel *sel = (struct io_br_sel *)provided->selection;

	sel->val = result;
	return io_uring_mshot_cmd_post_cqe(cmd, sel, flags);
}

static void call_in_task(struct io_tw_req request, io_tw_token_t token)
{
	nvme_rs_uring_cmd_called(io_uring_cmd_from_tw(request),
				 IO_URING_CMD_TASK_WORK_ISSUE_FLAGS,
				 token.cancel);
}

void nvme_rs_uring_cmd_call(struct io_uring_cmd *cmd)
{
	io_uring_cmd_complete_in_task(cmd, call_in_task);
}
