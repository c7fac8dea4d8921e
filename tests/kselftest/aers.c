// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many Asynchronous Event Requests are outstanding, as the driver counts and
 * as the controller saw it. For controllers that take 1, 4 and 8 of them.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/module.h"
#include "lib/trace.h"
#include "lib/util.h"

#define CONTROLLERS 3

static const unsigned int taken_by_controller[CONTROLLERS] = { 1, 4, 8 };

#define REQUESTED "pci_nvme_aer cid *"
#define COMPLETED "pci_nvme_aer_post_cqe *"
#define TOO_MANY "pci_nvme_aer_aerl_exceeded*"
#define ADMIN_COMMAND "pci_nvme_admin_cmd *"

FIXTURE(aers)
{
	struct controller controllers[CONTROLLERS];
};

FIXTURE_VARIANT(aers)
{
	const char *parameters;
	unsigned int limit;
};

FIXTURE_VARIANT_ADD(aers, by_default) { .parameters = "", .limit = 8 };
FIXTURE_VARIANT_ADD(aers, at_most_1) { .parameters = "aers=1", .limit = 1 };
FIXTURE_VARIANT_ADD(aers, at_most_2) { .parameters = "aers=2", .limit = 2 };
FIXTURE_VARIANT_ADD(aers, at_most_16) { .parameters = "aers=16", .limit = 16 };

/* The trace does not tell controllers from each other: each test binds one at a time. */
FIXTURE_SETUP(aers)
{
	static const char *const events[] = {
		"pci_nvme_aer", "pci_nvme_aer_post_cqe", "pci_nvme_aer_aerl_exceeded",
		"pci_nvme_admin_cmd",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(events); i++)
		ASSERT_EQ(0, trace_enable(events[i]));
	ASSERT_EQ(0, module_ensure_unloaded());
	ASSERT_EQ(0, module_load(variant->parameters));
	for (i = 0; i < CONTROLLERS; i++) {
		ASSERT_EQ(0, controller_find(&self->controllers[i], i));
		ASSERT_EQ(0, event_clear(&self->controllers[i]));
		ASSERT_EQ(0, controller_unbind(&self->controllers[i]));
	}
}

FIXTURE_TEARDOWN(aers)
{
	unsigned int i;

	for (i = 0; i < CONTROLLERS; i++)
		EXPECT_EQ(0, event_clear(&self->controllers[i]));
	EXPECT_EQ(0, module_ensure_unloaded());
}

static unsigned int smaller(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* As the controller saw it since @trace started. */
static int outstanding(const struct trace *trace)
{
	return trace_count(trace, REQUESTED) - trace_count(trace, COMPLETED);
}

TEST_F(aers, are_as_many_as_both_sides_allow)
{
	unsigned long long counted;
	struct trace trace;
	unsigned int i;

	for (i = 0; i < CONTROLLERS; i++) {
		struct controller *controller = &self->controllers[i];
		unsigned int expected = smaller(taken_by_controller[i], variant->limit);

		ASSERT_EQ(0, trace_start(&trace));
		ASSERT_EQ(0, controller_bind(controller));
		EXPECT_EQ(expected, outstanding(&trace));
		ASSERT_EQ(0, controller_value(controller, "aers_outstanding", &counted));
		EXPECT_EQ(expected, counted);

		/* Each one that completes is replaced. */
		ASSERT_EQ(0, event_raise_many(controller, 3));
		EXPECT_EQ(3, trace_count(&trace, COMPLETED));
		EXPECT_EQ(expected, outstanding(&trace));
		ASSERT_EQ(0, controller_value(controller, "aers_outstanding", &counted));
		EXPECT_EQ(expected, counted);

		EXPECT_EQ(0, trace_count(&trace, TOO_MANY));
		ASSERT_EQ(0, controller_unbind(controller));
	}
}

/* Until the controller has said how many it takes, one; but that from the start. */
TEST_F(aers, begin_with_one_before_anything_else)
{
	struct trace trace;
	unsigned int i;

	for (i = 0; i < CONTROLLERS; i++) {
		ASSERT_EQ(0, trace_start(&trace));
		ASSERT_EQ(0, controller_bind(&self->controllers[i]));
		EXPECT_EQ(trace_first(&trace, ADMIN_COMMAND),
			  trace_first(&trace, "pci_nvme_admin_cmd * opc 0xc *"));
		/* The command after it: two lines tell of each event request. */
		EXPECT_EQ(trace_first(&trace, "pci_nvme_admin_cmd * opc 0xc *") + 1,
			  trace_first(&trace, REQUESTED));
		EXPECT_LT(trace_first(&trace, REQUESTED),
			  trace_first(&trace, "pci_nvme_admin_cmd * opc 0x6 *"));
		ASSERT_EQ(0, controller_unbind(&self->controllers[i]));
	}
}

TEST_HARNESS_MAIN
