// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual functions, which appear when sysfs asks for them (SR-IOV). Each has a
 * controller, bound like any other; it is offline until the controller of the
 * physical function, the primary one, brings it online by Virtualization
 * Management.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/load.h"
#include "lib/log.h"
#include "lib/sysfs.h"
#include "lib/util.h"

/* As many as the machine "virtual" of scripts/vm has. */
#define VFS 2
#define NSID 1
#define PAGE 4096
#define DEPTH 16
#define OFFLINE_SECONDS 5

#define ADMIN_VIRTUALIZATION_MANAGEMENT 0x1c

/* Its actions, and the kinds of resources they are about. */
enum { ALLOCATE_TO_PRIMARY = 1, TAKE_OFFLINE = 7, ASSIGN = 8, BRING_ONLINE = 9 };
enum { QUEUE_PAIRS, VECTORS };

/* Identify */
#define CNS_CONTROLLER	0x01
#define CNS_SECONDARY	0x15
#define CNTLID_AT	78
/* Of the list of secondary controllers: after the header, and of each entry. */
#define ENTRY_BYTES	32

FIXTURE(virtual_functions)
{
	struct passthru nodes;
	struct passthru vfs[VFS];
	struct log log;
};

static int function_write(const struct controller *controller, const char *file, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", controller->address, file);
	return write_file(path, text);
}

static bool function_exists(const struct controller *controller)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", controller->address);
	return path_exists(path);
}

/* Asks for so many; the errno is the kernel's. */
static int want(FIXTURE_DATA(virtual_functions) *self, unsigned int count)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", count);
	return function_write(&self->nodes.controller, "sriov_numvfs", text);
}

static int identify(int fd, unsigned int cns, unsigned char data[IDENTIFY_BYTES])
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_IDENTIFY, .cdw10 = cns, DATA(data, IDENTIFY_BYTES),
	};

	return passthru(fd, NVME_IOCTL_ADMIN64_CMD, &command);
}

/* The controller identifier that one has by its own word; negative: errno. */
static int own_id(int fd)
{
	unsigned char data[IDENTIFY_BYTES];
	int status = identify(fd, CNS_CONTROLLER, data);

	return status ? -EIO : data[CNTLID_AT] | data[CNTLID_AT + 1] << 8;
}

/* The one that a virtual function's has by the primary one's word. */
static int secondary_id(FIXTURE_DATA(virtual_functions) *self, unsigned int vf)
{
	unsigned char data[IDENTIFY_BYTES], *entry = data + ENTRY_BYTES * (vf + 1);
	int status = identify(self->nodes.ctrl, CNS_SECONDARY, data);

	return status || data[0] <= vf ? -EIO : entry[0] | entry[1] << 8;
}

static int manage(FIXTURE_DATA(virtual_functions) *self, unsigned int action,
		  unsigned int resource, unsigned int id, unsigned int count)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_VIRTUALIZATION_MANAGEMENT,
		.cdw10 = action | resource << 8 | id << 16, .cdw11 = count,
	};

	return passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &command);
}

/* The primary controller has all that can be given away, until it is reset without. */
static int take_from_primary(FIXTURE_DATA(virtual_functions) *self)
{
	int id = own_id(self->nodes.ctrl), error;

	error = id < 0 ? id : manage(self, ALLOCATE_TO_PRIMARY, QUEUE_PAIRS, id, 0);
	error = error ?: manage(self, ALLOCATE_TO_PRIMARY, VECTORS, id, 0);
	error = error ?: function_write(&self->nodes.controller, "reset_method", "flr");
	return error ?: function_write(&self->nodes.controller, "reset", "1");
}

/* With an admin queue and a pair of I/O queues. */
static int bring_online(FIXTURE_DATA(virtual_functions) *self, unsigned int vf)
{
	int id = secondary_id(self, vf), error;

	error = id < 0 ? id : manage(self, ASSIGN, QUEUE_PAIRS, id, 2);
	error = error ?: manage(self, ASSIGN, VECTORS, id, 1);
	return error ?: manage(self, BRING_ONLINE, 0, id, 0);
}

static int open_vf(FIXTURE_DATA(virtual_functions) *self, unsigned int vf)
{
	struct passthru *nodes = &self->vfs[vf];

	*nodes = (struct passthru){ .nsid = NSID, .ctrl = -1, .ns = -1 };
	if (controller_find(&nodes->controller, vf + 1))
		return -ENODEV;
	nodes->ctrl = controller_open(&nodes->controller, O_RDONLY | O_NONBLOCK);
	return nodes->ctrl < 0 ? nodes->ctrl : 0;
}

/* One that was brought online is started by a reset, and its namespaces are found. */
static int start_vf(FIXTURE_DATA(virtual_functions) *self, unsigned int vf)
{
	struct passthru *nodes = &self->vfs[vf];
	int error = passthru_ioctl(nodes->ctrl, NVME_IOCTL_RESET, NULL);

	if (error)
		return error;
	close(nodes->ns);
	nodes->ns = -1;
	return wait_until((nodes->ns = namespace_open(&nodes->controller, NSID, nodes->path,
						      sizeof(nodes->path))) >= 0) ? 0 : -ENOENT;
}

static bool state_is(const struct passthru *nodes, const char *state)
{
	struct folder folder = folder_of(&nodes->controller);

	return !strcmp(state, folder_read(&folder, "state"));
}

FIXTURE_SETUP(virtual_functions)
{
	unsigned int i;

	for (i = 0; i < VFS; i++)
		self->vfs[i].ctrl = self->vfs[i].ns = -1;
	ASSERT_EQ(0, passthru_open(&self->nodes, NSID));
	ASSERT_EQ(0, want(self, 0));
	ASSERT_EQ(0, log_open(&self->log));
}

FIXTURE_TEARDOWN(virtual_functions)
{
	unsigned int i;

	for (i = 0; i < VFS; i++)
		passthru_close(&self->vfs[i]);
	EXPECT_EQ(0, want(self, 0));
	passthru_close(&self->nodes);
	log_close(&self->log);
}

TEST_F_TIMEOUT(virtual_functions, that_are_offline_do_not_start, 120)
{
	char driver[32];
	long long start_ms = now_ms();
	struct nvme_event event;
	unsigned int i;

	ASSERT_EQ(0, want(self, VFS));
	EXPECT_GT(VFS * OFFLINE_SECONDS * 1000 * patience(), now_ms() - start_ms);
	EXPECT_TRUE(log_has(&self->log, "controller did not start"));
	for (i = 0; i < VFS; i++) {
		struct passthru *nodes = &self->vfs[i];

		ASSERT_EQ(0, open_vf(self, i));
		controller_driver(&nodes->controller, driver, sizeof(driver));
		EXPECT_STREQ("nvme_rs", driver);
		EXPECT_TRUE(state_is(nodes, "dead"));
		ASSERT_LE(0, lseek(nodes->ctrl, 0, SEEK_SET));
		ASSERT_EQ(0, event_read(nodes->ctrl, &event));
		EXPECT_EQ(NVME_EVENT_RESET_FAILED << 8, event.dw0);
		EXPECT_EQ(-EIO, own_id(nodes->ctrl));
		EXPECT_EQ(-ENETRESET, passthru_ioctl(nodes->ctrl, NVME_IOCTL_RESET, NULL));
	}
	EXPECT_EQ(-EBUSY, want(self, 1));
	EXPECT_EQ(-ERANGE, want(self, VFS + 1));
	ASSERT_EQ(0, want(self, 0));
	for (i = 0; i < VFS; i++) {
		EXPECT_FALSE(function_exists(&self->vfs[i].controller));
		EXPECT_FALSE(path_exists(self->vfs[i].controller.path));
	}
	EXPECT_TRUE(state_is(&self->nodes, "live"));
}

/* A controller of its own, with the namespace of all. */
static void expect_work(struct __test_metadata *_metadata, FIXTURE_DATA(virtual_functions) *self,
			unsigned int vf)
{
	struct passthru *nodes = &self->vfs[vf];
	unsigned char *page = pages_new(PAGE, 0);

	EXPECT_EQ(secondary_id(self, vf), own_id(nodes->ctrl));
	pattern_fill(page, PAGE, vf);
	EXPECT_EQ(0, blocks_write(nodes, 8 * vf, 8, page, PAGE));
	memset(page, 0, PAGE);
	EXPECT_EQ(0, blocks_read(&self->nodes, 8 * vf, 8, page, PAGE));
	EXPECT_TRUE(pattern_is(page, PAGE, vf));
	pattern_fill(page, PAGE, VFS + vf);
	EXPECT_EQ(0, blocks_write(&self->nodes, 8 * vf, 8, page, PAGE));
	memset(page, 0, PAGE);
	EXPECT_EQ(0, blocks_read(nodes, 8 * vf, 8, page, PAGE));
	EXPECT_TRUE(pattern_is(page, PAGE, VFS + vf));
	pages_free(page, PAGE);
}

/* From nothing to all of them at work. */
static void have_all(struct __test_metadata *_metadata, FIXTURE_DATA(virtual_functions) *self)
{
	unsigned int i;

	ASSERT_EQ(0, take_from_primary(self));
	ASSERT_EQ(0, want(self, VFS));
	for (i = 0; i < VFS; i++) {
		ASSERT_EQ(0, open_vf(self, i));
		ASSERT_EQ(0, bring_online(self, i));
		ASSERT_EQ(0, start_vf(self, i));
		EXPECT_TRUE(state_is(&self->vfs[i], "live"));
		expect_work(_metadata, self, i);
	}
}

/* Taken away under load, each command has an end, each stream its last record. */
TEST_F_TIMEOUT(virtual_functions, work_when_they_are_online, 180)
{
	struct load loads[VFS] = {};
	struct nvme_event event;
	unsigned int i;

	have_all(_metadata, self);
	for (i = 0; i < VFS; i++) {
		loads[i] = (struct load){
			.nodes = &self->vfs[i], .ring_flags = RING_WIDE, .depth = DEPTH, .cpu = -1,
			.gives_up = true,
		};
		ASSERT_EQ(0, load_prepare(&self->vfs[i]));
		ASSERT_EQ(0, load_start(&loads[i]));
		ASSERT_TRUE(load_goes_on(&loads[i]));
	}
	ASSERT_EQ(0, want(self, 0));
	for (i = 0; i < VFS; i++) {
		ASSERT_EQ(0, load_finish(&loads[i]));
		EXPECT_EQ(0, loads[i].wrong);
		EXPECT_EQ(loads[i].sent, loads[i].ended);
		EXPECT_FALSE(function_exists(&self->vfs[i].controller));
		EXPECT_FALSE(path_exists(self->vfs[i].controller.path));
		do {
			ASSERT_EQ(0, event_read(self->vfs[i].ctrl, &event));
		} while (event.dw0 != EVENT_REMOVED);
		EXPECT_EQ(-ENODEV, event_read(self->vfs[i].ctrl, &event));
	}
	EXPECT_TRUE(state_is(&self->nodes, "live"));
}

/* A reset of the primary controller takes the others offline: they say so, and can come back. */
TEST_F_TIMEOUT(virtual_functions, go_offline_with_the_primary_controller, 180)
{
	struct nvme_event event;
	unsigned int i;

	have_all(_metadata, self);
	ASSERT_EQ(0, passthru_ioctl(self->nodes.ctrl, NVME_IOCTL_RESET, NULL));
	for (i = 0; i < VFS; i++) {
		ASSERT_TRUE(wait_until(state_is(&self->vfs[i], "dead")));
		do {
			ASSERT_EQ(0, event_read(self->vfs[i].ctrl, &event));
		} while (event.dw0 != NVME_EVENT_FATAL_STATUS << 8);
		ASSERT_EQ(0, bring_online(self, i));
		ASSERT_EQ(0, start_vf(self, i));
		expect_work(_metadata, self, i);
	}
}

/* As with the in-tree driver, which leaves them, too. */
TEST_F_TIMEOUT(virtual_functions, stay_when_the_driver_goes, 180)
{
	unsigned int i;

	have_all(_metadata, self);
	passthru_close(&self->nodes);
	ASSERT_EQ(0, controller_unbind(&self->nodes.controller));
	for (i = 0; i < VFS; i++)
		EXPECT_TRUE(function_exists(&self->vfs[i].controller));
	EXPECT_EQ(-ENOENT, want(self, 0));
	ASSERT_EQ(0, controller_bind(&self->nodes.controller));
	ASSERT_EQ(0, passthru_open(&self->nodes, NSID));
	for (i = 0; i < VFS; i++) {
		ASSERT_TRUE(wait_until(state_is(&self->vfs[i], "dead")));
		ASSERT_EQ(0, bring_online(self, i));
		ASSERT_EQ(0, start_vf(self, i));
		expect_work(_metadata, self, i);
	}
	ASSERT_EQ(0, want(self, 0));
	for (i = 0; i < VFS; i++)
		EXPECT_FALSE(function_exists(&self->vfs[i].controller));
}

TEST_HARNESS_MAIN
