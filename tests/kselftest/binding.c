// SPDX-License-Identifier: GPL-2.0-only
/* Which devices the driver takes, and which names their nodes get. */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/module.h"
#include "lib/util.h"

#define PCI "/sys/bus/pci/"

/* The host bridge of the emulated machine: no driver has it. */
#define NOT_NVME "0000:00:00.0"

FIXTURE(binding)
{
	struct controller controller;
};

static int set_override(const char *address, const char *driver)
{
	char path[96];

	snprintf(path, sizeof(path), PCI "devices/%s/driver_override", address);
	return write_file(path, driver);
}

static bool is_bound(const struct controller *controller)
{
	char driver[32];

	controller_driver(controller, driver, sizeof(driver));
	return strcmp(driver, MODULE) == 0;
}

static void forget_in_tree_driver(void)
{
	char output[256];

	if (path_exists("/sys/module/nvme_core"))
		run("modprobe -r nvme nvme_core 2>&1", output, sizeof(output));
}

FIXTURE_SETUP(binding)
{
	ASSERT_EQ(0, module_ensure_unloaded());
	forget_in_tree_driver();
	ASSERT_FALSE(path_exists("/sys/module/nvme_core"));
	ASSERT_EQ(0, controller_find(&self->controller, 0));
	ASSERT_EQ(0, event_clear(&self->controller));
}

FIXTURE_TEARDOWN(binding)
{
	set_override(self->controller.address, "\n");
	set_override(NOT_NVME, "\n");
	EXPECT_EQ(0, module_ensure_unloaded());
	forget_in_tree_driver();
	EXPECT_EQ(0, event_clear(&self->controller));
}

/* Has another driver take the controller, as an administrator would. */
static int hand_over(struct controller *controller, const char *driver)
{
	char path[96];
	int error;

	error = set_override(controller->address, driver);
	snprintf(path, sizeof(path), PCI "devices/%s/driver/unbind", controller->address);
	error = error ?: write_file(path, controller->address);
	error = error ?: write_file(PCI "drivers_probe", controller->address);
	controller_refresh(controller);
	return error;
}

/* Whether the node of the bound controller works. */
static int try_node(struct controller *controller)
{
	struct nvme_event event;
	int error;
	int fd;

	fd = controller_open(controller, O_RDONLY);
	if (fd < 0)
		return fd;
	error = event_raise_many(controller, 1);
	error = error ?: event_read(fd, &event);
	close(fd);
	return error ?: event.dw0 == EVENT_RELIABILITY ? 0 : -EBADMSG;
}

TEST_F(binding, plain_load_takes_the_controller)
{
	ASSERT_EQ(0, module_load(""));
	controller_refresh(&self->controller);
	EXPECT_TRUE(is_bound(&self->controller));
	EXPECT_EQ(0, try_node(&self->controller));
}

TEST_F(binding, with_override_only_waits_for_being_named)
{
	ASSERT_EQ(0, module_load("override_only=1"));
	EXPECT_FALSE(is_bound(&self->controller));
	EXPECT_FALSE(path_exists("/dev/nvme0"));
	EXPECT_EQ(-ENODEV, controller_bind(&self->controller));
	ASSERT_EQ(0, write_file(PCI "drivers_probe", self->controller.address));
	EXPECT_FALSE(is_bound(&self->controller));

	ASSERT_EQ(0, set_override(self->controller.address, MODULE));
	ASSERT_EQ(0, write_file(PCI "drivers_probe", self->controller.address));
	controller_refresh(&self->controller);
	EXPECT_TRUE(is_bound(&self->controller));
	EXPECT_STREQ("nvme0", self->controller.node);
	EXPECT_EQ(0, try_node(&self->controller));
}

TEST_F(binding, refuses_what_is_no_controller)
{
	static const char *const parameters[] = { "", "override_only=1" };
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(parameters); i++) {
		ASSERT_EQ(0, module_load(parameters[i]));
		ASSERT_EQ(0, set_override(NOT_NVME, MODULE));
		EXPECT_EQ(-ENODEV, write_file(PCI "drivers/" MODULE "/bind", NOT_NVME));
		EXPECT_FALSE(path_exists(PCI "devices/" NOT_NVME "/driver"));
		EXPECT_FALSE(path_exists("/dev/nvme1"));
		ASSERT_EQ(0, set_override(NOT_NVME, "\n"));
		ASSERT_EQ(0, module_unload());
	}
}

TEST_F(binding, respects_an_override_for_somebody_else)
{
	ASSERT_EQ(0, set_override(self->controller.address, "vfio-pci"));
	ASSERT_EQ(0, module_load(""));
	EXPECT_FALSE(is_bound(&self->controller));
}

/* The names of the in-tree driver are its own; see also the runner's look at the kernel log. */
TEST_F(binding, in_tree_core_loaded_first_keeps_its_names)
{
	char output[256];

	ASSERT_EQ(0, run("modprobe nvme-core 2>&1", output, sizeof(output))) {
		TH_LOG("%s", output);
	}
	ASSERT_EQ(0, module_load(""));
	controller_refresh(&self->controller);
	EXPECT_STREQ(MODULE, self->controller.class);
	EXPECT_STREQ("nvme100", self->controller.node);
	EXPECT_TRUE(path_exists("/sys/class/" MODULE "/nvme100"));
	EXPECT_FALSE(path_exists("/dev/nvme0"));
	EXPECT_EQ(0, try_node(&self->controller));

	/* It was only looked at: it can go while we stay. */
	EXPECT_EQ(0, run("modprobe -r nvme-core 2>&1", output, sizeof(output)));
	EXPECT_EQ(0, try_node(&self->controller));
}

TEST_F(binding, in_tree_driver_keeps_its_controller)
{
	char output[256], driver[32];

	ASSERT_EQ(0, run("modprobe nvme 2>&1", output, sizeof(output))) {
		TH_LOG("%s", output);
	}
	ASSERT_TRUE(wait_until(path_exists("/dev/nvme0")));
	ASSERT_EQ(0, module_load(""));
	controller_driver(&self->controller, driver, sizeof(driver));
	EXPECT_STREQ("nvme", driver);
	EXPECT_TRUE(path_exists("/sys/class/nvme/nvme0"));
	EXPECT_FALSE(path_exists("/dev/nvme100"));

	/* And hands it over when it is told to. */
	ASSERT_EQ(0, write_file(PCI "drivers/nvme/unbind", self->controller.address));
	ASSERT_EQ(0, controller_bind(&self->controller));
	EXPECT_STREQ("nvme100", self->controller.node);
	EXPECT_EQ(0, try_node(&self->controller));

	/* Gets it back, and hands it over once more, by its name alone. */
	ASSERT_EQ(0, hand_over(&self->controller, "nvme"));
	EXPECT_TRUE(wait_until(path_exists("/sys/class/nvme/nvme0")));
	EXPECT_FALSE(path_exists("/dev/nvme100"));
	ASSERT_EQ(0, hand_over(&self->controller, MODULE));
	EXPECT_EQ(0, try_node(&self->controller));
}

/*
 * Whoever comes second finds the class names taken, and the kernel says so with
 * a call trace. That is the price of the names that clients look for.
 */
TEST_F(binding, in_tree_core_loaded_later_is_refused)
{
	char output[512];
	int fd;

	ASSERT_EQ(0, module_load(""));
	controller_refresh(&self->controller);
	ASSERT_STREQ("nvme0", self->controller.node);
	fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, fd);

	/* Expected here, so not on the console, where the runner takes it for a defect. */
	ASSERT_EQ(0, run("dmesg --console-level emerg", output, sizeof(output)));
	EXPECT_NE(0, run("modprobe nvme-core 2>&1", output, sizeof(output)));
	EXPECT_NE(NULL, strstr(output, "Device or resource busy")) {
		TH_LOG("%s", output);
	}
	EXPECT_FALSE(path_exists("/sys/module/nvme_core"));
	EXPECT_EQ(0, run("dmesg | grep -q \"duplicate filename '/class/nvme'\"", output,
			 sizeof(output)));
	EXPECT_EQ(0, run("dmesg --clear; dmesg --console-level warn", output, sizeof(output)));

	EXPECT_EQ(0, try_node(&self->controller));
	close(fd);
}

/* A package that loads itself could take the disk a machine boots from. */
TEST_F(binding, module_is_never_loaded_by_itself)
{
	char path[256], command[300], output[256] = "?";

	ASSERT_EQ(0, module_path(path, sizeof(path)));
	snprintf(command, sizeof(command), "modinfo -F alias '%s'", path);
	EXPECT_EQ(0, run(command, output, sizeof(output)));
	EXPECT_STREQ("", output);
	snprintf(command, sizeof(command), "modinfo -F name '%s'", path);
	EXPECT_EQ(0, run(command, output, sizeof(output)));
	EXPECT_STREQ(MODULE "\n", output);
}

/* Numbers which the administrator chose, away from the in-tree driver's names. */
FIXTURE(first_instance)
{
	struct controller controller;
};

FIXTURE_VARIANT(first_instance)
{
	const char *parameters;
	const char *class;
	const char *node;
};

FIXTURE_VARIANT_ADD(first_instance, unset)
{
	.parameters = "first_instance=-1",
	.class = "nvme",
	.node = "nvme0",
};

FIXTURE_VARIANT_ADD(first_instance, of_0)
{
	.parameters = "first_instance=0",
	.class = MODULE,
	.node = "nvme0",
};

FIXTURE_VARIANT_ADD(first_instance, of_7)
{
	.parameters = "first_instance=7",
	.class = MODULE,
	.node = "nvme7",
};

FIXTURE_SETUP(first_instance)
{
	ASSERT_EQ(0, module_ensure_unloaded());
	ASSERT_EQ(0, module_load(variant->parameters));
	ASSERT_EQ(0, controller_find(&self->controller, 0));
	ASSERT_EQ(0, event_clear(&self->controller));
}

FIXTURE_TEARDOWN(first_instance)
{
	EXPECT_EQ(0, event_clear(&self->controller));
	EXPECT_EQ(0, module_ensure_unloaded());
}

TEST_F(first_instance, decides_names)
{
	EXPECT_STREQ(variant->class, self->controller.class);
	EXPECT_STREQ(variant->node, self->controller.node);
	EXPECT_EQ(0, try_node(&self->controller));

	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, controller_bind(&self->controller));
	EXPECT_STREQ(variant->node, self->controller.node);
}

TEST_HARNESS_MAIN
