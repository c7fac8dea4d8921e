// SPDX-License-Identifier: GPL-2.0-only
/* Commands by rings of all kinds, with data in memory of all kinds. What comes is compared with what ioctls say. */
#include "kselftest_harness.h"

#include "lib/module.h"
#include "lib/ring.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define DEPTH 128
#define MOST_BYTES (512u << 10)

FIXTURE(kinds)
{
	struct passthru nodes;
	struct ring ring;
	unsigned int limit;		/* of the controller */
	unsigned char *memory;		/* registered: 2 * MOST_BYTES */
	unsigned char *other;		/* MOST_BYTES, not registered */
	struct iovec pieces[RING_PIECES];
};

FIXTURE_VARIANT(kinds)
{
	unsigned int flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(kinds, name) { .flags = __VA_ARGS__ }
#define DEFERRED (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

KIND(plain, RING_WIDE);
KIND(cooperative, RING_WIDE | IORING_SETUP_COOP_TASKRUN);
KIND(deferred, RING_WIDE | DEFERRED);
KIND(sqpoll, RING_WIDE | IORING_SETUP_SQPOLL);
KIND(iopoll, RING_WIDE | IORING_SETUP_IOPOLL);
KIND(iopoll_deferred, RING_WIDE | IORING_SETUP_IOPOLL | DEFERRED);
KIND(iopoll_sqpoll, RING_WIDE | IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL);
KIND(iopoll_hybrid, RING_WIDE | IORING_SETUP_IOPOLL | RING_HYBRID_IOPOLL);
KIND(mixed, RING_SQE_MIXED | RING_CQE_MIXED);
KIND(mixed_sqes, RING_SQE_MIXED | IORING_SETUP_CQE32);
KIND(mixed_cqes, IORING_SETUP_SQE128 | RING_CQE_MIXED);
KIND(mixed_deferred, RING_SQE_MIXED | RING_CQE_MIXED | DEFERRED);
KIND(mixed_sqpoll, RING_SQE_MIXED | RING_CQE_MIXED | IORING_SETUP_SQPOLL);
KIND(mixed_iopoll, RING_SQE_MIXED | RING_CQE_MIXED | IORING_SETUP_IOPOLL);

FIXTURE_SETUP(kinds)
{
	int limit;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->memory = pages_new(2 * MOST_BYTES, 0);
	self->other = pages_new(MOST_BYTES, 0);
	ASSERT_EQ(0, ring_open(&self->ring, DEPTH, variant->flags));
	ASSERT_EQ(0, ring_register(&self->ring, self->memory, 2 * MOST_BYTES));
	limit = transfer_limit(&self->nodes);
	ASSERT_LT(0, limit);
	self->limit = limit;
	ASSERT_GE(MOST_BYTES, self->limit);
}

FIXTURE_TEARDOWN(kinds)
{
	ring_close(&self->ring);
	pages_free(self->memory, 2 * MOST_BYTES);
	pages_free(self->other, MOST_BYTES);
	passthru_close(&self->nodes);
}

static struct ring_command io(FIXTURE_DATA(kinds) *self, unsigned char opcode,
			      enum ring_data kind, unsigned int first, void *memory,
			      unsigned int bytes)
{
	struct ring_command command = {
		.fd = self->nodes.ns,
		.operation = NVME_URING_CMD_IO,
		.command = { .opcode = opcode, .nsid = 1, BLOCKS(first, bytes / BLOCK) },
	};

	ring_describe(&command, kind, memory, bytes, self->pieces);
	return command;
}

/* Writes and reads back through the ring; the one and the other are seen by ioctls, too. */
static void there_and_back(struct __test_metadata *_metadata, FIXTURE_DATA(kinds) *self,
			   enum ring_data kind, unsigned int sqe_flags, unsigned int offset,
			   unsigned int bytes)
{
	static unsigned int seed;
	unsigned char *memory = self->memory + offset;
	unsigned int most = self->limit < 64 << 10 ? self->limit : 64 << 10;
	struct ring_command write = io(self, IO_WRITE, kind, 16, memory, bytes), read;
	unsigned int at;

	write.sqe_flags = sqe_flags;
	pattern_fill(memory, bytes, ++seed);
	ASSERT_EQ(0, ring_run(&self->ring, &write, NULL)) {
		TH_LOG("write of %u bytes at %u, kind %u, flags %#x", bytes, offset, kind,
		       sqe_flags);
	}
	memset(self->other, 0, bytes);
	for (at = 0; at < bytes; at += most) {
		unsigned int part = bytes - at < most ? bytes - at : most;

		ASSERT_EQ(0, blocks_read(&self->nodes, 16 + at / BLOCK, part / BLOCK,
					 self->other + at, part));
	}
	ASSERT_TRUE(pattern_is(self->other, bytes, seed));

	memset(self->memory, 0xee, offset + bytes + PAGE);
	read = io(self, IO_READ, kind, 16, memory, bytes);
	read.sqe_flags = sqe_flags;
	ASSERT_EQ(0, ring_run(&self->ring, &read, NULL)) {
		TH_LOG("read of %u bytes at %u, kind %u, flags %#x", bytes, offset, kind,
		       sqe_flags);
	}
	ASSERT_TRUE(pattern_is(memory, bytes, seed));
	ASSERT_TRUE(memory_is(self->memory, offset, 0xee));
	ASSERT_TRUE(memory_is(memory + bytes, PAGE, 0xee));
}

TEST_F_TIMEOUT(kinds, data_of_all_kinds_and_sizes, 60)
{
	static const unsigned int sizes[] = {
		BLOCK, PAGE, PAGE + BLOCK, 2 * PAGE, 3 * PAGE, 64 << 10, MOST_BYTES,
	};
	static const unsigned int offsets[] = { 0, 4, BLOCK, PAGE - 4 };
	enum ring_data kind;
	unsigned int i, j;

	for (kind = 0; kind < DATA_KINDS; kind++) {
		for (i = 0; i < ARRAY_LENGTH(sizes); i++) {
			for (j = 0; j < ARRAY_LENGTH(offsets) && sizes[i] <= self->limit; j++)
				there_and_back(_metadata, self, kind, 0, offsets[j], sizes[i]);
		}
	}
}

TEST_F(kinds, workers_send_too)
{
	enum ring_data kind;

	for (kind = 0; kind < DATA_KINDS; kind++) {
		there_and_back(_metadata, self, kind, IOSQE_ASYNC, 0, BLOCK);
		there_and_back(_metadata, self, kind, IOSQE_ASYNC, 40, 2 * PAGE);
	}
}

/* As many as there is room for, and each is answered once, in whatever order. */
TEST_F_TIMEOUT(kinds, a_ring_full_of_commands, 60)
{
	bool answered[DEPTH] = { false };
	struct ring_answer answer;
	unsigned int count, i;

	pattern_fill(self->other, DEPTH * BLOCK, 3);
	ASSERT_EQ(0, blocks_write(&self->nodes, 64, DEPTH / 8, self->other, DEPTH / 8 * BLOCK));
	for (count = 0; count < DEPTH; count++) {
		/* Without pieces: they would have to stay. */
		struct ring_command read = io(self, IO_READ, count % 2, 64 + count % (DEPTH / 8),
					      self->memory + count * PAGE, BLOCK);

		read.tag = count;
		if (count % 5 == 0)
			read.sqe_flags = IOSQE_ASYNC;
		if (ring_push(&self->ring, &read))
			break;
	}
	ASSERT_LE(DEPTH / 2 - 1, count);
	ASSERT_LE((int)count, ring_submit(&self->ring));
	for (i = 0; i < count; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS)) {
			TH_LOG("%u of %u", i, count);
		}
		EXPECT_EQ(0, answer.res);
		ASSERT_GT(count, answer.tag);
		EXPECT_FALSE(answered[answer.tag]);
		answered[answer.tag] = true;
	}
	EXPECT_EQ(-ETIME, ring_reap(&self->ring, &answer, QUIET_MS));
	for (i = 0; i < count; i++)
		ASSERT_EQ(0, memcmp(self->memory + i * PAGE,
				    self->other + i % (DEPTH / 8) * BLOCK, BLOCK));
}

/* Who polls finds completions by himself. Without queues for that, he is told of them like everybody. */
TEST_F(kinds, polled_queues_do_not_interrupt)
{
	char text[16] = "0";
	struct trace trace;
	unsigned int i;
	int interrupts;
	bool polled;

	read_file("/sys/module/" MODULE "/parameters/poll_queues", text, sizeof(text));
	polled = variant->flags & IORING_SETUP_IOPOLL && atoi(text);
	ASSERT_EQ(0, trace_start(&trace));
	for (i = 0; i < 32; i++) {
		struct ring_command read = io(self, IO_READ, i % 2, i, self->memory, BLOCK);

		ASSERT_EQ(0, ring_run(&self->ring, &read, NULL));
	}
	interrupts = trace_count(&trace, "pci_nvme_irq_*");
	EXPECT_EQ(polled, interrupts == 0) {
		TH_LOG("%d interrupts", interrupts);
	}
}

#define LINKS 16

/* Each begins when the one before is over: a block is handed on by reading and writing it. */
TEST_F(kinds, linked_commands_are_sent_one_after_the_other)
{
	struct ring_answer answer;
	unsigned int i;

	pattern_fill(self->memory, BLOCK, 9);
	for (i = 0; i < LINKS; i++) {
		/* Page 0 to block 200, that to page 1, that to block 201, ... */
		struct ring_command command = io(self, i % 2 ? IO_READ : IO_WRITE, i / 2 % 2,
						 200 + i / 2, self->memory + (i + 1) / 2 * PAGE,
						 BLOCK);

		command.tag = i;
		command.sqe_flags = i < LINKS - 1 ? IOSQE_IO_LINK : 0;
		ASSERT_EQ(0, ring_push(&self->ring, &command));
	}
	ASSERT_LE(LINKS, ring_submit(&self->ring));
	for (i = 0; i < LINKS; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		EXPECT_EQ(0, answer.res);
		EXPECT_EQ(i, answer.tag);
	}
	EXPECT_TRUE(pattern_is(self->memory + LINKS / 2 * PAGE, BLOCK, 9));
}

static void identify(struct __test_metadata *_metadata, FIXTURE_DATA(kinds) *self, int fd)
{
	struct nvme_passthru_cmd64 reference = {
		.opcode = ADMIN_IDENTIFY, .nsid = 1, DATA(self->other, IDENTIFY_BYTES),
	};
	static const unsigned int offsets[] = { 0, 8, PAGE - 4 };
	struct ring_answer answer;
	enum ring_data kind;
	unsigned int i, flags;

	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &reference));
	for (kind = 0; kind < DATA_KINDS; kind++) {
		for (i = 0; i < 2 * ARRAY_LENGTH(offsets); i++) {
			unsigned char *memory = self->memory + offsets[i / 2];
			struct ring_command command = {
				.fd = fd,
				.operation = NVME_URING_CMD_ADMIN,
				.tag = 0x123456789abcdef0 + i,
				.command = { .opcode = ADMIN_IDENTIFY, .nsid = 1 },
			};

			flags = i % 2 ? IOSQE_ASYNC : 0;
			command.sqe_flags = flags;
			memset(self->memory, 0, 3 * PAGE);
			ring_describe(&command, kind, memory, IDENTIFY_BYTES, self->pieces);
			ASSERT_EQ(0, ring_run(&self->ring, &command, &answer)) {
				TH_LOG("kind %u, offset %u, flags %#x", kind, offsets[i / 2], flags);
			}
			EXPECT_EQ(command.tag, answer.tag);
			ASSERT_EQ(0, memcmp(self->other, memory, IDENTIFY_BYTES));
		}
	}
}

TEST_F(kinds, administration_of_the_controller)
{
	identify(_metadata, self, self->nodes.ctrl);
}

/* nvme-cli 3 asks for it; the in-tree driver says ENOTTY. */
TEST_F(kinds, administration_through_the_namespace)
{
	identify(_metadata, self, self->nodes.ns);
}

/* Dwords 0 and 1 of the completion, which is a large one. */
TEST_F(kinds, the_result_is_in_the_large_entry)
{
	struct ring_command command = {
		.fd = self->nodes.ctrl,
		.operation = NVME_URING_CMD_ADMIN,
		.command = { .opcode = ADMIN_GET_FEATURES, .cdw10 = 4 },
	};
	struct nvme_passthru_cmd64 reference = { .opcode = ADMIN_GET_FEATURES, .cdw10 = 4 };
	struct ring_answer answer;

	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &reference));
	ASSERT_NE(0, reference.result);
	ASSERT_EQ(0, ring_run(&self->ring, &command, &answer));
	EXPECT_EQ(reference.result, answer.result);
	EXPECT_EQ(variant->flags & RING_CQE_MIXED, answer.flags & RING_CQE_IS_32 ? RING_CQE_MIXED : 0);
}

TEST_HARNESS_MAIN
