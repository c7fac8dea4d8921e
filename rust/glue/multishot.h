/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands of io_uring that are answered many times, each time into one of the
 * buffers that the process provided.
 */
#ifndef NVME_RS_MULTISHOT_H
#define NVME_RS_MULTISHOT_H

#include <linux/io_uring/cmd.h>

/* A buffer that was taken for an answer. */
struct nvme_rs_provided {
	void *selection[2];	/* struct io_br_sel */
	void *address;		/* of user space */
	size_t length;
};

unsigned int nvme_rs_uring_cmd_buffer_group(struct io_uring_cmd *cmd);
int nvme_rs_uring_cmd_take_buffer(struct io_uring_cmd *cmd, unsigned int group,
				  unsigned int flags,
				  struct nvme_rs_provided *provided);
bool nvme_rs_uring_cmd_answer(struct io_uring_cmd *cmd, unsigned int flags,
			      struct nvme_rs_provided *provided, long result);
void nvme_rs_uring_cmd_call(struct io_uring_cmd *cmd);

/* In glue/subscription.rs. */
void nvme_rs_uring_cmd_called(struct io_uring_cmd *cmd, unsigned int flags,
			      bool dying);

#endif /* NVME_RS_MULTISHOT_H */
