// SPDX-License-Identifier: GPL-2.0-only
/* What happens to commands in flight when processes are killed, memory and files go, controllers too. */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/passthru.h"
#include "lib/slow.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define PROCESSES 64

/* Enough that what was freed is used again. */
#define CHURN_BYTES (32ul << 20)

#define IO_COMMAND "pci_nvme_io_cmd *"
#define IO_COMPLETION "pci_nvme_enqueue_req_completion cid * cqid [!0]*"
#define ENABLED "pci_nvme_mmio_start_success*"

FIXTURE(flight)
{
	struct passthru nodes;
	struct trace trace;
	unsigned char *page;	/* four of them; block 0 and on have pattern 1 */
};

FIXTURE_SETUP(flight)
{
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
	self->page = pages_new(4 * PAGE, 0);
	pattern_fill(self->page, PAGE, 1);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 8, self->page, PAGE));
	memset(self->page, 0, PAGE);
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_enable("pci_nvme_enqueue_req_completion"));
	ASSERT_EQ(0, trace_enable("pci_nvme_mmio_start_success"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(flight)
{
	EXPECT_EQ(0, slow_down(0, 0));
	pages_free(self->page, 4 * PAGE);
	passthru_close(&self->nodes);
}

static struct slow_call block_call(const struct passthru *nodes, unsigned char opcode,
				   unsigned int first, void *page)
{
	return (struct slow_call){ nodes->ns, NVME_IOCTL_IO64_CMD, {
		.opcode = opcode, .nsid = SLOW_NSID, BLOCKS(first, 8), DATA(page, PAGE),
	} };
}

/* Starts two commands, and waits until the controller has them, which does nothing about them. */
static void start(struct __test_metadata *_metadata, FIXTURE_DATA(flight) *self,
		  struct call calls[2], struct slow_call parameters[2])
{
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
	ASSERT_EQ(0, call_start(&calls[0], slow_passthru, &parameters[0]));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == 1));
	ASSERT_EQ(0, call_start(&calls[1], slow_passthru, &parameters[1]));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == 2));
}

/* Both of them have been in flight until now, and succeed. */
static void finish(struct __test_metadata *_metadata, FIXTURE_DATA(flight) *self, struct call calls[2])
{
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMPLETION));
	ASSERT_FALSE(calls[0].returned || calls[1].returned);
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_EQ(0, call_finish(&calls[0]));
	ASSERT_EQ(0, call_finish(&calls[1]));
	EXPECT_EQ(0, calls[0].result);
	EXPECT_EQ(0, calls[1].result);
}

#define TWO_READS(page) { block_call(&self->nodes, IO_READ, 0, (page) + PAGE), \
			  block_call(&self->nodes, IO_READ, 0, (page)) }

TEST_F(flight, memory_which_is_unmapped_is_written_to_no_more)
{
	unsigned char *target = pages_new(PAGE, 0);
	struct slow_call parameters[2] = {
		block_call(&self->nodes, IO_READ, 0, self->page),
		block_call(&self->nodes, IO_READ, 0, target),
	};
	struct call calls[2];

	start(_metadata, self, calls, parameters);
	ASSERT_EQ(0, munmap(target, PAGE));
	ASSERT_EQ(target, mmap(target, PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	pattern_fill(target, PAGE, 2);
	finish(_metadata, self, calls);
	EXPECT_TRUE(pattern_is(target, PAGE, 2));
	EXPECT_TRUE(pattern_is(self->page, PAGE, 1));
	pages_free(target, PAGE);
}

TEST_F(flight, memory_which_moves_gets_its_data)
{
	unsigned char *source = pages_new(PAGE, 0), *target = pages_new(PAGE, 0);
	struct slow_call parameters[2] = {
		block_call(&self->nodes, IO_READ, 0, self->page),
		block_call(&self->nodes, IO_READ, 0, source),
	};
	struct call calls[2];

	start(_metadata, self, calls, parameters);
	ASSERT_EQ(target, mremap(source, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target));
	finish(_metadata, self, calls);
	EXPECT_TRUE(pattern_is(target, PAGE, 1));
	pages_free(target, PAGE);
}

/* The child gets copies of pages in use at once, so that the parent keeps the pages. */
TEST_F(flight, a_parent_gets_its_data_and_the_child_does_not)
{
	struct slow_call parameters[2] = TWO_READS(self->page);
	int turn[2], status;
	struct call calls[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(turn));
	start(_metadata, self, calls, parameters);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(turn[1]);
		self->page[7] = 0x77;
		if (read(turn[0], &byte, 1) != 0)
			_exit(2);
		self->page[7] ^= 0x77;
		_exit(!memory_is(self->page, PAGE, 0));
	}
	self->page[9] = 0x99;
	finish(_metadata, self, calls);
	EXPECT_TRUE(pattern_is(self->page, PAGE, 1));
	close(turn[0]);
	close(turn[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(flight, memory_which_is_given_up_is_still_written_from)
{
	unsigned char *source = pages_new(2 * PAGE, 0), *churn;
	struct slow_call parameters[2] = {
		block_call(&self->nodes, IO_WRITE, 16, source),
		block_call(&self->nodes, IO_WRITE, 24, source + PAGE),
	};
	struct call calls[2];

	pattern_fill(source, 2 * PAGE, 5);
	start(_metadata, self, calls, parameters);
	ASSERT_EQ(0, madvise(source, PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, munmap(source + PAGE, PAGE));
	churn = pages_new(CHURN_BYTES, 0xdd);
	finish(_metadata, self, calls);
	ASSERT_EQ(0, blocks_read(&self->nodes, 16, 16, churn, 2 * PAGE));
	EXPECT_TRUE(pattern_is(churn, 2 * PAGE, 5));
	pages_free(churn, CHURN_BYTES);
	pages_free(source, PAGE);
}

TEST_F(flight, a_file_may_be_closed)
{
	struct slow_call parameters[2] = TWO_READS(self->page);
	struct call calls[2];

	start(_metadata, self, calls, parameters);
	ASSERT_EQ(0, close(self->nodes.ns));
	finish(_metadata, self, calls);
	EXPECT_TRUE(pattern_is(self->page, PAGE, 1));
	self->nodes.ns = open(self->nodes.path, O_RDONLY | O_CLOEXEC);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

/* The command is under way; a signal that does not kill has to wait. */
TEST_F(flight, handled_signals_do_not_end_the_wait)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct slow_call parameters[2] = TWO_READS(self->page);
	struct call calls[2];

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	start(_metadata, self, calls, parameters);
	ASSERT_EQ(0, call_signal(&calls[0], SIGUSR1));
	ASSERT_EQ(0, call_signal(&calls[1], SIGUSR1));
	usleep(200000);
	finish(_metadata, self, calls);
	EXPECT_EQ(2, signals);
	EXPECT_TRUE(pattern_is(self->page, PAGE, 1));
	EXPECT_TRUE(pattern_is(self->page + PAGE, PAGE, 1));
}

/* A child that reads into memory of its own, or writes from it. */
static pid_t start_child(const struct passthru *nodes, unsigned char opcode, unsigned int first)
{
	pid_t child = fork();

	if (!child) {
		unsigned char *page = pages_new(PAGE, 0);
		struct slow_call call = block_call(nodes, opcode, first, page);

		pattern_fill(page, PAGE, first);
		slow_passthru(&call);
		_exit(0);
	}
	return child;
}

/* Ctrl-C on a program that hangs in the driver: it is gone long before its command is done. */
TEST_F(flight, killed_processes_do_not_wait)
{
	static const int numbers[] = { SIGKILL, SIGINT, SIGTERM };
	unsigned int i;

	ASSERT_EQ(0, slow_stop(&self->nodes));
	for (i = 0; i < ARRAY_LENGTH(numbers); i++) {
		pid_t child;
		int status;

		ASSERT_EQ(0, trace_start(&self->trace));
		child = start_child(&self->nodes, IO_READ, 0);
		ASSERT_LT(0, child);
		ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == 1));
		ASSERT_EQ(0, kill(child, numbers[i]));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, trace_count(&self->trace, IO_COMPLETION));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
	}
}

/* Commands outlive those who sent them. Their memory must not be anybody else's then. */
TEST_F_TIMEOUT(flight, many_killed_at_once_leave_no_trace, 60)
{
	pid_t children[PROCESSES];
	unsigned char *churn;
	unsigned int i;
	int status;

	memset(self->page, 0x3c, PAGE);
	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(0, blocks_write(&self->nodes, 1024 + 8 * i, 8, self->page, PAGE));
	ASSERT_EQ(0, slow_stop(&self->nodes));
	ASSERT_EQ(0, trace_start(&self->trace));
	for (i = 0; i < PROCESSES; i++) {
		children[i] = start_child(&self->nodes, i % 2 ? IO_WRITE : IO_READ, 1024 + 8 * i);
		ASSERT_LT(0, children[i]);
	}
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMMAND) == PROCESSES));
	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(0, kill(children[i], SIGKILL));
	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(children[i], waitpid(children[i], &status, 0));

	churn = pages_new(CHURN_BYTES, 0xdd);
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMPLETION));
	ASSERT_EQ(0, slow_down(0, 0));
	ASSERT_TRUE(wait_until(trace_count(&self->trace, IO_COMPLETION) == PROCESSES));
	/* What was done after it was given back would be seen by now. */
	EXPECT_EQ(0, blocks_read(&self->nodes, 0, 8, self->page, PAGE));
	EXPECT_TRUE(pattern_is(self->page, PAGE, 1));
	EXPECT_TRUE(memory_is(churn, CHURN_BYTES, 0xdd));
	pages_free(churn, CHURN_BYTES);

	/* What was to be written was, or was not, but nothing else. */
	for (i = 0; i < PROCESSES; i++) {
		ASSERT_EQ(0, blocks_read(&self->nodes, 1024 + 8 * i, 8, self->page, PAGE));
		EXPECT_TRUE((i % 2 && self->page[0] != 0x3c) ?
			    pattern_is(self->page, PAGE, 1024 + 8 * i) :
			    memory_is(self->page, PAGE, 0x3c));
	}
	EXPECT_EQ(0, trace_count(&self->trace, ENABLED));
}

/* What was not completed is no success. */
static void expect_ended(struct __test_metadata *_metadata, FIXTURE_DATA(flight) *self,
			 struct call calls[2])
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		if (calls[i].result == 0) {
			EXPECT_TRUE(pattern_is(self->page + (1 - i) * PAGE, PAGE, 1));
			continue;
		}
		/* QEMU aborts what is in flight when a queue is deleted. */
		EXPECT_TRUE(calls[i].result == -EINTR || calls[i].result == -ENODEV ||
			    calls[i].result == 7 || calls[i].result == 8) {
			TH_LOG("%ld", calls[i].result);
		}
	}
}

TEST_F(flight, a_reset_ends_commands)
{
	struct slow_call parameters[2] = TWO_READS(self->page);
	struct call calls[2];

	start(_metadata, self, calls, parameters);
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	expect_ended(_metadata, self, calls);
	ASSERT_EQ(0, slow_down(0, 0));
	EXPECT_EQ(0, blocks_read(&self->nodes, 0, 8, self->page, PAGE));
}

TEST_F(flight, unbinding_ends_commands)
{
	struct slow_call parameters[2] = TWO_READS(self->page);
	struct nvme_passthru_cmd64 get = { .opcode = ADMIN_GET_FEATURES, .cdw10 = 7 };
	struct call calls[2];
	char path[128];

	start(_metadata, self, calls, parameters);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind",
		 self->nodes.controller.address);
	EXPECT_EQ(0, write_file(path, self->nodes.controller.address));
	expect_ended(_metadata, self, calls);
	EXPECT_FALSE(path_exists(self->nodes.path));
	EXPECT_EQ(-ENODEV, blocks_read(&self->nodes, 0, 8, self->page, PAGE));
	EXPECT_EQ(-ENODEV, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &get));
	EXPECT_EQ(-ENODEV, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESCAN, NULL));

	passthru_close(&self->nodes);
	ASSERT_EQ(0, write_file("/sys/bus/pci/drivers_probe", self->nodes.controller.address));
	ASSERT_EQ(0, passthru_open(&self->nodes, SLOW_NSID));
}

TEST_HARNESS_MAIN
