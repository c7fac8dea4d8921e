/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Event records read from /dev/nvmeN of nvme_rs.
 *
 * read() on /dev/nvmeN returns whole records, oldest first. A record has the
 * shape of an NVMe completion queue entry, in the byte order of the host.
 * Numbers in this file are never reused or renumbered.
 */
#ifndef _UAPI_LINUX_NVME_EVENT_H
#define _UAPI_LINUX_NVME_EVENT_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct nvme_event - one event of one controller
 * @dw0: what happened. For NVME_EVENT_SOURCE_CONTROLLER this is dword 0 of the
 *	completion of the Asynchronous Event Request: type in bits 2:0,
 *	information in bits 15:8, log page identifier in bits 23:16. For
 *	NVME_EVENT_SOURCE_LIFECYCLE bits 15:8 hold an &enum nvme_event_lifecycle
 *	and all other bits are zero. For NVME_EVENT_SOURCE_COMMAND_EFFECT bits
 *	15:8 hold an &enum nvme_event_effect, bits 31:24 the opcode of the admin
 *	command, and all other bits are zero.
 * @dw1: the parameter of the event: dword 1 of the completion, or as stated
 *	at the lifecycle code. For NVME_EVENT_SOURCE_COMMAND_EFFECT the
 *	namespace identifier: 0 if the command concerns no namespace, all ones
 *	if all namespaces.
 * @dw2: low half of the 64-bit sequence number of the event on this
 *	controller. The first event after the driver bound is number 1, each
 *	next one is one more.
 * @dw3: completion status, flags, source and loss count, see NVME_EVENT_DW3_*.
 *
 * A record is visible at once, in the order of completion, and never changes.
 */
struct nvme_event {
	__u32 dw0;
	__u32 dw1;
	__u32 dw2;
	__u32 dw3;
};

/*
 * The position of a record in the file is its number times sixteen. There is no
 * record 0: position 0 (and -1 in io_uring) means "where this file stands".
 *
 * read(fd)		the next records of this file
 * pread(fd, 16 * n)	records n and following; the file stands where it stood
 * lseek(SEEK_SET, 0)	go to the oldest record that is kept
 * lseek(SEEK_SET, 16 * n)	go to record n; if it is not kept any more, the
 *			next read says how many were lost
 * lseek(SEEK_CUR, 0)	where this file stands
 * lseek(SEEK_END, 0)	go after the newest record, as a fresh open does
 *
 * A position that is no multiple of 16, or beyond the record that comes next,
 * is EINVAL.
 *
 * Records of event providers are in a ring of their own, with numbers of their
 * own. read() returns them before pending events of the controller. A fresh file
 * stands before those that no file has read yet. lseek(SEEK_SET) and pread()
 * address them with NVME_EVENT_POSITION_PROVIDER set in the position.
 */
#define NVME_EVENT_POSITION_PROVIDER	(1LL << 62)

/**
 * struct nvme_event_info - what there is to read
 * @size: in: size of the struct the caller knows; out: how much was filled in
 * @flags: must be zero
 * @stream_id: a random number, another one each time the driver binds the
 *	controller. Sequence numbers of streams with different ids have nothing
 *	to do with each other.
 * @oldest: number of the oldest record that is kept
 * @newest: number of the newest record; @oldest - 1 if there is none
 * @cursor: number of the record this file reads next; 0 if it is open for
 *	writing only
 * @claim: an &enum nvme_event_claim
 * @aers_outstanding: Asynchronous Event Requests that the controller holds
 * @posted: how many records there were
 * @overwritten: how many of them are not kept any more
 * @aer_limit: Asynchronous Event Requests that the controller takes: AERL + 1
 * @classes_enabled: the event classes that the controller was told to report:
 *	the value of feature 0Bh, Asynchronous Event Configuration
 * @classes_masked: event classes that fired too often and are left alone for
 *	a while, as NVME_EVENT_CLASS_MASKED said
 * @types_masked: bit n: such a class has event type n
 * @provider_oldest: as @oldest, of the records of event providers
 * @provider_newest: as @newest, likewise
 * @provider_cursor: as @cursor, likewise
 *
 * What the driver knows of the controller (@aers_outstanding, and from
 * @aer_limit on) is zero once it has let go of it. The struct may grow at its
 * end. A caller that knows less of it gets less.
 */
struct nvme_event_info {
	__u32 size;
	__u32 flags;
	__u64 stream_id;
	__u64 oldest;
	__u64 newest;
	__u64 cursor;
	__u32 claim;
	__u32 aers_outstanding;
	__u64 posted;
	__u64 overwritten;
	__u32 aer_limit;
	__u32 classes_enabled;
	__u32 classes_masked;
	__u32 types_masked;
	__u64 provider_oldest;
	__u64 provider_newest;
	__u64 provider_cursor;
};

/* Up to and with the cursor. */
#define NVME_EVENT_INFO_SIZE_VER0	40

/**
 * enum nvme_event_claim - whether somebody reads alone
 * @NVME_EVENT_CLAIM_NONE: nobody
 * @NVME_EVENT_CLAIM_HOLDER: this file, or the group that it is part of
 * @NVME_EVENT_CLAIM_OTHER: another one; reading gives EBUSY
 */
enum nvme_event_claim {
	NVME_EVENT_CLAIM_NONE	= 0,
	NVME_EVENT_CLAIM_HOLDER	= 1,
	NVME_EVENT_CLAIM_OTHER	= 2,
};

/**
 * struct nvme_event_resume - go on where an earlier reader stopped
 * @size: size of the struct
 * @flags: must be zero
 * @stream_id: the stream of that reader, from &struct nvme_event_info
 * @number: number of the record to read next
 */
struct nvme_event_resume {
	__u32 size;
	__u32 flags;
	__u64 stream_id;
	__u64 number;
};

/**
 * enum nvme_event_reading - how a file shares the events with others
 * @NVME_EVENT_BROADCAST: it reads all events, with a place and a filter of its
 *	own. So does every file at first. One that was part of a group goes on
 *	where the group stands; an exclusive claim of its own ends.
 * @NVME_EVENT_EXCLUSIVE: nobody else reads. While it is so, reads of others,
 *	blocked ones included, fail with EBUSY, and poll() gives them POLLERR;
 *	they stay where they are. It ends with NVME_EVENT_BROADCAST and with the
 *	last close of the file, or of the group's last file. Commands of others
 *	go on. Needs CAP_SYS_ADMIN.
 * @NVME_EVENT_SHARED: it joins the file with descriptor @fd: both have one
 *	place and one filter from now on, those of @fd, and each record goes to
 *	one of them.
 */
enum nvme_event_reading {
	NVME_EVENT_BROADCAST	= 0,
	NVME_EVENT_EXCLUSIVE	= 1,
	NVME_EVENT_SHARED	= 2,
};

/**
 * struct nvme_event_mode - share the events with others in another way
 * @size: size of the struct
 * @flags: must be zero
 * @reading: an &enum nvme_event_reading
 * @fd: for NVME_EVENT_SHARED: another open file of the same controller; else
 *	must be zero
 */
struct nvme_event_mode {
	__u32 size;
	__u32 flags;
	__u32 reading;
	__s32 fd;
};

/**
 * struct nvme_event_filter - which events to read
 * @size: size of the struct
 * @flags: must be zero
 * @controller: for records of NVME_EVENT_SOURCE_CONTROLLER, by their type: bit
 *	n shows those with information n, bit 31 those with 31 or more
 * @lifecycle: likewise for NVME_EVENT_SOURCE_LIFECYCLE
 * @command_effect: likewise for NVME_EVENT_SOURCE_COMMAND_EFFECT
 * @provider: likewise for NVME_EVENT_SOURCE_PROVIDER
 * @reserved: must be zero
 *
 * A fresh file has all bits set. read() passes over what is hidden, and poll()
 * does not report it. LOST counts all records that were overwritten before this
 * reader came to them: nobody knows any more which would have been hidden. What
 * a read has passed over does not come back with another filter, but with
 * lseek().
 */
struct nvme_event_filter {
	__u32 size;
	__u32 flags;
	__u32 controller[8];
	__u32 lifecycle;
	__u32 command_effect;
	__u32 provider;
	__u32 reserved;
};

/* For &struct nvme_event_fetch.flags: EAGAIN instead of waiting. */
#define NVME_EVENT_FETCH_NOWAIT	(1U << 0)
/* The number is that of a record of NVME_EVENT_SOURCE_PROVIDER. */
#define NVME_EVENT_FETCH_PROVIDER	(1U << 1)

/**
 * struct nvme_event_fetch - what belongs to an event besides its record
 * @size: size of the struct
 * @flags: NVME_EVENT_FETCH_*
 * @number: in: 64-bit number of the event
 * @buffer: in: address of a buffer for the log page
 * @buffer_bytes: in: its length
 * @offset: in: where in the log page to start, in bytes
 * @time_ns: out: when the event was posted, in nanoseconds of CLOCK_BOOTTIME
 * @captured_ns: out: when the log page had been read, likewise
 * @length: out: how long the log page was in the controller
 * @kept: out: how much of it was kept. Less than @length: it was longer than the
 *	module parameter event_snapshot_bytes, and the controller does not
 *	report the class again until somebody reads the page without Retain
 *	Asynchronous Event, or calls NVME_EVENT_IOCTL_ACK.
 * @copied: out: how many bytes were put into the buffer
 * @nsid: out: the namespace whose log page it is, or all ones; 0 for what a
 *	provider gave
 * @log_page: out: identifier of the log page; 0 likewise
 * @reserved: must be zero
 *
 * The driver reads the log page of each event once, and keeps it for all
 * readers. This waits until it has been read; a signal ends that. An event
 * without NVME_EVENT_DW3_PAYLOAD has no log page: all of that is zero. Several
 * events of a class may have one reading of their log page in common.
 */
struct nvme_event_fetch {
	__u32 size;
	__u32 flags;
	__u64 number;
	__u64 buffer;
	__u32 buffer_bytes;
	__u32 offset;
	__u64 time_ns;
	__u64 captured_ns;
	__u32 length;
	__u32 kept;
	__u32 copied;
	__u32 nsid;
	__u8 log_page;
	__u8 reserved[7];
};

/**
 * struct nvme_event_ack - have a class reported again
 * @size: size of the struct
 * @flags: must be zero
 * @number: 64-bit number of an event
 *
 * For an event whose log page was not kept completely, see &struct
 * nvme_event_fetch. For any other with a log page this does nothing.
 */
struct nvme_event_ack {
	__u32 size;
	__u32 flags;
	__u64 number;
};

/* For &struct nvme_event_smart.flags: do not ask the controller. */
#define NVME_EVENT_SMART_KEPT	(1U << 0)

/**
 * struct nvme_event_smart - the SMART / Health Information log
 * @size: size of the struct
 * @flags: 0 or NVME_EVENT_SMART_KEPT
 * @captured_ns: out: when it was read, in nanoseconds of CLOCK_BOOTTIME
 * @age_ns: out: how long ago that is
 * @data: out: log page 02h, for the whole controller
 *
 * The controller is asked if what is kept is older than the module parameter
 * event_smart_interval (10 s), and if nobody asked for it that long. Reading it
 * here does not release events (Retain Asynchronous Event is set).
 */
struct nvme_event_smart {
	__u32 size;
	__u32 flags;
	__u64 captured_ns;
	__u64 age_ns;
	__u8 data[512];
};

/* For &struct nvme_event_uring.flags: the log page follows the record. */
#define NVME_EVENT_URING_PAGE	(1U << 0)

/**
 * struct nvme_event_uring - events by io_uring, in sqe->cmd
 * @flags: 0 or NVME_EVENT_URING_PAGE
 * @reserved: must be zero
 *
 * NVME_URING_CMD_EVENTS is an IORING_OP_URING_CMD with
 * IORING_URING_CMD_MULTISHOT and IOSQE_BUFFER_SELECT, on a ring with entries of
 * any size which does not poll. It reads where the file stands, as read() does:
 * each completion is for one of the provided buffers and has as many whole
 * records as fit. With NVME_EVENT_URING_PAGE it has one record and after it as
 * much as fits of the log page that was kept, for which it waits; the rest is to
 * be had by NVME_EVENT_IOCTL_FETCH.
 *
 * It ends, with a completion without IORING_CQE_F_MORE: ENODEV, when the driver
 * has let go of the controller and all was read; EBUSY, when another reader has
 * the events to itself; ENOBUFS without a buffer, EINVAL if that is too small,
 * EFAULT, EOVERFLOW if the completion ring is full; ECANCELED with its ring.
 * None of these loses an event.
 */
struct nvme_event_uring {
	__u32 flags;
	__u32 reserved[3];
};

#define NVME_URING_CMD_EVENTS	_IOR('N', 0xa8, struct nvme_event)

/*
 * NVME_EVENT_IOCTL_INFO: EINVAL for a size below that of the struct's first
 * version or for flags.
 * NVME_EVENT_IOCTL_RESUME: ESTALE if this is another stream; EINVAL as above
 * and for a number beyond the record that comes next.
 * NVME_EVENT_IOCTL_MODE: EACCES without CAP_SYS_ADMIN, EBUSY if another reader
 * has the events to itself; EBADF if @fd is no open file, EINVAL if it is none
 * of this controller.
 * NVME_EVENT_IOCTL_FETCH: ESTALE if the record is overwritten, EINVAL if there
 * never was one; ENODATA if the log page could not be read, or had to make room
 * for others; EAGAIN if it was not read yet.
 * NVME_EVENT_IOCTL_ACK: EACCES without CAP_SYS_ADMIN; ENODATA also if the event
 * has no log page; ENODEV if the driver has let go of the controller; EAGAIN if
 * that is being reset.
 * NVME_EVENT_IOCTL_SMART: ENODATA if the log was never read and cannot be.
 * All but INFO and ACK: EBADF if the file, or @fd, is open for writing only.
 */
#define NVME_EVENT_IOCTL_INFO	\
	_IOC(_IOC_READ | _IOC_WRITE, 'N', 0xa0, NVME_EVENT_INFO_SIZE_VER0)
#define NVME_EVENT_IOCTL_RESUME	_IOW('N', 0xa1, struct nvme_event_resume)
#define NVME_EVENT_IOCTL_MODE	_IOW('N', 0xa2, struct nvme_event_mode)
#define NVME_EVENT_IOCTL_FILTER	_IOW('N', 0xa3, struct nvme_event_filter)
#define NVME_EVENT_IOCTL_FETCH	_IOWR('N', 0xa4, struct nvme_event_fetch)
#define NVME_EVENT_IOCTL_ACK	_IOW('N', 0xa5, struct nvme_event_ack)
#define NVME_EVENT_IOCTL_SMART	_IOWR('N', 0xa6, struct nvme_event_smart)

/* Fields of &struct nvme_event.dw0. */
#define NVME_EVENT_TYPE(dw0)		((dw0) & 0x7)
#define NVME_EVENT_INFORMATION(dw0)	(((dw0) >> 8) & 0xff)
#define NVME_EVENT_LOG_PAGE(dw0)	(((dw0) >> 16) & 0xff)
/* If the source is NVME_EVENT_SOURCE_COMMAND_EFFECT. */
#define NVME_EVENT_OPCODE(dw0)		((dw0) >> NVME_EVENT_DW0_OPCODE_SHIFT)
#define NVME_EVENT_DW0_OPCODE_SHIFT	24

/*
 * Fields of &struct nvme_event.dw3.
 *
 * STATUS is the status field of the completion queue entry without the phase
 * tag. HANDLED: the driver itself acts on this class of event. PAYLOAD: a log
 * page, or what a provider gave, belongs to the event. LOST: how many records
 * this reader missed right before this one, 4095 meaning that many or more.
 */
#define NVME_EVENT_DW3_STATUS_SHIFT	17
#define NVME_EVENT_DW3_HANDLED		(1U << 16)
#define NVME_EVENT_DW3_PAYLOAD		(1U << 15)
#define NVME_EVENT_DW3_SOURCE_SHIFT	12
#define NVME_EVENT_DW3_SOURCE_MASK	(0x7U << NVME_EVENT_DW3_SOURCE_SHIFT)
#define NVME_EVENT_DW3_LOST_MASK	0xfffU

#define NVME_EVENT_STATUS(dw3)		((dw3) >> NVME_EVENT_DW3_STATUS_SHIFT)
#define NVME_EVENT_SOURCE(dw3)	\
	(((dw3) & NVME_EVENT_DW3_SOURCE_MASK) >> NVME_EVENT_DW3_SOURCE_SHIFT)
#define NVME_EVENT_LOST(dw3)		((dw3) & NVME_EVENT_DW3_LOST_MASK)

/**
 * enum nvme_event_source - who speaks in a record
 * @NVME_EVENT_SOURCE_CONTROLLER: the controller completed an Asynchronous
 *	Event Request
 * @NVME_EVENT_SOURCE_LIFECYCLE: the driver, about the controller or itself
 * @NVME_EVENT_SOURCE_COMMAND_EFFECT: the driver, about a command that changed
 *	something which all must know
 * @NVME_EVENT_SOURCE_PROVIDER: another kernel module, registered as an event
 *	provider
 */
enum nvme_event_source {
	NVME_EVENT_SOURCE_CONTROLLER		= 0,
	NVME_EVENT_SOURCE_LIFECYCLE		= 1,
	NVME_EVENT_SOURCE_COMMAND_EFFECT	= 2,
	NVME_EVENT_SOURCE_PROVIDER		= 3,
};

/**
 * enum nvme_event_lifecycle - what the driver reports of a controller
 * @NVME_EVENT_RESET_STARTED: a controller reset began
 * @NVME_EVENT_RESET_SUCCEEDED: the controller works again, events are armed
 * @NVME_EVENT_RESET_FAILED: the controller did not come back
 * @NVME_EVENT_COMMAND_TIMED_OUT: the controller did not answer a command in
 *	time; dw1: opcode in bits 7:0, queue identifier in bits 31:16
 * @NVME_EVENT_AER_STOPPED: no Asynchronous Event Request is outstanding any
 *	more, events are no longer reported; dw1: the last completion status
 * @NVME_EVENT_AER_RESUMED: Asynchronous Event Requests are outstanding again
 * @NVME_EVENT_CLASS_MASKED: an event class fired too often and was switched
 *	off for a while; dw1: type in bits 2:0, log page in bits 23:16
 * @NVME_EVENT_CLASS_UNMASKED: that class is enabled again; dw1: as above
 * @NVME_EVENT_FATAL_STATUS: the controller reports a fatal error (CSTS.CFS) or
 *	does not answer any more; dw1: the CSTS register, all ones for the latter
 * @NVME_EVENT_SUSPENDED: the system goes to sleep
 * @NVME_EVENT_RESUMED: the system woke up
 * @NVME_EVENT_REMOVED: the driver let go of the controller; the last record
 */
enum nvme_event_lifecycle {
	NVME_EVENT_RESET_STARTED	= 0x01,
	NVME_EVENT_RESET_SUCCEEDED	= 0x02,
	NVME_EVENT_RESET_FAILED		= 0x03,
	NVME_EVENT_COMMAND_TIMED_OUT	= 0x04,
	NVME_EVENT_AER_STOPPED		= 0x05,
	NVME_EVENT_AER_RESUMED		= 0x06,
	NVME_EVENT_CLASS_MASKED		= 0x07,
	NVME_EVENT_CLASS_UNMASKED	= 0x08,
	NVME_EVENT_FATAL_STATUS		= 0x09,
	NVME_EVENT_SUSPENDED		= 0x0a,
	NVME_EVENT_RESUMED		= 0x0b,
	NVME_EVENT_REMOVED		= 0x0c,
};

/**
 * enum nvme_event_effect - what a command changed that all must know
 * @NVME_EVENT_FORMATTED: Format NVM: the data of the namespace is gone, and its
 *	format may be another one
 * @NVME_EVENT_NAMESPACE_CREATED: Namespace Management; dw1: the new namespace
 * @NVME_EVENT_NAMESPACE_DELETED: Namespace Management
 * @NVME_EVENT_NAMESPACE_ATTACHED: Namespace Attachment, to controllers the
 *	command named
 * @NVME_EVENT_NAMESPACE_DETACHED: Namespace Attachment, likewise
 * @NVME_EVENT_FIRMWARE_COMMITTED: Firmware Commit. The status in dw3 may say
 *	that a reset is needed before the firmware runs.
 * @NVME_EVENT_SANITIZED: Sanitize was accepted: the operation started, or the
 *	controller left its failure mode. How it goes on, the controller reports.
 *
 * The command came from a user, through any node of the controller, and has
 * completed.
 */
enum nvme_event_effect {
	NVME_EVENT_FORMATTED		= 0x01,
	NVME_EVENT_NAMESPACE_CREATED	= 0x02,
	NVME_EVENT_NAMESPACE_DELETED	= 0x03,
	NVME_EVENT_NAMESPACE_ATTACHED	= 0x04,
	NVME_EVENT_NAMESPACE_DETACHED	= 0x05,
	NVME_EVENT_FIRMWARE_COMMITTED	= 0x06,
	NVME_EVENT_SANITIZED		= 0x07,
};

#endif /* _UAPI_LINUX_NVME_EVENT_H */
