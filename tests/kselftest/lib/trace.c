// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "qmp.h"
#include "trace.h"
#include "util.h"

/* Where `scripts/vm --trace` has it. */
#define TRACE_LOG "/share/trace.log"

int trace_enable(const char *event)
{
	return qmp("trace-event-set-state", "'name': '%s', 'enable': true", event);
}

int trace_start(struct trace *trace)
{
	FILE *log = fopen(TRACE_LOG, "re");
	int error = 0;

	if (!log) {
		complain("no " TRACE_LOG ": scripts/vm needs --trace");
		return -errno;
	}
	if (fseek(log, 0, SEEK_END))
		error = -errno;
	trace->from = ftell(log);
	fclose(log);
	return error;
}

/* Counts matching lines; with @first, gives the number of the first one instead. */
static int search(const struct trace *trace, const char *pattern, bool first)
{
	int matches = 0, number = 0;
	FILE *log = fopen(TRACE_LOG, "re");
	char line[256];

	if (!log || fseek(log, trace->from, SEEK_SET)) {
		if (log)
			fclose(log);
		return -EIO;
	}
	for (; fgets(line, sizeof(line), log); number++) {
		line[strcspn(line, "\n")] = '\0';
		if (fnmatch(pattern, line, 0))
			continue;
		if (first)
			break;
		matches++;
	}
	if (first)
		matches = feof(log) ? -ENOENT : number;
	fclose(log);
	return matches;
}

int trace_count(const struct trace *trace, const char *pattern)
{
	return search(trace, pattern, false);
}

int trace_first(const struct trace *trace, const char *pattern)
{
	return search(trace, pattern, true);
}

int trace_numbers(const struct trace *trace, const char *pattern, const char *format,
		  unsigned int *numbers, int max)
{
	FILE *log = fopen(TRACE_LOG, "re");
	char line[256];
	int count = 0;

	if (!log || fseek(log, trace->from, SEEK_SET)) {
		if (log)
			fclose(log);
		return -EIO;
	}
	while (count < max && fgets(line, sizeof(line), log)) {
		line[strcspn(line, "\n")] = '\0';
		if (fnmatch(pattern, line, 0) == 0 && sscanf(line, format, &numbers[count]) == 1)
			count++;
	}
	fclose(log);
	return count;
}
