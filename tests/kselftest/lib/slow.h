/* SPDX-License-Identifier: GPL-2.0-only */
/* The namespace whose disk can be slowed down, on the machine called throttled. */
#ifndef SLOW_H
#define SLOW_H

#include "passthru.h"

#define SLOW_NSID 2

/*
 * Has the disk do @operations, or @bytes of them, a second; 0: as many as it
 * can. The first operation is done at once, and the next one has to wait for
 * that. Those which wait already go on at once if there is no limit any more;
 * else they learn of a change when the first of them is due.
 */
int slow_down(unsigned int operations, unsigned int bytes);

/*
 * Has the disk do nothing at all, until slow_down(0, 0) or a reset of the
 * controller: QEMU has the disk do all there is then. Reads a block for that.
 */
int slow_stop(const struct passthru *nodes);

/* passthru(), as a function for call_start(); its argument is a struct slow_call. */
struct slow_call {
	int fd;
	unsigned long request;
	struct nvme_passthru_cmd64 command;
};
long slow_passthru(void *argument);

#endif /* SLOW_H */
