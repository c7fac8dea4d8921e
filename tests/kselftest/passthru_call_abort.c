// SPDX-License-Identifier: GPL-2.0-only
/* Commands in an envelope that are aborted by the caller's own tag. The namespace's disk is slow at will. */
#include "kselftest_harness.h"

#include "lib/call.h"
#include "lib/envelope.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define DEPTH 16
#define ABORTS (scale() == 1 ? 1000u : 1000u * scale() / patience())
/* The disk does so many operations a second. */
#define RACING_SPEED 300

#define ABORT "pci_nvme_admin_cmd * opc 0x8 *"
#define ENABLED "pci_nvme_mmio_start_success*"
#define IO_COMMAND "pci_nvme_io_cmd *"
#define IO_COMPLETION "pci_nvme_enqueue_req_completion cid * cqid [!0]*"

FIXTURE(tags)
{
	struct passthru nodes;
	struct trace trace;
	struct envelope envelopes[DEPTH];
};

FIXTURE_SETUP(tags)
{
	static const char *const events[] = {
		"pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion", "pci_nvme_mmio_start_success",
	};
	unsigned int i;

	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	for (i = 0; i < DEPTH; i++)
		self->envelopes[i] = envelope_new(BLOCK);
	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(tags)
{
	unsigned int i;

	EXPECT_EQ(0, slow_down(0, 0));
	for (i = 0; i < DEPTH; i++)
		envelope_free(&self->envelopes[i]);
	passthru_close(&self->nodes);
}

/* Sends @count reads with tags from 1 on, which all wait for the disk. */
static void start(struct __test_metadata *_metadata, FIXTURE_DATA(tags) *self, struct call *calls,
		  struct envelope_send *tagged, unsigned int count)
{
	unsigned int i;

	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
	for (i = 0; i < count; i++) {
		envelope_read(self->envelopes[i].call, SLOW_NSID, i + 1);
		tagged[i] = (struct envelope_send){ self->nodes.ns, self->envelopes[i].call };
		ASSERT_EQ(0, call_start(&calls[i], envelope_send, &tagged[i]));
		ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == (int)i + 1));
	}
}

TEST_F(tags, what_is_asked_has_to_make_sense)
{
	struct nvme_call_abort abort = { .size = sizeof(abort), .tag = 1 };
	unsigned int i;

	for (i = 0; i <= 2 * sizeof(abort); i++) {
		abort.size = i;
		EXPECT_EQ(i == sizeof(abort) ? -ENOENT : -EINVAL,
			  passthru_ioctl(self->nodes.ns, NVME_IOCTL_CALL_ABORT, &abort));
	}
	abort.size = sizeof(abort);
	for (i = 0; i < 32; i++) {
		abort.flags = 1u << i;
		EXPECT_EQ(-EINVAL, passthru_ioctl(self->nodes.ns, NVME_IOCTL_CALL_ABORT, &abort));
	}
	EXPECT_EQ(-EINVAL, envelope_abort(self->nodes.ns, 0));
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->nodes.ns, NVME_IOCTL_CALL_ABORT, bad_address()));
	EXPECT_EQ(-ENOENT, envelope_abort(self->nodes.ctrl, 1));
	EXPECT_EQ(0, trace_count(&self->trace, ABORT));
}

TEST_F_TIMEOUT(tags, a_command_is_aborted_by_its_tag, 60)
{
	struct envelope_send tagged[4];
	struct call calls[4];
	unsigned int i;

	start(_metadata, self, calls, tagged, 4);
	EXPECT_EQ(1, envelope_abort(self->nodes.ns, 4));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) == 1));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
		EXPECT_EQ(i == 3 ? STATUS_ABORTED : 0,
			  self->envelopes[i].call->status & STATUS_CODE_MASK);
	}
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(4, trace_count(&self->trace, IO_COMPLETION));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	/* Stale, as is one which was never used. */
	EXPECT_EQ(-ENOENT, envelope_abort(self->nodes.ns, 4));
	EXPECT_EQ(-ENOENT, envelope_abort(self->nodes.ns, 5));
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
}

TEST_F_TIMEOUT(tags, are_those_of_one_opener, 60)
{
	int other = open(self->nodes.path, O_RDWR | O_CLOEXEC), copy = dup(self->nodes.ns);
	struct envelope_send tagged[4];
	struct call calls[4];
	unsigned int i;

	ASSERT_LE(0, other);
	ASSERT_LE(0, copy);
	start(_metadata, self, calls, tagged, 4);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-ENOENT, envelope_abort(other, i + 1));
		EXPECT_EQ(-ENOENT, envelope_abort(self->nodes.ctrl, i + 1));
	}
	/* Nor does anybody without a tag have one. */
	EXPECT_EQ(0, trace_count(&self->trace, ABORT));
	EXPECT_EQ(1, envelope_abort(copy, 4));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) == 1));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
		EXPECT_EQ(i == 3 ? STATUS_ABORTED : 0,
			  self->envelopes[i].call->status & STATUS_CODE_MASK);
	}
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	close(other);
	close(copy);
}

TEST_F_TIMEOUT(tags, one_may_name_several_commands, 60)
{
	struct envelope_send tagged[4];
	struct call calls[4];
	unsigned int i;

	start(_metadata, self, calls, tagged, 1);
	for (i = 1; i < 4; i++) {
		envelope_read(self->envelopes[i].call, SLOW_NSID, 77);
		tagged[i] = (struct envelope_send){ self->nodes.ns, self->envelopes[i].call };
		ASSERT_EQ(0, call_start(&calls[i], envelope_send, &tagged[i]));
	}
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == 4));
	EXPECT_EQ(3, envelope_abort(self->nodes.ns, 77));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) == 3));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
		EXPECT_EQ(i ? STATUS_ABORTED : 0,
			  self->envelopes[i].call->status & STATUS_CODE_MASK);
	}
	EXPECT_EQ(3, trace_count(&self->trace, ABORT));
	EXPECT_EQ(4, trace_count(&self->trace, IO_COMPLETION));
}

/* Commands of which each is to be aborted at a moment of its own. */
struct race {
	unsigned int sent[DEPTH], ended[DEPTH], total;
	unsigned int aborted, good;		/* as they say themselves */
	unsigned int found, missed;		/* as the driver says of their tags */
	long long ask_at[DEPTH];		/* when to abort it, in milliseconds; 0: it was tried */
	__u64 next;				/* tag */
};

/* Sends those that are not under way. */
static void race_send(struct __test_metadata *_metadata, FIXTURE_DATA(tags) *self, struct race *race,
		      struct ring *ring)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		struct nvme_call *call = self->envelopes[i].call;

		if (race->sent[i] != race->ended[i])
			continue;
		envelope_read(call, SLOW_NSID, race->next);
		call->status = ~0u;
		/* What the ring calls it, and its tag, say which and of what turn it is. */
		ASSERT_EQ(0, envelope_push(ring, self->nodes.ns, call, 0, race->next++ << 8 | i));
		/* Before it is sent, while it waits for the disk, or too late. */
		race->ask_at[i] = now_ms() + race->total * 7 % 11 * DEPTH * 100 / RACING_SPEED * patience();
		race->sent[i]++;
		race->total++;
	}
	ring_submit(ring);
}

/* Aborts those whose moment has come. */
static void race_abort(struct __test_metadata *_metadata, FIXTURE_DATA(tags) *self, struct race *race)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		int count;

		if (!race->ask_at[i] || now_ms() < race->ask_at[i])
			continue;
		race->ask_at[i] = 0;
		count = envelope_abort(self->nodes.ns, self->envelopes[i].call->tag);
		ASSERT_TRUE(count == 1 || count == -ENOENT);
		race->found += count == 1;
		race->missed += count == -ENOENT;
	}
}

static void race_end(struct __test_metadata *_metadata, FIXTURE_DATA(tags) *self, struct race *race,
		     const struct ring_answer *answer)
{
	unsigned int i = answer->tag & 0xff;
	const struct nvme_call *call;

	ASSERT_GT(DEPTH, i);
	call = self->envelopes[i].call;
	ASSERT_EQ(call->tag, answer->tag >> 8);
	ASSERT_EQ(race->sent[i], race->ended[i] + 1);
	race->ended[i]++;
	EXPECT_EQ(0, answer->res);
	race->aborted += (call->status & STATUS_CODE_MASK) == STATUS_ABORTED;
	race->good += call->status == 0;
}

/* Some Aborts come first, some completions. Each command completes once. */
TEST_F_TIMEOUT(tags, aborts_race_with_completions, 3600)
{
	struct race race = { .next = 1 };
	struct ring_answer answer;
	struct ring ring;

	ASSERT_EQ(0, ring_open(&ring, DEPTH, 0));
	ASSERT_EQ(0, slow_down(RACING_SPEED / patience(), 0));
	/* About as many commands as Aborts; on a slow machine more of them are over first. */
	while (race.found < ABORTS && race.total < 20 * ABORTS) {
		race_send(_metadata, self, &race, &ring);
		usleep(500);
		race_abort(_metadata, self, &race);
		while (ring_peek(&ring, &answer))
			race_end(_metadata, self, &race, &answer);
	}
	ASSERT_EQ(0, slow_down(0, 0));
	while (race.aborted + race.good < race.total) {
		ASSERT_EQ(0, ring_reap(&ring, &answer, LIMIT_MS));
		race_end(_metadata, self, &race, &answer);
	}
	TH_LOG("%u commands: %u aborted, %u good; %u tags found, %u not", race.total, race.aborted,
	       race.good, race.found, race.missed);
	EXPECT_LE(ABORTS, race.found);
	EXPECT_GE(race.found, race.aborted);
	EXPECT_FALSE(ring_peek(&ring, &answer));
	EXPECT_EQ(race.total, race.aborted + race.good);
	EXPECT_LT(0, race.aborted);
	EXPECT_LT(0, race.good);
	EXPECT_TRUE(wait_until(trace_count(&self->trace, IO_COMPLETION) == (int)race.total));
	EXPECT_EQ(race.total, (unsigned int)trace_count(&self->trace, IO_COMMAND));
	EXPECT_LT(0, trace_count(&self->trace, ABORT));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	ring_close(&ring);
}

/* By a command of the ring instead of an ioctl. */
TEST_F_TIMEOUT(tags, a_ring_aborts_as_well, 60)
{
	struct nvme_call_abort abort = { .size = sizeof(abort), .tag = 4 };
	struct ring_command command = {
		.fd = self->nodes.ns, .operation = NVME_URING_CMD_CALL_ABORT,
	};
	struct envelope_send tagged[4];
	struct call calls[4];
	struct ring ring;
	unsigned int i;

	ASSERT_EQ(0, ring_open(&ring, DEPTH, 0));
	start(_metadata, self, calls, tagged, 4);
	memcpy(&command.command, &abort, sizeof(abort));
	EXPECT_EQ(1, ring_run(&ring, &command, NULL));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, ABORT) == 1));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
	}
	EXPECT_EQ(STATUS_ABORTED, self->envelopes[3].call->status & STATUS_CODE_MASK);
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(-ENOENT, ring_run(&ring, &command, NULL));
	abort.tag = 0;
	memcpy(&command.command, &abort, sizeof(abort));
	EXPECT_EQ(-EINVAL, ring_run(&ring, &command, NULL));
	ring_close(&ring);
}

TEST_HARNESS_MAIN
