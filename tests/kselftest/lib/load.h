/* SPDX-License-Identifier: GPL-2.0-only */
/* A thread that keeps a number of reads in flight on a ring, and looks at what each of them comes to. */
#ifndef LOAD_H
#define LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "ring.h"

#define LOAD_MOST 128

/* Traces what the counts are compared with: what came in, what was completed with success. */
#define LOAD_COMMAND "pci_nvme_io_cmd *"
#define LOAD_SUCCESS "pci_nvme_enqueue_req_completion cid * cqid [!0]* status 0x0"

struct load {
	/* To be given. */
	const struct passthru *nodes;
	unsigned int ring_flags;
	unsigned int depth;		/* at most LOAD_MOST */
	unsigned int timeout_ms;	/* of each command; 0: the usual time */
	unsigned long limit;		/* of commands; 0: until told to stop */
	int cpu;			/* -1: any */
	bool gives_up;			/* after a command that was not sent ... */
	bool pauses;			/* ... or sleeps a moment */
	int fd;				/* the namespace's; the thread may close it */

	pthread_t thread;
	atomic_bool stop;
	/* What came of it. */
	_Atomic unsigned long sent, ended, good;
	_Atomic unsigned long statuses;	/* of the controller, but for 0 */
	_Atomic unsigned long host_path;	/* status 0x370: the driver in its place */
	_Atomic unsigned long interrupted, gone;	/* EINTR, ENODEV */
	_Atomic unsigned long wrong;	/* anything else, wrong data, tags nobody waits for */
	int first_wrong;
};

/* Writes what is read. */
int load_prepare(const struct passthru *nodes);

int load_start(struct load *load);

/* Has it send no more, and waits for the end of all commands. */
int load_finish(struct load *load);

/* In words, on stderr. */
void load_tell(const struct load *load);

/* Waits until twice as many commands as it has in flight have succeeded; tells of it if not. */
bool load_goes_on(struct load *load);

#endif /* LOAD_H */
