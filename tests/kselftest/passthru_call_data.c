// SPDX-License-Identifier: GPL-2.0-only
/* The data of commands in an envelope: which way it goes, how much of it there may be, and how much there was. */
#include "kselftest_harness.h"

#include <limits.h>
#include <sys/mman.h>

#include "lib/call_fixture.h"

CALL_FIXTURE(data)

#define PAYLOAD_IS_UNTOUCHED(from, bytes) memory_is(self->envelope.payload + (from), bytes, UNTOUCHED)

TEST_F(data, goes_no_way_that_the_command_does_not_have)
{
	EXPECT_EQ(-EINVAL, ADMIN(.command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE, .size_in = 1));
	EXPECT_EQ(-EINVAL, ADMIN(.command = ADMIN_ABORT, .size_in = 1));
	EXPECT_EQ(-EINVAL, ADMIN(.command = ADMIN_ABORT, .size_out = 1));
	EXPECT_EQ(-EINVAL, ADMIN(.command = ADMIN_ABORT, .size_metadata = 1));
	EXPECT_EQ(-EINVAL, IO(.command = IO_WRITE, .size_in = BLOCK, .size_out = 1));
	EXPECT_EQ(-EINVAL, IO(.command = IO_READ, .size_in = 1, .size_out = BLOCK));
	EXPECT_EQ(-EINVAL, IO(.command = IO_FLUSH, .size_in = 1));
	EXPECT_EQ(-EINVAL, IO(.command = IO_READ, .size_out = BLOCK, .size_metadata = 8));
	EXPECT_EQ(0, trace_count(&self->trace, COMMAND));
}

/* What a command transfers, and a byte less and more. */
TEST_F(data, of_all_sizes)
{
	static const struct {
		enum nvme_call_family family;
		unsigned char opcode;
		__u32 nsid, cdw10, cdw12;
		unsigned int bytes, had;
	} commands[] = {
		{ NVME_CALL_ADMIN, ADMIN_IDENTIFY, 0, 1, 0, 4096, 4096 },
		{ NVME_CALL_ADMIN, ADMIN_GET_LOG_PAGE, ~0u, LOG_PAGE(LOG_PAGE_SMART, 512), 0, 512, 512 },
		{ NVME_CALL_ADMIN, ADMIN_GET_LOG_PAGE, ~0u, LOG_PAGE(LOG_PAGE_SMART, 4), 0, 4, 512 },
		{ NVME_CALL_ADMIN, ADMIN_GET_FEATURES, 0, FEATURE_TIMESTAMP, 0, 8, 8 },
		{ NVME_CALL_ADMIN, ADMIN_SET_FEATURES, 0, FEATURE_TIMESTAMP, 0, 8, 0 },
		{ NVME_CALL_IO, IO_WRITE, 1, 0, 0, 512, 0 },
		{ NVME_CALL_IO, IO_WRITE, 1, 0, 7, 4096, 0 },
		{ NVME_CALL_IO, IO_READ, 1, 0, 0, 512, 512 },
		{ NVME_CALL_IO, IO_READ, 1, 0, 8, 4608, 4608 },
		{ NVME_CALL_IO, IO_COMPARE, 1, 0, 0, 512, 0 },
		{ NVME_CALL_IO, IO_DATASET_MANAGEMENT, 1, 1, 0, 32, 0 },
	};
	unsigned int i;

	memset(self->envelope.payload, 0, 2 * PAGE);
	for (i = 0; i < ARRAY_LENGTH(commands); i++) {
		bool takes = commands[i].opcode & 1;
		int less, more;

		for (less = 1; less <= 2; less++) {
			unsigned int bytes = less == 1 ? commands[i].bytes - 1 : 0;

			EXPECT_EQ(-EINVAL, CALL(self->nodes.ns, .family = commands[i].family,
						.command = commands[i].opcode, .nsid = commands[i].nsid,
						.cdw10 = commands[i].cdw10, .cdw12 = commands[i].cdw12,
						.size_in = takes ? bytes : 0, .size_out = takes ? 0 : bytes)) {
				TH_LOG("command %u, %u bytes", i, bytes);
			}
		}
		EXPECT_EQ(2 * i, (unsigned int)trace_count(&self->trace, COMMAND));
		for (more = 0; more < 2; more++) {
			unsigned int bytes = commands[i].bytes + more;

			EXPECT_EQ(0, CALL(self->nodes.ns, .family = commands[i].family,
					  .command = commands[i].opcode, .nsid = commands[i].nsid,
					  .cdw10 = commands[i].cdw10, .cdw12 = commands[i].cdw12,
					  .size_in = takes ? bytes : 0, .size_out = takes ? 0 : bytes)) {
				TH_LOG("command %u, %u bytes", i, bytes);
			}
			EXPECT_EQ(0, self->call->status) {
				TH_LOG("command %u, %u bytes", i, bytes);
			}
			EXPECT_EQ(commands[i].had, self->call->fw_size);
		}
	}
}

TEST_F(data, what_there_is_no_room_for_is_dropped_if_that_is_wanted)
{
	unsigned char whole[PAGE];
	unsigned int bytes;

	ASSERT_EQ(0, ADMIN(.command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE));
	memcpy(whole, self->envelope.payload, PAGE);
	for (bytes = 0; bytes <= PAGE; bytes += bytes < 8 ? 1 : 584) {
		memset(self->envelope.payload, UNTOUCHED, 2 * PAGE);
		ASSERT_EQ(0, ADMIN(.command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = bytes,
				   .flags = NVME_CALL_TRUNCATE));
		EXPECT_EQ(0, self->call->status);
		EXPECT_EQ(PAGE, self->call->fw_size);
		EXPECT_EQ(0, memcmp(whole, self->envelope.payload, bytes));
		EXPECT_TRUE(PAYLOAD_IS_UNTOUCHED(bytes, 2 * PAGE - bytes));
	}
	/* What the controller is to get has to be there. */
	EXPECT_EQ(-EINVAL, IO(.command = IO_WRITE, .size_in = BLOCK - 1, .flags = NVME_CALL_TRUNCATE));
}

TEST_F(data, the_controller_had_what_it_had)
{
	unsigned int errors;

	ASSERT_EQ(0, ADMIN(.command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE));
	errors = (self->envelope.payload[262] + 1) * 64;

	/* A page that is shorter than what is asked for; QEMU writes no more than there is. */
	memset(self->envelope.payload, UNTOUCHED, 2 * PAGE);
	ASSERT_EQ(0, ADMIN(.command = ADMIN_GET_LOG_PAGE, .nsid = ~0u, .cdw10 = LOG_PAGE(LOG_PAGE_SMART, PAGE),
			   .size_out = PAGE));
	EXPECT_EQ(512, self->call->fw_size);
	EXPECT_NE(UNTOUCHED, self->envelope.payload[511]);
	EXPECT_TRUE(PAYLOAD_IS_UNTOUCHED(512, PAGE - 512));
	/* From an offset on. */
	ASSERT_EQ(0, ADMIN(.command = ADMIN_GET_LOG_PAGE, .nsid = ~0u, .cdw10 = LOG_PAGE(LOG_PAGE_SMART, PAGE),
			   .cdw12 = 500, .size_out = PAGE));
	EXPECT_EQ(12, self->call->fw_size);
	/* Part of one. */
	ASSERT_EQ(0, ADMIN(.command = ADMIN_GET_LOG_PAGE, .nsid = ~0u, .cdw10 = LOG_PAGE(LOG_PAGE_SMART, 16),
			   .size_out = 16));
	EXPECT_EQ(512, self->call->fw_size);
	ASSERT_EQ(0, ADMIN(.command = ADMIN_GET_LOG_PAGE, .cdw10 = LOG_PAGE(LOG_PAGE_EFFECTS, 64), .size_out = 64));
	EXPECT_EQ(PAGE, self->call->fw_size);
	ASSERT_EQ(0, ADMIN(.command = ADMIN_GET_LOG_PAGE, .nsid = ~0u, .cdw10 = LOG_PAGE(LOG_PAGE_ERRORS, 64),
			   .size_out = 64));
	EXPECT_EQ(errors, self->call->fw_size);

	/* One that failed had nothing, and gives nothing. */
	memset(self->envelope.payload, UNTOUCHED, 2 * PAGE);
	ASSERT_EQ(0, ADMIN(.command = ADMIN_GET_LOG_PAGE, .cdw10 = LOG_PAGE(0xfe, 64), .size_out = 64));
	EXPECT_NE(0, self->call->status);
	EXPECT_EQ(0, self->call->fw_size);
	ASSERT_EQ(0, IO(.command = IO_READ, .cdw10 = 0xfffffff0, .size_out = BLOCK));
	EXPECT_EQ(STATUS_LBA_OUT_OF_RANGE, self->call->status);
	EXPECT_EQ(0, self->call->fw_size);
	EXPECT_TRUE(PAYLOAD_IS_UNTOUCHED(0, 2 * PAGE));
}

/* QEMU has no command with data both ways: it refuses one, and nothing comes back. */
TEST_F(data, may_go_both_ways)
{
	ASSERT_EQ(0, ADMIN(.command = 0xc3, .size_in = 100, .size_out = 200));
	EXPECT_EQ(STATUS_INVALID_OPCODE, self->call->status);
	EXPECT_EQ(0, self->call->fw_size);
	EXPECT_TRUE(PAYLOAD_IS_UNTOUCHED(0, 2 * PAGE));
	EXPECT_EQ(1, trace_count(&self->trace, "pci_nvme_admin_cmd * opc 0xc3 *"));
}

TEST_F_TIMEOUT(data, payloads_up_to_what_the_controller_takes, 60)
{
	int limit = transfer_limit(&self->nodes);
	const unsigned int sizes[] = { BLOCK, PAGE, PAGE + BLOCK, 3 * PAGE, limit / 2 + BLOCK,
				       limit - BLOCK, limit };
	struct envelope big;
	unsigned int i;

	ASSERT_LT(PAGE, limit);
	big = envelope_new(limit + BLOCK);
	for (i = 0; i < ARRAY_LENGTH(sizes); i++) {
		struct envelope in, out;

		envelope_write_and_read(&in, &out, 64 * i, sizes[i], i + 1, i);
		ASSERT_EQ(0, envelope_call(self->nodes.ns, in.call));
		EXPECT_EQ(0, in.call->status);
		ASSERT_EQ(0, envelope_call(self->nodes.ns, out.call));
		EXPECT_EQ(0, out.call->status);
		EXPECT_EQ(sizes[i], out.call->fw_size);
		EXPECT_TRUE(pattern_is(out.payload, sizes[i], i + 1));
		ASSERT_EQ(0, blocks_read(&self->nodes, 64 * i, sizes[i] / BLOCK, big.payload, sizes[i]));
		EXPECT_TRUE(pattern_is(big.payload, sizes[i], i + 1));
		envelope_free(&in);
		envelope_free(&out);
	}
	*big.call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_READ, .nsid = 1,
		.cdw12 = limit / BLOCK, .size_out = limit + BLOCK,
	};
	EXPECT_EQ(-EINVAL, envelope_call(self->nodes.ns, big.call));
	big.call->size_out = 0;
	big.call->flags = NVME_CALL_TRUNCATE;
	EXPECT_EQ(-EINVAL, envelope_call(self->nodes.ns, big.call));
	big.call->flags = 0;
	/* One byte too many, though the command transfers less. */
	big.call->cdw12 = 0;
	big.call->size_out = limit + 1;
	EXPECT_EQ(-EINVAL, envelope_call(self->nodes.ns, big.call));
	big.call->size_out = UINT_MAX;
	EXPECT_EQ(-EINVAL, envelope_call(self->nodes.ns, big.call));
	envelope_free(&big);
}

TEST_F(data, memory_that_is_not_there)
{
	struct envelope small = envelope_new(BLOCK - 1);
	struct envelope fixed = envelope_new(PAGE);

	/* The controller gets no command without all of its data. */
	*small.call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_WRITE, .nsid = 1, .size_in = BLOCK,
	};
	EXPECT_EQ(-EFAULT, envelope_call(self->nodes.ns, small.call));
	EXPECT_EQ(0, trace_count(&self->trace, COMMAND));
	/* What comes back cannot be written, though the command was executed. */
	small.call->command = IO_READ;
	small.call->size_in = 0;
	small.call->size_out = BLOCK;
	EXPECT_EQ(-EFAULT, envelope_call(self->nodes.ns, small.call));
	EXPECT_EQ(1, trace_count(&self->trace, COMMAND));
	EXPECT_EQ(0, small.call->fw_size);
	*fixed.call = (struct nvme_call){
		.size = CALL_BYTES, .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE,
	};
	ASSERT_EQ(0, mprotect(fixed.pages, fixed.pages_bytes - PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, envelope_call(self->nodes.ctrl, fixed.call));
	EXPECT_EQ(0, fixed.call->fw_size);
	envelope_free(&small);
	envelope_free(&fixed);
}

TEST_HARNESS_MAIN
