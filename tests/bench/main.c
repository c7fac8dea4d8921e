// SPDX-License-Identifier: GPL-2.0-only
/*
 * The load program: reads from namespaces by io_uring, and counts the
 * instructions that takes.
 *
 *   bench-load write NODE...
 *       fills what the loads read with a pattern
 *   bench-load run [OPTION=VALUE]... TARGET...
 *       runs the load on each TARGET, in this order, and prints a line for each:
 *       run TARGET COMMANDS INSTRUCTIONS SLEEPS
 *       A TARGET is the node of a namespace, or nop: io_uring alone. After a
 *       node, :large stands for commands in large entries whatever the form is.
 *   bench-load event NODE REGISTERS records|uevents
 *       has the controller of NODE report events, by its REGISTERS, and prints
 *       delivery INSTRUCTIONS...
 *           each from a report to the return of the read() that waited for it
 *       posting LISTENERS IN-THE-INTERRUPT... - ALL-TOLD...
 *           with so many who could listen and do not
 *   bench-load clocks
 *       prints how much the clocks advance in 1,000,000 instructions
 *
 * All targets read into the same memory, so that none of them has better pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "events.h"
#include "load.h"

enum { NVME_WRITE = 0x01, WRITE_BYTES = 64 << 10, TARGETS_MOST = 256, EVENT_ROUNDS = 12 };

struct target {
	const char *name;
	struct load load;
	int fd;
};

static const char *const buffers_names[] = { "plain", "registered", "mapped", "vectored", NULL };
static const char *const memory_names[] = { "small", "huge", NULL };
static const char *const form_names[] = { "large", "inline", "indirect", NULL };
static const char *const wait_names[] = { "interrupt", "poll", NULL };
static const char *const listener_names[] = { "records", "uevents", NULL };
static const unsigned int listeners[] = { 1, 64, 4096 };

static __attribute__((noreturn)) void die(const char *what, int error)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static unsigned int name_index(const char *const *names, const char *name)
{
	for (unsigned int i = 0; names[i]; i++)
		if (!strcmp(names[i], name))
			return i;
	die(name, EINVAL);
}

static unsigned int number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (*end || end == text || value > 1U << 30)
		die(text, EINVAL);
	return value;
}

static void set_option(struct shape *shape, unsigned int *warm_up, const char *option)
{
	const char *value = strchr(option, '=') + 1;

	if (!strncmp(option, "bytes=", 6))
		shape->bytes = number(value);
	else if (!strncmp(option, "depth=", 6))
		shape->depth = number(value);
	else if (!strncmp(option, "batch=", 6))
		shape->batch = number(value);
	else if (!strncmp(option, "commands=", 9))
		shape->commands = number(value);
	else if (!strncmp(option, "buffers=", 8))
		shape->buffers = name_index(buffers_names, value);
	else if (!strncmp(option, "memory=", 7))
		shape->memory = name_index(memory_names, value);
	else if (!strncmp(option, "form=", 5))
		shape->form = name_index(form_names, value);
	else if (!strncmp(option, "wait=", 5))
		shape->poll = name_index(wait_names, value);
	else if (!strncmp(option, "warm-up=", 8))
		*warm_up = number(value);
	else
		die(option, EINVAL);
}

static bool shape_is_valid(const struct shape *shape)
{
	/* Pieces and polling are for commands in large entries. */
	if (shape->form != LARGE && (shape->buffers == VECTORED || shape->poll))
		return false;
	return shape->bytes >= BLOCK_BYTES && shape->bytes % BLOCK_BYTES == 0 &&
	       shape->bytes <= SPAN_BYTES && shape->batch && shape->depth &&
	       shape->depth <= 1024 && shape->depth % shape->batch == 0 &&
	       shape->commands >= shape->depth && shape->commands % shape->batch == 0;
}

static int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(path, errno);
	return fd;
}

static void write_span(const char *path)
{
	static unsigned char data[WRITE_BYTES];
	struct nvme_passthru_cmd64 command = {
		.opcode = NVME_WRITE, .addr = (uintptr_t)data, .data_len = sizeof(data),
		.cdw12 = WRITE_BYTES / BLOCK_BYTES - 1,
	};
	int fd = open_node(path), status;

	command.nsid = ioctl(fd, NVME_IOCTL_ID);
	for (unsigned int at = 0; at < SPAN_BYTES; at += WRITE_BYTES) {
		command.cdw10 = at / BLOCK_BYTES;
		pattern_fill(data, sizeof(data), command.cdw10);
		status = ioctl(fd, NVME_IOCTL_IO64_CMD, &command);
		if (status)
			die(path, status < 0 ? errno : EIO);
	}
	close(fd);
}

/* The target of that name, made ready and warm if it is new. */
static struct target *find_target(struct target *targets, const char *name,
				  const struct shape *shape, const struct arena *arena,
				  unsigned int warm_up)
{
	const char *large = strstr(name, ":large");
	struct target *target = targets;
	struct count ignored;
	char path[64];
	int error;

	for (; target->name; target++)
		if (!strcmp(target->name, name))
			return target;
	target->name = name;
	snprintf(path, sizeof(path), "%.*s", (int)(large ? large - name : (long)strlen(name)), name);
	target->fd = strcmp(name, "nop") ? open_node(path) : -1;
	error = load_create(&target->load, shape, arena, target->fd, large ? LARGE : shape->form);
	if (!error && warm_up)
		error = load_run(&target->load, warm_up, true, &ignored);
	if (error)
		die(name, error);
	return target;
}

static void run_all(char **arguments)
{
	struct shape shape = { .bytes = 512, .depth = 1, .batch = 1, .commands = 1000 };
	static struct target targets[TARGETS_MOST + 1];
	unsigned int warm_up = 256;
	struct arena arena;
	struct count count;
	int error;

	for (; *arguments && strchr(*arguments, '='); arguments++)
		set_option(&shape, &warm_up, *arguments);
	if (!shape_is_valid(&shape))
		die("such a load", EINVAL);
	error = arena_create(&arena, &shape);
	if (error)
		die("memory", error);
	for (unsigned int i = 0; arguments[i]; i++) {
		struct target *target;

		if (i == TARGETS_MOST)
			die("so many targets", EINVAL);
		target = find_target(targets, arguments[i], &shape, &arena, warm_up);
		error = load_run(&target->load, shape.commands, false, &count);
		if (error)
			die(target->name, error);
		printf("run %s %u %llu %lu\n", target->name, shape.commands,
		       (unsigned long long)count.instructions, count.sleeps);
	}
	for (struct target *target = targets; target->name; target++) {
		load_destroy(&target->load);
		close(target->fd);
	}
}

static void tell_events(const char *node, const char *registers, enum listener listener)
{
	struct event_cost costs[EVENT_ROUNDS];
	uint64_t delivery[EVENT_ROUNDS];
	struct source source;
	int error = source_open(&source, node, registers);

	if (!error)
		error = event_delivery(&source, listener, EVENT_ROUNDS, delivery);
	if (error)
		die(node, error);
	printf("delivery");
	for (int round = 0; round < EVENT_ROUNDS; round++)
		printf(" %llu", (unsigned long long)delivery[round]);
	printf("\n");
	for (unsigned int i = 0; i < sizeof(listeners) / sizeof(*listeners); i++) {
		error = event_posting(&source, listener, listeners[i], EVENT_ROUNDS, costs);
		if (error)
			die(node, error);
		printf("posting %u", listeners[i]);
		for (int round = 0; round < EVENT_ROUNDS; round++)
			printf(" %llu", (unsigned long long)costs[round].interrupt);
		printf(" -");
		for (int round = 0; round < EVENT_ROUNDS; round++)
			printf(" %llu", (unsigned long long)costs[round].all);
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "write")) {
		for (char **node = argv + 2; *node; node++)
			write_span(*node);
	} else if (argc > 2 && !strcmp(argv[1], "run")) {
		run_all(argv + 2);
	} else if (argc == 5 && !strcmp(argv[1], "event")) {
		tell_events(argv[2], argv[3], name_index(listener_names, argv[4]));
	} else if (argc == 2 && !strcmp(argv[1], "clocks")) {
		printf("clocks %llu %llu\n", (unsigned long long)clock_of_thread(),
		       (unsigned long long)clock_of_processor());
	} else {
		fprintf(stderr, "usage: bench-load write NODE... | run [OPTION=VALUE]... TARGET... |\n"
				"       event NODE REGISTERS records|uevents | clocks\n");
		return 2;
	}
	return 0;
}
