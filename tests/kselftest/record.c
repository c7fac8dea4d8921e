// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in the records: every bit of them, as include/uapi/linux/nvme_event.h
 * has it.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/util.h"

FIXTURE(record)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(record)
{
	ASSERT_EQ(0, namespaces_restore());
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(record)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
	EXPECT_EQ(0, namespaces_restore());
}

TEST_F(record, numbers_begin_at_one_with_each_bind)
{
	struct nvme_event event;
	unsigned int number;

	for (number = 1; number <= 3; number++) {
		ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(number, event.dw2);
	}

	close(self->fd);
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
}

TEST_F(record, namespace_change_is_handled_by_the_driver)
{
	struct nvme_event event;
	unsigned int number;

	ASSERT_TRUE(controller_has_namespace(&self->controller, 1));
	ASSERT_TRUE(controller_has_namespace(&self->controller, 2));
	for (number = 1; number <= 2; number++) {
		bool there = number == 2;

		ASSERT_EQ(0, (there ? namespace_add : namespace_remove)(&self->controller, 2));
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(EVENT_NAMESPACE, event.dw0);
		EXPECT_EQ(0, event.dw1);
		EXPECT_EQ(number, event.dw2);
		EXPECT_EQ(NVME_EVENT_DW3_PAYLOAD | NVME_EVENT_DW3_HANDLED, event.dw3);

		/* HANDLED says that the driver acts; here is what it does. */
		EXPECT_TRUE(wait_until(controller_has_namespace(&self->controller, 2) == there));
		EXPECT_TRUE(controller_has_namespace(&self->controller, 1));
	}
}

TEST_F(record, classes_come_in_the_order_of_their_completions)
{
	static const __u32 expected[] = {
		EVENT_TEMPERATURE, EVENT_NAMESPACE, EVENT_SPARE, EVENT_NAMESPACE,
	};
	struct nvme_event event;
	unsigned int i;

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_TEMPERATURE));
	ASSERT_EQ(0, namespace_remove(&self->controller, 2));
	ASSERT_EQ(0, event_raise(&self->controller, WARNING_SPARE));
	ASSERT_EQ(0, namespace_add(&self->controller, 2));

	for (i = 0; i < ARRAY_LENGTH(expected); i++) {
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(expected[i], event.dw0);
		EXPECT_EQ(i + 1, event.dw2);
	}
}

TEST_F(record, last_one_says_that_the_driver_let_go)
{
	struct nvme_event event;

	ASSERT_EQ(0, event_raise(&self->controller, WARNING_RELIABILITY));
	ASSERT_EQ(0, controller_unbind(&self->controller));

	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
	EXPECT_EQ(1, event.dw2);
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);
	EXPECT_EQ(0, event.dw1);
	EXPECT_EQ(2, event.dw2);
	EXPECT_EQ(DW3_LIFECYCLE, event.dw3);

	EXPECT_EQ(-ENODEV, event_read(self->fd, &event));
	EXPECT_EQ(-ENODEV, event_read(self->fd, &event));

	EXPECT_EQ(0, controller_bind(&self->controller));
}

/* Each bit of the critical warning, and the event that it becomes. */
FIXTURE(warning)
{
	struct controller controller;
	int fd;
};

FIXTURE_VARIANT(warning)
{
	unsigned int bit;
	__u32 dw0;
};

FIXTURE_VARIANT_ADD(warning, spare_is_low)
{
	.bit = WARNING_SPARE,
	.dw0 = EVENT_SPARE,
};

FIXTURE_VARIANT_ADD(warning, temperature_is_out_of_bounds)
{
	.bit = WARNING_TEMPERATURE,
	.dw0 = EVENT_TEMPERATURE,
};

FIXTURE_VARIANT_ADD(warning, reliability_is_degraded)
{
	.bit = WARNING_RELIABILITY,
	.dw0 = EVENT_RELIABILITY,
};

FIXTURE_VARIANT_ADD(warning, media_is_read_only)
{
	.bit = WARNING_READ_ONLY,
	.dw0 = EVENT_RELIABILITY,
};

FIXTURE_VARIANT_ADD(warning, memory_backup_has_failed)
{
	.bit = WARNING_BACKUP_FAILED,
	.dw0 = EVENT_RELIABILITY,
};

FIXTURE_SETUP(warning)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(warning)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

TEST_F(warning, is_reported_bit_by_bit)
{
	struct nvme_event event;

	ASSERT_EQ(0, event_raise(&self->controller, variant->bit));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(variant->dw0, event.dw0);
	EXPECT_EQ(0, event.dw1);
	EXPECT_EQ(1, event.dw2);
	/* Status 0, not HANDLED, source controller, nothing LOST. */
	EXPECT_EQ(NVME_EVENT_DW3_PAYLOAD, event.dw3);
	EXPECT_TRUE(event_quiet(self->fd));
}

TEST_HARNESS_MAIN
