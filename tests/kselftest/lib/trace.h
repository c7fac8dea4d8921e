/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the controllers saw: QEMU's trace events of its NVMe devices. They do
 * not tell which controller, so a test with several has to let them speak one
 * after the other.
 */
#ifndef TRACE_H
#define TRACE_H

/* A position in the trace. */
struct trace {
	long from;
};

/* Has QEMU trace @event from now on, too. */
int trace_enable(const char *event);

/* Starts to look at what comes from now on. */
int trace_start(struct trace *trace);

/*
 * How many lines since then match @pattern, a shell pattern for the whole line;
 * negative: errno.
 */
int trace_count(const struct trace *trace, const char *pattern);

/* The number of the first line that matches, from 0 on; ENOENT if there is none. */
int trace_first(const struct trace *trace, const char *pattern);

/*
 * Takes a number out of each line that matches, as sscanf() does by @format;
 * how many there are, @max at most.
 */
int trace_numbers(const struct trace *trace, const char *pattern, const char *format,
		  unsigned int *numbers, int max);

#endif /* TRACE_H */
