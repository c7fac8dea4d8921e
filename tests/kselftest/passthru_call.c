// SPDX-License-Identifier: GPL-2.0-only
/* Commands in an envelope: its sizes, its answer, and that it does what the other ioctls do. */
#include "kselftest_harness.h"

#include <limits.h>

#include "lib/call_fixture.h"

CALL_FIXTURE(call)

static const struct nvme_call identify = {
	.size = CALL_BYTES, .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE,
};

TEST_F(call, the_answer_is_all_of_the_completion)
{
	const struct nvme_call *call = self->call;

	ASSERT_EQ(0, ADMIN(.command = ADMIN_GET_FEATURES, .cdw10 = 7));
	EXPECT_EQ(0, call->status);
	EXPECT_NE(0, call->result);
	EXPECT_EQ(call->result, call->completion[0] | (__u64)call->completion[1] << 32);
	/* The admin queue is number 0. */
	EXPECT_EQ(0, call->completion[2] >> 16);
	EXPECT_EQ(0, call->completion[3] >> 17);
	EXPECT_EQ(0, call->fw_size);

	ASSERT_EQ(0, ADMIN(.command = 0xc0));
	EXPECT_EQ(STATUS_INVALID_OPCODE, call->status);
	EXPECT_EQ(STATUS_INVALID_OPCODE, call->completion[3] >> 17);

	ASSERT_EQ(0, IO(.command = IO_FLUSH));
	EXPECT_EQ(0, call->status);
	EXPECT_NE(0, call->completion[2] >> 16);
	EXPECT_EQ(1, trace_count(&self->trace, "pci_nvme_io_cmd * opc 0x0 *"));
}

TEST_F(call, what_goes_in_stays_as_it_was)
{
	struct nvme_call before = identify;

	before.tag = 0x0123456789abcdef;
	before.timeout_ms = 1000;
	*self->call = before;
	ASSERT_EQ(0, envelope_call(self->nodes.ctrl, self->call));
	EXPECT_EQ(0, memcmp(&before, self->call, ANSWER_AT));
}

/* Up to the end of mapped memory, and with what is not zero beyond what the driver knows. */
TEST_F(call, structs_of_all_sizes)
{
	struct envelope place = envelope_new(PAGE);
	unsigned char *end = place.payload + PAGE;
	struct nvme_call expected;
	unsigned int size;

	ASSERT_EQ(0, CALL(self->nodes.ctrl, .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE));
	expected = *self->call;
	for (size = 0; size < NVME_CALL_SIZE_VER0; size++) {
		*self->call = identify;
		self->call->size = size;
		EXPECT_EQ(-EINVAL, envelope_call(self->nodes.ctrl, self->call));
		EXPECT_EQ(0, self->call->fw_size);
	}
	EXPECT_EQ(1, trace_count(&self->trace, COMMAND));
	for (size = NVME_CALL_SIZE_VER0; size < PAGE; size = size < 2 * CALL_BYTES ? size + 1 : 2 * size + 1) {
		struct envelope wide = envelope_new(PAGE + size);
		unsigned char *at = (void *)wide.call;
		struct nvme_call *call = (void *)at;
		unsigned int common = size < CALL_BYTES ? size : CALL_BYTES;

		memset(at, 0, size);
		memcpy(at, &identify, common);
		call->size = size;
		memset(at + size, UNTOUCHED, PAGE);
		ASSERT_EQ(0, envelope_call(self->nodes.ctrl, call)) {
			TH_LOG("size %u", size);
		}
		EXPECT_EQ(PAGE, call->fw_size);
		/* The payload begins where the struct ends, and nothing else is written. */
		EXPECT_EQ(0, memcmp(at + size, self->envelope.payload, PAGE)) {
			TH_LOG("size %u", size);
		}
		if (size >= CALL_BYTES) {
			EXPECT_EQ(expected.completion[3] >> 17, call->completion[3] >> 17);
			EXPECT_NE(0, call->completion[2] | call->completion[3]);
		}
		if (size > CALL_BYTES) {
			unsigned int i;

			for (i = CALL_BYTES; i < size; i = i + 1 < size ? size - 1 : size) {
				int sent = trace_count(&self->trace, COMMAND);

				call->fw_size = 1;
				at[i] = 1;
				EXPECT_EQ(-E2BIG, envelope_call(self->nodes.ctrl, call));
				EXPECT_EQ(1, call->fw_size);
				EXPECT_EQ(sent, trace_count(&self->trace, COMMAND));
				at[i] = 0;
			}
		}
		envelope_free(&wide);
	}
	/* The longest there may be, one more, the longest that can be said. */
	for (size = PAGE - 1; size <= PAGE + 1; size++) {
		struct envelope wide = envelope_new(2 * PAGE);

		*wide.call = identify;
		wide.call->size = size;
		EXPECT_EQ(size > PAGE ? -E2BIG : 0, envelope_call(self->nodes.ctrl, wide.call));
		envelope_free(&wide);
	}
	*self->call = identify;
	self->call->size = UINT_MAX;
	EXPECT_EQ(-E2BIG, envelope_call(self->nodes.ctrl, self->call));

	/* Memory that is not there. */
	EXPECT_EQ(-EFAULT, envelope_call(self->nodes.ctrl, bad_address()));
	memcpy(end - NVME_CALL_SIZE_VER0 + 1, &identify, NVME_CALL_SIZE_VER0 - 1);
	EXPECT_EQ(-EFAULT, envelope_call(self->nodes.ctrl, (void *)(end - NVME_CALL_SIZE_VER0 + 1)));
	memcpy(end - CALL_BYTES, &identify, CALL_BYTES);
	((struct nvme_call *)(end - CALL_BYTES))->size = CALL_BYTES + 1;
	EXPECT_EQ(-EFAULT, envelope_call(self->nodes.ctrl, (void *)(end - CALL_BYTES)));
	envelope_free(&place);
}

/* An older struct ends before the completion does, or there is none: what follows is not written. */
TEST_F(call, older_structs_get_what_they_have_room_for)
{
	unsigned char *at = (void *)self->call;
	unsigned int size;

	for (size = NVME_CALL_SIZE_VER0; size < CALL_BYTES; size++) {
		memset(at, UNTOUCHED, CALL_BYTES);
		memset(at, 0, NVME_CALL_SIZE_VER0);
		self->call->size = size;
		self->call->command = ADMIN_GET_FEATURES;
		self->call->cdw10 = 7;
		ASSERT_EQ(0, envelope_call(self->nodes.ctrl, self->call));
		EXPECT_NE(0, self->call->result);
		EXPECT_TRUE(memory_is(at + size, CALL_BYTES - size, UNTOUCHED));
		EXPECT_EQ(0, memcmp(at + NVME_CALL_SIZE_VER0, &self->call->result,
				    size - NVME_CALL_SIZE_VER0 < 8 ? size - NVME_CALL_SIZE_VER0 : 8));
	}
}

TEST_F(call, reserved_bits_have_to_be_zero)
{
	unsigned int i;

	for (i = 1; i < 32; i++)
		EXPECT_EQ(-EINVAL, ADMIN(.command = ADMIN_GET_FEATURES, .cdw10 = 7, .flags = 1u << i));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(-EINVAL, ADMIN(.command = ADMIN_GET_FEATURES, .cdw10 = 7, .reserved = 1u << i));
	for (i = 2; i < 0x100; i++)
		EXPECT_EQ(-EINVAL, ADMIN(.command = ADMIN_GET_FEATURES, .cdw10 = 7, .family = i));
	EXPECT_EQ(0, trace_count(&self->trace, COMMAND));
	EXPECT_EQ(0, self->call->result);
	EXPECT_EQ(0, ADMIN(.command = ADMIN_GET_FEATURES, .cdw10 = 7, .flags = NVME_CALL_TRUNCATE));
}

TEST_F(call, on_either_node)
{
	static const __u32 others[] = { 0, 3, ~0u };
	unsigned int i;

	pattern_fill(self->envelope.payload, BLOCK, 3);
	ASSERT_EQ(0, IO(.command = IO_WRITE, .size_in = BLOCK));
	memset(self->envelope.payload, UNTOUCHED, BLOCK);
	/* The controller finds the namespace by its number. */
	ASSERT_EQ(0, CALL(self->nodes.ctrl, .family = NVME_CALL_IO, .nsid = 1, .command = IO_READ,
			  .size_out = BLOCK));
	EXPECT_EQ(0, self->call->status);
	EXPECT_TRUE(pattern_is(self->envelope.payload, BLOCK, 3));
	ASSERT_EQ(0, CALL(self->nodes.ctrl, .family = NVME_CALL_IO, .nsid = 2, .command = IO_FLUSH));
	EXPECT_EQ(0, self->call->status);
	for (i = 0; i < ARRAY_LENGTH(others); i++) {
		EXPECT_EQ(-ENODEV, CALL(self->nodes.ctrl, .family = NVME_CALL_IO, .nsid = others[i],
					.command = IO_FLUSH));
		EXPECT_EQ(-EINVAL, CALL(self->nodes.ns, .family = NVME_CALL_IO, .nsid = others[i],
					.command = IO_FLUSH));
	}
	EXPECT_EQ(-EINVAL, CALL(self->nodes.ns, .family = NVME_CALL_IO, .nsid = 2, .command = IO_FLUSH));
	EXPECT_EQ(0, CALL(self->nodes.ns, .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE));
	EXPECT_EQ(PAGE, self->call->fw_size);
}

/* The driver's queues, doorbells and event requests are nobody's else. */
TEST_F(call, what_root_may_not_send_by_other_ioctls_it_may_not_send_so)
{
	static const unsigned char opcodes[] = {
		ADMIN_DELETE_SQ, ADMIN_CREATE_SQ, ADMIN_DELETE_CQ, ADMIN_CREATE_CQ, ADMIN_EVENT_REQUEST,
		ADMIN_DOORBELL_BUFFER,
	};
	unsigned int i, feature;

	for (i = 0; i < ARRAY_LENGTH(opcodes); i++) {
		EXPECT_EQ(-EACCES, ADMIN(.command = opcodes[i])) {
			TH_LOG("opcode %#x", opcodes[i]);
		}
	}
	for (feature = 0; feature < 0x100; feature++) {
		struct nvme_passthru_cmd64 set = { .opcode = ADMIN_SET_FEATURES, .cdw10 = feature,
						   .nsid = 0x7777 };
		int other = passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &set);

		if (other == -EACCES)
			EXPECT_EQ(-EACCES, ADMIN(.command = ADMIN_SET_FEATURES, .cdw10 = feature,
						 .nsid = 0x7777));
	}
	ASSERT_EQ(0, trace_start(&self->trace));
	/* An Event Request of the driver's: its first commands have low numbers. */
	for (i = 0; i < 16; i++) {
		struct nvme_passthru_cmd64 abort = { .opcode = ADMIN_ABORT, .cdw10 = i << 16 };
		int other = passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &abort);

		EXPECT_EQ(other, envelope_pass(self->nodes.ctrl, NVME_CALL_ADMIN, &abort, NULL));
	}
}

struct like {
	enum nvme_call_family family;
	struct nvme_passthru_cmd64 command;
};

#define LIKE_ADMIN(op, bytes, ...) { NVME_CALL_ADMIN, { .opcode = op, .data_len = bytes, __VA_ARGS__ } }
#define LIKE_IO(op, bytes, ...) { NVME_CALL_IO, { .opcode = op, .data_len = bytes, .nsid = 1, __VA_ARGS__ } }

TEST_F_TIMEOUT(call, gives_what_the_other_ioctls_give, 60)
{
	static const struct like all[] = {
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .nsid = 1),
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .cdw10 = 1),
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .cdw10 = 2),
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .cdw10 = 3, .nsid = 1),
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .cdw10 = 5, .nsid = 1),
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .cdw10 = 6),
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .cdw10 = 8, .nsid = 1),
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .cdw10 = 0xff),
		LIKE_ADMIN(ADMIN_IDENTIFY, PAGE, .nsid = 77),
		LIKE_ADMIN(ADMIN_IDENTIFY, BLOCK, .nsid = 1),
		LIKE_ADMIN(ADMIN_GET_LOG_PAGE, BLOCK, .cdw10 = LOG_PAGE(LOG_PAGE_FIRMWARE, BLOCK)),
		LIKE_ADMIN(ADMIN_GET_LOG_PAGE, PAGE, .cdw10 = LOG_PAGE(LOG_PAGE_EFFECTS, PAGE)),
		LIKE_ADMIN(ADMIN_GET_LOG_PAGE, 64, .cdw10 = LOG_PAGE(LOG_PAGE_ERRORS, 64), .nsid = ~0u),
		LIKE_ADMIN(ADMIN_GET_LOG_PAGE, 16, .cdw10 = LOG_PAGE(LOG_PAGE_SMART, 16), .nsid = ~0u),
		LIKE_ADMIN(ADMIN_GET_LOG_PAGE, BLOCK, .cdw10 = LOG_PAGE(0xfe, BLOCK)),
		LIKE_ADMIN(ADMIN_GET_LOG_PAGE, 16, .cdw10 = LOG_PAGE(LOG_PAGE_SMART, 16), .cdw12 = 600, .nsid = ~0u),
		LIKE_ADMIN(ADMIN_GET_FEATURES, 0, .cdw10 = 0x07),
		LIKE_ADMIN(ADMIN_GET_FEATURES, 0, .cdw10 = 0x04),
		LIKE_ADMIN(ADMIN_GET_FEATURES, 0, .cdw10 = 0xee),
		LIKE_ADMIN(ADMIN_GET_FEATURES, PAGE, .cdw10 = 0x07),
		LIKE_ADMIN(ADMIN_SET_FEATURES, 0, .cdw10 = 0x06, .cdw11 = 1),
		LIKE_ADMIN(ADMIN_SET_FEATURES, 8, .cdw10 = FEATURE_TIMESTAMP),
		LIKE_ADMIN(ADMIN_SET_FEATURES, 7, .cdw10 = FEATURE_TIMESTAMP),
		LIKE_ADMIN(ADMIN_ABORT, 0, .cdw10 = 0xfffe0001),
		LIKE_ADMIN(ADMIN_CREATE_SQ, 0),
		LIKE_ADMIN(0xc1, BLOCK),
		LIKE_ADMIN(0xc2, BLOCK),
		LIKE_ADMIN(0xc0, 0),
		LIKE_IO(IO_WRITE, BLOCK, BLOCKS(0, 1)),
		LIKE_IO(IO_READ, BLOCK, BLOCKS(0, 1)),
		LIKE_IO(IO_WRITE, 2 * PAGE, BLOCKS(8, 16)),
		LIKE_IO(IO_READ, 2 * PAGE, BLOCKS(8, 16)),
		LIKE_IO(IO_READ, 2 * PAGE, BLOCKS(8, 8)),
		LIKE_IO(IO_READ, 2 * PAGE, BLOCKS(8, 17)),
		LIKE_IO(IO_COMPARE, BLOCK, BLOCKS(0, 1)),
		LIKE_IO(IO_COMPARE, BLOCK, BLOCKS(9, 1)),
		LIKE_IO(IO_WRITE_ZEROES, 0, BLOCKS(8, 16)),
		LIKE_IO(IO_READ, PAGE, BLOCKS(8, 8)),
		LIKE_IO(IO_READ, BLOCK, .cdw11 = 1),
		LIKE_IO(IO_FLUSH, 0),
		LIKE_IO(IO_DATASET_MANAGEMENT, 16, .cdw11 = 1 << 2),
		LIKE_IO(0xc2, BLOCK),
		LIKE_IO(0x7f, BLOCK),
	};
	static const unsigned long requests[] = { NVME_IOCTL_ADMIN64_CMD, NVME_IOCTL_IO64_CMD };
	unsigned char *data[2] = { pages_new(2 * PAGE, 0), pages_new(2 * PAGE, 0) };
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(all); i++) {
		struct nvme_passthru_cmd64 commands[2] = { all[i].command, all[i].command };
		int results[2], sent[2], side;

		for (side = 0; side < 2; side++) {
			/* The same data, which for the first write is that of the first compare. */
			memset(data[side], 0, 2 * PAGE);
			pattern_fill(data[side], BLOCK, 9);
			if (all[i].command.opcode == IO_DATASET_MANAGEMENT)
				memset(data[side], 0, 16);
			commands[side].addr = (uintptr_t)data[side];
			commands[side].result = 0;
			ASSERT_EQ(0, trace_start(&self->trace));
			results[side] = side ?
				envelope_pass(self->nodes.ns, all[i].family, &commands[side], NULL) :
				passthru(self->nodes.ns, requests[all[i].family], &commands[side]);
			sent[side] = trace_count(&self->trace, COMMAND);
		}
		EXPECT_EQ(results[0], results[1]) {
			TH_LOG("command %u, opcode %#x", i, all[i].command.opcode);
		}
		EXPECT_EQ(commands[0].result, commands[1].result);
		EXPECT_EQ(sent[0], sent[1]);
		EXPECT_EQ(results[0] >= 0, sent[1]);
		EXPECT_EQ(0, memcmp(data[0], data[1], 2 * PAGE)) {
			TH_LOG("command %u, opcode %#x", i, all[i].command.opcode);
		}
	}
	pages_free(data[0], 2 * PAGE);
	pages_free(data[1], 2 * PAGE);
}

TEST_HARNESS_MAIN
