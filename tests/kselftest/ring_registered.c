// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registered buffers under commands that a worker of io_uring sends and waits for: with separate metadata, or of such
 * a kind that the driver has something to do about them. Of usual buffers this holds for the in-tree driver as well,
 * but for odd pieces, which it refuses.
 */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib/mapped.h"
#include "lib/plain.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define AREA (32 * PAGE)
#define ENTRIES 8
#define SLOTS 4
#define SLOT 1
#define EMPTY 2
/* A namespace of the machine called formats: metadata of its own place, no protection information. */
#define NSID 2
#define BLOCK 512
#define METADATA_BYTES 8
#define FIRST 24
#define COUNT 16
#define BYTES (COUNT * BLOCK)
#define METABYTES (COUNT * METADATA_BYTES)
#define OFFSET (3 * PAGE + 64)
#define FEATURE_TEMPERATURE 0x04
#define FEATURE_TIMESTAMP 0x0e
#define ANY_COMMAND "pci_nvme_*_cmd *"

FIXTURE(registered)
{
	struct passthru nodes;
	struct trace trace;
	struct ring ring;
	int memory;			/* a file with what is registered */
	unsigned char *area;
	unsigned char *other;		/* AREA, not registered */
	unsigned char *metadata;
	struct iovec pieces[RING_PIECES];
};

FIXTURE_VARIANT(registered)
{
	bool mapped;			/* by the driver */
	enum ring_data kind;
	unsigned int sqe_flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(registered, name) { __VA_ARGS__ }

KIND(usual, .kind = DATA_REGISTERED);
KIND(usual_pieces, .kind = DATA_REGISTERED_PIECES);
KIND(usual_by_workers, .kind = DATA_REGISTERED, .sqe_flags = IOSQE_ASYNC);
KIND(mapped, .kind = DATA_REGISTERED, .mapped = true);
KIND(mapped_pieces, .kind = DATA_REGISTERED_PIECES, .mapped = true);
KIND(mapped_by_workers, .kind = DATA_REGISTERED, .mapped = true, .sqe_flags = IOSQE_ASYNC);

static int register_area(FIXTURE_DATA(registered) *self, const FIXTURE_VARIANT(registered) *variant)
{
	struct ring_command command = mapped_registration(self->nodes.ns, SLOT, self->area, AREA);

	return variant->mapped ? ring_run(&self->ring, &command, NULL) :
				 mapped_replace(&self->ring, SLOT, self->area, AREA);
}

FIXTURE_SETUP(registered)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, NSID));
	self->memory = memfd_create("registered", MFD_CLOEXEC);
	ASSERT_LE(0, self->memory);
	ASSERT_EQ(0, ftruncate(self->memory, AREA));
	self->area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, self->memory, 0);
	ASSERT_NE(MAP_FAILED, self->area);
	self->other = pages_new(AREA, 0);
	self->metadata = pages_new(PAGE, 0);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, RING_WIDE));
	ASSERT_EQ(0, mapped_table(&self->ring, SLOTS));
	ASSERT_EQ(0, register_area(self, variant));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(registered)
{
	ring_close(&self->ring);
	pages_free(self->other, AREA);
	pages_free(self->metadata, PAGE);
	close(self->memory);
	passthru_close(&self->nodes);
}

/* Has a command transfer bytes of the buffer, from @offset on. */
static void describe(FIXTURE_DATA(registered) *self, const FIXTURE_VARIANT(registered) *variant,
		     struct ring_command *command, unsigned long offset, unsigned int bytes)
{
	unsigned char *begin = variant->mapped ? NULL : self->area;

	command->buffer = SLOT;
	command->sqe_flags = variant->sqe_flags;
	ring_describe(command, variant->kind, begin + offset, bytes, self->pieces);
}

static struct ring_command io_at(FIXTURE_DATA(registered) *self, const FIXTURE_VARIANT(registered) *variant,
				 unsigned char opcode, unsigned long offset)
{
	struct ring_command command = {
		.fd = self->nodes.ns, .operation = NVME_URING_CMD_IO,
		.command = {
			.opcode = opcode, .nsid = NSID, BLOCKS(FIRST, COUNT),
			METADATA(self->metadata, METABYTES),
		},
	};

	describe(self, variant, &command, offset, BYTES);
	return command;
}

#define IO(opcode) io_at(self, variant, opcode, OFFSET)

/* The same from other memory. */
static int io_by_ioctl(FIXTURE_DATA(registered) *self, unsigned char opcode)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = opcode, .nsid = NSID, BLOCKS(FIRST, COUNT),
		METADATA(self->metadata, METABYTES), DATA(self->other, BYTES),
	};

	return passthru(self->nodes.ns, NVME_IOCTL_IO64_CMD, &command);
}

/* The driver has to know of any Set Features, and looks after those that wait. */
static struct ring_command feature(FIXTURE_DATA(registered) *self, unsigned char opcode, unsigned int number)
{
	return (struct ring_command){
		.fd = self->nodes.ctrl, .operation = NVME_URING_CMD_ADMIN,
		.command = { .opcode = opcode, .cdw10 = number },
	};
}

static bool area_is(FIXTURE_DATA(registered) *self, unsigned int seed)
{
	return memory_is(self->area, OFFSET, 0xee) && pattern_is(self->area + OFFSET, BYTES, seed) &&
	       memory_is(self->area + OFFSET + BYTES, AREA - OFFSET - BYTES, 0xee);
}

TEST_F(registered, with_metadata_of_its_own_place)
{
	struct ring_command command;

	memset(self->area, 0xee, AREA);
	pattern_fill(self->area + OFFSET, BYTES, 1);
	pattern_fill(self->metadata, METABYTES, 2);
	command = IO(IO_WRITE);
	ASSERT_EQ(0, ring_run(&self->ring, &command, NULL));
	memset(self->metadata, 0, PAGE);
	ASSERT_EQ(0, io_by_ioctl(self, IO_READ));
	EXPECT_TRUE(pattern_is(self->other, BYTES, 1));
	EXPECT_TRUE(pattern_is(self->metadata, METABYTES, 2));
	EXPECT_TRUE(area_is(self, 1));

	pattern_fill(self->other, BYTES, 3);
	pattern_fill(self->metadata, METABYTES, 4);
	ASSERT_EQ(0, io_by_ioctl(self, IO_WRITE));
	memset(self->metadata, 0x99, PAGE);
	memset(self->area, 0xee, AREA);
	command = IO(IO_READ);
	ASSERT_EQ(0, ring_run(&self->ring, &command, NULL));
	EXPECT_TRUE(area_is(self, 3));
	EXPECT_TRUE(pattern_is(self->metadata, METABYTES, 4));
	EXPECT_TRUE(memory_is(self->metadata + METABYTES, PAGE - METABYTES, 0x99));
}

/* It is the ring's, whatever is at its address now. */
TEST_F(registered, although_the_process_has_something_else_there)
{
	struct ring_command command = IO(IO_READ);
	unsigned char *same;

	pattern_fill(self->other, BYTES, 5);
	ASSERT_EQ(0, io_by_ioctl(self, IO_WRITE));
	memset(self->area, 0xee, AREA);
	same = mmap(self->area, AREA, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ(self->area, same);
	ASSERT_EQ(0, ring_run(&self->ring, &command, NULL));
	EXPECT_TRUE(memory_is(self->area, AREA, 0));
	ASSERT_EQ(0, munmap(self->area, AREA));
	memset(self->metadata, 0, PAGE);
	EXPECT_EQ(0, ring_run(&self->ring, &command, NULL));
	self->area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, self->memory, 0);
	ASSERT_NE(MAP_FAILED, self->area);
	EXPECT_TRUE(area_is(self, 5));
}

TEST_F(registered, until_the_command_is_over)
{
	struct ring_command command = IO(IO_READ);
	struct ring_answer answer;

	pattern_fill(self->other, BYTES, 6);
	ASSERT_EQ(0, io_by_ioctl(self, IO_WRITE));
	memset(self->area, 0xee, AREA);
	ASSERT_EQ(0, ring_push(&self->ring, &command));
	ASSERT_EQ(1, ring_submit(&self->ring));
	ASSERT_EQ(0, mapped_replace(&self->ring, SLOT, NULL, 0));
	ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
	/* A worker may come too late. */
	if (variant->sqe_flags & IOSQE_ASYNC && answer.res == -EFAULT)
		return;
	EXPECT_EQ(0, answer.res);
	EXPECT_TRUE(area_is(self, 6));
}

/* What is set is within a minute of what is then read, in milliseconds. */
TEST_F(registered, for_what_concerns_the_driver)
{
	struct ring_command set = feature(self, ADMIN_SET_FEATURES, FEATURE_TIMESTAMP);
	struct nvme_passthru_cmd64 get = {
		.opcode = ADMIN_GET_FEATURES, .cdw10 = FEATURE_TIMESTAMP, DATA(self->other, 8),
	};
	__u64 wanted = 0x123456789000, found = 0;

	memset(self->area, 0xee, AREA);
	memcpy(self->area + OFFSET, &wanted, sizeof(wanted));
	describe(self, variant, &set, OFFSET, sizeof(wanted));
	ASSERT_EQ(0, ring_run(&self->ring, &set, NULL));
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &get));
	memcpy(&found, self->other, 6);
	EXPECT_LE(wanted, found);
	EXPECT_GT(wanted + 60000, found);
}

/* Also if nothing is transferred. */
TEST_F(registered, has_to_be_there)
{
	struct ring_command commands[] = {
		IO(IO_READ), IO(IO_WRITE), IO(IO_FLUSH),
		feature(self, ADMIN_SET_FEATURES, FEATURE_TIMESTAMP),
		feature(self, ADMIN_SET_FEATURES, FEATURE_TEMPERATURE),
		feature(self, ADMIN_GET_FEATURES, FEATURE_TEMPERATURE),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(commands); i++) {
		struct ring_command *command = &commands[i];

		if (i == 2)
			command->command.metadata = 0;
		if (i >= 3)
			describe(self, variant, command, OFFSET, 8);
		command->buffer = EMPTY;
		EXPECT_EQ(-EFAULT, ring_run(&self->ring, command, NULL)) {
			TH_LOG("number %u", i);
		}
	}
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

TEST_F(registered, has_to_be_that_long)
{
	struct ring_command command = io_at(self, variant, IO_READ, AREA - BYTES + 4);

	EXPECT_EQ(-EFAULT, ring_run(&self->ring, &command, NULL));
	command = io_at(self, variant, IO_WRITE, AREA);
	EXPECT_EQ(-EFAULT, ring_run(&self->ring, &command, NULL));
	command = feature(self, ADMIN_SET_FEATURES, FEATURE_TIMESTAMP);
	describe(self, variant, &command, AREA - 4, 8);
	EXPECT_EQ(-EFAULT, ring_run(&self->ring, &command, NULL));
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

/* Where no list of memory pages can say where the data is, there is a copy. */
TEST_F(registered, in_pieces_of_odd_lengths)
{
	static const unsigned int lengths[] = { 4, 100, 996, 1000, 1996 };
	struct ring_command command = feature(self, ADMIN_IDENTIFY, 1);
	unsigned char *begin = variant->mapped ? NULL : self->area;
	struct nvme_passthru_cmd64 reference = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->other, IDENTIFY_BYTES),
	};
	unsigned int i, at;

	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &reference));
	memset(self->area, 0xee, AREA);
	describe(self, variant, &command, 0, IDENTIFY_BYTES);
	command.operation = NVME_URING_CMD_ADMIN_VEC;
	command.command.addr = (uintptr_t)self->pieces;
	command.command.data_len = ARRAY_LENGTH(lengths);
	for (i = 0; i < ARRAY_LENGTH(lengths); i++)
		self->pieces[i] = (struct iovec){ begin + 2 * i * PAGE + 4 * i, lengths[i] };
	ASSERT_EQ(0, ring_run(&self->ring, &command, NULL));
	for (i = 0, at = 0; i < ARRAY_LENGTH(lengths); at += lengths[i], i++) {
		unsigned char *piece = self->area + 2 * i * PAGE + 4 * i;

		EXPECT_EQ(0, memcmp(self->other + at, piece, lengths[i]));
		EXPECT_TRUE(memory_is(piece + lengths[i], 2 * PAGE - lengths[i], 0xee));
	}
}

FIXTURE(plain_entries)
{
	struct passthru nodes;
	struct ring ring;
	struct trace trace;
	unsigned char *page;
};

FIXTURE_SETUP(plain_entries)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, NSID));
	self->page = pages_new(PAGE, 0);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, 0));
	ASSERT_EQ(0, mapped_table(&self->ring, SLOTS));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(plain_entries)
{
	ring_close(&self->ring);
	pages_free(self->page, PAGE);
	passthru_close(&self->nodes);
}

TEST_F(plain_entries, have_none_either)
{
	struct ring_command command = {
		.fd = self->nodes.ctrl, .operation = NVME_URING_CMD_ADMIN,
		.uring_flags = IORING_URING_CMD_FIXED, .buffer = EMPTY,
		.command = {
			.opcode = ADMIN_SET_FEATURES, .cdw10 = FEATURE_TIMESTAMP, DATA(self->page, 8),
		},
	};
	struct nvme_passthru_cmd64 memory = plain_command(&command);

	ASSERT_EQ(0, plain_push_inline(&self->ring, &command, NULL));
	EXPECT_EQ(-EFAULT, ring_finish(&self->ring, NULL));
	ASSERT_EQ(0, plain_push_indirect(&self->ring, &command, &memory, 0));
	EXPECT_EQ(-EFAULT, ring_finish(&self->ring, NULL));
	command.command.cdw10 = FEATURE_TEMPERATURE;
	memory = plain_command(&command);
	ASSERT_EQ(0, plain_push_inline(&self->ring, &command, NULL));
	EXPECT_EQ(-EFAULT, ring_finish(&self->ring, NULL));
	ASSERT_EQ(0, plain_push_indirect(&self->ring, &command, &memory, 0));
	EXPECT_EQ(-EFAULT, ring_finish(&self->ring, NULL));
	EXPECT_EQ(0, trace_count(&self->trace, ANY_COMMAND));
}

TEST_HARNESS_MAIN
