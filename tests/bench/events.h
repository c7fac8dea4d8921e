/* SPDX-License-Identifier: GPL-2.0-only */
/* What one event costs, from the controller to those who want to know of it. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdint.h>

enum listener {
	RECORDS,	/* a file of the event stream */
	UEVENTS,	/* a socket for uevents, as udev has it */
};

/* A controller that can be made to report an event. */
struct source {
	const char *node;		/* its character device */
	int fd;
	volatile uint32_t *doorbell;	/* of a queue which does not exist */
};

int source_open(struct source *source, const char *node, const char *registers);

/*
 * Instructions from the controller's report until a program that waits for it has
 * it, @rounds times.
 */
int event_delivery(struct source *source, enum listener listener, unsigned int rounds,
		   uint64_t *instructions);

/* What one event costs while nobody waits, but many could. */
struct event_cost {
	uint64_t interrupt;	/* until the interrupted program goes on */
	uint64_t all;		/* with what the driver does thereafter: log page, uevent, next request */
};

int event_posting(struct source *source, enum listener listener, unsigned int idle,
		  unsigned int rounds, struct event_cost *costs);

#endif /* EVENTS_H */
