// SPDX-License-Identifier: GPL-2.0-only
/* Format NVM, which other commands wait for, on a controller that takes its time: who goes meanwhile, and resets. */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/liar.h"
#include "lib/slow.h"
#include "lib/util.h"

#define BLOCK 512
#define LONG_FORMAT 1	/* blocks of 4,096 bytes */
#define HOST_PATH_ERROR 0x370
#define ABORTS (QUESTION_ADMIN_COMMANDS + 0x08)
#define READS (QUESTION_IO_COMMANDS + IO_READ)
/* For what must not happen; however slow the machine is, that it does not shows. */
#define WHILE_MS 500

FIXTURE(format)
{
	struct liar liar;
	struct passthru nodes;
	unsigned char *page;
	struct slow_call format, read;
	struct call formatter, reader;
	pid_t child;
};

FIXTURE_SETUP(format)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->page = pages_new(4096, 0);
	self->format = (struct slow_call){ self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, {
		.opcode = ADMIN_FORMAT, .nsid = 1, .cdw10 = LONG_FORMAT,
	} };
	self->read = (struct slow_call){ self->nodes.ns, NVME_IOCTL_IO64_CMD, {
		.opcode = IO_READ, .nsid = 1, BLOCKS(0, 1), DATA(self->page, BLOCK),
	} };
	ASSERT_EQ(0, lie(&self->liar, LIE_FORMAT_WAITS, 1));
}

FIXTURE_TEARDOWN(format)
{
	EXPECT_EQ(0, lie(&self->liar, LIE_FORMAT_WAITS, 0));
	pages_free(self->page, 4096);
	passthru_close(&self->nodes);
	EXPECT_EQ(0, liar_unbind(&self->liar));
	EXPECT_EQ(0, liar_end(&self->liar));
}

/* A process sends the Format and is killed when the controller has it; the Abort does not help. */
static void format_and_be_killed(struct __test_metadata *_metadata, FIXTURE_DATA(format) *self)
{
	int status;

	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child)
		_exit(!!slow_passthru(&self->format));
	ASSERT_TRUE(wait_until(liar_answer(&self->liar, QUESTION_WAITING) == 1));
	ASSERT_EQ(0, kill(self->child, SIGKILL));
	ASSERT_EQ(self->child, waitpid(self->child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_TRUE(wait_until(liar_answer(&self->liar, ABORTS) == 1));
	ASSERT_EQ(1, liar_answer(&self->liar, QUESTION_WAITING));
}

/* A read of a block of 512 bytes waits, and is refused once blocks have 4,096. */
static void start_read(struct __test_metadata *_metadata, FIXTURE_DATA(format) *self)
{
	ASSERT_EQ(0, call_start(&self->reader, slow_passthru, &self->read));
	usleep(WHILE_MS * 1000);
	EXPECT_FALSE(self->reader.returned);
	EXPECT_EQ(0, liar_answer(&self->liar, READS));
}

static void finish_read(struct __test_metadata *_metadata, FIXTURE_DATA(format) *self)
{
	ASSERT_EQ(0, call_finish(&self->reader));
	EXPECT_EQ(-EINVAL, self->reader.result);
	EXPECT_EQ(0, liar_answer(&self->liar, READS));
}

TEST_F(format, of_a_killed_process_is_learned_of_when_it_is_over)
{
	struct nvme_event event;

	format_and_be_killed(_metadata, self);
	start_read(_metadata, self);
	ASSERT_EQ(0, lie(&self->liar, LIE_FORMAT_WAITS, 0));
	finish_read(_metadata, self);
	ASSERT_EQ(0, event_read(self->liar.node, &event));
	EXPECT_EQ(NVME_EVENT_SOURCE_COMMAND_EFFECT, NVME_EVENT_SOURCE(event.dw3));
	EXPECT_EQ(ADMIN_FORMAT, event.dw0 >> 24);
	EXPECT_EQ(1, event.dw1);
	self->read.command.data_len = 4096;
	EXPECT_EQ(0, slow_passthru(&self->read));
}

/* Nothing is frozen for longer than that. */
TEST_F(format, of_a_killed_process_ends_with_a_reset)
{
	self->format.command.timeout_ms = 1;
	format_and_be_killed(_metadata, self);
	/* Until then it waits; then it is answered that the controller is being reset. */
	ASSERT_TRUE(wait_until(slow_passthru(&self->read) == 0));
	EXPECT_TRUE(liar_stream_has(&self->liar, NVME_EVENT_RESET_SUCCEEDED));
	EXPECT_EQ(0, liar_serves(&self->liar));
}

/*
 * It waits for a command that the reset ends. If it is looked at again during the reset, it is refused as any other; if
 * it is sent after that, others wait for it all the same.
 */
TEST_F(format, after_a_reset_is_as_alone_as_before)
{
	struct call hanging;

	ASSERT_EQ(0, lie(&self->liar, LIE_HANGS, 0));
	ASSERT_EQ(0, call_start(&hanging, slow_passthru, &self->read));
	ASSERT_TRUE(wait_until(liar_answer(&self->liar, QUESTION_HANGING) == 1));
	ASSERT_EQ(0, call_start(&self->formatter, slow_passthru, &self->format));
	usleep(WHILE_MS * 1000);
	EXPECT_EQ(0, liar_answer(&self->liar, QUESTION_WAITING));
	ASSERT_EQ(0, liar_reset(&self->liar));
	ASSERT_EQ(0, call_finish(&hanging));
	EXPECT_EQ(-EINTR, hanging.result);
	ASSERT_TRUE(wait_until(self->formatter.returned || liar_answer(&self->liar, QUESTION_WAITING) == 1));
	if (self->formatter.returned) {
		ASSERT_EQ(0, call_finish(&self->formatter));
		EXPECT_EQ(HOST_PATH_ERROR, self->formatter.result);
		EXPECT_EQ(0, slow_passthru(&self->read));
		return;
	}
	ASSERT_EQ(0, call_start(&self->reader, slow_passthru, &self->read));
	usleep(WHILE_MS * 1000);
	EXPECT_FALSE(self->reader.returned);
	EXPECT_EQ(1, liar_answer(&self->liar, READS));
	ASSERT_EQ(0, lie(&self->liar, LIE_FORMAT_WAITS, 0));
	ASSERT_EQ(0, call_finish(&self->formatter));
	EXPECT_EQ(0, self->formatter.result);
	ASSERT_EQ(0, call_finish(&self->reader));
	EXPECT_EQ(-EINVAL, self->reader.result);
	EXPECT_EQ(1, liar_answer(&self->liar, READS));
}

TEST_HARNESS_MAIN
