// SPDX-License-Identifier: GPL-2.0-only
/* Commands in an envelope with data both ways, which only the controller outside of QEMU has. */
#include "kselftest_harness.h"

#include "lib/envelope.h"
#include "lib/liar.h"
#include "lib/util.h"

#define INVERT 0xc3
#define MOST 20000
#define UNTOUCHED 0x5a

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

TEST_HARNESS_MAIN
