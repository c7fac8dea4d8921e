// SPDX-License-Identifier: GPL-2.0-only
/* Metadata and protection information of commands in an envelope, by ioctl and by ring. */
#include "kselftest_harness.h"

#include <limits.h>

#include "lib/envelope.h"
#include "lib/formats.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
/* More than the payload of any of these commands. */
#define ROOM (16 * PAGE)
#define UNTOUCHED 0x5a

FIXTURE(format)
{
	struct passthru nodes;
	struct trace trace;
	struct ring ring;
	struct envelope envelope;
	unsigned char *payload;
	unsigned int bytes;	/* of COUNT blocks: of data ... */
	unsigned int metabytes;	/* ... and of metadata that is apart from it */
};

FIXTURE_VARIANT(format)
{
	bool by_ring;
	FORMAT_MEMBERS
};

#define FORMAT(name, ...)							\
	FIXTURE_VARIANT_ADD(format, name) { __VA_ARGS__ };			\
	FIXTURE_VARIANT_ADD(format, name##_by_ring) { .by_ring = true, __VA_ARGS__ };

FORMATS(FORMAT)

FIXTURE_SETUP(format)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, variant->nsid));
	ASSERT_EQ(0, ring_open(&self->ring, 8, 0));
	self->envelope = envelope_new(ROOM);
	self->payload = self->envelope.payload;
	self->bytes = COUNT * (variant->block + (variant->extended ? variant->metadata : 0));
	self->metabytes = variant->extended ? 0 : COUNT * variant->metadata;
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(format)
{
	envelope_free(&self->envelope);
	ring_close(&self->ring);
	passthru_close(&self->nodes);
}

/* Sends a call as the variant says: the status, or a negative errno. */
static int send_as(FIXTURE_DATA(format) *self, const FIXTURE_VARIANT(format) *variant, int fd,
		struct nvme_call *call)
{
	int error = variant->by_ring ? envelope_run(&self->ring, fd, call, 0) : envelope_call(fd, call);

	return error ?: (int)call->status;
}

/* COUNT blocks from FIRST on, which is the reference tag of the first one; so many bytes of each. */
static struct nvme_call call_of(const struct passthru *nodes, unsigned char opcode, unsigned int control,
				unsigned int bytes, unsigned int metabytes)
{
	bool gives = opcode == IO_READ;
	struct nvme_call call = {
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = opcode, .nsid = nodes->nsid,
		.cdw10 = FIRST, .cdw12 = (COUNT - 1) | control, .cdw14 = FIRST,
		.size_in = gives ? 0 : bytes, .size_out = gives ? bytes : 0, .size_metadata = metabytes,
	};

	memset((char *)&call + ANSWER_AT, UNTOUCHED, CALL_BYTES - ANSWER_AT);
	return call;
}

#define MOVE(...) ({								\
	*self->envelope.call = call_of(&self->nodes, __VA_ARGS__);		\
	send_as(self, variant, self->nodes.ns, self->envelope.call);		\
})
#define ANSWER_IS_UNTOUCHED(call) \
	memory_is((char *)(call) + ANSWER_AT, CALL_BYTES - ANSWER_AT, UNTOUCHED)

/* The same by an ioctl with pointers to both. */
static int move_otherwise(FIXTURE_DATA(format) *self, unsigned char opcode, void *data, void *metadata)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = opcode, .nsid = self->nodes.nsid, BLOCKS(FIRST, COUNT), .cdw14 = FIRST,
		DATA(data, self->bytes), METADATA(self->metabytes ? metadata : NULL, self->metabytes),
	};

	return passthru(self->nodes.ns, NVME_IOCTL_IO64_CMD, &command);
}

/* Unless told to check, the controller takes anything for protection information. */
TEST_F(format, data_and_metadata_are_written_read_and_compared)
{
	unsigned char *data = pages_new(ROOM, 0), *metadata = pages_new(ROOM, 0);
	const struct nvme_call *call = self->envelope.call;
	unsigned int whole = self->bytes + self->metabytes;

	memset(self->payload, UNTOUCHED, ROOM);
	pattern_fill(self->payload, whole, 1);
	ASSERT_EQ(0, MOVE(IO_WRITE, 0, self->bytes, self->metabytes));
	EXPECT_EQ(0, call->fw_size);
	EXPECT_TRUE(pattern_is(self->payload, whole, 1));
	EXPECT_TRUE(memory_is(self->payload + whole, ROOM - whole, UNTOUCHED));
	ASSERT_EQ(0, move_otherwise(self, IO_READ, data, metadata));
	EXPECT_EQ(0, memcmp(data, self->payload, self->bytes));
	EXPECT_EQ(0, memcmp(metadata, self->payload + self->bytes, self->metabytes));
	if (!variant->protection)
		EXPECT_EQ(0, MOVE(IO_COMPARE, 0, self->bytes, self->metabytes));

	/* What another one writes comes back, and nothing after it. */
	pattern_fill(data, self->bytes, 2);
	pattern_fill(metadata, self->metabytes, 3);
	ASSERT_EQ(0, move_otherwise(self, IO_WRITE, data, metadata));
	memset(self->payload, UNTOUCHED, ROOM);
	ASSERT_EQ(0, MOVE(IO_READ, 0, self->bytes, self->metabytes));
	EXPECT_EQ(self->bytes, call->fw_size);
	EXPECT_EQ(0, memcmp(data, self->payload, self->bytes));
	EXPECT_EQ(0, memcmp(metadata, self->payload + self->bytes, self->metabytes));
	EXPECT_TRUE(memory_is(self->payload + whole, ROOM - whole, UNTOUCHED));

	/* A difference in either is found, and nothing comes back. */
	if (!variant->protection) {
		self->payload[whole - 1] ^= 1;
		EXPECT_EQ(STATUS_COMPARE_FAILURE,
			  STATUS_CODE_MASK & MOVE(IO_COMPARE, 0, self->bytes, self->metabytes));
		EXPECT_EQ(0, call->fw_size);
		self->payload[whole - 1] ^= 1;
		EXPECT_EQ(0, memcmp(metadata, self->payload + self->bytes, self->metabytes));
	}
	pages_free(data, ROOM);
	pages_free(metadata, ROOM);
}

/* Refused with EINVAL: the controller hears nothing of it, and nothing is written anywhere. */
TEST_F(format, metadata_of_wrong_length_is_refused)
{
	static const unsigned char opcodes[] = { IO_READ, IO_WRITE, IO_COMPARE };
	const unsigned int none[] = { 1, TUPLE_BYTES, self->bytes, UINT_MAX };
	const unsigned int wrong[] = { 0, 1, self->metabytes / 2, self->metabytes - 4, self->metabytes - 1 };
	const unsigned int *lengths = self->metabytes ? wrong : none;
	unsigned int count = self->metabytes ? ARRAY_LENGTH(wrong) : ARRAY_LENGTH(none);
	unsigned char *data = pages_new(ROOM, 0), *metadata = pages_new(ROOM, 0);
	unsigned int i, j, flags;

	pattern_fill(data, self->bytes, 4);
	pattern_fill(metadata, self->metabytes, 5);
	ASSERT_EQ(0, move_otherwise(self, IO_WRITE, data, metadata));
	memset(self->payload, UNTOUCHED, ROOM);
	ASSERT_EQ(0, trace_start(&self->trace));
	for (i = 0; i < ARRAY_LENGTH(opcodes); i++) {
		for (j = 0; j < count; j++) {
			for (flags = 0; flags <= NVME_CALL_TRUNCATE; flags++) {
				struct nvme_call *call = self->envelope.call, before;

				before = call_of(&self->nodes, opcodes[i], 0, self->bytes, lengths[j]);
				before.flags = flags;
				*call = before;
				EXPECT_EQ(-EINVAL, send_as(self, variant, self->nodes.ns, call)) {
					TH_LOG("opcode %#x, %u bytes", opcodes[i], lengths[j]);
				}
				EXPECT_EQ(0, memcmp(&before, call, CALL_BYTES));
			}
		}
		/* Nor is metadata taken for data. */
		EXPECT_EQ(-EINVAL, MOVE(opcodes[i], 0, self->bytes - 4, self->metabytes));
		EXPECT_EQ(-EINVAL, MOVE(opcodes[i], 0, self->bytes - self->metabytes - 1, self->metabytes));
	}
	EXPECT_TRUE(memory_is(self->payload, ROOM, UNTOUCHED));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	memset(data, 0, ROOM);
	memset(metadata, 0, ROOM);
	ASSERT_EQ(0, move_otherwise(self, IO_READ, data, metadata));
	EXPECT_TRUE(pattern_is(data, self->bytes, 4));
	EXPECT_TRUE(pattern_is(metadata, self->metabytes, 5));
	pages_free(data, ROOM);
	pages_free(metadata, ROOM);
}

/* It comes after the room for data, not after the data, and what is too much of it is left alone. */
TEST_F(format, room_may_be_larger)
{
	unsigned int room = self->bytes + 20, more = self->metabytes ? self->metabytes + 20 : 0;

	memset(self->payload, UNTOUCHED, ROOM);
	pattern_fill(self->payload, self->bytes, 6);
	pattern_fill(self->payload + room, self->metabytes, 7);
	ASSERT_EQ(0, MOVE(IO_WRITE, 0, room, more));
	memset(self->payload, UNTOUCHED, ROOM);
	ASSERT_EQ(0, MOVE(IO_READ, 0, room, more));
	EXPECT_EQ(self->bytes, self->envelope.call->fw_size);
	EXPECT_TRUE(pattern_is(self->payload, self->bytes, 6));
	EXPECT_TRUE(memory_is(self->payload + self->bytes, 20, UNTOUCHED));
	EXPECT_TRUE(pattern_is(self->payload + room, self->metabytes, 7));
	EXPECT_TRUE(memory_is(self->payload + room + self->metabytes, PAGE, UNTOUCHED));
}

TEST_F(format, all_of_the_metadata_comes_back_if_data_is_dropped)
{
	const unsigned int rooms[] = { 0, 1, self->bytes / 2, self->bytes - 1 };
	unsigned int i;

	pattern_fill(self->payload, self->bytes, 8);
	pattern_fill(self->payload + self->bytes, self->metabytes, 9);
	ASSERT_EQ(0, MOVE(IO_WRITE, 0, self->bytes, self->metabytes));
	for (i = 0; i < ARRAY_LENGTH(rooms); i++) {
		struct nvme_call *call = self->envelope.call;

		memset(self->payload, UNTOUCHED, ROOM);
		*call = call_of(&self->nodes, IO_READ, 0, rooms[i], self->metabytes);
		call->flags = NVME_CALL_TRUNCATE;
		ASSERT_EQ(0, send_as(self, variant, self->nodes.ns, call));
		EXPECT_EQ(self->bytes, call->fw_size);
		EXPECT_TRUE(pattern_is(self->payload, rooms[i], 8));
		EXPECT_TRUE(pattern_is(self->payload + rooms[i], self->metabytes, 9));
		EXPECT_TRUE(memory_is(self->payload + rooms[i] + self->metabytes, PAGE, UNTOUCHED));
	}
}

/* Whether there is memory for it is known before the controller is asked, whichever way it goes. */
TEST_F(format, memory_of_metadata_that_is_not_there)
{
	static const unsigned char opcodes[] = { IO_READ, IO_WRITE, IO_COMPARE };
	struct envelope exact = envelope_new(self->bytes + self->metabytes);
	unsigned int i;

	if (self->metabytes) {
		struct envelope less = envelope_new(self->bytes + self->metabytes - 1);

		for (i = 0; i < ARRAY_LENGTH(opcodes); i++) {
			memset(less.payload, UNTOUCHED, self->bytes + self->metabytes - 1);
			*less.call = call_of(&self->nodes, opcodes[i], 0, self->bytes, self->metabytes);
			/* Its last page is there, or none of it. */
			EXPECT_EQ(-EFAULT, send_as(self, variant, self->nodes.ns, less.call));
			EXPECT_TRUE(ANSWER_IS_UNTOUCHED(less.call));
			EXPECT_TRUE(memory_is(less.payload, self->bytes + self->metabytes - 1, UNTOUCHED));
		}
		EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
		envelope_free(&less);
	}
	/* To the last byte of memory. */
	pattern_fill(exact.payload, self->bytes + self->metabytes, 10);
	*exact.call = call_of(&self->nodes, IO_WRITE, 0, self->bytes, self->metabytes);
	ASSERT_EQ(0, send_as(self, variant, self->nodes.ns, exact.call));
	memset(exact.payload, 0, self->bytes + self->metabytes);
	*exact.call = call_of(&self->nodes, IO_READ, 0, self->bytes, self->metabytes);
	ASSERT_EQ(0, send_as(self, variant, self->nodes.ns, exact.call));
	EXPECT_TRUE(pattern_is(exact.payload, self->bytes + self->metabytes, 10));
	envelope_free(&exact);
}

/* Where protection information is all there is of metadata, it is not transferred then. */
TEST_F(format, the_controller_makes_protection_information)
{
	bool transferred = variant->metadata > TUPLE_BYTES;
	unsigned int bytes = variant->extended && !transferred ? COUNT * variant->block : self->bytes;
	unsigned int metabytes = transferred ? self->metabytes : 0;
	unsigned int block;

	if (!variant->protection) {
		/* Of which there is none here: the bit means nothing. */
		EXPECT_EQ(-EINVAL, MOVE(IO_WRITE, PRACT, self->bytes - 1, self->metabytes));
		EXPECT_EQ(0, MOVE(IO_WRITE, PRACT, self->bytes, self->metabytes));
		return;
	}
	pattern_fill(self->payload, bytes, 11);
	EXPECT_EQ(-EINVAL, MOVE(IO_WRITE, PRACT, bytes - 1, metabytes));
	if (metabytes)
		EXPECT_EQ(-EINVAL, MOVE(IO_WRITE, PRACT, bytes, metabytes - 1));
	ASSERT_EQ(0, MOVE(IO_WRITE, PRACT, bytes, metabytes));
	memset(self->payload, UNTOUCHED, ROOM);
	ASSERT_EQ(0, MOVE(IO_READ, PRACT | PRCHK_GUARD | PRCHK_REFERENCE, bytes, metabytes));
	EXPECT_EQ(bytes, self->envelope.call->fw_size);
	EXPECT_TRUE(pattern_is(self->payload, bytes, 11));
	EXPECT_TRUE(memory_is(self->payload + bytes + metabytes, PAGE, UNTOUCHED));

	/* As it is on the disk: at its end, big-endian, the number of the block. */
	ASSERT_EQ(0, MOVE(IO_READ, PRCHK_GUARD | PRCHK_REFERENCE, self->bytes, self->metabytes));
	for (block = 0; block < COUNT; block++) {
		const unsigned char *end = self->payload + (block + 1) * variant->metadata;

		end += variant->extended ? (block + 1) * variant->block : self->bytes;
		EXPECT_EQ(FIRST + block, end[-1]);
		EXPECT_EQ(0, end[-2]);
	}

	/* One that is wrong is found, and what is there stays as it is. */
	self->payload[variant->extended ? 3 * variant->block :
		      self->bytes + 3 * variant->metadata - TUPLE_BYTES] ^= 1;
	EXPECT_EQ(STATUS_GUARD_CHECK, STATUS_CODE_MASK &
		  MOVE(IO_WRITE, PRCHK_GUARD, self->bytes, self->metabytes));
	EXPECT_EQ(0, MOVE(IO_READ, PRCHK_GUARD | PRCHK_REFERENCE, self->bytes, self->metabytes));
}

/* A command that failed gives neither. */
TEST_F(format, nothing_comes_back_of_a_failed_command)
{
	struct nvme_call *call = self->envelope.call;

	memset(self->payload, UNTOUCHED, ROOM);
	*call = call_of(&self->nodes, IO_READ, 0, self->bytes, self->metabytes);
	call->cdw10 = 0xfffffff0;
	EXPECT_EQ(STATUS_LBA_OUT_OF_RANGE, send_as(self, variant, self->nodes.ns, call));
	EXPECT_EQ(0, call->fw_size);
	EXPECT_TRUE(memory_is(self->payload, ROOM, UNTOUCHED));
}

TEST_F(format, what_has_no_metadata_gets_none)
{
	struct nvme_call *call = self->envelope.call;
	const struct nvme_call bad[] = {
		{ .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE },
		{ .command = ADMIN_SET_FEATURES, .cdw10 = 0x0e, .size_in = 8 },
		{ .family = NVME_CALL_IO, .command = IO_FLUSH, .nsid = variant->nsid },
		{ .family = NVME_CALL_IO, .command = IO_WRITE_ZEROES, .nsid = variant->nsid, .cdw10 = FIRST },
	};
	unsigned int i;

	memset(self->payload, UNTOUCHED, ROOM);
	for (i = 0; i < ARRAY_LENGTH(bad); i++) {
		*call = bad[i];
		call->size = CALL_BYTES;
		call->size_metadata = COUNT * TUPLE_BYTES;
		EXPECT_EQ(-EINVAL, send_as(self, variant, self->nodes.ns, call)) {
			TH_LOG("command %u", i);
		}
	}
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_*_cmd *"));
	EXPECT_TRUE(memory_is(self->payload, ROOM, UNTOUCHED));
}

TEST_HARNESS_MAIN
