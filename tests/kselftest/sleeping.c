// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system sleeps, under commands and a reader of events. To be run on the
 * machine called sleep, where the root file system comes through it.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/load.h"
#include "lib/trace.h"
#include "lib/util.h"

#define DEPTH 32
#define TIMES repeats(3)
/* The alarm must not come before the system sleeps: it would not come again. */
#define SLEEP_SECONDS (patience() > 1 ? "+20" : "+8")
#define ENABLED "pci_nvme_mmio_start_success*"
#define SHUT_DOWN "pci_nvme_mmio_shutdown_set*"
#define WAKE_ALARM "/sys/class/rtc/rtc0/wakealarm"
#define PM_TEST "/sys/power/pm_test"

FIXTURE(sleeping)
{
	struct passthru nodes;
	struct trace trace;
	struct load load;
	int events;
};

FIXTURE_VARIANT(sleeping)
{
	const char *state;	/* for /sys/power/state */
	const char *level;	/* for pm_test: how deep it really goes */
};

/*
 * All of it but that the processors wait: of what wakes them, the alarm clock's
 * ACPI event, QEMU has nothing while the machine idles.
 */
FIXTURE_VARIANT_ADD(sleeping, to_idle) { "freeze", "platform" };
FIXTURE_VARIANT_ADD(sleeping, to_ram) { "mem", "none" };

FIXTURE_SETUP(sleeping)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion", "pci_nvme_mmio_start_success",
		"pci_nvme_mmio_shutdown_set",
	};
	unsigned int i;

	ASSERT_EQ(0, controller_renew(&self->nodes.controller, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	ASSERT_EQ(0, load_prepare(&self->nodes));
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, trace_start(&self->trace));
	self->events = controller_open(&self->nodes.controller, O_RDONLY);
	ASSERT_LE(0, self->events);
	self->load = (struct load){
		.nodes = &self->nodes, .ring_flags = RING_WIDE, .depth = DEPTH, .cpu = -1,
	};
	ASSERT_EQ(0, write_file("/sys/power/mem_sleep", "deep"));
	ASSERT_EQ(0, write_file(PM_TEST, variant->level));
}

FIXTURE_TEARDOWN(sleeping)
{
	EXPECT_EQ(0, write_file(PM_TEST, "none"));
	close(self->events);
	EXPECT_EQ(0, event_clear(&self->nodes.controller));
	passthru_close(&self->nodes);
}

/* Until the alarm, or, if the processors are to stay awake, for the five seconds that pm_test has. */
static int sleep_in(const char *state, const char *level)
{
	int error = 0;

	if (!strcmp(level, "none")) {
		write_file(WAKE_ALARM, "0");
		error = write_file(WAKE_ALARM, SLEEP_SECONDS);
	}
	return error ?: write_file("/sys/power/state", state);
}

TEST_F_TIMEOUT(sleeping, and_waking_under_load, 180)
{
	struct load *load = &self->load;
	struct nvme_event event;
	int i;

	ASSERT_EQ(0, load_start(load));
	for (i = 1; i <= TIMES; i++) {
		ASSERT_TRUE(load_goes_on(load));
		ASSERT_EQ(0, sleep_in(variant->state, variant->level));
		ASSERT_TRUE(event_says(self->events, NVME_EVENT_SUSPENDED));
		ASSERT_TRUE(event_says(self->events, NVME_EVENT_RESUMED));
		ASSERT_TRUE(load_goes_on(load));
		ASSERT_EQ(0, event_raise(&self->nodes.controller, WARNING_RELIABILITY));
		ASSERT_EQ(0, event_read(self->events, &event));
		EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	}
	ASSERT_EQ(0, load_finish(load));
	EXPECT_EQ(0, load->wrong);
	EXPECT_EQ(0, load->gone);
	EXPECT_EQ(load->sent, load->ended);
	EXPECT_GE(trace_count(&self->trace, LOAD_SUCCESS), (int)load->good);
	EXPECT_EQ(TIMES, trace_count(&self->trace, SHUT_DOWN));
	EXPECT_EQ(TIMES, trace_count(&self->trace, ENABLED));
	EXPECT_TRUE(event_quiet(self->events));
}

/* One that was dead before is started like any other. */
TEST_F_TIMEOUT(sleeping, revives_a_dead_controller, 60)
{
	char command[96], output[96];
	struct nvme_event event;

	snprintf(command, sizeof(command), "setpci -s %s COMMAND=0:2",
		 self->nodes.controller.address);
	ASSERT_EQ(0, run(command, output, sizeof(output)));
	do {
		ASSERT_EQ(0, event_read(self->events, &event));
	} while (event.dw0 != NVME_EVENT_FATAL_STATUS << 8 &&
		 event.dw0 != NVME_EVENT_RESET_FAILED << 8);
	snprintf(command, sizeof(command), "setpci -s %s COMMAND=2:2",
		 self->nodes.controller.address);
	ASSERT_EQ(0, run(command, output, sizeof(output)));
	ASSERT_EQ(0, sleep_in(variant->state, variant->level));
	ASSERT_TRUE(event_says(self->events, NVME_EVENT_SUSPENDED));
	ASSERT_TRUE(event_says(self->events, NVME_EVENT_RESUMED));
	ASSERT_EQ(0, event_raise(&self->nodes.controller, WARNING_RELIABILITY));
}

TEST_HARNESS_MAIN
