// SPDX-License-Identifier: GPL-2.0-only
/*
 * All that can happen to a controller, one at a time, under load: 32 commands in
 * flight on each namespace by io_uring and as many by ioctl, two who ask the
 * controller questions, and 8 readers of events. Afterwards the books of user
 * space are compared with QEMU's trace, by scripts/reconcile.
 *
 * Each path is a variant; tests/kselftest/configs says which of them a machine
 * has the means for. The program loads the module itself.
 */
#include "kselftest_harness.h"

#include "lib/balance.h"
#include "lib/event.h"
#include "lib/module.h"
#include "lib/slot.h"
#include "lib/slow.h"
#include "lib/sysfs.h"
#include "lib/trace.h"
#include "lib/util.h"

#define RESET_MS (30000 * patience())
#define RESCANS 20

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

/* In both ways, and commands go on. */
static int happen_rescans(FIXTURE_DATA(balance) *self)
{
	struct folder folder = folder_of(controller_of(self));
	int i, error = 0;

	for (i = 0; i < RESCANS && !error; i++) {
		error = folder_write(&folder, "rescan_controller", "1");
		error = error ?: passthru_ioctl(self->balance.nodes[0].ctrl, NVME_IOCTL_RESCAN, NULL);
	}
	return error;
}

static int happen_function_reset(FIXTURE_DATA(balance) *self)
{
	return controller_write(controller_of(self), "reset", "1");
}

/* Waits for something of a reset that nobody asked for. An Abort is given some seconds before. */
static int await(int fd, unsigned int lifecycle)
{
	long long end_ms = now_ms() + RESET_MS;
	struct nvme_event event;

	while (now_ms() < end_ms) {
		if (!event_read(fd, &event) && event.dw0 == lifecycle << 8)
			return 0;
	}
	return -ETIMEDOUT;
}

/* A controller that cannot reach its queues reports a fatal error; the driver looks once a second. */
static int happen_fatal_status(FIXTURE_DATA(balance) *self)
{
	int fd = controller_open(controller_of(self), O_RDONLY), error;
	char command[96], output[96];

	snprintf(command, sizeof(command), "setpci -s %s COMMAND=0:4",
		 controller_of(self)->address);
	error = run(command, output, sizeof(output)) ? -EIO : 0;
	error = error ?: await(fd, NVME_EVENT_RESET_SUCCEEDED);
	close(fd);
	return error;
}

/*
 * The second namespace's disk stands still: an Abort does not help its commands.
 * It goes on before commands come again, because those would wait for the turns
 * of all that the reset has ended.
 */
static int happen_timeout(FIXTURE_DATA(balance) *self)
{
	int fd = controller_open(controller_of(self), O_RDONLY), error;

	error = slow_down(1, 0) ?: await(fd, NVME_EVENT_RESET_STARTED);
	error = slow_down(0, 0) ?: error;
	error = error ?: await(fd, NVME_EVENT_RESET_SUCCEEDED);
	close(fd);
	return error;
}

static int happen_unbind(FIXTURE_DATA(balance) *self)
{
	return controller_write(controller_of(self), "driver/unbind", controller_of(self)->address);
}

/* Until the controller is gone. */
static void *reset_and_rescan(void *argument)
{
	struct folder folder = folder_of(argument);

	while (path_exists(folder.path)) {
		folder_write(&folder, "reset_controller", "1");
		folder_write(&folder, "rescan_controller", "1");
	}
	return NULL;
}

/* While others reset and rescan it. */
static int happen_remove(FIXTURE_DATA(balance) *self)
{
	pthread_t other;
	int error;

	error = -pthread_create(&other, NULL, reset_and_rescan, (void *)controller_of(self));
	if (error)
		return error;
	usleep(200000);
	error = controller_write(controller_of(self), "remove", "1");
	pthread_join(other, NULL);
	return error;
}

static int return_by_rescan_of_the_bus(FIXTURE_DATA(balance) *self)
{
	struct controller controller = *controller_of(self);

	return write_file("/sys/bus/pci/rescan", "1") ?: slot_await(&controller);
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

	error = controller_write(controller_of(self), "driver_override", "nvme");
	if (!error)
		write_file("/sys/bus/pci/drivers_probe", controller->address);
	controller_driver(controller, driver, sizeof(driver));
	error = error ?: strcmp(driver, "nvme") ? -ENXIO : 0;
	error = error ?: happen_unbind(self);
	error = error ?: controller_write(controller_of(self), "driver_override", "\n");
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
/* QEMU has no reset of the subsystem; see liar_reset. */
PATH(reset, happen_reset);
PATH(reset_by_sysfs, happen_reset_by_sysfs);
PATH(function_reset, happen_function_reset);
PATH(rescans, happen_rescans, .undisturbed = true);
PATH(fatal_status, happen_fatal_status);
PATH(timeout, happen_timeout);
PATH(unbind, happen_unbind, .goes = true, .return_of_it = return_by_bind);
PATH(swap, happen_unbind, .goes = true, .return_of_it = return_by_way_of_the_in_tree_driver,
     .swaps = true);
PATH(unload, happen_unload, .goes = true, .return_of_it = return_by_reload);
PATH(remove, happen_remove, .goes = true, .return_of_it = return_by_rescan_of_the_bus);
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

TEST_F_TIMEOUT(balance, of_commands_and_events, 600)
{
	struct balance *balance = &self->balance;
	unsigned int i, j, times = repeats(patience() > 1 ? 3 : 1);
	unsigned int rounds, times_a_round;

	/* When the controller has gone, everybody begins anew. */
	rounds = variant->goes ? times : 1;
	times_a_round = times / rounds;
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, balance_open(balance));
		balance->gives_up = variant->goes;
		ASSERT_EQ(0, balance_start(balance, variant->happen == happen_timeout ? 500 : 0));
		for (j = 0; j < times_a_round; j++) {
			ASSERT_TRUE(balance_goes_on(balance));
			ASSERT_EQ(0, event_raise(controller_of(self), WARNING_RELIABILITY));
			ASSERT_EQ(0, variant->happen(self));
		}
		if (!variant->goes) {
			ASSERT_TRUE(balance_goes_on(balance));
			ASSERT_EQ(0, event_raise(controller_of(self), WARNING_RELIABILITY));
			ASSERT_TRUE(balance_goes_on(balance));
		}
		ASSERT_EQ(0, balance_finish(balance));
		EXPECT_EQ(0, balance_wrong(balance));
		ASSERT_EQ(0, balance_write(balance, i, !variant->undisturbed));
		balance_close(balance);
		if (variant->goes)
			ASSERT_EQ(0, variant->return_of_it(self));
	}
	EXPECT_EQ(0, balance_reconcile(rounds));
}

TEST_HARNESS_MAIN
