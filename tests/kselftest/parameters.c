// SPDX-License-Identifier: GPL-2.0-only
/* Which values of module parameters are taken, and which refused. */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/module.h"
#include "lib/util.h"

FIXTURE(bad)
{
};

FIXTURE_VARIANT(bad)
{
	const char *parameters;
};

FIXTURE_VARIANT_ADD(bad, ring_of_0) { .parameters = "event_ring_entries=0" };
FIXTURE_VARIANT_ADD(bad, ring_of_3) { .parameters = "event_ring_entries=3" };
FIXTURE_VARIANT_ADD(bad, ring_of_1000) { .parameters = "event_ring_entries=1000" };
FIXTURE_VARIANT_ADD(bad, ring_too_large) { .parameters = "event_ring_entries=2097152" };
FIXTURE_VARIANT_ADD(bad, ring_of_2_to_the_31) { .parameters = "event_ring_entries=2147483648" };
FIXTURE_VARIANT_ADD(bad, ring_of_minus_1) { .parameters = "event_ring_entries=-1" };
FIXTURE_VARIANT_ADD(bad, ring_of_words) { .parameters = "event_ring_entries=many" };
FIXTURE_VARIANT_ADD(bad, no_aers) { .parameters = "aers=0" };
FIXTURE_VARIANT_ADD(bad, aers_17) { .parameters = "aers=17" };
FIXTURE_VARIANT_ADD(bad, aers_65535) { .parameters = "aers=65535" };
/* 65537 is 1 in 16 bits. */
FIXTURE_VARIANT_ADD(bad, aers_beyond_16_bits) { .parameters = "aers=65537" };
FIXTURE_VARIANT_ADD(bad, too_many_snapshots) { .parameters = "event_snapshot_bytes=268435457" };
FIXTURE_VARIANT_ADD(bad, storm_of_nothing) { .parameters = "event_storm_limit=0" };
FIXTURE_VARIANT_ADD(bad, no_pause) { .parameters = "event_storm_pause=0" };
FIXTURE_VARIANT_ADD(bad, pause_of_a_day) { .parameters = "event_storm_pause=86400" };
FIXTURE_VARIANT_ADD(bad, smart_all_the_time) { .parameters = "event_smart_interval=0" };
FIXTURE_VARIANT_ADD(bad, smart_once_a_week) { .parameters = "event_smart_interval=604800" };
FIXTURE_VARIANT_ADD(bad, first_node_after_the_last) { .parameters = "first_instance=1024" };
FIXTURE_VARIANT_ADD(bad, first_node_far_away) { .parameters = "first_instance=2147483647" };
FIXTURE_VARIANT_ADD(bad, first_node_below_0) { .parameters = "first_instance=-2" };
FIXTURE_VARIANT_ADD(bad, second_of_two) { .parameters = "aers=4 event_ring_entries=5" };

FIXTURE_SETUP(bad)
{
	ASSERT_EQ(0, module_ensure_unloaded());
}

FIXTURE_TEARDOWN(bad)
{
	EXPECT_EQ(0, module_ensure_unloaded());
}

TEST_F(bad, value_is_refused_and_leaves_nothing)
{
	EXPECT_EQ(-EINVAL, module_load(variant->parameters));
	EXPECT_FALSE(module_is_loaded());
	EXPECT_FALSE(path_exists("/sys/bus/pci/drivers/" MODULE));
	EXPECT_FALSE(path_exists("/sys/class/nvme"));
	EXPECT_FALSE(path_exists("/sys/kernel/debug/" MODULE));

	/* Nor does it stand in the way of the next attempt. */
	ASSERT_EQ(0, module_load(""));
	ASSERT_EQ(0, module_unload());
}

FIXTURE(good)
{
	struct controller controller;
};

FIXTURE_VARIANT(good)
{
	const char *parameters;
};

FIXTURE_VARIANT_ADD(good, defaults) { .parameters = "" };
FIXTURE_VARIANT_ADD(good, ring_of_1) { .parameters = "event_ring_entries=1" };
FIXTURE_VARIANT_ADD(good, largest_ring) { .parameters = "event_ring_entries=1048576" };
FIXTURE_VARIANT_ADD(good, one_aer) { .parameters = "aers=1" };
FIXTURE_VARIANT_ADD(good, sixteen_aers) { .parameters = "aers=16" };
FIXTURE_VARIANT_ADD(good, first_node_the_last) { .parameters = "first_instance=1023" };
/* The log page is then not kept, but it is read all the same. */
FIXTURE_VARIANT_ADD(good, small_snapshots) { .parameters = "event_snapshot_bytes=4096" };
FIXTURE_VARIANT_ADD(good, several) { .parameters = "aers=2 event_ring_entries=8 first_instance=3" };

FIXTURE_SETUP(good)
{
	ASSERT_EQ(0, module_ensure_unloaded());
	ASSERT_EQ(0, module_load(variant->parameters));
	ASSERT_EQ(0, controller_find(&self->controller, 0));
	ASSERT_EQ(0, event_clear(&self->controller));
}

FIXTURE_TEARDOWN(good)
{
	EXPECT_EQ(0, event_clear(&self->controller));
	EXPECT_EQ(0, module_ensure_unloaded());
}

TEST_F(good, value_makes_events_arrive)
{
	struct nvme_event event;
	unsigned int number;
	int fd;

	fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, fd);
	for (number = 1; number <= 2; number++) {
		ASSERT_EQ(0, event_raise_many(&self->controller, 1));
		ASSERT_EQ(0, event_read(fd, &event));
		EXPECT_EQ(number, event.dw2);
	}
	close(fd);
}

TEST_HARNESS_MAIN
