// SPDX-License-Identifier: GPL-2.0-only
/* Commands that an entry of a ring points to: where they can be and where not, and what that makes of the command. */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib/plain.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define ENTRIES 8
#define SEED 21
#define UNWRITTEN 0x7a7a7a7a7a7a7a7a
#define UNWRITTEN_STATUS 0x5b5b5b5b
#define ANY_COMMAND "pci_nvme_*_cmd *"

FIXTURE(pointers)
{
	struct passthru nodes;
	struct ring ring;
	struct trace trace;
	unsigned char *data;	/* a page */
	unsigned char *memory;	/* two, for the command; the second one out of reach */
	struct nvme_passthru_cmd64 *command;	/* at the start of it */
};

FIXTURE_VARIANT(pointers)
{
	unsigned int flags;
	unsigned int sqe_flags;
	unsigned int link_err;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(pointers, name) { .flags = __VA_ARGS__ }

KIND(small, 0);
KIND(small_link_err, 0, .link_err = NVME_URING_LINK_ERR);
KIND(by_workers, 0, .sqe_flags = IOSQE_ASYNC);
KIND(by_workers_link_err, 0, .sqe_flags = IOSQE_ASYNC, .link_err = NVME_URING_LINK_ERR);
KIND(deferred, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
KIND(sqpoll, IORING_SETUP_SQPOLL);

FIXTURE_SETUP(pointers)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->data = pages_new(PAGE, 0);
	pattern_fill(self->data, PAGE, SEED);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 8, self->data, PAGE));
	memset(self->data, 0, PAGE);
	self->memory = pages_new(2 * PAGE, 0);
	ASSERT_EQ(0, mprotect(self->memory + PAGE, PAGE, PROT_NONE));
	self->command = (void *)self->memory;
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->flags));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(pointers)
{
	ring_close(&self->ring);
	pages_free(self->memory, 2 * PAGE);
	pages_free(self->data, PAGE);
	passthru_close(&self->nodes);
}

static struct nvme_passthru_cmd64 read_block(const FIXTURE_DATA(pointers) *self)
{
	return (struct nvme_passthru_cmd64){
		.opcode = IO_READ, .nsid = 1, BLOCKS(0, 1), DATA(self->data, BLOCK),
		.rsvd2 = UNWRITTEN_STATUS, .result = UNWRITTEN,
	};
}

/* The command at @address. */
static int run_at(FIXTURE_DATA(pointers) *self, const FIXTURE_VARIANT(pointers) *variant,
		  const void *address)
{
	struct ring_command command = {
		.fd = self->nodes.ns, .operation = NVME_URING_CMD_IO,
		.sqe_flags = variant->sqe_flags,
	};

	return plain_push_indirect(&self->ring, &command, address, variant->link_err) ?:
	       ring_finish(&self->ring, NULL);
}

#define RUN_AT(address) run_at(self, variant, address)

TEST_F(pointers, no_memory_no_command)
{
	const uintptr_t bad[] = {
		0, (uintptr_t)bad_address(), -PAGE, 0x7ffffffff000, 1ul << 63, 0xffff888000000000,
		(uintptr_t)self->memory + PAGE,
		/* All of it but the result, and half of that. */
		(uintptr_t)self->memory + PAGE - sizeof(struct nvme_passthru_cmd),
		(uintptr_t)self->memory + PAGE - sizeof(struct nvme_passthru_cmd64) + 4,
	};
	struct nvme_passthru_cmd64 command = read_block(self);
	unsigned int i;

	memcpy(self->memory + PAGE - sizeof(struct nvme_passthru_cmd), &command,
	       sizeof(struct nvme_passthru_cmd));
	for (i = 0; i < ARRAY_LENGTH(bad); i++) {
		EXPECT_EQ(-EFAULT, RUN_AT((void *)bad[i])) {
			TH_LOG("address %#lx", bad[i]);
		}
	}
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

/* No address is too odd, and the end of the memory is still inside. */
TEST_F(pointers, any_place_in_memory_is_right)
{
	const unsigned int offsets[] = { 0, 1, 7, 60, PAGE - sizeof(struct nvme_passthru_cmd64) };
	struct nvme_passthru_cmd64 command;
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(offsets); i++) {
		command = read_block(self);
		memset(self->memory, 0xee, PAGE);
		memcpy(self->memory + offsets[i], &command, sizeof(command));
		EXPECT_EQ(0, RUN_AT(self->memory + offsets[i]));
		/* Nothing beside it was written. */
		command.result = 0;
		command.rsvd2 = variant->link_err ? 0 : UNWRITTEN_STATUS;
		EXPECT_EQ(0, memcmp(self->memory + offsets[i], &command, sizeof(command)));
		EXPECT_TRUE(memory_is(self->memory, offsets[i], 0xee));
		EXPECT_TRUE(memory_is(self->memory + offsets[i] + sizeof(command),
				      PAGE - offsets[i] - sizeof(command), 0xee));
	}
	EXPECT_EQ((int)ARRAY_LENGTH(offsets), trace_count(&self->trace, ANY_COMMAND));
}

/* The command was executed; only nobody can be told what came of it. */
TEST_F(pointers, memory_that_cannot_be_written)
{
	*self->command = read_block(self);
	ASSERT_EQ(0, mprotect(self->memory, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, RUN_AT(self->memory));
	EXPECT_EQ(1, trace_count(&self->trace, ANY_COMMAND));
	EXPECT_TRUE(pattern_is(self->data, BLOCK, SEED));
	EXPECT_EQ(UNWRITTEN, self->command->result);

	/* One that fails. */
	ASSERT_EQ(0, mprotect(self->memory, PAGE, PROT_READ | PROT_WRITE));
	self->command->cdw11 = 1;
	ASSERT_EQ(0, mprotect(self->memory, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, RUN_AT(self->memory));
	EXPECT_EQ(2, trace_count(&self->trace, ANY_COMMAND));

	/* One that is not sent has nothing to tell. */
	ASSERT_EQ(0, mprotect(self->memory, PAGE, PROT_READ | PROT_WRITE));
	self->command->nsid = 2;
	ASSERT_EQ(0, mprotect(self->memory, PAGE, PROT_READ));
	EXPECT_EQ(-EINVAL, RUN_AT(self->memory));
	EXPECT_EQ(2, trace_count(&self->trace, ANY_COMMAND));
}

TEST_F(pointers, memory_that_cannot_be_read)
{
	*self->command = read_block(self);
	ASSERT_EQ(0, mprotect(self->memory, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, RUN_AT(self->memory));
	ASSERT_EQ(0, mprotect(self->memory, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(UNWRITTEN, self->command->result);
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

/* What is transferred comes first, the result after it. */
TEST_F(pointers, data_over_the_command)
{
	struct nvme_passthru_cmd64 command = read_block(self);
	const size_t place = offsetof(struct nvme_passthru_cmd64, result);
	unsigned char expected[BLOCK];

	pattern_fill(expected, BLOCK, SEED);
	memset(expected + place, 0, sizeof(command.result));
	if (variant->link_err)
		memset(expected + place - 4, 0, 4);
	command.addr = (uintptr_t)self->memory;
	*self->command = command;
	EXPECT_EQ(0, RUN_AT(self->memory));
	EXPECT_EQ(0, memcmp(self->memory, expected, BLOCK));
}

/* The memory of the data is looked at as with every other form. */
TEST_F(pointers, data_in_bad_memory)
{
	*self->command = read_block(self);
	self->command->addr = (uintptr_t)bad_address();
	EXPECT_EQ(-EFAULT, RUN_AT(self->memory));
	self->command->addr = (uintptr_t)self->data;
	ASSERT_EQ(0, mprotect(self->data, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, RUN_AT(self->memory));
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
	EXPECT_EQ(UNWRITTEN, self->command->result);
	EXPECT_EQ(UNWRITTEN_STATUS, self->command->rsvd2);
}

TEST_HARNESS_MAIN
