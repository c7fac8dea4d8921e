// SPDX-License-Identifier: GPL-2.0-only
/* Commands in an envelope by io_uring: on rings of all kinds the ring's command does what the ioctl does. */
#include "kselftest_harness.h"

#include "lib/envelope.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE IDENTIFY_BYTES
#define BLOCK 512
#define UNTOUCHED 0x5a
#define DEPTH 16
#define LOG(page, bytes) ((page) | 1u << 15 | ((bytes) / 4 - 1) << 16)
#define IO_COMMAND "pci_nvme_io_cmd *"

FIXTURE(rings)
{
	struct passthru nodes;
	struct trace trace;
	struct envelope envelopes[2];
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
	unsigned int i;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	for (i = 0; i < ARRAY_LENGTH(self->envelopes); i++)
		self->envelopes[i] = envelope_new(PAGE);
	ASSERT_EQ(0, ring_open(&self->ring, DEPTH, variant->flags));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(rings)
{
	unsigned int i;

	ring_close(&self->ring);
	for (i = 0; i < ARRAY_LENGTH(self->envelopes); i++)
		envelope_free(&self->envelopes[i]);
	passthru_close(&self->nodes);
}

#define CALL(fd, ...) ({								\
	*self->envelopes[0].call = (struct nvme_call){ .size = CALL_BYTES, __VA_ARGS__ };	\
	envelope_run(&self->ring, fd, self->envelopes[0].call, variant->sqe_flags);		\
})

TEST_F(rings, move_data)
{
	const struct nvme_call *call = self->envelopes[0].call;

	pattern_fill(self->envelopes[0].payload, PAGE, 6);
	ASSERT_EQ(0, CALL(self->nodes.ns, .family = NVME_CALL_IO, .command = IO_WRITE, .nsid = 1,
			  .cdw12 = 7, .size_in = PAGE));
	EXPECT_EQ(0, call->status);
	memset(self->envelopes[0].payload, 0, PAGE);
	ASSERT_EQ(0, CALL(self->nodes.ns, .family = NVME_CALL_IO, .command = IO_READ, .nsid = 1,
			  .cdw12 = 7, .size_out = PAGE));
	EXPECT_TRUE(pattern_is(self->envelopes[0].payload, PAGE, 6));
	EXPECT_EQ(2, trace_count(&self->trace, IO_COMMAND));
}

static const struct nvme_call likes[] = {
	{ .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = PAGE },
	{ .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = 100, .flags = NVME_CALL_TRUNCATE },
	{ .command = ADMIN_IDENTIFY, .cdw10 = 1, .size_out = 100 },
	{ .command = ADMIN_IDENTIFY, .cdw10 = 1, .flags = NVME_CALL_TRUNCATE },
	{ .command = ADMIN_IDENTIFY, .nsid = 77, .size_out = PAGE },
	{ .command = ADMIN_GET_LOG_PAGE, .nsid = ~0u, .cdw10 = LOG(0x01, 64), .size_out = 64 },
	{ .command = ADMIN_GET_LOG_PAGE, .nsid = ~0u, .cdw10 = LOG(0x02, PAGE), .cdw12 = 100,
	  .size_out = PAGE },
	{ .command = ADMIN_GET_LOG_PAGE, .cdw10 = LOG(0xfe, 64), .size_out = 64 },
	{ .command = ADMIN_GET_FEATURES, .cdw10 = 7 },
	{ .command = ADMIN_ABORT, .cdw10 = 0xfffe0001 },
	{ .command = ADMIN_EVENT_REQUEST },
	{ .command = 0xc3, .size_in = 100, .size_out = 200 },
	{ .command = 0xc0 },
	{ .family = NVME_CALL_IO, .nsid = 1, .command = IO_READ, .cdw12 = 7, .size_out = PAGE },
	{ .family = NVME_CALL_IO, .nsid = 1, .command = IO_READ, .cdw12 = 6, .size_out = PAGE - 1 },
	{ .family = NVME_CALL_IO, .nsid = 1, .command = IO_READ, .cdw12 = 7, .size_out = PAGE - 1 },
	{ .family = NVME_CALL_IO, .nsid = 1, .command = IO_READ, .cdw10 = ~0xfu, .size_out = BLOCK },
	{ .family = NVME_CALL_IO, .nsid = 1, .command = IO_COMPARE, .size_in = BLOCK },
	{ .family = NVME_CALL_IO, .nsid = 1, .command = IO_FLUSH },
	{ .family = NVME_CALL_IO, .nsid = 2, .command = IO_FLUSH },
	{ .family = 2, .command = ADMIN_GET_FEATURES, .cdw10 = 7 },
};

TEST_F_TIMEOUT(rings, give_what_the_ioctl_gives, 60)
{
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(likes); i++) {
		int ends[2], side;

		for (side = 0; side < 2; side++) {
			struct envelope *envelope = &self->envelopes[side];

			memset(envelope->payload, UNTOUCHED, PAGE);
			*envelope->call = likes[i];
			envelope->call->size = CALL_BYTES;
			ends[side] = side ? envelope_run(&self->ring, self->nodes.ns, envelope->call,
							 variant->sqe_flags) :
					    envelope_call(self->nodes.ns, envelope->call);
			/* The place in the queue, and the command's number. */
			envelope->call->completion[2] &= 0xffff0000;
			envelope->call->completion[3] &= 0xfffe0000;
			if (likes[i].family == NVME_CALL_IO)
				envelope->call->completion[2] = 0;
		}
		EXPECT_EQ(ends[0], ends[1]) {
			TH_LOG("command %u", i);
		}
		EXPECT_EQ(0, memcmp(self->envelopes[0].call, self->envelopes[1].call, CALL_BYTES + PAGE)) {
			TH_LOG("command %u", i);
		}
	}
	EXPECT_TRUE(variant->sqe_flags || ring_workers() == 0);
}

TEST_F_TIMEOUT(rings, have_payloads_up_to_what_the_controller_takes, 60)
{
	int limit = transfer_limit(&self->nodes);
	const unsigned int sizes[] = { BLOCK, PAGE, PAGE + BLOCK, 3 * PAGE, limit - BLOCK, limit };
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(sizes); i++) {
		struct envelope in, out;

		envelope_write_and_read(&in, &out, 8 * DEPTH, sizes[i], i + 1, i);
		ASSERT_EQ(0, envelope_run(&self->ring, self->nodes.ns, in.call, variant->sqe_flags));
		EXPECT_EQ(0, in.call->status);
		ASSERT_EQ(0, envelope_run(&self->ring, self->nodes.ns, out.call, variant->sqe_flags));
		EXPECT_EQ(0, out.call->status);
		EXPECT_EQ(sizes[i], out.call->fw_size);
		EXPECT_TRUE(pattern_is(out.payload, sizes[i], i + 1));
		envelope_free(&in);
		envelope_free(&out);
	}
}

/* What the driver has to do something about needs somebody who may wait. */
TEST_F_TIMEOUT(rings, that_concern_the_driver_are_sent_by_workers, 60)
{
	struct nvme_call *call = self->envelopes[0].call;
	__u32 events;

	*call = (struct nvme_call){ .size = CALL_BYTES, .command = ADMIN_GET_FEATURES, .cdw10 = 0x0b };
	ASSERT_EQ(0, envelope_run(&self->ring, self->nodes.ctrl, call, variant->sqe_flags));
	EXPECT_EQ(0, call->status);
	events = call->result;
	*call = (struct nvme_call){ .size = CALL_BYTES, .command = ADMIN_SET_FEATURES, .cdw10 = 0x0b,
				    .cdw11 = events };
	ASSERT_EQ(0, envelope_run(&self->ring, self->nodes.ctrl, call, variant->sqe_flags));
	EXPECT_EQ(0, call->status);
	EXPECT_LT(0, ring_workers());
}

TEST_F(rings, refuse_what_the_ioctl_refuses)
{
	EXPECT_EQ(-EINVAL, CALL(self->nodes.ns, .command = ADMIN_IDENTIFY, .flags = 1u << 7));
	EXPECT_EQ(-EACCES, CALL(self->nodes.ns, .command = ADMIN_EVENT_REQUEST));
	EXPECT_EQ(-EFAULT, envelope_run(&self->ring, self->nodes.ns, bad_address(), variant->sqe_flags));
}

TEST_F(rings, what_is_reserved_is_zero)
{
	struct nvme_call_uring address = { .addr = (uintptr_t)self->envelopes[0].call, .reserved = 1 };
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
