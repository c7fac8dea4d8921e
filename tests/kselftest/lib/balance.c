// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/nvme_event.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "balance.h"
#include "module.h"
#include "util.h"

#define TRACE_LOG "/share/trace.log"
#define LEDGER "/tmp/ledger-%u.json"
#define PAGE 4096
#define HOST_PATH_ERROR 0x370
/* How long a path is waited for at both ends, in commands of each ring. */
#define COMMANDS_AROUND (2 * BALANCE_DEPTH)
/* In flight at a time of who asks by a ring, and how long to wait for one. */
#define QUESTIONS 4
#define ANSWER_MS 40000
/* Of those who call: as there are so many, the rings would get a turn in forty else. */
#define NICE_CALLER 19

/* Whether the caller goes on. */
static bool add(struct balance *balance, struct balance_count *count, int result)
{
	count->sent++;
	if (result == 0) {
		count->good++;
	} else if (result > 0 && (result & 0x7ff) != HOST_PATH_ERROR) {
		count->statuses++;
	} else {
		count->ended++;
		if (result < 0 && result != -EINTR && result != -ENODEV && !count->wrong++)
			complain("a caller: %s", strerror(-result));
		/* One that is being reset refuses at once. */
		usleep(1000);
		return !balance->gives_up;
	}
	return true;
}

static void *read_blocks(void *argument)
{
	struct balance_caller *caller = argument;
	unsigned char page[PAGE] __attribute__((aligned(PAGE)));
	struct nvme_passthru_cmd64 command;
	int result;

	setpriority(PRIO_PROCESS, 0, NICE_CALLER);
	do {
		command = (struct nvme_passthru_cmd64){
			.opcode = IO_READ, .nsid = caller->nsid, BLOCKS(0, 8), DATA(page, PAGE),
		};
		result = passthru(caller->fd, NVME_IOCTL_IO64_CMD, &command);
		caller->balance->reads_by_ioctl += result == 0;
	} while (add(caller->balance, &caller->count, result) && !caller->balance->stop);
	return NULL;
}

static void *ask_by_ioctl(void *argument)
{
	struct balance_caller *caller = argument;
	struct balance *balance = caller->balance;
	unsigned char page[PAGE] __attribute__((aligned(PAGE)));
	struct nvme_passthru_cmd64 command;
	bool goes_on;

	setpriority(PRIO_PROCESS, 0, NICE_CALLER);
	do {
		command = (struct nvme_passthru_cmd64){
			.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(page, PAGE),
		};
		goes_on = add(balance, &caller->identify,
			      passthru(caller->fd, NVME_IOCTL_ADMIN64_CMD, &command));
		command = (struct nvme_passthru_cmd64){
			.opcode = ADMIN_GET_LOG_PAGE, .nsid = 0xffffffff,
			.cdw10 = 0x02 | 1 << 15 | 127 << 16, DATA(page, 512),
		};
		if (goes_on)
			goes_on = add(balance, &caller->log_page,
				      passthru(caller->fd, NVME_IOCTL_ADMIN64_CMD, &command));
	} while (goes_on && !balance->stop);
	return NULL;
}

/* Sends some questions and waits for all answers. Whether the caller goes on. */
static bool ask_some(struct balance_caller *caller, struct ring *ring, unsigned char *pages)
{
	struct ring_answer answer;
	bool goes_on = true;
	unsigned int i;

	for (i = 0; i < QUESTIONS; i++) {
		struct ring_command command = {
			.fd = caller->fd, .operation = NVME_URING_CMD_ADMIN,
			.command = {
				.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(pages + i * PAGE, PAGE),
			},
		};

		ring_push(ring, &command);
	}
	if (ring_submit(ring) != QUESTIONS) {
		caller->identify.wrong++;
		return false;
	}
	for (i = 0; i < QUESTIONS; i++) {
		if (ring_reap(ring, &answer, ANSWER_MS)) {
			complain("a question on a ring has no answer");
			caller->identify.wrong++;
			return false;
		}
		goes_on = add(caller->balance, &caller->identify, answer.res) && goes_on;
	}
	return goes_on;
}

static void *ask_by_ring(void *argument)
{
	struct balance_caller *caller = argument;
	unsigned char *pages = pages_new(QUESTIONS * PAGE, 0);
	struct ring ring;

	setpriority(PRIO_PROCESS, 0, NICE_CALLER);
	if (ring_open(&ring, QUESTIONS, RING_WIDE)) {
		caller->identify.wrong++;
		return NULL;
	}
	while (ask_some(caller, &ring, pages) && !caller->balance->stop)
		;
	ring_close(&ring);
	pages_free(pages, QUESTIONS * PAGE);
	return NULL;
}

static void *read_events(void *argument)
{
	struct balance_reader *reader = argument;
	struct pollfd file = { .fd = reader->fd, .events = POLLIN };
	struct nvme_event events[8];
	ssize_t bytes = 0, i;

	/* What is there when it stops is read as well. */
	while (bytes >= 0 && (poll(&file, 1, QUIET_MS) > 0 || !reader->balance->stop)) {
		bytes = read(reader->fd, events, sizeof(events));
		for (i = 0; i < bytes / (ssize_t)sizeof(events[0]); i++) {
			reader->read++;
			reader->lost += NVME_EVENT_LOST(events[i].dw3);
			reader->controller +=
				NVME_EVENT_SOURCE(events[i].dw3) == NVME_EVENT_SOURCE_CONTROLLER;
		}
		if (bytes < 0 && errno == EAGAIN)
			bytes = 0;
	}
	return NULL;
}

static int info_of(int fd, struct nvme_event_info *info)
{
	*info = (struct nvme_event_info){ .size = sizeof(*info) };
	return ioctl(fd, NVME_EVENT_IOCTL_INFO, info) ? -errno : 0;
}

int balance_open(struct balance *balance)
{
	struct nvme_event_info info;
	unsigned int nsid, i;
	int error = 0;

	memset(balance, 0, sizeof(*balance));
	for (nsid = 1; nsid <= BALANCE_NAMESPACES && !error; nsid++) {
		struct passthru *nodes = &balance->nodes[balance->namespaces];

		error = passthru_open(nodes, nsid);
		if (error && nsid > 1)
			break;
		error = error ?: load_prepare(nodes);
		balance->namespaces++;
	}
	error = balance->namespaces ? 0 : error;
	for (i = 0; i < BALANCE_READERS && !error; i++) {
		struct balance_reader *reader = &balance->readers[i];

		reader->balance = balance;
		reader->fd = controller_open(&balance->nodes[0].controller, O_RDONLY | O_NONBLOCK);
		error = reader->fd < 0 ? reader->fd : info_of(reader->fd, &info);
		reader->first = info.newest + 1;
	}
	return error;
}

static int start_caller(struct balance *balance, void *(*run)(void *), int fd, unsigned int nsid)
{
	struct balance_caller *caller = &balance->callers[balance->callers_count++];

	caller->balance = balance;
	caller->fd = fd;
	caller->nsid = nsid;
	return -pthread_create(&caller->thread, NULL, run, caller);
}

int balance_start(struct balance *balance, unsigned int timeout_ms)
{
	unsigned int i, j;
	int error = trace_start(&balance->trace);

	for (i = 0; i < BALANCE_READERS && !error; i++)
		error = -pthread_create(&balance->readers[i].thread, NULL, read_events,
					&balance->readers[i]);
	error = error ?: start_caller(balance, ask_by_ioctl, balance->nodes[0].ctrl, 0);
	error = error ?: start_caller(balance, ask_by_ring, balance->nodes[0].ctrl, 0);
	for (i = 0; i < balance->namespaces && !error; i++) {
		for (j = 0; j < BALANCE_DEPTH && !error; j++)
			error = start_caller(balance, read_blocks, balance->nodes[i].ns, i + 1);
	}
	/* Last, since they would take the processors from this thread. */
	for (i = 0; i < balance->namespaces && !error; i++) {
		balance->loads[i] = (struct load){
			.nodes = &balance->nodes[i], .ring_flags = RING_WIDE, .depth = BALANCE_DEPTH,
			.cpu = -1, .gives_up = balance->gives_up, .pauses = true,
			.timeout_ms = timeout_ms,
		};
		error = load_start(&balance->loads[i]);
	}
	return error;
}

bool balance_goes_on(struct balance *balance)
{
	unsigned long by_ioctl = balance->reads_by_ioctl;
	unsigned int i;

	for (i = 0; i < balance->namespaces; i++) {
		unsigned long before = balance->loads[i].good;

		if (!wait_until(balance->loads[i].good > before + COMMANDS_AROUND)) {
			load_tell(&balance->loads[i]);
			return false;
		}
	}
	if (!wait_until(balance->reads_by_ioctl > by_ioctl + balance->namespaces * BALANCE_DEPTH)) {
		complain("%lu reads by ioctl, then %lu", by_ioctl, balance->reads_by_ioctl);
		return false;
	}
	return true;
}

int balance_finish(struct balance *balance)
{
	struct nvme_event_info info;
	unsigned int i;
	int error = 0;

	for (i = 0; i < balance->namespaces; i++)
		error = load_finish(&balance->loads[i]) ?: error;
	balance->stop = true;
	for (i = 0; i < balance->callers_count; i++)
		error = -pthread_join(balance->callers[i].thread, NULL) ?: error;
	for (i = 0; i < BALANCE_READERS; i++) {
		error = -pthread_join(balance->readers[i].thread, NULL) ?: error;
		error = info_of(balance->readers[i].fd, &info) ?: error;
		balance->readers[i].last = info.newest;
	}
	return error;
}

void balance_close(struct balance *balance)
{
	unsigned int i;

	for (i = 0; i < BALANCE_READERS; i++)
		close(balance->readers[i].fd);
	for (i = 0; i < balance->namespaces; i++)
		passthru_close(&balance->nodes[i]);
}

unsigned long balance_wrong(const struct balance *balance)
{
	unsigned long wrong = 0;
	unsigned int i;

	for (i = 0; i < balance->namespaces; i++)
		wrong += balance->loads[i].wrong;
	for (i = 0; i < balance->callers_count; i++) {
		const struct balance_caller *caller = &balance->callers[i];

		wrong += caller->count.wrong + caller->identify.wrong + caller->log_page.wrong;
	}
	return wrong;
}

static struct balance_count count_of(const struct load *load)
{
	return (struct balance_count){
		.sent = load->sent, .good = load->good, .statuses = load->statuses,
		.ended = load->host_path + load->interrupted + load->gone,
	};
}

static void add_up(struct balance_count *sum, struct balance_count count)
{
	sum->sent += count.sent;
	sum->good += count.good;
	sum->statuses += count.statuses;
	sum->ended += count.ended;
}

struct balance_count balance_reads(const struct balance *balance)
{
	struct balance_count reads = {};
	unsigned int i;

	for (i = 0; i < balance->namespaces; i++)
		add_up(&reads, count_of(&balance->loads[i]));
	for (i = 0; i < balance->callers_count; i++)
		add_up(&reads, balance->callers[i].count);
	return reads;
}

static void write_caller(FILE *file, const char *who, const char *queue, unsigned int opcode,
			 struct balance_count count)
{
	fprintf(file, "{\"who\": \"%s\", \"queue\": \"%s\", \"opcode\": %u, \"sent\": %lu, "
		"\"good\": %lu, \"statuses\": %lu, \"ended\": %lu},\n",
		who, queue, opcode, count.sent, count.good, count.statuses, count.ended);
}

int balance_write(struct balance *balance, unsigned int number, bool disturbed)
{
	struct trace now;
	char path[32];
	unsigned int i;
	FILE *file;

	snprintf(path, sizeof(path), LEDGER, number);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	if (trace_start(&now))
		now.from = 0;
	fprintf(file, "{\"from\": %ld, \"to\": %ld, \"disturbed\": %s,\n\"commands\": [\n",
		balance->trace.from, now.from, disturbed ? "true" : "false");
	for (i = 0; i < balance->namespaces; i++)
		write_caller(file, "ring", "io", IO_READ, count_of(&balance->loads[i]));
	for (i = 0; i < balance->callers_count; i++) {
		const struct balance_caller *caller = &balance->callers[i];

		if (caller->nsid) {
			write_caller(file, "ioctl", "io", IO_READ, caller->count);
			continue;
		}
		write_caller(file, "asker", "admin", ADMIN_IDENTIFY, caller->identify);
		write_caller(file, "asker", "admin", ADMIN_GET_LOG_PAGE, caller->log_page);
	}
	/* JSON has no comma before an end. */
	fprintf(file, "{\"who\": \"nobody\", \"queue\": \"io\", \"opcode\": 2, \"sent\": 0, \"good\": 0, "
		"\"statuses\": 0, \"ended\": 0}],\n\"readers\": [");
	for (i = 0; i < BALANCE_READERS; i++) {
		const struct balance_reader *reader = &balance->readers[i];

		fprintf(file, "%s\n{\"first\": %lu, \"last\": %lu, \"read\": %lu, \"lost\": %lu, "
			"\"controller\": %lu}", i ? "," : "", reader->first, reader->last,
			reader->read, reader->lost, reader->controller);
	}
	fprintf(file, "]}\n");
	return fclose(file) ? -errno : 0;
}

int balance_reconcile(unsigned int rounds)
{
	static char output[1 << 16];
	char module[300], command[1024];
	int error = module_path(module, sizeof(module)), status;
	unsigned int i, length;

	if (error)
		return error;
	*strrchr(module, '/') = '\0';
	length = snprintf(command, sizeof(command), "%s/scripts/reconcile " TRACE_LOG, module);
	for (i = 0; i < rounds; i++)
		length += snprintf(command + length, sizeof(command) - length, " " LEDGER, i);
	snprintf(command + length, sizeof(command) - length, " 2>&1");
	status = run(command, output, sizeof(output));
	if (status)
		fprintf(stderr, "%s", output);
	return status;
}
