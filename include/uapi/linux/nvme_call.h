/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Any command to a controller of nvme_rs, in one envelope.
 *
 * Numbers in this file are never reused or renumbered.
 */
#ifndef _UAPI_LINUX_NVME_CALL_H
#define _UAPI_LINUX_NVME_CALL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * enum nvme_call_family - whose command it is
 * @NVME_CALL_ADMIN: one of the controller, for its admin queue
 * @NVME_CALL_IO: one of a namespace's command set
 */
enum nvme_call_family {
	NVME_CALL_ADMIN	= 0,
	NVME_CALL_IO	= 1,
};

/**
 * struct nvme_call - a command, its data and what became of it
 * @size: in: size of the struct the caller knows, NVME_CALL_SIZE_VER0 at least.
 *	The payload begins after so many bytes.
 * @flags: in: NVME_CALL_TRUNCATE or zero
 * @family: in: an &enum nvme_call_family
 * @command: in: the opcode
 * @reserved: in: must be zero
 * @nsid: in: the namespace identifier. For NVME_CALL_IO on /dev/ngNnM that of
 *	the node.
 * @tag: in: a number by which the caller can abort the command, see
 *	&struct nvme_call_abort; 0: it has none
 * @cdw2: in: command dword 2
 * @cdw3: in: command dword 3
 * @cdw10: in: command dword 10
 * @cdw11: in: command dword 11
 * @cdw12: in: command dword 12
 * @cdw13: in: command dword 13
 * @cdw14: in: command dword 14
 * @cdw15: in: command dword 15
 * @timeout_ms: in: after how many milliseconds the command is aborted; 0: the
 *	usual time, 60 seconds for an admin command, 30 for another one
 * @size_in: in: bytes of data for the controller, the first of the payload. Must
 *	be 0 unless bit 0 of the opcode is set.
 * @size_out: in: room for data from the controller, in the payload after that.
 *	Must be 0 unless bit 1 of the opcode is set.
 * @size_metadata: in: bytes of metadata, in the payload after both. It goes the
 *	way of the data. Only for a namespace whose metadata is separate.
 * @fw_size: out: how many bytes of data the controller had for the caller, so
 *	far as that is known. 0 if the command failed or gives no data. Else:
 *	of a log page, from the offset that was read on, what the specification
 *	or the header of the page says its length is; of a report of zones or of
 *	registrants, likewise; of a key's value, its length; in all other
 *	cases what the command transfers by its opcode and its dwords, and if
 *	nothing is known of it, the larger one of @size_in and @size_out. It may
 *	be more than @size_out, or
 *	than was transferred. Bytes of the room beyond it are left as they were.
 * @status: out: the status field of the completion: type, code and hints, as
 *	NVME_IOCTL_ADMIN64_CMD returns it; 0 is success. 0x370, Host Path Error,
 *	also if the controller is being reset and was not asked.
 * @result: out: dwords 0 and 1 of the completion
 * @completion: out: the completion queue entry as the controller wrote it, in
 *	the byte order of the host; all zero if the controller was not asked
 *
 * The struct may grow at its end. A caller that knows less of it gets less; one
 * that knows more has to leave the rest zero. Members that are "out" are not
 * looked at before, and not written unless the command was completed.
 *
 * A command whose opcode has both bits 0 and 1 set has one buffer for both ways:
 * it gets @size_in bytes, then zeroes as far as @size_out goes, and is given
 * back as the first @size_out bytes.
 */
struct nvme_call {
	__u32 size;
	__u32 flags;
	__u8 family;
	__u8 command;
	__u16 reserved;
	__u32 nsid;
	__u64 tag;
	__u32 cdw2;
	__u32 cdw3;
	__u32 cdw10;
	__u32 cdw11;
	__u32 cdw12;
	__u32 cdw13;
	__u32 cdw14;
	__u32 cdw15;
	__u32 timeout_ms;
	__u32 size_in;
	__u32 size_out;
	__u32 size_metadata;
	__u32 fw_size;
	__u32 status;
	__u64 result;
	__u32 completion[4];
};

/* Up to and with the result. */
#define NVME_CALL_SIZE_VER0	88

/*
 * @size_out may be less than the command transfers: the rest is dropped, and
 * @fw_size says how much there was. Without it that is EINVAL.
 */
#define NVME_CALL_TRUNCATE	(1U << 0)

/*
 * NVME_IOCTL_CALL, on /dev/nvmeN and /dev/ngNnM, by 32-bit callers as well. 0
 * once the command was completed, with whatever status. Who may send what is
 * the same as for the other ioctls, and is decided before the payload is read.
 *
 * - EINVAL: @size below NVME_CALL_SIZE_VER0; unknown flags or family, reserved
 *   words that are not zero; another namespace than the node's; data in a
 *   direction that the opcode does not have; less data or room than the command
 *   transfers, or more than the controller takes; metadata where there is none;
 * - E2BIG: the struct is longer than 4096 bytes, or what is beyond the part of
 *   it that the driver knows is not zero;
 * - EACCES: the caller may not send this command;
 * - EFAULT: the process may not read the struct or the payload, or not write
 *   what comes back, although the command was executed;
 * - ENODEV: the controller or the namespace is gone, or there is no namespace of
 *   this number;
 * - EINTR: the command was not completed, and will not be; or the process is
 *   killed;
 * - ENOMEM.
 */
#define NVME_IOCTL_CALL	_IOC(_IOC_READ | _IOC_WRITE, 'N', 0xaa, NVME_CALL_SIZE_VER0)

/**
 * struct nvme_call_uring - where the envelope of a ring's command is
 * @addr: address of a &struct nvme_call
 * @reserved: must be zero
 *
 * NVME_URING_CMD_CALL is an IORING_OP_URING_CMD on /dev/nvmeN or /dev/ngNnM, on
 * a ring with entries of any size, with this structure at sqe->cmd. It does what
 * NVME_IOCTL_CALL does, but does not wait: the envelope is read and the command
 * sent when the entry is submitted, and the envelope is filled in by the task that
 * submitted it, before the completion is posted. Until then the memory has to
 * stay. Commands with metadata, those that disturb others or that the driver
 * learns from, and those for which the queue has no room are sent by a worker of
 * io_uring, which reads the envelope anew. cqe->res is 0 or a negative errno,
 * those of NVME_IOCTL_CALL and:
 *
 * - EOPNOTSUPP: the ring polls (IORING_SETUP_IOPOLL);
 * - ECANCELED: the process, or the thread that submitted it, is gone; nothing was
 *   written.
 */
struct nvme_call_uring {
	__u64 addr;
	__u64 reserved;
};

#define NVME_URING_CMD_CALL	_IOWR('N', 0x98, struct nvme_call_uring)

/**
 * struct nvme_call_abort - a command to abort
 * @size: size of the struct
 * @flags: must be zero
 * @tag: what &struct nvme_call had as its tag; not 0
 *
 * NVME_IOCTL_CALL_ABORT has the controller told, by Abort commands, that it need
 * not go on with the commands which were sent in an envelope with this tag
 * through the same open file (whichever descriptor of it) and are not completed.
 * It returns how many there are, at once: several Aborts wait for one another,
 * as the controller takes only so many at a time. What becomes of each command
 * is in its own answer: status 0x007 if it was aborted, and anything else if the
 * Abort came too late or the controller does not care. One that outlives its
 * Abort by long leads to a reset, as does one that timed out.
 *
 * - EINVAL: another size, flags, or no tag;
 * - ENOENT: no such command is with the controller: it is completed, not sent
 *   yet, or somebody else's;
 * - EFAULT;
 * - ENODEV: the controller is gone.
 *
 * NVME_URING_CMD_CALL_ABORT does the same, with this structure at sqe->cmd.
 */
struct nvme_call_abort {
	__u32 size;
	__u32 flags;
	__u64 tag;
};

#define NVME_IOCTL_CALL_ABORT	_IOW('N', 0xab, struct nvme_call_abort)
#define NVME_URING_CMD_CALL_ABORT	_IOW('N', 0x99, struct nvme_call_abort)

#endif /* _UAPI_LINUX_NVME_CALL_H */
