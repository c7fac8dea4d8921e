// SPDX-License-Identifier: GPL-2.0-only
/* Namespaces which go and come, under those who use them. */
#include "kselftest_harness.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/event.h"
#include "lib/passthru.h"
#include "lib/qmp.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define THREADS 8
#define ROUNDS 10

FIXTURE(ns)
{
	struct passthru nodes;	/* of namespace 2, which will go */
	int first;		/* the node of namespace 1 */
	char path[40];
	unsigned char *page;
};

FIXTURE_SETUP(ns)
{
	ASSERT_EQ(0, namespaces_restore());
	ASSERT_EQ(0, passthru_open(&self->nodes, 2));
	self->page = pages_new(PAGE, 0);
	ASSERT_TRUE(wait_until((self->first = namespace_open(&self->nodes.controller, 1, self->path,
							     sizeof(self->path))) >= 0));
}

FIXTURE_TEARDOWN(ns)
{
	EXPECT_EQ(0, namespaces_restore());
	close(self->first);
	pages_free(self->page, PAGE);
	passthru_close(&self->nodes);
}

static int remove_namespace(unsigned int nsid)
{
	return qmp("device_del", "'id': 'ns%u'", nsid);
}

static bool has_node(const struct passthru *nodes, unsigned int nsid)
{
	char path[40];
	int fd = namespace_open(&nodes->controller, nsid, path, sizeof(path));

	close(fd);
	return fd >= 0;
}

static int identify(int fd, void *page)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(page, IDENTIFY_BYTES),
	};

	return passthru(fd, NVME_IOCTL_ADMIN64_CMD, &command);
}

TEST_F(ns, one_that_goes_takes_its_node_along)
{
	struct passthru again;
	char class[64];

	snprintf(class, sizeof(class), "/sys/class/nvme-generic/%s", self->nodes.path + 5);
	EXPECT_TRUE(path_exists(class));
	ASSERT_EQ(0, blocks_read(&self->nodes, 0, 1, self->page, BLOCK));

	ASSERT_EQ(0, remove_namespace(2));
	EXPECT_TRUE(wait_until(!path_exists(self->nodes.path)));
	EXPECT_TRUE(wait_until(!path_exists(class)));
	EXPECT_TRUE(wait_until(blocks_read(&self->nodes, 0, 1, self->page, BLOCK) == -ENODEV));
	EXPECT_EQ(-ENODEV, blocks_write(&self->nodes, 0, 1, self->page, BLOCK));
	/* The other one and the controller stay. */
	EXPECT_TRUE(has_node(&self->nodes, 1));
	EXPECT_EQ(0, identify(self->first, self->page));
	EXPECT_EQ(0, identify(self->nodes.ctrl, self->page));

	ASSERT_EQ(0, namespaces_restore());
	ASSERT_TRUE(wait_until(has_node(&self->nodes, 2)));
	ASSERT_EQ(0, passthru_open(&again, 2));
	EXPECT_EQ(0, blocks_read(&again, 0, 1, self->page, BLOCK));
	passthru_close(&again);
	/* A file is of the namespace as it was when it was opened. */
	EXPECT_EQ(-ENODEV, blocks_read(&self->nodes, 0, 1, self->page, BLOCK));
}

/* The ioctl which has to guess the namespace works while there is one. */
TEST_F(ns, io_through_the_controller_needs_exactly_one)
{
	struct nvme_passthru_cmd64 read = {
		.opcode = IO_READ, .nsid = 1, BLOCKS(0, 1), DATA(self->page, BLOCK),
	};

	EXPECT_EQ(-EINVAL, passthru(self->nodes.ctrl, NVME_IOCTL_IO_CMD, &read));
	ASSERT_EQ(0, remove_namespace(2));
	ASSERT_TRUE(wait_until(!has_node(&self->nodes, 2)));
	EXPECT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_IO_CMD, &read));
	ASSERT_EQ(0, remove_namespace(1));
	ASSERT_TRUE(wait_until(!has_node(&self->nodes, 1)));
	EXPECT_EQ(-ENOTTY, passthru(self->nodes.ctrl, NVME_IOCTL_IO_CMD, &read));
	EXPECT_EQ(0, identify(self->nodes.ctrl, self->page));
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESCAN, NULL));
	EXPECT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
}

TEST_F(ns, scanning_changes_nothing_where_nothing_changed)
{
	char path[80];
	int i;

	snprintf(path, sizeof(path), "/sys/class/%s/%s/rescan_controller",
		 self->nodes.controller.class, self->nodes.controller.node);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESCAN, NULL));
		ASSERT_EQ(0, write_file(path, "1"));
		ASSERT_EQ(0, blocks_read(&self->nodes, 0, 1, self->page, BLOCK));
	}
	usleep(200000);
	EXPECT_TRUE(path_exists(self->nodes.path));
	EXPECT_EQ(0, blocks_read(&self->nodes, 0, 1, self->page, BLOCK));
}

/* Threads which open, use and close whatever node there is. */
struct user {
	const struct passthru *nodes;
	atomic_bool *stop;
	atomic_uint done;
	int wrong;
};

static void *use(void *argument)
{
	struct user *user = argument;
	unsigned char *page = pages_new(PAGE, 0);
	char path[40];

	while (!*user->stop) {
		struct passthru own = *user->nodes;
		int status;

		own.ns = namespace_open(&own.controller, 2, path, sizeof(path));
		if (own.ns < 0)
			continue;
		do {
			status = blocks_read(&own, 0, 8, page, PAGE);
			user->done += status == 0;
		} while (status == 0 && !*user->stop);
		/* Invalid namespace, if the controller knows first. */
		if (status && status != -ENODEV && status != STATUS_INVALID_NAMESPACE &&
		    status != (STATUS_INVALID_FIELD)) {
			complain("%d", status);
			user->wrong++;
		}
		close(own.ns);
	}
	pages_free(page, PAGE);
	return NULL;
}

TEST_F_TIMEOUT(ns, going_and_coming_under_load, 60)
{
	struct user users[THREADS];
	pthread_t threads[THREADS];
	atomic_bool stop = false;
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		users[i] = (struct user){ &self->nodes, &stop, 0, 0 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, use, &users[i]));
	}
	for (i = 0; i < ROUNDS; i++) {
		EXPECT_EQ(0, remove_namespace(2));
		EXPECT_TRUE(wait_until(!has_node(&self->nodes, 2)));
		EXPECT_EQ(0, namespaces_restore());
		EXPECT_TRUE(wait_until(has_node(&self->nodes, 2)));
	}
	/* It is there, so that all can use it. */
	for (i = 0; i < THREADS; i++)
		EXPECT_TRUE(wait_until(users[i].done > 0));
	stop = true;
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, users[i].wrong);
	}
}

/* What a command changed all readers are told, whoever sent it. */
static void expect_effect(struct __test_metadata *_metadata, int events, unsigned int opcode,
			  unsigned int nsid)
{
	struct nvme_event event;

	/* The controller may have something to say, too. */
	do {
		ASSERT_EQ(0, event_read(events, &event));
	} while (NVME_EVENT_SOURCE(event.dw3) != NVME_EVENT_SOURCE_COMMAND_EFFECT);
	EXPECT_EQ(opcode, event.dw0 >> 24);
	EXPECT_EQ(nsid, event.dw1);
}

TEST_F(ns, effects_of_commands_are_events)
{
	struct nvme_passthru_cmd64 format = { .opcode = ADMIN_FORMAT, .nsid = 2 };
	struct nvme_passthru_cmd64 attach = {
		.opcode = ADMIN_NAMESPACE_ATTACHMENT, .nsid = 2, .cdw10 = 1,
		DATA(self->page, PAGE),
	};
	int events = controller_open(&self->nodes.controller, O_RDONLY);

	ASSERT_LE(0, events);
	memset(self->page, 0xff, PAGE);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 8, self->page, PAGE));
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &format));
	expect_effect(_metadata, events, ADMIN_FORMAT, 2);
	/* The node and its files are still good. */
	ASSERT_EQ(0, blocks_read(&self->nodes, 0, 8, self->page, PAGE));
	EXPECT_TRUE(memory_is(self->page, PAGE, 0));

	/* A list of one controller, number 0; first to detach, then to attach. */
	*(__u16 *)self->page = 1;
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &attach));
	/* When the command has returned, the namespaces are as it left them. */
	EXPECT_FALSE(has_node(&self->nodes, 2));
	expect_effect(_metadata, events, ADMIN_NAMESPACE_ATTACHMENT, 2);
	attach.cdw10 = 0;
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &attach));
	EXPECT_TRUE(has_node(&self->nodes, 2));
	expect_effect(_metadata, events, ADMIN_NAMESPACE_ATTACHMENT, 2);
	close(events);
}

TEST_HARNESS_MAIN
