// SPDX-License-Identifier: GPL-2.0-only
/* A zoned namespace: commands of another command set, with results of 64 bits. */
#include "kselftest_harness.h"

#include "lib/passthru.h"
#include "lib/util.h"

#define BLOCK 512
#define ZONE ((4u << 20) / BLOCK)
#define ZONES 16

#define RESET_ZONE 4
#define REPORT_BYTES (64 + ZONES * 64)
#define CSI_ZONED 2

FIXTURE(zoned)
{
	struct passthru nodes;
	unsigned char *memory;	/* two pages */
};

#define EXECUTE(...) ({								\
	struct nvme_passthru_cmd64 command_ = { .nsid = 1, __VA_ARGS__ };	\
	passthru(self->nodes.ns, NVME_IOCTL_IO64_CMD, &command_);		\
})

FIXTURE_SETUP(zoned)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->memory = pages_new(2 * 4096, 0);
	/* All zones. */
	ASSERT_EQ(0, EXECUTE(.opcode = IO_ZONE_SEND, .cdw13 = RESET_ZONE | 1 << 8));
}

FIXTURE_TEARDOWN(zoned)
{
	pages_free(self->memory, 2 * 4096);
	passthru_close(&self->nodes);
}

TEST_F(zoned, appended_data_is_where_the_result_says)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct nvme_passthru_cmd64 append = {
			.opcode = IO_ZONE_APPEND, .nsid = 1, BLOCKS(5 * ZONE, 8), .result = ~0ull,
			DATA(self->memory, 4096),
		};

		pattern_fill(self->memory, 4096, i);
		ASSERT_EQ(0, passthru(self->nodes.ns, NVME_IOCTL_IO64_CMD, &append));
		EXPECT_EQ(5 * ZONE + 8 * i, append.result);
		memset(self->memory, 0, 4096);
		ASSERT_EQ(0, blocks_read(&self->nodes, append.result, 8, self->memory, 4096));
		EXPECT_TRUE(pattern_is(self->memory, 4096, i));
	}
	/* A write has to go where the zone ends so far. */
	EXPECT_LT(0, blocks_write(&self->nodes, 5 * ZONE, 8, self->memory, 4096));
	EXPECT_EQ(0, blocks_write(&self->nodes, 5 * ZONE + 24, 8, self->memory, 4096));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = IO_ZONE_APPEND, BLOCKS(5 * ZONE, 8),
				   DATA(self->memory, 4092)));
}

TEST_F(zoned, zones_are_reported)
{
	ASSERT_EQ(0, EXECUTE(.opcode = IO_ZONE_RECEIVE, .cdw12 = REPORT_BYTES / 4 - 1,
			     DATA(self->memory, REPORT_BYTES)));
	EXPECT_EQ(ZONES, *(__u64 *)self->memory);
	EXPECT_TRUE(memory_is(self->memory + REPORT_BYTES, 4096, 0));
	/* The third descriptor: its capacity and first block. */
	EXPECT_EQ((3 << 20) / BLOCK, *(__u64 *)(self->memory + 64 + 2 * 64 + 8));
	EXPECT_EQ(2 * ZONE, *(__u64 *)(self->memory + 64 + 2 * 64 + 16));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = IO_ZONE_RECEIVE, .cdw12 = REPORT_BYTES / 4 - 1,
				   DATA(self->memory, REPORT_BYTES - 4)));
}

/* The identify data of the command set, which needs its number. */
TEST_F(zoned, identify_as_the_command_set_sees_it)
{
	struct nvme_passthru_cmd64 identify = {
		.opcode = ADMIN_IDENTIFY, .nsid = 1, .cdw10 = 5, .cdw11 = CSI_ZONED << 24,
		DATA(self->memory, IDENTIFY_BYTES),
	};

	ASSERT_EQ(0, passthru(self->nodes.ns, NVME_IOCTL_ADMIN64_CMD, &identify));
	EXPECT_EQ(ZONE, *(__u64 *)(self->memory + 2816));
}

/* Which opcodes nobody may send is looked up for this command set. */
TEST_F(zoned, nobody_appends_only_where_he_may_write)
{
	struct nvme_passthru_cmd64 append = {
		.opcode = IO_ZONE_APPEND, .nsid = 1, BLOCKS(ZONE, 1), DATA(self->memory, BLOCK),
	};
	struct nvme_passthru_cmd64 report = {
		.opcode = IO_ZONE_RECEIVE, .nsid = 1, .cdw12 = 15, DATA(self->memory, 64),
	};
	int reader, writer;

	ASSERT_EQ(0, node_permit(self->nodes.path, 0666));
	ASSERT_EQ(0, become_nobody());
	reader = open(self->nodes.path, O_RDONLY);
	writer = open(self->nodes.path, O_RDWR);
	EXPECT_EQ(-EACCES, passthru(reader, NVME_IOCTL_IO64_CMD, &append));
	EXPECT_EQ(0, passthru(writer, NVME_IOCTL_IO64_CMD, &append));
	EXPECT_EQ(0, passthru(reader, NVME_IOCTL_IO64_CMD, &report));
	ASSERT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->nodes.path, 0600));
	close(reader);
	close(writer);
}

TEST_HARNESS_MAIN
