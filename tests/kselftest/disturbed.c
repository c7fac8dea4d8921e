// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PCI function that others reset, and a link that fails, under commands and
 * a reader of events. The driver is told before, and when it is over.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/load.h"
#include "lib/log.h"
#include "lib/sysfs.h"
#include "lib/qmp.h"
#include "lib/slot.h"
#include "lib/trace.h"
#include "lib/util.h"

#define DEPTH 32
#define TIMES repeats(3)
#define ENABLED "pci_nvme_mmio_start_success*"
#define FUNCTION_RESET "pci_nvme_pci_reset*"

FIXTURE(disturbed)
{
	struct passthru nodes;
	struct trace trace;
	struct load load;
	struct log log;
	int events;
};

FIXTURE_SETUP(disturbed)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion", "pci_nvme_mmio_start_success",
		"pci_nvme_pci_reset",
	};
	unsigned int i;

	ASSERT_EQ(0, controller_renew(&self->nodes.controller, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	ASSERT_EQ(0, load_prepare(&self->nodes));
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, trace_start(&self->trace));
	ASSERT_EQ(0, log_open(&self->log));
	self->events = controller_open(&self->nodes.controller, O_RDONLY);
	ASSERT_LE(0, self->events);
	self->load = (struct load){
		.nodes = &self->nodes, .ring_flags = RING_WIDE, .depth = DEPTH, .cpu = -1,
	};
}

FIXTURE_TEARDOWN(disturbed)
{
	close(self->events);
	log_close(&self->log);
	EXPECT_EQ(0, event_clear(&self->nodes.controller));
	passthru_close(&self->nodes);
}

/* A reset with nothing but its two records, after which commands and events work. */
static void expect_reset(struct __test_metadata *_metadata, FIXTURE_DATA(disturbed) *self)
{
	struct nvme_event event;

	ASSERT_TRUE(event_says(self->events, NVME_EVENT_RESET_STARTED));
	ASSERT_TRUE(event_says(self->events, NVME_EVENT_RESET_SUCCEEDED));
	ASSERT_TRUE(load_goes_on(&self->load));
	ASSERT_EQ(0, event_raise(&self->nodes.controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_read(self->events, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
}

/* Not before the load has ended: it can write the trace faster than that is read. */
static void expect_counts(struct __test_metadata *_metadata, FIXTURE_DATA(disturbed) *self)
{
	struct load *load = &self->load;

	ASSERT_EQ(0, load_finish(load));
	EXPECT_EQ(0, load->wrong);
	EXPECT_EQ(0, load->gone);
	EXPECT_EQ(load->sent, load->ended);
	EXPECT_GE(trace_count(&self->trace, LOAD_SUCCESS), (int)load->good);
}

TEST_F_TIMEOUT(disturbed, function_level_resets_under_load, 120)
{
	const struct controller *controller = &self->nodes.controller;
	int i;

	ASSERT_EQ(0, controller_write(controller, "reset_method", "flr"));
	ASSERT_EQ(0, load_start(&self->load));
	for (i = 1; i <= TIMES; i++) {
		ASSERT_TRUE(load_goes_on(&self->load));
		ASSERT_EQ(0, controller_write(controller, "reset", "1"));
		expect_reset(_metadata, self);
	}
	expect_counts(_metadata, self);
	EXPECT_EQ(TIMES, trace_count(&self->trace, FUNCTION_RESET));
	EXPECT_EQ(TIMES, trace_count(&self->trace, ENABLED));
}

struct resets {
	const struct passthru *nodes;
	atomic_bool stop;
	unsigned int succeeded, busy;
};

static void *reset_again_and_again(void *argument)
{
	struct resets *resets = argument;

	while (!resets->stop) {
		switch (passthru_ioctl(resets->nodes->ctrl, NVME_IOCTL_RESET, NULL)) {
		case 0:
			resets->succeeded++;
			break;
		case -EBUSY:
			resets->busy++;
			break;
		}
		usleep(1000);
	}
	return NULL;
}

/* Whichever comes first, it works afterwards, and nobody starts it while it is reset. */
TEST_F_TIMEOUT(disturbed, function_level_resets_among_other_resets, 120)
{
	const struct controller *controller = &self->nodes.controller;
	struct resets resets = { .nodes = &self->nodes };
	struct nvme_event event;
	unsigned int started = 0, ended = 0;
	pthread_t thread;
	int i;

	ASSERT_EQ(0, controller_write(controller, "reset_method", "flr"));
	ASSERT_EQ(0, load_start(&self->load));
	ASSERT_EQ(0, pthread_create(&thread, NULL, reset_again_and_again, &resets));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, controller_write(controller, "reset", "1"));
	resets.stop = true;
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_TRUE(load_goes_on(&self->load));
	expect_counts(_metadata, self);
	/* Each reset that was begun has ended well, and they do not overlap. */
	while (!event_quiet(self->events)) {
		ASSERT_EQ(0, event_read(self->events, &event));
		if (event.dw0 == NVME_EVENT_RESET_STARTED << 8) {
			EXPECT_EQ(ended, started++);
		} else {
			EXPECT_EQ(NVME_EVENT_RESET_SUCCEEDED << 8, event.dw0);
			EXPECT_EQ(started, ++ended);
		}
	}
	EXPECT_EQ(started, ended);
	EXPECT_LE(10, ended);
	TH_LOG("%u resets, %u by ioctl, %u refused", ended, resets.succeeded, resets.busy);
}

/* An error that the port above reports, of the link to the controller. */
static int link_error(const char *name)
{
	return qmp("human-monitor-command", "'command-line': 'pcie_aer_inject_error rp0 %s'",
		   name);
}

TEST_F_TIMEOUT(disturbed, a_link_that_fails_is_reset_under_load, 180)
{
	int i;

	ASSERT_EQ(0, load_start(&self->load));
	for (i = 1; i <= TIMES; i++) {
		ASSERT_TRUE(load_goes_on(&self->load));
		ASSERT_EQ(0, link_error("DLP"));
		expect_reset(_metadata, self);
	}
	expect_counts(_metadata, self);
	EXPECT_LE(TIMES, trace_count(&self->trace, FUNCTION_RESET));
	EXPECT_EQ(TIMES, trace_count(&self->trace, ENABLED));
}

/* The link has come through it, and so have the controller and its commands. */
TEST_F_TIMEOUT(disturbed, an_error_that_is_not_fatal_changes_nothing, 60)
{
	ASSERT_EQ(0, load_start(&self->load));
	ASSERT_TRUE(load_goes_on(&self->load));
	ASSERT_EQ(0, link_error("COMP_TIME"));
	ASSERT_TRUE(wait_until(log_has(&self->log, "device recovery successful")));
	ASSERT_TRUE(load_goes_on(&self->load));
	expect_counts(_metadata, self);
	EXPECT_EQ(self->load.sent, self->load.good);
	EXPECT_TRUE(event_quiet(self->events));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
}

/* Linux may look for a device for a while; the driver notices within seconds. */
#define GONE_MS (30000 * patience())

/* A controller that could not be started, that was taken away, or that went once it was started. */
static bool says_it_is_lost(const struct nvme_event *event)
{
	return event->dw0 == NVME_EVENT_RESET_FAILED << 8 || event->dw0 == EVENT_REMOVED ||
	       event->dw0 == NVME_EVENT_FATAL_STATUS << 8;
}

/*
 * The link fails, and while it is reset the slot loses power: Linux says that
 * the device is lost, or takes it away. The driver says so in either case, and
 * nobody waits for ever, not even until a command times out. On a machine with
 * one processor, as it is under load.
 */
TEST_F_TIMEOUT(disturbed, a_link_that_fails_for_good, 240)
{
	struct controller *controller = &self->nodes.controller;
	struct folder folder = folder_of(controller);
	long long end_ms = now_ms() + GONE_MS;
	struct nvme_event event = {};
	char port[32], path[96];

	ASSERT_EQ(0, slot_port(controller, port, sizeof(port)));
	self->load.gives_up = true;
	ASSERT_EQ(0, load_start(&self->load));
	ASSERT_TRUE(load_goes_on(&self->load));
	ASSERT_EQ(0, link_error("DLP"));
	ASSERT_TRUE(event_says(self->events, NVME_EVENT_RESET_STARTED));
	ASSERT_EQ(0, slot_power_off(port));
	while (!says_it_is_lost(&event) && now_ms() < end_ms)
		event_read(self->events, &event);
	EXPECT_TRUE(says_it_is_lost(&event));
	ASSERT_EQ(0, load_finish(&self->load));
	EXPECT_EQ(0, self->load.wrong);
	EXPECT_EQ(self->load.sent, self->load.ended);
	if (event.dw0 == NVME_EVENT_RESET_FAILED << 8) {
		EXPECT_TRUE(log_has(&self->log, "controller did not start"));
		if (path_exists(folder.path))
			EXPECT_STREQ("dead", folder_read(&folder, "state"));
	}
	TH_LOG("record %#x", event.dw0);

	passthru_close(&self->nodes);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", controller->address);
	if (path_exists(path))
		write_file(path, "1");
	ASSERT_EQ(0, slot_plug(controller));
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	EXPECT_EQ(0, load_prepare(&self->nodes));
}

TEST_HARNESS_MAIN
