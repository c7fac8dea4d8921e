// SPDX-License-Identifier: GPL-2.0-only
/* Commands which take longer than they may: Abort first, a reset only if that does not help. */
#include "kselftest_harness.h"

#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/passthru.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
/* At the same time, at most. */
#define READS 12
#define PAGES (READS + 1)
/* In front of one which is late. */
#define PATIENT 4

#define ABORT "pci_nvme_admin_cmd * opc 0x8 *"
#define ENABLED "pci_nvme_mmio_start_success*"
#define IO_COMMAND "pci_nvme_io_cmd *"

FIXTURE(timeout)
{
	struct passthru nodes;
	struct trace trace;
	char state[64];
	unsigned char *page;
};

FIXTURE_SETUP(timeout)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_mmio_start_success",
	};
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	snprintf(self->state, sizeof(self->state), "/sys/class/%s/%s/state",
		 self->nodes.controller.class, self->nodes.controller.node);
	self->page = pages_new(PAGES * PAGE, 0);
	pattern_fill(self->page, PAGE, 1);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 8, self->page, PAGE));
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(timeout)
{
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, slow_down(0, 0));
	EXPECT_EQ(0, node_permit(self->nodes.path, 0600));
	pages_free(self->page, PAGES * PAGE);
	passthru_close(&self->nodes);
}

static bool is_live(const char *state)
{
	char text[32] = "";

	return read_file(state, text, sizeof(text)) == 0 && strcmp(text, "live\n") == 0;
}

static struct nvme_passthru_cmd64 read_block(void *page, unsigned int timeout_ms)
{
	return (struct nvme_passthru_cmd64){
		.opcode = IO_READ, .nsid = SLOW_NSID, BLOCKS(0, 8), DATA(page, PAGE),
		.timeout_ms = timeout_ms,
	};
}

struct reads {
	struct slow_call parameters[READS];
	struct call calls[READS];
};

/* Starts @count reads at once, each into the page after the last one's. */
static void start_reads(struct __test_metadata *_metadata, struct reads *reads,
			const struct slow_call *first, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		reads->parameters[i] = *first;
		reads->parameters[i].command.addr += i * PAGE;
		ASSERT_EQ(0, call_start(&reads->calls[i], slow_passthru, &reads->parameters[i]));
	}
}

/* QEMU does abort a read that waits for its disk, but not before its turn has come. */
TEST_F(timeout, a_late_command_is_aborted_and_completes_once)
{
	struct slow_call patient = { self->nodes.ns, NVME_IOCTL_IO64_CMD,
				     read_block(self->page, 0) };
	struct slow_call late = { self->nodes.ns, NVME_IOCTL_IO64_CMD,
				  read_block(self->page + PATIENT * PAGE, 1000) };
	struct reads reads;
	struct call call;
	unsigned int i;

	ASSERT_EQ(0, slow_down(1, 0));
	start_reads(_metadata, &reads, &patient, PATIENT);
	/* One of them does not have to wait. */
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == PATIENT));
	ASSERT_EQ(0, call_start(&call, slow_passthru, &late));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(STATUS_ABORTED, call.result & STATUS_CODE_MASK);
	for (i = 0; i < PATIENT; i++) {
		ASSERT_EQ(0, call_finish(&reads.calls[i]));
		EXPECT_EQ(0, reads.calls[i].result);
	}
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(PATIENT + 1, trace_count(&self->trace, IO_COMMAND));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	EXPECT_TRUE(is_live(self->state));
}

/* It does abort a list of ranges, between two of them. */
TEST_F(timeout, an_aborted_command_returns_that_status)
{
	struct {
		__u32 attributes;
		__u32 blocks;
		__u64 first;
	} *ranges = (void *)(self->page + PAGE);
	struct slow_call dsm = { self->nodes.ns, NVME_IOCTL_IO64_CMD, {
		.opcode = IO_DATASET_MANAGEMENT, .nsid = SLOW_NSID, .cdw10 = 31, .cdw11 = 1 << 2,
		.timeout_ms = 1000, DATA(ranges, 32 * 16),
	} };
	struct call call;
	unsigned int i;

	for (i = 0; i < 32; i++) {
		ranges[i].blocks = 8;
		ranges[i].first = 1024 + 16 * i;
	}
	ASSERT_EQ(0, slow_down(1, 0));
	ASSERT_EQ(0, call_start(&call, slow_passthru, &dsm));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(STATUS_ABORTED, call.result & STATUS_CODE_MASK);
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	EXPECT_TRUE(is_live(self->state));
}

/* The in-tree driver resets the controller at once. */
TEST_F(timeout, admin_commands_are_aborted_too)
{
	struct slow_call format = { self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, {
		.opcode = ADMIN_FORMAT, .nsid = SLOW_NSID, .timeout_ms = 1000,
	} };
	struct call call;

	/* Four seconds from the one to the other. */
	ASSERT_EQ(0, slow_down(0, 1024));
	ASSERT_EQ(0, blocks_read(&self->nodes, 0, 8, self->page, PAGE));
	ASSERT_EQ(0, call_start(&call, slow_passthru, &format));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(STATUS_ABORTED, call.result & STATUS_CODE_MASK);
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	EXPECT_TRUE(is_live(self->state));

	/* QEMU takes the namespace for being formatted until that succeeds. */
	ASSERT_EQ(0, slow_down(0, 0));
	format.command.timeout_ms = 0;
	EXPECT_EQ(0, slow_passthru(&format));
}

TEST_F_TIMEOUT(timeout, what_cannot_be_aborted_ends_in_a_reset, 60)
{
	struct slow_call late = { self->nodes.ns, NVME_IOCTL_IO64_CMD,
				  read_block(self->page + PAGE, 500) };
	struct nvme_event event;
	int events = controller_open(&self->nodes.controller, O_RDONLY);
	struct reads reads;
	unsigned int i, ended = 0;

	ASSERT_LE(0, events);
	ASSERT_EQ(0, slow_down(1, 0));
	start_reads(_metadata, &reads, &late, READS);
	/* The controller is given five seconds after the Abort. */
	sleep(4);
	for (i = 0; i < READS; i++) {
		long result;

		ASSERT_EQ(0, call_finish(&reads.calls[i]));
		result = reads.calls[i].result;
		/* QEMU aborts what is in flight when its queue is deleted. */
		if (result) {
			EXPECT_TRUE(result == -EINTR || result == 7 || result == 8) {
				TH_LOG("%ld", result);
			}
			ended++;
		}
	}
	EXPECT_LE(1, ended);
	EXPECT_LE(1, trace_count(&self->trace, ABORT));
	EXPECT_TRUE(wait_until(is_live(self->state)));
	EXPECT_EQ(1, trace_count(&self->trace, ENABLED));
	ASSERT_EQ(0, slow_down(0, 0));
	memset(self->page, 0, PAGE);
	EXPECT_EQ(0, blocks_read(&self->nodes, 0, 8, self->page, PAGE));
	EXPECT_TRUE(pattern_is(self->page, PAGE, 1));

	/* The stream tells why. */
	ASSERT_EQ(0, event_read(events, &event));
	EXPECT_EQ(NVME_EVENT_COMMAND_TIMED_OUT << 8, event.dw0);
	do {
		ASSERT_EQ(0, event_read(events, &event));
	} while (event.dw0 != NVME_EVENT_RESET_SUCCEEDED << 8);
	close(events);
}

/* Who may only read could keep everybody from working otherwise. */
TEST_F_TIMEOUT(timeout, nobody_gets_a_reset_by_being_impatient, 60)
{
	struct slow_call late = { -1, NVME_IOCTL_IO64_CMD, read_block(self->page + PAGE, 1) };
	struct slow_call identify = { -1, NVME_IOCTL_ADMIN64_CMD, {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->page, PAGE), .timeout_ms = 1,
	} };
	struct reads reads;
	unsigned int i;

	ASSERT_EQ(0, node_permit(self->nodes.path, 0644));
	ASSERT_EQ(0, slow_down(1, 0));
	ASSERT_EQ(0, become_nobody());
	late.fd = identify.fd = open(self->nodes.path, O_RDONLY);
	ASSERT_LE(0, late.fd);
	start_reads(_metadata, &reads, &late, READS);
	for (i = 0; i < 200; i++)
		EXPECT_EQ(0, slow_passthru(&identify) & ~STATUS_ABORTED);
	/* Root's would have been ended by a reset after five seconds. */
	sleep(7);
	for (i = 0; i < READS; i++) {
		ASSERT_EQ(0, call_finish(&reads.calls[i]));
		EXPECT_EQ(0, reads.calls[i].result & ~STATUS_ABORTED);
	}
	close(late.fd);
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	EXPECT_TRUE(is_live(self->state));
}

TEST_HARNESS_MAIN
