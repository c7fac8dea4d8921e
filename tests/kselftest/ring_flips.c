// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that changes commands while they are looked at. What QEMU traces
 * shows whether anything got past the checks: somebody without privileges, with
 * a file for reading, may read from one namespace, as much as he has room for.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "lib/plain.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
/* 10^6 are enough, and the full SCALE of 40 is to be that. */
#define SCALE_MOST 100
#define SCALE_PER 5 / 2

#define ANY_COMMAND "pci_nvme_io_cmd *"
#define PERMITTED "pci_nvme_io_cmd cid * nsid 0x1 sqid * opc 0x2 opname *"
#define RIGHT_LENGTH "pci_nvme_read cid * nsid 1 nlb 1 count 512 lba *"

/* Where the fields of a command are, in the entry of a ring or elsewhere. */
struct fields {
	volatile __u8 *opcode, *flags;
	volatile __u32 *nsid, *length, *blocks;
};

FIXTURE(flips)
{
	struct passthru nodes;	/* opened by root */
	struct ring ring;	/* with a single entry */
	struct trace trace;
	int fd;			/* opened by nobody */
	unsigned char *data;	/* room for a block, and a page behind it */
	struct nvme_passthru_cmd64 command;
	struct fields fields;
	atomic_bool stop;
	pthread_t flipper;
};

FIXTURE_VARIANT(flips)
{
	unsigned int flags;
	unsigned int sqe_flags;
	bool indirect;
	unsigned int commands;
	bool may_miss;		/* the flipper: the entry is copied as soon as it is there */
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(flips, name) { __VA_ARGS__ }

KIND(in_the_entry, .commands = 10000);
KIND(in_memory, .commands = 10000, .indirect = true);
KIND(in_the_entry_by_workers, .commands = 1000, .sqe_flags = IOSQE_ASYNC, .may_miss = true);
KIND(in_memory_by_workers, .commands = 1000, .indirect = true, .sqe_flags = IOSQE_ASYNC);
KIND(in_the_entry_sqpoll, .commands = 1000, .flags = IORING_SETUP_SQPOLL, .may_miss = true);
KIND(in_memory_sqpoll, .commands = 1000, .indirect = true, .flags = IORING_SETUP_SQPOLL);

/* The first choice is right, and taken most of the time. */
static unsigned int choose(unsigned int *random, const unsigned int choices[4])
{
	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	return choices[*random % 16 < 13 ? 0 : *random % 16 - 12];
}

/* The flipper needs a processor of its own, or it finds nothing to change. */
static void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *flip(void *argument)
{
	static const unsigned int opcodes[4] = { IO_READ, IO_WRITE, IO_WRITE_ZEROES, 0xc6 };
	static const unsigned int flags[4] = { 0, 0x01, 0x40, 0xff };
	static const unsigned int nsids[4] = { 1, 2, 0, 0xffffffff };
	static const unsigned int lengths[4] = { BLOCK, BLOCK - 1, 0, BLOCK / 2 };
	static const unsigned int blocks[4] = { 0, 7, 1, 0xffff };
	FIXTURE_DATA(flips) *self = argument;
	unsigned int random = 2463534242;

	stay_on(1);
	while (!atomic_load(&self->stop)) {
		*self->fields.opcode = choose(&random, opcodes);
		*self->fields.flags = choose(&random, flags);
		*self->fields.nsid = choose(&random, nsids);
		*self->fields.length = choose(&random, lengths);
		*self->fields.blocks = choose(&random, blocks);
	}
	return NULL;
}

FIXTURE_SETUP(flips)
{
	struct nvme_passthru_cmd64 *command = &self->command;
	struct nvme_uring_inline *small;
	struct io_uring_sqe *sqe;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->data = pages_new(2 * PAGE, 0);
	pattern_fill(self->data, BLOCK, 1);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 1, self->data, BLOCK));
	memset(self->data, 0xee, 2 * PAGE);
	*command = (struct nvme_passthru_cmd64){ .opcode = IO_READ, DATA(self->data, BLOCK) };
	self->fields = (struct fields){
		&command->opcode, &command->flags, &command->nsid, &command->data_len,
		&command->cdw12,
	};
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_enable("pci_nvme_read"));
	self->fd = node_open_as_nobody(self->nodes.path, NODE_READABLE, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ring_open(&self->ring, 1, variant->flags));
	if (!variant->indirect) {
		sqe = self->ring.entries;
		small = (struct nvme_uring_inline *)sqe->cmd;
		self->fields = (struct fields){
			&small->opcode, &small->flags, &sqe->file_index, &sqe->len, &small->cdw12,
		};
	}
	ASSERT_EQ(0, trace_start(&self->trace));
	ASSERT_EQ(0, pthread_create(&self->flipper, NULL, flip, self));
	stay_on(0);
}

FIXTURE_TEARDOWN(flips)
{
	ring_close(&self->ring);
	close(self->fd);
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->nodes.path, NODE_FOR_ROOT));
	pages_free(self->data, 2 * PAGE);
	passthru_close(&self->nodes);
}

static int push(FIXTURE_DATA(flips) *self, const FIXTURE_VARIANT(flips) *variant,
		const struct ring_command *command)
{
	return variant->indirect ?
	       plain_push_indirect(&self->ring, command, &self->command, 0) :
	       plain_push_inline(&self->ring, command, NULL);
}

TEST_F_TIMEOUT(flips, nothing_gets_past_the_checks, 3600)
{
	struct ring_command command = {
		.fd = self->fd, .operation = NVME_URING_CMD_IO, .sqe_flags = variant->sqe_flags,
		.command = { .opcode = IO_READ, .nsid = 1, DATA(self->data, BLOCK) },
	};
	unsigned int factor = scale() * SCALE_PER < SCALE_MOST ? scale() * SCALE_PER : SCALE_MOST;
	unsigned int commands = variant->commands / patience() * (scale() > 1 ? factor : 1);
	int good = 0, invalid = 0, forbidden = 0;
	unsigned int i;

	/* Until all of it has happened, which takes longer if the flipper gets few turns. */
	for (i = 0; i < commands || (!variant->may_miss && !(invalid + forbidden) && i < 100 * commands); i++) {
		int result;

		/* A thread of io_uring may give the entry free after the completion. */
		ASSERT_TRUE(wait_until((result = push(self, variant, &command)) != -EBUSY));
		result = result ?: ring_finish(&self->ring, NULL);
		good += result == 0;
		invalid += result == -EINVAL;
		forbidden += result == -EACCES;
		ASSERT_EQ(i + 1, (unsigned int)(good + invalid + forbidden)) {
			TH_LOG("command %u came to %d", i, result);
		}
	}
	atomic_store(&self->stop, true);
	ASSERT_EQ(0, pthread_join(self->flipper, NULL));
	/* And the right one at last, left alone. */
	*self->fields.opcode = IO_READ;
	*self->fields.flags = 0;
	*self->fields.nsid = 1;
	*self->fields.length = BLOCK;
	*self->fields.blocks = 0;
	ASSERT_TRUE(wait_until(push(self, variant, &command) != -EBUSY));
	ASSERT_EQ(0, ring_finish(&self->ring, NULL));
	good++;
	TH_LOG("%d executed, %d invalid, %d forbidden", good, invalid, forbidden);
	if (!variant->may_miss)
		EXPECT_LT(0, invalid + forbidden);
	EXPECT_EQ(good, trace_count(&self->trace, ANY_COMMAND));
	EXPECT_EQ(good, trace_count(&self->trace, PERMITTED));
	EXPECT_EQ(good, trace_count(&self->trace, RIGHT_LENGTH));
	EXPECT_TRUE(pattern_is(self->data, BLOCK, 1));
	EXPECT_TRUE(memory_is(self->data + BLOCK, 2 * PAGE - BLOCK, 0xee));
}

TEST_HARNESS_MAIN
