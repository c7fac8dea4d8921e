// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of other kernel modules: when readers get them, when the module gets
 * them back, and what stays when it goes. The modules are those of
 * tests/providers.
 */
#include "kselftest_harness.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/call.h"
#include "lib/log.h"
#include "lib/provider_fixture.h"
#include "lib/util.h"

#define PROVIDERS_MOST 16

TEST_F(provider, its_events_overtake_pending_ones_of_the_controller)
{
	struct nvme_event events[8];

	ASSERT_EQ(0, event_raise_many(&self->controller, 2));
	ASSERT_EQ(0, provider_offer(self->a, 1, 1));
	ASSERT_EQ(0, event_read(self->a, &events[0]));
	EXPECT_TRUE(provider_said(&events[0], 1, 1));
	EXPECT_TRUE(events[0].dw3 & NVME_EVENT_DW3_PAYLOAD);
	ASSERT_EQ(0, event_read(self->a, &events[0]));
	EXPECT_EQ(EVENT_RELIABILITY, events[0].dw0);
	EXPECT_EQ(1, events[0].dw2);

	/* In the middle of them, and with one read. */
	ASSERT_EQ(0, provider_offer(self->a, 1, 2));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(3 * sizeof(events[0]), read(self->a, events, sizeof(events)));
	EXPECT_TRUE(provider_said(&events[0], 2, 2));
	EXPECT_EQ(2, events[1].dw2);
	EXPECT_EQ(3, events[2].dw2);
	EXPECT_EQ(EVENT_RELIABILITY, events[2].dw0);
}

TEST_F(provider, who_sleeps_or_polls_learns_of_an_event)
{
	struct pollfd waits = { .fd = self->b, .events = POLLIN };
	struct nvme_event event;
	struct read_call parameters = { self->a, &event, sizeof(event) };
	struct call call;

	EXPECT_EQ(0, event_poll_now(self->b));
	ASSERT_EQ(0, call_start(&call, call_read, &parameters));
	ASSERT_TRUE(call_blocks_in(&call, SYS_read));
	ASSERT_EQ(0, provider_set("post", 1));
	ASSERT_EQ(0, call_finish(&call));
	EXPECT_EQ(sizeof(event), call.result);
	EXPECT_TRUE(provider_said(&event, 1, 1));
	ASSERT_EQ(1, poll(&waits, 1, LIMIT_MS));
	EXPECT_EQ(POLLIN, waits.revents);
	EXPECT_EQ(0, event_poll_now(self->a));
	/* Told from a hard interrupt that there is more, and that there is none. */
	EXPECT_EQ(0, provider_set("post", 0));
	EXPECT_TRUE(provider_stays("fetched", 1));
}

TEST_F(provider, without_readers_one_event_is_staged_and_the_rest_waits)
{
	struct nvme_event event;
	unsigned int i;

	close(self->a);
	close(self->b);
	ASSERT_EQ(0, provider_set("post", 3));
	ASSERT_TRUE(wait_until(provider_get("fetched") == 1));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, provider_set("post", 0));
	EXPECT_TRUE(provider_stays("fetched", 1));
	EXPECT_EQ(0, provider_get("acked"));

	/* A fresh file stands before what nobody has read. */
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(i, provider_get("fetched"));
		ASSERT_EQ(0, event_read(self->a, &event));
		EXPECT_TRUE(provider_said(&event, i, i));
		EXPECT_TRUE(wait_until(provider_get("acked") == (int)i));
		EXPECT_TRUE(i == 3 || wait_until(provider_newest(self->a) == i + 1));
	}
	/* And after what somebody has. */
	self->b = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->b);
	EXPECT_EQ(-EAGAIN, event_read_now(self->b, &event));
}

TEST_F(provider, the_ack_comes_with_the_first_complete_copy)
{
	struct nvme_event events[2];
	struct iovec torn[2] = {
		{ .iov_base = events, .iov_len = sizeof(events[0]) / 2 },
		{ .iov_base = bad_address(), .iov_len = sizeof(events[0]) / 2 },
	};

	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, provider_offer(self->a, 1, 1));
	EXPECT_EQ(POLLIN, event_poll_now(self->a));
	EXPECT_EQ(-1, read(self->a, bad_address(), sizeof(events)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->a, events, sizeof(events[0]) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, readv(self->a, torn, 2));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pread(self->a, bad_address(), sizeof(events), LANE | 16));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(provider_stays("acked", 0));

	/* This record arrives, the next does not. */
	torn[0].iov_len = sizeof(events[0]);
	torn[1].iov_len = sizeof(events[0]);
	EXPECT_EQ(sizeof(events[0]), readv(self->a, torn, 2));
	EXPECT_TRUE(provider_said(&events[0], 1, 1));
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	ASSERT_EQ(0, event_read(self->a, &events[0]));
	EXPECT_EQ(EVENT_RELIABILITY, events[0].dw0);

	/* Everybody gets it, the provider hears of the first. */
	ASSERT_EQ(0, event_read(self->b, &events[0]));
	EXPECT_TRUE(provider_said(&events[0], 1, 1));
	EXPECT_TRUE(provider_stays("acked", 1));
	EXPECT_EQ(0, provider_get("gone"));
}

TEST_F(provider, one_that_goes_gets_its_staged_event_back_and_readers_keep_it)
{
	struct nvme_event event;
	char payload[64];

	ASSERT_EQ(0, provider_offer(self->a, 3, 1));
	ASSERT_EQ(0, provider_set("registered", 0));
	EXPECT_EQ(1, provider_get("fetched"));
	EXPECT_EQ(0, provider_get("acked"));
	EXPECT_EQ(1, provider_get("gone"));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 1));
	EXPECT_EQ(9, provider_fetch(self->a, 1, payload, sizeof(payload)));
	EXPECT_EQ(-EAGAIN, event_read_now(self->a, &event));
	EXPECT_TRUE(provider_stays("acked", 0));
	EXPECT_EQ(1, provider_get("gone"));

	/* What it had not been asked for is there when it comes again. */
	ASSERT_EQ(0, provider_set("registered", 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 2, 2));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 3, 3));
	EXPECT_TRUE(wait_until(provider_get("acked") == 2));
	EXPECT_EQ(3, provider_get("fetched"));
}

TEST_F(provider, readers_that_sleep_do_not_notice_that_it_goes)
{
	struct nvme_event events[READERS];
	struct read_call parameters[READERS];
	struct call calls[READERS];
	int fds[READERS];
	unsigned int i;

	for (i = 0; i < READERS; i++) {
		fds[i] = controller_open(&self->controller, O_RDONLY);
		ASSERT_LE(0, fds[i]);
		parameters[i] = (struct read_call){ fds[i], &events[i], sizeof(events[i]) };
		ASSERT_EQ(0, call_start(&calls[i], call_read, &parameters[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	ASSERT_EQ(0, provider_set("registered", 0));
	usleep(QUIET_MS * 1000);
	for (i = 0; i < READERS; i++)
		EXPECT_TRUE(call_blocks_in(&calls[i], SYS_read));
	ASSERT_EQ(0, provider_set("registered", 1));
	ASSERT_EQ(0, provider_set("post", 1));
	for (i = 0; i < READERS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(sizeof(events[i]), calls[i].result);
		EXPECT_TRUE(provider_said(&events[i], 1, 1));
		ASSERT_EQ(0, call_start(&calls[i], call_read, &parameters[i]));
		ASSERT_TRUE(call_blocks_in(&calls[i], SYS_read));
	}
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	ASSERT_EQ(0, provider_set("registered", 0));
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	for (i = 0; i < READERS; i++) {
		ASSERT_EQ(0, call_finish(&calls[i]));
		EXPECT_EQ(EVENT_RELIABILITY, events[i].dw0);
		close(fds[i]);
	}
}

TEST_F(provider, it_may_outlive_the_controller)
{
	struct nvme_event event;

	ASSERT_EQ(0, provider_offer(self->a, 2, 1));
	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_EQ(EVENT_REMOVED, event.dw0);
	EXPECT_EQ(-1, read(self->a, &event, sizeof(event)));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_TRUE(wait_until(provider_get("acked") == 1));
	/* Nobody can ever read the second. */
	ASSERT_EQ(0, provider_set("post", 0));
	EXPECT_TRUE(provider_stays("fetched", 1));
	EXPECT_EQ(0, provider_set("registered", 0));
	EXPECT_EQ(-ENODEV, provider_set("registered", 1));

	ASSERT_EQ(0, controller_bind(&self->controller));
	close(self->a);
	self->a = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->a);
	ASSERT_EQ(0, provider_set("registered", 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 2));
}

TEST_F(provider, a_controller_has_sixteen_at_most)
{
	struct nvme_event event;

	EXPECT_EQ(-ENOSPC, provider_set("most", 1));
	EXPECT_EQ(PROVIDERS_MOST - 1, provider_get("most"));
	EXPECT_EQ(-ENOSPC, provider_set("most", 1));
	EXPECT_EQ(PROVIDERS_MOST - 1, provider_get("most"));
	ASSERT_EQ(0, provider_offer(self->a, 1, 1));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 1, 1));
}

TEST_F(provider, one_in_rust_beside_one_in_c)
{
	unsigned int i, of_c = 0, of_rust = 0;
	struct nvme_event event;
	struct log log;
	char payload[64];

	ASSERT_EQ(0, log_open(&log));
	ASSERT_EQ(0, provider_load(PROVIDER_RUST, "events=3"));
	ASSERT_EQ(0, provider_set("post", 3));
	for (i = 1; i <= 6; i++) {
		bool rust;
		__u32 number;

		ASSERT_EQ(0, event_read(self->a, &event));
		rust = event.dw0 == EVENT_PROVIDER_RUST;
		EXPECT_TRUE(provider_said(&event, i, rust ? ++of_rust : ++of_c));
		if (rust) {
			ASSERT_EQ(sizeof(number), provider_fetch(self->b, i, payload, sizeof(payload)));
			memcpy(&number, payload, sizeof(number));
			EXPECT_EQ(event.dw1, number);
		}
	}
	EXPECT_EQ(3, of_c);
	EXPECT_EQ(3, of_rust);
	EXPECT_TRUE(wait_until(provider_get("acked") == 3));
	ASSERT_EQ(0, provider_unload(PROVIDER_RUST));
	EXPECT_TRUE(log_has(&log, PROVIDER_RUST ": fetched 3 delivered 3 gone 0"));

	/* Unloaded with one staged and one not fetched. */
	ASSERT_EQ(0, provider_load(PROVIDER_RUST, "events=2"));
	ASSERT_TRUE(wait_until(provider_newest(self->a) == 7));
	ASSERT_EQ(0, provider_unload(PROVIDER_RUST));
	EXPECT_TRUE(log_has(&log, PROVIDER_RUST ": fetched 1 delivered 0 gone 1"));
	ASSERT_EQ(0, event_read(self->a, &event));
	EXPECT_TRUE(provider_said(&event, 7, 1));
	log_close(&log);
}

TEST_F(provider, the_driver_cannot_be_unloaded_under_one)
{
	char output[256];

	EXPECT_NE(0, run("rmmod nvme_rs 2>&1", output, sizeof(output)));
	EXPECT_NE(NULL, strstr(output, "in use by")) {
		TH_LOG("%s", output);
	}
}

TEST_HARNESS_MAIN
