// SPDX-License-Identifier: GPL-2.0-only
/* What a member of the monitoring group may do, by the udev rule as it is shipped. The controller has one namespace. */
#include "kselftest_harness.h"

#include <grp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "lib/event.h"
#include "lib/mapped.h"
#include "lib/module.h"
#include "lib/ring.h"
#include "lib/subscribe.h"
#include "lib/trace.h"
#include "lib/util.h"

#define GROUP "nvme-monitor"
#define NOBODY 65534
#define BLOCK 512
#define SMART_BYTES 512

FIXTURE(rights)
{
	struct passthru nodes;	/* opened by root */
	struct trace trace;
	unsigned char *page;
	gid_t group;
	int fd;			/* opened by a member */
};

static int shell(const char *command)
{
	char output[2048] = "";
	int status = run(command, output, sizeof(output));

	if (status)
		complain("%s: %s", command, output);
	return status;
}

/* As a package would: the group, the rule, and udev to go by it. */
static int install(void)
{
	char module[300], command[1024];
	int error = module_path(module, sizeof(module));

	if (error)
		return error;
	*strrchr(module, '/') = '\0';
	error = shell("getent group " GROUP " > /dev/null || groupadd --system " GROUP " 2>&1");
	snprintf(command, sizeof(command),
		 "mkdir -p /run/udev/rules.d && cp %s/udev/70-nvme_rs.rules /run/udev/rules.d/ 2>&1",
		 module);
	error = error ?: shell(command);
	error = error ?: shell("pgrep -x systemd-udevd > /dev/null || "
			       "/usr/lib/systemd/systemd-udevd --daemon > /dev/null 2>&1");
	error = error ?: shell("udevadm control --reload 2>&1 && "
			       "udevadm trigger --action=add --settle --subsystem-match=nvme "
			       "--subsystem-match=nvme-generic 2>&1");
	return error;
}

FIXTURE_SETUP(rights)
{
	struct group *group;

	ASSERT_EQ(0, controller_renew(&self->nodes.controller, 0));
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	ASSERT_EQ(0, install());
	group = getgrnam(GROUP);
	ASSERT_NE(NULL, group);
	self->group = group->gr_gid;
	self->page = pages_new(4096, 0);
	ASSERT_EQ(0, trace_enable("pci_nvme_admin_cmd"));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, setgroups(1, &self->group));
	ASSERT_EQ(0, setegid(NOBODY));
	ASSERT_EQ(0, seteuid(NOBODY));
	self->fd = controller_open(&self->nodes.controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(rights)
{
	close(self->fd);
	EXPECT_EQ(0, seteuid(0));
	EXPECT_EQ(0, setegid(0));
	EXPECT_EQ(0, setgroups(0, NULL));
	EXPECT_EQ(0, shell("pkill -x systemd-udevd; true"));
	EXPECT_EQ(0, event_clear(&self->nodes.controller));
	pages_free(self->page, 4096);
	passthru_close(&self->nodes);
}

static int pass(int fd, unsigned long request, unsigned char opcode, __u32 nsid, __u32 cdw10,
		void *data, unsigned int bytes)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = opcode, .nsid = nsid, .cdw10 = cdw10, DATA(data, bytes),
	};

	return passthru(fd, request, &command);
}

/* QMP is root's. */
static int raise_as_root(FIXTURE_DATA(rights) *self)
{
	int error = seteuid(0);

	error = error ?: event_raise(&self->nodes.controller, WARNING_RELIABILITY);
	return seteuid(NOBODY) ?: error;
}

TEST_F(rights, the_rule_gives_the_group_reading_of_the_controller_alone)
{
	struct stat node;

	ASSERT_EQ(0, stat(self->nodes.controller.path, &node));
	EXPECT_EQ(S_IFCHR | 0640, node.st_mode);
	EXPECT_EQ(0, node.st_uid);
	EXPECT_EQ(self->group, node.st_gid);
	EXPECT_EQ(-EACCES, controller_open(&self->nodes.controller, O_RDWR));
	EXPECT_EQ(-EACCES, controller_open(&self->nodes.controller, O_WRONLY));
	ASSERT_EQ(0, stat(self->nodes.path, &node));
	EXPECT_EQ(S_IFCHR | NODE_FOR_ROOT, node.st_mode);
	EXPECT_EQ(0, node.st_gid);
	EXPECT_EQ(-1, open(self->nodes.path, O_RDONLY));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(rights, events_info_fetch_and_smart_work)
{
	struct nvme_event_info info = { .size = sizeof(info) };
	struct nvme_event_smart smart = { .size = sizeof(smart) };
	struct nvme_event_filter filter = { .size = sizeof(filter) };
	struct nvme_event_fetch fetch = {
		.size = sizeof(fetch), .number = 1, .buffer = (uintptr_t)self->page,
		.buffer_bytes = SMART_BYTES,
	};
	struct pollfd readable = { .fd = self->fd, .events = POLLIN };
	struct nvme_event event;

	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(0, smart.data[0]);
	ASSERT_EQ(0, raise_as_root(self));
	EXPECT_EQ(1, poll(&readable, 1, LIMIT_MS));
	ASSERT_EQ(sizeof(event), read(self->fd, &event, sizeof(event)));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_INFO, &info));
	EXPECT_EQ(1, info.posted);
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_FETCH, &fetch));
	EXPECT_EQ(SMART_BYTES, fetch.copied);
	EXPECT_EQ(WARNING_RELIABILITY, self->page[0]);
	ASSERT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_SMART, &smart));
	EXPECT_EQ(WARNING_RELIABILITY, smart.data[0]);
	EXPECT_EQ(0, ioctl(self->fd, NVME_EVENT_IOCTL_FILTER, &filter));
}

#define BUFFERS 4
#define BUFFER_BYTES 1024
#define BUFFER_GROUP 1

/* The records and pages of two events, by one command, as the ring of the member has them. */
TEST_F(rights, events_by_one_command_of_a_ring)
{
	static unsigned char space[BUFFERS][BUFFER_BYTES];
	struct __kernel_timespec limit = { .tv_sec = LIMIT_MS / 1000 };
	struct nvme_event_uring wish = { .flags = NVME_EVENT_URING_PAGE };
	struct io_uring_buf_ring *buffers;
	struct io_uring_cqe *cqe;
	struct nvme_event *event;
	struct io_uring ring;
	unsigned int i;
	int error;

	ASSERT_EQ(NOBODY, geteuid());
	ASSERT_EQ(0, io_uring_queue_init(BUFFERS, &ring, 0));
	buffers = io_uring_setup_buf_ring(&ring, BUFFERS, BUFFER_GROUP, 0, &error);
	ASSERT_NE(NULL, buffers);
	for (i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(buffers, space[i], BUFFER_BYTES, i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(buffers, BUFFERS);
	subscribe_prepare(&ring, self->fd, BUFFER_GROUP, wish);
	ASSERT_EQ(1, io_uring_submit(&ring));
	for (i = 1; i <= 2; i++) {
		ASSERT_EQ(0, raise_as_root(self));
		ASSERT_EQ(NOBODY, geteuid());
		ASSERT_EQ(0, io_uring_wait_cqe_timeout(&ring, &cqe, &limit));
		EXPECT_EQ(sizeof(*event) + SMART_BYTES, cqe->res);
		EXPECT_TRUE(cqe->flags & IORING_CQE_F_MORE);
		ASSERT_TRUE(cqe->flags & IORING_CQE_F_BUFFER);
		event = (void *)space[cqe->flags >> IORING_CQE_BUFFER_SHIFT];
		EXPECT_EQ(EVENT_RELIABILITY, event->dw0);
		EXPECT_EQ(i, event->dw2);
		EXPECT_EQ(WARNING_RELIABILITY, *(unsigned char *)(event + 1));
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_free_buf_ring(&ring, buffers, BUFFERS, BUFFER_GROUP);
	io_uring_queue_exit(&ring);
}

TEST_F(rights, no_command_but_five_kinds_of_identify)
{
	unsigned int opcode, cns, feature;

	for (cns = 0; cns < 0x100; cns++) {
		bool allowed = cns == 0 || cns == 1 || cns == 5 || cns == 6 || cns == 8;

		EXPECT_EQ(allowed ? 0 : -EACCES,
			  pass(self->fd, NVME_IOCTL_ADMIN64_CMD, ADMIN_IDENTIFY, 1, cns,
			       self->page, 4096)) {
			TH_LOG("CNS %#x", cns);
		}
	}
	EXPECT_EQ(5, trace_count(&self->trace, "pci_nvme_admin_cmd *"));
	for (opcode = 0; opcode < 0x100; opcode++) {
		if (opcode != ADMIN_IDENTIFY)
			EXPECT_EQ(-EACCES, pass(self->fd, NVME_IOCTL_ADMIN_CMD, opcode, 1,
						0x02 | 127 << 16, self->page, 4096)) {
				TH_LOG("admin opcode %#x", opcode);
			}
		EXPECT_EQ(-EACCES, pass(self->fd, NVME_IOCTL_IO_CMD, opcode, 1, 0, self->page,
					BLOCK)) {
			TH_LOG("I/O opcode %#x", opcode);
		}
	}
	for (feature = 0; feature < 0x100; feature++) {
		EXPECT_EQ(-EACCES, pass(self->fd, NVME_IOCTL_ADMIN64_CMD, ADMIN_GET_FEATURES, 0,
					feature, self->page, 4096));
		EXPECT_EQ(-EACCES, pass(self->fd, NVME_IOCTL_ADMIN64_CMD, ADMIN_SET_FEATURES, 0,
					feature, self->page, 4096));
	}
	EXPECT_EQ(5, trace_count(&self->trace, "pci_nvme_admin_cmd *"));
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_io_cmd *"));
}

TEST_F(rights, nor_by_ring)
{
	unsigned int opcode;
	struct ring ring;

	ASSERT_EQ(0, ring_open(&ring, 4, RING_WIDE));
	for (opcode = 0; opcode < 0x100; opcode++) {
		struct ring_command command = {
			.fd = self->fd, .operation = NVME_URING_CMD_ADMIN,
			.command = {
				.opcode = opcode, .nsid = 1, .cdw10 = 0x02,
				DATA(self->page, 4096),
			},
		};

		EXPECT_EQ(-EACCES, ring_run(&ring, &command, NULL)) {
			TH_LOG("opcode %#x", opcode);
		}
	}
	EXPECT_EQ(0, trace_count(&self->trace, "pci_nvme_*_cmd *"));
	ring_close(&ring);
}

/* Memory that stays pinned and mapped is for those who may use it. */
TEST_F(rights, nor_buffers_for_the_controller)
{
	struct ring_command command = mapped_registration(self->fd, 0, self->page, 4096);
	struct ring ring;

	ASSERT_EQ(NOBODY, geteuid());
	ASSERT_EQ(0, ring_open(&ring, 4, RING_WIDE));
	ASSERT_EQ(0, mapped_table(&ring, 1));
	EXPECT_EQ(-EACCES, ring_run(&ring, &command, NULL));
	EXPECT_EQ(0, locked_kb());
	/* Whoever may open the node of a namespace may. */
	command.fd = self->nodes.ns;
	EXPECT_EQ(0, ring_run(&ring, &command, NULL));
	ASSERT_EQ(0, mapped_replace(&ring, 0, NULL, 0));
	/* As may an administrator through that of the controller. */
	command.fd = self->fd;
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(0, ring_run(&ring, &command, NULL));
	ASSERT_EQ(0, seteuid(NOBODY));
	ring_close(&ring);
}

TEST_F(rights, nothing_that_changes_it_for_others)
{
	struct nvme_event_mode mode = { .size = sizeof(mode), .reading = NVME_EVENT_EXCLUSIVE };
	struct nvme_event_ack ack = { .size = sizeof(ack), .number = 1 };

	ASSERT_EQ(0, raise_as_root(self));
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_MODE, &mode));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, ioctl(self->fd, NVME_EVENT_IOCTL_ACK, &ack));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, ioctl(self->fd, NVME_IOCTL_RESET));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, ioctl(self->fd, NVME_IOCTL_SUBSYS_RESET));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, ioctl(self->fd, NVME_IOCTL_RESCAN));
	EXPECT_EQ(EACCES, errno);
}

TEST_HARNESS_MAIN
