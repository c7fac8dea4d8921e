// SPDX-License-Identifier: GPL-2.0-only
/* The masks in sysfs: which commands there are, and who may send them. */
#include "kselftest_harness.h"

#include "lib/envelope.h"
#include "lib/sysfs.h"
#include "lib/util.h"

#define PAGE 4096
#define LOG_EFFECTS (0x05 | (PAGE / 4 - 1) << 16)
#define OPCODES 256
#define SUPPORTED 1
/* What a command may change though anyone sends it: blocks; the rest are no changes. */
#define HARMLESS (SUPPORTED | 1 << 1 | 1 << 19 | 0xfffu << 20)
#define FROM_HERE_ON_FOR_ROOT 0x7f

struct mask {
	bool has[OPCODES];
};

FIXTURE(masks)
{
	struct passthru nodes;
	struct folder controller, namespace;
	__u32 log[2][OPCODES];	/* admin, I/O */
};

FIXTURE_SETUP(masks)
{
	__u32 page[PAGE / 4];
	struct nvme_passthru_cmd64 get = {
		.opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u, .cdw10 = LOG_EFFECTS, DATA(page, PAGE),
	};

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->controller = folder_of(&self->nodes.controller);
	snprintf(self->namespace.path, sizeof(self->namespace.path), "/sys/class/nvme-generic/%s",
		 self->nodes.path + strlen("/dev/"));
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &get));
	memcpy(self->log, page, sizeof(self->log));
}

FIXTURE_TEARDOWN(masks)
{
	EXPECT_EQ(0, become_root());
	EXPECT_EQ(0, node_permit(self->nodes.path, NODE_FOR_ROOT));
	passthru_close(&self->nodes);
}

/* Eight groups of eight digits, the highest bits first. */
static int mask_read(const struct folder *folder, const char *name, struct mask *mask)
{
	const char *text = folder_read(folder, name);
	unsigned int words[8], i;
	int end = 0;

	if (sscanf(text, "%8x,%8x,%8x,%8x,%8x,%8x,%8x,%8x%n", &words[7], &words[6], &words[5], &words[4],
		   &words[3], &words[2], &words[1], &words[0], &end) != 8 || end != 71 || text[end]) {
		complain("%s says %s", name, text);
		return -EINVAL;
	}
	for (i = 0; i < OPCODES; i++)
		mask->has[i] = words[i / 32] >> i % 32 & 1;
	return 0;
}

TEST_F(masks, the_controller_has_what_its_log_says)
{
	struct mask mask;
	unsigned int i;

	ASSERT_EQ(0, mask_read(&self->controller, "admin_commands", &mask));
	for (i = 0; i < OPCODES; i++)
		EXPECT_EQ(self->log[0][i] & SUPPORTED, mask.has[i]);
	EXPECT_TRUE(mask.has[ADMIN_IDENTIFY]);
	ASSERT_EQ(0, mask_read(&self->namespace, "io_commands", &mask));
	for (i = 0; i < OPCODES; i++)
		EXPECT_EQ(self->log[1][i] & SUPPORTED, mask.has[i]);
	EXPECT_TRUE(mask.has[IO_READ]);
	EXPECT_EQ(0444, folder_mode(&self->controller, "admin_commands"));
	EXPECT_EQ(0444, folder_mode(&self->namespace, "io_commands"));
}

TEST_F(masks, root_may_send_all_but_what_is_the_drivers)
{
	struct mask mask;
	unsigned int i;

	ASSERT_EQ(0, mask_read(&self->controller, "admin_commands_permitted", &mask));
	for (i = 0; i < OPCODES; i++) {
		bool is_drivers = i == ADMIN_DELETE_SQ || i == ADMIN_CREATE_SQ || i == ADMIN_DELETE_CQ ||
				  i == ADMIN_CREATE_CQ || i == ADMIN_EVENT_REQUEST ||
				  i == ADMIN_DOORBELL_BUFFER;

		EXPECT_EQ(!is_drivers, mask.has[i]) {
			TH_LOG("opcode %#x", i);
		}
	}
	ASSERT_EQ(0, mask_read(&self->namespace, "io_commands_permitted", &mask));
	for (i = 0; i < OPCODES; i++)
		EXPECT_TRUE(mask.has[i]);
}

TEST_F(masks, anyone_may_send_what_is_harmless)
{
	struct mask mask;
	unsigned int i;

	ASSERT_EQ(0, mask_read(&self->controller, "admin_commands_unprivileged", &mask));
	for (i = 0; i < OPCODES; i++)
		EXPECT_EQ(i == ADMIN_IDENTIFY, mask.has[i]);
	ASSERT_EQ(0, mask_read(&self->namespace, "io_commands_unprivileged", &mask));
	for (i = 0; i < OPCODES; i++) {
		EXPECT_EQ(i < FROM_HERE_ON_FOR_ROOT && self->log[1][i] & SUPPORTED &&
			  !(self->log[1][i] & ~HARMLESS), mask.has[i]) {
			TH_LOG("opcode %#x", i);
		}
	}
	EXPECT_TRUE(mask.has[IO_READ] && mask.has[IO_WRITE]);
}

/* What the mask says is what happens. */
TEST_F(masks, and_nothing_else)
{
	struct mask mask;
	unsigned int i;
	int fd;

	ASSERT_EQ(0, mask_read(&self->namespace, "io_commands_unprivileged", &mask));
	fd = node_open_as_nobody(self->nodes.path, NODE_WRITABLE, O_RDWR);
	ASSERT_LE(0, fd);
	for (i = 0; i < OPCODES; i++) {
		/* Without data most of them make no sense, but that is looked at later. */
		struct nvme_call call = {
			.size = CALL_BYTES, .family = NVME_CALL_IO, .command = i, .nsid = 1,
		};

		EXPECT_EQ(!mask.has[i], envelope_call(fd, &call) == -EACCES) {
			TH_LOG("opcode %#x", i);
		}
	}
	close(fd);
}

TEST_HARNESS_MAIN
