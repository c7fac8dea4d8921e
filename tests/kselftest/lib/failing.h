/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that is not to be had, and user memory that cannot be copied: the nth
 * time that a system call of this thread needs some, on the module's behalf, it
 * fails. For the debug kernel, which has failures on demand.
 */
#ifndef FAILING_H
#define FAILING_H

#include "passthru.h"

#define FAILING_NSID 1
#define FAILING_PIECES 16
#define FAILING_BYTES (FAILING_PIECES * 4096)

struct failing {
	struct passthru nodes;
	unsigned char *pages;	/* FAILING_BYTES */
	int fail_nth;
	/* For a call of which only a part shall fail: it does what failing_try_each() does else. */
	bool arms_itself;
	unsigned int nth;
	bool failed;
};

/* Binds the first controller anew, has it raise an event, number 1, and opens its nodes. */
int failing_begin(struct failing *failing);
int failing_end(struct failing *failing);

/* The @nth time, something fails. */
int failing_arm(struct failing *failing, unsigned int nth);

/* Nothing fails from now on. Leaves in @failed whether something did. */
void failing_disarm(struct failing *failing);

/* A call; 0 or a status, or a negative errno. */
typedef int failing_call(struct failing *failing);

/* Whether a call may have this result if something failed in it. */
bool failing_excuses(int result);

/* The controller has not suffered: 0. */
int failing_works(struct failing *failing);

/*
 * Has each point of failure in a call fail once, until the call gets through.
 * How many there are; negative if one of them does harm.
 */
int failing_try_each(struct failing *failing, failing_call *call);

/* How many points of failure a call has that gets through. */
unsigned int failing_count(struct failing *failing, failing_call *call);

#endif /* FAILING_H */
