// SPDX-License-Identifier: GPL-2.0-only
/* Commands in entries of 64 bytes that are refused, and links that break at what comes of them. */
#include "kselftest_harness.h"

#include "lib/plain.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define ENTRIES 16
#define ANY_COMMAND "pci_nvme_*_cmd *"

/* A struct whose status nobody wrote. */
#define UNWRITTEN_STATUS 0x5b5b5b5b

FIXTURE(refused)
{
	struct passthru nodes;
	struct ring ring;
	struct trace trace;
	unsigned char *page;
};

FIXTURE_VARIANT(refused)
{
	unsigned int flags;
};

#define KIND(name, bits) FIXTURE_VARIANT_ADD(refused, name) { .flags = bits };

PLAIN_KINDS(KIND)

FIXTURE_SETUP(refused)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->page = pages_new(IDENTIFY_BYTES, 0);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->flags));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(refused)
{
	ring_close(&self->ring);
	pages_free(self->page, IDENTIFY_BYTES);
	passthru_close(&self->nodes);
}

static struct ring_command identify_command(FIXTURE_DATA(refused) *self)
{
	return (struct ring_command){
		.fd = self->nodes.ctrl, .operation = NVME_URING_CMD_ADMIN,
		.command = { .opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->page, IDENTIFY_BYTES) },
	};
}

static struct ring_command read_command(FIXTURE_DATA(refused) *self)
{
	return (struct ring_command){
		.fd = self->nodes.ns, .operation = NVME_URING_CMD_IO,
		.command = { .opcode = IO_READ, .nsid = 1, BLOCKS(3, 1), DATA(self->page, BLOCK) },
	};
}

#define FLAG(place, value) do {							\
	struct io_uring_sqe *sqe_;						\
	struct ring_command command_ = identify_command(self);		\
	struct nvme_passthru_cmd64 memory_ = plain_command(&command_);		\
										\
	ASSERT_EQ(0, plain_push_indirect(&self->ring, &command_, &memory_, 0));	\
	sqe_ = last_entry(&self->ring);						\
	sqe_->place = (value);							\
	EXPECT_EQ(-EINVAL, ring_finish(&self->ring, NULL)) {			\
		TH_LOG(#place " %#llx", (unsigned long long)(value));		\
	}									\
} while (0)

/* What was added last, and is not submitted yet. */
static struct io_uring_sqe *last_entry(const struct ring *ring)
{
	size_t bytes = sizeof(struct io_uring_sqe) << !!(ring->flags & IORING_SETUP_SQE128);

	return (void *)((char *)ring->entries + ((*ring->sq_tail - 1) & ring->sq_mask) * bytes);
}

TEST_F(refused, what_has_no_meaning_is_refused)
{
	unsigned int bit;

	if (variant->flags & IORING_SETUP_SQPOLL)
		return;	/* the kernel would look before it is changed */
	for (bit = 1; bit < 32; bit++)
		FLAG(cmd[bit / 8], 1u << bit % 8);
	for (bit = 32; bit < 128; bit += 5)
		FLAG(cmd[bit / 8], 1u << bit % 8);
	FLAG(len, 0);
	FLAG(len, sizeof(struct nvme_passthru_cmd));
	FLAG(len, sizeof(struct nvme_passthru_cmd64) + 1);
	FLAG(file_index, 1);
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

TEST_F(refused, io_is_not_for_the_controller)
{
	static const unsigned int operations[] = { NVME_URING_CMD_IO, NVME_URING_CMD_IO_VEC };
	struct ring_command command = read_command(self);
	struct nvme_passthru_cmd64 memory = plain_command(&command);
	unsigned int i;

	command.fd = self->nodes.ctrl;
	ASSERT_EQ(0, plain_push_inline(&self->ring, &command, NULL));
	EXPECT_EQ(-ENOTTY, ring_finish(&self->ring, NULL));
	for (i = 0; i < ARRAY_LENGTH(operations); i++) {
		command.operation = operations[i];
		ASSERT_EQ(0, plain_push_indirect(&self->ring, &command, &memory, 0));
		EXPECT_EQ(-ENOTTY, ring_finish(&self->ring, NULL));
	}
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

/* A ring that polls has no task in which to write results. */
TEST_F(refused, not_on_a_ring_that_polls)
{
	static const unsigned int operations[] = {
		NVME_URING_CMD_IO, NVME_URING_CMD_IO_VEC, NVME_URING_CMD_ADMIN,
		NVME_URING_CMD_ADMIN_VEC,
	};
	struct ring_command command = read_command(self);
	struct nvme_passthru_cmd64 memory = plain_command(&command);
	unsigned int i, async;
	struct ring ring;

	ASSERT_EQ(0, ring_open(&ring, ENTRIES,
			       (variant->flags & ~IORING_SETUP_COOP_TASKRUN) | IORING_SETUP_IOPOLL));
	for (i = 0; i < ARRAY_LENGTH(operations); i++) {
		for (async = 0; async < 2; async++) {
			command.operation = operations[i];
			command.sqe_flags = async ? IOSQE_ASYNC : 0;
			ASSERT_EQ(0, plain_push_indirect(&ring, &command, &memory, 0));
			EXPECT_EQ(-EOPNOTSUPP, ring_finish(&ring, NULL));
			if (i % 2)
				continue;
			ASSERT_EQ(0, plain_push_inline(&ring, &command, NULL));
			EXPECT_EQ(-EOPNOTSUPP, ring_finish(&ring, NULL));
		}
	}
	ring_close(&ring);
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

#define CHAIN 6

/* A status breaks links with LINK_ERR, and nothing else does that would not. */
TEST_F(refused, links_break_at_statuses_if_asked)
{
	static const int statuses[CHAIN] = { 0, STATUS_LBA_OUT_OF_RANGE, 0, 0, STATUS_LBA_OUT_OF_RANGE, 0 };
	/* The first one is seen by nobody, the second one breaks the chain. */
	static const int expected[CHAIN] = {
		0, STATUS_LBA_OUT_OF_RANGE, 0, 0, -EREMOTEIO, -ECANCELED,
	};
	struct nvme_passthru_cmd64 memory[CHAIN];
	struct ring_answer answer;
	unsigned int i;

	for (i = 0; i < CHAIN; i++) {
		struct ring_command command = read_command(self);

		command.tag = i;
		command.command.cdw11 = statuses[i] ? 1 : 0;
		command.sqe_flags = i < CHAIN - 1 ? IOSQE_IO_LINK : 0;
		memory[i] = plain_command(&command);
		memory[i].rsvd2 = UNWRITTEN_STATUS;
		ASSERT_EQ(0, plain_push_indirect(&self->ring, &command, &memory[i],
						 i < 2 ? 0 : NVME_URING_LINK_ERR));
	}
	ASSERT_EQ(CHAIN, ring_submit(&self->ring));
	for (i = 0; i < CHAIN; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		ASSERT_GT(CHAIN, answer.tag);
		EXPECT_EQ(expected[answer.tag], answer.res) {
			TH_LOG("number %u", (unsigned int)answer.tag);
		}
	}
	for (i = 0; i < CHAIN; i++)
		EXPECT_EQ(i < 2 || i == 5 ? UNWRITTEN_STATUS : (unsigned int)statuses[i],
			  memory[i].rsvd2);
	EXPECT_EQ(CHAIN - 1, trace_count(&self->trace, ANY_COMMAND));
}

TEST_HARNESS_MAIN
