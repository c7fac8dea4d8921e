// SPDX-License-Identifier: GPL-2.0-only
/* Who may send what in an envelope: what may be sent by the other ioctls, and that is seen to first. */
#include "kselftest_harness.h"

#include "lib/envelope.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define COMMAND "pci_nvme_*_cmd *"

/* Either kind of node, open in any way, by nobody. */
FIXTURE(rights)
{
	struct passthru nodes;	/* opened by root */
	struct trace trace;
	struct envelope envelope;
	const char *path;
	int fd;
};

FIXTURE_VARIANT(rights)
{
	bool ns;
	unsigned int mode;
	int flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(rights, name) { __VA_ARGS__ }

KIND(reading_controller, .ns = false, .mode = NODE_READABLE, .flags = O_RDONLY);
KIND(writing_controller, .ns = false, .mode = NODE_WRITABLE, .flags = O_RDWR);
KIND(reading_namespace, .ns = true, .mode = NODE_READABLE, .flags = O_RDONLY);
KIND(writing_namespace, .ns = true, .mode = NODE_WRITABLE, .flags = O_RDWR);

FIXTURE_SETUP(rights)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->envelope = envelope_new(PAGE);
	self->path = variant->ns ? self->nodes.path : self->nodes.controller.path;
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	self->fd = node_open_as_nobody(self->path, variant->mode, variant->flags);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(rights)
{
	close(self->fd);
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->path, NODE_FOR_ROOT));
	envelope_free(&self->envelope);
	passthru_close(&self->nodes);
}

/* With as much data as most commands take, in the direction of the opcode. */
#define CALL(family_, opcode, ...) ({							\
	*self->envelope.call = (struct nvme_call){					\
		.size = CALL_BYTES, .family = family_, .command = opcode, .nsid = 1,	\
		.size_in = (opcode) & 1 ? PAGE : 0,					\
		.size_out = ((opcode) & 3) == 2 ? PAGE : 0, __VA_ARGS__			\
	};										\
	memset(self->envelope.payload, 0, PAGE);					\
	envelope_call(self->fd, self->envelope.call);					\
})

TEST_F(rights, identify_of_five_kinds_and_no_other_admin_command)
{
	unsigned int cns, opcode, feature;

	for (cns = 0; cns < 0x100; cns++) {
		bool allowed = cns == 0 || cns == 1 || cns == 5 || cns == 6 || cns == 8;

		EXPECT_EQ(allowed ? 0 : -EACCES, CALL(NVME_CALL_ADMIN, ADMIN_IDENTIFY, .cdw10 = cns)) {
			TH_LOG("CNS %#x", cns);
		}
	}
	for (opcode = 0; opcode < 0x100; opcode++) {
		if (opcode == ADMIN_IDENTIFY)
			continue;
		EXPECT_EQ(-EACCES, CALL(NVME_CALL_ADMIN, opcode, .cdw10 = 2 | 127 << 16)) {
			TH_LOG("opcode %#x", opcode);
		}
	}
	for (feature = 0; feature < 0x100; feature++) {
		EXPECT_EQ(-EACCES, CALL(NVME_CALL_ADMIN, ADMIN_GET_FEATURES, .cdw10 = feature));
		EXPECT_EQ(-EACCES, CALL(NVME_CALL_ADMIN, ADMIN_SET_FEATURES, .cdw10 = feature));
	}
	EXPECT_EQ(5, trace_count(&self->trace, COMMAND));
}

TEST_F(rights, of_blocks_as_the_file_is_open)
{
	static const unsigned char changing[] = {
		IO_WRITE, IO_COMPARE, IO_WRITE_ZEROES, IO_DATASET_MANAGEMENT, IO_FLUSH,
	};
	/* What the controller does not say it supports might have any effect. */
	static const unsigned char unknown[] = { 0x04, 0x3e, 0x3f, 0x7f, 0x80, 0x81, 0xc0, 0xff };
	bool reads = variant->ns, writes = reads && variant->flags == O_RDWR;
	unsigned int i;

	EXPECT_EQ(reads ? 0 : -EACCES, CALL(NVME_CALL_IO, IO_READ));
	for (i = 0; i < ARRAY_LENGTH(changing); i++) {
		EXPECT_EQ(writes ? 0 : -EACCES, CALL(NVME_CALL_IO, changing[i])) {
			TH_LOG("opcode %#x", changing[i]);
		}
	}
	for (i = 0; i < ARRAY_LENGTH(unknown); i++) {
		EXPECT_EQ(-EACCES, CALL(NVME_CALL_IO, unknown[i])) {
			TH_LOG("opcode %#x", unknown[i]);
		}
	}
	EXPECT_EQ(reads + writes * (int)ARRAY_LENGTH(changing), trace_count(&self->trace, COMMAND));
}

/* Every opcode of both families gets the same answer as by the other ioctls. */
TEST_F(rights, are_those_of_the_other_ioctls)
{
	unsigned int opcode;

	for (opcode = 0; opcode < 0x200; opcode++) {
		struct nvme_passthru_cmd64 command = {
			.opcode = opcode, .nsid = 1, DATA(self->envelope.payload, opcode & 3 ? PAGE : 0),
		};
		bool io = opcode >= 0x100;
		int other;

		if (io && !variant->ns)
			break;
		other = passthru(self->fd, io ? NVME_IOCTL_IO64_CMD : NVME_IOCTL_ADMIN64_CMD, &command);
		EXPECT_EQ(other == -EACCES, CALL(io, opcode & 0xff) == -EACCES) {
			TH_LOG("opcode %#x", opcode);
		}
	}
}

/* The payload is not looked at before: here it could not even be read. */
TEST_F(rights, are_seen_to_before_the_payload_is_read)
{
	const struct nvme_call forbidden = {
		.size = CALL_BYTES, .command = 0x11, .nsid = 0, .cdw10 = PAGE / 4, .size_in = PAGE + 4,
	};

	*self->envelope.call = forbidden;
	EXPECT_EQ(-EACCES, envelope_call(self->fd, self->envelope.call));
	self->envelope.call->size_in = ~0u;
	EXPECT_EQ(-EACCES, envelope_call(self->fd, self->envelope.call));
	/* What is wrong with the struct itself comes first. */
	self->envelope.call->flags = 1u << 31;
	EXPECT_EQ(-EINVAL, envelope_call(self->fd, self->envelope.call));
	*self->envelope.call = forbidden;
	ASSERT_EQ(0, become_root());
	EXPECT_EQ(-EFAULT, envelope_call(self->fd, self->envelope.call));
	self->envelope.call->size_in = ~0u;
	EXPECT_EQ(-EINVAL, envelope_call(self->fd, self->envelope.call));
	EXPECT_EQ(0, trace_count(&self->trace, COMMAND));
}

/* It is the caller who counts, not who opened the file. */
TEST_F(rights, are_those_of_the_caller)
{
	int roots = variant->ns ? self->nodes.ns : self->nodes.ctrl;

	*self->envelope.call = (struct nvme_call){
		.size = CALL_BYTES, .command = ADMIN_GET_FEATURES, .cdw10 = 7,
	};
	EXPECT_EQ(-EACCES, envelope_call(roots, self->envelope.call));
	ASSERT_EQ(0, become_root());
	EXPECT_EQ(0, envelope_call(self->fd, self->envelope.call));
	EXPECT_EQ(0, self->envelope.call->status);
}

TEST_HARNESS_MAIN
