// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that sends a command in an envelope pays for the copy of its data,
 * and may die while that is under way. The namespace's disk is slow at will.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/envelope.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define DEPTH 16
#define IO_COMMAND "pci_nvme_io_cmd *"
#define IO_COMPLETION "pci_nvme_enqueue_req_completion cid * cqid [!0]*"
#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/envelopes"
#define CHARGED 4

FIXTURE(process)
{
	struct passthru nodes;
	struct trace trace;
};

FIXTURE_SETUP(process)
{
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_enable("pci_nvme_enqueue_req_completion"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(process)
{
	EXPECT_EQ(0, slow_down(0, 0));
	passthru_close(&self->nodes);
}

static long group_bytes(void)
{
	char text[32] = "";

	return read_file(GROUP "/memory.current", text, sizeof(text)) ? -1 : strtol(text, NULL, 10);
}

/* Says so when its memory is all there, and then has as many commands in flight. */
static void fill_group(const struct passthru *nodes, unsigned int bytes, int ready, int go)
{
	struct envelope_send sends[CHARGED];
	struct call calls[CHARGED];
	unsigned int i;
	char byte = 0;

	if (write_file(GROUP "/cgroup.procs", "0"))
		_exit(1);
	for (i = 0; i < CHARGED; i++) {
		struct envelope envelope = envelope_new(bytes);

		memset(envelope.payload, 0, bytes);
		envelope_read(envelope.call, SLOW_NSID, i + 1);
		envelope.call->cdw12 = bytes / BLOCK - 1;
		envelope.call->size_out = bytes;
		sends[i] = (struct envelope_send){ nodes->ns, envelope.call };
		/* What else there is to be charged for is so by then. */
		if (envelope_send(&sends[i]))
			_exit(2);
	}
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		_exit(3);
	for (i = 0; i < CHARGED; i++)
		call_start(&calls[i], envelope_send, &sends[i]);
	for (i = 0; i < CHARGED; i++)
		call_finish(&calls[i]);
	_exit(0);
}

/* The copy of the data is memory of the process: nobody can have more than the group may. */
TEST_F_TIMEOUT(process, is_charged_for_its_data, 60)
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
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == CHARGED));
	during = group_bytes();
	/* Not to the page: the kernel charges in lots of some. */
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

/* While its command is under way: that is over soon, and nothing is written. */
TEST_F_TIMEOUT(process, gets_nothing_once_it_is_killed, 60)
{
	struct nvme_call *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct nvme_call before;
	pid_t child;
	int status;

	ASSERT_NE(MAP_FAILED, shared);
	memset(shared, 0x5a, PAGE);
	envelope_read(shared, SLOW_NSID, 9);
	shared->status = 0x12345678;
	before = *shared;
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		struct ring ring;
		struct ring_answer answer;

		if (ring_open(&ring, DEPTH, 0) || envelope_push(&ring, self->nodes.ns, shared, 0, 1) ||
		    ring_submit(&ring) != 1)
			_exit(1);
		ring_reap(&ring, &answer, 60000);
		_exit(2);
	}
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMPLETION));
	ASSERT_EQ(0, slow_down(0, 0));
	EXPECT_TRUE(wait_until(trace_count(&self->trace, IO_COMPLETION) == 1));
	/* Another process's tags are those of the same file, but this command is over. */
	EXPECT_TRUE(wait_until(envelope_abort(self->nodes.ns, 9) == -ENOENT));
	EXPECT_EQ(0, memcmp(&before, shared, CALL_BYTES));
	EXPECT_TRUE(memory_is(shared + 1, BLOCK, 0x5a));
	munmap(shared, PAGE);
}

TEST_HARNESS_MAIN
