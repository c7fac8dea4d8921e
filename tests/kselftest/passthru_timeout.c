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

/* Has the disk do nothing more, and looks at what comes now. */
static void stop_disk(struct __test_metadata *_metadata, FIXTURE_DATA(timeout) *self)
{
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
}

/* An Abort has come; the disk goes on while there is time for that before a reset. */
static void expect_abort(struct __test_metadata *_metadata, FIXTURE_DATA(timeout) *self)
{
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) == 1));
	ASSERT_EQ(0, slow_down(0, 0));
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

	stop_disk(_metadata, self);
	start_reads(_metadata, &reads, &patient, PATIENT);
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == PATIENT));
	ASSERT_EQ(0, call_start(&call, slow_passthru, &late));
	expect_abort(_metadata, self);
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
	stop_disk(_metadata, self);
	ASSERT_EQ(0, call_start(&call, slow_passthru, &dsm));
	expect_abort(_metadata, self);
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

	stop_disk(_metadata, self);
	ASSERT_EQ(0, call_start(&call, slow_passthru, &format));
	expect_abort(_metadata, self);
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(STATUS_ABORTED, call.result & STATUS_CODE_MASK);
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	EXPECT_TRUE(is_live(self->state));

	/* QEMU takes the namespace for being formatted until that succeeds. */
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
	int ended = 0;
	unsigned int i;

	ASSERT_LE(0, events);
	stop_disk(_metadata, self);
	start_reads(_metadata, &reads, &late, READS);
	/* The controller is given five seconds after the Abort. QEMU has the disk do all there is when it is reset. */
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ENABLED) == 1));
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
	/* Nothing that it was to abort ends well, whether it comes to tell of that before the reset or not. */
	EXPECT_LE(1, trace_count(&self->trace, ABORT));
	EXPECT_LE(trace_count(&self->trace, ABORT), ended);
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
	long long end_ms;
	struct reads reads;
	unsigned int i;

	ASSERT_EQ(0, node_permit(self->nodes.path, 0644));
	stop_disk(_metadata, self);
	ASSERT_EQ(0, become_nobody());
	late.fd = identify.fd = open(self->nodes.path, O_RDONLY);
	ASSERT_LE(0, late.fd);
	start_reads(_metadata, &reads, &late, READS);
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) >= 1));
	/* Root's are ended by a reset five seconds after that, these after half a minute. */
	for (end_ms = now_ms() + 8000; now_ms() < end_ms; usleep(20000))
		EXPECT_EQ(0, slow_passthru(&identify) & ~STATUS_ABORTED);
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	/* Of this thread only: the C library would wait for the others, which cannot be interrupted. */
	ASSERT_EQ(0, syscall(SYS_setresuid, -1, 0, -1));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < READS; i++) {
		ASSERT_EQ(0, call_finish(&reads.calls[i]));
		EXPECT_EQ(0, reads.calls[i].result & ~STATUS_ABORTED);
	}
	close(late.fd);
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	EXPECT_TRUE(is_live(self->state));
}

TEST_HARNESS_MAIN
