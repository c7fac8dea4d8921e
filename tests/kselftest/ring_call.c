// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many commands in envelopes under way on a ring, without a worker of io_uring, and what becomes of them if time, task,
 * memory or controller go meanwhile. The namespace's disk is slow at will.
 */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib/call.h"
#include "lib/envelope.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define DEPTH 32
#define TIMEOUT_MS 500
#define UNTOUCHED 0x5a

#define ABORT "pci_nvme_admin_cmd * opc 0x8 *"
#define ENABLED "pci_nvme_mmio_start_success*"
#define IO_COMMAND "pci_nvme_io_cmd *"
#define IO_COMPLETION "pci_nvme_enqueue_req_completion cid * cqid [!0]*"

FIXTURE(calls)
{
	struct passthru nodes;
	struct trace trace;
	struct ring ring;
	struct envelope envelopes[DEPTH];
	unsigned int sqe_flags;
};

FIXTURE_VARIANT(calls)
{
	unsigned int flags;
	unsigned int sqe_flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(calls, name) { __VA_ARGS__ }

KIND(plain, .flags = 0);
KIND(wide, .flags = RING_WIDE);
KIND(by_workers, .flags = 0, .sqe_flags = IOSQE_ASYNC);
KIND(sqpoll, .flags = IORING_SETUP_SQPOLL);
KIND(deferred, .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

FIXTURE_SETUP(calls)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion", "pci_nvme_mmio_start_success",
	};
	unsigned char page[PAGE];
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	for (i = 0; i < DEPTH; i++) {
		pattern_fill(page, PAGE, i);
		ASSERT_EQ(0, blocks_write(&self->nodes, 8 * i, 8, page, PAGE));
		self->envelopes[i] = envelope_new(PAGE);
	}
	self->sqe_flags = variant->sqe_flags;
	ASSERT_EQ(0, ring_open(&self->ring, DEPTH, variant->flags));
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
}

FIXTURE_TEARDOWN(calls)
{
	unsigned int i;

	EXPECT_EQ(0, slow_down(0, 0));
	ring_close(&self->ring);
	for (i = 0; i < DEPTH; i++)
		envelope_free(&self->envelopes[i]);
	passthru_close(&self->nodes);
}

/* Has all reads under way, of a page each; none is done within two seconds. */
static int submit_all(FIXTURE_DATA(calls) *self, unsigned int timeout_ms)
{
	unsigned char page[PAGE];
	unsigned int i;
	int error = slow_down(0, PAGE / 2);

	/* What comes next is done at once, and what comes after it is not. */
	error = error ?: blocks_read(&self->nodes, 0, 8, page, PAGE);
	error = error ?: trace_start(&self->trace);
	for (i = 0; i < DEPTH && !error; i++) {
		struct nvme_call *call = self->envelopes[i].call;

		memset(self->envelopes[i].payload, UNTOUCHED, PAGE);
		memset(call, UNTOUCHED, CALL_BYTES);
		memset(call, 0, ANSWER_AT);
		call->size = CALL_BYTES;
		call->family = NVME_CALL_IO;
		call->command = IO_READ;
		call->nsid = SLOW_NSID;
		call->cdw10 = 8 * i;
		call->cdw12 = 7;
		call->timeout_ms = timeout_ms;
		call->size_out = PAGE;
		error = envelope_push(&self->ring, self->nodes.ns, call, self->sqe_flags, i);
	}
	if (!error && ring_submit(&self->ring) != DEPTH)
		error = -EIO;
	return error ?: wait_until(trace_count(&self->trace, IO_COMMAND) == DEPTH) ? 0 : -ETIME;
}

static bool is_untouched(const struct envelope *envelope)
{
	return memory_is((char *)envelope->call + ANSWER_AT, CALL_BYTES - ANSWER_AT, UNTOUCHED) &&
	       memory_is(envelope->payload, PAGE, UNTOUCHED);
}

/* What each command ended with: that of the ring, or the status. All of them end once. */
static void reap_all(struct __test_metadata *_metadata, FIXTURE_DATA(calls) *self, int ends[DEPTH])
{
	bool answered[DEPTH] = { false };
	struct ring_answer answer;
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		ASSERT_GT(DEPTH, answer.tag);
		ASSERT_FALSE(answered[answer.tag]);
		answered[answer.tag] = true;
		ends[answer.tag] = answer.res ?: (int)self->envelopes[answer.tag].call->status;
		if (ends[answer.tag] < 0)
			continue;
		EXPECT_EQ(ends[answer.tag] ? 0 : PAGE, self->envelopes[answer.tag].call->fw_size);
		EXPECT_TRUE(ends[answer.tag] ?
			    memory_is(self->envelopes[answer.tag].payload, PAGE, UNTOUCHED) :
			    pattern_is(self->envelopes[answer.tag].payload, PAGE, answer.tag));
	}
	EXPECT_EQ(-ETIME, ring_reap(&self->ring, &answer, QUIET_MS));
}

static void expect_ends(struct __test_metadata *_metadata, FIXTURE_DATA(calls) *self, int expected)
{
	int ends[DEPTH] = {};
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	reap_all(_metadata, self, ends);
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(expected, ends[i]);
}

TEST_F_TIMEOUT(calls, are_under_way_without_a_worker, 60)
{
	ASSERT_EQ(0, submit_all(self, 0));
	/* Where they are asked for there are some, which do not wait for the controller. */
	if (variant->sqe_flags & IOSQE_ASYNC) {
		EXPECT_LT(0, ring_workers());
		EXPECT_GT(DEPTH / 2, ring_workers());
	} else {
		EXPECT_EQ(0, ring_workers());
	}
	EXPECT_GT(DEPTH / 2, trace_count(&self->trace, IO_COMPLETION));
	expect_ends(_metadata, self, 0);
	EXPECT_EQ(DEPTH, trace_count(&self->trace, IO_COMPLETION));
	EXPECT_EQ(0, trace_count(&self->trace, ABORT));
}

/* What was copied is used, whatever becomes of it. */
TEST_F_TIMEOUT(calls, may_be_overwritten, 60)
{
	int ends[DEPTH] = {};
	unsigned int i;

	ASSERT_EQ(0, submit_all(self, 0));
	for (i = 0; i < DEPTH; i++)
		memset(self->envelopes[i].call, 0xff, ANSWER_AT);
	ASSERT_EQ(0, slow_down(0, 0));
	reap_all(_metadata, self, ends);
	for (i = 0; i < DEPTH; i++) {
		EXPECT_EQ(0, ends[i]);
		EXPECT_TRUE(memory_is(self->envelopes[i].call, ANSWER_AT, 0xff));
	}
}

/* The controller is asked to abort them, and is not reset. */
TEST_F_TIMEOUT(calls, have_a_time_limit, 60)
{
	int ends[DEPTH] = {};
	unsigned int i, aborted = 0;

	ASSERT_EQ(0, submit_all(self, TIMEOUT_MS));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) >= DEPTH / 2));
	ASSERT_EQ(0, slow_down(0, 0));
	reap_all(_metadata, self, ends);
	for (i = 0; i < DEPTH; i++) {
		EXPECT_TRUE(ends[i] == 0 || (ends[i] & STATUS_CODE_MASK) == STATUS_ABORTED);
		aborted += ends[i] != 0;
	}
	EXPECT_LE(DEPTH / 2, aborted);
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
}

/*
 * Long before their disk would have done them. QEMU may have it do them at once when it is disabled: liar_call has
 * commands that nobody completes.
 */
TEST_F_TIMEOUT(calls, end_when_the_controller_is_reset, 60)
{
	int ends[DEPTH] = {};
	unsigned int i;

	ASSERT_EQ(0, submit_all(self, 0));
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	reap_all(_metadata, self, ends);
	for (i = 0; i < DEPTH; i++) {
		EXPECT_TRUE(ends[i] == 0 || ends[i] == -EINTR) {
			TH_LOG("command %u: %d", i, ends[i]);
		}
		EXPECT_TRUE(ends[i] == 0 || is_untouched(&self->envelopes[i]));
	}
}

/* Nothing can be written to memory that is not there any more: the commands were executed all the same. */
TEST_F_TIMEOUT(calls, whose_memory_is_gone, 60)
{
	static const int protections[] = { PROT_NONE, PROT_READ };
	unsigned int i, j;

	for (j = 0; j < ARRAY_LENGTH(protections); j++) {
		ASSERT_EQ(0, submit_all(self, 0));
		for (i = 0; i < DEPTH; i++)
			ASSERT_EQ(0, mprotect(self->envelopes[i].pages,
					      self->envelopes[i].pages_bytes - PAGE, protections[j]));
		expect_ends(_metadata, self, -EFAULT);
		EXPECT_EQ(DEPTH, trace_count(&self->trace, IO_COMPLETION));
		for (i = 0; i < DEPTH; i++) {
			ASSERT_EQ(0, mprotect(self->envelopes[i].pages, self->envelopes[i].pages_bytes - PAGE,
					      PROT_READ | PROT_WRITE));
			EXPECT_TRUE(is_untouched(&self->envelopes[i]));
		}
	}
}

static long submit_and_exit(void *argument)
{
	return submit_all(argument, 0);
}

/* Nobody else writes to memory in its place. */
TEST(submitter_exits_first)
{
	FIXTURE_DATA(calls) calls = {}, *self = &calls;
	unsigned int i;
	struct call call;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	ASSERT_EQ(0, ring_open(&self->ring, DEPTH, 0));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	for (i = 0; i < DEPTH; i++)
		self->envelopes[i] = envelope_new(PAGE);
	ASSERT_EQ(0, call_start(&call, submit_and_exit, self));
	ASSERT_EQ(0, call_finish(&call));
	ASSERT_EQ(0, call.result);
	expect_ends(_metadata, self, -ECANCELED);
	for (i = 0; i < DEPTH; i++) {
		EXPECT_TRUE(is_untouched(&self->envelopes[i]));
		envelope_free(&self->envelopes[i]);
	}
	ring_close(&self->ring);
	passthru_close(&self->nodes);
}

/* What the controller has completed is answered, even if the task looks for it when the controller is long gone. */
TEST(answers_outlive_the_controller)
{
	FIXTURE_DATA(calls) calls = {}, *self = &calls;
	struct controller *controller = &self->nodes.controller;
	unsigned char page[PAGE];
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	ASSERT_EQ(0, ring_open(&self->ring, DEPTH, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_enable("pci_nvme_enqueue_req_completion"));
	for (i = 0; i < DEPTH; i++) {
		self->envelopes[i] = envelope_new(PAGE);
		pattern_fill(page, PAGE, i);
		ASSERT_EQ(0, blocks_write(&self->nodes, 8 * i, 8, page, PAGE));
	}
	ASSERT_EQ(0, submit_all(self, 0));
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMPLETION) == DEPTH));
	/* The interrupt of the last one has come as well. */
	usleep(1000 * QUIET_MS);
	ASSERT_EQ(0, controller_unbind(controller));
	for (i = 0; i < DEPTH; i++)
		EXPECT_TRUE(is_untouched(&self->envelopes[i]));
	expect_ends(_metadata, self, 0);
	for (i = 0; i < DEPTH; i++)
		envelope_free(&self->envelopes[i]);
	ring_close(&self->ring);
	passthru_close(&self->nodes);
	ASSERT_EQ(0, controller_bind(controller));
}

TEST_HARNESS_MAIN
