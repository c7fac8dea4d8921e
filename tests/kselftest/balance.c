// SPDX-License-Identifier: GPL-2.0-only
/*
 * All that can happen to a controller, one at a time, under load: 32 commands in
 * flight on each namespace by io_uring and as many by ioctl, one who asks the
 * controller questions, and 8 readers of events. Afterwards the books of user
 * space are compared with QEMU's trace, by scripts/reconcile.
 *
 * Each path is a variant; tests/kselftest/configs says which of them a machine
 * has the means for. The program loads the module itself.
 */
#include "kselftest_harness.h"

#include <poll.h>

#include "lib/event.h"
#include "lib/load.h"
#include "lib/module.h"
#include "lib/slot.h"
#include "lib/slow.h"
#include "lib/sysfs.h"
#include "lib/trace.h"
#include "lib/util.h"

#define TRACE_LOG "/share/trace.log"
#define LEDGER "/tmp/ledger.json"
#define DEPTH 32
#define NAMESPACES_MOST 2
#define READERS 8
#define PAGE 4096
#define HOST_PATH_ERROR 0x370
#define TIMES_MOST 20
/* How long a path is waited for at both ends, in commands of each ring. */
#define COMMANDS_AROUND (4 * DEPTH)

/* What one caller has of its commands. */
struct count {
	unsigned long sent, good, statuses, ended, wrong;
};

struct ioctl_caller {
	struct balance *balance;
	int fd;
	unsigned int nsid;	/* 0: of the controller's, the one who asks */
	pthread_t thread;
	struct count count, identify, log_page;
};

struct reader {
	struct balance *balance;
	int fd;
	pthread_t thread;
	unsigned long first, last, read, lost, controller;
};

struct balance {
	struct passthru nodes[NAMESPACES_MOST];
	unsigned int namespaces;
	struct load loads[NAMESPACES_MOST];
	struct ioctl_caller callers[NAMESPACES_MOST * DEPTH + 1];
	unsigned int callers_count;
	struct reader readers[READERS];
	struct trace trace;
	atomic_bool stop;
	bool gives_up;		/* the controller goes */
};

FIXTURE(balance)
{
	struct balance balance;
	char port[32];
};

/* Something happens; 0 or a negative errno. */
typedef int path(FIXTURE_DATA(balance) *self);

FIXTURE_VARIANT(balance)
{
	path *happen;
	bool undisturbed;
	bool goes;		/* the controller, so that open files see its end ... */
	path *return_of_it;	/* ... and this brings it back */
	bool swaps;		/* with the in-tree driver */
};

static const struct controller *controller_of(FIXTURE_DATA(balance) *self)
{
	return &self->balance.nodes[0].controller;
}

static int function_write(FIXTURE_DATA(balance) *self, const char *file, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", controller_of(self)->address,
		 file);
	return write_file(path, text);
}

static int happen_nothing(FIXTURE_DATA(balance) *self)
{
	return event_raise(controller_of(self), WARNING_RELIABILITY);
}

static int happen_reset(FIXTURE_DATA(balance) *self)
{
	return passthru_ioctl(self->balance.nodes[0].ctrl, NVME_IOCTL_RESET, NULL);
}

static int happen_reset_by_sysfs(FIXTURE_DATA(balance) *self)
{
	struct folder folder = folder_of(controller_of(self));

	return folder_write(&folder, "reset_controller", "1");
}

static int happen_function_reset(FIXTURE_DATA(balance) *self)
{
	return function_write(self, "reset", "1");
}

/* Waits for the end of a reset that nobody asked for. */
static int await_reset(int fd)
{
	struct nvme_event event;
	int error;

	do {
		error = event_read(fd, &event);
	} while (!error && event.dw0 != NVME_EVENT_RESET_SUCCEEDED << 8);
	return error;
}

/* A controller that cannot reach its queues reports a fatal error; the driver looks once a second. */
static int happen_fatal_status(FIXTURE_DATA(balance) *self)
{
	int fd = controller_open(controller_of(self), O_RDONLY), error;
	char command[96], output[96];

	snprintf(command, sizeof(command), "setpci -s %s COMMAND=0:4",
		 controller_of(self)->address);
	error = run(command, output, sizeof(output)) ? -EIO : 0;
	error = error ?: await_reset(fd);
	close(fd);
	return error;
}

/* The second namespace's disk stands still: an Abort does not help its commands. */
static int happen_timeout(FIXTURE_DATA(balance) *self)
{
	int fd = controller_open(controller_of(self), O_RDONLY), error;

	error = slow_down(1, 0);
	error = error ?: await_reset(fd);
	close(fd);
	return slow_down(0, 0) ?: error;
}

static int happen_unbind(FIXTURE_DATA(balance) *self)
{
	return function_write(self, "driver/unbind", controller_of(self)->address);
}

static int return_by_bind(FIXTURE_DATA(balance) *self)
{
	struct controller controller = *controller_of(self);

	return controller_bind(&controller);
}

static int in_tree_driver(bool loaded)
{
	char output[256];
	int status = run(loaded ? "modprobe nvme 2>&1" : "modprobe -r nvme nvme_core 2>&1", output,
			 sizeof(output));

	if (status)
		complain("modprobe: %s", output);
	return status;
}

static int return_by_way_of_the_in_tree_driver(FIXTURE_DATA(balance) *self)
{
	const struct controller *controller = controller_of(self);
	char driver[32];
	int error;

	error = function_write(self, "driver_override", "nvme");
	if (!error)
		write_file("/sys/bus/pci/drivers_probe", controller->address);
	controller_driver(controller, driver, sizeof(driver));
	error = error ?: strcmp(driver, "nvme") ? -ENXIO : 0;
	error = error ?: happen_unbind(self);
	error = error ?: function_write(self, "driver_override", "\n");
	return error ?: return_by_bind(self);
}

/* Not while somebody uses it. */
static int happen_unload(FIXTURE_DATA(balance) *self)
{
	return module_unload() == -EWOULDBLOCK ? happen_unbind(self) : -EBUSY;
}

static int return_by_reload(FIXTURE_DATA(balance) *self)
{
	(void)self;
	return module_unload() ?: module_load("");
}

static int happen_pull(FIXTURE_DATA(balance) *self)
{
	return slot_pull(controller_of(self), self->port);
}

static int return_by_plug(FIXTURE_DATA(balance) *self)
{
	struct controller controller = *controller_of(self);

	return slot_plug(&controller);
}

#define PATH(name, ...) FIXTURE_VARIANT_ADD(balance, name) { __VA_ARGS__ }

PATH(nothing, happen_nothing, .undisturbed = true);
/* QEMU has no reset of the subsystem. */
PATH(reset, happen_reset);
PATH(reset_by_sysfs, happen_reset_by_sysfs);
PATH(function_reset, happen_function_reset);
PATH(fatal_status, happen_fatal_status);
PATH(timeout, happen_timeout);
PATH(unbind, happen_unbind, .goes = true, .return_of_it = return_by_bind);
PATH(swap, happen_unbind, .goes = true, .return_of_it = return_by_way_of_the_in_tree_driver,
     .swaps = true);
PATH(unload, happen_unload, .goes = true, .return_of_it = return_by_reload);
PATH(pull, happen_pull, .goes = true, .return_of_it = return_by_plug);

FIXTURE_SETUP(balance)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion", "pci_nvme_mmio_start_success",
	};
	struct controller controller;
	char driver[32];
	unsigned int i;

	ASSERT_EQ(0, module_ensure_unloaded());
	ASSERT_EQ(0, controller_find(&controller, 0));
	/* First, so that the names of the other are taken; neither is to fail for that. */
	if (variant->swaps)
		ASSERT_EQ(0, in_tree_driver(true));
	self->balance.nodes[0].controller = controller;
	controller_driver(&controller, driver, sizeof(driver));
	if (driver[0])
		ASSERT_EQ(0, happen_unbind(self));
	ASSERT_EQ(0, module_load(""));
	ASSERT_EQ(0, event_clear(&controller));
	ASSERT_EQ(0, slot_port(&controller, self->port, sizeof(self->port)));
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
}

FIXTURE_TEARDOWN(balance)
{
	EXPECT_EQ(0, module_ensure_unloaded());
	if (variant->swaps)
		EXPECT_EQ(0, in_tree_driver(false));
}

/* Whether the caller goes on. */
static bool add(struct balance *balance, struct count *count, int result)
{
	count->sent++;
	if (result == 0) {
		count->good++;
	} else if (result > 0 && (result & 0x7ff) != HOST_PATH_ERROR) {
		count->statuses++;
	} else {
		count->ended++;
		if (result < 0 && result != -EINTR && result != -ENODEV && !count->wrong++)
			complain("an ioctl: %s", strerror(-result));
		/* One that is being reset refuses at once. */
		usleep(1000);
		return !balance->gives_up;
	}
	return true;
}

static void *read_blocks(void *argument)
{
	struct ioctl_caller *caller = argument;
	unsigned char page[PAGE] __attribute__((aligned(PAGE)));
	struct nvme_passthru_cmd64 command;
	int result;

	do {
		command = (struct nvme_passthru_cmd64){
			.opcode = IO_READ, .nsid = caller->nsid, BLOCKS(0, 8), DATA(page, PAGE),
		};
		result = passthru(caller->fd, NVME_IOCTL_IO64_CMD, &command);
	} while (add(caller->balance, &caller->count, result) && !caller->balance->stop);
	return NULL;
}

static void *ask_questions(void *argument)
{
	struct ioctl_caller *caller = argument;
	struct balance *balance = caller->balance;
	unsigned char page[PAGE] __attribute__((aligned(PAGE)));
	struct nvme_passthru_cmd64 command;
	bool goes_on;

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

static void *read_events(void *argument)
{
	struct reader *reader = argument;
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

static int open_all(struct balance *balance)
{
	struct nvme_event_info info;
	unsigned int nsid, i;
	int error = 0;

	memset(balance, 0, sizeof(*balance));
	for (nsid = 1; nsid <= NAMESPACES_MOST && !error; nsid++) {
		struct passthru *nodes = &balance->nodes[balance->namespaces];

		error = passthru_open(nodes, nsid);
		if (error && nsid > 1)
			break;
		error = error ?: load_prepare(nodes);
		balance->namespaces++;
	}
	error = balance->namespaces ? 0 : error;
	for (i = 0; i < READERS && !error; i++) {
		struct reader *reader = &balance->readers[i];

		reader->balance = balance;
		reader->fd = controller_open(&balance->nodes[0].controller, O_RDONLY | O_NONBLOCK);
		error = reader->fd < 0 ? reader->fd : info_of(reader->fd, &info);
		reader->first = info.newest + 1;
	}
	return error;
}

static int start_caller(struct balance *balance, int fd, unsigned int nsid)
{
	struct ioctl_caller *caller = &balance->callers[balance->callers_count++];

	caller->balance = balance;
	caller->fd = fd;
	caller->nsid = nsid;
	return -pthread_create(&caller->thread, NULL, nsid ? read_blocks : ask_questions, caller);
}

static int start_all(struct balance *balance, unsigned int timeout_ms)
{
	unsigned int i, j;
	int error = trace_start(&balance->trace);

	for (i = 0; i < READERS && !error; i++)
		error = -pthread_create(&balance->readers[i].thread, NULL, read_events,
					&balance->readers[i]);
	for (i = 0; i < balance->namespaces && !error; i++) {
		balance->loads[i] = (struct load){
			.nodes = &balance->nodes[i], .ring_flags = RING_WIDE, .depth = DEPTH,
			.cpu = -1, .gives_up = balance->gives_up, .timeout_ms = timeout_ms,
		};
		error = load_start(&balance->loads[i]);
		for (j = 0; j < DEPTH && !error; j++)
			error = start_caller(balance, balance->nodes[i].ns, i + 1);
	}
	return error ?: start_caller(balance, balance->nodes[0].ctrl, 0);
}

static bool all_go_on(struct balance *balance)
{
	unsigned int i;

	for (i = 0; i < balance->namespaces; i++) {
		unsigned long before = balance->loads[i].good;

		if (!wait_until(balance->loads[i].good > before + COMMANDS_AROUND)) {
			load_tell(&balance->loads[i]);
			return false;
		}
	}
	return true;
}

/* Everybody comes to an end by himself. */
static int finish_all(struct balance *balance)
{
	struct nvme_event_info info;
	unsigned int i;
	int error = 0;

	for (i = 0; i < balance->namespaces; i++)
		error = load_finish(&balance->loads[i]) ?: error;
	balance->stop = true;
	for (i = 0; i < balance->callers_count; i++)
		error = -pthread_join(balance->callers[i].thread, NULL) ?: error;
	for (i = 0; i < READERS; i++) {
		error = -pthread_join(balance->readers[i].thread, NULL) ?: error;
		error = info_of(balance->readers[i].fd, &info) ?: error;
		balance->readers[i].last = info.newest;
	}
	return error;
}

static void close_all(struct balance *balance)
{
	unsigned int i;

	for (i = 0; i < READERS; i++)
		close(balance->readers[i].fd);
	for (i = 0; i < balance->namespaces; i++)
		passthru_close(&balance->nodes[i]);
}

static void write_caller(FILE *file, const char *who, const char *queue, unsigned int opcode,
			 struct count count)
{
	fprintf(file, "{\"who\": \"%s\", \"queue\": \"%s\", \"opcode\": %u, \"sent\": %lu, "
		"\"good\": %lu, \"statuses\": %lu, \"ended\": %lu},\n",
		who, queue, opcode, count.sent, count.good, count.statuses, count.ended);
}

static int write_ledger(struct balance *balance, bool disturbed)
{
	struct ioctl_caller *asker = &balance->callers[balance->callers_count - 1];
	struct trace now;
	FILE *file = fopen(LEDGER, "we");
	unsigned int i;

	if (!file)
		return -errno;
	if (trace_start(&now))
		now.from = 0;
	fprintf(file, "{\"from\": %ld, \"to\": %ld, \"disturbed\": %s,\n\"commands\": [\n",
		balance->trace.from, now.from, disturbed ? "true" : "false");
	for (i = 0; i < balance->namespaces; i++) {
		struct load *load = &balance->loads[i];

		write_caller(file, "ring", "io", IO_READ, (struct count){
			.sent = load->sent, .good = load->good, .statuses = load->statuses,
			.ended = load->host_path + load->interrupted + load->gone,
		});
	}
	for (i = 0; i < balance->callers_count - 1; i++)
		write_caller(file, "ioctl", "io", IO_READ, balance->callers[i].count);
	write_caller(file, "asker", "admin", ADMIN_IDENTIFY, asker->identify);
	write_caller(file, "asker", "admin", ADMIN_GET_LOG_PAGE, asker->log_page);
	/* JSON has no comma before an end. */
	fprintf(file, "{\"who\": \"nobody\", \"queue\": \"io\", \"opcode\": 2, \"sent\": 0, \"good\": 0, "
		"\"statuses\": 0, \"ended\": 0}],\n\"readers\": [");
	for (i = 0; i < READERS; i++) {
		const struct reader *reader = &balance->readers[i];

		fprintf(file, "%s\n{\"first\": %lu, \"last\": %lu, \"read\": %lu, \"lost\": %lu, "
			"\"controller\": %lu}", i ? "," : "", reader->first, reader->last,
			reader->read, reader->lost, reader->controller);
	}
	fprintf(file, "]}\n");
	return fclose(file) ? -errno : 0;
}

static int reconcile(void)
{
	char module[300], command[512], output[8192] = "";
	int error = module_path(module, sizeof(module)), status;

	if (error)
		return error;
	*strrchr(module, '/') = '\0';
	snprintf(command, sizeof(command), "%s/scripts/reconcile " TRACE_LOG " " LEDGER " 2>&1",
		 module);
	status = run(command, output, sizeof(output));
	if (status)
		fprintf(stderr, "%s", output);
	return status;
}

TEST_F_TIMEOUT(balance, of_commands_and_events, 600)
{
	struct balance *balance = &self->balance;
	unsigned int i, j, times = (patience() > 1 ? 3 : 1) * scale();

	for (i = 0; i < (times < TIMES_MOST ? times : TIMES_MOST); i++) {
		ASSERT_EQ(0, open_all(balance));
		balance->gives_up = variant->goes;
		ASSERT_EQ(0, start_all(balance, variant->happen == happen_timeout ? 500 : 0));
		ASSERT_TRUE(all_go_on(balance));
		ASSERT_EQ(0, event_raise(controller_of(self), WARNING_RELIABILITY));
		ASSERT_EQ(0, variant->happen(self));
		if (!variant->goes) {
			ASSERT_TRUE(all_go_on(balance));
			ASSERT_EQ(0, event_raise(controller_of(self), WARNING_RELIABILITY));
			ASSERT_TRUE(all_go_on(balance));
		}
		ASSERT_EQ(0, finish_all(balance));
		for (j = 0; j < balance->namespaces; j++)
			EXPECT_EQ(0, balance->loads[j].wrong);
		for (j = 0; j < balance->callers_count; j++)
			EXPECT_EQ(0, balance->callers[j].count.wrong);
		ASSERT_EQ(0, write_ledger(balance, !variant->undisturbed));
		EXPECT_EQ(0, reconcile());
		close_all(balance);
		if (variant->goes)
			ASSERT_EQ(0, variant->return_of_it(self));
	}
}

TEST_HARNESS_MAIN
