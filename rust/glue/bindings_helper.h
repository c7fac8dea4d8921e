/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bindgen reads for bindings_generated.rs, see bindgen_parameters.
 *
 * A constant whose macro has a cast is invisible to bindgen; it is repeated
 * here as NVME_RS_CONST_x and comes out as x.
 */
#include <linux/fs.h>
#include <linux/io_uring/cmd.h>
#include <linux/irq_work.h>
#include <linux/poll.h>
#include <linux/workqueue.h>

#include <linux/nvme_buffer.h>
#include <linux/nvme_call.h>
#include <linux/nvme_event.h>
#include <linux/nvme_ioctl.h>
#include <linux/nvme_uring.h>

#include "helpers.h"
#include "multishot.h"
#include "provider.h"

static const fmode_t NVME_RS_CONST_FMODE_NOWAIT = FMODE_NOWAIT;
static const fmode_t NVME_RS_CONST_FMODE_READ = FMODE_READ;
static const fmode_t NVME_RS_CONST_FMODE_STREAM = FMODE_STREAM;
static const fmode_t NVME_RS_CONST_FMODE_WRITE = FMODE_WRITE;
static const int NVME_RS_CONST_IOCB_NOWAIT = IOCB_NOWAIT;
static const __poll_t NVME_RS_CONST_POLL_READABLE = EPOLLIN | EPOLLRDNORM;
static const __poll_t NVME_RS_CONST_POLL_GONE = EPOLLHUP | EPOLLERR;
static const __poll_t NVME_RS_CONST_POLL_REFUSED = EPOLLERR;
static const u32 NVME_RS_CONST_EVENT_IOCTL_INFO = NVME_EVENT_IOCTL_INFO;
static const u32 NVME_RS_CONST_EVENT_IOCTL_RESUME = NVME_EVENT_IOCTL_RESUME;
static const u32 NVME_RS_CONST_EVENT_IOCTL_MODE = NVME_EVENT_IOCTL_MODE;
static const u32 NVME_RS_CONST_EVENT_IOCTL_FILTER = NVME_EVENT_IOCTL_FILTER;
static const u32 NVME_RS_CONST_EVENT_IOCTL_FETCH = NVME_EVENT_IOCTL_FETCH;
static const u32 NVME_RS_CONST_EVENT_IOCTL_ACK = NVME_EVENT_IOCTL_ACK;
static const u32 NVME_RS_CONST_EVENT_IOCTL_SMART = NVME_EVENT_IOCTL_SMART;
static const u32 NVME_RS_CONST_URING_CMD_IO = NVME_URING_CMD_IO;
static const u32 NVME_RS_CONST_URING_CMD_IO_VEC = NVME_URING_CMD_IO_VEC;
static const u32 NVME_RS_CONST_URING_CMD_ADMIN = NVME_URING_CMD_ADMIN;
static const u32 NVME_RS_CONST_URING_CMD_ADMIN_VEC = NVME_URING_CMD_ADMIN_VEC;
static const u32 NVME_RS_CONST_URING_CMD_REGISTER_BUFFER = NVME_URING_CMD_REGISTER_BUFFER;
static const u32 NVME_RS_CONST_URING_CMD_EVENTS = NVME_URING_CMD_EVENTS;
static const u32 NVME_RS_CONST_URING_CMD_IO_INLINE = NVME_URING_CMD_IO_INLINE;
static const u32 NVME_RS_CONST_URING_CMD_ADMIN_INLINE = NVME_URING_CMD_ADMIN_INLINE;
static const u32 NVME_RS_CONST_URING_CMD_IO_INDIRECT = NVME_URING_CMD_IO_INDIRECT;
static const u32 NVME_RS_CONST_URING_CMD_IO_VEC_INDIRECT = NVME_URING_CMD_IO_VEC_INDIRECT;
static const u32 NVME_RS_CONST_URING_CMD_ADMIN_INDIRECT = NVME_URING_CMD_ADMIN_INDIRECT;
static const u32 NVME_RS_CONST_URING_CMD_ADMIN_VEC_INDIRECT = NVME_URING_CMD_ADMIN_VEC_INDIRECT;
static const u32 NVME_RS_CONST_URING_LINK_ERR = NVME_URING_LINK_ERR;
static const size_t NVME_RS_CONST_SQE_ADDR = offsetof(struct io_uring_sqe, addr);
static const size_t NVME_RS_CONST_SQE_LEN = offsetof(struct io_uring_sqe, len);
static const size_t NVME_RS_CONST_SQE_FILE_INDEX = offsetof(struct io_uring_sqe, file_index);
static const size_t NVME_RS_CONST_SQE_CMD = offsetof(struct io_uring_sqe, cmd);
static const u32 NVME_RS_CONST_IORING_URING_CMD_CANCELABLE = IORING_URING_CMD_CANCELABLE;
static const u32 NVME_RS_CONST_IORING_URING_CMD_MULTISHOT = IORING_URING_CMD_MULTISHOT;
static const u32 NVME_RS_CONST_IORING_URING_CMD_FIXED = IORING_URING_CMD_FIXED;
static const u32 NVME_RS_CONST_IOCTL_ID = NVME_IOCTL_ID;
static const u32 NVME_RS_CONST_IOCTL_ADMIN_CMD = NVME_IOCTL_ADMIN_CMD;
static const u32 NVME_RS_CONST_IOCTL_SUBMIT_IO = NVME_IOCTL_SUBMIT_IO;
static const u32 NVME_RS_CONST_IOCTL_IO_CMD = NVME_IOCTL_IO_CMD;
static const u32 NVME_RS_CONST_IOCTL_RESET = NVME_IOCTL_RESET;
static const u32 NVME_RS_CONST_IOCTL_SUBSYS_RESET = NVME_IOCTL_SUBSYS_RESET;
static const u32 NVME_RS_CONST_IOCTL_RESCAN = NVME_IOCTL_RESCAN;
static const u32 NVME_RS_CONST_IOCTL_ADMIN64_CMD = NVME_IOCTL_ADMIN64_CMD;
static const u32 NVME_RS_CONST_IOCTL_IO64_CMD = NVME_IOCTL_IO64_CMD;
static const u32 NVME_RS_CONST_CALL_TRUNCATE = NVME_CALL_TRUNCATE;
static const u32 NVME_RS_CONST_IOCTL_CALL_ABORT = NVME_IOCTL_CALL_ABORT;
static const u32 NVME_RS_CONST_URING_CMD_CALL = NVME_URING_CMD_CALL;
static const u32 NVME_RS_CONST_URING_CMD_CALL_ABORT = NVME_URING_CMD_CALL_ABORT;
static const u32 NVME_RS_CONST_IOCTL_CALL = NVME_IOCTL_CALL;
static const u32 NVME_RS_CONST_IOCTL_IO64_CMD_VEC = NVME_IOCTL_IO64_CMD_VEC;
