// SPDX-License-Identifier: GPL-2.0-only
/* A controller that is reset, dies, and comes back, under its readers. */
#include "kselftest_harness.h"

#include <linux/nvme_ioctl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/event.h"
#include "lib/util.h"

#define EVENT_RESET_STARTED	(NVME_EVENT_RESET_STARTED << 8)
#define EVENT_RESET_SUCCEEDED	(NVME_EVENT_RESET_SUCCEEDED << 8)
#define EVENT_RESET_FAILED	(NVME_EVENT_RESET_FAILED << 8)

FIXTURE(reset)
{
	struct controller controller;
	char state[64];		/* paths in sysfs */
	char reset[64];
	int fd;
};

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	snprintf(self->state, sizeof(self->state), "/sys/class/%s/%s/state",
		 self->controller.class, self->controller.node);
	snprintf(self->reset, sizeof(self->reset), "/sys/class/%s/%s/reset_controller",
		 self->controller.class, self->controller.node);
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(reset)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

static bool is_in_state(const char *path, const char *state)
{
	char text[32];

	return read_file(path, text, sizeof(text)) == 0 && !strncmp(text, state, strlen(state));
}

/* Switches the decoding of the controller's registers off or on. */
static int decode_memory(const struct controller *controller, bool on)
{
	char command[96], output[96];

	snprintf(command, sizeof(command), "setpci -s %s COMMAND=%d:2", controller->address,
		 on ? 2 : 0);
	return run(command, output, sizeof(output));
}

TEST_F(reset, ioctl_and_sysfs_reset_mark_the_stream_and_events_go_on)
{
	struct nvme_event event;
	unsigned long long before, after;

	ASSERT_EQ(0, controller_value(&self->controller, "aers_outstanding", &before));
	EXPECT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
	ASSERT_TRUE(event_says(self->fd, NVME_EVENT_RESET_STARTED));
	ASSERT_TRUE(event_says(self->fd, NVME_EVENT_RESET_SUCCEEDED));
	EXPECT_TRUE(is_in_state(self->state, "live"));

	EXPECT_EQ(0, write_file(self->reset, "1"));
	ASSERT_TRUE(event_says(self->fd, NVME_EVENT_RESET_STARTED));
	ASSERT_TRUE(event_says(self->fd, NVME_EVENT_RESET_SUCCEEDED));

	/* The classes are enabled and the requests outstanding again. */
	ASSERT_EQ(0, controller_value(&self->controller, "aers_outstanding", &after));
	EXPECT_EQ(before, after);
	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	EXPECT_EQ(5, event.dw2);
}

/* A class that is latched when the controller is reset fires again afterwards. */
TEST_F(reset, ten_resets_in_a_row_leave_nothing_behind)
{
	struct nvme_event event;
	int i;

	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
	ASSERT_EQ(EVENT_RESET_SUCCEEDED, ({
		event.dw0 = 0;
		for (i = 0; i < 20; i++)
			ASSERT_EQ(0, event_read(self->fd, &event));
		event.dw0;
	}));
	EXPECT_EQ(20, event.dw2);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	EXPECT_EQ(21, event.dw2);
}

TEST_F(reset, needs_the_administrator)
{
	int status;
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (child == 0) {
		/* The file stays open, the capability goes. */
		if (setuid(65534))
			_exit(100);
		_exit(ioctl(self->fd, NVME_IOCTL_RESET) == -1 ? errno : 0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EACCES, WEXITSTATUS(status));
	EXPECT_TRUE(event_quiet(self->fd));
}

TEST_F(reset, a_reader_that_waits_gets_the_marker)
{
	struct nvme_event event;
	struct read_call parameters = { self->fd, &event, sizeof(event) };
	struct call call;

	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	EXPECT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result);
	EXPECT_EQ(EVENT_RESET_STARTED, event.dw0);
}

/* A monitor may come at any time, and must not be sent away then. */
TEST_F_TIMEOUT(reset, opening_and_polling_work_while_it_is_reset, 60)
{
	struct {
		atomic_int resets;
		atomic_bool stop;
	} *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int opens = 0;
	int status;
	pid_t child;

	ASSERT_NE(MAP_FAILED, (void *)shared);
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0) {
		for (; !shared->stop; shared->resets++)
			if (ioctl(self->fd, NVME_IOCTL_RESET))
				_exit(errno);
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		struct pollfd file = { .events = POLLIN };
		struct nvme_event event;

		file.fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
		ASSERT_LE(0, file.fd);
		EXPECT_LE(0, poll(&file, 1, 0));
		EXPECT_EQ(0, file.revents & (POLLHUP | POLLERR));
		if (lseek(file.fd, 0, SEEK_SET) > 0 && opens++)
			EXPECT_NE(0, read(file.fd, &event, sizeof(event)));
		close(file.fd);
		shared->stop = opens >= 10 && shared->resets >= 30;
	}
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_LE(10, opens);
	munmap(shared, sizeof(*shared));
	EXPECT_TRUE(is_in_state(self->state, "live"));
}

/*
 * Registers that nobody answers for any more: the driver notices by itself,
 * the node stays, and the next reset revives the controller.
 */
TEST_F(reset, a_dead_controller_stays_readable_and_is_revived)
{
	struct nvme_event event;
	int fd;

	ASSERT_EQ(0, decode_memory(&self->controller, false));
	EXPECT_TRUE(wait_until(is_in_state(self->state, "dead")));

	fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LT(0, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(sizeof(event), read(fd, &event, sizeof(event)));
	EXPECT_EQ(1, event.dw2);
	close(fd);

	EXPECT_EQ(-1, ioctl(self->fd, NVME_IOCTL_RESET));
	EXPECT_EQ(ENETRESET, errno);
	EXPECT_TRUE(is_in_state(self->state, "dead"));

	ASSERT_EQ(0, decode_memory(&self->controller, true));
	EXPECT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
	EXPECT_TRUE(is_in_state(self->state, "live"));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));

	/* How it died depends on what the machine reads where nothing is. */
	do {
		ASSERT_EQ(0, event_read(self->fd, &event));
	} while (event.dw0 != EVENT_RESET_SUCCEEDED);
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
}

TEST_F(reset, a_failed_reset_says_so)
{
	struct nvme_event event;

	ASSERT_EQ(0, decode_memory(&self->controller, false));
	do {
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(DW3_LIFECYCLE, event.dw3 & ~NVME_EVENT_DW3_LOST_MASK);
	} while (event.dw0 != EVENT_RESET_FAILED &&
		 event.dw0 != NVME_EVENT_FATAL_STATUS << 8);
	ASSERT_EQ(0, decode_memory(&self->controller, true));
	EXPECT_EQ(0, ioctl(self->fd, NVME_IOCTL_RESET));
}

TEST_F(reset, unbinding_a_dead_controller_takes_no_time)
{
	long long start_ms;

	ASSERT_EQ(0, decode_memory(&self->controller, false));
	ASSERT_TRUE(wait_until(is_in_state(self->state, "dead")));
	start_ms = now_ms();
	EXPECT_EQ(0, controller_unbind(&self->controller));
	/* Less than what one that is there is given to shut down. */
	EXPECT_GT(5000, now_ms() - start_ms);
	ASSERT_EQ(0, decode_memory(&self->controller, true));
	EXPECT_EQ(0, controller_bind(&self->controller));
}

TEST_HARNESS_MAIN
