// SPDX-License-Identifier: GPL-2.0-only
/* Commands in memory of a process whose memory, or task, is gone when they end. The namespace's disk is slow at will. */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib/call.h"
#include "lib/plain.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define COMMANDS 8
#define UNWRITTEN 0x7a7a7a7a7a7a7a7a
#define UNWRITTEN_STATUS 0x5b5b5b5b
#define IO_COMMAND "pci_nvme_io_cmd *"

FIXTURE(submitter)
{
	struct passthru nodes;
	struct ring ring;
	struct trace trace;
	unsigned char *data;			/* COMMANDS pages */
	struct nvme_passthru_cmd64 *commands;	/* in a page */
	unsigned int sqe_flags, link_err;
};

FIXTURE_VARIANT(submitter)
{
	unsigned int flags;
	unsigned int sqe_flags;
	unsigned int link_err;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(submitter, name) { .flags = __VA_ARGS__ }

KIND(small, 0);
KIND(link_err, 0, .link_err = NVME_URING_LINK_ERR);
KIND(by_workers, 0, .sqe_flags = IOSQE_ASYNC);
KIND(cooperative, IORING_SETUP_COOP_TASKRUN);

FIXTURE_SETUP(submitter)
{
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	self->sqe_flags = variant->sqe_flags;
	self->link_err = variant->link_err;
	self->data = pages_new(COMMANDS * PAGE, 0);
	for (i = 0; i < COMMANDS; i++) {
		pattern_fill(self->data, PAGE, i);
		ASSERT_EQ(0, blocks_write(&self->nodes, 8 * i, 8, self->data, PAGE));
	}
	memset(self->data, 0, COMMANDS * PAGE);
	self->commands = pages_new(PAGE, 0);
	ASSERT_EQ(0, ring_open(&self->ring, COMMANDS, variant->flags));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	/* Whatever happens to the submitter happens before the commands are done. */
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(submitter)
{
	EXPECT_EQ(0, slow_down(0, 0));
	ring_close(&self->ring);
	munmap(self->commands, PAGE);
	pages_free(self->data, COMMANDS * PAGE);
	passthru_close(&self->nodes);
}

/* Submits reads, of different blocks. */
static long submit(void *argument)
{
	FIXTURE_DATA(submitter) *self = argument;
	unsigned int i;
	int error;

	for (i = 0; i < COMMANDS; i++) {
		struct ring_command command = {
			.fd = self->nodes.ns, .operation = NVME_URING_CMD_IO, .tag = i,
			.sqe_flags = self->sqe_flags,
		};

		self->commands[i] = (struct nvme_passthru_cmd64){
			.opcode = IO_READ, .nsid = SLOW_NSID, BLOCKS(8 * i, 8),
			DATA(self->data + i * PAGE, PAGE),
			.result = UNWRITTEN, .rsvd2 = UNWRITTEN_STATUS,
		};
		error = plain_push_indirect(&self->ring, &command, &self->commands[i],
					    self->link_err);
		if (error)
			return error;
	}
	if (ring_submit(&self->ring) != COMMANDS)
		return -EIO;
	/* Workers send in their own time, and go with their task. */
	return wait_until(trace_count(&self->trace, IO_COMMAND) == COMMANDS) ? 0 : -ETIME;
}

/* All of them end with @res, once, and their data has come. */
static void expect_ends(struct __test_metadata *_metadata, FIXTURE_DATA(submitter) *self, int res)
{
	bool answered[COMMANDS] = { false };
	struct ring_answer answer;
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < COMMANDS; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		EXPECT_EQ(res, answer.res);
		ASSERT_GT(COMMANDS, answer.tag);
		EXPECT_FALSE(answered[answer.tag]);
		answered[answer.tag] = true;
		EXPECT_TRUE(pattern_is(self->data + answer.tag * PAGE, PAGE, answer.tag));
	}
	EXPECT_EQ(-ETIME, ring_reap(&self->ring, &answer, QUIET_MS));
}

/* Nobody else writes to memory in its place. */
TEST_F(submitter, exits_first)
{
	struct call call;
	unsigned int i;

	ASSERT_EQ(0, call_start(&call, submit, self));
	ASSERT_EQ(0, call_finish(&call));
	ASSERT_EQ(0, call.result);
	expect_ends(_metadata, self, -ECANCELED);
	for (i = 0; i < COMMANDS; i++) {
		EXPECT_EQ(UNWRITTEN, self->commands[i].result);
		EXPECT_EQ(UNWRITTEN_STATUS, self->commands[i].rsvd2);
	}
}

TEST_F(submitter, waits)
{
	unsigned int i;

	ASSERT_EQ(0, submit(self));
	expect_ends(_metadata, self, 0);
	for (i = 0; i < COMMANDS; i++) {
		EXPECT_EQ(0, self->commands[i].result);
		EXPECT_EQ(variant->link_err ? 0 : UNWRITTEN_STATUS, self->commands[i].rsvd2);
	}
}

TEST_F(submitter, unmaps_the_command)
{
	ASSERT_EQ(0, submit(self));
	ASSERT_EQ(0, munmap(self->commands, PAGE));
	expect_ends(_metadata, self, -EFAULT);
}

TEST_F(submitter, forbids_itself_to_write_to_the_command)
{
	ASSERT_EQ(0, submit(self));
	ASSERT_EQ(0, mprotect(self->commands, PAGE, PROT_READ));
	expect_ends(_metadata, self, -EFAULT);
	EXPECT_EQ(UNWRITTEN, self->commands[0].result);
}

/* What was copied is used, whatever becomes of it. */
TEST_F(submitter, overwrites_the_command)
{
	unsigned int i;

	ASSERT_EQ(0, submit(self));
	memset(self->commands, 0xff, PAGE);
	expect_ends(_metadata, self, 0);
	for (i = 0; i < COMMANDS; i++)
		EXPECT_EQ(0, self->commands[i].result);
	EXPECT_TRUE(memory_is((unsigned char *)self->commands + COMMANDS * sizeof(*self->commands),
			      PAGE - COMMANDS * sizeof(*self->commands), 0xff));
}

/* The data of a command is pinned, and stays, other than the command. */
TEST_F(submitter, unmaps_the_data)
{
	struct ring_answer answer;
	unsigned int i;

	ASSERT_EQ(0, submit(self));
	pages_free(self->data, COMMANDS * PAGE);
	self->data = pages_new(COMMANDS * PAGE, 0xdd);
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < COMMANDS; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		EXPECT_EQ(0, answer.res);
	}
	EXPECT_TRUE(memory_is(self->data, COMMANDS * PAGE, 0xdd));
}

TEST_HARNESS_MAIN
