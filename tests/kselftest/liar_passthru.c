// SPDX-License-Identifier: GPL-2.0-only
/* Commands of processes for which the controller outside of QEMU is needed: of a vendor. */
#include "kselftest_harness.h"

#include "lib/liar.h"
#include "lib/mapped.h"
#include "lib/plain.h"
#include "lib/util.h"

#define PAGE 4096
#define AREA (4 * PAGE)
#define ENTRIES 4
#define SLOTS 2
#define SLOT 1

/* Its opcode says that it transfers nothing, but it returns so many bytes as dword 10 says, each of them this one. */
#define VENDOR 0xe0
#define VENDOR_BYTES 512
#define VENDOR_BYTE 0xe1

FIXTURE(passthru)
{
	struct liar liar;
	struct passthru nodes;
	struct ring ring;
	unsigned char *area;
};

FIXTURE_SETUP(passthru)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->area = pages_new(AREA, 0xee);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, RING_WIDE));
	ASSERT_EQ(0, mapped_table(&self->ring, SLOTS));
	ASSERT_EQ(0, mapped_replace(&self->ring, SLOT, self->area, AREA));
}

FIXTURE_TEARDOWN(passthru)
{
	ring_close(&self->ring);
	pages_free(self->area, AREA);
	passthru_close(&self->nodes);
	EXPECT_EQ(0, liar_end(&self->liar));
}

#define VENDOR_COMMAND(...) {							\
	.opcode = VENDOR, .cdw10 = VENDOR_BYTES, DATA(self->area + 64, VENDOR_BYTES), __VA_ARGS__ }

static void expect_data(struct __test_metadata *_metadata, FIXTURE_DATA(passthru) *self)
{
	EXPECT_TRUE(memory_is(self->area, 64, 0xee));
	EXPECT_TRUE(memory_is(self->area + 64, VENDOR_BYTES, VENDOR_BYTE));
	EXPECT_TRUE(memory_is(self->area + 64 + VENDOR_BYTES, AREA - 64 - VENDOR_BYTES, 0xee));
	memset(self->area, 0xee, AREA);
}

TEST_F(passthru, data_of_a_command_of_a_vendor_whatever_its_opcode_says)
{
	struct nvme_passthru_cmd64 command = VENDOR_COMMAND();
	struct ring_command entry = {
		.fd = self->nodes.ctrl, .operation = NVME_URING_CMD_ADMIN, .buffer = SLOT,
		.command = VENDOR_COMMAND(),
	};

	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &command));
	expect_data(_metadata, self);
	ASSERT_EQ(0, ring_run(&self->ring, &entry, NULL));
	expect_data(_metadata, self);
	ASSERT_EQ(0, plain_push_inline(&self->ring, &entry, NULL));
	EXPECT_EQ(0, ring_finish(&self->ring, NULL));
	expect_data(_metadata, self);
	entry.uring_flags = IORING_URING_CMD_FIXED;
	ASSERT_EQ(0, ring_run(&self->ring, &entry, NULL));
	expect_data(_metadata, self);
	/* Without any there is none to come. */
	command = (struct nvme_passthru_cmd64){ .opcode = VENDOR };
	EXPECT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &command));
	EXPECT_EQ(5, liar_answer(&self->liar, QUESTION_ADMIN_COMMANDS + VENDOR));
}

TEST_HARNESS_MAIN
