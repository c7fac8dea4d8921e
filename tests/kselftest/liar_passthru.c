// SPDX-License-Identifier: GPL-2.0-only
/* Commands of processes for which the controller outside of QEMU is needed: of a vendor, and without an end. */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/liar.h"
#include "lib/mapped.h"
#include "lib/plain.h"
#include "lib/util.h"

#define PAGE 4096
#define AREA (4 * PAGE)
#define ENTRIES 4
#define SLOTS 2
#define SLOT 1

/* Its opcode says that it transfers nothing, but it returns so many bytes as dword 10 says, each of them this one. */
#define VENDOR 0xe0
#define VENDOR_BYTES 512
#define VENDOR_BYTE 0xe1

#define UNWRITTEN 0x7a7a7a7a7a7a7a7a
#define UNWRITTEN_STATUS 0x5b5b5b5b

FIXTURE(passthru)
{
	struct liar liar;
	struct passthru nodes;
	struct ring ring;
	unsigned char *area;
	struct nvme_passthru_cmd64 *shared;	/* with whoever is forked */
};

FIXTURE_VARIANT(passthru)
{
	unsigned int uring_flags;
};

FIXTURE_VARIANT_ADD(passthru, plain)
{
	.uring_flags = 0,
};

FIXTURE_VARIANT_ADD(passthru, registered)
{
	.uring_flags = IORING_URING_CMD_FIXED,
};

static void *shared_new(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

FIXTURE_SETUP(passthru)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->area = shared_new(AREA);
	ASSERT_NE(MAP_FAILED, self->area);
	self->shared = shared_new(PAGE);
	ASSERT_NE(MAP_FAILED, self->shared);
	memset(self->area, 0xee, AREA);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, RING_WIDE));
	ASSERT_EQ(0, mapped_table(&self->ring, SLOTS));
	ASSERT_EQ(0, mapped_replace(&self->ring, SLOT, self->area, AREA));
}

FIXTURE_TEARDOWN(passthru)
{
	ring_close(&self->ring);
	munmap(self->area, AREA);
	munmap(self->shared, PAGE);
	passthru_close(&self->nodes);
	EXPECT_EQ(0, liar_end(&self->liar));
}

#define VENDOR_COMMAND(...) {							\
	.opcode = VENDOR, .cdw10 = VENDOR_BYTES, DATA(self->area + 64, VENDOR_BYTES), __VA_ARGS__ }

static void expect_data(struct __test_metadata *_metadata, FIXTURE_DATA(passthru) *self)
{
	EXPECT_TRUE(memory_is(self->area, 64, 0xee));
	EXPECT_TRUE(memory_is(self->area + 64, VENDOR_BYTES, VENDOR_BYTE));
	EXPECT_TRUE(memory_is(self->area + 64 + VENDOR_BYTES, AREA - 64 - VENDOR_BYTES, 0xee));
	memset(self->area, 0xee, AREA);
}

TEST_F(passthru, data_of_a_command_of_a_vendor_whatever_its_opcode_says)
{
	struct nvme_passthru_cmd64 command = VENDOR_COMMAND();
	struct ring_command entry = {
		.fd = self->nodes.ctrl, .operation = NVME_URING_CMD_ADMIN, .buffer = SLOT,
		.command = VENDOR_COMMAND(),
	};

	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &command));
	expect_data(_metadata, self);
	ASSERT_EQ(0, ring_run(&self->ring, &entry, NULL));
	expect_data(_metadata, self);
	ASSERT_EQ(0, plain_push_inline(&self->ring, &entry, NULL));
	EXPECT_EQ(0, ring_finish(&self->ring, NULL));
	expect_data(_metadata, self);
	entry.uring_flags = IORING_URING_CMD_FIXED;
	ASSERT_EQ(0, ring_run(&self->ring, &entry, NULL));
	expect_data(_metadata, self);
	/* Without any there is none to come. */
	command = (struct nvme_passthru_cmd64){ .opcode = VENDOR };
	EXPECT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &command));
	EXPECT_EQ(5, liar_answer(&self->liar, QUESTION_ADMIN_COMMANDS + VENDOR));
}

/* No list of memory pages can say where these are: a worker has them copied, and waits. */
static void send_and_wait(FIXTURE_DATA(passthru) *self, unsigned int uring_flags)
{
	struct iovec pieces[] = { { self->area + 64, 100 }, { self->area + 2 * PAGE + 64, PAGE - 100 } };
	struct ring_command command = {
		.fd = self->nodes.ns, .operation = NVME_URING_CMD_IO_VEC, .buffer = SLOT,
		.uring_flags = uring_flags,
	};

	self->shared->addr = (uintptr_t)pieces;
	self->shared->data_len = ARRAY_LENGTH(pieces);
	if (plain_push_indirect(&self->ring, &command, self->shared, NVME_URING_LINK_ERR) ||
	    ring_submit(&self->ring) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* Whoever is left of those who have the ring learns of it, and nothing is written. */
TEST_F(passthru, a_process_killed_while_a_worker_waits)
{
	struct ring_answer answer;
	int status;
	pid_t child;

	*self->shared = (struct nvme_passthru_cmd64){
		.opcode = IO_READ, .nsid = 1, BLOCKS(0, 8), .result = UNWRITTEN,
		.rsvd2 = UNWRITTEN_STATUS,
	};
	ASSERT_EQ(0, lie(&self->liar, LIE_HANGS, 0));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		send_and_wait(self, variant->uring_flags);
	ASSERT_TRUE(wait_until(liar_answer(&self->liar, QUESTION_HANGING) == 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
	EXPECT_EQ(-ECANCELED, answer.res);
	EXPECT_EQ(UNWRITTEN, self->shared->result);
	EXPECT_EQ(UNWRITTEN_STATUS, self->shared->rsvd2);
	/* The buffer may go before the command does. */
	EXPECT_EQ(0, mapped_replace(&self->ring, SLOT, NULL, 0));
	EXPECT_TRUE(wait_until(liar_answer(&self->liar, QUESTION_HANGING) == 0));
	EXPECT_TRUE(memory_is(self->area, AREA, 0xee));
	EXPECT_EQ(0, liar_serves(&self->liar));
}

TEST_HARNESS_MAIN
