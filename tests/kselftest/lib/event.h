/* SPDX-License-Identifier: GPL-2.0-only */
/* Making controllers report events, and reading the records of them. */
#ifndef EVENT_H
#define EVENT_H

#include <linux/nvme_event.h>

#include "controller.h"

/* Bits of the critical warning in the SMART log page. */
#define WARNING_SPARE		0x01
#define WARNING_TEMPERATURE	0x02
#define WARNING_RELIABILITY	0x04
#define WARNING_READ_ONLY	0x08
#define WARNING_BACKUP_FAILED	0x10

/* Dword 0 of the events: log page, information, type. */
#define EVENT_RELIABILITY	0x00020001
#define EVENT_TEMPERATURE	0x00020101
#define EVENT_SPARE		0x00020201
#define EVENT_NAMESPACE		0x00040002
#define EVENT_REMOVED		0x00000c00

/* Dword 3 of what the driver itself says, and nothing was lost before it. */
#define DW3_LIFECYCLE	(NVME_EVENT_SOURCE_LIFECYCLE << NVME_EVENT_DW3_SOURCE_SHIFT)

/* Sets the critical warning without waiting for anything. */
int event_warn(const struct controller *controller, unsigned int warning);

/* Clears it, so that the next one is new to the controller. */
int event_clear(const struct controller *controller);

/*
 * Has the controller report a SMART event, and waits until the driver has its
 * record and has read its log page: the next one can be raised.
 */
int event_raise(const struct controller *controller, unsigned int warning);

/* Raises @count reliability events. */
int event_raise_many(const struct controller *controller, unsigned int count);

/*
 * Takes namespace 1 or 2 from the machine's only controller, or gives it back.
 * The controller reports either; waits until the driver has read the log page
 * of that.
 */
int namespace_remove(const struct controller *controller, unsigned int nsid);
int namespace_add(const struct controller *controller, unsigned int nsid);

/* Gives back whatever a test has taken, without waiting for anything. */
int namespaces_restore(void);

/* Waits for a record and reads it; ETIMEDOUT if none comes. */
int event_read(int fd, struct nvme_event *event);

/* NVME_EVENT_IOCTL_MODE: how a file reads, with file @other if it shares; negative: errno. */
int event_mode(int fd, unsigned int reading, int other);

/* Who reads alone, as the file sees it: NVME_EVENT_CLAIM_*; negative: errno. */
int event_claim(int fd);

/* Reads a record if there is one already; the length; negative: errno. */
int event_read_now(int fd, struct nvme_event *event);

/* What poll() says of readers now. */
int event_poll_now(int fd);

/* Waits for a record and reads it; whether it has this dword 0. */
bool event_is(int fd, unsigned int dw0);

/* How many bytes are kept of an event's log page, NVME_EVENT_FETCH_* in @flags; negative: errno. */
long event_fetch(int fd, unsigned long long number, unsigned int flags);

/*
 * Waits for a record and reads it; whether the driver itself says so, with this
 * code, and nothing was lost before it.
 */
bool event_says(int fd, unsigned int code);

/* Whether there is nothing to read, now and for a while. */
bool event_quiet(int fd);

#endif /* EVENT_H */
