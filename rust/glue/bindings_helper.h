/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bindgen reads for bindings_generated.rs, see bindgen_parameters.
 *
 * A constant whose macro has a cast is invisible to bindgen; it is repeated
 * here as NVME_RS_CONST_x and comes out as x.
 */
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/poll.h>
#include <linux/workqueue.h>

#include <linux/nvme_event.h>
#include <linux/nvme_ioctl.h>

#include "helpers.h"

static const fmode_t NVME_RS_CONST_FMODE_NOWAIT = FMODE_NOWAIT;
static const fmode_t NVME_RS_CONST_FMODE_STREAM = FMODE_STREAM;
static const int NVME_RS_CONST_IOCB_NOWAIT = IOCB_NOWAIT;
static const __poll_t NVME_RS_CONST_POLL_READABLE = EPOLLIN | EPOLLRDNORM;
static const __poll_t NVME_RS_CONST_POLL_GONE = EPOLLHUP | EPOLLERR;
static const u32 NVME_RS_CONST_EVENT_IOCTL_INFO = NVME_EVENT_IOCTL_INFO;
static const u32 NVME_RS_CONST_EVENT_IOCTL_RESUME = NVME_EVENT_IOCTL_RESUME;
static const u32 NVME_RS_CONST_IOCTL_RESET = NVME_IOCTL_RESET;
