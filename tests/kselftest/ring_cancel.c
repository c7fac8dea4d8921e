// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that nobody wants any more, because their ring, their process or the
 * thread that submitted them is gone, or that take too long on a ring that
 * polls: the controller is asked to abort them. The namespace's disk is slow at
 * will; QEMU ends what it aborts when it would have been done, with a status
 * that says so.
 */
#include "kselftest_harness.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/envelope.h"
#include "lib/load.h"
#include "lib/plain.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define COMMANDS 128
#define ABORTS 1000
#define ROUNDS_MOST 100
/* Operations a second: while as many commands are aborted, some are done. Fewer if few are, on a slow machine. */
#define RATE 250
#define RATE_LEAST 4
#define POLL_TAG COMMANDS
#define TIMEOUT_MS 500

#define IO_COMMAND "pci_nvme_io_cmd *"
#define IO_COMPLETION "pci_nvme_enqueue_req_completion cid * cqid [!0]*"
#define ABORT "pci_nvme_admin_cmd * opc 0x8 *"
#define ENABLED "pci_nvme_mmio_start_success*"

/* In which of the forms. */
enum form { LARGE, INLINE, INDIRECT, ENVELOPE };

FIXTURE(cancel)
{
	struct passthru nodes;
	struct ring ring;
	struct ring other;	/* to be polled: nothing ever comes there */
	struct trace trace;
	struct trace round;
	unsigned char *memory;	/* COMMANDS pages */
	struct nvme_passthru_cmd64 commands[COMMANDS];
	struct envelope envelopes[COMMANDS];
	const FIXTURE_VARIANT(cancel) *variant;
};

FIXTURE_VARIANT(cancel)
{
	unsigned int flags;
	unsigned int sqe_flags;
	unsigned int uring_flags;
	enum form form;
	unsigned int timeout_ms;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(cancel, name) { .flags = __VA_ARGS__ }

KIND(large, RING_WIDE);
KIND(by_workers, RING_WIDE, .sqe_flags = IOSQE_ASYNC);
KIND(registered, RING_WIDE, .uring_flags = IORING_URING_CMD_FIXED);
KIND(inline, 0, .form = INLINE);
KIND(indirect, 0, .form = INDIRECT);
KIND(indirect_by_workers, 0, .form = INDIRECT, .sqe_flags = IOSQE_ASYNC);
KIND(envelope, 0, .form = ENVELOPE);

FIXTURE_SETUP(cancel)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion", "pci_nvme_mmio_start_success",
	};
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	self->variant = variant;
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	ASSERT_EQ(0, load_prepare(&self->nodes));
	self->memory = pages_new(COMMANDS * PAGE, 0);
	for (i = 0; i < COMMANDS; i++)
		self->envelopes[i] = envelope_new(PAGE);
	ASSERT_EQ(0, ring_open(&self->other, 1, 0));
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(cancel)
{
	unsigned int i;

	EXPECT_EQ(0, slow_down(0, 0));
	for (i = 0; i < COMMANDS; i++)
		envelope_free(&self->envelopes[i]);
	ring_close(&self->other);
	pages_free(self->memory, COMMANDS * PAGE);
	passthru_close(&self->nodes);
}

static int push_all(FIXTURE_DATA(cancel) *self)
{
	const FIXTURE_VARIANT(cancel) *variant = self->variant;
	unsigned int i;
	int error = 0;

	for (i = 0; i < COMMANDS && !error; i++) {
		struct ring_command read = {
			.fd = self->nodes.ns, .operation = NVME_URING_CMD_IO,
			.sqe_flags = variant->sqe_flags, .uring_flags = variant->uring_flags,
			.tag = i,
			.command = {
				.opcode = IO_READ, .nsid = SLOW_NSID, BLOCKS(0, 8),
				DATA(self->memory + i * PAGE, PAGE),
				.timeout_ms = variant->timeout_ms,
			},
		};

		self->commands[i] = plain_command(&read);
		switch (variant->form) {
		case LARGE:
			error = ring_push(&self->ring, &read);
			break;
		case INLINE:
			error = plain_push_inline(&self->ring, &read, NULL);
			break;
		case INDIRECT:
			error = plain_push_indirect(&self->ring, &read, &self->commands[i], 0);
			break;
		case ENVELOPE:
			*self->envelopes[i].call = (struct nvme_call){
				.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_READ,
				.nsid = SLOW_NSID, BLOCKS(0, 8), .size_out = PAGE,
			};
			error = envelope_push(&self->ring, self->nodes.ns, self->envelopes[i].call,
					      variant->sqe_flags, i);
			break;
		}
	}
	return error;
}

/* What a command that the ring answered ended with. */
static int end_of(const FIXTURE_DATA(cancel) *self, const struct ring_answer *answer)
{
	if (self->variant->form == ENVELOPE && answer->res == 0)
		return self->envelopes[answer->tag].call->status & STATUS_CODE_MASK;
	return answer->res;
}

static const void *data_of(const FIXTURE_DATA(cancel) *self, unsigned int tag)
{
	return self->variant->form == ENVELOPE ? self->envelopes[tag].payload : self->memory + tag * PAGE;
}

static int open_ring(FIXTURE_DATA(cancel) *self)
{
	return ring_open(&self->ring, 2 * COMMANDS, self->variant->flags) ?:
	       ring_register(&self->ring, self->memory, COMMANDS * PAGE);
}

/* Waits for a ring as well: that makes io_uring end what a thread has left when it exits. */
static long submit_and_exit(void *argument)
{
	FIXTURE_DATA(cancel) *self = argument;
	struct io_uring_sqe *sqe;

	sqe = ring_next(&self->ring);
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = self->other.fd;
	sqe->poll32_events = POLLIN;
	sqe->user_data = POLL_TAG;
	ring_advance(&self->ring, 1);
	if (push_all(self) || ring_submit(&self->ring) != COMMANDS + 1)
		return -EIO;
	/* Workers send in their own time, and nothing any more when their task exits. */
	if (self->variant->sqe_flags &&
	    !wait_until(trace_count(&self->round, IO_COMMAND) == COMMANDS))
		return -ETIME;
	return 0;
}

/* The controller is well, and did not have to be reset. */
static void expect_well(struct __test_metadata *_metadata, FIXTURE_DATA(cancel) *self)
{
	unsigned char page[PAGE];

	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	ASSERT_EQ(0, slow_down(0, 0));
	EXPECT_EQ(0, blocks_read(&self->nodes, 0, 8, page, PAGE));
	EXPECT_TRUE(pattern_is(page, PAGE, 0));
}

/* The disk is just so slow that some commands are done and some are aborted. */
TEST_F_TIMEOUT(cancel, a_thousand_aborts_race_completions, 180)
{
	unsigned int rounds, i, rate = RATE, ends[3] = { 0 };
	struct ring_answer answer;
	int aborts = 0, new, end;

	for (rounds = 0; aborts < ABORTS && rounds < ROUNDS_MOST; rounds++) {
		bool answered[COMMANDS + 1] = { false };
		struct call call;

		ASSERT_EQ(0, open_ring(self));
		ASSERT_EQ(0, slow_down(rate, 0));
		ASSERT_EQ(0, trace_start(&self->round));
		ASSERT_EQ(0, call_start(&call, submit_and_exit, self));
		ASSERT_EQ(0, call_finish(&call));
		ASSERT_EQ(0, call.result);
		for (i = 0; i < COMMANDS + 1; i++) {
			ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS)) {
				TH_LOG("round %u, %u of %u", rounds, i, COMMANDS + 1);
			}
			ASSERT_GE(POLL_TAG, answer.tag);
			ASSERT_FALSE(answered[answer.tag]);
			answered[answer.tag] = true;
			if (answer.tag == POLL_TAG)
				continue;
			end = end_of(self, &answer);
			ends[0] += end == 0;
			ends[1] += end == STATUS_ABORTED;
			ends[2] += end == -ECANCELED || end == -EINTR;
			if (end == 0)
				ASSERT_TRUE(pattern_is(data_of(self, answer.tag), PAGE, 0));
		}
		EXPECT_EQ(-ETIME, ring_reap(&self->ring, &answer, QUIET_MS));
		ring_close(&self->ring);
		new = trace_count(&self->round, ABORT);
		ASSERT_LE(0, new);
		aborts += new;
		if (new < COMMANDS / 4 && rate > RATE_LEAST)
			rate /= 2;
	}
	TH_LOG("%u executed, %u aborted, %u not told; %d aborts", ends[0], ends[1], ends[2], aborts);
	EXPECT_LE(ABORTS, aborts);
	EXPECT_EQ(rounds * COMMANDS, ends[0] + ends[1] + ends[2]);
	/* The submitter is told what came of a command, or nobody is. */
	if (variant->form != INDIRECT && variant->form != ENVELOPE) {
		EXPECT_EQ(0, ends[2]);
		EXPECT_LT(0, ends[0]);
		EXPECT_LT(0, ends[1]);
	}
	EXPECT_EQ(trace_count(&self->trace, IO_COMMAND), trace_count(&self->trace, IO_COMPLETION));
	expect_well(_metadata, self);
}

/* Milliseconds that the processors spent in the kernel. */
static long kernel_ms(void)
{
	long user, nice, system = -1;
	char text[256];

	if (!read_file("/proc/stat", text, sizeof(text)))
		sscanf(text, "cpu %ld %ld %ld", &user, &nice, &system);
	return system * 1000 / sysconf(_SC_CLK_TCK);
}

/* All of them are aborted, each once, and io_uring waits for them without a fuss. */
static void expect_aborts(struct __test_metadata *_metadata, FIXTURE_DATA(cancel) *self)
{
	long long start_ms;
	long before_ms;

	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) == COMMANDS)) {
		TH_LOG("%d aborts", trace_count(&self->trace, ABORT));
	}
	start_ms = now_ms();
	before_ms = kernel_ms();
	sleep(1);
	/* A fuss would take all of a processor. */
	EXPECT_GT((now_ms() - start_ms) / 2, kernel_ms() - before_ms);
	EXPECT_EQ(COMMANDS, trace_count(&self->trace, ABORT));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMPLETION));
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMPLETION) == COMMANDS));
	expect_well(_metadata, self);
}

/* What is sent from now on waits for the disk. */
static void stop_disk(struct __test_metadata *_metadata, FIXTURE_DATA(cancel) *self)
{
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
}

static bool all_are_sent(const FIXTURE_DATA(cancel) *self)
{
	return wait_until(trace_count(&self->trace, IO_COMMAND) == COMMANDS);
}

TEST_F_TIMEOUT(cancel, ring_goes, 60)
{
	stop_disk(_metadata, self);
	ASSERT_EQ(0, open_ring(self));
	ASSERT_EQ(0, push_all(self));
	ASSERT_EQ(COMMANDS, ring_submit(&self->ring));
	ASSERT_TRUE(all_are_sent(self));
	ring_close(&self->ring);
	expect_aborts(_metadata, self);
}

static void wait_for_death(FIXTURE_DATA(cancel) *self __attribute__((unused)))
{
	pause();
}

static void execute_another(FIXTURE_DATA(cancel) *self)
{
	all_are_sent(self);
	execl("/bin/true", "true", NULL);
}

/* A process that fills a ring of its own, and then does what it is to do. */
static pid_t fork_submitter(FIXTURE_DATA(cancel) *self, void (*then)(FIXTURE_DATA(cancel) *self))
{
	pid_t child = fork();

	if (child)
		return child;
	if (open_ring(self) || push_all(self) || ring_submit(&self->ring) != COMMANDS)
		_exit(1);
	then(self);
	_exit(2);
}

TEST_F_TIMEOUT(cancel, process_dies, 60)
{
	int status;
	pid_t child;

	stop_disk(_metadata, self);
	child = fork_submitter(self, wait_for_death);
	ASSERT_LE(0, child);
	ASSERT_TRUE(all_are_sent(self));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	expect_aborts(_metadata, self);
}

/* io_uring waits for what a task has left before it becomes another program. */
TEST_F_TIMEOUT(cancel, process_executes_another_program, 60)
{
	int status;
	pid_t child;

	stop_disk(_metadata, self);
	child = fork_submitter(self, execute_another);
	ASSERT_LE(0, child);
	ASSERT_TRUE(all_are_sent(self));
	expect_aborts(_metadata, self);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* On a ring that polls io_uring cannot be told to cancel these: their time limit ends them. Who polls is told. */
TEST(what_takes_too_long_ends)
{
	static FIXTURE_VARIANT(cancel) polling = {
		.flags = RING_WIDE | IORING_SETUP_IOPOLL, .timeout_ms = TIMEOUT_MS,
	};
	static FIXTURE_DATA(cancel) data = { .variant = &polling };
	bool answered[COMMANDS] = { false };
	unsigned int i, aborted = 0;
	struct ring_answer answer;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&data.nodes, SLOW_NSID));
	data.memory = pages_new(COMMANDS * PAGE, 0);
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_enable("pci_nvme_mmio_start_success"));
	stop_disk(_metadata, &data);
	ASSERT_EQ(0, open_ring(&data));
	ASSERT_EQ(0, push_all(&data));
	ASSERT_EQ(COMMANDS, ring_submit(&data.ring));
	/* There are five seconds from the first Abort to a reset. */
	ASSERT_TRUE(wait_until(trace_count(&data.trace, ABORT) >= COMMANDS / 2));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < COMMANDS; i++) {
		ASSERT_EQ(0, ring_reap(&data.ring, &answer, LIMIT_MS));
		ASSERT_GT(COMMANDS, answer.tag);
		ASSERT_FALSE(answered[answer.tag]);
		answered[answer.tag] = true;
		EXPECT_TRUE(answer.res == 0 || answer.res == STATUS_ABORTED);
		aborted += answer.res == STATUS_ABORTED;
	}
	EXPECT_LE(COMMANDS / 2, aborted);
	EXPECT_EQ(0, trace_count(&data.trace, ENABLED));
	ring_close(&data.ring);
	pages_free(data.memory, COMMANDS * PAGE);
	passthru_close(&data.nodes);
}

TEST_HARNESS_MAIN
