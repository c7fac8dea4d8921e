// SPDX-License-Identifier: GPL-2.0-only
/* I/O on namespaces of 4096-byte blocks, with metadata, and with protection information. */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib/formats.h"
#include "lib/passthru.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define AREA (32 * PAGE)

FIXTURE(format)
{
	struct passthru nodes;
	struct trace trace;
	unsigned char *data;
	unsigned char *metadata;
	unsigned int bytes;	/* of COUNT blocks: what is in the data buffer ... */
	unsigned int metabytes;	/* ... and in the one for metadata */
};

FIXTURE_VARIANT(format)
{
	FORMAT_MEMBERS
};

#define FORMAT(name, ...) FIXTURE_VARIANT_ADD(format, name) { __VA_ARGS__ };

FORMATS(FORMAT)
FORMAT_OF_LARGE_BLOCKS(FORMAT)

FIXTURE_SETUP(format)
{
	unsigned int extended = variant->extended ? variant->metadata : 0;

	ASSERT_EQ(0, passthru_open(&self->nodes, variant->nsid));
	self->data = pages_new(AREA, 0);
	self->metadata = pages_new(AREA, 0);
	self->bytes = COUNT * (variant->block + extended);
	self->metabytes = variant->extended ? 0 : COUNT * variant->metadata;
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(format)
{
	pages_free(self->data, AREA);
	pages_free(self->metadata, AREA);
	passthru_close(&self->nodes);
}

struct buffers {
	void *data;
	unsigned int bytes;
	void *metadata;
	unsigned int metabytes;
};

/* COUNT blocks from FIRST on, which is the reference tag of the first one. */
static int move(const struct passthru *nodes, unsigned char opcode, unsigned int flags,
		struct buffers buffers)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = opcode, .nsid = nodes->nsid, .cdw10 = FIRST,
		.cdw12 = (COUNT - 1) | flags, .cdw14 = FIRST,
		DATA(buffers.data, buffers.bytes), METADATA(buffers.metadata, buffers.metabytes),
	};

	return passthru(nodes->ns, NVME_IOCTL_IO64_CMD, &command);
}

#define MOVE(opcode, flags, ...) \
	move(&self->nodes, opcode, flags, (struct buffers){ __VA_ARGS__ })
#define EXACT self->data, self->bytes, self->metabytes ? self->metadata : NULL, self->metabytes

/* Unless told to check, the controller takes anything for protection information. */
TEST_F(format, data_and_metadata_are_written_and_read)
{
	pattern_fill(self->data, self->bytes, 1);
	pattern_fill(self->metadata, self->metabytes, 2);
	ASSERT_EQ(0, MOVE(IO_WRITE, 0, EXACT));
	memset(self->data, 0x99, AREA);
	memset(self->metadata, 0x99, AREA);
	ASSERT_EQ(0, MOVE(IO_READ, 0, EXACT));
	EXPECT_TRUE(pattern_is(self->data, self->bytes, 1));
	EXPECT_TRUE(pattern_is(self->metadata, self->metabytes, 2));
	EXPECT_TRUE(memory_is(self->data + self->bytes, PAGE, 0x99));
	EXPECT_TRUE(memory_is(self->metadata + self->metabytes, PAGE, 0x99));
	if (!variant->protection)
		EXPECT_EQ(0, MOVE(IO_COMPARE, 0, EXACT));
}

/* Metadata has to be in one piece for the controller, and is not in memory. */
TEST_F(format, buffers_may_lie_across_pages)
{
	unsigned char *data = self->data + PAGE - 20;
	unsigned char *metadata = self->metadata + PAGE - 20;

	pattern_fill(data, self->bytes, 3);
	pattern_fill(metadata, self->metabytes, 4);
	ASSERT_EQ(0, MOVE(IO_WRITE, 0, data, self->bytes, self->metabytes ? metadata : NULL,
			  self->metabytes));
	memset(self->data, 0x99, AREA);
	memset(self->metadata, 0x99, AREA);
	ASSERT_EQ(0, MOVE(IO_READ, 0, data, self->bytes, self->metabytes ? metadata : NULL,
			  self->metabytes));
	EXPECT_TRUE(pattern_is(data, self->bytes, 3));
	EXPECT_TRUE(pattern_is(metadata, self->metabytes, 4));
	EXPECT_TRUE(memory_is(self->data, PAGE - 20, 0x99));
	EXPECT_TRUE(memory_is(self->metadata, PAGE - 20, 0x99));
	EXPECT_TRUE(memory_is(data + self->bytes, PAGE, 0x99));
	EXPECT_TRUE(memory_is(metadata + self->metabytes, PAGE, 0x99));
}

TEST_F(format, short_buffers_are_refused)
{
	static const unsigned char opcodes[] = { IO_READ, IO_WRITE, IO_COMPARE };
	void *metadata = self->metabytes ? self->metadata : NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(opcodes); i++) {
		EXPECT_EQ(-EINVAL, MOVE(opcodes[i], 0, self->data, self->bytes - 4, metadata,
					self->metabytes));
		EXPECT_EQ(-EINVAL, MOVE(opcodes[i], 0, self->data, self->bytes / 2, metadata,
					self->metabytes));
		EXPECT_EQ(-EINVAL, MOVE(opcodes[i], 0, NULL, 0, metadata, self->metabytes));
		if (!self->metabytes)
			continue;
		EXPECT_EQ(-EINVAL, MOVE(opcodes[i], 0, self->data, self->bytes, metadata,
					self->metabytes - 4));
		EXPECT_EQ(-EINVAL, MOVE(opcodes[i], 0, self->data, self->bytes, metadata, 0));
		EXPECT_EQ(-EINVAL, MOVE(opcodes[i], 0, self->data, self->bytes, NULL,
					self->metabytes));
	}
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
}

TEST_F(format, longer_buffers_are_left_alone)
{
	void *metadata = self->metabytes ? self->metadata : NULL;
	unsigned int more = self->metabytes ? self->metabytes + 16 : 0;

	pattern_fill(self->data, self->bytes + PAGE, 5);
	pattern_fill(self->metadata, PAGE, 6);
	EXPECT_EQ(0, MOVE(IO_WRITE, 0, self->data, self->bytes + PAGE, metadata, more));
	memset(self->data, 0x99, AREA);
	memset(self->metadata, 0x99, AREA);
	EXPECT_EQ(0, MOVE(IO_READ, 0, self->data, self->bytes + PAGE, metadata, more));
	EXPECT_TRUE(pattern_is(self->data, self->bytes, 5));
	EXPECT_TRUE(pattern_is(self->metadata, self->metabytes, 6));
	EXPECT_TRUE(memory_is(self->data + self->bytes, 2 * PAGE, 0x99));
	EXPECT_TRUE(memory_is(self->metadata + self->metabytes, PAGE, 0x99));
}

TEST_F(format, bad_metadata_pointers)
{
	if (!self->metabytes) {
		EXPECT_EQ(-EINVAL, MOVE(IO_READ, 0, self->data, self->bytes, self->metadata, 8));
		return;
	}
	EXPECT_EQ(-EFAULT, MOVE(IO_READ, 0, self->data, self->bytes, bad_address(),
				self->metabytes));
	EXPECT_EQ(-EFAULT, MOVE(IO_WRITE, 0, self->data, self->bytes, bad_address(),
				self->metabytes));
	ASSERT_EQ(0, mprotect(self->metadata, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, MOVE(IO_READ, 0, EXACT));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	EXPECT_EQ(0, MOVE(IO_WRITE, 0, EXACT));
}

/* Where protection information is all there is of metadata, it is not transferred then. */
TEST_F(format, the_controller_makes_protection_information)
{
	bool transferred = variant->metadata > TUPLE_BYTES;
	unsigned int bytes = variant->extended && !transferred ? COUNT * variant->block : self->bytes;
	unsigned int metabytes = transferred ? self->metabytes : 0;
	void *metadata = metabytes ? self->metadata : NULL;
	unsigned int block, at;

	if (!variant->protection) {
		/* Of which there is none here: the bit means nothing. */
		EXPECT_EQ(-EINVAL, MOVE(IO_WRITE, PRACT, self->data, self->bytes - 4,
					self->metabytes ? self->metadata : NULL, self->metabytes));
		EXPECT_EQ(0, MOVE(IO_WRITE, PRACT, EXACT));
		return;
	}
	pattern_fill(self->data, bytes, 7);
	EXPECT_EQ(-EINVAL, MOVE(IO_WRITE, PRACT, self->data, bytes - 4, metadata, metabytes));
	ASSERT_EQ(0, MOVE(IO_WRITE, PRACT, self->data, bytes, metadata, metabytes));
	memset(self->data, 0, AREA);
	ASSERT_EQ(0, MOVE(IO_READ, PRACT | PRCHK_GUARD | PRCHK_REFERENCE, self->data, bytes,
			  metadata, metabytes));
	EXPECT_TRUE(pattern_is(self->data, bytes, 7));

	/* As it is on the disk: at its end, big-endian, the number of the block. */
	ASSERT_EQ(0, MOVE(IO_READ, PRCHK_GUARD | PRCHK_REFERENCE, EXACT));
	for (block = 0; block < COUNT; block++) {
		const unsigned char *tuple;

		at = (block + 1) * variant->metadata;
		tuple = variant->extended ? self->data + (block + 1) * variant->block + at
					  : self->metadata + at;
		EXPECT_EQ(FIRST + block, tuple[-1]);
		EXPECT_EQ(0, tuple[-2]);
	}

	/* One that is wrong is found. */
	*(variant->extended ? self->data + 3 * variant->block : self->metadata +
	  2 * variant->metadata + variant->metadata - TUPLE_BYTES) ^= 1;
	EXPECT_EQ(STATUS_GUARD_CHECK, STATUS_CODE_MASK & MOVE(IO_WRITE, PRCHK_GUARD, EXACT));
}

TEST_F(format, submit_io_counts_as_the_controller_does)
{
	struct nvme_user_io io = {
		.opcode = IO_WRITE, .nblocks = COUNT - 1, .slba = FIRST, .reftag = FIRST,
		.addr = (uintptr_t)self->data, .metadata = (uintptr_t)self->metadata,
	};

	pattern_fill(self->data, self->bytes, 8);
	pattern_fill(self->metadata, self->metabytes, 9);
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io));
	memset(self->data, 0x99, AREA);
	memset(self->metadata, 0x99, AREA);
	io.opcode = IO_READ;
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io));
	EXPECT_TRUE(pattern_is(self->data, self->bytes, 8));
	EXPECT_TRUE(pattern_is(self->metadata, self->metabytes, 9));
	EXPECT_TRUE(memory_is(self->data + self->bytes, PAGE, 0x99));
	EXPECT_TRUE(memory_is(self->metadata + self->metabytes, PAGE, 0x99));
	if (!self->metabytes)
		return;
	io.metadata = 0;
	EXPECT_EQ(-EINVAL, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io));
	io.metadata = (uintptr_t)self->metadata + 2;
	EXPECT_EQ(-EINVAL, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io));
}

/* Nor is there a place for what the controller makes, or for what there is none of. */
TEST_F(format, submit_io_takes_no_metadata_that_is_not_transferred)
{
	bool transferred = variant->metadata > (variant->protection ? TUPLE_BYTES : 0);
	struct nvme_user_io io = {
		.opcode = IO_WRITE, .nblocks = COUNT - 1, .slba = FIRST, .reftag = FIRST,
		.control = PRACT >> 16, .addr = (uintptr_t)self->data,
		.metadata = (uintptr_t)self->metadata,
	};

	if (transferred) {
		EXPECT_EQ(0, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io));
		return;
	}
	EXPECT_EQ(-EINVAL, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	pattern_fill(self->data, COUNT * variant->block, 10);
	memset(self->metadata, 0x99, AREA);
	io.metadata = 0;
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io));
	memset(self->data, 0x99, AREA);
	io.opcode = IO_READ;
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBMIT_IO, &io));
	EXPECT_TRUE(pattern_is(self->data, COUNT * variant->block, 10));
	EXPECT_TRUE(memory_is(self->data + COUNT * variant->block, PAGE, 0x99));
	EXPECT_TRUE(memory_is(self->metadata, PAGE, 0x99));
}

TEST_HARNESS_MAIN
