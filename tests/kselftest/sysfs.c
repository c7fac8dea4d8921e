// SPDX-License-Identifier: GPL-2.0-only
/* What sysfs shows of a controller and its namespaces, under which names. */
#include "kselftest_harness.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/event.h"
#include "lib/module.h"
#include "lib/qmp.h"
#include "lib/sysfs.h"
#include "lib/trace.h"
#include "lib/util.h"

/* As QEMU and scripts/vm make them. */
#define MODEL "QEMU NVMe Ctrl                          "
#define SERIAL "NVMERS0             "
#define SUBSYSTEM_NQN "nqn.2019-08.org.qemu:subsys0"
#define NAMESPACE_SECTORS "131072"
#define WWID "nvme.1b36-4e564d45525330-51454d55204e564d65204374726c-"

FIXTURE(sysfs)
{
	struct controller controller;
	struct folder folder;
	struct folder subsystem;
};

FIXTURE_VARIANT(sysfs)
{
	const char *before;	/* a command before the module is loaded */
	const char *parameters;
	const char *class;
	unsigned int number;
};

FIXTURE_VARIANT_ADD(sysfs, standard_names) {
	.before = "true", .parameters = "", .class = "nvme", .number = 0,
};

FIXTURE_VARIANT_ADD(sysfs, chosen_numbers) {
	.before = "true", .parameters = "first_instance=40", .class = "nvme_rs", .number = 40,
};

FIXTURE_VARIANT_ADD(sysfs, beside_the_in_tree_driver) {
	.before = "modprobe nvme-core", .parameters = "", .class = "nvme_rs", .number = 100,
};

static void forget_in_tree_driver(void)
{
	char output[256];

	if (path_exists("/sys/module/nvme_core"))
		run("modprobe -r nvme nvme_core 2>&1", output, sizeof(output));
}

FIXTURE_SETUP(sysfs)
{
	char output[256];

	ASSERT_EQ(0, module_ensure_unloaded());
	forget_in_tree_driver();
	ASSERT_EQ(0, run(variant->before, output, sizeof(output)));
	ASSERT_EQ(0, controller_find(&self->controller, 0));
	ASSERT_EQ(0, event_clear(&self->controller));
	ASSERT_EQ(0, module_load(variant->parameters));
	controller_refresh(&self->controller);
	self->folder = folder_of(&self->controller);
	self->subsystem = folder_of_subsystem(&self->controller, variant->number);
}

FIXTURE_TEARDOWN(sysfs)
{
	EXPECT_EQ(0, module_ensure_unloaded());
	forget_in_tree_driver();
	EXPECT_EQ(0, namespaces_restore());
}

TEST_F(sysfs, classes_and_devices_have_the_names_of_this_load)
{
	static const char *const classes[] = { "", "-subsystem", "-generic" };
	char path[64], node[16];
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(classes); i++) {
		snprintf(path, sizeof(path), "/sys/class/%s%s", variant->class, classes[i]);
		EXPECT_TRUE(path_exists(path));
		/* Whose the others are is up to the in-tree driver. */
		snprintf(path, sizeof(path), "/sys/class/%s%s",
			 strcmp(variant->class, "nvme") ? "nvme" : "nvme_rs", classes[i]);
		EXPECT_EQ(path_exists("/sys/module/nvme_core"), path_exists(path));
	}
	snprintf(node, sizeof(node), "nvme%u", variant->number);
	EXPECT_STREQ(node, self->controller.node);
	EXPECT_STREQ(variant->class, self->controller.class);
	EXPECT_TRUE(folder_links(&self->subsystem, node, &self->folder));
	EXPECT_TRUE(folder_has(&self->folder, "device/vendor"));

	ASSERT_EQ(0, module_unload());
	for (i = 0; i < ARRAY_LENGTH(classes); i++) {
		snprintf(path, sizeof(path), "/sys/class/%s%s", variant->class, classes[i]);
		EXPECT_FALSE(path_exists(path));
	}
}

/* Three numbers, padded to a field of eight characters. */
static int qemu_version(char *version, size_t size)
{
	unsigned int major, minor, micro;
	char reply[512];
	int error;

	error = qmp_ask(reply, sizeof(reply), "query-version", "%s", "");
	if (error)
		return error;
	major = strtoul(strstr(reply, "\"major\":") + 8, NULL, 10);
	minor = strtoul(strstr(reply, "\"minor\":") + 8, NULL, 10);
	micro = strtoul(strstr(reply, "\"micro\":") + 8, NULL, 10);
	snprintf(version, size, "%u.%u.%u        ", major, minor, micro);
	version[8] = '\0';
	return 0;
}

TEST_F(sysfs, a_controller_shows_what_it_is)
{
	const struct folder *folder = &self->folder;
	char version[32], path[64], numa_node[16];
	long queues = sysconf(_SC_NPROCESSORS_CONF) + 1;

	ASSERT_EQ(0, qemu_version(version, sizeof(version)));
	EXPECT_STREQ(MODEL, folder_read(folder, "model"));
	EXPECT_STREQ(SERIAL, folder_read(folder, "serial"));
	EXPECT_STREQ(version, folder_read(folder, "firmware_rev"));
	EXPECT_STREQ("0", folder_read(folder, "cntlid"));
	EXPECT_STREQ("io", folder_read(folder, "cntrltype"));
	EXPECT_STREQ("none", folder_read(folder, "dctype"));
	EXPECT_STREQ("0", folder_read(folder, "kato"));
	EXPECT_STREQ("pcie", folder_read(folder, "transport"));
	EXPECT_STREQ("live", folder_read(folder, "state"));
	EXPECT_STREQ(SUBSYSTEM_NQN, folder_read(folder, "subsysnqn"));
	EXPECT_STREQ(self->controller.address, folder_read(folder, "address"));

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", self->controller.address);
	/* A kernel without NUMA has no such file: no node. */
	if (read_file(path, numa_node, sizeof(numa_node)))
		strcpy(numa_node, "-1");
	EXPECT_EQ(atoi(numa_node), atoi(folder_read(folder, "numa_node")));
	EXPECT_LE(2, atoi(folder_read(folder, "queue_count")));
	EXPECT_GE(queues, atoi(folder_read(folder, "queue_count")));
	EXPECT_LE(1, atoi(folder_read(folder, "sqsize")));

	EXPECT_EQ(0444, folder_mode(folder, "model"));
	EXPECT_EQ(0200, folder_mode(folder, "reset_controller"));
	EXPECT_EQ(0200, folder_mode(folder, "rescan_controller"));
}

TEST_F(sysfs, a_subsystem_shows_what_it_is)
{
	const struct folder *folder = &self->subsystem;

	EXPECT_STREQ(MODEL, folder_read(folder, "model"));
	EXPECT_STREQ(SERIAL, folder_read(folder, "serial"));
	EXPECT_STREQ(folder_read(&self->folder, "firmware_rev"), folder_read(folder, "firmware_rev"));
	EXPECT_STREQ(SUBSYSTEM_NQN, folder_read(folder, "subsysnqn"));
	EXPECT_STREQ("nvm", folder_read(folder, "subsystype"));
	EXPECT_STREQ("numa", folder_read(folder, "iopolicy"));
}

TEST_F(sysfs, each_namespace_has_a_folder)
{
	struct folder folder;
	char expected[128];
	unsigned int nsid;

	for (nsid = 1; nsid <= 2; nsid++) {
		folder = folder_of_namespace(&self->controller, nsid);
		snprintf(expected, sizeof(expected), "%u", nsid);
		EXPECT_STREQ(expected, folder_read(&folder, "nsid"));
		snprintf(expected, sizeof(expected), WWID "%08x", nsid);
		EXPECT_STREQ(expected, folder_read(&folder, "wwid"));
		EXPECT_STREQ("0", folder_read(&folder, "csi"));
		EXPECT_STREQ("0", folder_read(&folder, "metadata_bytes"));
		EXPECT_STREQ(NAMESPACE_SECTORS, folder_read(&folder, "nuse"));
		EXPECT_STREQ(NAMESPACE_SECTORS, folder_read(&folder, "size"));
		EXPECT_STREQ("512", folder_read(&folder, "queue/logical_block_size"));
		EXPECT_EQ(0444, folder_mode(&folder, "queue/logical_block_size"));
		EXPECT_FALSE(folder_has(&folder, "uuid"));
		EXPECT_FALSE(folder_has(&folder, "nguid"));
		EXPECT_FALSE(folder_has(&folder, "eui"));
	}
	folder = folder_of_namespace(&self->controller, 3);
	EXPECT_FALSE(path_exists(folder.path));
}

TEST_F(sysfs, rescan_controller_asks_for_the_namespaces)
{
	struct trace trace;

	ASSERT_EQ(0, trace_enable("pci_nvme_identify_nslist"));
	ASSERT_EQ(0, trace_start(&trace));
	EXPECT_EQ(0, folder_write(&self->folder, "rescan_controller", "1"));
	EXPECT_TRUE(wait_until(trace_count(&trace, "pci_nvme_identify_nslist*") == 1));
	EXPECT_STREQ("live", folder_read(&self->folder, "state"));
}

TEST_F(sysfs, an_open_file_of_a_controller_that_went_is_enodev)
{
	struct folder folder = folder_of_namespace(&self->controller, 1);
	const char *const paths[] = { self->folder.path, self->subsystem.path, folder.path };
	static const char *const names[] = { "model", "model", "nsid" };
	char path[256], text[64];
	int fds[3];
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(fds); i++) {
		snprintf(path, sizeof(path), "%s/%s", paths[i], names[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fds[i]);
		EXPECT_LT(0, read(fds[i], text, sizeof(text)));
	}
	ASSERT_EQ(0, controller_unbind(&self->controller));
	for (i = 0; i < ARRAY_LENGTH(fds); i++) {
		EXPECT_EQ(-1, pread(fds[i], text, sizeof(text), 0));
		EXPECT_EQ(ENODEV, errno);
		EXPECT_FALSE(path_exists(paths[i]));
	}
	/* They do not keep the module either. */
	EXPECT_EQ(0, module_unload());
	for (i = 0; i < ARRAY_LENGTH(fds); i++)
		close(fds[i]);
}

/* Whether the threads go on. */
static atomic_bool going;

/* Reads everything there is again and again; counts answers that make no sense. */
static void *read_all(void *argument)
{
	static const char *const names[] = { "model", "state", "queue_count", "address" };
	const struct controller *controller = argument;
	struct folder folder = folder_of(controller);
	struct folder namespace = folder_of_namespace(controller, 2);
	long wrong = 0;
	unsigned int i;

	for (i = 0; atomic_load(&going); i++) {
		wrong += !strcmp("not one line", folder_read(&folder, names[i % ARRAY_LENGTH(names)]));
		wrong += !strcmp("not one line", folder_read(&namespace, i % 2 ? "nuse" : "wwid"));
	}
	return (void *)wrong;
}

TEST_F(sysfs, reading_goes_on_while_the_controller_comes_and_goes)
{
	struct controller readers_view = self->controller;
	pthread_t threads[4];
	void *wrong;
	unsigned int i;

	atomic_store(&going, true);
	for (i = 0; i < ARRAY_LENGTH(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, read_all, &readers_view));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, controller_unbind(&self->controller));
		EXPECT_EQ(0, controller_bind(&self->controller));
		EXPECT_EQ(0, folder_write(&self->folder, "reset_controller", "1"));
		EXPECT_EQ(0, folder_write(&self->folder, "rescan_controller", "1"));
	}
	atomic_store(&going, false);
	for (i = 0; i < ARRAY_LENGTH(threads); i++) {
		EXPECT_EQ(0, pthread_join(threads[i], &wrong));
		EXPECT_EQ(NULL, wrong);
	}
}

static void *rescan_all_the_time(void *argument)
{
	const struct folder *folder = argument;

	while (atomic_load(&going))
		folder_write(folder, "rescan_controller", "1");
	return NULL;
}

/* A command sent before the controller is enabled would never be answered. */
TEST_F(sysfs, rescans_do_not_get_in_the_way_of_resets)
{
	pthread_t threads[4];
	unsigned int i;

	atomic_store(&going, true);
	for (i = 0; i < ARRAY_LENGTH(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, rescan_all_the_time, &self->folder));
	for (i = 0; i < 30; i++)
		EXPECT_EQ(0, folder_write(&self->folder, "reset_controller", "1"));
	atomic_store(&going, false);
	for (i = 0; i < ARRAY_LENGTH(threads); i++)
		EXPECT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_STREQ("live", folder_read(&self->folder, "state"));
}

TEST_HARNESS_MAIN
