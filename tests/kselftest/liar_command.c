// SPDX-License-Identifier: GPL-2.0-only
/* Commands whose completions are wrong, or do not come. */
#include "kselftest_harness.h"

#include <sched.h>
#include <sys/syscall.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/liar.h"
#include "lib/ring.h"
#include "lib/slow.h"
#include "lib/util.h"

#define BLOCK_BYTES	512
#define BLOCKS_READ	8
#define BYTES_READ	(BLOCKS_READ * BLOCK_BYTES)

/* Five seconds after an Abort that did not help, there is a reset. */
#define RESET_LIMIT_MS	(12000 * patience())

/* A bound controller, and what is read from it. */
struct subject {
	struct liar liar;
	struct passthru nodes;
	unsigned char *page;
};

/* Its first blocks have a pattern. */
static int subject_begin(struct subject *subject)
{
	int error;

	error = liar_begin(&subject->liar);
	error = error ?: liar_bind(&subject->liar);
	error = error ?: passthru_open(&subject->nodes, 1);
	if (error)
		return error;
	subject->page = pages_new(BYTES_READ, 0);
	pattern_fill(subject->page, BYTES_READ, 1);
	error = blocks_write(&subject->nodes, 0, BLOCKS_READ, subject->page, BYTES_READ);
	memset(subject->page, 0, BYTES_READ);
	return error;
}

static int subject_end(struct subject *subject)
{
	pages_free(subject->page, BYTES_READ);
	passthru_close(&subject->nodes);
	return liar_end(&subject->liar);
}

FIXTURE(command)
{
	struct subject subject;
};

FIXTURE_SETUP(command)
{
	ASSERT_EQ(0, subject_begin(&self->subject));
}

FIXTURE_TEARDOWN(command)
{
	EXPECT_EQ(0, subject_end(&self->subject));
}

static struct nvme_passthru_cmd64 read_blocks(struct subject *subject, unsigned int timeout_ms)
{
	return (struct nvme_passthru_cmd64){
		.opcode = IO_READ, .nsid = 1, BLOCKS(0, BLOCKS_READ),
		DATA(subject->page, BYTES_READ), .timeout_ms = timeout_ms,
	};
}

/* A read that may take @timeout_ms; its result. */
static int run_read(struct subject *subject, unsigned int timeout_ms)
{
	struct nvme_passthru_cmd64 command = read_blocks(subject, timeout_ms);

	return passthru(subject->nodes.ns, NVME_IOCTL_IO64_CMD, &command);
}

/* The same by a ring. */
static int run_ring_read(struct subject *subject, unsigned int timeout_ms)
{
	struct nvme_passthru_cmd64 command = read_blocks(subject, timeout_ms);
	struct ring_command entry = { .fd = subject->nodes.ns, .operation = NVME_URING_CMD_IO };
	struct ring_answer answer = { 0 };
	struct ring ring;
	int result;

	/* The same members up to the time limit. */
	memcpy(&entry.command, &command, sizeof(entry.command));
	result = ring_open(&ring, 4, RING_WIDE);
	if (result)
		return result;
	ring_push(&ring, &entry);
	ring_submit(&ring);
	result = ring_reap(&ring, &answer, RESET_LIMIT_MS);
	ring_close(&ring);
	return result ?: answer.res;
}

static unsigned long long unknown_completions(const struct liar *liar)
{
	unsigned long long count = -1;

	controller_value(&liar->controller, "unknown_completions", &count);
	return count;
}

/* What comes in place of, or beside, the right completion does no harm. */
FIXTURE(completion)
{
	struct subject subject;
};

FIXTURE_VARIANT(completion)
{
	enum lie lie;
	unsigned int argument;
	unsigned int unknown;	/* completions of nothing, for each lie */
};

FIXTURE_VARIANT_ADD(completion, of_no_command) { LIE_UNKNOWN_COMMAND, 0x7777, 1 };
FIXTURE_VARIANT_ADD(completion, of_command_ffff) { LIE_UNKNOWN_COMMAND, 0xffff, 1 };
FIXTURE_VARIANT_ADD(completion, given_twice) { LIE_TWICE, 0, 1 };
FIXTURE_VARIANT_ADD(completion, of_another_queue) { LIE_QUEUE_ID, 2, 0 };
FIXTURE_VARIANT_ADD(completion, of_a_queue_that_is_not_there) { LIE_QUEUE_ID, 0x7777, 0 };
FIXTURE_VARIANT_ADD(completion, with_a_head_beyond_the_tail) { LIE_QUEUE_HEAD, 200, 0 };
FIXTURE_VARIANT_ADD(completion, with_a_head_beyond_the_queue) { LIE_QUEUE_HEAD, 0xffff, 0 };

FIXTURE_SETUP(completion)
{
	ASSERT_EQ(0, subject_begin(&self->subject));
}

FIXTURE_TEARDOWN(completion)
{
	EXPECT_EQ(0, subject_end(&self->subject));
}

/* More commands than the queues hold: their ends are passed, whatever was said of the head. */
#define COMMANDS 600

TEST_F(completion, of_io_commands)
{
	unsigned int i;

	for (i = 0; i < COMMANDS; i++) {
		memset(self->subject.page, 0, BYTES_READ);
		if (i % 20 == 0)
			ASSERT_EQ(0, lie(&self->subject.liar, variant->lie, variant->argument));
		ASSERT_EQ(0, i % 40 ? run_read(&self->subject, 0) : run_ring_read(&self->subject, 0));
		ASSERT_TRUE(pattern_is(self->subject.page, BYTES_READ, 1));
	}
	EXPECT_EQ(COMMANDS / 20, liar_told(&self->subject.liar));
	EXPECT_TRUE(liar_is(&self->subject.liar, "live"));
	EXPECT_EQ(!!variant->unknown, log_has(&self->subject.liar.log, "that is not outstanding"));
	EXPECT_EQ(0, liar_informs(&self->subject.liar));
}

TEST_F(completion, of_admin_commands)
{
	struct nvme_passthru_cmd64 identify = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->subject.page, IDENTIFY_BYTES),
	};
	unsigned int i;

	for (i = 0; i < COMMANDS / 4; i++) {
		memset(self->subject.page, 0, BYTES_READ);
		if (i % 10 == 0)
			ASSERT_EQ(0, lie(&self->subject.liar, variant->lie,
					 OF_ADMIN_QUEUE | variant->argument));
		ASSERT_EQ(0, passthru(self->subject.nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &identify));
		ASSERT_EQ(0x34, self->subject.page[0]);
	}
	EXPECT_EQ(COMMANDS / 40, liar_told(&self->subject.liar));
	EXPECT_EQ(variant->unknown * COMMANDS / 40, unknown_completions(&self->subject.liar));
	EXPECT_EQ(!!variant->unknown, log_has(&self->subject.liar.log, "that is not outstanding"));
	EXPECT_EQ(0, liar_serves(&self->subject.liar));
	EXPECT_EQ(0, liar_informs(&self->subject.liar));
}

TEST_F(command, that_hangs_is_aborted)
{
	struct nvme_event event;

	ASSERT_EQ(0, lie(&self->subject.liar, LIE_HANGS, 0));
	EXPECT_EQ(STATUS_ABORTED, run_read(&self->subject, 1000) & STATUS_CODE_MASK);
	ASSERT_EQ(0, lie(&self->subject.liar, LIE_HANGS, 0));
	EXPECT_EQ(STATUS_ABORTED, run_ring_read(&self->subject, 1000) & STATUS_CODE_MASK);
	ASSERT_EQ(0, event_read(self->subject.liar.node, &event));
	EXPECT_EQ(NVME_EVENT_COMMAND_TIMED_OUT << 8, event.dw0);
	EXPECT_EQ(IO_READ, event.dw1 & 0xff);
	EXPECT_EQ(2, liar_answer(&self->subject.liar, QUESTION_ADMIN_COMMANDS + ADMIN_ABORT));
	EXPECT_FALSE(liar_stream_has(&self->subject.liar, NVME_EVENT_RESET_STARTED));
	EXPECT_EQ(0, liar_serves(&self->subject.liar));
}

/* From now on the queue of the processor on which the test runs holds that many commands at a time. */
static int hold_at_most(const struct liar *liar, unsigned int commands)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		return -errno;
	return lie(liar, LIE_QUEUE_ENTRIES, commands) ?: liar_reset(liar);
}

/* A queue that the controller says is full is not, with no command in it. */
TEST_F(command, in_a_queue_whose_head_is_anywhere)
{
	struct liar *liar = &self->subject.liar;
	struct nvme_passthru_cmd64 identify = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->subject.page, IDENTIFY_BYTES),
	};
	unsigned int i;

	ASSERT_EQ(0, hold_at_most(liar, 1));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, lie(liar, LIE_QUEUE_HEAD, i % 2));
		ASSERT_EQ(0, i & 2 ? run_ring_read(&self->subject, 0) : run_read(&self->subject, 0));
	}
	/* The admin queue has 64 entries. */
	for (i = 0; i < 64 + 2; i++) {
		ASSERT_EQ(0, lie(liar, LIE_QUEUE_HEAD, OF_ADMIN_QUEUE));
		ASSERT_EQ(0, passthru(self->subject.nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &identify));
	}
	EXPECT_EQ(8 + 64 + 2, liar_told(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* What is aborted keeps its place until the Abort is over as well, which no interrupt of the queue tells. */
TEST_F(command, that_waits_for_the_place_of_an_aborted_one)
{
	struct slow_call hanging = { self->subject.nodes.ns, NVME_IOCTL_IO64_CMD,
				     read_blocks(&self->subject, 1000) };
	struct liar *liar = &self->subject.liar;
	struct call call;
	unsigned int i;

	ASSERT_EQ(0, hold_at_most(liar, 1));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, lie(liar, LIE_HANGS, 0));
		ASSERT_EQ(0, call_start(&call, slow_passthru, &hanging));
		ASSERT_TRUE(wait_until(liar_answer(liar, QUESTION_IO_COMMANDS + IO_READ) > 2 * i));
		EXPECT_EQ(0, i ? run_ring_read(&self->subject, 0) : run_read(&self->subject, 0));
		ASSERT_EQ(0, call_finish(&call));
		EXPECT_EQ(STATUS_ABORTED, call.result & STATUS_CODE_MASK);
	}
	EXPECT_EQ(0, liar_informs(liar));
}

/* The command it is for is over; but the Abort has a place in the queue, and so has the command's number. */
TEST_F_TIMEOUT(command, whose_abort_is_not_answered, 60)
{
	struct liar *liar = &self->subject.liar;
	struct nvme_event event;
	unsigned int late = 0;

	ASSERT_EQ(0, lie(liar, LIE_ABORTS_HANG, 0));
	ASSERT_EQ(0, lie(liar, LIE_HANGS, 0));
	EXPECT_EQ(STATUS_ABORTED, run_read(&self->subject, 1000) & STATUS_CODE_MASK);
	do {
		ASSERT_EQ(0, event_read(liar->node, &event));
		late += event.dw0 == NVME_EVENT_COMMAND_TIMED_OUT << 8 && (event.dw1 & 0xff) == ADMIN_ABORT;
	} while (event.dw0 != NVME_EVENT_RESET_SUCCEEDED << 8);
	EXPECT_EQ(1, late);
	EXPECT_TRUE(log_has(&liar->log, "admin command 0x08 timed out"));
	ASSERT_EQ(0, truth(liar));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* A reset is all that is left; what has not been completed never is a success. */
FIXTURE(reset)
{
	struct subject subject;
};

FIXTURE_VARIANT(reset)
{
	enum lie lies[2];
	unsigned int argument;
	int lifecycle;
};

FIXTURE_VARIANT_ADD(reset, no_abort_helps) {
	{ LIE_HANGS, LIE_ABORTS_NOTHING }, 0, NVME_EVENT_COMMAND_TIMED_OUT };
FIXTURE_VARIANT_ADD(reset, completion_of_another_round) {
	{ LIE_PHASE, LIE_PHASE }, 0, NVME_EVENT_COMMAND_TIMED_OUT };
FIXTURE_VARIANT_ADD(reset, fatal_error) {
	{ LIE_FATAL_IN_COMMAND, LIE_FATAL_IN_COMMAND }, 0, NVME_EVENT_FATAL_STATUS };

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, subject_begin(&self->subject));
}

FIXTURE_TEARDOWN(reset)
{
	EXPECT_EQ(0, subject_end(&self->subject));
}

static void end_in_a_reset(struct __test_metadata *_metadata, FIXTURE_DATA(reset) *self,
			   const FIXTURE_VARIANT(reset) *variant, bool by_ring)
{
	long long start_ms = now_ms();
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, lie(&self->subject.liar, variant->lies[i], variant->argument));
	EXPECT_EQ(-EINTR, by_ring ? run_ring_read(&self->subject, 1000) : run_read(&self->subject, 1000));
	EXPECT_GT(RESET_LIMIT_MS, now_ms() - start_ms);
	EXPECT_TRUE(wait_until(liar_is(&self->subject.liar, "live")));
	EXPECT_TRUE(liar_stream_has(&self->subject.liar, variant->lifecycle));
	EXPECT_TRUE(liar_stream_has(&self->subject.liar, NVME_EVENT_RESET_STARTED));
	EXPECT_TRUE(wait_until(liar_stream_has(&self->subject.liar, NVME_EVENT_RESET_SUCCEEDED)));
	ASSERT_EQ(0, truth(&self->subject.liar));
	EXPECT_EQ(0, liar_serves(&self->subject.liar));
	EXPECT_EQ(0, liar_informs(&self->subject.liar));
}

TEST_F_TIMEOUT(reset, ends_a_command, 60)
{
	end_in_a_reset(_metadata, self, variant, false);
}

TEST_F_TIMEOUT(reset, ends_a_command_of_a_ring, 60)
{
	end_in_a_reset(_metadata, self, variant, true);
}

/* It goes in the middle of a command. The driver looks once a second. */
TEST_F(command, of_a_controller_that_vanishes)
{
	struct slow_call hanging = { self->subject.nodes.ns, NVME_IOCTL_IO64_CMD,
				     read_blocks(&self->subject, 0) };
	struct call call;

	ASSERT_EQ(0, lie(&self->subject.liar, LIE_HANGS, 0));
	ASSERT_EQ(0, call_start(&call, slow_passthru, &hanging));
	ASSERT_TRUE(wait_until(liar_answer(&self->subject.liar, QUESTION_HANGING) == 1));
	ASSERT_EQ(0, lie(&self->subject.liar, LIE_VANISHED, 0));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(-EINTR, call.result);
	EXPECT_TRUE(wait_until(liar_is(&self->subject.liar, "dead")));
	EXPECT_TRUE(log_has(&self->subject.liar.log, "controller does not answer"));
	EXPECT_TRUE(liar_stream_has(&self->subject.liar, NVME_EVENT_FATAL_STATUS));
	EXPECT_EQ(-ENODEV, run_read(&self->subject, 0));
	EXPECT_EQ(-ENETRESET, liar_reset(&self->subject.liar));

	ASSERT_EQ(0, truth(&self->subject.liar));
	EXPECT_EQ(0, liar_reset(&self->subject.liar));
	EXPECT_EQ(0, liar_serves(&self->subject.liar));
	EXPECT_EQ(0, liar_informs(&self->subject.liar));
}

/* What was completed before a reset has been completed, though no interrupt has said so yet. */
TEST_F_TIMEOUT(command, completed_before_a_reset, 60)
{
	struct slow_call reading = { self->subject.nodes.ns, NVME_IOCTL_IO64_CMD,
				     read_blocks(&self->subject, 0) };
	struct ring_command entry = { .fd = self->subject.nodes.ns, .operation = NVME_URING_CMD_IO };
	struct liar *liar = &self->subject.liar;
	struct ring_answer answer;
	struct nvme_event event;
	struct ring ring;
	struct call call;
	unsigned int i, events;

	memcpy(&entry.command, &reading.command, sizeof(entry.command));
	ASSERT_EQ(0, ring_open(&ring, 4, RING_WIDE));
	/* Once a second the driver looks by itself, so that one turn would not tell. */
	for (i = 0; i < 5; i++) {
		memset(self->subject.page, 0, BYTES_READ);
		ASSERT_EQ(0, lie(liar, LIE_NO_INTERRUPTS, 0));
		ASSERT_EQ(0, call_start(&call, slow_passthru, &reading));
		ASSERT_EQ(0, ring_push(&ring, &entry));
		ASSERT_EQ(1, ring_submit(&ring));
		ASSERT_TRUE(wait_until(liar_answer(liar, QUESTION_IO_COMMANDS + IO_READ) == 2));
		ASSERT_EQ(0, liar_report(liar, EVENT_RELIABILITY));
		/* With interrupts again, but for what is there already. */
		ASSERT_EQ(0, truth(liar));
		ASSERT_EQ(0, liar_reset(liar));
		ASSERT_EQ(0, call_finish(&call));
		EXPECT_EQ(0, call.result);
		ASSERT_EQ(0, ring_reap(&ring, &answer, LIMIT_MS));
		EXPECT_EQ(0, answer.res);
		EXPECT_TRUE(pattern_is(self->subject.page, BYTES_READ, 1));
		events = 0;
		do {
			ASSERT_EQ(0, event_read(liar->node, &event));
			events += event.dw0 == EVENT_RELIABILITY;
		} while (event.dw0 != NVME_EVENT_RESET_SUCCEEDED << 8);
		EXPECT_EQ(1, events);
	}
	ring_close(&ring);
	EXPECT_EQ(0, unknown_completions(liar));
	EXPECT_FALSE(log_has(&liar->log, "that is not outstanding"));
	EXPECT_EQ(0, liar_serves(liar));
	EXPECT_EQ(0, liar_informs(liar));
}

/* Whoever polls sees completions all the same; the driver does, once a second. */
TEST_F(command, without_an_interrupt)
{
	long long start_ms = now_ms();

	ASSERT_EQ(0, lie(&self->subject.liar, LIE_NO_INTERRUPTS, 0));
	EXPECT_EQ(0, run_read(&self->subject, 0));
	EXPECT_TRUE(pattern_is(self->subject.page, BYTES_READ, 1));
	EXPECT_EQ(0, run_ring_read(&self->subject, 0));
	EXPECT_GT(LIMIT_MS, now_ms() - start_ms);
	EXPECT_FALSE(liar_stream_has(&self->subject.liar, NVME_EVENT_COMMAND_TIMED_OUT));
}

TEST_F(command, without_an_interrupt_of_the_admin_queue)
{
	struct nvme_passthru_cmd64 identify = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->subject.page, IDENTIFY_BYTES),
	};
	long long start_ms = now_ms();

	ASSERT_EQ(0, lie(&self->subject.liar, LIE_NO_INTERRUPTS, 0));
	EXPECT_EQ(0, passthru(self->subject.nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &identify));
	EXPECT_GT(LIMIT_MS, now_ms() - start_ms);
	/* The log page of the event is read as slowly. */
	EXPECT_EQ(0, liar_informs(&self->subject.liar));
	EXPECT_FALSE(liar_stream_has(&self->subject.liar, NVME_EVENT_COMMAND_TIMED_OUT));
}

TEST_F(command, amid_interrupts_without_completions)
{
	unsigned int i;

	ASSERT_EQ(0, lie(&self->subject.liar, LIE_IDLE_INTERRUPTS, 400));
	for (i = 0; i < 50; i++)
		ASSERT_EQ(0, run_read(&self->subject, 0));
	EXPECT_LT(0, liar_answer(&self->subject.liar, QUESTION_IDLE_INTERRUPTS));
	EXPECT_TRUE(wait_until(liar_answer(&self->subject.liar, QUESTION_IDLE_INTERRUPTS) == 0));
	EXPECT_EQ(0, liar_serves(&self->subject.liar));
	EXPECT_EQ(0, liar_informs(&self->subject.liar));
}

/* A status is handed on as it is, whatever it may mean. */
TEST_F(command, with_a_status_nobody_knows)
{
	ASSERT_EQ(0, lie(&self->subject.liar, LIE_STATUS, 0x7fff));
	EXPECT_EQ(0x7fff, run_read(&self->subject, 0));
	ASSERT_EQ(0, lie(&self->subject.liar, LIE_STATUS, 0x7fff));
	EXPECT_EQ(0x7fff, run_ring_read(&self->subject, 0));
	EXPECT_EQ(0, liar_serves(&self->subject.liar));
}

TEST_HARNESS_MAIN
