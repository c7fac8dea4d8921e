/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs about event providers begin with: the one in C, and two who read. After kselftest_harness.h. */
#ifndef PROVIDER_FIXTURE_H
#define PROVIDER_FIXTURE_H

#include "provider.h"

/* Where the positions of providers' records begin. */
#define LANE NVME_EVENT_POSITION_PROVIDER
#define READERS 4

FIXTURE(provider)
{
	struct controller controller;
	int a, b;
};

FIXTURE_SETUP(provider)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	self->b = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->b);
	ASSERT_EQ(0, provider_load(PROVIDER_C, ""));
}

FIXTURE_TEARDOWN(provider)
{
	/* Never a fetch before the ack, never another pointer. */
	EXPECT_EQ(0, provider_get("wrong"));
	EXPECT_EQ(0, provider_unload(PROVIDER_C));
	close(self->a);
	close(self->b);
	EXPECT_EQ(0, event_clear(&self->controller));
}

#endif /* PROVIDER_FIXTURE_H */
