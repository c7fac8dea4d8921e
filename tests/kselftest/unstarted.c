// SPDX-License-Identifier: GPL-2.0-only
/*
 * A controller that does not start when it is bound. For a machine without
 * MSI: the table of MSI-X is among the registers that are not there.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/sysfs.h"
#include "lib/util.h"

FIXTURE(unstarted)
{
	struct controller controller;
	struct folder folder;
	struct folder subsystem;
	char upper[16];		/* half of where the registers belong */
};

static int move_registers(const struct controller *controller, const char *upper)
{
	char command[96], output[32];

	snprintf(command, sizeof(command), "setpci -s %s BASE_ADDRESS_1=%s", controller->address,
		 upper);
	return run(command, output, sizeof(output));
}

FIXTURE_SETUP(unstarted)
{
	char command[96];

	ASSERT_EQ(0, controller_find(&self->controller, 0));
	self->folder = folder_of(&self->controller);
	self->subsystem = folder_of_subsystem(&self->controller, 0);
	ASSERT_TRUE(path_exists(self->subsystem.path));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	EXPECT_FALSE(path_exists(self->subsystem.path));

	snprintf(command, sizeof(command), "setpci -s %s BASE_ADDRESS_1", self->controller.address);
	ASSERT_EQ(0, run(command, self->upper, sizeof(self->upper)));
	self->upper[strcspn(self->upper, "\n")] = '\0';
	/* Where nothing answers. */
	ASSERT_EQ(0, move_registers(&self->controller, "0000007f"));
	ASSERT_EQ(0, controller_bind(&self->controller));
}

FIXTURE_TEARDOWN(unstarted)
{
	EXPECT_EQ(0, controller_unbind(&self->controller));
	EXPECT_EQ(0, move_registers(&self->controller, self->upper));
	EXPECT_EQ(0, controller_bind(&self->controller));
}

TEST_F(unstarted, sysfs_shows_what_there_is_to_show)
{
	static const char *const unknown[] = {
		"model", "serial", "firmware_rev", "cntlid", "cntrltype", "subsysnqn",
	};
	const struct folder *folder = &self->folder;
	char output[4096];
	unsigned int i;

	EXPECT_STREQ("dead", folder_read(folder, "state"));
	EXPECT_STREQ("pcie", folder_read(folder, "transport"));
	EXPECT_STREQ(self->controller.address, folder_read(folder, "address"));
	for (i = 0; i < ARRAY_LENGTH(unknown); i++)
		EXPECT_STREQ("ENODATA", folder_read(folder, unknown[i]));
	EXPECT_FALSE(path_exists(self->subsystem.path));
	EXPECT_EQ(0, folder_write(folder, "rescan_controller", "1"));
	EXPECT_EQ(0, run("nvme list -v 2>&1", output, sizeof(output))) {
		TH_LOG("%s", output);
	}
}

TEST_F(unstarted, a_reset_that_revives_it_makes_it_a_member_of_its_subsystem)
{
	const struct folder *folder = &self->folder;
	unsigned int i;

	EXPECT_NE(0, folder_write(folder, "reset_controller", "1"));
	EXPECT_FALSE(path_exists(self->subsystem.path));
	ASSERT_EQ(0, move_registers(&self->controller, self->upper));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, folder_write(folder, "reset_controller", "1"));
		EXPECT_STREQ("live", folder_read(folder, "state"));
		EXPECT_STREQ("NVMERS0             ", folder_read(folder, "serial"));
		EXPECT_TRUE(folder_links(&self->subsystem, self->controller.node, folder));
	}
	EXPECT_EQ(0, event_raise_many(&self->controller, 1));
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_HARNESS_MAIN
