// SPDX-License-Identifier: GPL-2.0-only
/* The oldest of the ioctls, SUBMIT_IO, which makes up the command by itself. */
#include "kselftest_harness.h"

#include "lib/passthru.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512

/*
 * On i386, where __u64 needs no alignment, the structure has no padding at its
 * end. The in-tree driver means to take that as well, but compiles it for no
 * kernel: it asks for a macro which has become a configuration option.
 */
#define SUBMIT_IO_44 _IOC(_IOC_WRITE, 'N', 0x42, 44)
#define SUBMIT_IO_48 _IOC(_IOC_WRITE, 'N', 0x42, 48)

FIXTURE(submit_io)
{
	struct passthru nodes;
	struct trace trace;
	unsigned char *memory;	/* two pages */
};

FIXTURE_VARIANT(submit_io)
{
	unsigned long request;
};

FIXTURE_VARIANT_ADD(submit_io, of_44_bytes)
{
	.request = SUBMIT_IO_44,
};

FIXTURE_VARIANT_ADD(submit_io, of_48_bytes)
{
	.request = SUBMIT_IO_48,
};

FIXTURE_SETUP(submit_io)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->memory = pages_new(2 * 4096, 0);
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(submit_io)
{
	pages_free(self->memory, 2 * 4096);
	passthru_close(&self->nodes);
}

/* Room for either size. */
union io {
	struct nvme_user_io io;
	char bytes[48];
};

#define SUBMIT(...) ({								\
	union io io_ = { .io = { __VA_ARGS__ } };				\
	passthru_ioctl(self->nodes.ns, variant->request, &io_);			\
})
#define AT(pointer) .addr = (uintptr_t)(pointer)

TEST_F(submit_io, what_was_written_is_read)
{
	pattern_fill(self->memory, 8 * BLOCK, 5);
	ASSERT_EQ(0, SUBMIT(.opcode = IO_WRITE, .slba = 30, .nblocks = 7, AT(self->memory)));
	EXPECT_EQ(0, SUBMIT(.opcode = IO_COMPARE, .slba = 30, .nblocks = 7, AT(self->memory)));
	memset(self->memory, 0x77, 2 * 4096);
	ASSERT_EQ(0, SUBMIT(.opcode = IO_READ, .slba = 30, .nblocks = 7, AT(self->memory + 4)));
	EXPECT_TRUE(pattern_is(self->memory + 4, 8 * BLOCK, 5));
	EXPECT_TRUE(memory_is(self->memory, 4, 0x77));
	EXPECT_TRUE(memory_is(self->memory + 4 + 8 * BLOCK, 4092, 0x77));
	EXPECT_EQ(STATUS_COMPARE_FAILURE, STATUS_CODE_MASK &
		  SUBMIT(.opcode = IO_COMPARE, .slba = 31, .nblocks = 6, AT(self->memory + 4)));
	EXPECT_EQ(STATUS_LBA_OUT_OF_RANGE,
		  SUBMIT(.opcode = IO_READ, .slba = 1ull << 40, AT(self->memory)));
}

TEST_F(submit_io, is_for_three_commands)
{
	unsigned int opcode, flag;

	for (opcode = 0; opcode < 0x100; opcode++) {
		if (opcode != IO_READ && opcode != IO_WRITE && opcode != IO_COMPARE)
			EXPECT_EQ(-EINVAL, SUBMIT(.opcode = opcode, AT(self->memory)));
	}
	for (flag = 1; flag < 0x100; flag <<= 1)
		EXPECT_EQ(-EINVAL, SUBMIT(.opcode = IO_READ, .flags = flag, AT(self->memory)));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_io_cmd *"));
}

TEST_F(submit_io, bad_pointers_fault)
{
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->nodes.ns, variant->request, bad_address()));
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->nodes.ns, variant->request, NULL));
	EXPECT_EQ(-EFAULT, SUBMIT(.opcode = IO_READ, AT(bad_address())));
	EXPECT_EQ(-EFAULT, SUBMIT(.opcode = IO_WRITE, AT(bad_address())));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_io_cmd *"));
}

/* More than any controller here takes at once. */
TEST_F(submit_io, is_bound_by_the_limit_of_transfers)
{
	const size_t bytes = 65536 * BLOCK;
	void *memory = pages_new(bytes, 0);

	EXPECT_EQ(-EINVAL, SUBMIT(.opcode = IO_READ, .nblocks = 0xffff, AT(memory)));
	EXPECT_EQ(-EINVAL, SUBMIT(.opcode = IO_WRITE, .nblocks = 0xffff, AT(memory)));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_io_cmd *"));
	pages_free(memory, bytes);
}

TEST_HARNESS_MAIN
