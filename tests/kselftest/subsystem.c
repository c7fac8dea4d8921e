// SPDX-License-Identifier: GPL-2.0-only
/* Two controllers of one subsystem, whose namespaces have all kinds of identifiers. */
#include "kselftest_harness.h"

#include "lib/sysfs.h"
#include "lib/util.h"

/* As the machine "subsystem" of scripts/vm has them. */
#define UUID "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
#define NGUID "0c4f9a3e-7b61-4d52-8f10-2233445566aa"

FIXTURE(subsystem)
{
	struct controller controllers[2];
	struct folder folder;
};

FIXTURE_SETUP(subsystem)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, controller_find(&self->controllers[i], i));
	self->folder = folder_of_subsystem(&self->controllers[0], 0);
}

FIXTURE_TEARDOWN(subsystem)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (!self->controllers[i].path[0])
			EXPECT_EQ(0, controller_bind(&self->controllers[i]));
	}
}

static bool is_member(const struct folder *subsystem, const struct controller *controller)
{
	struct folder folder = folder_of(controller);

	return folder_links(subsystem, controller->node, &folder);
}

TEST_F(subsystem, controllers_share_it)
{
	struct folder other = folder_of_subsystem(&self->controllers[0], 1);
	struct folder folder;
	unsigned int i;
	char cntlid[8];

	EXPECT_FALSE(path_exists(other.path));
	for (i = 0; i < 2; i++) {
		folder = folder_of(&self->controllers[i]);
		EXPECT_TRUE(is_member(&self->folder, &self->controllers[i]));
		EXPECT_STREQ("nqn.2019-08.org.qemu:subsys0", folder_read(&folder, "subsysnqn"));
		snprintf(cntlid, sizeof(cntlid), "%u", i);
		EXPECT_STREQ(cntlid, folder_read(&folder, "cntlid"));
	}
}

TEST_F(subsystem, it_stays_as_long_as_one_is_left)
{
	struct controller *controllers = self->controllers;
	char first[16], second[16];

	strcpy(first, controllers[0].node);
	strcpy(second, controllers[1].node);
	ASSERT_EQ(0, controller_unbind(&controllers[0]));
	EXPECT_TRUE(path_exists(self->folder.path));
	EXPECT_FALSE(folder_has(&self->folder, first));
	EXPECT_TRUE(folder_has(&self->folder, second));
	EXPECT_STREQ("nvm", folder_read(&self->folder, "subsystype"));
	ASSERT_EQ(0, controller_unbind(&controllers[1]));
	EXPECT_FALSE(path_exists(self->folder.path));

	ASSERT_EQ(0, controller_bind(&controllers[1]));
	ASSERT_EQ(0, controller_bind(&controllers[0]));
	EXPECT_TRUE(is_member(&self->folder, &controllers[0]));
	EXPECT_TRUE(is_member(&self->folder, &controllers[1]));
}

TEST_F(subsystem, a_namespace_shows_the_identifiers_it_has)
{
	struct folder folder;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		folder = folder_of_namespace(&self->controllers[i], 1);
		EXPECT_STREQ("uuid." UUID, folder_read(&folder, "wwid"));
		EXPECT_STREQ(UUID, folder_read(&folder, "uuid"));
		EXPECT_STREQ(NGUID, folder_read(&folder, "nguid"));
		EXPECT_STREQ("00 25 38 8b 01 c2 0a ff", folder_read(&folder, "eui"));

		folder = folder_of_namespace(&self->controllers[i], 2);
		EXPECT_STREQ("eui.0c4f9a3e7b614d528f102233445566aa", folder_read(&folder, "wwid"));
		EXPECT_STREQ(NGUID, folder_read(&folder, "uuid"));
		EXPECT_STREQ(NGUID, folder_read(&folder, "nguid"));
		EXPECT_FALSE(folder_has(&folder, "eui"));

		folder = folder_of_namespace(&self->controllers[i], 3);
		EXPECT_STREQ("eui.0025388b01c20aff", folder_read(&folder, "wwid"));
		EXPECT_STREQ("00 25 38 8b 01 c2 0a ff", folder_read(&folder, "eui"));
		EXPECT_FALSE(folder_has(&folder, "uuid"));
		EXPECT_FALSE(folder_has(&folder, "nguid"));
	}
}

/* Sizes are in units of 512 bytes, usage in blocks. */
TEST_F(subsystem, a_namespace_shows_its_format)
{
	struct folder folder = folder_of_namespace(&self->controllers[0], 2);
	unsigned long long blocks, sectors;

	EXPECT_STREQ("4096", folder_read(&folder, "queue/logical_block_size"));
	EXPECT_STREQ("8", folder_read(&folder, "metadata_bytes"));
	blocks = strtoull(folder_read(&folder, "nuse"), NULL, 10);
	sectors = strtoull(folder_read(&folder, "size"), NULL, 10);
	EXPECT_LT(0, blocks);
	EXPECT_EQ(8 * blocks, sectors);

	folder = folder_of_namespace(&self->controllers[0], 1);
	EXPECT_STREQ("512", folder_read(&folder, "queue/logical_block_size"));
	EXPECT_STREQ("0", folder_read(&folder, "metadata_bytes"));
}

static bool contains(const char *command, const char *text)
{
	char output[16384];

	if (run(command, output, sizeof(output)) == 0 && strstr(output, text))
		return true;
	complain("'%s' does not say '%s' but: %.300s", command, text, output);
	return false;
}

/* On the debug kernel each of the clients takes seconds. */
TEST_F_TIMEOUT(subsystem, nvme_cli_finds_everything, 120)
{
	EXPECT_TRUE(contains("nvme list -o json | jq '.Devices | length'", "6"));
	EXPECT_TRUE(contains("nvme list -o json | jq '.Devices[].NameSpace' | sort -u | xargs", "1 2 3"));
	EXPECT_TRUE(contains("nvme list -o json | jq -r '.Devices[] | select(.NameSpace == 2).SectorSize' | xargs",
			     "4096 4096"));
	EXPECT_TRUE(contains("nvme list -v | grep -c '^nvme[01] .* nvme-subsys0 '", "2"));
	EXPECT_TRUE(contains("nvme list-subsys", "NQN=nqn.2019-08.org.qemu:subsys0"));
	EXPECT_TRUE(contains("nvme list-subsys | grep -c ' +- nvme[01] pcie 0000:00:1[01].0 live'", "2"));
	EXPECT_TRUE(contains("nvme show-topology", "+- ns 3"));
}

TEST_HARNESS_MAIN
