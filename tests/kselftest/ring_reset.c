// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controllers that are reset, unbound, or too slow under many commands of a
 * ring. Each command ends once, and none with a success which it did not have.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/load.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define DEPTH 128
#define RESETS 8
#define REBINDS 4

#define ABORT "pci_nvme_admin_cmd * opc 0x8 *"
#define ENABLED "pci_nvme_mmio_start_success*"
#define DEFERRED (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

FIXTURE(reset)
{
	struct passthru nodes;
	struct trace trace;
	struct load load;
};

FIXTURE_VARIANT(reset)
{
	unsigned int flags;
	bool stopped;	/* the disk: all that is in flight stays so */
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(reset, name) { .flags = __VA_ARGS__ }

KIND(plain, RING_WIDE);
KIND(deferred, RING_WIDE | DEFERRED);
KIND(sqpoll, RING_WIDE | IORING_SETUP_SQPOLL);
KIND(iopoll, RING_WIDE | IORING_SETUP_IOPOLL);
KIND(stopped, RING_WIDE, .stopped = true);
KIND(stopped_iopoll, RING_WIDE | IORING_SETUP_IOPOLL, .stopped = true);

FIXTURE_SETUP(reset)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion", "pci_nvme_mmio_start_success",
	};
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	ASSERT_EQ(0, load_prepare(&self->nodes));
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, trace_start(&self->trace));
	self->load = (struct load){
		.nodes = &self->nodes, .ring_flags = variant->flags, .depth = DEPTH, .cpu = -1,
	};
}

FIXTURE_TEARDOWN(reset)
{
	EXPECT_EQ(0, slow_down(0, 0));
	passthru_close(&self->nodes);
}

static void stop_disk(struct __test_metadata *_metadata, FIXTURE_DATA(reset) *self)
{
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
}

/* Whether all of the load is in the controller, for the time number @times, if nothing else ends it than resets. */
static bool is_stuck(FIXTURE_DATA(reset) *self, int times)
{
	return wait_until(trace_count(&self->trace, LOAD_COMMAND) >= times * DEPTH);
}

static void expect_counts(struct __test_metadata *_metadata, FIXTURE_DATA(reset) *self)
{
	struct load *load = &self->load;

	EXPECT_EQ(0, load->wrong);
	EXPECT_EQ(load->sent, load->ended);
	EXPECT_GE(trace_count(&self->trace, LOAD_SUCCESS), (int)load->good);
	/* What the driver did not send was not seen either. */
	EXPECT_GE(trace_count(&self->trace, LOAD_COMMAND),
		  (int)(load->good + load->statuses));
}

TEST_F_TIMEOUT(reset, resets_under_load, 120)
{
	int i;

	if (variant->stopped)
		stop_disk(_metadata, self);
	ASSERT_EQ(0, load_start(&self->load));
	for (i = 0; i < RESETS; i++) {
		ASSERT_TRUE(variant->stopped ? is_stuck(self, i + 1) : load_goes_on(&self->load));
		/* Nothing but the reset ends them. How many QEMU completes then is its own affair. */
		EXPECT_TRUE(!variant->stopped || self->load.ended - self->load.host_path <= (unsigned long)i * DEPTH);
		ASSERT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	}
	EXPECT_TRUE(!variant->stopped || wait_until(self->load.ended >= RESETS * DEPTH));
	ASSERT_EQ(0, slow_down(0, 0));
	EXPECT_TRUE(load_goes_on(&self->load));
	ASSERT_EQ(0, load_finish(&self->load));
	expect_counts(_metadata, self);
	EXPECT_EQ(RESETS, trace_count(&self->trace, ENABLED));
	EXPECT_EQ(0, self->load.gone);
}

static int unbind(struct passthru *nodes)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind",
		 nodes->controller.address);
	return write_file(path, nodes->controller.address);
}

TEST_F_TIMEOUT(reset, unbinding_under_load, 120)
{
	unsigned char page[PAGE];
	struct ring_answer answer;
	struct ring ring;
	int i;

	for (i = 0; i < REBINDS; i++) {
		struct ring_command read = {
			.fd = self->nodes.ns,
			.operation = NVME_URING_CMD_IO,
			.command = { .opcode = IO_READ, .nsid = SLOW_NSID, BLOCKS(0, 8),
				     DATA(page, PAGE) },
		};

		self->load = (struct load){
			.nodes = &self->nodes, .ring_flags = variant->flags, .depth = DEPTH,
			.cpu = -1, .gives_up = true,
		};
		if (variant->stopped)
			stop_disk(_metadata, self);
		ASSERT_EQ(0, trace_start(&self->trace));
		ASSERT_EQ(0, load_start(&self->load));
		ASSERT_TRUE(variant->stopped ? is_stuck(self, 1) : load_goes_on(&self->load));
		ASSERT_EQ(0, unbind(&self->nodes));
		ASSERT_EQ(0, load_finish(&self->load));
		expect_counts(_metadata, self);
		/* That is why it has come to an end. */
		EXPECT_LE(1, self->load.gone + self->load.host_path);

		/* The file is still open. */
		ASSERT_EQ(0, ring_open(&ring, 4, variant->flags));
		EXPECT_EQ(-ENODEV, ring_run(&ring, &read, &answer));
		read.operation = NVME_URING_CMD_ADMIN;
		read.fd = self->nodes.ctrl;
		EXPECT_EQ(-ENODEV, ring_run(&ring, &read, &answer));
		ring_close(&ring);
		passthru_close(&self->nodes);
		ASSERT_EQ(0, slow_down(0, 0));
		ASSERT_EQ(0, write_file("/sys/bus/pci/drivers_probe",
					self->nodes.controller.address));
		ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	}
}

/* QEMU aborts a read that waits for its disk, but not before its turn has come. */
TEST_F_TIMEOUT(reset, late_commands_are_aborted, 60)
{
	struct ring_command read = {
		.fd = self->nodes.ns,
		.operation = NVME_URING_CMD_IO,
		.command = { .opcode = IO_READ, .nsid = SLOW_NSID, BLOCKS(0, 8) },
	};
	unsigned char *memory = pages_new(6 * PAGE, 0);
	struct ring_answer answer;
	struct ring ring;
	unsigned int i;

	ASSERT_EQ(0, ring_open(&ring, 8, variant->flags));
	stop_disk(_metadata, self);
	for (i = 0; i < 5; i++) {
		read.tag = i;
		read.command.addr = (uintptr_t)memory + i * PAGE;
		read.command.data_len = PAGE;
		read.command.timeout_ms = i < 4 ? 0 : 1000;
		ASSERT_EQ(0, ring_push(&ring, &read));
	}
	ASSERT_LE(5, ring_submit(&ring));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) == 1));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, ring_reap(&ring, &answer, LIMIT_MS));
		ASSERT_GT(5, answer.tag);
		if (answer.tag == 4) {
			EXPECT_EQ(STATUS_ABORTED, answer.res & STATUS_CODE_MASK);
		} else {
			EXPECT_EQ(0, answer.res);
			EXPECT_TRUE(pattern_is(memory + answer.tag * PAGE, PAGE, 0));
		}
	}
	EXPECT_EQ(-ETIME, ring_reap(&ring, &answer, QUIET_MS));
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	ring_close(&ring);
	pages_free(memory, 6 * PAGE);
}

TEST_F_TIMEOUT(reset, what_cannot_be_aborted_ends_in_a_reset, 90)
{
	struct nvme_event event;
	int events = controller_open(&self->nodes.controller, O_RDONLY);

	ASSERT_LE(0, events);
	self->load.timeout_ms = 500;
	self->load.depth = 32;
	self->load.limit = 32;
	stop_disk(_metadata, self);
	ASSERT_EQ(0, load_start(&self->load));
	/* The disk does nothing, so that only the reset can end them. */
	EXPECT_TRUE(wait_until(self->load.ended == 32));
	EXPECT_EQ(1, trace_count(&self->trace, ENABLED));
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, load_finish(&self->load));
	expect_counts(_metadata, self);
	EXPECT_EQ(32, self->load.ended);
	EXPECT_EQ(1, trace_count(&self->trace, ENABLED));
	/* Nothing that it was to abort ends well, whether it comes to tell of that before the reset or not. */
	EXPECT_LE(1, trace_count(&self->trace, ABORT));
	EXPECT_LE(trace_count(&self->trace, ABORT), (int)(self->load.statuses + self->load.interrupted));
	ASSERT_EQ(0, event_read(events, &event));
	EXPECT_EQ(NVME_EVENT_COMMAND_TIMED_OUT << 8, event.dw0);
	do {
		ASSERT_EQ(0, event_read(events, &event));
	} while (event.dw0 != NVME_EVENT_RESET_SUCCEEDED << 8);
	close(events);
}

TEST_HARNESS_MAIN
