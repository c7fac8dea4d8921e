// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a reader learns that falls behind. With a small ring that is soon the
 * case; saturation at 4095 is for tests/host.
 */
#include "kselftest_harness.h"

#include "lib/event.h"
#include "lib/module.h"
#include "lib/util.h"

FIXTURE(loss)
{
	struct controller controller;
	int fd;
};

FIXTURE_VARIANT(loss)
{
	const char *parameters;
	unsigned int entries;
};

#define ENTRIES_MAX 4

FIXTURE_VARIANT_ADD(loss, from_a_ring_of_1)
{
	.parameters = "event_ring_entries=1",
	.entries = 1,
};

FIXTURE_VARIANT_ADD(loss, from_a_ring_of_4)
{
	.parameters = "event_ring_entries=4",
	.entries = ENTRIES_MAX,
};

FIXTURE_SETUP(loss)
{
	ASSERT_EQ(0, module_ensure_unloaded());
	ASSERT_EQ(0, module_load(variant->parameters));
	ASSERT_EQ(0, controller_find(&self->controller, 0));
	ASSERT_EQ(0, event_clear(&self->controller));
	self->fd = controller_open(&self->controller, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(loss)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
	EXPECT_EQ(0, module_ensure_unloaded());
}

TEST_F(loss, is_none_while_the_ring_is_just_full)
{
	struct nvme_event event;
	unsigned int number;

	ASSERT_EQ(0, event_raise_many(&self->controller, variant->entries));
	for (number = 1; number <= variant->entries; number++) {
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(number, event.dw2);
		EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
	}
	EXPECT_TRUE(event_quiet(self->fd));
}

TEST_F(loss, is_told_once_with_the_oldest_record_kept)
{
	struct nvme_event events[ENTRIES_MAX + 1];
	unsigned int i, round, lost, number = 1;

	/* More than once around the ring, and the reader lags more than once. */
	for (round = 0; round < 2; round++) {
		lost = round ? 1 : variant->entries + 1;
		ASSERT_EQ(0, event_raise_many(&self->controller, variant->entries + lost));
		ASSERT_EQ(variant->entries * sizeof(*events),
			  read(self->fd, events, sizeof(events)));
		number += lost;
		EXPECT_EQ(lost, NVME_EVENT_LOST(events[0].dw3));
		/* Nothing else of the record is touched. */
		EXPECT_EQ(EVENT_RELIABILITY, events[0].dw0);
		EXPECT_EQ(NVME_EVENT_DW3_PAYLOAD | lost, events[0].dw3);
		for (i = 0; i < variant->entries; i++) {
			EXPECT_EQ(number++, events[i].dw2);
			if (i)
				EXPECT_EQ(0, NVME_EVENT_LOST(events[i].dw3));
		}
		EXPECT_EQ(-1, read(self->fd, events, sizeof(events)));
		EXPECT_EQ(EAGAIN, errno);
	}
}

TEST_F(loss, is_each_readers_own)
{
	unsigned int i, events = variant->entries + 3;
	struct nvme_event event;
	int prompt, late;

	prompt = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, prompt);
	for (i = 1; i <= events; i++) {
		ASSERT_EQ(0, event_raise_many(&self->controller, 1));
		ASSERT_EQ(0, event_read(prompt, &event));
		EXPECT_EQ(i, event.dw2);
		EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
	}
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(4, event.dw2);
	EXPECT_EQ(3, NVME_EVENT_LOST(event.dw3));

	/* Who comes later has lost nothing. */
	late = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, late);
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(late, &event));
	EXPECT_EQ(events + 1, event.dw2);
	EXPECT_EQ(0, NVME_EVENT_LOST(event.dw3));
	close(late);
	close(prompt);
}

TEST_F(loss, is_still_told_after_a_failed_read)
{
	struct nvme_event event;

	ASSERT_EQ(0, event_raise_many(&self->controller, variant->entries + 2));
	EXPECT_EQ(-1, read(self->fd, bad_address(), sizeof(event)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->fd, &event, sizeof(event) - 1));
	EXPECT_EQ(EINVAL, errno);

	/* And grows meanwhile. */
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(4, event.dw2);
	EXPECT_EQ(3, NVME_EVENT_LOST(event.dw3));
}

TEST_F(loss, does_not_take_the_last_record)
{
	struct nvme_event events[ENTRIES_MAX + 1];

	/* What does not fit: one event, and one for the record of the removal. */
	ASSERT_EQ(0, event_raise_many(&self->controller, variant->entries + 1));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(variant->entries * sizeof(*events), read(self->fd, events, sizeof(events)));
	EXPECT_EQ(2, NVME_EVENT_LOST(events[0].dw3));
	EXPECT_EQ(EVENT_REMOVED, events[variant->entries - 1].dw0);
	EXPECT_EQ(variant->entries + 2, events[variant->entries - 1].dw2);
	EXPECT_EQ(-1, read(self->fd, events, sizeof(events)));
	EXPECT_EQ(ENODEV, errno);
}

TEST_HARNESS_MAIN
