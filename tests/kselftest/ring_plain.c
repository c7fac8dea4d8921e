// SPDX-License-Identifier: GPL-2.0-only
/* Commands in entries of 64 bytes, on rings of all kinds: what comes of them is compared with the large form. */
#include "kselftest_harness.h"

#include "lib/plain.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define ENTRIES 16
#define MOST_BYTES (32u << 10)

/* A struct whose result nobody wrote. */
#define UNWRITTEN 0x7a7a7a7a7a7a7a7a
#define UNWRITTEN_STATUS 0x5b5b5b5b

enum form { INLINE, INDIRECT, INDIRECT_LINK_ERR, FORMS };

FIXTURE(plain)
{
	struct passthru nodes;
	struct ring ring;		/* of the kind to be tested */
	struct ring wide;		/* the usual one */
	struct trace trace;
	unsigned char *memory;		/* MOST_BYTES and a page, registered with both */
	unsigned char *expected;	/* as much */
	struct iovec pieces[RING_PIECES];
};

FIXTURE_VARIANT(plain)
{
	unsigned int flags;
};

#define KIND(name, bits) FIXTURE_VARIANT_ADD(plain, name) { .flags = bits };

PLAIN_KINDS(KIND)

FIXTURE_SETUP(plain)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->memory = pages_new(MOST_BYTES + PAGE, 0);
	self->expected = pages_new(MOST_BYTES + PAGE, 0);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->flags));
	ASSERT_EQ(0, ring_open(&self->wide, ENTRIES, RING_WIDE));
	ASSERT_EQ(0, ring_register(&self->ring, self->memory, MOST_BYTES + PAGE));
	ASSERT_EQ(0, ring_register(&self->wide, self->memory, MOST_BYTES + PAGE));
	pattern_fill(self->memory, MOST_BYTES, 5);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, MOST_BYTES / BLOCK, self->memory, MOST_BYTES));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(plain)
{
	ring_close(&self->ring);
	ring_close(&self->wide);
	pages_free(self->memory, MOST_BYTES + PAGE);
	pages_free(self->expected, MOST_BYTES + PAGE);
	passthru_close(&self->nodes);
}

/* Everything a command can come to, and what a small one can be. */
struct sample {
	const char *name;
	bool io;
	bool on_controller;	/* its node, instead of the namespace's */
	bool large_only;	/* too much for an entry */
	bool writes;
	unsigned int bytes;
	int expected;		/* status or errno */
	struct nvme_uring_cmd command;
};

static const struct sample samples[] = {
	{ "identify the controller", .on_controller = true, .bytes = IDENTIFY_BYTES,
	  .command = { .opcode = ADMIN_IDENTIFY, .cdw10 = 1 } },
	{ "identify the namespace", .bytes = IDENTIFY_BYTES,
	  .command = { .opcode = ADMIN_IDENTIFY, .nsid = 1 } },
	{ "list namespaces", .on_controller = true, .bytes = IDENTIFY_BYTES,
	  .command = { .opcode = ADMIN_IDENTIFY, .cdw10 = 2 } },
	{ "identify no namespace", .bytes = IDENTIFY_BYTES, .expected = STATUS_INVALID_NAMESPACE,
	  .command = { .opcode = ADMIN_IDENTIFY, .nsid = 0x10001 } },
	{ "identify nonsense", .bytes = IDENTIFY_BYTES, .expected = STATUS_INVALID_FIELD,
	  .command = { .opcode = ADMIN_IDENTIFY, .cdw10 = 0xfe } },
	{ "firmware log", .on_controller = true, .bytes = BLOCK,
	  .command = { .opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u,
		       .cdw10 = 3 | (BLOCK / 4 - 1) << 16 } },
	{ "effects log, from an offset", .bytes = 1024, .large_only = false,
	  .command = { .opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u,
		       .cdw10 = 5 | (1024 / 4 - 1) << 16, .cdw12 = 1024 } },
	{ "effects log, of a command set", .bytes = 1024, .large_only = true,
	  .command = { .opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u,
		       .cdw10 = 5 | (1024 / 4 - 1) << 16, .cdw14 = 2 << 24 } },
	{ "temperature threshold", .on_controller = true,
	  .command = { .opcode = ADMIN_GET_FEATURES, .cdw10 = 4 } },
	{ "set the temperature threshold", .on_controller = true,
	  .command = { .opcode = ADMIN_SET_FEATURES, .cdw10 = 4, .cdw11 = 350 } },
	{ "set queues", .on_controller = true, .expected = -EACCES,
	  .command = { .opcode = ADMIN_SET_FEATURES, .cdw10 = 7, .cdw11 = 0x10001 } },
	{ "ask for events", .on_controller = true, .expected = -EACCES,
	  .command = { .opcode = ADMIN_EVENT_REQUEST } },
	{ "no command", .on_controller = true, .expected = STATUS_INVALID_OPCODE,
	  .command = { .opcode = 0xc7 } },
	{ "flags", .on_controller = true, .bytes = IDENTIFY_BYTES, .expected = -EINVAL,
	  .command = { .opcode = ADMIN_IDENTIFY, .cdw10 = 1, .flags = 0x40 } },
	{ "short identify", .on_controller = true, .bytes = IDENTIFY_BYTES - 4,
	  .expected = -EINVAL, .command = { .opcode = ADMIN_IDENTIFY, .cdw10 = 1 } },

	{ "read a block", .io = true, .bytes = BLOCK,
	  .command = { .opcode = IO_READ, .nsid = 1, BLOCKS(3, 1) } },
	{ "read two pages", .io = true, .bytes = 2 * PAGE,
	  .command = { .opcode = IO_READ, .nsid = 1, BLOCKS(5, 2 * PAGE / BLOCK) } },
	{ "read many pages", .io = true, .bytes = MOST_BYTES,
	  .command = { .opcode = IO_READ, .nsid = 1, BLOCKS(0, MOST_BYTES / BLOCK) } },
	{ "read less than there is room for", .io = true, .bytes = 2 * PAGE,
	  .command = { .opcode = IO_READ, .nsid = 1, BLOCKS(7, 1) } },
	{ "read more than there is room for", .io = true, .bytes = PAGE, .expected = -EINVAL,
	  .command = { .opcode = IO_READ, .nsid = 1, BLOCKS(7, 9) } },
	{ "read beyond the end", .io = true, .bytes = BLOCK, .expected = STATUS_LBA_OUT_OF_RANGE,
	  .command = { .opcode = IO_READ, .nsid = 1, .cdw11 = 1 } },
	{ "read from another namespace", .io = true, .bytes = BLOCK, .expected = -EINVAL,
	  .command = { .opcode = IO_READ, .nsid = 2, BLOCKS(3, 1) } },
	{ "read metadata there is none of", .io = true, .bytes = BLOCK, .large_only = true,
	  .expected = -EINVAL,
	  .command = { .opcode = IO_READ, .nsid = 1, BLOCKS(3, 1), .metadata = 4096,
		       .metadata_len = 8 } },
	{ "write", .io = true, .bytes = 2 * PAGE, .writes = true,
	  .command = { .opcode = IO_WRITE, .nsid = 1, BLOCKS(256, 2 * PAGE / BLOCK) } },
	{ "compare what is equal", .io = true, .bytes = 2 * PAGE, .writes = true,
	  .command = { .opcode = IO_COMPARE, .nsid = 1, BLOCKS(256, 2 * PAGE / BLOCK) } },
	{ "compare what is not", .io = true, .bytes = 2 * PAGE, .writes = true,
	  .expected = 0x4000 | STATUS_COMPARE_FAILURE,
	  .command = { .opcode = IO_COMPARE, .nsid = 1, BLOCKS(3, 2 * PAGE / BLOCK) } },
	{ "flush", .io = true, .command = { .opcode = IO_FLUSH, .nsid = 1 } },
	{ "write zeroes", .io = true,
	  .command = { .opcode = IO_WRITE_ZEROES, .nsid = 1, BLOCKS(300, 8) } },
	{ "no command for a namespace", .io = true, .expected = STATUS_INVALID_OPCODE,
	  .command = { .opcode = 0xc6, .nsid = 1 } },
};

static void prepare(FIXTURE_DATA(plain) *self, const struct sample *sample)
{
	if (sample->writes)
		pattern_fill(self->memory, sample->bytes, 77);
	else
		memset(self->memory, 0xee, MOST_BYTES + PAGE);
}

static struct ring_command command_of(FIXTURE_DATA(plain) *self, const struct sample *sample,
				      enum ring_data kind)
{
	struct ring_command command = {
		.fd = sample->on_controller ? self->nodes.ctrl : self->nodes.ns,
		.operation = sample->io ? NVME_URING_CMD_IO : NVME_URING_CMD_ADMIN,
		.tag = 0xfedcba9876543210,
		.command = sample->command,
	};

	if (sample->bytes)
		ring_describe(&command, kind, self->memory, sample->bytes, self->pieces);
	return command;
}

/* Entries of 32 bytes for each command, or for those that ask for it. */
static bool tells_result(unsigned int flags)
{
	return flags & (IORING_SETUP_CQE32 | RING_CQE_MIXED);
}

/* The same command in the large form and in another one. */
static void compare_forms(struct __test_metadata *_metadata, FIXTURE_DATA(plain) *self,
			  const FIXTURE_VARIANT(plain) *variant, const struct sample *sample,
			  enum form form, enum ring_data kind, unsigned int sqe_flags)
{
	struct ring_command command = command_of(self, sample, kind);
	struct nvme_passthru_cmd64 memory = plain_command(&command);
	struct ring_answer large, answer;
	int expected, result;

	memory.result = UNWRITTEN;
	memory.rsvd2 = UNWRITTEN_STATUS;
	prepare(self, sample);
	expected = ring_run(&self->wide, &command, &large);
	ASSERT_EQ(sample->expected, expected) {
		TH_LOG("%s", sample->name);
	}
	memcpy(self->expected, self->memory, MOST_BYTES + PAGE);

	prepare(self, sample);
	command.sqe_flags = sqe_flags;
	result = form == INLINE ? plain_push_inline(&self->ring, &command, NULL) :
				  plain_push_indirect(&self->ring, &command, &memory,
						      form == INDIRECT ? 0 : NVME_URING_LINK_ERR);
	result = result ?: ring_finish(&self->ring, &answer);
	EXPECT_EQ(form == INDIRECT_LINK_ERR && expected > 0 ? -EREMOTEIO : expected, result) {
		TH_LOG("%s, form %u, kind %u, flags %#x", sample->name, form, kind, sqe_flags);
	}
	EXPECT_EQ(command.tag, answer.tag);
	EXPECT_EQ(0, memcmp(self->memory, self->expected, MOST_BYTES + PAGE)) {
		TH_LOG("%s, form %u, kind %u, flags %#x", sample->name, form, kind, sqe_flags);
	}
	if (form == INLINE) {
		EXPECT_EQ(tells_result(variant->flags) ? large.result : 0, answer.result);
		return;
	}
	EXPECT_EQ(0, answer.result);
	EXPECT_EQ(0, answer.flags & RING_CQE_IS_32);
	EXPECT_EQ(expected < 0 ? UNWRITTEN : large.result, memory.result) {
		TH_LOG("%s, kind %u, flags %#x", sample->name, kind, sqe_flags);
	}
	EXPECT_EQ(form == INDIRECT || expected < 0 ? UNWRITTEN_STATUS : (unsigned int)expected,
		  memory.rsvd2);
	/* The rest of it is as it was. */
	command = command_of(self, sample, kind);
	memory.result = 0;
	memory.rsvd2 = 0;
	EXPECT_EQ(0, memcmp(&memory, &(struct nvme_passthru_cmd64[]){ plain_command(&command) },
			    sizeof(memory)));
}

TEST_F_TIMEOUT(plain, the_same_comes_of_a_command_in_every_form, 60)
{
	unsigned int i, async;
	enum ring_data kind;
	enum form form;

	for (i = 0; i < ARRAY_LENGTH(samples); i++) {
		const struct sample *sample = &samples[i];
		enum ring_data kinds = sample->bytes ? DATA_KINDS : DATA_PLAIN + 1;

		for (form = 0; form < FORMS; form++) {
			if (form == INLINE && sample->large_only)
				continue;
			for (kind = 0; kind < kinds; kind++) {
				/* Pieces are not for small commands. */
				if (form == INLINE && kind > DATA_REGISTERED)
					continue;
				for (async = 0; async < 2; async++)
					compare_forms(_metadata, self, variant, sample, form, kind,
						      async ? IOSQE_ASYNC : 0);
			}
		}
	}
}

/* There is a result, and it is not always 0. */
TEST_F(plain, a_feature_has_a_value)
{
	struct ring_command command = {
		.fd = self->nodes.ctrl, .operation = NVME_URING_CMD_ADMIN,
		.command = { .opcode = ADMIN_GET_FEATURES, .cdw10 = 4 },
	};
	struct nvme_passthru_cmd64 reference = plain_command(&command), memory = reference;

	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &reference));
	ASSERT_NE(0, reference.result);
	ASSERT_EQ(0, plain_push_indirect(&self->ring, &command, &memory, 0));
	ASSERT_EQ(0, ring_finish(&self->ring, NULL));
	EXPECT_EQ(reference.result, memory.result);
}

/* Each of them once, in whatever order. */
TEST_F(plain, many_at_a_time)
{
	struct nvme_passthru_cmd64 memory[ENTRIES];
	bool answered[ENTRIES] = { false };
	struct ring_answer answer;
	unsigned int i;

	for (i = 0; i < ENTRIES; i++) {
		struct ring_command command = command_of(self, &samples[15], i % 2);

		command.tag = i;
		command.command.addr += i * BLOCK;
		command.command.cdw10 = i;
		command.sqe_flags = i % 3 ? 0 : IOSQE_ASYNC;
		memory[i] = plain_command(&command);
		ASSERT_EQ(0, i % 4 < 2 ? plain_push_inline(&self->ring, &command, NULL) :
					 plain_push_indirect(&self->ring, &command, &memory[i], 0));
	}
	memset(self->memory, 0, MOST_BYTES);
	ASSERT_EQ(ENTRIES, ring_submit(&self->ring));
	for (i = 0; i < ENTRIES; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		EXPECT_EQ(0, answer.res);
		ASSERT_GT(ENTRIES, answer.tag);
		EXPECT_FALSE(answered[answer.tag]);
		answered[answer.tag] = true;
	}
	EXPECT_EQ(-ETIME, ring_reap(&self->ring, &answer, QUIET_MS));
	pattern_fill(self->expected, MOST_BYTES, 5);
	EXPECT_EQ(0, memcmp(self->memory, self->expected, ENTRIES * BLOCK));
}

TEST_HARNESS_MAIN
