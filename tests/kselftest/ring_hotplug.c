// SPDX-License-Identifier: GPL-2.0-only
/* Controllers that are unplugged, announced or not, under many commands of a ring. */
#include "kselftest_harness.h"

#include "lib/load.h"
#include "lib/qmp.h"
#include "lib/trace.h"
#include "lib/util.h"

#define DEPTH 128

/* pciehp gives the user five seconds to think again, and the slot some to power up. */
#define SLOT_MS 30000

FIXTURE(hotplug)
{
	struct passthru nodes;
	struct trace trace;
	struct load load;
	char port[16];		/* of the PCI bridge above */
};

FIXTURE_VARIANT(hotplug)
{
	unsigned int flags;
	bool announced;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(hotplug, name) { .flags = __VA_ARGS__ }

KIND(orderly, RING_WIDE, .announced = true);
KIND(orderly_iopoll, RING_WIDE | IORING_SETUP_IOPOLL, .announced = true);
KIND(orderly_sqpoll, RING_WIDE | IORING_SETUP_SQPOLL, .announced = true);
KIND(surprise, RING_WIDE);
KIND(surprise_iopoll, RING_WIDE | IORING_SETUP_IOPOLL);

static bool wait_for(struct controller *controller, bool there)
{
	long long end_ms = now_ms() + SLOT_MS;

	while (now_ms() < end_ms) {
		char path[64];

		controller_refresh(controller);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", controller->address);
		if (path_exists(path) == there && !!controller->path[0] == there)
			return true;
		usleep(50000);
	}
	complain("%s is %sthere after %d ms", controller->address, there ? "not " : "", SLOT_MS);
	return false;
}

FIXTURE_SETUP(hotplug)
{
	char path[64], target[256];
	ssize_t length;
	char *end;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	ASSERT_EQ(0, load_prepare(&self->nodes));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", self->nodes.controller.address);
	length = readlink(path, target, sizeof(target) - 1);
	ASSERT_LT(0, length);
	target[length] = '\0';
	/* .../<port>/<controller> */
	end = strrchr(target, '/');
	ASSERT_NE(NULL, end);
	*end = '\0';
	snprintf(self->port, sizeof(self->port), "%s", strrchr(target, '/') + 1);
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_enable("pci_nvme_enqueue_req_completion"));
	ASSERT_EQ(0, trace_start(&self->trace));
	self->load = (struct load){
		.nodes = &self->nodes, .ring_flags = variant->flags, .depth = DEPTH, .cpu = -1,
		.gives_up = true,
	};
}

FIXTURE_TEARDOWN(hotplug)
{
	passthru_close(&self->nodes);
}

static int slot_power_off(const char *port)
{
	char command[96], output[96];

	snprintf(command, sizeof(command), "setpci -s %s CAP_EXP+18.w=0700:0700", port);
	return run(command, output, sizeof(output));
}

/* Its namespace has stayed in the subsystem. */
static int plug_in(void)
{
	return qmp("device_add", "'driver': 'nvme', 'id': 'nvme0', 'bus': 'rp0', "
		   "'serial': 'NVMERS0', 'subsys': 'subsys0'");
}

/* Nothing is counted as done that the controller did not do. */
static void expect_counts(struct __test_metadata *_metadata, FIXTURE_DATA(hotplug) *self)
{
	struct load *load = &self->load;

	EXPECT_EQ(0, load->wrong);
	EXPECT_EQ(load->sent, load->ended);
	EXPECT_GE(trace_count(&self->trace, LOAD_SUCCESS), (int)load->good);
	EXPECT_LE(1, load->gone + load->interrupted + load->statuses + load->host_path);
}

TEST_F_TIMEOUT(hotplug, under_load, 120)
{
	char path[64];

	ASSERT_EQ(0, load_start(&self->load));
	ASSERT_TRUE(wait_until(self->load.good > DEPTH));
	if (variant->announced) {
		ASSERT_EQ(0, qmp("device_del", "'id': 'nvme0'"));
		ASSERT_TRUE(wait_for(&self->nodes.controller, false));
		ASSERT_EQ(0, load_finish(&self->load));
		expect_counts(_metadata, self);
	} else {
		ASSERT_EQ(0, slot_power_off(self->port));
		/* It has to find out by itself: nobody tells the load to stop. */
		ASSERT_TRUE(wait_until(self->load.gone || self->load.host_path ||
				       self->load.interrupted)) {
			load_tell(&self->load);
		}
		ASSERT_EQ(0, load_finish(&self->load));
		expect_counts(_metadata, self);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove",
			 self->nodes.controller.address);
		ASSERT_EQ(0, write_file(path, "1"));
	}
	/* QEMU unplugs what has no power any more. */
	ASSERT_TRUE(wait_until(plug_in() == 0));
	ASSERT_TRUE(wait_for(&self->nodes.controller, true));
}

TEST_HARNESS_MAIN
