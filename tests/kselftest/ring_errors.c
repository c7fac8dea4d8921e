// SPDX-License-Identifier: GPL-2.0-only
/* What of commands by io_uring is refused, how, and in which order; what the controller refuses is no error. */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib/ring.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define ENTRIES 16
#define ADMIN_COMMAND "pci_nvme_admin_cmd *"
#define IO_COMMAND "pci_nvme_io_cmd *"
#define ANY_COMMAND "pci_nvme_*_cmd *"
#define FEATURE_TEMPERATURE 0x04
#define FEATURE_EVENTS 0x0b
#define TOO_LONG (512u << 10)

FIXTURE(errors)
{
	struct passthru nodes;
	struct ring ring;
	struct trace trace;
	unsigned char *page;	/* two of them */
};

FIXTURE_SETUP(errors)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->page = pages_new(2 * PAGE, 0);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, RING_WIDE));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(errors)
{
	ring_close(&self->ring);
	pages_free(self->page, 2 * PAGE);
	passthru_close(&self->nodes);
}

/* Each of these is one that is right, but for a word or two. */
#pragma GCC diagnostic ignored "-Woverride-init"

static const unsigned int operations[] = {
	NVME_URING_CMD_IO, NVME_URING_CMD_IO_VEC, NVME_URING_CMD_ADMIN, NVME_URING_CMD_ADMIN_VEC,
};

#define IDENTIFY(...) {								\
	.fd = self->nodes.ctrl, .operation = NVME_URING_CMD_ADMIN,		\
	.command = { .opcode = ADMIN_IDENTIFY, .cdw10 = 1,			\
		     DATA(self->page, IDENTIFY_BYTES), __VA_ARGS__ } }
#define READ(...) {								\
	.fd = self->nodes.ns, .operation = NVME_URING_CMD_IO,			\
	.command = { .opcode = IO_READ, .nsid = 1, BLOCKS(0, 1),		\
		     DATA(self->page, BLOCK), __VA_ARGS__ } }

static int run_command(FIXTURE_DATA(errors) *self, struct ring_command command)
{
	struct ring_answer answer = { .res = -1 };
	int result = ring_run(&self->ring, &command, &answer);

	/* What was not sent has no result. */
	if (result < 0 && answer.result)
		complain("result %#llx of what failed", answer.result);
	return result;
}

#define RUN(...) run_command(self, (struct ring_command)__VA_ARGS__)

TEST_F(errors, rings_with_small_entries)
{
	static const unsigned int kinds[] = {
		0, IORING_SETUP_SQE128, IORING_SETUP_CQE32, RING_CQE_MIXED, RING_SQE_MIXED,
		RING_SQE_MIXED | RING_CQE_MIXED, RING_SQE_MIXED | IORING_SETUP_CQE32,
		IORING_SETUP_SQPOLL, IORING_SETUP_IOPOLL,
	};
	const int fds[] = { self->nodes.ctrl, self->nodes.ns };
	struct ring_command identify = IDENTIFY();
	unsigned int k, f, i, flags;

	for (k = 0; k < ARRAY_LENGTH(kinds); k++) {
		struct ring ring;

		ASSERT_EQ(0, ring_open(&ring, ENTRIES, kinds[k]));
		for (i = 0; i < 2 * (ARRAY_LENGTH(operations) + 1); i++) {
			struct ring_answer answer;
			unsigned int number = i / 2 % (ARRAY_LENGTH(operations) + 1);

			/* Unknown ones, too: this is looked at first. */
			identify.operation = number < ARRAY_LENGTH(operations) ?
					     operations[number] : 77;
			flags = i % 2 ? IOSQE_ASYNC : 0;
			identify.sqe_flags = flags;
			for (f = 0; f < ARRAY_LENGTH(fds); f++) {
				identify.fd = fds[f];
				ASSERT_EQ(0, kinds[k] & IORING_SETUP_SQE128 ?
					     ring_push(&ring, &identify) :
					     ring_push_narrow(&ring, &identify));
				ASSERT_EQ(1, ring_submit(&ring));
				ASSERT_EQ(0, ring_reap(&ring, &answer, LIMIT_MS));
				EXPECT_EQ(-EOPNOTSUPP, answer.res) {
					TH_LOG("ring %#x, operation %#x", kinds[k],
					       identify.operation);
				}
			}
		}
		ring_close(&ring);
	}
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

TEST_F(errors, unknown_operations)
{
	static const unsigned int unknown[] = {
		0, 0x80, 1u << 31, _IO('N', 0x80), _IOWR('N', 0x80, struct nvme_passthru_cmd64),
		_IOWR('N', 0x90, struct nvme_uring_cmd), _IOWR('X', 0x82, struct nvme_uring_cmd),
		NVME_IOCTL_ADMIN_CMD, NVME_IOCTL_ADMIN64_CMD, NVME_IOCTL_IO64_CMD,
	};
	const int fds[] = { self->nodes.ctrl, self->nodes.ns };
	struct ring_command command = IDENTIFY();
	unsigned int f, i;

	for (i = 0; i < ARRAY_LENGTH(unknown); i++) {
		for (f = 0; f < ARRAY_LENGTH(fds); f++) {
			command.fd = fds[f];
			command.operation = unknown[i];
			EXPECT_EQ(-ENOTTY, run_command(self, command)) {
				TH_LOG("operation %#x", unknown[i]);
			}
		}
	}
	command = (struct ring_command)READ();
	command.fd = self->nodes.ctrl;
	EXPECT_EQ(-ENOTTY, run_command(self, command));
	command.operation = NVME_URING_CMD_IO_VEC;
	EXPECT_EQ(-ENOTTY, run_command(self, command));
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

TEST_F(errors, flags_are_refused_reserved_words_are_not)
{
	static const unsigned char flags[] = { 0x01, 0x02, 0x40, 0x80, 0xff };
	struct ring_command identify = IDENTIFY();
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(flags); i++) {
		EXPECT_EQ(-EINVAL, RUN(IDENTIFY(.flags = flags[i])));
		EXPECT_EQ(-EINVAL, RUN(READ(.flags = flags[i])));
		EXPECT_EQ(-EINVAL, RUN(READ(.flags = flags[i], .nsid = 2)));
	}
	/* io_uring's own. */
	identify.uring_flags = 1 << 7;
	EXPECT_EQ(-EINVAL, run_command(self, identify));
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
	EXPECT_EQ(0, RUN(IDENTIFY(.rsvd1 = 0xffff, .rsvd2 = ~0u)));
	EXPECT_EQ(0, RUN(READ(.rsvd1 = 0xffff, .rsvd2 = ~0u)));
}

TEST_F(errors, the_namespace_must_be_that_of_the_node)
{
	static const unsigned int others[] = { 0, 2, 3, 0x10001, 0xffffffff };
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(others); i++)
		EXPECT_EQ(-EINVAL, RUN(READ(.nsid = others[i])));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	/* Whether there is such a one is the controller's affair here. */
	EXPECT_EQ(STATUS_INVALID_NAMESPACE, RUN(IDENTIFY(.cdw10 = 0, .nsid = 0x10001)));
}

TEST_F(errors, bad_pointers)
{
	const uintptr_t bad[] = {
		0, (uintptr_t)bad_address(), -PAGE, 0x7ffffffff000, 1ul << 63, 0xffff888000000000,
	};
	struct ring_command command;
	struct iovec piece;
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(bad); i++) {
		piece = (struct iovec){ (void *)bad[i], PAGE };
		command = (struct ring_command)IDENTIFY(.addr = bad[i]);
		EXPECT_EQ(-EFAULT, run_command(self, command)) {
			TH_LOG("address %#lx", bad[i]);
		}
		command.sqe_flags = IOSQE_ASYNC;
		EXPECT_EQ(-EFAULT, run_command(self, command));
		EXPECT_EQ(-EFAULT, RUN(READ(.addr = bad[i])));
		EXPECT_EQ(-EFAULT, RUN(READ(.addr = bad[i], .opcode = IO_WRITE)));

		command = (struct ring_command)READ(DATA(&piece, 1));
		command.operation = NVME_URING_CMD_IO_VEC;
		EXPECT_EQ(-EFAULT, run_command(self, command)) {
			TH_LOG("piece at %#lx", bad[i]);
		}
		if (!bad[i])
			continue;
		command.command.addr = bad[i];
		EXPECT_EQ(-EFAULT, run_command(self, command)) {
			TH_LOG("pieces at %#lx", bad[i]);
		}
	}
	ASSERT_EQ(0, mprotect(self->page, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, RUN(IDENTIFY()));
	EXPECT_EQ(-EFAULT, RUN(READ()));
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
	EXPECT_EQ(0, RUN(READ(.opcode = IO_WRITE)));
}

TEST_F(errors, what_is_not_in_the_registered_buffer)
{
	struct ring_command command = READ();
	struct iovec piece = { self->page, BLOCK };

	command.uring_flags = IORING_URING_CMD_FIXED;
	EXPECT_EQ(-EFAULT, run_command(self, command));
	ASSERT_EQ(0, ring_register(&self->ring, self->page, PAGE));
	EXPECT_EQ(0, run_command(self, command));
	ASSERT_EQ(0, trace_start(&self->trace));
	command.buffer = 1;
	EXPECT_EQ(-EFAULT, run_command(self, command));
	command.buffer = 0;
	command.command.addr += PAGE;
	EXPECT_EQ(-EFAULT, run_command(self, command));
	command.command.addr -= PAGE + 4;
	EXPECT_EQ(-EFAULT, run_command(self, command));
	command.command.addr = 0;
	EXPECT_EQ(-EFAULT, run_command(self, command));
	command.operation = NVME_URING_CMD_IO_VEC;
	command.command.addr = (uintptr_t)&piece;
	command.command.data_len = 1;
	EXPECT_EQ(0, run_command(self, command));
	piece.iov_base += PAGE - BLOCK + 4;
	EXPECT_EQ(-EFAULT, run_command(self, command));
	command.command.addr = (uintptr_t)bad_address();
	EXPECT_EQ(-EFAULT, run_command(self, command));
	EXPECT_EQ(1, trace_count(&self->trace, ANY_COMMAND));
}

/* As far as the length is known. Otherwise the controller would go on behind the buffer. */
TEST_F(errors, data_shorter_than_the_transfer)
{
	struct iovec pieces[2] = { { self->page, 256 }, { self->page + 256, 252 } };
	struct ring_command read = READ(DATA(pieces, 2));

	EXPECT_EQ(-EINVAL, RUN(IDENTIFY(.data_len = IDENTIFY_BYTES - 4)));
	EXPECT_EQ(-EINVAL, RUN(IDENTIFY(.data_len = 0)));
	EXPECT_EQ(-EINVAL, RUN(READ(.data_len = BLOCK - 1)));
	EXPECT_EQ(-EINVAL, RUN(READ(.data_len = 0)));
	EXPECT_EQ(-EINVAL, RUN(READ(.cdw12 = 8, .data_len = PAGE)));
	EXPECT_EQ(-EINVAL, RUN(READ(.opcode = IO_WRITE, .cdw12 = 8, .data_len = PAGE)));
	read.operation = NVME_URING_CMD_IO_VEC;
	EXPECT_EQ(-EINVAL, run_command(self, read));
	ASSERT_EQ(0, ring_register(&self->ring, self->page, PAGE));
	read.uring_flags = IORING_URING_CMD_FIXED;
	EXPECT_EQ(-EINVAL, run_command(self, read));
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
	pieces[1].iov_len = 256;
	EXPECT_EQ(0, run_command(self, read));
}

TEST_F(errors, data_longer_than_the_transfer_is_left_alone)
{
	struct ring_command read = READ(.data_len = 2 * PAGE);
	int i;

	ASSERT_EQ(0, ring_register(&self->ring, self->page, 2 * PAGE));
	for (i = 0; i < 2; i++) {
		memset(self->page, 0x99, 2 * PAGE);
		read.uring_flags = i ? IORING_URING_CMD_FIXED : 0;
		EXPECT_EQ(0, run_command(self, read));
		EXPECT_TRUE(memory_is(self->page + BLOCK, 2 * PAGE - BLOCK, 0x99));
	}
}

TEST_F(errors, more_data_than_the_controller_takes)
{
	unsigned char *memory = pages_new(TOO_LONG + BLOCK, 0);

	EXPECT_EQ(0, RUN(READ(DATA(memory, TOO_LONG), BLOCKS(0, TOO_LONG / BLOCK))));
	EXPECT_EQ(-EINVAL, RUN(READ(DATA(memory, TOO_LONG + BLOCK),
				    BLOCKS(0, TOO_LONG / BLOCK + 1))));
	EXPECT_EQ(1, trace_count(&self->trace, IO_COMMAND));
	pages_free(memory, TOO_LONG + BLOCK);
}

TEST_F(errors, metadata_where_there_is_none)
{
	EXPECT_EQ(-EINVAL, RUN(READ(METADATA(self->page + PAGE, 8))));
	EXPECT_EQ(-EINVAL, RUN(IDENTIFY(METADATA(self->page + PAGE, 8))));
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

TEST_F(errors, what_is_the_drivers_is_refused_to_root)
{
	static const unsigned char opcodes[] = {
		ADMIN_DELETE_SQ, ADMIN_CREATE_SQ, ADMIN_DELETE_CQ, ADMIN_CREATE_CQ,
		ADMIN_EVENT_REQUEST, ADMIN_DOORBELL_BUFFER,
	};
	/* Queues, power states, host memory, keep alive, host behaviour. */
	static const unsigned char features[] = { 0x07, 0x0c, 0x0d, 0x0f, 0x16 };
	const int fds[] = { self->nodes.ctrl, self->nodes.ns };
	unsigned int f, i, refused = 0;

	for (f = 0; f < ARRAY_LENGTH(fds); f++) {
		struct ring_command command = IDENTIFY(.cdw10 = 0x000f0001, .cdw11 = 1);

		command.fd = fds[f];
		for (i = 0; i < 2 * ARRAY_LENGTH(opcodes); i++) {
			command.command.opcode = opcodes[i / 2];
			command.sqe_flags = i % 2 ? IOSQE_ASYNC : 0;
			EXPECT_EQ(-EACCES, run_command(self, command)) {
				TH_LOG("opcode %#x", opcodes[i / 2]);
			}
		}
		command.command.opcode = ADMIN_SET_FEATURES;
		for (i = 0; i < ARRAY_LENGTH(features); i++) {
			command.command.cdw10 = features[i];
			EXPECT_EQ(-EACCES, run_command(self, command)) {
				TH_LOG("feature %#x", features[i]);
			}
		}
	}
	EXPECT_EQ(0, trace_count(&self->trace, ADMIN_COMMAND));
	/* Its event requests are outstanding all the time. */
	for (i = 0; i < 64; i++) {
		int result = RUN(IDENTIFY(.opcode = ADMIN_ABORT, .cdw10 = i << 16));

		EXPECT_TRUE(result >= 0 || result == -EACCES);
		refused += result == -EACCES;
	}
	EXPECT_LE(1, refused);
	EXPECT_EQ(64 - (int)refused, trace_count(&self->trace, ADMIN_COMMAND));
}

TEST_F(errors, what_the_controller_refuses_is_a_status)
{
	EXPECT_EQ(STATUS_INVALID_OPCODE, RUN(IDENTIFY(.opcode = 0xc7)));
	EXPECT_EQ(STATUS_INVALID_FIELD, RUN(IDENTIFY(.cdw10 = 0xfe)));
	EXPECT_EQ(STATUS_INVALID_OPCODE, RUN(READ(.opcode = 0xc6)));
	EXPECT_EQ(STATUS_LBA_OUT_OF_RANGE, RUN(READ(.cdw11 = 1)));
	EXPECT_EQ(4, trace_count(&self->trace, ANY_COMMAND));
}

/* A link holds if the command was executed, whatever came of that, and breaks if it was not. */
TEST_F(errors, links_break_at_errors_and_not_at_statuses)
{
	struct ring_command chain[] = {
		READ(), READ(.cdw11 = 1), READ(), READ(.nsid = 2), READ(), READ(),
	};
	static const int expected[] = { 0, STATUS_LBA_OUT_OF_RANGE, 0, -EINVAL, -ECANCELED, -ECANCELED };
	struct ring_answer answer;
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(chain); i++) {
		chain[i].sqe_flags = i < ARRAY_LENGTH(chain) - 1 ? IOSQE_IO_LINK : 0;
		chain[i].tag = i;
		ASSERT_EQ(0, ring_push(&self->ring, &chain[i]));
	}
	ASSERT_EQ(ARRAY_LENGTH(chain), ring_submit(&self->ring));
	for (i = 0; i < ARRAY_LENGTH(chain); i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		ASSERT_GT(ARRAY_LENGTH(chain), answer.tag);
		EXPECT_EQ(expected[answer.tag], answer.res) {
			TH_LOG("number %u", (unsigned int)answer.tag);
		}
	}
	EXPECT_EQ(3, trace_count(&self->trace, IO_COMMAND));
}

TEST_HARNESS_MAIN
