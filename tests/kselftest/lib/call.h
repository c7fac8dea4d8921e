/* SPDX-License-Identifier: GPL-2.0-only */
/* System calls which block, made in threads, so that the test can watch them. */
#ifndef CALL_H
#define CALL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct call {
	long (*function)(void *argument);
	void *argument;
	pthread_t thread;
	atomic_int tid;
	atomic_bool returned;
	long result;	/* what the function returned, ... */
	int error;	/* ... and errno thereafter */
};

/* Calls @function in a thread. */
int call_start(struct call *call, long (*function)(void *argument), void *argument);

/* Waits until the thread sleeps in the system call @number. */
bool call_blocks_in(struct call *call, long number);

/* Sends a signal to the thread. */
int call_signal(struct call *call, int number);

/* Waits until the function has returned and the thread is gone. */
int call_finish(struct call *call);

/* read(), as such a function. */
struct read_call {
	int fd;
	void *buffer;
	size_t size;
};
long call_read(void *argument);

#endif /* CALL_H */
