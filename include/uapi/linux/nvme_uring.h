/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Commands to controllers of nvme_rs by io_uring, on rings of every kind: with
 * submission queue entries of 64 bytes and completion queue entries of 16.
 * Those of <linux/nvme_ioctl.h> need entries twice as large.
 *
 * All of them are an IORING_OP_URING_CMD: the ones for I/O on /dev/ngNnM, the
 * ones for administration on /dev/ngNnM and /dev/nvmeN. Who may send what, and
 * how long buffers have to be, is the same as for all other commands.
 *
 * cqe->res is the status of the controller, 0 being success, or a negative
 * errno:
 *
 * - EOPNOTSUPP: the ring has IORING_SETUP_IOPOLL;
 * - ENOTTY: no such operation on this node;
 * - EINVAL: flags or reserved words are set; another namespace than that of the
 *   node; buffers shorter than what the command transfers, or longer than what
 *   the controller takes;
 * - EFAULT: the process may not access the memory so;
 * - EACCES: the caller may not send this command;
 * - EINTR: the command was not completed by the controller, and will not be;
 * - ENODEV: the controller or the namespace is gone.
 */
#ifndef _UAPI_LINUX_NVME_URING_H
#define _UAPI_LINUX_NVME_URING_H

#include <linux/ioctl.h>
#include <linux/nvme_ioctl.h>
#include <linux/types.h>

/**
 * struct nvme_uring_inline - a small command, in the entry itself
 * @opcode: of the command.
 * @flags: 0.
 * @timeout_s: seconds it may take; 0: the usual time.
 * @cdw10: of the command, as the other two.
 * @cdw11: likewise.
 * @cdw12: likewise.
 *
 * NVME_URING_CMD_IO_INLINE and NVME_URING_CMD_ADMIN_INLINE have this structure
 * at sqe->cmd. The rest is in other places of the entry:
 *
 * - sqe->addr: where the data is;
 * - sqe->len: how many bytes, 0 for none;
 * - sqe->file_index: the namespace.
 *
 * All other words of the command are zero, and it has no metadata: enough for
 * Read, Write, Flush, Identify, Get Log Page, Get and Set Features. With
 * IORING_URING_CMD_FIXED the data is in the registered buffer sqe->buf_index.
 *
 * What the controller returns besides the status has room only in a large
 * completion queue entry, of IORING_SETUP_CQE32 or IORING_SETUP_CQE_MIXED:
 * there it is big_cqe[0].
 */
struct nvme_uring_inline {
	__u8 opcode;
	__u8 flags;
	__u16 timeout_s;
	__u32 cdw10;
	__u32 cdw11;
	__u32 cdw12;
};

/* An NVMe error breaks links: see struct nvme_uring_indirect. */
#define NVME_URING_LINK_ERR	(1U << 0)

/**
 * struct nvme_uring_indirect - any command, in memory of the process
 * @flags: 0 or NVME_URING_LINK_ERR.
 * @reserved: 0.
 *
 * The NVME_URING_CMD_*_INDIRECT have this structure at sqe->cmd, and
 *
 * - sqe->addr: the address of a struct nvme_passthru_cmd64;
 * - sqe->len: its size;
 * - sqe->file_index: 0.
 *
 * The command has to stay where it is until its completion. It is copied once
 * each time that it is issued, which io_uring may do twice: later changes have
 * no effect. Its addr and data_len, or vec_cnt, say where the data is, in the
 * registered buffer sqe->buf_index with IORING_URING_CMD_FIXED.
 *
 * Before the completion is posted, @result of the command is written, if the
 * controller completed it. If that fails, cqe->res is -EFAULT, although the
 * command was executed. If the task that submitted the command is gone,
 * nothing is written, and cqe->res is -ECANCELED.
 *
 * With NVME_URING_LINK_ERR, cqe->res is -EREMOTEIO instead of a status other
 * than 0, so that linked requests that follow are not executed. The status is
 * written to the command's rsvd2, also if it is 0.
 */
struct nvme_uring_indirect {
	__u32 flags;
	__u32 reserved[3];
};

#define NVME_URING_CMD_IO_INLINE	_IOW('N', 0xb0, struct nvme_uring_inline)
#define NVME_URING_CMD_ADMIN_INLINE	_IOW('N', 0xb1, struct nvme_uring_inline)
#define NVME_URING_CMD_IO_INDIRECT	_IOWR('N', 0xb2, struct nvme_passthru_cmd64)
#define NVME_URING_CMD_IO_VEC_INDIRECT	_IOWR('N', 0xb3, struct nvme_passthru_cmd64)
#define NVME_URING_CMD_ADMIN_INDIRECT	_IOWR('N', 0xb4, struct nvme_passthru_cmd64)
#define NVME_URING_CMD_ADMIN_VEC_INDIRECT	\
	_IOWR('N', 0xb5, struct nvme_passthru_cmd64)

#endif /* _UAPI_LINUX_NVME_URING_H */
