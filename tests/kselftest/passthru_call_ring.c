// SPDX-License-Identifier: GPL-2.0-only
/* Commands in an envelope by io_uring: on rings of all kinds the ring's command does what the ioctl does. */
#include "kselftest_harness.h"

#include "lib/envelope.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define DEPTH 16
#define IO_COMMAND "pci_nvme_io_cmd *"

FIXTURE(rings)
{
	struct passthru nodes;
	struct trace trace;
	struct envelope envelope;
	struct ring ring;
};

FIXTURE_VARIANT(rings)
{
	unsigned int flags;
	unsigned int sqe_flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(rings, name) { __VA_ARGS__ }

KIND(plain, .flags = 0);
KIND(wide, .flags = RING_WIDE);
KIND(by_workers, .flags = 0, .sqe_flags = IOSQE_ASYNC);
KIND(sqpoll, .flags = IORING_SETUP_SQPOLL);
KIND(deferred, .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

FIXTURE_SETUP(rings)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->envelope = envelope_new(4096);
	ASSERT_EQ(0, ring_open(&self->ring, DEPTH, variant->flags));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(rings)
{
	ring_close(&self->ring);
	envelope_free(&self->envelope);
	passthru_close(&self->nodes);
}

#define CALL(fd, ...) ({								\
	*self->envelope.call = (struct nvme_call){ .size = CALL_BYTES, __VA_ARGS__ };	\
	envelope_run(&self->ring, fd, self->envelope.call, variant->sqe_flags);		\
})

TEST_F(rings, do_what_the_ioctl_does)
{
	const struct nvme_call *call = self->envelope.call;
	unsigned char whole[IDENTIFY_BYTES];

	ASSERT_EQ(0, CALL(self->nodes.ctrl, .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = 4096));
	EXPECT_EQ(0, call->status);
	EXPECT_EQ(4096, call->fw_size);
	memcpy(whole, self->envelope.payload, IDENTIFY_BYTES);
	ASSERT_EQ(0, envelope_call(self->nodes.ctrl, self->envelope.call));
	EXPECT_EQ(0, memcmp(whole, self->envelope.payload, IDENTIFY_BYTES));

	pattern_fill(self->envelope.payload, 4096, 6);
	ASSERT_EQ(0, CALL(self->nodes.ns, .family = NVME_CALL_IO, .command = IO_WRITE, .nsid = 1,
			  .cdw12 = 7, .size_in = 4096));
	EXPECT_EQ(0, call->status);
	memset(self->envelope.payload, 0, 4096);
	ASSERT_EQ(0, CALL(self->nodes.ns, .family = NVME_CALL_IO, .command = IO_READ, .nsid = 1,
			  .cdw12 = 7, .size_out = 4096));
	EXPECT_TRUE(pattern_is(self->envelope.payload, 4096, 6));
	EXPECT_EQ(2, trace_count(&self->trace, IO_COMMAND));

	ASSERT_EQ(0, CALL(self->nodes.ns, .family = NVME_CALL_IO, .command = IO_READ, .nsid = 1,
			  .cdw10 = 0xfffffff0, .size_out = BLOCK));
	EXPECT_EQ(STATUS_LBA_OUT_OF_RANGE, call->status);
	EXPECT_EQ(-EINVAL, CALL(self->nodes.ns, .command = ADMIN_IDENTIFY, .flags = 1u << 7));
	EXPECT_EQ(-EACCES, CALL(self->nodes.ns, .command = ADMIN_EVENT_REQUEST));
	EXPECT_EQ(-EFAULT, envelope_run(&self->ring, self->nodes.ns, bad_address(), variant->sqe_flags));
}

TEST_F(rings, what_is_reserved_is_zero)
{
	struct nvme_call_uring address = { .addr = (uintptr_t)self->envelope.call, .reserved = 1 };
	struct ring_command command = {
		.fd = self->nodes.ns, .operation = NVME_URING_CMD_CALL, .sqe_flags = variant->sqe_flags,
	};

	memcpy(&command.command, &address, sizeof(address));
	EXPECT_EQ(-EINVAL, ring_run(&self->ring, &command, NULL));
}

TEST(no_ring_that_polls)
{
	struct envelope envelope = envelope_new(0);
	struct passthru nodes;
	struct ring ring;

	ASSERT_EQ(0, passthru_open(&nodes, 1));
	ASSERT_EQ(0, ring_open(&ring, DEPTH, RING_WIDE | IORING_SETUP_IOPOLL));
	envelope.call->command = ADMIN_GET_FEATURES;
	envelope.call->cdw10 = 7;
	EXPECT_EQ(-EOPNOTSUPP, envelope_run(&ring, nodes.ctrl, envelope.call, 0));
	ring_close(&ring);
	passthru_close(&nodes);
	envelope_free(&envelope);
}

TEST_HARNESS_MAIN
