// SPDX-License-Identifier: GPL-2.0-only
/* Commands in an envelope for which the controller outside of QEMU is needed: with data both ways, without an end. */
#include "kselftest_harness.h"

#include "lib/envelope.h"
#include "lib/liar.h"
#include "lib/util.h"

#define INVERT 0xc3
#define MOST 20000
#define UNTOUCHED 0x5a
#define BLOCK 512
#define HANGING 8

FIXTURE(both_ways)
{
	struct liar liar;
};

FIXTURE_SETUP(both_ways)
{
	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
}

FIXTURE_TEARDOWN(both_ways)
{
	EXPECT_EQ(0, liar_unbind(&self->liar));
	EXPECT_EQ(0, liar_end(&self->liar));
}

/* The controller gets what there is and zeros after that, and its answer goes behind. */
TEST_F(both_ways, what_goes_in_stays_and_what_comes_out_comes_after)
{
	static const struct {
		unsigned int in, out;
	} sizes[] = {
		{ 100, 100 }, { 100, 200 }, { 200, 100 }, { 0, 64 }, { 64, 0 }, { 4096, 4096 },
		{ 4095, 4097 }, { 1, MOST }, { MOST, 1 }, { MOST, MOST },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_LENGTH(sizes); i++) {
		unsigned int in = sizes[i].in, out = sizes[i].out;
		struct envelope envelope = envelope_new(in + out + 8);
		unsigned char *answer = envelope.payload + in;

		*envelope.call = (struct nvme_call){
			.size = CALL_BYTES, .command = INVERT, .cdw10 = in > out ? in : out,
			.size_in = in, .size_out = out,
		};
		pattern_fill(envelope.payload, in, i);
		memset(answer, UNTOUCHED, out + 8);
		ASSERT_EQ(0, envelope_call(self->liar.node, envelope.call));
		EXPECT_EQ(0, envelope.call->status);
		/* Nobody but the controller knows what it had. */
		EXPECT_EQ(in > out ? in : out, envelope.call->fw_size);
		EXPECT_TRUE(pattern_is(envelope.payload, in, i));
		for (j = 0; j < out; j++) {
			unsigned char was = j < in ? envelope.payload[j] : 0;

			ASSERT_EQ((unsigned char)~was, answer[j]) {
				TH_LOG("%u bytes in, %u out, byte %u", in, out, j);
			}
		}
		EXPECT_TRUE(memory_is(answer + out, 8, UNTOUCHED));
		envelope_free(&envelope);
	}
}

FIXTURE(endless)
{
	struct liar liar;
	struct passthru nodes;
	struct ring ring;
	struct envelope envelopes[HANGING];
};

FIXTURE_SETUP(endless)
{
	unsigned int i;

	ASSERT_EQ(0, liar_begin(&self->liar));
	ASSERT_EQ(0, liar_bind(&self->liar));
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	ASSERT_EQ(0, ring_open(&self->ring, HANGING, 0));
	for (i = 0; i < HANGING; i++)
		self->envelopes[i] = envelope_new(BLOCK);
}

FIXTURE_TEARDOWN(endless)
{
	unsigned int i;

	ring_close(&self->ring);
	for (i = 0; i < HANGING; i++)
		envelope_free(&self->envelopes[i]);
	passthru_close(&self->nodes);
	EXPECT_EQ(0, liar_unbind(&self->liar));
	EXPECT_EQ(0, liar_end(&self->liar));
}

/* All of them do, and nothing is written to the memory of a command that was not completed. */
TEST_F(endless, commands_of_a_ring_end_when_the_controller_is_reset)
{
	struct ring_answer answer;
	unsigned int i, ended = 0;

	for (i = 0; i < HANGING; i++) {
		struct envelope *envelope = &self->envelopes[i];

		envelope_read(envelope->call, 1, i);
		memset(envelope->payload, UNTOUCHED, BLOCK);
		memset((char *)envelope->call + ANSWER_AT, UNTOUCHED, CALL_BYTES - ANSWER_AT);
		ASSERT_EQ(0, lie(&self->liar, LIE_HANGS, 0));
		ASSERT_EQ(0, envelope_push(&self->ring, self->nodes.ns, envelope->call, 0, i));
		ASSERT_EQ(1, ring_submit(&self->ring));
		ASSERT_TRUE(wait_until(liar_answer(&self->liar, QUESTION_HANGING) == i + 1));
	}
	EXPECT_FALSE(ring_peek(&self->ring, &answer));
	ASSERT_EQ(0, liar_reset(&self->liar));
	for (i = 0; i < HANGING; i++) {
		ASSERT_EQ(0, ring_reap(&self->ring, &answer, LIMIT_MS));
		EXPECT_EQ(-EINTR, answer.res);
		ASSERT_GT(HANGING, answer.tag);
		ended |= 1 << answer.tag;
		EXPECT_TRUE(memory_is((char *)self->envelopes[answer.tag].call + ANSWER_AT,
				      CALL_BYTES - ANSWER_AT, UNTOUCHED));
		EXPECT_TRUE(memory_is(self->envelopes[answer.tag].payload, BLOCK, UNTOUCHED));
	}
	EXPECT_EQ((1 << HANGING) - 1, ended);
	EXPECT_FALSE(ring_peek(&self->ring, &answer));
	EXPECT_EQ(0, liar_serves(&self->liar));
	EXPECT_EQ(0, liar_informs(&self->liar));
}

TEST_HARNESS_MAIN
