// SPDX-License-Identifier: GPL-2.0-only
/* Who may send what by io_uring, and commands that others have to know of: formatting, event configuration. */
#include "kselftest_harness.h"

#include <sys/syscall.h>

#include "lib/load.h"
#include "lib/plain.h"
#include "lib/ring.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define ENTRIES 8
#define FEATURE_EVENTS 0x0b
#define FORMAT_4096 4	/* the number of QEMU's format with blocks of 4096 bytes */

FIXTURE(rights)
{
	struct passthru nodes;	/* opened by root */
	struct trace trace;
	struct ring ring;
	unsigned char *page;
};

FIXTURE_VARIANT(rights)
{
	unsigned int flags;
	unsigned int sqe_flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(rights, name) { .flags = __VA_ARGS__ }

KIND(plain, RING_WIDE);
KIND(by_workers, RING_WIDE, .sqe_flags = IOSQE_ASYNC);
KIND(sqpoll, RING_WIDE | IORING_SETUP_SQPOLL);
KIND(iopoll, RING_WIDE | IORING_SETUP_IOPOLL);

FIXTURE_SETUP(rights)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->page = pages_new(PAGE, 0);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 8, self->page, PAGE));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(rights)
{
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->nodes.controller.path, NODE_FOR_ROOT));
	EXPECT_EQ(0, node_permit(self->nodes.path, NODE_FOR_ROOT));
	pages_free(self->page, PAGE);
	passthru_close(&self->nodes);
}

/* Whoever makes a ring with a thread of its own lends that his rights. */
static int open_ring(struct ring *ring, const FIXTURE_VARIANT(rights) *variant)
{
	return ring_open(ring, ENTRIES, variant->flags);
}

static int run_as(struct ring *ring, const FIXTURE_VARIANT(rights) *variant, int fd,
		  unsigned int operation, unsigned int personality, struct nvme_uring_cmd cmd)
{
	struct ring_command command = {
		.fd = fd, .operation = operation, .sqe_flags = variant->sqe_flags,
		.personality = personality, .command = cmd,
	};

	return ring_run(ring, &command, NULL);
}

#define ADMIN(fd, ...) run_as(&self->ring, variant, fd, NVME_URING_CMD_ADMIN, 0,	\
			      (struct nvme_uring_cmd){ __VA_ARGS__ })
#define IO(fd, ...) run_as(&self->ring, variant, fd, NVME_URING_CMD_IO, 0,		\
			   (struct nvme_uring_cmd){ .nsid = 1, __VA_ARGS__ })

TEST_F(rights, nobody_identifies_in_five_ways_and_does_nothing_else)
{
	unsigned int cns, opcode;
	int fd;

	ASSERT_EQ(0, node_permit(self->nodes.controller.path, NODE_WRITABLE));
	ASSERT_EQ(0, become_nobody());
	fd = controller_open(&self->nodes.controller, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, open_ring(&self->ring, variant));
	for (cns = 0; cns < 0x20; cns++) {
		bool allowed = cns == 0 || cns == 1 || cns == 5 || cns == 6 || cns == 8;

		EXPECT_EQ(allowed ? 0 : -EACCES,
			  ADMIN(fd, .opcode = ADMIN_IDENTIFY, .nsid = 1, .cdw10 = cns,
				DATA(self->page, PAGE))) {
			TH_LOG("CNS %#x", cns);
		}
	}
	for (opcode = 0; opcode < 0x100; opcode++) {
		if (opcode == ADMIN_IDENTIFY)
			continue;
		EXPECT_EQ(-EACCES, ADMIN(fd, .opcode = opcode, .nsid = 1, .cdw10 = 2,
					 DATA(self->page, PAGE))) {
			TH_LOG("opcode %#x", opcode);
		}
	}
	EXPECT_EQ(5, trace_count(&self->trace, "pci_nvme_*_cmd *"));
	close(fd);
	ring_close(&self->ring);
}

TEST_F(rights, nobody_reads_and_writes_as_the_file_is_open)
{
	static const unsigned char changing[] = {
		IO_WRITE, IO_COMPARE, IO_WRITE_ZEROES, IO_DATASET_MANAGEMENT, IO_FLUSH,
	};
	unsigned int i;
	int ro, rw;

	ASSERT_EQ(0, node_permit(self->nodes.path, NODE_WRITABLE));
	ASSERT_EQ(0, become_nobody());
	ro = open(self->nodes.path, O_RDONLY);
	rw = open(self->nodes.path, O_RDWR);
	ASSERT_LE(0, ro);
	ASSERT_LE(0, rw);
	ASSERT_EQ(0, open_ring(&self->ring, variant));
	EXPECT_EQ(0, IO(ro, .opcode = IO_READ, DATA(self->page, BLOCK)));
	for (i = 0; i < ARRAY_LENGTH(changing); i++) {
		EXPECT_EQ(-EACCES, IO(ro, .opcode = changing[i], DATA(self->page, BLOCK))) {
			TH_LOG("opcode %#x", changing[i]);
		}
		EXPECT_EQ(0, IO(rw, .opcode = changing[i], DATA(self->page, BLOCK))) {
			TH_LOG("opcode %#x", changing[i]);
		}
	}
	EXPECT_EQ(-EACCES, IO(rw, .opcode = 0xc0));
	EXPECT_EQ(-EACCES, ADMIN(rw, .opcode = ADMIN_FORMAT, .nsid = 1));
	/* What is wrong comes before what is forbidden. */
	EXPECT_EQ(-EINVAL, IO(rw, .opcode = 0xc0, .flags = 1));
	close(ro);
	close(rw);
	ring_close(&self->ring);
}

/* What is forbidden comes before what is wrong with a list of pieces. */
TEST_F(rights, nobody_learns_more_of_pieces)
{
	struct nvme_uring_cmd write = {
		.opcode = IO_WRITE, .nsid = 1, DATA(bad_address(), 1),
	};
	struct nvme_uring_cmd get = {
		.opcode = ADMIN_GET_FEATURES, .cdw10 = 7, DATA(bad_address(), 1),
	};
	int ro;

	ASSERT_EQ(0, node_permit(self->nodes.path, NODE_READABLE));
	ASSERT_EQ(0, become_nobody());
	ro = open(self->nodes.path, O_RDONLY);
	ASSERT_LE(0, ro);
	ASSERT_EQ(0, open_ring(&self->ring, variant));
	EXPECT_EQ(-EACCES, run_as(&self->ring, variant, ro, NVME_URING_CMD_IO_VEC, 0, write));
	EXPECT_EQ(-EACCES, run_as(&self->ring, variant, self->nodes.ctrl, NVME_URING_CMD_ADMIN_VEC,
				  0, get));
	write.data_len = 1025;
	EXPECT_EQ(-EACCES, run_as(&self->ring, variant, ro, NVME_URING_CMD_IO_VEC, 0, write));
	write.nsid = 2;
	EXPECT_EQ(-EINVAL, run_as(&self->ring, variant, ro, NVME_URING_CMD_IO_VEC, 0, write));
	write.nsid = 1;
	write.opcode = IO_READ;
	write.data_len = 1;
	EXPECT_EQ(-EFAULT, run_as(&self->ring, variant, ro, NVME_URING_CMD_IO_VEC, 0, write));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_*_cmd *"));
	close(ro);
	ring_close(&self->ring);
}

TEST_F(rights, nor_of_those_of_a_command_in_memory)
{
	struct ring_command command = {
		.operation = NVME_URING_CMD_IO_VEC, .sqe_flags = variant->sqe_flags,
		.command = { .opcode = IO_WRITE, .nsid = 1, DATA(bad_address(), 1) },
	};
	struct nvme_passthru_cmd64 memory = plain_command(&command);

	if (variant->flags & IORING_SETUP_IOPOLL)
		return;	/* which takes none of those */
	ASSERT_EQ(0, node_permit(self->nodes.path, NODE_READABLE));
	ASSERT_EQ(0, become_nobody());
	command.fd = open(self->nodes.path, O_RDONLY);
	ASSERT_LE(0, command.fd);
	ASSERT_EQ(0, open_ring(&self->ring, variant));
	ASSERT_EQ(0, plain_push_indirect(&self->ring, &command, &memory, 0));
	EXPECT_EQ(-EACCES, ring_finish(&self->ring, NULL));
	memory.opcode = IO_READ;
	ASSERT_EQ(0, plain_push_indirect(&self->ring, &command, &memory, 0));
	EXPECT_EQ(-EFAULT, ring_finish(&self->ring, NULL));
	close(command.fd);
	ring_close(&self->ring);
}

/* Rights that were registered with the ring count in place of the caller's. */
TEST_F(rights, personalities)
{
	struct nvme_uring_cmd get = { .opcode = ADMIN_GET_FEATURES, .cdw10 = 7 };
	int nobody, root;

	ASSERT_EQ(0, open_ring(&self->ring, variant));
	root = syscall(SYS_io_uring_register, self->ring.fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	ASSERT_LT(0, root);
	ASSERT_EQ(0, become_nobody());
	nobody = syscall(SYS_io_uring_register, self->ring.fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	ASSERT_LT(0, nobody);
	EXPECT_EQ(0, run_as(&self->ring, variant, self->nodes.ctrl, NVME_URING_CMD_ADMIN, root, get));
	ASSERT_EQ(0, become_root());
	EXPECT_EQ(-EACCES, run_as(&self->ring, variant, self->nodes.ctrl, NVME_URING_CMD_ADMIN,
				  nobody, get));
	EXPECT_EQ(0, run_as(&self->ring, variant, self->nodes.ctrl, NVME_URING_CMD_ADMIN, 0, get));
	ring_close(&self->ring);
}

static unsigned int block_bytes(FIXTURE_DATA(rights) *self)
{
	struct nvme_passthru_cmd64 identify = {
		.opcode = ADMIN_IDENTIFY, .nsid = 1, DATA(self->page, PAGE),
	};

	if (passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &identify))
		return 0;
	/* Of the format in use: bits 23:16 of its entry. */
	return 1u << self->page[128 + 4 * (self->page[26] & 0xf) + 2];
}

/*
 * The driver waits for the commands that run, and knows the new length of
 * blocks before it lets others begin.
 */
TEST_F_TIMEOUT(rights, formatting_under_load, 60)
{
	const int fds[] = { self->nodes.ctrl, self->nodes.ns };
	unsigned int i;

	ASSERT_EQ(0, open_ring(&self->ring, variant));
	for (i = 0; i < ARRAY_LENGTH(fds); i++) {
		struct load load = {
			.nodes = &self->nodes, .ring_flags = RING_WIDE, .depth = 32, .cpu = -1,
		};

		ASSERT_EQ(0, load_prepare(&self->nodes));
		ASSERT_EQ(0, load_start(&load));
		ASSERT_TRUE(wait_until(load.good > 100));
		/* Loads read 4096 bytes as 8 blocks, which is too little of the new ones. */
		EXPECT_EQ(0, ADMIN(fds[i], .opcode = ADMIN_FORMAT, .nsid = 1,
				   .cdw10 = FORMAT_4096));
		ASSERT_EQ(0, load_finish(&load));
		/* EINVAL afterwards, or no data any more; nothing was written beyond memory. */
		EXPECT_TRUE(load.first_wrong == -EINVAL || !load.first_wrong);
		EXPECT_EQ(0, load.gone + load.interrupted + load.host_path);
		EXPECT_EQ(PAGE, block_bytes(self));
		EXPECT_EQ(-EINVAL, IO(self->nodes.ns, .opcode = IO_READ, DATA(self->page, BLOCK)));
		memset(self->page, 0xff, PAGE);
		EXPECT_EQ(0, IO(self->nodes.ns, .opcode = IO_READ, DATA(self->page, PAGE)));
		EXPECT_TRUE(memory_is(self->page, PAGE, 0));
		EXPECT_EQ(0, ADMIN(fds[i], .opcode = ADMIN_FORMAT, .nsid = 1));
		EXPECT_EQ(BLOCK, block_bytes(self));
		EXPECT_EQ(0, IO(self->nodes.ns, .opcode = IO_READ, DATA(self->page, BLOCK)));
	}
	ring_close(&self->ring);
}

static long long events_enabled(int fd)
{
	struct nvme_passthru_cmd64 get = { .opcode = ADMIN_GET_FEATURES, .cdw10 = FEATURE_EVENTS };
	int status = passthru(fd, NVME_IOCTL_ADMIN64_CMD, &get);

	return status ? -1 : (long long)get.result;
}

/*
 * As by ioctl: what the driver acts on stays, whatever else a user wants, and
 * that outlives a reset. Warnings are the user's to choose.
 */
TEST_F(rights, event_configuration_is_merged)
{
	const __u32 warnings = 0xff;
	/* A bit which QEMU remembers and never does anything with. */
	const __u32 wanted = 0x00400000;
	long long before = events_enabled(self->nodes.ctrl);

	ASSERT_LT(0, before);
	ASSERT_EQ(0, before & wanted);
	ASSERT_EQ(0, open_ring(&self->ring, variant));
	EXPECT_EQ(0, ADMIN(self->nodes.ctrl, .opcode = ADMIN_SET_FEATURES, .cdw10 = FEATURE_EVENTS,
			   .cdw11 = wanted));
	EXPECT_EQ((before | wanted) & ~warnings, events_enabled(self->nodes.ctrl) & ~warnings);
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	EXPECT_EQ((before | wanted) & ~warnings, events_enabled(self->nodes.ctrl) & ~warnings);
	EXPECT_EQ(0, ADMIN(self->nodes.ctrl, .opcode = ADMIN_SET_FEATURES, .cdw10 = FEATURE_EVENTS,
			   .cdw11 = before));
	EXPECT_EQ(before, events_enabled(self->nodes.ctrl));
	ring_close(&self->ring);
}

TEST_HARNESS_MAIN
