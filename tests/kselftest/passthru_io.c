// SPDX-License-Identifier: GPL-2.0-only
/* I/O commands by ioctl to namespaces of 512-byte blocks: what they do to the data, and what is refused. */
#include "kselftest_harness.h"

#include <pthread.h>
#include <sys/mman.h>

#include "lib/passthru.h"
#include "lib/trace.h"
#include "lib/util.h"

#define IO_COMMAND "pci_nvme_io_cmd *"
#define BLOCK 512
#define NAMESPACE_BLOCKS ((64 << 20) / BLOCK)

/* Where in Identify Controller the largest transfer is: pages, as a power of two. */
#define MDTS_AT 77

FIXTURE(io)
{
	struct passthru nodes;
	struct trace trace;
	size_t limit;		/* of a transfer */
	size_t bytes;		/* of memory, more than that */
	unsigned char *memory;
};

FIXTURE_VARIANT(io)
{
	unsigned long request;
};

FIXTURE_VARIANT_ADD(io, cmd)
{
	.request = NVME_IOCTL_IO_CMD,
};

FIXTURE_VARIANT_ADD(io, cmd64)
{
	.request = NVME_IOCTL_IO64_CMD,
};

FIXTURE_SETUP(io)
{
	unsigned char *page = pages_new(IDENTIFY_BYTES, 0);
	struct nvme_passthru_cmd64 identify = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(page, IDENTIFY_BYTES),
	};

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &identify));
	ASSERT_NE(0, page[MDTS_AT]);
	self->limit = 4096ul << page[MDTS_AT];
	pages_free(page, IDENTIFY_BYTES);
	self->bytes = self->limit + 2 * 4096;
	self->memory = pages_new(self->bytes, 0);
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(io)
{
	pages_free(self->memory, self->bytes);
	passthru_close(&self->nodes);
}

#define EXECUTE_ON(namespace, ...) ({						\
	struct nvme_passthru_cmd64 command_ = { .nsid = (namespace), __VA_ARGS__ };	\
	passthru(self->nodes.ns, variant->request, &command_);			\
})
#define EXECUTE(...) EXECUTE_ON(1, __VA_ARGS__)

TEST_F(io, what_was_written_is_read)
{
	struct nvme_passthru_cmd64 read = {
		.opcode = IO_READ, .nsid = 1, BLOCKS(99, 10), .result = ~0ull,
		DATA(self->memory, 10 * BLOCK),
	};

	ASSERT_EQ(0, EXECUTE(.opcode = IO_WRITE, BLOCKS(99, 10), DATA(self->memory, 10 * BLOCK)));
	pattern_fill(self->memory, 8 * BLOCK, 1);
	ASSERT_EQ(0, EXECUTE(.opcode = IO_WRITE, BLOCKS(100, 8), DATA(self->memory, 8 * BLOCK)));
	memset(self->memory, 0xee, self->bytes);
	ASSERT_EQ(0, passthru(self->nodes.ns, variant->request, &read));
	EXPECT_EQ(0, read.result);
	/* Neighbours are as they were. */
	EXPECT_TRUE(memory_is(self->memory, BLOCK, 0));
	EXPECT_TRUE(pattern_is(self->memory + BLOCK, 8 * BLOCK, 1));
	EXPECT_TRUE(memory_is(self->memory + 9 * BLOCK, BLOCK, 0));
	EXPECT_TRUE(memory_is(self->memory + 10 * BLOCK, 4096, 0xee));
}

/* All lengths of lists of pages, and all ways into the first page and out of the last. */
TEST_F(io, all_lengths_up_to_the_limit)
{
	static const unsigned int offsets[] = { 0, 4, 512, 2052, 4092 };
	unsigned int seed = 0, i;
	size_t bytes;

	for (bytes = BLOCK; bytes <= self->limit; bytes += bytes < 5 * 4096 ? BLOCK : 21 * 4096 + BLOCK) {
		for (i = 0; i < ARRAY_LENGTH(offsets); i++) {
			unsigned char *data = self->memory + offsets[i];

			pattern_fill(data, bytes, ++seed);
			ASSERT_EQ(0, EXECUTE(.opcode = IO_WRITE, BLOCKS(7, bytes / BLOCK),
					     DATA(data, bytes)));
			memset(self->memory, 0x11, self->bytes);
			ASSERT_EQ(0, EXECUTE(.opcode = IO_READ, BLOCKS(7, bytes / BLOCK),
					     DATA(data, bytes)));
			ASSERT_TRUE(pattern_is(data, bytes, seed));
			EXPECT_TRUE(memory_is(self->memory, offsets[i], 0x11));
			EXPECT_TRUE(memory_is(data + bytes, 4096, 0x11));
		}
	}
}

TEST_F(io, the_limit_itself_and_not_a_block_more)
{
	size_t over[] = { self->limit + BLOCK, self->limit + 4096, 2 * self->limit };
	unsigned char *memory = pages_new(2 * self->limit, 0);
	unsigned int i;

	pattern_fill(memory, self->limit, 77);
	ASSERT_EQ(0, EXECUTE(.opcode = IO_WRITE, BLOCKS(0, self->limit / BLOCK),
			     DATA(memory, self->limit)));
	memset(memory, 0, self->limit);
	ASSERT_EQ(0, EXECUTE(.opcode = IO_READ, BLOCKS(0, self->limit / BLOCK),
			     DATA(memory, self->limit)));
	EXPECT_TRUE(pattern_is(memory, self->limit, 77));

	ASSERT_EQ(0, trace_start(&self->trace));
	for (i = 0; i < ARRAY_LENGTH(over); i++)
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = IO_READ, BLOCKS(0, over[i] / BLOCK),
					   DATA(memory, over[i])));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = IO_READ, BLOCKS(0, 65536), DATA(memory, ~0u - 4095)));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	pages_free(memory, 2 * self->limit);
}

TEST_F(io, compare_finds_the_difference)
{
	pattern_fill(self->memory, 2 * BLOCK, 3);
	ASSERT_EQ(0, EXECUTE(.opcode = IO_WRITE, BLOCKS(20, 2), DATA(self->memory, 2 * BLOCK)));
	EXPECT_EQ(0, EXECUTE(.opcode = IO_COMPARE, BLOCKS(20, 2), DATA(self->memory, 2 * BLOCK)));
	self->memory[BLOCK + 100] ^= 1;
	EXPECT_EQ(STATUS_COMPARE_FAILURE, STATUS_CODE_MASK &
		  EXECUTE(.opcode = IO_COMPARE, BLOCKS(20, 2), DATA(self->memory, 2 * BLOCK)));
}

TEST_F(io, commands_without_data)
{
	memset(self->memory, 0xff, 4 * BLOCK);
	ASSERT_EQ(0, EXECUTE(.opcode = IO_WRITE, BLOCKS(40, 4), DATA(self->memory, 4 * BLOCK)));
	EXPECT_EQ(0, EXECUTE(.opcode = IO_WRITE_ZEROES, BLOCKS(41, 2)));
	EXPECT_EQ(0, EXECUTE(.opcode = IO_FLUSH));
	ASSERT_EQ(0, EXECUTE(.opcode = IO_READ, BLOCKS(40, 4), DATA(self->memory, 4 * BLOCK)));
	EXPECT_TRUE(memory_is(self->memory, BLOCK, 0xff));
	EXPECT_TRUE(memory_is(self->memory + BLOCK, 2 * BLOCK, 0));
	EXPECT_TRUE(memory_is(self->memory + 3 * BLOCK, BLOCK, 0xff));
}

TEST_F(io, dataset_management_takes_ranges)
{
	struct {
		__u32 attributes;
		__u32 blocks;
		__u64 first;
	} ranges[] = { { 0, 8, 64 }, { 0, 8, 96 } };

	memset(self->memory, 0xff, 15 * BLOCK);
	ASSERT_EQ(0, EXECUTE(.opcode = IO_WRITE, BLOCKS(60, 15), DATA(self->memory, 15 * BLOCK)));
	EXPECT_EQ(0, EXECUTE(.opcode = IO_DATASET_MANAGEMENT, .cdw10 = 1, .cdw11 = 1 << 2,
			     DATA(ranges, sizeof(ranges))));
	/* What was deallocated may read as anything, the rest not. */
	ASSERT_EQ(0, EXECUTE(.opcode = IO_READ, BLOCKS(60, 15), DATA(self->memory, 15 * BLOCK)));
	EXPECT_TRUE(memory_is(self->memory, 4 * BLOCK, 0xff));
	EXPECT_TRUE(memory_is(self->memory + 12 * BLOCK, 3 * BLOCK, 0xff));
}

TEST_F(io, the_namespace_must_be_that_of_the_node)
{
	static const __u32 wrong[] = { 0, 2, 3, 0xffffffff };
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(wrong); i++) {
		EXPECT_EQ(-EINVAL, EXECUTE_ON(wrong[i], .opcode = IO_READ, BLOCKS(0, 1),
					      DATA(self->memory, BLOCK)));
		EXPECT_EQ(-EINVAL, EXECUTE_ON(wrong[i], .opcode = IO_FLUSH));
	}
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
}

TEST_F(io, malformed_commands_are_refused)
{
	unsigned int flag;

	for (flag = 1; flag < 0x100; flag <<= 1)
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = IO_READ, .flags = flag, BLOCKS(0, 1),
					   DATA(self->memory, BLOCK)));
	/* There is no metadata in this format. */
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = IO_READ, BLOCKS(0, 1), DATA(self->memory, BLOCK),
				   METADATA(self->memory + 4096, 8)));
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->nodes.ns, variant->request, bad_address()));
	EXPECT_EQ(-EFAULT, EXECUTE(.opcode = IO_READ, BLOCKS(0, 1), DATA(bad_address(), BLOCK)));
	EXPECT_EQ(-EFAULT, EXECUTE(.opcode = IO_WRITE, BLOCKS(0, 1), DATA(bad_address(), BLOCK)));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
}

TEST_F(io, what_the_controller_refuses_is_a_status)
{
	EXPECT_EQ(STATUS_LBA_OUT_OF_RANGE,
		  EXECUTE(.opcode = IO_READ, BLOCKS(NAMESPACE_BLOCKS, 1),
			  DATA(self->memory, BLOCK)));
	EXPECT_EQ(STATUS_LBA_OUT_OF_RANGE,
		  EXECUTE(.opcode = IO_WRITE, BLOCKS(NAMESPACE_BLOCKS - 1, 2),
			  DATA(self->memory, 2 * BLOCK)));
	EXPECT_EQ(STATUS_INVALID_OPCODE, EXECUTE(.opcode = 0x3f));
	EXPECT_EQ(STATUS_INVALID_OPCODE, EXECUTE(.opcode = 0xc0, DATA(self->memory, BLOCK)));
}

/* The in-tree driver leaves that to the controller, where that can see it. */
TEST_F(io, data_shorter_than_the_transfer_is_refused)
{
	static const unsigned char opcodes[] = { IO_READ, IO_WRITE, IO_COMPARE };
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(opcodes); i++) {
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = opcodes[i], BLOCKS(0, 2),
					   DATA(self->memory, BLOCK)));
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = opcodes[i], BLOCKS(0, 16),
					   DATA(self->memory, 16 * BLOCK - 4)));
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = opcodes[i], BLOCKS(0, 65536),
					   DATA(self->memory, BLOCK)));
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = opcodes[i], BLOCKS(0, 1)));
		/* Bits above the count are not part of it. */
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = opcodes[i], .cdw12 = 1 << 30 | 1,
					   DATA(self->memory, BLOCK)));
	}
	/* Two ranges of 16 bytes, then two of 32. */
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = IO_DATASET_MANAGEMENT, .cdw10 = 1, .cdw11 = 1 << 2,
				   DATA(self->memory, 16)));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = IO_COPY, .cdw12 = 1, DATA(self->memory, 32)));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	EXPECT_TRUE(memory_is(self->memory, 4096, 0));
}

TEST_F(io, data_longer_than_the_transfer_is_left_alone)
{
	pattern_fill(self->memory, 4096, 9);
	EXPECT_EQ(0, EXECUTE(.opcode = IO_WRITE, BLOCKS(10, 1), DATA(self->memory, 4096)));
	memset(self->memory, 0x33, 2 * 4096);
	EXPECT_EQ(0, EXECUTE(.opcode = IO_READ, BLOCKS(10, 1), DATA(self->memory, 2 * 4096)));
	EXPECT_TRUE(pattern_is(self->memory, BLOCK, 9));
	EXPECT_TRUE(memory_is(self->memory + BLOCK, 2 * 4096 - BLOCK, 0x33));
	EXPECT_EQ(0, EXECUTE(.opcode = IO_FLUSH, DATA(self->memory, 4096)));
}

/* Each thread has blocks of its own, and must find its own data there. */
#define THREADS 16
#define ROUNDS 30
#define THREAD_BLOCKS 16

struct load {
	const struct passthru *nodes;
	unsigned long request;
	unsigned int number;
	int wrong;
};

static void *load_run(void *argument)
{
	struct load *load = argument;
	unsigned char *memory = pages_new(THREAD_BLOCKS * BLOCK, 0);
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		struct nvme_passthru_cmd64 command = {
			.nsid = 1, BLOCKS(load->number * THREAD_BLOCKS, THREAD_BLOCKS),
			DATA(memory, THREAD_BLOCKS * BLOCK),
		};

		pattern_fill(memory, THREAD_BLOCKS * BLOCK, round * THREADS + load->number);
		command.opcode = IO_WRITE;
		load->wrong += passthru(load->nodes->ns, load->request, &command) != 0;
		memset(memory, 0, THREAD_BLOCKS * BLOCK);
		command.opcode = IO_READ;
		load->wrong += passthru(load->nodes->ns, load->request, &command) != 0;
		load->wrong += !pattern_is(memory, THREAD_BLOCKS * BLOCK,
					   round * THREADS + load->number);
	}
	pages_free(memory, THREAD_BLOCKS * BLOCK);
	return NULL;
}

TEST_F(io, many_at_once)
{
	struct load loads[THREADS];
	pthread_t threads[THREADS];
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		loads[i] = (struct load){ &self->nodes, variant->request, i, 0 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, load_run, &loads[i]));
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, loads[i].wrong);
	}
}

/* All of it has to be there, also what is only written. */
TEST_F(io, the_command_itself_in_bad_memory)
{
	const bool is_long = variant->request == NVME_IOCTL_IO64_CMD;
	const size_t bytes = is_long ? sizeof(struct nvme_passthru_cmd64) : sizeof(struct nvme_passthru_cmd);
	const struct nvme_passthru_cmd64 flush = { .opcode = IO_FLUSH, .nsid = 1 };
	const struct nvme_passthru_cmd64 get = { .opcode = ADMIN_GET_FEATURES, .cdw10 = 7 };
	unsigned char *end = self->memory + 4096;
	unsigned int missing;

	ASSERT_EQ(0, mprotect(end, 4096, PROT_NONE));
	for (missing = 8; missing > 0; missing -= 4) {
		unsigned char *place = end - bytes + missing;

		memcpy(place, &flush, bytes - missing);
		EXPECT_EQ(-EFAULT, passthru_ioctl(self->nodes.ns, variant->request, place));
		if (is_long)
			EXPECT_EQ(-EFAULT, passthru_ioctl(self->nodes.ns, NVME_IOCTL_IO64_CMD_VEC, place));
		memcpy(place, &get, bytes - missing);
		EXPECT_EQ(-EFAULT, passthru_ioctl(self->nodes.ctrl, is_long ? NVME_IOCTL_ADMIN64_CMD :
						  NVME_IOCTL_ADMIN_CMD, place));
	}
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_*_cmd *"));
	memcpy(end - bytes, &flush, bytes);
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ns, variant->request, end - bytes));
	memcpy(end - bytes, &get, bytes);
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ctrl, is_long ? NVME_IOCTL_ADMIN64_CMD :
				    NVME_IOCTL_ADMIN_CMD, end - bytes));
	ASSERT_EQ(0, mprotect(end, 4096, PROT_READ | PROT_WRITE));
}

TEST_HARNESS_MAIN
