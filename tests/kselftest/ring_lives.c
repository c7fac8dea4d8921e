// SPDX-License-Identifier: GPL-2.0-only
/* Commands in flight whose ring, file, process or controller goes away. The namespace's disk is slow at will. */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/load.h"
#include "lib/ring.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define COMMANDS 64

/* Enough that what was freed is used again. */
#define CHURN_BYTES (64ul << 20)

#define IO_COMMAND "pci_nvme_io_cmd *"
#define IO_COMPLETION "pci_nvme_enqueue_req_completion cid * cqid [!0]*"
#define DEFERRED (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

FIXTURE(lives)
{
	struct passthru nodes;
	struct trace trace;
	unsigned char *memory;	/* COMMANDS pages */
};

FIXTURE_VARIANT(lives)
{
	unsigned int flags;
	unsigned int uring_flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(lives, name) { .flags = __VA_ARGS__ }

KIND(plain, RING_WIDE);
KIND(deferred, RING_WIDE | DEFERRED);
KIND(sqpoll, RING_WIDE | IORING_SETUP_SQPOLL);
KIND(iopoll, RING_WIDE | IORING_SETUP_IOPOLL);
KIND(registered, RING_WIDE, .uring_flags = IORING_URING_CMD_FIXED);
KIND(iopoll_registered, RING_WIDE | IORING_SETUP_IOPOLL, .uring_flags = IORING_URING_CMD_FIXED);

FIXTURE_SETUP(lives)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion", "pci_nvme_mmio_start_success",
	};
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	ASSERT_EQ(0, load_prepare(&self->nodes));
	self->memory = pages_new(COMMANDS * PAGE, 0);
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(lives)
{
	EXPECT_EQ(0, slow_down(0, 0));
	pages_free(self->memory, COMMANDS * PAGE);
	passthru_close(&self->nodes);
}

static void stop_disk(struct __test_metadata *_metadata, FIXTURE_DATA(lives) *self)
{
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
}

/* Sends COMMANDS reads. */
static int fill(const struct passthru *nodes, const FIXTURE_VARIANT(lives) *variant,
		struct ring *ring, unsigned char *memory)
{
	unsigned int i;
	int error;

	error = ring_open(ring, COMMANDS, variant->flags);
	error = error ?: ring_register(ring, memory, COMMANDS * PAGE);
	for (i = 0; i < COMMANDS && !error; i++) {
		struct ring_command read = {
			.fd = nodes->ns,
			.operation = NVME_URING_CMD_IO,
			.uring_flags = variant->uring_flags,
			.tag = i,
			.command = {
				.opcode = IO_READ, .nsid = SLOW_NSID, BLOCKS(0, 8),
				DATA(memory + i * PAGE, PAGE),
			},
		};

		error = ring_push(ring, &read);
	}
	return error ?: ring_submit(ring) == COMMANDS ? 0 : -EIO;
}

/* Has them wait in the controller, none of them done. */
#define FILL(ring) do {								\
	stop_disk(_metadata, self);						\
	ASSERT_EQ(0, fill(&self->nodes, variant, ring, self->memory));		\
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == COMMANDS));	\
} while (0)

/* The controller is well, and did not have to be reset. */
static void expect_well(struct __test_metadata *_metadata, FIXTURE_DATA(lives) *self)
{
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMPLETION) >= COMMANDS));
	EXPECT_EQ(COMMANDS, trace_count(&self->trace, IO_COMPLETION));
	memset(self->memory, 0, PAGE);
	EXPECT_EQ(0, blocks_read(&self->nodes, 0, 8, self->memory, PAGE));
	EXPECT_TRUE(pattern_is(self->memory, PAGE, 0));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_mmio_start_success*"));
}

/* io_uring waits for them, out of sight. Their memory must be nobody else's until then. */
TEST_F_TIMEOUT(lives, ring_goes_first, 60)
{
	unsigned char *churn;
	struct ring ring;

	FILL(&ring);
	ring_close(&ring);
	pages_free(self->memory, COMMANDS * PAGE);
	churn = pages_new(CHURN_BYTES, 0xdd);
	self->memory = pages_new(COMMANDS * PAGE, 0);
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMPLETION));
	expect_well(_metadata, self);
	EXPECT_TRUE(memory_is(churn, CHURN_BYTES, 0xdd));
	pages_free(churn, CHURN_BYTES);
}

TEST_F_TIMEOUT(lives, file_goes_first, 60)
{
	struct ring_answer answer;
	bool answered[COMMANDS] = { false };
	struct ring ring;
	unsigned int i;

	FILL(&ring);
	ASSERT_EQ(0, close(self->nodes.ns));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < COMMANDS; i++) {
		ASSERT_EQ(0, ring_reap(&ring, &answer, LIMIT_MS));
		EXPECT_EQ(0, answer.res);
		ASSERT_GT(COMMANDS, answer.tag);
		ASSERT_FALSE(answered[answer.tag]);
		answered[answer.tag] = true;
		ASSERT_TRUE(pattern_is(self->memory + answer.tag * PAGE, PAGE, 0));
	}
	EXPECT_EQ(-ETIME, ring_reap(&ring, &answer, QUIET_MS));
	ring_close(&ring);
	self->nodes.ns = open(self->nodes.path, O_RDONLY | O_CLOEXEC);
	expect_well(_metadata, self);
}

/* Whoever has commands in flight is gone when those are over. */
TEST_F_TIMEOUT(lives, process_is_killed, 60)
{
	unsigned char *churn;
	struct ring ring;
	pid_t child;
	int status;

	stop_disk(_metadata, self);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (fill(&self->nodes, variant, &ring, self->memory))
			_exit(1);
		pause();
		_exit(2);
	}
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == COMMANDS));
	ASSERT_EQ(0, kill(child, SIGKILL));
	usleep(QUIET_MS * 1000);
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	churn = pages_new(CHURN_BYTES, 0xdd);
	expect_well(_metadata, self);
	EXPECT_TRUE(memory_is(churn, CHURN_BYTES, 0xdd));
	pages_free(churn, CHURN_BYTES);
}

TEST_HARNESS_MAIN
