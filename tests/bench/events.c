// SPDX-License-Identifier: GPL-2.0-only
/*
 * A write to the doorbell of a queue which does not exist has a controller report
 * an error event. tests/bench/plugin.c sees to it that the interrupt comes with
 * the next instruction.
 */
#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/nvme_event.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum {
	GET_LOG_PAGE = 0x02,
	ERROR_LOG = 0x01,
	ERROR_LOG_BYTES = 64,
	NO_DOORBELL = 0x1000 + 8 * 100,
	REGISTERS_BYTES = 0x4000,
	ERROR_EVENT = 0x010000,		/* write to an invalid doorbell register */
	MESSAGE_BYTES = 8192,
	/* Until all is done for the last event; also keeps us below the rate of a storm. */
	REST_US = 150000,
	/*
	 * The least of all threads goes on for so many instructions before it is
	 * sure that all others are done: more than a slice of time, which even it
	 * is given when others have much to do.
	 */
	SPIN = 8000000,
	PATIENCE_S = 10,
};

#define UEVENT_VARIABLE "NVME_AEN=0x010000"

/* A waiting program, and what it saw. */
struct waiter {
	const struct source *source;
	enum listener listener;
	int fd;
	atomic_uint seen;
	_Atomic uint64_t end;
	atomic_int error;
};

int source_open(struct source *source, const char *node, const char *registers)
{
	int fd = open(registers, O_RDWR | O_CLOEXEC);
	unsigned char *memory;

	*source = (struct source){ .node = node, .fd = open(node, O_RDWR | O_CLOEXEC) };
	if (fd < 0 || source->fd < 0)
		return -errno;
	memory = mmap(NULL, REGISTERS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	close(fd);
	source->doorbell = (volatile uint32_t *)(memory + NO_DOORBELL);
	return 0;
}

static int listen_to(const struct source *source, enum listener listener)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd;

	if (listener == RECORDS) {
		fd = open(source->node, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (fd < 0 || bind(fd, (struct sockaddr *)&group, sizeof(group)))
		return -errno;
	return fd;
}

/* Whether a uevent, strings one after the other, tells of our event of this controller. */
static bool uevent_is_ours(const char *message, size_t length, const char *node)
{
	const char *end = message + length, *name = strrchr(node, '/') + 1;
	bool event = false, device = false;

	for (; message < end; message += strlen(message) + 1) {
		event |= !strcmp(message, UEVENT_VARIABLE);
		device |= !strncmp(message, "DEVNAME=", 8) && !strcmp(message + 8, name);
	}
	return event && device;
}

/* Waits for the next message; 1 if it is the event, 0 if it is something else. */
static int hear(const struct waiter *waiter, uint64_t *end)
{
	char message[MESSAGE_BYTES];
	struct nvme_event record;
	ssize_t length;

	if (waiter->listener == RECORDS) {
		length = read(waiter->fd, &record, sizeof(record));
		*end = all_instructions();
		if (length != sizeof(record))
			return length < 0 ? -errno : -EIO;
		return record.dw0 == ERROR_EVENT && !NVME_EVENT_LOST(record.dw3) ? 1 : -EBADMSG;
	}
	length = recv(waiter->fd, message, sizeof(message) - 1, 0);
	*end = all_instructions();
	if (length <= 0)
		return length ? -errno : -EIO;
	message[length] = '\0';
	return uevent_is_ours(message, length, waiter->source->node);
}

static void *wait_for_events(void *argument)
{
	struct waiter *waiter = argument;
	uint64_t end;
	int result;

	while ((result = hear(waiter, &end)) >= 0)
		if (result) {
			atomic_store(&waiter->end, end);
			atomic_fetch_add(&waiter->seen, 1);
		}
	atomic_store(&waiter->error, result);
	return NULL;
}

static int schedule_as(pthread_t thread, int policy)
{
	struct sched_param parameters = {
		.sched_priority = policy == SCHED_FIFO ? 1 : 0,
	};

	return -pthread_setschedparam(thread, policy, &parameters);
}

/* Reading the error log lets the controller report the next error; in-tree nobody else does. */
static int make_ready(const struct source *source)
{
	unsigned char log[ERROR_LOG_BYTES];
	struct nvme_admin_cmd command = {
		.opcode = GET_LOG_PAGE, .nsid = 0xffffffff, .addr = (uintptr_t)log,
		.data_len = sizeof(log), .cdw10 = (sizeof(log) / 4 - 1) << 16 | ERROR_LOG,
	};
	int status;

	usleep(REST_US);
	status = ioctl(source->fd, NVME_IOCTL_ADMIN_CMD, &command);
	usleep(REST_US);
	return status < 0 ? -errno : status ? -EIO : 0;
}

/*
 * The waiter goes before everything else, its opponent, which has the event
 * reported, after everything: nothing is executed in between that need not be.
 */
int event_delivery(struct source *source, enum listener listener, unsigned int rounds,
		   uint64_t *instructions)
{
	struct waiter waiter = { .source = source, .listener = listener };
	pthread_t thread;
	int error;

	waiter.fd = listen_to(source, listener);
	if (waiter.fd < 0)
		return waiter.fd;
	error = -pthread_create(&thread, NULL, wait_for_events, &waiter);
	if (!error)
		error = schedule_as(thread, SCHED_FIFO);
	if (!error)
		error = schedule_as(pthread_self(), SCHED_IDLE);
	for (unsigned int round = 0; !error && round < rounds; round++) {
		unsigned int before = atomic_load(&waiter.seen);
		uint64_t start;

		error = make_ready(source);
		if (error)
			break;
		start = all_instructions();
		*source->doorbell = 1;
		for (int i = 0; atomic_load(&waiter.seen) == before && !error; i++) {
			error = i == PATIENCE_S * 1000 ? -ETIMEDOUT : atomic_load(&waiter.error);
			usleep(1000);
		}
		instructions[round] = atomic_load(&waiter.end) - start;
	}
	schedule_as(pthread_self(), SCHED_OTHER);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	close(waiter.fd);
	return error;
}

static int cost_once(struct source *source, struct event_cost *cost)
{
	uint64_t start;
	int error;

	error = make_ready(source);
	if (!error)
		error = schedule_as(pthread_self(), SCHED_FIFO);
	if (error)
		return error;
	start = all_instructions();
	*source->doorbell = 1;
	cost->interrupt = all_instructions() - start;
	error = schedule_as(pthread_self(), SCHED_IDLE);
	if (!error)
		error = make_ready(source);
	if (error)
		return error;
	start = all_instructions() - thread_instructions();
	*source->doorbell = 1;
	spin(SPIN);
	cost->all = cost->interrupt + all_instructions() - thread_instructions() - start;
	return schedule_as(pthread_self(), SCHED_OTHER);
}

int event_posting(struct source *source, enum listener listener, unsigned int idle,
		  unsigned int rounds, struct event_cost *costs)
{
	struct rlimit limit = { .rlim_cur = idle + 64, .rlim_max = idle + 64 };
	int *files = calloc(idle, sizeof(*files));
	unsigned int opened = 0;
	int error = 0;

	if (!files)
		return -ENOMEM;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		error = -errno;
	for (; !error && opened < idle; opened += !error) {
		files[opened] = listen_to(source, listener);
		error = files[opened] < 0 ? files[opened] : 0;
	}
	for (unsigned int round = 0; !error && round < rounds; round++)
		error = cost_once(source, &costs[round]);
	while (opened)
		close(files[--opened]);
	free(files);
	return error;
}
