/* SPDX-License-Identifier: GPL-2.0-only */
/* What the calls are made with: mostly what makes sense, now and then what does not. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <linux/nvme_call.h>

#include "calls.h"

#define PAGE 4096
/* Tags are used again and again, so that some of them are in use. */
#define TAGS 8

/*
 * Memory to write to, to read only, and none at all; NULL if there is none.
 * Nothing else is given to the driver: it is the caller's.
 */
unsigned char *arena_new(void);

/* Somewhere there, or where nothing is. */
uint64_t any_pointer(struct caller *caller);

/* Mostly what a command may have. From a good pointer on, that much is the arena's, or nobody's. */
uint32_t any_length(struct random *random);

/* A command with most of its members as they should be. */
struct nvme_passthru_cmd64 any_command(struct caller *caller, bool admin);

/* Puts an envelope into the caller's memory; its payload follows it. */
struct nvme_call *any_envelope(struct caller *caller);

#endif /* ARGUMENTS_H */
