// SPDX-License-Identifier: GPL-2.0-only
/* A thread changes the envelope of a command while another one sends it: what is sent is what was checked. */
#include "kselftest_harness.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/envelope.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
/* More than fits into the room there ever is. */
#define MANY_BLOCKS 16
#define ROOM PAGE
/* A million of each kind in a soak, on the stock kernel. */
#define COMMANDS (scale() == 1 ? 10000u : 25000u * scale() / patience())

FIXTURE(race)
{
	struct passthru nodes;
	struct trace trace;
	struct envelope envelope;
	int fd;	/* of nobody, for reading */
	struct ring ring;
	bool by_ring;
};

FIXTURE_VARIANT(race)
{
	bool by_ring;
};

FIXTURE_VARIANT_ADD(race, by_ioctl) { .by_ring = false };
FIXTURE_VARIANT_ADD(race, by_ring) { .by_ring = true };

FIXTURE_SETUP(race)
{
	static const char *const events[] = { "pci_nvme_io_cmd", "pci_nvme_read" };
	unsigned int i;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->envelope = envelope_new(2 * ROOM);
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, trace_start(&self->trace));
	self->fd = node_open_as_nobody(self->nodes.path, NODE_READABLE, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ring_open(&self->ring, 1, 0));
	self->by_ring = variant->by_ring;
}

FIXTURE_TEARDOWN(race)
{
	ring_close(&self->ring);
	close(self->fd);
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->nodes.path, NODE_FOR_ROOT));
	envelope_free(&self->envelope);
	passthru_close(&self->nodes);
}

struct flipper {
	pthread_t thread;
	atomic_bool stop;
	atomic_ulong flips;
	volatile struct nvme_call *call;
	void (*flip)(volatile struct nvme_call *call, unsigned long turn);
};

static void *flip(void *argument)
{
	struct flipper *flipper = argument;
	unsigned long turn;

	for (turn = 0; !flipper->stop; turn++) {
		flipper->flip(flipper->call, turn);
		flipper->flips++;
	}
	return NULL;
}

/* Sends the command while the thread changes it; counts what came of it. */
static void send_flipping(struct __test_metadata *_metadata, FIXTURE_DATA(race) *self,
			  void (*change)(volatile struct nvme_call *, unsigned long))
{
	struct flipper flipper = { .call = self->envelope.call, .flip = change };
	unsigned int i, done = 0, denied = 0, invalid = 0;
	bool enough = false;

	ASSERT_EQ(0, pthread_create(&flipper.thread, NULL, flip, &flipper));
	/* Until there was enough of all: refusals are quick, and which of the threads gets more turns is up to Linux. */
	for (i = 0; i < COMMANDS || (!enough && i < 100 * COMMANDS); i++) {
		int result = self->by_ring ? envelope_run(&self->ring, self->fd, self->envelope.call, 0) :
					     envelope_call(self->fd, self->envelope.call);

		done += result == 0;
		denied += result == -EACCES;
		invalid += result == -EINVAL;
		enough = done >= COMMANDS / 10 && denied + invalid > COMMANDS / 100 &&
			 flipper.flips > COMMANDS;
	}
	flipper.stop = true;
	ASSERT_EQ(0, pthread_join(flipper.thread, NULL));
	TH_LOG("%u sent, %u denied, %u invalid, %lu changes", done, denied, invalid,
	       (unsigned long)flipper.flips);
	EXPECT_EQ(i, done + denied + invalid);
	EXPECT_TRUE(enough);
	EXPECT_EQ(done, (unsigned int)trace_count(&self->trace, "pci_nvme_*_cmd *"));
}

static void opcodes(volatile struct nvme_call *call, unsigned long turn)
{
	static const unsigned char others[] = { IO_WRITE, IO_FLUSH, IO_WRITE_ZEROES, IO_DATASET_MANAGEMENT };

	call->command = turn % 2 ? IO_READ : others[turn / 2 % ARRAY_LENGTH(others)];
	call->size_out = turn % 2 ? ROOM : 0;
}

TEST_F_TIMEOUT(race, no_opcode_that_was_not_checked, 3600)
{
	*self->envelope.call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_READ, .nsid = 1, .size_out = ROOM,
	};
	send_flipping(_metadata, self, opcodes);
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_io_cmd * opc 0x[!2]*"));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_admin_cmd *"));
}

static void namespaces(volatile struct nvme_call *call, unsigned long turn)
{
	call->nsid = turn % 2 ? 1 : 2 + turn % 4;
}

TEST_F_TIMEOUT(race, no_namespace_that_was_not_checked, 3600)
{
	*self->envelope.call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_READ, .nsid = 1, .size_out = ROOM,
	};
	send_flipping(_metadata, self, namespaces);
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_io_cmd * nsid 0x[!1]*"));
	EXPECT_LT(0, trace_count(&self->trace, "pci_nvme_io_cmd * nsid 0x1 *"));
}

static void lengths(volatile struct nvme_call *call, unsigned long turn)
{
	call->cdw12 = turn % 2 ? 0 : MANY_BLOCKS - 1;
	call->size_out = turn % 3 ? ROOM : BLOCK;
	call->size = turn % 5 ? CALL_BYTES : NVME_CALL_SIZE_VER0;
}

TEST_F_TIMEOUT(race, no_length_that_was_not_checked, 3600)
{
	*self->envelope.call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_READ, .nsid = 1, .size_out = ROOM,
	};
	send_flipping(_metadata, self, lengths);
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_read * nlb [!1]*"));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_read * nlb 1[0-9]*"));
	EXPECT_LT(0, trace_count(&self->trace, "pci_nvme_read * nlb 1 *"));
}

static void families(volatile struct nvme_call *call, unsigned long turn)
{
	/* The opcode of a read is that of Get Log Page. */
	call->family = turn % 2 ? NVME_CALL_IO : NVME_CALL_ADMIN;
}

TEST_F_TIMEOUT(race, no_family_that_was_not_checked, 3600)
{
	*self->envelope.call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_READ, .nsid = 1, .size_out = ROOM,
	};
	send_flipping(_metadata, self, families);
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_admin_cmd *"));
}

TEST_HARNESS_MAIN
