// SPDX-License-Identifier: GPL-2.0-only
/* Commands in an envelope by ring, and aborting them by the caller's own tag. The namespace's disk is slow at will. */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/envelope.h"
#include "lib/ring.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define ABORTED 0x0007
#define DEPTH 16
#define ABORTS (1000u * scale())
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

/* How many commands have the tag, or a negative errno. */
static int abort_tag(int fd, __u64 tag)
{
	struct nvme_call_abort abort = { .size = sizeof(abort), .tag = tag };
	int count = ioctl(fd, NVME_IOCTL_CALL_ABORT, &abort);

	return count < 0 ? -errno : count;
}

static void fill_read(struct nvme_call *call, __u64 tag)
{
	*call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_READ, .nsid = SLOW_NSID,
		.tag = tag, .size_out = BLOCK,
	};
}

struct tagged {
	int fd;
	struct nvme_call *call;
};

static long send_tagged(void *argument)
{
	struct tagged *tagged = argument;

	return envelope_call(tagged->fd, tagged->call);
}

/* Sends @count reads with tags from 1 on, of which the disk does one a second. */
static void start(struct __test_metadata *_metadata, FIXTURE_DATA(tags) *self, struct call *calls,
		  struct tagged *tagged, unsigned int count)
{
	unsigned int i;

	ASSERT_EQ(0, slow_down(1, 0));
	for (i = 0; i < count; i++) {
		fill_read(self->envelopes[i].call, i + 1);
		tagged[i] = (struct tagged){ self->nodes.ns, self->envelopes[i].call };
		ASSERT_EQ(0, call_start(&calls[i], send_tagged, &tagged[i]));
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
	EXPECT_EQ(-EINVAL, abort_tag(self->nodes.ns, 0));
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->nodes.ns, NVME_IOCTL_CALL_ABORT, bad_address()));
	EXPECT_EQ(-ENOENT, abort_tag(self->nodes.ctrl, 1));
	EXPECT_EQ(0, trace_count(&self->trace, ABORT));
}

TEST_F_TIMEOUT(tags, a_command_is_aborted_by_its_tag, 60)
{
	struct tagged tagged[4];
	struct call calls[4];
	unsigned int i;

	start(_metadata, self, calls, tagged, 4);
	EXPECT_EQ(1, abort_tag(self->nodes.ns, 4));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
		EXPECT_EQ(i == 3 ? ABORTED : 0,
			  self->envelopes[i].call->status & STATUS_CODE_MASK);
	}
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(4, trace_count(&self->trace, IO_COMPLETION));
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
	/* Stale, as is one which was never used. */
	EXPECT_EQ(-ENOENT, abort_tag(self->nodes.ns, 4));
	EXPECT_EQ(-ENOENT, abort_tag(self->nodes.ns, 5));
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
}

TEST_F_TIMEOUT(tags, are_those_of_one_opener, 60)
{
	int other = open(self->nodes.path, O_RDWR | O_CLOEXEC), copy = dup(self->nodes.ns);
	struct tagged tagged[4];
	struct call calls[4];
	unsigned int i;

	ASSERT_LE(0, other);
	ASSERT_LE(0, copy);
	start(_metadata, self, calls, tagged, 4);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-ENOENT, abort_tag(other, i + 1));
		EXPECT_EQ(-ENOENT, abort_tag(self->nodes.ctrl, i + 1));
	}
	/* Nor does anybody without a tag have one. */
	EXPECT_EQ(0, trace_count(&self->trace, ABORT));
	EXPECT_EQ(1, abort_tag(copy, 4));
	ASSERT_EQ(0, slow_down(0, 0));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
		EXPECT_TRUE(i == 3 || self->envelopes[i].call->status == 0);
	}
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	close(other);
	close(copy);
}

TEST_F_TIMEOUT(tags, one_may_name_several_commands, 60)
{
	struct tagged tagged[4];
	struct call calls[4];
	unsigned int i;

	start(_metadata, self, calls, tagged, 1);
	for (i = 1; i < 4; i++) {
		fill_read(self->envelopes[i].call, 77);
		tagged[i] = (struct tagged){ self->nodes.ns, self->envelopes[i].call };
		ASSERT_EQ(0, call_start(&calls[i], send_tagged, &tagged[i]));
	}
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == 4));
	EXPECT_EQ(3, abort_tag(self->nodes.ns, 77));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
	}
	EXPECT_LE(1, trace_count(&self->trace, ABORT));
	EXPECT_GE(3, trace_count(&self->trace, ABORT));
	EXPECT_EQ(4, trace_count(&self->trace, IO_COMPLETION));
}

static int push_call(struct ring *ring, int fd, struct nvme_call *call, unsigned int sqe_flags, __u64 tag)
{
	struct nvme_call_uring address = { .addr = (uintptr_t)call };
	struct ring_command command = {
		.fd = fd, .operation = NVME_URING_CMD_CALL, .sqe_flags = sqe_flags, .tag = tag,
	};

	memcpy(&command.command, &address, sizeof(address));
	return ring_push(ring, &command);
}

/*
 * Commands come and go, and each is to be aborted at a moment of its own: some
 * Aborts come first, some completions. Each command completes once.
 */
TEST_F_TIMEOUT(tags, aborts_race_with_completions, 3600)
{
	unsigned int sent[DEPTH] = {}, ended[DEPTH] = {}, found = 0, missed = 0, aborted = 0, good = 0;
	unsigned int i, total = 0;
	long long ask_at[DEPTH] = {};	/* when to abort it, in milliseconds; 0: it was tried */
	struct ring_answer answer;
	struct ring ring;
	__u64 next = 1;

	ASSERT_EQ(0, ring_open(&ring, DEPTH, 0));
	ASSERT_EQ(0, slow_down(RACING_SPEED / patience(), 0));
	while (found < ABORTS) {
		for (i = 0; i < DEPTH; i++) {
			if (sent[i] != ended[i])
				continue;
			fill_read(self->envelopes[i].call, next);
			self->envelopes[i].call->status = ~0u;
			/* What the ring calls it, and its tag, say which and of what turn it is. */
			ASSERT_EQ(0, push_call(&ring, self->nodes.ns, self->envelopes[i].call, 0,
					       next++ << 8 | i));
			/* Before it is sent, while it waits for the disk, or too late. */
			ask_at[i] = now_ms() + total * 7 % 11 * DEPTH * 100 / RACING_SPEED * patience();
			sent[i]++;
			total++;
		}
		ring_submit(&ring);
		usleep(500);
		for (i = 0; i < DEPTH; i++) {
			int count;

			if (!ask_at[i] || now_ms() < ask_at[i])
				continue;
			ask_at[i] = 0;
			count = abort_tag(self->nodes.ns, self->envelopes[i].call->tag);
			ASSERT_TRUE(count == 1 || count == -ENOENT);
			found += count == 1;
			missed += count == -ENOENT;
		}
		while (ring_peek(&ring, &answer)) {
			i = answer.tag & 0xff;
			ASSERT_GT(DEPTH, i);
			ASSERT_EQ(self->envelopes[i].call->tag, answer.tag >> 8);
			ASSERT_EQ(sent[i], ended[i] + 1);
			ended[i]++;
			EXPECT_EQ(0, answer.res);
			aborted += (self->envelopes[i].call->status & STATUS_CODE_MASK) == ABORTED;
			good += self->envelopes[i].call->status == 0;
		}
	}
	ASSERT_EQ(0, slow_down(0, 0));
	while (aborted + good < total) {
		ASSERT_EQ(0, ring_reap(&ring, &answer, LIMIT_MS));
		i = answer.tag & 0xff;
		ASSERT_GT(DEPTH, i);
		ASSERT_EQ(self->envelopes[i].call->tag, answer.tag >> 8);
		ASSERT_EQ(sent[i], ended[i] + 1);
		ended[i]++;
		EXPECT_EQ(0, answer.res);
		aborted += (self->envelopes[i].call->status & STATUS_CODE_MASK) == ABORTED;
		good += self->envelopes[i].call->status == 0;
	}
	TH_LOG("%u commands: %u aborted, %u good; %u tags found, %u not", total, aborted, good, found, missed);
	EXPECT_GE(found, aborted);
	EXPECT_FALSE(ring_peek(&ring, &answer));
	EXPECT_EQ(total, aborted + good);
	EXPECT_LT(0, aborted);
	EXPECT_LT(0, good);
	EXPECT_TRUE(wait_until(trace_count(&self->trace, IO_COMPLETION) == (int)total));
	EXPECT_EQ(total, (unsigned int)trace_count(&self->trace, IO_COMMAND));
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
	struct tagged tagged[4];
	struct call calls[4];
	struct ring ring;
	unsigned int i;

	ASSERT_EQ(0, ring_open(&ring, DEPTH, 0));
	start(_metadata, self, calls, tagged, 4);
	memcpy(&command.command, &abort, sizeof(abort));
	EXPECT_EQ(1, ring_run(&ring, &command, NULL));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(0, calls[i].result);
	}
	EXPECT_EQ(ABORTED, self->envelopes[3].call->status & STATUS_CODE_MASK);
	EXPECT_EQ(1, trace_count(&self->trace, ABORT));
	EXPECT_EQ(-ENOENT, ring_run(&ring, &command, NULL));
	abort.tag = 0;
	memcpy(&command.command, &abort, sizeof(abort));
	EXPECT_EQ(-EINVAL, ring_run(&ring, &command, NULL));
	ring_close(&ring);
}

/* The submitter is killed while the command is under way: it is over soon, and nothing is written. */
TEST_F_TIMEOUT(tags, a_killed_submitter_gets_nothing, 60)
{
	struct nvme_call *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct nvme_call before;
	unsigned char block[BLOCK];
	pid_t child;
	int status;

	ASSERT_NE(MAP_FAILED, shared);
	memset(shared, 0x5a, 4096);
	fill_read(shared, 9);
	shared->status = 0x12345678;
	before = *shared;
	ASSERT_EQ(0, slow_down(0, BLOCK / 4));
	ASSERT_EQ(0, blocks_read(&self->nodes, 0, 1, block, BLOCK));
	ASSERT_EQ(0, trace_start(&self->trace));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		struct ring ring;
		struct ring_answer answer;

		if (ring_open(&ring, DEPTH, 0) || push_call(&ring, self->nodes.ns, shared, 0, 1) ||
		    ring_submit(&ring) != 1)
			_exit(1);
		ring_reap(&ring, &answer, 60000);
		_exit(2);
	}
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	/* Another process's tags are those of the same file, but nobody waits any more. */
	wait_until(abort_tag(self->nodes.ns, 9) == -ENOENT);
	EXPECT_EQ(-ENOENT, abort_tag(self->nodes.ns, 9));
	ASSERT_EQ(0, slow_down(0, 0));
	EXPECT_TRUE(wait_until(trace_count(&self->trace, IO_COMPLETION) == 1));
	EXPECT_EQ(0, memcmp(&before, shared, CALL_BYTES));
	EXPECT_TRUE(memory_is(shared + 1, BLOCK, 0x5a));
	munmap(shared, 4096);
}

#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/envelopes"
#define CHARGED 4

static long group_bytes(void)
{
	char text[32] = "";

	return read_file(GROUP "/memory.current", text, sizeof(text)) ? -1 : strtol(text, NULL, 10);
}

/* Says so when its memory is all there, and then has as many commands in flight. */
static void fill_group(const struct passthru *nodes, unsigned int bytes, int ready, int go)
{
	struct tagged tagged[CHARGED];
	struct call calls[CHARGED];
	unsigned int i;
	char byte = 0;

	if (write_file(GROUP "/cgroup.procs", "0"))
		_exit(1);
	for (i = 0; i < CHARGED; i++) {
		struct envelope envelope = envelope_new(bytes);

		memset(envelope.payload, 0, bytes);
		fill_read(envelope.call, i + 1);
		envelope.call->cdw12 = bytes / BLOCK - 1;
		envelope.call->size_out = bytes;
		tagged[i] = (struct tagged){ nodes->ns, envelope.call };
		/* What else there is to be charged for is so by then. */
		if (send_tagged(&tagged[i]))
			_exit(2);
	}
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		_exit(3);
	for (i = 0; i < CHARGED; i++)
		call_start(&calls[i], send_tagged, &tagged[i]);
	for (i = 0; i < CHARGED; i++)
		call_finish(&calls[i]);
	_exit(0);
}

/* The copy of the data is memory of the process: nobody can have more than the group may. */
TEST_F_TIMEOUT(tags, the_process_is_charged_for_its_data, 60)
{
	int limit = transfer_limit(&self->nodes), ready[2], go[2], status;
	char controllers[256] = "";
	long before, during;
	pid_t child;
	char byte = 0;

	ASSERT_LT(0, limit);
	if (!path_exists(GROUPS "/cgroup.controllers"))
		ASSERT_EQ(0, mount("none", GROUPS, "cgroup2", 0, NULL));
	ASSERT_EQ(0, read_file(GROUPS "/cgroup.controllers", controllers, sizeof(controllers)));
	if (!strstr(controllers, "memory")) {
		/* The debug kernel charges nobody for anything; any other one has to. */
		ASSERT_LT(1, patience());
		return;
	}
	ASSERT_EQ(0, write_file(GROUPS "/cgroup.subtree_control", "+memory"));
	ASSERT_TRUE(mkdir(GROUP, 0755) == 0 || errno == EEXIST);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		fill_group(&self->nodes, limit, ready[1], go[0]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	before = group_bytes();
	ASSERT_LT(CHARGED * (long)limit, before);
	ASSERT_EQ(0, slow_down(1, 0));
	ASSERT_EQ(0, trace_start(&self->trace));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == CHARGED));
	during = group_bytes();
	/* At least what the last ones have; the kernel charges in lots of some pages. */
	EXPECT_LT((CHARGED - 2) * (long)limit, during - before) {
		TH_LOG("%ld bytes before, %ld during", before, during);
	}
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, rmdir(GROUP));
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

/* On rings of all kinds the ring's command does what the ioctl does. */
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
	ASSERT_EQ(0, slow_down(0, 0));
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

static int run_call(struct ring *ring, int fd, struct nvme_call *call, unsigned int sqe_flags)
{
	struct ring_answer answer;
	int error = push_call(ring, fd, call, sqe_flags, 5);

	error = error ?: ring_submit(ring) == 1 ? 0 : -EIO;
	error = error ?: ring_reap(ring, &answer, LIMIT_MS);
	return error ?: answer.res;
}

#define CALL(fd, ...) ({								\
	*self->envelope.call = (struct nvme_call){ .size = CALL_BYTES, __VA_ARGS__ };	\
	run_call(&self->ring, fd, self->envelope.call, variant->sqe_flags);		\
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
	EXPECT_EQ(-EFAULT, run_call(&self->ring, self->nodes.ns, bad_address(), variant->sqe_flags));
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
	EXPECT_EQ(-EOPNOTSUPP, run_call(&ring, nodes.ctrl, envelope.call, 0));
	ring_close(&ring);
	passthru_close(&nodes);
	envelope_free(&envelope);
}

TEST_HARNESS_MAIN
