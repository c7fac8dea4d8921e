/* SPDX-License-Identifier: GPL-2.0-only */
/* The controller of tests/liar, on the machine called liar. */
#ifndef LIAR_H
#define LIAR_H

#include "log.h"
#include "passthru.h"

/* What it can lie about; tests/liar/src/lie.rs says what each of them means. */
enum lie {
	LIE_VANISHED = 1,
	LIE_NEVER_READY,
	LIE_NEVER_STOPS,
	LIE_FATAL_AT_START,
	LIE_FATAL_IN_COMMAND,
	LIE_NEVER_SHUT_DOWN,
	LIE_ACTIVATES,
	LIE_QUEUE_ENTRIES,
	LIE_DOORBELL_STRIDE,
	LIE_PAGE_SIZE,
	LIE_TRANSFER_SIZE,
	LIE_ADMINISTRATIVE,
	LIE_COMMAND_SET,
	LIE_SGLS,
	LIE_UNKNOWN_COMMAND,
	LIE_TWICE,
	LIE_QUEUE_ID,
	LIE_QUEUE_HEAD,
	LIE_PHASE,
	LIE_HANGS,
	LIE_DEAF,
	LIE_ABORTS_NOTHING,
	LIE_NO_INTERRUPTS,
	LIE_IDLE_INTERRUPTS,
	LIE_EVENT_AGAIN,
	LIE_EVENT_STATUS,
	LIE_CREATE_FAILS,
	LIE_GRANTS_FEWER,
	LIE_GRANTS_TOO_MANY,
	LIE_IDENTIFY_ZEROS,
	LIE_IDENTIFY_ONES,
	LIE_ENDLESS_LIST,
	LIE_DESCENDING_LIST,
	LIE_TELEMETRY_BLOCKS,
	LIE_LOG_FAILS,
	LIE_STATUS,
	LIE_LOG_WAITS,
	LIE_FORMAT_WAITS,
	LIE_HANGS_AT,
	LIE_UNREADY_ONCE,
	LIE_ABORTS_HANG,
	LIE_READY_TIMEOUT,
	LIE_ACTIVATION_TIME,
	LIE_EARLY_EVENT,
};

/* In an argument: of the next command of the admin queue, not of an I/O queue. */
#define OF_ADMIN_QUEUE (1U << 31)

/* In the argument of LIE_ACTIVATES: the event names no log page. */
#define NO_LOG_PAGE (1U << 31)

/* What it can be asked. */
enum question {
	QUESTION_EVENT_REQUESTS = 1,	/* which it holds */
	QUESTION_IO_QUEUES = 2,
	QUESTION_MISUSES = 3,		/* doorbells that are not there */
	QUESTION_HANGING = 4,
	QUESTION_RESETS = 5,
	QUESTION_IDLE_INTERRUPTS = 6,	/* still to come */
	QUESTION_MEMORY_FAULTS = 7,	/* memory that is not there, or out of reach */
	QUESTION_WAITING = 8,		/* admin commands to be answered later */
	QUESTION_ADMIN_COMMANDS = 0x100,	/* plus the opcode */
	QUESTION_IO_COMMANDS = 0x200,
};

struct liar {
	struct controller controller;
	struct log log;		/* the kernel's, of this test */
	int node;		/* open for reading only; -1: not bound */
};

/* Finds the controller, which then is bound to nobody and tells the truth. */
int liar_begin(struct liar *liar);

/* The same at the end of a test; EPROTO if the driver has made a mistake. */
int liar_end(struct liar *liar);

/* Tells a lie, the truth again, an event. */
int lie(const struct liar *liar, enum lie which, unsigned int argument);
int truth(const struct liar *liar);
int liar_report(const struct liar *liar, unsigned int dw0);

/* How many times it has told something that is told once. */
unsigned int liar_told(const struct liar *liar);
unsigned int liar_answer(const struct liar *liar, unsigned int question);

/* How often Get Log Page was sent. */
unsigned int liar_log_pages_read(const struct liar *liar);

/* The number after "@name: " in what debugfs says of its events; all ones: none. */
unsigned long long liar_value(const struct liar *liar, const char *name);

/* Longer than letting go of it takes, though it asks for far more time. */
#define LIAR_LET_GO_MS (30000 * patience())

/* Binds the controller and opens its node, or closes and unbinds it. */
int liar_bind(struct liar *liar);
int liar_unbind(struct liar *liar);

/* What sysfs calls the state it is in. */
bool liar_is(const struct liar *liar, const char *state);

/* NVME_IOCTL_RESET; its errno. */
int liar_reset(const struct liar *liar);

/* Whether blocks can be written and read back, whether events are reported. */
int liar_serves(const struct liar *liar);
int liar_informs(const struct liar *liar);

/* Whether the stream has such a lifecycle record, from its beginning on. */
bool liar_stream_has(const struct liar *liar, unsigned int lifecycle);

#endif /* LIAR_H */
