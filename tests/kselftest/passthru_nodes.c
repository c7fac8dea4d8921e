// SPDX-License-Identifier: GPL-2.0-only
/* Which ioctl is on which node, and the commands which not even root may send. */
#include "kselftest_harness.h"

#include <linux/fs.h>
#include <termios.h>

#include "lib/passthru.h"
#include "lib/trace.h"
#include "lib/util.h"

#define FEATURE_QUEUES		0x07
#define FEATURE_EVENTS		0x0b
#define FEATURE_POWER_STATES	0x0c
#define FEATURE_HOST_MEMORY	0x0d
#define FEATURE_KEEP_ALIVE	0x0f
#define FEATURE_HOST_BEHAVIOR	0x16
#define FEATURE_SAVE		(1u << 31)
#define NAMESPACE_NOTICES	(1u << 8)

#define EVENT_REQUEST "pci_nvme_admin_cmd * opc 0xc *"

FIXTURE(nodes)
{
	struct passthru nodes;
	struct trace trace;
	unsigned char *page;
};

FIXTURE_SETUP(nodes)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->page = pages_new(4096, 0);
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(nodes)
{
	pages_free(self->page, 4096);
	passthru_close(&self->nodes);
}

/* Clients tell the two kinds of nodes from each other by this. */
TEST_F(nodes, id_is_for_namespaces)
{
	char path[40];
	int other;

	errno = 0;
	EXPECT_EQ(1, ioctl(self->nodes.ns, NVME_IOCTL_ID));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(-1, ioctl(self->nodes.ctrl, NVME_IOCTL_ID));
	EXPECT_EQ(ENOTTY, errno);

	other = namespace_open(&self->nodes.controller, 2, path, sizeof(path));
	EXPECT_LE(0, other);
	EXPECT_EQ(2, ioctl(other, NVME_IOCTL_ID));
	close(other);
}

TEST_F(nodes, unknown_ioctls_are_not_for_these_devices)
{
	const unsigned long unknown[] = {
		_IO('N', 0x3f), _IO('N', 0x4a), _IO('N', 0x41), _IOW('N', 0x43, int),
		_IOWR('N', 0x41, struct nvme_passthru_cmd64), _IOWR('X', 0x41, struct nvme_passthru_cmd),
		_IOWR('N', 0x48, struct nvme_passthru_cmd), _IO('N', 0x9f), NVME_URING_CMD_IO,
		NVME_URING_CMD_ADMIN, TCGETS, BLKGETSIZE64, BLKRRPART,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(unknown); i++) {
		EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ctrl, unknown[i], self->page));
		EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ns, unknown[i], self->page));
	}
}

TEST_F(nodes, namespaces_do_not_take_what_is_for_controllers)
{
	EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ns, NVME_IOCTL_RESET, NULL));
	EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ns, NVME_IOCTL_SUBSYS_RESET, NULL));
	EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ns, NVME_IOCTL_RESCAN, NULL));
}

TEST_F(nodes, controllers_do_not_take_what_is_for_namespaces)
{
	struct nvme_passthru_cmd64 read = {
		.opcode = IO_READ, .nsid = 1, BLOCKS(0, 1), DATA(self->page, 512),
	};

	EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_IO64_CMD, &read));
	EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_IO64_CMD_VEC, &read));
	EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_SUBMIT_IO, self->page));
	/* This one guesses which namespace is meant, and there are two. */
	EXPECT_EQ(-EINVAL, passthru(self->nodes.ctrl, NVME_IOCTL_IO_CMD, &read));
}

TEST_F(nodes, rescan_and_reset)
{
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESCAN, NULL));
	EXPECT_EQ(1, ioctl(self->nodes.ns, NVME_IOCTL_ID));
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	/* Files stay good. */
	EXPECT_EQ(0, blocks_read(&self->nodes, 0, 1, self->page, 512));
	/* This controller has no register for it. */
	EXPECT_EQ(-ENOTTY, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_SUBSYS_RESET, NULL));
}

TEST_F(nodes, opening_for_writing_or_not_is_the_same_to_root)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_NONBLOCK, O_RDONLY | O_EXCL };
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(modes); i++) {
		struct nvme_passthru_cmd64 identify = {
			.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->page, 4096),
		};
		struct passthru again = self->nodes;

		again.ns = open(self->nodes.path, modes[i]);
		ASSERT_LE(0, again.ns);
		EXPECT_EQ(0, blocks_write(&again, 0, 1, self->page, 512));
		EXPECT_EQ(0, blocks_read(&again, 0, 1, self->page, 512));
		close(again.ns);

		again.ctrl = controller_open(&self->nodes.controller, modes[i]);
		ASSERT_LE(0, again.ctrl);
		EXPECT_EQ(0, passthru(again.ctrl, NVME_IOCTL_ADMIN_CMD, &identify));
		close(again.ctrl);
	}
}

static int admin(int fd, unsigned char opcode, __u32 cdw10, __u32 cdw11, void *page)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = opcode, .cdw10 = cdw10, .cdw11 = cdw11, DATA(page, page ? 4096 : 0),
	};

	return passthru(fd, NVME_IOCTL_ADMIN64_CMD, &command);
}

/* What would take the driver's own queues, doorbells or commands from it. */
TEST_F(nodes, commands_against_the_driver_are_refused_to_root)
{
	const int fds[] = { self->nodes.ctrl, self->nodes.ns };
	static const unsigned char opcodes[] = {
		ADMIN_DELETE_SQ, ADMIN_CREATE_SQ, ADMIN_DELETE_CQ, ADMIN_CREATE_CQ,
		ADMIN_EVENT_REQUEST, ADMIN_DOORBELL_BUFFER,
	};
	unsigned int f, i;

	for (f = 0; f < ARRAY_LENGTH(fds); f++) {
		for (i = 0; i < ARRAY_LENGTH(opcodes); i++) {
			EXPECT_EQ(-EACCES, admin(fds[f], opcodes[i], 0, 0, NULL));
			EXPECT_EQ(-EACCES, admin(fds[f], opcodes[i], 0x000f0001, 1, self->page));
		}
	}
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_admin_cmd *"));
}

/* Without its event requests the driver would hear of nothing any more. */
TEST_F(nodes, commands_of_the_driver_are_not_aborted)
{
	unsigned int ids[16];
	int count, i;

	/* So that the trace has those which are outstanding, and no others. */
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	count = trace_numbers(&self->trace, EVENT_REQUEST, "pci_nvme_admin_cmd cid %u", ids,
			      ARRAY_LENGTH(ids));
	ASSERT_LT(0, count);
	ASSERT_EQ(0, trace_start(&self->trace));
	for (i = 0; i < count; i++) {
		EXPECT_EQ(-EACCES, admin(self->nodes.ctrl, ADMIN_ABORT, ids[i] << 16, 0, NULL));
		EXPECT_EQ(-EACCES, admin(self->nodes.ns, ADMIN_ABORT, ids[i] << 16, 0, NULL));
	}
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_admin_cmd *"));
}

TEST_F(nodes, features_of_the_driver_are_refused_to_root)
{
	const int fds[] = { self->nodes.ctrl, self->nodes.ns };
	static const __u32 features[] = {
		FEATURE_QUEUES, FEATURE_POWER_STATES, FEATURE_HOST_MEMORY, FEATURE_KEEP_ALIVE,
		FEATURE_HOST_BEHAVIOR,
	};
	unsigned int f, i;

	for (f = 0; f < ARRAY_LENGTH(fds); f++) {
		for (i = 0; i < ARRAY_LENGTH(features); i++) {
			EXPECT_EQ(-EACCES, admin(fds[f], ADMIN_SET_FEATURES, features[i], 0, NULL));
			EXPECT_EQ(-EACCES, admin(fds[f], ADMIN_SET_FEATURES, features[i], 1,
						 self->page));
			EXPECT_EQ(-EACCES, admin(fds[f], ADMIN_SET_FEATURES,
						 features[i] | FEATURE_SAVE, 0, self->page));
		}
	}
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_admin_cmd *"));

	/* Looking at them is free; the controller may not have them. */
	for (i = 0; i < ARRAY_LENGTH(features); i++)
		EXPECT_LE(0, admin(self->nodes.ctrl, ADMIN_GET_FEATURES, features[i], 0, self->page));
	EXPECT_EQ(ARRAY_LENGTH(features), trace_count(&self->trace, "pci_nvme_admin_cmd *"));
}

static long long events_enabled(int fd)
{
	struct nvme_passthru_cmd64 get = {
		.opcode = ADMIN_GET_FEATURES, .cdw10 = FEATURE_EVENTS,
	};
	int status = passthru(fd, NVME_IOCTL_ADMIN64_CMD, &get);

	return status ? -1 : (long long)get.result;
}

/* Others may want events too. What the driver acts on stays, theirs outlives a reset. */
TEST_F(nodes, event_configuration_is_merged_and_survives_a_reset)
{
	/* The second is one which QEMU remembers and never does anything with. */
	const __u32 needed = NAMESPACE_NOTICES, wanted = 0x00400000;
	long long before = events_enabled(self->nodes.ctrl), merged;

	ASSERT_LT(0, before);
	ASSERT_EQ(needed, before & (needed | wanted));
	EXPECT_EQ(0, admin(self->nodes.ctrl, ADMIN_SET_FEATURES, FEATURE_EVENTS, wanted, NULL));
	merged = events_enabled(self->nodes.ctrl);
	EXPECT_EQ(needed | wanted, merged & (needed | wanted));
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	EXPECT_EQ(merged, events_enabled(self->nodes.ctrl));

	EXPECT_EQ(0, admin(self->nodes.ns, ADMIN_SET_FEATURES, FEATURE_EVENTS, before, NULL));
	EXPECT_EQ(before, events_enabled(self->nodes.ctrl));
	EXPECT_EQ(0, admin(self->nodes.ctrl, ADMIN_SET_FEATURES, FEATURE_EVENTS, 0, NULL));
	EXPECT_EQ(needed, events_enabled(self->nodes.ctrl) & needed);
	EXPECT_EQ(0, admin(self->nodes.ctrl, ADMIN_SET_FEATURES, FEATURE_EVENTS, before, NULL));
}

TEST_HARNESS_MAIN
