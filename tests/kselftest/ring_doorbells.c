// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a batch of commands by io_uring costs the controller: how often its
 * doorbells ring, and how it is told where the data is. Run with a controller
 * that takes doorbell buffers and with one that does not.
 */
#include "kselftest_harness.h"

#include "lib/ring.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define BATCH 16
#define ROUNDS 8
#define OACS_AT 256
#define OACS_DOORBELL_BUFFERS (1U << 8)

/* Of I/O queues only. */
#define SUBMISSION_DOORBELL "pci_nvme_mmio_doorbell_sq sqid [!0]*"
#define COMPLETION_DOORBELL "pci_nvme_mmio_doorbell_cq cqid [!0]*"

FIXTURE(doorbells)
{
	struct passthru nodes;
	struct ring ring;
	unsigned char *memory;	/* registered */
	bool buffers;		/* the controller takes them, and the driver gives them */
	struct iovec pieces[RING_PIECES];
};

FIXTURE_VARIANT(doorbells)
{
	unsigned int flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(doorbells, name) { .flags = __VA_ARGS__ }
#define DEFERRED (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

KIND(plain, RING_WIDE);
KIND(deferred, RING_WIDE | DEFERRED);
KIND(iopoll, RING_WIDE | IORING_SETUP_IOPOLL);

FIXTURE_SETUP(doorbells)
{
	struct nvme_passthru_cmd64 identify = { .opcode = ADMIN_IDENTIFY, .cdw10 = 1 };
	char parameters[4096] = "";

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->memory = pages_new(BATCH * PAGE, 0);
	identify.addr = (uintptr_t)self->memory;
	identify.data_len = IDENTIFY_BYTES;
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &identify));
	self->buffers = self->memory[OACS_AT + 1] & OACS_DOORBELL_BUFFERS >> 8;
	/* Not with INTx, which has to be lowered at once. */
	ASSERT_EQ(0, read_file("/proc/cmdline", parameters, sizeof(parameters)));
	if (strstr(parameters, "pci=nomsi"))
		self->buffers = false;
	ASSERT_EQ(0, ring_open(&self->ring, BATCH, variant->flags));
	ASSERT_EQ(0, ring_register(&self->ring, self->memory, BATCH * PAGE));
}

FIXTURE_TEARDOWN(doorbells)
{
	ring_close(&self->ring);
	pages_free(self->memory, BATCH * PAGE);
	passthru_close(&self->nodes);
}

/* Sends @count reads by one system call, and waits for all of them. */
static void read_batch(struct __test_metadata *_metadata, FIXTURE_DATA(doorbells) *self,
		       unsigned int count, enum ring_data kind)
{
	struct ring_answer answer;
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct ring_command read = {
			.fd = self->nodes.ns,
			.operation = NVME_URING_CMD_IO,
			.command = { .opcode = IO_READ, .nsid = 1, BLOCKS(i, 1) },
		};

		ring_describe(&read, kind, self->memory + i * PAGE, BLOCK, self->pieces);
		ASSERT_EQ(0, ring_push(&self->ring, &read));
	}
	ASSERT_EQ((int)count, ring_submit(&self->ring));
	for (i = 0; i < count; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		EXPECT_EQ(0, answer.res);
	}
}

TEST_F(doorbells, buffers_are_given_if_they_are_taken)
{
	unsigned long long given;

	ASSERT_EQ(0, controller_value(&self->nodes.controller, "doorbell_buffers", &given));
	EXPECT_EQ(self->buffers, given);
}

TEST_F(doorbells, ring_once_for_a_batch)
{
	unsigned int round, kind;
	struct trace trace;
	int rings;

	for (kind = DATA_PLAIN; kind <= DATA_REGISTERED; kind++) {
		ASSERT_EQ(0, trace_start(&trace));
		for (round = 0; round < ROUNDS; round++)
			read_batch(_metadata, self, BATCH, kind);
		rings = trace_count(&trace, SUBMISSION_DOORBELL);
		/* At least once each, since nothing was under way; once is enough. */
		EXPECT_EQ(ROUNDS, rings);

		/* How many completions are found at a time is the host's doing. */
		rings = trace_count(&trace, COMPLETION_DOORBELL);
		EXPECT_GE(ROUNDS * BATCH, rings);
		TH_LOG("of %d batches: completion queues' doorbells rung %d times", ROUNDS, rings);
	}
}

/* Nobody waits for a batch which has no end. */
TEST_F(doorbells, ring_at_once_for_few)
{
	struct trace trace;
	unsigned int count;

	for (count = 1; count <= 3; count++) {
		ASSERT_EQ(0, trace_start(&trace));
		read_batch(_metadata, self, count, DATA_PLAIN);
		EXPECT_LE(1, trace_count(&trace, SUBMISSION_DOORBELL));
		EXPECT_GE((int)count, trace_count(&trace, SUBMISSION_DOORBELL));
	}
}

/* Pieces which PRP entries cannot describe need no copy. */
TEST_F(doorbells, an_sgl_describes_what_has_gaps)
{
	struct iovec pieces[] = {
		{ self->memory + 100, 256 },
		{ self->memory + PAGE + 1000, 128 },
		{ self->memory + 5 * PAGE + 4, 128 },
	};
	struct ring_command read = {
		.fd = self->nodes.ns,
		.operation = NVME_URING_CMD_IO_VEC,
		.command = {
			.opcode = IO_READ, .nsid = 1, BLOCKS(7, 1),
			.addr = (uintptr_t)pieces, .data_len = ARRAY_LENGTH(pieces),
		},
	};
	unsigned char block[BLOCK], expected[BLOCK];
	struct trace trace;

	pattern_fill(expected, BLOCK, 11);
	ASSERT_EQ(0, blocks_write(&self->nodes, 7, 1, expected, BLOCK));
	ASSERT_EQ(0, trace_enable("pci_nvme_map_sgl"));
	ASSERT_EQ(0, trace_enable("pci_nvme_map_prp"));
	ASSERT_EQ(0, trace_start(&trace));
	ASSERT_EQ(0, ring_run(&self->ring, &read, NULL));
	EXPECT_EQ(1, trace_count(&trace, "pci_nvme_map_sgl *"));
	EXPECT_EQ(0, trace_count(&trace, "pci_nvme_map_prp *"));
	memcpy(block, pieces[0].iov_base, 256);
	memcpy(block + 256, pieces[1].iov_base, 128);
	memcpy(block + 384, pieces[2].iov_base, 128);
	EXPECT_EQ(0, memcmp(expected, block, BLOCK));
}

TEST_HARNESS_MAIN
