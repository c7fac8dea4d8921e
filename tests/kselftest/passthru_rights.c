// SPDX-License-Identifier: GPL-2.0-only
/* What may be sent by those who are not root, through nodes which they may open. */
#include "kselftest_harness.h"

#include <sys/stat.h>

#include "lib/passthru.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define COMMAND "pci_nvme_*_cmd *"

FIXTURE(rights)
{
	struct passthru nodes;	/* opened by root */
	struct trace trace;
	unsigned char *page;
};

FIXTURE_SETUP(rights)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->page = pages_new(4096, 0);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 8, self->page, 4096));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(rights)
{
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->nodes.controller.path, NODE_FOR_ROOT));
	EXPECT_EQ(0, node_permit(self->nodes.path, NODE_FOR_ROOT));
	pages_free(self->page, 4096);
	passthru_close(&self->nodes);
}

static int send(int fd, unsigned long request, unsigned char opcode, __u32 nsid, __u32 cdw10,
		void *data, unsigned int bytes)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = opcode, .nsid = nsid, .cdw10 = cdw10, DATA(data, bytes),
	};

	return passthru(fd, request, &command);
}

TEST_F(rights, nodes_are_for_root)
{
	struct stat node;

	ASSERT_EQ(0, stat(self->nodes.controller.path, &node));
	EXPECT_EQ(S_IFCHR | NODE_FOR_ROOT, node.st_mode);
	ASSERT_EQ(0, stat(self->nodes.path, &node));
	EXPECT_EQ(S_IFCHR | NODE_FOR_ROOT, node.st_mode);
	EXPECT_EQ(-EACCES, node_open_as_nobody(self->nodes.path, NODE_FOR_ROOT, O_RDONLY));
	ASSERT_EQ(0, become_root());
	EXPECT_EQ(-EACCES, node_open_as_nobody(self->nodes.controller.path, NODE_FOR_ROOT, O_RDONLY));
}

/* Either kind of node, open in any way. */
FIXTURE(admin_rights)
{
	struct passthru nodes;
	struct trace trace;
	unsigned char *page;
	const char *path;
	int fd;
};

FIXTURE_VARIANT(admin_rights)
{
	bool ns;
	unsigned int mode;
	int flags;
	unsigned long request;
};

FIXTURE_VARIANT_ADD(admin_rights, reading_controller)
{
	.ns = false,
	.mode = NODE_READABLE,
	.flags = O_RDONLY,
	.request = NVME_IOCTL_ADMIN_CMD,
};

FIXTURE_VARIANT_ADD(admin_rights, writing_controller)
{
	.ns = false,
	.mode = NODE_WRITABLE,
	.flags = O_RDWR,
	.request = NVME_IOCTL_ADMIN64_CMD,
};

FIXTURE_VARIANT_ADD(admin_rights, reading_namespace)
{
	.ns = true,
	.mode = NODE_READABLE,
	.flags = O_RDONLY,
	.request = NVME_IOCTL_ADMIN64_CMD,
};

FIXTURE_VARIANT_ADD(admin_rights, writing_namespace)
{
	.ns = true,
	.mode = NODE_WRITABLE,
	.flags = O_RDWR,
	.request = NVME_IOCTL_ADMIN_CMD,
};

FIXTURE_SETUP(admin_rights)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->page = pages_new(4096, 0);
	self->path = variant->ns ? self->nodes.path : self->nodes.controller.path;
	self->fd = node_open_as_nobody(self->path, variant->mode, variant->flags);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(admin_rights)
{
	close(self->fd);
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->path, NODE_FOR_ROOT));
	pages_free(self->page, 4096);
	passthru_close(&self->nodes);
}

#define ADMIN(opcode, nsid, cdw10) \
	send(self->fd, variant->request, opcode, nsid, cdw10, self->page, 4096)

TEST_F(admin_rights, identify_of_five_kinds)
{
	unsigned int cns;

	for (cns = 0; cns < 0x100; cns++) {
		int result = ADMIN(ADMIN_IDENTIFY, 1, cns);

		switch (cns) {
		case 0x00:	/* a namespace */
		case 0x01:	/* the controller */
		case 0x05:	/* a namespace, as its command set sees it */
		case 0x06:	/* the controller, likewise */
		case 0x08:	/* a namespace, whatever its command set */
			EXPECT_EQ(0, result) {
				TH_LOG("CNS %#x", cns);
			}
			break;
		default:
			EXPECT_EQ(-EACCES, result) {
				TH_LOG("CNS %#x", cns);
			}
		}
	}
	/* Nothing but the kind matters, such as the controller it is about. */
	EXPECT_EQ(0, ADMIN(ADMIN_IDENTIFY, 0, 0x00000001));
	EXPECT_NE(-EACCES, ADMIN(ADMIN_IDENTIFY, 0, 0x00010001));
	EXPECT_EQ(7, trace_count(&self->trace, "pci_nvme_admin_cmd *"));
}

TEST_F(admin_rights, no_other_command)
{
	unsigned int opcode, feature;

	for (opcode = 0; opcode < 0x100; opcode++) {
		if (opcode == ADMIN_IDENTIFY)
			continue;
		EXPECT_EQ(-EACCES, ADMIN(opcode, 1, 0x02 | 127 << 16)) {
			TH_LOG("opcode %#x", opcode);
		}
		EXPECT_EQ(-EACCES, send(self->fd, variant->request, opcode, 0, 0, NULL, 0));
	}
	for (feature = 0; feature < 0x100; feature++) {
		EXPECT_EQ(-EACCES, ADMIN(ADMIN_GET_FEATURES, 0, feature));
		EXPECT_EQ(-EACCES, ADMIN(ADMIN_SET_FEATURES, 0, feature));
	}
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_admin_cmd *"));
}

/* The order of the checks can be told from outside. */
TEST_F(admin_rights, what_is_wrong_comes_before_what_is_forbidden)
{
	struct nvme_passthru_cmd64 format = {
		.opcode = ADMIN_FORMAT, .nsid = 1, .flags = 1,
	};

	EXPECT_EQ(-EINVAL, passthru(self->fd, variant->request, &format));
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->fd, variant->request, bad_address()));
	format.flags = 0;
	format.addr = (uintptr_t)bad_address();
	format.data_len = 4096;
	EXPECT_EQ(-EACCES, passthru(self->fd, variant->request, &format));
}

/* It is the caller who counts, not who opened the file. */
TEST_F(admin_rights, are_those_of_the_caller)
{
	int roots = variant->ns ? self->nodes.ns : self->nodes.ctrl;

	EXPECT_EQ(-EACCES, send(roots, variant->request, ADMIN_GET_FEATURES, 0, 7, NULL, 0));
	ASSERT_EQ(0, become_root());
	EXPECT_EQ(0, send(self->fd, variant->request, ADMIN_GET_FEATURES, 0, 7, NULL, 0));
}

#define IO(fd, opcode, cdw10, data, bytes) \
	send(fd, NVME_IOCTL_IO64_CMD, opcode, 1, cdw10, data, bytes)

static const unsigned char changing[] = {
	IO_WRITE, IO_COMPARE, IO_WRITE_ZEROES, IO_DATASET_MANAGEMENT, IO_FLUSH,
};

TEST_F(rights, readers_of_a_namespace_read)
{
	int fd = node_open_as_nobody(self->nodes.path, NODE_READABLE, O_RDONLY);
	struct nvme_user_io io = { .opcode = IO_READ, .addr = (uintptr_t)self->page };
	unsigned int i;

	ASSERT_LE(0, fd);
	EXPECT_EQ(1, ioctl(fd, NVME_IOCTL_ID));
	EXPECT_EQ(0, IO(fd, IO_READ, 0, self->page, BLOCK));
	EXPECT_EQ(0, send(fd, NVME_IOCTL_IO_CMD, IO_READ, 1, 0, self->page, BLOCK));
	EXPECT_EQ(0, passthru_ioctl(fd, NVME_IOCTL_SUBMIT_IO, &io));
	EXPECT_EQ(3, trace_count(&self->trace, COMMAND));

	/* Comparing goes in the direction of writing. */
	for (i = 0; i < ARRAY_LENGTH(changing); i++) {
		EXPECT_EQ(-EACCES, IO(fd, changing[i], 0, self->page, BLOCK)) {
			TH_LOG("opcode %#x", changing[i]);
		}
		EXPECT_EQ(-EACCES, send(fd, NVME_IOCTL_IO_CMD, changing[i], 1, 0, self->page,
					BLOCK));
	}
	io.opcode = IO_WRITE;
	EXPECT_EQ(-EACCES, passthru_ioctl(fd, NVME_IOCTL_SUBMIT_IO, &io));
	/* It is forbidden whatever is wrong with the list of pieces. */
	EXPECT_EQ(-EACCES, send(fd, NVME_IOCTL_IO64_CMD_VEC, IO_WRITE, 1, 0, bad_address(), 1));
	EXPECT_EQ(-EACCES, send(fd, NVME_IOCTL_IO64_CMD_VEC, IO_WRITE, 1, 0, self->page, 1025));
	EXPECT_EQ(-EINVAL, send(fd, NVME_IOCTL_IO64_CMD_VEC, IO_WRITE, 2, 0, bad_address(), 1));
	EXPECT_EQ(-EFAULT, send(fd, NVME_IOCTL_IO64_CMD_VEC, IO_READ, 1, 0, bad_address(), 1));
	/* What is wrong comes first: PRACT, and a place for metadata. */
	io.control = 1 << 13;
	io.metadata = (uintptr_t)self->page;
	EXPECT_EQ(-EINVAL, passthru_ioctl(fd, NVME_IOCTL_SUBMIT_IO, &io));
	EXPECT_EQ(3, trace_count(&self->trace, COMMAND));
	close(fd);
}

TEST_F(rights, writers_of_a_namespace_write)
{
	int fd = node_open_as_nobody(self->nodes.path, NODE_WRITABLE, O_RDWR);
	struct nvme_user_io io = { .opcode = IO_WRITE, .addr = (uintptr_t)self->page };
	unsigned int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_LENGTH(changing); i++) {
		EXPECT_EQ(0, IO(fd, changing[i], 0, changing[i] == IO_FLUSH ? NULL : self->page,
				changing[i] == IO_FLUSH ? 0 : BLOCK)) {
			TH_LOG("opcode %#x", changing[i]);
		}
	}
	EXPECT_EQ(0, IO(fd, IO_READ, 0, self->page, BLOCK));
	EXPECT_EQ(0, passthru_ioctl(fd, NVME_IOCTL_SUBMIT_IO, &io));
	close(fd);
}

/* What the controller does not say it supports might have any effect. */
TEST_F(rights, nobody_sends_what_the_controller_does_not_know)
{
	static const unsigned char unknown[] = { 0x04, 0x3e, 0x3f, 0x7f, 0x80, 0x81, 0xc0, 0xff };
	int fd = node_open_as_nobody(self->nodes.path, NODE_WRITABLE, O_RDWR);
	struct nvme_passthru_cmd64 wrong = { .opcode = 0xc0, .nsid = 2 };
	unsigned int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_LENGTH(unknown); i++) {
		EXPECT_EQ(-EACCES, IO(fd, unknown[i], 0, self->page, BLOCK)) {
			TH_LOG("opcode %#x", unknown[i]);
		}
	}
	EXPECT_EQ(0, trace_count(&self->trace, COMMAND));
	EXPECT_EQ(-EINVAL, passthru(fd, NVME_IOCTL_IO64_CMD, &wrong));
	close(fd);
}

TEST_F(rights, writers_who_cannot_read_do_read)
{
	int fd = node_open_as_nobody(self->nodes.path, 0622, O_WRONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, IO(fd, IO_WRITE, 0, self->page, BLOCK));
	/* As with the in-tree driver, and clients do it. */
	EXPECT_EQ(0, IO(fd, IO_READ, 0, self->page, BLOCK));
	close(fd);
}

TEST_F(rights, controllers_are_reset_and_scanned_by_root)
{
	int fd = node_open_as_nobody(self->nodes.controller.path, NODE_WRITABLE, O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, passthru_ioctl(fd, NVME_IOCTL_RESET, NULL));
	EXPECT_EQ(-EACCES, passthru_ioctl(fd, NVME_IOCTL_SUBSYS_RESET, NULL));
	EXPECT_EQ(-EACCES, passthru_ioctl(fd, NVME_IOCTL_RESCAN, NULL));
	EXPECT_EQ(0, trace_count(&self->trace, COMMAND));
	close(fd);
}

/*
 * The node which is readable so that events can be read gives nobody the data
 * of the controller's only namespace. The in-tree driver would read it.
 */
TEST_F(rights, the_controller_gives_data_to_root_only)
{
	struct nvme_passthru_cmd64 read = {
		.opcode = IO_READ, .nsid = 1, BLOCKS(0, 1), DATA(self->page, BLOCK),
	};
	int fd;

	memset(self->page, 0xab, 4096);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 1, self->page, BLOCK));
	memset(self->page, 0, 4096);
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_IO_CMD, &read));
	EXPECT_TRUE(memory_is(self->page, BLOCK, 0xab));
	read.nsid = 2;
	EXPECT_EQ(-EINVAL, passthru(self->nodes.ctrl, NVME_IOCTL_IO_CMD, &read));
	read.nsid = 1;

	memset(self->page, 0, 4096);
	fd = node_open_as_nobody(self->nodes.controller.path, NODE_WRITABLE, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, passthru(fd, NVME_IOCTL_IO_CMD, &read));
	EXPECT_TRUE(memory_is(self->page, BLOCK, 0));
	read.opcode = IO_WRITE;
	EXPECT_EQ(-EACCES, passthru(fd, NVME_IOCTL_IO_CMD, &read));
	close(fd);
}

TEST_HARNESS_MAIN
