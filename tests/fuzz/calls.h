/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls to the driver, each one of its own making. */
#ifndef CALLS_H
#define CALLS_H

#include <stdio.h>

#include "lib/passthru.h"
#include "lib/ring.h"
#include "random.h"

#define FILES 6

/* Kinds of calls, by what is counted of them. */
enum kind {
	KIND_READ,
	KIND_SEEK,
	KIND_POLL,
	KIND_EVENT_IOCTL,
	KIND_COMMAND_IOCTL,
	KIND_ENVELOPE,
	KIND_OTHER_IOCTL,
	KIND_RING,
	KIND_FILE,
	KIND_RESET,
	KINDS,
};

extern const char *const kind_names[KINDS];

/* What others can see of a caller. */
struct progress {
	unsigned long calls;
	unsigned long good[KINDS], bad[KINDS];
	/* The last call, in words. */
	char last[160];
};

struct caller {
	struct random random;
	struct passthru nodes;
	struct progress *progress;
	unsigned char *arena;	/* memory of all kinds, see arena_new() */
	struct ring ring;
	unsigned int in_flight;
	int files[FILES];
	char ng_path[40];
	bool ring_is_open;
};

/* A caller of its own memory, files and ring; negative: errno. */
int caller_begin(struct caller *caller, uint64_t seed, struct progress *progress);

/* Makes one call. */
void caller_call(struct caller *caller);

/* Closes what is open, commands in flight or not. */
void caller_end(struct caller *caller);

/* The rest is for those who make calls. They say in words which, before they do. */
#define TELL(caller, ...) \
	snprintf((caller)->progress->last, sizeof((caller)->progress->last), __VA_ARGS__)

/* One of the caller's files. */
int any_file(struct caller *caller);

/* A command of the caller's ring, which is made when there is none; negative if one has failed. */
long call_ring(struct caller *caller);

#endif /* CALLS_H */
