/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everybody who can use a controller at once, and their books: as many commands
 * in flight on each namespace by io_uring as by ioctl, two who ask the
 * controller questions, one by each, and readers of events.
 */
#ifndef BALANCE_H
#define BALANCE_H

#include "load.h"
#include "trace.h"

#define BALANCE_DEPTH 32
#define BALANCE_NAMESPACES 2
#define BALANCE_READERS 8

/* What one caller has of its commands. */
struct balance_count {
	unsigned long sent, good, statuses, ended, wrong;
};

struct balance_caller {
	struct balance *balance;
	int fd;
	unsigned int nsid;	/* 0: of the controller's, who ask */
	pthread_t thread;
	struct balance_count count, identify, log_page;
};

struct balance_reader {
	struct balance *balance;
	int fd;
	pthread_t thread;
	unsigned long first, last, read, lost, controller;
};

struct balance {
	struct passthru nodes[BALANCE_NAMESPACES];
	unsigned int namespaces;
	struct load loads[BALANCE_NAMESPACES];
	struct balance_caller callers[BALANCE_NAMESPACES * BALANCE_DEPTH + 2];
	unsigned int callers_count;
	struct balance_reader readers[BALANCE_READERS];
	struct trace trace;
	_Atomic unsigned long reads_by_ioctl;	/* that have succeeded */
	atomic_bool stop;
	bool gives_up;		/* the controller goes */
};

/* Opens what everybody needs of the first controller. */
int balance_open(struct balance *balance);
void balance_close(struct balance *balance);

/* Starts everybody; commands of rings are to take @timeout_ms, 0: the usual time. */
int balance_start(struct balance *balance, unsigned int timeout_ms);

/* Whether all rings get a good deal done from now on, and those who call as well. */
bool balance_goes_on(struct balance *balance);

/* Everybody comes to an end by himself. */
int balance_finish(struct balance *balance);

/* How many commands of any kind have ended as none should. */
unsigned long balance_wrong(const struct balance *balance);

/* What became of all reads of blocks. */
struct balance_count balance_reads(const struct balance *balance);

/* Writes the books down, of round @number, from 0 on, ... */
int balance_write(struct balance *balance, unsigned int number, bool disturbed);

/*
 * ... and has scripts/reconcile compare those of so many rounds with QEMU's
 * trace: its exit status. Once for all rounds: Python starts slowly here.
 */
int balance_reconcile(unsigned int rounds);

#endif /* BALANCE_H */
