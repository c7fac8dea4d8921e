// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include "call.h"
#include "util.h"

static void *call_thread(void *argument)
{
	struct call *call = argument;

	call->tid = syscall(SYS_gettid);
	call->result = call->function(call->argument);
	call->error = errno;
	call->returned = true;
	return NULL;
}

int call_start(struct call *call, long (*function)(void *argument), void *argument)
{
	call->function = function;
	call->argument = argument;
	call->tid = 0;
	call->returned = false;
	return -pthread_create(&call->thread, NULL, call_thread, call);
}

/* /proc says "running", or the number of the system call and its arguments. */
static bool sleeps_in(struct call *call, long number)
{
	char path[64], state[256];
	char *end;

	if (!call->tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", call->tid);
	if (read_file(path, state, sizeof(state)))
		return false;
	return strtol(state, &end, 10) == number && end != state;
}

bool call_blocks_in(struct call *call, long number)
{
	return wait_until(sleeps_in(call, number) || call->returned) && !call->returned;
}

int call_signal(struct call *call, int number)
{
	return -pthread_kill(call->thread, number);
}

int call_finish(struct call *call)
{
	struct timespec limit;
	int error;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += LIMIT_MS / 1000;
	error = pthread_timedjoin_np(call->thread, NULL, &limit);
	if (error)
		complain("a call has not returned in %d ms", LIMIT_MS);
	return -error;
}

long call_read(void *argument)
{
	struct read_call *parameters = argument;

	return read(parameters->fd, parameters->buffer, parameters->size);
}
