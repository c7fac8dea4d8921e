/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* Buffers of a ring which nvme_rs keeps mapped for a controller. */
#ifndef _UAPI_LINUX_NVME_BUFFER_H
#define _UAPI_LINUX_NVME_BUFFER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct nvme_register_buffer - memory to register
 * @addr: where it begins, at any address.
 * @length: bytes, 1 GiB at most.
 *
 * NVME_URING_CMD_REGISTER_BUFFER is an IORING_OP_URING_CMD on /dev/nvmeN or
 * /dev/ngNnM, with this structure at sqe->cmd, sqe->uring_cmd_flags
 * IORING_URING_CMD_FIXED and the number of the buffer in sqe->buf_index. The
 * ring must have room for it and none of that number yet: register a sparse
 * table before. The memory is pinned, charged to RLIMIT_MEMLOCK, and mapped for
 * the controller once instead of for each command.
 *
 * Commands name the buffer as any registered one, but for their address: that
 * is an offset from @addr. The buffer can be used on other files, and for both
 * reading and writing. It goes as others do, by IORING_REGISTER_BUFFERS_UPDATE
 * or with the ring; until then the file it was registered through stays open,
 * even if its descriptor is closed.
 *
 * Through /dev/nvmeN, as for I/O commands there, CAP_SYS_ADMIN is needed;
 * through /dev/ngNnM nothing but the open file.
 *
 * cqe->res is 0 or a negative errno:
 *
 * - EACCES: on /dev/nvmeN, without CAP_SYS_ADMIN;
 * - EINVAL: no such number; no memory, or too much; without
 *   IORING_URING_CMD_FIXED;
 * - EBUSY: there is a buffer of that number;
 * - EFAULT: the process may not read and write the memory;
 * - ENOMEM: more than RLIMIT_MEMLOCK allows, or no memory left;
 * - EOPNOTSUPP: with IOSQE_ASYNC;
 * - ENODEV: the controller is gone.
 */
struct nvme_register_buffer {
	__u64 addr;
	__u64 length;
};

#define NVME_URING_CMD_REGISTER_BUFFER	_IOW('N', 0xa9, struct nvme_register_buffer)

#endif /* _UAPI_LINUX_NVME_BUFFER_H */
