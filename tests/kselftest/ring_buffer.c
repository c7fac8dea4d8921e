// SPDX-License-Identifier: GPL-2.0-only
/* Buffers which the driver registers with a ring, and keeps mapped: NVME_URING_CMD_REGISTER_BUFFER. */
#include "kselftest_harness.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "lib/mapped.h"
#include "lib/module.h"
#include "lib/ring.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define HUGE_PAGE (2ul << 20)
/* More pages than one page of a list has room for, and than commands transfer. */
#define AREA (2 * HUGE_PAGE)
#define ENTRIES 64
#define SLOTS 4
#define FIRST_BLOCK 64
/* The IOMMU is told to forget what was mapped. */
#define UNMAPPED "vtd_inv_desc_iotlb_*"

FIXTURE(buffer)
{
	struct passthru nodes;
	struct ring ring;
	unsigned char *area;
	unsigned char *other;	/* AREA, not registered */
	unsigned int limit;	/* of the controller */
};

FIXTURE_VARIANT(buffer)
{
	unsigned int flags;
	bool huge;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(buffer, name) { __VA_ARGS__ }

KIND(plain, .flags = RING_WIDE);
KIND(huge, .flags = RING_WIDE, .huge = true);
KIND(sqpoll, .flags = RING_WIDE | IORING_SETUP_SQPOLL);
KIND(iopoll, .flags = RING_WIDE | IORING_SETUP_IOPOLL);

static int register_buffer(FIXTURE_DATA(buffer) *self, unsigned int slot, const void *memory,
			   unsigned long bytes)
{
	struct ring_command command = mapped_registration(self->nodes.ns, slot, memory, bytes);

	return ring_run(&self->ring, &command, NULL);
}

FIXTURE_SETUP(buffer)
{
	int limit;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->area = area_new(AREA, variant->huge);
	self->other = pages_new(AREA, 0);
	limit = transfer_limit(&self->nodes);
	ASSERT_LT(0, limit);
	self->limit = limit;
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->flags));
	ASSERT_EQ(0, mapped_table(&self->ring, SLOTS));
	ASSERT_EQ(0, locked_kb());
}

FIXTURE_TEARDOWN(buffer)
{
	ring_close(&self->ring);
	/* The ring is taken down by a worker. */
	EXPECT_TRUE(wait_until(locked_kb() == 0));
	pages_free(self->other, AREA);
	passthru_close(&self->nodes);
}

/* Blocks from FIRST_BLOCK on, and bytes of a registered buffer from @offset on. */
static struct ring_command io(FIXTURE_DATA(buffer) *self, unsigned char opcode, unsigned int slot,
			      unsigned long offset, unsigned int bytes)
{
	return (struct ring_command){
		.fd = self->nodes.ns,
		.operation = NVME_URING_CMD_IO,
		.uring_flags = IORING_URING_CMD_FIXED,
		.buffer = slot,
		.command = {
			.opcode = opcode, .nsid = 1, BLOCKS(FIRST_BLOCK, bytes / BLOCK),
			.addr = offset, .data_len = bytes,
		},
	};
}

static void there_and_back(struct __test_metadata *_metadata, FIXTURE_DATA(buffer) *self,
			   unsigned char *begin, unsigned long offset, unsigned int bytes)
{
	static unsigned int seed;
	struct ring_command command = io(self, IO_WRITE, 1, offset, bytes);
	unsigned char *data = begin + offset;
	unsigned int at, part;

	pattern_fill(data, bytes, ++seed);
	ASSERT_EQ(0, ring_run(&self->ring, &command, NULL)) {
		TH_LOG("write of %u bytes at %lu", bytes, offset);
	}
	for (at = 0; at < bytes; at += part) {
		part = bytes - at < PAGE ? bytes - at : PAGE;
		ASSERT_EQ(0, blocks_read(&self->nodes, FIRST_BLOCK + at / BLOCK, part / BLOCK,
					 self->other + at, part));
	}
	ASSERT_TRUE(pattern_is(self->other, bytes, seed)) {
		TH_LOG("write of %u bytes at %lu", bytes, offset);
	}
	memset(self->area, 0xee, AREA);
	command = io(self, IO_READ, 1, offset, bytes);
	ASSERT_EQ(0, ring_run(&self->ring, &command, NULL)) {
		TH_LOG("read of %u bytes at %lu", bytes, offset);
	}
	ASSERT_TRUE(pattern_is(data, bytes, seed)) {
		TH_LOG("read of %u bytes at %lu", bytes, offset);
	}
	ASSERT_TRUE(memory_is(self->area, data - self->area, 0xee));
	ASSERT_TRUE(memory_is(data + bytes, self->area + AREA - data - bytes, 0xee));
}

TEST_F_TIMEOUT(buffer, data_from_all_places, 120)
{
	static const unsigned int sizes[] = { BLOCK, PAGE, 2 * PAGE, 3 * PAGE, 64 << 10 };
	static const unsigned int heads[] = { 0, 4, 2051 };
	/* The last ones are around the end of a page of the list, which has 511 entries. */
	static const unsigned long offsets[] = {
		0, 1, 512, PAGE - 4, 3 * PAGE + 512, 508 * PAGE, 509 * PAGE, 510 * PAGE, 511 * PAGE,
		495 * PAGE, 496 * PAGE,
	};
	unsigned int i, j, k;

	for (i = 0; i < ARRAY_LENGTH(heads); i++) {
		unsigned char *begin = self->area + heads[i];

		ASSERT_EQ(0, register_buffer(self, 1, begin, AREA - heads[i]));
		EXPECT_EQ(AREA / 1024, locked_kb());
		for (j = 0; j < ARRAY_LENGTH(offsets); j++) {
			for (k = 0; k < ARRAY_LENGTH(sizes) && sizes[k] <= self->limit; k++)
				there_and_back(_metadata, self, begin, offsets[j], sizes[k]);
		}
		if (!heads[i])
			there_and_back(_metadata, self, begin, AREA - PAGE, PAGE);
		ASSERT_EQ(0, mapped_replace(&self->ring, 1, NULL, 0));
		EXPECT_TRUE(wait_until(locked_kb() == 0));
	}
}

/* Also where the controller gets copies of it: those may not come back over it. */
TEST_F(buffer, memory_is_as_the_process_left_it)
{
	pattern_fill(self->area, AREA, 1);
	ASSERT_EQ(0, register_buffer(self, 1, self->area, AREA));
	there_and_back(_metadata, self, self->area, 512, 2 * PAGE);
	pattern_fill(self->area, AREA, 2);
	ASSERT_EQ(0, mapped_replace(&self->ring, 1, NULL, 0));
	ASSERT_TRUE(wait_until(locked_kb() == 0));
	EXPECT_TRUE(pattern_is(self->area, AREA, 2));
}

/* Other than a buffer registered in the usual way. With an IOMMU that can be seen. */
TEST_F(buffer, stays_mapped)
{
	struct ring_command command;
	char parameters[4096] = "";
	unsigned int i;
	struct trace trace;

	read_file("/proc/cmdline", parameters, sizeof(parameters));
	ASSERT_EQ(0, register_buffer(self, 1, self->area, AREA));
	ASSERT_EQ(0, mapped_replace(&self->ring, 2, self->other, AREA));
	ASSERT_EQ(0, trace_enable(UNMAPPED));
	ASSERT_EQ(0, trace_start(&trace));
	for (i = 0; i < 8; i++) {
		command = io(self, IO_READ, 1, i * PAGE, PAGE);
		ASSERT_EQ(0, ring_run(&self->ring, &command, NULL));
	}
	EXPECT_EQ(0, trace_count(&trace, UNMAPPED));
	for (i = 0; i < 8; i++) {
		command = io(self, IO_READ, 2, (uintptr_t)self->other + i * PAGE, PAGE);
		ASSERT_EQ(0, ring_run(&self->ring, &command, NULL));
	}
	EXPECT_EQ(!!strstr(parameters, "intel_iommu=on"), trace_count(&trace, UNMAPPED) >= 8);
}

TEST_F(buffer, mistakes)
{
	unsigned char *read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ring_command command = mapped_registration(self->nodes.ns, 1, self->area, PAGE);

	command.uring_flags = 0;
	EXPECT_EQ(-EINVAL, ring_run(&self->ring, &command, NULL));
	command.uring_flags = IORING_URING_CMD_FIXED;
	command.sqe_flags = IOSQE_ASYNC;
	EXPECT_EQ(-EOPNOTSUPP, ring_run(&self->ring, &command, NULL));
	EXPECT_EQ(-EINVAL, register_buffer(self, SLOTS, self->area, PAGE));
	EXPECT_EQ(-EINVAL, register_buffer(self, 1, self->area, 0));
	EXPECT_EQ(-EINVAL, register_buffer(self, 1, self->area, (1ul << 30) + 1));
	EXPECT_EQ(-EFAULT, register_buffer(self, 1, bad_address(), PAGE));
	EXPECT_EQ(-EFAULT, register_buffer(self, 1, read_only, PAGE));
	EXPECT_EQ(-EFAULT, register_buffer(self, 1, NULL, PAGE));
	EXPECT_EQ(0, locked_kb());

	/* Nothing is there. */
	command = io(self, IO_READ, 1, 0, BLOCK);
	EXPECT_EQ(-EFAULT, ring_run(&self->ring, &command, NULL));

	ASSERT_EQ(0, register_buffer(self, 1, self->area, 2 * PAGE));
	EXPECT_EQ(-EBUSY, register_buffer(self, 1, self->area, PAGE));
	EXPECT_EQ(8, locked_kb());
	command = io(self, IO_READ, 1, 2 * PAGE - BLOCK, BLOCK);
	EXPECT_EQ(0, ring_run(&self->ring, &command, NULL));
	command = io(self, IO_READ, 1, 2 * PAGE - BLOCK + 4, BLOCK);
	EXPECT_EQ(-EFAULT, ring_run(&self->ring, &command, NULL));
	/* The command transfers less, but the buffer is not so long. */
	command = io(self, IO_READ, 1, PAGE, BLOCK);
	command.command.data_len = PAGE + 4;
	EXPECT_EQ(-EFAULT, ring_run(&self->ring, &command, NULL));
	command.command.data_len = PAGE;
	EXPECT_EQ(0, ring_run(&self->ring, &command, NULL));
	command = io(self, IO_READ, 1, -4ul, BLOCK);
	EXPECT_EQ(-EFAULT, ring_run(&self->ring, &command, NULL));
	munmap(read_only, PAGE);
}

TEST_F(buffer, as_much_as_the_process_may_lock)
{
	struct rlimit before, limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_MEMLOCK, &before));
	ASSERT_EQ(0, node_permit(self->nodes.path, 0666));
	limit = (struct rlimit){ 4 * PAGE, before.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	/* The thread of the ring keeps the rights of who made it. */
	if (!(variant->flags & IORING_SETUP_SQPOLL)) {
		ASSERT_EQ(0, become_nobody());
		EXPECT_EQ(-ENOMEM, register_buffer(self, 1, self->area, 5 * PAGE));
		/* Five pages, by where it begins. */
		EXPECT_EQ(-ENOMEM, register_buffer(self, 1, self->area + 4, 4 * PAGE));
		EXPECT_EQ(0, locked_kb());
		EXPECT_EQ(0, register_buffer(self, 1, self->area, 4 * PAGE));
		EXPECT_EQ(16, locked_kb());
		EXPECT_EQ(-ENOMEM, register_buffer(self, 2, self->area, PAGE));
		ASSERT_EQ(0, become_root());
	}
	/* The administrator may. */
	EXPECT_EQ(0, register_buffer(self, 3, self->area, 5 * PAGE));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &before));
	ASSERT_EQ(0, node_permit(self->nodes.path, 0600));
}

static unsigned int send_reads(struct __test_metadata *_metadata, FIXTURE_DATA(buffer) *self)
{
	struct ring_command command;
	unsigned int i;

	for (i = 0; i < ENTRIES / 2; i++) {
		command = io(self, IO_READ, 1, i * 4 * PAGE, BLOCK);
		command.tag = i;
		if (ring_push(&self->ring, &command))
			break;
	}
	EXPECT_EQ((int)i, ring_submit(&self->ring));
	return i;
}

TEST_F(buffer, unregistered_under_commands)
{
	struct ring_command command;
	struct ring_answer answer;
	unsigned int i, count, round;

	pattern_fill(self->other, BLOCK, 5);
	ASSERT_EQ(0, blocks_write(&self->nodes, FIRST_BLOCK, 1, self->other, BLOCK));
	for (round = 0; round < 8; round++) {
		memset(self->area, 0, AREA);
		ASSERT_EQ(0, register_buffer(self, 1, self->area, AREA));
		count = send_reads(_metadata, self);
		ASSERT_EQ(0, mapped_replace(&self->ring, 1, NULL, 0));
		for (i = 0; i < count; i++) {
			ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
			/* The ring's own thread may come too late. */
			if (variant->flags & IORING_SETUP_SQPOLL && answer.res == -EFAULT)
				continue;
			EXPECT_EQ(0, answer.res);
			EXPECT_TRUE(pattern_is(self->area + answer.tag * 4 * PAGE, BLOCK, 5));
		}
		EXPECT_TRUE(wait_until(locked_kb() == 0));
		command = io(self, IO_READ, 1, 0, BLOCK);
		EXPECT_EQ(-EFAULT, ring_run(&self->ring, &command, NULL));
	}
}

TEST_F(buffer, keeps_the_module_until_the_ring_ends)
{
	int others;

	ASSERT_EQ(0, register_buffer(self, 1, self->area, AREA));
	/* With reads under way. */
	send_reads(_metadata, self);
	others = module_users();
	close(self->nodes.ns);
	usleep(QUIET_MS * 1000);
	EXPECT_EQ(others, module_users());
	ring_close(&self->ring);
	EXPECT_TRUE(wait_until(module_users() < others));
	EXPECT_TRUE(wait_until(locked_kb() == 0));
	passthru_close(&self->nodes);

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->flags));
}

TEST_F(buffer, outlives_resets_but_not_the_controller)
{
	struct controller *controller = &self->nodes.controller;
	struct ring_command command = io(self, IO_READ, 1, 0, BLOCK);

	ASSERT_EQ(0, register_buffer(self, 1, self->area, AREA));
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	EXPECT_EQ(0, ring_run(&self->ring, &command, NULL));

	send_reads(_metadata, self);
	ASSERT_EQ(0, controller_unbind(controller));
	EXPECT_EQ(AREA / 1024, locked_kb());
	ring_close(&self->ring);
	EXPECT_TRUE(wait_until(locked_kb() == 0));
	passthru_close(&self->nodes);

	ASSERT_EQ(0, controller_bind(controller));
	ASSERT_TRUE(wait_until(passthru_open(&self->nodes, 1) == 0));
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->flags));
	ASSERT_EQ(0, mapped_table(&self->ring, SLOTS));
	ASSERT_EQ(0, register_buffer(self, 1, self->area, AREA));
	command.fd = self->nodes.ns;
	EXPECT_EQ(0, ring_run(&self->ring, &command, NULL));
}

/* By what it is, not by which file it came through. */
TEST_F(buffer, serves_the_other_node)
{
	struct ring_command command = {
		.fd = self->nodes.ctrl,
		.operation = NVME_URING_CMD_ADMIN,
		.uring_flags = IORING_URING_CMD_FIXED,
		.buffer = 1,
		.command = {
			.opcode = ADMIN_IDENTIFY, .nsid = 1, .addr = 3 * PAGE + 8,
			.data_len = IDENTIFY_BYTES,
		},
	};
	struct nvme_passthru_cmd64 reference = {
		.opcode = ADMIN_IDENTIFY, .nsid = 1, DATA(self->other, IDENTIFY_BYTES),
	};

	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &reference));
	ASSERT_EQ(0, register_buffer(self, 1, self->area, AREA));
	ASSERT_EQ(0, ring_run(&self->ring, &command, NULL));
	EXPECT_EQ(0, memcmp(self->other, self->area + 3 * PAGE + 8, IDENTIFY_BYTES));
}

TEST_HARNESS_MAIN
